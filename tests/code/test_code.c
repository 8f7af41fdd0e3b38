/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

static falign_code *n_hot(uint32_t categories, size_t width, size_t hot, uint64_t seed, uint32_t run) {
  falign_code *code = NULL;
  ok(falign_code_create_n_hot(categories, width, hot, seed, run, &code));
  return code;
}

static void check_n_hot(uint32_t categories, size_t width, size_t hot) {
  falign_code *code = n_hot(categories, width, hot, 1, 0);
  ck_assert_uint_eq(code_categories(code), categories);
  ck_assert_uint_eq(code_width(code), width);
  double *used = calloc(width, sizeof *used);
  for (uint32_t c = 0; c < categories; c++) {
    double ones = 0;
    for (size_t j = 0; j < width; j++) {
      double value = code_row(code, c)[j];
      ck_assert(value == 0 || value == 1);
      ones += value;
      used[j] += value;
    }
    ck_assert(ones == (double)hot);
  }
  for (size_t j = 0; j < width; j++) ck_assert(used[j] <= 1);
  ck_assert_ptr_null(code_row(code, categories));
  free(used);
  falign_code_destroy(code);
}

START_TEST(exclusive) {
  check_n_hot(10, 50, 5);
  check_n_hot(10, 53, 5);
  check_n_hot(1, 1, 1);
  check_n_hot(3, 100, 2);
}
END_TEST

static bool same(const falign_code *a, const falign_code *b) {
  for (uint32_t c = 0; c < code_categories(a); c++) {
    if (memcmp(code_row(a, c), code_row(b, c), code_width(a) * sizeof(double)) != 0) return false;
  }
  return true;
}

START_TEST(streams) {
  falign_code *a = n_hot(10, 50, 5, 1, 2), *b = n_hot(10, 50, 5, 1, 2);
  falign_code *seed = n_hot(10, 50, 5, 2, 2), *run = n_hot(10, 50, 5, 1, 3);
  ck_assert(same(a, b));
  ck_assert(!same(a, seed));
  ck_assert(!same(a, run));
  falign_code_destroy(a);
  falign_code_destroy(b);
  falign_code_destroy(seed);
  falign_code_destroy(run);
}
END_TEST

/* Over many runs each output is the first category's equally often. */
START_TEST(uniform) {
  enum { RUNS = 4000, WIDTH = 12, HOT = 3 };
  double hits[WIDTH] = {0};
  for (uint32_t run = 0; run < RUNS; run++) {
    falign_code *code = n_hot(4, WIDTH, HOT, 9, run);
    for (int j = 0; j < WIDTH; j++) hits[j] += code_row(code, 3)[j];
    falign_code_destroy(code);
  }
  for (int j = 0; j < WIDTH; j++) near(hits[j] / RUNS, 0.25, 5 * sqrt(0.1875 / RUNS));
}
END_TEST

START_TEST(bad_arguments) {
  falign_code *code = NULL;
  double values[] = {1, 2, NAN, 4};
  fails(FALIGN_INVALID, "10 categories of 6 ones do not fit in 50 outputs",
        falign_code_create_n_hot(10, 50, 6, 0, 0, &code));
  fails(FALIGN_INVALID, "do not fit", falign_code_create_n_hot(2, SIZE_MAX, SIZE_MAX, 0, 0, &code));
  fails(FALIGN_INVALID, "hot is 0", falign_code_create_n_hot(10, 50, 0, 0, 0, &code));
  fails(FALIGN_INVALID, "0 x 50", falign_code_create_n_hot(0, 50, 5, 0, 0, &code));
  fails(FALIGN_INVALID, "fit in 0 outputs", falign_code_create_n_hot(10, 0, 5, 0, 0, &code));
  fails(FALIGN_MEMORY, "no memory for a code of 10 x ", falign_code_create_n_hot(10, SIZE_MAX / 4, 5, 0, 0, &code));
  fails(FALIGN_INVALID, "out is NULL", falign_code_create_n_hot(10, 50, 5, 0, 0, NULL));
  fails(FALIGN_INVALID, "row 1, column 0", falign_code_create(READ_F64(values, 2, 2, 2), &code));
  fails(FALIGN_INVALID, "code is NULL", falign_code_create(READ_F64(NULL, 2, 2, 2), &code));
  fails(FALIGN_INVALID, "code is 2 x 2 with invalid steps: 1 from row to row, 1 from column to column",
        falign_code_create(READ_F64(values, 2, 2, 1), &code));
  fails(FALIGN_INVALID, "0 x 2", falign_code_create(READ_F64(values, 0, 2, 2), &code));
  fails(FALIGN_INVALID, "out is NULL", falign_code_create(READ_F64(values, 1, 2, 2), NULL));
#if SIZE_MAX > UINT32_MAX
  fails(FALIGN_INVALID, "categories is 4294967296, above 4294967295",
        falign_code_create(READ_F64(values, (size_t)UINT32_MAX + 1, 2, 2), &code));
#endif
  ck_assert_ptr_null(code);
  falign_code_destroy(NULL);
}
END_TEST

