/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_DISTURBANCE_H
#define FALIGN_DISTURBANCE_H

/** @file disturbance.h
 *  @brief Disturbed alignment terms, and the weights that they alone would have built (sections 2.3.4 to 2.3.6, Figs. 4
 *  and 5). Learning itself stays untouched.
 *
 *  Disturbed weights start at W[l] of iteration 0, and at each step k gain the zero-degree term and the
 *  sum of the disturbed terms of orders 1..k (the remainder is left out), for l = 1..d-1. Beside those of undisturbed
 *  terms they show what alignment depends on. */

#include "falign/terms.h"

FALIGN_BEGIN

/** One way of disturbing the terms, and its weights. */
typedef struct falign_disturbance falign_disturbance;

/** Undisturbed terms, to compare with. All of these are made before the first step of `history` and keep references to
 *  what they are given. @return as falign_terms_create(); FALIGN_INVALID for a history that has begun. */
FALIGN_API FALIGN_CHECKED falign_status falign_disturbance_create_none(falign_history *history, falign_rule *rule,
                                                                       falign_disturbance **out);
/** Without the nonlinearity: the linear terms (eq. 5) in place of those of eq. 4 (Fig. 4A). Lets the history keep what
 *  they need. @return as falign_disturbance_create_none(). */
FALIGN_API FALIGN_CHECKED falign_status falign_disturbance_create_linear(falign_history *history, falign_rule *rule,
                                                                         falign_disturbance **out);
/** With the fixed feedback weights of `fresh`, a rule of the same kind, in the place of those of `rule`; delta[l+1]
 *  stays that of the network itself (Fig. 4B). The weights are compared with the fresh ones. The history keeps a matrix
 *  of the shape of dW[l-1] more for each layer. @return as falign_disturbance_create_none(); FALIGN_SHAPE for a rule of
 *  another kind of feedback. */
FALIGN_API FALIGN_CHECKED falign_status falign_disturbance_create_feedback(falign_history *history, falign_rule *rule,
                                                                           falign_rule *fresh,
                                                                           falign_disturbance **out);
/** With the rows of each step's error matrices delta[2..d] shuffled, by one permutation a step from the stream
 *  (seed, FALIGN_RNG_ROWS, k, run), wherever that step's delta appears, the zero-degree term included (Fig. 5). The
 *  history keeps as much more. Steps end with k = 2^24 - 1: those beyond fail with FALIGN_INVALID. @return as
 *  falign_disturbance_create_none(). */
FALIGN_API FALIGN_CHECKED falign_status falign_disturbance_create_rows(falign_history *history, falign_rule *rule,
                                                                       uint64_t seed, uint32_t run,
                                                                       falign_disturbance **out);
/** Gives back a reference; NULL is fine. */
FALIGN_API void falign_disturbance_destroy(falign_disturbance *disturbance);

/** "undisturbed", "linear", "fresh_feedback" or "shuffled_rows". Static storage. */
FALIGN_API const char *falign_disturbance_name(const falign_disturbance *disturbance);
/** Uses so many threads; results do not depend on it. @return as falign_trainer_set_threads(). */
FALIGN_API FALIGN_CHECKED falign_status falign_disturbance_set_threads(falign_disturbance *disturbance,
                                                                       uint32_t threads);

/** Disturbed terms of single orders, count x n[l] x n[l+1], as falign_terms_orders() writes them. With shuffled rows:
 *  of the last step that was recorded only. @return as falign_terms_orders(); FALIGN_INVALID for another step with
 *  shuffled rows. */
FALIGN_API FALIGN_CHECKED falign_status falign_disturbance_orders(falign_disturbance *disturbance,
                                                                  const falign_trace *trace, uint32_t l,
                                                                  const uint64_t *orders, size_t count, double *t);

/** Takes the disturbed weights over step k, from the trace of its whole batch; steps come in order from iteration 0,
 *  with which the weights begin anew. @return FALIGN_INVALID for another step than the next, and as falign_terms_sum();
 *  the weights are then as they were. */
FALIGN_API FALIGN_CHECKED falign_status falign_disturbance_update(falign_disturbance *disturbance,
                                                                  const falign_trace *trace);
/** Copies the disturbed W[l], l = 1..d-1, to the caller's n[l] x n[l+1] matrix. @return FALIGN_INVALID for a layer that
 *  is not there and before the first update, FALIGN_SHAPE. */
FALIGN_API FALIGN_CHECKED falign_status falign_disturbance_get_weights(const falign_disturbance *disturbance,
                                                                       uint32_t l, double *w, size_t rows, size_t cols,
                                                                       size_t stride);
/** The angle of the disturbed W[l] with B[l]^T, or that of the fresh feedback weights (Q[l]^T under direct feedback),
 *  in degrees. @return FALIGN_INVALID for a layer that is not there and before the first update; under direct feedback
 *  also FALIGN_UNSUPPORTED without LAPACK, FALIGN_DIVERGED where it does not converge, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_disturbance_angle(falign_disturbance *disturbance, uint32_t l,
                                                                 double *angle);

/** A metric: falign_disturbance_update() at each step, for which it must see every iteration
 *  (falign_trainer_observe() with every = 1), and where k is a multiple of `every` the angles of the disturbed weights
 *  before update k as "angle_w_NAME" with the disturbance's name, for l = 1..d-1. Keeps a reference.
 *  @return FALIGN_INVALID for every = 0, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_metric_create_disturbance(falign_disturbance *disturbance,
                                                                         uint64_t every, falign_metric **out);

FALIGN_END

#endif
