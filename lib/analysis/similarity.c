/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/similarity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "falign/backend.h"

/* The points of a side, as they were given. */
typedef struct {
  size_t rows; /* 0: not set */
  void *l, *delta;
  uint32_t *labels;
  fal_classes classes;
} point_set;

struct falign_similarity {
  falign_precision precision;
  size_t l_width, delta_width;
  uint32_t categories;
  point_set sides[2]; /* FALIGN_SIDE_... */
};

/* ---- Matrices ---- */

static falign_status check_rows(const char *name, const void *data, size_t rows, size_t cols, size_t stride) {
  if (!data) return fal_fail(FALIGN_INVALID, "%s is NULL", name);
  if (rows == 0 || cols == 0) return fal_fail(FALIGN_INVALID, "%s is %zu x %zu", name, rows, cols);
  if (stride < cols) return fal_fail(FALIGN_INVALID, "%s has %zu columns, but its stride is %zu", name, cols, stride);
  return FALIGN_OK;
}

falign_status falign_similarity_matrix_f32(const float *a, size_t a_rows, size_t a_stride, const float *b,
                                           size_t b_rows, size_t b_stride, size_t cols, float *s) {
  falign_backend *backend;
  FAL_TRY(check_rows("a", a, a_rows, cols, a_stride));
  FAL_TRY(check_rows("b", b, b_rows, cols, b_stride));
  FAL_GIVEN(s);
  FAL_TRY(falign_backend_find("auto", &backend));
  return falign_backend_gemm_f32(backend, 0, 1, a_rows, b_rows, cols, 1, a, a_stride, b, b_stride, 0, s, b_rows);
}

falign_status falign_similarity_matrix_f64(const double *a, size_t a_rows, size_t a_stride, const double *b,
                                           size_t b_rows, size_t b_stride, size_t cols, double *s) {
  falign_backend *backend;
  FAL_TRY(check_rows("a", a, a_rows, cols, a_stride));
  FAL_TRY(check_rows("b", b, b_rows, cols, b_stride));
  FAL_GIVEN(s);
  FAL_TRY(falign_backend_find("auto", &backend));
  return falign_backend_gemm_f64(backend, 0, 1, a_rows, b_rows, cols, 1, a, a_stride, b, b_stride, 0, s, b_rows);
}

static falign_status row_norms(const void *a, falign_precision precision, size_t rows, size_t cols, size_t stride,
                               double *norms) {
  FAL_TRY(check_rows("a", a, rows, cols, stride));
  FAL_GIVEN(norms);
  for (size_t i = 0; i < rows; i++) {
    const void *row = (const char *)a + i * stride * fal_element(precision);
    fal_view view = fal_view_of(row, precision, 1, cols, cols);
    norms[i] = fal_view_norm(&view, 1);
  }
  return FALIGN_OK;
}

falign_status falign_row_norms_f32(const float *a, size_t rows, size_t cols, size_t stride, double *norms) {
  return row_norms(a, FALIGN_F32, rows, cols, stride, norms);
}

falign_status falign_row_norms_f64(const double *a, size_t rows, size_t cols, size_t stride, double *norms) {
  return row_norms(a, FALIGN_F64, rows, cols, stride, norms);
}

/* ---- The two sides ---- */

falign_status falign_similarity_create(falign_precision precision, size_t l_width, size_t delta_width,
                                       uint32_t categories, falign_similarity **out) {
  FAL_GIVEN(out);
  if (fal_element(precision) == 0) return fal_fail(FALIGN_INVALID, "precision %d is none", (int)precision);
  if (l_width == 0) return fal_fail(FALIGN_INVALID, "l_width is 0");
  if (delta_width == 0) return fal_fail(FALIGN_INVALID, "delta_width is 0");
  if (categories == 0) return fal_fail(FALIGN_INVALID, "categories is 0");
  falign_similarity *similarity = fal_zalloc(1, sizeof *similarity);
  if (!similarity) return fal_fail_memory("a similarity", 1, sizeof *similarity);
  similarity->precision = precision;
  similarity->l_width = l_width;
  similarity->delta_width = delta_width;
  similarity->categories = categories;
  *out = similarity;
  return FALIGN_OK;
}

static void release(point_set *points) {
  free(points->l);
  free(points->delta);
  free(points->labels);
  fal_classes_clear(&points->classes);
}

void falign_similarity_destroy(falign_similarity *similarity) {
  if (!similarity) return;
  release(&similarity->sides[FALIGN_SIDE_PAST]);
  release(&similarity->sides[FALIGN_SIDE_PRESENT]);
  free(similarity);
}

static falign_status check_side(int32_t number) {
  if (number == FALIGN_SIDE_PAST || number == FALIGN_SIDE_PRESENT) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "side %d is none", (int)number);
}

