/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "analysis/disturbance.h"
#include "learning/activation.h"
#include "base/real.h"

/* Row i of the shuffled matrix is row order[i] of delta[l]. */
static void shuffle(const fal_disturbed *disturbed, const falign_trace *trace, uint32_t l) {
  size_t cols = disturbed->network->widths[l];
  const real *from = trace->deltas[l];
  real *to = disturbed->deltas[l];
  for (size_t i = 0; i < trace->rows; i++) memcpy(to + i * cols, from + disturbed->order[i] * cols, cols * sizeof *to);
}

/* D[l-1] = eta L[l-1]^T { signal .* f'(Z[l]) } */
static falign_status fill_layer(const fal_disturbed *disturbed, const falign_trace *seen, uint32_t l, real *out) {
  const falign_network *network = disturbed->network;
  const size_t *n = network->widths;
  real *delta = disturbed->deltas[1];
  FAL_TRY(REAL(fal_rule_signal)(disturbed->rule, network, seen, l, delta));
  REAL(fal_times_derivative)
  (&network->activation[l], delta, seen->states[l], seen->outputs[l], delta, seen->rows * n[l]);
  return REAL(falign_backend_gemm)(seen->backend, 1, 0, n[l - 1], n[l], seen->rows, (real)seen->eta,
                                   seen->outputs[l - 1], l == 1 ? seen->input_stride : n[l - 1], delta, n[l], 0, out,
                                   n[l]);
}

falign_status REAL(fal_disturbed_fill)(const fal_disturbed *disturbed, const falign_trace *trace, real *out) {
  uint32_t d = disturbed->network->layers;
  falign_trace seen = *trace; /* what the rule sees of the step */
  for (uint32_t l = 2; l <= d && disturbed->shuffles; l++) shuffle(disturbed, trace, l);
  if (disturbed->shuffles) seen.deltas = disturbed->deltas;
  for (uint32_t l = 1; l < d; l++) FAL_TRY(fill_layer(disturbed, &seen, l, out + disturbed->at[l]));
  return FALIGN_OK;
}
