/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/terms.h"

#include <stdlib.h>

#include "analysis/decomposition.h"
#include "learning/activation.h"

_Static_assert(FALIGN_TERMS_MAX_DEGREE == FAL_MAX_DEGREE, "the largest degree has two numbers");

static falign_status check_feedback_rule(const falign_history *history, const falign_rule *rule) {
  FAL_TRY(fal_rule_check(rule, history->network));
  if (rule->table.feedback != FALIGN_FEEDBACK_NONE) return FALIGN_OK;
  return fal_fail(FALIGN_UNSUPPORTED, "rule %s has no feedback matrices, and so no alignment terms", rule->table.name);
}

falign_status falign_terms_create(falign_history *history, falign_rule *rule, falign_terms **out) {
  FAL_GIVEN(history);
  FAL_GIVEN(rule);
  FAL_GIVEN(out);
  FAL_TRY(check_feedback_rule(history, rule));
  falign_terms *terms = fal_zalloc(1, sizeof *terms);
  if (!terms) return fal_fail_memory("terms", 1, sizeof *terms);
  falign_status status = fal_expander_create(&terms->expander);
  if (status != FALIGN_OK) {
    free(terms);
    return status;
  }
  fal_history_retain(history);
  fal_rule_retain(rule);
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
  if (trace->network != network) return fal_fail(FALIGN_SHAPE, "the trace and the history are of different networks");
  if (network->layers == 1)
    return fal_fail(FALIGN_INVALID, "there are no terms of layer %u: the network has no hidden layer", l);
  if (l < 1 || l >= network->layers)
    return fal_fail(FALIGN_INVALID, "there are no terms of layer %u: l goes from 1 to %u", l, network->layers - 1);
  if (!fal_trace_has(trace, FALIGN_L, l - 1) || !fal_trace_has(trace, FALIGN_DELTA, l + 1))
    return fal_fail(FALIGN_UNSUPPORTED,
                    "L[%u] and delta[%u] were not kept in this step, or not set: ask falign_trainer_keep() for them "
                    "before the step, or set them with falign_trace_set()",
                    l - 1, l + 1);
  return fal_history_check(terms->history, trace->step.iteration);
}

static falign_status check_orders(const falign_history *history, uint64_t k, const falign_orders *orders) {
  const unsigned long long now = k;
  for (size_t i = 0; i < orders->count; i++) {
    unsigned long long order = orders->list[i];
    if (order == 0 || order > k)
      return fal_fail(FALIGN_INVALID, "there is no term of order %llu at iteration %llu: orders go from 1 to %llu",
                      order, now, now);
    if (k - orders->list[i] < history->first)
      return fal_fail(FALIGN_INVALID,
                      "order %llu at iteration %llu needs iteration %llu, but the history holds %llu to %llu", order,
                      now, now - order, (unsigned long long)history->first, (unsigned long long)history->end - 1);
  }
  return FALIGN_OK;
}

falign_status fal_terms_check_listed(const falign_history *history, uint64_t k, const falign_orders *orders) {
  if (!orders->list) return fal_fail(FALIGN_INVALID, "orders have no list: single terms are asked for by their orders");
  return check_orders(history, k, orders);
}

falign_status fal_terms_all_orders(uint64_t k, uint64_t **orders, size_t *count) {
  uint64_t *all = k <= PTRDIFF_MAX / sizeof *all ? fal_alloc((size_t)k, sizeof *all) : NULL;
  if (!all) return fal_fail_memory("orders", k, sizeof *all);
  for (size_t i = 0; i < k; i++) all[i] = i + 1;
  *orders = all;
  *count = (size_t)k;
  return FALIGN_OK;
}

static falign_status check_degree(const falign_network *network, uint32_t l, const falign_orders *orders) {
  uint32_t degree = orders->degree;
  const falign_activation *activation = network->activation[l];
  if (degree < 1 || degree > FAL_MAX_DEGREE)
    return fal_fail(FALIGN_INVALID, "degrees go from 1 to %d, got %u", FAL_MAX_DEGREE, degree);
  if (degree == 1 || fal_is_analytic(activation)) return FALIGN_OK;
  return fal_fail(FALIGN_UNSUPPORTED,
                  "the activation of layer %u, %s, has no Taylor terms of degree %u: it is not analytic", l,
                  falign_activation_name(activation), degree);
}

/* ---- Room for results ---- */

size_t fal_terms_numbers(const falign_network *network, uint32_t l) {
  return network->widths[l] * network->widths[l + 1];
}

falign_status fal_terms_room(const falign_network *network, uint32_t l, double **out, size_t count) {
  size_t numbers = fal_terms_numbers(network, l);
  *out = fal_alloc_matrix(numbers, count, sizeof **out);
  return *out ? FALIGN_OK : fal_fail_memory("terms", count, numbers * sizeof **out);
}

