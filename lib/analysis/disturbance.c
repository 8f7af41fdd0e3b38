/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/disturbance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "falign/trainer.h"
#include "learning/metric.h"
#include "math/rng.h"

/* A kind of disturbance. */
typedef struct {
  const char *name;
  bool linear;        /* linear terms instead of the expansion */
  bool shuffles;      /* rows of delta */
  bool fresh;         /* other feedback weights */
  const char *needed; /* the settings that it needs; NULL: none */
} disturbance_kind;

static const disturbance_kind kinds[] = {
    {.name = "undisturbed"},
    {.name = "linear", .linear = true},
    {.name = "fresh_feedback", .fresh = true, .needed = "fresh"},
    {.name = "shuffled_rows", .shuffles = true, .needed = "seed and run"},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

struct falign_disturbance {
  fal_refs refs;
  const disturbance_kind *kind;
  falign_history *history;
  falign_terms *terms;      /* of the rule */
  falign_terms *against;    /* of the rule whose feedback the weights are compared with */
  fal_disturbed *disturbed; /* the history's; NULL if the updates are the rule's own */
  size_t part;              /* its index among the history's parts */
  double **w;               /* [1..d-1] */
  double **before;          /* the same, before the last update */
  uint64_t run, next;       /* the history's run that the weights belong to, and the step of the next update */
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

static falign_status reserve_rows(fal_disturbed *disturbed, size_t rows) {
  const falign_network *network = disturbed->network;
  size_t element = fal_element(network->precision);
  if (rows <= disturbed->rows) return FALIGN_OK;
  uint32_t *order = fal_alloc(rows, sizeof *order);
  if (!order) return fal_fail_memory("an order of rows", rows, sizeof *order);
  free(disturbed->order);
  disturbed->order = order;
  disturbed->rows = 0; /* until everything is allocated */
  for (uint32_t l = 1; l <= network->layers; l++) {
    size_t cols = l == 1 ? disturbed->widest_signal : network->widths[l];
    if (l > 1 && !disturbed->shuffles) continue;
    void *delta = fal_alloc_matrix(rows, cols, element);
    if (!delta) return fal_fail_memory("disturbed error signals", rows, cols * element);
    free(disturbed->deltas[l]);
    disturbed->deltas[l] = delta;
  }
  disturbed->rows = rows;
  return FALIGN_OK;
}

static falign_status draw_order(const fal_disturbed *disturbed, const falign_step *step) {
  falign_rng rng;
  if (step->iteration > 0xffffff)
    return fal_fail(FALIGN_INVALID, "rows are shuffled up to iteration %d, not at %llu", 0xffffff,
                    (unsigned long long)step->iteration);
  if (step->rows > UINT32_MAX)
    return fal_fail(FALIGN_INVALID, "up to %llu rows are shuffled, not %zu", (unsigned long long)UINT32_MAX,
                    step->rows);
  FAL_TRY(fal_rng_init(&rng, disturbed->seed, FALIGN_RNG_ROWS, (uint32_t)step->iteration, disturbed->run));
  falign_rng_permutation(&rng, disturbed->order, (uint32_t)step->rows);
  return FALIGN_OK;
}

/* Fills a part of the history; see fal_history_add_part(). */
static falign_status fill_disturbed(void *user, const falign_trace *trace, void *out) {
  fal_disturbed *disturbed = user;
  FAL_TRY(fal_trace_check_activity(trace));
  FAL_TRY(reserve_rows(disturbed, trace->step.rows));
  if (disturbed->shuffles) FAL_TRY(draw_order(disturbed, &trace->step));
  disturbed->iteration = trace->step.iteration;
  disturbed->step_rows = trace->step.rows;
  return disturbed->network->precision == FALIGN_F32 ? fal_disturbed_fill_f32(disturbed, trace, out)
                                                     : fal_disturbed_fill_f64(disturbed, trace, out);
}

/* Places D[0..d-2] and returns the count of their numbers, less than the network's parameters. */
static size_t place_updates(fal_disturbed *disturbed) {
  const size_t *n = disturbed->network->widths;
  size_t numbers = 0;
  for (uint32_t l = 1; l < disturbed->network->layers; l++) {
    disturbed->at[l] = numbers;
    numbers += n[l - 1] * n[l];
    if (n[l] > disturbed->widest_signal) disturbed->widest_signal = n[l];
  }
  return numbers;
}

/* Lets the history keep the updates described by `like`, which is copied; its rule is retained. */
static falign_status keep_updates(falign_disturbance *d, const fal_disturbed *like) {
  size_t ends = (size_t)d->history->network->layers + 1;
  fal_disturbed *disturbed = fal_zalloc(1, sizeof *disturbed);
  if (!disturbed) return fal_fail_memory("a disturbance", 1, sizeof *disturbed);
  *disturbed = *like;
  fal_rule_retain(disturbed->rule);
  disturbed->network = d->history->network;
  disturbed->at = fal_zalloc(ends, sizeof *disturbed->at);
  disturbed->deltas = fal_zalloc(ends, sizeof *disturbed->deltas);
  falign_status status = disturbed->at && disturbed->deltas ? FALIGN_OK : fal_fail_memory("a disturbance", ends, 16);
  if (status == FALIGN_OK)
    status =
        fal_history_add_part(d->history, place_updates(disturbed), fill_disturbed, free_disturbed, disturbed, &d->part);
  if (status != FALIGN_OK) {
    free_disturbed(disturbed);
    return status;
  }
  d->disturbed = disturbed;
  return FALIGN_OK;
}

/* ---- Making one ---- */

void falign_disturbance_destroy(falign_disturbance *disturbance) {
  if (!disturbance || !fal_refs_release(&disturbance->refs)) return;
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
    FAL_TRY(fal_terms_room(network, l, &d->w[l], 1));
    FAL_TRY(fal_terms_room(network, l, &d->before[l], 1));
  }
  return FALIGN_OK;
}

static falign_status find_kind(const char *name, const disturbance_kind **out) {
  for (size_t i = 0; i < KINDS; i++) {
    if (strcmp(name, kinds[i].name) != 0) continue;
    *out = &kinds[i];
    return FALIGN_OK;
  }
  return fal_fail(FALIGN_UNSUPPORTED, "there is no disturbance \"%s\", only %s, %s, %s and %s", name, kinds[0].name,
                  kinds[1].name, kinds[2].name, kinds[3].name);
}

static falign_status check_settings(const disturbance_kind *kind, const falign_disturbance_settings *settings) {
  if (kind->needed && !settings)
    return fal_fail(FALIGN_INVALID, "settings is NULL: disturbance %s needs %s", kind->name, kind->needed);
  if (kind->fresh && !settings->fresh)
    return fal_fail(FALIGN_INVALID, "fresh is NULL: disturbance %s needs a rule with other feedback weights",
                    kind->name);
  return FALIGN_OK;
}

static falign_status check_fresh(const falign_rule *fresh, const falign_rule *rule) {
  if (rule->table.feedback == fresh->table.feedback) return FALIGN_OK;
  return fal_fail(FALIGN_SHAPE, "rule %s of the settings has another kind of feedback than rule %s", fresh->table.name,
                  rule->table.name);
}

/* Lets the history keep what the kind needs. */
static falign_status keep_required(falign_disturbance *d, const falign_disturbance_settings *settings) {
  falign_rule *rule = d->terms->rule;
  bool direct = rule->table.feedback == FALIGN_FEEDBACK_DIRECT;
  if (d->kind->linear) return falign_history_keep(d->history, direct ? FALIGN_KEEP_DIRECT : FALIGN_KEEP_C);
  if (d->kind->fresh) {
    FAL_TRY(check_fresh(settings->fresh, rule));
    return keep_updates(d, &(fal_disturbed){.rule = settings->fresh});
  }
  if (!d->kind->shuffles) return FALIGN_OK;
  return keep_updates(d,
                      &(fal_disturbed){.rule = rule, .shuffles = true, .seed = settings->seed, .run = settings->run});
}

/* Fills a new disturbance, of which kind and history are set. */
static falign_status fill_disturbance(falign_disturbance *d, const falign_disturbance_settings *settings,
                                      falign_rule *rule) {
  FAL_TRY(falign_terms_create(d->history, rule, &d->terms));
  FAL_TRY(falign_terms_create(d->history, d->kind->fresh ? settings->fresh : rule, &d->against));
  FAL_TRY(allocate_weights(d));
  return keep_required(d, settings);
}

falign_status falign_disturbance_create(const char *name, const falign_disturbance_settings *settings,
                                        falign_history *history, falign_rule *rule, falign_disturbance **out) {
  const disturbance_kind *kind;
  FAL_GIVEN(name);
  FAL_GIVEN(out);
  FAL_TRY(find_kind(name, &kind));
  FAL_TRY(check_settings(kind, settings));
  FAL_TRY(fal_history_check_unbegun(history));
  falign_disturbance *made = fal_zalloc(1, sizeof *made);
  if (!made) return fal_fail_memory("a disturbance", 1, sizeof *made);
  fal_refs_init(&made->refs);
  fal_history_retain(history);
  made->history = history;
  made->kind = kind;
  falign_status status = fill_disturbance(made, settings, rule);
  if (status == FALIGN_OK) {
    *out = made;
  } else {
    falign_disturbance_destroy(made);
  }
  return status;
}

const char *falign_disturbance_name(const falign_disturbance *disturbance) { return disturbance->kind->name; }

falign_status falign_disturbance_set_threads(falign_disturbance *disturbance, uint32_t threads) {
  FAL_GIVEN(disturbance);
  return falign_terms_set_threads(disturbance->terms, threads);
}

/* ---- Terms ---- */

/* The shuffled rows are only those of the last step. */
static falign_status check_shuffled(const fal_disturbed *disturbed, const falign_step *step) {
  if (disturbed->iteration != step->iteration)
    return fal_fail(FALIGN_INVALID, "rows were shuffled for iteration %llu, not for %llu",
                    (unsigned long long)disturbed->iteration, (unsigned long long)step->iteration);
  if (disturbed->step_rows == step->rows) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "%zu rows were shuffled for iteration %llu, but the trace has %zu",
                  disturbed->step_rows, (unsigned long long)step->iteration, step->rows);
}

