/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "analysis/terms.h"
#include "base/size.h"
#include "falign/trainer.h"
#include "learning/metric.h"

enum { GROUP = 256 }; /* orders whose terms are held at once */

typedef struct {
  uint64_t *orders; /* NULL: all */
  size_t count;
  falign_terms *terms; /* of the trainer that was measured last; NULL before */
} terms_metric;

/* One layer of one step. */
typedef struct {
  const terms_metric *metric;
  const falign_trace *trace;
  uint32_t l;
  falign_value_fn emit;
  void *emit_user;
} layer_measurement;

static void destroy_terms_metric(void *user) {
  terms_metric *metric = user;
  falign_terms_destroy(metric->terms);
  free(metric->orders);
  free(metric);
}

/* ---- Values ---- */

/* Describes stacked matrices of the shape of W[l]. */
static falign_matrix stack_matrices(const layer_measurement *m, double *t, size_t count) {
  const size_t *n = m->trace->network->widths;
  return falign_matrix_f64(t, count * n[m->l], n[m->l + 1]);
}

/* The names of a matrix's values. */
typedef struct {
  const char *angle, *norm; /* norm is NULL if it is not emitted */
  int64_t order;
} value_names;

/* Emits angle and norm of a matrix of the shape of W[l]. */
static falign_status emit_term(const layer_measurement *m, const value_names *as, double *t) {
  const falign_view term = falign_view_of(stack_matrices(m, t, 1));
  falign_value value = {(int64_t)m->trace->step.iteration, as->angle, m->l, as->order, 0};
  FAL_TRY(fal_terms_angle(m->metric->terms, m->l, &term, &value.value));
  FAL_TRY(m->emit(m->emit_user, &value));
  if (!as->norm) return FALIGN_OK;
  value.name = as->norm;
  value.value = fal_view_norm(&term, 1);
  return m->emit(m->emit_user, &value);
}

/* ---- Single orders ---- */

static falign_status emit_singles(const layer_measurement *m, const falign_orders *orders, value_names as, double *t) {
  size_t numbers = fal_terms_numbers(m->trace->network, m->l);
  for (size_t i = 0; i < orders->count; i++) {
    as.order = (int64_t)orders->list[i];
    FAL_TRY(emit_term(m, &as, t + i * numbers));
  }
  return FALIGN_OK;
}

/* Measures the terms of up to GROUP orders; `room` holds them. */
static falign_status measure_group(const layer_measurement *m, const falign_orders *orders, double *room) {
  falign_terms *terms = m->metric->terms;
  const falign_matrix t = stack_matrices(m, room, orders->count);
  FAL_TRY(falign_terms_get(terms, m->trace, FALIGN_TERM, m->l, orders, &t));
  FAL_TRY(emit_singles(m, orders, (value_names){"angle_t", "norm_t", 0}, room));
  FAL_TRY(falign_terms_get(terms, m->trace, FALIGN_TERM_LINEAR, m->l, orders, &t));
  return emit_singles(m, orders, (value_names){"angle_t_linear", "norm_t_linear", 0}, room);
}

/* Copies the orders up to k and returns their count. */
static size_t choose_orders(uint64_t k, const uint64_t *orders, size_t count, uint64_t *chosen) {
  size_t chosen_count = 0;
  for (size_t i = 0; i < count; i++) {
    if (orders[i] <= k) chosen[chosen_count++] = orders[i];
  }
  return chosen_count;
}

static falign_status measure_singles(const layer_measurement *m, const falign_orders *orders, double *room) {
  uint64_t chosen[GROUP];
  for (size_t first = 0; first < orders->count; first += GROUP) {
    size_t here = fal_min(orders->count - first, GROUP);
    const falign_orders group = {.list = chosen,
                                 .count = choose_orders(m->trace->step.iteration, orders->list + first, here, chosen)};
    if (group.count > 0) FAL_TRY(measure_group(m, &group, room));
  }
  return FALIGN_OK;
}

/* ---- All orders together ---- */

static falign_status measure_zero(const layer_measurement *m, double *room) {
  const falign_matrix t = stack_matrices(m, room, 1);
  const value_names as = {"angle_zero", "norm_zero", -1};
  FAL_TRY(falign_terms_zero(m->metric->terms, m->trace, m->l, m->trace->step.iteration, &t));
  return emit_term(m, &as, room);
}

