/* SPDX-License-Identifier: Apache-2.0 */
#include "learning.h"

static falign_status view(const learner *by, falign_quantity quantity, uint32_t l) {
  falign_view data;
  return falign_trace_view(falign_trainer_trace(by->trainer), quantity, l, &data);
}

static void check_kept(const learner *by, bool activity, bool bp) {
  falign_status with_activity = activity ? FALIGN_OK : FALIGN_UNSUPPORTED;
  falign_status with_bp = bp ? FALIGN_OK : FALIGN_UNSUPPORTED;
  ck_assert_int_eq(view(by, FALIGN_DW, 0), FALIGN_OK);
  ck_assert_int_eq(view(by, FALIGN_DB, 1), FALIGN_OK);
  ck_assert_int_eq(view(by, FALIGN_L, 0), with_activity);
  ck_assert_int_eq(view(by, FALIGN_L, TASK_LAYERS), with_activity);
  ck_assert_int_eq(view(by, FALIGN_Z, 1), with_activity);
  ck_assert_int_eq(view(by, FALIGN_DELTA, 1), with_activity);
  ck_assert_int_eq(view(by, FALIGN_TARGET, TASK_LAYERS), with_activity);
  ck_assert_int_eq(view(by, FALIGN_DW_BP, 0), with_bp);
  ck_assert_int_eq(view(by, FALIGN_DB_BP, 1), with_bp);
  ck_assert_int_eq(view(by, FALIGN_DELTA_BP, 1), activity && bp ? FALIGN_OK : FALIGN_UNSUPPORTED);
}

/* From each of the four requests to each: what a step did not keep is not shown from an earlier one. */
START_TEST(kept_as_asked) {
  const int requests[] = {0, 0, 1, 0, 2, 0, 3, 1, 1, 2, 1, 3, 2, 2, 3, 3, 0};
  const char *const rules[] = {"fa", "bp"};
  draw_task();
  for (int r = 0; r < 2; r++) {
    learner by = task_learner(FALIGN_F64, rules[r]);
    ck_assert_ptr_null(falign_trainer_trace(by.trainer));
    for (size_t turn = 0; turn < sizeof requests / sizeof *requests; turn++) {
      bool activity = requests[turn] & 1, bp = requests[turn] & 2;
      ok(falign_trainer_keep(by.trainer, (activity ? FALIGN_NEEDS_ACTIVITY : 0) | (bp ? FALIGN_NEEDS_BP : 0)));
      ok(step(&by, task.x, 140, task.y));
      check_kept(&by, activity, bp);
    }
    free_learner(&by);
  }
}
END_TEST

START_TEST(delta_bp_is_not_stale) {
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa");
  ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP));
  ok(step(&by, task.x, 5, task.y));
  check_kept(&by, true, true);
  ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY));
  ok(step(&by, task.x, 5, task.y));
  check_kept(&by, true, false);
  free_learner(&by);
}
END_TEST

START_TEST(views_that_do_not_exist) {
  draw_task();
  learner by = task_learner(_i ? FALIGN_F64 : FALIGN_F32, "fa");
  const size_t n[] = {7, 4};
  learner unbiased = new_learner(new_network(FALIGN_F64, 1, n, false, TANH), "bp", 1, 1, 0.1);
  falign_view data = {.rows = 42};
  ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP));
  ok(step(&by, task.x, 5, task.y));
  ok(step(&unbiased, task.x, 5, task.y));
  const falign_trace *trace = falign_trainer_trace(by.trainer);
  const struct {
    falign_quantity quantity;
    uint32_t l;
    const char *text;
  } wrong[] = {{FALIGN_L, 4, "no L[4]: l goes from 0 to 3"},
               {FALIGN_Z, 0, "no Z[0]: l goes from 1 to 3"},
               {FALIGN_Z, 4, "no Z[4]: l goes from 1 to 3"},
               {FALIGN_DELTA, 0, "no delta[0]: l goes from 1 to 3"},
               {FALIGN_TARGET, 2, "no Y*[2]: l goes from 3 to 3"},
               {FALIGN_DW, 3, "no dW[3]: l goes from 0 to 2"},
               {FALIGN_DB, 0, "no db[0]: l goes from 1 to 3"},
               {FALIGN_DB, 4, "no db[4]: l goes from 1 to 3"},
               {FALIGN_DELTA_BP, 0, "no delta_BP[0]: l goes from 1 to 3"},
               {FALIGN_DW_BP, 3, "no dW_BP[3]: l goes from 0 to 2"},
               {0, 1, "a trace has no quantity 0: it has FALIGN_L (5) to FALIGN_DB_BP (14)"},
               {FALIGN_W, 1, "a trace has no quantity 1: "},
               {FALIGN_FEEDBACK, 1, "a trace has no quantity 4: "},
               {FALIGN_C, 1, "a trace has no quantity 15: it has FALIGN_L (5) to FALIGN_DB_BP (14)"},
               {FALIGN_L, 1u << 31, "no L[2147483648]: l goes from 0 to 3"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    fails(FALIGN_INVALID, wrong[i].text, falign_trace_view(trace, wrong[i].quantity, wrong[i].l, &data));
  ck_assert_int_eq(view(&unbiased, FALIGN_DB, 1), FALIGN_UNSUPPORTED);
  fails(FALIGN_INVALID, "trace is NULL", falign_trace_view(NULL, FALIGN_DW, 0, &data));
  fails(FALIGN_INVALID, "out is NULL", falign_trace_view(trace, FALIGN_DW, 0, NULL));
  ck_assert_uint_eq(data.rows, 42);
  ok(falign_trace_view(trace, FALIGN_DW, 0, &data));
  ck_assert_int_eq(data.precision, falign_trace_step(trace)->precision);
  ck_assert(data.rows == 7 && data.cols == 9 && data.row_step == 9 && data.col_step == 1);
  free_learner(&by);
  free_learner(&unbiased);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, kept_as_asked);
  tcase_add_test(tests, delta_bp_is_not_stale);
  tcase_add_loop_test(tests, views_that_do_not_exist, 0, 2);
}

int main(void) { return run_suite("trace", add_tests); }
