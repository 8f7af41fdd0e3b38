/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "learning.h"

/* ---- Progress and cancelling ---- */

typedef struct {
  falign_trainer *trainer;
  uint64_t seen[64], until, stop_at, cancel_at;
  size_t calls;
} progress;

static int32_t watch(void *user, uint64_t iteration, uint64_t until) {
  progress *p = user;
  p->seen[p->calls++] = iteration;
  p->until = until;
  if (iteration == p->cancel_at) falign_trainer_cancel(p->trainer);
  return iteration == p->stop_at;
}

START_TEST(progress_after_each_update) {
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa");
  falign_batches *batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_NONE);
  progress p = {.trainer = by.trainer};
  falign_trainer_set_progress(by.trainer, watch, &p);
  ok(falign_trainer_run(by.trainer, batches, 13));
  ck_assert_uint_eq(p.calls, 13);
  for (size_t i = 0; i < 13; i++) ck_assert_uint_eq(p.seen[i], i + 1);
  ck_assert_uint_eq(p.until, 13);
  ok(falign_trainer_run(by.trainer, batches, 13)); /* nothing to do */
  ck_assert_uint_eq(p.calls, 13);
  ok(step(&by, task.x, 5, task.y)); /* no run */
  ck_assert_uint_eq(p.calls, 13);
  falign_trainer_set_progress(by.trainer, NULL, NULL);
  ok(falign_trainer_run(by.trainer, batches, 20));
  ck_assert_uint_eq(p.calls, 13);
  falign_batches_destroy(batches);
  free_learner(&by);
}
END_TEST

/* Stopped between two updates, by the result or by a request, and continued: the same bits as without. */
START_TEST(cancelled_and_continued) {
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa"), whole = task_learner(FALIGN_F64, "fa");
  falign_batches *batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_EPOCH);
  progress p = {.trainer = by.trainer, .stop_at = 5, .cancel_at = 12};
  falign_trainer_set_progress(by.trainer, watch, &p);
  fails(FALIGN_CANCELLED, "cancelled by the progress callback at iteration 5",
        falign_trainer_run(by.trainer, batches, 20));
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 5);
  fails(FALIGN_CANCELLED, "cancelled at iteration 12", falign_trainer_run(by.trainer, batches, 20));
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 12);
  falign_trainer_cancel(by.trainer); /* before a run: the next one takes it */
  fails(FALIGN_CANCELLED, "cancelled at iteration 12", falign_trainer_run(by.trainer, batches, 20));
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 12);
  ok(falign_trainer_run(by.trainer, batches, 20)); /* once */
  ck_assert_uint_eq(p.calls, 20);
  ok(falign_trainer_run(whole.trainer, batches, 20));
  ck_assert(same_parameters(by.network, whole.network));
  falign_batches_destroy(batches);
  free_learner(&by);
  free_learner(&whole);
}
END_TEST

static void *cancel_from_here(void *trainer) {
  falign_trainer_cancel(trainer);
  return NULL;
}

/* Starts the thread that cancels once the run is well under way. */
static int32_t start_cancelling(void *user, uint64_t iteration, uint64_t until) {
  (void)until;
  progress *p = user;
  pthread_t thread;
  if (iteration != 3) return 0;
  ck_assert_int_eq(pthread_create(&thread, NULL, cancel_from_here, p->trainer), 0);
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
  p->calls = (size_t)iteration;
  return 0;
}

START_TEST(cancelled_from_another_thread) {
  draw_task();
  learner by = task_learner(FALIGN_F32, "fa");
  falign_batches *batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_NONE);
  progress p = {.trainer = by.trainer};
  falign_trainer_set_progress(by.trainer, start_cancelling, &p);
  fails(FALIGN_CANCELLED, "cancelled at iteration 3", falign_trainer_run(by.trainer, batches, UINT64_MAX));
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 3);
  /* and while it runs, without any agreement on when */
  falign_trainer_set_progress(by.trainer, NULL, NULL);
  pthread_t thread;
  ck_assert_int_eq(pthread_create(&thread, NULL, cancel_from_here, by.trainer), 0);
  fails(FALIGN_CANCELLED, "cancelled at iteration ", falign_trainer_run(by.trainer, batches, UINT64_MAX));
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
  falign_batches_destroy(batches);
  free_learner(&by);
}
END_TEST

