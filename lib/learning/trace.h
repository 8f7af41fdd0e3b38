/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_TRACE_H
#define FAL_TRACE_H

#include "math/angle.h"
#include "falign/trace.h"
#include "learning/network.h"

/* Matrices are contiguous, but L[0] and the target may be the caller's own. NULL: not kept. */
struct falign_trace {
  const falign_network *network; /* for the shapes */
  const falign_backend *backend;
  size_t rows, first_row;
  uint64_t iteration;
  double eta, loss;
  void **outputs;        /* L[0..d] */
  void **states;         /* Z[1..d] */
  void **deltas;         /* delta[1..d] */
  void **bp_deltas;      /* what BP would send */
  uint32_t lowest_delta; /* delta[l] is known from this layer up; BP's only when all are */
  const void *target;    /* Y* */
  size_t input_stride, target_stride;
  const void *update;    /* dW and db, laid out as the network's parameters */
  const void *bp_update; /* what BP would add */
  void *storage;         /* of the matrices that the trace itself owns, the target first */
  size_t storage_rows;
  bool storage_bp;
};

/* Room for the pointers of all layers. */
falign_status fal_trace_init(falign_trace *trace, const falign_network *network);
void fal_trace_clear(falign_trace *trace);
/* Gives the trace matrices of its own for at least so many rows, BP's among them if asked for. */
falign_status fal_trace_reserve(falign_trace *trace, size_t rows, bool bp);
/* Lets `view` hold no matrices. */
void fal_trace_blank(falign_trace *view);
/* Points `view` to rows first.. of the matrices that `from` owns. */
void fal_trace_aim(falign_trace *view, const falign_trace *from, size_t first, size_t rows);
/* As falign_trace_view_f32() and _f64(), in the trace's precision. */
falign_status fal_trace_view(const falign_trace *trace, falign_quantity quantity, uint32_t l, fal_view *out);

#endif
