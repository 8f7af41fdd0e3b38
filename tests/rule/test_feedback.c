/* SPDX-License-Identifier: Apache-2.0 */
#include "learning.h"

static const size_t widths[] = {3, 5, 4, 2};
enum { D = 3 };

static falign_rule *new_rule(const falign_network *network, const char *name) {
  falign_rule *rule = NULL;
  ok(falign_rule_create(name, network, &rule));
  return rule;
}

/* ---- Feedback matrices ---- */

START_TEST(names_and_kinds) {
  falign_network *network = new_network(FALIGN_F32, D, widths, true, TANH);
  const char *const names[] = {"bp", "fa", "dfa"};
  for (int32_t i = 0; i < 3; i++) {
    falign_rule *rule = new_rule(network, names[i]);
    ck_assert_str_eq(falign_rule_name(rule), names[i]);
    ck_assert_int_eq(falign_rule_feedback(rule), i);
    falign_rule_destroy(rule);
    fails(FALIGN_INVALID, "network is NULL", falign_rule_create(names[i], NULL, &rule));
    fails(FALIGN_INVALID, "out is NULL", falign_rule_create(names[i], network, NULL));
  }
  falign_rule *rule = NULL;
  fails(FALIGN_UNSUPPORTED, "there is no rule \"kp\"", falign_rule_create("kp", network, &rule));
  ck_assert_ptr_nonnull(strstr(falign_last_error(), "the library has bp, fa and dfa"));
  fails(FALIGN_UNSUPPORTED, "there is no rule \"\"", falign_rule_create("", network, &rule));
  fails(FALIGN_INVALID, "name is NULL", falign_rule_create(NULL, network, &rule));
  ck_assert_ptr_null(rule);
  falign_rule_destroy(NULL);
  falign_network_destroy(network);
}
END_TEST

START_TEST(feedback_starts_at_zero) {
  falign_network *network = new_network(FALIGN_F64, D, widths, true, TANH);
  for (int direct = 0; direct < 2; direct++) {
    falign_rule *rule = new_rule(network, direct ? "dfa" : "fa");
    double b[20];
    for (uint32_t l = 1; l < D; l++) {
      get_feedback(network, rule, l, b);
      ck_assert(largest(b, feedback_rows(network, rule, l) * widths[l]) == 0);
    }
    falign_rule_destroy(rule);
  }
  falign_network_destroy(network);
}
END_TEST

