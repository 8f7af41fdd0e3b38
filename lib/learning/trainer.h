/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_TRAINER_H
#define FAL_TRAINER_H

#include "data/batches.h"
#include "falign/trainer.h"
#include "learning/history.h"
#include "learning/rule.h"
#include "base/pool.h"
#include "learning/trace.h"

enum {
  FAL_BLOCK = 72,                     /* rows that go through a whole step while they are in cache, at most */
  FAL_LARGE_BLOCK = 128,              /* the same for networks whose weights are not */
  FAL_LARGE = 1 << 18,                /* parameters of such a network */
  FAL_LANES = 16,                     /* partial sums of the updates, at most */
  FAL_LANES_BYTES = 64 * 1024 * 1024, /* and in all, about */
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

/* What a thread works with. */
typedef struct {
  falign_trace scratch; /* owns the matrices of a block */
  falign_trace block;   /* the rows at hand: of `scratch`, or of the whole trace where activity is kept */
} fal_worker;

/* What came of a lane: a run of blocks whose updates are summed up one after the other. */
typedef struct {
  fal_outcome outcome;
  uint32_t bad_layer; /* l where Z[l] or L[l] is not finite; 0: all are */
  double loss;
  uint64_t wrong; /* rows decoded wrongly */
} fal_lane;

/* Numbers that are summed up over the batch, such as an update, laid out as the network's parameters. */
typedef struct {
  void *whole;   /* of lane 0, then of all */
  void *partial; /* of lanes 1.., one after the other */
  size_t count, partials;
} fal_sums;

/* Where rows come from: the caller's arrays, or a batch. */
typedef struct {
  size_t rows;
  const void *x, *y;
  size_t x_stride, y_stride;
  const falign_batches *batches; /* if not NULL, its batch k instead of x and y */
  uint64_t k;
} fal_rows_in;

/* Where the trainer is: what a callback may call depends on it. */
typedef enum { FAL_IDLE, FAL_COMPUTING, FAL_LOOKING, FAL_EVALUATING, FAL_APPLYING } fal_phase;

typedef struct {
  fal_phase phase;
  const void *looker; /* the thread on which observers look, see fal_this_thread(); NULL while they do not */
  fal_pool *pool;     /* NULL for one thread */
  uint32_t threads;
  fal_worker *workers; /* one a thread */
  falign_trace whole;  /* owns the matrices of a whole batch, where activity is kept */
  falign_trace last;   /* the last step, as others see it */
  bool last_valid;
  fal_lane lanes[FAL_LANES];
  size_t lane_count, block_count;
  fal_sums sums, bp_sums, correlation_sums; /* of updates, and of what the history keeps besides */
} fal_work;

struct falign_trainer {
  fal_refs refs;
  falign_network *network;
  falign_rule *rule;
  const falign_norm *norm;
  const falign_backend *backend;
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

/* One pass over the rows of `in`, as the lanes see it. */
typedef struct {
  const falign_trainer *trainer;
  fal_rows_in in;
  bool imposed;   /* y is delta[d] */
  bool bp;        /* compute BP's deltas and update beside the rule's */
  bool keep;      /* in the whole trace */
  bool correlate; /* also sum up what the history keeps of correlations */
  void *outputs;  /* forward only: where L[d] goes, contiguous */
} fal_pass;

/* trainer.c */
/* For what a trainer that is at work refuses from its callbacks; touches nothing, so that they may be on any thread. */
falign_status fal_check_idle(const falign_trainer *trainer);
/* Begins what only an idle trainer may do, or an evaluation also while observers look. Keeps a reference until
 * fal_leave(), since a callback may give the caller's back. */
falign_status fal_enter(const falign_trainer *trainer, fal_phase phase, fal_phase *before);
void fal_leave(const falign_trainer *trainer, fal_phase before);
/* An address that no other thread has. */
const void *fal_this_thread(void);
void fal_note_start(falign_trainer *trainer);
falign_status fal_check_rows(const falign_trainer *trainer, falign_precision precision, const void *x, size_t rows,
                             size_t x_cols, size_t x_stride, const char *y_name, const void *y, size_t y_cols,
                             size_t y_stride);
falign_status fal_check_batches(const falign_trainer *trainer, const falign_batches *batches);

/* sums.c */
falign_status fal_sums_reserve(const falign_trainer *trainer, fal_sums *sums, size_t count);
/* Adds the lanes up in their order; `w`, unless it is NULL, is what the sum will be added to: false where that would
 * not be finite. */
bool fal_sums_gather(const falign_trainer *trainer, const fal_sums *sums, const void *w);
/* Adds the update to the network's parameters. */
void fal_sums_apply(const falign_trainer *trainer);
void fal_sums_clear(fal_sums *sums);

/* step.c */
falign_status fal_step(falign_trainer *trainer, const fal_rows_in *in, bool imposed);
/* Cuts `rows` into blocks and lanes, and gives each worker room. */
falign_status fal_plan(const falign_trainer *trainer, size_t rows, bool bp);
/* The status of the first lane that failed. */
falign_status fal_lanes_status(const falign_trainer *trainer, const fal_rows_in *in, const char *y_name);
/* Fails where an input, or a target, is not finite in the network's precision. */
falign_status fal_blame_input(const falign_trainer *trainer, const fal_rows_in *in, const char *y_name);
/* Part i of `parts` nearly equal parts of `count`. */
void fal_part(size_t count, size_t parts, size_t i, size_t *first, size_t *length);

/* observe.c */
int32_t fal_observers_need(const falign_trainer *trainer);
falign_status fal_observe(const falign_trainer *trainer, const falign_trace *trace);
void fal_observers_free(falign_trainer *trainer);

/* lane.c, of one precision each: tasks of the pool, with a fal_pass */
void fal_train_lane_f32(void *pass, size_t lane, uint32_t worker);
void fal_train_lane_f64(void *pass, size_t lane, uint32_t worker);
void fal_evaluate_lane_f32(void *pass, size_t lane, uint32_t worker);
void fal_evaluate_lane_f64(void *pass, size_t lane, uint32_t worker);
void fal_forward_lane_f32(void *pass, size_t lane, uint32_t worker);
void fal_forward_lane_f64(void *pass, size_t lane, uint32_t worker);
/* whole = whole + partial sums, in their order, of `count` numbers; one partial sum begins `stride` numbers after the
 * other. */
void fal_add_lanes_f32(float *whole, const float *partial, size_t partials, size_t stride, size_t count);
void fal_add_lanes_f64(double *whole, const double *partial, size_t partials, size_t stride, size_t count);
/* False where w + update is not finite. */
bool fal_next_is_finite_f32(const float *w, const float *update, size_t count);
bool fal_next_is_finite_f64(const double *w, const double *update, size_t count);
/* w = w + update (eqs. 14, 15) */
void fal_apply_f32(float *w, const float *update, size_t count);
void fal_apply_f64(double *w, const double *update, size_t count);

#endif
