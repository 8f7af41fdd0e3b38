/* SPDX-License-Identifier: Apache-2.0 */
#include "math/scale.h"

#include "base/real.h"
#include "base/vector.h"

FAL_LOOP void squares_loop(const real *restrict x, size_t rows, size_t cols, double *restrict squares) {
  for (size_t j = 0; j < cols; j++) squares[j] = 0;
  for (size_t i = 0; i < rows; i++, x += cols) {
    for (size_t j = 0; j < cols; j++) squares[j] += (double)x[j] * (double)x[j];
  }
}

FAL_VECTOR(void, sum_squares, (const real *x, size_t rows, size_t cols, double *squares),
           squares_loop(x, rows, cols, squares))

void REAL(fal_column_squares)(const real *x, size_t rows, size_t cols, double *squares) {
  sum_squares[fal_vector_level()](x, rows, cols, squares);
}

FAL_LOOP void scale_loop(real *restrict x, size_t rows, size_t cols, const double *restrict scale) {
  for (size_t i = 0; i < rows; i++, x += cols) {
    for (size_t j = 0; j < cols; j++) x[j] = (real)((double)x[j] * scale[j]);
  }
}

FAL_VECTOR(void, scale_columns, (real * x, size_t rows, size_t cols, const double *scale),
           scale_loop(x, rows, cols, scale))

void REAL(fal_scale_columns)(real *x, size_t rows, size_t cols, const double *scale) {
  scale_columns[fal_vector_level()](x, rows, cols, scale);
}

void REAL(fal_scale_all)(real *x, size_t count, double factor) {
  for (size_t i = 0; i < count; i++) x[i] = (real)((double)x[i] * factor);
}
