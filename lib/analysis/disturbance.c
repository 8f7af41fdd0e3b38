/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/disturbance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "falign/trainer.h"
#include "math/rng.h"

typedef enum { NONE, LINEAR, FEEDBACK, ROWS } kind;

static const char *const names[] = {
    [NONE] = "undisturbed", [LINEAR] = "linear", [FEEDBACK] = "fresh_feedback", [ROWS] = "shuffled_rows"};

struct falign_disturbance {
  fal_refs refs;
  kind kind;
  falign_history *history;
  falign_terms *terms;      /* of the rule itself */
  falign_terms *against;    /* of the rule whose feedback the weights are compared with */
  fal_disturbed *disturbed; /* the history's; NULL for NONE and LINEAR */
  size_t part;              /* its number among the history's parts */
  double **w;               /* [1..d-1] */
  double **before;          /* the same, before the last update */
  uint64_t origin, next;    /* steps: that of the first weights, and the one to come */
  bool begun;
};

/* ---- The disturbed updates of a step ---- */

static void free_disturbed(void *user) {
  fal_disturbed *disturbed = user;
  for (uint32_t l = 1; disturbed->deltas && l <= disturbed->network->layers; l++) free(disturbed->deltas[l]);
  free(disturbed->deltas);
  free(disturbed->at);
  free(disturbed->order);
  falign_rule_destroy(disturbed->rule);
  free(disturbed);
}

/* Gives it room for so many rows. */
static falign_status reserve_rows(fal_disturbed *disturbed, size_t rows) {
  const falign_network *network = disturbed->network;
  size_t element = fal_element(network->precision);
  if (rows <= disturbed->rows) return FALIGN_OK;
  uint32_t *order = fal_alloc(rows, sizeof *order);
  if (!order) return fal_fail_memory("an order of rows", rows, sizeof *order);
  free(disturbed->order);
  disturbed->order = order;
  disturbed->rows = 0; /* until all of it is there */
  for (uint32_t l = 1; l <= network->layers; l++) {
    size_t cols = l == 1 ? disturbed->widest_signal : network->widths[l], numbers;
    if (l > 1 && !disturbed->shuffles) continue;
    void *delta = fal_mul(rows, cols, &numbers) ? fal_alloc(numbers, element) : NULL;
    if (!delta) return fal_fail_memory("disturbed error signals", rows, cols * element);
    free(disturbed->deltas[l]);
    disturbed->deltas[l] = delta;
  }
  disturbed->rows = rows;
  return FALIGN_OK;
}

static falign_status draw_order(const fal_disturbed *disturbed, uint64_t k, size_t rows) {
  falign_rng rng;
  if (k > 0xffffff || rows > UINT32_MAX)
    return fal_fail(FALIGN_INVALID, "rows are shuffled up to iteration %d, not at %llu", 0xffffff,
                    (unsigned long long)k);
  FAL_TRY(fal_rng_init(&rng, disturbed->seed, FALIGN_RNG_ROWS, (uint32_t)k, disturbed->run));
  falign_rng_permutation(&rng, disturbed->order, (uint32_t)rows);
  return FALIGN_OK;
}

/* A part of the history; see fal_history_add_part(). */
static falign_status fill(void *user, const falign_trace *trace, void *out) {
  fal_disturbed *disturbed = user;
  FAL_TRY(reserve_rows(disturbed, trace->rows));
  if (disturbed->shuffles) FAL_TRY(draw_order(disturbed, trace->iteration, trace->rows));
  disturbed->iteration = trace->iteration;
  return disturbed->network->precision == FALIGN_F32 ? fal_disturbed_fill_f32(disturbed, trace, out)
                                                     : fal_disturbed_fill_f64(disturbed, trace, out);
}

/* Places D[0..d-2]; returns how many numbers they have, fewer than the network's parameters. */
static size_t place(fal_disturbed *disturbed) {
  const size_t *n = disturbed->network->widths;
  size_t numbers = 0;
  for (uint32_t l = 1; l < disturbed->network->layers; l++) {
    disturbed->at[l] = numbers;
    numbers += n[l - 1] * n[l];
    if (n[l] > disturbed->widest_signal) disturbed->widest_signal = n[l];
  }
  return numbers;
}

