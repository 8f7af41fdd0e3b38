/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_TERMS_H
#define FALIGN_TERMS_H

/** @file terms.h
 *  @brief Alignment terms: which past activity pushes W towards B^T, order by order and layer by layer.
 *
 *  The update dW[l] of iteration k, l = 1..d-1, is expanded in the updates of the iterations before it (eqs. 3, S14):
 *
 *      dW[l][k] = T_l^1 + T_l^2 + ... + T_l^k + zero-degree term + R_l
 *
 *  with zeta^o = L[l-1][k] W[l-1][k-o] + b[l][k] and the terms of order o (eqs. 4, S15; by eqs. 1 and 22
 *  eta L[l-1][k-o]^T delta[l][k-o] is the update dW[l-1][k-o] that the history holds)
 *
 *      T_l^o = eta { f'(zeta^o) .* (L[l-1][k] dW[l-1][k-o]) }^T delta[l+1][k],
 *
 *  where .* and .^ act element by element.
 *
 *  The functions below take the trace of a step k which the history holds, with the activity of the whole batch
 *  (FALIGN_NEEDS_ACTIVITY): the trace that a metric is given, or that of the last step. All terms have the shape of
 *  W[l], n[l] x n[l+1], and are written in double precision whatever the network's, in which they are computed; arrays
 *  of several have them one after the other, each contiguous.
 *
 *  All of them return FALIGN_INVALID for a layer, order or degree that is not there, or a step or order that the
 *  history does not hold; FALIGN_SHAPE for the trace of another network; FALIGN_UNSUPPORTED where the trace has no
 *  activity or the history does not keep what is needed; FALIGN_IO where its file cannot be read; FALIGN_DIVERGED where
 *  a state with older weights is not finite; FALIGN_MEMORY. Outputs are then untouched. */

#include "falign/decomposition.h"
#include "falign/history.h"
#include "falign/metric.h"

FALIGN_BEGIN

/** What computes terms: for the steps that a history holds, under a rule with feedback. Keeps references to both. */
typedef struct falign_terms falign_terms;

/** Largest degree of a Taylor term. */
#define FALIGN_TERMS_MAX_DEGREE 10

/** Makes one for the steps of `history`, which were made by `rule`. It starts with one thread.
 *  @return FALIGN_UNSUPPORTED for a rule without feedback matrices, such as BP, FALIGN_SHAPE for the rule of another
 *  network, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_create(falign_history *history, falign_rule *rule,
                                                            falign_terms **out);
/** Releases it; NULL is fine. */
FALIGN_API void falign_terms_destroy(falign_terms *terms);
/** Uses so many threads, the caller's among them; results do not depend on it, bit for bit.
 *  @return as falign_trainer_set_threads(). */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_set_threads(falign_terms *terms, uint32_t threads);

/** The terms of the given orders o, 1 <= o <= k.
 *  @param degree 1 for T_l^o; v > 1 for the Taylor term of that degree (eqs. S2 to S5),
 *  eta { f^(v)(zeta^o) / v! .* (L[l-1][k] dW[l-1][k-o]).^v }^T delta[l+1][k]: up to FALIGN_TERMS_MAX_DEGREE, and only
 *  for tanh, logistic and linear, which are analytic (else FALIGN_UNSUPPORTED)
 *  @param t count x n[l] x n[l+1] */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_orders(falign_terms *terms, const falign_trace *trace, uint32_t l,
                                                            uint32_t degree, const uint64_t *orders, size_t count,
                                                            double *t);
/** The sum of such terms over the given orders, or over all of 1..k where `orders` is NULL. */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_sum(falign_terms *terms, const falign_trace *trace, uint32_t l,
                                                         uint32_t degree, const uint64_t *orders, size_t count,
                                                         double *t);
/** The zero-degree term of the expansion up to an order, eta f(zeta^order)^T delta[l+1][k]. Order k is that of eq. 3,
 *  with W[l-1][0]; order 0 is dW[l] itself. For order k the history needs no more than its window. */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_zero(falign_terms *terms, const falign_trace *trace, uint32_t l,
                                                          uint64_t order, double *t);