/* ---- Observers ---- */

static falign_metric *new_metric(int32_t needs) {
  const falign_metric_table table = {.size = sizeof table, .name = "weight", .needs = needs, .measure = measure_weight};
  falign_metric *metric = NULL;
  ok(falign_metric_create_custom(&table, NULL, &metric));
  return metric;
}

/* Before each update of which `every` is a divisor, and at the listed ones, in a run and in single steps; with the
 * weights before the update. */
START_TEST(observers_look_when_due) {
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa");
  falign_batches *batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_NONE);
  falign_metric *metric = new_metric(0);
  observer each = {.calls = 0}, third = {.calls = 0}, listed = {.calls = 0}, never = {.calls = 0};
  uint64_t at[] = {11, 0, 4, 4, 1000};
  ok(falign_trainer_observe(by.trainer, metric, 1, receive, &each));
  ok(falign_trainer_observe(by.trainer, metric, 3, receive, &third));
  ok(falign_trainer_observe_at(by.trainer, metric, at, 5, receive, &listed));
  ok(falign_trainer_observe_at(by.trainer, metric, NULL, 0, receive, &never));
  memset(at, 0, sizeof at); /* the list was copied */
  falign_metric_destroy(metric);
  double before = network_f64(by.network, FALIGN_W, 0)[0];
  ok(falign_trainer_run(by.trainer, batches, 10));
  for (int k = 0; k < 3; k++) ok(step(&by, task.x, 5, task.y));
  ck_assert_uint_eq(each.calls, 13);
  for (size_t i = 0; i < 13; i++) ck_assert_uint_eq(each.seen[i], i);
  ck_assert(each.weight[0] == before && each.weight[1] != before);
  ck_assert_uint_eq(third.calls, 5);
  for (size_t i = 0; i < 5; i++) ck_assert_uint_eq(third.seen[i], 3 * i);
  ck_assert_uint_eq(listed.calls, 3);
  ck_assert(listed.seen[0] == 0 && listed.seen[1] == 4 && listed.seen[2] == 11);
  ck_assert_uint_eq(never.calls, 0);
  ck_assert(!each.without_trace);
  /* after the last update, all look that need no step */
  ok(falign_trainer_measure(by.trainer));
  ck_assert(each.calls == 14 && third.calls == 6 && listed.calls == 4 && never.calls == 1);
  ck_assert(each.seen[13] == 13 && each.without_trace);
  ck_assert(each.weight[13] == network_f64(by.network, FALIGN_W, 0)[0]);
  falign_batches_destroy(batches);
  free_learner(&by);
}
END_TEST

START_TEST(measure_leaves_out_those_that_need_a_step) {
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa");
  falign_metric *metric = new_metric(FALIGN_NEEDS_STEP);
  observer seen_by = {.calls = 0};
  ok(falign_trainer_observe(by.trainer, metric, 1, receive, &seen_by));
  ok(falign_trainer_measure(by.trainer));
  ck_assert_uint_eq(seen_by.calls, 0);
  fails(FALIGN_INVALID, "every is 0", falign_trainer_observe(by.trainer, metric, 0, receive, &seen_by));
  fails(FALIGN_INVALID, "metric is NULL", falign_trainer_observe(by.trainer, NULL, 1, receive, &seen_by));
  fails(FALIGN_INVALID, "the sink of weight is NULL", falign_trainer_observe(by.trainer, metric, 1, NULL, &seen_by));
  fails(FALIGN_INVALID, "iterations is NULL",
        falign_trainer_observe_at(by.trainer, metric, NULL, 1, receive, &seen_by));
  fails(FALIGN_INVALID, "trainer is NULL", falign_trainer_observe(NULL, metric, 1, receive, &seen_by));
  fails(FALIGN_INVALID, "trainer is NULL", falign_trainer_measure(NULL));
  ok(step(&by, task.x, 5, task.y));
  ck_assert_uint_eq(seen_by.calls, 1);
  falign_metric_destroy(metric);
  free_learner(&by);
}
END_TEST

