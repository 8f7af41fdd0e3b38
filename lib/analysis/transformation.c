/* SPDX-License-Identifier: Apache-2.0 */
#include "falign/transformation.h"

#include <stdlib.h>
#include <string.h>

#include "learning/history.h"
#include "math/angle.h"
#include "math/backend.h"
#include "math/lapack.h"

struct falign_transformation {
  size_t n;
  double *m, *symmetric, *skew; /* n x n each, in one array */
};

void falign_transformation_destroy(falign_transformation *transformation) {
  if (!transformation) return;
  free(transformation->m);
  free(transformation);
}

static falign_status allocate_transformation(size_t n, falign_transformation **out) {
  size_t numbers;
  falign_transformation *made = fal_zalloc(1, sizeof *made);
  double *parts = fal_mul(n, n, &numbers) ? fal_alloc(numbers, 3 * sizeof *parts) : NULL;
  if (!made || !parts) {
    free(made);
    free(parts);
    return fal_fail_memory("a transformation", n, 3 * n * sizeof *parts);
  }
  made->n = n;
  made->m = parts;
  made->symmetric = parts + numbers;
  made->skew = parts + 2 * numbers;
  *out = made;
  return FALIGN_OK;
}

/* M = M_sym + M_skew */
static void split_parts(const falign_transformation *transformation) {
  size_t n = transformation->n;
  const double *m = transformation->m;
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < n; j++) {
      double a = m[i * n + j] / 2, b = m[j * n + i] / 2;
      transformation->symmetric[i * n + j] = a + b;
      transformation->skew[i * n + j] = a - b;
    }
  }
}

falign_status falign_transformation_create_of(const falign_view *m, falign_transformation **out) {
  FAL_GIVEN(out);
  FAL_TRY(fal_check_view("M", -1, m));
  if (m->rows == 0) return fal_fail(FALIGN_INVALID, "M has no rows");
  FAL_TRY(fal_check_view_shape("M", -1, m, m->rows, m->rows));
  FAL_TRY(fal_check_finite("M", -1, m, FALIGN_F64));
  falign_transformation *made;
  FAL_TRY(allocate_transformation(m->rows, &made));
  const falign_matrix own = falign_matrix_f64(made->m, made->n, made->n);
  fal_copy(&own, m);
  split_parts(made);
  *out = made;
  return FALIGN_OK;
}

/* M = C[l][k-o]^T C[l][k], where C[l] = L[l-1]^T delta[l+1]; `steps` are k-o and k. */
static falign_status multiply_steps(const falign_history *history, const uint64_t steps[2], uint32_t l, double *m) {
  size_t in = history->network->widths[l - 1], n = history->network->widths[l + 1];
  double *numbers = fal_alloc(in * n, 2 * sizeof *numbers);
  if (!numbers) return fal_fail_memory("C", in, 2 * n * sizeof *numbers);
  const falign_matrix then = falign_matrix_f64(numbers, in, n), now = falign_matrix_f64(numbers + in * n, in, n);
  falign_status status = falign_history_get(history, steps[0], FALIGN_C, l, &then);
  if (status == FALIGN_OK) status = falign_history_get(history, steps[1], FALIGN_C, l, &now);
  if (status == FALIGN_OK)
    status = fal_gemm_f64(&fal_backend_builtin, 1, 0, n, n, in, 1, then.data, n, now.data, n, 0, m, n);
  free(numbers);
  return status;
}

falign_status falign_transformation_create(const falign_history *history, uint64_t k, uint64_t order, uint32_t l,
                                           falign_transformation **out) {
  FAL_GIVEN(history);
  FAL_GIVEN(out);
  const falign_network *network = history->network;
  if (network->layers == 1)
    return fal_fail(FALIGN_INVALID, "there is no M of layer %u: the network has no hidden layer", l);
  if (l < 1 || l >= network->layers)
    return fal_fail(FALIGN_INVALID, "there is no M of layer %u: l goes from 1 to %u", l, network->layers - 1);
  if (order > k)
    return fal_fail(FALIGN_INVALID, "there is no order %llu at iteration %llu", (unsigned long long)order,
                    (unsigned long long)k);
  falign_transformation *made;
  FAL_TRY(allocate_transformation(network->widths[l + 1], &made));
  falign_status status = multiply_steps(history, (const uint64_t[2]){k - order, k}, l, made->m);
  if (status != FALIGN_OK) {
    falign_transformation_destroy(made);
    return status;
  }
  split_parts(made);
  *out = made;
  return FALIGN_OK;
}

size_t falign_transformation_size(const falign_transformation *transformation) { return transformation->n; }

