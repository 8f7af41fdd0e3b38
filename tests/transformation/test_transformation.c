/* SPDX-License-Identifier: Apache-2.0 */
#include "past.h"

enum { WIDEST = 12 };
static const double eps = 0x1p-52;

static const activation activations[] = {TANH_RELU, RELU, TANH, LOGISTIC, LINEAR};
enum { ACTIVATIONS = sizeof activations / sizeof *activations };

static falign_transformation *new_of(const double *m, size_t n) {
  falign_transformation *made = NULL;
  ok(falign_transformation_create_of(READ_F64(m, n, n, n), &made));
  return made;
}

/* Of the last step of a run. */
static falign_transformation *new_from(const past *p, uint64_t order, uint32_t l) {
  falign_transformation *made = NULL;
  ok(falign_transformation_create(p->history, p->steps - 1, order, l, &made));
  return made;
}

static void get(const falign_transformation *of, falign_quantity part, double *out) {
  size_t n = falign_transformation_size(of);
  ok(falign_transformation_get(of, part, WRITE_F64(out, n, n, n)));
}

/* The eigenvalues, the largest first; false in a build without LAPACK. */
static bool eigenvalues(const falign_transformation *of, double *values) {
  falign_status status = falign_transformation_eigenvalues(of, values, falign_transformation_size(of));
  if (status == FALIGN_OK) return true;
  ck_assert_int_eq(status, FALIGN_UNSUPPORTED);
  ck_assert_ptr_nonnull(strstr(falign_last_error(), "this build has no LAPACK"));
  return false;
}

/* <a, b> of contiguous matrices. */
static double inner(const double *a, const double *b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += a[i] * b[i];
  return sum;
}

static double norm(const double *a, size_t count) { return sqrt(inner(a, a, count)); }

/* c = A B for matrices of n rows and columns. */
static void times(const double *a, const double *b, size_t n, double *c) {
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < n; j++) {
      c[i * n + j] = 0;
      for (size_t q = 0; q < n; q++) c[i * n + j] += a[i * n + q] * b[q * n + j];
    }
  }
}

/* B^T M for B of n x cols, and B^T itself. */
static void plain_apply_m(const double *b, const double *m, size_t n, size_t cols, double *product, double *b_t) {
  for (size_t i = 0; i < cols; i++) {
    for (size_t j = 0; j < n; j++) {
      double sum = 0;
      for (size_t q = 0; q < n; q++) sum += b[q * cols + i] * m[q * n + j];
      product[i * n + j] = sum;
      b_t[i * n + j] = b[j * cols + i];
    }
  }
}

static past *run(falign_precision precision, const char *rule, activation f, bool shuffled) {
  past_plan plan = {.precision = precision,
                    .rule = rule,
                    .f = f,
                    .biases = true,
                    .shuffled = shuffled,
                    .steps = PAST_STEPS,
                    .eta = 1e-4};
  return past_run(&plan);
}

/* B[l] of a run, contiguous. */
static void get_b(const past *p, uint32_t l, double *b) { get_feedback(p->by.network, p->by.rule, l, b); }

/* ---- M of a run ---- */

/* delta[l+1][k-o]^T L[l-1][k-o] L[l-1][k]^T delta[l+1][k] as it is written, through matrices of the size nb x nb; and
 * the sum of magnitudes, of which the library's 2 nb + n[l-1] products in another order may be off by as many
 * epsilons, as may these. */
static void plain_m(const past *p, uint32_t l, uint64_t o, double *m, double *magnitude) {
  const past_step *now = &p->step[p->steps - 1], *then = now - o;
  size_t n = p->n[l + 1];
  for (size_t i = 0; i < n * n; i++) m[i] = magnitude[i] = 0;
  for (size_t r = 0; r < then->rows; r++) {
    for (size_t c = 0; c < now->rows; c++) {
      double similarity = plain_similarity(p, l, o, r, c), sum = 0;
      for (size_t q = 0; q < p->n[l - 1]; q++) sum += fabs(then->out[l - 1][r][q] * now->out[l - 1][c][q]);
      for (size_t i = 0; i < n * n; i++) {
        double product = then->delta[l + 1][r][i / n] * now->delta[l + 1][c][i % n];
        m[i] += product * similarity;
        magnitude[i] += fabs(product) * sum;
      }
    }
  }
}

