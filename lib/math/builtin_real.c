/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/real.h"
#include "base/size.h"
#include "base/vector.h"
#include "math/backend.h"

/* C is computed in tiles whose sums stay in registers. k is cut into pieces; each number of C gets their sums one after
 * the other, times alpha, whatever the tile. So all tiles give the same bits, and so do all levels of vectors that fuse
 * products and sums. Only this file is compiled with permission to fuse. */
enum {
  MOST_ROWS = 8, /* of a tile */
  MOST_WIDE = 4, /* vectors in a row of a tile */
  PIECE_N = (int)(192 / sizeof(real)),
  PIECE_K = 256,
  PIECE_M = 120,
  COPIED_M = (int)(96 / sizeof(real)),
  FAR_APART = (int)(2048 / sizeof(real)), /* strides at which rows displace each other in the cache */
  MANY = 24,                              /* rows or columns that are worth a copy of the other operand */
};

/* An operand: element (i, j) of op(X) is at data[i * row + j * col]. */
typedef struct {
  const real *data;
  size_t row, col;
} operand;

static operand operand_of(const real *data, size_t stride, bool transposed) {
  return transposed ? (operand){data, 1, stride} : (operand){data, stride, 1};
}

static operand operand_from(operand x, size_t i, size_t j) {
  return (operand){x.data + i * x.row + j * x.col, x.row, x.col};
}

/* ---- Tiles ---- */

/* Adds the first columns of a tile that is wider than the rest of C. */
static void add_columns(const real *tile, size_t stride, size_t rows, size_t cols, bool fresh, real *c, size_t ldc) {
  for (size_t i = 0; i < rows; i++, tile += stride, c += ldc) {
    for (size_t j = 0; j < cols; j++) c[j] = fresh ? tile[j] : c[j] + tile[j];
  }
}

#if defined(__GNUC__)
#if !defined(__clang__)
#define UNROLL _Pragma("GCC unroll 8")
#elif __has_feature(address_sanitizer) /* which takes minutes to compile unrolled loops */
#define UNROLL
#else
#define UNROLL _Pragma("clang loop unroll(full)")
#endif
#define NAME(name) name##_16
#define BYTES 16
#include "math/tile.h"
#define NAME(name) name##_32
#define BYTES 32
#include "math/tile.h"
#define NAME(name) name##_64
#define BYTES 64
#include "math/tile.h"
#else
#define UNROLL
#define NAME(name) name##_1
#define BYTES sizeof(real)
#include "math/tile.h"
#endif

/* A shape of tiles: their columns, and the function that adds the product of m rows with a panel so wide. */
typedef struct {
  size_t cols;
  void (*add)(operand a, const real *b, size_t ldb, size_t m, size_t k, real alpha, bool fresh, real *c, size_t ldc,
              size_t cols);
} shape;

#define SHAPE(name, target, bytes, rows, wide)                                                                       \
  target static void name(operand a, const real *b, size_t ldb, size_t m, size_t k, real alpha, bool fresh, real *c, \
                          size_t ldc, size_t cols) {                                                                 \
    add_tiles_##bytes(a, b, ldb, rows, wide, m, k, alpha, fresh, c, ldc, cols);                                      \
  }
#define OF(bytes) ((bytes) / sizeof(real))

/* The shapes for each level of vectors, the narrowest first. Their sums and a row of B fit in the registers: 16, or 32
 * with AVX-512 and on 64-bit Arm. */
enum { SHAPES = 5 };
#if defined(__GNUC__) && defined(__x86_64__)
SHAPE(baseline_1, , 16, 8, 1)
SHAPE(baseline_2, , 16, 6, 2)
SHAPE(avx2_half, FAL_AT_AVX2, 16, 8, 1)
SHAPE(avx2_1, FAL_AT_AVX2, 32, 8, 1)
SHAPE(avx2_2, FAL_AT_AVX2, 32, 6, 2)
SHAPE(avx512_2, FAL_AT_AVX512, 64, 8, 2)
SHAPE(avx512_3, FAL_AT_AVX512, 64, 8, 3)
static const shape shapes[FAL_VECTOR_LEVELS][SHAPES] = {
    [FAL_BASELINE] = {{OF(16), baseline_1}, {OF(32), baseline_2}},
    [FAL_AVX2] = {{OF(16), avx2_half}, {OF(32), avx2_1}, {OF(64), avx2_2}},
    [FAL_AVX512] = {{OF(16), avx2_half}, {OF(32), avx2_1}, {OF(64), avx2_2}, {OF(128), avx512_2}, {OF(192), avx512_3}},
};
#elif defined(__GNUC__)
SHAPE(baseline_1, , 16, 8, 1)
SHAPE(baseline_2, , 16, 8, 2)
SHAPE(baseline_4, , 16, 6, 4)
static const shape shapes[FAL_VECTOR_LEVELS][SHAPES] = {
    {{OF(16), baseline_1}, {OF(32), baseline_2}, {OF(64), baseline_4}}};
