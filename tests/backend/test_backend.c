/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "backend/products.h"

/* ---- Products ---- */

START_TEST(every_small_shape) {
  falign_backend *backend = backend_at((size_t)_i);
  for (size_t m = 1; m <= 8; m++) {
    for (size_t n = 1; n <= 8; n++) {
      for (size_t k = 1; k <= 8; k++) check_shape(backend, m, n, k);
    }
  }
}
END_TEST

static size_t size_up_to(falign_rng *rng, uint64_t most) { return 1 + (size_t)falign_rng_below(rng, most); }

START_TEST(random_larger_shapes) {
  falign_backend *backend = backend_at((size_t)_i);
  falign_rng *rng = NULL;
  ok(falign_rng_create(3, FALIGN_RNG_USER, 0, 0, &rng));
  for (uint32_t trial = 0; trial < 60; trial++) {
    product p = {.transpose_a = (int32_t)falign_rng_below(rng, 2), .transpose_b = (int32_t)falign_rng_below(rng, 2)};
    p.m = size_up_to(rng, 200);
    p.n = size_up_to(rng, 200);
    p.k = size_up_to(rng, 200);
    p.alpha = rounded_f32(falign_rng_uniform(rng) * 4 - 2);
    p.beta = trial % 3 == 0 ? 0 : rounded_f32(falign_rng_uniform(rng) * 4 - 2);
    fit_strides(&p, size_up_to(rng, 20), size_up_to(rng, 20), size_up_to(rng, 20));
    check_product(backend, trial & 1 ? FALIGN_F32 : FALIGN_F64, &p, trial);
  }
  falign_rng_destroy(rng);
}
END_TEST

/* The shapes of the paper's network in blocks of 125 rows, of alignment terms, and some that are longer than what any
 * backend takes at once. */
