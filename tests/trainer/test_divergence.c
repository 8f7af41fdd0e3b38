/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>

#include "learning.h"

static bool says(const char *text) { return strstr(falign_last_error(), text) != NULL; }

/* ---- Divergence ---- */

/* W[k] is what it was before the step that failed, and can be looked at. */
START_TEST(a_huge_eta_diverges) {
  draw_task();
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    learner by = new_learner(new_network(precision, TASK_LAYERS, task_widths, true, LINEAR), "fa", 0.5, 1, 10);
    falign_batches *batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_NONE);
    falign_status status = FALIGN_OK;
    double *before = NULL;
    while (status == FALIGN_OK) {
      free(before);
      before = parameters(by.network);
      status = falign_trainer_run(by.trainer, batches, falign_trainer_iteration(by.trainer) + 1);
      ck_assert_uint_lt(falign_trainer_iteration(by.trainer), 1000);
    }
    char text[64];
    uint64_t k = falign_trainer_iteration(by.trainer);
    ck_assert_int_eq(status, FALIGN_DIVERGED);
    snprintf(text, sizeof text, "iteration %d, layer", (int)k);
    ck_assert_msg(k > 0 && says(text), "\"%s\"", falign_last_error());
    ck_assert_ptr_null(falign_trainer_trace(by.trainer));
    double *after = parameters(by.network);
    ck_assert_mem_eq(before, after, falign_network_parameters(by.network) * sizeof *after);
    for (size_t i = 0; i < falign_network_parameters(by.network); i++) ck_assert(isfinite(after[i]));
    fails(FALIGN_DIVERGED, "iteration", falign_trainer_run(by.trainer, batches, 1000)); /* again, and no crash */
    ck_assert_uint_eq(falign_trainer_iteration(by.trainer), k);
    free(before);
    free(after);
    falign_batches_destroy(batches);
    free_learner(&by);
  }
}
END_TEST

/* An infinite update is found before it is added, with the layer of the weight or bias that would not be finite. */
START_TEST(updates_that_are_not_finite) {
  const size_t n[] = {1, 1};
  const double one = 1;
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    const double big = precision == FALIGN_F32 ? 0x1p127 : 0x1p1023;
    for (int bias = 0; bias < 2; bias++) {
      learner by = {.network = new_network(precision, 1, n, true, LINEAR)};
      ok(falign_rule_create("bp", by.network, &by.rule));
      ok(falign_trainer_create(by.network, by.rule, 1, &by.trainer));
      double w = bias ? 0 : big, zero = 0;
      if (bias) {
        ok(falign_network_set(by.network, FALIGN_BIAS, 1, READ_F64(&big, 1, 1, 1)));
      } else {
        ok(falign_network_set(by.network, FALIGN_W, 0, READ_F64(&w, 1, 1, 1)));
      }
      /* 2^127 + 2^127 overflows; an imposed delta has no loss that would tell first */
      float x_f32 = bias ? 0 : 1, delta_f32 = 0x1p127f;
      falign_status status =
          precision == FALIGN_F32
              ? falign_trainer_impose(by.trainer, READ_F32(&x_f32, 1, 1, 1), READ_F32(&delta_f32, 1, 1, 1))
              : falign_trainer_impose(by.trainer, READ_F64(bias ? &zero : &one, 1, 1, 1), READ_F64(&big, 1, 1, 1));
      ck_assert_int_eq(status, FALIGN_DIVERGED);
      ck_assert_msg(says("iteration 0") && says(bias ? "layer 1: b[1]" : "W[0]"), "\"%s\"", falign_last_error());
      free_learner(&by);
    }
  }
}
END_TEST

