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

/** What some disturbances need. */
typedef struct falign_disturbance_settings {
  falign_rule *fresh; /**< "fresh_feedback": a rule of the same kind of feedback, to which a reference is kept */
  uint64_t seed;      /**< "shuffled_rows" */
  uint32_t run;       /**< "shuffled_rows" */
} falign_disturbance_settings;

/** Makes a disturbance by name, before the first step of `history`, to which and to `rule` it keeps references.
 *  - "undisturbed": the terms themselves, to compare with.
 *  - "linear": without the nonlinearity, the linear terms (eq. 5) in place of those of eq. 4 (Fig. 4A). Lets the
 *  history keep what they need.
 *  - "fresh_feedback": with the fixed feedback weights of `fresh` in the place of those of `rule`; delta[l+1] stays
 *    that of the network itself (Fig. 4B). The weights are compared with the fresh ones. The history keeps one more
 *    matrix of the shape of dW[l-1] for each layer.
 *  - "shuffled_rows": with the rows of each step's error matrices delta[2..d] shuffled, by one permutation a step from
 *    the stream (seed, FALIGN_RNG_ROWS, k, run), wherever that step's delta appears, the zero-degree term included
 *    (Fig. 5). The history keeps as much more. Steps end with k = 2^24 - 1: those beyond fail with FALIGN_INVALID.
 *  @param settings NULL if the disturbance needs none
 *  @return FALIGN_UNSUPPORTED for another name, listing these; FALIGN_INVALID for missing settings and for a history
 *  that has steps; FALIGN_SHAPE for a fresh rule of another kind of feedback; and as falign_terms_create(). */
FALIGN_API FALIGN_CHECKED falign_status falign_disturbance_create(const char *name,
                                                                  const falign_disturbance_settings *settings,
                                                                  falign_history *history, falign_rule *rule,
                                                                  falign_disturbance **out);
/** Releases a reference; NULL is fine. */
FALIGN_API void falign_disturbance_destroy(falign_disturbance *disturbance);

/** Returns "undisturbed", "linear", "fresh_feedback" or "shuffled_rows". Static storage. */
FALIGN_API const char *falign_disturbance_name(const falign_disturbance *disturbance);
/** Uses so many threads; results do not depend on it. @return as falign_trainer_set_threads(). */
FALIGN_API FALIGN_CHECKED falign_status falign_disturbance_set_threads(falign_disturbance *disturbance,
                                                                       uint32_t threads);

/** Computes disturbed terms of single orders, as falign_terms_get() does. With shuffled rows: of the last step that was
 *  recorded only. @return as falign_terms_get(); FALIGN_INVALID for another step with shuffled rows. */
FALIGN_API FALIGN_CHECKED falign_status falign_disturbance_get(falign_disturbance *disturbance,
                                                               const falign_trace *trace, uint32_t l,
                                                               const falign_orders *orders, const falign_matrix *t);

/** Takes the disturbed weights over step k, from the trace of its whole batch; steps come in order from iteration 0,
 *  with which the weights begin anew. @return FALIGN_INVALID for another step than the next, and as falign_terms_sum();
 *  the weights are then as they were. */
FALIGN_API FALIGN_CHECKED falign_status falign_disturbance_update(falign_disturbance *disturbance,
                                                                  const falign_trace *trace);
/** Copies the disturbed W[l], l = 1..d-1. @return FALIGN_INVALID for a layer that does not exist and before the first
 *  update. */
FALIGN_API FALIGN_CHECKED falign_status falign_disturbance_get_weights(const falign_disturbance *disturbance,
                                                                       uint32_t l, const falign_matrix *w);
/** Computes the angle of the disturbed W[l] with B[l]^T, or that of the fresh feedback weights (Q[l]^T under direct
 *  feedback), in degrees. @return FALIGN_INVALID for a layer that does not exist and before the first update; under
 *  direct feedback also FALIGN_UNSUPPORTED without LAPACK, FALIGN_DIVERGED if it does not converge, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_disturbance_angle(falign_disturbance *disturbance, uint32_t l,
                                                                 double *angle);

/** Makes a metric: falign_disturbance_update() at each step, and when it is due the angles of the disturbed weights
 *  before update k as "angle_w_NAME" with the disturbance's name, for l = 1..d-1. It keeps a reference.
 *  @return FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_metric_create_disturbance(falign_disturbance *disturbance,
                                                                         falign_metric **out);

FALIGN_END

#endif