START_TEST(own_code) {
  const double values[] = {1, 2, -9, 3, 4, -9};
  falign_code *code;
  ok(falign_code_create(READ_F64(values, 2, 2, 3), &code));
  ck_assert(code_row(code, 0)[1] == 2);
  ck_assert(code_row(code, 1)[0] == 3);
  falign_code_destroy(code);
}
END_TEST

/* A code of any layout, and activities of any layout. */
START_TEST(any_steps) {
  enum { KINDS = 4, OUTPUTS = 6, ROWS = 9 };
  static layout_room room;
  double values[KINDS * OUTPUTS], y[ROWS * OUTPUTS];
  uint32_t got[ROWS], want[ROWS];
  falign_code *plain, *code;
  for (int i = 0; i < KINDS * OUTPUTS; i++) values[i] = i * 7 % 11 - 4;
  for (int i = 0; i < ROWS * OUTPUTS; i++) y[i] = i * 5 % 13 - 6;
  ok(falign_code_create(READ_F64(values, KINDS, OUTPUTS, OUTPUTS), &plain));
  ok(falign_code_decode(plain, READ_F64(y, ROWS, OUTPUTS, OUTPUTS), want));
  for (int i = 0; i < LAYOUTS * 2; i++) {
    falign_precision precision = i & 1 ? FALIGN_F64 : FALIGN_F32;
    falign_view view = lay_out_copy(&room, i / 2, precision, KINDS, OUTPUTS, values);
    ok(falign_code_create(&view, &code));
    ck_assert(same(code, plain));
    falign_code_destroy(code);
    view = lay_out_copy(&room, i / 2, precision, ROWS, OUTPUTS, y);
    ok(falign_code_decode(plain, &view, got));
    ck_assert_mem_eq(got, want, sizeof want);
  }
  falign_view all;
  ok(falign_code_view(plain, &all));
  ck_assert(all.precision == FALIGN_F64 && all.rows == KINDS && all.cols == OUTPUTS);
  ck_assert(all.row_step == OUTPUTS && all.col_step == 1);
  ck_assert_mem_eq(all.data, values, sizeof values);
  fails(FALIGN_INVALID, "code is NULL", falign_code_view(NULL, &all));
  fails(FALIGN_INVALID, "out is NULL", falign_code_view(plain, NULL));
  falign_code_destroy(plain);
}
END_TEST

START_TEST(decode) {
  const double values[] = {1, 0, 0, 0, 1, 0, 0, 1, 0};
  falign_code *code;
  ok(falign_code_create(READ_F64(values, 3, 3, 3), &code));
  /* the largest; the first of several; all negative; 2^24 + 1 is told from 2^24 only in double */
  const double y[] = {1, 3, 2, 9, 5, 5, 0, 9, -3, -2, -1, 9, 16777216, 16777217, 0, 9};
  const float y32[] = {1, 3, 2, 9, 5, 5, 0, 9, -3, -2, -1, 9};
  uint32_t got[4], got32[3];
  ok(falign_code_decode(code, READ_F64(y, 4, 3, 4), got));
  ok(falign_code_decode(code, READ_F32(y32, 3, 3, 4), got32));
  const uint32_t want[] = {1, 0, 1, 1};
  ck_assert_mem_eq(got, want, sizeof got);
  ck_assert_mem_eq(got32, want, sizeof got32);
  fails(FALIGN_SHAPE, "y is 4 x 3, got 4 x 2", falign_code_decode(code, READ_F64(y, 4, 2, 4), got));
  fails(FALIGN_INVALID, "y is 4 x 3 with invalid steps: 2 from row to row, 1 from column to column",
        falign_code_decode(code, READ_F64(y, 4, 3, 2), got));
  fails(FALIGN_INVALID, "y is NULL", falign_code_decode(code, READ_F32(NULL, 3, 3, 4), got));
  fails(FALIGN_INVALID, "categories is NULL", falign_code_decode(code, READ_F32(y32, 3, 3, 4), NULL));
  fails(FALIGN_INVALID, "code is NULL", falign_code_decode(NULL, READ_F32(y32, 3, 3, 4), got));
  falign_code_destroy(code);
}
END_TEST

