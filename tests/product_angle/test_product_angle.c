/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

static const double degrees = 57.29577951308232; /* of a radian */

static falign_product_angle *open_source(size_t rows, size_t inner, size_t cols, uint64_t seed, uint32_t run) {
  falign_product_angle *source = NULL;
  ok(falign_product_angle_create(rows, inner, cols, seed, run, &source));
  return source;
}

/* ---- One draw in plain loops ---- */

enum { MOST = 30 * 40 };

typedef struct {
  size_t rows, inner, cols;
  double b1[MOST], w1[MOST], b2[MOST], w2[MOST], z1[MOST], z2[MOST]; /* of Z, only the sign */
} drawing;

static double inner_product(const double *x, const double *y, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += x[i] * y[i];
  return sum;
}

static double cosine(const double *x, const double *y, size_t count) {
  return inner_product(x, y, count) / sqrt(inner_product(x, x, count) * inner_product(y, y, count));
}

/* Draw `number` of B_l and W_l^T, as the header says. */
static void read_pair(uint64_t seed, uint32_t l, uint32_t run, uint64_t number, size_t count, double *b, double *w) {
  falign_rng *rng;
  double r[2];
  ok(falign_rng_create(seed, FALIGN_RNG_PRODUCT, l, run, &rng));
  falign_rng_seek(rng, number * (2 * ((count + 1) / 2) + 1));
  draw_normal(rng, 1, WRITE_F64(b, 1, count, count));
  draw_normal(rng, 1, WRITE_F64(w, 1, count, count));
  draw_normal(rng, 1, WRITE_F64(r, 1, 2, 2));
  falign_rng_destroy(rng);
  double norm_b = sqrt(inner_product(b, b, count));
  for (size_t i = 0; i < count; i++) b[i] /= norm_b;
  double along = inner_product(w, b, count);
  for (size_t i = 0; i < count; i++) w[i] -= along * b[i];
  double norm_a = sqrt(inner_product(w, w, count));
  for (size_t i = 0; i < count; i++) w[i] = r[0] * w[i] / norm_a + r[1] * b[i];
}

static void read_signs(uint64_t seed, uint32_t l, uint32_t run, uint64_t number, size_t count, double *z) {
  falign_rng *rng;
  uint32_t words[4];
  ok(falign_rng_create(seed, FALIGN_RNG_PRODUCT, l + 2, run, &rng));
  falign_rng_seek(rng, number * ((count + 127) / 128));
  for (size_t i = 0; i < count; i++) {
    if (i % 128 == 0) falign_rng_block(rng, words);
    z[i] = (words[i % 128 / 32] >> i % 32) % 2 == 1 ? 1 : -1;
  }
  falign_rng_destroy(rng);
}

static void read_drawing(drawing *m, uint64_t seed, uint32_t run, uint64_t number) {
  read_pair(seed, 1, run, number, m->inner * m->cols, m->b1, m->w1);
  read_pair(seed, 2, run, number, m->rows * m->inner, m->b2, m->w2);
  read_signs(seed, 1, run, number, m->rows * m->cols, m->z1);
  read_signs(seed, 2, run, number, m->rows * m->inner, m->z2);
}

/* The cosine of theta_3, or of eq. S1. */
static double plain_theta_3(const drawing *m, bool is_linear) {
  double of_b[MOST], of_w[MOST];
  for (size_t i = 0; i < m->rows; i++) {
    for (size_t j = 0; j < m->cols; j++) {
      size_t at = i * m->cols + j;
      of_b[at] = of_w[at] = 0;
      if (!is_linear && m->z1[at] < 0) continue;
      for (size_t k = 0; k < m->inner; k++) {
        if (!is_linear && m->z2[i * m->inner + k] < 0) continue;
        of_b[at] += m->b2[i * m->inner + k] * m->b1[k * m->cols + j];
        of_w[at] += m->w2[i * m->inner + k] * m->w1[k * m->cols + j];
      }
    }
  }
  return cosine(of_b, of_w, m->rows * m->cols);
}

/* Cosines of at most 1200 terms, of products of 15: less than 1200 epsilons, with signs that differ. */
static void same_cosine(double theta, double want) {
  ck_assert_msg(isnan(theta) == isnan(want), "theta = %g, its cosine by hand %g", theta, want);
  if (!isnan(want)) near(cos(theta / degrees), want, 1200 * 0x1p-52);
}