/* Describes the expansion in disturbed updates of layer l. */
static falign_status prepare_expansion(const falign_disturbance *d, const falign_trace *trace, uint32_t l,
                                       fal_expansion *what) {
  FAL_TRY(fal_terms_check(d->terms, trace, l));
  *what = fal_terms_expansion(d->terms, trace, l);
  if (!d->disturbed) return FALIGN_OK;
  what->update_at = fal_history_part_at(d->history, d->part) + d->disturbed->at[l];
  if (!d->kind->shuffles) return FALIGN_OK;
  FAL_TRY(check_shuffled(d->disturbed, &trace->step));
  what->delta = d->disturbed->deltas[l + 1];
  return FALIGN_OK;
}

falign_status falign_disturbance_get(falign_disturbance *disturbance, const falign_trace *trace, uint32_t l,
                                     const falign_orders *orders, const falign_matrix *t) {
  fal_expansion what;
  double *room;
  FAL_GIVEN(disturbance);
  FAL_GIVEN(orders);
  if (disturbance->kind->linear) return falign_terms_get(disturbance->terms, trace, FALIGN_TERM_LINEAR, l, orders, t);
  FAL_TRY(prepare_expansion(disturbance, trace, l, &what));
  if (orders->degree > 1) return fal_fail(FALIGN_INVALID, "disturbed terms have degree 1, got %u", orders->degree);
  FAL_TRY(fal_terms_check_listed(disturbance->history, trace->step.iteration, orders));
  FAL_TRY(fal_terms_room_for(disturbance->history->network, l, t, orders->count, &room));
  what.orders = orders->list;
  what.count = orders->count;
  what.single = room;
  return fal_terms_deliver(fal_expand(disturbance->terms->expander, &what), room, t);
}

