/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "learning.h"

/* ---- Products against a triple loop ---- */

typedef struct {
  int32_t transpose_a, transpose_b;
  size_t m, n, k, lda, ldb, ldc;
  double alpha, beta;
} product;

enum { MOST = 320 * 320 };
static double a[MOST], b[MOST], c[MOST], before[MOST];
static float a_f32[MOST], b_f32[MOST], c_f32[MOST];

/* Whole matrices with NaN beside the columns of A and B, where nothing may be read, and sentinels around C. A and B
 * have no element above 1 in magnitude by much, and all are exact in f32. */
static void prepare(const product *p, uint32_t number) {
  size_t a_rows = p->transpose_a ? p->k : p->m, a_cols = p->transpose_a ? p->m : p->k;
  size_t b_rows = p->transpose_b ? p->n : p->k, b_cols = p->transpose_b ? p->k : p->n;
  size_t c_rows = p->m + 1;
  ck_assert(a_rows * p->lda <= MOST && b_rows * p->ldb <= MOST && c_rows * p->ldc <= MOST);
  static double pool[3 * MOST];
  static uint32_t filled;
  if (filled++ == 0) gaussian(pool, 3 * MOST, 1, 1);
  const double *from = pool + number * 7919 % MOST;
  for (size_t i = 0; i < a_rows * p->lda; i++) a[i] = i % p->lda < a_cols ? rounded_f32(from[i]) : (double)NAN;
  from += MOST / 2;
  for (size_t i = 0; i < b_rows * p->ldb; i++) b[i] = i % p->ldb < b_cols ? rounded_f32(from[i]) : (double)NAN;
  from += MOST / 2;
  for (size_t i = 0; i < c_rows * p->ldc; i++) {
    bool inside = i / p->ldc < p->m && i % p->ldc < p->n;
    before[i] = inside && p->beta == 0 ? (double)NAN : rounded_f32(from[i]);
  }
}

static falign_status multiply(const falign_backend *backend, falign_precision precision, const product *p) {
  size_t count = (p->m + 1) * p->ldc;
  memcpy(c, before, count * sizeof *c);
  if (precision == FALIGN_F64)
    return falign_backend_gemm(backend, p->alpha,
                               (p->transpose_a ? READ_F64_T(a, p->k, p->m, p->lda) : READ_F64(a, p->m, p->k, p->lda)),
                               (p->transpose_b ? READ_F64_T(b, p->n, p->k, p->ldb) : READ_F64(b, p->k, p->n, p->ldb)),
                               p->beta, WRITE_F64(c, p->m, p->n, p->ldc));
  to_f32(a, (p->transpose_a ? p->k : p->m) * p->lda, a_f32);
  to_f32(b, (p->transpose_b ? p->n : p->k) * p->ldb, b_f32);
  to_f32(c, count, c_f32);
  falign_status status = falign_backend_gemm(
      backend, (float)p->alpha,
      (p->transpose_a ? READ_F32_T(a_f32, p->k, p->m, p->lda) : READ_F32(a_f32, p->m, p->k, p->lda)),
      (p->transpose_b ? READ_F32_T(b_f32, p->n, p->k, p->ldb) : READ_F32(b_f32, p->k, p->n, p->ldb)), (float)p->beta,
      WRITE_F32(c_f32, p->m, p->n, p->ldc));
  for (size_t i = 0; i < count; i++) c[i] = (double)c_f32[i];
  return status;
}

/* The error of one element of C in units of epsilon times |alpha| sum |a b| + |beta c|. */
static double epsilons(falign_precision precision, const product *p, size_t i, size_t j) {
  double sum = 0, magnitude = 0, old = p->beta == 0 ? 0 : p->beta * before[i * p->ldc + j];
  for (size_t q = 0; q < p->k; q++) {
    double term = (p->transpose_a ? a[q * p->lda + i] : a[i * p->lda + q]) *
                  (p->transpose_b ? b[j * p->ldb + q] : b[q * p->ldb + j]);
    sum += term;
    magnitude += fabs(term);
  }
  double error = fabs(c[i * p->ldc + j] - (p->alpha * sum + old));
  double scale = fabs(p->alpha) * magnitude + fabs(old);
  if (error == 0) return 0;
  return isnan(error) || scale == 0 ? (double)INFINITY : error / (epsilon(precision) * scale);
}

