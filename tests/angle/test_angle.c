/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>

#include "suite.h"

/* Numbers in [-1, 1) from a seed of their own. */
static double draw(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(*state >> 11) / (double)(UINT64_C(1) << 52) - 1;
}

static void fill(double *a, size_t count, uint64_t seed) {
  for (size_t i = 0; i < count; i++) a[i] = draw(&seed);
}

static double angle_of(const double *a, const double *b, size_t rows, size_t cols) {
  double angle = -1;
  ok(falign_angle(READ_F64(a, rows, cols, cols), READ_F64(b, rows, cols, cols), &angle, NULL, NULL));
  return angle;
}

static double cosine_of(const double *a, const double *b, size_t rows, size_t cols) {
  double cosine = -2;
  ok(falign_angle(READ_F64(a, rows, cols, cols), READ_F64(b, rows, cols, cols), NULL, &cosine, NULL));
  return cosine;
}

static double inner_of(const double *a, const double *b, size_t rows, size_t cols) {
  double inner = -1;
  ok(falign_angle(READ_F64(a, rows, cols, cols), READ_F64(b, rows, cols, cols), NULL, NULL, &inner));
  return inner;
}

START_TEST(known_vectors) {
  const double x[] = {1, 0}, y[] = {0, 2}, diagonal[] = {3, 3}, minus_x[] = {-5, 0}, hexagon[] = {1, sqrt(3)};
  near(angle_of(x, x, 1, 2), 0, 0);
  near(angle_of(x, y, 1, 2), 90, 0);
  near(angle_of(x, minus_x, 1, 2), 180, 0);
  near(angle_of(x, diagonal, 1, 2), 45, 1e-13);
  near(angle_of(minus_x, diagonal, 2, 1), 135, 1e-13);
  near(angle_of(x, hexagon, 1, 2), 60, 1e-13);
  near(cosine_of(x, y, 1, 2), 0, 0);
  near(cosine_of(x, minus_x, 1, 2), -1, 0);
  near(cosine_of(x, hexagon, 1, 2), 0.5, 1e-15);
  near(inner_of(diagonal, minus_x, 1, 2), -15, 0);
}
END_TEST

/* Shapes around the lengths at which numbers are read and summed. */
static const size_t shapes[][2] = {{1, 1},   {1, 7},   {3, 8},   {9, 9},    {50, 50},
                                   {2, 255}, {2, 256}, {2, 257}, {1, 1000}, {225, 50}};
enum { SHAPES = sizeof shapes / sizeof shapes[0], MOST = 225 * 50 };

START_TEST(with_itself_and_its_negative) {
  static double a[MOST], minus[MOST], twice[MOST];
  for (size_t s = 0; s < SHAPES; s++) {
    size_t rows = shapes[s][0], cols = shapes[s][1];
    fill(a, rows * cols, s);
    for (size_t i = 0; i < rows * cols; i++) {
      minus[i] = -a[i];
      twice[i] = 2 * a[i];
    }
    near(angle_of(a, a, rows, cols), 0, 0);
    near(angle_of(a, twice, rows, cols), 0, 0);
    near(angle_of(a, minus, rows, cols), 180, 0);
    near(cosine_of(a, a, rows, cols), 1, 0);
    near(cosine_of(a, minus, rows, cols), -1, 0);
  }
}
END_TEST

START_TEST(tiny_and_nearly_straight_angles) {
  const double radians[] = {1e-4, 1e-7, 1e-9, 1e-12};
  for (size_t i = 0; i < 4; i++) {
    const double a[] = {cos(0.3), sin(0.3)};
    /* a turned by the angle; the turn is added to avoid rounding cos() to 1 */
    const double turn[] = {a[0] - a[1] * tan(radians[i]), a[1] + a[0] * tan(radians[i])};
    const double back[] = {-turn[0], -turn[1]};
    double relative = radians[i] < 1e-9 ? 1e-3 : 1e-6, degrees = radians[i] * 180 / acos(-1);
    near(angle_of(a, turn, 1, 2), degrees, relative * degrees);
    near(180 - angle_of(a, back, 1, 2), degrees, relative * degrees + 180 * DBL_EPSILON);
  }
  const double x[] = {1, 0, 0, 0}, close_to_x[] = {1, 6e-10, 0, 8e-10};
  near(angle_of(x, close_to_x, 2, 2), 1e-9 * 180 / acos(-1), 1e-15);
}
END_TEST