/* Lets the history keep the updates that `rule` would have made. */
static falign_status add_updates(falign_disturbance *d, falign_rule *rule, bool shuffles, uint64_t seed, uint32_t run) {
  const falign_network *network = d->history->network;
  size_t ends = (size_t)network->layers + 1;
  fal_disturbed *disturbed = fal_zalloc(1, sizeof *disturbed);
  if (!disturbed) return fal_fail_memory("a disturbance", 1, sizeof *disturbed);
  fal_rule_keep(rule);
  *disturbed = (fal_disturbed){.network = network,
                               .rule = rule,
                               .shuffles = shuffles,
                               .seed = seed,
                               .run = run,
                               .at = fal_zalloc(ends, sizeof *disturbed->at),
                               .deltas = fal_zalloc(ends, sizeof *disturbed->deltas)};
  falign_status status = disturbed->at && disturbed->deltas ? FALIGN_OK : fal_fail_memory("a disturbance", ends, 16);
  if (status == FALIGN_OK)
    status = fal_history_add_part(d->history, place(disturbed), fill, free_disturbed, disturbed, &d->part);
  if (status != FALIGN_OK) {
    free_disturbed(disturbed);
    return status;
  }
  d->disturbed = disturbed;
  return FALIGN_OK;
}

/* ---- Making one ---- */

void falign_disturbance_destroy(falign_disturbance *disturbance) {
  if (!disturbance || !fal_refs_drop(&disturbance->refs)) return;
  uint32_t d = disturbance->history->network->layers;
  for (uint32_t l = 1; disturbance->w && l < d; l++) free(disturbance->w[l]);
  for (uint32_t l = 1; disturbance->before && l < d; l++) free(disturbance->before[l]);
  free(disturbance->w);
  free(disturbance->before);
  falign_terms_destroy(disturbance->terms);
  falign_terms_destroy(disturbance->against);
  falign_history_destroy(disturbance->history);
  free(disturbance);
}

static falign_status allocate_weights(falign_disturbance *d) {
  const falign_network *network = d->history->network;
  d->w = fal_zalloc(network->layers, sizeof *d->w);
  d->before = fal_zalloc(network->layers, sizeof *d->before);
  if (!d->w || !d->before) return fal_fail_memory("disturbed weights", network->layers, sizeof *d->w);
  for (uint32_t l = 1; l < network->layers; l++) {
    FAL_TRY(fal_terms_room(network, l, 1, &d->w[l]));
    FAL_TRY(fal_terms_room(network, l, 1, &d->before[l]));
  }
  return FALIGN_OK;
}

/* Hands out what is ready, or destroys it where that failed. */
static falign_status finish(falign_disturbance *made, falign_status status, falign_disturbance **out) {
  if (status == FALIGN_OK) {
    *out = made;
  } else {
    falign_disturbance_destroy(made);
  }
  return status;
}

/* One that adds nothing to the history yet. */
static falign_status create(kind what, falign_history *history, falign_rule *rule, falign_rule *against,
                            falign_disturbance **out) {
  FAL_GIVEN(history);
  FAL_GIVEN(out);
  FAL_TRY(fal_history_check_unbegun(history));
  falign_disturbance *made = fal_zalloc(1, sizeof *made);
  if (!made) return fal_fail_memory("a disturbance", 1, sizeof *made);
  fal_refs_init(&made->refs);
  fal_history_keep_reference(history);
  made->history = history;
  made->kind = what;
  falign_status status = falign_terms_create(history, rule, &made->terms);
  if (status == FALIGN_OK) status = falign_terms_create(history, against, &made->against);
  if (status == FALIGN_OK) status = allocate_weights(made);
  return finish(made, status, out);
}

falign_status falign_disturbance_create_none(falign_history *history, falign_rule *rule, falign_disturbance **out) {
  return create(NONE, history, rule, rule, out);
}

falign_status falign_disturbance_create_linear(falign_history *history, falign_rule *rule, falign_disturbance **out) {
  falign_disturbance *made;
  FAL_GIVEN(out);
  FAL_TRY(create(LINEAR, history, rule, rule, &made));
  bool direct = rule->table.feedback == FALIGN_FEEDBACK_DIRECT;
  return finish(made, falign_history_keep(history, direct ? FALIGN_KEEP_DIRECT : FALIGN_KEEP_C), out);
}

falign_status falign_disturbance_create_feedback(falign_history *history, falign_rule *rule, falign_rule *fresh,
                                                 falign_disturbance **out) {
  falign_disturbance *made;
  FAL_GIVEN(out);
  FAL_TRY(create(FEEDBACK, history, rule, fresh, &made));
  falign_status status = FALIGN_OK;
  if (rule->table.feedback != fresh->table.feedback)
    status = fal_fail(FALIGN_SHAPE, "rule %s has not the kind of feedback that rule %s has", fresh->table.name,
                      rule->table.name);
  if (status == FALIGN_OK) status = add_updates(made, fresh, false, 0, 0);
  return finish(made, status, out);
}

falign_status falign_disturbance_create_rows(falign_history *history, falign_rule *rule, uint64_t seed, uint32_t run,
                                             falign_disturbance **out) {
  falign_disturbance *made;
  FAL_GIVEN(out);
  FAL_TRY(create(ROWS, history, rule, rule, &made));
  return finish(made, add_updates(made, rule, true, seed, run), out);
}