static const product shapes[] = {
    {0, 0, 125, 50, 225, 225, 50, 50, 1, 0},    {0, 0, 125, 50, 50, 50, 50, 50, 1, 0},
    {1, 0, 225, 50, 125, 225, 50, 50, 0.25, 1}, {1, 0, 50, 50, 125, 50, 50, 50, 0.25, 1},
    {0, 1, 125, 50, 50, 50, 50, 50, 1, 0},      {0, 0, 64, 400, 50, 225, 400, 400, 1, 0},
    {1, 0, 50, 400, 64, 50, 400, 400, 0.25, 1}, {0, 0, 1, 50, 225, 225, 50, 50, 1, 0},
    {1, 0, 225, 50, 1, 225, 50, 50, 0.25, 1},   {0, 1, 1, 50, 50, 50, 50, 50, 1, 0},
    {0, 0, 300, 300, 300, 300, 300, 300, 1, 0}, {1, 1, 300, 300, 300, 300, 300, 300, 0.25, -1},
    {0, 0, 1100, 3, 20, 20, 3, 3, 1, 1},        {1, 1, 1100, 3, 20, 1100, 20, 3, 0.25, 0},
    {0, 0, 40, 70, 140, 140, 700, 70, 1, 0},    {1, 0, 40, 140, 530, 40, 190, 140, 2, 0},
    {1, 0, 30, 30, 140, 600, 30, 30, 0.25, 1},  {1, 1, 1, 50, 60, 600, 60, 50, 1, 0},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

START_TEST(shapes_that_are_used) {
  falign_backend *backend = backend_at((size_t)_i);
  for (uint32_t i = 0; i < SHAPES; i++) {
    check_product(backend, FALIGN_F32, &shapes[i], i);
    check_product(backend, FALIGN_F64, &shapes[i], i);
  }
}
END_TEST

/* With k = 0 the product is empty: C = beta C. With m or n = 0 nothing is written. */
START_TEST(empty_products) {
  falign_backend *backend = backend_at((size_t)_i);
  for (int32_t transposes = 0; transposes < 4; transposes++) {
    for (uint32_t b_choice = 0; b_choice < 3; b_choice++) {
      product p = {.transpose_a = transposes & 1, .transpose_b = transposes >> 1, .alpha = 1, .beta = b_choice};
      p.m = 3;
      p.n = 4;
      fit_strides(&p, 1, 1, 2);
      check_product(backend, FALIGN_F32, &p, 1);
      check_product(backend, FALIGN_F64, &p, 1);
      p.m = 0;
      p.k = 2;
      fit_strides(&p, 1, 1, 2);
      check_product(backend, FALIGN_F32, &p, 1);
      check_product(backend, FALIGN_F64, &p, 1);
      p.m = 2;
      p.n = 0;
      fit_strides(&p, 1, 1, 2);
      check_product(backend, FALIGN_F32, &p, 1);
      check_product(backend, FALIGN_F64, &p, 1);
    }
  }
}
END_TEST

/* Threads that meet each shape for the first time together get the bits that one thread gets. */
enum { THREADS = 4, C_SIZE = 225 * 50 };

typedef struct {
  const falign_backend *backend;
  bool failed;
  double c[10][C_SIZE];
  float c_f32[10][C_SIZE];
} multiplier;

static void *multiply_shapes(void *arg) {
  multiplier *by = arg;
  for (size_t i = 0; i < 10; i++) {
    const product *p = &shapes[i];
    by->failed |=
        falign_backend_gemm(by->backend, p->alpha,
                            (p->transpose_a ? READ_F64_T(a, p->k, p->m, p->lda) : READ_F64(a, p->m, p->k, p->lda)),
                            (p->transpose_b ? READ_F64_T(b, p->n, p->k, p->ldb) : READ_F64(b, p->k, p->n, p->ldb)),
                            p->beta, WRITE_F64(by->c[i], p->m, p->n, p->ldc)) != FALIGN_OK;
    by->failed |= falign_backend_gemm(
                      by->backend, (float)p->alpha,
                      (p->transpose_a ? READ_F32_T(a_f32, p->k, p->m, p->lda) : READ_F32(a_f32, p->m, p->k, p->lda)),
                      (p->transpose_b ? READ_F32_T(b_f32, p->n, p->k, p->ldb) : READ_F32(b_f32, p->k, p->n, p->ldb)),
                      (float)p->beta, WRITE_F32(by->c_f32[i], p->m, p->n, p->ldc)) != FALIGN_OK;
  }
  return NULL;
}

START_TEST(several_threads_at_once) {
  static multiplier by[THREADS + 1];
  pthread_t threads[THREADS];
  gaussian(a, MOST, 1, 1);
  gaussian(b, MOST, 1, 2);
  to_f32(a, MOST, a_f32);
  to_f32(b, MOST, b_f32);
  for (int i = 0; i <= THREADS; i++) by[i].backend = backend_at((size_t)_i);
  for (int i = 0; i < THREADS; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, multiply_shapes, &by[i]), 0);
  for (int i = 0; i < THREADS; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
  multiply_shapes(&by[THREADS]);
  for (int i = 0; i < THREADS; i++) ck_assert_mem_eq(&by[i], &by[THREADS], sizeof by[i]);
  ck_assert(!by[THREADS].failed);
}
END_TEST

/* An infinity or NaN in A or B shows in C, also beside zeros: the trainer finds divergence by it. */
START_TEST(what_is_not_finite_is_seen) {
  falign_backend *backend = backend_at((size_t)_i);
  const double bad[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
  for (int i = 0; i < 3; i++) {
    double left[6] = {0}, right[6] = {0}, out[4] = {0};
    left[4] = bad[i];
    ok(falign_backend_gemm(backend, 1, READ_F64(left, 2, 3, 3), READ_F64(right, 3, 2, 2), 0, WRITE_F64(out, 2, 2, 2)));
    ck_assert(out[0] == 0 && out[1] == 0 && isnan(out[2]) && isnan(out[3]));
    ok(falign_backend_gemm(backend, 1, READ_F64(right, 2, 3, 3), READ_F64_T(left, 2, 3, 3), 0,
                           WRITE_F64(out, 2, 2, 2)));
    ck_assert(out[0] == 0 && isnan(out[1]) && out[2] == 0 && isnan(out[3]));
  }
}
END_TEST

START_TEST(short_strides_are_refused) {
  falign_backend *backend = backend_at((size_t)_i);
  const struct {
    int32_t transpose_a, transpose_b;
    size_t lda, ldb, ldc;
    const char *text;
  } wrong[] = {
      {0, 0, 4, 4, 4, "a is 3 x 5 with invalid steps: 4 from row to row, 1 from column to column"},
      {0, 0, 5, 3, 4, "b is 5 x 4 with invalid steps: 3 from row to row, 1 from column to column"},
      {0, 0, 5, 4, 3, "c is 3 x 4 with invalid steps: 3 from row to row, 1 from column to column"},
      {1, 0, 2, 4, 4, "a is 3 x 5 with invalid steps: 1 from row to row, 2 from column to column"},
      {0, 1, 5, 4, 4, "b is 5 x 4 with invalid steps: 1 from row to row, 4 from column to column"},
      {0, 0, 0, 4, 4, "a is 3 x 5 with invalid steps: 0 from row to row, 1 from column to column"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    for (size_t j = 0; j < 12; j++) {
      c[j] = 42;
      c_f32[j] = 42;
    }
    fails(FALIGN_INVALID, wrong[i].text,
          falign_backend_gemm(
              backend, 1, (wrong[i].transpose_a ? READ_F64_T(a, 5, 3, wrong[i].lda) : READ_F64(a, 3, 5, wrong[i].lda)),
              (wrong[i].transpose_b ? READ_F64_T(b, 4, 5, wrong[i].ldb) : READ_F64(b, 5, 4, wrong[i].ldb)), 0,
              WRITE_F64(c, 3, 4, wrong[i].ldc)));
    fails(FALIGN_INVALID, wrong[i].text,
          falign_backend_gemm(
              backend, 1,
              (wrong[i].transpose_a ? READ_F32_T(a_f32, 5, 3, wrong[i].lda) : READ_F32(a_f32, 3, 5, wrong[i].lda)),
              (wrong[i].transpose_b ? READ_F32_T(b_f32, 4, 5, wrong[i].ldb) : READ_F32(b_f32, 5, 4, wrong[i].ldb)), 0,
              WRITE_F32(c_f32, 3, 4, wrong[i].ldc)));
    for (size_t j = 0; j < 12; j++) ck_assert(c[j] == 42 && c_f32[j] == 42);
  }
  fails(FALIGN_INVALID, "backend is NULL",
        falign_backend_gemm(NULL, 1, READ_F64(a, 1, 1, 1), READ_F64(b, 1, 1, 1), 0, WRITE_F64(c, 1, 1, 1)));
}
END_TEST

/* A, B and C in all layouts. The numbers are small integers, whose products are exact in any order. */
START_TEST(any_steps) {
  enum { ROWS = 5, COLS = 4, INNER = 7 };
  falign_backend *backend = backend_at((size_t)_i);
  static layout_room rooms[3];
  double left[ROWS * INNER], right[INNER * COLS], old[ROWS * COLS], products[ROWS * COLS] = {0}, want[ROWS * COLS];
  for (int i = 0; i < ROWS * INNER; i++) left[i] = i * 7 % 11 - 5;
  for (int i = 0; i < INNER * COLS; i++) right[i] = i * 5 % 9 - 4;
  for (int i = 0; i < ROWS * COLS; i++) {
    old[i] = i - 8;
    for (int q = 0; q < INNER; q++) products[i] += left[i / COLS * INNER + q] * right[q * COLS + i % COLS];
  }
  for (int choice = 0; choice < LAYOUTS * LAYOUTS * LAYOUTS * 4; choice++) {
    falign_precision precision = choice & 1 ? FALIGN_F64 : FALIGN_F32;
    double beta = choice & 2 ? 2 : 0;
    int layouts = choice / 4;
    falign_view x = lay_out_copy(&rooms[0], layouts % LAYOUTS, precision, ROWS, INNER, left);
    falign_view y = lay_out_copy(&rooms[1], layouts / LAYOUTS % LAYOUTS, precision, INNER, COLS, right);
    falign_matrix out = lay_out(&rooms[2], layouts / LAYOUTS / LAYOUTS, precision, ROWS, COLS, 1e30);
    for (size_t i = 0; i < ROWS * COLS; i++) {
      set_element(&out, i / COLS, i % COLS, beta == 0 ? (double)NAN : old[i]);
      want[i] = -0.5 * products[i] + (beta == 0 ? 0 : beta * old[i]);
    }
    ok(falign_backend_gemm(backend, -0.5, &x, &y, beta, &out));
    ck_assert_msg(holds(&rooms[2], &out, 1e30, want), "f%d, beta %g, layouts %d", precision == FALIGN_F32 ? 32 : 64,
                  beta, layouts);
  }
}
END_TEST

START_TEST(matrices_that_do_not_fit) {
  falign_backend *backend = backend_at(0);
  fails(FALIGN_SHAPE, "b is 3 x 4, got 4 x 4",
        falign_backend_gemm(backend, 1, READ_F64(a, 2, 3, 3), READ_F64(b, 4, 4, 4), 0, WRITE_F64(c, 2, 4, 4)));
  fails(FALIGN_SHAPE, "c is 2 x 4, got 4 x 2",
        falign_backend_gemm(backend, 1, READ_F64(a, 2, 3, 3), READ_F64(b, 3, 4, 4), 0, WRITE_F64(c, 4, 2, 2)));
  fails(FALIGN_SHAPE, "b is in f32, a in f64",
        falign_backend_gemm(backend, 1, READ_F64(a, 2, 3, 3), READ_F32(b_f32, 3, 4, 4), 0, WRITE_F64(c, 2, 4, 4)));
  fails(FALIGN_SHAPE, "c is in f64, a in f32",
        falign_backend_gemm(backend, 1, READ_F32(a_f32, 2, 3, 3), READ_F32(b_f32, 3, 4, 4), 0, WRITE_F64(c, 2, 4, 4)));
  fails(FALIGN_INVALID, "a is NULL",
        falign_backend_gemm(backend, 1, NULL, READ_F64(b, 3, 4, 4), 0, WRITE_F64(c, 2, 4, 4)));
  fails(FALIGN_INVALID, "b is NULL",
        falign_backend_gemm(backend, 1, READ_F64(a, 2, 3, 3), NULL, 0, WRITE_F64(c, 2, 4, 4)));
  fails(FALIGN_INVALID, "c is NULL",
        falign_backend_gemm(backend, 1, READ_F64(a, 2, 3, 3), READ_F64(b, 3, 4, 4), 0, NULL));
}
END_TEST

/* Sizes that the BLAS's integers cannot hold are refused, not cut. */
START_TEST(sizes_beyond_the_blas) {
  falign_backend *backend = NULL;
  skip_unless(falign_backend_create("cblas", &backend) == FALIGN_OK, "this build has no CBLAS");
  size_t big = (size_t)1 << 31;
  fails(FALIGN_UNSUPPORTED, "too large for the BLAS",
        falign_backend_gemm(backend, 1, READ_F64(a, 1, big, big), READ_F64(b, big, 1, 1), 0, WRITE_F64(c, 1, 1, 1)));
  fails(FALIGN_UNSUPPORTED, "too large for the BLAS",
        falign_backend_gemm(backend, 1, READ_F32(a_f32, 1, 2, 2), READ_F32(b_f32, 2, 1, big), 0,
                            WRITE_F32(c_f32, 1, 1, 1)));
}
END_TEST

/* ---- Names ---- */

START_TEST(names) {
  size_t count = backend_count();
  falign_backend *backend = NULL;
  ck_assert_uint_ge(count, 1);
  bool builtin = false;
  for (size_t i = 0; i < count; i++) {
    const char *name = falign_backend_name_at(i);
    ok(falign_backend_create(name, &backend));
    ck_assert_str_eq(falign_backend_name(backend), name);
    ck_assert_uint_gt(strlen(falign_backend_detail(backend)), 0);
    ck_assert_int_ge(falign_backend_own_threads(backend), 1);
    builtin |= strcmp(name, "builtin") == 0;
    falign_backend_destroy(backend); /* permanent */
    ck_assert_str_eq(falign_backend_name(backend), name);
  }
  ck_assert(builtin);
  ck_assert_ptr_null(falign_backend_name_at(count));
  ck_assert_ptr_null(falign_backend_name_at(SIZE_MAX));
  falign_backend_destroy(NULL);
}
END_TEST

/* "auto" is one of the others, or says what it is made of. */
START_TEST(the_best) {
  falign_backend *best, *part;
  size_t named = 0, i = 0;
  ok(falign_backend_create("auto", &best));
  ck_assert_int_ge(falign_backend_own_threads(best), 1);
  for (const char *name; (name = falign_backend_name_at(i)) != NULL; i++) {
    ok(falign_backend_create(name, &part));
    if (best == part || (strstr(falign_backend_detail(best), falign_backend_name(part)) &&
                         strstr(falign_backend_detail(best), falign_backend_detail(part))))
      named++;
  }
  ck_assert_uint_ge(named, strcmp(falign_backend_name(best), "auto") == 0 ? 2 : 1);
}
END_TEST

START_TEST(unknown_names) {
  falign_backend *backend = NULL;
  for (size_t i = 0; falign_backend_name_at(i); i++)
    fails(FALIGN_UNSUPPORTED, falign_backend_name_at(i), falign_backend_create("nonsense", &backend));
  fails(FALIGN_UNSUPPORTED, "nonsense", falign_backend_create("nonsense", &backend));
  fails(FALIGN_UNSUPPORTED, "there is no backend \"\": this build has auto, ", falign_backend_create("", &backend));
  ck_assert_ptr_null(backend);
  fails(FALIGN_INVALID, "name is NULL", falign_backend_create(NULL, &backend));
  fails(FALIGN_INVALID, "out is NULL", falign_backend_create("builtin", NULL));
}
END_TEST

static void add_tests(TCase *tests) {
  int count = (int)backend_count() + 1;
  tcase_add_loop_test(tests, every_small_shape, 0, count);
  tcase_add_loop_test(tests, random_larger_shapes, 0, count);
  tcase_add_loop_test(tests, shapes_that_are_used, 0, count);
  tcase_add_loop_test(tests, several_threads_at_once, 0, count);
  tcase_add_loop_test(tests, empty_products, 0, count);
  tcase_add_loop_test(tests, what_is_not_finite_is_seen, 0, count);
  tcase_add_loop_test(tests, short_strides_are_refused, 0, count);
  tcase_add_loop_test(tests, any_steps, 0, count);
  tcase_add_test(tests, matrices_that_do_not_fit);
  tcase_add_test(tests, sizes_beyond_the_blas);
  tcase_add_test(tests, names);
  tcase_add_test(tests, the_best);
  tcase_add_test(tests, unknown_names);
}

int main(void) { return run_suite("backend", add_tests); }