static void check_m(const past *p, uint32_t l, uint64_t o) {
  double m[WIDEST * WIDEST], want[WIDEST * WIDEST], magnitude[WIDEST * WIDEST], trace = 0, most = 0;
  size_t n = p->n[l + 1];
  falign_transformation *made = new_from(p, o, l);
  ck_assert_uint_eq(falign_transformation_size(made), n);
  get(made, FALIGN_M, m);
  plain_m(p, l, o, want, magnitude);
  double off = 2 * (2 * PAST_ROWS + PAST_WIDTH) * epsilon(falign_network_precision(p->by.network));
  for (size_t i = 0; i < n * n; i++) near(m[i], want[i], off * magnitude[i]);
  /* eq. 12: tr(M) = sum_pm S_delta S_L */
  const past_step *now = &p->step[p->steps - 1], *then = now - o;
  for (size_t r = 0; r < then->rows; r++) {
    for (size_t c = 0; c < now->rows; c++)
      trace += inner(then->delta[l + 1][r], now->delta[l + 1][c], n) * plain_similarity(p, l, o, r, c);
  }
  for (size_t i = 0; i < n; i++) most += magnitude[i * n + i];
  near(falign_transformation_trace(made), trace, off * most);
  falign_transformation_destroy(made);
}

START_TEST(m_as_it_is_written) {
  const char *const rules[] = {"bp", "fa", "dfa"};
  const uint64_t orders[] = {0, 1, 2, PAST_STEPS - 1};
  for (int i = 0; i < 6; i++) {
    past *p = run(i & 1 ? FALIGN_F32 : FALIGN_F64, rules[i / 2], TANH, true);
    for (uint32_t l = 1; l < PAST_LAYERS; l++) {
      for (int o = 0; o < 4; o++) check_m(p, l, orders[o]);
    }
    past_free(p);
  }
}
END_TEST

/* Each part has its symmetry in every bit, and their sum is M. */
START_TEST(parts) {
  past *p = run(FALIGN_F64, "fa", TANH, true);
  double m[3][WIDEST * WIDEST];
  for (uint32_t l = 1; l < PAST_LAYERS; l++) {
    falign_transformation *made = new_from(p, 1, l);
    size_t n = p->n[l + 1];
    for (falign_quantity part = FALIGN_M; part <= FALIGN_M_SKEW; part++) get(made, part, m[part - FALIGN_M]);
    ck_assert_double_gt(norm(m[2], n * n), 0.01 * norm(m[0], n * n));
    for (size_t i = 0; i < n; i++) {
      for (size_t j = 0; j < n; j++) {
        ck_assert_double_eq(m[1][i * n + j], m[1][j * n + i]);
        ck_assert_double_eq(m[2][i * n + j], -m[2][j * n + i]);
        near(m[1][i * n + j] + m[2][i * n + j], m[0][i * n + j], eps * (fabs(m[0][i * n + j]) + fabs(m[0][j * n + i])));
      }
    }
    falign_transformation_destroy(made);
  }
  past_free(p);
}
END_TEST

/* ---- Note 5 ---- */

/* Eq. S18: the skew-symmetric part turns B^T away by 90 degrees, whatever the run. <B^T, B^T M_skew> is a sum of n^2
 * n[l] products and errs by 2 n epsilons of ||B||^2 ||M_skew||; so the angle errs by that over both norms. */
START_TEST(the_skew_part_turns_by_90_degrees) {
  double b[WIDEST * WIDEST], skew[WIDEST * WIDEST];
  for (int i = 0; i < ACTIVATIONS; i++) {
    past *p = run(FALIGN_F64, "fa", activations[i], i & 1);
    for (uint64_t o = 1; o < PAST_STEPS; o++) {
      for (uint32_t l = 1; l < PAST_LAYERS; l++) {
        falign_transformation *made = new_from(p, o, l);
        size_t n = p->n[l + 1], cols = p->n[l];
        double angle, size;
        get_b(p, l, b);
        get(made, FALIGN_M_SKEW, skew);
        ok(falign_transformation_apply(made, FALIGN_M_SKEW, READ_F64(b, n, cols, cols), &angle, &size));
        double off = 2 * (double)n * eps * norm(b, n * cols) * norm(skew, n * n) / size;
        near(angle, 90, 180 / acos(-1) * off);
        ck_assert_double_gt(size, 0);
        falign_transformation_destroy(made);
      }
    }
    past_free(p);
  }
}
END_TEST

/* Angle and norm of B^T times each part, by plain loops. <B^T, B^T M> is <B^T, B^T M_sym>, for the skew part adds
 * nothing to it; the norms do not add up as the sides of a right triangle, since the parts' images need not be
 * orthogonal to each other. */
