/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/loss.h"

#include "base/real.h"
#include "base/vector.h"

enum { SUMS = 8 }; /* partial sums, so that an addition need not wait for the one before */

/* e = y* - y of a row; adds the squares to `sums`. */
FAL_LOOP void subtract_loop(const real *restrict target, const real *restrict output, real *restrict error, size_t cols,
                            double sums[SUMS]) {
  size_t j = 0;
  for (; j + SUMS <= cols; j += SUMS) {
    for (size_t k = 0; k < SUMS; k++) {
      real e = target[j + k] - output[j + k];
      error[j + k] = e;
      sums[k] += (double)e * (double)e;
    }
  }
  for (size_t k = 0; j < cols; j++, k++) {
    real e = target[j] - output[j];
    error[j] = e;
    sums[k] += (double)e * (double)e;
  }
}

FAL_VECTOR(void, subtract, (const real *target, const real *output, real *error, size_t cols, double sums[SUMS]),
           subtract_loop(target, output, error, cols, sums))

/* E = Y* - Y; returns 1/2 sum E^2. */
double REAL(fal_squared_error)(const falign_trace *block, real *signal) {
  uint32_t d = block->network->layers;
  size_t cols = block->network->widths[d];
  const real *target = block->target, *output = block->outputs[d];
  double sums[SUMS] = {0}, sum = 0;
  int level = fal_vector_level();
  for (size_t i = 0; i < block->step.rows; i++, target += block->target_stride, output += cols, signal += cols)
    subtract[level](target, output, signal, cols, sums);
  for (size_t k = 0; k < SUMS; k++) sum += sums[k];
  return sum / 2;
}
