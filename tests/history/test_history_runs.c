/* SPDX-License-Identifier: Apache-2.0 */
#include "records.h"

/* Steps that fail, and histories that meet other runs. */

/* ---- Steps that are not made ---- */

/* A metric that fails as long as it is told to. */
static falign_status fail_if_told(void *user, falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                                  void *emit_user) {
  (void)trainer, (void)trace, (void)emit, (void)emit_user;
  if (!*(bool *)user) return FALIGN_OK;
  falign_set_last_error("told to fail");
  return FALIGN_CALLBACK;
}

static void watch(const learner *by, bool *failing) {
  falign_metric_table table = {
      .size = sizeof table, .name = "moody", .needs = FALIGN_NEEDS_STEP, .measure = fail_if_told};
  falign_metric *metric;
  ok(falign_metric_create_custom(&table, failing, &metric));
  ok(falign_trainer_observe(by->trainer, metric, 1, receive, NULL));
  falign_metric_destroy(metric);
}

START_TEST(a_failing_step_is_taken_back) {
  draw_task();
  for (uint64_t window = 0; window <= 3; window++) {
    recorder calm = new_recorder(FALIGN_F32, "fa"), r = new_recorder(FALIGN_F32, "fa");
    bool failing = false;
    watch(&r.by, &failing);
    ok(falign_history_set_window(calm.history, window));
    ok(falign_history_set_window(r.history, window));
    for (uint64_t k = 0; k < 12; k++) {
      uint64_t first = window > 0 && k > window ? k - window : 0;
      failing = true;
      for (int again = 0; again < 3; again++) fails(FALIGN_CALLBACK, "told to fail", go(&r.by));
      check_range(r.history, first, k);
      failing = false;
      ok(go(&r.by));
      ok(go(&calm.by));
      same_history(r.by.network, r.history, calm.history);
    }
    check_undisturbed(&r.by, "fa");
    free_recorder(&calm);
    free_recorder(&r);
  }
}
END_TEST

/* A step that was recorded twice counts once in the running sum of linear terms. It is that of the single terms: sums
 * of `steps` products of n[l-1] = 7 and n[l+1] = 8 terms, of which none exceeds the largest term much. */
START_TEST(the_running_sum_counts_each_step_once) {
  const char *const rules[] = {"fa", "dfa"};
  for (int i = 0; i < 8; i++) {
    past_plan plan = {.precision = i & 1 ? FALIGN_F32 : FALIGN_F64, .rule = rules[i / 4], .f = TANH};
    past *p = past_new(&plan, PAST_LAYERS, past_widths), *whole = past_new(&plan, PAST_LAYERS, past_widths);
    bool failing = false;
    double x[PAST_ROWS * 7] = {1}, y[PAST_ROWS * 5] = {2}, sum[9 * 8], single[PAST_STEPS * 9 * 8];
    watch(&p->by, &failing);
    if (i & 2) ok(falign_history_set_window(p->history, 2));
    for (uint64_t k = 0; k < PAST_STEPS; k++) {
      uint64_t orders[PAST_STEPS];
      failing = true;
      for (int again = 0; again < 2; again++) fails(FALIGN_CALLBACK, "told to fail", step(&p->by, x, PAST_ROWS, y));
      failing = false;
      past_go(p, true);
      past_go(whole, true);
      for (uint64_t o = 1; o <= k; o++) orders[o - 1] = o;
      ok(terms_sum(p->terms, past_trace(p), FALIGN_TERM_LINEAR, 1, &(falign_orders){NULL, 0, 1}, sum));
      ok(terms_get(whole->terms, past_trace(whole), FALIGN_TERM_LINEAR, 1, &(falign_orders){orders, (size_t)k, 1},
                   single));
      double most = largest(single, (size_t)k * 72);
      for (size_t j = 0; j < 72; j++) {
        double want = 0;
        for (size_t o = 0; o < k; o++) want += single[o * 72 + j];
        near(sum[j], want, 15 * (double)PAST_STEPS * epsilon(FALIGN_F64) * most);
      }
    }
    past_free(p);
    past_free(whole);
  }
}
END_TEST

