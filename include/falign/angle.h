/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_ANGLE_H
#define FALIGN_ANGLE_H

/** @file angle.h
 *  @brief How alike two matrices are (section 4.2), and how large one is. */

#include "falign/matrix.h"

FALIGN_BEGIN

/** Computes the angle in degrees (eq. 24), the cosine (eq. 25) and the Frobenius inner product of two matrices of the
 *  same shape; with B^T, pass a transposed view. They are accumulated in double precision, the angle by the half-angle
 *  form, which is accurate near 0 and 180. A zero matrix gives NaN for angle and cosine. Outputs that are NULL are not
 *  written. */
FALIGN_API FALIGN_CHECKED falign_status falign_angle(const falign_view *a, const falign_view *b, double *angle,
                                                     double *cosine, double *inner);

/** Returns the Frobenius norm of a matrix, accumulated in double precision without overflow or underflow; NaN, with
 *  falign_last_error() set, for a matrix that cannot be read. */
FALIGN_API double falign_frobenius(const falign_view *a);

FALIGN_END

#endif
