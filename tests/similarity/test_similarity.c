/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>

#include "suite.h"

/* Sums and histograms are compared with plain loops over all pairs. */

enum { PAST = 300, PRESENT = 170, L = 7, DELTA = 5, CATEGORIES = 4 };

/* Two sides, in double precision as a similarity of either precision holds them. */
typedef struct {
  double l[2][PAST * L], delta[2][PAST * DELTA], errors[2][PAST];
  uint32_t labels[2][PAST];
  bool well[2][PAST];
} sides;

static const size_t points[2] = {PAST, PRESENT};

static double epsilon(falign_precision precision) { return precision == FALIGN_F32 ? 0x1p-23 : 0x1p-52; }

static void to_f32(const double *from, size_t count, float *to) {
  for (size_t i = 0; i < count; i++) to[i] = (float)from[i];
}

static void gaussian(falign_precision precision, double *out, size_t count, uint32_t number) {
  falign_rng *rng = NULL;
  ok(falign_rng_create(7, FALIGN_RNG_USER, 0, number, &rng));
  draw_normal(rng, 1, WRITE_F64(out, 1, count, count));
  for (size_t i = 0; i < count && precision == FALIGN_F32; i++) out[i] = rounded_f32(out[i]);
  falign_rng_destroy(rng);
}

/* Category 0 has more than 128 points, category 1 past ones alone and category 2 none; the half with the smaller
 * errors is well classified. */
static void draw(falign_precision precision, sides *s) {
  for (uint32_t side = 0; side < 2; side++) {
    gaussian(precision, s->l[side], points[side] * L, side);
    gaussian(precision, s->delta[side], points[side] * DELTA, 2 + side);
    for (size_t i = 0; i < points[side]; i++) {
      s->labels[side][i] = i % 10 < 8 ? 0 : i % 10 < 9 && side == 0 ? 1 : 3;
      s->errors[side][i] = (double)(i * 37 % points[side]); /* 37 divides neither number of points */
      s->well[side][i] = s->errors[side][i] < (double)points[side] / 2;
    }
  }
}

static falign_status set_side(falign_similarity *similarity, falign_precision precision, int32_t side, const double *l,
                              size_t l_width, const double *delta, size_t delta_width, const uint32_t *labels,
                              size_t rows) {
  if (precision == FALIGN_F64)
    return falign_similarity_set_side(similarity, side, READ_F64(l, rows, l_width, l_width),
                                      READ_F64(delta, rows, delta_width, delta_width), labels);
  float *numbers = malloc(rows * (l_width + delta_width) * sizeof *numbers);
  ck_assert_ptr_nonnull(numbers);
  to_f32(l, rows * l_width, numbers);
  to_f32(delta, rows * delta_width, numbers + rows * l_width);
  falign_status status =
      falign_similarity_set_side(similarity, side, READ_F32(numbers, rows, l_width, l_width),
                                 READ_F32(numbers + rows * l_width, rows, delta_width, delta_width), labels);
  free(numbers);
  return status;
}

static falign_similarity *similarity_of(falign_precision precision, const sides *s) {
  falign_similarity *similarity = NULL;
  ok(falign_similarity_create(precision, L, DELTA, CATEGORIES, &similarity));
  for (int32_t side = 0; side < 2; side++) {
    ok(set_side(similarity, precision, side, s->l[side], L, s->delta[side], DELTA, s->labels[side], points[side]));
    ok(falign_similarity_classify(similarity, side, s->errors[side], points[side], 0.5));
  }
  return similarity;
}

static double dot(const double *a, const double *b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += a[i] * b[i];
  return sum;
}

static double dot_of_magnitudes(const double *a, const double *b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += fabs(a[i] * b[i]);
  return sum;
}

static bool in_group(falign_pairs pairs, bool same, bool well) {
  switch (pairs) {
    case FALIGN_PAIRS_WITHIN: return same;
    case FALIGN_PAIRS_BETWEEN: return !same;
    case FALIGN_PAIRS_WITHIN_WELL: return same && well;
    case FALIGN_PAIRS_WITHIN_POOR: return same && !well;
    case FALIGN_PAIRS_BETWEEN_WELL: return !same && well;
    default: return !same && !well;
  }
}

/* ---- Matrices ---- */

