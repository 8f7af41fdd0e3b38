/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "math/backend.h"
#include "base/real.h"
#include "base/vector.h"

/* C is computed in tiles whose sums stay in registers. To each number the sums over p of one piece after the other are
 * added, times alpha, whatever the tile; so all shapes give it the same bits, and so do all levels of vectors that fuse
 * the products and sums over p: this file alone is compiled with leave to. */
enum {
  MOST_ROWS = 8, /* of a tile */
  MOST_WIDE = 4, /* vectors in a row of a tile */
  PIECE_N = (int)(192 / sizeof(real)),
  PIECE_K = 256,
  PIECE_M = 120,
  COPIED_M = (int)(96 / sizeof(real)),
  FAR_APART = (int)(2048 / sizeof(real)), /* rows that displace each other in the cache */
  MANY = 24,                              /* rows or columns that are worth a copy of the other operand */
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

/* ---- Tiles ---- */

/* The first columns of a tile that is wider than what is left of C. */
static void add_columns(const real *part, size_t stride, size_t rows, size_t cols, bool fresh, real *c, size_t ldc) {
  for (size_t i = 0; i < rows; i++, part += stride, c += ldc) {
    for (size_t j = 0; j < cols; j++) c[j] = fresh ? part[j] : c[j] + part[j];
  }
}

#if defined(__GNUC__)
#if !defined(__clang__)
#define UNROLL _Pragma("GCC unroll 8")
#elif __has_feature(address_sanitizer) /* takes minutes for unrolled loops */
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

/* A shape of tiles: so many columns, and what adds the product of m rows with a panel of them. */
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

/* The shapes of each level of vectors, from the narrowest on. Their sums and a row of B fit the registers: 16, or 32
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

/* The narrowest shape that has n columns, or the widest. */
static const shape *shape_for(int level, size_t n) {
  const shape *s = shapes[level];
  for (int i = 1; i < SHAPES && s->cols < n && s[1].add; i++) s++;
  return s;
}

/* ---- Panels of B ---- */

/* A panel of B: where it is, or a copy. */
typedef struct {
  const shape *shape;
  const real *b;
  size_t stride, cols;
} panel;

/* Copies k rows of `cols` numbers, with zeros after them. What is transposed is read a line of the cache at a time. */
static void copy_panel(operand b, size_t k, size_t cols, size_t panel_cols, real *to) {
  enum { LINE = (int)(64 / sizeof(real)) };
  if (cols < panel_cols) memset(to, 0, k * panel_cols * sizeof *to);
  if (b.col == 1) {
    for (size_t p = 0; p < k; p++, to += panel_cols, b.data += b.row) memcpy(to, b.data, cols * sizeof *to);
    return;
  }
  for (size_t p = 0; p < k; p += LINE, to += LINE * panel_cols, b.data += LINE) {
    size_t length = least(LINE, k - p);
    for (size_t j = 0; j < cols; j++) {
      for (size_t q = 0; q < length; q++) to[q * panel_cols + j] = b.data[j * b.col + q];
    }
  }
}

/* Cuts k rows of n columns into panels. Those that are not whole are copied to `room`, or all. */
static size_t cut(int level, operand b, size_t k, size_t n, bool copy, real *room, panel *panels) {
  size_t count = 0;
  for (size_t j = 0; j < n; j += panels[count++].cols) {
    const shape *s = shape_for(level, n - j);
    size_t cols = least(s->cols, n - j);
    operand from = part(b, 0, j);
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

static void scale(real beta, size_t m, size_t n, real *c, size_t ldc) {
  for (size_t i = 0; i < m; i++, c += ldc) {
    if (beta == 0) {
      memset(c, 0, n * sizeof *c); /* C may hold NaN */
    } else {
      for (size_t j = 0; j < n; j++) c[j] *= beta;
    }
  }
}

/* C in pieces: of k, so that a panel and rows of A stay in the innermost cache; of n, so that the panels fit the room
 * for copies; of m, so that the rows of A stay in the next cache while panel after panel takes them. */
typedef struct {
  int level;
  operand a, b;
  bool copy_a, copy_b;
  size_t m, n;
  real alpha;
  real *c;
  size_t ldc;
} product;

static void add_rows(const product *p, size_t i, size_t rows, size_t at, size_t k, bool fresh, const panel *panels,
                     size_t count, real *c) {
  operand a = part(p->a, i, at);
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
    size_t count = cut(p->level, part(p->b, at, j), k, least(PIECE_N, p->n - j), p->copy_b, room, panels);
    for (size_t i = 0; i < p->m; i += most)
      add_rows(p, i, least(most, p->m - i), at, k, fresh, panels, count, p->c + i * p->ldc + j);
  }
}

static void add_row_piece(const product *p, size_t at, size_t k, bool fresh) {
  operand a = part(p->a, 0, at), b = part(p->b, at, 0);
  for (size_t j = 0; j < p->n; j += PIECE_K)
    add_row[p->level](a, b.data + j, b.row, least(PIECE_K, p->n - j), k, p->alpha, fresh, p->c + j);
}

/* C as a column in place of a row: its transpose is the product of the transposes. */
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
               .a = view(a, lda, transpose_a != 0),
               .b = view(b, ldb, transpose_b != 0),
               .copy_a = transpose_a && lda >= FAR_APART && n >= MANY,
               .copy_b = transpose_b || (ldb >= FAR_APART && m >= MANY),
               .m = m,
               .n = n,
               .alpha = alpha,
               .c = c,
               .ldc = ldc};
  if ((beta != 0 && beta != 1) || k == 0) scale(beta, m, n, c, ldc);
  if (k == 1 && !transpose_b) {
    REAL(fal_add_outer)(a, p.a.row, b, m, n, alpha, beta == 0, c, ldc);
    return FALIGN_OK;
  }
  if (m == 1 && transpose_b) transpose_row(&p);
  for (size_t at = 0; at < k; at += PIECE_K) {
    size_t depth = least(PIECE_K, k - at);
    bool fresh = at == 0 && beta == 0;
    if (p.m == 1 && p.b.col == 1) {
      add_row_piece(&p, at, depth, fresh);
    } else {
      add_piece(&p, at, depth, fresh);
    }
  }
  return FALIGN_OK;
}