/* B[l] is n[l+1] x n[l], F[l] is n[d] x n[l]. */
START_TEST(shapes_of_feedback) {
  falign_network *network = new_network(FALIGN_F64, D, widths, true, TANH);
  falign_rule *fa = new_rule(network, "fa"), *dfa = new_rule(network, "dfa"), *bp = new_rule(network, "bp");
  double b[20] = {0};
  float b_f32[20] = {0};
  ok(falign_rule_set(fa, FALIGN_FEEDBACK, 1, READ_F64(b, 4, 5, 5)));
  ok(falign_rule_set(dfa, FALIGN_FEEDBACK, 1, READ_F64(b, 2, 5, 5)));
  fails(FALIGN_SHAPE, "B[1] is 4 x 5, got 2 x 5", falign_rule_set(fa, FALIGN_FEEDBACK, 1, READ_F64(b, 2, 5, 5)));
  fails(FALIGN_SHAPE, "F[1] is 2 x 5, got 4 x 5", falign_rule_set(dfa, FALIGN_FEEDBACK, 1, READ_F64(b, 4, 5, 5)));
  fails(FALIGN_SHAPE, "B[2] is 2 x 4, got 4 x 2", falign_rule_set(fa, FALIGN_FEEDBACK, 2, READ_F32(b_f32, 4, 2, 2)));
  fails(FALIGN_SHAPE, "F[2] is 2 x 4, got 2 x 5", falign_rule_get(dfa, FALIGN_FEEDBACK, 2, WRITE_F64(b, 2, 5, 5)));
  fails(FALIGN_SHAPE, "F[2] is 2 x 4, got 1 x 4", falign_rule_get(dfa, FALIGN_FEEDBACK, 2, WRITE_F32(b_f32, 1, 4, 4)));
  fails(FALIGN_INVALID, "B[1] is 4 x 5 with invalid steps: 4 from row to row, 1 from column to column",
        falign_rule_set(fa, FALIGN_FEEDBACK, 1, READ_F64(b, 4, 5, 4)));
  fails(FALIGN_INVALID, "B[1] is 4 x 5 with invalid steps: 4 from row to row, 1 from column to column",
        falign_rule_get(fa, FALIGN_FEEDBACK, 1, WRITE_F64(b, 4, 5, 4)));
  fails(FALIGN_INVALID, "B[1] is NULL", falign_rule_set(fa, FALIGN_FEEDBACK, 1, NULL));
  fails(FALIGN_INVALID, "B[1] is NULL", falign_rule_get(fa, FALIGN_FEEDBACK, 1, NULL));
  fails(FALIGN_INVALID, "B[1] is NULL", falign_rule_set(fa, FALIGN_FEEDBACK, 1, READ_F64(NULL, 4, 5, 5)));
  fails(FALIGN_INVALID, "B[0]", falign_rule_set(fa, FALIGN_FEEDBACK, 0, READ_F64(b, 5, 3, 3)));
  fails(FALIGN_INVALID, "1 to 2", falign_rule_get(fa, FALIGN_FEEDBACK, 3, WRITE_F64(b, 2, 2, 2)));
  fails(FALIGN_INVALID, "F[3]", falign_rule_get(dfa, FALIGN_FEEDBACK, 3, WRITE_F32(b_f32, 2, 2, 2)));
  fails(FALIGN_UNSUPPORTED, "rule bp has no feedback matrices",
        falign_rule_set(bp, FALIGN_FEEDBACK, 1, READ_F64(b, 4, 5, 5)));
  fails(FALIGN_UNSUPPORTED, "rule bp has no feedback matrices",
        falign_rule_get(bp, FALIGN_FEEDBACK, 1, WRITE_F32(b_f32, 4, 5, 5)));
  fails(FALIGN_INVALID, "rule is NULL", falign_rule_set(NULL, FALIGN_FEEDBACK, 1, READ_F64(b, 4, 5, 5)));
  const falign_quantity others[] = {0, FALIGN_W, FALIGN_BIAS, FALIGN_Q, 23};
  falign_view view;
  falign_matrix matrix;
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    char text[80];
    snprintf(text, sizeof text, "a rule has no quantity %d: want FALIGN_FEEDBACK (4)", others[i]);
    fails(FALIGN_INVALID, text, falign_rule_set(fa, others[i], 1, READ_F64(b, 4, 5, 5)));
    fails(FALIGN_INVALID, text, falign_rule_get(fa, others[i], 1, WRITE_F64(b, 4, 5, 5)));
    fails(FALIGN_INVALID, text, falign_rule_view(fa, others[i], 1, &view));
    fails(FALIGN_INVALID, text, falign_rule_edit(fa, others[i], 1, &matrix));
  }
  ok(falign_rule_draw(bp, 1, 1, 0)); /* does nothing */
  ok(falign_rule_normalize_columns(bp, 1));
  falign_rule_destroy(fa);
  falign_rule_destroy(dfa);
  falign_rule_destroy(bp);
  falign_network_destroy(network);
}
END_TEST

