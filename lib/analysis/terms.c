/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/terms.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/decomposition.h"
#include "learning/activation.h"

_Static_assert(FALIGN_TERMS_MAX_DEGREE == FAL_MAX_DEGREE, "the largest degree has two numbers");

static falign_status check_rule(const falign_history *history, const falign_rule *rule) {
  FAL_TRY(fal_rule_check(rule, history->network));
  if (rule->table.feedback != FALIGN_FEEDBACK_NONE) return FALIGN_OK;
  return fal_fail(FALIGN_UNSUPPORTED, "rule %s has no feedback matrices, and so no alignment terms", rule->table.name);
}

falign_status falign_terms_create(falign_history *history, falign_rule *rule, falign_terms **out) {
  FAL_GIVEN(history);
  FAL_GIVEN(rule);
  FAL_GIVEN(out);
  FAL_TRY(check_rule(history, rule));
  falign_terms *terms = fal_zalloc(1, sizeof *terms);
  if (!terms) return fal_fail_memory("terms", 1, sizeof *terms);
  falign_status status = fal_expander_create(&terms->expander);
  if (status != FALIGN_OK) {
    free(terms);
    return status;
  }
  fal_history_keep_reference(history);
  fal_rule_keep(rule);
  terms->history = history;
  terms->rule = rule;
  *out = terms;
  return FALIGN_OK;
}

void falign_terms_destroy(falign_terms *terms) {
  if (!terms) return;
  fal_expander_destroy(terms->expander);
  falign_decomposition_destroy(terms->decomposition);
  falign_rule_destroy(terms->rule);
  falign_history_destroy(terms->history);
  free(terms);
}

falign_status falign_terms_set_threads(falign_terms *terms, uint32_t threads) {
  FAL_GIVEN(terms);
  return fal_expander_set_threads(terms->expander, threads);
}

/* ---- Checks ---- */

falign_status fal_terms_check(const falign_terms *terms, const falign_trace *trace, uint32_t l) {
  FAL_GIVEN(terms);
  FAL_GIVEN(trace);
  const falign_network *network = terms->history->network;
  if (trace->network != network) return fal_fail(FALIGN_SHAPE, "the trace is of another network than the history");
  if (l < 1 || l >= network->layers)
    return fal_fail(FALIGN_INVALID, "there are no terms of layer %u: l goes from 1 to %u", l, network->layers - 1);
  if (!trace->outputs[l - 1] || !trace->deltas[l + 1])
    return fal_fail(FALIGN_UNSUPPORTED,
                    "L[%u] and delta[%u] were not kept in this step: ask falign_trainer_keep() for them before", l - 1,
                    l + 1);
  return fal_history_check(terms->history, trace->iteration);
}

falign_status fal_terms_check_orders(const falign_history *history, uint64_t k, const uint64_t *orders, size_t count) {
  const unsigned long long now = k;
  if (count > 0 && !orders) return fal_fail(FALIGN_INVALID, "orders is NULL");
  for (size_t i = 0; i < count; i++) {
    unsigned long long order = orders[i];
    if (order == 0 || order > k)
      return fal_fail(FALIGN_INVALID, "there is no term of order %llu at iteration %llu: orders go from 1 to %llu",
                      order, now, now);
    if (k - orders[i] < history->first)
      return fal_fail(FALIGN_INVALID,
                      "order %llu at iteration %llu needs iteration %llu, but the history holds %llu to %llu", order,
                      now, now - order, (unsigned long long)history->first, (unsigned long long)history->end - 1);
  }
  return FALIGN_OK;
}

falign_status fal_terms_all_orders(uint64_t k, uint64_t **orders, size_t *count) {
  uint64_t *all = k <= PTRDIFF_MAX / sizeof *all ? fal_alloc((size_t)k, sizeof *all) : NULL;
  if (!all) return fal_fail_memory("orders", k, sizeof *all);
  for (size_t i = 0; i < k; i++) all[i] = i + 1;
  *orders = all;
  *count = (size_t)k;
  return FALIGN_OK;
}

