/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "analysis/disturbance.h"
#include "base/real.h"
#include "learning/activation.h"
#include "math/backend.h"

/* Row i of the shuffled matrix is row order[i] of delta[l]. */
static void shuffle_rows(const fal_disturbed *disturbed, const falign_trace *trace, uint32_t l) {
  size_t cols = disturbed->network->widths[l];
  const real *from = trace->deltas[l];
  real *to = disturbed->deltas[l];
  for (size_t i = 0; i < trace->step.rows; i++)
    memcpy(to + i * cols, from + disturbed->order[i] * cols, cols * sizeof *to);
}

/* D[l-1] = eta L[l-1]^T { signal .* f'(Z[l]) } */
static falign_status fill_layer(const fal_disturbed *disturbed, const falign_trace *seen, uint32_t l, real *out) {
  const falign_network *network = disturbed->network;
  const size_t *n = network->widths, rows = seen->step.rows;
  real *delta = disturbed->deltas[1];
  const falign_matrix signal = fal_matrix_plain(delta, REAL_PRECISION, rows, n[l]);
  FAL_TRY(fal_rule_signal(disturbed->rule, network, seen, l, &signal));
  REAL(fal_times_derivative)
  (network->activation[l], delta, seen->states[l], seen->outputs[l], delta, rows * n[l]);
  return REAL(fal_gemm)(seen->step.backend, 1, 0, n[l - 1], n[l], rows, (real)seen->step.eta, seen->outputs[l - 1],
                        fal_output_stride(seen, l - 1), delta, n[l], 0, out, n[l]);
}

falign_status REAL(fal_disturbed_fill)(const fal_disturbed *disturbed, const falign_trace *trace, real *out) {
  uint32_t d = disturbed->network->layers;
  falign_trace seen = *trace; /* the step as the rule sees it */
  for (uint32_t l = 2; l <= d && disturbed->shuffles; l++) shuffle_rows(disturbed, trace, l);
  if (disturbed->shuffles) seen.deltas = disturbed->deltas;
  for (uint32_t l = 1; l < d; l++) FAL_TRY(fill_layer(disturbed, &seen, l, out + disturbed->at[l]));
  return FALIGN_OK;
}