falign_status fal_terms_room_for(const falign_network *network, uint32_t l, const falign_matrix *t, size_t count,
                                 double **out) {
  size_t rows;
  if (!fal_mul(count, network->widths[l], &rows))
    return fal_fail(FALIGN_MEMORY, "the terms of %zu orders are too large", count);
  FAL_TRY(fal_check_matrix_shape("t", -1, t, rows, network->widths[l + 1]));
  return fal_terms_room(network, l, out, count);
}

falign_status fal_terms_deliver(falign_status status, double *room, const falign_matrix *t) {
  falign_view results = fal_view_plain(room, FALIGN_F64, t->rows, t->cols);
  if (status == FALIGN_OK) fal_copy(t, &results);
  free(room);
  return status;
}

/* ---- Expansions ---- */

fal_expansion fal_terms_expansion(const falign_terms *terms, const falign_trace *trace, uint32_t l) {
  return (fal_expansion){.history = terms->history,
                         .trace = trace,
                         .l = l,
                         .update_at = fal_history_applied_at(terms->history, l - 1),
                         .delta = trace->deltas[l + 1],
                         .first_degree = 1,
                         .last_degree = 1};
}

falign_status fal_terms_expand_all(falign_terms *terms, fal_expansion *what) {
  uint64_t *orders;
  FAL_TRY(fal_terms_all_orders(what->trace->step.iteration, &orders, &what->count));
  const falign_orders all = {.list = orders, .count = what->count};
  falign_status status = check_orders(terms->history, what->trace->step.iteration, &all);
  what->orders = orders;
  if (status == FALIGN_OK) status = fal_expand(terms->expander, what);
  free(orders);
  return status;
}

/* ---- Kinds ---- */

static fal_expansion expansion_of(const fal_term_request *asked) {
  fal_expansion what = fal_terms_expansion(asked->terms, asked->trace, asked->l);
  what.first_degree = what.last_degree = asked->orders.degree;
  what.orders = asked->orders.list;
  what.count = asked->orders.count;
  return what;
}

static falign_status get_expanded(const fal_term_request *asked, double *t) {
  fal_expansion what = expansion_of(asked);
  what.single = t;
  return fal_expand(asked->terms->expander, &what);
}

static falign_status sum_expanded(const fal_term_request *asked, double *t) {
  fal_expansion what = expansion_of(asked);
  what.sum = t;
  return what.orders ? fal_expand(asked->terms->expander, &what) : fal_terms_expand_all(asked->terms, &what);
}

/* A kind of terms. Its functions write a contiguous array, which is undefined if they fail. */
typedef struct {
  const char *name;
  falign_status (*get)(const fal_term_request *asked, double *t); /* one order after the other */
  falign_status (*sum)(const fal_term_request *asked, double *t); /* NULL: not supported */
} term_kind;

static const term_kind kinds[] = {
    [FALIGN_TERM] = {"FALIGN_TERM", get_expanded, sum_expanded},
    [FALIGN_TERM_LINEAR] = {"FALIGN_TERM_LINEAR", fal_linear_get, fal_linear_sum},
    [FALIGN_TERM_DIAGONAL] = {"FALIGN_TERM_DIAGONAL", fal_linear_get_diagonal, NULL},
    [FALIGN_TERM_SIMPLIFIED] = {"FALIGN_TERM_SIMPLIFIED", fal_linear_get_simplified, NULL}};

static falign_status check_kind(falign_term kind) {
  if (kind >= FALIGN_TERM && kind <= FALIGN_TERM_SIMPLIFIED) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "kind %d of terms is unknown: kinds go from FALIGN_TERM, 1, to %s, %d", (int)kind,
                  kinds[FALIGN_TERM_SIMPLIFIED].name, FALIGN_TERM_SIMPLIFIED);
}

/* Checks everything except the orders and the output. */
static falign_status check_request(fal_term_request *asked, falign_term kind) {
  FAL_TRY(check_kind(kind));
  FAL_TRY(fal_terms_check(asked->terms, asked->trace, asked->l));
  if (asked->orders.degree == 0) asked->orders.degree = 1;
  if (kind == FALIGN_TERM) return check_degree(asked->terms->history->network, asked->l, &asked->orders);
  if (asked->orders.degree == 1) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "terms of kind %s have degree 1, got %u", kinds[kind].name, asked->orders.degree);
}

