/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_MATRIX_H
#define FALIGN_MATRIX_H

/** @file matrix.h
 *  @brief How matrices are passed: data, shape, steps and precision in one small struct, without a copy.
 *
 *  falign_view is for reading and falign_matrix for writing; every function that takes or gives a matrix uses one of
 *  them. Element (i, j) is data[i * row_step + j * col_step], counted in elements. A plain row-major array of rows x
 *  cols has row_step = cols and col_step = 1; its transpose swaps rows with cols and row_step with col_step. Steps may
 *  be negative. The elements of one row (or, if columns are contiguous, of one column) must not reach into the next,
 *  and the distance between the first and the last element must fit in ptrdiff_t bytes. A matrix that a call writes
 *  must not overlap one that it reads.
 *
 *  A function refuses a matrix with FALIGN_INVALID if a pointer is NULL, the precision is unknown or the steps are
 *  invalid, and with FALIGN_SHAPE, naming both shapes, if it has the wrong shape; this is not repeated with each
 *  function. Numbers are converted between precisions unless a function requires one.
 *
 *      double w[20 * 10];
 *      falign_view all = falign_view_f64(w, 20, 10), transposed = falign_view_transposed(all);
 *      falign_status status = falign_network_set(network, FALIGN_W, 0, &all);
 */

#include "falign/status.h"

FALIGN_BEGIN

/** The precision of an object's numbers. */
typedef int32_t falign_precision;
enum {
  FALIGN_F32 = 1, /**< IEEE single, float */
  FALIGN_F64 = 2  /**< IEEE double, double */
};

/** A matrix to read. */
typedef struct falign_view {
  const void *data;           /**< element (0, 0): float or double */
  size_t rows;                /**< number of rows */
  size_t cols;                /**< number of columns */
  ptrdiff_t row_step;         /**< elements from one row to the next */
  ptrdiff_t col_step;         /**< elements from one column to the next */
  falign_precision precision; /**< of the elements */
} falign_view;

/** A matrix to write. The same members as falign_view. */
typedef struct falign_matrix {
  void *data;                 /**< element (0, 0): float or double */
  size_t rows;                /**< number of rows */
  size_t cols;                /**< number of columns */
  ptrdiff_t row_step;         /**< elements from one row to the next */
  ptrdiff_t col_step;         /**< elements from one column to the next */
  falign_precision precision; /**< of the elements */
} falign_matrix;

/** Views a contiguous row-major array of floats. */
static inline falign_view falign_view_f32(const float *data, size_t rows, size_t cols) {
  falign_view view = {data, rows, cols, (ptrdiff_t)cols, 1, FALIGN_F32};
  return view;
}
/** Views a contiguous row-major array of doubles. */
static inline falign_view falign_view_f64(const double *data, size_t rows, size_t cols) {
  falign_view view = {data, rows, cols, (ptrdiff_t)cols, 1, FALIGN_F64};
  return view;
}
/** Makes a contiguous row-major array of floats a matrix to write. */
static inline falign_matrix falign_matrix_f32(float *data, size_t rows, size_t cols) {
  falign_matrix matrix = {data, rows, cols, (ptrdiff_t)cols, 1, FALIGN_F32};
  return matrix;
}
/** Makes a contiguous row-major array of doubles a matrix to write. */
static inline falign_matrix falign_matrix_f64(double *data, size_t rows, size_t cols) {
  falign_matrix matrix = {data, rows, cols, (ptrdiff_t)cols, 1, FALIGN_F64};
  return matrix;
}
/** Views a matrix that can be written. */
static inline falign_view falign_view_of(falign_matrix matrix) {
  falign_view view = {matrix.data, matrix.rows, matrix.cols, matrix.row_step, matrix.col_step, matrix.precision};
  return view;
}
/** Returns the transpose of a view, without copying. */
static inline falign_view falign_view_transposed(falign_view view) {
  falign_view transposed = {view.data, view.cols, view.rows, view.col_step, view.row_step, view.precision};
  return transposed;
}

/** Which of an object's matrices is meant. Networks, rules, traces, histories, decompositions and transformations
 *  address their matrices by a quantity and a layer l; each function says which quantities it has. Vectors have one
 *  row. The numbers are fixed; new ones are appended. n[l] are the widths, d the number of layers of weights. */
typedef int32_t falign_quantity;
enum {
  FALIGN_W = 1,            /**< weights W[l], l = 0..d-1, n[l] x n[l+1] */
  FALIGN_BIAS = 2,         /**< biases b[l], l = 1..d, 1 x n[l] */
  FALIGN_PARAMETERS = 3,   /**< all of W[0], b[1], W[1], b[2], ..., row-major, in one row; l = 0 */
  FALIGN_FEEDBACK = 4,     /**< B[l] (n[l+1] x n[l]) or F[l] (n[d] x n[l]), l = 1..d-1 */
  FALIGN_L = 5,            /**< outputs L[l], l = 0..d, rows x n[l] */
  FALIGN_Z = 6,            /**< internal states Z[l], l = 1..d, rows x n[l] */
  FALIGN_DELTA = 7,        /**< error signals delta[l], l = 1..d, rows x n[l] (eqs. 18 to 21, 6) */
  FALIGN_TARGET = 8,       /**< targets Y*, l = d, rows x n[d] */
  FALIGN_DW = 9,           /**< eta L[l]^T delta[l+1], l = 0..d-1, n[l] x n[l+1] (eqs. 1, 22) */
  FALIGN_DB = 10,          /**< eta 1^T delta[l], l = 1..d, 1 x n[l] (eq. 23) */
  FALIGN_DW_APPLIED = 11,  /**< what the optimizer added to W[l], before normalization; DW for plain SGD */
  FALIGN_DELTA_BP = 12,    /**< what BP would send: as DELTA (eqs. 18, 19) */
  FALIGN_DW_BP = 13,       /**< what BP would add: as DW (eq. 16) */
  FALIGN_DB_BP = 14,       /**< what BP would add: as DB (eq. 17) */
  FALIGN_C = 15,           /**< C[l] = L[l-1]^T delta[l+1], l = 1..d-1, n[l-1] x n[l+1] (eq. 5) */
  FALIGN_DIRECT = 16,      /**< L[l-1]^T delta[d], l = 1..d-1, n[l-1] x n[d] (eq. 8) */
  FALIGN_Q = 17,           /**< Q[l], l = 1..d-1, n[l+1] x n[l] (eq. 7) */
  FALIGN_F_HAT = 18,       /**< F_hat[l], l = 1..d-1, n[d] x n[l] (eq. S16) */
  FALIGN_F_PERP = 19,      /**< F_perp[l] = F[l] - F_hat[l], l = 1..d-1, n[d] x n[l] (eq. S16) */
  FALIGN_M = 20,           /**< M, n[l+1] x n[l+1] */
  FALIGN_M_SYMMETRIC = 21, /**< (M + M^T) / 2 */
  FALIGN_M_SKEW = 22       /**< (M - M^T) / 2 */
};

FALIGN_END

#endif
