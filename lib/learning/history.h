/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_HISTORY_H
#define FAL_HISTORY_H

#include "falign/history.h"
#include "learning/rule.h"
#include "learning/trace.h"

/* An entry for each step holds eta, then numbers in the network's precision: the parameters up to b[d-1], their update,
 * with FALIGN_KEEP_APPLIED the applied increments, the correlations, and the parts added by fal_history_add_part(). */

/* Numbers that a user of the history computes for each step; see fal_history_add_part(). */
typedef struct {
  size_t at, count; /* where it begins in an entry, and its length, in numbers */
  falign_status (*fill)(void *user, const falign_trace *trace, void *out);
  void (*destroy)(void *user);
  void *user;
} fal_history_part;

typedef struct fal_spill fal_spill;

struct falign_history {
  fal_refs refs;
  falign_network *network;
  int32_t keeps;
  uint64_t window; /* 0: all */
  uint64_t limit;
  fal_spill *spill; /* NULL: steps beyond the limit fail */

  size_t parameters; /* of the layers below the last */
  size_t *c_at;      /* where C[l] and L[l-1]^T delta[d] begin among the correlations; l = 1..d-1 */
  size_t *direct_at;
  size_t correlations; /* numbers of all kept correlations */
  fal_history_part *parts;
  size_t part_count;
  size_t numbers; /* of an entry */

  uint64_t runs;   /* how often it has begun from empty */
  uint64_t origin; /* the first step since it was empty */
  uint64_t first;  /* the steps it holds: first..end-1 */
  uint64_t end;
  void **entries; /* by slot; NULL if not in memory */
  size_t entry_count, entry_capacity;
  void *scratch; /* room for an entry of the file */
  void *start;   /* all parameters of the network at `origin` */
  double *sum;   /* sum of eta times the correlations of steps origin..summed-1 */
  uint64_t summed;
};

void fal_history_retain(falign_history *history);

/* Views `count` numbers of step k from number `at` of its entry on: in memory, or read to `scratch`. Returns NULL, with
 * a message, if the file cannot be read. The history must hold the step. */
const void *fal_history_view(const falign_history *history, uint64_t k, size_t at, size_t count, void *scratch);
/* Fails unless the history holds the step. */
falign_status fal_history_check(const falign_history *history, uint64_t k);
/* Returns W[l] of the first step, l = 0..d-1. */
const void *fal_history_start(const falign_history *history, uint32_t l);
/* Fails if the history has a step. */
falign_status fal_history_check_unbegun(const falign_history *history);
falign_status fal_history_eta(const falign_history *history, uint64_t k, double *eta);
/* Where these begin among the numbers of an entry. */
size_t fal_history_weights_at(const falign_history *history, uint32_t l);
size_t fal_history_bias_at(const falign_history *history, uint32_t l);
/* The applied increments; the update without FALIGN_KEEP_APPLIED. */
size_t fal_history_applied_at(const falign_history *history, uint32_t l);
size_t fal_history_correlations_at(const falign_history *history);
size_t fal_history_correlation_at(const falign_history *history, uint32_t l, bool direct);

/* Adds `count` numbers to each entry, which `fill` computes from the trace of the whole batch. Fails after the first
 * step. On success the history owns `user`. */
falign_status fal_history_add_part(falign_history *history, size_t count,
                                   falign_status (*fill)(void *user, const falign_trace *trace, void *out),
                                   void (*destroy)(void *user), void *user, size_t *part);
size_t fal_history_part_at(const falign_history *history, size_t part);

/* Adds the C[l] and L[l-1]^T delta[d] of the trace's rows that the history keeps to `sums`, or writes them there if
 * they are `fresh`. */
falign_status fal_history_correlate_f32(const falign_history *history, const falign_trace *trace, bool fresh,
                                        float *sums);
falign_status fal_history_correlate_f64(const falign_history *history, const falign_trace *trace, bool fresh,
                                        double *sums);
/* For the trainer: records the step of a trace with its correlations, and removes step k again if it failed
 * afterwards. */
falign_status fal_history_record(falign_history *history, const falign_trace *trace, const void *correlations);
void fal_history_remove_last(falign_history *history, uint64_t k);
/* Whether the parts need L, Z and delta of the whole batch. */
bool fal_history_needs_activity(const falign_history *history);

/* spill.c: a file without a name. */
falign_status fal_spill_create(const char *directory, fal_spill **out);
void fal_spill_destroy(fal_spill *spill);
/* Frees the disk space. */
void fal_spill_empty(const fal_spill *spill);
falign_status fal_spill_write(const fal_spill *spill, const void *data, size_t size, uint64_t at);
falign_status fal_spill_read(const fal_spill *spill, void *data, size_t size, uint64_t at);

#endif