START_TEST(feedback_round_trip) {
  falign_precision precision = _i & 1 ? FALIGN_F64 : FALIGN_F32;
  falign_network *network = new_network(precision, D, widths, true, TANH);
  falign_rule *rule = new_rule(network, _i & 2 ? "fa" : "dfa");
  enum { STRIDE = 7 };
  double in[4 * STRIDE], out[4 * STRIDE];
  float in_f32[4 * STRIDE], out_f32[4 * STRIDE];
  gaussian(in, 4 * STRIDE, 1, 1);
  to_f32(in, 4 * STRIDE, in_f32);
  for (uint32_t l = 1; l < D; l++) {
    size_t rows = feedback_rows(network, rule, l), cols = widths[l];
    for (int from_f32 = 0; from_f32 < 2; from_f32++) {
      for (size_t i = 0; i < 4 * STRIDE; i++) {
        out[i] = 42;
        out_f32[i] = 42;
      }
      if (from_f32) {
        ok(falign_rule_set(rule, FALIGN_FEEDBACK, l, READ_F32(in_f32, rows, cols, STRIDE)));
      } else {
        ok(falign_rule_set(rule, FALIGN_FEEDBACK, l, READ_F64(in, rows, cols, STRIDE)));
      }
      ok(falign_rule_get(rule, FALIGN_FEEDBACK, l, WRITE_F64(out, rows, cols, STRIDE)));
      ok(falign_rule_get(rule, FALIGN_FEEDBACK, l, WRITE_F32(out_f32, rows, cols, STRIDE)));
      for (size_t i = 0; i < 4 * STRIDE; i++) {
        bool inside = i / STRIDE < rows && i % STRIDE < cols;
        double want = from_f32 || precision == FALIGN_F32 ? (double)in_f32[i] : in[i];
        ck_assert(out[i] == (inside ? want : 42));
        ck_assert(out_f32[i] == (inside ? in_f32[i] : 42));
      }
    }
  }
  falign_rule_destroy(rule);
  falign_network_destroy(network);
}
END_TEST

/* Feedback comes from and goes to matrices of any layout and precision. */
START_TEST(any_steps) {
  falign_network *network = new_network(_i ? FALIGN_F64 : FALIGN_F32, D, widths, true, TANH);
  falign_rule *rule = new_rule(network, "fa");
  static layout_room room;
  double in[20], got[20];
  gaussian(in, 20, 1, 1);
  round_as(FALIGN_F32, in, 20);
  for (int choice = 0; choice < LAYOUTS * 2; choice++) {
    falign_precision precision = choice & 1 ? FALIGN_F64 : FALIGN_F32;
    falign_view from = lay_out_copy(&room, choice / 2, precision, 4, 5, in);
    ok(falign_rule_draw(rule, 1, 1, 0));
    ok(falign_rule_set(rule, FALIGN_FEEDBACK, 1, &from));
    get_feedback(network, rule, 1, got);
    ck_assert_mem_eq(got, in, sizeof in);
    falign_matrix to = lay_out(&room, choice / 2, precision, 4, 5, 42);
    ok(falign_rule_get(rule, FALIGN_FEEDBACK, 1, &to));
    ck_assert(holds(&room, &to, 42, in));
  }
  falign_rule_destroy(rule);
  falign_network_destroy(network);
}
END_TEST

START_TEST(feedback_in_place) {
  falign_precision precision = _i ? FALIGN_F64 : FALIGN_F32;
  falign_network *network = new_network(precision, D, widths, true, TANH);
  falign_rule *fa = new_rule(network, "fa"), *bp = new_rule(network, "bp");
  double b[20];
  for (uint32_t l = 1; l < D; l++) {
    falign_view view;
    falign_matrix matrix;
    ok(falign_rule_view(fa, FALIGN_FEEDBACK, l, &view));
    ok(falign_rule_edit(fa, FALIGN_FEEDBACK, l, &matrix));
    ck_assert_ptr_eq(view.data, matrix.data);
    ck_assert(view.rows == widths[l + 1] && view.cols == widths[l] && view.precision == precision);
    ck_assert(view.row_step == (ptrdiff_t)widths[l] && view.col_step == 1);
    ck_assert(matrix.rows == view.rows && matrix.cols == view.cols && matrix.precision == precision);
    ck_assert(matrix.row_step == view.row_step && matrix.col_step == 1);
    set_element(&matrix, 1, 2, 42);
    get_feedback(network, fa, l, b);
    ck_assert(b[widths[l] + 2] == 42);
  }
  falign_view view;
  falign_matrix matrix;
  fails(FALIGN_INVALID, "there is no B[0]: l goes from 1 to 2", falign_rule_view(fa, FALIGN_FEEDBACK, 0, &view));
  fails(FALIGN_INVALID, "there is no B[3]: l goes from 1 to 2", falign_rule_edit(fa, FALIGN_FEEDBACK, 3, &matrix));
  fails(FALIGN_UNSUPPORTED, "rule bp has no feedback matrices", falign_rule_view(bp, FALIGN_FEEDBACK, 1, &view));
  fails(FALIGN_UNSUPPORTED, "rule bp has no feedback matrices", falign_rule_edit(bp, FALIGN_FEEDBACK, 1, &matrix));
  fails(FALIGN_INVALID, "rule is NULL", falign_rule_view(NULL, FALIGN_FEEDBACK, 1, &view));
  fails(FALIGN_INVALID, "rule is NULL", falign_rule_edit(NULL, FALIGN_FEEDBACK, 1, &matrix));
  fails(FALIGN_INVALID, "out is NULL", falign_rule_view(fa, FALIGN_FEEDBACK, 1, NULL));
  fails(FALIGN_INVALID, "out is NULL", falign_rule_edit(fa, FALIGN_FEEDBACK, 1, NULL));
  falign_rule_destroy(fa);
  falign_rule_destroy(bp);
  falign_network_destroy(network);
}
END_TEST