START_TEST(draws_by_hand) {
  enum { DRAWS = 20 };
  static const size_t shapes[][3] = {{30, 15, 40}, {3, 4, 5}, {2, 1, 3}, {1, 2, 1}, {5, 7, 1}, {16, 8, 16}};
  static drawing m;
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    double theta[4][DRAWS];
    m.rows = shapes[s][0];
    m.inner = shapes[s][1];
    m.cols = shapes[s][2];
    falign_product_angle *source = open_source(m.rows, m.inner, m.cols, 3, 4);
    ok(falign_product_angle_draw(source, DRAWS, theta[0], theta[1], theta[2], theta[3]));
    for (uint64_t i = 0; i < DRAWS; i++) {
      read_drawing(&m, 3, 4, i);
      same_cosine(theta[0][i], cosine(m.b1, m.w1, m.inner * m.cols));
      same_cosine(theta[1][i], cosine(m.b2, m.w2, m.rows * m.inner));
      same_cosine(theta[2][i], plain_theta_3(&m, true));
      same_cosine(theta[3][i], plain_theta_3(&m, false));
    }
    falign_product_angle_destroy(source);
  }
}
END_TEST

/* However the calls are cut, and whatever is not asked for. */
START_TEST(draw_i_is_a_function_of_i) {
  enum { DRAWS = 12 };
  double at_once[4][DRAWS], in_parts[4][DRAWS], other[DRAWS];
  falign_product_angle *source = open_source(4, 3, 6, 8, 1);
  ok(falign_product_angle_draw(source, DRAWS, at_once[0], at_once[1], at_once[2], at_once[3]));
  falign_product_angle_destroy(source);
  for (int k = 0; k < 4; k++) memcpy(in_parts[k], at_once[k], sizeof in_parts[k]);
  for (int k = 0; k < 4; k++) memset(in_parts[k] + 5, 0, 7 * sizeof *in_parts[k]);
  source = open_source(4, 3, 6, 8, 1);
  ok(falign_product_angle_draw(source, 3, NULL, NULL, NULL, NULL));
  ok(falign_product_angle_draw(source, 2, NULL, NULL, NULL, in_parts[3] + 3));
  ok(falign_product_angle_draw(source, 0, NULL, NULL, NULL, NULL));
  ok(falign_product_angle_draw(source, 7, in_parts[0] + 5, in_parts[1] + 5, in_parts[2] + 5, in_parts[3] + 5));
  for (int k = 0; k < 4; k++) ck_assert_mem_eq(in_parts[k], at_once[k], sizeof at_once[k]);
  falign_product_angle_destroy(source);
  for (uint32_t change = 1; change <= 2; change++) {
    source = open_source(4, 3, 6, change == 1 ? 9 : 8, change == 2 ? 2 : 1);
    ok(falign_product_angle_draw(source, DRAWS, NULL, other, NULL, NULL));
    for (int i = 0; i < DRAWS; i++) ck_assert(other[i] != at_once[1][i]);
    falign_product_angle_destroy(source);
  }
}
END_TEST

/* ---- Distributions ---- */

static size_t bin_of(double theta, size_t bins) {
  size_t bin = (size_t)(theta / 180 * (double)bins);
  ck_assert(theta >= 0 && theta <= 180);
  return bin < bins ? bin : bins - 1;
}

static double chi2(const int *counts, size_t bins, double expected) {
  double sum = 0;
  for (size_t i = 0; i < bins; i++) sum += pow(counts[i] - expected, 2) / expected;
  return sum;
}

