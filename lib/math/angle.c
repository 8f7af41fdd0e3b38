/* SPDX-License-Identifier: Apache-2.0 */
#include "math/angle.h"

#include <math.h>
#include <stdbool.h>

#include "base/support.h"
#include "base/vector.h"

enum {
  LANES = 8,   /* partial sums that the compiler may keep in vector registers */
  CHUNK = 1024 /* numbers read at a time; a multiple of LANES */
};

static const double pi = 3.14159265358979323846;

fal_view fal_view_of(const void *data, falign_precision precision, size_t rows, size_t cols, size_t stride) {
  return (fal_view){data, precision, rows, cols, stride, 1};
}

fal_view fal_view_transposed(fal_view view) {
  return (fal_view){view.data, view.precision, view.cols, view.rows, view.col_step, view.row_step};
}

/* A vector and how it is read: each element times 2^-exponent, so that squares neither overflow nor vanish. */
typedef struct vector {
  const fal_view *views;
  size_t count;
  int exponent;
  double squares; /* their sum, of the scaled elements */
} vector;

/* A place in a vector. */
typedef struct reader {
  const fal_view *view, *end;
  size_t row, col;
  double scale;
} reader;

static reader reader_of(const vector *v) {
  return (reader){v->views, v->views + v->count, 0, 0, ldexp(1, -v->exponent)};
}

/* Numbers from the row and column of a view on, scaled: `rows` parts of rows with `cols` numbers each, filled up with
 * zeros to `stride`. */
FAL_LOOP void read_loop(const fal_view *view, size_t row, size_t col, size_t rows, size_t cols, size_t step,
                        double scale, double *restrict out, size_t stride) {
  for (size_t r = 0; r < rows; r++, out += stride) {
    size_t at = (row + r) * view->row_step + col * step;
    if (view->precision == FALIGN_F32) {
      const float *restrict from = (const float *)view->data + at;
      for (size_t i = 0; i < cols; i++) out[i] = scale * (double)from[i * step];
    } else {
      const double *restrict from = (const double *)view->data + at;
      for (size_t i = 0; i < cols; i++) out[i] = scale * from[i * step];
    }
    for (size_t i = cols; i < stride; i++) out[i] = 0;
  }
}

FAL_VECTOR(void, read_along,
           (const fal_view *view, size_t row, size_t col, size_t rows, size_t cols, double scale, double *out,
            size_t stride),
           read_loop(view, row, col, rows, cols, 1, scale, out, stride))
FAL_VECTOR(void, read_across,
           (const fal_view *view, size_t row, size_t col, size_t rows, size_t cols, double scale, double *out,
            size_t stride),
           read_loop(view, row, col, rows, cols, view->col_step, scale, out, stride))

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Reads on into `out`: as many whole rows of a view as fit, or a part of a row that does not. Each is filled up with
 * zeros to a multiple of LANES, so that sums are the same however the rows are stored. Returns how many numbers `out`
 * then has: 0 at the end of the vector. */
static size_t read_on(reader *r, double out[CHUNK]) {
  while (r->view < r->end && (r->row == r->view->rows || r->view->cols == 0)) {
    r->view++;
    r->row = 0;
  }
  if (r->view == r->end) return 0;
  size_t cols = least(r->view->cols - r->col, CHUNK), stride = (cols + LANES - 1) / LANES * LANES;
  size_t rows = cols == r->view->cols ? least(CHUNK / stride, r->view->rows - r->row) : 1;
  int level = fal_vector_level();
  (r->view->col_step == 1 ? read_along : read_across)[level](r->view, r->row, r->col, rows, cols, r->scale, out,
                                                             stride);
  r->col += cols;
  if (r->col == r->view->cols) {
    r->col = 0;
    r->row += rows;
  }
  return rows * stride;
}