/* S of all pairs is one product. */
START_TEST(full_matrices) {
  falign_precision precision = _i ? FALIGN_F64 : FALIGN_F32;
  enum { A = 5, B = 9, A_STRIDE = 8, B_STRIDE = 7 };
  double a[A * A_STRIDE], b[B * B_STRIDE];
  float a32[A * A_STRIDE], b32[B * B_STRIDE];
  layout_room room;
  falign_backend *backend = NULL;
  gaussian(precision, a, A * A_STRIDE, 0);
  gaussian(precision, b, B * B_STRIDE, 1);
  to_f32(a, A * A_STRIDE, a32);
  to_f32(b, B * B_STRIDE, b32);
  ok(falign_backend_create("auto", &backend));
  falign_matrix s = lay_out(&room, 0, precision, A, B, 0);
  if (precision == FALIGN_F32) {
    ok(falign_backend_gemm(backend, 1, READ_F32(a32, A, L, A_STRIDE), READ_F32_T(b32, B, L, B_STRIDE), 0, &s));
  } else {
    ok(falign_backend_gemm(backend, 1, READ_F64(a, A, L, A_STRIDE), READ_F64_T(b, B, L, B_STRIDE), 0, &s));
  }
  falign_view view = falign_view_of(s);
  for (size_t p = 0; p < A; p++) {
    for (size_t m = 0; m < B; m++) {
      /* L products and sums in each of the two computations, each off by half an epsilon of at most their magnitudes */
      double tolerance = 2 * L * epsilon(precision) * dot_of_magnitudes(a + p * A_STRIDE, b + m * B_STRIDE, L);
      near(element(&view, p, m), dot(a + p * A_STRIDE, b + m * B_STRIDE, L), tolerance);
    }
  }
}
END_TEST

START_TEST(norms_of_rows) {
  const float x[] = {3, 4, 9, 0, -5, 9, 1e-30F, 0, 9, -3e38F, 3e38F, 9};
  const double y[] = {6e-200, 8e-200, 6e200, -8e200};
  double norms[4];
  ok(falign_row_norms(READ_F32(x, 4, 2, 3), norms));
  ck_assert(norms[0] == 5 && norms[1] == 5 && norms[2] == (double)1e-30F);
  near(norms[3], sqrt(2) * (double)3e38F, 4 * DBL_EPSILON * 5e38); /* beyond single precision */
  ok(falign_row_norms(READ_F64(y, 2, 2, 2), norms));
  near(norms[0], 1e-199, 4 * DBL_EPSILON * 1e-199); /* the squares underflow, or overflow */
  near(norms[1], 1e201, 4 * DBL_EPSILON * 1e201);
  ck_assert(norms[2] == (double)1e-30F); /* no more than the rows */
  static layout_room room;
  const double whole[] = {3, 4, 0, -5, 6, 8};
  for (int choice = 0; choice < LAYOUTS * 2; choice++) {
    falign_view view = lay_out_copy(&room, choice / 2, choice & 1 ? FALIGN_F64 : FALIGN_F32, 3, 2, whole);
    ok(falign_row_norms(&view, norms));
    ck_assert(norms[0] == 5 && norms[1] == 5 && norms[2] == 10);
  }
  fails(FALIGN_INVALID, "a is 2 x 2 with invalid steps: 1 from row to row, 1 from column to column",
        falign_row_norms(READ_F32(x, 2, 2, 1), norms));
  fails(FALIGN_INVALID, "a is NULL", falign_row_norms(READ_F32(NULL, 2, 2, 2), norms));
  fails(FALIGN_INVALID, "a is 0 x 2", falign_row_norms(READ_F64(y, 0, 2, 2), norms));
  fails(FALIGN_INVALID, "norms is NULL", falign_row_norms(READ_F64(y, 2, 2, 2), NULL));
}
END_TEST

/* ---- Sums ---- */

static falign_pair_sums sums_of(const falign_similarity *similarity, falign_pairs pairs) {
  falign_pair_sums sums;
  ok(falign_similarity_sums(similarity, pairs, &sums));
  return sums;
}

/* Of a group, in plain loops over all pairs. */
typedef struct {
  uint64_t count;
  double l, delta, product;          /* sums */
  double l_size, delta_size, p_size; /* sums of the magnitudes of the numbers' products */
} plain_sums;

static plain_sums sum_plainly(const sides *s, falign_pairs pairs) {
  plain_sums sums = {0};
  for (size_t p = 0; p < PAST; p++) {
    for (size_t m = 0; m < PRESENT; m++) {
      if (!in_group(pairs, s->labels[0][p] == s->labels[1][m], s->well[0][p] && s->well[1][m])) continue;
      const double *a = &s->l[0][p * L], *b = &s->l[1][m * L];
      const double *d = &s->delta[0][p * DELTA], *e = &s->delta[1][m * DELTA];
      sums.count++;
      sums.l += dot(a, b, L);
      sums.delta += dot(d, e, DELTA);
      sums.product += dot(a, b, L) * dot(d, e, DELTA);
      sums.l_size += dot_of_magnitudes(a, b, L);
      sums.delta_size += dot_of_magnitudes(d, e, DELTA);
      sums.p_size += dot_of_magnitudes(a, b, L) * dot_of_magnitudes(d, e, DELTA);
    }
  }
  return sums;
}

/* Each number's product goes through at most PAST * PRESENT additions here, and fewer there; each is off by half an
 * epsilon of at most the sum of the magnitudes. Random errors stay below the root of the number of additions. */
static double rounding(const plain_sums *sums) { return 4 * sqrt((double)sums->count) * DBL_EPSILON; }