/* A NaN written in place into W[l] or b[l] shows in Z of the layer above, also where the activation hides it. */
START_TEST(weights_that_are_not_finite) {
  draw_task();
  for (activation f = TANH_RELU; f <= LINEAR; f++) {
    for (uint32_t l = 0; l < TASK_LAYERS; l++) {
      for (int bias = 0; bias < 2; bias++) {
        learner by = new_learner(new_network(FALIGN_F64, TASK_LAYERS, task_widths, true, f), "fa", 0.5, 1, 0.001);
        char text[32];
        double out[4] = {42, 42, 42, 42};
        if (bias) {
          network_f64(by.network, FALIGN_BIAS, l + 1)[1] = (double)INFINITY;
        } else {
          network_f64(by.network, FALIGN_W, l)[1] = (double)NAN;
        }
        snprintf(text, sizeof text, "iteration 0, layer %u", l + 1);
        fails(FALIGN_DIVERGED, text, step(&by, task.x, 1, task.y));
        fails(FALIGN_DIVERGED, text, step(&by, task.x, TASK_ROWS, task.y));
        fails(FALIGN_DIVERGED, text,
              falign_trainer_forward(by.trainer, READ_F64(task.x, 1, 7, 7), WRITE_F64(out, 1, 4, 4)));
        for (int i = 0; i < 4; i++) ck_assert(out[i] == 42);
        falign_batches *batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_NONE);
        double loss = 42;
        fails(FALIGN_DIVERGED, text, falign_trainer_evaluate(by.trainer, batches, &loss, NULL));
        ck_assert(loss == 42);
        falign_batches_destroy(batches);
        free_learner(&by);
      }
    }
  }
}
END_TEST

/* Finite weights and inputs whose products are too large for f32: found in the layer where it happens. */
START_TEST(overflow_in_a_layer) {
  draw_task();
  learner by = new_learner(new_network(FALIGN_F32, TASK_LAYERS, task_widths, true, RELU), "fa", 0.5, 1, 0.001);
  float *w = network_f32(by.network, FALIGN_W, 1);
  for (size_t i = 0; i < 54; i++) w[i] = FLT_MAX;
  float *b = network_f32(by.network, FALIGN_BIAS, 1);
  for (size_t i = 0; i < 9; i++) b[i] = 100; /* all units active */
  double *before = parameters(by.network);
  fails(FALIGN_DIVERGED, "layer 2", step(&by, task.x, 5, task.y));
  double *after = parameters(by.network);
  ck_assert_mem_eq(before, after, falign_network_parameters(by.network) * sizeof *after);
  free(before);
  free(after);
  free_learner(&by);
}
END_TEST

/* An infinite square of a finite error, where no unit passes it on. */
START_TEST(overflow_of_the_loss) {
  const size_t n[] = {1, 1};
  const double one = 1, far = 1e200;
  learner by = {.network = new_network(FALIGN_F64, 1, n, true, TANH_RELU)};
  ok(falign_rule_create("bp", by.network, &by.rule));
  ok(falign_trainer_create(by.network, by.rule, 1, &by.trainer));
  fails(FALIGN_DIVERGED, "the loss is inf", step(&by, &one, 1, &far));
  ck_assert(says("iteration 0, layer 1"));
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 0);
  free_learner(&by);
}
END_TEST

/* ---- Wrong input ---- */

/* The number is named; the network is as it was; and the same trainer can go on. */
START_TEST(inputs_that_are_not_finite) {
  const double bad[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
  draw_task();
  for (int i = 0; i < 3; i++) {
    for (activation f = TANH_RELU; f <= LINEAR; f++) {
      falign_precision precision = i & 1 ? FALIGN_F32 : FALIGN_F64;
      learner by = new_learner(new_network(precision, TASK_LAYERS, task_widths, true, f), "fa", 0.5, 1, 0.001);
      learner same = new_learner(new_network(precision, TASK_LAYERS, task_widths, true, f), "fa", 0.5, 1, 0.001);
      double x_before = task.x[200 * 7 + 3], y_before = task.y[150 * 4 + 2];
      task.x[200 * 7 + 3] = bad[i];
      fails(FALIGN_INVALID, "x has", step(&by, task.x, 300, task.y));
      ck_assert_msg(says("row 200, column 3"), "%s", falign_last_error());
      task.x[200 * 7 + 3] = x_before;
      task.y[150 * 4 + 2] = bad[i];
      fails(FALIGN_INVALID, "y has", step(&by, task.x, 300, task.y));
      ck_assert_msg(says("row 150, column 2"), "%s", falign_last_error());
      task.y[150 * 4 + 2] = y_before;
      ck_assert(same_parameters(by.network, same.network));
      ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 0);
      ok(step(&by, task.x, 300, task.y));
      ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 1);
      free_learner(&by);
      free_learner(&same);
    }
  }
}
END_TEST

