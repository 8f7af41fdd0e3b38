/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/decomposition.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/backend.h"
#include "falign/angle.h"
#include "math/lapack.h"

/* The factors of a layer, in double precision and contiguous. */
typedef struct {
  size_t rows, cols; /* of F[l]; Q[l] is n[l+1] x cols */
  size_t q_rows;
  double *f, *q, *hat, *perp;
  double off; /* the share of its norm by which F_hat[l] may be off; NaN for 0 */
} factors;

struct falign_decomposition {
  uint32_t layers; /* d */
  factors *at;     /* [1..d-1] */
};

void falign_decomposition_destroy(falign_decomposition *decomposition) {
  if (!decomposition) return;
  for (uint32_t l = 1; decomposition->at && l < decomposition->layers; l++) free(decomposition->at[l].f);
  free(decomposition->at);
  free(decomposition);
}

/* All factors of a layer lie in one array. */
static falign_status allocate(const falign_rule *rule, uint32_t l, factors *out) {
  uint32_t d = rule->layers;
  size_t rows = rule->widths[d], cols = rule->widths[l], q_rows = rule->widths[l + 1], lines, numbers;
  bool fits = fal_mul(rows, 3, &lines) && lines <= SIZE_MAX - q_rows && fal_mul(lines + q_rows, cols, &numbers);
  double *all = fits ? fal_alloc(numbers, sizeof *all) : NULL;
  if (!all) return fal_fail_memory("the factors of F", 3 * rows + q_rows, cols * sizeof *all);
  *out = (factors){.rows = rows,
                   .cols = cols,
                   .q_rows = q_rows,
                   .f = all,
                   .hat = all + rows * cols,
                   .perp = all + 2 * rows * cols,
                   .q = all + 3 * rows * cols};
  fal_copy_matrix(out->f, FALIGN_F64, cols, rule->feedback[l], rule->precision, cols, rows, cols);
  return FALIGN_OK;
}

static double norm(const double *a, size_t rows, size_t cols) { return falign_frobenius_f64(a, rows, cols, cols); }

/* Solving and multiplying err by epsilons of ||F[l]|| and ||F_hat[l+1]|| ||Q[l]||, which may be more than F_hat[l]
 * itself has in some directions: those must not count as directions of it in the layer below. */
static double rounding(const factors *above, const factors *here) {
  size_t rows = here->rows, inner = here->q_rows, cols = here->cols;
  double magnitude = norm(here->f, rows, cols) + norm(above->hat, rows, inner) * norm(here->q, inner, cols);
  return (double)(rows + inner) * DBL_EPSILON * magnitude / norm(here->hat, rows, cols);
}

/* F_hat[l] = F_hat[l+1] Q[l] is as near to F[l] as it can be (eqs. 7, S16). */
static falign_status decompose(const factors *above, factors *here) {
  size_t rows = here->rows, cols = here->cols, inner = here->q_rows;
  if (!above) { /* l = d-1 */
    memcpy(here->q, here->f, rows * cols * sizeof *here->f);
    memcpy(here->hat, here->f, rows * cols * sizeof *here->f);
  } else {
    FAL_TRY(fal_least_squares(above->hat, rows, inner, above->off, here->f, cols, here->q));
    FAL_TRY(falign_backend_gemm_f64(&fal_backend_builtin, 0, 0, rows, cols, inner, 1, above->hat, inner, here->q, cols,
                                    0, here->hat, cols));
    here->off = rounding(above, here);
  }
  for (size_t i = 0; i < rows * cols; i++) here->perp[i] = here->f[i] - here->hat[i];
  return FALIGN_OK;
}

static falign_status fill(const falign_rule *rule, falign_decomposition *decomposition) {
  uint32_t d = rule->layers;
  for (uint32_t l = d - 1; l >= 1; l--) {
    factors *at = decomposition->at;
    FAL_TRY(allocate(rule, l, &at[l]));
    FAL_TRY(decompose(l == d - 1 ? NULL : &at[l + 1], &at[l]));
  }
  return FALIGN_OK;
}