/* A sum of k products in any order is off by at most k half epsilons of the sum of the magnitudes; alpha, beta and
 * the sum with C add three; the triple loop itself errs by as much. */
static double limit(const product *p) { return (double)p->k + 3; }

static void check_product(const falign_backend *backend, falign_precision precision, const product *p,
                          uint32_t number) {
  double worst = 0;
  prepare(p, number);
  ok(multiply(backend, precision, p));
  size_t strayed = 0;
  for (size_t i = 0; i < p->m + 1; i++) {
    for (size_t j = 0; j < p->ldc; j++) {
      if (i < p->m && j < p->n) {
        worst = fmax(worst, epsilons(precision, p, i, j));
      } else {
        strayed += c[i * p->ldc + j] != before[i * p->ldc + j];
      }
    }
  }
  ck_assert_msg(worst <= limit(p) && strayed == 0,
                "%s in f%d: m %zu, n %zu, k %zu, transposed %d %d, strides %zu %zu %zu, alpha %g, beta %g: wrong by %g "
                "epsilons of %g allowed, %zu numbers around C changed",
                falign_backend_name(backend), precision == FALIGN_F32 ? 32 : 64, p->m, p->n, p->k, p->transpose_a,
                p->transpose_b, p->lda, p->ldb, p->ldc, p->alpha, p->beta, worst, limit(p), strayed);
}

static void fit_strides(product *p, size_t more_a, size_t more_b, size_t more_c) {
  p->lda = (p->transpose_a ? p->m : p->k) + more_a;
  p->ldb = (p->transpose_b ? p->k : p->n) + more_b;
  p->ldc = p->n + more_c;
}

/* Backend `index` of the listed ones, and "auto" after them. */
static const char *name_at(size_t index) {
  const char *name = falign_backend_name_at(index);
  return name ? name : "auto";
}

static falign_backend *backend_at(size_t index) {
  falign_backend *backend = NULL;
  ok(falign_backend_create(name_at(index), &backend));
  return backend;
}

/* All coefficients and transposes of one shape. */
static void check_shape(const falign_backend *backend, size_t m, size_t n, size_t k) {
  const double alphas[] = {0, 1, -0.5}, betas[] = {0, 1, 2};
  for (uint32_t choice = 0; choice < 2 * 2 * 3 * 3; choice++) {
    product p = {.transpose_a = choice & 1, .transpose_b = choice >> 1 & 1, .m = m, .n = n, .k = k};
    p.alpha = alphas[choice / 4 % 3];
    p.beta = betas[choice / 12];
    fit_strides(&p, (m + choice) % 3, (n + choice) % 4, (k + choice) % 2);
    check_product(backend, FALIGN_F32, &p, choice);
    check_product(backend, FALIGN_F64, &p, choice);
  }
}

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

/* ---- The caller's own ---- */

/* What is wrong with a backend. */
typedef enum {
  RIGHT,
  IGNORES_TRANSPOSE_A,
  IGNORES_TRANSPOSE_B,
  IGNORES_ALPHA,
  IGNORES_BETA,
  READS_C,
  WRITES_BESIDE,
  WRITES_BELOW,
  IGNORES_LDA,
  IGNORES_LDB,
  IGNORES_LDC,
  DROPS_LAST_TERM,
  SAYS_IT_FAILED
} defect;

typedef struct {
  defect in_f32, in_f64;
  int calls, destroyed;
} own_backend;

static double op_at(const void *x, bool f32, int32_t transposed, size_t stride, size_t i, size_t j) {
  size_t at = transposed ? j * stride + i : i * stride + j;
  return f32 ? (double)((const float *)x)[at] : ((const double *)x)[at];
}

static void put(void *x, bool f32, size_t at, double value) {
  if (f32) {
    ((float *)x)[at] = (float)value;
  } else {
    ((double *)x)[at] = value;
  }
}

