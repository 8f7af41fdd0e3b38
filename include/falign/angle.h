/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_ANGLE_H
#define FALIGN_ANGLE_H

/** @file angle.h
 *  @brief How alike two matrices are (section 4.2), and how large one is. */

#include "falign/status.h"

FALIGN_BEGIN

/** Angle in degrees (eq. 24), cosine (eq. 25) and Frobenius inner product of A and B, or of A and B^T. A is
 *  rows x cols; B is rows x cols, or cols x rows if `transpose_b` is set. Accumulated in double; the angle by the
 *  half-angle form, accurate near 0 and 180. A zero matrix gives NaN for angle and cosine. The outputs that are NULL
 *  are not written. @return FALIGN_INVALID for a stride that is too short. */
FALIGN_API FALIGN_CHECKED falign_status falign_angle_f32(const float *a, size_t rows, size_t cols, size_t stride_a,
                                                         const float *b, size_t stride_b, int32_t transpose_b,
                                                         double *angle, double *cosine, double *inner);
/** As falign_angle_f32(), for double precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_angle_f64(const double *a, size_t rows, size_t cols, size_t stride_a,
                                                         const double *b, size_t stride_b, int32_t transpose_b,
                                                         double *angle, double *cosine, double *inner);

/** Frobenius norm of a rows x cols matrix, accumulated in double without overflow or underflow. */
FALIGN_API double falign_frobenius_f32(const float *a, size_t rows, size_t cols, size_t stride);
/** As falign_frobenius_f32(), for double precision. */
FALIGN_API double falign_frobenius_f64(const double *a, size_t rows, size_t cols, size_t stride);

FALIGN_END

#endif
