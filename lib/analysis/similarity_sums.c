/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "analysis/similarity.h"
#include "base/size.h"
#include "math/angle.h"
#include "math/backend.h"

/* Sums of S over the pairs of two sets of points are products of sums over the points. With rows a, d of one set and
 * b, e of the other, sum S_L = <sum a, sum b> and sum S_delta S_L = <sum a^T d, sum b^T e>. */

enum { PIECE = 128 }; /* points that are read at a time */

/* Sums over points: of their rows a of L, d of delta, and of a^T d. */
typedef struct moments {
  uint64_t count;
  double *sums; /* the three, one after the other */
} moments;

typedef struct summation {
  const falign_backend *backend;
  size_t l_width, delta_width, numbers; /* of the moments */
  moments own[2];                       /* of one category, past and present */
  moments before[2];                    /* of all categories before it */
  double *l, *delta;                    /* a piece of the points */
} summation;

static falign_status reserve_sums(fal_pair_room *room, size_t l_width, size_t delta_width, size_t *moment_numbers) {
  size_t product, points, total;
  bool fits = fal_mul(l_width, delta_width, &product) && fal_mul(l_width + delta_width, PIECE, &points) &&
              product <= SIZE_MAX / 8 && points <= SIZE_MAX / 8;
  if (!fits) return fal_fail(FALIGN_MEMORY, "sums over %zu x %zu numbers are too large", l_width, delta_width);
  *moment_numbers = l_width + delta_width + product;
  total = 4 * *moment_numbers + points;
  if (total <= room->count) return FALIGN_OK;
  double *numbers = fal_alloc(total, sizeof *numbers);
  if (!numbers) return fal_fail_memory("sums over points", total, sizeof *numbers);
  free(room->numbers);
  room->count = total;
  room->numbers = numbers;
  return FALIGN_OK;
}

static falign_status prepare_summation(summation *s, const fal_points *points, fal_pair_room *room) {
  falign_backend *backend;
  FAL_TRY(falign_backend_create("auto", &backend));
  *s = (summation){.backend = backend, .l_width = points->l.cols, .delta_width = points->delta.cols};
  FAL_TRY(reserve_sums(room, s->l_width, s->delta_width, &s->numbers));
  double *at = room->numbers;
  for (int side = 0; side < 2; side++, at += 2 * s->numbers) {
    s->own[side].sums = at;
    s->before[side].sums = at + s->numbers;
  }
  s->l = at;
  s->delta = at + PIECE * s->l_width;
  return FALIGN_OK;
}

static void read_row(const falign_view *view, size_t row, double *out) {
  const falign_view from = fal_view_part(view, row, 1);
  if (from.precision == FALIGN_F32 && from.col_step == 1) {
    const float *numbers = from.data;
    for (size_t j = 0; j < from.cols; j++) out[j] = (double)numbers[j];
  } else {
    const falign_matrix to = falign_matrix_f64(out, 1, from.cols);
    fal_copy(&to, &from);
  }
}

static void add_numbers(double *sum, const double *numbers, size_t count) {
  for (size_t j = 0; j < count; j++) sum[j] += numbers[j];
}

/* Adds `count` points, at most PIECE. */
static falign_status add_piece_moments(const summation *s, const fal_points *points, const uint32_t *order,
                                       size_t count, double *sums) {
  for (size_t i = 0; i < count; i++) {
    double *l = s->l + i * s->l_width, *delta = s->delta + i * s->delta_width;
    read_row(&points->l, order[i], l);
    read_row(&points->delta, order[i], delta);
    add_numbers(sums, l, s->l_width);
    add_numbers(sums + s->l_width, delta, s->delta_width);
  }
  return fal_gemm_f64(s->backend, 1, 0, s->l_width, s->delta_width, count, 1, s->l, s->l_width, s->delta,
                      s->delta_width, 1, sums + s->l_width + s->delta_width, s->delta_width);
}

static falign_status add_class(const summation *s, const fal_points *points, size_t class, moments *out) {
  size_t end = points->classes->starts[class + 1];
  for (size_t at = points->classes->starts[class]; at < end; at += PIECE) {
    size_t count = fal_min(end - at, PIECE);
    FAL_TRY(add_piece_moments(s, points, points->classes->order + at, count, out->sums));
    out->count += count;
  }
  return FALIGN_OK;
}

static void clear_moments(const summation *s, moments *out) {
  out->count = 0;
  memset(out->sums, 0, s->numbers * sizeof *out->sums);
}

/* Sums the moments of a category's points: of all, of the well or of the poorly classified ones. */
static falign_status sum_category(const summation *s, const fal_points *points, uint32_t category, fal_quality which,
                                  moments *out) {
  clear_moments(s, out);
  if (which != FAL_POOR) FAL_TRY(add_class(s, points, category, out));
  if (which != FAL_WELL) FAL_TRY(add_class(s, points, (size_t)points->classes->categories + category, out));
  return FALIGN_OK;
}

static void add_pairs(const summation *s, const moments *past, const moments *present, falign_pair_sums *out) {
  size_t delta_at = s->l_width, product_at = delta_at + s->delta_width;
  if (past->count == 0 || present->count == 0) return;
  out->count += past->count * present->count;
  out->s_l += fal_inner(past->sums, present->sums, s->l_width);
  out->s_delta += fal_inner(past->sums + delta_at, present->sums + delta_at, s->delta_width);
  out->s_product += fal_inner(past->sums + product_at, present->sums + product_at, s->numbers - product_at);
}

/* Which points of both sides. */
typedef struct qualities {
  fal_quality past, present;
} qualities;

/* Adds the pairs of the chosen past and present points. Each category is paired with the sum of those before it, both
 * ways: nothing is subtracted, so nothing cancels. */
static falign_status add_categories(summation *s, const fal_sides *sides, qualities which, fal_group_sums *out) {
  for (int side = 0; side < 2; side++) clear_moments(s, &s->before[side]);
  for (uint32_t c = 0; c < sides->past.classes->categories; c++) {
    FAL_TRY(sum_category(s, &sides->past, c, which.past, &s->own[0]));
    FAL_TRY(sum_category(s, &sides->present, c, which.present, &s->own[1]));
    add_pairs(s, &s->own[0], &s->own[1], &out->within);
    add_pairs(s, &s->own[0], &s->before[1], &out->between);
    add_pairs(s, &s->before[0], &s->own[1], &out->between);
    for (int side = 0; side < 2; side++) {
      s->before[side].count += s->own[side].count;
      add_numbers(s->before[side].sums, s->own[side].sums, s->numbers);
    }
  }
  return FALIGN_OK;
}

falign_status fal_sum_pairs(const fal_sides *sides, fal_quality quality, fal_pair_room *room, fal_group_sums *out) {
  summation s;
  FAL_TRY(prepare_summation(&s, &sides->past, room));
  *out = (fal_group_sums){0};
  if (quality != FAL_POOR) return add_categories(&s, sides, (qualities){quality, quality}, out);
  FAL_TRY(add_categories(&s, sides, (qualities){FAL_POOR, FAL_ALL}, out));
  return add_categories(&s, sides, (qualities){FAL_WELL, FAL_POOR}, out);
}
