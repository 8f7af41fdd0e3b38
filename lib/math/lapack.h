/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_LAPACK_H
#define FAL_LAPACK_H

/* The uses of LAPACK, in double precision and row-major order. Each returns FALIGN_UNSUPPORTED in a build without
 * LAPACK, FALIGN_INVALID if a matrix is not finite, FALIGN_DIVERGED if an iteration does not converge, or
 * FALIGN_MEMORY. */

#include "base/support.h"

/* Finds the `count` largest eigenvalues of the symmetric n x n matrix A, the largest first, and unless `vectors` is
 * NULL their orthonormal eigenvectors as its rows, count x n. Overwrites A. */
falign_status fal_symmetric_eigen(double *a, size_t n, size_t count, double *values, double *vectors);

/* Finds the X (cols x rights) of least norm among those that minimize ||A X - B||_F, with A of rows x cols and B of
 * rows x rights. Singular values count as 0 up to a fraction of the largest: max(rows, cols) epsilons, or `off` if that
 * is larger, the error of A. */
falign_status fal_least_squares(const double *a, size_t rows, size_t cols, double off, const double *b, size_t rights,
                                double *x);

#endif
