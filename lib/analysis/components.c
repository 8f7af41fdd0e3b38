/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "math/angle.h"
#include "falign/backend.h"
#include "math/lapack.h"
#include "analysis/trajectory.h"

/* X holds the centred points as its rows. The directions are eigenvectors of X^T X; or, where the points are fewer
 * than the coordinates, X^T u with the eigenvectors u of X X^T. Either matrix is summed up from pieces of X, so that
 * never more than a piece is there in double precision. */
enum {
  PIECE = 256, /* coordinates, or points, of a piece */
  BLOCK = 256  /* rows of a symmetric matrix that are computed at a time, up to the diagonal */
};

typedef struct {
  const falign_trajectory *trajectory;
  falign_components *components;
  const falign_backend *backend;
  bool of_points; /* the matrix is X X^T */
  size_t size;    /* of the matrix */
  double *matrix, *piece;
  double *u; /* of_points only: eigenvectors, count x size */
} search;

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* The mean, as what is to be added to the first point: exact where all are the same. */
static void find_mean(const falign_trajectory *trajectory, double *mean) {
  size_t numbers = trajectory->numbers, points = trajectory->points;
  falign_precision precision = trajectory->precision;
  const void *first = trajectory->point[0];
  for (size_t j = 0; j < numbers; j++) mean[j] = 0;
  for (size_t i = 1; i < points; i++) {
    const void *point = trajectory->point[i];
    for (size_t j = 0; j < numbers; j++) mean[j] += fal_number(precision, point, j) - fal_number(precision, first, j);
  }
  for (size_t j = 0; j < numbers; j++) mean[j] = fal_number(precision, first, j) + mean[j] / (double)points;
}

/* Some rows and columns of X. */
static void load_piece(const search *s, size_t row, size_t rows, size_t col, size_t cols) {
  const falign_trajectory *trajectory = s->trajectory;
  const double *mean = s->components->mean + col;
  double *out = s->piece;
  for (size_t i = row; i < row + rows; i++) {
    for (size_t j = 0; j < cols; j++)
      *out++ = fal_number(trajectory->precision, trajectory->point[i], col + j) - mean[j];
  }
}

/* Adds P P^T, or P^T P, to the blocks up to the diagonal; the piece P has `others` columns, or rows. */
static falign_status add_piece(const search *s, size_t others) {
  size_t stride = s->of_points ? others : s->size;
  for (size_t at = 0; at < s->size; at += BLOCK) {
    size_t rows = least(BLOCK, s->size - at);
    const double *block = s->piece + at * (s->of_points ? stride : 1);
    FAL_TRY(falign_backend_gemm_f64(s->backend, !s->of_points, s->of_points, rows, at + rows, others, 1, block, stride,
                                    s->piece, stride, 1, s->matrix + at * s->size, s->size));
  }
  return FALIGN_OK;
}

static falign_status fill_matrix(const search *s) {
  size_t points = s->trajectory->points, numbers = s->trajectory->numbers;
  size_t along = s->of_points ? numbers : points;
  for (size_t at = 0; at < along; at += PIECE) {
    size_t others = least(PIECE, along - at);
    if (s->of_points) {
      load_piece(s, 0, points, at, others);
    } else {
      load_piece(s, at, others, 0, numbers);
    }
    FAL_TRY(add_piece(s, others));
  }
  for (size_t i = 0; i < s->size; i++) {
    for (size_t j = i + 1; j < s->size; j++) s->matrix[i * s->size + j] = s->matrix[j * s->size + i];
  }
  return FALIGN_OK;
}

/* The sum of all variances, from the trace. */
static falign_status find_total(const search *s) {
  double trace = 0;
  for (size_t i = 0; i < s->size; i++) trace += s->matrix[i * s->size + i];
  if (!isfinite(trace)) return fal_fail(FALIGN_INVALID, "the variance of the points is beyond double precision");
  s->components->total_variance = trace / (double)(s->trajectory->points - 1);
  return FALIGN_OK;
}

/* X^T u for all u. */
static falign_status recover_directions(const search *s) {
  size_t numbers = s->trajectory->numbers;
  for (size_t at = 0; at < numbers; at += PIECE) {
    size_t cols = least(PIECE, numbers - at);
    load_piece(s, 0, s->size, at, cols);
    FAL_TRY(falign_backend_gemm_f64(s->backend, 0, 0, s->components->count, cols, s->size, 1, s->u, s->size, s->piece,
                                    cols, 0, s->components->directions + at, numbers));
  }
  return FALIGN_OK;
}

static double inner(const double *x, const double *y, size_t count) {
  fal_view a = fal_view_of(x, FALIGN_F64, 1, count, count), b = fal_view_of(y, FALIGN_F64, 1, count, count);
  return fal_view_inner(&a, &b, 1);
}

/* x = x / ||x||; returns the norm. */
static double normalize(double *x, size_t count) {
  fal_view view = fal_view_of(x, FALIGN_F64, 1, count, count);
  double norm = fal_view_norm(&view, 1);
  for (size_t j = 0; j < count && norm > 0; j++) x[j] /= norm;
  return norm;
}

/* Direction k becomes the axis that the directions before it have least to do with. */
static void take_axis(falign_components *c, size_t k) {
  double *x = c->directions + k * c->numbers, smallest = INFINITY;
  size_t axis = 0;
  for (size_t j = 0; j < c->numbers; j++) {
    double share = 0;
    for (size_t i = 0; i < k; i++) share += c->directions[i * c->numbers + j] * c->directions[i * c->numbers + j];
    if (share < smallest) {
      smallest = share;
      axis = j;
    }
    x[j] = 0;
  }
  x[axis] = 1;
}

