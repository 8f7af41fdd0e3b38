/* SPDX-License-Identifier: Apache-2.0 */
#include "norm/scale.h"

#include "support/real.h"

void REAL(fal_column_squares)(const real *x, size_t rows, size_t cols, double *squares) {
  for (size_t j = 0; j < cols; j++) squares[j] = 0;
  for (size_t i = 0; i < rows; i++, x += cols) {
    for (size_t j = 0; j < cols; j++) squares[j] += (double)x[j] * (double)x[j];
  }
}

void REAL(fal_scale_columns)(real *x, size_t rows, size_t cols, const double *scale) {
  for (size_t i = 0; i < rows; i++, x += cols) {
    for (size_t j = 0; j < cols; j++) x[j] = (real)((double)x[j] * scale[j]);
  }
}

void REAL(fal_scale_all)(real *x, size_t count, double factor) {
  for (size_t i = 0; i < count; i++) x[i] = (real)((double)x[i] * factor);
}
