/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_BACKEND_H
#define FALIGN_BACKEND_H

/** @file backend.h
 *  @brief What multiplies matrices: built in, CBLAS, libxsmm, or the caller's own. */

#include "falign/status.h"

FALIGN_BEGIN

/** A matrix multiplier. The library's own are permanent: destroying them does nothing. */
typedef struct falign_backend falign_backend;

/** C = alpha op(A) op(B) + beta C in row-major order, op(X) = X or X^T.
 *  op(A) is m x k, op(B) k x n, C m x n; lda, ldb, ldc are the strides of A, B, C as stored.
 *  With beta = 0, C is written without being read (it may hold NaN). Called from several threads at once with
 *  disjoint C. A non-zero return is a falign_status and ends the step. */
typedef falign_status (*falign_sgemm_fn)(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n,
                                         size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb,
                                         float beta, float *c, size_t ldc);
/** As falign_sgemm_fn, in double precision. */
typedef falign_status (*falign_dgemm_fn)(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n,
                                         size_t k, double alpha, const double *a, size_t lda, const double *b,
                                         size_t ldb, double beta, double *c, size_t ldc);

/** A caller's backend. */
typedef struct falign_backend_table {
  size_t size;                 /**< sizeof(falign_backend_table) */
  const char *name;            /**< required; copied */
  falign_sgemm_fn sgemm;       /**< required */
  falign_dgemm_fn dgemm;       /**< required */
  void (*destroy)(void *user); /**< optional: called once when the last reference is gone */
} falign_backend_table;

/** Makes a backend of the caller's functions. It is accepted only after it reproduces known products on small
 *  awkward shapes, strides and transposes, and beta = 0 over NaN.
 *  @return FALIGN_INVALID naming a missing entry or the product that came out wrong, FALIGN_UNSUPPORTED for a table
 *  with entries that this version does not know, FALIGN_MEMORY; `user` is then not destroyed. */
FALIGN_API FALIGN_CHECKED falign_status falign_backend_create(const falign_backend_table *table, void *user,
                                                              falign_backend **out);
/** Gives back a reference; NULL and the library's own are fine. */
FALIGN_API void falign_backend_destroy(falign_backend *backend);

/** How many backends this build has that the machine can run. */
FALIGN_API size_t falign_backend_count(void);
/** The name of backend `index`, such as "cblas", "xsmm" or "builtin"; NULL beyond the last. Static storage. */
FALIGN_API const char *falign_backend_name_at(size_t index);

/** Finds a backend of this build by name; it need not be destroyed.
 *  "auto" gives what is best here: the built-in product, which goes through the small matrices of blocks of rows
 *  fastest, and for matrices that are large in every direction the BLAS; on a machine that does not fuse products and
 *  sums, the BLAS alone; falign_backend_detail() says which.
 *  "xsmm" starts libxsmm, and so does a listing of names: it heeds the variables LIBXSMM_* and keeps a locked file in
 *  /tmp until the process ends.
 *  @return FALIGN_UNSUPPORTED listing what this build has and the machine can run. */
FALIGN_API FALIGN_CHECKED falign_status falign_backend_find(const char *name, falign_backend **out);

/** The backend's name, in its own storage. */
FALIGN_API const char *falign_backend_name(const falign_backend *backend);

/** What stands behind it, such as the BLAS's name and version. Valid until the calling thread ends. */
FALIGN_API const char *falign_backend_detail(const falign_backend *backend);
/** The threads that the BLAS itself uses; 1 where it cannot be asked. */
FALIGN_API int32_t falign_backend_own_threads(const falign_backend *backend);

/** C = alpha op(A) op(B) + beta C, op(A) being m x k, op(B) k x n, C m x n; see falign_sgemm_fn.
 *  @return FALIGN_INVALID for a stride that is too short, FALIGN_UNSUPPORTED where a size is beyond the BLAS, the
 *  status of a caller's backend that fails. */
FALIGN_API FALIGN_CHECKED falign_status falign_backend_gemm_f32(const falign_backend *backend, int32_t transpose_a,
                                                                int32_t transpose_b, size_t m, size_t n, size_t k,
                                                                float alpha, const float *a, size_t lda, const float *b,
                                                                size_t ldb, float beta, float *c, size_t ldc);
/** As falign_backend_gemm_f32(), in double precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_backend_gemm_f64(const falign_backend *backend, int32_t transpose_a,
                                                                int32_t transpose_b, size_t m, size_t n, size_t k,
                                                                double alpha, const double *a, size_t lda,
                                                                const double *b, size_t ldb, double beta, double *c,
                                                                size_t ldc);

FALIGN_END

#endif
