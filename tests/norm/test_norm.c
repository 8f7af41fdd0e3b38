/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>

#include "learning.h"

static const size_t widths[] = {6, 5, 4, 3};
enum { D = 3, NEURONS = 5 + 4 + 3 };

static falign_network *drawn(falign_precision precision) {
  falign_network *network = new_network(precision, D, widths, true, TANH);
  ok(falign_network_draw(network, 1, 1, 1, 0));
  return network;
}

static falign_rule *drawn_fa(const falign_network *network) {
  falign_rule *rule = NULL;
  ok(falign_rule_create("fa", network, &rule));
  ok(falign_rule_draw(rule, 2, 1, 0));
  return rule;
}

static void get(const falign_network *network, uint32_t l, double out[30]) {
  ok(falign_network_get(network, FALIGN_W, l, WRITE_F64(out, widths[l], widths[l + 1], widths[l + 1])));
}

static bool same_biases(const falign_network *a, const falign_network *b) {
  double of_a[5], of_b[5];
  for (uint32_t l = 1; l <= D; l++) {
    ok(falign_network_get(a, FALIGN_BIAS, l, WRITE_F64(of_a, 1, widths[l], widths[l])));
    ok(falign_network_get(b, FALIGN_BIAS, l, WRITE_F64(of_b, 1, widths[l], widths[l])));
    if (memcmp(of_a, of_b, widths[l] * sizeof *of_a) != 0) return false;
  }
  return true;
}

/* Each number is scaled by gamma / norm: the sum of at most 6 squares, the root, the quotient and the product round
 * 6 + 3 times at most, by half an epsilon of double precision each, and once to the network's. */
static double rounding(falign_precision precision) { return 5 * epsilon(FALIGN_F64) + epsilon(precision); }

/* ---- Columns (eq. 13) ---- */

/* gamma of neuron j of layer l + 1, where `count` gammas were given. */
static double gamma_of(const double *gamma, size_t count, uint32_t l, size_t j) {
  if (count == 1) return gamma[0];
  if (count == D) return gamma[l];
  for (uint32_t before = 1; before <= l; before++) j += widths[before];
  return gamma[j];
}

START_TEST(columns) {
  const size_t counts[] = {1, D, NEURONS};
  falign_precision precision = _i & 1 ? FALIGN_F64 : FALIGN_F32;
  size_t count = counts[_i / 2];
  double gamma[NEURONS];
  for (size_t i = 0; i < NEURONS; i++) gamma[i] = 0.5 + (double)i;
  falign_network *network = drawn(precision), *before = drawn(precision);
  falign_norm *norm = NULL;
  ok(falign_norm_create("columns", gamma, count, &norm));
  memset(gamma, 0, sizeof gamma); /* the numbers were copied */
  ck_assert_str_eq(falign_norm_name(norm), "columns");
  ok(falign_norm_apply(norm, network, NULL));
  for (size_t i = 0; i < NEURONS; i++) gamma[i] = 0.5 + (double)i;
  for (uint32_t l = 0; l < D; l++) {
    double w[30], old[30];
    size_t rows = widths[l], cols = widths[l + 1];
    get(network, l, w);
    get(before, l, old);
    for (size_t j = 0; j < cols; j++) {
      double want = gamma_of(gamma, count, l, j), square = 0, was = 0;
      for (size_t i = 0; i < rows; i++) square += w[i * cols + j] * w[i * cols + j];
      for (size_t i = 0; i < rows; i++) was += old[i * cols + j] * old[i * cols + j];
      near(sqrt(square), want, want * rounding(precision));
      for (size_t i = 0; i < rows; i++)
        near(w[i * cols + j], old[i * cols + j] * want / sqrt(was), want * rounding(precision));
    }
  }
  ck_assert(same_biases(network, before));
  falign_norm_destroy(norm);
  falign_network_destroy(network);
  falign_network_destroy(before);
}
END_TEST

/* Once normalized, a second time changes next to nothing. */
START_TEST(columns_twice) {
  falign_network *network = drawn(FALIGN_F64);
  falign_norm *norm = NULL;
  const double one = 1;
  double first[30], second[30];
  ok(falign_norm_create("columns", &one, 1, &norm));
  ok(falign_norm_apply(norm, network, NULL));
  get(network, 0, first);
  ok(falign_norm_apply(norm, network, NULL));
  get(network, 0, second);
  for (size_t i = 0; i < 30; i++) near(first[i], second[i], rounding(FALIGN_F64));
  falign_norm_destroy(norm);
  falign_network_destroy(network);
}
END_TEST

