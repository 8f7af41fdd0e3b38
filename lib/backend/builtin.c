/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "backend/backend.h"
#include "support/real.h"
#include "support/vector.h"

/* C is computed in tiles of ROWS x COLS numbers that fit the registers. B is first copied, transposed or not, into
 * panels of COLS columns, with zeros beyond the edge; A is read where it is. Each number is the sum over p of one piece
 * after the other, whatever the tile, so that all levels of vectors and all shapes give it the same bits. */
enum {
  ROWS = 6,
  COLS = (int)(64 / sizeof(real)),
  PIECE_N = 4 * COLS,
  PIECE_K = 256,
};

/* An operand: element (i, j) of op(X) is at data[i * row + j * col]. */
typedef struct {
  const real *data;
  size_t row, col;
} operand;

static operand view(const real *data, size_t stride, bool transposed) {
  return transposed ? (operand){data, 1, stride} : (operand){data, stride, 1};
}

static operand part(operand x, size_t i, size_t j) { return (operand){x.data + i * x.row + j * x.col, x.row, x.col}; }

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Copies k rows of `cols` numbers; inlined where the compiler knows that they are whole and side by side. */
FAL_LOOP void pack_panel(operand b, size_t k, size_t cols, real *to) {
  for (size_t p = 0; p < k; p++, to += COLS, b.data += b.row) {
    for (size_t j = 0; j < cols; j++) to[j] = b.data[j * b.col];
  }
}

/* Copies a piece of k x n numbers into panels. */
static void pack(operand b, size_t k, size_t n, real *to) {
  for (size_t j = 0; j < n; j += COLS, to += k * COLS) {
    operand from = part(b, 0, j);
    if (n - j < COLS) {
      memset(to, 0, k * COLS * sizeof *to);
      pack_panel(from, k, n - j, to);
    } else if (b.col == 1) {
      pack_panel((operand){from.data, b.row, 1}, k, COLS, to);
    } else {
      pack_panel(from, k, COLS, to);
    }
  }
}

/* Adds alpha times the products of `rows` rows, a number that the compiler sees, with a panel; leaves out the first
 * rows. */
FAL_LOOP void add_tile(operand a, const real *panel, size_t rows, size_t left_out, size_t k, real alpha, real *c,
                       size_t ldc, size_t cols) {
  real sum[ROWS][COLS] = {{0}}, done[ROWS][COLS];
  for (size_t p = 0; p < k; p++, a.data += a.col, panel += COLS) {
    for (size_t j = 0; j < COLS; j++) {
      for (size_t i = 0; i < rows; i++) sum[i][j] += a.data[i * a.row] * panel[j];
    }
  }
  memcpy(done, sum, sizeof done); /* sum itself, whose every index is known above, stays in registers */
  for (size_t i = left_out; i < rows; i++) {
    for (size_t j = 0; j < cols; j++) c[i * ldc + j] += alpha * done[i][j];
  }
}

/* The last tile begins early enough to be whole, if there are that many rows. */
FAL_LOOP void add_panel_of(operand a, const real *panel, size_t m, size_t k, real alpha, real *c, size_t ldc,
                           size_t cols) {
  for (size_t i = 0; i < m && m < ROWS; i++) add_tile(part(a, i, 0), panel, 1, 0, k, alpha, c + i * ldc, ldc, cols);
  for (size_t i = 0; i < m && m >= ROWS; i += ROWS) {
    size_t first = least(i, m - ROWS);
    add_tile(part(a, first, 0), panel, ROWS, i - first, k, alpha, c + first * ldc, ldc, cols);
  }
}

FAL_VECTOR(void, add_panel,
           (operand a, const real *panel, size_t m, size_t k, real alpha, real *c, size_t ldc, size_t cols),
           add_panel_of(a, panel, m, k, alpha, c, ldc, cols))

static void scale(real beta, size_t m, size_t n, real *c, size_t ldc) {
  for (size_t i = 0; i < m; i++, c += ldc) {
    if (beta == 0) {
      memset(c, 0, n * sizeof *c); /* C may hold NaN */
    } else {
      for (size_t j = 0; j < n; j++) c[j] *= beta;
    }
  }
}

falign_status REAL(fal_builtin_gemm)(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                                     real alpha, const real *a, size_t lda, const real *b, size_t ldb, real beta,
                                     real *c, size_t ldc) {
  (void)user;
  operand va = view(a, lda, transpose_a != 0), vb = view(b, ldb, transpose_b != 0);
  int level = fal_vector_level();
  real packed[PIECE_N * PIECE_K];
  if (beta != 1) scale(beta, m, n, c, ldc);
  for (size_t p = 0; p < k; p += PIECE_K) {
    size_t depth = least(PIECE_K, k - p);
    for (size_t j = 0; j < n; j += PIECE_N) {
      size_t wide = least(PIECE_N, n - j);
      pack(part(vb, p, j), depth, wide, packed);
      for (size_t q = 0; q < wide; q += COLS)
        add_panel[level](part(va, 0, p), packed + q * depth, m, depth, alpha, c + j + q, ldc, least(COLS, wide - q));
    }
  }
  return FALIGN_OK;
}