/* ---- Weights ---- */

/* A contiguous matrix of the shape of W[l]. */
static falign_matrix matrix_of(const falign_disturbance *d, uint32_t l, double *w) {
  const size_t *n = d->history->network->widths;
  return falign_matrix_f64(w, n[l], n[l + 1]);
}

/* The disturbed W[l]. */
static falign_view view_weights(const falign_disturbance *d, uint32_t l) {
  return falign_view_of(matrix_of(d, l, d->w[l]));
}

/* Whether there are weights, of the run that the history holds. */
static bool continues_run(const falign_disturbance *d) { return d->begun && d->run == d->history->runs; }

/* Begins with the W of the history's first step. */
static void begin_weights(falign_disturbance *d) {
  const falign_network *network = d->history->network;
  for (uint32_t l = 1; l < network->layers; l++) {
    const falign_matrix w = matrix_of(d, l, d->w[l]);
    const falign_view start = fal_view_plain(fal_history_start(d->history, l), network->precision, w.rows, w.cols);
    fal_copy(&w, &start);
  }
  d->run = d->history->runs;
  d->next = d->history->origin;
  d->begun = true;
}

/* Computes what a step adds to the disturbed W[l]; `room` holds another matrix. */
static falign_status compute_gain(falign_disturbance *d, const falign_trace *trace, uint32_t l, double *sum,
                                  double *room) {
  fal_expansion what;
  FAL_TRY(prepare_expansion(d, trace, l, &what));
  FAL_TRY(fal_expand_zero(d->terms->expander, &what, trace->step.iteration, room));
  if (d->kind->linear) {
    const falign_orders all = {.list = NULL};
    const falign_matrix t = matrix_of(d, l, sum);
    FAL_TRY(falign_terms_sum(d->terms, trace, FALIGN_TERM_LINEAR, l, &all, &t));
  } else {
    what.sum = sum;
    FAL_TRY(fal_terms_expand_all(d->terms, &what));
  }
  for (size_t i = 0; i < fal_terms_numbers(d->history->network, l); i++) sum[i] += room[i];
  return FALIGN_OK;
}