/* The streams that the header names: B and F differ from each other and from W; f32 holds the rounded numbers. */
START_TEST(draws_are_the_named_streams) {
  for (int direct = 0; direct < 2; direct++) {
    for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
      falign_network *network = new_network(precision, D, widths, true, TANH);
      falign_rule *rule = new_rule(network, direct ? "dfa" : "fa");
      ok(falign_rule_draw(rule, 0.3, 11, 2));
      for (uint32_t l = 1; l < D; l++) {
        falign_rng *rng = NULL;
        double want[20], got[20];
        size_t count = feedback_rows(network, rule, l) * widths[l];
        ok(falign_rng_create(11, direct ? FALIGN_RNG_F : FALIGN_RNG_B, l, 2, &rng));
        draw_normal(rng, 0.3, WRITE_F64(want, 1, count, count));
        falign_rng_destroy(rng);
        round_as(precision, want, count);
        get_feedback(network, rule, l, got);
        ck_assert_mem_eq(got, want, count * sizeof *got);
      }
      fails(FALIGN_INVALID, "sd is a standard deviation from 0 to", falign_rule_draw(rule, -1, 1, 0));
      fails(FALIGN_INVALID, "sd is a standard deviation from 0 to", falign_rule_draw(rule, (double)NAN, 1, 0));
      falign_rule_destroy(rule);
      falign_network_destroy(network);
    }
  }
  fails(FALIGN_INVALID, "rule is NULL", falign_rule_draw(NULL, 1, 1, 0));
}
END_TEST

START_TEST(feedback_that_is_not_finite) {
  falign_network *network = new_network(FALIGN_F32, D, widths, true, TANH);
  falign_rule *rule = new_rule(network, "fa"), *same = new_rule(network, "fa");
  ok(falign_rule_draw(rule, 1, 1, 0));
  ok(falign_rule_draw(same, 1, 1, 0));
  const double bad[] = {(double)NAN, (double)INFINITY, 1e39};
  for (int i = 0; i < 3; i++) {
    double b[20] = {0};
    float b_f32[20] = {0};
    b[2 * 5 + 3] = bad[i];
    b_f32[2 * 5 + 3] = (float)NAN;
    fails(FALIGN_INVALID, "B[1] has", falign_rule_set(rule, FALIGN_FEEDBACK, 1, READ_F64(b, 4, 5, 5)));
    ck_assert_ptr_nonnull(strstr(falign_last_error(), "row 2, column 3"));
    fails(FALIGN_INVALID, "row 2, column 3", falign_rule_set(rule, FALIGN_FEEDBACK, 1, READ_F32(b_f32, 4, 5, 5)));
  }
  ck_assert(same_feedback(network, rule, same));
  falign_rule_destroy(rule);
  falign_rule_destroy(same);
  falign_network_destroy(network);
}
END_TEST