/* Of each angle, and of both together: 35 degrees of freedom exceed 76 in less than one of 10^4 cases. */
START_TEST(angles_are_uniform_and_independent) {
  enum { DRAWS = 20000, BINS = 36, SIDE = 6 };
  static const size_t shapes[][3] = {{3, 4, 5}, {1, 2, 1}, {8, 8, 8}};
  static double theta_1[DRAWS], theta_2[DRAWS];
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    int first[BINS] = {0}, second[BINS] = {0}, both[BINS] = {0};
    falign_product_angle *source = open_source(shapes[s][0], shapes[s][1], shapes[s][2], 1, (uint32_t)s);
    ok(falign_product_angle_draw(source, DRAWS, theta_1, theta_2, NULL, NULL));
    for (size_t i = 0; i < DRAWS; i++) {
      first[bin_of(theta_1[i], BINS)]++;
      second[bin_of(theta_2[i], BINS)]++;
      both[bin_of(theta_1[i], SIDE) * SIDE + bin_of(theta_2[i], SIDE)]++;
    }
    ck_assert_double_lt(chi2(first, BINS, DRAWS / (double)BINS), 76);
    ck_assert_double_lt(chi2(second, BINS, DRAWS / (double)BINS), 76);
    ck_assert_double_lt(chi2(both, BINS, DRAWS / (double)BINS), 76);
    falign_product_angle_destroy(source);
  }
}
END_TEST

/* Numbers in the place of matrices: angles are 0 or 180, and their signs multiply. A side is zero unless both f' are 1,
 * once in four. */
START_TEST(single_numbers) {
  enum { DRAWS = 10000 };
  static double theta[4][DRAWS];
  int straight[3] = {0}, defined = 0;
  falign_product_angle *source = open_source(1, 1, 1, 5, 0);
  ok(falign_product_angle_draw(source, DRAWS, theta[0], theta[1], theta[2], theta[3]));
  for (int i = 0; i < DRAWS; i++) {
    for (int k = 0; k < 3; k++) {
      ck_assert(theta[k][i] < 1e-12 || theta[k][i] > 180 - 1e-12);
      straight[k] += theta[k][i] > 90;
    }
    ck_assert((theta[2][i] > 90) == ((theta[0][i] > 90) != (theta[1][i] > 90)));
    if (isnan(theta[3][i])) continue;
    ck_assert(theta[3][i] == theta[2][i]);
    defined++;
  }
  for (int k = 0; k < 3; k++) near(straight[k], DRAWS / 2, 5 * sqrt(DRAWS / 4.0));
  near(defined, DRAWS / 4, 5 * sqrt(DRAWS * 3.0 / 16));
  falign_product_angle_destroy(source);
}
END_TEST

/* ---- Note 1 and Fig. S7, at its size ---- */

enum { DRAWS = 40000, SIDE = 36, BINS = SIDE * SIDE };

static struct { double theta_1[DRAWS], theta_2[DRAWS], linear[DRAWS], nonlinear[DRAWS]; } note;

/* What falls into one bin of 5 x 5 degrees. */
typedef struct {
  double count, linear, linear_squares, nonlinear, nonlinear_squares, difference_squares;
} bin;

static void fill_bins(bin bins[BINS]) {
  for (size_t i = 0; i < DRAWS; i++) {
    bin *at = &bins[bin_of(note.theta_1[i], SIDE) * SIDE + bin_of(note.theta_2[i], SIDE)];
    double linear = note.linear[i] - 90, nonlinear = note.nonlinear[i] - 90;
    at->count++;
    at->linear += linear;
    at->linear_squares += linear * linear;
    at->nonlinear += nonlinear;
    at->nonlinear_squares += nonlinear * nonlinear;
    at->difference_squares += pow(nonlinear - linear, 2);
  }
}

static double variance(double sum, double squares, double count) { return (squares - sum * sum / count) / (count - 1); }

/* A t with so many degrees of freedom as the standard normal number that is as rare (Wallace 1959). */
static double normal_of_t(double t, double freedom) {
  return copysign((8 * freedom + 1) / (8 * freedom + 3) * sqrt(freedom * log1p(t * t / freedom)), t);
}

/* The nonlinearity leaves the mean in each bin as it is. Each bin has its paired t-test: one of 1296 normal numbers
 * exceeds 4.94 in one case of 1000; and their sum of squares, chi2 with 1296 degrees of freedom, is within four of its
 * standard deviations, which a difference of 0.4 standard errors in all bins would not be. */
static void means_agree(const bin bins[BINS]) {
  double sum = 0;
  for (size_t i = 0; i < BINS; i++) {
    double count = bins[i].count, difference = bins[i].nonlinear - bins[i].linear;
    ck_assert_double_gt(count, 10);
    double t = difference / sqrt(count * variance(difference, bins[i].difference_squares, count));
    double z = normal_of_t(t, count - 1);
    ck_assert_msg(fabs(z) < 4.94, "bin %zu: the means differ by %g, z = %g of %g draws", i, difference / count, z,
                  count);
    sum += z * z;
  }
  near(sum, BINS, 4 * sqrt(2.0 * BINS));
}