/* Nothing is left of a first step that failed: settings may still be made, and hold for the step that is made. */
START_TEST(settings_after_a_first_step_that_failed) {
  draw_task();
  recorder want = new_recorder(FALIGN_F64, "fa"), r = {.by = task_learner(FALIGN_F64, "fa")};
  bool failing = true;
  uint64_t memory;
  ok(falign_history_create(r.by.network, &r.history));
  ok(falign_history_keep(r.history, FALIGN_KEEP_C));
  ok(falign_trainer_set_history(r.by.trainer, r.history));
  watch(&r.by, &failing);
  fails(FALIGN_CALLBACK, "told to fail", go(&r.by));
  check_range(r.history, 0, 0);
  ok(falign_history_used(r.history, &memory, NULL));
  ck_assert_uint_eq(memory, 0);
  ok(falign_history_keep(r.history, FALIGN_KEEP_DIRECT));
  fails(FALIGN_CALLBACK, "told to fail", go(&r.by));
  ok(falign_history_set_window(r.history, 20));
  failing = false;
  go_to(&r.by, 10);
  go_to(&want.by, 10);
  same_history(r.by.network, r.history, want.history);
  free_recorder(&want);
  free_recorder(&r);
}
END_TEST

/* A step that diverges is found before it is recorded. */
START_TEST(a_step_that_diverges) {
  draw_task();
  recorder r = new_recorder(FALIGN_F32, "fa");
  go_to(&r.by, 3);
  ok(falign_trainer_set_eta(r.by.trainer, 3e38));
  ck_assert_int_eq(go(&r.by), FALIGN_DIVERGED);
  check_range(r.history, 0, 3);
  ok(falign_trainer_set_eta(r.by.trainer, 0.001));
  go_to(&r.by, 6);
  check_range(r.history, 0, 6);
  check_undisturbed(&r.by, "fa");
  free_recorder(&r);
}
END_TEST

/* ---- Which run it is of ---- */

START_TEST(settings_come_before_the_first_step) {
  draw_task();
  recorder r = new_recorder(FALIGN_F64, "fa");
  go_to(&r.by, 1);
  const char *words = "since iteration 0: settings come before the first";
  fails(FALIGN_INVALID, words, falign_history_keep(r.history, FALIGN_KEEP_C));
  fails(FALIGN_INVALID, words, falign_history_set_window(r.history, 3));
  fails(FALIGN_INVALID, words, falign_history_set_limit(r.history, 1000, NULL));
  fails(FALIGN_INVALID, words, falign_history_set_limit(r.history, 1000, "/nowhere"));
  go_to(&r.by, 9);
  check_range(r.history, 0, 9);
  falign_history_clear(r.history);
  check_range(r.history, 0, 0);
  ok(falign_history_set_window(r.history, 3));
  go_to(&r.by, 20);
  check_range(r.history, 16, 20);
  free_recorder(&r);
}
END_TEST

/* Settings stay when it is cleared, and another run is recorded as the first was. */
START_TEST(clearing) {
  draw_task();
  recorder want = new_recorder(FALIGN_F64, "fa"), r = new_recorder(FALIGN_F64, "fa");
  double w[7 * 9], x[TASK_BATCH * 7] = {1}, y[TASK_BATCH * 4] = {0};
  uint64_t memory;
  ok(falign_history_set_window(want.history, 2));
  ok(falign_history_set_window(r.history, 2));
  for (int k = 0; k < 5; k++) ok(step(&r.by, x, TASK_BATCH, y));
  falign_history_clear(r.history);
  ok(falign_history_used(r.history, &memory, NULL));
  ck_assert_uint_eq(memory, 0);
  fails(FALIGN_INVALID, "the history holds no steps",
        falign_history_get(r.history, 4, FALIGN_W, 0, WRITE_F64(w, 7, 9, 9)));
  go_to(&r.by, 6);
  check_range(r.history, 5, 6); /* it begins where it was cleared */
  falign_history_clear(r.history);
  learner same = task_learner(FALIGN_F64, "fa");
  falign_tensors *tensors;
  ok(falign_tensors_create(&tensors));
  ok(falign_trainer_export(same.trainer, tensors));
  ok(falign_trainer_import(r.by.trainer, tensors));
  go_to(&r.by, 7);
  go_to(&want.by, 7);
  same_history(r.by.network, r.history, want.history);
  falign_tensors_destroy(tensors);
  free_learner(&same);
  free_recorder(&want);
  free_recorder(&r);
}
END_TEST

