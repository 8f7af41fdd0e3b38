/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_SWEEP_H
#define KIT_SWEEP_H

/* What a network with given weights makes of the whole data set: it learns nothing by it. */

#include "digits.h"

/* Outputs L[l-1] and errors delta[l+1] of each point. */
typedef struct sweep {
  size_t points, l_width; /* numbers of delta[l+1]: DIGITS_WIDTH */
  float *l, *delta;
  double *norms; /* of each point's delta[d], which tells how well it is classified */
  uint32_t *labels;
} sweep;

/* Of the first `points` points in the order of a run, which are full batches: with the weights of `network`, and the
 * rule of the run. After a failure, too, it is to be released. */
falign_status sweep_make(const digits_run *run, falign_network *network, size_t points, uint32_t l, sweep *out);
void sweep_release(sweep *s);

#endif
