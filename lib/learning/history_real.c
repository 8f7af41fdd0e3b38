/* SPDX-License-Identifier: Apache-2.0 */
#include "base/real.h"
#include "learning/history.h"
#include "math/backend.h"

/* Adds L[l-1]^T delta[l+1], or with `direct` L[l-1]^T delta[d], for l = 1..d-1; writes it if `fresh`. */
static falign_status add_correlations(const falign_history *history, const falign_trace *trace, bool direct, bool fresh,
                                      real *sums) {
  const size_t *n = trace->network->widths, *at = direct ? history->direct_at : history->c_at;
  uint32_t d = trace->network->layers;
  for (uint32_t l = 1; l < d; l++) {
    uint32_t above = direct ? d : l + 1;
    FAL_TRY(REAL(fal_gemm)(trace->step.backend, 1, 0, n[l - 1], n[above], trace->step.rows, 1, trace->outputs[l - 1],
                           fal_output_stride(trace, l - 1), trace->deltas[above], n[above], fresh ? 0 : 1, sums + at[l],
                           n[above]));
  }
  return FALIGN_OK;
}

falign_status REAL(fal_history_correlate)(const falign_history *history, const falign_trace *trace, bool fresh,
                                          real *sums) {
  if (history->keeps & FALIGN_KEEP_C) FAL_TRY(add_correlations(history, trace, false, fresh, sums));
  if (history->keeps & FALIGN_KEEP_DIRECT) FAL_TRY(add_correlations(history, trace, true, fresh, sums));
  return FALIGN_OK;
}