static falign_status own_gemm(own_backend *own, bool f32, product p, const void *left, const void *right, void *out) {
  defect is = f32 ? own->in_f32 : own->in_f64;
  own->calls++;
  if (is == SAYS_IT_FAILED) return falign_set_last_error("no products today"), FALIGN_CALLBACK;
  if (is == IGNORES_TRANSPOSE_A) p.transpose_a = 0;
  if (is == IGNORES_TRANSPOSE_B) p.transpose_b = 0;
  if (is == IGNORES_ALPHA) p.alpha = 1;
  if (is == IGNORES_BETA) p.beta = 0;
  if (is == IGNORES_LDA) p.lda = p.transpose_a ? p.m : p.k;
  if (is == IGNORES_LDB) p.ldb = p.transpose_b ? p.k : p.n;
  if (is == IGNORES_LDC) p.ldc = p.n;
  for (size_t i = 0; i < p.m; i++) {
    for (size_t j = 0; j < p.n; j++) {
      double sum = 0;
      for (size_t q = 0; q < p.k - (is == DROPS_LAST_TERM && p.k > 6); q++)
        sum += op_at(left, f32, p.transpose_a, p.lda, i, q) * op_at(right, f32, p.transpose_b, p.ldb, q, j);
      sum *= p.alpha;
      if (p.beta != 0 || is == READS_C) sum += p.beta * op_at(out, f32, 0, p.ldc, i, j);
      put(out, f32, i * p.ldc + j, sum);
    }
    if (is == WRITES_BESIDE && p.n < p.ldc) put(out, f32, i * p.ldc + p.n, 0);
  }
  if (is == WRITES_BELOW) put(out, f32, p.m * p.ldc, 0);
  return FALIGN_OK;
}

static falign_status own_sgemm(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                               float alpha, const float *left, size_t lda, const float *right, size_t ldb, float beta,
                               float *out, size_t ldc) {
  product p = {transpose_a, transpose_b, m, n, k, lda, ldb, ldc, (double)alpha, (double)beta};
  return own_gemm(user, true, p, left, right, out);
}

static falign_status own_dgemm(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                               double alpha, const double *left, size_t lda, const double *right, size_t ldb,
                               double beta, double *out, size_t ldc) {
  product p = {transpose_a, transpose_b, m, n, k, lda, ldb, ldc, alpha, beta};
  return own_gemm(user, false, p, left, right, out);
}

static void own_destroy(void *user) { ((own_backend *)user)->destroyed++; }

static const falign_backend_table own_table = {
    .size = sizeof own_table, .name = "own", .sgemm = own_sgemm, .dgemm = own_dgemm, .destroy = own_destroy};

/* Each defect is found in either precision; the caller keeps what it gave. */
START_TEST(wrong_backends_are_refused) {
  falign_backend *backend = NULL;
  for (defect is = IGNORES_TRANSPOSE_A; is <= SAYS_IT_FAILED; is++) {
    own_backend own = {.in_f32 = is};
    fails(FALIGN_INVALID, "sgemm", falign_backend_create_custom(&own_table, &own, &backend));
    ck_assert_ptr_nonnull(strstr(falign_last_error(), "own"));
    ck_assert_int_eq(own.destroyed, 0);
    own = (own_backend){.in_f64 = is};
    fails(FALIGN_INVALID, "dgemm", falign_backend_create_custom(&own_table, &own, &backend));
    ck_assert_int_eq(own.destroyed, 0);
    if (is == SAYS_IT_FAILED) ck_assert_ptr_nonnull(strstr(falign_last_error(), "self-test: no products today"));
  }
  ck_assert_ptr_null(backend);
}
END_TEST

START_TEST(incomplete_tables_are_refused) {
  falign_backend *backend = NULL;
  own_backend own = {RIGHT, RIGHT, 0, 0};
  falign_backend_table table = own_table;
  table.sgemm = NULL;
  fails(FALIGN_INVALID, "sgemm", falign_backend_create_custom(&table, &own, &backend));
  table = own_table;
  table.dgemm = NULL;
  fails(FALIGN_INVALID, "dgemm", falign_backend_create_custom(&table, &own, &backend));
  table = own_table;
  table.name = NULL;
  fails(FALIGN_INVALID, "the backend table has no name", falign_backend_create_custom(&table, &own, &backend));
  table = own_table;
  table.size--;
  fails(FALIGN_INVALID, "the backend table's size is ", falign_backend_create_custom(&table, &own, &backend));
  table.size = 0;
  fails(FALIGN_INVALID, "the backend table's size is ", falign_backend_create_custom(&table, &own, &backend));
  fails(FALIGN_INVALID, "table is NULL", falign_backend_create_custom(NULL, &own, &backend));
  fails(FALIGN_INVALID, "out is NULL", falign_backend_create_custom(&own_table, &own, NULL));
  ck_assert_ptr_null(backend);
  ck_assert(own.calls == 0 && own.destroyed == 0);
}
END_TEST

