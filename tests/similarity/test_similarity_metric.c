/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>

#include "activities.h"

static const char *const names[6] = {"s_l_within",      "s_l_between",      "s_delta_within",
                                     "s_delta_between", "s_product_within", "s_product_between"};

static falign_metric *new_metric(falign_batches *batches, uint64_t lag) {
  falign_metric *metric = NULL;
  ok(falign_metric_create_similarity(batches, lag, &metric));
  ck_assert_str_eq(falign_metric_name(metric), "similarity");
  ck_assert_int_eq(falign_metric_needs(metric), FALIGN_NEEDS_ACTIVITY);
  return metric;
}

static void observe(run *r, uint64_t lag, uint64_t every) {
  falign_metric *metric = new_metric(r->batches, lag);
  ok(falign_trainer_observe(r->trainer, metric, every, record, &r->log));
  falign_metric_destroy(metric);
}

/* <a, b>, and the sum of the magnitudes of its products. */
static double dot(const double *a, const double *b, size_t count, double *size) {
  double sum = 0;
  *size = 0;
  for (size_t i = 0; i < count; i++) {
    sum += a[i] * b[i];
    *size += fabs(a[i] * b[i]);
  }
  return sum;
}

/* The six means over pairs in plain loops, and those of the magnitudes. */
static void mean_plainly(run *r, uint64_t lag, uint64_t k, uint32_t l, double mean[6], double size[6]) {
  const activity *past = &r->seen[k - lag], *present = &r->seen[k];
  uint32_t of_past[BATCH], of_present[BATCH];
  double sums[6] = {0}, sizes[6] = {0};
  size_t counts[2] = {0};
  ok(falign_batches_points_of(r->batches, k - lag, NULL, of_past, past->rows));
  ok(falign_batches_points_of(r->batches, k, NULL, of_present, present->rows));
  for (size_t p = 0; p < past->rows; p++) {
    for (size_t m = 0; m < present->rows; m++) {
      double l_size, delta_size;
      double s_l = dot(past->l[l - 1][p], present->l[l - 1][m], n[l - 1], &l_size);
      double s_delta = dot(past->delta[l + 1][p], present->delta[l + 1][m], n[l + 1], &delta_size);
      const double terms[3] = {s_l, s_delta, s_delta * s_l}, of[3] = {l_size, delta_size, l_size * delta_size};
      size_t between = of_past[p] != of_present[m];
      counts[between]++;
      for (size_t i = 0; i < 3; i++) {
        sums[2 * i + between] += terms[i];
        sizes[2 * i + between] += of[i];
      }
    }
  }
  for (size_t i = 0; i < 6; i++) {
    mean[i] = sums[i] / (double)counts[i % 2];
    size[i] = sizes[i] / (double)counts[i % 2];
  }
}

/* In either computation each product goes through fewer additions than there are pairs and numbers in a row, at most
 * 100 + 2 * 7, each off by half an epsilon of at most the sum of the magnitudes; and then through a division. */
static const double tolerance = 120 * DBL_EPSILON;

static void check_means(run *r, uint64_t lag, uint64_t k) {
  for (uint32_t l = 1; l < D; l++) {
    double mean[6], size[6];
    mean_plainly(r, lag, k, l, mean, size);
    for (size_t i = 0; i < 6; i++) {
      double got = value_of(&r->log, k, names[i], l, (int64_t)lag);
      if (isnan(mean[i])) { /* no pairs */
        ck_assert(isnan(got));
      } else {
        near(got, mean[i], tolerance * size[i]);
      }
    }
  }
}

START_TEST(means) {
  falign_precision precision = _i & 1 ? FALIGN_F64 : FALIGN_F32;
  uint64_t lag = _i & 2 ? 7 : 1, every = _i & 4 ? 3 : 1;
  static run r;
  open_run(&r, precision, FALIGN_ORDER_EPOCH, 0.05);
  observe(&r, lag, every);
  ok(falign_trainer_run(r.trainer, r.batches, 20));
  for (uint64_t k = 0; k < 20; k++) {
    bool emits = k >= lag && k % every == 0;
    ck_assert_uint_eq(entries_of(&r.log, k), emits ? 6 * (D - 1) : 0);
    if (emits) check_means(&r, lag, k);
  }
  close_run(&r);
}
END_TEST

