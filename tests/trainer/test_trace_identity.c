/* SPDX-License-Identifier: Apache-2.0 */
#include "learning.h"

/* Supplementary Note 5, eq. S18: the skew-symmetric part of
 *   M = delta_{l+1}[k-o]^T L_{l-1}[k-o] L_{l-1}[k]^T delta_{l+1}[k]
 * turns B^T away by 90 degrees exactly, whatever the run: <B^T, B^T M_skew> = tr(B B^T M_skew) = 0. M and its parts are
 * the library's, and M is compared with plain loops over the activities. */

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

/* The same M of order o for layer l in plain loops, n[l+1] square. */
static void plain_m(uint32_t l, int k, int o, double *m) {
  double before[9 * 9], now[9 * 9];
  size_t width = n[l + 1], inner = n[l - 1];
  correlate(steps[k - o].delta[l + 1], width, steps[k - o].l[l - 1], inner, before);
  correlate(steps[k].l[l - 1], inner, steps[k].delta[l + 1], width, now);
  times(before, width, inner, now, width, m);
}

static double size_of(const double *a, size_t rows, size_t cols) {
  return falign_frobenius(READ_F64(a, rows, cols, cols));
}

/* The library's M is the plain one. Both are sums of ROWS products, twice, and of n[l-1] of those: each number is off
 * by as many epsilons at most of the sum of magnitudes, which the norms of the four factors bound. */
static void check_m(const double *m, uint32_t l, int k, int o) {
  const kept_step *then = &steps[k - o], *now = &steps[k];
  size_t width = n[l + 1], inner = n[l - 1];
  double want[9 * 9], bound = size_of(then->delta[l + 1], ROWS, width) * size_of(then->l[l - 1], ROWS, inner) *
                              size_of(now->l[l - 1], ROWS, inner) * size_of(now->delta[l + 1], ROWS, width);
  plain_m(l, k, o, want);
  for (size_t i = 0; i < width * width; i++) near(m[i], want[i], 2 * (2 * ROWS + 9) * 0x1p-52 * bound);
}

/* ---- The identity ---- */

/* Angle and inner product of B^T with B^T M, over the product of the norms; B is rows x cols, M rows square. */
static double turned(const double *b, size_t rows, size_t cols, const double *m, double *angle) {
  double back[9 * 9], product[9 * 9], inner;
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = 0; j < cols; j++) back[j * rows + i] = b[i * cols + j];
  }
  times(back, cols, rows, m, rows, product);
  ok(falign_angle(READ_F64(product, cols, rows, rows), READ_F64_T(b, rows, cols, cols), angle, NULL, &inner));
  return inner / (size_of(b, rows, cols) * size_of(product, cols, rows));
}

/* tr(B B^T M), over the product of the norms. */
static double trace_of(const double *b, size_t rows, size_t cols, const double *m) {
  double b_bt[9 * 9], sum = 0;
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = 0; j < rows; j++) {
      b_bt[i * rows + j] = 0;
      for (size_t c = 0; c < cols; c++) b_bt[i * rows + j] += b[i * cols + c] * b[j * cols + c];
    }
  }
  for (size_t i = 0; i < rows * rows; i++) sum += b_bt[i] * m[i % rows * rows + i / rows];
  return sum / (size_of(b_bt, rows, rows) * size_of(m, rows, rows));
}

/* <B^T, B^T M_skew> is a sum of 9 * 8 * 8 products that cancel in pairs. B^T M_skew itself has sums of 9 terms, each
 * off by at most 9 half epsilons of its terms' magnitudes, which exceed the result's norm by a factor of at most
 * sqrt(9) or so. 9 * 3 epsilons in all are an upper bound, and as an angle that many radians. */
static const double rounding = 9 * 3 * 0x1p-52;

/* tr(B B^T M_skew) is a sum of 9 * 9 such products, each sum off by half an epsilon of the magnitudes. */
static const double trace_rounding = 9 * 9 * 0x1p-53;

/* The identity for the library's parts of M, and M and its symmetric part told apart from the skew one. */
static void check_identity(const falign_transformation *of, const double *b, size_t rows, size_t cols) {
  double m[FALIGN_M_SKEW + 1][9 * 9], angle;
  ck_assert_uint_eq(falign_transformation_size(of), rows);
  for (falign_quantity part = FALIGN_M; part <= FALIGN_M_SKEW; part++)
    ok(falign_transformation_get(of, part, WRITE_F64(m[part], rows, rows, rows)));
  const double *whole = m[FALIGN_M], *symmetric = m[FALIGN_M_SYMMETRIC], *skew = m[FALIGN_M_SKEW];
  double size = size_of(whole, rows, rows);
  ck_assert(size > 0);
  ck_assert(size_of(skew, rows, rows) > 1e-6 * size); /* there is something to turn away */
  near(trace_of(b, rows, cols, skew), 0, trace_rounding);
  near(turned(b, rows, cols, skew, &angle), 0, rounding);
  near(angle, 90, rounding * 57.3);
  ok(falign_transformation_apply(of, FALIGN_M_SKEW, READ_F64(b, rows, cols, cols), &angle, NULL));
  near(angle, 90, rounding * 57.3);
  for (size_t i = 0; i < rows * rows; i++) near(symmetric[i] + skew[i], whole[i], 2 * 0x1p-52 * size);
  ck_assert_msg(fabs(turned(b, rows, cols, whole, &angle)) > 1e6 * rounding, "M itself turns by %.17g", angle);
  ck_assert(fabs(turned(b, rows, cols, symmetric, NULL)) > 1e6 * rounding);
  ck_assert(fabs(trace_of(b, rows, cols, symmetric)) > 1e6 * trace_rounding);
}

