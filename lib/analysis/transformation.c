/* SPDX-License-Identifier: Apache-2.0 */
#include "falign/transformation.h"

#include <stdlib.h>

#include "math/backend.h"
#include "falign/angle.h"
#include "learning/history.h"
#include "math/lapack.h"

struct falign_transformation {
  size_t n;
  double *parts[FALIGN_M_SKEW + 1]; /* by falign_part_of_m; n x n each */
};

void falign_transformation_destroy(falign_transformation *transformation) {
  if (!transformation) return;
  free(transformation->parts[FALIGN_M_ALL]);
  free(transformation);
}

static falign_status allocate(size_t n, falign_transformation **out) {
  size_t numbers;
  falign_transformation *made = fal_zalloc(1, sizeof *made);
  double *parts = fal_mul(n, n, &numbers) ? fal_alloc(numbers, 3 * sizeof *parts) : NULL;
  if (!made || !parts) {
    free(made);
    free(parts);
    return fal_fail_memory("a transformation", n, 3 * n * sizeof *parts);
  }
  made->n = n;
  made->parts[FALIGN_M_ALL] = parts;
  made->parts[FALIGN_M_SYMMETRIC] = parts + numbers;
  made->parts[FALIGN_M_SKEW] = parts + 2 * numbers;
  *out = made;
  return FALIGN_OK;
}

/* M = M_sym + M_skew */
static void split(const falign_transformation *transformation) {
  size_t n = transformation->n;
  const double *m = transformation->parts[FALIGN_M_ALL];
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < n; j++) {
      double a = m[i * n + j] / 2, b = m[j * n + i] / 2;
      transformation->parts[FALIGN_M_SYMMETRIC][i * n + j] = a + b;
      transformation->parts[FALIGN_M_SKEW][i * n + j] = a - b;
    }
  }
}

falign_status falign_transformation_create_of(const double *m, size_t n, size_t stride, falign_transformation **out) {
  FAL_GIVEN(out);
  if (n == 0) return fal_fail(FALIGN_INVALID, "M has no rows");
  FAL_TRY(fal_check_matrix("M", -1, m, n, n, stride, n, n));
  FAL_TRY(fal_check_finite("M", -1, m, FALIGN_F64, n, n, stride));
  falign_transformation *made;
  FAL_TRY(allocate(n, &made));
  fal_copy_matrix(made->parts[FALIGN_M_ALL], FALIGN_F64, n, m, FALIGN_F64, stride, n, n);
  split(made);
  *out = made;
  return FALIGN_OK;
}

/* C[l][k-o]^T C[l][k], with C[l] = L[l-1]^T delta[l+1]. */
static falign_status multiply(const falign_history *history, uint64_t k, uint64_t order, uint32_t l, size_t in,
                              size_t n, double *m) {
  double *then = fal_alloc(in * n, 2 * sizeof *then);
  if (!then) return fal_fail_memory("C", in, 2 * n * sizeof *then);
  double *now = then + in * n;
  falign_status status = falign_history_get(history, k - order, FALIGN_RECORD_C, l, then, in, n, n);
  if (status == FALIGN_OK) status = falign_history_get(history, k, FALIGN_RECORD_C, l, now, in, n, n);
  if (status == FALIGN_OK)
    status = falign_backend_gemm_f64(&fal_backend_builtin, 1, 0, n, n, in, 1, then, n, now, n, 0, m, n);
  free(then);
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
  size_t n = network->widths[l + 1];
  FAL_TRY(allocate(n, &made));
  falign_status status = multiply(history, k, order, l, network->widths[l - 1], n, made->parts[FALIGN_M_ALL]);
  if (status != FALIGN_OK) {
    falign_transformation_destroy(made);
    return status;
  }
  split(made);
  *out = made;
  return FALIGN_OK;
}

size_t falign_transformation_size(const falign_transformation *transformation) { return transformation->n; }