/* ---- Whole matrices ---- */

START_TEST(matrices) {
  falign_precision precision = _i & 1 ? FALIGN_F64 : FALIGN_F32;
  const double gamma[] = {2, 0.5, 7};
  falign_network *network = drawn(precision), *before = drawn(precision);
  falign_norm *norm = NULL;
  ok(falign_norm_create("matrices", gamma, _i & 2 ? D : 1, &norm));
  ck_assert_str_eq(falign_norm_name(norm), "matrices");
  ok(falign_norm_apply(norm, network, NULL));
  for (uint32_t l = 0; l < D; l++) {
    double w[30], old[30], square = 0, was = 0, want = _i & 2 ? gamma[l] : gamma[0];
    size_t count = widths[l] * widths[l + 1];
    get(network, l, w);
    get(before, l, old);
    for (size_t i = 0; i < count; i++) square += w[i] * w[i];
    for (size_t i = 0; i < count; i++) was += old[i] * old[i];
    double tolerance = want * (15 * epsilon(FALIGN_F64) + epsilon(precision)); /* as rounding(), for 30 squares */
    near(sqrt(square), want, tolerance);
    for (size_t i = 0; i < count; i++) near(w[i], old[i] * want / sqrt(was), tolerance);
  }
  ck_assert(same_biases(network, before));
  falign_norm_destroy(norm);
  falign_network_destroy(network);
  falign_network_destroy(before);
}
END_TEST

/* ---- None, and B[l] kept at the norm of W[l] ---- */

START_TEST(none) {
  falign_network *network = drawn(FALIGN_F64), *before = drawn(FALIGN_F64);
  falign_norm *norm = NULL;
  ok(falign_norm_create("none", NULL, 0, &norm));
  ck_assert_str_eq(falign_norm_name(norm), "none");
  ok(falign_norm_apply(norm, network, NULL));
  ck_assert(same_parameters(network, before));
  falign_norm_destroy(norm);
  falign_norm_destroy(NULL);
  falign_network_destroy(network);
  falign_network_destroy(before);
}
END_TEST

static void check_match(const falign_network *network, const falign_rule *rule, falign_precision precision) {
  for (uint32_t l = 1; l < D; l++) {
    double w[30], b[30];
    get(network, l, w);
    ok(falign_rule_get(rule, FALIGN_FEEDBACK, l, WRITE_F64(b, widths[l + 1], widths[l], widths[l])));
    double goal = falign_frobenius(READ_F64(w, widths[l], widths[l + 1], widths[l + 1]));
    near(falign_frobenius(READ_F64(b, widths[l + 1], widths[l], widths[l])), goal,
         goal * (20 * epsilon(FALIGN_F64) + epsilon(precision))); /* two norms of at most 20 squares */
  }
}

START_TEST(feedback_follows) {
  falign_precision precision = _i & 1 ? FALIGN_F64 : FALIGN_F32;
  const double gamma = 3;
  falign_network *network = drawn(precision);
  falign_rule *rule = drawn_fa(network), *before = drawn_fa(network);
  falign_norm *norm = NULL;
  if (_i & 2) {
    ok(falign_norm_create("columns", &gamma, 1, &norm));
  } else {
    ok(falign_norm_create("none", NULL, 0, &norm));
  }
  ok(falign_norm_match_feedback(norm, 1));
  ok(falign_norm_apply(norm, network, rule));
  check_match(network, rule, precision);
  for (uint32_t l = 1; l < D; l++) { /* the direction stays */
    double b[30], old[30], cosine;
    size_t rows = widths[l + 1], cols = widths[l];
    ok(falign_rule_get(rule, FALIGN_FEEDBACK, l, WRITE_F64(b, rows, cols, cols)));
    ok(falign_rule_get(before, FALIGN_FEEDBACK, l, WRITE_F64(old, rows, cols, cols)));
    ok(falign_angle(READ_F64(b, rows, cols, cols), READ_F64(old, rows, cols, cols), NULL, &cosine, NULL));
    near(cosine, 1, 4 * epsilon(precision)); /* each number is off by an epsilon of itself */
  }
  ok(falign_norm_match_feedback(norm, 0));
  for (uint32_t l = 1; l < D; l++) {
    double zero[30] = {0};
    ok(falign_rule_set(rule, FALIGN_FEEDBACK, l, READ_F64(zero, widths[l + 1], widths[l], widths[l])));
  }
  ok(falign_norm_apply(norm, network, rule)); /* off again: B = 0 is no matter */
  ok(falign_norm_apply(norm, network, NULL));
  falign_norm_destroy(norm);
  falign_rule_destroy(rule);
  falign_rule_destroy(before);
  falign_network_destroy(network);
}
END_TEST

