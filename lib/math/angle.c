/* SPDX-License-Identifier: Apache-2.0 */
#include "math/angle.h"

#include <math.h>
#include <stdbool.h>

#include "base/size.h"
#include "base/vector.h"
#include "math/matrix.h"

enum {
  SUMS = 8,     /* partial sums, which the compiler can hold in vector registers */
  PIECE = 1024, /* numbers read at a time; a multiple of SUMS */
};

static const double pi = 3.14159265358979323846;

/* A vector, whose elements are read times 2^-exponent, so that squares neither overflow nor underflow. */
typedef struct vector {
  const falign_view *views;
  size_t count;
  int exponent;
  double squares; /* the sum of squares of the scaled elements */
} vector;

/* A position in a vector. */
typedef struct reader {
  const falign_view *view, *end;
  size_t row, col;
  double scale;
} reader;

static reader reader_of(const vector *v) {
  return (reader){v->views, v->views + v->count, 0, 0, ldexp(1, -v->exponent)};
}

/* A piece of a view: `rows` rows with `cols` numbers each. */
typedef struct piece {
  size_t row, col, rows, cols;
} piece;

/* Reads a piece, scaled, each row padded with zeros to `stride` numbers. */
FAL_LOOP void read_loop(const falign_view *view, piece at, ptrdiff_t step, double scale, double *restrict out,
                        size_t stride) {
  for (size_t r = 0; r < at.rows; r++, out += stride) {
    ptrdiff_t begin = (ptrdiff_t)(at.row + r) * view->row_step + (ptrdiff_t)at.col * step;
    if (view->precision == FALIGN_F32) {
      const float *restrict from = (const float *)view->data + begin;
      for (size_t i = 0; i < at.cols; i++) out[i] = scale * (double)from[(ptrdiff_t)i * step];
    } else {
      const double *restrict from = (const double *)view->data + begin;
      for (size_t i = 0; i < at.cols; i++) out[i] = scale * from[(ptrdiff_t)i * step];
    }
    for (size_t i = at.cols; i < stride; i++) out[i] = 0;
  }
}

FAL_VECTOR(void, read_along, (const falign_view *view, piece at, double scale, double *out, size_t stride),
           read_loop(view, at, 1, scale, out, stride))
FAL_VECTOR(void, read_across, (const falign_view *view, piece at, double scale, double *out, size_t stride),
           read_loop(view, at, view->col_step, scale, out, stride))

/* Reads the next piece into `out`: as many whole rows of a view as fit, or part of a longer row. Each row is padded
 * with zeros to a multiple of SUMS, so that sums are the same however the rows are stored. Returns the count of numbers
 * in `out`, 0 at the end of the vector. */
static size_t read_piece(reader *r, double out[PIECE]) {
  while (r->view < r->end && (r->row == r->view->rows || r->view->cols == 0)) {
    r->view++;
    r->row = 0;
  }
  if (r->view == r->end) return 0;
  size_t cols = fal_min(r->view->cols - r->col, PIECE), stride = (cols + SUMS - 1) / SUMS * SUMS;
  size_t rows = cols == r->view->cols ? fal_min(PIECE / stride, r->view->rows - r->row) : 1;
  piece at = {r->row, r->col, rows, cols};
  (r->view->col_step == 1 ? read_along : read_across)[fal_vector_level()](r->view, at, r->scale, out, stride);
  r->col += cols;
  if (r->col == r->view->cols) {
    r->col = 0;
    r->row += rows;
  }
  return rows * stride;
}

