/* SPDX-License-Identifier: Apache-2.0 */
#include "falign/product_angle.h"

#include <stdlib.h>

#include "math/angle.h"
#include "math/backend.h"
#include "math/rng.h"

/* B_l and W_l^T, of `count` numbers each, and the stream from which both are drawn. */
typedef struct {
  double *b, *w;
  size_t count;
  falign_rng rng;
} pair;

/* f'(Z_l) for relu: 1 where Z_l > 0. For numbers from N(0, 1) these are random bits. */
typedef struct {
  double *values;
  size_t count;
  falign_rng rng;
} derivative;

struct falign_product_angle {
  size_t rows, inner, cols;
  uint64_t next; /* the number of the next draw */
  pair first, second;
  derivative of_first, of_second;
  double *product_b, *product_w; /* rows x cols */
};

static falign_status open_stream(const fal_stream *of, falign_rng *rng) {
  return fal_rng_init(rng, of->seed, of->purpose, of->layer, of->run);
}

static falign_status allocate_matrix(size_t rows, size_t cols, double **out, size_t *count) {
  *out = fal_mul(rows, cols, count) ? fal_alloc(*count, sizeof **out) : NULL;
  return *out ? FALIGN_OK : fal_fail(FALIGN_MEMORY, "no memory for a matrix of %zu x %zu numbers", rows, cols);
}

static falign_status open_pair(pair *p, size_t rows, size_t cols, fal_stream of) {
  FAL_TRY(allocate_matrix(rows, cols, &p->b, &p->count));
  FAL_TRY(allocate_matrix(rows, cols, &p->w, &p->count));
  return open_stream(&of, &p->rng);
}

static falign_status open_derivative(derivative *d, size_t rows, size_t cols, fal_stream of) {
  FAL_TRY(allocate_matrix(rows, cols, &d->values, &d->count));
  return open_stream(&of, &d->rng);
}

static falign_status open_all(falign_product_angle *source, uint64_t seed, uint32_t run) {
  size_t rows = source->rows, inner = source->inner, cols = source->cols, count;
  FAL_TRY(open_pair(&source->first, inner, cols, (fal_stream){seed, FALIGN_RNG_PRODUCT, 1, run}));
  FAL_TRY(open_pair(&source->second, rows, inner, (fal_stream){seed, FALIGN_RNG_PRODUCT, 2, run}));
  FAL_TRY(open_derivative(&source->of_first, rows, cols, (fal_stream){seed, FALIGN_RNG_PRODUCT, 3, run}));
  FAL_TRY(open_derivative(&source->of_second, rows, inner, (fal_stream){seed, FALIGN_RNG_PRODUCT, 4, run}));
  FAL_TRY(allocate_matrix(rows, cols, &source->product_b, &count));
  return allocate_matrix(rows, cols, &source->product_w, &count);
}

falign_status falign_product_angle_create(size_t rows, size_t inner, size_t cols, uint64_t seed, uint32_t run,
                                          falign_product_angle **out) {
  FAL_GIVEN(out);
  if (rows == 0 || inner == 0 || cols == 0)
    return fal_fail(FALIGN_INVALID, "sizes are at least 1, got rows %zu, inner %zu, cols %zu", rows, inner, cols);
  falign_product_angle *source = fal_zalloc(1, sizeof *source);
  if (!source) return fal_fail_memory("a source of matrices", 1, sizeof *source);
  source->rows = rows;
  source->inner = inner;
  source->cols = cols;
  falign_status status = open_all(source, seed, run);
  if (status != FALIGN_OK) {
    falign_product_angle_destroy(source);
    return status;
  }
  *out = source;
  return FALIGN_OK;
}

void falign_product_angle_destroy(falign_product_angle *source) {
  if (!source) return;
  free(source->first.b);
  free(source->first.w);
  free(source->second.b);
  free(source->second.w);
  free(source->of_first.values);
  free(source->of_second.values);
  free(source->product_b);
  free(source->product_w);
  free(source);
}

