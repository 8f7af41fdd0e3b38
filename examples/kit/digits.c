/* SPDX-License-Identifier: Apache-2.0 */
#include "digits.h"

#include <stdio.h>

#include "matrix.h"

const double digits_init_sd = 0.1;

static falign_status set_real(const char *prefix, const char *name, double value, configuration *config) {
  char full[128];
  snprintf(full, sizeof full, "%s%s", prefix, name);
  return config_set_real(config, full, value);
}

static const char *order_name(falign_order order) {
  if (order == FALIGN_ORDER_ONCE) return "once";
  return order == FALIGN_ORDER_EPOCH ? "epoch" : "none";
}

static falign_status set_text(const char *prefix, const char *name, const char *value, configuration *config) {
  char full[128];
  snprintf(full, sizeof full, "%s%s", prefix, name);
  return config_set_text(config, full, value);
}

falign_status digits_describe(const digits_setup *setup, const char *prefix, configuration *config) {
  const char *normalized = setup->only_w ? "W" : setup->only_b ? "B" : "W and B";
  if (setup->rule == NULL) return FALIGN_OK;
  TRY(set_text(prefix, "rule", setup->rule, config));
  TRY(set_real(prefix, "eta", setup->eta, config));
  if (setup->gamma > 0) TRY(set_real(prefix, "gamma", setup->gamma, config));
  if (setup->gamma > 0) TRY(set_text(prefix, "normalized", normalized, config));
  if (setup->without_biases) TRY(set_text(prefix, "biases", "none", config));
  if (setup->narrow > 0) TRY(set_real(prefix, "narrow", (double)setup->narrow, config));
  if (setup->label_shuffle > 0) TRY(set_real(prefix, "label-shuffle", setup->label_shuffle, config));
  if (setup->label_smoothing > 0) TRY(set_real(prefix, "label-smoothing", setup->label_smoothing, config));
  if (setup->data != NULL) TRY(set_real(prefix, "within", setup->data->within, config));
  if (setup->data != NULL) TRY(set_real(prefix, "between", setup->data->between, config));
  return set_text(prefix, "shuffle", order_name(setup->order), config);
}

/* Batches of 1000 points, or of all where they are fewer. */
static size_t digits_batch(const falign_dataset *dataset) {
  size_t points = falign_dataset_get_shape(dataset)->points;
  return points < DIGITS_BATCH ? points : DIGITS_BATCH;
}

static falign_status make_network(const digits_setup *setup, const falign_dataset *train, digits_run *run) {
  const size_t last = setup->narrow > 0 ? setup->narrow : DIGITS_WIDTH;
  const size_t widths[DIGITS_LAYERS + 1] = {
      falign_dataset_get_shape(train)->width, DIGITS_WIDTH, DIGITS_WIDTH, DIGITS_WIDTH, last, DIGITS_WIDTH};
  TRY(falign_network_create(FALIGN_F32, DIGITS_LAYERS, widths, !setup->without_biases, &run->network));
  TRY(network_activate(run->network, "tanh-relu"));
  TRY(falign_rule_create(setup->rule, run->network, &run->rule));
  bool normalizes = setup->gamma > 0 && !setup->only_b;
  return normalizes ? falign_norm_create("columns", &setup->gamma, 1, &run->norm) : FALIGN_OK;
}

/* Draws W, b and B, and normalizes what is to be normalized. */
static falign_status draw(const digits_setup *setup, uint64_t seed, uint32_t number, digits_run *run) {
  TRY(falign_network_draw(run->network, digits_init_sd, digits_init_sd, seed, number));
  TRY(falign_rule_draw(run->rule, digits_init_sd, seed, number));
  if (run->norm != NULL) TRY(falign_norm_apply(run->norm, run->network, run->rule));
  return setup->gamma > 0 && !setup->only_w ? falign_rule_normalize_columns(run->rule, setup->gamma) : FALIGN_OK;
}

static falign_status make_training_batches(const digits_setup *setup, const falign_dataset *train, uint64_t seed,
                                           uint32_t number, digits_run *run) {
  TRY(falign_batches_create(train, run->code, digits_batch(train), &run->train));
  if (setup->label_shuffle > 0) TRY(falign_batches_shuffle_labels(run->train, setup->label_shuffle, seed, number));
  if (setup->label_smoothing > 0) TRY(falign_batches_set_smoothing(run->train, setup->label_smoothing));
  return setup->order != 0 ? falign_batches_set_order(run->train, setup->order, seed, number) : FALIGN_OK;
}

falign_status digits_make(const digits_setup *setup, const falign_dataset *train, const falign_dataset *test,
                          uint64_t seed, uint32_t number, uint32_t threads, digits_run *out) {
  *out = (digits_run){0};
  TRY(falign_code_create_n_hot(DIGITS_CATEGORIES, DIGITS_WIDTH, DIGITS_WIDTH / DIGITS_CATEGORIES, seed, number,
                               &out->code));
  TRY(make_training_batches(setup, train, seed, number, out));
  TRY(falign_batches_create(test, out->code, digits_batch(test), &out->test));
  TRY(make_network(setup, train, out));
  TRY(draw(setup, seed, number, out));
  TRY(falign_trainer_create(out->network, out->rule, setup->eta, &out->trainer));
  TRY(falign_trainer_set_norm(out->trainer, out->norm));
  return falign_trainer_set_threads(out->trainer, threads);
}

void digits_release(digits_run *run) {
  falign_trainer_destroy(run->trainer);
  falign_norm_destroy(run->norm);
  falign_rule_destroy(run->rule);
  falign_network_destroy(run->network);
  falign_batches_destroy(run->train);
  falign_batches_destroy(run->test);
  falign_code_destroy(run->code);
}

falign_status digits_keep_history(const digits_run *run, int32_t quantities, uint64_t window, falign_terms **terms) {
  falign_history *history;
  TRY(falign_history_create(run->network, &history));
  falign_status status = falign_history_set_window(history, window);
  if (status == FALIGN_OK) status = falign_history_keep(history, quantities);
  if (status == FALIGN_OK) status = falign_trainer_set_history(run->trainer, history);
  if (status == FALIGN_OK && terms != NULL) status = falign_terms_create(history, run->rule, terms);
  falign_history_destroy(history);
  return status;
}

falign_status digits_observe(const digits_run *run, falign_metric *metric, uint64_t every, falign_value_fn sink,
                             void *user) {
  falign_status status = falign_trainer_observe(run->trainer, metric, every, sink, user);
  falign_metric_destroy(metric);
  return status;
}

falign_status digits_observe_at(const digits_run *run, falign_metric *metric, const uint64_t *iterations, size_t count,
                                falign_value_fn sink, void *user) {
  falign_status status = falign_trainer_observe_at(run->trainer, metric, iterations, count, sink, user);
  falign_metric_destroy(metric);
  return status;
}
