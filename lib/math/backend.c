/* SPDX-License-Identifier: Apache-2.0 */
#include "math/backend.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vector.h"

static const char *builtin_detail(void) {
  static const char *const details[] = {
    [FAL_BASELINE] = "portable C",
#if defined(__GNUC__) && defined(__x86_64__)
    [FAL_AVX2] = "portable C, AVX2",
    [FAL_AVX512] = "portable C, AVX-512",
#endif
  };
  return details[fal_vector_level()];
}

const falign_backend fal_backend_builtin = {.permanent = true,
                                            .name = "builtin",
                                            .sgemm = fal_builtin_gemm_f32,
                                            .dgemm = fal_builtin_gemm_f64,
                                            .detail = builtin_detail};

#ifdef FAL_CBLAS
/* What "auto" is where the built-in product can fuse products and sums: it is the best for the small matrices of blocks
 * of rows, and the BLAS for those that are large in every direction. */
enum { LARGE = 96 };

static const falign_backend *better(size_t m, size_t n, size_t k) {
  return m >= LARGE && n >= LARGE && k >= LARGE ? &fal_backend_cblas : &fal_backend_builtin;
}

static falign_status best_sgemm(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                                float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta,
                                float *c, size_t ldc) {
  return better(m, n, k)->sgemm(user, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

static falign_status best_dgemm(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                                double alpha, const double *a, size_t lda, const double *b, size_t ldb, double beta,
                                double *c, size_t ldc) {
  return better(m, n, k)->dgemm(user, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

static const char *best_detail(void) {
  static _Thread_local char text[512];
  snprintf(text, sizeof text, "builtin (%s); cblas (%s) where rows, columns and depth are %d or more",
           falign_backend_detail(&fal_backend_builtin), falign_backend_detail(&fal_backend_cblas), (int)LARGE);
  return text;
}

static int32_t best_threads(void) { return falign_backend_own_threads(&fal_backend_cblas); }

static const falign_backend best = {.permanent = true,
                                    .name = "auto",
                                    .sgemm = best_sgemm,
                                    .dgemm = best_dgemm,
                                    .detail = best_detail,
                                    .own_threads = best_threads};
#endif

/* libxsmm is in no case "auto": to ask what it can do is to start it, and it is not faster. */
static const falign_backend *find_best(void) {
#ifdef FAL_CBLAS
  return fal_vectors_fuse() ? &best : &fal_backend_cblas;
#else
  return &fal_backend_builtin;
#endif
}

/* What this build has. */
static const falign_backend *const own[] = {
#ifdef FAL_CBLAS
    &fal_backend_cblas,
#endif
#ifdef FAL_XSMM
    &fal_backend_xsmm,
#endif
    &fal_backend_builtin,
};
enum { OWN = sizeof own / sizeof *own };

static bool runs_here(const falign_backend *backend) { return !backend->runs_here || backend->runs_here(); }

/* Of those that the machine can run. */
static const falign_backend *own_at(size_t index) {
  for (size_t i = 0; i < OWN; i++) {
    if (!runs_here(own[i])) continue;
    if (index-- == 0) return own[i];
  }
  return NULL;
}

size_t falign_backend_count(void) {
  size_t count = 0;
  while (own_at(count)) count++;
  return count;
}

const char *falign_backend_name_at(size_t index) {
  const falign_backend *backend = own_at(index);
  return backend ? backend->name : NULL;
}

falign_status falign_backend_find(const char *name, falign_backend **out) {
  if (!name || !out) return fal_fail(FALIGN_INVALID, "%s is NULL", name ? "out" : "name");
  if (strcmp(name, "auto") == 0) {
    *out = (falign_backend *)find_best();
    return FALIGN_OK;
  }
  for (size_t i = 0; i < OWN; i++) {
    if (strcmp(name, own[i]->name) != 0 || !runs_here(own[i])) continue;
    *out = (falign_backend *)own[i];
    return FALIGN_OK;
  }
  char known[256];
  int length = snprintf(known, sizeof known, "auto");
  const falign_backend *backend;
  for (size_t i = 0; (backend = own_at(i)); i++)
    length += snprintf(known + length, sizeof known - (size_t)length, ", %s", backend->name);
  return fal_fail(FALIGN_UNSUPPORTED, "there is no backend \"%s\": this build has %s on this machine", name, known);
}

const char *falign_backend_name(const falign_backend *backend) { return backend->name; }

const char *falign_backend_detail(const falign_backend *backend) {
  return backend->detail ? backend->detail() : "the caller's functions";
}

int32_t falign_backend_own_threads(const falign_backend *backend) {
  return backend->own_threads ? backend->own_threads() : 1;
}

/* The self-test of a caller's functions: small whole numbers, so that every order of summation gives the same. */
enum { TEST_STRIDE = 8, TEST_SIZE = 7 * TEST_STRIDE };

typedef struct {
  size_t m, n, k;
  int32_t transpose_a, transpose_b;
  double alpha, beta;
} product;

static const product test_products[] = {{1, 1, 1, 0, 0, 1, 0},  {2, 3, 4, 0, 0, 1, 0},  {5, 1, 7, 0, 1, 2, 1},
                                        {3, 7, 1, 1, 0, 1, -1}, {7, 5, 3, 1, 1, -1, 2}, {4, 4, 4, 1, 0, 2, 0},
                                        {1, 7, 6, 0, 1, 1, 0},  {6, 2, 5, 1, 1, 1, 1},  {7, 7, 7, 0, 0, 3, 0},
                                        {3, 2, 7, 0, 1, 0, 2},  {2, 6, 2, 1, 0, 0.5, 0}};

static double test_value(size_t i) { return (double)((i * 7 + 3) % 11) - 5; }

static double expected(const product *p, size_t i, size_t j) {
  double sum = 0;
  for (size_t q = 0; q < p->k; q++) {
    size_t a = p->transpose_a ? q * TEST_STRIDE + i : i * TEST_STRIDE + q;
    size_t b = p->transpose_b ? j * TEST_STRIDE + q : q * TEST_STRIDE + j;
    sum += test_value(a) * test_value(b + 1);
  }
  sum *= p->alpha;
  return p->beta == 0 ? sum : sum + p->beta * test_value(i * TEST_STRIDE + j + 2);
}

/* What C must hold after the product: the numbers beside it are untouched. */
static bool right(const product *p, size_t at, double got) {
  size_t i = at / TEST_STRIDE, j = at % TEST_STRIDE;
  if (i < p->m && j < p->n) return got == expected(p, i, j);
  return p->beta == 0 ? isnan(got) != 0 : got == test_value(at + 2);
}

static falign_status run_f32(const falign_backend *backend, const product *p, double c[TEST_SIZE]) {
  float a[TEST_SIZE], b[TEST_SIZE], x[TEST_SIZE];
  for (size_t i = 0; i < TEST_SIZE; i++) {
    a[i] = (float)test_value(i);
    b[i] = (float)test_value(i + 1);
    x[i] = (float)c[i];
  }
  FAL_TRY(backend->sgemm(backend->user, p->transpose_a, p->transpose_b, p->m, p->n, p->k, (float)p->alpha, a,
                         TEST_STRIDE, b, TEST_STRIDE, (float)p->beta, x, TEST_STRIDE));
  for (size_t i = 0; i < TEST_SIZE; i++) c[i] = (double)x[i];
  return FALIGN_OK;
}

static falign_status run_f64(const falign_backend *backend, const product *p, double c[TEST_SIZE]) {
  double a[TEST_SIZE], b[TEST_SIZE];
  for (size_t i = 0; i < TEST_SIZE; i++) {
    a[i] = test_value(i);
    b[i] = test_value(i + 1);
  }
  return backend->dgemm(backend->user, p->transpose_a, p->transpose_b, p->m, p->n, p->k, p->alpha, a, TEST_STRIDE, b,
                        TEST_STRIDE, p->beta, c, TEST_STRIDE);
}

static falign_status test_product(const falign_backend *backend, const product *p, falign_precision precision) {
  double c[TEST_SIZE];
  for (size_t i = 0; i < TEST_SIZE; i++) c[i] = p->beta == 0 ? (double)NAN : test_value(i + 2);
  const char *entry = precision == FALIGN_F32 ? "sgemm" : "dgemm";
  fal_before_callback();
  falign_status status = precision == FALIGN_F32 ? run_f32(backend, p, c) : run_f64(backend, p, c);
  if (status != FALIGN_OK) {
    fal_callback_failed(status, "backend", backend->name);
    return fal_fail(FALIGN_INVALID, "backend %s: %s failed the self-test: %s", backend->name, entry,
                    falign_last_error());
  }
  for (size_t i = 0; i < TEST_SIZE; i++) {
    if (right(p, i, c[i])) continue;
    return fal_fail(FALIGN_INVALID,
                    "backend %s: %s is wrong at row %zu, column %zu for m %zu, n %zu, k %zu, transpose %d %d, "
                    "alpha %g, beta %g",
                    backend->name, entry, i / TEST_STRIDE, i % TEST_STRIDE, p->m, p->n, p->k, p->transpose_a,
                    p->transpose_b, p->alpha, p->beta);
  }
  return FALIGN_OK;
}

static falign_status self_test(const falign_backend *backend) {
  for (size_t i = 0; i < sizeof test_products / sizeof *test_products; i++) {
    FAL_TRY(test_product(backend, &test_products[i], FALIGN_F32));
    FAL_TRY(test_product(backend, &test_products[i], FALIGN_F64));
  }
  return FALIGN_OK;
}

static falign_status copy_table(const falign_backend_table *given, falign_backend_table *table) {
  static const size_t first_size = offsetof(falign_backend_table, destroy) + sizeof(void (*)(void *));
  FAL_TRY(fal_copy_table("backend", table, sizeof *table, first_size, given, given->size));
  if (!table->name) return fal_fail(FALIGN_INVALID, "the backend table has no name");
  if (!table->sgemm || !table->dgemm)
    return fal_fail(FALIGN_INVALID, "backend %s has no %s", table->name, table->sgemm ? "dgemm" : "sgemm");
  return FALIGN_OK;
}

falign_status falign_backend_create(const falign_backend_table *table, void *user, falign_backend **out) {
  falign_backend_table own_table;
  FAL_GIVEN(table);
  FAL_GIVEN(out);
  FAL_TRY(copy_table(table, &own_table));
  falign_backend *backend = fal_zalloc(1, sizeof *backend);
  char *name = fal_strdup(own_table.name);
  if (!backend || !name) {
    free(backend);
    free(name);
    return fal_fail_memory("a backend", 1, sizeof *backend);
  }
  fal_refs_init(&backend->refs);
  backend->name = name;
  backend->sgemm = own_table.sgemm;
  backend->dgemm = own_table.dgemm;
  backend->user = user;
  falign_status status = self_test(backend);
  if (status != FALIGN_OK) {
    falign_backend_destroy(backend);
    return status;
  }
  backend->destroy = own_table.destroy;
  *out = backend;
  return FALIGN_OK;
}

void fal_backend_keep(const falign_backend *backend) {
  if (!backend->permanent) fal_refs_keep(&((falign_backend *)backend)->refs);
}

void falign_backend_destroy(falign_backend *backend) {
  if (!backend || backend->permanent || !fal_refs_drop(&backend->refs)) return;
  if (backend->destroy) backend->destroy(backend->user);
  free((char *)backend->name);
  free(backend);
}

static falign_status check_strides(const void *backend, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n,
                                   size_t k, size_t lda, size_t ldb, size_t ldc) {
  FAL_GIVEN(backend);
  size_t a_cols = transpose_a ? m : k, b_cols = transpose_b ? k : n;
  if (lda < a_cols || ldb < b_cols || ldc < n || !lda || !ldb || !ldc)
    return fal_fail(FALIGN_INVALID, "strides %zu, %zu, %zu are too short for columns %zu, %zu, %zu", lda, ldb, ldc,
                    a_cols, b_cols, n);
  return FALIGN_OK;
}

falign_status falign_backend_gemm_f32(const falign_backend *backend, int32_t transpose_a, int32_t transpose_b, size_t m,
                                      size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                                      size_t ldb, float beta, float *c, size_t ldc) {
  FAL_TRY(check_strides(backend, transpose_a, transpose_b, m, n, k, lda, ldb, ldc));
  if (!backend->permanent) fal_before_callback();
  falign_status status =
      backend->sgemm(backend->user, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  return status == FALIGN_OK ? status : fal_callback_failed(status, "backend", backend->name);
}

falign_status falign_backend_gemm_f64(const falign_backend *backend, int32_t transpose_a, int32_t transpose_b, size_t m,
                                      size_t n, size_t k, double alpha, const double *a, size_t lda, const double *b,
                                      size_t ldb, double beta, double *c, size_t ldc) {
  FAL_TRY(check_strides(backend, transpose_a, transpose_b, m, n, k, lda, ldb, ldc));
  if (!backend->permanent) fal_before_callback();
  falign_status status =
      backend->dgemm(backend->user, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  return status == FALIGN_OK ? status : fal_callback_failed(status, "backend", backend->name);
}