static falign_status refuse_value(void *user, const falign_value *value) {
  (void)user, (void)value;
  falign_set_last_error("the sink is full");
  return FALIGN_IO;
}

/* A sink that fails ends the step before the update. */
START_TEST(failing_sink_ends_the_step) {
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa"), same = task_learner(FALIGN_F64, "fa");
  falign_metric *metric = NULL;
  ok(falign_metric_create("loss", &metric));
  ok(falign_trainer_observe(by.trainer, metric, 2, refuse_value, NULL));
  falign_metric_destroy(metric);
  fails(FALIGN_IO, "the sink is full", step(&by, task.x, 5, task.y));
  ck_assert(same_parameters(by.network, same.network));
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 0);
  free_learner(&by);
  free_learner(&same);
}
END_TEST

/* ---- Calls from callbacks ---- */

typedef struct {
  learner *by;
  falign_batches *batches;
  int refused, served;
} caller;

static falign_status call_back(void *user, falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                               void *emit_user) {
  (void)trace, (void)emit, (void)emit_user;
  caller *c = user;
  double out[5 * 4], loss;
  falign_trainer *own = c->by->trainer;
  ck_assert_ptr_eq(trainer, own);
  c->refused += step(c->by, task.x, 5, task.y) == FALIGN_INVALID;
  c->refused += falign_trainer_run(own, c->batches, 1000) == FALIGN_INVALID;
  c->refused += falign_trainer_impose(own, READ_F64(task.x, 5, 7, 7), READ_F64(task.y, 5, 4, 4)) == FALIGN_INVALID;
  c->refused += falign_trainer_probe(own, READ_F64(task.x, 5, 7, 7), READ_F64(task.y, 5, 4, 4)) == FALIGN_INVALID;
  c->refused += falign_trainer_set_eta(own, 7) == FALIGN_INVALID;
  c->refused += falign_trainer_set_threads(own, 2) == FALIGN_INVALID;
  c->refused += falign_trainer_set_norm(own, NULL) == FALIGN_INVALID;
  c->served += falign_trainer_evaluate(own, c->batches, &loss, NULL) == FALIGN_OK;
  c->served += falign_trainer_forward(own, READ_F64(task.x, 5, 7, 7), WRITE_F64(out, 5, 4, 4)) == FALIGN_OK;
  return FALIGN_OK;
}

/* Steps and settings are refused; looking is served, and disturbs neither the step nor the run's data. */
START_TEST(calls_from_a_metric) {
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa"), plain_run = task_learner(FALIGN_F64, "fa");
  falign_batches *batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_EPOCH);
  caller c = {.by = &by, .batches = batches};
  const falign_metric_table table = {.size = sizeof table, .name = "caller", .measure = call_back};
  falign_metric *metric = NULL;
  ok(falign_metric_create_custom(&table, &c, &metric));
  ok(falign_trainer_observe(by.trainer, metric, 1, refuse_value, NULL));
  falign_metric_destroy(metric);
  ok(falign_trainer_run(by.trainer, batches, 15));
  ck_assert_int_eq(c.refused, 7 * 15);
  ck_assert_int_eq(c.served, 2 * 15);
  ok(falign_trainer_run(plain_run.trainer, batches, 15));
  ck_assert(same_parameters(by.network, plain_run.network));
  ck_assert(falign_trainer_eta(by.trainer) == 0.001);
  falign_batches_destroy(batches);
  free_learner(&by);
  free_learner(&plain_run);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, progress_after_each_update);
  tcase_add_test(tests, cancelled_and_continued);
  tcase_add_test(tests, cancelled_from_another_thread);
  tcase_add_test(tests, observers_look_when_due);
  tcase_add_test(tests, measure_leaves_out_those_that_need_a_step);
  tcase_add_test(tests, failing_sink_ends_the_step);
  tcase_add_test(tests, calls_from_a_metric);
}

int main(void) { return run_suite("observe", add_tests); }
