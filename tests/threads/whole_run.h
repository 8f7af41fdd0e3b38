/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_WHOLE_RUN_H
#define TESTS_WHOLE_RUN_H

/* A whole run as one function that fails by its status, for threads and callbacks, which assert nothing themselves. */

#include "learning.h"

enum { POINTS = 400, INPUTS = 6, OUTPUTS = 4, UPDATES = 25, NUMBERS = 6 * 9 + 9 * 7 + 7 * 4 + 9 + 7 + 4 };
static const size_t widths[] = {INPUTS, 9, 7, OUTPUTS};

#define TRY(call)                                   \
  do {                                              \
    falign_status try_status = (call);              \
    if (try_status != FALIGN_OK) return try_status; \
  } while (0)

/* 2 in a build with threads, else 1. */
static inline uint32_t several(void) {
  learner by = task_learner(FALIGN_F32, "bp");
  falign_status status = falign_trainer_set_threads(by.trainer, 2);
  free_learner(&by);
  if (status == FALIGN_UNSUPPORTED) say_skipped("several threads", "", no_threads);
  return status == FALIGN_UNSUPPORTED ? 1 : 2;
}

/* A run from the first object to the last, and all that it comes to. */
typedef struct {
  uint32_t number, threads;
  falign_dataset *data;
  falign_code *code;
  falign_batches *batches;
  falign_network *network;
  falign_rule *rule;
  falign_norm *norm;
  falign_metric *metric;
  falign_trainer *trainer;
  double norms, loss, error, numbers[NUMBERS];
} whole_run;

static inline falign_status add_value(void *user, const falign_value *value) {
  *(double *)user += value->value;
  return FALIGN_OK;
}

static inline falign_status read_numbers(const falign_network *network, double *at) {
  for (uint32_t l = 0; l < falign_network_layers(network); l++) {
    size_t rows = falign_network_width(network, l), cols = falign_network_width(network, l + 1);
    TRY(falign_network_get(network, FALIGN_W, l, WRITE_F64(at, rows, cols, cols)));
    TRY(falign_network_get(network, FALIGN_BIAS, l + 1, WRITE_F64(at + rows * cols, 1, cols, cols)));
    at += (rows + 1) * cols;
  }
  return FALIGN_OK;
}

static inline falign_status make_data(uint64_t seed, falign_dataset **data, falign_code **code) {
  TRY(falign_dataset_create_synthetic(&(falign_synthetic){POINTS, INPUTS, OUTPUTS, 0.6, 0.2}, FALIGN_TRAIN, seed,
                                      data));
  return falign_code_create_n_hot(OUTPUTS, OUTPUTS, 1, seed, 0, code);
}

static inline falign_status begin_run(whole_run *m) {
  static const char *const rules[] = {"bp", "fa", "dfa"};
  static const double gamma = 1;
  TRY(make_data(m->number, &m->data, &m->code));
  TRY(falign_batches_create(m->data, m->code, 150, &m->batches));
  TRY(falign_batches_set_order(m->batches, FALIGN_ORDER_EPOCH, 3, m->number));
  TRY(falign_network_create(m->number % 2 ? FALIGN_F32 : FALIGN_F64, 3, widths, 1, &m->network));
  TRY(falign_network_draw(m->network, 0.5, 0.5, m->number, 0));
  TRY(falign_rule_create(rules[m->number % 3], m->network, &m->rule));
  TRY(falign_rule_draw(m->rule, 0.5, m->number, 0));
  TRY(falign_norm_create("columns", &gamma, 1, &m->norm));
  TRY(falign_metric_create("norm_dw", &m->metric));
  TRY(falign_trainer_create(m->network, m->rule, 0.01, &m->trainer));
  TRY(falign_trainer_set_norm(m->trainer, m->norm));
  TRY(falign_trainer_set_threads(m->trainer, m->threads));
  return falign_trainer_observe(m->trainer, m->metric, 4, add_value, &m->norms);
}

static inline void free_run(whole_run *m) {
  falign_dataset_destroy(m->data);
  falign_code_destroy(m->code);
  falign_rule_destroy(m->rule);
  falign_network_destroy(m->network);
  falign_metric_destroy(m->metric);
  falign_norm_destroy(m->norm);
  falign_trainer_destroy(m->trainer);
  falign_batches_destroy(m->batches);
}

static inline falign_status do_run(whole_run *m) {
  falign_status status = begin_run(m);
  if (status == FALIGN_OK) status = falign_trainer_run(m->trainer, m->batches, UPDATES);
  if (status == FALIGN_OK) status = falign_trainer_evaluate(m->trainer, m->batches, &m->loss, &m->error);
  if (status == FALIGN_OK) status = read_numbers(m->network, m->numbers);
  free_run(m);
  return status;
}

#endif
