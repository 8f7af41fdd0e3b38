/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_LOSS_H
#define FAL_LOSS_H

#include "learning/trace.h"

/* A loss. A trainer has one; another is another such struct. */
typedef struct {
  /* Returns the loss of a block's rows and writes the signal to the output layer, minus its gradient with respect to
   * L[d] or to Z[d], to `signal` (contiguous). */
  double (*signal_f32)(const falign_trace *block, float *signal);
  double (*signal_f64)(const falign_trace *block, double *signal);
  bool times_derivative; /* delta[d] is the signal times f'(Z[d]), not the signal itself */
} fal_loss;

extern const fal_loss fal_loss_squared_error;

double fal_squared_error_f32(const falign_trace *block, float *signal);
double fal_squared_error_f64(const falign_trace *block, double *signal);

#endif
