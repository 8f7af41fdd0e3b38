/* SPDX-License-Identifier: Apache-2.0 */
#include "lab.h"

/* A caller's metric that remembers how it was called. */
typedef struct {
  const falign_trainer *trainer;
  uint64_t iterations[8];
  bool traced[8];
  size_t calls, destroyed;
  uint64_t fail_at;
} measurements;

static const falign_precision precisions[] = {FALIGN_F32, FALIGN_F64};

static falign_status measure_noted(void *user, falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                                   void *emit_user) {
  measurements *w = user;
  ck_assert(trainer == w->trainer && w->calls < 8);
  uint64_t k = falign_trainer_iteration(trainer);
  if (trace) ck_assert(falign_trace_step(trace)->iteration == k);
  w->iterations[w->calls] = k;
  w->traced[w->calls++] = trace != NULL;
  if (k == w->fail_at) {
    falign_set_last_error("nothing measured today");
    return FALIGN_CALLBACK;
  }
  return emit(emit_user, &(falign_value){(int64_t)k, "noted", 3, 5, (double)k + 0.5});
}

static void note_destroyed(void *user) { ((measurements *)user)->destroyed++; }

static const falign_metric_table noted = {.size = sizeof noted,
                                          .name = "noted",
                                          .needs = FALIGN_NEEDS_STEP,
                                          .measure = measure_noted,
                                          .destroy = note_destroyed};