static falign_status copy_rows(const char *name, falign_precision precision, const void *data, size_t rows, size_t cols,
                               size_t stride, void **out) {
  size_t count;
  FAL_TRY(fal_check_matrix(name, -1, data, rows, cols, stride, rows, cols));
  FAL_TRY(fal_check_finite(name, -1, data, precision, rows, cols, stride));
  void *copy = fal_mul(rows, cols, &count) ? fal_alloc(count, fal_element(precision)) : NULL;
  if (!copy) return fal_fail(FALIGN_MEMORY, "no memory for %s (%zu x %zu numbers)", name, rows, cols);
  fal_copy_matrix(copy, precision, cols, data, precision, stride, rows, cols);
  *out = copy;
  return FALIGN_OK;
}

static falign_status copy_labels(const uint32_t *labels, size_t rows, uint32_t categories, uint32_t **out) {
  FAL_GIVEN(labels);
  for (size_t i = 0; i < rows; i++) {
    if (labels[i] >= categories)
      return fal_fail(FALIGN_INVALID, "label %u of point %zu is outside 0..%u", labels[i], i, categories - 1);
  }
  uint32_t *copy = fal_alloc(rows, sizeof *copy);
  if (!copy) return fal_fail_memory("labels", rows, sizeof *copy);
  memcpy(copy, labels, rows * sizeof *copy);
  *out = copy;
  return FALIGN_OK;
}

/* What falign_similarity_set_side_f32() and its like are given. */
typedef struct {
  const void *l, *delta;
  size_t l_stride, delta_stride;
  const uint32_t *labels;
  size_t rows;
} given_side;

static falign_status copy_side(const falign_similarity *similarity, const given_side *given, point_set *out) {
  falign_precision precision = similarity->precision;
  out->rows = given->rows;
  FAL_TRY(copy_labels(given->labels, given->rows, similarity->categories, &out->labels));
  FAL_TRY(copy_rows("l", precision, given->l, given->rows, similarity->l_width, given->l_stride, &out->l));
  FAL_TRY(copy_rows("delta", precision, given->delta, given->rows, similarity->delta_width, given->delta_stride,
                    &out->delta));
  FAL_TRY(fal_classes_init(&out->classes, similarity->categories, given->rows));
  fal_classes_sort(&out->classes, out->labels, NULL, given->rows);
  return FALIGN_OK;
}

static falign_status set_side(falign_similarity *similarity, int32_t number, falign_precision precision,
                              const given_side *given) {
  FAL_GIVEN(similarity);
  FAL_TRY(check_side(number));
  if (precision != similarity->precision)
    return fal_fail(FALIGN_SHAPE, "the similarity is in %s", similarity->precision == FALIGN_F32 ? "f32" : "f64");
  if (given->rows == 0 || given->rows > UINT32_MAX)
    return fal_fail(FALIGN_INVALID, "a side has 1 to 2^32 - 1 points, got %zu", given->rows);
  point_set made = {0};
  falign_status status = copy_side(similarity, given, &made);
  if (status == FALIGN_OK) {
    point_set old = similarity->sides[number];
    similarity->sides[number] = made;
    made = old;
  }
  release(&made);
  return status;
}

falign_status falign_similarity_set_side_f32(falign_similarity *similarity, int32_t side, const float *l,
                                             size_t l_stride, const float *delta, size_t delta_stride,
                                             const uint32_t *labels, size_t rows) {
  const given_side given = {l, delta, l_stride, delta_stride, labels, rows};
  return set_side(similarity, side, FALIGN_F32, &given);
}

falign_status falign_similarity_set_side_f64(falign_similarity *similarity, int32_t side, const double *l,
                                             size_t l_stride, const double *delta, size_t delta_stride,
                                             const uint32_t *labels, size_t rows) {
  const given_side given = {l, delta, l_stride, delta_stride, labels, rows};
  return set_side(similarity, side, FALIGN_F64, &given);
}

/* ---- Well and poorly classified points ---- */

typedef struct {
  double error;
  size_t point;
} ranked;

static int compare_errors(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  if (x->error != y->error) return x->error < y->error ? -1 : 1;
  return x->point < y->point ? -1 : x->point > y->point;
}

static falign_status check_errors(const point_set *points, const double *errors, size_t rows, double share) {
  FAL_GIVEN(errors);
  if (rows == 0 || rows != points->rows)
    return fal_fail(FALIGN_SHAPE, "the side has %zu points, got %zu", points->rows, rows);
  if (!(share >= 0 && share <= 1)) return fal_fail(FALIGN_INVALID, "share is %g, outside 0..1", share);
  for (size_t i = 0; i < rows; i++) {
    if (isnan(errors[i])) return fal_fail(FALIGN_INVALID, "the error of point %zu is not a number", i);
  }
  return FALIGN_OK;
}

falign_status falign_similarity_classify(falign_similarity *similarity, int32_t side, const double *errors, size_t rows,
                                         double share) {
  FAL_GIVEN(similarity);
  FAL_TRY(check_side(side));
  point_set *points = &similarity->sides[side];
  FAL_TRY(check_errors(points, errors, rows, share));
  ranked *ranks = fal_alloc(rows, sizeof *ranks);
  bool *well = fal_zalloc(rows, sizeof *well);
  if (!ranks || !well) {
    free(ranks);
    free(well);
    return fal_fail_memory("the order of errors", rows, sizeof *ranks);
  }
  for (size_t i = 0; i < rows; i++) ranks[i] = (ranked){errors[i], i};
  qsort(ranks, rows, sizeof *ranks, compare_errors);
  size_t best = (size_t)llround(share * (double)rows);
  for (size_t i = 0; i < best; i++) well[ranks[i].point] = true;
  fal_classes_sort(&points->classes, points->labels, well, rows);
  free(ranks);
  free(well);
  return FALIGN_OK;
}

