/* SPDX-License-Identifier: Apache-2.0 */
#include "lab.h"

/* A caller's metric that remembers how it was called. */
typedef struct {
  const falign_trainer *trainer;
  uint64_t iterations[8];
  bool traced[8];
  size_t calls, destroyed;
  uint64_t fail_at;
} witness;

static falign_status testify(void *user, const falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                             void *emit_user) {
  witness *w = user;
  ck_assert(trainer == w->trainer && w->calls < 8);
  uint64_t k = falign_trainer_iteration(trainer);
  if (trace) ck_assert(falign_trace_iteration(trace) == k);
  w->iterations[w->calls] = k;
  w->traced[w->calls++] = trace != NULL;
  if (k == w->fail_at) {
    falign_set_last_error("the witness is gone");
    return FALIGN_CALLBACK;
  }
  return emit(emit_user, k, "testimony", 3, 5, (double)k + 0.5);
}

static void bury(void *user) { ((witness *)user)->destroyed++; }

static const falign_metric_table testimony = {
    .size = sizeof testimony, .name = "testimony", .needs = FALIGN_NEEDS_STEP, .measure = testify, .destroy = bury};

START_TEST(custom_metric_at_chosen_iterations) {
  lab b;
  open_lab(&b, FALIGN_F64, "fa", D, 1);
  witness w[2] = {{.trainer = b.trainer, .fail_at = 100}, {.trainer = b.trainer, .fail_at = 100}};
  falign_metric_table weights_only = testimony;
  weights_only.needs = 0;
  falign_metric *metrics[2];
  ok(falign_metric_create_custom(&testimony, &w[0], &metrics[0]));
  ok(falign_metric_create_custom(&weights_only, &w[1], &metrics[1]));
  ck_assert(falign_metric_needs(metrics[0]) == FALIGN_NEEDS_STEP && falign_metric_needs(metrics[1]) == 0);
  const uint64_t chosen[] = {1, 3};
  ok(falign_trainer_observe_at(b.trainer, metrics[0], chosen, 2, record, &b.log));
  ok(falign_trainer_observe(b.trainer, metrics[1], 2, record, &b.log));
  for (size_t i = 0; i < 5; i++) ok(step(&b));
  ok(falign_trainer_measure(b.trainer));

  ck_assert(w[0].calls == 2 && w[0].iterations[0] == 1 && w[0].iterations[1] == 3);
  ck_assert(w[0].traced[0] && w[0].traced[1]);
  ck_assert(w[1].calls == 4 && w[1].iterations[1] == 2 && w[1].iterations[2] == 4 && w[1].iterations[3] == 5);
  ck_assert(!w[1].traced[3]);
  ck_assert(b.log.count == 6);
  for (size_t i = 0; i < 6; i++) {
    const entry *e = &b.log.entries[i];
    ck_assert_str_eq(e->metric, "testimony");
    ck_assert(e->layer == 3 && e->order == 5 && e->value == (double)e->iteration + 0.5);
  }
  falign_metric_destroy(metrics[0]);
  falign_metric_destroy(metrics[1]);
  ck_assert(w[0].destroyed == 0); /* the trainer's reference */
  close_lab(&b);
  ck_assert(w[0].destroyed == 1 && w[1].destroyed == 1);
}
END_TEST

START_TEST(failure_of_a_custom_metric_ends_the_step) {
  lab b;
  open_lab(&b, FALIGN_F64, "fa", D, 1);
  witness w = {.trainer = b.trainer, .fail_at = 1};
  falign_metric *metric;
  ok(falign_metric_create_custom(&testimony, &w, &metric));
  ok(falign_trainer_observe(b.trainer, metric, 1, record, &b.log));
  falign_metric_destroy(metric);
  ok(step(&b));
  matrix before = weights(&b, 1);
  fails(FALIGN_CALLBACK, "the witness is gone", step(&b));
  matrix after = weights(&b, 1);
  ck_assert(memcmp(&before, &after, sizeof before) == 0);
  ck_assert(falign_trainer_iteration(b.trainer) == 1);
  w.fail_at = 100;
  ok(step(&b));
  ck_assert(falign_trainer_iteration(b.trainer) == 2);
  close_lab(&b);
  ck_assert(w.destroyed == 1);
}
END_TEST

static falign_status refuse(void *user, uint64_t iteration, const char *metric, int64_t layer, int64_t order,
                            double value) {
  (void)iteration, (void)metric, (void)order, (void)value;
  size_t *calls = user;
  ++*calls;
  if (layer < 2) return FALIGN_OK;
  falign_set_last_error("the sink is full");
  return FALIGN_CALLBACK;
}

/* The first value that the sink refuses is the last that it gets. */
START_TEST(failure_of_a_sink_ends_the_step) {
  static const char *const names[] = {"angle_w_b", "norm_w", "norm_delta_point", "angle_w_f"};
  const size_t calls_until[] = {2, 3, ROWS + 1, 2};
  lab b;
  open_lab(&b, FALIGN_F64, strcmp(names[_i], "angle_w_f") == 0 ? "dfa" : "fa", D, 1);
  falign_metric *metric;
  ok(falign_metric_create(names[_i], &metric));
  size_t calls = 0;
  ok(falign_trainer_observe(b.trainer, metric, 1, refuse, &calls));
  falign_metric_destroy(metric);
  fails(FALIGN_CALLBACK, "the sink is full", step(&b));
  ck_assert(calls == calls_until[_i]);
  close_lab(&b);
}
END_TEST

START_TEST(custom_tables) {
  witness w = {0};
  falign_metric *metric = NULL;
  falign_metric_table table = testimony;
  fails(FALIGN_INVALID, "table is NULL", falign_metric_create_custom(NULL, &w, &metric));
  fails(FALIGN_INVALID, "out is NULL", falign_metric_create_custom(&table, &w, NULL));
  table.size = sizeof table - 1;
  fails(FALIGN_INVALID, "the metric table's size is ", falign_metric_create_custom(&table, &w, &metric));
  table = testimony;
  table.name = NULL;
  fails(FALIGN_INVALID, "the metric table has no name", falign_metric_create_custom(&table, &w, &metric));
  table = testimony;
  table.measure = NULL;
  fails(FALIGN_INVALID, "measure", falign_metric_create_custom(&table, &w, &metric));
  table = testimony;
  table.needs = 8;
  fails(FALIGN_INVALID, "needs", falign_metric_create_custom(&table, &w, &metric));
  ck_assert(metric == NULL && w.destroyed == 0);

  char name[] = "copied";
  struct {
    falign_metric_table table;
    void *later;
  } newer = {.table = testimony, .later = &w}; /* with an entry of a later version */
  newer.table.size = sizeof newer;
  newer.table.name = name;
  fails(FALIGN_UNSUPPORTED, "does not know", falign_metric_create_custom(&newer.table, &w, &metric));
  newer.later = NULL;
  ok(falign_metric_create_custom(&newer.table, &w, &metric));
  table = testimony;
  name[0] = '?';
  ck_assert_str_eq(falign_metric_name(metric), "copied");
  falign_metric_destroy(metric);
  ck_assert(w.destroyed == 1);

  table.destroy = NULL;
  ok(falign_metric_create_custom(&table, NULL, &metric));
  falign_metric_destroy(metric);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, custom_metric_at_chosen_iterations);
  tcase_add_test(tests, failure_of_a_custom_metric_ends_the_step);
  tcase_add_loop_test(tests, failure_of_a_sink_ends_the_step, 0, 4);
  tcase_add_test(tests, custom_tables);
}

int main(void) { return run_suite("custom metrics", add_tests); }
