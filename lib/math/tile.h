/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles of C in vectors of BYTES bytes. Included once for each width of vectors, with NAME() for its names. */

#if defined(__GNUC__)
typedef real NAME(vector) __attribute__((vector_size(BYTES)));
typedef real NAME(place) __attribute__((vector_size(BYTES), aligned(sizeof(real)), may_alias)); /* without alignment */
#else
typedef real NAME(vector), NAME(place);
#endif

/* C = C + alpha A B, or alpha A B if `fresh`, for a tile of `rows` x `wide` vectors, both constants for the compiler.
 * Only the first `cols` columns belong to C. */
FAL_LOOP void NAME(add_tile)(operand a, const real *b, size_t ldb, size_t rows, size_t wide, size_t k, real alpha,
                             bool fresh, real *c, size_t ldc, size_t cols) {
  const size_t length = sizeof(NAME(vector)) / sizeof(real);
  NAME(vector) sum[MOST_ROWS][MOST_WIDE], line[MOST_WIDE];
  UNROLL for (size_t i = 0; i < rows; i++) { UNROLL for (size_t j = 0; j < wide; j++) sum[i][j] = (NAME(vector)){0}; }
  for (size_t p = 0; p < k; p++, a.data += a.col, b += ldb) {
    UNROLL for (size_t j = 0; j < wide; j++) line[j] = *(const NAME(place) *)(b + j * length);
    UNROLL for (size_t i = 0; i < rows; i++) {
      real x = a.data[i * a.row];
      UNROLL for (size_t j = 0; j < wide; j++) sum[i][j] += x * line[j];
    }
  }
  if (alpha != 1) {
    UNROLL for (size_t i = 0; i < rows; i++) { UNROLL for (size_t j = 0; j < wide; j++) sum[i][j] *= alpha; }
  }
  if (cols < wide * length) {
    real tile[MOST_ROWS * MOST_WIDE * BYTES / sizeof(real)];
    UNROLL for (size_t i = 0; i < rows; i++) {
      UNROLL for (size_t j = 0; j < wide; j++) * (NAME(place) *)(tile + (i * wide + j) * length) = sum[i][j];
    }
    add_columns(tile, wide * length, rows, cols, fresh, c, ldc);
    return;
  }
  UNROLL for (size_t i = 0; i < rows; i++, c += ldc) {
    UNROLL for (size_t j = 0; j < wide; j++) {
      NAME(place) *to = (NAME(place) *)(c + j * length);
      NAME(vector) before = {0};
      if (!fresh) before = *to;
      *to = before + sum[i][j];
    }
  }
}

#define HEIGHT(h)                                                                     \
  case h:                                                                             \
    if (h <= most) NAME(add_tile)(a, b, ldb, h, wide, k, alpha, fresh, c, ldc, cols); \
    break;

/* The same for `m` rows, in tiles of nearly equal heights, at most `most`. */
FAL_LOOP void NAME(add_tiles)(operand a, const real *b, size_t ldb, size_t most, size_t wide, size_t m, size_t k,
                              real alpha, bool fresh, real *c, size_t ldc, size_t cols) {
  size_t tiles = (m + most - 1) / most, each = m / tiles, higher = m % tiles;
  for (size_t i = 0; i < tiles; i++) {
    size_t height = each + (i < higher);
    switch (height) {
      HEIGHT(1)
      HEIGHT(2)
      HEIGHT(3)
      HEIGHT(4)
      HEIGHT(5)
      HEIGHT(6)
      HEIGHT(7)
      HEIGHT(8)
      default: break;
    }
    a.data += height * a.row;
    c += height * ldc;
  }
}

#undef HEIGHT
#undef NAME
#undef BYTES