START_TEST(sums_of_all_groups) {
  falign_precision precision = _i ? FALIGN_F64 : FALIGN_F32;
  static sides s;
  draw(precision, &s);
  falign_similarity *similarity = similarity_of(precision, &s);
  uint64_t total = 0;
  for (falign_pairs pairs = FALIGN_PAIRS_WITHIN; pairs <= FALIGN_PAIRS_BETWEEN_POOR; pairs++) {
    plain_sums want = sum_plainly(&s, pairs);
    falign_pair_sums got = sums_of(similarity, pairs);
    ck_assert_uint_eq(got.count, want.count);
    ck_assert_uint_gt(got.count, 500);
    near(got.s_l, want.l, rounding(&want) * want.l_size);
    near(got.s_delta, want.delta, rounding(&want) * want.delta_size);
    near(got.s_product, want.product, rounding(&want) * want.p_size);
    if (pairs <= FALIGN_PAIRS_BETWEEN) total += got.count;
  }
  ck_assert_uint_eq(total, PAST * PRESENT);
  falign_similarity_destroy(similarity);
  falign_similarity_destroy(NULL);
}
END_TEST

/* Eq. 12: sum S_delta S_L = tr(M), M = delta_past^T L_past L_present^T delta_present. */
START_TEST(trace_of_the_transformation_matrix) {
  static sides s;
  double past[DELTA][L] = {{0}}, present[DELTA][L] = {{0}}, trace = 0, size = 0;
  draw(FALIGN_F64, &s);
  falign_similarity *similarity = similarity_of(FALIGN_F64, &s);
  for (size_t j = 0; j < DELTA; j++) {
    for (size_t i = 0; i < L; i++) {
      for (size_t p = 0; p < PAST; p++) past[j][i] += s.delta[0][p * DELTA + j] * s.l[0][p * L + i];
      for (size_t m = 0; m < PRESENT; m++) present[j][i] += s.delta[1][m * DELTA + j] * s.l[1][m * L + i];
      trace += past[j][i] * present[j][i];
    }
  }
  for (falign_pairs pairs = FALIGN_PAIRS_WITHIN; pairs <= FALIGN_PAIRS_BETWEEN; pairs++) {
    plain_sums sums = sum_plainly(&s, pairs);
    trace -= sums_of(similarity, pairs).s_product;
    size += rounding(&sums) * sums.p_size;
  }
  near(trace, 0, size);
  falign_similarity_destroy(similarity);
}
END_TEST

/* Points of one category have no pairs between: exactly none, not a rounding error. */
START_TEST(one_category) {
  static sides s;
  draw(FALIGN_F64, &s);
  memset(s.labels, 0, sizeof s.labels);
  falign_similarity *similarity = similarity_of(FALIGN_F64, &s);
  falign_pair_sums none = sums_of(similarity, FALIGN_PAIRS_BETWEEN);
  ck_assert(none.count == 0 && none.s_l == 0 && none.s_delta == 0 && none.s_product == 0);
  falign_similarity_destroy(similarity);
}
END_TEST

/* ---- Classification ---- */

enum { FEW = 5 };

/* One past point, L = 1, that is well classified, and a present side with L = 2^i: sums tell which points are well. */
static falign_similarity *similarity_of_few(void) {
  const double one = 1, powers[FEW] = {1, 2, 4, 8, 16}, zeros[FEW] = {0};
  const uint32_t labels[FEW] = {0};
  falign_similarity *similarity = NULL;
  ok(falign_similarity_create(FALIGN_F64, 1, 1, 1, &similarity));
  ok(falign_similarity_set_side(similarity, FALIGN_SIDE_PAST, READ_F64(&one, 1, 1, 1), READ_F64(zeros, 1, 1, 1),
                                labels));
  ok(falign_similarity_set_side(similarity, FALIGN_SIDE_PRESENT, READ_F64(powers, FEW, 1, 1),
                                READ_F64(zeros, FEW, 1, 1), labels));
  ok(falign_similarity_classify(similarity, FALIGN_SIDE_PAST, zeros, 1, 1));
  return similarity;
}

/* The present points that are well classified, as bits. */
static unsigned well_points(const falign_similarity *similarity) {
  double well = sums_of(similarity, FALIGN_PAIRS_WITHIN_WELL).s_l;
  double poor = sums_of(similarity, FALIGN_PAIRS_WITHIN_POOR).s_l;
  ck_assert(well + poor == 31);
  return (unsigned)well;
}

