/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_MATRIX_H
#define FAL_MATRIX_H

/* Helpers for matrices as arguments and in an object's storage. */

#include "base/support.h"
#include "falign/matrix.h"

/* Returns the bytes of one number; 0 for an unknown precision. */
size_t fal_element(falign_precision precision);
/* "f32" or "f64". */
const char *fal_precision_name(falign_precision precision);

/* Contiguous rows, `stride` elements apart. */
falign_view fal_view_rows(const void *data, falign_precision precision, size_t rows, size_t cols, size_t stride);
/* A contiguous rows x cols matrix in either precision. */
falign_view fal_view_plain(const void *data, falign_precision precision, size_t rows, size_t cols);
falign_matrix fal_matrix_plain(void *data, falign_precision precision, size_t rows, size_t cols);

/* Element (row, col). */
double fal_view_at(const falign_view *view, size_t row, size_t col);
/* Element i of an array in either precision. */
double fal_number(falign_precision precision, const void *numbers, size_t i);
/* Sets element (row, col), rounded to the matrix's precision. */
void fal_matrix_put(const falign_matrix *matrix, size_t row, size_t col, double value);
/* The rows first..first+rows-1 of a view or matrix. */
falign_view fal_view_part(const falign_view *view, size_t first, size_t rows);
falign_matrix fal_matrix_part(const falign_matrix *matrix, size_t first, size_t rows);
/* Finds the stride with which GEMM takes a view in place; false unless its rows are contiguous and follow each other
 * forward. A single row may have any row_step. */
bool fal_view_stride(const falign_view *view, size_t *stride);

/* Check an argument called "W[2]", or "X" for an index of -1: that it is not NULL, that its precision and steps are
 * valid and, with _shape, that it has the given shape. */
falign_status fal_check_view(const char *name, int64_t index, const falign_view *view);
falign_status fal_check_view_shape(const char *name, int64_t index, const falign_view *view, size_t rows, size_t cols);
falign_status fal_check_matrix(const char *name, int64_t index, const falign_matrix *matrix);
falign_status fal_check_matrix_shape(const char *name, int64_t index, const falign_matrix *matrix, size_t rows,
                                     size_t cols);
/* Fails, naming row and column, if a number is not finite when converted to the precision `as`. */
falign_status fal_check_finite(const char *name, int64_t index, const falign_view *view, falign_precision as);

/* Sets a matrix of an object from an argument, checked and converted. */
falign_status fal_set_matrix(const char *name, int64_t index, const falign_matrix *own, const falign_view *values);
/* Copies a matrix of an object to an argument, checked and converted. */
falign_status fal_get_matrix(const char *name, int64_t index, const falign_view *own, const falign_matrix *out);
/* Copies a matrix to one of the same shape, converting between precisions. */
void fal_copy(const falign_matrix *to, const falign_view *from);
/* Copies a matrix, which must be finite, to a new contiguous array, which the caller frees. */
falign_status fal_clone(const char *name, const falign_view *from, falign_precision precision, void **out);

#endif