falign_status falign_terms_get(falign_terms *terms, const falign_trace *trace, falign_term kind, uint32_t l,
                               const falign_orders *orders, const falign_matrix *t) {
  double *room = NULL;
  FAL_GIVEN(orders);
  fal_term_request asked = {terms, trace, l, *orders};
  FAL_TRY(check_request(&asked, kind));
  FAL_TRY(fal_terms_check_listed(terms->history, trace->step.iteration, orders));
  FAL_TRY(fal_terms_room_for(terms->history->network, l, t, orders->count, &room));
  return fal_terms_deliver(kinds[kind].get(&asked, room), room, t);
}

falign_status falign_terms_sum(falign_terms *terms, const falign_trace *trace, falign_term kind, uint32_t l,
                               const falign_orders *orders, const falign_matrix *t) {
  double *room = NULL;
  FAL_GIVEN(orders);
  fal_term_request asked = {terms, trace, l, *orders};
  FAL_TRY(check_request(&asked, kind));
  if (!kinds[kind].sum)
    return fal_fail(FALIGN_UNSUPPORTED, "terms of kind %s are not summed: get them and add them up", kinds[kind].name);
  if (orders->list) FAL_TRY(check_orders(terms->history, trace->step.iteration, orders));
  FAL_TRY(fal_terms_room_for(terms->history->network, l, t, 1, &room));
  return fal_terms_deliver(kinds[kind].sum(&asked, room), room, t);
}

/* ---- The rest of an update ---- */

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): a layer comes first everywhere */
falign_status falign_terms_remainder(falign_terms *terms, const falign_trace *trace, uint32_t l, uint32_t degree,
                                     const falign_matrix *t) {
  const falign_orders all = {.degree = degree};
  double *room = NULL;
  FAL_TRY(fal_terms_check(terms, trace, l));
  FAL_TRY(check_degree(terms->history->network, l, &all));
  FAL_TRY(fal_terms_room_for(terms->history->network, l, t, 1, &room));
  fal_expansion what = fal_terms_expansion(terms, trace, l);
  what.last_degree = degree;
  what.remainder = room;
  return fal_terms_deliver(fal_terms_expand_all(terms, &what), room, t);
}

/* A history with a window also holds the weights of its first step. */
static falign_status check_zero(const falign_history *history, uint64_t k, const uint64_t *order) {
  const falign_orders one = {.list = order, .count = 1};
  if (*order == 0 || (*order <= k && k - *order == history->origin)) return FALIGN_OK;
  return check_orders(history, k, &one);
}

falign_status falign_terms_zero(falign_terms *terms, const falign_trace *trace, uint32_t l, uint64_t order,
                                const falign_matrix *t) {
  double *room = NULL;
  FAL_TRY(fal_terms_check(terms, trace, l));
  FAL_TRY(check_zero(terms->history, trace->step.iteration, &order));
  FAL_TRY(fal_terms_room_for(terms->history->network, l, t, 1, &room));
  const fal_expansion what = fal_terms_expansion(terms, trace, l);
  return fal_terms_deliver(fal_expand_zero(terms->expander, &what, order, room), room, t);
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

/* Views what terms are compared with: B[l]^T, or Q[l]^T for direct feedback. */
static falign_status view_target(falign_terms *terms, uint32_t l, falign_view *out) {
  const falign_rule *rule = terms->rule;
  const size_t *n = rule->widths;
  const void *feedback = rule->feedback[l];
  falign_precision precision = rule->precision;
  if (rule->table.feedback == FALIGN_FEEDBACK_DIRECT && l < rule->layers - 1) {
    FAL_TRY(fal_terms_decompose(terms));
    feedback = fal_decomposition_q(terms->decomposition, l);
    precision = FALIGN_F64;
  }
  *out = falign_view_transposed(fal_view_plain(feedback, precision, n[l + 1], n[l]));
  return FALIGN_OK;
}

falign_status fal_terms_angle(falign_terms *terms, uint32_t l, const falign_view *t, double *angle) {
  falign_view feedback;
  FAL_TRY(view_target(terms, l, &feedback));
  *angle = fal_view_angle(t, &feedback, 1);
  return FALIGN_OK;
}

falign_status falign_terms_compare(falign_terms *terms, const falign_trace *trace, uint32_t l, const falign_view *t,
                                   falign_comparison *out) {
  falign_comparison found;
  falign_view dw;
  FAL_TRY(fal_terms_check(terms, trace, l));
  const size_t *n = terms->history->network->widths;
  FAL_TRY(fal_check_view_shape("t", -1, t, n[l], n[l + 1]));
  FAL_GIVEN(out);
  FAL_TRY(falign_trace_view(trace, FALIGN_DW, l, &dw));
  FAL_TRY(fal_terms_angle(terms, l, t, &found.angle));
  found.norm = fal_view_norm(t, 1);
  found.ratio = found.norm / fal_view_norm(&dw, 1);
  *out = found;
  return FALIGN_OK;
}