static falign_status measure_linear_sum(const layer_measurement *m, double *room) {
  const falign_matrix t = stack_matrices(m, room, 1);
  const falign_orders all = {.list = NULL};
  const value_names as = {"angle_sum_t_linear", NULL, -1};
  FAL_TRY(falign_terms_sum(m->metric->terms, m->trace, FALIGN_TERM_LINEAR, m->l, &all, &t));
  return emit_term(m, &as, room);
}

/* Measures the sum of the terms and the remainder in one pass over the orders; `room` holds two matrices. */
static falign_status measure_sums(const layer_measurement *m, double *room) {
  falign_terms *terms = m->metric->terms;
  const value_names sum = {"angle_sum_t", "norm_sum_t", -1}, remainder = {"angle_remainder", "norm_remainder", -1};
  FAL_TRY(fal_terms_check(terms, m->trace, m->l));
  fal_expansion what = fal_terms_expansion(terms, m->trace, m->l);
  what.sum = room;
  what.remainder = room + fal_terms_numbers(m->trace->network, m->l);
  FAL_TRY(fal_terms_expand_all(terms, &what));
  FAL_TRY(emit_term(m, &sum, what.sum));
  return emit_term(m, &remainder, what.remainder);
}

static falign_status measure_layer_terms(const layer_measurement *m, const falign_orders *orders) {
  double *room;
  FAL_TRY(fal_terms_room(m->trace->network, m->l, &room, fal_max(fal_min(orders->count, GROUP), 2)));
  falign_status status = measure_singles(m, orders, room);
  if (status == FALIGN_OK) status = measure_sums(m, room);
  if (status == FALIGN_OK) status = measure_zero(m, room);
  if (status == FALIGN_OK) status = measure_linear_sum(m, room);
  free(room);
  return status;
}

/* ---- The metric ---- */

/* Makes the terms of a trainer unless it was the last one measured. */
static falign_status bind_trainer(terms_metric *metric, const falign_trainer *trainer) {
  falign_history *history = falign_trainer_history(trainer);
  falign_rule *rule = falign_trainer_rule(trainer);
  if (!history) return fal_fail(FALIGN_INVALID, "the trainer has no history, which alignment terms need");
  if (!metric->terms || metric->terms->history != history || metric->terms->rule != rule) {
    falign_terms_destroy(metric->terms);
    metric->terms = NULL;
    FAL_TRY(falign_terms_create(history, rule, &metric->terms));
  }
  return falign_terms_set_threads(metric->terms, falign_trainer_threads(trainer));
}

static falign_status measure_terms(void *user, falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                                   void *emit_user) {
  terms_metric *metric = user;
  uint64_t *all = NULL;
  falign_orders orders = {.list = metric->orders, .count = metric->count};
  FAL_TRY(bind_trainer(metric, trainer));
  if (!orders.list) {
    FAL_TRY(fal_terms_all_orders(trace->step.iteration, &all, &orders.count));
    orders.list = all;
  }
  falign_status status = FALIGN_OK;
  for (uint32_t l = 1; l < trace->network->layers && status == FALIGN_OK; l++) {
    const layer_measurement m = {metric, trace, l, emit, emit_user};
    status = measure_layer_terms(&m, &orders);
  }
  free(all);
  return status;
}

static falign_status copy_orders(terms_metric *metric, const uint64_t *orders, size_t count) {
  for (size_t i = 0; orders && i < count; i++) {
    if (orders[i] == 0) return fal_fail(FALIGN_INVALID, "order %zu of the list is 0: orders start at 1", i);
  }
  if (!orders) return FALIGN_OK;
  metric->orders = fal_alloc(count, sizeof *orders);
  if (!metric->orders) return fal_fail_memory("orders", count, sizeof *orders);
  memcpy(metric->orders, orders, count * sizeof *orders);
  metric->count = count;
  return FALIGN_OK;
}

falign_status falign_metric_create_terms(const uint64_t *orders, size_t count, falign_metric **out) {
  FAL_GIVEN(out);
  terms_metric *metric = fal_zalloc(1, sizeof *metric);
  if (!metric) return fal_fail_memory("a metric", 1, sizeof *metric);
  const falign_metric_table table = {.size = sizeof table,
                                     .name = "terms",
                                     .needs = FALIGN_NEEDS_STEP | FALIGN_NEEDS_ACTIVITY,
                                     .measure = measure_terms,
                                     .destroy = destroy_terms_metric};
  falign_status status = copy_orders(metric, orders, count);
  if (status == FALIGN_OK) status = fal_metric_create(&table, metric, out);
  if (status != FALIGN_OK) destroy_terms_metric(metric);
  return status;
}
