/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_BACKEND_H
#define FAL_BACKEND_H

#include "base/support.h"
#include "falign/backend.h"

struct falign_backend {
  fal_refs refs;
  bool permanent; /* a built-in one, which is never released */
  const char *name;
  falign_sgemm_fn sgemm;
  falign_dgemm_fn dgemm;
  const char *(*detail)(void);  /* may be NULL */
  int32_t (*own_threads)(void); /* may be NULL */
  bool (*runs_here)(void);      /* whether this machine can run it; NULL if every machine can */
  void *user;
  void (*destroy)(void *user);
};

extern const falign_backend fal_backend_builtin;
#ifdef FAL_CBLAS
extern const falign_backend fal_backend_cblas;
#endif
#ifdef FAL_XSMM
extern const falign_backend fal_backend_xsmm;
falign_status fal_xsmm_gemm_f32(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                                float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta,
                                float *c, size_t ldc);
falign_status fal_xsmm_gemm_f64(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                                double alpha, const double *a, size_t lda, const double *b, size_t ldb, double beta,
                                double *c, size_t ldc);
#endif

/* C = C + alpha a b^T, or alpha a b^T if `fresh`: a product with k = 1, with the same bits as the built-in product. */
void fal_add_outer_f32(const float *a, size_t a_stride, const float *b, size_t m, size_t n, float alpha, bool fresh,
                       float *c, size_t ldc);
void fal_add_outer_f64(const double *a, size_t a_stride, const double *b, size_t m, size_t n, double alpha, bool fresh,
                       double *c, size_t ldc);

void fal_backend_retain(const falign_backend *backend);

/* C = alpha op(A) op(B) + beta C on arrays; see falign_sgemm_fn. Returns FALIGN_INVALID if a stride is too short. */
falign_status fal_gemm_f32(const falign_backend *backend, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n,
                           size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta,
                           float *c, size_t ldc);
falign_status fal_gemm_f64(const falign_backend *backend, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n,
                           size_t k, double alpha, const double *a, size_t lda, const double *b, size_t ldb,
                           double beta, double *c, size_t ldc);
/* falign_backend_gemm() without its checks. */
falign_status fal_gemm(const falign_backend *backend, double alpha, const falign_view *a, const falign_view *b,
                       double beta, const falign_matrix *c);

falign_status fal_builtin_gemm_f32(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                                   float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta,
                                   float *c, size_t ldc);
falign_status fal_builtin_gemm_f64(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                                   double alpha, const double *a, size_t lda, const double *b, size_t ldb, double beta,
                                   double *c, size_t ldc);

#endif