START_TEST(custom_metric_at_chosen_iterations) {
  lab b;
  open_lab(&b, FALIGN_F64, "fa", D, 1);
  measurements w[2] = {{.trainer = b.trainer, .fail_at = 100}, {.trainer = b.trainer, .fail_at = 100}};
  falign_metric_table weights_only = noted;
  weights_only.needs = 0;
  falign_metric *metrics[2];
  ok(falign_metric_create_custom(&noted, &w[0], &metrics[0]));
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
    ck_assert_str_eq(e->metric, "noted");
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
  measurements w = {.trainer = b.trainer, .fail_at = 1};
  falign_metric *metric;
  ok(falign_metric_create_custom(&noted, &w, &metric));
  ok(falign_trainer_observe(b.trainer, metric, 1, record, &b.log));
  falign_metric_destroy(metric);
  ok(step(&b));
  matrix before = weights(&b, 1);
  fails(FALIGN_CALLBACK, "nothing measured today", step(&b));
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

static falign_status refuse(void *user, const falign_value *value) {
  size_t *calls = user;
  ++*calls;
  if (value->layer < 2) return FALIGN_OK;
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

/* ---- Metrics that look at every step ---- */

/* 'm' for a call of measure and 'l' for one of look, with their iterations. */
typedef struct {
  char calls[32];
  uint64_t iterations[32];
  size_t count;
  uint64_t fail_at;
  bool quiet; /* fails without a message */
} look_calls;

static void note_call(look_calls *by, char call, uint64_t k) {
  ck_assert_uint_lt(by->count, 31);
  by->iterations[by->count] = k;
  by->calls[by->count++] = call;
}

static falign_status note_measure(void *user, falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                                  void *emit_user) {
  (void)trace;
  note_call(user, 'm', falign_trainer_iteration(trainer));
  return emit(emit_user, &(falign_value){(int64_t)falign_trainer_iteration(trainer), "looked", -1, -1, 1});
}

static falign_status look(void *user, falign_trainer *trainer, const falign_trace *trace) {
  look_calls *by = user;
  falign_view delta;
  ck_assert(trace && falign_trace_step(trace)->iteration == falign_trainer_iteration(trainer));
  ok(falign_trace_view(trace, FALIGN_DELTA, 1, &delta));
  ck_assert_uint_eq(delta.rows, ROWS);
  note_call(by, 'l', falign_trainer_iteration(trainer));
  if (falign_trainer_iteration(trainer) != by->fail_at) return FALIGN_OK;
  if (!by->quiet) falign_set_last_error("the look failed");
  return FALIGN_IO;
}

static const falign_metric_table looking = {
    .size = sizeof looking, .name = "looking", .needs = FALIGN_NEEDS_ACTIVITY, .measure = note_measure, .look = look};

/* It looks at every step, after it has measured if it is due; measuring without a step is not looking. */
START_TEST(looks_at_every_step) {
  lab b;
  open_lab(&b, precisions[_i], "fa", D, 1);
  look_calls by = {.fail_at = 100}, at_chosen = {.fail_at = 100}, weights_only = {.fail_at = 100};
  falign_metric_table table = looking;
  falign_metric *metrics[3];
  ok(falign_metric_create_custom(&table, &by, &metrics[0]));
  ok(falign_metric_create_custom(&table, &at_chosen, &metrics[1]));
  table.needs = 0;
  ok(falign_metric_create_custom(&table, &weights_only, &metrics[2]));
  const uint64_t chosen[] = {4, 1};
  ok(falign_trainer_observe(b.trainer, metrics[0], 3, record, &b.log));
  ok(falign_trainer_observe_at(b.trainer, metrics[1], chosen, 2, record, &b.log));
  ok(falign_trainer_observe(b.trainer, metrics[2], 10, record, &b.log));
  for (size_t i = 0; i < 5; i++) ok(step(&b));
  ok(falign_trainer_measure(b.trainer));
  ck_assert_str_eq(by.calls, "mlllmll");
  ck_assert_str_eq(at_chosen.calls, "lmlllml");
  ck_assert_str_eq(weights_only.calls, "mlllllm");
  const uint64_t iterations[] = {0, 0, 1, 2, 3, 3, 4};
  ck_assert_mem_eq(by.iterations, iterations, sizeof iterations);
  ck_assert_uint_eq(weights_only.iterations[6], 5);
  ck_assert_uint_eq(b.log.count, 2 + 2 + 2);
  for (int i = 0; i < 3; i++) falign_metric_destroy(metrics[i]);
  close_lab(&b);
}
END_TEST

/* Its failure ends the step, with its status, whether it is due or not; nothing is learned. */
START_TEST(failure_of_a_look_ends_the_step) {
  lab b;
  open_lab(&b, FALIGN_F64, "fa", D, 1);
  look_calls by = {.fail_at = 1};
  falign_metric *metric;
  ok(falign_metric_create_custom(&looking, &by, &metric));
  ok(falign_trainer_observe(b.trainer, metric, 2, record, &b.log));
  falign_metric_destroy(metric);
  ok(step(&b));
  matrix before = weights(&b, 1);
  fails(FALIGN_IO, "the look failed", step(&b));
  by.quiet = true;
  fails(FALIGN_IO, "metric looking failed with status 4 (FALIGN_IO)", step(&b));
  matrix after = weights(&b, 1);
  ck_assert(memcmp(&before, &after, sizeof before) == 0);
  ck_assert(falign_trainer_iteration(b.trainer) == 1);
  ck_assert_ptr_null(falign_trainer_trace(b.trainer));
  by.fail_at = 100;
  ok(step(&b));
  ck_assert_str_eq(by.calls, "mllll");
  close_lab(&b);
}
END_TEST

START_TEST(custom_tables) {
  measurements w = {0};
  falign_metric *metric = NULL;
  falign_metric_table table = noted;
#define create(table) falign_metric_create_custom(table, &w, &metric)
  bad_tables_are_refused(falign_metric_table, "metric", noted, create);
#undef create
  fails(FALIGN_INVALID, "out is NULL", falign_metric_create_custom(&table, &w, NULL));
  table.size = sizeof table - 1;
  fails(FALIGN_INVALID, "ends within an entry", falign_metric_create_custom(&table, &w, &metric));
  table = noted;
  table.measure = NULL;
  fails(FALIGN_INVALID, "measure", falign_metric_create_custom(&table, &w, &metric));
  table = noted;
  table.needs = 8;
  fails(FALIGN_INVALID, "needs", falign_metric_create_custom(&table, &w, &metric));
  ck_assert(metric == NULL && w.destroyed == 0);

  char name[] = "copied";
  table = noted;
  table.size = offsetof(falign_metric_table, look); /* of a caller that knows no look */
  table.look = look;
  ok(falign_metric_create_custom(&table, &w, &metric));
  falign_metric_destroy(metric);
  ck_assert(w.destroyed == 1);
  metric = NULL;
  w.destroyed = 0;
  struct {
    falign_metric_table table;
    void *later;
  } newer = {.table = noted, .later = &w}; /* with an entry of a later version */
  newer.table.size = sizeof newer;
  newer.table.name = name;
  newer.later = NULL;
  ok(falign_metric_create_custom(&newer.table, &w, &metric));
  table = noted;
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
  tcase_add_loop_test(tests, looks_at_every_step, 0, 2);
  tcase_add_test(tests, failure_of_a_look_ends_the_step);
  tcase_add_test(tests, custom_tables);
}

int main(void) { return run_suite("custom metrics", add_tests); }