static falign_status find(const falign_transformation *transformation, falign_part_of_m part, const double **out) {
  FAL_GIVEN(transformation);
  if (part < FALIGN_M_ALL || part > FALIGN_M_SKEW) return fal_fail(FALIGN_INVALID, "%d is no part of M", part);
  *out = transformation->parts[part];
  return FALIGN_OK;
}

falign_status falign_transformation_get(const falign_transformation *transformation, falign_part_of_m part, double *out,
                                        size_t rows, size_t cols, size_t stride) {
  const double *m;
  FAL_TRY(find(transformation, part, &m));
  size_t n = transformation->n;
  FAL_TRY(fal_check_matrix("M", -1, out, rows, cols, stride, n, n));
  fal_copy_matrix(out, FALIGN_F64, stride, m, FALIGN_F64, n, n, n);
  return FALIGN_OK;
}

double falign_transformation_trace(const falign_transformation *transformation) {
  size_t n = transformation->n;
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += transformation->parts[FALIGN_M_ALL][i * n + i];
  return sum;
}

falign_status falign_transformation_eigenvalues(const falign_transformation *transformation, double *values,
                                                size_t count) {
  const double *symmetric;
  FAL_TRY(find(transformation, FALIGN_M_SYMMETRIC, &symmetric));
  FAL_GIVEN(values);
  size_t n = transformation->n;
  if (count != n) return fal_fail(FALIGN_SHAPE, "M has %zu eigenvalues, got room for %zu", n, count);
  double *copy = fal_alloc(n * n, sizeof *copy);
  if (!copy) return fal_fail_memory("a symmetric matrix", n, n * sizeof *copy);
  fal_copy_matrix(copy, FALIGN_F64, n, symmetric, FALIGN_F64, n, n, n);
  falign_status status = fal_symmetric_eigen(copy, n, n, values, NULL);
  free(copy);
  return status;
}

/* B^T times a part of M; the caller frees it. */
static falign_status apply(const falign_transformation *transformation, falign_part_of_m part, const double *b,
                           size_t rows, size_t cols, size_t stride, double **product) {
  const double *m;
  FAL_TRY(find(transformation, part, &m));
  size_t n = transformation->n, numbers;
  FAL_TRY(fal_check_matrix("B", -1, b, rows, cols, stride, n, cols));
  *product = fal_mul(cols, n, &numbers) ? fal_alloc(numbers, sizeof **product) : NULL;
  if (!*product) return fal_fail_memory("B^T M", cols, n * sizeof **product);
  falign_status status =
      falign_backend_gemm_f64(&fal_backend_builtin, 1, 0, cols, n, n, 1, b, stride, m, n, 0, *product, n);
  if (status != FALIGN_OK) free(*product);
  return status;
}

falign_status falign_transformation_apply(const falign_transformation *transformation, falign_part_of_m part,
                                          const double *b, size_t rows, size_t cols, size_t stride, double *angle,
                                          double *norm) {
  double *product;
  FAL_TRY(apply(transformation, part, b, rows, cols, stride, &product));
  falign_status status = falign_angle_f64(product, cols, rows, rows, b, stride, 1, angle, NULL, NULL);
  if (status == FALIGN_OK && norm) *norm = falign_frobenius_f64(product, cols, rows, rows);
  free(product);
  return status;
}

falign_status falign_transformation_skew_ratio(const falign_transformation *transformation, const double *b,
                                               size_t rows, size_t cols, size_t stride, double *ratio) {
  double skew, symmetric;
  FAL_GIVEN(ratio);
  FAL_TRY(falign_transformation_apply(transformation, FALIGN_M_SKEW, b, rows, cols, stride, NULL, &skew));
  FAL_TRY(falign_transformation_apply(transformation, FALIGN_M_SYMMETRIC, b, rows, cols, stride, NULL, &symmetric));
  *ratio = skew / symmetric;
  return FALIGN_OK;
}
