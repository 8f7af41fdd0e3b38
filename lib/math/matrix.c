/* SPDX-License-Identifier: Apache-2.0 */
#include "math/matrix.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

size_t fal_element(falign_precision precision) {
  if (precision == FALIGN_F32) return sizeof(float);
  if (precision == FALIGN_F64) return sizeof(double);
  return 0;
}

const char *fal_precision_name(falign_precision precision) { return precision == FALIGN_F32 ? "f32" : "f64"; }

falign_view fal_view_rows(const void *data, falign_precision precision, size_t rows, size_t cols, size_t stride) {
  return (falign_view){data, rows, cols, (ptrdiff_t)stride, 1, precision};
}

falign_view fal_view_plain(const void *data, falign_precision precision, size_t rows, size_t cols) {
  return fal_view_rows(data, precision, rows, cols, cols);
}

falign_matrix fal_matrix_plain(void *data, falign_precision precision, size_t rows, size_t cols) {
  return (falign_matrix){data, rows, cols, (ptrdiff_t)cols, 1, precision};
}

double fal_number(falign_precision precision, const void *numbers, size_t i) {
  return precision == FALIGN_F32 ? (double)((const float *)numbers)[i] : ((const double *)numbers)[i];
}

static ptrdiff_t offset_of(const falign_view *view, size_t row, size_t col) {
  return (ptrdiff_t)row * view->row_step + (ptrdiff_t)col * view->col_step;
}

double fal_view_at(const falign_view *view, size_t row, size_t col) {
  ptrdiff_t at = offset_of(view, row, col);
  return view->precision == FALIGN_F32 ? (double)((const float *)view->data)[at] : ((const double *)view->data)[at];
}

void fal_matrix_put(const falign_matrix *matrix, size_t row, size_t col, double value) {
  const falign_view view = falign_view_of(*matrix);
  ptrdiff_t at = offset_of(&view, row, col);
  if (matrix->precision == FALIGN_F32) {
    ((float *)matrix->data)[at] = (float)value;
  } else {
    ((double *)matrix->data)[at] = value;
  }
}

falign_view fal_view_part(const falign_view *view, size_t first, size_t rows) {
  falign_view part = *view;
  part.data = (const char *)view->data + offset_of(view, first, 0) * (ptrdiff_t)fal_element(view->precision);
  part.rows = rows;
  return part;
}

falign_matrix fal_matrix_part(const falign_matrix *matrix, size_t first, size_t rows) {
  falign_view whole = falign_view_of(*matrix);
  falign_matrix part = *matrix;
  part.data = (char *)matrix->data + offset_of(&whole, first, 0) * (ptrdiff_t)fal_element(matrix->precision);
  part.rows = rows;
  return part;
}

bool fal_view_stride(const falign_view *view, size_t *stride) {
  ptrdiff_t cols = (ptrdiff_t)view->cols, row_step = view->rows <= 1 ? cols : view->row_step;
  if ((view->col_step != 1 && cols != 1) || row_step < cols) return false;
  *stride = row_step > 0 ? (size_t)row_step : 1;
  return true;
}

/* Writes "W[2]", or "X" for a negative index. */
static const char *format_name(char *text, size_t size, const char *name, int64_t index) {
  if (index < 0) {
    snprintf(text, size, "%s", name);
  } else {
    snprintf(text, size, "%s[%lld]", name, (long long)index);
  }
  return text;
}

static size_t magnitude(ptrdiff_t step) { return step < 0 ? (size_t)0 - (size_t)step : (size_t)step; }

/* The elements from the first to the last of `count` items, `step` apart and `width` wide; false if that overflows. */
static bool find_span(size_t count, size_t step, size_t width, size_t *elements) {
  if (count == 0) return *elements = 0, true;
  if (!fal_mul(count - 1, step, elements) || *elements > SIZE_MAX - width) return false;
  *elements += width;
  return true;
}

/* Whether no two elements share a place, and the bytes from the first to the last fit in ptrdiff_t. */
static bool has_valid_steps(const falign_view *view) {
  size_t row_step = magnitude(view->row_step), col_step = magnitude(view->col_step), inner, outer, bytes;
  bool row_major = view->cols <= 1 || (view->rows > 1 && row_step >= col_step);
  if (view->rows <= 1) row_step = 1;
  if (view->cols <= 1) col_step = 1;
  size_t inner_step = row_major ? col_step : row_step, outer_step = row_major ? row_step : col_step;
  size_t inner_count = row_major ? view->cols : view->rows, outer_count = row_major ? view->rows : view->cols;
  if (!find_span(inner_count, inner_step, 1, &inner) || !find_span(outer_count, outer_step, inner, &outer))
    return false;
  if (!fal_mul(outer, fal_element(view->precision), &bytes) || bytes > PTRDIFF_MAX) return false;
  if (inner_count > 1 && inner_step == 0) return false;
  return outer_count <= 1 || outer_step >= inner;
}

