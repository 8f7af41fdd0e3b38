/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

enum { POINTS = 103, WIDTH = 3, CATEGORIES = 4, OUTPUTS = 9, SIZE = 10, COUNT = 11 };

/* With the shapes that the batch has; NULL leaves one out. */
static falign_status get_f32(falign_batches *batches, uint64_t k, float *x, float *y) {
  size_t rows = batches ? falign_batches_rows(batches, k) : 0;
  size_t in = batches ? falign_batches_get_shape(batches)->input_width : 0,
         out = batches ? falign_batches_get_shape(batches)->target_width : 0;
  return falign_batches_get(batches, k, x ? WRITE_F32(x, rows, in, in) : NULL, y ? WRITE_F32(y, rows, out, out) : NULL);
}

static falign_status get_f64(falign_batches *batches, uint64_t k, double *x, double *y) {
  size_t rows = falign_batches_rows(batches, k);
  size_t in = falign_batches_get_shape(batches)->input_width, out = falign_batches_get_shape(batches)->target_width;
  return falign_batches_get(batches, k, x ? WRITE_F64(x, rows, in, in) : NULL, y ? WRITE_F64(y, rows, out, out) : NULL);
}

static falign_status points_of(falign_batches *batches, uint64_t k, uint32_t *points, uint32_t *labels) {
  return falign_batches_points_of(batches, k, points, labels, batches ? falign_batches_rows(batches, k) : 0);
}

/* Point i is (i, i + 0.1, i + 0.2), of category i % 4. */
static falign_dataset *make_data(void) {
  double x[POINTS * WIDTH];
  uint32_t labels[POINTS];
  falign_dataset *data = NULL;
  for (uint32_t i = 0; i < POINTS; i++) {
    for (uint32_t j = 0; j < WIDTH; j++) x[i * WIDTH + j] = i + 0.1 * j;
    labels[i] = i % CATEGORIES;
  }
  ok(falign_dataset_create(READ_F64(x, POINTS, WIDTH, WIDTH), labels, CATEGORIES, &data));
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
  for (uint64_t k = 0; k < COUNT; k++) ok(points_of(batches, epoch * COUNT + k, points + k * SIZE, NULL));
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
  ok(points_of(batches, k, points, labels));
  ok(get_f64(batches, k, x, y));
  ok(get_f32(batches, k, x32, y32));
  for (size_t i = 0; i < falign_batches_rows(batches, k); i++) {
    for (size_t j = 0; j < WIDTH; j++) {
      ck_assert(x[i * WIDTH + j] == points[i] + 0.1 * (double)j);
      ck_assert(x32[i * WIDTH + j] == (float)x[i * WIDTH + j]);
    }
    for (size_t j = 0; j < OUTPUTS; j++) {
      double one = code_row(falign_batches_code(batches), labels[i])[j];
      ck_assert(y[i * OUTPUTS + j] == (one == 1 ? 1 - smoothing : smoothing));
      ck_assert(y32[i * OUTPUTS + j] == (float)y[i * OUTPUTS + j]);
    }
  }
}

START_TEST(shape) {
  falign_batches *batches = make(FALIGN_ORDER_NONE, 0, 0);
  ck_assert_uint_eq(falign_batches_get_shape(batches)->count, COUNT);
  ck_assert_uint_eq(falign_batches_get_shape(batches)->points, POINTS);
  ck_assert_uint_eq(falign_batches_get_shape(batches)->size, SIZE);
  ck_assert_uint_eq(falign_batches_get_shape(batches)->input_width, WIDTH);
  ck_assert_uint_eq(falign_batches_get_shape(batches)->target_width, OUTPUTS);
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
    ck_assert_uint_eq(falign_batches_get_shape(batches)->count, counts[i]);
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
  ok(falign_batches_set_order(batches, FALIGN_ORDER_ONCE, 8, 3));
  points_of_epoch(batches, 0, points);
  check_stream(points, 8, 0, 3);
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
        points_of(batches, (uint64_t)COUNT << 24, points, NULL));
  fails(FALIGN_INVALID, "orders end with epoch 16777215", get_f32(batches, UINT64_MAX, NULL, (float *)points));
  points_of_epoch(batches, 0, points);
  check_stream(points, 7, 0, 3);
  falign_batches_destroy(batches);
  falign_batches_destroy(again);
}
END_TEST