START_TEST(transposed_and_strided) {
  enum { ROWS = 5, COLS = 11, STRIDE_A = 13, STRIDE_B = 12, STRIDE_T = 6 };
  double a[ROWS * STRIDE_A], b[ROWS * STRIDE_B], t[COLS * STRIDE_T], dense_a[ROWS * COLS], dense_b[ROWS * COLS];
  fill(a, ROWS * STRIDE_A, 1);
  fill(b, ROWS * STRIDE_B, 2);
  fill(t, COLS * STRIDE_T, 3);
  for (size_t i = 0; i < ROWS; i++) {
    for (size_t j = 0; j < COLS; j++) {
      dense_a[i * COLS + j] = a[i * STRIDE_A + j];
      dense_b[i * COLS + j] = b[i * STRIDE_B + j];
      t[j * STRIDE_T + i] = b[i * STRIDE_B + j];
    }
  }
  double dense[3], strided[3], transposed[3];
  ok(falign_angle(READ_F64(dense_a, ROWS, COLS, COLS), READ_F64(dense_b, ROWS, COLS, COLS), &dense[0], &dense[1],
                  &dense[2]));
  ok(falign_angle(READ_F64(a, ROWS, COLS, STRIDE_A), READ_F64(b, ROWS, COLS, STRIDE_B), &strided[0], &strided[1],
                  &strided[2]));
  ok(falign_angle(READ_F64(a, ROWS, COLS, STRIDE_A), READ_F64_T(t, COLS, ROWS, STRIDE_T), &transposed[0],
                  &transposed[1], &transposed[2]));
  ck_assert(memcmp(dense, strided, sizeof dense) == 0);
  ck_assert(memcmp(dense, transposed, sizeof dense) == 0);
  near(falign_frobenius(READ_F64(a, ROWS, COLS, STRIDE_A)), falign_frobenius(READ_F64(dense_a, ROWS, COLS, COLS)), 0);

  /* B's stride is that of B as stored: at least the rows of A. */
  double square[3];
  ok(falign_angle(READ_F64(t, COLS, ROWS, STRIDE_T), READ_F64_T(b, ROWS, COLS, STRIDE_B), &square[0], &square[1],
                  &square[2]));
  near(square[0], 0, 0);
}
END_TEST

START_TEST(single_precision_is_that_of_double_copies) {
  static float a[MOST], b[MOST];
  static double wide_a[MOST], wide_b[MOST];
  for (size_t s = 0; s < SHAPES; s++) {
    size_t rows = shapes[s][0], cols = shapes[s][1];
    fill(wide_a, rows * cols, 10 + s);
    fill(wide_b, rows * cols, 20 + s);
    for (size_t i = 0; i < rows * cols; i++) {
      wide_a[i] = a[i] = (float)wide_a[i];
      wide_b[i] = b[i] = (float)wide_b[i];
    }
    double f32[3], f64[3];
    for (int32_t transpose = 0; transpose < 2; transpose++) {
      size_t stride_b = transpose ? rows : cols;
      ok(falign_angle(READ_F32(a, rows, cols, cols),
                      (transpose ? READ_F32_T(b, cols, rows, stride_b) : READ_F32(b, rows, cols, stride_b)), &f32[0],
                      &f32[1], &f32[2]));
      ok(falign_angle(READ_F64(wide_a, rows, cols, cols),
                      (transpose ? READ_F64_T(wide_b, cols, rows, stride_b) : READ_F64(wide_b, rows, cols, stride_b)),
                      &f64[0], &f64[1], &f64[2]));
      ck_assert(memcmp(f32, f64, sizeof f32) == 0);
    }
    near(falign_frobenius(READ_F32(a, rows, cols, cols)), falign_frobenius(READ_F64(wide_a, rows, cols, cols)), 0);
  }
}
END_TEST

