/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_TRACE_H
#define FAL_TRACE_H

#include "falign/trace.h"
#include "learning/network.h"

/* Matrices are contiguous, except that L[0] and the target may be the caller's. NULL: not kept, or not set. */
struct falign_trace {
  const falign_network *network; /* for the shapes */
  falign_step step;
  void **outputs;        /* L[0..d] */
  void **states;         /* Z[1..d] */
  void **deltas;         /* delta[1..d] */
  void **bp_deltas;      /* what BP would send */
  uint32_t lowest_delta; /* delta is known from this layer up; BP's only if this is 1 */
  const void *target;    /* Y* */
  size_t input_stride, target_stride;
  const void *update;    /* dW and db, laid out as the network's parameters */
  const void *applied;   /* what the optimizer adds to W, with the same layout; NULL: the update */
  const void *bp_update; /* what BP would add */
  void *storage;         /* the matrices that a trainer's trace owns, the target first */
  size_t storage_rows;
  bool storage_bp;
  /* For a trace made from arrays, which owns every matrix: which parts of the updates were set, d + 1 for each quantity
   * from FALIGN_DW to FALIGN_DB_BP. NULL in a trainer's trace, whose updates are complete. */
  bool *set;
};

/* Makes an empty trace. */
falign_status fal_trace_init(falign_trace *trace, const falign_network *network);
void fal_trace_clear(falign_trace *trace);
/* Allocates matrices for at least so many rows, with BP's deltas if `bp`. */
falign_status fal_trace_reserve(falign_trace *trace, size_t rows, bool bp);
/* Removes all matrices from `view`, which owns none. */
void fal_trace_blank(falign_trace *view);
/* Points `view` to rows first..first+rows-1 of the matrices that `from` owns. */
void fal_trace_select_rows(falign_trace *view, const falign_trace *from, size_t first, size_t rows);

/* Whether falign_trace_view() finds a matrix; `l` must be valid for the quantity. */
bool fal_trace_has(const falign_trace *trace, falign_quantity what, uint32_t l);
/* Fails unless the trace has L, Z and delta of all hidden layers. */
falign_status fal_trace_check_activity(const falign_trace *trace);

/* Numbers from one row of L[l] to the next: L[0] may be the caller's. */
static inline size_t fal_output_stride(const falign_trace *trace, uint32_t l) {
  return l == 0 ? trace->input_stride : trace->network->widths[l];
}

#endif
