/* SPDX-License-Identifier: Apache-2.0 */
#include "math/scale.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "math/angle.h"

falign_status fal_find_scale(const char *name, uint32_t l, int64_t column, falign_precision precision, double goal,
                             double norm, double *scale) {
  char what[64] = "";
  if (column >= 0) snprintf(what, sizeof what, "column %lld of ", (long long)column);
  if (norm == 0) return fal_fail(FALIGN_INVALID, "%s%s[%u] is zero and has no direction", what, name, l);
  if (!isfinite(norm)) return fal_fail(FALIGN_DIVERGED, "%s%s[%u] has norm %g", what, name, l, norm);
  double factor = goal / norm, most = precision == FALIGN_F32 ? (double)FLT_MAX : DBL_MAX;
  if (goal > most || !isfinite(factor) || factor == 0)
    return fal_fail(FALIGN_INVALID, "%s%s[%u] of norm %g cannot be scaled to norm %g in %s", what, name, l, norm, goal,
                    fal_precision_name(precision));
  *scale = factor;
  return FALIGN_OK;
}

/* Returns the norm of a column whose sum of squares overflows or underflows. */
static double column_norm(const falign_matrix *x, size_t j) {
  const void *first = (const char *)x->data + j * fal_element(x->precision);
  const falign_view column = fal_view_rows(first, x->precision, x->rows, 1, x->cols);
  return fal_view_norm(&column, 1);
}

falign_status fal_column_scales(const char *name, uint32_t l, const falign_matrix *x, const double *gamma,
                                size_t gamma_step, double *scale) {
  if (x->precision == FALIGN_F32) {
    fal_column_squares_f32(x->data, x->rows, x->cols, scale);
  } else {
    fal_column_squares_f64(x->data, x->rows, x->cols, scale);
  }
  for (size_t j = 0; j < x->cols; j++) {
    bool exact = scale[j] >= DBL_MIN / DBL_EPSILON && scale[j] <= DBL_MAX;
    double norm = exact ? sqrt(scale[j]) : column_norm(x, j);
    FAL_TRY(fal_find_scale(name, l, (int64_t)j, x->precision, gamma[j * gamma_step], norm, &scale[j]));
  }
  return FALIGN_OK;
}

void fal_scale_columns(const falign_matrix *x, const double *scale) {
  if (x->precision == FALIGN_F32) {
    fal_scale_columns_f32(x->data, x->rows, x->cols, scale);
  } else {
    fal_scale_columns_f64(x->data, x->rows, x->cols, scale);
  }
}

void fal_scale_all(const falign_matrix *x, double factor) {
  if (x->precision == FALIGN_F32) {
    fal_scale_all_f32(x->data, x->rows * x->cols, factor);
  } else {
    fal_scale_all_f64(x->data, x->rows * x->cols, factor);
  }
}