static falign_status check_rule(const falign_rule *rule) {
  FAL_GIVEN(rule);
  if (rule->table.feedback != FALIGN_FEEDBACK_DIRECT)
    return fal_fail(FALIGN_UNSUPPORTED, "rule %s has no direct feedback F[l] to decompose", rule->table.name);
#ifndef FAL_LAPACK
  return fal_fail(FALIGN_UNSUPPORTED, "this build has no LAPACK, which the decomposition of F needs");
#else
  return FALIGN_OK;
#endif
}

falign_status falign_decomposition_create(const falign_rule *rule, falign_decomposition **out) {
  FAL_GIVEN(out);
  FAL_TRY(check_rule(rule));
  falign_decomposition *decomposition = fal_zalloc(1, sizeof *decomposition);
  factors *at = fal_zalloc(rule->layers, sizeof *at);
  if (!decomposition || !at) {
    free(decomposition);
    free(at);
    return fal_fail_memory("a decomposition", rule->layers, sizeof *at);
  }
  *decomposition = (falign_decomposition){rule->layers, at};
  falign_status status = fill(rule, decomposition);
  if (status == FALIGN_OK) {
    *out = decomposition;
  } else {
    falign_decomposition_destroy(decomposition);
  }
  return status;
}

static const double *find(const factors *at, falign_factor factor, const char **name, size_t *rows) {
  *rows = factor == FALIGN_FACTOR_Q ? at->q_rows : at->rows;
  switch (factor) {
    case FALIGN_FACTOR_Q: *name = "Q"; return at->q;
    case FALIGN_FACTOR_F_HAT: *name = "F_hat"; return at->hat;
    case FALIGN_FACTOR_F_PERP: *name = "F_perp"; return at->perp;
    default: return NULL;
  }
}

static falign_status check_layer(const falign_decomposition *decomposition, uint32_t l) {
  if (l >= 1 && l < decomposition->layers) return FALIGN_OK;
  if (decomposition->layers == 1)
    return fal_fail(FALIGN_INVALID, "there is no F[%u]: the network has no hidden layer", l);
  return fal_fail(FALIGN_INVALID, "there is no F[%u]: l goes from 1 to %u", l, decomposition->layers - 1);
}

bool fal_decomposition_is_of(const falign_decomposition *decomposition, const falign_rule *rule) {
  for (uint32_t l = 1; l < decomposition->layers; l++) {
    const factors *at = &decomposition->at[l];
    for (size_t i = 0; i < at->rows * at->cols; i++) {
      if (!(at->f[i] == fal_number(rule->precision, rule->feedback[l], i))) return false;
    }
  }
  return true;
}

const double *fal_decomposition_q(const falign_decomposition *decomposition, uint32_t l) {
  return decomposition->at[l].q;
}

falign_status falign_decomposition_get(const falign_decomposition *decomposition, falign_factor factor, uint32_t l,
                                       double *out, size_t rows, size_t cols, size_t stride) {
  FAL_GIVEN(decomposition);
  FAL_TRY(check_layer(decomposition, l));
  const factors *at = &decomposition->at[l];
  const char *name;
  size_t have;
  const double *data = find(at, factor, &name, &have);
  if (!data) return fal_fail(FALIGN_INVALID, "%d is no factor of F", factor);
  FAL_TRY(fal_check_matrix(name, l, out, rows, cols, stride, have, at->cols));
  fal_copy_matrix(out, FALIGN_F64, stride, data, FALIGN_F64, cols, rows, cols);
  return FALIGN_OK;
}

double falign_decomposition_share(const falign_decomposition *decomposition, uint32_t l) {
  if (check_layer(decomposition, l) != FALIGN_OK) return (double)NAN;
  const factors *at = &decomposition->at[l];
  return norm(at->perp, at->rows, at->cols) / norm(at->f, at->rows, at->cols);
}