FAL_LOOP double add_up(const double lane[LANES]) {
  return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

FAL_LOOP double dot_loop(const double *x, const double *y, size_t count) {
  double lane[LANES] = {0};
  for (size_t i = 0; i < count; i += LANES)
    for (size_t j = 0; j < LANES; j++) lane[j] += x[i + j] * y[i + j];
  return add_up(lane);
}

FAL_VECTOR(double, dots, (const double *x, const double *y, size_t count), return dot_loop(x, y, count))

static double dot(const double *x, const double *y, size_t count) { return dots[fal_vector_level()](x, y, count); }

/* Adds |u - v|^2 and |u + v|^2 of u = a x and v = b y to `squares`. */
FAL_LOOP void compare_loop(const double *restrict x, double a, const double *restrict y, double b, size_t count,
                           double squares[2]) {
  double less[LANES] = {0}, more[LANES] = {0};
  for (size_t i = 0; i < count; i += LANES) {
    for (size_t j = 0; j < LANES; j++) {
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
  double x[CHUNK], sum = 0;
  reader r = reader_of(v);
  for (size_t n; (n = read_on(&r, x)) > 0;) sum += dot(x, x, n);
  return sum;
}

static double largest_magnitude(const vector *v) {
  double x[CHUNK], largest = 0;
  reader r = reader_of(v);
  for (size_t n; (n = read_on(&r, x)) > 0;)
    for (size_t i = 0; i < n; i++)
      if (fabs(x[i]) > largest) largest = fabs(x[i]);
  return largest;
}

/* Far enough from the ends of the range for a product of two of them. */
static bool is_safe(double squares) { return squares > 1e-150 && squares < 1e150; }

static vector vector_of(const fal_view *views, size_t count) {
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
  double x[CHUNK], y[CHUNK], sum = 0;
  reader ra = reader_of(a), rb = reader_of(b);
  for (size_t n; (n = read_on(&ra, x)) > 0;) {
    read_on(&rb, y);
    sum += dot(x, y, n);
  }
  return sum;
}

/* Eq. 24 as 2 atan2(|u - v|, |u + v|) of the unit vectors u and v, accurate also near 0 and 180. */
double fal_view_angle(const fal_view *a, const fal_view *b, size_t count) {
  vector va = vector_of(a, count), vb = vector_of(b, count);
  if (va.squares == 0 || vb.squares == 0) return NAN;
  double unit_a = 1 / sqrt(va.squares), unit_b = 1 / sqrt(vb.squares);
  double x[CHUNK], y[CHUNK], squares[2] = {0};
  reader ra = reader_of(&va), rb = reader_of(&vb);
  for (size_t n; (n = read_on(&ra, x)) > 0;) {
    read_on(&rb, y);
    compare_units[fal_vector_level()](x, unit_a, y, unit_b, n, squares);
  }
  return 360 * (atan2(sqrt(squares[0]), sqrt(squares[1])) / pi);
}

double fal_view_cosine(const fal_view *a, const fal_view *b, size_t count) {
  vector va = vector_of(a, count), vb = vector_of(b, count);
  double cosine = inner_of(&va, &vb) / sqrt(va.squares * vb.squares);
  if (cosine > 1) return 1;
  return cosine < -1 ? -1 : cosine;
}

double fal_view_inner(const fal_view *a, const fal_view *b, size_t count) {
  vector va = vector_of(a, count), vb = vector_of(b, count);
  if (!isfinite(va.squares) || !isfinite(vb.squares)) return NAN;
  return ldexp(inner_of(&va, &vb), va.exponent + vb.exponent);
}

double fal_view_norm(const fal_view *a, size_t count) {
  vector v = vector_of(a, count);
  return ldexp(sqrt(v.squares), v.exponent);
}

static falign_status check(const char *name, const void *data, size_t cols, size_t stride) {
  if (!data) return fal_fail(FALIGN_INVALID, "%s is NULL", name);
  if (stride < cols) return fal_fail(FALIGN_INVALID, "%s has %zu columns, but its stride is %zu", name, cols, stride);
  return FALIGN_OK;
}

static falign_status compare(const void *a, size_t stride_a, const void *b, size_t stride_b, falign_precision precision,
                             size_t rows, size_t cols, bool transpose_b, double *angle, double *cosine, double *inner) {
  FAL_TRY(check("a", a, cols, stride_a));
  FAL_TRY(check("b", b, transpose_b ? rows : cols, stride_b));
  fal_view va = fal_view_of(a, precision, rows, cols, stride_a);
  fal_view vb = transpose_b ? fal_view_transposed(fal_view_of(b, precision, cols, rows, stride_b))
                            : fal_view_of(b, precision, rows, cols, stride_b);
  if (angle) *angle = fal_view_angle(&va, &vb, 1);
  if (cosine) *cosine = fal_view_cosine(&va, &vb, 1);
  if (inner) *inner = fal_view_inner(&va, &vb, 1);
  return FALIGN_OK;
}

falign_status falign_angle_f32(const float *a, size_t rows, size_t cols, size_t stride_a, const float *b,
                               size_t stride_b, int32_t transpose_b, double *angle, double *cosine, double *inner) {
  return compare(a, stride_a, b, stride_b, FALIGN_F32, rows, cols, transpose_b != 0, angle, cosine, inner);
}

falign_status falign_angle_f64(const double *a, size_t rows, size_t cols, size_t stride_a, const double *b,
                               size_t stride_b, int32_t transpose_b, double *angle, double *cosine, double *inner) {
  return compare(a, stride_a, b, stride_b, FALIGN_F64, rows, cols, transpose_b != 0, angle, cosine, inner);
}

double falign_frobenius_f32(const float *a, size_t rows, size_t cols, size_t stride) {
  fal_view view = fal_view_of(a, FALIGN_F32, rows, cols, stride);
  return fal_view_norm(&view, 1);
}

double falign_frobenius_f64(const double *a, size_t rows, size_t cols, size_t stride) {
  fal_view view = fal_view_of(a, FALIGN_F64, rows, cols, stride);
  return fal_view_norm(&view, 1);
}
