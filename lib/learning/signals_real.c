/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/real.h"
#include "learning/rule.h"

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
