/* SPDX-License-Identifier: Apache-2.0 */
#include <cblas.h>
#include <limits.h>

#include "math/backend.h"

static falign_status check_sizes(size_t m, size_t n, size_t k, size_t lda, size_t ldb, size_t ldc) {
  if (m <= INT_MAX && n <= INT_MAX && k <= INT_MAX && lda <= INT_MAX && ldb <= INT_MAX && ldc <= INT_MAX)
    return FALIGN_OK;
  return fal_fail(FALIGN_UNSUPPORTED, "a product of %zu x %zu x %zu (strides %zu, %zu, %zu) is beyond the BLAS", m, n,
                  k, lda, ldb, ldc);
}

static enum CBLAS_TRANSPOSE op(int32_t transpose) { return transpose ? CblasTrans : CblasNoTrans; }

static falign_status sgemm(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                           float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                           size_t ldc) {
  (void)user;
  FAL_TRY(check_sizes(m, n, k, lda, ldb, ldc));
  cblas_sgemm(CblasRowMajor, op(transpose_a), op(transpose_b), (int)m, (int)n, (int)k, alpha, a, (int)lda, b, (int)ldb,
              beta, c, (int)ldc);
  return FALIGN_OK;
}

static falign_status dgemm(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                           double alpha, const double *a, size_t lda, const double *b, size_t ldb, double beta,
                           double *c, size_t ldc) {
  (void)user;
  FAL_TRY(check_sizes(m, n, k, lda, ldb, ldc));
  cblas_dgemm(CblasRowMajor, op(transpose_a), op(transpose_b), (int)m, (int)n, (int)k, alpha, a, (int)lda, b, (int)ldb,
              beta, c, (int)ldc);
  return FALIGN_OK;
}

#ifdef FAL_OPENBLAS
static const char *detail(void) { return openblas_get_config(); }

static int32_t own_threads(void) { return openblas_get_num_threads(); }
#else
static const char *detail(void) { return FAL_BLAS_NAME; }

static int32_t own_threads(void) { return 1; }
#endif

const falign_backend fal_backend_cblas = {
    .permanent = true, .name = "cblas", .sgemm = sgemm, .dgemm = dgemm, .detail = detail, .own_threads = own_threads};
