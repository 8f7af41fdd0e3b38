/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/decomposition.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/angle.h"
#include "math/backend.h"
#include "math/lapack.h"

/* The factors of a layer, in double precision and contiguous. */
typedef struct {
  size_t rows, cols; /* of F[l]; Q[l] is n[l+1] x cols */
  size_t q_rows;
  double *f, *q, *hat, *perp;
  double off; /* relative error of F_hat[l]; NaN if it is 0 */
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

/* Allocates all factors of a layer in one array. */
static falign_status allocate_factors(const falign_rule *rule, uint32_t l, factors *out) {
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
  const falign_matrix f = falign_matrix_f64(out->f, rows, cols);
  const falign_view feedback = fal_view_plain(rule->feedback[l], rule->precision, rows, cols);
  fal_copy(&f, &feedback);
  return FALIGN_OK;
}

static double norm_of(const double *a, size_t rows, size_t cols) {
  const falign_view view = falign_view_f64(a, rows, cols);
  return fal_view_norm(&view, 1);
}

/* Returns the relative error of F_hat[l]. Solving and multiplying have errors of the order of epsilon ||F[l]|| and
 * epsilon ||F_hat[l+1]|| ||Q[l]||, which in some directions may exceed F_hat[l] itself: the layer below must not take
 * these for directions of it. */
static double relative_error(const factors *above, const factors *here) {
  size_t rows = here->rows, inner = here->q_rows, cols = here->cols;
  double magnitude = norm_of(here->f, rows, cols) + norm_of(above->hat, rows, inner) * norm_of(here->q, inner, cols);
  return (double)(rows + inner) * DBL_EPSILON * magnitude / norm_of(here->hat, rows, cols);
}

/* Finds the Q[l] for which F_hat[l] = F_hat[l+1] Q[l] is nearest to F[l] (eqs. 7, S16). */
static falign_status decompose_layer(const factors *above, factors *here) {
  size_t rows = here->rows, cols = here->cols, inner = here->q_rows;
  if (!above) { /* l = d-1 */
    memcpy(here->q, here->f, rows * cols * sizeof *here->f);
    memcpy(here->hat, here->f, rows * cols * sizeof *here->f);
  } else {
    FAL_TRY(fal_least_squares(above->hat, rows, inner, above->off, here->f, cols, here->q));
    FAL_TRY(fal_gemm_f64(&fal_backend_builtin, 0, 0, rows, cols, inner, 1, above->hat, inner, here->q, cols, 0,
                         here->hat, cols));
    here->off = relative_error(above, here);
  }
  for (size_t i = 0; i < rows * cols; i++) here->perp[i] = here->f[i] - here->hat[i];
  return FALIGN_OK;
}

static falign_status fill_decomposition(const falign_rule *rule, falign_decomposition *decomposition) {
  uint32_t d = rule->layers;
  for (uint32_t l = d - 1; l >= 1; l--) {
    factors *at = decomposition->at;
    FAL_TRY(allocate_factors(rule, l, &at[l]));
    FAL_TRY(decompose_layer(l == d - 1 ? NULL : &at[l + 1], &at[l]));
  }
  return FALIGN_OK;
}

static falign_status check_direct_rule(const falign_rule *rule) {
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
  FAL_TRY(check_direct_rule(rule));
  falign_decomposition *decomposition = fal_zalloc(1, sizeof *decomposition);
  factors *at = fal_zalloc(rule->layers, sizeof *at);
  if (!decomposition || !at) {
    free(decomposition);
    free(at);
    return fal_fail_memory("a decomposition", rule->layers, sizeof *at);
  }
  *decomposition = (falign_decomposition){rule->layers, at};
  falign_status status = fill_decomposition(rule, decomposition);
  if (status == FALIGN_OK) {
    *out = decomposition;
  } else {
    falign_decomposition_destroy(decomposition);
  }
  return status;
}

static falign_status check_factor_layer(const falign_decomposition *decomposition, uint32_t l) {
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

/* Finds a factor and its name. */
static falign_status find_factor(const factors *at, falign_quantity what, const char **name, falign_view *out) {
  const double *data;
  switch (what) {
    case FALIGN_Q:
      *name = "Q";
      data = at->q;
      break;
    case FALIGN_F_HAT:
      *name = "F_hat";
      data = at->hat;
      break;
    case FALIGN_F_PERP:
      *name = "F_perp";
      data = at->perp;
      break;
    default:
      return fal_fail(FALIGN_INVALID, "quantity %d is not a factor of F: want FALIGN_Q, FALIGN_F_HAT or FALIGN_F_PERP",
                      (int)what);
  }
  *out = falign_view_f64(data, what == FALIGN_Q ? at->q_rows : at->rows, at->cols);
  return FALIGN_OK;
}

falign_status falign_decomposition_get(const falign_decomposition *decomposition, falign_quantity what, uint32_t l,
                                       const falign_matrix *out) {
  const char *name;
  falign_view factor;
  FAL_GIVEN(decomposition);
  FAL_TRY(check_factor_layer(decomposition, l));
  FAL_TRY(find_factor(&decomposition->at[l], what, &name, &factor));
  return fal_get_matrix(name, l, &factor, out);
}

double falign_decomposition_share(const falign_decomposition *decomposition, uint32_t l) {
  if (check_factor_layer(decomposition, l) != FALIGN_OK) return (double)NAN;
  const factors *at = &decomposition->at[l];
  return norm_of(at->perp, at->rows, at->cols) / norm_of(at->f, at->rows, at->cols);
}