START_TEST(feedback_that_cannot_follow) {
  falign_network *network = drawn(FALIGN_F64), *narrow = drawn(FALIGN_F32), *before = drawn(FALIGN_F64);
  falign_rule *bp = NULL, *dfa = NULL, *fa = drawn_fa(network), *other = drawn_fa(narrow);
  falign_norm *norm = NULL;
  ok(falign_rule_create("bp", network, &bp));
  ok(falign_rule_create("dfa", network, &dfa));
  const double gamma = 3;
  ok(falign_norm_create("columns", &gamma, 1, &norm));
  ok(falign_norm_match_feedback(norm, 1));
  fails(FALIGN_UNSUPPORTED, "rule bp has no B[l]", falign_norm_apply(norm, network, bp));
  fails(FALIGN_UNSUPPORTED, "rule dfa has no B[l]", falign_norm_apply(norm, network, dfa));
  fails(FALIGN_INVALID, "rule is NULL", falign_norm_apply(norm, network, NULL));
  fails(FALIGN_SHAPE, "rule fa was made for f32, the network is in f64", falign_norm_apply(norm, network, other));
  ck_assert(same_parameters(network, before));
  double zero[20] = {0};
  ok(falign_rule_set(fa, FALIGN_FEEDBACK, 2, READ_F64(zero, 3, 4, 4)));
  fails(FALIGN_INVALID, "B[2] is zero", falign_norm_apply(norm, network, fa));
  double w[12], was[12]; /* its layer is left as it was */
  ok(falign_network_get(network, FALIGN_W, 2, WRITE_F64(w, 4, 3, 3)));
  ok(falign_network_get(before, FALIGN_W, 2, WRITE_F64(was, 4, 3, 3)));
  ck_assert_mem_eq(w, was, sizeof w);
  falign_norm_destroy(norm);
  falign_rule_destroy(bp);
  falign_rule_destroy(dfa);
  falign_rule_destroy(fa);
  falign_rule_destroy(other);
  falign_network_destroy(network);
  falign_network_destroy(narrow);
  falign_network_destroy(before);
}
END_TEST

/* ---- In training ---- */

START_TEST(after_every_step) {
  falign_precision precision = _i & 1 ? FALIGN_F64 : FALIGN_F32;
  enum { ROWS = 9 };
  const double gamma = 1.5;
  double x[ROWS * 6], y[ROWS * 3];
  gaussian(x, ROWS * 6, 1, 1);
  gaussian(y, ROWS * 3, 1, 2);
  learner by = new_learner(new_network(precision, D, widths, true, TANH), "fa", 1, 1, 0.05);
  falign_norm *norm = NULL;
  ok(falign_norm_create("columns", &gamma, 1, &norm));
  ok(falign_norm_match_feedback(norm, 1));
  falign_network *before = drawn(precision);
  ok(falign_trainer_set_norm(by.trainer, norm));
  falign_norm_destroy(norm);                      /* the trainer keeps it */
  ck_assert(same_parameters(by.network, before)); /* not applied now */
  double b_at_start[5], b_after[5];
  ok(falign_network_get(by.network, FALIGN_BIAS, 1, WRITE_F64(b_at_start, 1, 5, 5)));
  for (int k = 0; k < 5; k++) {
    ok(step(&by, x, ROWS, y));
    for (uint32_t l = 0; l < D; l++) {
      double w[30];
      size_t rows = widths[l], cols = widths[l + 1];
      get(by.network, l, w);
      for (size_t j = 0; j < cols; j++)
        near(falign_frobenius(READ_F64(w + j, rows, 1, cols)), gamma, gamma * rounding(precision));
    }
    check_match(by.network, by.rule, precision);
    if (k > 0 || precision == FALIGN_F32) continue;
    const double *db = seen(&by, FALIGN_DB, 1, 1, 5); /* biases get their update and nothing else */
    ok(falign_network_get(by.network, FALIGN_BIAS, 1, WRITE_F64(b_after, 1, 5, 5)));
    for (size_t j = 0; j < 5; j++) ck_assert(b_after[j] == b_at_start[j] + db[j]);
  }
  ok(falign_trainer_set_norm(by.trainer, NULL));
  ok(step(&by, x, ROWS, y));
  double w[30];
  get(by.network, 2, w);
  ck_assert(fabs(falign_frobenius(READ_F64(w, 4, 1, 3)) - gamma) > 1e-5);
  free_learner(&by);
  falign_network_destroy(before);
}
END_TEST

