/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_TRANSFORMATION_H
#define FALIGN_TRANSFORMATION_H

/** @file transformation.h
 *  @brief The transformation matrix M that the linear terms apply to B^T, and why it keeps its direction (section 2.1,
 *  Fig. S1, Note 5).
 *
 *  M_l^o[k] = delta[l+1][k-o]^T L[l-1][k-o] L[l-1][k]^T delta[l+1][k], n[l+1] x n[l+1], is the sum of a symmetric part
 *  (M + M^T) / 2, whose eigenvalues tell whether it keeps directions, and a skew-symmetric part (M - M^T) / 2, which
 *  turns any matrix away by 90 degrees. */

#include "falign/history.h"

FALIGN_BEGIN

/** A transformation matrix, in double precision. */
typedef struct falign_transformation falign_transformation;

/** M_l^o[k] of two steps that the history holds, which keeps FALIGN_KEEP_C.
 *  @return FALIGN_INVALID for a layer, step or order that is not there, FALIGN_UNSUPPORTED where C is not kept,
 *  FALIGN_IO, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_transformation_create(const falign_history *history, uint64_t k,
                                                                     uint64_t order, uint32_t l,
                                                                     falign_transformation **out);
/** Any n x n matrix, copied. @return FALIGN_INVALID naming a number that is not finite, FALIGN_SHAPE, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_transformation_create_of(const double *m, size_t n, size_t stride,
                                                                        falign_transformation **out);
/** Releases it; NULL is fine. */
FALIGN_API void falign_transformation_destroy(falign_transformation *transformation);

/** n, its rows and columns. */
FALIGN_API size_t falign_transformation_size(const falign_transformation *transformation);

/** Parts of M. */
typedef int32_t falign_part_of_m;
enum {
  FALIGN_M_ALL = 1,       /**< M */
  FALIGN_M_SYMMETRIC = 2, /**< (M + M^T) / 2 */
  FALIGN_M_SKEW = 3       /**< (M - M^T) / 2 */
};

/** Copies a part to the caller's n x n matrix. @return FALIGN_INVALID for what is no part, FALIGN_SHAPE. */
FALIGN_API FALIGN_CHECKED falign_status falign_transformation_get(const falign_transformation *transformation,
                                                                  falign_part_of_m part, double *out, size_t rows,
                                                                  size_t cols, size_t stride);
/** tr(M), of which in expectation over B the alignment is made (eq. 12). */
FALIGN_API double falign_transformation_trace(const falign_transformation *transformation);
/** The n eigenvalues of the symmetric part, the largest first. @return FALIGN_SHAPE for another count,
 *  FALIGN_UNSUPPORTED in a build without LAPACK, FALIGN_INVALID for an M of a run that is not finite, FALIGN_DIVERGED
 *  where LAPACK does not converge, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_transformation_eigenvalues(const falign_transformation *transformation,
                                                                          double *values, size_t count);
/** The angle of B^T with B^T M, or with B^T times a part of M, in degrees, and the norm of that product.
 *  @param b n x cols, such as B[l], with cols = n[l]
 *  The outputs that are NULL are not written. @return FALIGN_INVALID for what is no part, FALIGN_SHAPE for other rows
 *  or a stride that is too short, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_transformation_apply(const falign_transformation *transformation,
                                                                    falign_part_of_m part, const double *b, size_t rows,
                                                                    size_t cols, size_t stride, double *angle,
                                                                    double *norm);
/** ||B^T M_skew||_F / ||B^T M_sym||_F for B of n x cols: the less, the nearer M keeps the direction of B^T to what its
 *  symmetric part does. Infinity where B^T M_sym is 0, NaN where both are. @return as falign_transformation_apply(). */
FALIGN_API FALIGN_CHECKED falign_status falign_transformation_skew_ratio(const falign_transformation *transformation,
                                                                         const double *b, size_t rows, size_t cols,
                                                                         size_t stride, double *ratio);

FALIGN_END

#endif