/* Scaling by a power of two changes no bit of angle and cosine, until the numbers themselves lose bits. */
START_TEST(extremes_of_range) {
  enum { COUNT = 12 };
  const int exponents[] = {-1000, -700, -512, -300, 300, 512, 700, 1023};
  double a[COUNT], b[COUNT], scaled_a[COUNT], scaled_b[COUNT];
  fill(a, COUNT, 5);
  fill(b, COUNT, 6);
  for (size_t i = 0; i < 8; i++) {
    for (size_t j = 0; j < 8; j++) {
      for (size_t k = 0; k < COUNT; k++) {
        scaled_a[k] = ldexp(a[k], exponents[i]);
        scaled_b[k] = ldexp(b[k], exponents[j]);
      }
      near(angle_of(scaled_a, scaled_b, 3, 4), angle_of(a, b, 3, 4), 1e-12);
      near(cosine_of(scaled_a, scaled_b, 3, 4), cosine_of(a, b, 3, 4), 1e-14);
      double inner = ldexp(inner_of(a, b, 3, 4), exponents[i] + exponents[j]);
      if (isinf(inner)) {
        ck_assert(inner_of(scaled_a, scaled_b, 3, 4) == inner);
      } else {
        near(inner_of(scaled_a, scaled_b, 3, 4), inner, 1e-14 * fabs(inner));
      }
    }
    double norm = ldexp(falign_frobenius(READ_F64(a, 3, 4, 4)), exponents[i]);
    for (size_t k = 0; k < COUNT; k++) scaled_a[k] = ldexp(a[k], exponents[i]);
    if (isinf(norm)) {
      ck_assert(falign_frobenius(READ_F64(scaled_a, 3, 4, 4)) == norm);
    } else {
      near(falign_frobenius(READ_F64(scaled_a, 3, 4, 4)), norm, 1e-14 * norm);
    }
  }
  const double huge[] = {3e200, 4e200}, tiny[] = {3e-200, 4e-200}, turned[] = {-4e-320, 3e-320};
  near(falign_frobenius(READ_F64(huge, 1, 2, 2)), 5e200, 1e186);
  near(falign_frobenius(READ_F64(tiny, 2, 1, 1)), 5e-200, 1e-214);
  near(angle_of(huge, tiny, 1, 2), 0, 1e-13);
  near(angle_of(tiny, turned, 1, 2), 90, 0.1); /* denormal numbers have 4 digits here */
  near(inner_of(huge, tiny, 1, 2), 25, 1e-13);
}
END_TEST

START_TEST(denormals_and_mixed_magnitudes) {
  const float tiny[] = {FLT_TRUE_MIN, 0}, both[] = {FLT_TRUE_MIN, FLT_TRUE_MIN}, huge[] = {FLT_MAX, FLT_MAX};
  double angle, cosine, inner;
  ok(falign_angle(READ_F32(tiny, 1, 2, 2), READ_F32(both, 1, 2, 2), &angle, &cosine, &inner));
  near(angle, 45, 1e-13);
  near(cosine, sqrt(0.5), 1e-15);
  near(inner, (double)FLT_TRUE_MIN * (double)FLT_TRUE_MIN, 0);
  ok(falign_angle(READ_F32(tiny, 1, 2, 2), READ_F32(huge, 1, 2, 2), &angle, &cosine, NULL));
  near(angle, 45, 1e-13);
  near(cosine, sqrt(0.5), 1e-15);
  near(falign_frobenius(READ_F32(huge, 1, 2, 2)), sqrt(2) * (double)FLT_MAX, 1e24);

  const double least[] = {DBL_TRUE_MIN, 0}, two[] = {DBL_TRUE_MIN, DBL_TRUE_MIN}, mixed[] = {1e-200, 1e200};
  near(angle_of(least, two, 1, 2), 45, 1e-13);
  near(falign_frobenius(READ_F64(least, 1, 2, 2)), DBL_TRUE_MIN, 0);
  near(angle_of(least, mixed, 1, 2), 90, 0);
}
END_TEST

START_TEST(undefined_is_nan) {
  const double zero[] = {0, 0, 0}, one[] = {1, 2, 3}, with_nan[] = {1, NAN, 3}, with_inf[] = {1, 2, -INFINITY};
  ck_assert(isnan(angle_of(zero, one, 1, 3)) && isnan(cosine_of(zero, one, 1, 3)));
  ck_assert(isnan(angle_of(one, zero, 1, 3)) && isnan(angle_of(zero, zero, 1, 3)));
  near(inner_of(zero, one, 1, 3), 0, 0);
  near(falign_frobenius(READ_F64(zero, 1, 3, 3)), 0, 0);
  near(falign_frobenius(READ_F64(one, 0, 3, 3)), 0, 0);
  ck_assert(isnan(angle_of(one, one, 0, 3)));

  const double *bad[] = {with_nan, with_inf}, *other[] = {one, zero, with_nan, with_inf};
  for (size_t i = 0; i < 2; i++) {
    for (size_t j = 0; j < 4; j++) {
      ck_assert(isnan(angle_of(bad[i], other[j], 1, 3)) && isnan(angle_of(other[j], bad[i], 1, 3)));
      ck_assert(isnan(cosine_of(bad[i], other[j], 1, 3)) && isnan(cosine_of(other[j], bad[i], 1, 3)));
      ck_assert(isnan(inner_of(bad[i], other[j], 1, 3)) && isnan(inner_of(other[j], bad[i], 1, 3)));
    }
  }
  ck_assert(isnan(falign_frobenius(READ_F64(with_nan, 1, 3, 3))) &&
            isinf(falign_frobenius(READ_F64(with_inf, 1, 3, 3))));
}
END_TEST

