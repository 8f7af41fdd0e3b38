/* SPDX-License-Identifier: Apache-2.0 */
#include "learning.h"

static plain model;

/* Sums of 103 * 4 squares of numbers of which each went through three products of at most 9 terms: less than 103
 * epsilons, with all signs alike. */
START_TEST(evaluate_and_forward) {
  draw_task();
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    learner by = task_learner(precision, "fa"), same = task_learner(precision, "fa");
    const size_t sizes[] = {TASK_POINTS, TASK_BATCH, 1};
    plain_read(&model, by.network, by.rule);
    plain_forward(&model, task.x, TASK_POINTS);
    double want = plain_loss(&model, TASK_POINTS, task.y), loss = 0, error = 0;
    for (int i = 0; i < 3; i++) {
      falign_batches *batches = task_batches(TASK_POINTS, sizes[i], FALIGN_ORDER_EPOCH);
      ok(falign_trainer_evaluate(by.trainer, batches, &loss, &error));
      near(loss, want, want * 103 * epsilon(precision));
      ck_assert(isnan(error)); /* no code */
      ok(falign_trainer_evaluate(by.trainer, batches, NULL, NULL));
      falign_batches_destroy(batches);
    }
    if (precision == FALIGN_F64) {
      double out[TASK_POINTS * 5];
      for (size_t i = 0; i < TASK_POINTS * 5; i++) out[i] = 42;
      ok(falign_trainer_forward(by.trainer, READ_F64(task.x, TASK_POINTS, 7, 7), WRITE_F64(out, TASK_POINTS, 4, 5)));
      for (size_t i = 0; i < TASK_POINTS * 5; i++)
        near(out[i], i % 5 < 4 ? model.out[TASK_LAYERS][i / 5][i % 5] : 42,
             30 * epsilon(precision)); /* |L| is at most 1 */
    } else {
      float in[TASK_POINTS * 7], out[TASK_POINTS * 4];
      to_f32(task.x, TASK_POINTS * 7, in);
      ok(falign_trainer_forward(by.trainer, READ_F32(in, TASK_POINTS, 7, 7), WRITE_F32(out, TASK_POINTS, 4, 4)));
      for (size_t i = 0; i < TASK_POINTS * 4; i++)
        near((double)out[i], model.out[TASK_LAYERS][i / 4][i % 4], 60 * epsilon(precision)); /* and x was rounded */
    }
    ck_assert(same_parameters(by.network, same.network));
    ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 0);
    free_learner(&by);
    free_learner(&same);
  }
}
END_TEST

/* The share of wrong decodings, against a decoding by hand: the largest dot product with the codes. */
START_TEST(error_of_classification) {
  enum { CATEGORIES = 3 };
  uint32_t labels[TASK_POINTS];
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa");
  falign_dataset *dataset = NULL;
  falign_code *code = NULL;
  falign_batches *batches = NULL;
  for (uint32_t i = 0; i < TASK_POINTS; i++) labels[i] = i * 7 % CATEGORIES;
  ok(falign_dataset_create(READ_F64(task.x, TASK_POINTS, 7, 7), labels, CATEGORIES, &dataset));
  ok(falign_code_create_n_hot(CATEGORIES, 4, 1, 3, 0, &code));
  ok(falign_batches_create(dataset, code, TASK_BATCH, &batches));
  plain_read(&model, by.network, by.rule);
  plain_forward(&model, task.x, TASK_POINTS);
  int wrong = 0;
  double want = 0, loss, error;
  for (size_t r = 0; r < TASK_POINTS; r++) {
    uint32_t best = 0;
    double dots[CATEGORIES] = {0};
    for (uint32_t c = 0; c < CATEGORIES; c++) {
      for (size_t j = 0; j < 4; j++) dots[c] += code_row(code, c)[j] * model.out[TASK_LAYERS][r][j];
      if (dots[c] > dots[best]) best = c;
    }
    wrong += best != labels[r];
    for (size_t j = 0; j < 4; j++) want += pow(code_row(code, labels[r])[j] - model.out[TASK_LAYERS][r][j], 2) / 2;
  }
  ck_assert(wrong > 0 && wrong < TASK_POINTS);
  ok(falign_trainer_evaluate(by.trainer, batches, &loss, &error));
  ck_assert(error == (double)wrong / TASK_POINTS);
  near(loss, want, want * 103 * 0x1p-52);
  falign_batches_destroy(batches);
  falign_code_destroy(code);
  falign_dataset_destroy(dataset);
  free_learner(&by);
}
END_TEST