START_TEST(what_the_parts_do_to_b) {
  double b[WIDEST * WIDEST], m[WIDEST * WIDEST], product[WIDEST * WIDEST], b_t[WIDEST * WIDEST];
  past *p = run(FALIGN_F64, "fa", TANH, true);
  for (uint64_t o = 1; o < PAST_STEPS; o++) {
    for (uint32_t l = 1; l < PAST_LAYERS; l++) {
      falign_transformation *made = new_from(p, o, l);
      size_t n = p->n[l + 1], cols = p->n[l];
      double angle, size, sizes[3], along[3], ratio;
      get_b(p, l, b);
      get(made, FALIGN_M, m);
      double most = norm(b, n * cols) * norm(m, n * n), off = 2 * WIDEST * eps * most;
      for (falign_quantity part = FALIGN_M; part <= FALIGN_M_SKEW; part++) {
        get(made, part, m);
        plain_apply_m(b, m, n, cols, product, b_t);
        ok(falign_transformation_apply(made, part, READ_F64(b, n, cols, cols), &angle, &size));
        near(size, norm(product, n * cols), off);
        sizes[part - FALIGN_M] = size;
        along[part - FALIGN_M] = size * norm(b, n * cols) * cos(angle * acos(-1) / 180);
        near(along[part - FALIGN_M], inner(b_t, product, n * cols), off * norm(b, n * cols));
      }
      near(along[0], along[1], 2 * off * norm(b, n * cols));
      ok(falign_transformation_skew_ratio(made, READ_F64(b, n, cols, cols), &ratio));
      near(ratio, sizes[2] / sizes[1], 4 * eps * ratio);
      falign_transformation_destroy(made);
    }
  }
  past_free(p);
}
END_TEST

/* A rotation with a scaling: its symmetric part scales by cos, its skew part by sin, and any B turns by the angle. */
START_TEST(rotations) {
  if (!falign_has_feature("lapack")) skip_part(no_lapack);
  double b[2 * 5], angle, size, ratio;
  gaussian(b, 10, 1, 1);
  for (int degrees = 0; degrees <= 180; degrees += 15) {
    double turn = degrees * acos(-1) / 180, c = 3 * cos(turn), s = 3 * sin(turn), m[] = {c, -s, s, c}, values[2];
    falign_transformation *made = new_of(m, 2);
    ok(falign_transformation_apply(made, FALIGN_M, READ_F64(b, 2, 5, 5), &angle, &size));
    near(angle, degrees, 1e-13);
    near(size, 3 * norm(b, 10), 10 * eps * norm(b, 10));
    near(falign_transformation_trace(made), 2 * c, 1e-15);
    if (eigenvalues(made, values)) {
      near(values[0], c, 10 * eps);
      near(values[1], c, 10 * eps);
    }
    if (degrees != 90) {
      ok(falign_transformation_skew_ratio(made, READ_F64(b, 2, 5, 5), &ratio));
      near(ratio, fabs(tan(turn)), 20 * eps * (1 + fabs(tan(turn))) / fabs(cos(turn)));
    }
    falign_transformation_destroy(made);
  }
}
END_TEST

START_TEST(matrices_that_keep_or_turn_round) {
  double b[2 * 3], angle, size, ratio;
  const double same[] = {2, 0, 0, 2}, opposite[] = {-2, 0, 0, -2}, skew[] = {0, 1, -1, 0}, zero[4] = {0};
  gaussian(b, 6, 1, 1);
  falign_transformation *made = new_of(same, 2);
  ok(falign_transformation_apply(made, FALIGN_M, READ_F64(b, 2, 3, 3), &angle, &size));
  ck_assert(angle == 0);
  near(size, 2 * norm(b, 6), 1e-14);
  ok(falign_transformation_skew_ratio(made, READ_F64(b, 2, 3, 3), &ratio));
  ck_assert(ratio == 0);
  ok(falign_transformation_apply(made, FALIGN_M_SKEW, READ_F64(b, 2, 3, 3), &angle, &size));
  ck_assert(isnan(angle) && size == 0); /* B^T 0 has no direction */
  falign_transformation_destroy(made);
  made = new_of(opposite, 2);
  ok(falign_transformation_apply(made, FALIGN_M, READ_F64(b, 2, 3, 3), &angle, NULL));
  ck_assert(angle == 180);
  falign_transformation_destroy(made);
  made = new_of(skew, 2);
  ok(falign_transformation_skew_ratio(made, READ_F64(b, 2, 3, 3), &ratio));
  ck_assert(isinf(ratio));
  falign_transformation_destroy(made);
  made = new_of(zero, 2);
  ok(falign_transformation_skew_ratio(made, READ_F64(b, 2, 3, 3), &ratio));
  ck_assert(isnan(ratio));
  falign_transformation_destroy(made);
}
END_TEST