START_TEST(classification) {
  const double errors[FEW] = {3, 1, 1, (double)INFINITY, 1}, zeros[FEW] = {0};
  /* of 5 points a share of 0.1 is half a point, and 0.09 less */
  const double shares[] = {0, 0.09, 0.1, 0.2, 0.29, 0.3, 0.6, 0.8, 0.89, 0.9, 1};
  const unsigned want[] = {0, 0, 2, 2, 2, 6, 22, 23, 23, 31, 31};
  falign_similarity *similarity = similarity_of_few();
  ck_assert_uint_eq(well_points(similarity), 0); /* without a call all are poor */
  for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
    ok(falign_similarity_classify(similarity, FALIGN_SIDE_PRESENT, errors, FEW, shares[i]));
    ck_assert_msg(well_points(similarity) == want[i], "share %g: %u", shares[i], well_points(similarity));
  }
  ok(falign_similarity_classify(similarity, FALIGN_SIDE_PRESENT, zeros, FEW, 0.4)); /* all are equal */
  ck_assert_uint_eq(well_points(similarity), 3);
  const double powers[FEW] = {1, 2, 4, 8, 16};
  const uint32_t labels[FEW] = {0};
  ok(falign_similarity_set_side(similarity, FALIGN_SIDE_PRESENT, READ_F64(powers, FEW, 1, 1),
                                READ_F64(zeros, FEW, 1, 1), labels));
  ck_assert_uint_eq(well_points(similarity), 0); /* a new side is not classified */
  falign_similarity_destroy(similarity);
}
END_TEST

START_TEST(classifications_that_are_refused) {
  const double errors[FEW] = {1, 2, 3, (double)NAN, 5}, fine[FEW] = {1, 2, 3, 4, 5};
  falign_similarity *similarity = similarity_of_few(), *empty = NULL;
  ok(falign_similarity_create(FALIGN_F64, 1, 1, 1, &empty));
  ok(falign_similarity_classify(similarity, FALIGN_SIDE_PRESENT, fine, FEW, 0.4));
  fails(FALIGN_SHAPE, "5 points, got 4", falign_similarity_classify(similarity, FALIGN_SIDE_PRESENT, fine, 4, 0.4));
  fails(FALIGN_SHAPE, "0 points, got 5", falign_similarity_classify(empty, FALIGN_SIDE_PRESENT, fine, FEW, 0.4));
  fails(FALIGN_SHAPE, "0 points, got 0", falign_similarity_classify(empty, FALIGN_SIDE_PRESENT, fine, 0, 0.4));
  fails(FALIGN_INVALID, "point 3", falign_similarity_classify(similarity, FALIGN_SIDE_PRESENT, errors, FEW, 0.4));
  const double shares[] = {-0.1, 1.1, (double)NAN};
  const char *const words[] = {"share is -0.1, outside 0..1", "share is 1.1, outside 0..1",
                               "share is nan, outside 0..1"};
  for (int i = 0; i < 3; i++)
    fails(FALIGN_INVALID, words[i], falign_similarity_classify(similarity, FALIGN_SIDE_PRESENT, fine, FEW, shares[i]));
  fails(FALIGN_INVALID, "side is FALIGN_SIDE_PAST or FALIGN_SIDE_PRESENT, got 2",
        falign_similarity_classify(similarity, 2, fine, FEW, 0.4));
  fails(FALIGN_INVALID, "errors is NULL", falign_similarity_classify(similarity, FALIGN_SIDE_PRESENT, NULL, FEW, 0.4));
  fails(FALIGN_INVALID, "similarity is NULL", falign_similarity_classify(NULL, FALIGN_SIDE_PRESENT, fine, FEW, 0.4));
  ck_assert_uint_eq(well_points(similarity), 3); /* as it was */
  falign_similarity_destroy(similarity);
  falign_similarity_destroy(empty);
}
END_TEST

/* ---- What is refused ---- */

START_TEST(sizes_that_are_refused) {
  falign_similarity *similarity = NULL;
  fails(FALIGN_INVALID, "precision is FALIGN_F32 or FALIGN_F64, got 3",
        falign_similarity_create(3, 1, 1, 1, &similarity));
  fails(FALIGN_INVALID, "l_width is 0", falign_similarity_create(FALIGN_F32, 0, 1, 1, &similarity));
  fails(FALIGN_INVALID, "delta_width is 0", falign_similarity_create(FALIGN_F32, 1, 0, 1, &similarity));
  fails(FALIGN_INVALID, "categories is 0", falign_similarity_create(FALIGN_F32, 1, 1, 0, &similarity));
  fails(FALIGN_INVALID, "out is NULL", falign_similarity_create(FALIGN_F32, 1, 1, 1, NULL));
  ck_assert_ptr_null(similarity);
}
END_TEST

