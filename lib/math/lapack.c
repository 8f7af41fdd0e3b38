/* SPDX-License-Identifier: Apache-2.0 */
#include "math/lapack.h"

#ifdef FAL_LAPACK

#include <float.h>
#include <lapacke.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/matrix.h"

/* The _work functions take all memory from the caller and never print. In LAPACK's column-major order, a row-major
 * matrix is its transpose. */

static falign_status check_lapack_size(size_t n) {
  if (n >= 1 && n <= INT_MAX) return FALIGN_OK;
  return fal_fail(FALIGN_UNSUPPORTED, "a matrix with %zu rows or columns is too large for LAPACK", n);
}

static falign_status check_info(const char *routine, lapack_int info) {
  if (info == 0) return FALIGN_OK;
  return fal_fail(FALIGN_DIVERGED, "LAPACK's %s failed with info %d", routine, (int)info);
}

typedef struct {
  double *a;
  lapack_int n, count;
  double *values, *vectors; /* ascending */
  lapack_int *support;
} eigen;

/* With counts of -1, asks how much room the routine needs. */
static lapack_int call_dsyevr(const eigen *e, double *work, lapack_int work_count, lapack_int *integers,
                              lapack_int integer_count) {
  lapack_int found;
  return LAPACKE_dsyevr_work(LAPACK_COL_MAJOR, e->vectors ? 'V' : 'N', 'I', 'U', e->n, e->a, e->n, 0, 0,
                             e->n - e->count + 1, e->n, 0, &found, e->values, e->vectors, e->n, e->support, work,
                             work_count, integers, integer_count);
}

static falign_status solve_eigen(const eigen *e) {
  double best;
  lapack_int best_integers;
  FAL_TRY(check_info("dsyevr", call_dsyevr(e, &best, -1, &best_integers, -1)));
  lapack_int count = (lapack_int)best;
  double *work = fal_alloc((size_t)count, sizeof *work);
  lapack_int *integers = fal_alloc((size_t)best_integers, sizeof *integers);
  falign_status status = work && integers ? check_info("dsyevr", call_dsyevr(e, work, count, integers, best_integers))
                                          : fal_fail_memory("eigenvalues", count, sizeof *work);
  free(work);
  free(integers);
  return status;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): values and vectors, as LAPACK has them */
falign_status fal_symmetric_eigen(double *a, size_t n, size_t count, double *values, double *vectors) {
  FAL_TRY(check_lapack_size(n));
  falign_view symmetric = falign_view_f64(a, n, n);
  FAL_TRY(fal_check_finite("the symmetric matrix", -1, &symmetric, FALIGN_F64));
  double *ascending = fal_alloc(n, sizeof *ascending);
  double *rows = vectors ? fal_alloc(n * count, sizeof *rows) : NULL;
  lapack_int *support = fal_alloc(2 * n, sizeof *support);
  eigen e = {
      .a = a, .n = (lapack_int)n, .count = (lapack_int)count, .values = ascending, .vectors = rows, .support = support};
  falign_status status = ascending && support && (rows || !vectors)
                             ? solve_eigen(&e)
                             : fal_fail_memory("eigenvectors", n, count * sizeof *rows);
  for (size_t i = 0; i < count && status == FALIGN_OK; i++) {
    values[i] = ascending[count - 1 - i];
    if (vectors) memcpy(vectors + i * n, rows + (count - 1 - i) * n, n * sizeof *rows);
  }
  free(ascending);
  free(rows);
  free(support);
  return status;
}

/* A matrix in LAPACK's order with the shape of a view. */
static falign_matrix by_columns(double *numbers, const falign_view *view, size_t stride) {
  return (falign_matrix){numbers, view->rows, view->cols, 1, (ptrdiff_t)stride, FALIGN_F64};
}

typedef struct {
  lapack_int rows, cols, rights, stride; /* the stride of b: it holds B, then X */
  double *a, *b, *singular;
  double zero; /* singular values up to this fraction of the largest count as 0 */
} least_squares;

static lapack_int call_dgelsd(const least_squares *s, double *work, lapack_int work_count, lapack_int *integers) {
  lapack_int rank;
  return LAPACKE_dgelsd_work(LAPACK_COL_MAJOR, s->rows, s->cols, s->rights, s->a, s->rows, s->b, s->stride, s->singular,
                             s->zero, &rank, work, work_count, integers);
}

static falign_status solve_least_squares(const least_squares *s) {
  double best;
  lapack_int best_integers;
  FAL_TRY(check_info("dgelsd", call_dgelsd(s, &best, -1, &best_integers)));
  lapack_int count = (lapack_int)best;
  double *work = fal_alloc((size_t)count, sizeof *work);
  lapack_int *integers = fal_alloc((size_t)best_integers, sizeof *integers);
  falign_status status = work && integers ? check_info("dgelsd", call_dgelsd(s, work, count, integers))
                                          : fal_fail_memory("least squares", count, sizeof *work);
  free(work);
  free(integers);
  return status;
}

falign_status fal_least_squares(const double *a, size_t rows, size_t cols, double off, const double *b, size_t rights,
                                double *x) {
  FAL_TRY(check_lapack_size(rows));
  FAL_TRY(check_lapack_size(cols));
  FAL_TRY(check_lapack_size(rights));
  falign_view view_a = falign_view_f64(a, rows, cols), view_b = falign_view_f64(b, rows, rights);
  FAL_TRY(fal_check_finite("A", -1, &view_a, FALIGN_F64));
  FAL_TRY(fal_check_finite("B", -1, &view_b, FALIGN_F64));
  if (off >= 1) { /* all of A counts as 0; dgelsd would use epsilon instead */
    memset(x, 0, cols * rights * sizeof *x);
    return FALIGN_OK;
  }
  size_t longest = rows > cols ? rows : cols;
  least_squares s = {.rows = (lapack_int)rows,
                     .cols = (lapack_int)cols,
                     .rights = (lapack_int)rights,
                     .stride = (lapack_int)longest,
                     .a = fal_alloc(rows * cols, sizeof *a),
                     .b = fal_zalloc(longest * rights, sizeof *b),
                     .singular = fal_alloc(longest, sizeof *s.singular),
                     .zero = fmax((double)longest * DBL_EPSILON, off)};
  falign_status status = FALIGN_OK;
  if (!s.a || !s.b || !s.singular) {
    status = fal_fail_memory("least squares", longest, (cols + rights) * sizeof *a);
  } else {
    falign_matrix copy_a = by_columns(s.a, &view_a, rows), copy_b = by_columns(s.b, &view_b, longest);
    fal_copy(&copy_a, &view_a);
    fal_copy(&copy_b, &view_b);
    status = solve_least_squares(&s);
  }
  for (size_t j = 0; j < rights && status == FALIGN_OK; j++) {
    for (size_t i = 0; i < cols; i++) x[i * rights + j] = s.b[j * longest + i];
  }
  free(s.a);
  free(s.b);
  free(s.singular);
  return status;
}

#else

falign_status fal_symmetric_eigen(double *a, size_t n, size_t count, double *values, double *vectors) {
  (void)a, (void)n, (void)count, (void)values, (void)vectors;
  return fal_fail(FALIGN_UNSUPPORTED, "this build has no LAPACK, which eigenvalues need");
}

falign_status fal_least_squares(const double *a, size_t rows, size_t cols, double off, const double *b, size_t rights,
                                double *x) {
  (void)a, (void)rows, (void)cols, (void)off, (void)b, (void)rights, (void)x;
  return fal_fail(FALIGN_UNSUPPORTED, "this build has no LAPACK, which least squares need");
}

#endif