/* ---- What cannot be normalized ---- */

START_TEST(wrong_gammas) {
  falign_network *network = drawn(FALIGN_F64), *before = drawn(FALIGN_F64);
  falign_norm *norm = NULL;
  double gamma[NEURONS + 1];
  for (size_t i = 0; i <= NEURONS; i++) gamma[i] = 1;
  const size_t counts[] = {2, D + 1, NEURONS - 1, NEURONS + 1};
  for (int i = 0; i < 4; i++) {
    char number[64];
    snprintf(number, sizeof number, " has %zu gammas; the network has 3 layers of weights, 12 neurons", counts[i]);
    ok(falign_norm_create("columns", gamma, counts[i], &norm));
    fails(FALIGN_SHAPE, number, falign_norm_apply(norm, network, NULL));
    falign_norm_destroy(norm);
    ok(falign_norm_create("matrices", gamma, counts[i], &norm));
    fails(FALIGN_SHAPE, number, falign_norm_apply(norm, network, NULL));
    falign_norm_destroy(norm);
  }
  ok(falign_norm_create("matrices", gamma, NEURONS, &norm)); /* neurons are for columns only */
  fails(FALIGN_SHAPE, "matrices normalization has 12 gammas", falign_norm_apply(norm, network, NULL));
  falign_norm_destroy(norm);
  ck_assert(same_parameters(network, before));
  norm = NULL;
  const double bad[] = {0, -1, (double)NAN, (double)INFINITY};
  for (int i = 0; i < 4; i++) {
    gamma[1] = bad[i];
    fails(FALIGN_INVALID, "gamma[1]", falign_norm_create("columns", gamma, D, &norm));
    fails(FALIGN_INVALID, "gamma[1]", falign_norm_create("matrices", gamma, D, &norm));
  }
  fails(FALIGN_INVALID, "no gamma was given", falign_norm_create("columns", gamma, 0, &norm));
  fails(FALIGN_INVALID, "no gamma was given", falign_norm_create("matrices", gamma, 0, &norm));
  fails(FALIGN_INVALID, "gamma is NULL", falign_norm_create("columns", NULL, 1, &norm));
  fails(FALIGN_INVALID, "out is NULL", falign_norm_create("columns", gamma, 1, NULL));
  fails(FALIGN_INVALID, "out is NULL", falign_norm_create("none", NULL, 0, NULL));
  ck_assert_ptr_null(norm);
  fails(FALIGN_INVALID, "norm is NULL", falign_norm_apply(NULL, network, NULL));
  ok(falign_norm_create("none", NULL, 0, &norm));
  fails(FALIGN_INVALID, "network is NULL", falign_norm_apply(norm, NULL, NULL));
  falign_norm_destroy(norm);
  falign_network_destroy(network);
  falign_network_destroy(before);
}
END_TEST