static falign_status find_part(const falign_transformation *transformation, falign_quantity what, falign_view *out) {
  FAL_GIVEN(transformation);
  const double *data = NULL;
  if (what == FALIGN_M) data = transformation->m;
  if (what == FALIGN_M_SYMMETRIC) data = transformation->symmetric;
  if (what == FALIGN_M_SKEW) data = transformation->skew;
  if (!data)
    return fal_fail(FALIGN_INVALID,
                    "quantity %d is not a part of M: want FALIGN_M, FALIGN_M_SYMMETRIC or FALIGN_M_SKEW", (int)what);
  *out = falign_view_f64(data, transformation->n, transformation->n);
  return FALIGN_OK;
}

falign_status falign_transformation_get(const falign_transformation *transformation, falign_quantity what,
                                        const falign_matrix *out) {
  falign_view part;
  FAL_TRY(find_part(transformation, what, &part));
  return fal_get_matrix("M", -1, &part, out);
}

double falign_transformation_trace(const falign_transformation *transformation) {
  size_t n = transformation->n;
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += transformation->m[i * n + i];
  return sum;
}

falign_status falign_transformation_eigenvalues(const falign_transformation *transformation, double *values,
                                                size_t count) {
  FAL_GIVEN(transformation);
  FAL_GIVEN(values);
  size_t n = transformation->n;
  if (count != n) return fal_fail(FALIGN_SHAPE, "M has %zu eigenvalues, got room for %zu", n, count);
  double *copy = fal_alloc(n * n, sizeof *copy);
  if (!copy) return fal_fail_memory("a symmetric matrix", n, n * sizeof *copy);
  memcpy(copy, transformation->symmetric, n * n * sizeof *copy);
  falign_status status = fal_symmetric_eigen(copy, n, n, values, NULL);
  free(copy);
  return status;
}

/* Views B in double precision with contiguous rows: in place, or in a copy, which the caller frees. */
static falign_status read_rows(const falign_view *b, const double **rows, size_t *stride, double **copy) {
  *rows = b->data;
  *copy = NULL;
  if (b->precision == FALIGN_F64 && fal_view_stride(b, stride)) return FALIGN_OK;
  *copy = fal_alloc_matrix(b->rows, b->cols, sizeof **copy);
  if (!*copy) return fal_fail_memory("a copy of B", b->rows, b->cols * sizeof **copy);
  const falign_matrix to = falign_matrix_f64(*copy, b->rows, b->cols);
  fal_copy(&to, b);
  *rows = *copy;
  *stride = b->cols;
  return FALIGN_OK;
}

/* Multiplies B^T by a part of M, cols x n; the caller frees the product. */
static falign_status multiply_part(const falign_transformation *transformation, falign_quantity what,
                                   const falign_view *b, double **product) {
  falign_view part;
  FAL_TRY(find_part(transformation, what, &part));
  size_t n = transformation->n;
  const double *rows;
  size_t stride;
  double *copy;
  FAL_TRY(fal_check_view("B", -1, b));
  FAL_TRY(fal_check_view_shape("B", -1, b, n, b->cols));
  *product = fal_alloc_matrix(b->cols, n, sizeof **product);
  if (!*product) return fal_fail_memory("B^T M", b->cols, n * sizeof **product);
  falign_status status = read_rows(b, &rows, &stride, &copy);
  if (status == FALIGN_OK)
    status = fal_gemm_f64(&fal_backend_builtin, 1, 0, b->cols, n, n, 1, rows, stride, part.data, n, 0, *product, n);
  free(copy);
  if (status != FALIGN_OK) free(*product);
  return status;
}

/* NOLINTBEGIN(bugprone-easily-swappable-parameters): outputs, each of which may be NULL */
falign_status falign_transformation_apply(const falign_transformation *transformation, falign_quantity what,
                                          const falign_view *b, double *angle, double *norm) {
  /* NOLINTEND(bugprone-easily-swappable-parameters) */
  double *numbers;
  FAL_TRY(multiply_part(transformation, what, b, &numbers));
  const falign_view product = falign_view_f64(numbers, b->cols, b->rows), transposed = falign_view_transposed(*b);
  if (angle) *angle = fal_view_angle(&product, &transposed, 1);
  if (norm) *norm = fal_view_norm(&product, 1);
  free(numbers);
  return FALIGN_OK;
}

falign_status falign_transformation_skew_ratio(const falign_transformation *transformation, const falign_view *b,
                                               double *ratio) {
  double skew, symmetric;
  FAL_GIVEN(ratio);
  FAL_TRY(falign_transformation_apply(transformation, FALIGN_M_SKEW, b, NULL, &skew));
  FAL_TRY(falign_transformation_apply(transformation, FALIGN_M_SYMMETRIC, b, NULL, &symmetric));
  *ratio = skew / symmetric;
  return FALIGN_OK;
}
