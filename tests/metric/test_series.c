/* SPDX-License-Identifier: Apache-2.0 */
#include "learning.h"

/* No two metrics emit the same series: each name is of one metric, and no two names have the same numbers. */

enum { SERIES = 96, VALUES = 512, ITERATIONS = 4, BATCH = 30, CATEGORIES = 4 };

typedef struct {
  char name[32];
  size_t metric, count;
  struct {
    int64_t iteration, layer, order;
    double value;
  } values[VALUES];
} series;

static struct {
  series all[SERIES];
  size_t count, metrics;
} seen_series;

static falign_status collect(void *user, const falign_value *value) {
  size_t i = 0;
  while (i < seen_series.count && strcmp(seen_series.all[i].name, value->name) != 0) i++;
  ck_assert_uint_lt(i, SERIES);
  series *of = &seen_series.all[i];
  if (i == seen_series.count) {
    seen_series.count++;
    of->metric = (size_t)(uintptr_t)user;
    snprintf(of->name, sizeof of->name, "%s", value->name);
  }
  ck_assert_msg(of->metric == (size_t)(uintptr_t)user, "%s comes from two metrics", of->name);
  for (size_t j = 0; j < of->count; j++)
    ck_assert_msg(of->values[j].iteration != value->iteration || of->values[j].layer != value->layer ||
                      of->values[j].order != value->order,
                  "%s of layer %d came twice", of->name, (int)value->layer);
  ck_assert_uint_lt(of->count, VALUES);
  of->values[of->count].iteration = value->iteration;
  of->values[of->count].layer = value->layer;
  of->values[of->count].order = value->order;
  of->values[of->count++].value = value->value;
  return FALIGN_OK;
}

static void observe_metric(const learner *by, falign_metric *metric) {
  ok(falign_trainer_observe(by->trainer, metric, 1, collect, (void *)(uintptr_t)seen_series.metrics++));
  falign_metric_destroy(metric);
}

static bool same_series(const series *a, const series *b) {
  if (a->count != b->count) return false;
  for (size_t i = 0; i < a->count; i++) {
    if (a->values[i].iteration != b->values[i].iteration || a->values[i].layer != b->values[i].layer ||
        a->values[i].order != b->values[i].order ||
        memcmp(&a->values[i].value, &b->values[i].value, sizeof a->values[i].value) != 0)
      return false;
  }
  return true;
}

/* The metrics of terms and disturbances; the trainer and they keep all objects. */
static void observe_terms(const learner *by) {
  static const char *const disturbances[] = {"undisturbed", "linear", "fresh_feedback", "shuffled_rows"};
  falign_disturbance_settings settings = {.seed = 5};
  falign_history *history;
  falign_metric *metric;
  ok(falign_history_create(by->network, &history));
  ok(falign_history_keep(history, FALIGN_KEEP_C | FALIGN_KEEP_DIRECT));
  ok(falign_trainer_set_history(by->trainer, history));
  ok(falign_metric_create_terms(NULL, 0, &metric));
  observe_metric(by, metric);
  ok(falign_rule_create(falign_rule_feedback(by->rule) == FALIGN_FEEDBACK_DIRECT ? "dfa" : "fa", by->network,
                        &settings.fresh));
  ok(falign_rule_draw(settings.fresh, 0.5, 9, 0));
  for (size_t i = 0; i < 4; i++) {
    falign_disturbance *disturbance;
    ok(falign_disturbance_create(disturbances[i], &settings, history, by->rule, &disturbance));
    ok(falign_metric_create_disturbance(disturbance, &metric));
    observe_metric(by, metric);
    falign_disturbance_destroy(disturbance);
  }
  falign_rule_destroy(settings.fresh);
  falign_history_destroy(history);
}

START_TEST(no_series_comes_twice) {
  static const char *const rules[] = {"bp", "fa", "dfa"};
  const size_t n[] = {6, 9, 7, 8, 4};
  skip_unless(falign_has_feature("lapack"), no_lapack);
  memset(&seen_series, 0, sizeof seen_series);
  learner by = new_learner(new_network(FALIGN_F64, 4, n, true, TANH), rules[_i], 0.5, 3, 0.01);
  falign_dataset *data;
  falign_code *code;
  falign_batches *batches;
  falign_metric *metric;
  const uint64_t lags[] = {1, 2};
  ok(falign_dataset_create_synthetic(&(falign_synthetic){90, 6, CATEGORIES, 0.5, 0.2}, FALIGN_TRAIN, 3, &data));
  ok(falign_code_create_n_hot(CATEGORIES, 4, 1, 3, 0, &code));
  ok(falign_batches_create(data, code, BATCH, &batches));
  for (size_t i = 0; falign_metric_name_at(i); i++) {
    ok(falign_metric_create(falign_metric_name_at(i), &metric));
    observe_metric(&by, metric);
  }
  ok(falign_metric_create_test_error(batches, &metric));
  observe_metric(&by, metric);
  ok(falign_metric_create_autocorrelation(lags, 2, &metric));
  observe_metric(&by, metric);
  ok(falign_metric_create_similarity(batches, 1, &metric));
  observe_metric(&by, metric);
  if (_i > 0) observe_terms(&by);
  ok(falign_trainer_run(by.trainer, batches, ITERATIONS));
  ck_assert_uint_ge(seen_series.count, _i > 0 ? 45 : 25);
  for (size_t i = 0; i < seen_series.count; i++) {
    for (size_t j = 0; j < i; j++) {
      const series *a = &seen_series.all[i], *b = &seen_series.all[j];
      ck_assert_msg(!same_series(a, b), "%s and %s are the same", a->name, b->name);
    }
  }
  falign_batches_destroy(batches);
  falign_code_destroy(code);
  falign_dataset_destroy(data);
  free_learner(&by);
}
END_TEST

static void add_tests(TCase *tests) { tcase_add_loop_test(tests, no_series_comes_twice, 0, 3); }

int main(void) { return run_suite("series", add_tests); }