START_TEST(sides_that_are_refused) {
  double x[FEW] = {2, 2, 2, 2, 2}, bad[FEW] = {1, 2, (double)NAN, 4, 5};
  float x32[FEW] = {2, 2, 2, 2, 2};
  const uint32_t labels[FEW] = {0}, wrong[FEW] = {0, 0, 0, 0, 1};
  falign_similarity *of = similarity_of_few(), *narrow = NULL;
  const int32_t past = FALIGN_SIDE_PAST, present = FALIGN_SIDE_PRESENT;
  fails(FALIGN_INVALID, "label 1 of point 4",
        falign_similarity_set_side(of, present, READ_F64(x, FEW, 1, 1), READ_F64(x, FEW, 1, 1), wrong));
  fails(FALIGN_INVALID, "l has nan in row 2",
        falign_similarity_set_side(of, present, READ_F64(bad, FEW, 1, 1), READ_F64(x, FEW, 1, 1), labels));
  bad[2] = (double)INFINITY;
  fails(FALIGN_INVALID, "delta has inf in row 2",
        falign_similarity_set_side(of, present, READ_F64(x, FEW, 1, 1), READ_F64(bad, FEW, 1, 1), labels));
  fails(FALIGN_INVALID, "l is 5 x 1 with invalid steps: 0 from row to row, 1 from column to column",
        falign_similarity_set_side(of, present, READ_F64(x, FEW, 1, 0), READ_F64(x, FEW, 1, 1), labels));
  fails(FALIGN_INVALID, "delta is 5 x 1 with invalid steps: 0 from row to row, 1 from column to column",
        falign_similarity_set_side(of, present, READ_F64(x, FEW, 1, 1), READ_F64(x, FEW, 1, 0), labels));
  fails(FALIGN_SHAPE, "l is 2 x 1, got 2 x 2",
        falign_similarity_set_side(of, present, READ_F64(x, 2, 2, 2), READ_F64(x, 2, 1, 1), labels));
  fails(FALIGN_SHAPE, "delta is 5 x 1, got 4 x 1",
        falign_similarity_set_side(of, present, READ_F64(x, FEW, 1, 1), READ_F64(x, 4, 1, 1), labels));
  fails(FALIGN_INVALID, "l is NULL",
        falign_similarity_set_side(of, present, READ_F64(NULL, FEW, 1, 1), READ_F64(x, FEW, 1, 1), labels));
  fails(FALIGN_INVALID, "delta is NULL",
        falign_similarity_set_side(of, present, READ_F64(x, FEW, 1, 1), READ_F64(NULL, FEW, 1, 1), labels));
  fails(FALIGN_INVALID, "labels is NULL",
        falign_similarity_set_side(of, present, READ_F64(x, FEW, 1, 1), READ_F64(x, FEW, 1, 1), NULL));
  fails(FALIGN_INVALID, "got 0",
        falign_similarity_set_side(of, present, READ_F64(x, 0, 1, 1), READ_F64(x, 0, 1, 1), labels));
  fails(FALIGN_INVALID, "side is FALIGN_SIDE_PAST or FALIGN_SIDE_PRESENT, got -1",
        falign_similarity_set_side(of, -1, READ_F64(x, FEW, 1, 1), READ_F64(x, FEW, 1, 1), labels));
  fails(FALIGN_INVALID, "similarity is NULL",
        falign_similarity_set_side(NULL, present, READ_F64(x, FEW, 1, 1), READ_F64(x, FEW, 1, 1), labels));
  ck_assert(sums_of(of, FALIGN_PAIRS_WITHIN).s_l == 31); /* as it was */
  ok(falign_similarity_set_side(of, present, READ_F32(x32, FEW, 1, 1), READ_F32(x32, FEW, 1, 1), labels));
  ck_assert(sums_of(of, FALIGN_PAIRS_WITHIN).s_l == 2 * FEW); /* either precision will do */
  ok(falign_similarity_create(FALIGN_F32, 1, 1, 1, &narrow));
  x[3] = 1e39;
  fails(FALIGN_INVALID, "l has 1e+39 in row 3, column 0, beyond single precision",
        falign_similarity_set_side(narrow, past, READ_F64(x, FEW, 1, 1), READ_F64(x, FEW, 1, 1), labels));
  falign_similarity_destroy(of);
  falign_similarity_destroy(narrow);
}
END_TEST

/* L = (1 2; 3 4) and delta = (5; 6) on both sides, in two categories. */
static void check_two_points(const falign_similarity *similarity) {
  falign_pair_sums within = sums_of(similarity, FALIGN_PAIRS_WITHIN);
  ck_assert(within.count == 2 && within.s_l == 5 + 25 && within.s_delta == 25 + 36);
  ck_assert(within.s_product == 5 * 25 + 25 * 36);
  falign_pair_sums between = sums_of(similarity, FALIGN_PAIRS_BETWEEN);
  ck_assert(between.count == 2 && between.s_l == 11 + 11 && between.s_delta == 30 + 30);
  ck_assert(between.s_product == 2 * 11 * 30);
}

/* Rows that lie apart. */
START_TEST(strides) {
  const double l[] = {1, 2, 99, 3, 4, 99}, delta[] = {5, 99, 99, 99, 6, 99, 99, 99};
  const uint32_t labels[] = {0, 1};
  falign_similarity *similarity = NULL;
  ok(falign_similarity_create(FALIGN_F64, 2, 1, 2, &similarity));
  for (int32_t side = 0; side < 2; side++)
    ok(falign_similarity_set_side(similarity, side, READ_F64(l, 2, 2, 3), READ_F64(delta, 2, 1, 4), labels));
  check_two_points(similarity);
  falign_similarity_destroy(similarity);
}
END_TEST