/* ---- Pairs ---- */

static fal_points points_of(const falign_similarity *similarity, int32_t number) {
  const point_set *points = &similarity->sides[number];
  size_t l_width = similarity->l_width, delta_width = similarity->delta_width;
  return (fal_points){fal_view_of(points->l, similarity->precision, points->rows, l_width, l_width),
                      fal_view_of(points->delta, similarity->precision, points->rows, delta_width, delta_width),
                      &points->classes};
}

static falign_status check_sides(const falign_similarity *similarity) {
  if (similarity->sides[FALIGN_SIDE_PAST].rows == 0) return fal_fail(FALIGN_INVALID, "the past side is not set");
  if (similarity->sides[FALIGN_SIDE_PRESENT].rows == 0) return fal_fail(FALIGN_INVALID, "the present side is not set");
  return FALIGN_OK;
}

static falign_status quality_of(falign_pairs pairs, fal_quality *quality) {
  switch (pairs) {
    case FALIGN_PAIRS_WITHIN:
    case FALIGN_PAIRS_BETWEEN: *quality = FAL_ALL; return FALIGN_OK;
    case FALIGN_PAIRS_WITHIN_WELL:
    case FALIGN_PAIRS_BETWEEN_WELL: *quality = FAL_WELL; return FALIGN_OK;
    case FALIGN_PAIRS_WITHIN_POOR:
    case FALIGN_PAIRS_BETWEEN_POOR: *quality = FAL_POOR; return FALIGN_OK;
    default: return fal_fail(FALIGN_INVALID, "%d is no group of pairs", (int)pairs);
  }
}

falign_status falign_similarity_sums(const falign_similarity *similarity, falign_pairs pairs, uint64_t *count,
                                     double *sum_l, double *sum_delta, double *sum_product) {
  fal_quality quality;
  FAL_GIVEN(similarity);
  FAL_TRY(quality_of(pairs, &quality));
  FAL_TRY(check_sides(similarity));
  fal_points past = points_of(similarity, FALIGN_SIDE_PAST), present = points_of(similarity, FALIGN_SIDE_PRESENT);
  fal_pair_room room = {0};
  fal_pair_sums within, between;
  falign_status status = fal_sum_pairs(&past, &present, quality, &room, &within, &between);
  free(room.numbers);
  if (status != FALIGN_OK) return status;
  bool is_within =
      pairs == FALIGN_PAIRS_WITHIN || pairs == FALIGN_PAIRS_WITHIN_WELL || pairs == FALIGN_PAIRS_WITHIN_POOR;
  const fal_pair_sums *sums = is_within ? &within : &between;
  if (count) *count = sums->count;
  if (sum_l) *sum_l = sums->l;
  if (sum_delta) *sum_delta = sums->delta;
  if (sum_product) *sum_product = sums->product;
  return FALIGN_OK;
}

static falign_status make_bins(double low, double high, size_t count, fal_bins *out) {
  if (count == 0 || count > INT32_MAX - 2) return fal_fail(FALIGN_INVALID, "%zu bins, want 1 to 2^31 - 3", count);
  double per_unit = (double)count / (high - low);
  if (!(low < high) || !isfinite(high - low) || !isfinite(per_unit))
    return fal_fail(FALIGN_INVALID, "%zu bins cannot go from %g to %g", count, low, high);
  *out = (fal_bins){low, high, count, per_unit};
  return FALIGN_OK;
}

falign_status falign_similarity_histogram(const falign_similarity *similarity, int32_t quantity, double low,
                                          double high, size_t bins, uint32_t threads, uint64_t *counts) {
  fal_bins equal;
  FAL_GIVEN(similarity);
  FAL_GIVEN(counts);
  FAL_TRY(check_sides(similarity));
  if (quantity != FALIGN_SIMILARITY_L && quantity != FALIGN_SIMILARITY_DELTA)
    return fal_fail(FALIGN_INVALID, "%d is no quantity of pairs", (int)quantity);
  FAL_TRY(make_bins(low, high, bins, &equal));
  if (threads < 1 || threads > 1024) return fal_fail(FALIGN_INVALID, "threads go from 1 to 1024, got %u", threads);
  fal_points past = points_of(similarity, FALIGN_SIDE_PAST), present = points_of(similarity, FALIGN_SIDE_PRESENT);
  bool outputs = quantity == FALIGN_SIMILARITY_L;
  return (similarity->precision == FALIGN_F32 ? fal_histogram_f32 : fal_histogram_f64)(
      outputs ? &past.l : &past.delta, past.classes, outputs ? &present.l : &present.delta, present.classes, &equal,
      threads, counts);
}