START_TEST(own_backend_is_right) {
  falign_backend *backend = NULL;
  own_backend own = {RIGHT, RIGHT, 0, 0};
  char name[] = "mine";
  falign_backend_table table = own_table;
  table.name = name;
  ok(falign_backend_create_custom(&table, &own, &backend));
  memset(name, 'x', 4); /* the name was copied */
  ck_assert_str_eq(falign_backend_name(backend), "mine");
  ck_assert_int_eq(falign_backend_own_threads(backend), 1);
  ck_assert_uint_gt(strlen(falign_backend_detail(backend)), 0);
  check_shape(backend, 5, 6, 7);
  falign_backend_destroy(backend);
  ck_assert_int_eq(own.destroyed, 1);
  table.destroy = NULL; /* optional */
  ok(falign_backend_create_custom(&table, &own, &backend));
  falign_backend_destroy(backend);
  ck_assert_int_eq(own.destroyed, 1);
}
END_TEST

/* A step of a network with d = 2 multiplies 2 times forward, once back, and 2 times for dW: all by the backend that
 * the trainer was given, which lives as long as the trainer. */
START_TEST(trainer_uses_it) {
  falign_precision precision = _i ? FALIGN_F64 : FALIGN_F32;
  const size_t n[] = {3, 4, 2};
  double x[5 * 3], y[5 * 2];
  gaussian(x, 15, 1, 1);
  gaussian(y, 10, 1, 2);
  falign_backend *backend = NULL, *builtin = NULL;
  own_backend own = {RIGHT, RIGHT, 0, 0};
  ok(falign_backend_create_custom(&own_table, &own, &backend));
  learner by = new_learner(new_network(precision, 2, n, true, TANH), "fa", 1, 1, 0.1);
  ok(falign_trainer_set_backend(by.trainer, backend));
  ck_assert_ptr_eq(falign_trainer_backend(by.trainer), backend);
  falign_backend_destroy(backend);
  ck_assert_int_eq(own.destroyed, 0);
  own.calls = 0;
  ok(step(&by, x, 5, y));
  ck_assert_int_eq(own.calls, 5);
  ck_assert_ptr_eq(falign_trace_step(falign_trainer_trace(by.trainer))->backend, backend);
  learner other = new_learner(new_network(precision, 2, n, true, TANH), "fa", 1, 1, 0.1);
  ok(falign_backend_create("builtin", &builtin));
  ok(falign_trainer_set_backend(other.trainer, builtin));
  ok(step(&other, x, 5, y));
  double *got = parameters(by.network), *want = parameters(other.network);
  for (size_t i = 0; i < falign_network_parameters(by.network); i++)
    near(got[i], want[i], 64 * epsilon(precision)); /* sums of at most 5 numbers of about 1, five products deep */
  free(got);
  free(want);
  ok(falign_trainer_set_backend(by.trainer, builtin)); /* the last reference to the old one goes */
  ck_assert_int_eq(own.destroyed, 1);
  own.calls = 0;
  ok(step(&by, x, 5, y));
  ck_assert_int_eq(own.calls, 0);
  free_learner(&by);
  free_learner(&other);
  ck_assert_int_eq(own.destroyed, 1);
  fails(FALIGN_INVALID, "trainer is NULL", falign_trainer_set_backend(NULL, builtin));
}
END_TEST

/* Trains two networks alike, one by `builtin`; returns how far apart their parameters are, in how far they moved, which
 * must be more than `least`. */