/* Adds the gains of all layers; `gains` holds twice as many numbers as the network has parameters. */
static falign_status add_gains(falign_disturbance *d, const falign_trace *trace, double *gains) {
  const falign_network *network = d->history->network;
  double *at = gains, *room = gains + network->parameter_count;
  for (uint32_t l = 1; l < network->layers; l++) {
    FAL_TRY(compute_gain(d, trace, l, at, room));
    at += fal_terms_numbers(network, l);
  }
  if (trace->step.iteration == d->history->origin)
    begin_weights(d); /* of this run, or of the next after falign_history_clear() */
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
  uint64_t k = trace->step.iteration;
  FAL_TRY(fal_history_check(history, k));
  uint64_t next = continues_run(disturbance) ? disturbance->next : history->origin;
  if (k != history->origin && k != next)
    return fal_fail(FALIGN_INVALID, "disturbed weights continue with iteration %llu, not with %llu",
                    (unsigned long long)next, (unsigned long long)k);
  size_t numbers = history->network->parameter_count;
  double *gains = fal_alloc(numbers, 2 * sizeof *gains);
  if (!gains) return fal_fail_memory("disturbed weights", numbers, 2 * sizeof *gains);
  falign_status status = add_gains(disturbance, trace, gains);
  free(gains);
  if (status == FALIGN_OK) disturbance->next = k + 1;
  return status;
}

