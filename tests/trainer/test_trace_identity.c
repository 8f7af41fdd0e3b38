/* SPDX-License-Identifier: Apache-2.0 */
#include "learning.h"

/* Supplementary Note 5, eq. S18: the skew-symmetric part of
 *   M = delta_{l+1}[k-o]^T L_{l-1}[k-o] L_{l-1}[k]^T delta_{l+1}[k]
 * turns B^T away by 90 degrees exactly, whatever the run: <B^T, B^T M_skew> = 0. */

enum { D = 3, ROWS = 24, STEPS = 6 };
static const size_t n[] = {7, 9, 8, 5};

/* What a step leaves for M. */
typedef struct {
  double l[D + 1][ROWS * 9], delta[D + 1][ROWS * 9];
} kept_step;

static kept_step steps[STEPS];

static void keep_step(const learner *by, kept_step *kept) {
  for (uint32_t l = 0; l <= D; l++) {
    memcpy(kept->l[l], seen(by, FALIGN_L, l, ROWS, n[l]), ROWS * n[l] * sizeof(double));
    if (l > 0) memcpy(kept->delta[l], seen(by, FALIGN_DELTA, l, ROWS, n[l]), ROWS * n[l] * sizeof(double));
  }
}

/* C (p x q) = A^T B with A of ROWS x p and B of ROWS x q. */
static void correlate(const double *a, size_t p, const double *b, size_t q, double *c) {
  for (size_t i = 0; i < p; i++) {
    for (size_t j = 0; j < q; j++) {
      c[i * q + j] = 0;
      for (size_t r = 0; r < ROWS; r++) c[i * q + j] += a[r * p + i] * b[r * q + j];
    }
  }
}

/* C (p x r) = A (p x q) B (q x r). */
static void times(const double *a, size_t p, size_t q, const double *b, size_t r, double *c) {
  for (size_t i = 0; i < p; i++) {
    for (size_t j = 0; j < r; j++) {
      c[i * r + j] = 0;
      for (size_t k = 0; k < q; k++) c[i * r + j] += a[i * q + k] * b[k * r + j];
    }
  }
}

/* M of order o for layer l, n[l+1] square. */
static void transformation(uint32_t l, int k, int o, double *m) {
  double before[9 * 9], now[9 * 9];
  size_t width = n[l + 1], inner = n[l - 1];
  correlate(steps[k - o].delta[l + 1], width, steps[k - o].l[l - 1], inner, before);
  correlate(steps[k].l[l - 1], inner, steps[k].delta[l + 1], width, now);
  times(before, width, inner, now, width, m);
}

/* Angle and inner product of B^T with B^T M, over the product of the norms; `m` is n[l+1] square. */
static double turned(const learner *by, uint32_t l, const double *m, double *angle) {
  double b[9 * 9], back[9 * 9], product[9 * 9], inner;
  size_t rows = n[l + 1], cols = n[l];
  ok(falign_rule_get_feedback_f64(by->rule, l, b, rows, cols, cols));
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = 0; j < cols; j++) back[j * rows + i] = b[i * cols + j];
  }
  times(back, cols, rows, m, rows, product);
  ok(falign_angle_f64(product, cols, rows, rows, b, cols, 1, angle, NULL, &inner));
  return inner / (falign_frobenius_f64(b, rows, cols, cols) * falign_frobenius_f64(product, cols, rows, rows));
}

/* <B^T, B^T M_skew> is a sum of 9 * 8 * 8 products that cancel in pairs. B^T M_skew itself has sums of 9 terms, each
 * off by at most 9 half epsilons of its terms' magnitudes, which exceed the result's norm by a factor of at most
 * sqrt(9) or so. 9 * 3 epsilons in all are an upper bound, and as an angle that many radians. */
static const double rounding = 9 * 3 * 0x1p-52;

static void check_order(const learner *by, uint32_t l, int k, int o) {
  double m[9 * 9], skew[9 * 9], symmetric[9 * 9], angle;
  size_t width = n[l + 1];
  transformation(l, k, o, m);
  for (size_t i = 0; i < width; i++) {
    for (size_t j = 0; j < width; j++) {
      skew[i * width + j] = (m[i * width + j] - m[j * width + i]) / 2;
      symmetric[i * width + j] = (m[i * width + j] + m[j * width + i]) / 2;
    }
  }
  double whole = falign_frobenius_f64(m, width, width, width);
  ck_assert(whole > 0);
  ck_assert(falign_frobenius_f64(skew, width, width, width) > 1e-6 * whole); /* there is something to turn away */
  near(turned(by, l, skew, &angle), 0, rounding);
  near(angle, 90, rounding * 57.3);
  /* The same test tells M and its symmetric part apart from a skew one. */
  ck_assert_msg(fabs(turned(by, l, m, &angle)) > 1e6 * rounding, "W[%u], order %d: M itself turns by %.17g", l, o,
                angle);
  ck_assert(fabs(turned(by, l, symmetric, NULL)) > 1e6 * rounding);
}