/* ---- Eigenvalues ---- */

/* LAPACK's eigenvalues are those of a matrix that is off by a few times n epsilons of the norm. */
static double eigen_off(const double *a, size_t n) { return 10 * (double)n * eps * norm(a, n * n); }

/* V D V^T for V the product of n Householder reflections, which is orthogonal; a is symmetrized. */
static void with_spectrum(const double *d, size_t n, uint32_t seed, double *a) {
  double h[WIDEST * WIDEST], once[WIDEST * WIDEST], v[WIDEST];
  for (size_t i = 0; i < n * n; i++) a[i] = i % (n + 1) == 0 ? d[i / n] : 0;
  for (uint32_t reflection = 0; reflection < n; reflection++) {
    gaussian(v, n, 1, seed * WIDEST + reflection);
    double squares = inner(v, v, n);
    for (size_t i = 0; i < n * n; i++) h[i] = (i % (n + 1) == 0) - 2 * v[i / n] * v[i % n] / squares;
    times(h, a, n, once);
    times(once, h, n, a);
  }
  for (size_t i = 0; i < n * n; i++) a[i] = a[i / n + i % n * n] = (a[i] + a[i / n + i % n * n]) / 2;
}

/* Adds a skew-symmetric matrix, which no eigenvalue of the symmetric part may notice. */
static void add_skew(size_t n, double *a) {
  double s[WIDEST * WIDEST];
  gaussian(s, n * n, 1, 99);
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < n; j++) a[i * n + j] += s[i * n + j] - s[j * n + i];
  }
}

static void check_spectrum(const double *d, size_t n, uint32_t seed, bool skewed) {
  double a[WIDEST * WIDEST], values[WIDEST], off;
  with_spectrum(d, n, seed, a);
  off = eigen_off(a, n) + 4 * (double)(n * n) * eps * norm(a, n * n); /* the reflections' own rounding */
  if (skewed) add_skew(n, a);
  falign_transformation *made = new_of(a, n);
  if (eigenvalues(made, values)) {
    for (size_t i = 0; i < n; i++) near(values[i], d[i], skewed ? 10 * off : off);
  }
  falign_transformation_destroy(made);
}

START_TEST(known_spectra) {
  skip_unless(falign_has_feature("lapack"), no_lapack);
  const double spectra[][WIDEST] = {{12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1},
                                    {5, 5, 5, 5, 2, 2, 2, 2, -1, -1, -1, -1},
                                    {1e6, 1, 1e-3, 0, 0, 0, 0, 0, 0, 0, -1e-3, -1e6},
                                    {-1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11, -12},
                                    {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3},
                                    {0}};
  for (int i = 0; i < 6; i++) {
    for (size_t n = 1; n <= WIDEST; n++) {
      check_spectrum(spectra[i], n, (uint32_t)n, false);
      check_spectrum(spectra[i], n, (uint32_t)n, true);
    }
  }
}
END_TEST

START_TEST(small_spectra) {
  skip_unless(falign_has_feature("lapack"), no_lapack);
  double values[4];
  const double diagonal[] = {3, 0, 0, 0, 0, -2, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0}, sorted[] = {7, 3, 0, -2};
  const double one[] = {-4}, two[] = {1, 7, -3, 2}; /* [1 2; 2 2] without its skew part */
  falign_transformation *made = new_of(diagonal, 4);
  if (eigenvalues(made, values)) {
    for (int i = 0; i < 4; i++) near(values[i], sorted[i], eigen_off(diagonal, 4));
  }
  falign_transformation_destroy(made);
  made = new_of(one, 1);
  if (eigenvalues(made, values)) ck_assert(values[0] == -4);
  falign_transformation_destroy(made);
  made = new_of(two, 2);
  if (eigenvalues(made, values)) {
    near(values[0], 1.5 + sqrt(4.25), eigen_off(two, 2));
    near(values[1], 1.5 - sqrt(4.25), eigen_off(two, 2));
  }
  falign_transformation_destroy(made);
}
END_TEST