falign_status fal_check_view(const char *name, int64_t index, const falign_view *view) {
  char text[64];
  format_name(text, sizeof text, name, index);
  if (!view || !view->data) return fal_fail(FALIGN_INVALID, "%s is NULL", text);
  if (fal_element(view->precision) == 0)
    return fal_fail(FALIGN_INVALID, "%s has the unknown precision %d", text, view->precision);
  if (!has_valid_steps(view))
    return fal_fail(FALIGN_INVALID,
                    "%s is %zu x %zu with invalid steps: %lld from row to row, %lld from column to column", text,
                    view->rows, view->cols, (long long)view->row_step, (long long)view->col_step);
  return FALIGN_OK;
}

falign_status fal_check_view_shape(const char *name, int64_t index, const falign_view *view, size_t rows, size_t cols) {
  char text[64];
  FAL_TRY(fal_check_view(name, index, view));
  if (view->rows == rows && view->cols == cols) return FALIGN_OK;
  return fal_fail(FALIGN_SHAPE, "%s is %zu x %zu, got %zu x %zu", format_name(text, sizeof text, name, index), rows,
                  cols, view->rows, view->cols);
}

falign_status fal_check_matrix(const char *name, int64_t index, const falign_matrix *matrix) {
  falign_view view = matrix ? falign_view_of(*matrix) : (falign_view){0};
  return fal_check_view(name, index, matrix ? &view : NULL);
}

falign_status fal_check_matrix_shape(const char *name, int64_t index, const falign_matrix *matrix, size_t rows,
                                     size_t cols) {
  falign_view view = matrix ? falign_view_of(*matrix) : (falign_view){0};
  return fal_check_view_shape(name, index, matrix ? &view : NULL, rows, cols);
}

falign_status fal_check_finite(const char *name, int64_t index, const falign_view *view, falign_precision as) {
  for (size_t i = 0; i < view->rows; i++) {
    for (size_t j = 0; j < view->cols; j++) {
      double value = fal_view_at(view, i, j);
      if (as == FALIGN_F32 ? isfinite((float)value) : isfinite(value)) continue;
      char text[64];
      return fal_fail(FALIGN_INVALID, "%s has %g in row %zu, column %zu%s", format_name(text, sizeof text, name, index),
                      value, i, j, isfinite(value) ? ", beyond single precision" : "");
    }
  }
  return FALIGN_OK;
}

static void copy_one_row(const falign_matrix *to, const falign_view *from) {
  if (to->precision == from->precision && to->col_step == 1 && from->col_step == 1) {
    memcpy(to->data, from->data, from->cols * fal_element(from->precision));
    return;
  }
  for (size_t j = 0; j < from->cols; j++) fal_matrix_put(to, 0, j, fal_view_at(from, 0, j));
}

void fal_copy(const falign_matrix *to, const falign_view *from) {
  for (size_t i = 0; i < from->rows; i++) {
    falign_matrix to_row = fal_matrix_part(to, i, 1);
    falign_view from_row = fal_view_part(from, i, 1);
    copy_one_row(&to_row, &from_row);
  }
}

falign_status fal_set_matrix(const char *name, int64_t index, const falign_matrix *own, const falign_view *values) {
  FAL_TRY(fal_check_view_shape(name, index, values, own->rows, own->cols));
  FAL_TRY(fal_check_finite(name, index, values, own->precision));
  fal_copy(own, values);
  return FALIGN_OK;
}

falign_status fal_get_matrix(const char *name, int64_t index, const falign_view *own, const falign_matrix *out) {
  FAL_TRY(fal_check_matrix_shape(name, index, out, own->rows, own->cols));
  fal_copy(out, own);
  return FALIGN_OK;
}

falign_status fal_clone(const char *name, const falign_view *from, falign_precision precision, void **out) {
  FAL_TRY(fal_check_finite(name, -1, from, precision));
  void *copy = fal_alloc_matrix(from->rows, from->cols, fal_element(precision));
  if (!copy) return fal_fail(FALIGN_MEMORY, "no memory for %s (%zu x %zu numbers)", name, from->rows, from->cols);
  const falign_matrix to = fal_matrix_plain(copy, precision, from->rows, from->cols);
  fal_copy(&to, from);
  *out = copy;
  return FALIGN_OK;
}
