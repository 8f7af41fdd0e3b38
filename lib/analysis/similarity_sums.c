/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "falign/backend.h"
#include "analysis/similarity.h"

/* The pairs of two sets of points have sums of S that are products of sums over the points: with rows a, d of one set
 * and b, e of the other, sum S_L = <sum a, sum b>, and sum S_delta S_L = <sum a^T d, sum b^T e>. */

enum { BLOCK = 128 }; /* points that are read at a time */

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
  double *l, *delta;                    /* a block of points */
} summation;

static falign_status reserve(fal_pair_room *room, size_t l_width, size_t delta_width, size_t *moment_numbers) {
  size_t product, points, total;
  bool fits = fal_mul(l_width, delta_width, &product) && fal_mul(l_width + delta_width, BLOCK, &points) &&
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

static falign_status prepare(summation *s, const fal_points *points, fal_pair_room *room) {
  falign_backend *backend;
  FAL_TRY(falign_backend_find("auto", &backend));
  *s = (summation){.backend = backend, .l_width = points->l.cols, .delta_width = points->delta.cols};
  FAL_TRY(reserve(room, s->l_width, s->delta_width, &s->numbers));
  double *at = room->numbers;
  for (int side = 0; side < 2; side++, at += 2 * s->numbers) {
    s->own[side].sums = at;
    s->before[side].sums = at + s->numbers;
  }
  s->l = at;
  s->delta = at + BLOCK * s->l_width;
  return FALIGN_OK;
}

static void read_row(const fal_view *view, size_t row, double *out) {
  if (view->precision == FALIGN_F32) {
    const float *from = (const float *)view->data + row * view->row_step;
    for (size_t j = 0; j < view->cols; j++) out[j] = from[j];
  } else {
    memcpy(out, (const double *)view->data + row * view->row_step, view->cols * sizeof *out);
  }
}

static void add(double *sum, const double *numbers, size_t count) {
  for (size_t j = 0; j < count; j++) sum[j] += numbers[j];
}

/* Adds `count` points, at most BLOCK. */
static falign_status add_block(const summation *s, const fal_points *points, const uint32_t *order, size_t count,
                               double *sums) {
  for (size_t i = 0; i < count; i++) {
    double *l = s->l + i * s->l_width, *delta = s->delta + i * s->delta_width;
    read_row(&points->l, order[i], l);
    read_row(&points->delta, order[i], delta);
    add(sums, l, s->l_width);
    add(sums + s->l_width, delta, s->delta_width);
  }
  return falign_backend_gemm_f64(s->backend, 1, 0, s->l_width, s->delta_width, count, 1, s->l, s->l_width, s->delta,
                                 s->delta_width, 1, sums + s->l_width + s->delta_width, s->delta_width);
}

static falign_status add_class(const summation *s, const fal_points *points, size_t class, moments *out) {
  size_t end = points->classes->starts[class + 1];
  for (size_t at = points->classes->starts[class]; at < end; at += BLOCK) {
    size_t count = end - at < BLOCK ? end - at : BLOCK;
    FAL_TRY(add_block(s, points, points->classes->order + at, count, out->sums));
    out->count += count;
  }
  return FALIGN_OK;
}

static void clear(const summation *s, moments *out) {
  out->count = 0;
  memset(out->sums, 0, s->numbers * sizeof *out->sums);
}

/* The moments of a category's points, or of the well or poorly classified ones of them. */
static falign_status sum_category(const summation *s, const fal_points *points, uint32_t category, fal_quality which,
                                  moments *out) {
  clear(s, out);
  if (which != FAL_POOR) FAL_TRY(add_class(s, points, category, out));
  if (which != FAL_WELL) FAL_TRY(add_class(s, points, (size_t)points->classes->categories + category, out));
  return FALIGN_OK;
}

static double inner(const double *a, const double *b, size_t count) {
  fal_view va = fal_view_of(a, FALIGN_F64, 1, count, count), vb = fal_view_of(b, FALIGN_F64, 1, count, count);
  return fal_view_inner(&va, &vb, 1);
}

static void add_pairs(const summation *s, const moments *past, const moments *present, fal_pair_sums *out) {
  size_t delta_at = s->l_width, product_at = delta_at + s->delta_width;
  if (past->count == 0 || present->count == 0) return;
  out->count += past->count * present->count;
  out->l += inner(past->sums, present->sums, s->l_width);
  out->delta += inner(past->sums + delta_at, present->sums + delta_at, s->delta_width);
  out->product += inner(past->sums + product_at, present->sums + product_at, s->numbers - product_at);
}

/* Adds the pairs of some of the past points with some of the present ones. Between categories each category is paired
 * with the sum of those before it, both ways: nothing is subtracted, so that nothing cancels. */
static falign_status add_all(summation *s, const fal_points *past, fal_quality of_past, const fal_points *present,
                             fal_quality of_present, fal_pair_sums *within, fal_pair_sums *between) {
  for (int side = 0; side < 2; side++) clear(s, &s->before[side]);
  for (uint32_t c = 0; c < past->classes->categories; c++) {
    FAL_TRY(sum_category(s, past, c, of_past, &s->own[0]));
    FAL_TRY(sum_category(s, present, c, of_present, &s->own[1]));
    add_pairs(s, &s->own[0], &s->own[1], within);
    add_pairs(s, &s->own[0], &s->before[1], between);
    add_pairs(s, &s->before[0], &s->own[1], between);
    for (int side = 0; side < 2; side++) {
      s->before[side].count += s->own[side].count;
      add(s->before[side].sums, s->own[side].sums, s->numbers);
    }
  }
  return FALIGN_OK;
}

falign_status fal_sum_pairs(const fal_points *past, const fal_points *present, fal_quality quality, fal_pair_room *room,
                            fal_pair_sums *within, fal_pair_sums *between) {
  summation s;
  FAL_TRY(prepare(&s, past, room));
  *within = *between = (fal_pair_sums){0};
  if (quality != FAL_POOR) return add_all(&s, past, quality, present, quality, within, between);
  FAL_TRY(add_all(&s, past, FAL_POOR, present, FAL_ALL, within, between));
  return add_all(&s, past, FAL_WELL, present, FAL_POOR, within, between);
}