#else
SHAPE(baseline_1, , 1, 4, 1)
SHAPE(baseline_4, , 1, 4, 4)
static const shape shapes[FAL_VECTOR_LEVELS][SHAPES] = {{{1, baseline_1}, {4, baseline_4}}};
#endif

/* Returns the narrowest shape with n columns or more, or the widest. */
static const shape *shape_for(int level, size_t n) {
  const shape *s = shapes[level];
  for (int i = 1; i < SHAPES && s->cols < n && s[1].add; i++) s++;
  return s;
}

/* ---- Panels of B ---- */

/* A panel of B, in place or copied. */
typedef struct {
  const shape *shape;
  const real *b;
  size_t stride, cols;
} panel;

/* Copies k rows of `cols` numbers, padded with zeros. A transposed B is read one cache line at a time. */
static void copy_panel(operand b, size_t k, size_t cols, size_t panel_cols, real *to) {
  enum { LINE = (int)(64 / sizeof(real)) };
  if (cols < panel_cols) memset(to, 0, k * panel_cols * sizeof *to);
  if (b.col == 1) {
    for (size_t p = 0; p < k; p++, to += panel_cols, b.data += b.row) memcpy(to, b.data, cols * sizeof *to);
    return;
  }
  for (size_t p = 0; p < k; p += LINE, to += LINE * panel_cols, b.data += LINE) {
    size_t length = fal_min(LINE, k - p);
    for (size_t j = 0; j < cols; j++) {
      for (size_t q = 0; q < length; q++) to[q * panel_cols + j] = b.data[j * b.col + q];
    }
  }
}

/* Cuts k rows of n columns into panels and returns their count. With `copy`, copies all of them to `room`, otherwise
 * only narrow ones. */
static size_t cut_panels(int level, operand b, size_t k, size_t n, bool copy, real *room, panel *panels) {
  size_t count = 0;
  for (size_t j = 0; j < n; j += panels[count++].cols) {
    const shape *s = shape_for(level, n - j);
    size_t cols = fal_min(s->cols, n - j);
    operand from = operand_from(b, 0, j);
    panels[count] = (panel){s, from.data, b.row, cols};
    if (!copy && cols == s->cols) continue;
    copy_panel(from, k, cols, s->cols, room);
    panels[count].b = room;
    panels[count].stride = s->cols;
    room += k * s->cols;
  }
  return count;
}

/* ---- A row of C ---- */

/* n is at most PIECE_K. */
FAL_LOOP void add_row_loop(operand a, const real *restrict b, size_t ldb, size_t n, size_t k, real alpha, bool fresh,
                           real *restrict c) {
  real sum[PIECE_K] = {0};
  size_t p = 0;
  for (; p + 4 <= k; p += 4, b += 4 * ldb) {
    const real *x = a.data + p * a.col;
    real x0 = x[0], x1 = x[a.col], x2 = x[2 * a.col], x3 = x[3 * a.col];
    for (size_t j = 0; j < n; j++) {
      real s = sum[j];
      s += x0 * b[j];
      s += x1 * b[ldb + j];
      s += x2 * b[2 * ldb + j];
      s += x3 * b[3 * ldb + j];
      sum[j] = s;
    }
  }
  for (; p < k; p++, b += ldb) {
    real x = a.data[p * a.col];
    for (size_t j = 0; j < n; j++) sum[j] += x * b[j];
  }
  if (alpha != 1) {
    for (size_t j = 0; j < n; j++) sum[j] *= alpha;
  }
  if (fresh) memset(c, 0, n * sizeof *c);
  for (size_t j = 0; j < n; j++) c[j] += sum[j];
}

FAL_VECTOR(void, add_row, (operand a, const real *b, size_t ldb, size_t n, size_t k, real alpha, bool fresh, real *c),
           add_row_loop(a, b, ldb, n, k, alpha, fresh, c))

