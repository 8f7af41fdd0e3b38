/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_HISTORY_H
#define FAL_HISTORY_H

#include "falign/history.h"
#include "learning/rule.h"
#include "learning/trace.h"

/* A step is kept as one entry: eta, then numbers in the network's precision: the parameters up to b[d-1], their update,
 * the correlations that are kept, and the parts that others have added. */

/* Numbers that somebody else computes for each step, of the whole batch; see fal_history_add_part(). */
typedef struct {
  size_t at, count; /* place among the numbers of an entry */
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
  fal_spill *spill; /* NULL: refuse what is beyond the limit */

  size_t parameters; /* of the layers below the last */
  size_t *c_at;      /* where C[l] and L[l-1]^T delta[d] begin among the correlations; l = 1..d-1 */
  size_t *direct_at;
  size_t correlations; /* numbers of those that are kept */
  fal_history_part *parts;
  size_t part_count;
  size_t numbers; /* of an entry */

  uint64_t origin; /* the first step since it was empty */
  uint64_t first;  /* the steps it holds: first..end-1 */
  uint64_t end;
  void **entries; /* those in memory, by slot */
  size_t entry_count, entry_capacity;
  void *scratch; /* an entry on its way to the file */
  void *start;   /* all parameters of the network at `origin` */
  double *sum;   /* sum of eta times the correlations of steps origin..summed-1 */
  uint64_t summed;
};

void fal_history_keep_reference(falign_history *history);

/* Where the numbers of step k lie, from number `at` of an entry on: in memory, or read to `scratch`, which has room for
 * `count`. NULL, with a message, where the file cannot be read. The step must be there. */
const void *fal_history_view(const falign_history *history, uint64_t k, size_t at, size_t count, void *scratch);
/* Fails unless the step is held; the parameters of `origin` always are. */
falign_status fal_history_check(const falign_history *history, uint64_t k);
/* W[l] of the first step, l = 0..d-1. */
const void *fal_history_start(const falign_history *history, uint32_t l);
/* Fails after the first step. */
falign_status fal_history_check_unbegun(const falign_history *history);
falign_status fal_history_eta(const falign_history *history, uint64_t k, double *eta);
/* Places among the numbers of an entry. */
size_t fal_history_weights_at(const falign_history *history, uint32_t l);
size_t fal_history_bias_at(const falign_history *history, uint32_t l);
size_t fal_history_update_at(const falign_history *history, uint32_t l);
size_t fal_history_correlations_at(const falign_history *history);
size_t fal_history_correlation_at(const falign_history *history, uint32_t l, bool direct);

/* Adds `count` numbers to each entry, which `fill` computes from the trace of the whole batch. Only before the first
 * step. On success the history destroys `user` in the end. */
falign_status fal_history_add_part(falign_history *history, size_t count,
                                   falign_status (*fill)(void *user, const falign_trace *trace, void *out),
                                   void (*destroy)(void *user), void *user, size_t *part);
size_t fal_history_part_at(const falign_history *history, size_t part);

/* For the trainer: records the step of a trace, with its correlations; and takes that back where the step was not made
 * after all. */
falign_status fal_history_record(falign_history *history, const falign_trace *trace, const void *correlations);
void fal_history_forget(falign_history *history, uint64_t k);
/* FALIGN_NEEDS_... that filling the parts takes. */
bool fal_history_needs_activity(const falign_history *history);

/* spill.c: a file without a name that grows at its end. */
falign_status fal_spill_create(const char *directory, fal_spill **out);
void fal_spill_destroy(fal_spill *spill);
/* Gives the disk space back. */
void fal_spill_empty(const fal_spill *spill);
falign_status fal_spill_write(const fal_spill *spill, const void *data, size_t size, uint64_t at);
falign_status fal_spill_read(const fal_spill *spill, void *data, size_t size, uint64_t at);

#endif
