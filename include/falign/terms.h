/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_TERMS_H
#define FALIGN_TERMS_H

/** @file terms.h
 *  @brief Alignment terms: which past activity pushes W[l] towards B[l]^T, order by order and layer by layer.
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
 *  (FALIGN_NEEDS_ACTIVITY): the trace that a metric is given, that of the last step, or one made with
 *  falign_trace_create(). dW[l-1][k-o] is what was applied to the weights, FALIGN_DW_APPLIED if the history keeps it.
 *  All terms have the shape of W[l], n[l] x n[l+1], and are computed in double precision whatever the network's. They
 *  are written to matrices in which the terms of `count` orders are stacked: (count * n[l]) x n[l+1].
 *
 *  All of them return FALIGN_INVALID for a layer, order or degree that does not exist, or a step or order that the
 *  history does not hold; FALIGN_SHAPE for the trace of another network; FALIGN_UNSUPPORTED if the trace has no
 *  activity or the history does not keep what is needed; FALIGN_IO if its file cannot be read; FALIGN_DIVERGED if
 *  a state with older weights is not finite; FALIGN_MEMORY. Outputs are then untouched. */

#include "falign/decomposition.h"
#include "falign/history.h"
#include "falign/metric.h"

FALIGN_BEGIN

/** Computes terms for the steps that a history holds, under a rule with feedback. Keeps references to both. */
typedef struct falign_terms falign_terms;

/** Largest degree of a Taylor term. */
#define FALIGN_TERMS_MAX_DEGREE 10

/** Makes an object that computes the terms of the steps in `history`, which `rule` made. It starts with one thread.
 *  @return FALIGN_UNSUPPORTED for a rule without feedback matrices, such as BP, FALIGN_SHAPE for the rule of another
 *  network, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_create(falign_history *history, falign_rule *rule,
                                                            falign_terms **out);
/** Releases it; NULL is fine. */
FALIGN_API void falign_terms_destroy(falign_terms *terms);
/** Uses `threads` threads, including the caller's; results are bitwise identical for any number.
 *  @return as falign_trainer_set_threads(). */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_set_threads(falign_terms *terms, uint32_t threads);

/** The kinds of terms. */
typedef int32_t falign_term;
enum {
  /** T_l^o (eqs. 4, S15); with a degree v > 1 the Taylor term of that degree (eqs. S2 to S5),
   *  eta { f^(v)(zeta^o) / v! .* (L[l-1][k] dW[l-1][k-o]).^v }^T delta[l+1][k] */
  FALIGN_TERM = 1,
  /** The linear terms, in which the nonlinearity is left out: eta^2 B[l]^T C[l][k-o]^T C[l][k] with
   *  C[l] = L[l-1]^T delta[l+1] (eq. 5; FALIGN_KEEP_C); for DFA
   *  eta^2 F[l]^T delta[d][k-o]^T L[l-1][k-o] L[l-1][k]^T delta[l+1][k] (FALIGN_KEEP_DIRECT). delta keeps its own f'.
   */
  FALIGN_TERM_LINEAR = 2,
  /** The part of the linear terms that comes from the diagonal of M, eta^2 B[l]^T diag(M_l^o) (eq. 12, in which only
   *  tr(M) is expected to align). FALIGN_UNSUPPORTED for direct feedback, for which there is no such M. */
  FALIGN_TERM_DIAGONAL = 3,
  /** The direct terms in the simplified form of eq. 8 (linear, F_perp left out):
   *  eta^2 Q[l]^T F[l+1]^T delta[d][k-o]^T L[l-1][k-o] L[l-1][k]^T delta[d][k] F[l+1], F[d] being the identity
   *  (FALIGN_KEEP_DIRECT). FALIGN_UNSUPPORTED for rules without direct feedback and without LAPACK. */
  FALIGN_TERM_SIMPLIFIED = 4
};

