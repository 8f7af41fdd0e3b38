/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_LAPACK_H
#define FAL_LAPACK_H

/* What LAPACK is needed for, in double precision and row-major order. All of it returns FALIGN_UNSUPPORTED in a build
 * without LAPACK, FALIGN_INVALID for a matrix that is not finite, FALIGN_DIVERGED for an iteration that does not
 * converge, FALIGN_MEMORY. */

#include "base/support.h"

/* The `count` largest eigenvalues of the symmetric n x n matrix A, the largest first, and unless it is NULL their
 * orthonormal eigenvectors as the rows of `vectors`, count x n. Overwrites A. */
falign_status fal_symmetric_eigen(double *a, size_t n, size_t count, double *values, double *vectors);

/* The X (cols x rights) of least norm among those that minimize ||A X - B||_F, with A of rows x cols and B of
 * rows x rights. Singular values up to `max(rows, cols)` epsilons of the largest count as 0, or up to `off` of it where
 * A was computed with so large an error. */
falign_status fal_least_squares(const double *a, size_t rows, size_t cols, double off, const double *b, size_t rights,
                                double *x);

#endif