/* A dataset's numbers are finite, but a network in single precision cannot hold them all. */
START_TEST(points_beyond_single_precision) {
  const size_t widths[] = {2, 3, 1};
  const double x[] = {1, 2, 3, 4, 5, 1e39, 7, 8}, y[] = {0, 1, 0, 1};
  learner by = new_learner(new_network(FALIGN_F32, 2, widths, true, TANH), "fa", 0.5, 1, 0.001);
  falign_dataset *data;
  falign_batches *batches;
  ok(falign_dataset_create_regression(READ_F64(x, 4, 2, 2), READ_F64(y, 4, 1, 1), &data));
  ok(falign_batches_create(data, NULL, 4, &batches));
  fails(FALIGN_INVALID, "row 2 of batch 0 is beyond single precision", falign_trainer_run(by.trainer, batches, 1));
  falign_batches_destroy(batches);
  falign_dataset_destroy(data);
  free_learner(&by);
}
END_TEST

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

START_TEST(imposed_signals_that_are_not_finite) {
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa");
  task.y[3 * 4 + 1] = (double)NAN;
  fails(FALIGN_INVALID, "delta has",
        falign_trainer_impose(by.trainer, READ_F64(task.x, 5, 7, 7), READ_F64(task.y, 5, 4, 4)));
  ck_assert(says("row 3, column 1"));
  task.x[2 * 7] = (double)INFINITY;
  fails(FALIGN_INVALID, "x has",
        falign_trainer_impose(by.trainer, READ_F64(task.x, 5, 7, 7), READ_F64(task.y, 5, 4, 4)));
  free_learner(&by);
}
END_TEST

