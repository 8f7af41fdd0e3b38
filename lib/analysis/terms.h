/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_TERMS_H
#define FAL_TERMS_H

#include "analysis/terms_expand.h"
#include "falign/terms.h"
#include "math/angle.h"

struct falign_terms {
  falign_history *history;
  falign_rule *rule;
  fal_expander *expander;
  falign_decomposition *decomposition; /* of F when it was last needed; NULL before */
};

/* Checked arguments: terms of layer l in the step of a trace. */
typedef struct {
  falign_terms *terms;
  const falign_trace *trace;
  uint32_t l;
  falign_orders orders; /* in a sum the list may be NULL: 1..k; the degree is at least 1 */
} fal_term_request;

/* Fails unless terms of layer l can be computed for this trace. */
falign_status fal_terms_check(const falign_terms *terms, const falign_trace *trace, uint32_t l);
/* Fails unless the history holds what the orders of iteration k need, which must be listed. */
falign_status fal_terms_check_listed(const falign_history *history, uint64_t k, const falign_orders *orders);
/* Lists the orders 1..k; the caller frees the list. */
falign_status fal_terms_all_orders(uint64_t k, uint64_t **orders, size_t *count);

/* Returns the count of numbers of W[l]. */
size_t fal_terms_numbers(const falign_network *network, uint32_t l);
/* Allocates `count` matrices of the shape of W[l]; the caller frees them. */
falign_status fal_terms_room(const falign_network *network, uint32_t l, double **out, size_t count);
/* The same for results that go to `t`, which must have their stacked shape, (count n[l]) x n[l+1]. */
falign_status fal_terms_room_for(const falign_network *network, uint32_t l, const falign_matrix *t, size_t count,
                                 double **out);
/* Copies results to `t` unless `status` is a failure, and frees the room; returns `status`. */
falign_status fal_terms_deliver(falign_status status, double *room, const falign_matrix *t);

/* Describes the expansion of degree 1 in the applied updates; the caller sets which results it wants. */
fal_expansion fal_terms_expansion(const falign_terms *terms, const falign_trace *trace, uint32_t l);
/* Expands over all orders 1..k. */
falign_status fal_terms_expand_all(falign_terms *terms, fal_expansion *what);

/* terms_linear.c: the terms of the listed orders, one after the other, of the kinds FALIGN_TERM_LINEAR, _DIAGONAL and
 * _SIMPLIFIED, and the sum of linear terms. If they fail, `t` is undefined. */
falign_status fal_linear_get(const fal_term_request *asked, double *t);
falign_status fal_linear_get_diagonal(const fal_term_request *asked, double *t);
falign_status fal_linear_get_simplified(const fal_term_request *asked, double *t);
falign_status fal_linear_sum(const fal_term_request *asked, double *t);

/* Finds the angle of a matrix of the shape of W[l] with the feedback. */
falign_status fal_terms_angle(falign_terms *terms, uint32_t l, const falign_view *t, double *angle);
/* Updates the decomposition to the present F. */
falign_status fal_terms_decompose(falign_terms *terms);

#endif