/** Which orders, and of which degree. */
typedef struct falign_orders {
  const uint64_t *list; /**< the orders o, 1 <= o <= k; NULL for all of 1..k, where a function allows it */
  size_t count;         /**< of `list` */
  uint32_t degree;      /**< of FALIGN_TERM: 1 to FALIGN_TERMS_MAX_DEGREE, above 1 only for tanh, logistic and linear,
                             which are analytic (else FALIGN_UNSUPPORTED); 0 counts as 1. Other kinds have degree 1 */
} falign_orders;

/** Computes the terms of single orders.
 *  @param orders must have a list
 *  @param t (orders->count * n[l]) x n[l+1] */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_get(falign_terms *terms, const falign_trace *trace,
                                                         falign_term kind, uint32_t l, const falign_orders *orders,
                                                         const falign_matrix *t);
/** Computes the sum of such terms over the given orders, or over all. FALIGN_TERM_LINEAR over all takes the history's
 *  running sum, whatever its window. @param t n[l] x n[l+1]
 *  @return FALIGN_UNSUPPORTED also for the other kinds. */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_sum(falign_terms *terms, const falign_trace *trace,
                                                         falign_term kind, uint32_t l, const falign_orders *orders,
                                                         const falign_matrix *t);
/** Computes the zero-degree term of the expansion up to an order, eta f(zeta^order)^T delta[l+1][k]. Order k is that of
 *  eq. 3, with W[l-1][0]; order 0 is dW[l] itself. For order k the history needs no more than its window. */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_zero(falign_terms *terms, const falign_trace *trace, uint32_t l,
                                                          uint64_t order, const falign_matrix *t);
/** Computes the remainder R_l (eq. 11) by its own formula and not as the difference:
 *  eta sum_o { f(zeta^(o-1)) - f(zeta^o) - sum_v f^(v)(zeta^o) / v! .* (L[l-1][k] dW[l-1][k-o]).^v }^T delta[l+1][k]
 *  over o = 1..k and v = 1..degree. What normalization does to W is part of it.
 *  @param degree 1 for eq. 11; more as for FALIGN_TERM */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_remainder(falign_terms *terms, const falign_trace *trace,
                                                               uint32_t l, uint32_t degree, const falign_matrix *t);

/** How a matrix compares with what W[l] aligns with. */
typedef struct falign_comparison {
  double angle; /**< degrees (eq. 24); NaN for a zero matrix */
  double norm;  /**< ||t||_F */
  double ratio; /**< ||t||_F / ||dW[l]||_F of the step */
} falign_comparison;

/** Compares a matrix of the shape of W[l] with what W[l] aligns with: B[l]^T, or Q[l]^T under direct feedback (eq. 7).
 *  @return FALIGN_UNSUPPORTED also for direct feedback without LAPACK. */
FALIGN_API FALIGN_CHECKED falign_status falign_terms_compare(falign_terms *terms, const falign_trace *trace, uint32_t l,
                                                             const falign_view *t, falign_comparison *out);

/** Makes a metric of all these quantities: for each layer l = 1..d-1 "angle_t", "norm_t", "angle_t_linear" and
 *  "norm_t_linear" by order, and without one "angle_zero", "norm_zero", "angle_remainder", "norm_remainder",
 *  "angle_sum_t", "norm_sum_t" and "angle_sum_t_linear"; the built-in metric "norm_dw" gives what to compare their
 *  norms with. Angles are those of falign_terms_compare(), which under direct feedback need LAPACK; sums and remainder
 *  take all orders 1..k. The trainer must record its steps from iteration 0 on in a history without window that keeps
 *  FALIGN_KEEP_C, or FALIGN_KEEP_DIRECT under direct feedback; else the step fails.
 *  @param orders the single orders that are emitted, those beyond k left out; NULL for all
 *  @return FALIGN_INVALID for an order of 0, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_metric_create_terms(const uint64_t *orders, size_t count,
                                                                   falign_metric **out);

FALIGN_END

#endif