START_TEST(a_gap_in_the_iterations) {
  draw_task();
  recorder r = new_recorder(FALIGN_F64, "fa");
  go_to(&r.by, 3);
  ok(falign_trainer_set_history(r.by.trainer, NULL));
  go_to(&r.by, 5);
  ok(falign_trainer_set_history(r.by.trainer, r.history));
  ck_assert_ptr_eq(falign_trainer_history(r.by.trainer), r.history);
  fails(FALIGN_INVALID, "the history ends with iteration 2 and cannot continue with 5: clear it", go(&r.by));
  ck_assert_uint_eq(falign_trainer_iteration(r.by.trainer), 5);
  check_range(r.history, 0, 3);
  falign_history_clear(r.history);
  go_to(&r.by, 9);
  check_range(r.history, 5, 9);
  check_undisturbed(&r.by, "fa");
  free_recorder(&r);
}
END_TEST

/* The history of another run, met again at a step that it holds: what was refused is not taken back from it. */
START_TEST(a_step_that_was_refused_is_not_taken_back) {
  draw_task();
  recorder r = new_recorder(FALIGN_F64, "fa");
  falign_tensors *tensors;
  ok(falign_tensors_create(&tensors));
  go_to(&r.by, 4);
  ok(falign_trainer_export(r.by.trainer, tensors));
  go_to(&r.by, 5);
  ok(falign_trainer_set_history(r.by.trainer, NULL));
  ok(falign_trainer_import(r.by.trainer, tensors));
  ok(falign_trainer_set_history(r.by.trainer, r.history));
  for (int i = 0; i < 2; i++) {
    fails(FALIGN_INVALID, "ends with iteration 4 and cannot continue with 4: clear it", go(&r.by));
    check_range(r.history, 0, 5);
  }
  falign_tensors_destroy(tensors);
  free_recorder(&r);
}
END_TEST

START_TEST(importing_clears) {
  draw_task();
  recorder r = new_recorder(FALIGN_F64, "fa");
  falign_tensors *tensors, *wrong;
  ok(falign_tensors_create(&tensors));
  ok(falign_tensors_create(&wrong));
  go_to(&r.by, 4);
  ok(falign_trainer_export(r.by.trainer, tensors));
  go_to(&r.by, 8);
  fails(FALIGN_FORMAT, "trainer.iteration", falign_trainer_import(r.by.trainer, wrong));
  check_range(r.history, 0, 8); /* an import that fails changes nothing */
  ok(falign_trainer_import(r.by.trainer, tensors));
  check_range(r.history, 0, 0);
  go_to(&r.by, 10);
  check_range(r.history, 4, 10);
  check_undisturbed(&r.by, "fa");
  falign_tensors_destroy(tensors);
  falign_tensors_destroy(wrong);
  free_recorder(&r);
}
END_TEST

START_TEST(a_history_of_another_network) {
  recorder r = new_recorder(FALIGN_F64, "fa");
  falign_network *other = new_network(FALIGN_F64, TASK_LAYERS, task_widths, true, TANH);
  falign_history *history;
  ok(falign_history_create(other, &history));
  fails(FALIGN_SHAPE, "made for another network", falign_trainer_set_history(r.by.trainer, history));
  ck_assert_ptr_eq(falign_trainer_history(r.by.trainer), r.history);
  falign_history_destroy(history);
  falign_network_destroy(other);
  free_recorder(&r);
}
END_TEST

/* A trainer keeps its history, a history its network. */
START_TEST(lifetimes) {
  draw_task();
  recorder r = new_recorder(FALIGN_F64, "fa");
  double w[7 * 9];
  falign_history_destroy(r.history);
  go_to(&r.by, 3);
  check_range(r.history, 0, 3);
  ok(falign_history_create(r.by.network, &r.history));
  ok(falign_trainer_set_history(r.by.trainer, r.history)); /* the first is gone */
  go_to(&r.by, 5);
  free_learner(&r.by);
  check_range(r.history, 3, 5);
  ok(falign_history_get(r.history, 4, FALIGN_W, 0, WRITE_F64(w, 7, 9, 9)));
  falign_history_destroy(r.history);
  falign_history_destroy(NULL);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, a_failing_step_is_taken_back);
  tcase_add_test(tests, the_running_sum_counts_each_step_once);
  tcase_add_test(tests, settings_after_a_first_step_that_failed);
  tcase_add_test(tests, a_step_that_diverges);
  tcase_add_test(tests, settings_come_before_the_first_step);
  tcase_add_test(tests, clearing);
  tcase_add_test(tests, a_gap_in_the_iterations);
  tcase_add_test(tests, a_step_that_was_refused_is_not_taken_back);
  tcase_add_test(tests, importing_clears);
  tcase_add_test(tests, a_history_of_another_network);
  tcase_add_test(tests, lifetimes);
}

int main(void) { return run_suite("history_runs", add_tests); }