/* Products are added in double: in single precision the ones would be lost beside 2^24. */
START_TEST(decode_accumulates_in_double) {
  const double values[] = {1, 1, 1, 1, 0, 0};
  const float y[] = {16777216, 1, 1};
  falign_code *code;
  uint32_t got;
  const double longer[] = {1, 0, 0, 1, 1, 0};
  ok(falign_code_create(READ_F64(longer, 2, 3, 3), &code));
  ok(falign_code_decode(code, READ_F32(y, 1, 3, 3), &got));
  ck_assert_uint_eq(got, 1);
  falign_code_destroy(code);
  ok(falign_code_create(READ_F64(values, 2, 3, 3), &code));
  ok(falign_code_decode(code, READ_F32(y, 1, 3, 3), &got));
  ck_assert_uint_eq(got, 0);
  falign_code_destroy(code);
}
END_TEST

START_TEST(tensors) {
  falign_code *code = n_hot(10, 50, 5, 4, 0), *back = NULL;
  falign_tensors *set;
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    falign_tensor tensor;
    ok(falign_tensors_create(&set));
    ok(falign_code_export(code, precision, set));
    ok(falign_tensors_view(set, "code", &tensor));
    ck_assert(tensor.dtype == precision && tensor.rank == 2 && tensor.dims[0] == 10 && tensor.dims[1] == 50);
    ok(falign_code_import(set, &back));
    ck_assert(same(code, back));
    falign_code_destroy(back);
    fails(FALIGN_INVALID, "tensor \"code\" already exists", falign_code_export(code, precision, set));
    falign_tensors_destroy(set);
  }
  falign_code_destroy(code);

  const double large[] = {1, 0, 0, 1e300};
  ok(falign_tensors_create(&set));
  ok(falign_code_create(READ_F64(large, 2, 2, 2), &code));
  fails(FALIGN_INVALID, "code has 1e+300 in row 1, column 1", falign_code_export(code, FALIGN_F32, set));
  ck_assert_uint_eq(falign_tensors_count(set), 0);
  ok(falign_code_export(code, FALIGN_F64, set));
  falign_code_destroy(code);
  falign_tensors_destroy(set);
}
END_TEST

static void check_import(falign_status want, const char *text, falign_dtype dtype, const size_t *dims, size_t rank,
                         const void *data) {
  falign_tensors *set;
  falign_code *code = NULL;
  ok(falign_tensors_create(&set));
  ok(falign_tensors_add(set, "code", dtype, dims, rank, data));
  fails(want, text, falign_code_import(set, &code));
  ck_assert_ptr_null(code);
  falign_tensors_destroy(set);
}

START_TEST(bad_tensors) {
  falign_code *code = n_hot(2, 4, 2, 0, 0), *none = NULL;
  falign_tensors *set;
  const double values[] = {1, INFINITY};
  const int64_t integers[] = {1, 0};
  check_import(FALIGN_SHAPE, "1 dimensions, not 2", FALIGN_DTYPE_F64, (size_t[]){2}, 1, values);
  check_import(FALIGN_INVALID, "code", FALIGN_DTYPE_F64, (size_t[]){1, 2}, 2, values);
  check_import(FALIGN_INVALID, "0 x 2", FALIGN_DTYPE_F64, (size_t[]){0, 2}, 2, values);
  check_import(FALIGN_FORMAT, "code", FALIGN_DTYPE_I64, (size_t[]){1, 2}, 2, integers);
  ok(falign_tensors_create(&set));
  fails(FALIGN_INVALID, "there is no tensor \"code\"", falign_code_import(set, &none));
  fails(FALIGN_INVALID, "precision is FALIGN_F32 or FALIGN_F64, got 3", falign_code_export(code, 3, set));
  fails(FALIGN_INVALID, "tensors is NULL", falign_code_export(code, FALIGN_F32, NULL));
  fails(FALIGN_INVALID, "code is NULL", falign_code_export(NULL, FALIGN_F32, set));
  fails(FALIGN_INVALID, "tensors is NULL", falign_code_import(NULL, &none));
  fails(FALIGN_INVALID, "out is NULL", falign_code_import(set, NULL));
  ck_assert_uint_eq(falign_tensors_count(set), 0);
  ck_assert_ptr_null(none);
  falign_tensors_destroy(set);
  falign_code_destroy(code);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, exclusive);
  tcase_add_test(tests, streams);
  tcase_add_test(tests, uniform);
  tcase_add_test(tests, bad_arguments);
  tcase_add_test(tests, own_code);
  tcase_add_test(tests, any_steps);
  tcase_add_test(tests, decode);
  tcase_add_test(tests, decode_accumulates_in_double);
  tcase_add_test(tests, tensors);
  tcase_add_test(tests, bad_tensors);
}

int main(void) { return run_suite("code", add_tests); }