/* Columns get norm gamma: scaling rounds each number twice, so the norm is off by at most two epsilons; the direction
 * stays. */
START_TEST(normalized_columns) {
  falign_precision precision = _i & 1 ? FALIGN_F64 : FALIGN_F32;
  falign_network *network = new_network(precision, D, widths, true, TANH);
  falign_rule *rule = new_rule(network, _i & 2 ? "fa" : "dfa");
  ok(falign_rule_draw(rule, 3, 1, 0));
  double before[D][20], after[20];
  for (uint32_t l = 1; l < D; l++) get_feedback(network, rule, l, before[l]);
  ok(falign_rule_normalize_columns(rule, 2.5));
  for (uint32_t l = 1; l < D; l++) {
    size_t rows = feedback_rows(network, rule, l), cols = widths[l];
    get_feedback(network, rule, l, after);
    for (size_t j = 0; j < cols; j++) {
      double old = falign_frobenius(READ_F64(before[l] + j, rows, 1, cols));
      near(falign_frobenius(READ_F64(after + j, rows, 1, cols)), 2.5, 2.5 * 2 * epsilon(precision));
      for (size_t i = 0; i < rows; i++)
        near(after[i * cols + j], before[l][i * cols + j] * 2.5 / old, 2.5 * 2 * epsilon(precision));
    }
  }
  falign_rule_destroy(rule);
  falign_network_destroy(network);
}
END_TEST

/* The last column of the last matrix is zero: the first matrix is not changed either. */
START_TEST(zero_columns_are_named) {
  falign_network *network = new_network(FALIGN_F64, D, widths, true, TANH);
  for (int direct = 0; direct < 2; direct++) {
    falign_rule *rule = new_rule(network, direct ? "dfa" : "fa"), *same = new_rule(network, direct ? "dfa" : "fa");
    ok(falign_rule_draw(rule, 1, 1, 0));
    for (size_t i = 0; i < 2; i++) rule_f64(rule, 2)[i * 4 + 3] = 0;
    double b[20];
    for (uint32_t l = 1; l < D; l++) {
      get_feedback(network, rule, l, b);
      ok(falign_rule_set(same, FALIGN_FEEDBACK, l, READ_F64(b, feedback_rows(network, rule, l), widths[l], widths[l])));
    }
    fails(FALIGN_INVALID, direct ? "column 3 of F[2]" : "column 3 of B[2]", falign_rule_normalize_columns(rule, 1));
    ck_assert(same_feedback(network, rule, same));
    const double bad[] = {0, -1, (double)NAN, (double)INFINITY};
    for (int i = 0; i < 4; i++) fails(FALIGN_INVALID, "gamma", falign_rule_normalize_columns(same, bad[i]));
    ck_assert(same_feedback(network, rule, same));
    falign_rule_destroy(rule);
    falign_rule_destroy(same);
  }
  fails(FALIGN_INVALID, "rule is NULL", falign_rule_normalize_columns(NULL, 1));
  falign_network_destroy(network);
}
END_TEST

/* A rule lives without its network and fits any other of the same shape, but no other shape. */
START_TEST(rule_and_network_must_fit) {
  const size_t other[] = {3, 5, 3, 2};
  falign_network *network = new_network(FALIGN_F64, D, widths, true, TANH);
  falign_rule *rule = new_rule(network, "fa");
  falign_network_destroy(network);
  ok(falign_rule_draw(rule, 1, 1, 0));
  falign_trainer *trainer = NULL;
  falign_network *same = new_network(FALIGN_F64, D, widths, false, RELU);
  ok(falign_trainer_create(same, rule, 1, &trainer));
  falign_trainer_destroy(trainer);
  falign_network_destroy(same);
  falign_network *wrong = new_network(FALIGN_F64, D, other, true, TANH);
  fails(FALIGN_SHAPE, "for width 4 in layer 2, the network has 3", falign_trainer_create(wrong, rule, 1, &trainer));
  falign_network_destroy(wrong);
  wrong = new_network(FALIGN_F64, D - 1, widths, true, TANH);
  fails(FALIGN_SHAPE, "for 3 layers of weights, the network has 2", falign_trainer_create(wrong, rule, 1, &trainer));
  falign_network_destroy(wrong);
  wrong = new_network(FALIGN_F32, D, widths, true, TANH);
  fails(FALIGN_SHAPE, "rule fa was made for f64, the network is in f32",
        falign_trainer_create(wrong, rule, 1, &trainer));
  falign_network_destroy(wrong);
  falign_rule_destroy(rule);
}
END_TEST

