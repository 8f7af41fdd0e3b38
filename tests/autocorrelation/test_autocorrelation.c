/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>

#include "activities.h"

enum { EACH = 2 * D + 1 }; /* values of a lag: L[0..d] and delta[1..d] */

static falign_metric *new_metric(const uint64_t *lags, size_t count) {
  falign_metric *metric = NULL;
  ok(falign_metric_create_autocorrelation(lags, count, &metric));
  ck_assert_str_eq(falign_metric_name(metric), "autocorrelation");
  ck_assert_int_eq(falign_metric_needs(metric), FALIGN_NEEDS_ACTIVITY);
  return metric;
}

static void observe(run *r, const uint64_t *lags, size_t count, uint64_t every) {
  falign_metric *metric = new_metric(lags, count);
  ok(falign_trainer_observe(r->trainer, metric, every, record, &r->log));
  falign_metric_destroy(metric);
}

/* Eq. 25 in plain loops. */
static double cosine(const double a[BATCH][WIDEST], const double b[BATCH][WIDEST], size_t rows, size_t cols) {
  double inner = 0, of_a = 0, of_b = 0;
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = 0; j < cols; j++) {
      inner += a[i][j] * b[i][j];
      of_a += a[i][j] * a[i][j];
      of_b += b[i][j] * b[i][j];
    }
  }
  return inner / sqrt(of_a * of_b);
}

static void check_angle(double degrees, const double a[BATCH][WIDEST], size_t a_rows, const double b[BATCH][WIDEST],
                        size_t b_rows, size_t cols) {
  if (a_rows != b_rows) {
    ck_assert(isnan(degrees));
    return;
  }
  /* sums of at most 70 products, each off by 70 halves of an epsilon of the norms' product at most; the same for the
   * two norms, and there once more */
  near(cos(degrees * 3.14159265358979323846 / 180), cosine(a, b, a_rows, cols), 4 * 70 * DBL_EPSILON);
}

static void check_angles(const run *r, uint64_t k, uint64_t lag) {
  const activity *now = &r->seen[k], *then = &r->seen[k - lag];
  for (uint32_t l = 0; l <= D; l++) {
    check_angle(value_of(&r->log, k, "angle_l_lag", l, (int64_t)lag), now->l[l], now->rows, then->l[l], then->rows,
                n[l]);
    if (l == 0) continue;
    check_angle(value_of(&r->log, k, "angle_delta_lag", l, (int64_t)lag), now->delta[l], now->rows, then->delta[l],
                then->rows, n[l]);
  }
}

/* A run with new orders and a last batch that is smaller: of 1, 4, 5 and 9 the last batch meets itself at 5 alone. */
START_TEST(angles) {
  falign_precision precision = _i & 1 ? FALIGN_F64 : FALIGN_F32;
  uint64_t every = _i & 2 ? 3 : 1;
  const uint64_t lags[] = {4, 1, 9, 5};
  static run r;
  open_run(&r, precision, FALIGN_ORDER_EPOCH, 0.05);
  observe(&r, lags, 4, every);
  ok(falign_trainer_run(r.trainer, r.batches, MOST_STEPS));
  for (uint64_t k = 0; k < MOST_STEPS; k++) {
    size_t count = 0;
    for (size_t i = 0; i < 4; i++) {
      if (lags[i] > k || k % every != 0) continue;
      check_angles(&r, k, lags[i]);
      count += EACH;
    }
    ck_assert_uint_eq(entries_of(&r.log, k), count);
  }
  ck_assert(r.log.count > 0 && r.seen[EPOCH - 1].rows == 3);
  close_run(&r);
}
END_TEST

/* Nothing learns and the order is fixed: an epoch later all is the same, and at other lags it is not. */
START_TEST(repeated_batches) {
  const uint64_t lags[] = {EPOCH, EPOCH - 1};
  static run r;
  open_run(&r, _i ? FALIGN_F64 : FALIGN_F32, FALIGN_ORDER_ONCE, 0);
  observe(&r, lags, 2, 1);
  ok(falign_trainer_run(r.trainer, r.batches, 2 * EPOCH));
  for (size_t i = 0; i < r.log.count; i++) {
    const entry *e = &r.log.entries[i];
    ck_assert(e->order == EPOCH ? e->value == 0 : !(e->value < 1));
  }
  ck_assert_uint_eq(r.log.count, (EPOCH + EPOCH + 1) * EACH);
  close_run(&r);
}
END_TEST

/* A lag beyond the run has no values; one that is asked for twice has them twice. */
START_TEST(lags_beyond_the_start) {
  const uint64_t lags[] = {3, 6, 3};
  static run r;
  open_run(&r, FALIGN_F64, FALIGN_ORDER_NONE, 0.05);
  observe(&r, lags, 3, 1);
  ok(falign_trainer_run(r.trainer, r.batches, 6));
  for (uint64_t k = 0; k < 6; k++) ck_assert_uint_eq(entries_of(&r.log, k), k >= 3 ? 2 * EACH : 0);
  close_run(&r);
}
END_TEST