/* They add up to tr(M), and their squares to ||M_sym||^2. */
START_TEST(sums_of_eigenvalues) {
  skip_unless(falign_has_feature("lapack"), no_lapack);
  double m[WIDEST * WIDEST], values[WIDEST];
  past *p = run(FALIGN_F32, "fa", TANH_RELU, true);
  for (uint64_t o = 0; o < PAST_STEPS; o++) {
    for (uint32_t l = 1; l < PAST_LAYERS; l++) {
      falign_transformation *made = new_from(p, o, l);
      size_t n = p->n[l + 1];
      double sum = 0;
      get(made, FALIGN_M_SYMMETRIC, m);
      if (eigenvalues(made, values)) {
        for (size_t i = 0; i < n; i++) sum += values[i];
        for (size_t i = 0; i + 1 < n; i++) ck_assert_double_ge(values[i], values[i + 1]);
        near(sum, falign_transformation_trace(made), (double)n * eigen_off(m, n));
        near(norm(values, n), norm(m, n * n), (double)n * eigen_off(m, n));
      }
      falign_transformation_destroy(made);
    }
  }
  past_free(p);
}
END_TEST

/* Section 2.1: with constant signals M = C^T C has no negative eigenvalue. The weights stay as they are with eta = 0,
 * and every third step has the same batch; the other two have other signals, and M negative eigenvalues. */
START_TEST(constant_signals) {
  skip_unless(falign_has_feature("lapack"), no_lapack);
  past_plan plan = {.precision = FALIGN_F64, .rule = "fa", .f = TANH, .biases = true};
  past *p = past_new(&plan, PAST_LAYERS, past_widths);
  double values[WIDEST], m[WIDEST * WIDEST];
  ok(falign_trainer_set_eta(p->by.trainer, 0));
  while (p->steps < 7) past_go(p, false);
  for (uint64_t o = 0; o <= 6; o++) {
    for (uint32_t l = 1; l < PAST_LAYERS; l++) {
      falign_transformation *made = new_from(p, o, l);
      size_t n = p->n[l + 1];
      get(made, FALIGN_M_SYMMETRIC, m);
      if (eigenvalues(made, values)) {
        double least = values[n - 1];
        if (o % 3 == 0) {
          ck_assert_double_ge(least, -eigen_off(m, n));
          get(made, FALIGN_M_SKEW, m);
          ck_assert_double_eq(norm(m, n * n), 0);
        } else {
          ck_assert_double_lt(least, -1e-3 * norm(m, n * n)); /* far beyond rounding */
        }
      }
      falign_transformation_destroy(made);
    }
  }
  past_free(p);
}
END_TEST

/* ---- Eq. 12 ---- */

/* <T_linear, B^T> = eta^2 tr(B B^T M), for the linear terms of a run. */
START_TEST(linear_terms_along_b) {
  double t[WIDEST * WIDEST], b[WIDEST * WIDEST], m[WIDEST * WIDEST], b_bt[WIDEST * WIDEST];
  past *p = run(FALIGN_F64, "fa", TANH, true);
  double eta = p->step[0].eta;
  for (uint64_t o = 1; o < PAST_STEPS; o++) {
    for (uint32_t l = 1; l < PAST_LAYERS; l++) {
      size_t n = p->n[l + 1], cols = p->n[l];
      double along = 0, trace = 0;
      falign_transformation *made = new_from(p, o, l);
      ok(terms_get(p->terms, past_trace(p), FALIGN_TERM_LINEAR, l, &(falign_orders){&o, 1, 1}, t));
      get_b(p, l, b);
      get(made, FALIGN_M, m);
      for (size_t i = 0; i < n * cols; i++) along += t[i] * b[i % n * cols + i / n];
      for (size_t i = 0; i < n * n; i++) b_bt[i] = inner(b + i / n * cols, b + i % n * cols, cols);
      for (size_t i = 0; i < n * n; i++) trace += b_bt[i] * m[i % n * n + i / n];
      near(along, eta * eta * trace, 4 * WIDEST * eps * eta * eta * norm(b_bt, n * n) * norm(m, n * n));
      falign_transformation_destroy(made);
    }
  }
  past_free(p);
}
END_TEST

/* Over B drawn from N(0, sigma), the mean of <B^T M, B^T> is n_l sigma^2 tr(M): within three standard errors for these
 * draws, and more than ten from 0. */