/* Sums of at most 1000 products are within (1000 / 2) epsilon in relative terms; unit vectors so that the angle's error
 * is, in radians, a few times that of their lengths. */
START_TEST(random_pairs_against_long_double) {
  static double a[1000], b[1000];
  for (uint64_t seed = 0; seed < 200; seed++) {
    size_t count = 1 + (size_t)(seed * 5);
    fill(a, count, seed);
    fill(b, count, ~seed);
    double mix = (double)(seed % 9) / 4 - 1; /* from opposite over unrelated to alike */
    long double aa = 0, bb = 0, ab = 0;
    for (size_t i = 0; i < count; i++) {
      b[i] = mix * a[i] + (1 - fabs(mix)) * b[i] + 1e-3 * b[i];
      aa += (long double)a[i] * a[i];
      bb += (long double)b[i] * b[i];
      ab += (long double)a[i] * b[i];
    }
    long double differences = 0, sums = 0;
    for (size_t i = 0; i < count; i++) {
      long double u = a[i] / sqrtl(aa), v = b[i] / sqrtl(bb);
      differences += (u - v) * (u - v);
      sums += (u + v) * (u + v);
    }
    double tolerance = ((double)count / 2 + 16) * DBL_EPSILON;
    double want = (double)(2 * atan2l(sqrtl(differences), sqrtl(sums)) * 180 / acosl(-1));
    near(angle_of(a, b, 1, count), want, tolerance * 180 / acos(-1));
    near(cosine_of(a, b, 1, count), (double)(ab / sqrtl(aa * bb)), tolerance);
    near(inner_of(a, b, 1, count), (double)ab, tolerance * (double)sqrtl(aa * bb));
    near(falign_frobenius(READ_F64(a, 1, count, count)), (double)sqrtl(aa), tolerance * (double)sqrtl(aa));
  }
}
END_TEST

START_TEST(arguments) {
  const double a[] = {1, 2, 3, 4, 5, 6};
  double angle = 7, cosine = 7, inner = 7;
  fails(FALIGN_INVALID, "a is NULL",
        falign_angle(READ_F64(NULL, 2, 3, 3), READ_F64(a, 2, 3, 3), &angle, &cosine, &inner));
  fails(FALIGN_INVALID, "b is NULL",
        falign_angle(READ_F64(a, 2, 3, 3), READ_F64(NULL, 2, 3, 3), &angle, &cosine, &inner));
  fails(FALIGN_INVALID, "a is 2 x 3 with invalid steps: 2 from row to row, 1 from column to column",
        falign_angle(READ_F64(a, 2, 3, 2), READ_F64(a, 2, 3, 3), &angle, &cosine, &inner));
  fails(FALIGN_INVALID, "b is 2 x 3 with invalid steps: 1 from row to row, 1 from column to column",
        falign_angle(READ_F64(a, 2, 3, 3), READ_F64_T(a, 3, 2, 1), &angle, &cosine, &inner));
  fails(FALIGN_INVALID, "a is NULL", falign_angle(NULL, READ_F64(a, 2, 3, 3), &angle, &cosine, &inner));
  fails(FALIGN_INVALID, "b is NULL", falign_angle(READ_F64(a, 2, 3, 3), NULL, &angle, &cosine, &inner));
  fails(FALIGN_SHAPE, "a is 2 x 3, but b is 3 x 2",
        falign_angle(READ_F64(a, 2, 3, 3), READ_F64(a, 3, 2, 2), &angle, &cosine, &inner));
  ck_assert(angle == 7 && cosine == 7 && inner == 7);
  falign_set_last_error(NULL);
  ck_assert(isnan(falign_frobenius(NULL)));
  ck_assert_str_eq(falign_last_error(), "a is NULL");
  ck_assert(isnan(falign_frobenius(READ_F64(a, 2, 3, 2))));
  ck_assert_ptr_nonnull(strstr(falign_last_error(), "a is 2 x 3 with invalid steps"));
  ok(falign_angle(READ_F64(a, 2, 3, 3), READ_F64(a, 2, 3, 3), NULL, NULL, NULL));
  ok(falign_angle(READ_F64(a, 2, 3, 3), READ_F64_T(a, 3, 2, 2), NULL, &cosine, NULL));
  ck_assert(angle == 7 && cosine < 1 && inner == 7);
}
END_TEST