/* Both sides in matrices of any layout and precision. */
START_TEST(any_steps) {
  const double l[] = {1, 2, 3, 4}, delta[] = {5, 6};
  const uint32_t labels[] = {0, 1};
  static layout_room rooms[2];
  falign_similarity *similarity = NULL;
  ok(falign_similarity_create(_i ? FALIGN_F64 : FALIGN_F32, 2, 1, 2, &similarity));
  for (int layout = 0; layout < LAYOUTS; layout++) {
    for (int32_t side = 0; side < 2; side++) {
      falign_view of_l = lay_out_copy(&rooms[0], layout, side ? FALIGN_F64 : FALIGN_F32, 2, 2, l);
      falign_view of_delta = lay_out_copy(&rooms[1], LAYOUTS - 1 - layout, side ? FALIGN_F32 : FALIGN_F64, 2, 1, delta);
      ok(falign_similarity_set_side(similarity, side, &of_l, &of_delta, labels));
    }
    check_two_points(similarity);
  }
  falign_similarity_destroy(similarity);
}
END_TEST

START_TEST(sums_that_are_refused) {
  const double x[1] = {2};
  const uint32_t label = 0;
  falign_similarity *of = NULL;
  falign_pair_sums sums = {7, 7, 7, 7};
  ok(falign_similarity_create(FALIGN_F64, 1, 1, 1, &of));
  fails(FALIGN_INVALID, "the past side is not set", falign_similarity_sums(of, FALIGN_PAIRS_WITHIN, &sums));
  ok(falign_similarity_set_side(of, FALIGN_SIDE_PAST, READ_F64(x, 1, 1, 1), READ_F64(x, 1, 1, 1), &label));
  fails(FALIGN_INVALID, "present", falign_similarity_sums(of, FALIGN_PAIRS_WITHIN, &sums));
  ok(falign_similarity_set_side(of, FALIGN_SIDE_PRESENT, READ_F64(x, 1, 1, 1), READ_F64(x, 1, 1, 1), &label));
  fails(FALIGN_INVALID, "unknown group of pairs 0", falign_similarity_sums(of, 0, &sums));
  fails(FALIGN_INVALID, "unknown group of pairs 7", falign_similarity_sums(of, 7, &sums));
  fails(FALIGN_INVALID, "similarity is NULL", falign_similarity_sums(NULL, 1, &sums));
  fails(FALIGN_INVALID, "out is NULL", falign_similarity_sums(of, FALIGN_PAIRS_WITHIN, NULL));
  ck_assert(sums.count == 7 && sums.s_l == 7 && sums.s_delta == 7 && sums.s_product == 7);
  falign_similarity_destroy(of);
}
END_TEST

/* ---- Histograms ---- */

enum { MANY = 900, SOME = 500, BINS = 40 }; /* more rows and columns than a tile has */

/* Small whole numbers, so that S is exact in either precision and in every order of summation. */
static void draw_whole(double *out, size_t count, uint64_t number) {
  for (size_t i = 0; i < count; i++) out[i] = (double)((i * 7 + i / 5 * 3 + number) % 7) - 3;
}

typedef struct {
  double l[2][MANY * L], delta[2][MANY * DELTA], errors[2][MANY];
  uint32_t labels[2][MANY];
  size_t rows[2], best[2];
} many;

static void draw_many(many *s) {
  *s = (many){.rows = {SOME, MANY}, .best = {300, 540}}; /* 0.6 of them */
  for (uint64_t side = 0; side < 2; side++) {
    draw_whole(s->l[side], s->rows[side] * L, side);
    draw_whole(s->delta[side], s->rows[side] * DELTA, 3 + side);
    for (size_t i = 0; i < s->rows[side]; i++) {
      s->labels[side][i] = i % 50 == 0 ? 3 : (uint32_t)(i * i % 3);
      s->errors[side][i] = (double)(i * 7 % s->rows[side]);
    }
  }
}

static falign_similarity *similarity_of_many(falign_precision precision, const many *s) {
  falign_similarity *similarity = NULL;
  ok(falign_similarity_create(precision, L, DELTA, CATEGORIES, &similarity));
  for (int32_t side = 0; side < 2; side++) {
    ok(set_side(similarity, precision, side, s->l[side], L, s->delta[side], DELTA, s->labels[side], s->rows[side]));
    ok(falign_similarity_classify(similarity, side, s->errors[side], s->rows[side], 0.6));
  }
  return similarity;
}

/* Counts all pairs by comparing S with the edges -10, -9.5, .., 10. */
static void count_plainly(const many *s, bool of_l, uint64_t counts[4][BINS + 2]) {
  memset(counts[0], 0, 4 * sizeof counts[0]);
  for (size_t p = 0; p < s->rows[0]; p++) {
    for (size_t m = 0; m < s->rows[1]; m++) {
      double value = of_l ? dot(&s->l[0][p * L], &s->l[1][m * L], L)
                          : dot(&s->delta[0][p * DELTA], &s->delta[1][m * DELTA], DELTA);
      bool well = s->errors[0][p] < (double)s->best[0] && s->errors[1][m] < (double)s->best[1];
      size_t group = (s->labels[0][p] == s->labels[1][m] ? 0U : 2U) + (well ? 0U : 1U), slot = 0;
      while (slot <= BINS && value >= -10 + 0.5 * (double)slot) slot++;
      counts[group][slot]++;
    }
  }
}