/* Inputs and targets go to matrices of any layout, each in its own precision. */
START_TEST(any_steps) {
  falign_batches *batches = make(FALIGN_ORDER_ONCE, 1, 0);
  static layout_room rooms[2];
  double x[SIZE * WIDTH], y[SIZE * OUTPUTS];
  ok(get_f64(batches, 4, x, y));
  for (int layout = 0; layout < LAYOUTS; layout++) {
    falign_precision precision = layout & 1 ? FALIGN_F64 : FALIGN_F32, other = layout & 1 ? FALIGN_F32 : FALIGN_F64;
    falign_matrix to_x = lay_out(&rooms[0], layout, precision, SIZE, WIDTH, -7);
    falign_matrix to_y = lay_out(&rooms[1], LAYOUTS - 1 - layout, other, SIZE, OUTPUTS, -7);
    ok(falign_batches_get(batches, 4, &to_x, &to_y));
    ck_assert(holds(&rooms[0], &to_x, -7, x) && holds(&rooms[1], &to_y, -7, y));
  }
  x[0] = y[0] = -7;
  fails(FALIGN_SHAPE, "x is 10 x 3, got 9 x 3",
        falign_batches_get(batches, 4, WRITE_F64(x, SIZE - 1, WIDTH, WIDTH), WRITE_F64(y, SIZE, OUTPUTS, OUTPUTS)));
  fails(FALIGN_SHAPE, "y is 10 x 9, got 10 x 8",
        falign_batches_get(batches, 4, WRITE_F64(x, SIZE, WIDTH, WIDTH), WRITE_F64(y, SIZE, OUTPUTS - 1, OUTPUTS)));
  fails(FALIGN_INVALID, "y is 10 x 9 with invalid steps: 8 from row to row, 1 from column to column",
        falign_batches_get(batches, 4, WRITE_F64(x, SIZE, WIDTH, WIDTH), WRITE_F64(y, SIZE, OUTPUTS, OUTPUTS - 1)));
  ck_assert(x[0] == -7 && y[0] == -7);
  falign_batches_destroy(batches);
}
END_TEST

START_TEST(smoothing) {
  falign_batches *batches = make(FALIGN_ORDER_ONCE, 1, 0);
  double y[SIZE * OUTPUTS];
  float y32[SIZE * OUTPUTS];
  ok(falign_batches_set_smoothing(batches, 0.05));
  ok(get_f64(batches, 0, NULL, y));
  ok(get_f32(batches, 0, NULL, y32));
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
  fails(FALIGN_INVALID, "smoothing is nan, outside 0..0.5", falign_batches_set_smoothing(batches, NAN));
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
  ok(falign_dataset_create_regression(READ_F64(x, 3, 1, 1), READ_F64(y, 3, 2, 2), &data));
  ok(falign_batches_create(data, NULL, 2, &batches));
  falign_dataset_destroy(data);
  ck_assert_ptr_null(falign_batches_code(batches));
  ck_assert_uint_eq(falign_batches_get_shape(batches)->target_width, 2);
  ok(get_f64(batches, 0, got_x, got));
  ck_assert(got_x[1] == 2);
  ck_assert_mem_eq(got, y, sizeof got);
  ok(get_f32(batches, 3, NULL, got32));
  ck_assert(got32[0] == 0.25f && got32[1] == 8);
  ok(falign_batches_set_smoothing(batches, 0.25));
  ok(get_f64(batches, 1, NULL, got));
  ck_assert(got[0] == 0.375 && got[1] == 4.25);
  uint32_t labels[2];
  fails(FALIGN_UNSUPPORTED, "no labels", points_of(batches, 0, NULL, labels));
  fails(FALIGN_UNSUPPORTED, "no labels", falign_batches_shuffle_labels(batches, 0.5, 0, 0));
  falign_batches_destroy(batches);
}
END_TEST

