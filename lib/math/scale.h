/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_SCALE_H
#define FAL_SCALE_H

#include "math/matrix.h"

/* Scaling of contiguous matrices and their columns to given norms. */

/* scale = goal / norm, where `norm` is that of `name`[l] or, unless `column` is negative, of this column. Fails if the
 * norm is 0 or not finite, or if the scaled numbers could not be finite. */
falign_status fal_find_scale(const char *name, uint32_t l, int64_t column, falign_precision precision, double goal,
                             double norm, double *scale);
/* scale[j] = gamma[j * gamma_step] / ||X_{*,j}||, where X is `name`[l]. Fails, naming the column, if a norm is 0 or not
 * finite. */
falign_status fal_column_scales(const char *name, uint32_t l, const falign_matrix *x, const double *gamma,
                                size_t gamma_step, double *scale);
/* X_{*,j} = X_{*,j} scale[j] */
void fal_scale_columns(const falign_matrix *x, const double *scale);
/* X = X factor */
void fal_scale_all(const falign_matrix *x, double factor);

/* The same, in one precision. */
void fal_column_squares_f32(const float *x, size_t rows, size_t cols, double *squares);
void fal_column_squares_f64(const double *x, size_t rows, size_t cols, double *squares);
void fal_scale_columns_f32(float *x, size_t rows, size_t cols, const double *scale);
void fal_scale_columns_f64(double *x, size_t rows, size_t cols, const double *scale);
void fal_scale_all_f32(float *x, size_t count, double factor);
void fal_scale_all_f64(double *x, size_t count, double factor);

#endif
