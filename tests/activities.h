/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_ACTIVITIES_H
#define TESTS_ACTIVITIES_H

/* What the tests of metrics that look back share: a short run, copies of its traces that the test takes by a metric of
 * its own, and what a sink received. */

#include "suite.h"

enum { D = 3, POINTS = 43, BATCH = 10, EPOCH = 5, MOST_STEPS = 24, WIDEST = 7, CATEGORIES = 4 };
static const size_t n[D + 1] = {6, 5, 7, 4};

/* ---- Values ---- */

typedef struct {
  uint64_t iteration;
  char metric[24];
  int64_t layer, order;
  double value;
} entry;

typedef struct {
  entry entries[2048];
  size_t count;
} journal;

static inline falign_status record(void *user, const falign_value *value) {
  journal *log = user;
  ck_assert_uint_lt(log->count, sizeof log->entries / sizeof log->entries[0]);
  entry *e = &log->entries[log->count++];
  *e = (entry){
      .iteration = (uint64_t)value->iteration, .layer = value->layer, .order = value->order, .value = value->value};
  snprintf(e->metric, sizeof e->metric, "%s", value->name);
  return FALIGN_OK;
}

static inline size_t entries_of(const journal *log, uint64_t iteration) {
  size_t count = 0;
  for (size_t i = 0; i < log->count; i++) count += log->entries[i].iteration == iteration;
  return count;
}

/* The one value of that name. */
static inline double value_of(const journal *log, uint64_t iteration, const char *metric, int64_t layer,
                              int64_t order) {
  const entry *found = NULL;
  for (size_t i = 0; i < log->count; i++) {
    const entry *e = &log->entries[i];
    if (e->iteration != iteration || strcmp(e->metric, metric) != 0 || e->layer != layer || e->order != order) continue;
    ck_assert_msg(!found, "%s of iteration %d, layer %d came twice", metric, (int)iteration, (int)layer);
    found = e;
  }
  ck_assert_msg(found != NULL, "%s of iteration %d, layer %d, order %d did not come", metric, (int)iteration,
                (int)layer, (int)order);
  return found->value;
}

/* ---- Copies ---- */

/* L[0..d] and delta[1..d] of one iteration. */
typedef struct {
  size_t rows;
  double l[D + 1][BATCH][WIDEST], delta[D + 1][BATCH][WIDEST];
} activity;

static inline void copy_matrix(const falign_trace *trace, falign_quantity quantity, uint32_t l,
                               double out[BATCH][WIDEST]) {
  falign_view view;
  ok(falign_trace_view(trace, quantity, l, &view));
  copy_elements(&view, out[0], WIDEST);
}

static inline falign_status copy_trace(void *user, falign_trainer *trainer, const falign_trace *trace,
                                       falign_value_fn emit, void *emit_user) {
  (void)trainer, (void)emit, (void)emit_user;
  activity *to = &((activity *)user)[falign_trace_step(trace)->iteration];
  to->rows = falign_trace_step(trace)->rows;
  for (uint32_t l = 0; l <= D; l++) {
    copy_matrix(trace, FALIGN_L, l, to->l[l]);
    if (l > 0) copy_matrix(trace, FALIGN_DELTA, l, to->delta[l]);
  }
  return FALIGN_OK;
}

/* ---- A run ---- */

/* 4 batches of 10 points and one of 3 an epoch, in four categories. */
typedef struct {
  falign_network *network;
  falign_rule *rule;
  falign_batches *batches;
  falign_trainer *trainer;
  activity seen[MOST_STEPS];
  journal log;
} run;

static inline falign_batches *new_batches(falign_order order) {
  falign_dataset *dataset = NULL;
  falign_code *code = NULL;
  falign_batches *batches = NULL;
  ok(falign_dataset_create_synthetic(&(falign_synthetic){POINTS, n[0], CATEGORIES, 0.6, 0.1}, FALIGN_TRAIN, 1,
                                     &dataset));
  ok(falign_code_create_n_hot(CATEGORIES, n[D], 1, 1, 0, &code));
  ok(falign_batches_create(dataset, code, BATCH, &batches));
  ok(falign_batches_set_order(batches, order, 1, 0));
  falign_dataset_destroy(dataset);
  falign_code_destroy(code);
  return batches;
}

static inline void open_run(run *r, falign_precision precision, falign_order order, double eta) {
  *r = (run){.batches = new_batches(order)};
  ok(falign_network_create(precision, D, n, 1, &r->network));
  for (uint32_t l = 1; l <= D; l++) ok(activate(r->network, l, TANH));
  ok(falign_network_draw(r->network, 0.4, 0.4, 1, 0));
  ok(falign_rule_create("fa", r->network, &r->rule));
  ok(falign_rule_draw(r->rule, 0.4, 1, 0));
  ok(falign_trainer_create(r->network, r->rule, eta, &r->trainer));
  const falign_metric_table copying = {
      .size = sizeof copying, .name = "copies", .needs = FALIGN_NEEDS_ACTIVITY, .measure = copy_trace};
  falign_metric *copies = NULL;
  ok(falign_metric_create_custom(&copying, r->seen, &copies));
  ok(falign_trainer_observe(r->trainer, copies, 1, record, &r->log));
  falign_metric_destroy(copies);
}

static inline void close_run(run *r) {
  falign_trainer_destroy(r->trainer);
  falign_rule_destroy(r->rule);
  falign_network_destroy(r->network);
  falign_batches_destroy(r->batches);
}

/* `to` goes on where `from` is. */
static inline void take_over(const run *from, run *to) {
  falign_tensors *tensors = NULL;
  ok(falign_tensors_create(&tensors));
  ok(falign_trainer_export(from->trainer, tensors));
  ok(falign_trainer_import(to->trainer, tensors));
  falign_tensors_destroy(tensors);
}

#endif