static double apart_after(const char *backend_name, const char *rule, uint32_t layers, const size_t *n, size_t rows,
                          int steps, double least) {
  const char *backends[] = {backend_name, "builtin"};
  double *x = calloc(rows * n[0], sizeof *x), *y = calloc(rows * n[layers], sizeof *y), moved = 0, apart = 0;
  learner by[2];
  ck_assert(x && y);
  gaussian(x, rows * n[0], 1, 1);
  gaussian(y, rows * n[layers], 0.5, 2);
  for (int i = 0; i < 2; i++) {
    falign_backend *backend = NULL;
    by[i] = new_learner(new_network(FALIGN_F64, layers, n, true, TANH), rule, 0.1, 1, 0.001);
    ok(falign_backend_create(backends[i], &backend));
    ok(falign_trainer_set_backend(by[i].trainer, backend));
  }
  double *start = parameters(by[0].network);
  for (int k = 0; k < steps; k++) {
    ok(step(&by[0], x, rows, y));
    ok(step(&by[1], x, rows, y));
  }
  double *got = parameters(by[0].network), *want = parameters(by[1].network);
  for (size_t i = 0; i < falign_network_parameters(by[0].network); i++) {
    moved = fmax(moved, fabs(want[i] - start[i]));
    apart = fmax(apart, fabs(want[i] - got[i]));
  }
  ck_assert_msg(moved > least, "the parameters moved by no more than %g", moved);
  free(start);
  free(got);
  free(want);
  free(x);
  free(y);
  free_learner(&by[0]);
  free_learner(&by[1]);
  return apart / moved;
}

static const char *const rules[] = {"bp", "fa", "dfa"};

/* Every backend learns what `builtin` learns, to rounding. A number of Z, delta or dW is a sum of at most 225 products,
 * wrong by less than 225 epsilons of its terms; five layers up and four down add up to less than 2000; and the steps,
 * whose updates change the weights by little, only add them up. */
START_TEST(all_agree_with_builtin) {
  const size_t n[] = {225, 50, 50, 50, 50, 50};
  for (size_t i = 0; i <= backend_count(); i++) {
    const char *name = name_at(i);
    double apart = apart_after(name, rules[_i], 5, n, 250, 20, 0.1);
    ck_assert_msg(apart < 20 * 2000 * epsilon(FALIGN_F64), "%s, %s: %g apart", name, rules[_i], apart);
  }
}
END_TEST

/* Likewise where "auto" leaves products to the BLAS; there are at most 600 terms, three layers up and two down. */
START_TEST(large_networks_agree) {
  const size_t n[] = {256, 600, 400, 10};
  falign_backend *best = NULL;
  ok(falign_backend_create("auto", &best));
  double apart = apart_after("auto", rules[_i], 3, n, 256, 8, 0.03);
  ck_assert_msg(apart < 8 * 5 * 600 * epsilon(FALIGN_F64), "%s: %g apart", rules[_i], apart);
  if (strcmp(falign_backend_name(best), "builtin") != 0) ck_assert_msg(apart > 0, "the BLAS did nothing");
}
END_TEST

/* A backend that fails ends the step; the network is as it was. */
START_TEST(trainer_stops_with_it) {
  const size_t n[] = {3, 4, 2};
  const double x[3] = {1, 2, 3}, y[2] = {1, 0};
  falign_backend *backend = NULL;
  own_backend own = {RIGHT, RIGHT, 0, 0};
  ok(falign_backend_create_custom(&own_table, &own, &backend));
  learner by = new_learner(new_network(FALIGN_F64, 2, n, true, TANH), "bp", 1, 1, 0.1);
  learner same = new_learner(new_network(FALIGN_F64, 2, n, true, TANH), "bp", 1, 1, 0.1);
  ok(falign_trainer_set_backend(by.trainer, backend));
  falign_backend_destroy(backend);
  own.in_f64 = SAYS_IT_FAILED;
  ck_assert_int_eq(step(&by, x, 1, y), FALIGN_CALLBACK);
  ck_assert(same_parameters(by.network, same.network));
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 0);
  own.in_f64 = RIGHT;
  ok(step(&by, x, 1, y));
  fails(FALIGN_INVALID, "backend is NULL", falign_trainer_set_backend(by.trainer, NULL));
  ck_assert_ptr_eq(falign_trainer_backend(by.trainer), backend);
  free_learner(&by);
  free_learner(&same);
  ck_assert_int_eq(own.destroyed, 1);
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
  tcase_add_test(tests, wrong_backends_are_refused);
  tcase_add_test(tests, incomplete_tables_are_refused);
  tcase_add_test(tests, own_backend_is_right);
  tcase_add_loop_test(tests, trainer_uses_it, 0, 2);
  tcase_add_loop_test(tests, all_agree_with_builtin, 0, 3);
  if (!getenv("MESON_EXE_WRAPPER")) /* Meson's emulator, where it takes an hour */
    tcase_add_loop_test(tests, large_networks_agree, 0, 3);
  tcase_add_test(tests, trainer_stops_with_it);
}

int main(void) { return run_suite("backend", add_tests); }