/* The column is named; its layer is as it was. */
START_TEST(zero_columns) {
  falign_precision precision = _i ? FALIGN_F64 : FALIGN_F32;
  falign_network *network = drawn(precision), *before = drawn(precision);
  const double gamma = 1, zeros[20] = {0};
  falign_norm *columns_norm = NULL, *matrices_norm = NULL;
  double w[30], old[30];
  get(network, 1, old);
  for (size_t i = 0; i < 5; i++) old[i * 4 + 2] = 0;
  ok(falign_network_set(network, FALIGN_W, 1, READ_F64(old, 5, 4, 4)));
  ok(falign_norm_create("columns", &gamma, 1, &columns_norm));
  ok(falign_norm_create("matrices", &gamma, 1, &matrices_norm));
  fails(FALIGN_INVALID, "column 2 of W[1]", falign_norm_apply(columns_norm, network, NULL));
  get(network, 1, w);
  ck_assert_mem_eq(w, old, 20 * sizeof *w);
  ok(falign_norm_apply(matrices_norm, network, NULL)); /* the matrix as a whole has a direction */
  ok(falign_network_set(network, FALIGN_W, 1, READ_F64(zeros, 5, 4, 4)));
  fails(FALIGN_INVALID, "W[1] is zero", falign_norm_apply(matrices_norm, network, NULL));
  ck_assert(same_biases(network, before));
  falign_norm_destroy(columns_norm);
  falign_norm_destroy(matrices_norm);
  falign_network_destroy(network);
  falign_network_destroy(before);
}
END_TEST

START_TEST(columns_that_are_not_finite) {
  const double bad[] = {(double)NAN, (double)INFINITY};
  const double gamma = 1;
  falign_norm *norm = NULL;
  for (int i = 0; i < 4; i++) {
    falign_network *network = drawn(FALIGN_F64);
    if (i & 1) {
      ok(falign_norm_create("columns", &gamma, 1, &norm));
    } else {
      ok(falign_norm_create("matrices", &gamma, 1, &norm));
    }
    network_f64(network, FALIGN_W, 2)[3 * 3 + 1] = bad[i / 2];
    fails(FALIGN_DIVERGED, i & 1 ? "column 1 of W[2] has norm" : "W[2] has norm",
          falign_norm_apply(norm, network, NULL));
    falign_norm_destroy(norm);
    falign_network_destroy(network);
  }
}
END_TEST

/* ---- Extremes ---- */

/* Columns whose squares underflow or overflow. */
START_TEST(extreme_columns) {
  const double sizes[] = {1e-200, 1e200, 1e-160, 1e155, 1e-300, 1e300};
  const double gamma = 1;
  falign_network *network = drawn(FALIGN_F64), *before = drawn(FALIGN_F64);
  double *w = network_f64(network, FALIGN_W, 0), *old = network_f64(before, FALIGN_W, 0);
  for (size_t i = 0; i < 30; i++) w[i] *= sizes[i % 5];
  network_f64(network, FALIGN_W, 1)[0] *= sizes[5];
  falign_norm *norm = NULL;
  ok(falign_norm_create("columns", &gamma, 1, &norm));
  ok(falign_norm_apply(norm, network, NULL));
  ok(falign_norm_apply(norm, before, NULL));
  for (size_t i = 0; i < 30; i++) near(w[i], old[i], 4 * rounding(FALIGN_F64)); /* scaled up, and down again */
  for (size_t j = 0; j < 4; j++)
    near(falign_frobenius(READ_F64(network_f64(network, FALIGN_W, 1) + j, 5, 1, 4)), 1, 4 * rounding(FALIGN_F64));
  falign_norm_destroy(norm);
  falign_network_destroy(network);
  falign_network_destroy(before);
}
END_TEST

/* What normalization leaves is finite, or it says why not: also where gamma / norm is beyond the largest number. */
START_TEST(beyond_the_largest_number) {
  for (int i = 0; i < 4; i++) {
    falign_precision precision = i < 2 ? FALIGN_F64 : FALIGN_F32;
    const double gamma = i < 2 ? 1 : 1e300; /* more than f32 can hold */
    falign_network *network = drawn(precision);
    falign_norm *norm = NULL;
    if (i & 1) {
      ok(falign_norm_create("columns", &gamma, 1, &norm));
    } else {
      ok(falign_norm_create("matrices", &gamma, 1, &norm));
    }
    double w[30], tiny[30];
    gaussian(tiny, 30, 1e-310, 1); /* subnormal */
    if (precision == FALIGN_F64) ok(falign_network_set(network, FALIGN_W, 0, READ_F64(tiny, 6, 5, 5)));
    falign_status status = falign_norm_apply(norm, network, NULL);
    get(network, 0, w);
    for (size_t j = 0; j < 30; j++)
      ck_assert_msg(isfinite(w[j]), "case %d: %s, but W[0] holds %g", i, falign_status_name(status), w[j]);
    falign_norm_destroy(norm);
    falign_network_destroy(network);
  }
}
END_TEST

/* ---- The caller's own ---- */