/* ---- Saving and loading ---- */

typedef struct {
  int64_t secret;
  bool refuses;
} keeper;

static falign_status save_secret(void *user, falign_tensors *tensors) {
  keeper *own = user;
  if (own->refuses) {
    falign_set_last_error("cannot save");
    return FALIGN_CALLBACK;
  }
  return falign_tensors_add(tensors, "rule.secret", FALIGN_DTYPE_I64, NULL, 0, &own->secret);
}

static falign_status load_secret(void *user, const falign_tensors *tensors) {
  keeper *own = user;
  falign_tensor tensor;
  if (own->refuses) {
    falign_set_last_error("cannot load");
    return FALIGN_CALLBACK;
  }
  falign_status status = falign_tensors_view(tensors, "rule.secret", &tensor);
  if (status == FALIGN_OK) memcpy(&own->secret, tensor.data, sizeof own->secret);
  return status;
}

static const falign_rule_table keeping = {.size = sizeof keeping,
                                          .name = "keeping",
                                          .feedback = FALIGN_FEEDBACK_DIRECT,
                                          .signal = no_signal,
                                          .save = save_secret,
                                          .load = load_secret};

static falign_rule *new_keeping(keeper *own, const falign_network *network, uint64_t seed) {
  falign_rule *rule = NULL;
  ok(falign_rule_create_custom(&keeping, own, network, &rule));
  ok(falign_rule_draw(rule, 1, seed, 0));
  return rule;
}

START_TEST(custom_state) {
  falign_network *network = new_network(FALIGN_F64, D, widths, true, TANH);
  keeper one = {.secret = 41}, other = {.secret = 7};
  falign_rule *from = new_keeping(&one, network, 1), *to = new_keeping(&other, network, 2);
  falign_tensors *set = NULL, *again = NULL;
  ok(falign_tensors_create(&set));
  ok(falign_tensors_create(&again));
  ok(falign_rule_export(from, set));
  ck_assert(falign_tensors_has(set, "F.1") && falign_tensors_has(set, "F.2"));
  ck_assert_uint_eq(falign_tensors_count(set), 3);
  ok(falign_rule_import(to, set));
  ck_assert_int_eq(other.secret, 41);
  ck_assert(same_feedback(network, from, to));
  one.refuses = true;
  ck_assert_int_ne(falign_rule_export(from, again), FALIGN_OK);
  ck_assert_ptr_nonnull(strstr(falign_last_error(), "cannot save"));
  falign_tensors_destroy(set);
  falign_tensors_destroy(again);
  falign_rule_destroy(from);
  falign_rule_destroy(to);
  falign_network_destroy(network);
}
END_TEST

/* A rule that cannot load its state: the feedback matrices are as they were. */
START_TEST(failing_load_changes_nothing) {
  falign_network *network = new_network(FALIGN_F64, D, widths, true, TANH);
  keeper one = {.secret = 41}, other = {.secret = 7, .refuses = true}, third = {.secret = 0};
  falign_rule *from = new_keeping(&one, network, 1), *to = new_keeping(&other, network, 2);
  falign_rule *before = new_keeping(&third, network, 2);
  falign_tensors *set = NULL;
  ok(falign_tensors_create(&set));
  ok(falign_rule_export(from, set));
  ck_assert_int_ne(falign_rule_import(to, set), FALIGN_OK);
  ck_assert_ptr_nonnull(strstr(falign_last_error(), "cannot load"));
  ck_assert(same_feedback(network, to, before));
  falign_tensors_destroy(set);
  falign_rule_destroy(from);
  falign_rule_destroy(to);
  falign_rule_destroy(before);
  falign_network_destroy(network);
}
END_TEST

