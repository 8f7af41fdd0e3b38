/* SPDX-License-Identifier: Apache-2.0 */
#include <cblas.h>
#include <limits.h>

#include "math/backend.h"

static falign_status check_blas_sizes(size_t m, size_t n, size_t k, size_t lda, size_t ldb, size_t ldc) {
  if (m <= INT_MAX && n <= INT_MAX && k <= INT_MAX && lda <= INT_MAX && ldb <= INT_MAX && ldc <= INT_MAX)
    return FALIGN_OK;
  return fal_fail(FALIGN_UNSUPPORTED, "a product of %zu x %zu x %zu (strides %zu, %zu, %zu) is too large for the BLAS",
                  m, n, k, lda, ldb, ldc);
}

static enum CBLAS_TRANSPOSE blas_transpose(int32_t transpose) { return transpose ? CblasTrans : CblasNoTrans; }

static falign_status blas_sgemm(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                                float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta,
                                float *c, size_t ldc) {
  (void)user;
  FAL_TRY(check_blas_sizes(m, n, k, lda, ldb, ldc));
  cblas_sgemm(CblasRowMajor, blas_transpose(transpose_a), blas_transpose(transpose_b), (int)m, (int)n, (int)k, alpha, a,
              (int)lda, b, (int)ldb, beta, c, (int)ldc);
  return FALIGN_OK;
}

static falign_status blas_dgemm(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                                double alpha, const double *a, size_t lda, const double *b, size_t ldb, double beta,
                                double *c, size_t ldc) {
  (void)user;
  FAL_TRY(check_blas_sizes(m, n, k, lda, ldb, ldc));
  cblas_dgemm(CblasRowMajor, blas_transpose(transpose_a), blas_transpose(transpose_b), (int)m, (int)n, (int)k, alpha, a,
              (int)lda, b, (int)ldb, beta, c, (int)ldc);
  return FALIGN_OK;
}

#ifdef FAL_OPENBLAS
static const char *blas_detail(void) { return openblas_get_config(); }

static int32_t blas_threads(void) { return openblas_get_num_threads(); }
#else
static const char *blas_detail(void) { return FAL_BLAS_NAME; }

static int32_t blas_threads(void) { return 1; }
#endif

const falign_backend fal_backend_cblas = {.permanent = true,
                                          .name = "cblas",
                                          .sgemm = blas_sgemm,
                                          .dgemm = blas_dgemm,
                                          .detail = blas_detail,
                                          .own_threads = blas_threads};