/* Shuffled labels are those that count. */
START_TEST(labels_of_the_batches) {
  static run r;
  open_run(&r, FALIGN_F64, FALIGN_ORDER_NONE, 0.05);
  ok(falign_batches_shuffle_labels(r.batches, 1, 3, 0));
  observe(&r, 1, 1);
  ok(falign_trainer_run(r.trainer, r.batches, 6));
  for (uint64_t k = 1; k < 6; k++) check_means(&r, 1, k);
  close_run(&r);
}
END_TEST

/* A mean over no pairs is NaN: no point has a fellow in the other batch. */
START_TEST(no_pairs) {
  const double x[4] = {1, 2, 3, 4};
  const uint32_t labels[4] = {0, 0, 1, 1};
  const size_t widths[3] = {1, 2, 2};
  falign_dataset *dataset = NULL;
  falign_code *code = NULL;
  static run r;
  r = (run){0};
  ok(falign_dataset_create(READ_F64(x, 4, 1, 1), labels, 2, &dataset));
  ok(falign_code_create_n_hot(2, 2, 1, 1, 0, &code));
  ok(falign_batches_create(dataset, code, 2, &r.batches));
  ok(falign_network_create(FALIGN_F64, 2, widths, 0, &r.network));
  ok(falign_network_draw(r.network, 1, 1, 1, 0));
  ok(falign_rule_create("bp", r.network, &r.rule));
  ok(falign_trainer_create(r.network, r.rule, 0.1, &r.trainer));
  observe(&r, 1, 1);
  ok(falign_trainer_run(r.trainer, r.batches, 2));
  for (size_t i = 0; i < 6; i++) ck_assert((isnan(value_of(&r.log, 1, names[i], 1, 1)) != 0) == (i % 2 == 0));
  ck_assert(value_of(&r.log, 1, "s_l_between", 1, 1) == (1 + 2) * (3 + 4) / 4.0);
  falign_dataset_destroy(dataset);
  falign_code_destroy(code);
  close_run(&r);
}
END_TEST

/* It looks at every step, and has values when it is due. */
START_TEST(some_iterations) {
  const uint64_t at[] = {9, 1, 4, 5};
  static run r;
  open_run(&r, FALIGN_F64, FALIGN_ORDER_EPOCH, 0.05);
  falign_metric *metric = new_metric(r.batches, 2);
  ok(falign_trainer_observe_at(r.trainer, metric, at, 4, record, &r.log));
  falign_metric_destroy(metric);
  ok(falign_trainer_run(r.trainer, r.batches, 12));
  for (uint64_t k = 0; k < 12; k++) {
    bool emits = k == 4 || k == 5 || k == 9;
    ck_assert_uint_eq(entries_of(&r.log, k), emits ? 6 * (D - 1) : 0);
    if (emits) check_means(&r, 2, k);
  }
  close_run(&r);
}
END_TEST

/* Iterations that the metric has not seen: values come again `lag` iterations later. */
START_TEST(gaps) {
  static run r, ahead;
  open_run(&r, FALIGN_F64, FALIGN_ORDER_EPOCH, 0.05);
  open_run(&ahead, FALIGN_F64, FALIGN_ORDER_EPOCH, 0.05);
  observe(&r, 2, 1);
  ok(falign_trainer_run(r.trainer, r.batches, 3));
  ok(falign_trainer_run(ahead.trainer, ahead.batches, 5));
  take_over(&ahead, &r);
  close_run(&ahead);
  ok(falign_trainer_run(r.trainer, r.batches, 9));
  for (uint64_t k = 0; k < 9; k++) {
    bool emits = k == 2 || k >= 7;
    ck_assert_uint_eq(entries_of(&r.log, k), emits ? 6 * (D - 1) : 0);
    if (emits) check_means(&r, 2, k);
  }
  close_run(&r);
}
END_TEST