/* Makes direction k a unit vector at right angles to those before it. Where nothing varies any more, the matrix does
 * not tell the direction, and any will do. */
static void orthonormalize(falign_components *c, size_t k) {
  double *x = c->directions + k * c->numbers, left;
  do { /* again where so much was taken away that rounding errors count */
    if (normalize(x, c->numbers) == 0) take_axis(c, k);
    for (size_t i = 0; i < k; i++) {
      const double *before = c->directions + i * c->numbers;
      double share = inner(x, before, c->numbers);
      for (size_t j = 0; j < c->numbers; j++) x[j] -= share * before[j];
    }
    left = normalize(x, c->numbers);
  } while (left < 0.5);
}

static void make_largest_positive(double *x, size_t count) {
  size_t largest = 0;
  for (size_t j = 1; j < count; j++) {
    if (fabs(x[j]) > fabs(x[largest])) largest = j;
  }
  if (x[largest] > 0) return;
  for (size_t j = 0; j < count; j++) x[j] = -x[j];
}

static falign_status find_all(const search *s) {
  falign_components *c = s->components;
  find_mean(s->trajectory, c->mean);
  FAL_TRY(fill_matrix(s));
  FAL_TRY(find_total(s));
  FAL_TRY(fal_symmetric_eigen(s->matrix, s->size, c->count, c->variances, s->of_points ? s->u : c->directions));
  if (s->of_points) FAL_TRY(recover_directions(s));
  for (size_t k = 0; k < c->count; k++) {
    c->variances[k] = fmax(c->variances[k], 0) / (double)(s->trajectory->points - 1);
    orthonormalize(c, k);
    make_largest_positive(c->directions + k * c->numbers, c->numbers);
  }
  return FALIGN_OK;
}

static falign_status allocate(size_t rows, size_t cols, double **out) {
  size_t count;
  *out = fal_mul(rows, cols, &count) ? fal_zalloc(count, sizeof **out) : NULL;
  return *out ? FALIGN_OK : fal_fail(FALIGN_MEMORY, "no memory for a matrix of %zu x %zu numbers", rows, cols);
}

/* Gives the search its memory, which release() takes back. */
static falign_status prepare(search *s) {
  falign_components *c = s->components;
  size_t points = s->trajectory->points, numbers = s->trajectory->numbers;
  falign_backend *backend;
  FAL_TRY(falign_backend_find("auto", &backend));
  s->backend = backend;
  s->of_points = points < numbers;
  s->size = least(points, numbers);
  c->numbers = numbers;
  FAL_TRY(allocate(1, numbers, &c->mean));
  FAL_TRY(allocate(c->count, numbers, &c->directions));
  FAL_TRY(allocate(1, c->count, &c->variances));
  FAL_TRY(allocate(s->size, s->size, &s->matrix));
  FAL_TRY(allocate(s->size, PIECE, &s->piece));
  return s->of_points ? allocate(c->count, s->size, &s->u) : FALIGN_OK;
}

static void release(search *s) {
  free(s->matrix);
  free(s->piece);
  free(s->u);
}

/* A build without LAPACK is to say so at once, not after all the products. */
static falign_status check_lapack(void) {
  double one = 1, value;
  return fal_symmetric_eigen(&one, 1, 1, &value, NULL);
}

static falign_status check(const falign_trajectory *trajectory, size_t count) {
  size_t points = trajectory->points, numbers = trajectory->numbers;
  if (points < 2) return fal_fail(FALIGN_INVALID, "components need two points, the trajectory has %zu", points);
  if (count >= 1 && count < points && count <= numbers) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "%zu points of %zu coordinates have 1 to %zu components, not %zu", points, numbers,
                  least(points - 1, numbers), count);
}

falign_status falign_components_create(const falign_trajectory *trajectory, size_t count, falign_components **out) {
  FAL_GIVEN(trajectory);
  FAL_GIVEN(out);
  FAL_TRY(check(trajectory, count));
  FAL_TRY(check_lapack());
  falign_components *components = fal_zalloc(1, sizeof *components);
  if (!components) return fal_fail_memory("components", 1, sizeof *components);
  components->count = count;
  search s = {.trajectory = trajectory, .components = components};
  falign_status status = prepare(&s);
  if (status == FALIGN_OK) status = find_all(&s);
  release(&s);
  if (status != FALIGN_OK) {
    falign_components_destroy(components);
    return status;
  }
  *out = components;
  return FALIGN_OK;
}

void falign_components_destroy(falign_components *components) {
  if (!components) return;
  free(components->mean);
  free(components->directions);
  free(components->variances);
  free(components);
}

size_t falign_components_count(const falign_components *components) { return components->count; }

double falign_components_variance(const falign_components *components, size_t i) {
  return i < components->count ? components->variances[i] : (double)NAN;
}

double falign_components_explained(const falign_components *components, size_t i) {
  if (i >= components->count || components->total_variance == 0) return (double)NAN;
  return fmin(components->variances[i] / components->total_variance, 1);
}

const double *falign_components_direction(const falign_components *components, size_t i) {
  return i < components->count ? components->directions + i * components->numbers : NULL;
}

const double *falign_components_mean(const falign_components *components) { return components->mean; }
