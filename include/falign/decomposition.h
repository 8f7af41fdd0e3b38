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

/** Decomposes the feedback of a rule with direct feedback, by singular values in double precision.
 *  @return FALIGN_UNSUPPORTED for other rules and in a build without LAPACK, FALIGN_DIVERGED if LAPACK does not
 *  converge, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_decomposition_create(const falign_rule *rule,
                                                                    falign_decomposition **out);
/** Releases it; NULL is fine. */
FALIGN_API void falign_decomposition_destroy(falign_decomposition *decomposition);

/** Copies a factor of layer l = 1..d-1: FALIGN_Q, FALIGN_F_HAT, or FALIGN_F_PERP, which is orthogonal to F_hat[l].
 *  @return FALIGN_INVALID for a layer or quantity that does not exist. */
FALIGN_API FALIGN_CHECKED falign_status falign_decomposition_get(const falign_decomposition *decomposition,
                                                                 falign_quantity what, uint32_t l,
                                                                 const falign_matrix *out);
/** Returns ||F_perp[l]||_F / ||F[l]||_F, the share that no product through the layers can give; NaN for F[l] = 0 and
 *  for a layer that does not exist. */
FALIGN_API double falign_decomposition_share(const falign_decomposition *decomposition, uint32_t l);

FALIGN_END

#endif