START_TEST(expected_alignment) {
  enum { DRAWS = 2000, N = 8, COLS = 6 };
  const double sigma = 0.7;
  double m[N * N], b[N * COLS], angle, size, sum = 0, squares = 0;
  falign_rng *rng;
  gaussian(m, N * N, 0.5, 1);
  for (size_t i = 0; i < N; i++) m[i * N + i] += 0.5;
  falign_transformation *made = new_of(m, N);
  get(made, FALIGN_M_SKEW, m);
  ck_assert_double_gt(norm(m, N * N), 1);
  ok(falign_rng_create(1, FALIGN_RNG_B, 1, 0, &rng));
  for (int i = 0; i < DRAWS; i++) {
    draw_normal(rng, sigma, WRITE_F64(b, 1, N * COLS, N * COLS));
    ok(falign_transformation_apply(made, FALIGN_M, READ_F64(b, N, COLS, COLS), &angle, &size));
    double along = size * norm(b, N * COLS) * cos(angle * acos(-1) / 180);
    sum += along;
    squares += along * along;
  }
  double mean = sum / DRAWS, error = sqrt((squares / DRAWS - mean * mean) / (DRAWS - 1));
  near(mean, COLS * sigma * sigma * falign_transformation_trace(made), 3 * error);
  ck_assert_double_gt(mean, 10 * error);
  falign_rng_destroy(rng);
  falign_transformation_destroy(made);
}
END_TEST

/* ---- The caller's matrices ---- */

START_TEST(strides) {
  double wide[3 * 5], tight[9], b[3 * 7], tight_b[3 * 4], out[3 * 4], angle[2], size[2], ratio[2];
  gaussian(wide, 15, 1, 1);
  gaussian(b, 21, 1, 2);
  for (size_t i = 0; i < 9; i++) tight[i] = wide[i / 3 * 5 + i % 3];
  for (size_t i = 0; i < 12; i++) tight_b[i] = b[i / 4 * 7 + i % 4];
  for (size_t i = 0; i < 12; i++) out[i] = -1;
  wide[3] = wide[4] = (double)NAN; /* beside the columns */
  falign_transformation *made, *same = new_of(tight, 3);
  ok(falign_transformation_create_of(READ_F64(wide, 3, 3, 5), &made));
  memset(wide, 0, sizeof wide); /* it was copied */
  ok(falign_transformation_get(made, FALIGN_M, WRITE_F64(out, 3, 3, 4)));
  for (size_t i = 0; i < 12; i++) ck_assert_double_eq(out[i], i % 4 < 3 ? tight[i / 4 * 3 + i % 4] : -1);
  ok(falign_transformation_apply(made, FALIGN_M, READ_F64(b, 3, 4, 7), &angle[0], &size[0]));
  ok(falign_transformation_apply(same, FALIGN_M, READ_F64(tight_b, 3, 4, 4), &angle[1], &size[1]));
  ok(falign_transformation_skew_ratio(made, READ_F64(b, 3, 4, 7), &ratio[0]));
  ok(falign_transformation_skew_ratio(same, READ_F64(tight_b, 3, 4, 4), &ratio[1]));
  ck_assert(angle[0] == angle[1] && size[0] == size[1] && ratio[0] == ratio[1]);
  ok(falign_transformation_apply(made, FALIGN_M, READ_F64(b, 3, 4, 7), NULL, NULL));
  falign_transformation_destroy(made);
  falign_transformation_destroy(same);
}
END_TEST

/* M, B and the parts in matrices of any layout and precision. */
START_TEST(any_steps) {
  static layout_room room;
  double m[9], b[3 * 4], part[9], angle[2], size[2], ratio[2];
  gaussian(m, 9, 1, 1);
  gaussian(b, 12, 1, 2);
  round_as(FALIGN_F32, m, 9);
  round_as(FALIGN_F32, b, 12);
  falign_transformation *made, *same = new_of(m, 3);
  get(same, FALIGN_M_SKEW, part);
  ok(falign_transformation_apply(same, FALIGN_M, READ_F64(b, 3, 4, 4), &angle[0], &size[0]));
  ok(falign_transformation_skew_ratio(same, READ_F64(b, 3, 4, 4), &ratio[0]));
  for (int choice = 0; choice < LAYOUTS * 2; choice++) {
    falign_precision precision = choice & 1 ? FALIGN_F64 : FALIGN_F32;
    falign_view view = lay_out_copy(&room, choice / 2, precision, 3, 3, m);
    ok(falign_transformation_create_of(&view, &made));
    falign_matrix to = lay_out(&room, choice / 2, precision, 3, 3, -1);
    ok(falign_transformation_get(made, FALIGN_M_SKEW, &to));
    ck_assert(holds(&room, &to, -1, part));
    view = lay_out_copy(&room, choice / 2, precision, 3, 4, b);
    ok(falign_transformation_apply(made, FALIGN_M, &view, &angle[1], &size[1]));
    ok(falign_transformation_skew_ratio(made, &view, &ratio[1]));
    ck_assert(angle[0] == angle[1] && size[0] == size[1] && ratio[0] == ratio[1]);
    falign_transformation_destroy(made);
  }
  falign_transformation_destroy(same);
}
END_TEST