/* The second trainer goes on where the first one stopped, but has no past that the metric knows. */
START_TEST(two_trainers) {
  static run a, b;
  open_run(&a, FALIGN_F64, FALIGN_ORDER_NONE, 0.05);
  open_run(&b, FALIGN_F64, FALIGN_ORDER_NONE, 0.02);
  falign_metric *metric = new_metric(a.batches, 1);
  ok(falign_trainer_observe(a.trainer, metric, 1, record, &a.log));
  ok(falign_trainer_observe(b.trainer, metric, 1, record, &b.log));
  ok(falign_trainer_run(a.trainer, a.batches, 2));
  take_over(&a, &b);
  ok(falign_trainer_run(b.trainer, b.batches, 5));
  ck_assert_uint_eq(a.log.count, 6 * (D - 1));
  ck_assert_uint_eq(entries_of(&b.log, 2), 0);
  ck_assert_uint_eq(b.log.count, 2 * 6 * (D - 1));
  check_means(&a, 1, 1);
  check_means(&b, 1, 3);
  check_means(&b, 1, 4);
  falign_metric_destroy(metric);
  close_run(&a);
  close_run(&b);
}
END_TEST

static falign_status refuse(void *user, const falign_value *value) {
  int *left = user;
  if (value->iteration < 3 || (*left)-- > 0) return FALIGN_OK;
  falign_set_last_error("no room for a value");
  return FALIGN_IO;
}

/* A sink that fails ends the step; the metric has not taken the iteration, and the next attempt has its values. */
START_TEST(sinks_that_fail) {
  static run r;
  int left = 4;
  open_run(&r, FALIGN_F64, FALIGN_ORDER_EPOCH, 0.05);
  falign_metric *metric = new_metric(r.batches, 2);
  ok(falign_trainer_observe(r.trainer, metric, 1, refuse, &left));
  falign_metric_destroy(metric);
  fails(FALIGN_IO, "no room for a value", falign_trainer_run(r.trainer, r.batches, 5));
  ck_assert_uint_eq(falign_trainer_iteration(r.trainer), 3);
  left = 6 * (D - 1);
  fails(FALIGN_IO, "no room for a value", falign_trainer_run(r.trainer, r.batches, 5));
  ck_assert_uint_eq(falign_trainer_iteration(r.trainer), 4); /* all values of iteration 3 came */
  close_run(&r);
}
END_TEST

START_TEST(other_batches) {
  static run r;
  double x[4 * 6] = {0}, y[4 * 4] = {0};
  open_run(&r, FALIGN_F64, FALIGN_ORDER_NONE, 0.05);
  observe(&r, 1, 1);
  fails(FALIGN_SHAPE, "batch 0 has 10 rows",
        falign_trainer_step(r.trainer, READ_F64(x, 4, 6, 6), READ_F64(y, 4, 4, 4)));
  close_run(&r);
}
END_TEST

START_TEST(metrics_that_are_refused) {
  falign_metric *metric = NULL;
  falign_dataset *dataset = NULL;
  falign_batches *unlabelled = NULL, *batches = new_batches(FALIGN_ORDER_NONE);
  const double x[2] = {1, 2};
  ok(falign_dataset_create_regression(READ_F64(x, 2, 1, 1), READ_F64(x, 2, 1, 1), &dataset));
  ok(falign_batches_create(dataset, NULL, 1, &unlabelled));
  fails(FALIGN_UNSUPPORTED, "no labels", falign_metric_create_similarity(unlabelled, 1, &metric));
  fails(FALIGN_INVALID, "lag is 0", falign_metric_create_similarity(batches, 0, &metric));
  fails(FALIGN_INVALID, "lag is 9223372036854775808",
        falign_metric_create_similarity(batches, (uint64_t)INT64_MAX + 1, &metric));
  fails(FALIGN_INVALID, "batches is NULL", falign_metric_create_similarity(NULL, 1, &metric));
  fails(FALIGN_INVALID, "out is NULL", falign_metric_create_similarity(batches, 1, NULL));
  fails(FALIGN_MEMORY, "9223372036854775807 batches", falign_metric_create_similarity(batches, INT64_MAX, &metric));
  ck_assert_ptr_null(metric);
  falign_dataset_destroy(dataset);
  falign_batches_destroy(unlabelled);
  falign_batches_destroy(batches);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_loop_test(tests, means, 0, 8);
  tcase_add_test(tests, labels_of_the_batches);
  tcase_add_test(tests, no_pairs);
  tcase_add_test(tests, some_iterations);
  tcase_add_test(tests, gaps);
  tcase_add_test(tests, two_trainers);
  tcase_add_test(tests, sinks_that_fail);
  tcase_add_test(tests, other_batches);
  tcase_add_test(tests, metrics_that_are_refused);
}

int main(void) { return run_suite("similarity metric", add_tests); }
