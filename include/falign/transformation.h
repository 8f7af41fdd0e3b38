/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_TRANSFORMATION_H
#define FALIGN_TRANSFORMATION_H

/** @file transformation.h
 *  @brief The transformation matrix M that the linear terms apply to B^T, and why it keeps its direction (section 2.1,
 *  Fig. S1, Note 5).
 *
 *  M_l^o[k] = delta[l+1][k-o]^T L[l-1][k-o] L[l-1][k]^T delta[l+1][k], n[l+1] x n[l+1], is the sum of a symmetric part
 *  (M + M^T) / 2, whose eigenvalues show whether it keeps directions, and a skew-symmetric part (M - M^T) / 2, which
 *  turns any matrix away by 90 degrees. */

#include "falign/history.h"

FALIGN_BEGIN

/** A transformation matrix, in double precision. */
typedef struct falign_transformation falign_transformation;

/** Makes M_l^o[k] of two steps that the history holds, which must keep FALIGN_KEEP_C.
 *  @return FALIGN_INVALID for a layer, step or order that does not exist, FALIGN_UNSUPPORTED if C is not kept,
 *  FALIGN_IO, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_transformation_create(const falign_history *history, uint64_t k,
                                                                     uint64_t order, uint32_t l,
                                                                     falign_transformation **out);
/** Makes one of any n x n matrix, copied. @return FALIGN_INVALID naming a number that is not finite, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_transformation_create_of(const falign_view *m,
                                                                        falign_transformation **out);
/** Releases it; NULL is fine. */
FALIGN_API void falign_transformation_destroy(falign_transformation *transformation);

/** Returns n, its rows and columns. */
FALIGN_API size_t falign_transformation_size(const falign_transformation *transformation);

/** Copies FALIGN_M, FALIGN_M_SYMMETRIC or FALIGN_M_SKEW to the caller's n x n matrix. @return FALIGN_INVALID for
 *  another quantity. */
FALIGN_API FALIGN_CHECKED falign_status falign_transformation_get(const falign_transformation *transformation,
                                                                  falign_quantity what, const falign_matrix *out);
/** Returns tr(M), of which in expectation over B the alignment is made (eq. 12). */
FALIGN_API double falign_transformation_trace(const falign_transformation *transformation);
/** Computes the n eigenvalues of the symmetric part, the largest first. @return FALIGN_SHAPE for another count,
 *  FALIGN_UNSUPPORTED in a build without LAPACK, FALIGN_INVALID for an M of a run that is not finite, FALIGN_DIVERGED
 *  if LAPACK does not converge, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_transformation_eigenvalues(const falign_transformation *transformation,
                                                                          double *values, size_t count);
/** Computes the angle of B^T with B^T M, or with B^T times a part of M, in degrees, and the norm of that product.
 *  @param what FALIGN_M, FALIGN_M_SYMMETRIC or FALIGN_M_SKEW
 *  @param b n x cols, such as B[l], with cols = n[l]
 *  Outputs that are NULL are not written. @return FALIGN_INVALID for another quantity, FALIGN_SHAPE for other rows,
 *  FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_transformation_apply(const falign_transformation *transformation,
                                                                    falign_quantity what, const falign_view *b,
                                                                    double *angle, double *norm);
/** Computes ||B^T M_skew||_F / ||B^T M_sym||_F for B of n x cols: the smaller it is, the more M keeps the direction of
 *  B^T as its symmetric part alone would. Infinity if B^T M_sym is 0, NaN if both are. @return as
 *  falign_transformation_apply(). */
FALIGN_API FALIGN_CHECKED falign_status falign_transformation_skew_ratio(const falign_transformation *transformation,
                                                                         const falign_view *b, double *ratio);

FALIGN_END

#endif