FAL_LOOP double add_up(const double sums[SUMS]) {
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

FAL_LOOP double dot_loop(const double *x, const double *y, size_t count) {
  double sums[SUMS] = {0};
  for (size_t i = 0; i < count; i += SUMS)
    for (size_t j = 0; j < SUMS; j++) sums[j] += x[i + j] * y[i + j];
  return add_up(sums);
}

FAL_VECTOR(double, dots, (const double *x, const double *y, size_t count), return dot_loop(x, y, count))

static double dot(const double *x, const double *y, size_t count) { return dots[fal_vector_level()](x, y, count); }

/* Adds |u - v|^2 and |u + v|^2 of u = a x and v = b y to `squares`. */
FAL_LOOP void compare_loop(const double *restrict x, double a, const double *restrict y, double b, size_t count,
                           double squares[2]) {
  double less[SUMS] = {0}, more[SUMS] = {0};
  for (size_t i = 0; i < count; i += SUMS) {
    for (size_t j = 0; j < SUMS; j++) {
      double u = x[i + j] * a, v = y[i + j] * b;
      less[j] += (u - v) * (u - v);
      more[j] += (u + v) * (u + v);
    }
  }
  squares[0] += add_up(less);
  squares[1] += add_up(more);
}

FAL_VECTOR(void, compare_units, (const double *x, double a, const double *y, double b, size_t count, double squares[2]),
           compare_loop(x, a, y, b, count, squares))

static double sum_squares(const vector *v) {
  double x[PIECE], sum = 0;
  reader r = reader_of(v);
  for (size_t n; (n = read_piece(&r, x)) > 0;) sum += dot(x, x, n);
  return sum;
}

static double largest_magnitude(const vector *v) {
  double x[PIECE], largest = 0;
  reader r = reader_of(v);
  for (size_t n; (n = read_piece(&r, x)) > 0;)
    for (size_t i = 0; i < n; i++)
      if (fabs(x[i]) > largest) largest = fabs(x[i]);
  return largest;
}

/* Whether products of two such numbers neither overflow nor underflow. */
static bool is_safe(double squares) { return squares > 1e-150 && squares < 1e150; }

static vector vector_of(const falign_view *views, size_t count) {
  vector v = {views, count, 0, 0};
  v.squares = sum_squares(&v);
  if (is_safe(v.squares)) return v;
  double largest = largest_magnitude(&v);
  if (largest == 0 || isinf(largest)) return v;
  frexp(largest, &v.exponent);
  if (v.exponent < -1000) v.exponent = -1000; /* beyond, 2^-exponent overflows */
  v.squares = sum_squares(&v);
  return v;
}

static double inner_of(const vector *a, const vector *b) {
  double x[PIECE], y[PIECE], sum = 0;
  reader ra = reader_of(a), rb = reader_of(b);
  for (size_t n; (n = read_piece(&ra, x)) > 0;) {
    read_piece(&rb, y);
    sum += dot(x, y, n);
  }
  return sum;
}

/* Eq. 24 as 2 atan2(|u - v|, |u + v|) of the unit vectors u and v, accurate also near 0 and 180. */
double fal_view_angle(const falign_view *a, const falign_view *b, size_t count) {
  vector va = vector_of(a, count), vb = vector_of(b, count);
  if (va.squares == 0 || vb.squares == 0) return (double)NAN;
  double unit_a = 1 / sqrt(va.squares), unit_b = 1 / sqrt(vb.squares);
  double x[PIECE], y[PIECE], squares[2] = {0};
  reader ra = reader_of(&va), rb = reader_of(&vb);
  for (size_t n; (n = read_piece(&ra, x)) > 0;) {
    read_piece(&rb, y);
    compare_units[fal_vector_level()](x, unit_a, y, unit_b, n, squares);
  }
  return 360 * (atan2(sqrt(squares[0]), sqrt(squares[1])) / pi);
}

double fal_view_cosine(const falign_view *a, const falign_view *b, size_t count) {
  vector va = vector_of(a, count), vb = vector_of(b, count);
  double cosine = inner_of(&va, &vb) / sqrt(va.squares * vb.squares);
  if (cosine > 1) return 1;
  return cosine < -1 ? -1 : cosine;
}

double fal_view_inner(const falign_view *a, const falign_view *b, size_t count) {
  vector va = vector_of(a, count), vb = vector_of(b, count);
  if (!isfinite(va.squares) || !isfinite(vb.squares)) return (double)NAN;
  return ldexp(inner_of(&va, &vb), va.exponent + vb.exponent);
}

double fal_view_norm(const falign_view *a, size_t count) {
  vector v = vector_of(a, count);
  return ldexp(sqrt(v.squares), v.exponent);
}

double fal_inner(const double *x, const double *y, size_t count) {
  const falign_view a = falign_view_f64(x, 1, count), b = falign_view_f64(y, 1, count);
  return fal_view_inner(&a, &b, 1);
}

double fal_normalize(double *x, size_t count) {
  const falign_view view = falign_view_f64(x, 1, count);
  double norm = fal_view_norm(&view, 1);
  for (size_t i = 0; i < count && norm > 0; i++) x[i] /= norm;
  return norm;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): outputs, each of which may be NULL */
falign_status falign_angle(const falign_view *a, const falign_view *b, double *angle, double *cosine, double *inner) {
  FAL_TRY(fal_check_view("a", -1, a));
  FAL_TRY(fal_check_view("b", -1, b));
  if (a->rows != b->rows || a->cols != b->cols)
    return fal_fail(FALIGN_SHAPE, "a is %zu x %zu, but b is %zu x %zu", a->rows, a->cols, b->rows, b->cols);
  if (angle) *angle = fal_view_angle(a, b, 1);
  if (cosine) *cosine = fal_view_cosine(a, b, 1);
  if (inner) *inner = fal_view_inner(a, b, 1);
  return FALIGN_OK;
}

double falign_frobenius(const falign_view *a) {
  return fal_check_view("a", -1, a) == FALIGN_OK ? fal_view_norm(a, 1) : (double)NAN;
}