START_TEST(export_and_import) {
  for (int choice = 0; choice < 8; choice++) {
    falign_precision from = choice & 1 ? FALIGN_F64 : FALIGN_F32, to = choice & 2 ? FALIGN_F64 : FALIGN_F32;
    const char *name = choice & 4 ? "dfa" : "fa";
    falign_network *source = new_network(from, D, widths, true, TANH);
    falign_network *target = new_network(to, D, widths, true, TANH);
    falign_rule *a = new_rule(source, name), *b = new_rule(target, name);
    falign_tensors *set = NULL;
    ok(falign_rule_draw(a, 1, 1, 0));
    ok(falign_tensors_create(&set));
    ok(falign_rule_export(a, set));
    ck_assert_uint_eq(falign_tensors_count(set), 2);
    ck_assert(falign_tensors_has(set, choice & 4 ? "F.1" : "B.1") &&
              falign_tensors_has(set, choice & 4 ? "F.2" : "B.2"));
    ok(falign_rule_import(b, set));
    for (uint32_t l = 1; l < D; l++) {
      double want[20], got[20];
      get_feedback(source, a, l, want);
      get_feedback(target, b, l, got);
      round_as(to, want, feedback_rows(source, a, l) * widths[l]);
      ck_assert_mem_eq(got, want, feedback_rows(source, a, l) * widths[l] * sizeof *got);
    }
    falign_tensors_destroy(set);
    falign_rule_destroy(a);
    falign_rule_destroy(b);
    falign_network_destroy(source);
    falign_network_destroy(target);
  }
}
END_TEST

START_TEST(import_is_all_or_nothing) {
  falign_network *network = new_network(FALIGN_F32, D, widths, true, TANH);
  falign_rule *rule = new_rule(network, "fa"), *before = new_rule(network, "fa");
  const size_t fits[] = {4, 5}, right[] = {2, 4}, wrong[] = {4, 2};
  const double good[20] = {0}, large[8] = {0, 0, 1e39};
  ok(falign_rule_draw(rule, 1, 1, 0));
  ok(falign_rule_draw(before, 1, 1, 0));
  for (int i = 0; i < 2; i++) {
    falign_tensors *set = NULL;
    ok(falign_tensors_create(&set));
    ok(falign_tensors_add(set, "B.1", FALIGN_DTYPE_F64, fits, 2, good));
    ok(falign_tensors_add(set, "B.2", FALIGN_DTYPE_F64, i ? right : wrong, 2, i ? large : good));
    fails(i ? FALIGN_INVALID : FALIGN_SHAPE, "B.2", falign_rule_import(rule, set));
    ck_assert(same_feedback(network, rule, before));
    falign_tensors_destroy(set);
  }
  fails(FALIGN_INVALID, "tensors is NULL", falign_rule_import(rule, NULL));
  fails(FALIGN_INVALID, "tensors is NULL", falign_rule_export(rule, NULL));
  falign_rule_destroy(rule);
  falign_rule_destroy(before);
  falign_network_destroy(network);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, names_and_kinds);
  tcase_add_test(tests, feedback_starts_at_zero);
  tcase_add_test(tests, shapes_of_feedback);
  tcase_add_loop_test(tests, feedback_round_trip, 0, 4);
  tcase_add_loop_test(tests, any_steps, 0, 2);
  tcase_add_loop_test(tests, feedback_in_place, 0, 2);
  tcase_add_test(tests, draws_are_the_named_streams);
  tcase_add_test(tests, feedback_that_is_not_finite);
  tcase_add_loop_test(tests, normalized_columns, 0, 4);
  tcase_add_test(tests, zero_columns_are_named);
  tcase_add_test(tests, rule_and_network_must_fit);
  tcase_add_test(tests, custom_state);
  tcase_add_test(tests, failing_load_changes_nothing);
  tcase_add_test(tests, export_and_import);
  tcase_add_test(tests, import_is_all_or_nothing);
}

int main(void) { return run_suite("feedback", add_tests); }