static double angle_of(const double *a, const double *b, size_t count) {
  falign_view va = falign_view_f64(a, 1, count), vb = falign_view_f64(b, 1, count);
  return fal_view_angle(&va, &vb, 1);
}

/* B uniform on the unit hypersphere; A likewise, orthonormal to B; then W^T = r_1 A + r_2 B, normalized. */
static void draw_pair(pair *p) {
  size_t count = p->count;
  double *b = p->b, *w = p->w, r[2];
  fal_rng_normal(&p->rng, 1, b, count);
  fal_rng_normal(&p->rng, 1, w, count);
  fal_rng_normal(&p->rng, 1, r, 2);
  fal_normalize(b, count);
  double along = fal_inner(w, b, count);
  for (size_t i = 0; i < count; i++) w[i] -= along * b[i];
  fal_normalize(w, count);
  for (size_t i = 0; i < count; i++) w[i] = r[0] * w[i] + r[1] * b[i];
  fal_normalize(w, count);
}

/* Draws the derivatives of draw `number`, which has random bits of its own. */
static void draw_derivative(derivative *d, uint64_t number) {
  enum { BITS = 128 };
  falign_rng_seek(&d->rng, number * ((d->count - 1) / BITS + 1));
  for (size_t first = 0; first < d->count; first += BITS) {
    uint32_t words[4];
    falign_rng_block(&d->rng, words);
    for (size_t i = 0; i < BITS && first + i < d->count; i++) d->values[first + i] = words[i / 32] >> i % 32 & 1;
  }
}

static void multiply_by_derivative(double *x, const derivative *d) {
  for (size_t i = 0; i < d->count; i++) x[i] *= d->values[i];
}

static falign_status multiply_factors(const falign_product_angle *source, const double *second, const double *first,
                                      double *product) {
  return fal_gemm_f64(&fal_backend_builtin, 0, 0, source->rows, source->cols, source->inner, 1, second, source->inner,
                      first, source->cols, 0, product, source->cols);
}

static falign_status multiply_both(const falign_product_angle *source) {
  FAL_TRY(multiply_factors(source, source->second.b, source->first.b, source->product_b));
  return multiply_factors(source, source->second.w, source->first.w, source->product_w);
}

static falign_status find_linear_angle(const falign_product_angle *source, double *theta) {
  FAL_TRY(multiply_both(source));
  *theta = angle_of(source->product_b, source->product_w, source->of_first.count);
  return FALIGN_OK;
}

/* Eq. S1. The matrices of the second pair are overwritten. */
static falign_status find_nonlinear_angle(falign_product_angle *source, double *theta) {
  draw_derivative(&source->of_first, source->next);
  draw_derivative(&source->of_second, source->next);
  multiply_by_derivative(source->second.b, &source->of_second);
  multiply_by_derivative(source->second.w, &source->of_second);
  FAL_TRY(multiply_both(source));
  multiply_by_derivative(source->product_b, &source->of_first);
  multiply_by_derivative(source->product_w, &source->of_first);
  *theta = angle_of(source->product_b, source->product_w, source->of_first.count);
  return FALIGN_OK;
}

/* NOLINTBEGIN(bugprone-easily-swappable-parameters): in the order of their indices */
falign_status falign_product_angle_draw(falign_product_angle *source, size_t count, double *theta_1, double *theta_2,
                                        double *theta_3, double *theta_3_nonlinear) {
  /* NOLINTEND(bugprone-easily-swappable-parameters) */
  FAL_GIVEN(source);
  for (size_t i = 0; i < count; i++, source->next++) {
    draw_pair(&source->first);
    draw_pair(&source->second);
    if (theta_1) theta_1[i] = angle_of(source->first.b, source->first.w, source->first.count);
    if (theta_2) theta_2[i] = angle_of(source->second.b, source->second.w, source->second.count);
    if (theta_3) FAL_TRY(find_linear_angle(source, &theta_3[i]));
    if (theta_3_nonlinear) FAL_TRY(find_nonlinear_angle(source, &theta_3_nonlinear[i]));
  }
  return FALIGN_OK;
}
