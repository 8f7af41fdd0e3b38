/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_DECOMPOSITION_H
#define FALIGN_DECOMPOSITION_H

/** @file decomposition.h
 *  @brief DFA's feedback as a product through the layers: F[l] = F_hat[l] + F_perp[l] (eqs. 7, S16).
 *
 *  From l = d-1 down, F_hat[l] = Q[d-1] Q[d-2] ... Q[l] = F_hat[l+1] Q[l], where Q[d-1] = F[d-1] and below that Q[l]
 *  (n[l+1] x n[l]) is the solution of least norm among those that minimize ||F_hat[l+1] Q[l] - F[l]||_F. W[l] aligns
 *  with Q[l]^T as under FA it does with B[l]^T. */

#include "falign/rule.h"

FALIGN_BEGIN

/** The decomposition of a rule's F[1..d-1], as they were when it was made. */
typedef struct falign_decomposition falign_decomposition;

/** What it consists of. */
typedef int32_t falign_factor;
enum {
  FALIGN_FACTOR_Q = 1,     /**< Q[l], n[l+1] x n[l] */
  FALIGN_FACTOR_F_HAT = 2, /**< F_hat[l], n[d] x n[l] */
  FALIGN_FACTOR_F_PERP = 3 /**< F_perp[l] = F[l] - F_hat[l], n[d] x n[l], orthogonal to F_hat[l] */
};

/** Decomposes the feedback of a rule with direct feedback, by singular values in double precision.
 *  @return FALIGN_UNSUPPORTED for other rules and in a build without LAPACK, FALIGN_DIVERGED where LAPACK does not
 *  converge, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_decomposition_create(const falign_rule *rule,
                                                                    falign_decomposition **out);
/** Releases it; NULL is fine. */
FALIGN_API void falign_decomposition_destroy(falign_decomposition *decomposition);

/** Copies a factor of layer l = 1..d-1 to the caller's rows x cols matrix. @return FALIGN_INVALID for a layer or factor
 *  that is not there, FALIGN_SHAPE. */
FALIGN_API FALIGN_CHECKED falign_status falign_decomposition_get(const falign_decomposition *decomposition,
                                                                 falign_factor factor, uint32_t l, double *out,
                                                                 size_t rows, size_t cols, size_t stride);
/** ||F_perp[l]||_F / ||F[l]||_F, the share that no product through the layers can give; NaN for F[l] = 0 and for a
 *  layer that is not there. */
FALIGN_API double falign_decomposition_share(const falign_decomposition *decomposition, uint32_t l);

FALIGN_END

#endif
