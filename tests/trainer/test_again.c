/* SPDX-License-Identifier: Apache-2.0 */
/* A step that was not made can be made again, and calls from callbacks at odd moments do no harm. */
#include <stdatomic.h>

#include "learning.h"

enum { STEPS = 8, FAILS_AT = 4, SEEN = 2000 };

/* What a sink has seen, and whether it is to fail at FAILS_AT. */
typedef struct {
  double values[SEEN];
  size_t count;
  bool fails;
} record;

static falign_status keep(void *user, uint64_t iteration, const char *metric, int64_t layer, int64_t order,
                          double value) {
  record *r = user;
  (void)iteration, (void)metric, (void)layer, (void)order;
  ck_assert_uint_lt(r->count, SEEN);
  r->values[r->count++] = value;
  return FALIGN_OK;
}

static falign_status fail_once(void *user, uint64_t iteration, const char *metric, int64_t layer, int64_t order,
                               double value) {
  record *r = user;
  (void)metric, (void)layer, (void)order, (void)value;
  if (iteration != FAILS_AT || !r->fails) return FALIGN_OK;
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
  ok(falign_disturbance_create_none(history, by.rule, &disturbance));
  ok(falign_trainer_set_history(by.trainer, history));
  ok(falign_metric_create_autocorrelation(&lag, 1, 1, &lags));
  ok(falign_metric_create_disturbance(disturbance, 1, &weights));
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

/* ---- A rule's save and load give the trainer back ---- */

typedef struct {
  learner by;
  bool saving;
  int gone;
} giver;

static void give_back(giver *g) {
  falign_trainer_destroy(g->by.trainer);
  ck_assert_int_eq(g->gone, 0);
}

static falign_status save(void *user, falign_tensors *tensors) {
  giver *g = user;
  (void)tensors;
  if (g->saving) give_back(g);
  return FALIGN_OK;
}

static falign_status load(void *user, const falign_tensors *tensors) {
  (void)tensors;
  give_back(user);
  return FALIGN_OK;
}

static void it_goes(void *user) { ((giver *)user)->gone++; }

START_TEST(given_back_while_saved_and_loaded) {
  for (int saving = 0; saving < 2; saving++) {
    giver g = {.saving = saving};
    const falign_rule_table table = {
        .size = sizeof table, .name = "giver", .signal_f64 = no_signal, .save = save, .load = load, .destroy = it_goes};
    falign_tensors *set = NULL;
    g.by.network = new_network(FALIGN_F64, TASK_LAYERS, task_widths, true, FALIGN_TANH);
    ok(falign_rule_create_custom(&table, &g, g.by.network, &g.by.rule));
    ok(falign_trainer_create(g.by.network, g.by.rule, 0.1, &g.by.trainer));
    falign_rule_destroy(g.by.rule);
    falign_network_destroy(g.by.network);
    ok(falign_tensors_create(&set));
    ok(falign_trainer_export(g.by.trainer, set));
    if (!saving) ok(falign_trainer_import(g.by.trainer, set));
    ck_assert_int_eq(g.gone, 1);
    falign_tensors_destroy(set);
  }
}
END_TEST

/* ---- Feedback that changes at one iteration ---- */

START_TEST(terms_follow_direct_feedback) {
  if (!falign_has_feature("lapack")) return; /* which takes F apart */
  draw_task();
  learner by = task_learner(FALIGN_F64, "dfa");
  falign_batches *batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_NONE);
  falign_history *history = NULL;
  falign_terms *terms = NULL, *fresh = NULL;
  double w[9 * 6], first, then, want;
  ok(falign_history_create(by.network, &history));
  ok(falign_trainer_set_history(by.trainer, history));
  ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY));
  ok(falign_terms_create(history, by.rule, &terms));
  ok(falign_trainer_run(by.trainer, batches, 1));
  ok(falign_network_get_weights_f64(by.network, 1, w, 9, 6, 6));
  ok(falign_terms_compare(terms, falign_trainer_trace(by.trainer), 1, w, &first, NULL, NULL));
  ok(falign_rule_draw(by.rule, 0.5, 77, 0));
  ok(falign_terms_create(history, by.rule, &fresh));
  ok(falign_terms_compare(terms, falign_trainer_trace(by.trainer), 1, w, &then, NULL, NULL));
  ok(falign_terms_compare(fresh, falign_trainer_trace(by.trainer), 1, w, &want, NULL, NULL));
  ck_assert_double_eq(then, want);
  ck_assert(then != first);
  falign_terms_destroy(terms);
  falign_terms_destroy(fresh);
  falign_history_destroy(history);
  falign_batches_destroy(batches);
  free_learner(&by);
}
END_TEST

