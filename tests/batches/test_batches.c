/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

enum { POINTS = 103, WIDTH = 3, CATEGORIES = 4, OUTPUTS = 9, SIZE = 10, COUNT = 11 };

/* Point i is (i, i + 0.1, i + 0.2), of category i % 4. */
static falign_dataset *make_data(void) {
  double x[POINTS * WIDTH];
  uint32_t labels[POINTS];
  falign_dataset *data = NULL;
  for (uint32_t i = 0; i < POINTS; i++) {
    for (uint32_t j = 0; j < WIDTH; j++) x[i * WIDTH + j] = i + 0.1 * j;
    labels[i] = i % CATEGORIES;
  }
  ok(falign_dataset_create_f64(x, POINTS, WIDTH, WIDTH, labels, CATEGORIES, &data));
  return data;
}

static falign_code *make_code(uint64_t seed) {
  falign_code *code = NULL;
  ok(falign_code_create_n_hot(CATEGORIES, OUTPUTS, 2, seed, 0, &code));
  return code;
}

/* Batches that hold the only references to their dataset and code. */
static falign_batches *make(falign_order order, uint64_t seed, uint32_t run) {
  falign_dataset *data = make_data();
  falign_code *code = make_code(1);
  falign_batches *batches = NULL;
  ok(falign_batches_create(data, code, SIZE, &batches));
  ok(falign_batches_set_order(batches, order, seed, run));
  falign_dataset_destroy(data);
  falign_code_destroy(code);
  return batches;
}

/* The points of an epoch. */
static void points_of_epoch(falign_batches *batches, uint64_t epoch, uint32_t points[POINTS]) {
  for (uint64_t k = 0; k < COUNT; k++)
    ok(falign_batches_points_of(batches, epoch * COUNT + k, points + k * SIZE, NULL));
}

static bool same_epochs(falign_batches *a, uint64_t epoch_a, falign_batches *b, uint64_t epoch_b) {
  uint32_t points_a[POINTS], points_b[POINTS];
  points_of_epoch(a, epoch_a, points_a);
  points_of_epoch(b, epoch_b, points_b);
  return memcmp(points_a, points_b, sizeof points_a) == 0;
}

/* Each row has its point's inputs and, smoothed, its label's code. */
static void check_content(falign_batches *batches, uint64_t k, double smoothing) {
  uint32_t points[SIZE], labels[SIZE];
  double x[SIZE * WIDTH], y[SIZE * OUTPUTS];
  float x32[SIZE * WIDTH], y32[SIZE * OUTPUTS];
  ok(falign_batches_points_of(batches, k, points, labels));
  ok(falign_batches_get_f64(batches, k, x, y));
  ok(falign_batches_get_f32(batches, k, x32, y32));
  for (size_t i = 0; i < falign_batches_rows(batches, k); i++) {
    for (size_t j = 0; j < WIDTH; j++) {
      ck_assert(x[i * WIDTH + j] == points[i] + 0.1 * (double)j);
      ck_assert(x32[i * WIDTH + j] == (float)x[i * WIDTH + j]);
    }
    for (size_t j = 0; j < OUTPUTS; j++) {
      double one = falign_code_row(falign_batches_code(batches), labels[i])[j];
      ck_assert(y[i * OUTPUTS + j] == (one == 1 ? 1 - smoothing : smoothing));
      ck_assert(y32[i * OUTPUTS + j] == (float)y[i * OUTPUTS + j]);
    }
  }
}

START_TEST(shape) {
  falign_batches *batches = make(FALIGN_ORDER_NONE, 0, 0);
  ck_assert_uint_eq(falign_batches_count(batches), COUNT);
  ck_assert_uint_eq(falign_batches_points(batches), POINTS);
  ck_assert_uint_eq(falign_batches_size(batches), SIZE);
  ck_assert_uint_eq(falign_batches_input_width(batches), WIDTH);
  ck_assert_uint_eq(falign_batches_target_width(batches), OUTPUTS);
  ck_assert_uint_eq(falign_batches_rows(batches, 9), 10);
  ck_assert_uint_eq(falign_batches_rows(batches, 10), 3);
  ck_assert_uint_eq(falign_batches_rows(batches, 11), 10);
  ck_assert_uint_eq(falign_batches_rows(batches, 21), 3);
  falign_batches_destroy(batches);
  falign_batches_destroy(NULL);
}
END_TEST

