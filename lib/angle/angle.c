/* SPDX-License-Identifier: Apache-2.0 */
#include "angle/angle.h"

#include <math.h>
#include <stdbool.h>

#include "support/support.h"

enum {
  LANES = 8,  /* partial sums that the compiler may keep in vector registers */
  CHUNK = 256 /* numbers read at a time; a multiple of LANES */
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

static void read_row(const fal_view *view, size_t row, size_t col, double scale, double *out, size_t count) {
  size_t at = row * view->row_step + col * view->col_step, step = view->col_step;
  if (view->precision == FALIGN_F32) {
    const float *from = (const float *)view->data + at;
    for (size_t i = 0; i < count; i++) out[i] = scale * (double)from[i * step];
  } else {
    const double *from = (const double *)view->data + at;
    for (size_t i = 0; i < count; i++) out[i] = scale * from[i * step];
  }
}

/* Reads on into `out`, to the end of the row at most, and fills up to a multiple of LANES with zeros. Returns how
 * many numbers `out` then has: 0 at the end of the vector. */
static size_t read_on(reader *r, double out[CHUNK]) {
  while (r->view < r->end && (r->row == r->view->rows || r->view->cols == 0)) {
    r->view++;
    r->row = 0;
  }
  if (r->view == r->end) return 0;
  size_t left = r->view->cols - r->col, count = left < CHUNK ? left : CHUNK;
  read_row(r->view, r->row, r->col, r->scale, out, count);
  r->col += count;
  if (r->col == r->view->cols) {
    r->col = 0;
    r->row++;
  }
  while (count % LANES != 0) out[count++] = 0;
  return count;
}

static double dot(const double *x, const double *y, size_t count) {
  double lane[LANES] = {0};
  for (size_t i = 0; i < count; i += LANES)
    for (size_t j = 0; j < LANES; j++) lane[j] += x[i + j] * y[i + j];
  return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

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
  double u[CHUNK], v[CHUNK], difference[CHUNK], sum[CHUNK], differences = 0, sums = 0;
  reader ra = reader_of(&va), rb = reader_of(&vb);
  for (size_t n; (n = read_on(&ra, u)) > 0;) {
    read_on(&rb, v);
    for (size_t i = 0; i < n; i++) {
      difference[i] = u[i] * unit_a - v[i] * unit_b;
      sum[i] = u[i] * unit_a + v[i] * unit_b;
    }
    differences += dot(difference, difference, n);
    sums += dot(sum, sum, n);
  }
  return 360 * (atan2(sqrt(differences), sqrt(sums)) / pi);
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
