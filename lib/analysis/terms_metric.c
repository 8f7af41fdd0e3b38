/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "falign/trainer.h"
#include "analysis/terms.h"

enum { CHUNK = 256 }; /* orders whose terms are held at once */

typedef struct {
  uint64_t *orders; /* NULL: all */
  size_t count;
  falign_terms *terms; /* for the trainer that was measured last; NULL before */
} terms_metric;

/* One layer of one step. */
typedef struct {
  const terms_metric *metric;
  const falign_trace *trace;
  uint32_t l;
  size_t numbers; /* of W[l] */
  falign_value_fn emit;
  void *emit_user;
} scene;

static void destroy(void *user) {
  terms_metric *metric = user;
  falign_terms_destroy(metric->terms);
  free(metric->orders);
  free(metric);
}

/* Emits angle and norm of a term. */
static falign_status emit(const scene *s, const char *angle_name, const char *norm_name, int64_t order,
                          const double *t) {
  double angle, norm;
  uint64_t k = s->trace->iteration;
  FAL_TRY(falign_terms_compare(s->metric->terms, s->trace, s->l, t, &angle, &norm, NULL));
  FAL_TRY(s->emit(s->emit_user, k, angle_name, s->l, order, angle));
  return norm_name ? s->emit(s->emit_user, k, norm_name, s->l, order, norm) : FALIGN_OK;
}

/* ---- Single orders ---- */

static falign_status emit_singles(const scene *s, const uint64_t *orders, size_t count, const double *t,
                                  const char *angle_name, const char *norm_name) {
  for (size_t i = 0; i < count; i++) FAL_TRY(emit(s, angle_name, norm_name, (int64_t)orders[i], t + i * s->numbers));
  return FALIGN_OK;
}

/* Terms of up to CHUNK orders, by way of `room`. */
static falign_status measure_chunk(const scene *s, const uint64_t *orders, size_t count, double *room) {
  falign_terms *terms = s->metric->terms;
  FAL_TRY(falign_terms_orders(terms, s->trace, s->l, 1, orders, count, room));
  FAL_TRY(emit_singles(s, orders, count, room, "angle_t", "norm_t"));
  FAL_TRY(falign_terms_linear(terms, s->trace, s->l, orders, count, room));
  return emit_singles(s, orders, count, room, "angle_t_linear", "norm_t_linear");
}

/* Those of `orders` that exist, in place; returns how many. */
static size_t choose(uint64_t k, const uint64_t *orders, size_t count, uint64_t *chosen) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    if (orders[i] <= k) chosen[kept++] = orders[i];
  }
  return kept;
}

static falign_status measure_singles(const scene *s, const uint64_t *orders, size_t count, double *room) {
  uint64_t chosen[CHUNK];
  for (size_t first = 0; first < count; first += CHUNK) {
    size_t left = count - first;
    size_t here = choose(s->trace->iteration, orders + first, left < CHUNK ? left : CHUNK, chosen);
    if (here > 0) FAL_TRY(measure_chunk(s, chosen, here, room));
  }
  return FALIGN_OK;
}

/* ---- All orders together ---- */

static falign_status emit_whole(const scene *s, double *t) {
  falign_terms *terms = s->metric->terms;
  const falign_trace *trace = s->trace;
  uint64_t k = trace->iteration;
  FAL_TRY(falign_terms_zero(terms, trace, s->l, k, t));
  FAL_TRY(emit(s, "angle_zero", "norm_zero", -1, t));
  FAL_TRY(falign_terms_linear_sum(terms, trace, s->l, NULL, 0, t));
  FAL_TRY(emit(s, "angle_sum_t_linear", NULL, -1, t));
  fal_view dw = fal_terms_update(trace, s->l);
  return s->emit(s->emit_user, k, "norm_dw", s->l, -1, fal_view_norm(&dw, 1));
}

/* The sum of the terms and the remainder, in one pass over the orders. */
static falign_status measure_sums(const scene *s, const uint64_t *all, double *room) {
  const falign_terms *terms = s->metric->terms;
  fal_expansion what = {.history = terms->history,
                        .trace = s->trace,
                        .l = s->l,
                        .update_at = fal_history_update_at(terms->history, s->l - 1),
                        .delta = s->trace->deltas[s->l + 1],
                        .first_degree = 1,
                        .last_degree = 1,
                        .orders = all,
                        .count = (size_t)s->trace->iteration,
                        .sum = room,
                        .remainder = room + s->numbers};
  FAL_TRY(fal_terms_check(terms, s->trace, s->l));
  FAL_TRY(fal_terms_check_orders(terms->history, s->trace->iteration, all, what.count));
  FAL_TRY(fal_expand(terms->expander, &what));
  FAL_TRY(emit(s, "angle_sum_t", "norm_sum_t", -1, what.sum));
  return emit(s, "angle_remainder", "norm_remainder", -1, what.remainder);
}

static falign_status measure_layer(const scene *s, const uint64_t *all) {
  const terms_metric *metric = s->metric;
  const uint64_t *orders = metric->orders ? metric->orders : all;
  size_t count = metric->orders ? metric->count : (size_t)s->trace->iteration, matrices = count < CHUNK ? count : CHUNK;
  double *room;
  FAL_TRY(fal_terms_room(s->trace->network, s->l, matrices > 2 ? matrices : 2, &room));
  falign_status status = measure_singles(s, orders, count, room);
  if (status == FALIGN_OK) status = measure_sums(s, all, room);
  if (status == FALIGN_OK) status = emit_whole(s, room);
  free(room);
  return status;
}

/* ---- The metric ---- */

/* Makes the terms for a trainer that was not measured before. */
static falign_status bind(terms_metric *metric, const falign_trainer *trainer) {
  falign_history *history = falign_trainer_history(trainer);
  falign_rule *rule = falign_trainer_rule(trainer);
  if (!history) return fal_fail(FALIGN_INVALID, "the trainer has no history, of which alignment terms are made");
  if (!metric->terms || metric->terms->history != history || metric->terms->rule != rule) {
    falign_terms_destroy(metric->terms);
    metric->terms = NULL;
    FAL_TRY(falign_terms_create(history, rule, &metric->terms));
  }
  return falign_terms_set_threads(metric->terms, falign_trainer_threads(trainer));
}

static falign_status measure(void *user, const falign_trainer *trainer, const falign_trace *trace,
                             falign_value_fn emit_value, void *emit_user) {
  terms_metric *metric = user;
  uint64_t *all;
  size_t count;
  FAL_TRY(bind(metric, trainer));
  FAL_TRY(fal_terms_all_orders(trace->iteration, &all, &count));
  falign_status status = FALIGN_OK;
  for (uint32_t l = 1; l < trace->network->layers && status == FALIGN_OK; l++) {
    scene s = {metric, trace, l, fal_terms_numbers(trace->network, l), emit_value, emit_user};
    status = measure_layer(&s, all);
  }
  free(all);
  return status;
}

static falign_status copy_orders(terms_metric *metric, const uint64_t *orders, size_t count) {
  for (size_t i = 0; orders && i < count; i++) {
    if (orders[i] == 0) return fal_fail(FALIGN_INVALID, "order %zu of the list is 0: orders go from 1 up", i);
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
                                     .measure = measure,
                                     .destroy = destroy};
  falign_status status = copy_orders(metric, orders, count);
  if (status == FALIGN_OK) status = falign_metric_create_custom(&table, metric, out);
  if (status != FALIGN_OK) destroy(metric);
  return status;
}
