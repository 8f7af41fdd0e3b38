/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_TRAINER_H
#define FAL_TRAINER_H

#include "base/pool.h"
#include "data/batches.h"
#include "falign/trainer.h"
#include "learning/history.h"
#include "learning/loss.h"
#include "learning/optimizer.h"
#include "learning/range.h"
#include "learning/rule.h"
#include "learning/trace.h"

enum {
  FAL_BLOCK = 72,                     /* rows that go through a whole step while they are in cache, at most */
  FAL_LARGE_BLOCK = 128,              /* the same for networks whose weights do not fit in cache */
  FAL_LARGE = 1 << 18,                /* parameters of such a network */
  FAL_LANES = 16,                     /* partial sums of the updates, at most */
  FAL_LANES_BYTES = 64 * 1024 * 1024, /* of all lanes together, about */
  FAL_PIECE = 8192,                   /* parameters that a thread sums up and adds at a time */
  FAL_NEEDS_ALL = FALIGN_NEEDS_STEP | FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP
};

typedef struct {
  falign_metric *metric;
  uint64_t every; /* 0: at the iterations below */
  uint64_t *at;
  size_t at_count;
  falign_value_fn sink;
  void *user;
} fal_observer;

/* The working memory of a thread. */
typedef struct {
  falign_trace scratch; /* owns the matrices of a block */
  falign_trace block;   /* views the present rows, in `scratch` or, if activity is kept, in the whole batch */
} fal_worker;

/* The results of a lane. */
typedef struct {
  fal_outcome outcome;
  uint32_t bad_layer; /* the l for which Z[l] or L[l] is not finite; 0: none */
  double loss;
  uint64_t wrong; /* wrongly decoded rows */
} fal_lane;

/* Sums over the batch: updates, with the layout of the network's parameters, or correlations. */
typedef struct {
  void *whole;   /* of lane 0, then of all */
  void *partial; /* of lanes 1.., one after the other */
  size_t count, partials;
} fal_sums;

/* Where rows come from: the caller's matrices, or a batch. */
typedef struct {
  size_t rows;
  const falign_view *x, *y;      /* in the network's precision; y is NULL if only L[d] is computed */
  const falign_batches *batches; /* if not NULL: its batch k instead of x and y */
  uint64_t k;
} fal_row_source;

/* What a trainer is doing; decides what a callback may call. */
typedef enum { FAL_IDLE, FAL_COMPUTING, FAL_OBSERVING, FAL_EVALUATING, FAL_APPLYING } fal_phase;

typedef struct {
  fal_phase phase;
  const void *observing_thread; /* identifies the thread on which observers run; NULL while they do not */
  fal_pool *pool;               /* NULL for one thread */
  uint32_t threads;
  fal_worker *workers; /* one for each thread */
  falign_trace whole;  /* owns the matrices of a whole batch, if activity is kept */
  falign_trace last;   /* the last step, as others see it */
  bool last_valid;
  fal_lane lanes[FAL_LANES];
  size_t lane_count, block_count;
  fal_sums update, bp_update, correlations; /* the rule's, BP's, and those of the history */
} fal_work;

struct falign_trainer {
  fal_refs refs;
  falign_network *network;
  falign_rule *rule;
  const falign_norm *norm; /* NULL: none */
  double *column_room;     /* see fal_norm_column_room() */
  const falign_backend *backend;
  const fal_loss *loss;
  fal_optimizer_work optimizer;
  double eta;
  int32_t keep;
  falign_history *history; /* NULL: none */
  uint64_t iteration;
  double *start_norm; /* of W[l] at iteration 0 */
  bool started;
  fal_observer *observers;
  size_t observer_count;
  falign_progress_fn progress;
  void *progress_user;
  atomic_int cancel;
  fal_work *work;
};