START_TEST(wrong_shapes) {
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa");
  falign_trainer *t = by.trainer;
  static float x_f32[50], y_f32[50];
  double out[20];
  fails(FALIGN_SHAPE, "x is 5 x 7, got 5 x 6",
        falign_trainer_step(t, READ_F64(task.x, 5, 6, 6), READ_F64(task.y, 5, 4, 4)));
  fails(FALIGN_SHAPE, "y is 5 x 4, got 5 x 5",
        falign_trainer_step(t, READ_F64(task.x, 5, 7, 7), READ_F64(task.y, 5, 5, 5)));
  fails(FALIGN_SHAPE, "delta is 5 x 4, got 5 x 3",
        falign_trainer_impose(t, READ_F64(task.x, 5, 7, 7), READ_F64(task.y, 5, 3, 3)));
  fails(FALIGN_SHAPE, "y is 5 x 4, got 5 x 9",
        falign_trainer_forward(t, READ_F64(task.x, 5, 7, 7), WRITE_F64(out, 5, 9, 9)));
  fails(FALIGN_INVALID, "x is 5 x 7 with invalid steps: 6 from row to row, 1 from column to column",
        falign_trainer_step(t, READ_F64(task.x, 5, 7, 6), READ_F64(task.y, 5, 4, 4)));
  fails(FALIGN_INVALID, "y is 5 x 4 with invalid steps: 3 from row to row, 1 from column to column",
        falign_trainer_step(t, READ_F64(task.x, 5, 7, 7), READ_F64(task.y, 5, 4, 3)));
  fails(FALIGN_SHAPE, "x is in f32, the network in f64",
        falign_trainer_step(t, READ_F32(x_f32, 5, 7, 7), READ_F32(y_f32, 5, 4, 4)));
  fails(FALIGN_SHAPE, "x is in f32, the network in f64",
        falign_trainer_impose(t, READ_F32(x_f32, 5, 7, 7), READ_F32(y_f32, 5, 4, 4)));
  fails(FALIGN_SHAPE, "x is in f32, the network in f64",
        falign_trainer_forward(t, READ_F32(x_f32, 5, 7, 7), WRITE_F32(y_f32, 5, 4, 4)));
  fails(FALIGN_SHAPE, "y is in f32, the network in f64",
        falign_trainer_step(t, READ_F64(task.x, 5, 7, 7), READ_F32(y_f32, 5, 4, 4)));
  fails(FALIGN_SHAPE, "delta is in f32, the network in f64",
        falign_trainer_impose(t, READ_F64(task.x, 5, 7, 7), READ_F32(y_f32, 5, 4, 4)));
  fails(FALIGN_SHAPE, "y is in f32, the network in f64",
        falign_trainer_forward(t, READ_F64(task.x, 5, 7, 7), WRITE_F32(y_f32, 5, 4, 4)));
  fails(FALIGN_INVALID, "y is 5 x 4 with invalid steps: 9223372036854775807 from row to row, 1 from column to column",
        falign_trainer_forward(t, READ_F64(task.x, 5, 7, 7), WRITE_F64(out, 5, 4, PTRDIFF_MAX)));
  fails(FALIGN_INVALID, "0 rows", falign_trainer_step(t, READ_F64(task.x, 0, 7, 7), READ_F64(task.y, 0, 4, 4)));
  fails(FALIGN_INVALID, "x is NULL", falign_trainer_step(t, READ_F64(NULL, 5, 7, 7), READ_F64(task.y, 5, 4, 4)));
  fails(FALIGN_INVALID, "y is NULL", falign_trainer_step(t, READ_F64(task.x, 5, 7, 7), READ_F64(NULL, 5, 4, 4)));
  fails(FALIGN_INVALID, "delta is NULL", falign_trainer_impose(t, READ_F64(task.x, 5, 7, 7), READ_F64(NULL, 5, 4, 4)));
  fails(FALIGN_INVALID, "trainer is NULL",
        falign_trainer_step(NULL, READ_F64(task.x, 5, 7, 7), READ_F64(task.y, 5, 4, 4)));
  fails(FALIGN_INVALID, "trainer is NULL", falign_trainer_evaluate(NULL, NULL, NULL, NULL));
  fails(FALIGN_INVALID, "trainer is NULL", falign_trainer_run(NULL, NULL, 1));
  fails(FALIGN_INVALID, "batches is NULL", falign_trainer_run(t, NULL, 1));
  fails(FALIGN_INVALID, "batches is NULL", falign_trainer_evaluate(t, NULL, NULL, NULL));
  falign_dataset *dataset = NULL;
  falign_batches *batches = NULL;
  ok(falign_dataset_create_regression(READ_F64(task.x, 5, 6, 7), READ_F64(task.y, 5, 4, 4), &dataset));
  ok(falign_batches_create(dataset, NULL, 5, &batches));
  fails(FALIGN_SHAPE, "6 inputs", falign_trainer_run(t, batches, 1));
  fails(FALIGN_SHAPE, "6 inputs", falign_trainer_evaluate(t, batches, NULL, NULL));
  falign_batches_destroy(batches);
  falign_dataset_destroy(dataset);
  ok(falign_dataset_create_regression(READ_F64(task.x, 5, 7, 7), READ_F64(task.y, 5, 3, 4), &dataset));
  ok(falign_batches_create(dataset, NULL, 5, &batches));
  fails(FALIGN_SHAPE, "the targets have 3 numbers, the network 4 outputs", falign_trainer_run(t, batches, 1));
  falign_batches_destroy(batches);
  falign_dataset_destroy(dataset);
  ck_assert_uint_eq(falign_trainer_iteration(t), 0);
  free_learner(&by);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, a_huge_eta_diverges);
  tcase_add_test(tests, updates_that_are_not_finite);
  tcase_add_test(tests, weights_that_are_not_finite);
  tcase_add_test(tests, overflow_in_a_layer);
  tcase_add_test(tests, overflow_of_the_loss);
  tcase_add_test(tests, inputs_that_are_not_finite);
  tcase_add_test(tests, points_beyond_single_precision);
  tcase_add_test(tests, targets_beyond_single_precision);
  tcase_add_test(tests, imposed_signals_that_are_not_finite);
  tcase_add_test(tests, wrong_shapes);
}

int main(void) { return run_suite("divergence", add_tests); }
