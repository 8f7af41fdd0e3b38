/* SPDX-License-Identifier: Apache-2.0 */
#include "curve.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct sample {
  int64_t iteration;
  double epoch, value;
} sample;

/* The rows of a curve, over the iterations, or over the orders at iteration `at`. */
typedef struct selection {
  curve_key key;
  bool over_orders;
  int64_t at;
} selection;

/* Reads row i and finds out whether it belongs to the curve. */
static falign_status read_sample(const falign_table *table, size_t i, const selection *s, sample *out, bool *belongs) {
  falign_row row;
  TRY(falign_table_row(table, i, &row));
  const falign_value *v = &row.value;
  bool here = s->over_orders ? v->iteration == s->at && v->order >= 0 : v->order == s->key.order;
  *belongs = here && v->layer == s->key.layer && !isnan(v->value) && strcmp(v->name, s->key.metric) == 0 &&
             (s->key.condition == NULL || strcmp(row.condition, s->key.condition) == 0);
  *out = (sample){.iteration = s->over_orders ? v->order : v->iteration, .epoch = row.epoch, .value = v->value};
  return FALIGN_OK;
}

static int by_iteration_and_value(const void *a, const void *b) {
  const sample *left = a, *right = b;
  if (left->iteration != right->iteration) return left->iteration > right->iteration ? 1 : -1;
  return (left->value > right->value) - (left->value < right->value);
}

/* What samples of one iteration, sorted, have in common. */
static curve_point summarize(const sample *samples, size_t count) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < count; i++) sum += samples[i].value;
  double mean = sum / (double)count;
  for (size_t i = 0; i < count; i++) squares += (samples[i].value - mean) * (samples[i].value - mean);
  return (curve_point){.x = (double)samples[0].iteration,
                       .epoch = samples[0].epoch,
                       .mean = mean,
                       .sd = count > 1 ? sqrt(squares / (double)(count - 1)) : NAN,
                       .median = (samples[(count - 1) / 2].value + samples[count / 2].value) / 2,
                       .least = samples[0].value,
                       .most = samples[count - 1].value,
                       .runs = count};
}

static void summarize_groups(const sample *samples, size_t count, curve *out) {
  for (size_t first = 0, next; first < count; first = next) {
    next = first + 1;
    while (next < count && samples[next].iteration == samples[first].iteration) next++;
    out->points[out->count++] = summarize(samples + first, next - first);
  }
}

static falign_status gather(const falign_table *table, const selection *s, curve *out) {
  size_t rows = falign_table_rows(table), count = 0;
  sample *samples = calloc(rows + 1, sizeof *samples);
  falign_status status = samples == NULL ? fail(FALIGN_MEMORY, "out of memory") : FALIGN_OK;
  for (size_t i = 0; i < rows && status == FALIGN_OK; i++) {
    bool belongs = false;
    status = read_sample(table, i, s, &samples[count], &belongs);
    count += belongs;
  }
  *out = (curve){0};
  if (status == FALIGN_OK) out->points = calloc(count + 1, sizeof *out->points);
  if (status == FALIGN_OK && out->points == NULL) status = fail(FALIGN_MEMORY, "out of memory");
  if (status == FALIGN_OK) {
    qsort(samples, count, sizeof *samples, by_iteration_and_value);
    summarize_groups(samples, count, out);
  }
  free(samples);
  return status;
}

falign_status curve_gather(const falign_table *table, curve_key key, curve *out) {
  const selection s = {.key = key};
  return gather(table, &s, out);
}

falign_status curve_gather_orders(const falign_table *table, curve_key key, int64_t iteration, curve *out) {
  const selection s = {.key = key, .over_orders = true, .at = iteration};
  return gather(table, &s, out);
}

void curve_free(curve *c) {
  free(c->points);
  *c = (curve){0};
}

static falign_status add_point(const curve_point *point, curve *c) {
  curve_point *points = realloc(c->points, (c->count + 1) * sizeof *points);
  if (points == NULL) return fail(FALIGN_MEMORY, "out of memory");
  c->points = points;
  points[c->count++] = *point;
  return FALIGN_OK;
}

/* Adds a point, moved to x. */
static falign_status add_point_at(curve_point *point, double x, curve *c) {
  point->x = x;
  return add_point(point, c);
}

falign_status curve_add_at(const falign_table *table, curve_key key, int64_t iteration, double x, curve *c) {
  curve all;
  TRY(curve_gather(table, key, &all));
  falign_status status = FALIGN_OK;
  for (size_t i = 0; i < all.count && status == FALIGN_OK; i++) {
    if (all.points[i].x == (double)iteration) status = add_point_at(&all.points[i], x, c);
  }
  curve_free(&all);
  return status;
}

falign_status curve_add_last(const falign_table *table, curve_key key, double x, curve *c) {
  curve all;
  TRY(curve_gather(table, key, &all));
  falign_status status = all.count > 0 ? add_point_at(&all.points[all.count - 1], x, c) : FALIGN_OK;
  curve_free(&all);
  return status;
}

falign_status curve_add(double x, double y, curve *c) {
  const curve_point point = {.x = x, .epoch = NAN, .mean = y, .sd = NAN, .median = y, .least = y, .most = y, .runs = 1};
  return add_point(&point, c);
}

falign_status curve_print_last(const falign_table *table, curve_key key) {
  curve all;
  char name[128], layer[32] = "", order[32] = "", spread[32] = "";
  TRY(curve_gather(table, key, &all));
  if (all.count > 0) {
    const curve_point *last = &all.points[all.count - 1];
    if (key.layer >= 0) snprintf(layer, sizeof layer, ", layer %d", (int)key.layer);
    if (key.order >= 0) snprintf(order, sizeof order, ", order %d", (int)key.order);
    if (last->runs > 1) snprintf(spread, sizeof spread, "+- %.3g", last->sd);
    snprintf(name, sizeof name, "%s%s%s", key.metric, layer, order);
    if (key.condition != NULL) fprintf(stderr, "  %-22s", key.condition);
    fprintf(stderr, "  %-34s %10.5g %-10s  iteration %.0f, %zu run%s\n", name, last->mean, spread, last->x, last->runs,
            last->runs == 1 ? "" : "s");
  }
  curve_free(&all);
  return FALIGN_OK;
}
