/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_DISTURBANCE_H
#define FAL_DISTURBANCE_H

#include "falign/disturbance.h"
#include "analysis/terms.h"

/* The updates that disturbed error signals would have made: D[l-1] = eta L[l-1]^T delta[l], with
 * delta[l] = signal .* f' by a rule of their own or from shuffled rows. A part of the history, which owns it. */
typedef struct {
  const falign_network *network;
  falign_rule *rule; /* whose signal it is */
  bool shuffles;
  uint64_t seed, iteration; /* the last one */
  uint32_t run;
  size_t *at;           /* where D[l-1] begins in the part, l = 1..d-1 */
  size_t rows;          /* there is room for */
  uint32_t *order;      /* of the rows */
  void **deltas;        /* [2..d], shuffled, rows x n[l]; [1] is room for a signal */
  size_t widest_signal; /* numbers of a row of [1] */
} fal_disturbed;

/* Fills the part of one step; disturbed.c, of one precision each. */
falign_status fal_disturbed_fill_f32(const fal_disturbed *disturbed, const falign_trace *trace, float *out);
falign_status fal_disturbed_fill_f64(const fal_disturbed *disturbed, const falign_trace *trace, double *out);

#endif
