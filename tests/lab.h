/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LAB_H
#define TESTS_LAB_H

/* A small network that learns, and what its metrics say of it. */

#include "suite.h"

enum { D = 4, ROWS = 9, STEPS = 3, MOST = 64 }; /* no matrix here has more than MOST numbers */
static const size_t n[D + 1] = {6, 5, 7, 4, 3};
static const activation activations[D + 1] = {0, TANH_RELU, TANH, LOGISTIC, RELU};

/* What a sink received. */
typedef struct {
  uint64_t iteration;
  char metric[32];
  int64_t layer, order;
  double value;
} entry;

typedef struct {
  entry entries[4096];
  size_t count;
} journal;

static inline falign_status record(void *user, const falign_value *value) {
  journal *log = user;
  ck_assert(log->count < sizeof log->entries / sizeof log->entries[0]);
  entry *e = &log->entries[log->count++];
  *e = (entry){
      .iteration = (uint64_t)value->iteration, .layer = value->layer, .order = value->order, .value = value->value};
  snprintf(e->metric, sizeof e->metric, "%s", value->name);
  return FALIGN_OK;
}

static inline size_t entries_of(const journal *log, const char *metric) {
  size_t count = 0;
  for (size_t i = 0; i < log->count; i++) count += strcmp(log->entries[i].metric, metric) == 0;
  return count;
}

/* The one value of that metric, layer and order. */
static inline double value_of(const journal *log, const char *metric, int64_t layer, int64_t order) {
  const entry *found = NULL;
  for (size_t i = 0; i < log->count; i++) {
    const entry *e = &log->entries[i];
    if (strcmp(e->metric, metric) != 0 || e->layer != layer || e->order != order) continue;
    ck_assert_msg(!found, "%s of layer %d came twice", metric, (int)layer);
    found = e;
  }
  ck_assert_msg(found != NULL, "%s of layer %d, order %d did not come", metric, (int)layer, (int)order);
  return found->value;
}

typedef struct {
  falign_precision precision;
  falign_network *network;
  falign_rule *rule;
  falign_trainer *trainer;
  double x[ROWS * 6], y[ROWS * 7]; /* Y* takes as many of y as the output needs */
  float x_f32[ROWS * 6], y_f32[ROWS * 7];
  journal log;
  double start_norm[D];
} lab;

static inline void open_lab(lab *b, falign_precision precision, const char *rule, uint32_t layers, int32_t biases) {
  *b = (lab){.precision = precision};
  ok(falign_network_create(precision, layers, n, biases, &b->network));
  for (uint32_t l = 1; l <= layers; l++) ok(activate(b->network, l, activations[l]));
  ok(falign_network_draw(b->network, 1.5, 0.5, 7, 0));
  ok(falign_rule_create(rule, b->network, &b->rule));
  ok(falign_rule_draw(b->rule, 0.5, 7, 0));
  ok(falign_trainer_create(b->network, b->rule, 0.01, &b->trainer));
  falign_rng *rng;
  ok(falign_rng_create(7, FALIGN_RNG_USER, 0, 0, &rng));
  draw_normal(rng, 1, WRITE_F64(b->x, 1, sizeof b->x / sizeof b->x[0], sizeof b->x / sizeof b->x[0]));
  draw_normal(rng, 1, WRITE_F64(b->y, 1, sizeof b->y / sizeof b->y[0], sizeof b->y / sizeof b->y[0]));
  for (size_t i = 0; i < sizeof b->x / sizeof b->x[0]; i++) b->x_f32[i] = (float)b->x[i];
  for (size_t i = 0; i < sizeof b->y / sizeof b->y[0]; i++) b->y_f32[i] = (float)b->y[i];
  falign_rng_destroy(rng);
}

static inline void close_lab(lab *b) {
  falign_trainer_destroy(b->trainer);
  falign_rule_destroy(b->rule);
  falign_network_destroy(b->network);
}

static inline falign_status step(lab *b) {
  size_t in = n[0], out = n[falign_network_layers(b->network)];
  if (b->precision == FALIGN_F32)
    return falign_trainer_step(b->trainer, READ_F32(b->x_f32, ROWS, in, in), READ_F32(b->y_f32, ROWS, out, out));
  return falign_trainer_step(b->trainer, READ_F64(b->x, ROWS, in, in), READ_F64(b->y, ROWS, out, out));
}

static inline void observe(lab *b, const char *name) {
  falign_metric *metric;
  ok(falign_metric_create(name, &metric));
  ck_assert_str_eq(falign_metric_name(metric), name);
  ok(falign_trainer_observe(b->trainer, metric, 1, record, &b->log));
  falign_metric_destroy(metric);
}

/* A contiguous matrix in double precision. */
typedef struct {
  size_t rows, cols;
  double at[MOST];
} matrix;

static inline matrix weights(const lab *b, uint32_t l) {
  matrix w = {n[l], n[l + 1], {0}};
  ok(falign_network_get(b->network, FALIGN_W, l, WRITE_F64(w.at, w.rows, w.cols, w.cols)));
  return w;
}

#endif
