/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_DISTURBANCE_H
#define FAL_DISTURBANCE_H

#include "analysis/terms.h"
#include "falign/disturbance.h"

/* The updates that disturbed error signals would have made: D[l-1] = eta L[l-1]^T delta[l], where
 * delta[l] = signal .* f' comes from another rule or from shuffled rows. A part of the history, which owns it. */
typedef struct {
  const falign_network *network;
  falign_rule *rule; /* which computes the signal */
  bool shuffles;
  uint64_t seed;
  uint32_t run;
  uint64_t iteration;   /* of the last step */
  size_t step_rows;     /* of that step */
  size_t *at;           /* where D[l-1] begins in the part, l = 1..d-1 */
  size_t rows;          /* for which there is room */
  uint32_t *order;      /* of the rows */
  void **deltas;        /* [2..d]: shuffled, rows x n[l]; [1]: room for a signal */
  size_t widest_signal; /* numbers of a row of [1] */
} fal_disturbed;

/* disturbance_real.c, one for each precision: fills the part of one step. */
falign_status fal_disturbed_fill_f32(const fal_disturbed *disturbed, const falign_trace *trace, float *out);
falign_status fal_disturbed_fill_f64(const fal_disturbed *disturbed, const falign_trace *trace, double *out);

#endif
