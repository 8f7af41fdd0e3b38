/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_ANGLE_H
#define FAL_ANGLE_H

#include "falign/angle.h"

/* A matrix of either precision, read-only; element (i, j) is data[i * row_step + j * col_step]. */
typedef struct fal_view {
  const void *data;
  falign_precision precision;
  size_t rows, cols, row_step, col_step;
} fal_view;

fal_view fal_view_of(const void *data, falign_precision precision, size_t rows, size_t cols, size_t stride);
fal_view fal_view_transposed(fal_view view);

/* A vector is the elements of `count` views, one view after the other. Those of a and b have the same shapes. */

/* Degrees (eq. 24); NaN where a vector is zero or not finite, as for the cosine. */
double fal_view_angle(const fal_view *a, const fal_view *b, size_t count);
/* Eq. 25. */
double fal_view_cosine(const fal_view *a, const fal_view *b, size_t count);
/* <a, b>; NaN where a vector is not finite. */
double fal_view_inner(const fal_view *a, const fal_view *b, size_t count);
/* The Frobenius norm of the views together. */
double fal_view_norm(const fal_view *a, size_t count);

#endif
