/* SPDX-License-Identifier: Apache-2.0 */
#include <libxsmm.h>
#include <string.h>

#include "base/real.h"
#include "base/size.h"
#include "base/vector.h"
#include "math/backend.h"

#if defined(FAL_REAL_F32)
#define DISPATCH libxsmm_smmdispatch
#define SUPPLIED sgemm
typedef libxsmm_smmfunction kernel;
#else
#define DISPATCH libxsmm_dmmdispatch
#define SUPPLIED dgemm
typedef libxsmm_dmmfunction kernel;
#endif

/* libxsmm multiplies small matrices, with alpha = 1, beta = 0 or 1, and B not transposed. So B is cut into pieces of at
 * most PIECE_K x PIECE_N numbers, which are copied if B is transposed, or if C has many rows and those of B are so far
 * apart that they displace each other in the cache. Another alpha is applied to the sums of SUM_ROWS rows. */
enum {
  PIECE_N = 64,
  PIECE_K = (int)(1024 / sizeof(real)),
  MOST_ROWS = 1024,
  SUM_ROWS = 64,
  MANY_ROWS = 32,
  FAR_APART = (int)(2048 / sizeof(real)),
  MOST_STRIDE = 1 << 20, /* offsets within a kernel have 32 bits */
  LARGE = 256,
  FEW_ROWS = 8,
};

/* C = op(A) B + beta C by one kernel. */
typedef struct {
  bool transpose_a;
  size_t m, n, k, lda, ldb, ldc;
  real beta;
} product;

/* In libxsmm's order of columns this is C^T = B^T op(A)^T. */
static kernel find_kernel(const product *p) {
  const libxsmm_blasint m = (int)p->n, n = (int)p->m, k = (int)p->k;
  const libxsmm_blasint lda = (int)p->ldb, ldb = (int)p->lda, ldc = (int)p->ldc;
  const int flags = p->transpose_a ? LIBXSMM_GEMM_FLAG_TRANS_B : LIBXSMM_GEMM_FLAG_NONE;
  const int prefetch = LIBXSMM_GEMM_PREFETCH_NONE;
  const real alpha = 1;
  return DISPATCH(m, n, k, &lda, &ldb, &ldc, &alpha, &p->beta, &flags, &prefetch);
}

static falign_status call_kernel(const product *p, const real *a, const real *b, real *c) {
  kernel found = find_kernel(p);
  if (!found)
    return REAL(fal_builtin_gemm)(NULL, p->transpose_a, 0, p->m, p->n, p->k, 1, a, p->lda, b, p->ldb, p->beta, c,
                                  p->ldc);
  found(b, a, c);
  return FALIGN_OK;
}

FAL_LOOP void add_sums_loop(real alpha, const real *restrict sums, size_t m, size_t n, real *restrict c, size_t ldc) {
  for (size_t i = 0; i < m; i++, c += ldc, sums += n) {
    for (size_t j = 0; j < n; j++) c[j] += alpha * sums[j];
  }
}

FAL_VECTOR(void, add_sums, (real alpha, const real *sums, size_t m, size_t n, real *c, size_t ldc),
           add_sums_loop(alpha, sums, m, n, c, ldc))

/* C = C + alpha op(A) B; with alpha = 1, C = op(A) B + beta C. */
static falign_status multiply_scaled(const product *p, real alpha, const real *a, const real *b, real *c) {
  if (alpha == 1) return call_kernel(p, a, b, c);
  real sums[SUM_ROWS * PIECE_N];
  product to_sums = *p;
  to_sums.ldc = p->n;
  to_sums.beta = 0;
  FAL_TRY(call_kernel(&to_sums, a, b, sums));
  add_sums[fal_vector_level()](alpha, sums, p->m, p->n, c, p->ldc);
  return FALIGN_OK;
}

/* Multiplies all m rows by one piece of B. */
static falign_status multiply_rows(product p, size_t m, real alpha, const real *a, const real *b, real *c) {
  size_t rows = alpha == 1 ? MOST_ROWS : SUM_ROWS;
  for (size_t i = 0; i < m; i += rows) {
    p.m = fal_min(rows, m - i);
    FAL_TRY(multiply_scaled(&p, alpha, a + i * (p.transpose_a ? 1 : p.lda), b, c + i * p.ldc));
  }
  return FALIGN_OK;
}

/* Copies k x n numbers of B, or of B^T if B is transposed. */
static void copy_piece(bool transposed, const real *b, size_t ldb, size_t k, size_t n, real *restrict to) {
  if (transposed) {
    for (size_t j = 0; j < n; j++, b += ldb) {
      for (size_t i = 0; i < k; i++) to[i * n + j] = b[i];
    }
  } else {
    for (size_t i = 0; i < k; i++, b += ldb, to += n) memcpy(to, b, n * sizeof *to);
  }
}

static void scale_by_beta(real beta, size_t m, size_t n, real *c, size_t ldc) {
  for (size_t i = 0; i < m; i++, c += ldc) {
    for (size_t j = 0; j < n; j++) c[j] = beta == 0 ? 0 : beta * c[j];
  }
}

/* Returns a backend to use instead, or NULL. The BLAS is faster for products that are large in every direction, and if
 * a copy of B^T would serve few rows. */
static const falign_backend *substitute_for(bool transpose_b, size_t m, size_t n, size_t k, size_t most_stride) {
  if (most_stride > MOST_STRIDE) return &fal_backend_builtin;
  if (fal_max(m, k) <= MOST_STRIDE && (fal_min(m, fal_min(n, k)) >= LARGE || (transpose_b && m < FEW_ROWS)))
    return &fal_backend_cblas;
  return NULL;
}

falign_status REAL(fal_xsmm_gemm)(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                                  real alpha, const real *a, size_t lda, const real *b, size_t ldb, real beta, real *c,
                                  size_t ldc) {
  const falign_backend *other = substitute_for(transpose_b != 0, m, n, k, fal_max(lda, fal_max(ldb, ldc)));
  if (other) return other->SUPPLIED(user, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  bool copied = transpose_b || (ldb >= FAR_APART && m >= MANY_ROWS);
  real room[PIECE_K * PIECE_N];
  bool scaled = beta != 1 && (beta != 0 || alpha != 1 || k == 0);
  if (scaled) scale_by_beta(beta, m, n, c, ldc);
  for (size_t p = 0; p < k; p += PIECE_K) {
    product piece = {.transpose_a = transpose_a != 0, .k = fal_min(PIECE_K, k - p), .lda = lda, .ldb = ldb, .ldc = ldc};
    piece.beta = p == 0 && !scaled ? beta : 1;
    for (size_t j = 0; j < n; j += PIECE_N) {
      const real *from = transpose_b ? b + j * ldb + p : b + p * ldb + j;
      piece.n = fal_min(PIECE_N, n - j);
      if (copied) {
        copy_piece(transpose_b != 0, from, ldb, piece.k, piece.n, room);
        from = room;
        piece.ldb = piece.n;
      }
      FAL_TRY(multiply_rows(piece, m, alpha, a + p * (transpose_a ? lda : 1), from, c + j));
    }
  }
  return FALIGN_OK;
}
