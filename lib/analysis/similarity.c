/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/similarity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/angle.h"

/* Copies of the points of a side. */
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

falign_status falign_row_norms(const falign_view *a, double *norms) {
  FAL_TRY(fal_check_view("a", -1, a));
  if (a->rows == 0 || a->cols == 0)
    return fal_fail(FALIGN_INVALID, "a is %zu x %zu, want at least 1 x 1", a->rows, a->cols);
  FAL_GIVEN(norms);
  for (size_t i = 0; i < a->rows; i++) {
    falign_view row = fal_view_part(a, i, 1);
    norms[i] = fal_view_norm(&row, 1);
  }
  return FALIGN_OK;
}

/* ---- The two sides ---- */

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): L before delta, as everywhere */
falign_status falign_similarity_create(falign_precision precision, size_t l_width, size_t delta_width,
                                       uint32_t categories, falign_similarity **out) {
  FAL_GIVEN(out);
  if (fal_element(precision) == 0)
    return fal_fail(FALIGN_INVALID, "precision is FALIGN_F32 or FALIGN_F64, got %d", (int)precision);
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

static void release_points(point_set *points) {
  free(points->l);
  free(points->delta);
  free(points->labels);
  fal_classes_clear(&points->classes);
}

void falign_similarity_destroy(falign_similarity *similarity) {
  if (!similarity) return;
  release_points(&similarity->sides[FALIGN_SIDE_PAST]);
  release_points(&similarity->sides[FALIGN_SIDE_PRESENT]);
  free(similarity);
}

static falign_status check_side(int32_t number) {
  if (number == FALIGN_SIDE_PAST || number == FALIGN_SIDE_PRESENT) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "side is FALIGN_SIDE_PAST or FALIGN_SIDE_PRESENT, got %d", (int)number);
}

/* The points of a side, as arguments. */
typedef struct {
  const falign_view *l, *delta;
  const uint32_t *labels;
} given_side;

static falign_status copy_side_labels(const falign_similarity *similarity, const given_side *given, uint32_t **out) {
  const uint32_t *labels = given->labels, categories = similarity->categories;
  size_t rows = given->l->rows;
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

static falign_status check_given(const falign_similarity *similarity, const given_side *given) {
  FAL_TRY(fal_check_view("l", -1, given->l));
  if (given->l->rows == 0 || given->l->rows > UINT32_MAX)
    return fal_fail(FALIGN_INVALID, "a side has 1 to 2^32 - 1 points, got %zu", given->l->rows);
  FAL_TRY(fal_check_view_shape("l", -1, given->l, given->l->rows, similarity->l_width));
  return fal_check_view_shape("delta", -1, given->delta, given->l->rows, similarity->delta_width);
}

static falign_status copy_side(const falign_similarity *similarity, const given_side *given, point_set *out) {
  out->rows = given->l->rows;
  FAL_TRY(copy_side_labels(similarity, given, &out->labels));
  FAL_TRY(fal_clone("l", given->l, similarity->precision, &out->l));
  FAL_TRY(fal_clone("delta", given->delta, similarity->precision, &out->delta));
  FAL_TRY(fal_classes_init(&out->classes, similarity->categories, out->rows));
  fal_classes_sort(&out->classes, out->labels, NULL, out->rows);
  return FALIGN_OK;
}

falign_status falign_similarity_set_side(falign_similarity *similarity, int32_t side, const falign_view *l,
                                         const falign_view *delta, const uint32_t *labels) {
  const given_side given = {l, delta, labels};
  FAL_GIVEN(similarity);
  FAL_TRY(check_side(side));
  FAL_TRY(check_given(similarity, &given));
  point_set made = {0};
  falign_status status = copy_side(similarity, &given, &made);
  if (status == FALIGN_OK) {
    point_set old = similarity->sides[side];
    similarity->sides[side] = made;
    made = old;
  }
  release_points(&made);
  return status;
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

static fal_points points_of(const falign_similarity *similarity, int32_t side) {
  const point_set *points = &similarity->sides[side];
  falign_precision precision = similarity->precision;
  return (fal_points){.l = fal_view_plain(points->l, precision, points->rows, similarity->l_width),
                      .delta = fal_view_plain(points->delta, precision, points->rows, similarity->delta_width),
                      .classes = &points->classes};
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
    default: return fal_fail(FALIGN_INVALID, "unknown group of pairs %d", (int)pairs);
  }
}

static bool is_within(falign_pairs pairs) {
  return pairs == FALIGN_PAIRS_WITHIN || pairs == FALIGN_PAIRS_WITHIN_WELL || pairs == FALIGN_PAIRS_WITHIN_POOR;
}

falign_status falign_similarity_sums(const falign_similarity *similarity, falign_pairs pairs, falign_pair_sums *out) {
  fal_quality quality;
  FAL_GIVEN(similarity);
  FAL_TRY(quality_of(pairs, &quality));
  FAL_GIVEN(out);
  FAL_TRY(check_sides(similarity));
  fal_sides sides = {points_of(similarity, FALIGN_SIDE_PAST), points_of(similarity, FALIGN_SIDE_PRESENT)};
  fal_pair_room room = {0};
  fal_group_sums sums;
  falign_status status = fal_sum_pairs(&sides, quality, &room, &sums);
  free(room.numbers);
  if (status == FALIGN_OK) *out = is_within(pairs) ? sums.within : sums.between;
  return status;
}

double fal_bins_per_unit(const falign_bins *bins) { return (double)bins->count / (bins->high - bins->low); }

static falign_status check_bins(const falign_bins *bins) {
  FAL_GIVEN(bins);
  if (bins->count == 0 || bins->count > INT32_MAX - 2)
    return fal_fail(FALIGN_INVALID, "%zu bins, want 1 to 2^31 - 3", bins->count);
  if (bins->low < bins->high && isfinite(bins->high - bins->low) && isfinite(fal_bins_per_unit(bins))) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "%zu bins cannot go from %g to %g", bins->count, bins->low, bins->high);
}

falign_status falign_similarity_histogram(const falign_similarity *similarity, int32_t quantity,
                                          const falign_bins *bins, uint32_t threads, uint64_t *counts) {
  FAL_GIVEN(similarity);
  FAL_GIVEN(counts);
  FAL_TRY(check_sides(similarity));
  if (quantity != FALIGN_SIMILARITY_L && quantity != FALIGN_SIMILARITY_DELTA)
    return fal_fail(FALIGN_INVALID, "unknown quantity of pairs %d", (int)quantity);
  FAL_TRY(check_bins(bins));
  if (threads < 1 || threads > 1024) return fal_fail(FALIGN_INVALID, "threads is %u, outside 1..1024", threads);
  fal_classified sides[2];
  for (int32_t side = 0; side < 2; side++) {
    fal_points points = points_of(similarity, side);
    sides[side] = (fal_classified){quantity == FALIGN_SIMILARITY_L ? points.l : points.delta, points.classes};
  }
  return (similarity->precision == FALIGN_F32 ? fal_histogram_f32 : fal_histogram_f64)(sides, bins, threads, counts);
}