START_TEST(sizes) {
  falign_dataset *data = make_data();
  falign_code *code = make_code(1);
  falign_batches *batches = NULL;
  const size_t given[] = {POINTS, 1, 51, 52, 102};
  const uint64_t counts[] = {1, POINTS, 3, 2, 2};
  const size_t last[] = {POINTS, 1, 1, 51, 1};
  for (int i = 0; i < 5; i++) {
    ok(falign_batches_create(data, code, given[i], &batches));
    ck_assert_uint_eq(falign_batches_count(batches), counts[i]);
    ck_assert_uint_eq(falign_batches_rows(batches, counts[i] - 1), last[i]);
    falign_batches_destroy(batches);
  }
  falign_dataset_destroy(data);
  falign_code_destroy(code);
}
END_TEST

START_TEST(order_none) {
  falign_batches *batches = make(FALIGN_ORDER_NONE, 0, 0);
  uint32_t points[POINTS];
  points_of_epoch(batches, 5, points);
  for (uint32_t i = 0; i < POINTS; i++) ck_assert_uint_eq(points[i], i);
  for (uint64_t k = 0; k < COUNT; k++) check_content(batches, k, 0);
  falign_batches_destroy(batches);
}
END_TEST

static void check_permutation(const uint32_t *points) {
  bool seen[POINTS] = {false};
  for (int i = 0; i < POINTS; i++) {
    ck_assert(points[i] < POINTS && !seen[points[i]]);
    seen[points[i]] = true;
  }
}

/* The permutation is that of the stream (seed, FALIGN_RNG_ORDER, epoch, run). */
static void check_stream(const uint32_t *points, uint64_t seed, uint32_t epoch, uint32_t run) {
  uint32_t want[POINTS];
  falign_rng *rng = NULL;
  ok(falign_rng_create(seed, FALIGN_RNG_ORDER, epoch, run, &rng));
  falign_rng_permutation(rng, want, POINTS);
  ck_assert_mem_eq(points, want, sizeof want);
  falign_rng_destroy(rng);
}

START_TEST(order_once) {
  falign_batches *batches = make(FALIGN_ORDER_ONCE, 7, 3), *run = make(FALIGN_ORDER_ONCE, 7, 4);
  uint32_t points[POINTS];
  points_of_epoch(batches, 0, points);
  check_permutation(points);
  check_stream(points, 7, 0, 3);
  ck_assert(same_epochs(batches, 0, batches, 1000000000));
  ck_assert(!same_epochs(batches, 0, run, 0));
  for (uint64_t k = 0; k < COUNT; k++) check_content(batches, k, 0);
  falign_batches_destroy(batches);
  falign_batches_destroy(run);
}
END_TEST

START_TEST(order_epoch) {
  falign_batches *batches = make(FALIGN_ORDER_EPOCH, 7, 3), *again = make(FALIGN_ORDER_EPOCH, 7, 3);
  uint32_t points[POINTS];
  for (uint32_t epoch = 0; epoch < 4; epoch++) {
    points_of_epoch(batches, epoch, points);
    check_permutation(points);
    check_stream(points, 7, epoch, 3);
  }
  ck_assert(!same_epochs(batches, 0, batches, 1));
  ck_assert(same_epochs(batches, 1, again, 1));
  check_content(batches, 25, 0);
  check_content(batches, 3, 0);
  points_of_epoch(batches, 0xffffff, points);
  check_stream(points, 7, 0xffffff, 3);
  fails(FALIGN_INVALID, "iteration 184549376 is in epoch 16777216",
        falign_batches_points_of(batches, (uint64_t)COUNT << 24, points, NULL));
  fails(FALIGN_INVALID, "orders end with epoch 16777215",
        falign_batches_get_f32(batches, UINT64_MAX, NULL, (float *)points));
  points_of_epoch(batches, 0, points);
  check_stream(points, 7, 0, 3);
  falign_batches_destroy(batches);
  falign_batches_destroy(again);
}
END_TEST

START_TEST(smoothing) {
  falign_batches *batches = make(FALIGN_ORDER_ONCE, 1, 0);
  double y[SIZE * OUTPUTS];
  float y32[SIZE * OUTPUTS];
  ok(falign_batches_set_smoothing(batches, 0.05));
  ok(falign_batches_get_f64(batches, 0, NULL, y));
  ok(falign_batches_get_f32(batches, 0, NULL, y32));
  int ones = 0;
  for (int i = 0; i < SIZE * OUTPUTS; i++) {
    ck_assert(y[i] == 0.95 || y[i] == 0.05);
    ck_assert(y32[i] == 0.95f || y32[i] == 0.05f);
    ones += y[i] == 0.95;
  }
  ck_assert_int_eq(ones, 2 * SIZE);
  for (uint64_t k = 0; k < COUNT; k++) check_content(batches, k, 0.05);
  fails(FALIGN_INVALID, "smoothing is 0.6", falign_batches_set_smoothing(batches, 0.6));
  fails(FALIGN_INVALID, "smoothing is -0.1", falign_batches_set_smoothing(batches, -0.1));
  fails(FALIGN_INVALID, "nan", falign_batches_set_smoothing(batches, NAN));
  check_content(batches, 0, 0.05);
  ok(falign_batches_set_smoothing(batches, 0.5));
  check_content(batches, 0, 0.5);
  falign_batches_destroy(batches);
}
END_TEST