const char *falign_disturbance_name(const falign_disturbance *disturbance) { return names[disturbance->kind]; }

falign_status falign_disturbance_set_threads(falign_disturbance *disturbance, uint32_t threads) {
  FAL_GIVEN(disturbance);
  return falign_terms_set_threads(disturbance->terms, threads);
}

/* ---- Terms ---- */

/* The expansion in disturbed updates of layer l. */
static falign_status prepare(const falign_disturbance *d, const falign_trace *trace, uint32_t l, fal_expansion *what) {
  FAL_TRY(fal_terms_check(d->terms, trace, l));
  *what = (fal_expansion){.history = d->history,
                          .trace = trace,
                          .l = l,
                          .update_at = fal_history_update_at(d->history, l - 1),
                          .delta = trace->deltas[l + 1],
                          .first_degree = 1,
                          .last_degree = 1};
  if (!d->disturbed) return FALIGN_OK;
  what->update_at = fal_history_part_at(d->history, d->part) + d->disturbed->at[l];
  if (d->kind != ROWS) return FALIGN_OK;
  if (d->disturbed->iteration != trace->iteration)
    return fal_fail(FALIGN_INVALID, "rows were shuffled for iteration %llu, not for %llu",
                    (unsigned long long)d->disturbed->iteration, (unsigned long long)trace->iteration);
  what->delta = d->disturbed->deltas[l + 1];
  return FALIGN_OK;
}

falign_status falign_disturbance_orders(falign_disturbance *disturbance, const falign_trace *trace, uint32_t l,
                                        const uint64_t *orders, size_t count, double *t) {
  fal_expansion what;
  FAL_GIVEN(disturbance);
  FAL_GIVEN(t);
  if (disturbance->kind == LINEAR) return falign_terms_linear(disturbance->terms, trace, l, orders, count, t);
  FAL_TRY(prepare(disturbance, trace, l, &what));
  what.orders = orders;
  what.count = count;
  return fal_terms_expand(disturbance->terms, &what, &what.single, count, t);
}

/* ---- Weights ---- */

/* W[l] of the history's first step. */
static void begin(falign_disturbance *d) {
  const falign_network *network = d->history->network;
  for (uint32_t l = 1; l < network->layers; l++) {
    size_t rows = network->widths[l], cols = network->widths[l + 1];
    fal_copy_matrix(d->w[l], FALIGN_F64, cols, fal_history_start(d->history, l), network->precision, cols, rows, cols);
  }
  d->origin = d->next = d->history->origin;
  d->begun = true;
}

/* What step k adds to the disturbed W[l]; `room` is for one matrix more. */
static falign_status gain(falign_disturbance *d, const falign_trace *trace, uint32_t l, double *sum, double *room) {
  uint64_t k = trace->iteration;
  fal_expansion what;
  FAL_TRY(prepare(d, trace, l, &what));
  FAL_TRY(fal_expand_zero(d->terms->expander, &what, k, room));
  if (d->kind == LINEAR) {
    FAL_TRY(falign_terms_linear_sum(d->terms, trace, l, NULL, 0, sum));
  } else {
    FAL_TRY(fal_terms_expand_all(d->terms, &what, &what.sum, sum));
  }
  for (size_t i = 0; i < fal_terms_numbers(d->history->network, l); i++) sum[i] += room[i];
  return FALIGN_OK;
}

/* Before the last update, whose step was not made after all. */
static void take_back(falign_disturbance *d) {
  double **after = d->w;
  d->w = d->before;
  d->before = after;
  d->next--;
}

/* Adds what all layers have gained. */
static falign_status gain_all(falign_disturbance *d, const falign_trace *trace, double *gains, double *room) {
  const falign_network *network = d->history->network;
  double *at = gains;
  for (uint32_t l = 1; l < network->layers; l++) {
    FAL_TRY(gain(d, trace, l, at, room));
    at += fal_terms_numbers(network, l);
  }
  if (trace->iteration == d->history->origin) begin(d); /* of this run, or of another after it was cleared */
  at = gains;
  for (uint32_t l = 1; l < network->layers; l++) {
    memcpy(d->before[l], d->w[l], fal_terms_numbers(network, l) * sizeof *d->w[l]);
    for (size_t i = 0; i < fal_terms_numbers(network, l); i++) d->w[l][i] += *at++;
  }
  return FALIGN_OK;
}

