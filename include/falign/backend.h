/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_BACKEND_H
#define FALIGN_BACKEND_H

/** @file backend.h
 *  @brief What multiplies matrices: built in, CBLAS, libxsmm, or a user's own. */

#include "falign/matrix.h"

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

/** A user's backend. */
typedef struct falign_backend_table {
  size_t size;                 /**< sizeof(falign_backend_table) */
  const char *name;            /**< required; copied */
  falign_sgemm_fn sgemm;       /**< required */
  falign_dgemm_fn dgemm;       /**< required */
  void (*destroy)(void *user); /**< optional: called once when the last reference is released */
} falign_backend_table;

/** Returns the name of backend `index` of those that this build has and the machine can run, such as "cblas", "xsmm"
 *  or "builtin"; NULL beyond the last. Static storage. */
FALIGN_API const char *falign_backend_name_at(size_t index);

/** Finds a backend of this build by name; it need not be destroyed.
 *  "auto" is the best choice here: the built-in product, which is fastest for the small matrices of blocks of rows,
 *  and the BLAS for matrices that are large in every direction; on a machine that does not fuse products and sums, only
 *  the BLAS. falign_backend_detail() says which.
 *  "xsmm" starts libxsmm, and so does a listing of names: it reads the variables LIBXSMM_* and keeps a locked file in
 *  /tmp until the process ends.
 *  @return FALIGN_UNSUPPORTED listing what this build has and the machine can run. */
FALIGN_API FALIGN_CHECKED falign_status falign_backend_create(const char *name, falign_backend **out);
/** Makes a backend of a user's functions. It is accepted only after it reproduces known products on small awkward
 *  shapes, strides and transposes, and beta = 0 over NaN.
 *  @return FALIGN_INVALID naming a missing entry or the product that came out wrong, FALIGN_UNSUPPORTED for a table
 *  with entries that this version does not know, FALIGN_MEMORY; `user` is then not destroyed. */
FALIGN_API FALIGN_CHECKED falign_status falign_backend_create_custom(const falign_backend_table *table, void *user,
                                                                     falign_backend **out);
/** Releases a reference; NULL and the library's own are fine. */
FALIGN_API void falign_backend_destroy(falign_backend *backend);

/** Returns the backend's name, in its own storage. */
FALIGN_API const char *falign_backend_name(const falign_backend *backend);
/** Describes what stands behind it, such as the BLAS's name and version. Valid until the calling thread ends. */
FALIGN_API const char *falign_backend_detail(const falign_backend *backend);
/** Returns the number of threads that the BLAS itself uses; 1 if it cannot be asked. */
FALIGN_API int32_t falign_backend_own_threads(const falign_backend *backend);

/** Computes C = alpha A B + beta C for an m x k matrix A, a k x n matrix B and an m x n matrix C, all in one precision;
 *  pass transposed views for A^T and B^T. With beta = 0, C is written without being read. A matrix whose steps the
 *  backend cannot take (neither rows nor columns contiguous) is copied first.
 *  @return FALIGN_SHAPE also for mixed precisions, FALIGN_UNSUPPORTED for a size beyond the BLAS, FALIGN_MEMORY, the
 *  status of a user's backend that fails, which may leave C partly written. */
FALIGN_API FALIGN_CHECKED falign_status falign_backend_gemm(const falign_backend *backend, double alpha,
                                                            const falign_view *a, const falign_view *b, double beta,
                                                            const falign_matrix *c);

FALIGN_END

#endif