typedef struct {
  uint32_t layers[8];
  int calls, destroyed, fails_at;
} own_norm;

/* Clips to [-0.5, 0.5]. */
static falign_status clip(void *user, falign_network *network, uint32_t l) {
  own_norm *own = user;
  own->layers[own->calls++] = l;
  if (own->calls == own->fails_at) {
    falign_set_last_error("no clipping today");
    return FALIGN_INVALID;
  }
  double *w = network_f64(network, FALIGN_W, l);
  size_t count = falign_network_width(network, l) * falign_network_width(network, l + 1);
  for (size_t i = 0; i < count; i++) w[i] = fmax(-0.5, fmin(0.5, w[i]));
  return FALIGN_OK;
}

static void own_destroy(void *user) { ((own_norm *)user)->destroyed++; }

static const falign_norm_table clipping = {
    .size = sizeof clipping, .name = "clipping", .apply = clip, .destroy = own_destroy};

START_TEST(custom) {
  own_norm own = {0};
  falign_norm *norm = NULL;
  double x[4 * 6], y[4 * 3], w[30];
  gaussian(x, 24, 1, 1);
  gaussian(y, 12, 1, 2);
  ok(falign_norm_create_custom(&clipping, &own, &norm));
  ck_assert_str_eq(falign_norm_name(norm), "clipping");
  ok(falign_norm_match_feedback(norm, 1));
  learner by = new_learner(new_network(FALIGN_F64, D, widths, true, TANH), "fa", 1, 1, 0.05);
  ok(falign_norm_apply(norm, by.network, by.rule));
  ck_assert_int_eq(own.calls, D);
  ok(falign_trainer_set_norm(by.trainer, norm));
  falign_norm_destroy(norm);
  ok(step(&by, x, 4, y));
  ck_assert_int_eq(own.calls, 2 * D);
  for (uint32_t i = 0; i < 2 * D; i++) ck_assert_uint_eq(own.layers[i], i % D);
  for (uint32_t l = 0; l < D; l++) {
    get(by.network, l, w);
    ck_assert(largest(w, widths[l] * widths[l + 1]) <= 0.5);
  }
  check_match(by.network, by.rule, FALIGN_F64);
  own.calls = 0;
  own.fails_at = 2;
  fails(FALIGN_CALLBACK, "no clipping today", step(&by, x, 4, y));
  ck_assert_ptr_nonnull(strstr(falign_last_error(), "clipping"));
  ck_assert_ptr_nonnull(strstr(falign_last_error(), "W[1]"));
  free_learner(&by);
  ck_assert_int_eq(own.destroyed, 1);
}
END_TEST

START_TEST(incomplete_tables_are_refused) {
  own_norm own = {0};
  falign_norm *norm = NULL;
  falign_norm_table table = clipping;
  table.apply = NULL;
  fails(FALIGN_INVALID, "apply", falign_norm_create_custom(&table, &own, &norm));
#define create(table) falign_norm_create_custom(table, &own, &norm)
  bad_tables_are_refused(falign_norm_table, "normalization", clipping, create);
#undef create
  ck_assert_ptr_null(norm);
  ck_assert_int_eq(own.destroyed, 0);
}
END_TEST

START_TEST(no_place_for_a_custom_one) {
  own_norm own = {0};
  fails(FALIGN_INVALID, "out is NULL", falign_norm_create_custom(&clipping, &own, NULL));
  ck_assert_int_eq(own.destroyed, 0);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_loop_test(tests, columns, 0, 6);
  tcase_add_test(tests, columns_twice);
  tcase_add_loop_test(tests, matrices, 0, 4);
  tcase_add_test(tests, none);
  tcase_add_loop_test(tests, feedback_follows, 0, 4);
  tcase_add_test(tests, feedback_that_cannot_follow);
  tcase_add_loop_test(tests, after_every_step, 0, 2);
  tcase_add_test(tests, wrong_gammas);
  tcase_add_loop_test(tests, zero_columns, 0, 2);
  tcase_add_test(tests, columns_that_are_not_finite);
  tcase_add_test(tests, extreme_columns);
  tcase_add_test(tests, beyond_the_largest_number);
  tcase_add_test(tests, custom);
  tcase_add_test(tests, incomplete_tables_are_refused);
  tcase_add_test(tests, no_place_for_a_custom_one);
}

int main(void) { return run_suite("norm", add_tests); }
