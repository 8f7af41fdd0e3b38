/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_SCALE_H
#define FAL_SCALE_H

#include "base/support.h"

/* What normalizations are made of; matrices are contiguous. */

/* scale[j] = gamma[j * gamma_step] / ||X_{*,j}||. Fails, naming the column of `name`[l], for a norm that is 0 or not
 * finite. */
falign_status fal_column_scales(const char *name, uint32_t l, falign_precision precision, const void *x, size_t rows,
                                size_t cols, const double *gamma, size_t gamma_step, double *scale);
/* X_{*,j} = X_{*,j} scale[j] */
void fal_scale_columns(falign_precision precision, void *x, size_t rows, size_t cols, const double *scale);
/* X = X factor */
void fal_scale_all(falign_precision precision, void *x, size_t count, double factor);

/* Of one precision each. */
void fal_column_squares_f32(const float *x, size_t rows, size_t cols, double *squares);
void fal_column_squares_f64(const double *x, size_t rows, size_t cols, double *squares);
void fal_scale_columns_f32(float *x, size_t rows, size_t cols, const double *scale);
void fal_scale_columns_f64(double *x, size_t rows, size_t cols, const double *scale);
void fal_scale_all_f32(float *x, size_t count, double factor);
void fal_scale_all_f64(double *x, size_t count, double factor);

#endif
