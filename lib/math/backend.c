/* SPDX-License-Identifier: Apache-2.0 */
#include "math/backend.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vector.h"
#include "math/matrix.h"

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
/* "auto" on a machine that fuses products and sums: the built-in product is fastest for the small matrices of a block,
 * the BLAS for matrices that are large in every direction. */
enum { LARGE = 96 };

static const falign_backend *backend_for(size_t m, size_t n, size_t k) {
  return m >= LARGE && n >= LARGE && k >= LARGE ? &fal_backend_cblas : &fal_backend_builtin;
}

static falign_status best_sgemm(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                                float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta,
                                float *c, size_t ldc) {
  return backend_for(m, n, k)->sgemm(user, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

static falign_status best_dgemm(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                                double alpha, const double *a, size_t lda, const double *b, size_t ldb, double beta,
                                double *c, size_t ldc) {
  return backend_for(m, n, k)->dgemm(user, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
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

/* Never libxsmm: asking whether it can run starts it, and it is not faster. */
static const falign_backend *find_best(void) {
#ifdef FAL_CBLAS
  return fal_vectors_fuse() ? &best : &fal_backend_cblas;
#else
  return &fal_backend_builtin;
#endif
}

/* The backends of this build. */
static const falign_backend *const built_in[] = {
#ifdef FAL_CBLAS
    &fal_backend_cblas,
#endif
#ifdef FAL_XSMM
    &fal_backend_xsmm,
#endif
    &fal_backend_builtin,
};
enum { BUILT_IN = sizeof built_in / sizeof *built_in };

static bool runs_here(const falign_backend *backend) { return !backend->runs_here || backend->runs_here(); }

/* Returns backend `index` of those that this machine can run; NULL after the last. */
static const falign_backend *runnable_at(size_t index) {
  for (size_t i = 0; i < BUILT_IN; i++) {
    if (!runs_here(built_in[i])) continue;
    if (index-- == 0) return built_in[i];
  }
  return NULL;
}

const char *falign_backend_name_at(size_t index) {
  const falign_backend *backend = runnable_at(index);
  return backend ? backend->name : NULL;
}

static falign_status fail_unknown(const char *name) {
  char known[256];
  int length = snprintf(known, sizeof known, "auto");
  const falign_backend *backend;
  for (size_t i = 0; (backend = runnable_at(i)); i++)
    length += snprintf(known + length, sizeof known - (size_t)length, ", %s", backend->name);
  return fal_fail(FALIGN_UNSUPPORTED, "there is no backend \"%s\": this build has %s on this machine", name, known);
}

falign_status falign_backend_create(const char *name, falign_backend **out) {
  FAL_GIVEN(name);
  FAL_GIVEN(out);
  if (strcmp(name, "auto") == 0) {
    *out = (falign_backend *)find_best();
    return FALIGN_OK;
  }
  for (size_t i = 0; i < BUILT_IN; i++) {
    if (strcmp(name, built_in[i]->name) != 0 || !runs_here(built_in[i])) continue;
    *out = (falign_backend *)built_in[i];
    return FALIGN_OK;
  }
  return fail_unknown(name);
}

const char *falign_backend_name(const falign_backend *backend) { return backend->name; }

const char *falign_backend_detail(const falign_backend *backend) {
  return backend->detail ? backend->detail() : "the user's functions";
}

int32_t falign_backend_own_threads(const falign_backend *backend) {
  return backend->own_threads ? backend->own_threads() : 1;
}

/* The self-test of a user's functions uses small whole numbers, so that the order of summation does not matter. */
enum { TEST_STRIDE = 8, TEST_SIZE = 7 * TEST_STRIDE };

typedef struct {
  size_t m, n, k;
  int32_t transpose_a, transpose_b;
  double alpha, beta;
} test_product;

static const test_product test_products[] = {{1, 1, 1, 0, 0, 1, 0},  {2, 3, 4, 0, 0, 1, 0},  {5, 1, 7, 0, 1, 2, 1},
                                             {3, 7, 1, 1, 0, 1, -1}, {7, 5, 3, 1, 1, -1, 2}, {4, 4, 4, 1, 0, 2, 0},
                                             {1, 7, 6, 0, 1, 1, 0},  {6, 2, 5, 1, 1, 1, 1},  {7, 7, 7, 0, 0, 3, 0},
                                             {3, 2, 7, 0, 1, 0, 2},  {2, 6, 2, 1, 0, 0.5, 0}};

static double test_value(size_t i) { return (double)((i * 7 + 3) % 11) - 5; }

static double expected_value(const test_product *p, size_t i, size_t j) {
  double sum = 0;
  for (size_t q = 0; q < p->k; q++) {
    size_t a = p->transpose_a ? q * TEST_STRIDE + i : i * TEST_STRIDE + q;
    size_t b = p->transpose_b ? j * TEST_STRIDE + q : q * TEST_STRIDE + j;
    sum += test_value(a) * test_value(b + 1);
  }
  sum *= p->alpha;
  return p->beta == 0 ? sum : sum + p->beta * test_value(i * TEST_STRIDE + j + 2);
}

/* Whether `got` is what C holds after the product. Numbers outside C must be unchanged. */
static bool is_right(const test_product *p, size_t at, double got) {
  size_t i = at / TEST_STRIDE, j = at % TEST_STRIDE;
  if (i < p->m && j < p->n) return got == expected_value(p, i, j);
  return p->beta == 0 ? isnan(got) != 0 : got == test_value(at + 2);
}

static falign_status run_f32(const falign_backend *backend, const test_product *p, double c[TEST_SIZE]) {
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

static falign_status run_f64(const falign_backend *backend, const test_product *p, double c[TEST_SIZE]) {
  double a[TEST_SIZE], b[TEST_SIZE];
  for (size_t i = 0; i < TEST_SIZE; i++) {
    a[i] = test_value(i);
    b[i] = test_value(i + 1);
  }
  return backend->dgemm(backend->user, p->transpose_a, p->transpose_b, p->m, p->n, p->k, p->alpha, a, TEST_STRIDE, b,
                        TEST_STRIDE, p->beta, c, TEST_STRIDE);
}

static falign_status run_test(const falign_backend *backend, const test_product *p, falign_precision precision) {
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
    if (is_right(p, i, c[i])) continue;
    return fal_fail(FALIGN_INVALID,
                    "backend %s: %s is wrong at row %zu, column %zu for m %zu, n %zu, k %zu, transpose %d %d, "
                    "alpha %g, beta %g",
                    backend->name, entry, i / TEST_STRIDE, i % TEST_STRIDE, p->m, p->n, p->k, p->transpose_a,
                    p->transpose_b, p->alpha, p->beta);
  }
  return FALIGN_OK;
}

static falign_status test_backend(const falign_backend *backend) {
  for (size_t i = 0; i < sizeof test_products / sizeof *test_products; i++) {
    FAL_TRY(run_test(backend, &test_products[i], FALIGN_F32));
    FAL_TRY(run_test(backend, &test_products[i], FALIGN_F64));
  }
  return FALIGN_OK;
}

static falign_status copy_backend_table(const falign_backend_table *given, falign_backend_table *table) {
  static const size_t first_size = offsetof(falign_backend_table, destroy) + sizeof(void (*)(void *));
  FAL_TRY(fal_copy_table("backend", table, sizeof *table, first_size, given, given->size));
  if (!table->name) return fal_fail(FALIGN_INVALID, "the backend table has no name");
  if (!table->sgemm || !table->dgemm)
    return fal_fail(FALIGN_INVALID, "backend %s has no %s", table->name, table->sgemm ? "dgemm" : "sgemm");
  return FALIGN_OK;
}

falign_status falign_backend_create_custom(const falign_backend_table *table, void *user, falign_backend **out) {
  falign_backend_table own;
  FAL_GIVEN(table);
  FAL_GIVEN(out);
  FAL_TRY(copy_backend_table(table, &own));
  falign_backend *backend = fal_zalloc(1, sizeof *backend);
  char *name = fal_strdup(own.name);
  if (!backend || !name) {
    free(backend);
    free(name);
    return fal_fail_memory("a backend", 1, sizeof *backend);
  }
  fal_refs_init(&backend->refs);
  backend->name = name;
  backend->sgemm = own.sgemm;
  backend->dgemm = own.dgemm;
  backend->user = user;
  falign_status status = test_backend(backend);
  if (status != FALIGN_OK) {
    falign_backend_destroy(backend);
    return status;
  }
  backend->destroy = own.destroy;
  *out = backend;
  return FALIGN_OK;
}

void fal_backend_retain(const falign_backend *backend) {
  if (!backend->permanent) fal_refs_retain(&((falign_backend *)backend)->refs);
}

void falign_backend_destroy(falign_backend *backend) {
  if (!backend || backend->permanent || !fal_refs_release(&backend->refs)) return;
  if (backend->destroy) backend->destroy(backend->user);
  free((char *)backend->name);
  free(backend);
}

static falign_status check_stride(const char *name, size_t stride, size_t cols) {
  if (stride >= cols && stride > 0) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "the stride of %s is %zu, too short for %zu columns", name, stride, cols);
}

static falign_status finish_product(const falign_backend *backend, falign_status status) {
  return status == FALIGN_OK ? status : fal_callback_failed(status, "backend", backend->name);
}

falign_status fal_gemm_f32(const falign_backend *backend, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n,
                           size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta,
                           float *c, size_t ldc) {
  FAL_TRY(check_stride("A", lda, transpose_a ? m : k));
  FAL_TRY(check_stride("B", ldb, transpose_b ? k : n));
  FAL_TRY(check_stride("C", ldc, n));
  if (!backend->permanent) fal_before_callback();
  return finish_product(
      backend, backend->sgemm(backend->user, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc));
}

falign_status fal_gemm_f64(const falign_backend *backend, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n,
                           size_t k, double alpha, const double *a, size_t lda, const double *b, size_t ldb,
                           double beta, double *c, size_t ldc) {
  FAL_TRY(check_stride("A", lda, transpose_a ? m : k));
  FAL_TRY(check_stride("B", ldb, transpose_b ? k : n));
  FAL_TRY(check_stride("C", ldc, n));
  if (!backend->permanent) fal_before_callback();
  return finish_product(
      backend, backend->dgemm(backend->user, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc));
}

/* ---- Products of views ---- */

/* A matrix in the form that a backend takes: contiguous rows of it or of its transpose. */
typedef struct {
  const void *data;
  size_t stride;
  bool transposed;
  void *copy; /* released after the product; NULL if `data` is the view's own */
} operand;

/* Describes a view to a backend; returns false if it has to be copied first. */
static bool find_operand(const falign_view *view, operand *out) {
  falign_view transposed = falign_view_transposed(*view);
  *out = (operand){.data = view->data};
  if (fal_view_stride(view, &out->stride)) return true;
  out->transposed = fal_view_stride(&transposed, &out->stride);
  return out->transposed;
}

static falign_status allocate_copy(const falign_view *view, falign_matrix *copy) {
  size_t element = fal_element(view->precision);
  void *data = fal_alloc_matrix(view->rows, view->cols, element);
  *copy = fal_matrix_plain(data, view->precision, view->rows, view->cols);
  return copy->data ? FALIGN_OK : fal_fail_memory("a copy of a matrix", view->rows, view->cols * element);
}

/* The same for any view, which is copied if necessary. */
static falign_status take_operand(const falign_view *view, operand *out) {
  if (find_operand(view, out)) return FALIGN_OK;
  falign_matrix copy;
  FAL_TRY(allocate_copy(view, &copy));
  fal_copy(&copy, view);
  *out = (operand){.data = copy.data, .copy = copy.data, .stride = view->cols > 0 ? view->cols : 1};
  return FALIGN_OK;
}

/* C = alpha A B + beta C, with C in contiguous rows. */
static falign_status multiply_into_rows(const falign_backend *backend, double alpha, const falign_view *a,
                                        const falign_view *b, double beta, const falign_matrix *c) {
  operand x = {0}, y = {0};
  falign_view view_c = falign_view_of(*c);
  size_t ldc = 1;
  falign_status status = take_operand(a, &x);
  if (status == FALIGN_OK) status = take_operand(b, &y);
  fal_view_stride(&view_c, &ldc);
  if (status == FALIGN_OK && c->precision == FALIGN_F32) {
    status = fal_gemm_f32(backend, x.transposed, y.transposed, c->rows, c->cols, a->cols, (float)alpha, x.data,
                          x.stride, y.data, y.stride, (float)beta, c->data, ldc);
  } else if (status == FALIGN_OK) {
    status = fal_gemm_f64(backend, x.transposed, y.transposed, c->rows, c->cols, a->cols, alpha, x.data, x.stride,
                          y.data, y.stride, beta, c->data, ldc);
  }
  free(x.copy);
  free(y.copy);
  return status;
}

/* The same with any C, by way of a copy. */
static falign_status multiply_into_copy(const falign_backend *backend, double alpha, const falign_view *a,
                                        const falign_view *b, double beta, const falign_matrix *c) {
  falign_view view_c = falign_view_of(*c);
  falign_matrix copy;
  FAL_TRY(allocate_copy(&view_c, &copy));
  if (beta != 0) fal_copy(&copy, &view_c);
  falign_status status = multiply_into_rows(backend, alpha, a, b, beta, &copy);
  falign_view product = falign_view_of(copy);
  if (status == FALIGN_OK) fal_copy(c, &product);
  free(copy.data);
  return status;
}

falign_status fal_gemm(const falign_backend *backend, double alpha, const falign_view *a, const falign_view *b,
                       double beta, const falign_matrix *c) {
  falign_view view_c = falign_view_of(*c);
  operand found;
  if (!find_operand(&view_c, &found)) return multiply_into_copy(backend, alpha, a, b, beta, c);
  if (!found.transposed) return multiply_into_rows(backend, alpha, a, b, beta, c);
  falign_view a_transposed = falign_view_transposed(*a), b_transposed = falign_view_transposed(*b);
  falign_matrix c_transposed = {c->data, c->cols, c->rows, c->col_step, c->row_step, c->precision};
  return multiply_into_rows(backend, alpha, &b_transposed, &a_transposed, beta, &c_transposed); /* C^T = B^T A^T */
}

static falign_status check_same_precision(const char *name, falign_precision precision, falign_precision of_a) {
  if (precision == of_a) return FALIGN_OK;
  return fal_fail(FALIGN_SHAPE, "%s is in %s, a in %s", name, fal_precision_name(precision), fal_precision_name(of_a));
}

falign_status falign_backend_gemm(const falign_backend *backend, double alpha, const falign_view *a,
                                  const falign_view *b, double beta, const falign_matrix *c) {
  FAL_GIVEN(backend);
  FAL_TRY(fal_check_view("a", -1, a));
  FAL_TRY(fal_check_view("b", -1, b));
  FAL_TRY(fal_check_view_shape("b", -1, b, a->cols, b->cols));
  FAL_TRY(fal_check_matrix_shape("c", -1, c, a->rows, b->cols));
  FAL_TRY(check_same_precision("b", b->precision, a->precision));
  FAL_TRY(check_same_precision("c", c->precision, a->precision));
  return fal_gemm(backend, alpha, a, b, beta, c);
}