/* All orders of an FA run, in which no product is symmetric by itself: a new batch each step. */
START_TEST(skew_part_turns_by_90_degrees) {
  falign_activation f = _i;
  learner by = new_learner(new_network(FALIGN_F64, D, n, true, f), "fa", 0.5, 3, 0.002);
  ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY));
  for (uint32_t k = 0; k < STEPS; k++) {
    double x[ROWS * 7], y[ROWS * 5];
    gaussian(x, ROWS * 7, 1, 2 * k);
    gaussian(y, ROWS * 5, 1, 2 * k + 1);
    ok(step(&by, x, ROWS, y));
    keep_step(&by, &steps[k]);
  }
  for (uint32_t l = 1; l < D; l++) {
    for (int k = 1; k < STEPS; k++) {
      for (int o = 1; o <= k; o++) check_order(&by, l, k, o);
    }
  }
  free_learner(&by);
}
END_TEST

/* With the same batch and an eta of 0, M is symmetric and positive: it keeps the direction, below 90 degrees. */
START_TEST(constant_signals_keep_the_direction) {
  double x[ROWS * 7], y[ROWS * 5], m[9 * 9], angle;
  gaussian(x, ROWS * 7, 1, 1);
  gaussian(y, ROWS * 5, 1, 2);
  learner by = new_learner(new_network(FALIGN_F64, D, n, true, FALIGN_TANH), "fa", 0.5, 3, 0);
  ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY));
  for (int k = 0; k < 2; k++) {
    ok(step(&by, x, ROWS, y));
    keep_step(&by, &steps[k]);
  }
  for (uint32_t l = 1; l < D; l++) {
    transformation(l, 1, 1, m);
    for (size_t i = 0; i < n[l + 1]; i++) {
      for (size_t j = 0; j < i; j++) ck_assert(m[i * n[l + 1] + j] == m[j * n[l + 1] + i]);
    }
    turned(&by, l, m, &angle);
    ck_assert(angle < 80);
  }
  free_learner(&by);
}
END_TEST

/* ---- Angles near 0, 90 and 180 ---- */

/* Two unit vectors in one plane, `theta` radians apart; the sine and cosine are correct to half an epsilon, so the
 * angle is off by about an epsilon in radians, and a few more for the norms. */
START_TEST(angles_of_a_known_plane) {
  const double pi = 3.14159265358979323846, most = 8 * 0x1p-52;
  const double small[] = {0, 1e-15, 1e-12, 1e-8, 1e-4, 0.1, 1};
  for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
    for (int quarter = 0; quarter <= 2; quarter++) {
      for (int side = -1; side <= 1; side += 2) {
        double s = side * sin(small[i]), c = cos(small[i]), angle, cosine, inner;
        double theta = fabs(quarter * pi / 2 + side * small[i]);
        if (theta > pi) theta = 2 * pi - theta;
        double u[2 * 2] = {3, 0, 0, 0}, v[2 * 2] = {0};
        v[0] = quarter == 0 ? c : quarter == 1 ? -s : -c; /* the cosine and sine of theta, exactly */
        v[3] = quarter == 0 ? s : quarter == 1 ? c : -s;
        ok(falign_angle_f64(u, 2, 2, 2, v, 2, 0, &angle, &cosine, &inner));
        near(angle / 180 * pi, theta, most + 4 * 0x1p-52 * theta);
        near(cosine, v[0], most);
        near(inner, 3 * v[0], 3 * most);
      }
    }
  }
}
END_TEST

START_TEST(angle_of_a_matrix_with_itself) {
  double a[9 * 9], minus[9 * 9], transposed[9 * 9], angle;
  gaussian(a, 81, 1, 1);
  for (size_t i = 0; i < 81; i++) {
    minus[i] = -3 * a[i];
    transposed[i] = 5 * a[i % 9 * 9 + i / 9];
  }
  /* The two normalized matrices differ by at most an epsilon in each number: 9 epsilons in norm. */
  const double most = 9 * 0x1p-52 * 57.3;
  ok(falign_angle_f64(a, 9, 9, 9, a, 9, 0, &angle, NULL, NULL));
  near(angle, 0, most);
  ok(falign_angle_f64(a, 9, 9, 9, transposed, 9, 1, &angle, NULL, NULL));
  near(angle, 0, most);
  ok(falign_angle_f64(a, 9, 9, 9, minus, 9, 0, &angle, NULL, NULL));
  near(angle, 180, most + 180 * 0x1p-52);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_loop_test(tests, skew_part_turns_by_90_degrees, FALIGN_TANH_RELU, FALIGN_LINEAR + 1);
  tcase_add_test(tests, constant_signals_keep_the_direction);
  tcase_add_test(tests, angles_of_a_known_plane);
  tcase_add_test(tests, angle_of_a_matrix_with_itself);
}

int main(void) { return run_suite("trace_identity", add_tests); }