falign_status falign_disturbance_update(falign_disturbance *disturbance, const falign_trace *trace) {
  FAL_GIVEN(disturbance);
  FAL_GIVEN(trace);
  const falign_history *history = disturbance->history;
  FAL_TRY(fal_history_check(history, trace->iteration));
  bool begins = trace->iteration == history->origin;
  if (!begins && (!disturbance->begun || trace->iteration != disturbance->next))
    return fal_fail(FALIGN_INVALID, "disturbed weights go on with iteration %llu, not with %llu",
                    (unsigned long long)(disturbance->begun ? disturbance->next : history->origin),
                    (unsigned long long)trace->iteration);
  double *gains; /* of all layers, and room for one more matrix, fewer numbers than twice the parameters */
  size_t numbers = history->network->parameter_count;
  gains = fal_alloc(numbers, 2 * sizeof *gains);
  if (!gains) return fal_fail_memory("disturbed weights", numbers, 2 * sizeof *gains);
  falign_status status = gain_all(disturbance, trace, gains, gains + numbers);
  free(gains);
  if (status == FALIGN_OK) disturbance->next++;
  return status;
}

static falign_status check_weights(const falign_disturbance *disturbance, uint32_t l) {
  FAL_GIVEN(disturbance);
  uint32_t d = disturbance->history->network->layers;
  if (l < 1 || l >= d) return fal_fail(FALIGN_INVALID, "there is no disturbed W[%u]: l goes from 1 to %u", l, d - 1);
  return disturbance->begun ? FALIGN_OK : fal_fail(FALIGN_INVALID, "disturbed weights begin with the first update");
}

falign_status falign_disturbance_get_weights(const falign_disturbance *disturbance, uint32_t l, double *w, size_t rows,
                                             size_t cols, size_t stride) {
  FAL_TRY(check_weights(disturbance, l));
  const size_t *n = disturbance->history->network->widths;
  FAL_TRY(fal_check_matrix("W", l, w, rows, cols, stride, n[l], n[l + 1]));
  fal_copy_matrix(w, FALIGN_F64, stride, disturbance->w[l], FALIGN_F64, cols, rows, cols);
  return FALIGN_OK;
}

falign_status falign_disturbance_angle(falign_disturbance *disturbance, uint32_t l, double *angle) {
  FAL_TRY(check_weights(disturbance, l));
  FAL_GIVEN(angle);
  return fal_terms_angle(disturbance->against, l, disturbance->w[l], angle);
}

/* ---- The metric ---- */

typedef struct {
  falign_disturbance *disturbance;
  uint64_t every;
  char name[32];
} disturbance_metric;

static falign_status emit_angles(const disturbance_metric *metric, uint64_t k, falign_value_fn emit, void *emit_user) {
  uint32_t d = metric->disturbance->history->network->layers;
  for (uint32_t l = 1; l < d; l++) {
    double angle;
    FAL_TRY(falign_disturbance_angle(metric->disturbance, l, &angle));
    FAL_TRY(emit(emit_user, k, metric->name, l, -1, angle));
  }
  return FALIGN_OK;
}

static falign_status measure(void *user, const falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                             void *emit_user) {
  const disturbance_metric *metric = user;
  falign_disturbance *disturbance = metric->disturbance;
  uint64_t k = trace->iteration;
  FAL_TRY(falign_disturbance_set_threads(disturbance, falign_trainer_threads(trainer)));
  FAL_TRY(fal_history_check(disturbance->history, k));
  bool same_run = disturbance->begun && disturbance->origin == disturbance->history->origin;
  if (same_run && k + 1 == disturbance->next) take_back(disturbance);
  if (k == disturbance->history->origin) begin(disturbance);
  if (k % metric->every == 0) FAL_TRY(emit_angles(metric, k, emit, emit_user));
  return falign_disturbance_update(disturbance, trace);
}

static void destroy_metric(void *user) {
  disturbance_metric *metric = user;
  falign_disturbance_destroy(metric->disturbance);
  free(metric);
}

falign_status falign_metric_create_disturbance(falign_disturbance *disturbance, uint64_t every, falign_metric **out) {
  FAL_GIVEN(disturbance);
  FAL_GIVEN(out);
  if (every == 0)
    return fal_fail(FALIGN_INVALID,
                    "every is 0, want 1 or more: values are measured at the iterations that it divides");
  disturbance_metric *metric = fal_zalloc(1, sizeof *metric);
  if (!metric) return fal_fail_memory("a metric", 1, sizeof *metric);
  metric->every = every;
  metric->disturbance = disturbance;
  fal_refs_keep(&disturbance->refs);
  snprintf(metric->name, sizeof metric->name, "angle_w_%s", names[disturbance->kind]);
  const falign_metric_table table = {.size = sizeof table,
                                     .name = metric->name,
                                     .needs = FALIGN_NEEDS_STEP | FALIGN_NEEDS_ACTIVITY,
                                     .measure = measure,
                                     .destroy = destroy_metric};
  falign_status status = falign_metric_create_custom(&table, metric, out);
  if (status != FALIGN_OK) destroy_metric(metric);
  return status;
}
