/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "backend/backend.h"
#include "support/real.h"

/* C is computed in tiles of ROWS x COLS numbers that fit the registers, from pieces of A and B that are first copied
 * side by side in the order of their use, transposed or not, with zeros beyond the edges. */
enum {
  ROWS = 4,
  COLS = (int)(32 / sizeof(real)),
  PIECE_M = 8 * ROWS,
  PIECE_N = 8 * COLS,
  PIECE_K = 64,
};

/* An operand: element (i, j) of op(X) is at data[i * row + j * col]. */
typedef struct {
  const real *data;
  size_t row, col;
} operand;

static operand view(const real *data, size_t stride, bool transposed) {
  return transposed ? (operand){data, 1, stride} : (operand){data, stride, 1};
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Copies `wide` lines of length k, `group` lines at a time side by side. */
static void pack(const real *from, size_t line, size_t along, size_t wide, size_t k, size_t group, real *to) {
  for (size_t first = 0; first < wide; first += group) {
    size_t lines = least(group, wide - first);
    const real *at = from + first * line;
    for (size_t p = 0; p < k; p++, to += group, at += along) {
      for (size_t i = 0; i < lines; i++) to[i] = at[i * line];
      for (size_t i = lines; i < group; i++) to[i] = 0;
    }
  }
}

/* Adds alpha times one tile of products to C. */
static void add_tile(const real *a, const real *b, size_t k, real alpha, real *c, size_t ldc, size_t rows,
                     size_t cols) {
  real sum[ROWS][COLS] = {{0}};
  for (size_t p = 0; p < k; p++, a += ROWS, b += COLS) {
    for (size_t i = 0; i < ROWS; i++) {
      for (size_t j = 0; j < COLS; j++) sum[i][j] += a[i] * b[j];
    }
  }
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = 0; j < cols; j++) c[i * ldc + j] += alpha * sum[i][j];
  }
}

static void scale(real beta, size_t m, size_t n, real *c, size_t ldc) {
  for (size_t i = 0; i < m; i++, c += ldc) {
    if (beta == 0) {
      memset(c, 0, n * sizeof *c); /* C may hold NaN */
    } else {
      for (size_t j = 0; j < n; j++) c[j] *= beta;
    }
  }
}

static void add_piece(operand a, const real *packed_b, size_t m, size_t n, size_t k, real alpha, real *c, size_t ldc) {
  real packed_a[PIECE_M * PIECE_K];
  pack(a.data, a.row, a.col, m, k, ROWS, packed_a);
  for (size_t j = 0; j < n; j += COLS) {
    for (size_t i = 0; i < m; i += ROWS) {
      add_tile(packed_a + i * k, packed_b + j * k, k, alpha, c + i * ldc + j, ldc, least(ROWS, m - i),
               least(COLS, n - j));
    }
  }
}

falign_status REAL(fal_builtin_gemm)(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                                     real alpha, const real *a, size_t lda, const real *b, size_t ldb, real beta,
                                     real *c, size_t ldc) {
  (void)user;
  operand va = view(a, lda, transpose_a != 0), vb = view(b, ldb, transpose_b != 0);
  if (beta != 1) scale(beta, m, n, c, ldc);
  real packed_b[PIECE_N * PIECE_K];
  for (size_t p = 0; p < k; p += PIECE_K) {
    size_t depth = least(PIECE_K, k - p);
    for (size_t j = 0; j < n; j += PIECE_N) {
      size_t wide = least(PIECE_N, n - j);
      pack(vb.data + p * vb.row + j * vb.col, vb.col, vb.row, wide, depth, COLS, packed_b);
      for (size_t i = 0; i < m; i += PIECE_M) {
        operand piece_a = {va.data + i * va.row + p * va.col, va.row, va.col};
        add_piece(piece_a, packed_b, least(PIECE_M, m - i), wide, depth, alpha, c + i * ldc + j, ldc);
      }
    }
  }
  return FALIGN_OK;
}
