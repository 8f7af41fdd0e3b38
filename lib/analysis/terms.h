/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_TERMS_H
#define FAL_TERMS_H

#include "math/angle.h"
#include "falign/terms.h"
#include "analysis/terms_expand.h"

struct falign_terms {
  falign_history *history;
  falign_rule *rule;
  fal_expander *expander;
  falign_decomposition *decomposition; /* of F, as it was when last asked for; NULL before */
};

/* Fails unless terms of layer l can be computed for this trace. */
falign_status fal_terms_check(const falign_terms *terms, const falign_trace *trace, uint32_t l);
/* Fails unless these are orders of iteration k that the history holds; NULL stands for all of 1..k. */
falign_status fal_terms_check_orders(const falign_history *history, uint64_t k, const uint64_t *orders, size_t count);
/* The orders 1..k; the caller frees them. */
falign_status fal_terms_all_orders(uint64_t k, uint64_t **orders, size_t *count);
/* Room for `count` matrices of the shape of W[l]; the caller frees it. */
falign_status fal_terms_room(const falign_network *network, uint32_t l, size_t count, double **out);
size_t fal_terms_numbers(const falign_network *network, uint32_t l);

/* Expands what was found sound, to `t`: `result` is the field of *what that is asked for (single, sum or remainder), of
 * so many matrices. Nothing is written on failure. */
falign_status fal_terms_expand(falign_terms *terms, fal_expansion *what, double **result, size_t matrices, double *t);
/* The same over all orders 1..k. */
falign_status fal_terms_expand_all(falign_terms *terms, fal_expansion *what, double **result, double *t);
/* dW[l] of the step. */
fal_view fal_terms_update(const falign_trace *trace, uint32_t l);
/* The angle of a matrix of the shape of W[l] with the feedback. */
falign_status fal_terms_angle(falign_terms *terms, uint32_t l, const double *t, double *angle);

/* The decomposition of F as it is now. */
falign_status fal_terms_decompose(falign_terms *terms);

#endif