/* Steps of every kind: two elements in one place, and ranges beyond what memory can hold, are refused. */
START_TEST(steps) {
  enum { ROWS = 3, COLS = 4 };
  double a[ROWS * COLS], b[ROWS * COLS], reversed[ROWS * COLS], want[3], got[3];
  float single[ROWS * COLS];
  fill(a, ROWS * COLS, 1);
  fill(b, ROWS * COLS, 2);
  for (size_t i = 0; i < ROWS * COLS; i++) {
    b[i] = single[i] = (float)b[i];
    reversed[ROWS * COLS - 1 - i] = a[i];
  }
  const falign_view plain = falign_view_f64(a, ROWS, COLS), other = falign_view_f64(b, ROWS, COLS);
  const falign_view backward = {&reversed[ROWS * COLS - 1], ROWS, COLS, -COLS, -1, FALIGN_F64};
  const falign_view other_f32 = falign_view_f32(single, ROWS, COLS);
  ok(falign_angle(&plain, &other, &want[0], &want[1], &want[2]));
  ok(falign_angle(&backward, &other, &got[0], &got[1], &got[2]));
  ck_assert(memcmp(want, got, sizeof want) == 0);
  ok(falign_angle(&backward, &other_f32, &got[0], &got[1], &got[2]));
  ck_assert(memcmp(want, got, sizeof want) == 0);
  const falign_view turned = falign_view_transposed(backward), other_turned = falign_view_transposed(other);
  ok(falign_angle(&turned, &other_turned, &got[0], &got[1], &got[2]));
  for (size_t i = 0; i < 3; i++) near(got[i], want[i], 1e-13 * fabs(want[i]));
  near(falign_frobenius(&backward), falign_frobenius(&plain), 0);

  static const struct {
    size_t rows, cols;
    ptrdiff_t row_step, col_step;
  } bad[] = {{3, 4, 0, 1},
             {3, 4, 4, 0},
             {3, 4, 3, 1},
             {3, 4, -3, 1},
             {3, 4, 1, 2},
             {3, 4, 2, 3},
             {3, 4, PTRDIFF_MAX, 1},
             {3, 4, 1, PTRDIFF_MIN},
             {2, 1, PTRDIFF_MAX / 4, 1},
             {SIZE_MAX, 1, 1, 1},
             {1, SIZE_MAX / 2, 1, 1},
             {1, 3, 1, PTRDIFF_MIN}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char want_text[200];
    snprintf(want_text, sizeof want_text,
             "a is %zu x %zu with invalid steps: %lld from row to row, %lld from column to column", bad[i].rows,
             bad[i].cols, (long long)bad[i].row_step, (long long)bad[i].col_step);
    const falign_view view = {a, bad[i].rows, bad[i].cols, bad[i].row_step, bad[i].col_step, FALIGN_F64};
    fails(FALIGN_INVALID, want_text, falign_angle(&view, &plain, &got[0], &got[1], &got[2]));
  }
  falign_view unknown = plain;
  unknown.precision = 3;
  fails(FALIGN_INVALID, "b has the unknown precision 3", falign_angle(&plain, &unknown, &got[0], NULL, NULL));
  /* a step that is never taken may be anything */
  ok(falign_angle(&(falign_view){a, 1, 4, PTRDIFF_MIN, 1, FALIGN_F64}, &(falign_view){b, 1, 4, 0, 1, FALIGN_F64},
                  &got[0], NULL, NULL));
  near(got[0], angle_of(a, b, 1, 4), 0);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, known_vectors);
  tcase_add_test(tests, with_itself_and_its_negative);
  tcase_add_test(tests, tiny_and_nearly_straight_angles);
  tcase_add_test(tests, transposed_and_strided);
  tcase_add_test(tests, single_precision_is_that_of_double_copies);
  tcase_add_test(tests, extremes_of_range);
  tcase_add_test(tests, denormals_and_mixed_magnitudes);
  tcase_add_test(tests, undefined_is_nan);
  tcase_add_test(tests, random_pairs_against_long_double);
  tcase_add_test(tests, arguments);
  tcase_add_test(tests, steps);
}

int main(void) { return run_suite("angle", add_tests); }