size_t fal_terms_numbers(const falign_network *network, uint32_t l) {
  return network->widths[l] * network->widths[l + 1];
}

falign_status fal_terms_room(const falign_network *network, uint32_t l, size_t count, double **out) {
  size_t numbers = fal_terms_numbers(network, l), all;
  *out = fal_mul(numbers, count, &all) ? fal_alloc(all, sizeof **out) : NULL;
  return *out ? FALIGN_OK : fal_fail_memory("terms", count, numbers * sizeof **out);
}

static falign_status check_degree(const falign_network *network, uint32_t l, uint32_t degree) {
  if (degree < 1 || degree > FAL_MAX_DEGREE)
    return fal_fail(FALIGN_INVALID, "degrees go from 1 to %d, got %u", FAL_MAX_DEGREE, degree);
  if (degree == 1 || fal_is_analytic(&network->activation[l])) return FALIGN_OK;
  return fal_fail(FALIGN_UNSUPPORTED,
                  "the activation of layer %u, %s, has no Taylor terms of degree %u: it is not analytic", l,
                  falign_activation_name(network->activation[l].kind), degree);
}

/* ---- Terms ---- */

/* An expansion that the checks have found sound. */
static falign_status prepare(const falign_terms *terms, const falign_trace *trace, uint32_t l, uint32_t first_degree,
                             uint32_t degree, fal_expansion *what) {
  FAL_TRY(fal_terms_check(terms, trace, l));
  FAL_TRY(check_degree(terms->history->network, l, degree));
  *what = (fal_expansion){.history = terms->history,
                          .trace = trace,
                          .l = l,
                          .update_at = fal_history_update_at(terms->history, l - 1),
                          .delta = trace->deltas[l + 1],
                          .first_degree = first_degree,
                          .last_degree = degree};
  return FALIGN_OK;
}

/* Computes to memory of its own first, since a failure may come late. */
falign_status fal_terms_expand(falign_terms *terms, fal_expansion *what, double **result, size_t matrices, double *t) {
  const falign_network *network = terms->history->network;
  FAL_TRY(fal_terms_check_orders(terms->history, what->trace->iteration, what->orders, what->count));
  double *room;
  FAL_TRY(fal_terms_room(network, what->l, matrices, &room));
  *result = room;
  falign_status status = fal_expand(terms->expander, what);
  if (status == FALIGN_OK) memcpy(t, room, matrices * fal_terms_numbers(network, what->l) * sizeof *t);
  free(room);
  return status;
}

falign_status fal_terms_expand_all(falign_terms *terms, fal_expansion *what, double **result, double *t) {
  uint64_t *orders;
  FAL_TRY(fal_terms_all_orders(what->trace->iteration, &orders, &what->count));
  what->orders = orders;
  falign_status status = fal_terms_expand(terms, what, result, 1, t);
  free(orders);
  return status;
}

falign_status falign_terms_orders(falign_terms *terms, const falign_trace *trace, uint32_t l, uint32_t degree,
                                  const uint64_t *orders, size_t count, double *t) {
  fal_expansion what;
  FAL_GIVEN(t);
  FAL_TRY(prepare(terms, trace, l, degree, degree, &what));
  what.orders = orders;
  what.count = count;
  return fal_terms_expand(terms, &what, &what.single, count, t);
}

falign_status falign_terms_sum(falign_terms *terms, const falign_trace *trace, uint32_t l, uint32_t degree,
                               const uint64_t *orders, size_t count, double *t) {
  fal_expansion what;
  FAL_GIVEN(t);
  FAL_TRY(prepare(terms, trace, l, degree, degree, &what));
  if (!orders) return fal_terms_expand_all(terms, &what, &what.sum, t);
  what.orders = orders;
  what.count = count;
  return fal_terms_expand(terms, &what, &what.sum, 1, t);
}