START_TEST(zero_matrices) {
  const uint64_t lag = 1;
  double x[6] = {1, 2, 3, 4, 5, 6}, zeros[4] = {0};
  static run r;
  open_run(&r, FALIGN_F64, FALIGN_ORDER_NONE, 0.05);
  observe(&r, &lag, 1, 1);
  for (int k = 0; k < 2; k++) ok(falign_trainer_impose(r.trainer, READ_F64(x, 1, 6, 6), READ_F64(zeros, 1, 4, 4)));
  ck_assert_uint_eq(r.log.count, EACH);
  for (uint32_t l = 0; l <= D; l++) {
    ck_assert(value_of(&r.log, 1, "angle_l_lag", l, 1) == 0);
    if (l > 0) ck_assert(isnan(value_of(&r.log, 1, "angle_delta_lag", l, 1)));
  }
  close_run(&r);
}
END_TEST

/* It looks at every step, and has values when it is due. */
START_TEST(some_iterations) {
  const uint64_t at[] = {8, 4, 5}, lags[] = {1, 3};
  static run r;
  open_run(&r, FALIGN_F64, FALIGN_ORDER_EPOCH, 0.05);
  falign_metric *metric = new_metric(lags, 2);
  ok(falign_trainer_observe_at(r.trainer, metric, at, 3, record, &r.log));
  falign_metric_destroy(metric);
  ok(falign_trainer_run(r.trainer, r.batches, 10));
  for (uint64_t k = 0; k < 10; k++) {
    bool due = k == 4 || k == 5 || k == 8;
    ck_assert_uint_eq(entries_of(&r.log, k), due ? 2 * EACH : 0);
    for (size_t i = 0; i < 2 && due; i++) check_angles(&r, k, lags[i]);
  }
  close_run(&r);
}
END_TEST

/* Iterations that the metric has not seen: a lag has values again that many iterations later. */
START_TEST(gaps) {
  const uint64_t lags[] = {1, 3};
  static run r, ahead;
  open_run(&r, FALIGN_F64, FALIGN_ORDER_EPOCH, 0.05);
  open_run(&ahead, FALIGN_F64, FALIGN_ORDER_EPOCH, 0.05);
  observe(&r, lags, 2, 1);
  ok(falign_trainer_run(r.trainer, r.batches, 4));
  ok(falign_trainer_run(ahead.trainer, ahead.batches, 6));
  take_over(&ahead, &r);
  close_run(&ahead);
  ok(falign_trainer_run(r.trainer, r.batches, 10));
  const size_t want[10] = {0, EACH, EACH, 2 * EACH, 0, 0, 0, EACH, EACH, 2 * EACH};
  for (uint64_t k = 0; k < 10; k++) {
    ck_assert_uint_eq(entries_of(&r.log, k), want[k]);
    if (want[k] >= EACH) check_angles(&r, k, 1);
    if (want[k] > EACH) check_angles(&r, k, 3);
  }
  close_run(&r);
}
END_TEST

/* The second trainer goes on where the first one stopped, in another precision. */
START_TEST(two_trainers) {
  const uint64_t lag = 1;
  static run a, b;
  open_run(&a, FALIGN_F32, FALIGN_ORDER_NONE, 0.05);
  open_run(&b, _i ? FALIGN_F32 : FALIGN_F64, FALIGN_ORDER_NONE, 0.05);
  falign_metric *metric = new_metric(&lag, 1);
  ok(falign_trainer_observe(a.trainer, metric, 1, record, &a.log));
  ok(falign_trainer_observe(b.trainer, metric, 1, record, &b.log));
  ok(falign_trainer_run(a.trainer, a.batches, 2));
  take_over(&a, &b);
  ok(falign_trainer_run(b.trainer, b.batches, 5));
  ck_assert_uint_eq(a.log.count, EACH);
  ck_assert_uint_eq(entries_of(&b.log, 2), 0);
  ck_assert_uint_eq(b.log.count, 2 * EACH);
  check_angles(&b, 3, 1);
  check_angles(&b, 4, 1);
  falign_metric_destroy(metric);
  close_run(&a);
  close_run(&b);
}
END_TEST

START_TEST(metrics_that_are_refused) {
  falign_metric *metric = NULL;
  const uint64_t fine[] = {1, 2}, zero[] = {1, 0}, large[] = {(uint64_t)INT64_MAX + 1, 1}, far = INT64_MAX;
  fails(FALIGN_INVALID, "lags[1] is 0", falign_metric_create_autocorrelation(zero, 2, &metric));
  fails(FALIGN_INVALID, "lags[0] is 9223372036854775808", falign_metric_create_autocorrelation(large, 2, &metric));
  fails(FALIGN_INVALID, "no lags", falign_metric_create_autocorrelation(fine, 0, &metric));
  fails(FALIGN_INVALID, "lags is NULL", falign_metric_create_autocorrelation(NULL, 2, &metric));
  fails(FALIGN_INVALID, "out is NULL", falign_metric_create_autocorrelation(fine, 2, NULL));
  fails(FALIGN_MEMORY, "9223372036854775807 iterations", falign_metric_create_autocorrelation(&far, 1, &metric));
  ck_assert_ptr_null(metric);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_loop_test(tests, angles, 0, 4);
  tcase_add_loop_test(tests, repeated_batches, 0, 2);
  tcase_add_test(tests, lags_beyond_the_start);
  tcase_add_test(tests, zero_matrices);
  tcase_add_test(tests, some_iterations);
  tcase_add_test(tests, gaps);
  tcase_add_loop_test(tests, two_trainers, 0, 2);
  tcase_add_test(tests, metrics_that_are_refused);
}

int main(void) { return run_suite("autocorrelation", add_tests); }