/* It does affect the variance: in nearly all bins it is larger, and about twice as large, as is to be expected where
 * half of the numbers count. Without an effect, half of the bins would have the larger variance. */
static void variances_differ(const bin bins[BINS]) {
  int larger = 0;
  double linear = 0, nonlinear = 0;
  for (size_t i = 0; i < BINS; i++) {
    double before = variance(bins[i].linear, bins[i].linear_squares, bins[i].count);
    double after = variance(bins[i].nonlinear, bins[i].nonlinear_squares, bins[i].count);
    larger += after > before;
    linear += before;
    nonlinear += after;
  }
  ck_assert_int_gt(larger, BINS * 9 / 10);
  ck_assert_msg(nonlinear > 1.5 * linear && nonlinear < 2.5 * linear, "variances %g and %g", linear / BINS,
                nonlinear / BINS);
}

/* Where one pair is at right angles, theta_3 is 90 on average and near it; where one is aligned, theta_3 is near the
 * angle of the other: within a bin's width. An angle that does not matter would be off by 52 degrees. */
static void one_pair_decides(void) {
  double sum = 0, squares = 0, count = 0, aligned_squares = 0, aligned = 0;
  for (size_t i = 0; i < DRAWS; i++) {
    if (fabs(note.theta_1[i] - 90) < 2.5 || fabs(note.theta_2[i] - 90) < 2.5) {
      sum += note.linear[i] - 90;
      squares += pow(note.linear[i] - 90, 2);
      count++;
    }
    if (note.theta_1[i] < 5 || note.theta_2[i] < 5) {
      aligned_squares += pow(note.linear[i] - fmax(note.theta_1[i], note.theta_2[i]), 2);
      aligned++;
    }
  }
  near(sum / count, 0, 5 * sqrt(squares) / count);
  ck_assert_double_lt(sqrt(squares / count), 5);
  ck_assert_double_lt(sqrt(aligned_squares / aligned), 5);
}

START_TEST(note_1) {
  static bin bins[BINS];
  falign_product_angle *source = open_source(30, 15, 40, 1, 0);
  ok(falign_product_angle_draw(source, DRAWS, note.theta_1, note.theta_2, note.linear, note.nonlinear));
  falign_product_angle_destroy(source);
  fill_bins(bins);
  means_agree(bins);
  variances_differ(bins);
  one_pair_decides();
}
END_TEST

/* ---- Errors ---- */

START_TEST(bad_arguments) {
  falign_product_angle *source = NULL;
  double theta = 42;
  fails(FALIGN_INVALID, "rows 0", falign_product_angle_create(0, 1, 1, 0, 0, &source));
  fails(FALIGN_INVALID, "inner 0", falign_product_angle_create(1, 0, 1, 0, 0, &source));
  fails(FALIGN_INVALID, "cols 0", falign_product_angle_create(1, 1, 0, 0, 0, &source));
  fails(FALIGN_INVALID, "out is NULL", falign_product_angle_create(1, 1, 1, 0, 0, NULL));
  fails(FALIGN_MEMORY, "no memory", falign_product_angle_create(SIZE_MAX / 2, 1, 3, 0, 0, &source));
  fails(FALIGN_MEMORY, "no memory", falign_product_angle_create(3, SIZE_MAX / 2, 1, 0, 0, &source));
  ck_assert_ptr_null(source);
  fails(FALIGN_INVALID, "source is NULL", falign_product_angle_draw(NULL, 1, &theta, NULL, NULL, NULL));
  ck_assert(theta == 42);
  falign_product_angle_destroy(NULL);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, draws_by_hand);
  tcase_add_test(tests, draw_i_is_a_function_of_i);
  tcase_add_test(tests, angles_are_uniform_and_independent);
  tcase_add_test(tests, single_numbers);
  tcase_add_test(tests, note_1);
  tcase_add_test(tests, bad_arguments);
}

int main(void) { return run_suite("product angle", add_tests); }