/* ---- Activations that evaluate while terms are computed, on the terms' threads ---- */

static struct {
  falign_trainer *trainer;
  falign_batches *batches;
  atomic_int looking, evaluated;
} eager;

static void evaluate_within(void *user, const double *z, double *out, size_t count) {
  (void)user;
  for (size_t i = 0; i < count; i++) out[i] = z[i];
  if (!atomic_load(&eager.looking)) return;
  double loss;
  if (falign_trainer_evaluate(eager.trainer, eager.batches, &loss, NULL) == FALIGN_OK)
    atomic_fetch_add(&eager.evaluated, 1);
}

static void ones(void *user, const double *z, double *out, size_t count) {
  (void)user, (void)z;
  for (size_t i = 0; i < count; i++) out[i] = 1;
}

static falign_status turn(void *user, const falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                          void *emit_user) {
  (void)trainer, (void)trace, (void)emit, (void)emit_user;
  atomic_store(&eager.looking, *(const int *)user);
  return FALIGN_OK;
}

static void observe_turn(const learner *by, const int *to) {
  falign_metric *metric;
  const falign_metric_table table = {.size = sizeof table, .name = "turn", .needs = FALIGN_NEEDS_STEP, .measure = turn};
  ok(falign_metric_create_custom(&table, (void *)(uintptr_t)to, &metric));
  static record unused;
  observe(by, metric, keep, &unused);
}

/* Only the thread on which observers look may evaluate; learning is that of a run that nobody has looked at. */
START_TEST(threads_of_terms_are_refused) {
  static const int on = 1, off = 0;
  static record r;
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa"), plain_run = task_learner(FALIGN_F64, "fa");
  falign_history *history = NULL;
  falign_metric *terms;
  eager.trainer = by.trainer;
  eager.batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_NONE);
  ok(falign_network_set_custom_activation(by.network, 1, evaluate_within, ones, NULL));
  ok(falign_network_set_custom_activation(plain_run.network, 1, evaluate_within, ones, NULL));
  if (falign_has_feature("threads")) ok(falign_trainer_set_threads(by.trainer, 2));
  ok(falign_history_create(by.network, &history));
  ok(falign_history_keep(history, FALIGN_KEEP_C));
  ok(falign_trainer_set_history(by.trainer, history));
  ok(falign_metric_create_terms(NULL, 0, &terms));
  observe_turn(&by, &on);
  observe(&by, terms, keep, &r);
  observe_turn(&by, &off);
  ok(falign_trainer_run(by.trainer, eager.batches, 6));
  ok(falign_trainer_run(plain_run.trainer, eager.batches, 6));
  ck_assert_uint_gt(r.count, 0);
  ck_assert(same_parameters(by.network, plain_run.network));
  falign_history_destroy(history);
  falign_batches_destroy(eager.batches);
  free_learner(&by);
  free_learner(&plain_run);
}
END_TEST

/* ---- Targets beyond the network's precision ---- */

START_TEST(targets_beyond_single_precision) {
  draw_task();
  task.y[2 * 4 + 1] = 1e300;
  learner by = task_learner(FALIGN_F32, "bp");
  falign_batches *batches = task_batches(TASK_BATCH, TASK_BATCH, FALIGN_ORDER_NONE);
  double loss;
  fails(FALIGN_INVALID, "row 2 of batch 0 is beyond single precision",
        falign_trainer_evaluate(by.trainer, batches, &loss, NULL));
  fails(FALIGN_INVALID, "row 2 of batch 0 is beyond single precision", falign_trainer_run(by.trainer, batches, 1));
  falign_batches_destroy(batches);
  free_learner(&by);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, observed_steps_are_made_again);
  tcase_add_test(tests, given_back_while_saved_and_loaded);
  tcase_add_test(tests, terms_follow_direct_feedback);
  tcase_add_test(tests, threads_of_terms_are_refused);
  tcase_add_test(tests, targets_beyond_single_precision);
}

int main(void) { return run_suite("again", add_tests); }
