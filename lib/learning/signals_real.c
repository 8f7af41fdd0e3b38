/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/rule.h"

#include <math.h>

#include "base/real.h"
#include "learning/trace.h"

/* out = delta P, with P of n x cols, or stored as its transpose. */
static falign_status send_back(const falign_trace *trace, const void *delta, size_t n, const void *p, bool transposed,
                               size_t cols, real *out) {
  return REAL(falign_backend_gemm)(trace->backend, 0, transposed, trace->rows, cols, n, 1, delta, n, p,
                                   transposed ? n : cols, 0, out, cols);
}

/* BP: delta[l+1] W[l]^T (eq. 19). */
falign_status REAL(fal_signal_bp)(void *user, const falign_rule *rule, const falign_network *network,
                                  const falign_trace *trace, uint32_t l, real *out) {
  (void)user, (void)rule;
  const size_t *n = network->widths;
  return send_back(trace, trace->deltas[l + 1], n[l + 1], fal_weights(network, l), true, n[l], out);
}

/* FA: delta[l+1] B[l] (eq. 21). */
falign_status REAL(fal_signal_fa)(void *user, const falign_rule *rule, const falign_network *network,
                                  const falign_trace *trace, uint32_t l, real *out) {
  (void)user;
  const size_t *n = network->widths;
  return send_back(trace, trace->deltas[l + 1], n[l + 1], rule->feedback[l], false, n[l], out);
}

/* DFA: delta[d] F[l] (eq. 6). */
falign_status REAL(fal_signal_dfa)(void *user, const falign_rule *rule, const falign_network *network,
                                   const falign_trace *trace, uint32_t l, real *out) {
  (void)user;
  const size_t *n = network->widths;
  uint32_t d = network->layers;
  return send_back(trace, trace->deltas[d], n[d], rule->feedback[l], false, n[l], out);
}

/* The first number that is not finite; `count` where all are. */
static size_t find_bad(const real *x, size_t count) {
  size_t i = 0;
  while (i < count && isfinite(x[i])) i++;
  return i;
}

/* Of a caller's rule, whose `out` was NaN before. What came from above is not its fault. */
static falign_status check_signal(const falign_rule *rule, const falign_trace *trace, uint32_t l, const real *out) {
  const size_t *n = trace->network->widths;
  size_t bad = find_bad(out, trace->rows * n[l]);
  if (bad == trace->rows * n[l]) return FALIGN_OK;
  unsigned long long k = trace->iteration;
  for (uint32_t above = trace->network->layers; above > l; above--) {
    if (find_bad(trace->deltas[above], trace->rows * n[above]) < trace->rows * n[above])
      return fal_fail(FALIGN_DIVERGED, "diverged at iteration %llu, layer %u: delta[%u] is not finite", k, above,
                      above);
  }
  return fal_fail(FALIGN_DIVERGED,
                  "diverged at iteration %llu: rule %s: row %zu, column %zu of the signal to layer %u is %g%s", k,
                  rule->table.name, trace->first_row + bad / n[l], bad % n[l], l, (double)out[bad],
                  isnan(out[bad]) ? ", or was not written" : "");
}

falign_status REAL(fal_rule_signal)(const falign_rule *rule, const falign_network *network, const falign_trace *trace,
                                    uint32_t l, real *out) {
  bool own = fal_rule_is_own(rule);
  if (own) return rule->table.REAL(signal)(rule->user, rule, network, trace, l, out);
  for (size_t i = 0; i < trace->rows * network->widths[l]; i++) out[i] = (real)NAN;
  fal_before_callback();
  falign_status status = rule->table.REAL(signal)(rule->user, rule, network, trace, l, out);
  if (status == FALIGN_OK) return check_signal(rule, trace, l, out);
  return fal_fail(FALIGN_CALLBACK, "rule %s failed at layer %u: %s", rule->table.name, l, fal_callback_message(status));
}