/* M of the history, and the same M from the array. */
static void check_order(const learner *by, const falign_history *history, uint32_t l, int k, int o) {
  falign_transformation *recorded, *copied;
  double m[9 * 9], b[9 * 9];
  size_t rows = n[l + 1], cols = n[l];
  ok(falign_transformation_create(history, (uint64_t)k, (uint64_t)o, l, &recorded));
  ok(falign_transformation_get(recorded, FALIGN_M, WRITE_F64(m, rows, rows, rows)));
  ok(falign_transformation_create_of(READ_F64(m, rows, rows, rows), &copied));
  ok(falign_rule_get(by->rule, FALIGN_FEEDBACK, l, WRITE_F64(b, rows, cols, cols)));
  check_m(m, l, k, o);
  check_identity(recorded, b, rows, cols);
  check_identity(copied, b, rows, cols);
  falign_transformation_destroy(recorded);
  falign_transformation_destroy(copied);
}

/* A history of C, from which M comes. */
static falign_history *record(const learner *by) {
  falign_history *history;
  ok(falign_history_create(by->network, &history));
  ok(falign_history_keep(history, FALIGN_KEEP_C));
  ok(falign_trainer_set_history(by->trainer, history));
  ok(falign_trainer_keep(by->trainer, FALIGN_NEEDS_ACTIVITY));
  return history;
}

/* All orders of an FA run, in which no product is symmetric by itself: a new batch each step. */
START_TEST(skew_part_turns_by_90_degrees) {
  activation f = (activation)_i;
  learner by = new_learner(new_network(FALIGN_F64, D, n, true, f), "fa", 0.5, 3, 0.002);
  falign_history *history = record(&by);
  for (uint32_t k = 0; k < STEPS; k++) {
    double x[ROWS * 7], y[ROWS * 5];
    gaussian(x, ROWS * 7, 1, 2 * k);
    gaussian(y, ROWS * 5, 1, 2 * k + 1);
    ok(step(&by, x, ROWS, y));
    keep_step(&by, &steps[k]);
  }
  for (uint32_t l = 1; l < D; l++) {
    for (int k = 1; k < STEPS; k++) {
      for (int o = 1; o <= k; o++) check_order(&by, history, l, k, o);
    }
  }
  falign_history_destroy(history);
  free_learner(&by);
}
END_TEST

/* Arrays that no run has made, for B of any shape. */
START_TEST(any_matrix_and_feedback) {
  for (uint32_t rows = 2; rows <= 9; rows++) {
    for (uint32_t cols = 1; cols <= 9; cols++) {
      double m[9 * 9], b[9 * 9];
      falign_transformation *made;
      gaussian(m, rows * rows, 1, 2 * (9 * rows + cols));
      gaussian(b, rows * cols, 1, 2 * (9 * rows + cols) + 1);
      ok(falign_transformation_create_of(READ_F64(m, rows, rows, rows), &made));
      check_identity(made, b, rows, cols);
      falign_transformation_destroy(made);
    }
  }
}
END_TEST

/* With the same batch and an eta of 0, M is symmetric and positive: it keeps the direction, below 90 degrees. */
START_TEST(constant_signals_keep_the_direction) {
  double x[ROWS * 7], y[ROWS * 5], m[9 * 9], b[9 * 9], angle;
  gaussian(x, ROWS * 7, 1, 1);
  gaussian(y, ROWS * 5, 1, 2);
  learner by = new_learner(new_network(FALIGN_F64, D, n, true, TANH), "fa", 0.5, 3, 0);
  falign_history *history = record(&by);
  for (int k = 0; k < 2; k++) {
    ok(step(&by, x, ROWS, y));
    keep_step(&by, &steps[k]);
  }
  for (uint32_t l = 1; l < D; l++) {
    falign_transformation *made;
    size_t rows = n[l + 1], cols = n[l];
    ok(falign_transformation_create(history, 1, 1, l, &made));
    ok(falign_transformation_get(made, FALIGN_M, WRITE_F64(m, rows, rows, rows)));
    check_m(m, l, 1, 1);
    for (size_t i = 0; i < rows; i++) {
      for (size_t j = 0; j < i; j++) ck_assert(m[i * rows + j] == m[j * rows + i]);
    }
    ok(falign_rule_get(by.rule, FALIGN_FEEDBACK, l, WRITE_F64(b, rows, cols, cols)));
    turned(b, rows, cols, m, &angle);
    ck_assert(angle < 80);
    falign_transformation_destroy(made);
  }
  falign_history_destroy(history);
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
        ok(falign_angle(READ_F64(u, 2, 2, 2), READ_F64(v, 2, 2, 2), &angle, &cosine, &inner));
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
  ok(falign_angle(READ_F64(a, 9, 9, 9), READ_F64(a, 9, 9, 9), &angle, NULL, NULL));
  near(angle, 0, most);
  ok(falign_angle(READ_F64(a, 9, 9, 9), READ_F64_T(transposed, 9, 9, 9), &angle, NULL, NULL));
  near(angle, 0, most);
  ok(falign_angle(READ_F64(a, 9, 9, 9), READ_F64(minus, 9, 9, 9), &angle, NULL, NULL));
  near(angle, 180, most + 180 * 0x1p-52);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_loop_test(tests, skew_part_turns_by_90_degrees, TANH_RELU, LINEAR + 1);
  tcase_add_test(tests, any_matrix_and_feedback);
  tcase_add_test(tests, constant_signals_keep_the_direction);
  tcase_add_test(tests, angles_of_a_known_plane);
  tcase_add_test(tests, angle_of_a_matrix_with_itself);
}

int main(void) { return run_suite("trace_identity", add_tests); }