/* ---- All products ---- */

static void scale_result(real beta, size_t m, size_t n, real *c, size_t ldc) {
  for (size_t i = 0; i < m; i++, c += ldc) {
    if (beta == 0) {
      memset(c, 0, n * sizeof *c); /* C may hold NaN */
    } else {
      for (size_t j = 0; j < n; j++) c[j] *= beta;
    }
  }
}

/* A product is cut into pieces: along k, so that a panel and rows of A stay in the first-level cache; along n, so that
 * the panels fit in the room for copies; along m, so that the rows of A stay in the next cache for all panels. */
typedef struct {
  int level;
  operand a, b;
  bool copy_a, copy_b;
  size_t m, n;
  real alpha;
  real *c;
  size_t ldc;
} product;

static void add_panels(const product *p, size_t i, size_t rows, size_t at, size_t k, bool fresh, const panel *panels,
                       size_t count, real *c) {
  operand a = operand_from(p->a, i, at);
  real room[COPIED_M * PIECE_K];
  if (p->copy_a) {
    for (size_t q = 0; q < k; q++) memcpy(room + q * rows, a.data + q * a.col, rows * sizeof *room);
    a = (operand){room, 1, rows};
  }
  for (size_t q = 0; q < count; c += panels[q++].cols)
    panels[q].shape->add(a, panels[q].b, panels[q].stride, rows, k, p->alpha, fresh, c, p->ldc, panels[q].cols);
}

static void add_piece(const product *p, size_t at, size_t k, bool fresh) {
  real room[PIECE_N * PIECE_K];
  panel panels[PIECE_N];
  size_t most = p->copy_a ? COPIED_M : PIECE_M;
  for (size_t j = 0; j < p->n; j += PIECE_N) {
    size_t count =
        cut_panels(p->level, operand_from(p->b, at, j), k, fal_min(PIECE_N, p->n - j), p->copy_b, room, panels);
    for (size_t i = 0; i < p->m; i += most)
      add_panels(p, i, fal_min(most, p->m - i), at, k, fresh, panels, count, p->c + i * p->ldc + j);
  }
}

static void add_row_piece(const product *p, size_t at, size_t k, bool fresh) {
  operand a = operand_from(p->a, 0, at), b = operand_from(p->b, at, 0);
  for (size_t j = 0; j < p->n; j += PIECE_K)
    add_row[p->level](a, b.data + j, b.row, fal_min(PIECE_K, p->n - j), k, p->alpha, fresh, p->c + j);
}

/* Turns a product whose C is a row into its transpose, whose C is a column. */
static void transpose_row(product *p) {
  operand a = p->a;
  p->a = (operand){p->b.data, p->b.col, p->b.row};
  p->b = (operand){a.data, a.col, 1};
  p->copy_a = p->copy_b = false;
  p->m = p->n;
  p->n = 1;
  p->ldc = 1;
}

falign_status REAL(fal_builtin_gemm)(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                                     real alpha, const real *a, size_t lda, const real *b, size_t ldb, real beta,
                                     real *c, size_t ldc) {
  (void)user;
  product p = {.level = fal_vector_level(),
               .a = operand_of(a, lda, transpose_a != 0),
               .b = operand_of(b, ldb, transpose_b != 0),
               .copy_a = transpose_a && lda >= FAR_APART && n >= MANY,
               .copy_b = transpose_b || (ldb >= FAR_APART && m >= MANY),
               .m = m,
               .n = n,
               .alpha = alpha,
               .c = c,
               .ldc = ldc};
  if ((beta != 0 && beta != 1) || k == 0) scale_result(beta, m, n, c, ldc);
  if (k == 1 && !transpose_b) {
    REAL(fal_add_outer)(a, p.a.row, b, m, n, alpha, beta == 0, c, ldc);
    return FALIGN_OK;
  }
  if (m == 1 && transpose_b) transpose_row(&p);
  for (size_t at = 0; at < k; at += PIECE_K) {
    size_t depth = fal_min(PIECE_K, k - at);
    bool fresh = at == 0 && beta == 0;
    if (p.m == 1 && p.b.col == 1) {
      add_row_piece(&p, at, depth, fresh);
    } else {
      add_piece(&p, at, depth, fresh);
    }
  }
  return FALIGN_OK;
}