static falign_status check_weights(const falign_disturbance *disturbance, uint32_t l) {
  FAL_GIVEN(disturbance);
  uint32_t d = disturbance->history->network->layers;
  if (d == 1) return fal_fail(FALIGN_INVALID, "there is no disturbed W[%u]: the network has no hidden layer", l);
  if (l < 1 || l >= d) return fal_fail(FALIGN_INVALID, "there is no disturbed W[%u]: l goes from 1 to %u", l, d - 1);
  return disturbance->begun ? FALIGN_OK
                            : fal_fail(FALIGN_INVALID, "there are no disturbed weights before the first update");
}

falign_status falign_disturbance_get_weights(const falign_disturbance *disturbance, uint32_t l,
                                             const falign_matrix *w) {
  FAL_TRY(check_weights(disturbance, l));
  const falign_view weights = view_weights(disturbance, l);
  return fal_get_matrix("W", l, &weights, w);
}

falign_status falign_disturbance_angle(falign_disturbance *disturbance, uint32_t l, double *angle) {
  FAL_TRY(check_weights(disturbance, l));
  FAL_GIVEN(angle);
  const falign_view weights = view_weights(disturbance, l);
  return fal_terms_angle(disturbance->against, l, &weights, angle);
}

/* ---- The metric ---- */

typedef struct {
  falign_disturbance *disturbance;
  char name[32];
} disturbance_metric;

/* Undoes the last update, whose step failed afterwards. */
static void undo_update(falign_disturbance *d) {
  double **after = d->w;
  d->w = d->before;
  d->before = after;
  d->next--;
}

/* Restores the weights before step k; a second call for the step changes nothing. */
static falign_status begin_disturbed_step(falign_disturbance *d, uint64_t k) {
  FAL_TRY(fal_history_check(d->history, k));
  if (continues_run(d) && k + 1 == d->next) undo_update(d);
  if (k == d->history->origin) begin_weights(d);
  return FALIGN_OK;
}

static falign_status measure_angles(void *user, falign_trainer *trainer, const falign_trace *trace,
                                    falign_value_fn emit, void *emit_user) {
  const disturbance_metric *metric = user;
  falign_disturbance *d = metric->disturbance;
  (void)trainer;
  FAL_TRY(begin_disturbed_step(d, trace->step.iteration));
  for (uint32_t l = 1; l < d->history->network->layers; l++) {
    falign_value value = {(int64_t)trace->step.iteration, metric->name, l, -1, 0};
    FAL_TRY(falign_disturbance_angle(d, l, &value.value));
    FAL_TRY(emit(emit_user, &value));
  }
  return FALIGN_OK;
}

static falign_status update_weights(void *user, falign_trainer *trainer, const falign_trace *trace) {
  const disturbance_metric *metric = user;
  FAL_TRY(falign_disturbance_set_threads(metric->disturbance, falign_trainer_threads(trainer)));
  FAL_TRY(begin_disturbed_step(metric->disturbance, trace->step.iteration));
  return falign_disturbance_update(metric->disturbance, trace);
}

static void destroy_disturbance_metric(void *user) {
  disturbance_metric *metric = user;
  falign_disturbance_destroy(metric->disturbance);
  free(metric);
}

falign_status falign_metric_create_disturbance(falign_disturbance *disturbance, falign_metric **out) {
  FAL_GIVEN(disturbance);
  FAL_GIVEN(out);
  disturbance_metric *metric = fal_zalloc(1, sizeof *metric);
  if (!metric) return fal_fail_memory("a metric", 1, sizeof *metric);
  metric->disturbance = disturbance;
  fal_refs_retain(&disturbance->refs);
  snprintf(metric->name, sizeof metric->name, "angle_w_%s", disturbance->kind->name);
  const falign_metric_table table = {.size = sizeof table,
                                     .name = metric->name,
                                     .needs = FALIGN_NEEDS_STEP | FALIGN_NEEDS_ACTIVITY,
                                     .measure = measure_angles,
                                     .destroy = destroy_disturbance_metric,
                                     .look = update_weights};
  falign_status status = fal_metric_create(&table, metric, out);
  if (status != FALIGN_OK) destroy_disturbance_metric(metric);
  return status;
}
