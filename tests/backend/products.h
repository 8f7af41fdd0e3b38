/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_PRODUCTS_H
#define TESTS_PRODUCTS_H

/* Products of matrices, held against a triple loop. */

#include "learning.h"

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
static inline void prepare(const product *p, uint32_t number) {
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

static inline falign_status multiply(const falign_backend *backend, falign_precision precision, const product *p) {
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
static inline double epsilons(falign_precision precision, const product *p, size_t i, size_t j) {
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
static inline double limit(const product *p) { return (double)p->k + 3; }

static inline void check_product(const falign_backend *backend, falign_precision precision, const product *p,
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

static inline void fit_strides(product *p, size_t more_a, size_t more_b, size_t more_c) {
  p->lda = (p->transpose_a ? p->m : p->k) + more_a;
  p->ldb = (p->transpose_b ? p->k : p->n) + more_b;
  p->ldc = p->n + more_c;
}

/* Backend `index` of the listed ones, and "auto" after them. */
static const char *name_at(size_t index) {
  const char *name = falign_backend_name_at(index);
  return name ? name : "auto";
}

static inline falign_backend *backend_at(size_t index) {
  falign_backend *backend = NULL;
  ok(falign_backend_create(name_at(index), &backend));
  return backend;
}

/* All coefficients and transposes of one shape. */

static inline void check_shape(const falign_backend *backend, size_t m, size_t n, size_t k) {
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

#endif