/* ---- Errors ---- */

START_TEST(steps_that_are_not_there) {
  falign_transformation *none = NULL;
  past *p = run(FALIGN_F64, "fa", TANH, true);
  fails(FALIGN_INVALID, "no M of layer 0: l goes from 1 to 3",
        falign_transformation_create(p->history, 5, 1, 0, &none));
  fails(FALIGN_INVALID, "no M of layer 4", falign_transformation_create(p->history, 5, 1, 4, &none));
  fails(FALIGN_INVALID, "no order 6 at iteration 5", falign_transformation_create(p->history, 5, 6, 1, &none));
  fails(FALIGN_INVALID, "iteration 14 is not in the history",
        falign_transformation_create(p->history, PAST_STEPS, 1, 1, &none));
  fails(FALIGN_INVALID, "history is NULL", falign_transformation_create(NULL, 5, 1, 1, &none));
  fails(FALIGN_INVALID, "out is NULL", falign_transformation_create(p->history, 5, 1, 1, NULL));
  past_free(p);
  past_plan plan = {.precision = FALIGN_F64, .rule = "fa", .f = TANH};
  p = past_new(&plan, PAST_LAYERS, past_widths);
  ok(falign_history_set_window(p->history, 2));
  while (p->steps < 6) past_go(p, true);
  fails(FALIGN_INVALID, "iteration 2 is not in the history", falign_transformation_create(p->history, 5, 3, 1, &none));
  past_free(p);
  const size_t n[] = {3, 2};
  falign_network *shallow = new_network(FALIGN_F64, 1, n, true, TANH);
  falign_history *history;
  ok(falign_history_create(shallow, &history));
  fails(FALIGN_INVALID, "no M of layer 1: the network has no hidden layer",
        falign_transformation_create(history, 0, 0, 1, &none));
  falign_history_destroy(history);
  falign_network_destroy(shallow);
  ck_assert_ptr_null(none);
}
END_TEST

START_TEST(c_that_was_not_kept) {
  falign_transformation *none = NULL;
  falign_history *history;
  double x[PAST_ROWS * 7] = {1}, y[PAST_ROWS * 5] = {1};
  learner by = new_learner(new_network(FALIGN_F64, PAST_LAYERS, past_widths, true, TANH), "dfa", 0.5, 1, 0.01);
  ok(falign_history_create(by.network, &history));
  ok(falign_history_keep(history, FALIGN_KEEP_DIRECT));
  ok(falign_trainer_set_history(by.trainer, history));
  for (int k = 0; k < 2; k++) ok(step(&by, x, PAST_ROWS, y));
  fails(FALIGN_UNSUPPORTED, "C[1] is not kept", falign_transformation_create(history, 1, 1, 1, &none));
  ck_assert_ptr_null(none);
  falign_history_destroy(history);
  free_learner(&by);
}
END_TEST