START_TEST(regression) {
  const double x[] = {1, 2, 3}, y[] = {1, 0, 1e308, -2, 0.25, 8};
  falign_dataset *data;
  falign_batches *batches;
  double got_x[2], got[4];
  float got32[4];
  ok(falign_dataset_create_regression_f64(x, 3, 1, 1, y, 2, 2, &data));
  ok(falign_batches_create(data, NULL, 2, &batches));
  falign_dataset_destroy(data);
  ck_assert_ptr_null(falign_batches_code(batches));
  ck_assert_uint_eq(falign_batches_target_width(batches), 2);
  ok(falign_batches_get_f64(batches, 0, got_x, got));
  ck_assert(got_x[1] == 2);
  ck_assert_mem_eq(got, y, sizeof got);
  ok(falign_batches_get_f32(batches, 3, NULL, got32));
  ck_assert(got32[0] == 0.25f && got32[1] == 8);
  ok(falign_batches_set_smoothing(batches, 0.25));
  ok(falign_batches_get_f64(batches, 1, NULL, got));
  ck_assert(got[0] == 0.375 && got[1] == 4.25);
  uint32_t labels[2];
  fails(FALIGN_UNSUPPORTED, "no labels", falign_batches_points_of(batches, 0, NULL, labels));
  fails(FALIGN_UNSUPPORTED, "no labels", falign_batches_shuffle_labels(batches, 0.5, 0, 0));
  falign_batches_destroy(batches);
}
END_TEST

static int changed_labels(falign_batches *batches) {
  int changed = 0;
  for (uint64_t k = 0; k < COUNT; k++) {
    uint32_t points[SIZE], labels[SIZE];
    ok(falign_batches_points_of(batches, k, points, labels));
    for (size_t i = 0; i < falign_batches_rows(batches, k); i++) {
      ck_assert_uint_lt(labels[i], CATEGORIES);
      changed += labels[i] != points[i] % CATEGORIES;
    }
  }
  return changed;
}

START_TEST(label_shuffling) {
  falign_batches *batches = make(FALIGN_ORDER_ONCE, 1, 0);
  ok(falign_batches_shuffle_labels(batches, 0, 3, 0));
  ck_assert_int_eq(changed_labels(batches), 0);
  double changed = 0;
  enum { RUNS = 400, CHOSEN = 62 }; /* 0.6 * 103 = 61.8 */
  for (uint32_t run = 0; run < RUNS; run++) {
    ok(falign_batches_shuffle_labels(batches, 0.6, 3, run));
    int now = changed_labels(batches);
    ck_assert_int_le(now, CHOSEN);
    changed += now;
  }
  near(changed / RUNS, 0.75 * CHOSEN, 5 * sqrt(CHOSEN * 0.75 * 0.25 / RUNS));
  for (uint64_t k = 0; k < COUNT; k++) check_content(batches, k, 0);
  fails(FALIGN_INVALID, "fraction is 1.5", falign_batches_shuffle_labels(batches, 1.5, 0, 0));
  fails(FALIGN_INVALID, "fraction is -0.5", falign_batches_shuffle_labels(batches, -0.5, 0, 0));
  fails(FALIGN_INVALID, "nan", falign_batches_shuffle_labels(batches, NAN, 0, 0));
  falign_batches_destroy(batches);
}
END_TEST

/* Exactly round(fraction * points) labels are drawn: with very many categories none is kept by chance. */
START_TEST(label_shuffling_counts) {
  enum { MANY = 1000 };
  const uint32_t categories = 1000000007;
  double x[MANY] = {0};
  uint32_t labels[MANY] = {0}, got[MANY];
  falign_dataset *data = NULL;
  falign_batches *batches = NULL;
  const double one = 1;
  falign_code *code = NULL;
  fails(FALIGN_SHAPE, "needs a code",
        falign_dataset_create_f64(x, MANY, 1, 1, labels, categories, &data) != FALIGN_OK
            ? FALIGN_OK
            : falign_batches_create(data, NULL, MANY, &batches));
  ok(falign_code_create(&one, 1, 1, 1, &code));
  fails(FALIGN_SHAPE, "the code has 1 categories, but the dataset has 1000000007",
        falign_batches_create(data, code, MANY, &batches));
  (void)got;
  falign_code_destroy(code);
  falign_dataset_destroy(data);
}
END_TEST