static const falign_pairs groups[4] = {FALIGN_PAIRS_WITHIN_WELL, FALIGN_PAIRS_WITHIN_POOR, FALIGN_PAIRS_BETWEEN_WELL,
                                       FALIGN_PAIRS_BETWEEN_POOR};

START_TEST(histograms) {
  falign_precision precision = _i & 1 ? FALIGN_F64 : FALIGN_F32;
  bool of_l = (_i & 2) != 0;
  static many s;
  static uint64_t want[4][BINS + 2], got[4][BINS + 2];
  draw_many(&s);
  falign_similarity *similarity = similarity_of_many(precision, &s);
  count_plainly(&s, of_l, want);
  int32_t quantity = of_l ? FALIGN_SIMILARITY_L : FALIGN_SIMILARITY_DELTA;
  for (uint32_t threads = 1; threads <= 3; threads++) {
    memset(got, 0xff, sizeof got);
    falign_status status =
        falign_similarity_histogram(similarity, quantity, &(falign_bins){-10, 10, BINS}, threads, got[0]);
    if (threads > 1 && status == FALIGN_UNSUPPORTED) {
      skip_part(no_threads);
      continue;
    }
    ok(status);
    ck_assert_mem_eq(got, want, sizeof got);
  }
  for (size_t g = 0; g < 4; g++) {
    uint64_t count = sums_of(similarity, groups[g]).count, total = 0;
    for (size_t i = 0; i < BINS + 2; i++) total += want[g][i];
    ck_assert_uint_eq(total, count);
    ck_assert_uint_gt(want[g][0], 0);
    ck_assert_uint_gt(want[g][BINS + 1], 0);
  }
  falign_similarity_destroy(similarity);
}
END_TEST

/* A similarity of one past point, 1, whose S with the present ones are their numbers. */
static falign_similarity *similarity_of_values(const double *values, size_t count) {
  const double one = 1;
  const uint32_t label = 0;
  uint32_t *labels = calloc(count, sizeof *labels);
  falign_similarity *similarity = NULL;
  ok(falign_similarity_create(FALIGN_F64, 1, 1, 1, &similarity));
  ok(falign_similarity_set_side(similarity, FALIGN_SIDE_PAST, READ_F64(&one, 1, 1, 1), READ_F64(&one, 1, 1, 1),
                                &label));
  ok(falign_similarity_set_side(similarity, FALIGN_SIDE_PRESENT, READ_F64(values, count, 1, 1),
                                READ_F64(values, count, 1, 1), labels));
  free(labels);
  return similarity;
}

/* The slot into which a single value is counted. */
static size_t slot_of(double value, double low, double high, size_t bins) {
  uint64_t counts[4 * 64];
  falign_similarity *similarity = similarity_of_values(&value, 1);
  ok(falign_similarity_histogram(similarity, FALIGN_SIMILARITY_L, &(falign_bins){low, high, bins}, 1, counts));
  falign_similarity_destroy(similarity);
  for (size_t slot = 0; slot < bins + 2; slot++) {
    if (counts[bins + 2 + slot] == 1) return slot; /* nothing is classified, so it is poor */
  }
  ck_abort_msg("%g was not counted", value);
  return 0;
}

/* Where all operations are exact, a bin has its lower edge and not its upper one. */
START_TEST(exact_edges) {
  const size_t count = 16;
  for (size_t i = 0; i <= count; i++) {
    double edge = 0.25 * (double)i;
    ck_assert_uint_eq(slot_of(edge, 0, 4, count), i + 1);
    ck_assert_uint_eq(slot_of(nextafter(edge, -1), 0, 4, count), i);
  }
  ck_assert_uint_eq(slot_of(-0x1p-1074, 0, 400, count), 0); /* its product with bins / (high - low) vanishes */
  ck_assert_uint_eq(slot_of(-1e300, 0, 4, count), 0);
  ck_assert_uint_eq(slot_of(1e300, 0, 4, count), count + 1);
}
END_TEST

/* Elsewhere the computation is as the header says; what is outside is told exactly. */
START_TEST(rounded_edges) {
  const double low = 0.1, high = 0.7;
  const size_t count = 7;
  const double per_unit = 7 / (high - low);
  for (size_t i = 0; i < count; i++) {
    double edge = low + (double)i * (high - low) / 7;
    for (int step = -1; step <= 1; step++) {
      double value = step < 0 ? nextafter(edge, 0) : step > 0 ? nextafter(edge, 1) : edge;
      size_t want = value < low ? 0 : (size_t)((value - low) * per_unit) + 1;
      ck_assert_uint_eq(slot_of(value, low, high, count), want);
    }
  }
  ck_assert_uint_eq(slot_of(nextafter(low, 0), low, high, count), 0);
  ck_assert_uint_eq(slot_of(high, low, high, count), count + 1);
  for (size_t bins = 1; bins < 60; bins++) /* for some of them the product is rounded up to `bins` */
    ck_assert_uint_eq(slot_of(nextafter(high, 0), low, high, bins), bins);
}
END_TEST