START_TEST(bad_arguments) {
  falign_transformation *none = NULL;
  double m[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, bad[9] = {0}, out[9] = {7}, b[12] = {1}, number = 7;
  bad[5] = (double)INFINITY;
  fails(FALIGN_INVALID, "M has inf in row 1, column 2", falign_transformation_create_of(READ_F64(bad, 3, 3, 3), &none));
  fails(FALIGN_INVALID, "M has no rows", falign_transformation_create_of(READ_F64(m, 0, 0, 0), &none));
  fails(FALIGN_INVALID, "M is 3 x 3 with invalid steps: 2 from row to row, 1 from column to column",
        falign_transformation_create_of(READ_F64(m, 3, 3, 2), &none));
  fails(FALIGN_SHAPE, "M is 3 x 3, got 3 x 2", falign_transformation_create_of(READ_F64(m, 3, 2, 2), &none));
  fails(FALIGN_INVALID, "M is NULL", falign_transformation_create_of(READ_F64(NULL, 3, 3, 3), &none));
  fails(FALIGN_INVALID, "out is NULL", falign_transformation_create_of(READ_F64(m, 3, 3, 3), NULL));
  ck_assert_ptr_null(none);
  falign_transformation *made = new_of(m, 3);
  fails(FALIGN_INVALID, "quantity 0 is not a part of M: ", falign_transformation_get(made, 0, WRITE_F64(out, 3, 3, 3)));
  fails(FALIGN_INVALID,
        "quantity 19 is not a part of M: ", falign_transformation_get(made, FALIGN_F_PERP, WRITE_F64(out, 3, 3, 3)));
  fails(FALIGN_SHAPE, "M is 3 x 3, got 3 x 2", falign_transformation_get(made, FALIGN_M, WRITE_F64(out, 3, 2, 2)));
  fails(FALIGN_INVALID, "M is 3 x 3 with invalid steps: 2 from row to row, 1 from column to column",
        falign_transformation_get(made, FALIGN_M, WRITE_F64(out, 3, 3, 2)));
  fails(FALIGN_INVALID, "M is NULL", falign_transformation_get(made, FALIGN_M, WRITE_F64(NULL, 3, 3, 3)));
  fails(FALIGN_INVALID, "transformation is NULL", falign_transformation_get(NULL, FALIGN_M, WRITE_F64(out, 3, 3, 3)));
  fails(FALIGN_SHAPE, "3 eigenvalues, got room for 2", falign_transformation_eigenvalues(made, out, 2));
  fails(FALIGN_INVALID, "values is NULL", falign_transformation_eigenvalues(made, NULL, 3));
  fails(FALIGN_INVALID, "transformation is NULL", falign_transformation_eigenvalues(NULL, out, 3));
  ck_assert_double_eq(out[0], 7);
  fails(FALIGN_SHAPE, "B is 3 x 4, got 4 x 4",
        falign_transformation_apply(made, FALIGN_M, READ_F64(b, 4, 4, 4), &number, &number));
  fails(FALIGN_INVALID, "B is 3 x 4 with invalid steps: 3 from row to row, 1 from column to column",
        falign_transformation_apply(made, FALIGN_M, READ_F64(b, 3, 4, 3), &number, &number));
  fails(FALIGN_INVALID, "B is NULL",
        falign_transformation_apply(made, FALIGN_M, READ_F64(NULL, 3, 4, 4), &number, &number));
  fails(FALIGN_INVALID, "9 is not a part",
        falign_transformation_apply(made, 9, READ_F64(b, 3, 4, 4), &number, &number));
  fails(FALIGN_INVALID, "transformation is NULL",
        falign_transformation_apply(NULL, FALIGN_M, READ_F64(b, 3, 4, 4), &number, &number));
  fails(FALIGN_SHAPE, "B is 3 x 4", falign_transformation_skew_ratio(made, READ_F64(b, 2, 4, 4), &number));
  fails(FALIGN_INVALID, "ratio is NULL", falign_transformation_skew_ratio(made, READ_F64(b, 3, 4, 4), NULL));
  fails(FALIGN_INVALID, "transformation is NULL",
        falign_transformation_skew_ratio(NULL, READ_F64(b, 3, 4, 4), &number));
  ck_assert_double_eq(number, 7);
  falign_transformation_destroy(made);
  falign_transformation_destroy(NULL);
}
END_TEST

/* Numbers so large that their products are not finite. */
START_TEST(products_beyond_double_precision) {
  if (!falign_has_feature("lapack")) skip_part(no_lapack);
  double m[] = {1e300, 0, 0, 1e300}, b[] = {1e300, 1}, values[2], angle, size;
  falign_transformation *made = new_of(m, 2);
  ok(falign_transformation_apply(made, FALIGN_M, READ_F64(b, 2, 1, 1), &angle, &size));
  ck_assert(isnan(angle) && !isfinite(size));
  if (eigenvalues(made, values)) near(values[1], 1e300, 1e285);
  falign_transformation_destroy(made);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, m_as_it_is_written);
  tcase_add_test(tests, parts);
  tcase_add_test(tests, the_skew_part_turns_by_90_degrees);
  tcase_add_test(tests, what_the_parts_do_to_b);
  tcase_add_test(tests, rotations);
  tcase_add_test(tests, matrices_that_keep_or_turn_round);
  tcase_add_test(tests, known_spectra);
  tcase_add_test(tests, small_spectra);
  tcase_add_test(tests, sums_of_eigenvalues);
  tcase_add_test(tests, constant_signals);
  tcase_add_test(tests, linear_terms_along_b);
  tcase_add_test(tests, expected_alignment);
  tcase_add_test(tests, strides);
  tcase_add_test(tests, any_steps);
  tcase_add_test(tests, steps_that_are_not_there);
  tcase_add_test(tests, c_that_was_not_kept);
  tcase_add_test(tests, bad_arguments);
  tcase_add_test(tests, products_beyond_double_precision);
}

int main(void) { return run_suite("transformation", add_tests); }