/* One pass over rows, as the lanes see it. */
typedef struct {
  const falign_trainer *trainer;
  fal_row_source source;
  bool imposed;   /* y is delta[d] */
  bool bp;        /* compute BP's deltas and update beside the rule's */
  bool show_bp;   /* show BP's deltas and update in the trace */
  bool keep;      /* keep the activity of all rows in the trace */
  bool correlate; /* sum the correlations for the history */
  void *outputs;  /* forward only: receives L[d], contiguous */
} fal_pass;

/* trainer.c */
/* Measures the norms of W[l] before the first step. */
void fal_measure_start_norms(falign_trainer *trainer);
/* Fail unless inputs, or targets or deltas called `name`, or batches match the network. */
falign_status fal_check_inputs(const falign_trainer *trainer, const falign_view *x);
falign_status fal_check_outputs(const falign_trainer *trainer, const char *name, const falign_view *y, size_t rows);
falign_status fal_check_batches(const falign_trainer *trainer, const falign_batches *batches);

/* phase.c */
/* Fails unless the trainer is idle. Changes nothing, so any thread may call it. */
falign_status fal_check_idle(const falign_trainer *trainer);
/* Begins a phase of an idle trainer; evaluation may also begin while observers run. Retains the trainer until
 * fal_phase_end(), since a callback may release the caller's reference. */
falign_status fal_phase_begin(falign_trainer *trainer, fal_phase phase, fal_phase *before);
void fal_phase_end(falign_trainer *trainer, fal_phase before);
/* Between these, observers run on this thread, and no other may call the trainer. The phase stays FAL_OBSERVING. */
void fal_begin_observing(const falign_trainer *trainer);
void fal_end_observing(const falign_trainer *trainer);

/* sums.c */
falign_status fal_sums_reserve(const falign_trainer *trainer, fal_sums *sums, size_t count);
/* Adds the lanes in their order. */
void fal_sums_gather(const falign_trainer *trainer, const fal_sums *sums);
/* The same for the update, from which the optimizer computes its increments; returns false if the next parameters would
 * not be finite. */
bool fal_sums_propose(const falign_trainer *trainer);
/* Lets the optimizer change the network's parameters. */
void fal_sums_apply(falign_trainer *trainer);
void fal_sums_clear(fal_sums *sums);

/* step.c */
typedef enum {
  FAL_TRAIN,  /* on targets */
  FAL_IMPOSE, /* y is delta[d] */
  FAL_PROBE   /* on targets, without learning */
} fal_step_kind;
falign_status fal_step(falign_trainer *trainer, const fal_row_source *source, fal_step_kind kind);
/* Cuts `rows` into blocks and lanes and gives each worker room. */
falign_status fal_plan_lanes(const falign_trainer *trainer, size_t rows, bool bp);
/* The status of the first lane that failed. */
falign_status fal_lanes_status(const falign_trainer *trainer, const fal_row_source *source, const char *y_name);
/* Fails if an input or a target is not finite in the network's precision. */
falign_status fal_check_input_finite(const falign_trainer *trainer, const fal_row_source *source, const char *y_name);

/* observe.c */
int32_t fal_observers_need(const falign_trainer *trainer);
falign_status fal_observe(falign_trainer *trainer, const falign_trace *trace);
void fal_observers_free(falign_trainer *trainer);

/* lane_real.c, one for each precision: tasks of the pool, with a fal_pass */
void fal_train_lane_f32(void *pass, size_t lane, uint32_t worker);
void fal_train_lane_f64(void *pass, size_t lane, uint32_t worker);
void fal_evaluate_lane_f32(void *pass, size_t lane, uint32_t worker);
void fal_evaluate_lane_f64(void *pass, size_t lane, uint32_t worker);
void fal_forward_lane_f32(void *pass, size_t lane, uint32_t worker);
void fal_forward_lane_f64(void *pass, size_t lane, uint32_t worker);
/* Adds the first partial sums in their order to `whole`, for a range of the numbers. */
void fal_add_lanes_f32(const fal_sums *sums, size_t partials, fal_range range);
void fal_add_lanes_f64(const fal_sums *sums, size_t partials, fal_range range);

#endif
