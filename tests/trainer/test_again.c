/* SPDX-License-Identifier: Apache-2.0 */
/* A step that an observer has ended was not made, and is made again: metrics before that observer have seen it twice.
 */
#include "learning.h"

enum { STEPS = 8, FAILS_AT = 4, SEEN = 2000 };

/* What a sink has seen, and whether it is to fail at FAILS_AT. */
typedef struct {
  double values[SEEN];
  size_t count;
  bool fails;
} record;

static falign_status keep(void *user, const falign_value *value) {
  record *r = user;
  ck_assert_uint_lt(r->count, SEEN);
  r->values[r->count++] = value->value;
  return FALIGN_OK;
}

static falign_status fail_once(void *user, const falign_value *value) {
  record *r = user;
  if (value->iteration != FAILS_AT || !r->fails) return FALIGN_OK;
  r->fails = false;
  falign_set_last_error("the disk is full");
  return FALIGN_IO;
}

static void observe(const learner *by, falign_metric *metric, falign_value_fn sink, record *r) {
  ok(falign_trainer_observe(by->trainer, metric, 1, sink, r));
  falign_metric_destroy(metric);
}

/* Runs with a metric of lags and one of disturbed weights before a sink that may fail; what they measured. */
static record run_twice(bool in_vain) {
  learner by = task_learner(FALIGN_F64, "fa");
  falign_batches *batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_NONE);
  falign_history *history = NULL;
  falign_disturbance *disturbance = NULL;
  falign_metric *lags, *weights, *loss;
  const uint64_t lag = 3;
  record r = {.fails = in_vain};
  ok(falign_history_create(by.network, &history));
  ok(falign_disturbance_create("undisturbed", NULL, history, by.rule, &disturbance));
  ok(falign_trainer_set_history(by.trainer, history));
  ok(falign_metric_create_autocorrelation(&lag, 1, &lags));
  ok(falign_metric_create_disturbance(disturbance, &weights));
  ok(falign_metric_create("loss", &loss));
  observe(&by, lags, keep, &r);
  observe(&by, weights, keep, &r);
  observe(&by, loss, fail_once, &r);
  if (in_vain) {
    fails(FALIGN_IO, "the disk is full", falign_trainer_run(by.trainer, batches, STEPS));
    ck_assert_uint_eq(falign_trainer_iteration(by.trainer), FAILS_AT);
  }
  ok(falign_trainer_run(by.trainer, batches, STEPS));
  falign_disturbance_destroy(disturbance);
  falign_history_destroy(history);
  falign_batches_destroy(batches);
  free_learner(&by);
  return r;
}

/* The values at FAILS_AT come twice, the same, and all others as in a run without failure. */
START_TEST(observed_steps_are_made_again) {
  draw_task();
  record whole = run_twice(false), again = run_twice(true);
  size_t repeated = again.count - whole.count, at = 0;
  ck_assert_uint_gt(repeated, 0);
  while (at < whole.count && whole.values[at] == again.values[at]) at++;
  ck_assert_uint_ge(at, repeated);
  ck_assert_mem_eq(again.values + at - repeated, again.values + at, repeated * sizeof *again.values);
  ck_assert_mem_eq(whole.values + at, again.values + at + repeated, (whole.count - at) * sizeof *whole.values);
}
END_TEST

static void add_tests(TCase *tests) { tcase_add_test(tests, observed_steps_are_made_again); }

int main(void) { return run_suite("again", add_tests); }