static int changed_labels(falign_batches *batches) {
  int changed = 0;
  for (uint64_t k = 0; k < COUNT; k++) {
    uint32_t points[SIZE], labels[SIZE];
    ok(points_of(batches, k, points, labels));
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
  fails(FALIGN_INVALID, "fraction is nan, outside 0..1", falign_batches_shuffle_labels(batches, NAN, 0, 0));
  falign_batches_destroy(batches);
}
END_TEST

/* round(fraction * points) labels are drawn: with very many categories none is drawn as it was. */
START_TEST(label_shuffling_counts) {
  enum { MANY = 1000, KINDS = 100000 };
  static const double rows[KINDS], x[MANY];
  const uint32_t zeros[MANY] = {0};
  const double fractions[] = {0.2504, 0.2506, 1};
  const int want[] = {250, 251, MANY};
  falign_dataset *data;
  falign_code *code;
  falign_batches *batches;
  ok(falign_dataset_create(READ_F64(x, MANY, 1, 1), zeros, KINDS, &data));
  ok(falign_code_create(READ_F64(rows, KINDS, 1, 1), &code));
  ok(falign_batches_create(data, code, MANY, &batches));
  for (int i = 0; i < 3; i++) {
    uint32_t labels[MANY];
    int drawn = 0;
    ok(falign_batches_shuffle_labels(batches, fractions[i], 1, 0));
    ok(points_of(batches, 0, NULL, labels));
    for (int j = 0; j < MANY; j++) drawn += labels[j] != 0;
    ck_assert_int_eq(drawn, want[i]);
  }
  falign_batches_destroy(batches);
  falign_code_destroy(code);
  falign_dataset_destroy(data);
}
END_TEST

START_TEST(bad_arguments) {
  falign_dataset *data = make_data();
  falign_code *code = make_code(1), *other;
  falign_batches *batches = NULL;
  uint32_t points[SIZE];
  ok(falign_code_create_n_hot(CATEGORIES + 1, OUTPUTS, 1, 0, 0, &other));
  fails(FALIGN_INVALID, "0 rows", falign_batches_create(data, code, 0, &batches));
  fails(FALIGN_INVALID, "104 rows, but the dataset has 103", falign_batches_create(data, code, POINTS + 1, &batches));
  fails(FALIGN_SHAPE, "the code has 5 categories, but the dataset has 4",
        falign_batches_create(data, other, SIZE, &batches));
  fails(FALIGN_SHAPE, "needs a code", falign_batches_create(data, NULL, SIZE, &batches));
  fails(FALIGN_INVALID, "dataset is NULL", falign_batches_create(NULL, code, SIZE, &batches));
  fails(FALIGN_INVALID, "out is NULL", falign_batches_create(data, code, SIZE, NULL));
  ck_assert_ptr_null(batches);
  ok(falign_batches_create(data, code, SIZE, &batches));
  fails(FALIGN_INVALID, "order 3", falign_batches_set_order(batches, 3, 0, 0));
  fails(FALIGN_INVALID, "order -1", falign_batches_set_order(batches, -1, 0, 0));
  fails(FALIGN_INVALID, "batches is NULL", falign_batches_set_order(NULL, FALIGN_ORDER_ONCE, 0, 0));
  fails(FALIGN_INVALID, "batches is NULL", falign_batches_set_smoothing(NULL, 0));
  fails(FALIGN_INVALID, "batches is NULL", falign_batches_shuffle_labels(NULL, 0, 0, 0));
  fails(FALIGN_INVALID, "batches is NULL", points_of(NULL, 0, points, NULL));
  fails(FALIGN_INVALID, "batches is NULL", get_f32(NULL, 0, NULL, NULL));
  fails(FALIGN_INVALID, "tensors is NULL", falign_batches_export(batches, 0, NULL));
  fails(FALIGN_INVALID, "tensors is NULL", falign_batches_import(batches, 0, NULL));
  falign_batches_destroy(batches);
  falign_code_destroy(code);
  falign_code_destroy(other);
  falign_dataset_destroy(data);
}
END_TEST

static bool same_content(falign_batches *a, falign_batches *b, uint64_t k) {
  double x_a[SIZE * WIDTH] = {0}, y_a[SIZE * OUTPUTS] = {0}, x_b[SIZE * WIDTH] = {0}, y_b[SIZE * OUTPUTS] = {0};
  ok(get_f64(a, k, x_a, y_a));
  ok(get_f64(b, k, x_b, y_b));
  return memcmp(x_a, x_b, sizeof x_a) == 0 && memcmp(y_a, y_b, sizeof y_a) == 0;
}

static falign_tensors *export(falign_batches *batches, uint64_t k) {
  falign_tensors *set;
  ok(falign_tensors_create(&set));
  ok(falign_batches_export(batches, k, set));
  return set;
}

/* What one run has drawn, put in the place of another's: labels, code and the order of that epoch. */
START_TEST(round_trip) {
  const uint64_t k = 2 * COUNT + 5;
  falign_dataset *data = make_data();
  falign_code *code = make_code(2);
  falign_batches *from = make(FALIGN_ORDER_EPOCH, 1, 0), *to, *unchanged = make(FALIGN_ORDER_EPOCH, 5, 0);
  ok(falign_batches_create(data, code, SIZE, &to));
  ok(falign_batches_set_order(to, FALIGN_ORDER_EPOCH, 5, 0));
  ok(falign_batches_shuffle_labels(from, 0.5, 9, 0));
  falign_tensors *set = export(from, k);
  ck_assert_uint_eq(falign_tensors_count(set), 3);
  ck_assert(!same_content(from, to, k));
  ok(falign_batches_import(to, k, set));
  for (uint64_t at = 2 * COUNT; at < 3 * COUNT; at++) ck_assert(same_content(from, to, at));
  ck_assert(same_epochs(to, 3, unchanged, 3));
  ck_assert(same_epochs(to, 2, from, 2));
  ck_assert_int_eq(changed_labels(to), changed_labels(from));
  ok(falign_batches_set_order(to, FALIGN_ORDER_EPOCH, 5, 0));
  ck_assert(same_epochs(to, 2, unchanged, 2));
  fails(FALIGN_INVALID, "epoch 16777216", falign_batches_import(to, (uint64_t)COUNT << 24, set));
  falign_tensors_destroy(set);
  falign_code_destroy(code);
  falign_dataset_destroy(data);
  falign_batches_destroy(from);
  falign_batches_destroy(to);
  falign_batches_destroy(unchanged);
}
END_TEST

/* An order that is kept for the run is imported for all of its epochs; one's own order is not in the set. */
START_TEST(round_trip_of_other_orders) {
  falign_batches *from = make(FALIGN_ORDER_ONCE, 1, 0), *to = make(FALIGN_ORDER_ONCE, 2, 0);
  falign_batches *none = make(FALIGN_ORDER_NONE, 0, 0);
  falign_tensors *set = export(from, 40);
  ok(falign_batches_import(to, 40, set));
  ck_assert(same_epochs(to, 0, from, 0));
  ck_assert(same_epochs(to, 7, from, 7));
  falign_tensors *without = export(none, 0);
  ck_assert_uint_eq(falign_tensors_count(without), 1);
  ok(falign_batches_import(none, 0, without));
  fails(FALIGN_FORMAT, "there is no \"order\"", falign_batches_import(to, 0, without));
  fails(FALIGN_FORMAT, "there is an \"order\"", falign_batches_import(none, 0, set));
  falign_tensors_destroy(set);
  falign_tensors_destroy(without);
  falign_batches_destroy(from);
  falign_batches_destroy(to);
  falign_batches_destroy(none);
}
END_TEST

/* A run that has shuffled its labels does not go on with others. */
START_TEST(import_without_labels) {
  falign_batches *from = make(FALIGN_ORDER_ONCE, 1, 0), *to = make(FALIGN_ORDER_ONCE, 1, 0);
  falign_tensors *set = export(from, 0);
  ok(falign_batches_shuffle_labels(to, 1, 0, 0));
  ck_assert_int_gt(changed_labels(to), 0);
  int changed = changed_labels(to);
  fails(FALIGN_FORMAT, "there are no \"labels\"", falign_batches_import(to, 0, set));
  ck_assert_int_eq(changed_labels(to), changed);
  falign_tensors_destroy(set);
  falign_batches_destroy(from);
  falign_batches_destroy(to);
}
END_TEST

/* A failed export leaves the set as it was. */
START_TEST(export_into_a_full_set) {
  falign_batches *batches = make(FALIGN_ORDER_ONCE, 1, 0);
  falign_tensors *set;
  const int64_t one = 1;
  ok(falign_tensors_create(&set));
  ok(falign_tensors_add(set, "order", FALIGN_DTYPE_I64, NULL, 0, &one));
  fails(FALIGN_INVALID, "order", falign_batches_export(batches, 0, set));
  ck_assert_uint_eq(falign_tensors_count(set), 1);
  falign_tensors_destroy(set);
  falign_batches_destroy(batches);
}
END_TEST

/* Parts of a set of tensors; those that are NULL are left out. */
typedef struct {
  const double *code;
  size_t outputs;
  const int64_t *labels, *order;
  size_t labels_count, order_count;
} parts;

/* The parts are refused, and the batches stay as they were. */
static void refused(falign_status want, const char *text, const parts *given) {
  falign_batches *batches = make(FALIGN_ORDER_ONCE, 1, 0), *unchanged = make(FALIGN_ORDER_ONCE, 1, 0);
  falign_tensors *set;
  ok(falign_tensors_create(&set));
  if (given->code) {
    ok(falign_tensors_add(set, "code", FALIGN_DTYPE_F64, (size_t[]){CATEGORIES, given->outputs}, 2, given->code));
  }
  if (given->labels) ok(falign_tensors_add(set, "labels", FALIGN_DTYPE_I64, &given->labels_count, 1, given->labels));
  if (given->order) ok(falign_tensors_add(set, "order", FALIGN_DTYPE_I64, &given->order_count, 1, given->order));
  fails(want, text, falign_batches_import(batches, 0, set));
  for (uint64_t k = 0; k < COUNT; k++) ck_assert(same_content(batches, unchanged, k));
  falign_tensors_destroy(set);
  falign_batches_destroy(batches);
  falign_batches_destroy(unchanged);
}

START_TEST(bad_imports) {
  double code[CATEGORIES * OUTPUTS] = {1}, infinite[CATEGORIES * OUTPUTS] = {INFINITY};
  int64_t labels[POINTS] = {0}, order[POINTS], bad[POINTS];
  for (int i = 0; i < POINTS; i++) order[i] = POINTS - 1 - i;
  const parts good = {code, OUTPUTS, labels, order, POINTS, POINTS};
  parts given = good;
  given.code = NULL;
  refused(FALIGN_FORMAT, "there is no \"code\"", &given);
  given = good;
  given.outputs = OUTPUTS - 1;
  refused(FALIGN_SHAPE, "\"code\" is 4 x 9, got 4 x 8", &given);
  given = good;
  given.code = infinite;
  refused(FALIGN_INVALID, "code", &given);
  given = good;
  given.labels_count--;
  refused(FALIGN_SHAPE, "\"labels\" has 102 numbers, not 103", &given);
  given = good;
  given.order_count--;
  refused(FALIGN_SHAPE, "\"order\" has 102 numbers, not 103", &given);
  given = good;
  given.labels = bad;
  memcpy(bad, labels, sizeof bad);
  bad[7] = CATEGORIES;
  refused(FALIGN_FORMAT, "\"labels\" has 4 at index 7, outside 0..3", &given);
  bad[7] = -1;
  refused(FALIGN_FORMAT, "\"labels\" has -1 at index 7", &given);
  bad[7] = 1ll << 32;
  refused(FALIGN_FORMAT, "\"labels\" has 4294967296 at index 7", &given);
  given = good;
  given.order = bad;
  memcpy(bad, order, sizeof bad);
  bad[9] = POINTS;
  refused(FALIGN_FORMAT, "\"order\" has 103 at index 9, outside 0..102", &given);
  bad[9] = bad[3];
  refused(FALIGN_FORMAT, "\"order\" has 99 twice, again at index 9", &given);
}
END_TEST

START_TEST(bad_import_types) {
  falign_batches *batches = make(FALIGN_ORDER_ONCE, 1, 0);
  falign_tensors *set;
  const double numbers[POINTS] = {0};
  const int64_t square[POINTS] = {0};
  ok(falign_tensors_create(&set));
  ok(falign_code_export(falign_batches_code(batches), FALIGN_F32, set));
  ok(falign_tensors_add(set, "order", FALIGN_DTYPE_F64, (size_t[]){POINTS}, 1, numbers));
  fails(FALIGN_FORMAT, "\"order\" is not of 64-bit integers", falign_batches_import(batches, 0, set));
  ok(falign_tensors_add(set, "labels", FALIGN_DTYPE_I64, (size_t[]){POINTS, 1}, 2, square));
  fails(FALIGN_SHAPE, "\"labels\" has 2 dimensions", falign_batches_import(batches, 0, set));
  falign_tensors_destroy(set);
  falign_batches_destroy(batches);
}
END_TEST

/* Batches of targets need no code, and take no labels. */
START_TEST(import_of_regression) {
  const double x[] = {1, 2, 3};
  const int64_t labels[] = {0, 0, 0};
  falign_dataset *data;
  falign_batches *batches;
  ok(falign_dataset_create_regression(READ_F64(x, 3, 1, 1), READ_F64(x, 3, 1, 1), &data));
  ok(falign_batches_create(data, NULL, 2, &batches));
  ok(falign_batches_set_order(batches, FALIGN_ORDER_EPOCH, 0, 0));
  falign_tensors *set = export(batches, 1);
  ck_assert_uint_eq(falign_tensors_count(set), 1);
  ok(falign_batches_import(batches, 1, set));
  ok(falign_tensors_add(set, "labels", FALIGN_DTYPE_I64, (size_t[]){3}, 1, labels));
  fails(FALIGN_FORMAT, "the dataset has none", falign_batches_import(batches, 1, set));
  falign_tensors_destroy(set);
  falign_batches_destroy(batches);
  falign_dataset_destroy(data);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, shape);
  tcase_add_test(tests, sizes);
  tcase_add_test(tests, order_none);
  tcase_add_test(tests, order_once);
  tcase_add_test(tests, order_epoch);
  tcase_add_test(tests, any_steps);
  tcase_add_test(tests, smoothing);
  tcase_add_test(tests, regression);
  tcase_add_test(tests, label_shuffling);
  tcase_add_test(tests, label_shuffling_counts);
  tcase_add_test(tests, bad_arguments);
  tcase_add_test(tests, round_trip);
  tcase_add_test(tests, round_trip_of_other_orders);
  tcase_add_test(tests, import_without_labels);
  tcase_add_test(tests, export_into_a_full_set);
  tcase_add_test(tests, bad_imports);
  tcase_add_test(tests, bad_import_types);
  tcase_add_test(tests, import_of_regression);
}

int main(void) { return run_suite("batches", add_tests); }