/* Products beyond single precision: above, below, and above where both infinities meet, unless they are added as they
 * come and the first one stays. */
START_TEST(overflow) {
  const float past[] = {3e38F, 3e38F}, present[] = {3e38F, 0, -3e38F, 0, 3e38F, -3e38F};
  const float zeros[3] = {0};
  const uint32_t labels[3] = {0};
  uint64_t counts[4][3];
  falign_similarity *similarity = NULL;
  ok(falign_similarity_create(FALIGN_F32, 2, 1, 1, &similarity));
  ok(falign_similarity_set_side(similarity, FALIGN_SIDE_PAST, READ_F32(past, 1, 2, 2), READ_F32(zeros, 1, 1, 1),
                                labels));
  ok(falign_similarity_set_side(similarity, FALIGN_SIDE_PRESENT, READ_F32(present, 3, 2, 2), READ_F32(zeros, 3, 1, 1),
                                labels));
  ok(falign_similarity_histogram(similarity, FALIGN_SIMILARITY_L, &(falign_bins){-1, 1, 1}, 1, counts[0]));
  ck_assert(counts[1][0] == 1 && counts[1][1] == 0 && counts[1][2] == 2);
  falign_similarity_destroy(similarity);
}
END_TEST

START_TEST(histograms_that_are_refused) {
  const double values[2] = {1, 2};
  uint64_t counts[4 * 3];
  memset(counts, 0x55, sizeof counts);
  falign_similarity *of = similarity_of_values(values, 2), *empty = NULL;
  const int32_t l = FALIGN_SIMILARITY_L;
  const double inf = (double)INFINITY, nan = (double)NAN;
  const double ranges[][2] = {{1, 1}, {2, 1}, {nan, 1}, {0, nan}, {-inf, 0}, {0, inf}, {-1e308, 1e308}, {0, 1e-310}};
  ok(falign_similarity_create(FALIGN_F64, 1, 1, 1, &empty));
  fails(FALIGN_INVALID, "the past side is not set",
        falign_similarity_histogram(empty, l, &(falign_bins){0, 1, 1}, 1, counts));
  fails(FALIGN_INVALID, "unknown quantity of pairs 0",
        falign_similarity_histogram(of, 0, &(falign_bins){0, 1, 1}, 1, counts));
  fails(FALIGN_INVALID, "unknown quantity of pairs 3",
        falign_similarity_histogram(of, 3, &(falign_bins){0, 1, 1}, 1, counts));
  fails(FALIGN_INVALID, "0 bins", falign_similarity_histogram(of, l, &(falign_bins){0, 1, 0}, 1, counts));
  fails(FALIGN_INVALID, "2147483646 bins",
        falign_similarity_histogram(of, l, &(falign_bins){0, 1, 2147483646}, 1, counts));
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
    fails(FALIGN_INVALID, "1 bins cannot go",
          falign_similarity_histogram(of, l, &(falign_bins){ranges[i][0], ranges[i][1], 1}, 1, counts));
  fails(FALIGN_INVALID, "threads is 0, outside 1..1024",
        falign_similarity_histogram(of, l, &(falign_bins){0, 1, 1}, 0, counts));
  fails(FALIGN_INVALID, "threads is 1025, outside 1..1024",
        falign_similarity_histogram(of, l, &(falign_bins){0, 1, 1}, 1025, counts));
  fails(FALIGN_INVALID, "counts is NULL", falign_similarity_histogram(of, l, &(falign_bins){0, 1, 1}, 1, NULL));
  fails(FALIGN_INVALID, "similarity is NULL", falign_similarity_histogram(NULL, l, &(falign_bins){0, 1, 1}, 1, counts));
  for (size_t i = 0; i < sizeof counts; i++) ck_assert(((unsigned char *)counts)[i] == 0x55);
  falign_similarity_destroy(of);
  falign_similarity_destroy(empty);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_loop_test(tests, full_matrices, 0, 2);
  tcase_add_test(tests, norms_of_rows);
  tcase_add_loop_test(tests, sums_of_all_groups, 0, 2);
  tcase_add_test(tests, trace_of_the_transformation_matrix);
  tcase_add_test(tests, one_category);
  tcase_add_test(tests, classification);
  tcase_add_test(tests, classifications_that_are_refused);
  tcase_add_test(tests, sizes_that_are_refused);
  tcase_add_test(tests, sides_that_are_refused);
  tcase_add_test(tests, strides);
  tcase_add_loop_test(tests, any_steps, 0, 2);
  tcase_add_test(tests, sums_that_are_refused);
  tcase_add_loop_test(tests, histograms, 0, 4);
  tcase_add_test(tests, exact_edges);
  tcase_add_test(tests, rounded_edges);
  tcase_add_test(tests, overflow);
  tcase_add_test(tests, histograms_that_are_refused);
}

int main(void) { return run_suite("similarity", add_tests); }