/** The remainder R_l (eq. 11), computed on its own and not as what is left over:
 *  eta sum_o { f(zeta^(o-1)) - f(zeta^o) - sum_v f^(v)(zeta^o) / v! .* (L[l-1][k] dW[l-1][k-o]).^v }^T delta[l+1][k]
 *  over o = 1..k and v = 1..degree. What normalization does to W is part of it.
 *  @param degree 1 for eq. 11; more as for falign_terms_orders() */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_remainder(falign_terms *terms, const falign_trace *trace,
                                                               uint32_t l, uint32_t degree, double *t);

/** The linear terms, in which the nonlinearity is left out: eta^2 B[l]^T C[l][k-o]^T C[l][k] with
 *  C[l] = L[l-1]^T delta[l+1] (eq. 5; FALIGN_KEEP_C); for DFA
 *  eta^2 F[l]^T delta[d][k-o]^T L[l-1][k-o] L[l-1][k]^T delta[l+1][k] (FALIGN_KEEP_DIRECT). delta keeps its own f'. */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_linear(falign_terms *terms, const falign_trace *trace, uint32_t l,
                                                            const uint64_t *orders, size_t count, double *t);
/** The part of the linear terms that the diagonal of M gives, eta^2 B[l]^T diag(M_l^o): of eq. 12, in which tr(M) alone
 *  is expected to align. @return FALIGN_UNSUPPORTED also for direct feedback, where there is no such M. */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_linear_diagonal(falign_terms *terms, const falign_trace *trace,
                                                                     uint32_t l, const uint64_t *orders, size_t count,
                                                                     double *t);
/** The sum of the linear terms over the given orders, or over all of 1..k where `orders` is NULL: from the running sum
 *  of the history, whatever its window. */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_linear_sum(falign_terms *terms, const falign_trace *trace,
                                                                uint32_t l, const uint64_t *orders, size_t count,
                                                                double *t);
/** The direct terms in the simplified form of eq. 8 (linear, F_perp left out):
 *  eta^2 Q[l]^T F[l+1]^T delta[d][k-o]^T L[l-1][k-o] L[l-1][k]^T delta[d][k] F[l+1], F[d] being the identity
 *  (FALIGN_KEEP_DIRECT). @return FALIGN_UNSUPPORTED also for rules without direct feedback and without LAPACK. */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_simplified(falign_terms *terms, const falign_trace *trace,
                                                                uint32_t l, const uint64_t *orders, size_t count,
                                                                double *t);

/** Compares a matrix of the shape of W[l] with what W[l] aligns with: B[l]^T, or Q[l]^T under direct feedback (eq. 7).
 *  @param angle degrees (eq. 24); NaN for a zero matrix
 *  @param norm ||t||_F
 *  @param ratio ||t||_F / ||dW[l]||_F of the step
 *  The outputs that are NULL are not written. @return FALIGN_UNSUPPORTED also for direct feedback without LAPACK. */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_compare(falign_terms *terms, const falign_trace *trace, uint32_t l,
                                                             const double *t, double *angle, double *norm,
                                                             double *ratio);

/** A metric of all this: for each layer l = 1..d-1 "angle_t", "norm_t", "angle_t_linear" and "norm_t_linear" by order,
 *  and without one "angle_zero", "norm_zero", "angle_remainder", "norm_remainder", "angle_sum_t", "norm_sum_t",
 *  "angle_sum_t_linear" and "norm_dw". Angles are those of falign_terms_compare(), which under direct feedback need
 *  LAPACK; sums and remainder take all orders 1..k. The trainer must record its steps from iteration 0 on in a history
 *  without window that keeps FALIGN_KEEP_C, or FALIGN_KEEP_DIRECT under direct feedback; else the step fails.
 *  @param orders the single orders that are emitted, those beyond k left out; NULL for all
 *  @return FALIGN_INVALID for an order of 0, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_metric_create_terms(const uint64_t *orders, size_t count,
                                                                   falign_metric **out);

FALIGN_END

#endif