falign_status falign_terms_remainder(falign_terms *terms, const falign_trace *trace, uint32_t l, uint32_t degree,
                                     double *t) {
  fal_expansion what;
  FAL_GIVEN(t);
  FAL_TRY(prepare(terms, trace, l, 1, degree, &what));
  return fal_terms_expand_all(terms, &what, &what.remainder, t);
}

/* The weights of the first step outlast a window. */
static falign_status check_zero(const falign_history *history, uint64_t k, uint64_t order) {
  if (order == 0 || (order <= k && k - order == history->origin)) return FALIGN_OK;
  return fal_terms_check_orders(history, k, &order, 1);
}

falign_status falign_terms_zero(falign_terms *terms, const falign_trace *trace, uint32_t l, uint64_t order, double *t) {
  fal_expansion what;
  double *room;
  FAL_GIVEN(t);
  FAL_TRY(prepare(terms, trace, l, 1, 1, &what));
  FAL_TRY(check_zero(terms->history, trace->iteration, order));
  FAL_TRY(fal_terms_room(terms->history->network, l, 1, &room));
  falign_status status = fal_expand_zero(terms->expander, &what, order, room);
  if (status == FALIGN_OK) memcpy(t, room, fal_terms_numbers(terms->history->network, l) * sizeof *t);
  free(room);
  return status;
}

/* ---- Comparing ---- */

falign_status fal_terms_decompose(falign_terms *terms) {
  if (terms->decomposition && fal_decomposition_is_of(terms->decomposition, terms->rule)) return FALIGN_OK;
  falign_decomposition *made;
  FAL_TRY(falign_decomposition_create(terms->rule, &made));
  falign_decomposition_destroy(terms->decomposition);
  terms->decomposition = made;
  return FALIGN_OK;
}

/* B[l]^T, or Q[l]^T under direct feedback. */
static falign_status target(falign_terms *terms, uint32_t l, fal_view *out) {
  const falign_rule *rule = terms->rule;
  const size_t *n = rule->widths;
  const void *feedback = rule->feedback[l];
  falign_precision precision = rule->precision;
  if (rule->table.feedback == FALIGN_FEEDBACK_DIRECT && l < rule->layers - 1) {
    FAL_TRY(fal_terms_decompose(terms));
    feedback = fal_decomposition_q(terms->decomposition, l);
    precision = FALIGN_F64;
  }
  *out = fal_view_transposed(fal_view_of(feedback, precision, n[l + 1], n[l], n[l]));
  return FALIGN_OK;
}

fal_view fal_terms_update(const falign_trace *trace, uint32_t l) {
  const falign_network *network = trace->network;
  const size_t *n = network->widths;
  const char *update = (const char *)trace->update + network->w_at[l] * fal_element(network->precision);
  return fal_view_of(update, network->precision, n[l], n[l + 1], n[l + 1]);
}

falign_status fal_terms_angle(falign_terms *terms, uint32_t l, const double *t, double *angle) {
  const size_t *n = terms->rule->widths;
  fal_view term = fal_view_of(t, FALIGN_F64, n[l], n[l + 1], n[l + 1]), against;
  FAL_TRY(target(terms, l, &against));
  *angle = fal_view_angle(&term, &against, 1);
  return FALIGN_OK;
}

falign_status falign_terms_compare(falign_terms *terms, const falign_trace *trace, uint32_t l, const double *t,
                                   double *angle, double *norm, double *ratio) {
  FAL_GIVEN(t);
  FAL_TRY(fal_terms_check(terms, trace, l));
  const falign_network *network = terms->history->network;
  size_t rows = network->widths[l], cols = network->widths[l + 1];
  fal_view term = fal_view_of(t, FALIGN_F64, rows, cols, cols);
  if (angle) FAL_TRY(fal_terms_angle(terms, l, t, angle));
  if (norm) *norm = fal_view_norm(&term, 1);
  if (!ratio) return FALIGN_OK;
  fal_view dw = fal_terms_update(trace, l);
  *ratio = fal_view_norm(&term, 1) / fal_view_norm(&dw, 1);
  return FALIGN_OK;
}
