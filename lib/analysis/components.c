/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "analysis/trajectory.h"
#include "base/size.h"
#include "math/angle.h"
#include "math/backend.h"
#include "math/lapack.h"

/* The rows of X are the centered points. The directions are eigenvectors of X^T X, or, if there are fewer points than
 * coordinates, X^T u with the eigenvectors u of X X^T. Either matrix is summed over pieces of X, so that only one piece
 * at a time is in double precision. */
enum {
  PIECE = 256,       /* coordinates, or points, of a piece */
  ROWS_AT_ONCE = 256 /* of the symmetric matrix, which is computed up to the diagonal */
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

/* Finds the mean as the first point plus a difference, which is exact if all points are equal. */
static void find_mean(const falign_trajectory *trajectory, double *mean) {
  size_t numbers = trajectory->numbers, points = trajectory->points;
  falign_precision precision = trajectory->precision;
  const void *first = fal_trajectory_point(trajectory, 0);
  for (size_t j = 0; j < numbers; j++) mean[j] = 0;
  for (size_t i = 1; i < points; i++) {
    const void *point = fal_trajectory_point(trajectory, i);
    for (size_t j = 0; j < numbers; j++) mean[j] += fal_number(precision, point, j) - fal_number(precision, first, j);
  }
  for (size_t j = 0; j < numbers; j++) mean[j] = fal_number(precision, first, j) + mean[j] / (double)points;
}

/* Rows and columns of X. */
typedef struct {
  size_t row, rows, col, cols;
} piece_range;

static void load_piece(const search *s, piece_range of) {
  const falign_trajectory *trajectory = s->trajectory;
  const double *mean = s->components->mean + of.col;
  double *out = s->piece;
  for (size_t i = of.row; i < of.row + of.rows; i++) {
    const void *point = fal_trajectory_point(trajectory, i);
    for (size_t j = 0; j < of.cols; j++) *out++ = fal_number(trajectory->precision, point, of.col + j) - mean[j];
  }
}

/* Adds P P^T, or P^T P, up to the diagonal. The piece P has `others` columns, or rows. */
static falign_status add_piece_product(const search *s, size_t others) {
  size_t stride = s->of_points ? others : s->size;
  for (size_t at = 0; at < s->size; at += ROWS_AT_ONCE) {
    size_t rows = fal_min(ROWS_AT_ONCE, s->size - at);
    const double *left = s->piece + at * (s->of_points ? stride : 1);
    FAL_TRY(fal_gemm_f64(s->backend, !s->of_points, s->of_points, rows, at + rows, others, 1, left, stride, s->piece,
                         stride, 1, s->matrix + at * s->size, s->size));
  }
  return FALIGN_OK;
}

static falign_status fill_matrix(const search *s) {
  size_t points = s->trajectory->points, numbers = s->trajectory->numbers;
  size_t along = s->of_points ? numbers : points;
  for (size_t at = 0; at < along; at += PIECE) {
    size_t others = fal_min(PIECE, along - at);
    if (s->of_points) {
      load_piece(s, (piece_range){0, points, at, others});
    } else {
      load_piece(s, (piece_range){at, others, 0, numbers});
    }
    FAL_TRY(add_piece_product(s, others));
  }
  for (size_t i = 0; i < s->size; i++) {
    for (size_t j = i + 1; j < s->size; j++) s->matrix[i * s->size + j] = s->matrix[j * s->size + i];
  }
  return FALIGN_OK;
}

/* The sum of all variances, from the trace. */
static falign_status find_total(const search *s, double *total) {
  double trace = 0;
  for (size_t i = 0; i < s->size; i++) trace += s->matrix[i * s->size + i];
  if (!isfinite(trace)) return fal_fail(FALIGN_INVALID, "the variance of the points is beyond double precision");
  *total = trace / (double)(s->trajectory->points - 1);
  return FALIGN_OK;
}

/* X^T u for all u. */
static falign_status recover_directions(const search *s) {
  size_t numbers = s->trajectory->numbers;
  for (size_t at = 0; at < numbers; at += PIECE) {
    size_t cols = fal_min(PIECE, numbers - at);
    load_piece(s, (piece_range){0, s->size, at, cols});
    FAL_TRY(fal_gemm_f64(s->backend, 0, 0, s->components->count, cols, s->size, 1, s->u, s->size, s->piece, cols, 0,
                         s->components->directions + at, numbers));
  }
  return FALIGN_OK;
}

/* Sets direction k to the axis in which the directions before it have the smallest coordinates. */
static void take_axis(falign_components *c, size_t k) {
  double *x = c->directions + k * c->numbers, smallest = (double)INFINITY;
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

/* Makes direction k a unit vector orthogonal to those before it, any such vector if no variance is left. */
static void orthonormalize(falign_components *c, size_t k) {
  double *x = c->directions + k * c->numbers, left;
  do { /* again after cancellation, which leaves rounding errors */
    if (fal_normalize(x, c->numbers) == 0) take_axis(c, k);
    for (size_t i = 0; i < k; i++) {
      const double *before = c->directions + i * c->numbers;
      double share = fal_inner(x, before, c->numbers);
      for (size_t j = 0; j < c->numbers; j++) x[j] -= share * before[j];
    }
    left = fal_normalize(x, c->numbers);
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

static falign_status find_components(const search *s) {
  falign_components *c = s->components;
  double total;
  find_mean(s->trajectory, c->mean);
  FAL_TRY(fill_matrix(s));
  FAL_TRY(find_total(s, &total));
  FAL_TRY(fal_symmetric_eigen(s->matrix, s->size, c->count, c->variance, s->of_points ? s->u : c->directions));
  if (s->of_points) FAL_TRY(recover_directions(s));
  for (size_t k = 0; k < c->count; k++) {
    c->variance[k] = fmax(c->variance[k], 0) / (double)(s->trajectory->points - 1);
    c->explained[k] = total == 0 ? (double)NAN : fmin(c->variance[k] / total, 1);
    orthonormalize(c, k);
    make_largest_positive(c->directions + k * c->numbers, c->numbers);
  }
  return FALIGN_OK;
}

static falign_status allocate_numbers(size_t rows, size_t cols, double **out) {
  size_t count;
  *out = fal_mul(rows, cols, &count) ? fal_zalloc(count, sizeof **out) : NULL;
  return *out ? FALIGN_OK : fal_fail(FALIGN_MEMORY, "no memory for a matrix of %zu x %zu numbers", rows, cols);
}

/* Allocates what a search needs; release_search() frees it, falign_components_destroy() the rest. */
static falign_status prepare_search(search *s) {
  falign_components *c = s->components;
  size_t points = s->trajectory->points, numbers = s->trajectory->numbers;
  falign_backend *backend;
  FAL_TRY(falign_backend_create("auto", &backend));
  s->backend = backend;
  s->of_points = points < numbers;
  s->size = fal_min(points, numbers);
  c->numbers = numbers;
  FAL_TRY(allocate_numbers(1, numbers, &c->mean));
  FAL_TRY(allocate_numbers(c->count, numbers, &c->directions));
  FAL_TRY(allocate_numbers(1, c->count, &c->variance));
  FAL_TRY(allocate_numbers(1, c->count, &c->explained));
  FAL_TRY(allocate_numbers(s->size, s->size, &s->matrix));
  FAL_TRY(allocate_numbers(s->size, PIECE, &s->piece));
  return s->of_points ? allocate_numbers(c->count, s->size, &s->u) : FALIGN_OK;
}

static void release_search(search *s) {
  free(s->matrix);
  free(s->piece);
  free(s->u);
}

/* Lets a build without LAPACK fail before the products. */
static falign_status check_lapack(void) {
  double one = 1, value;
  return fal_symmetric_eigen(&one, 1, 1, &value, NULL);
}

static falign_status check_count(const falign_trajectory *trajectory, size_t count) {
  size_t points = trajectory->points, numbers = trajectory->numbers;
  if (points < 2) return fal_fail(FALIGN_INVALID, "components need two points, the trajectory has %zu", points);
  if (count >= 1 && count < points && count <= numbers) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "%zu points of %zu coordinates have 1 to %zu components, not %zu", points, numbers,
                  fal_min(points - 1, numbers), count);
}

falign_status falign_components_create(const falign_trajectory *trajectory, size_t count, falign_components **out) {
  FAL_GIVEN(trajectory);
  FAL_GIVEN(out);
  FAL_TRY(check_count(trajectory, count));
  FAL_TRY(check_lapack());
  falign_components *components = fal_zalloc(1, sizeof *components);
  if (!components) return fal_fail_memory("components", 1, sizeof *components);
  components->count = count;
  search s = {.trajectory = trajectory, .components = components};
  falign_status status = prepare_search(&s);
  if (status == FALIGN_OK) status = find_components(&s);
  release_search(&s);
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
  free(components->variance);
  free(components->explained);
  free(components);
}

const double *fal_components_direction(const falign_components *components, size_t i) {
  return components->directions + i * components->numbers;
}

falign_status falign_components_view(const falign_components *components, falign_component what, falign_view *out) {
  FAL_GIVEN(components);
  FAL_GIVEN(out);
  const falign_components *c = components;
  switch (what) {
    case FALIGN_COMPONENT_DIRECTIONS: *out = falign_view_f64(c->directions, c->count, c->numbers); return FALIGN_OK;
    case FALIGN_COMPONENT_MEAN: *out = falign_view_f64(c->mean, 1, c->numbers); return FALIGN_OK;
    case FALIGN_COMPONENT_VARIANCE: *out = falign_view_f64(c->variance, 1, c->count); return FALIGN_OK;
    case FALIGN_COMPONENT_EXPLAINED: *out = falign_view_f64(c->explained, 1, c->count); return FALIGN_OK;
    default: return fal_fail(FALIGN_INVALID, "unknown part of the components %d", (int)what);
  }
}
