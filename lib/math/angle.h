/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_ANGLE_H
#define FAL_ANGLE_H

#include "falign/angle.h"

/* A vector consists of the elements of `count` views, one view after the other; a and b have the same shapes. */

/* Returns degrees (eq. 24). Angle and cosine are NaN if a vector is zero or not finite. */
double fal_view_angle(const falign_view *a, const falign_view *b, size_t count);
/* Eq. 25. */
double fal_view_cosine(const falign_view *a, const falign_view *b, size_t count);
/* <a, b>; NaN if a vector is not finite. */
double fal_view_inner(const falign_view *a, const falign_view *b, size_t count);
/* The Frobenius norm of all views together. */
double fal_view_norm(const falign_view *a, size_t count);

/* <x, y> of two arrays, as fal_view_inner(). */
double fal_inner(const double *x, const double *y, size_t count);
/* x = x / ||x||, unless x is 0. Returns the norm that x had. */
double fal_normalize(double *x, size_t count);

#endif
