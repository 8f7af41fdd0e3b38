/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/real.h"
#include "learning/rule.h"
#include "math/backend.h"

/* out = delta P, where P is n x cols, or its transpose is stored. */
static falign_status send_back(const falign_trace *trace, const void *delta, size_t n, const void *p, bool transposed,
                               size_t cols, real *out) {
  return REAL(fal_gemm)(trace->step.backend, 0, transposed, trace->step.rows, cols, n, 1, delta, n, p,
                        transposed ? n : cols, 0, out, cols);
}

/* BP: delta[l+1] W[l]^T (eq. 19). */
falign_status REAL(fal_signal_bp)(const falign_network *network, const falign_trace *trace, uint32_t l, real *out) {
  const size_t *n = network->widths;
  return send_back(trace, trace->deltas[l + 1], n[l + 1], fal_weights(network, l), true, n[l], out);
}

/* FA: delta[l+1] B[l] (eq. 21). */
falign_status REAL(fal_signal_fa)(const falign_rule *rule, const falign_trace *trace, uint32_t l, real *out) {
  const size_t *n = rule->widths;
  return send_back(trace, trace->deltas[l + 1], n[l + 1], rule->feedback[l], false, n[l], out);
}

/* DFA: delta[d] F[l] (eq. 6). */
falign_status REAL(fal_signal_dfa)(const falign_rule *rule, const falign_trace *trace, uint32_t l, real *out) {
  const size_t *n = rule->widths;
  uint32_t d = rule->layers;
  return send_back(trace, trace->deltas[d], n[d], rule->feedback[l], false, n[l], out);
}

/* Returns the index of the first number that is not finite; `count` if there is none. */
static size_t find_bad(const real *x, size_t count) {
  size_t i = 0;
  while (i < count && isfinite(x[i])) i++;
  return i;
}

void REAL(fal_signal_blank)(real *out, size_t count) {
  for (size_t i = 0; i < count; i++) out[i] = (real)NAN;
}

/* Blames the rule only if all deltas above are finite. */
falign_status REAL(fal_signal_check)(const falign_rule *rule, const falign_trace *trace, uint32_t l, const real *out) {
  const size_t *n = trace->network->widths, rows = trace->step.rows;
  size_t bad = find_bad(out, rows * n[l]);
  if (bad == rows * n[l]) return FALIGN_OK;
  unsigned long long k = trace->step.iteration;
  for (uint32_t above = trace->network->layers; above > l; above--) {
    if (find_bad(trace->deltas[above], rows * n[above]) < rows * n[above])
      return fal_fail(FALIGN_DIVERGED, "diverged at iteration %llu, layer %u: delta[%u] is not finite", k, above,
                      above);
  }
  return fal_fail(FALIGN_DIVERGED,
                  "diverged at iteration %llu: rule %s: row %zu, column %zu of the signal to layer %u is %g%s", k,
                  rule->table.name, trace->step.first_row + bad / n[l], bad % n[l], l, (double)out[bad],
                  isnan(out[bad]) ? ", or was not written" : "");
}