/* The same whatever the batch: also where several blocks of rows are summed up one after the other. */
START_TEST(evaluation_in_large_batches) {
  enum { CATEGORIES = 3 };
  static uint32_t labels[TASK_ROWS];
  static double in_parts[TASK_ROWS * 4], at_once[TASK_ROWS * 4];
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa");
  falign_dataset *dataset = NULL;
  falign_code *code = NULL;
  double loss[2], error[2];
  const size_t sizes[] = {100, TASK_ROWS};
  for (uint32_t i = 0; i < TASK_ROWS; i++) labels[i] = i * 7 % CATEGORIES;
  ok(falign_dataset_create(READ_F64(task.x, TASK_ROWS, 7, 7), labels, CATEGORIES, &dataset));
  ok(falign_code_create_n_hot(CATEGORIES, 4, 1, 3, 0, &code));
  for (int i = 0; i < 2; i++) {
    falign_batches *batches = NULL;
    ok(falign_batches_create(dataset, code, sizes[i], &batches));
    ok(falign_trainer_evaluate(by.trainer, batches, &loss[i], &error[i]));
    falign_batches_destroy(batches);
  }
  ck_assert(error[0] > 0 && error[0] == error[1]);
  near(loss[1], loss[0], loss[0] * TASK_ROWS * 0x1p-52); /* the same positive terms in another order */
  for (size_t r = 0; r < TASK_ROWS; r += 100)
    ok(falign_trainer_forward(by.trainer, READ_F64(task.x + r * 7, 100, 7, 7), WRITE_F64(in_parts + r * 4, 100, 4, 4)));
  ok(falign_trainer_forward(by.trainer, READ_F64(task.x, TASK_ROWS, 7, 7), WRITE_F64(at_once, TASK_ROWS, 4, 4)));
  for (size_t i = 0; i < TASK_ROWS * 4; i++) near(at_once[i], in_parts[i], 30 * 0x1p-52); /* |L| is at most 1 */
  falign_code_destroy(code);
  falign_dataset_destroy(dataset);
  free_learner(&by);
}
END_TEST

/* A network of so many weights that its blocks are longer: the errors are those of its outputs. */
START_TEST(evaluation_of_a_large_network) {
  enum { POINTS = 300, INPUTS = 8, CATEGORIES = 10 };
  const size_t n[] = {INPUTS, 520, 520, CATEGORIES};
  static double x[POINTS * INPUTS], out[POINTS * CATEGORIES];
  static uint32_t labels[POINTS], decoded[POINTS];
  falign_dataset *dataset = NULL;
  falign_code *code = NULL;
  falign_batches *batches = NULL;
  learner by = new_learner(new_network(FALIGN_F64, 3, n, true, TANH), "fa", 1, 1, 0.1);
  double error;
  uint32_t wrong = 0;
  gaussian(x, POINTS * INPUTS, 1, 1);
  for (uint32_t i = 0; i < POINTS; i++) labels[i] = i * 7 % CATEGORIES;
  ok(falign_dataset_create(READ_F64(x, POINTS, INPUTS, INPUTS), labels, CATEGORIES, &dataset));
  ok(falign_code_create_n_hot(CATEGORIES, CATEGORIES, 1, 1, 0, &code));
  ok(falign_batches_create(dataset, code, POINTS, &batches));
  ok(falign_trainer_forward(by.trainer, READ_F64(x, POINTS, INPUTS, INPUTS),
                            WRITE_F64(out, POINTS, CATEGORIES, CATEGORIES)));
  ok(falign_code_decode(code, READ_F64(out, POINTS, CATEGORIES, CATEGORIES), decoded));
  for (size_t i = 0; i < POINTS; i++) wrong += decoded[i] != labels[i];
  ck_assert(wrong > 0 && wrong < POINTS);
  ok(falign_trainer_evaluate(by.trainer, batches, NULL, &error));
  ck_assert(error == (double)wrong / POINTS);
  falign_batches_destroy(batches);
  falign_code_destroy(code);
  falign_dataset_destroy(dataset);
  free_learner(&by);
}
END_TEST

/* Nothing is written for a batch of which a later row is wrong. */
START_TEST(forward_is_all_or_nothing) {
  static double out[300 * 4];
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa");
  task.x[280 * 7 + 3] = (double)NAN;
  for (size_t i = 0; i < 300 * 4; i++) out[i] = 42;
  fails(FALIGN_INVALID, "row 280, column 3",
        falign_trainer_forward(by.trainer, READ_F64(task.x, 300, 7, 7), WRITE_F64(out, 300, 4, 4)));
  for (size_t i = 0; i < 300 * 4; i++) ck_assert_msg(out[i] == 42, "row %zu was written", i / 4);
  free_learner(&by);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, evaluate_and_forward);
  tcase_add_test(tests, error_of_classification);
  tcase_add_test(tests, evaluation_in_large_batches);
  tcase_add_test(tests, evaluation_of_a_large_network);
  tcase_add_test(tests, forward_is_all_or_nothing);
}

int main(void) { return run_suite("evaluate", add_tests); }
