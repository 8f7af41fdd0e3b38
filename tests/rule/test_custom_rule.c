/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "learning.h"

static const size_t widths[] = {3, 5, 4, 2};
enum { D = 3 };

/* ---- Custom rules against plain loops ---- */

static falign_view view(const falign_trace *trace, falign_quantity quantity, uint32_t l) {
  falign_view found;
  ok(falign_trace_view(trace, quantity, l, &found));
  return found;
}

typedef struct {
  int destroyed, adapted;
  double decay;
} own_rule;

static void own_destroy(void *user) { ((own_rule *)user)->destroyed++; }

static double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

/* Sign symmetry: delta[l+1] sign(W[l])^T. */
static falign_status sign_symmetry(void *user, const falign_rule *rule, const falign_network *network,
                                   const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  (void)user;
  ck_assert_str_eq(falign_rule_name(rule), "sign-symmetry");
  falign_view delta = view(trace, FALIGN_DELTA, l + 1), w;
  ok(falign_network_view(network, FALIGN_W, l, &w));
  ck_assert(out->rows == delta.rows && out->cols == w.rows && out->precision == w.precision);
  ck_assert(out->row_step == (ptrdiff_t)out->cols && out->col_step == 1);
  for (size_t r = 0; r < delta.rows; r++) {
    for (size_t j = 0; j < w.rows; j++) {
      double sum = 0;
      for (size_t i = 0; i < w.cols; i++) sum += element(&delta, r, i) * sign(element(&w, j, i));
      set_element(out, r, j, sum);
    }
  }
  return FALIGN_OK;
}

/* Direct random target projection: Y* F[l]. */
static falign_status target_projection(void *user, const falign_rule *rule, const falign_network *network,
                                       const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  (void)user;
  falign_view target = view(trace, FALIGN_TARGET, falign_network_layers(network)), f;
  ok(falign_rule_view(rule, FALIGN_FEEDBACK, l, &f));
  for (size_t r = 0; r < target.rows; r++) {
    for (size_t j = 0; j < f.cols; j++) {
      double sum = 0;
      for (size_t i = 0; i < f.rows; i++) sum += element(&target, r, i) * element(&f, i, j);
      set_element(out, r, j, sum);
    }
  }
  return FALIGN_OK;
}

/* FA's own signal, through the public interface. */
static falign_status by_layer(void *user, const falign_rule *rule, const falign_network *network,
                              const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  (void)user, (void)network;
  falign_view delta = view(trace, FALIGN_DELTA, l + 1), b;
  ok(falign_rule_view(rule, FALIGN_FEEDBACK, l, &b));
  return falign_backend_gemm(falign_trace_step(trace)->backend, 1, &delta, &b, 0, out);
}

/* Kolen-Pollack: B[l] gets what W[l]^T gets, and both decay; without needs_activity. */
static falign_status kolen_pollack(void *user, falign_rule *rule, falign_network *network, const falign_trace *trace) {
  own_rule *own = user;
  own->adapted++;
  falign_view db = view(trace, FALIGN_DB, 1), activity;
  ck_assert(db.rows == 1 && db.cols == widths[1]);
  fails(FALIGN_UNSUPPORTED, "L[0]", falign_trace_view(trace, FALIGN_L, 0, &activity));
  for (uint32_t l = 0; l < falign_network_layers(network); l++) {
    size_t rows = falign_network_width(network, l), cols = falign_network_width(network, l + 1);
    double *w = network_f64(network, FALIGN_W, l), *b = l > 0 ? rule_f64(rule, l) : NULL;
    falign_view dw = view(trace, FALIGN_DW, l);
    for (size_t i = 0; i < rows; i++) {
      for (size_t j = 0; j < cols; j++) {
        w[i * cols + j] *= 1 - own->decay;
        if (b) b[j * rows + i] = (b[j * rows + i] + element(&dw, i, j)) * (1 - own->decay);
      }
    }
  }
  return FALIGN_OK;
}

static learner new_own_in(falign_precision precision, const falign_rule_table *table, own_rule *own, activation f) {
  learner made = {.network = new_network(precision, D, widths, true, f)};
  ok(falign_network_draw(made.network, 0.7, 0.7, 1, 0));
  ok(falign_rule_create_custom(table, own, made.network, &made.rule));
  ok(falign_rule_draw(made.rule, 0.7, 1, 0));
  ok(falign_trainer_create(made.network, made.rule, 0.02, &made.trainer));
  return made;
}

static learner new_own(const falign_rule_table *table, own_rule *own, activation f) {
  return new_own_in(FALIGN_F64, table, own, f);
}

enum { ROWS = 11, STEPS = 20 };
static double inputs[ROWS * 3], targets[ROWS * 2];
static plain model;

static void draw_data(void) {
  gaussian(inputs, ROWS * 3, 1, 1);
  gaussian(targets, ROWS * 2, 1, 2);
}

/* Rounding: in each of 20 steps every number goes through three products of at most 11 terms; twice that for the
 * growth of what went before. */
static double rounding_in(falign_precision precision) { return 20 * 3 * 11 * 2 * epsilon(precision); }
static const double rounding = 20 * 3 * 11 * 2 * 0x1p-52;

START_TEST(sign_symmetry_rule) {
  const falign_rule_table table = {
      .size = sizeof table, .name = "sign-symmetry", .concurrent = 1, .signal = sign_symmetry, .destroy = own_destroy};
  own_rule own = {0};
  falign_precision precision = _i ? FALIGN_F64 : FALIGN_F32;
  learner by = new_own_in(precision, &table, &own, TANH);
  draw_data();
  plain_read(&model, by.network, by.rule);
  for (int k = 0; k < STEPS; k++) {
    for (uint32_t l = 1; l < D; l++) { /* FA through the signs of W */
      for (size_t i = 0; i < widths[l]; i++) {
        for (size_t j = 0; j < widths[l + 1]; j++) model.back[l][j][i] = sign(model.w[l][i][j]);
      }
    }
    plain_step(&model, "fa", 0.02, inputs, ROWS, targets);
    ok(step(&by, inputs, ROWS, targets));
  }
  near(plain_distance(&model, by.network), 0, rounding_in(precision));
  free_learner(&by);
  ck_assert_int_eq(own.destroyed, 1);
}
END_TEST

START_TEST(target_projection_rule) {
  const falign_rule_table table = {.size = sizeof table,
                                   .name = "drtp",
                                   .feedback = FALIGN_FEEDBACK_DIRECT,
                                   .signal = target_projection,
                                   .destroy = own_destroy};
  own_rule own = {0};
  falign_precision precision = _i ? FALIGN_F64 : FALIGN_F32;
  learner by = new_own_in(precision, &table, &own, TANH);
  draw_data();
  plain_read(&model, by.network, by.rule);
  for (int k = 0; k < STEPS; k++) {
    plain_forward(&model, inputs, ROWS);
    plain_deltas(&model, "bp", ROWS, targets);
    for (uint32_t l = 1; l < D; l++) {
      for (size_t r = 0; r < ROWS; r++) {
        for (size_t j = 0; j < widths[l]; j++) {
          double sum = targets[r * 2] * model.back[l][0][j] + targets[r * 2 + 1] * model.back[l][1][j];
          model.delta[l][r][j] = sum * plain_df(model.f, model.z[l][r][j]);
        }
      }
    }
    plain_updates(&model, 0.02, ROWS);
    plain_apply(&model);
    ok(step(&by, inputs, ROWS, targets));
  }
  near(plain_distance(&model, by.network), 0, rounding_in(precision));
  free_learner(&by);
  ck_assert_int_eq(own.destroyed, 1);
}
END_TEST

static const falign_rule_table kp_table = {.size = sizeof kp_table,
                                           .name = "kolen-pollack",
                                           .feedback = FALIGN_FEEDBACK_LAYER,
                                           .concurrent = 1,
                                           .signal = by_layer,
                                           .adapt = kolen_pollack,
                                           .destroy = own_destroy};

START_TEST(kolen_pollack_rule) {
  own_rule own = {.decay = 0.1};
  learner by = new_own(&kp_table, &own, TANH);
  draw_data();
  plain_read(&model, by.network, by.rule);
  double b[20], at_first = 0, in_the_end = 0;
  for (int k = 0; k < STEPS; k++) {
    if (k == 0)
      ok(falign_angle(READ_F64(network_f64(by.network, FALIGN_W, 1), 5, 4, 4),
                      READ_F64_T(rule_f64(by.rule, 1), 4, 5, 5), &at_first, NULL, NULL));
    plain_step(&model, "fa", 0.02, inputs, ROWS, targets);
    for (uint32_t l = 0; l < D; l++) {
      for (size_t i = 0; i < widths[l]; i++) {
        for (size_t j = 0; j < widths[l + 1]; j++) {
          model.w[l][i][j] *= 0.9;
          model.back[l][j][i] = (model.back[l][j][i] + model.dw[l][i][j]) * 0.9;
        }
      }
    }
    ok(step(&by, inputs, ROWS, targets));
  }
  ck_assert_int_eq(own.adapted, STEPS);
  near(plain_distance(&model, by.network), 0, rounding);
  for (uint32_t l = 1; l < D; l++) {
    get_feedback(by.network, by.rule, l, b);
    for (size_t i = 0; i < widths[l + 1]; i++) {
      for (size_t j = 0; j < widths[l]; j++) near(b[i * widths[l] + j], model.back[l][i][j], rounding);
    }
  }
  ok(falign_angle(READ_F64(network_f64(by.network, FALIGN_W, 1), 5, 4, 4), READ_F64_T(rule_f64(by.rule, 1), 4, 5, 5),
                  &in_the_end, NULL, NULL));
  ck_assert(in_the_end < at_first - 10); /* what the rule is for: W and B^T grow alike */
  free_learner(&by);
  ck_assert_int_eq(own.destroyed, 1);
}
END_TEST

/* ---- What `adapt` sees ---- */

static falign_status see_activity(void *user, falign_rule *rule, falign_network *network, const falign_trace *trace) {
  (void)rule;
  ((own_rule *)user)->adapted++;
  const falign_quantity activity[] = {FALIGN_L, FALIGN_Z, FALIGN_DELTA};
  for (uint32_t l = 0; l <= D; l++) {
    for (size_t i = 0; i < (l > 0 ? 3 : 1); i++) {
      falign_view of = view(trace, activity[i], l);
      ck_assert(of.rows == ROWS && of.cols == widths[l]);
    }
  }
  falign_view dw = view(trace, FALIGN_DW, 0); /* the update was made already */
  const double *w = network_f64(network, FALIGN_W, 0);
  for (size_t i = 0; i < 15; i++) ck_assert(w[i] == model.w[0][i / 5][i % 5] + element(&dw, i / 5, i % 5));
  ck_assert_uint_eq(falign_trace_step(trace)->iteration, 0);
  ck_assert(falign_trace_step(trace)->eta == 0.02);
  ck_assert(falign_trace_step(trace)->loss > 0);
  return FALIGN_OK;
}

START_TEST(adapt_sees_activity) {
  falign_rule_table table = kp_table;
  table.adapt = see_activity;
  table.needs_activity = 1;
  own_rule own = {0};
  learner by = new_own(&table, &own, TANH);
  draw_data();
  plain_read(&model, by.network, by.rule);
  ok(step(&by, inputs, ROWS, targets));
  ck_assert_int_eq(own.adapted, 1);
  free_learner(&by);
}
END_TEST

/* ---- Threads and order ---- */

typedef struct {
  pthread_t thread;
  size_t next_row;
  uint32_t next_layer;
  int calls, strangers, disorder;
} watch;

/* Layers d-1..1 of one block, then the next block. */
static falign_status watching(void *user, const falign_rule *rule, const falign_network *network,
                              const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  watch *seen_so_far = user;
  seen_so_far->calls++;
  seen_so_far->strangers += !pthread_equal(pthread_self(), seen_so_far->thread);
  seen_so_far->disorder += falign_trace_step(trace)->first_row != seen_so_far->next_row || l != seen_so_far->next_layer;
  seen_so_far->disorder += !isnan(falign_trace_step(trace)->loss);
  seen_so_far->next_layer = l > 1 ? l - 1 : D - 1;
  if (l == 1) seen_so_far->next_row += falign_trace_step(trace)->rows;
  return no_signal(NULL, rule, network, trace, l, out);
}

START_TEST(called_in_order_on_one_thread) {
  enum { MANY = 1500 };
  static double x[MANY * 3], y[MANY * 2];
  gaussian(x, MANY * 3, 1, 1);
  gaussian(y, MANY * 2, 1, 2);
  const falign_rule_table table = {.size = sizeof table, .name = "watching", .signal = watching};
  learner by = {.network = new_network(FALIGN_F64, D, widths, true, TANH)};
  ok(falign_network_draw(by.network, 1, 1, 1, 0));
  watch watcher = {.thread = pthread_self()};
  ok(falign_rule_create_custom(&table, &watcher, by.network, &by.rule));
  ok(falign_trainer_create(by.network, by.rule, 0.001, &by.trainer));
  for (uint32_t threads = 1; threads <= 3; threads++) {
    falign_status status = falign_trainer_set_threads(by.trainer, threads);
    if (status == FALIGN_UNSUPPORTED) {
      skip_part(no_threads);
      break;
    }
    ok(status);
    watcher = (watch){.thread = pthread_self(), .next_layer = D - 1};
    ok(step(&by, x, MANY, y));
    ck_assert_uint_eq(watcher.next_row, MANY);
    ck_assert_int_gt(watcher.calls, D - 1); /* several blocks */
    ck_assert_int_eq(watcher.strangers, 0);
    ck_assert_int_eq(watcher.disorder, 0);
  }
  free_learner(&by);
}
END_TEST

/* ---- Failing callbacks ---- */

static falign_status failing_signal(void *user, const falign_rule *rule, const falign_network *network,
                                    const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  own_rule *own = user;
  if (l == 1 && own->adapted == 0) {
    falign_set_last_error("no signal today");
    return FALIGN_IO;
  }
  return by_layer(user, rule, network, trace, l, out);
}

static falign_status failing_adapt(void *user, falign_rule *rule, falign_network *network, const falign_trace *trace) {
  const own_rule *own = user;
  (void)rule, (void)network, (void)trace;
  if (own->adapted == 0) falign_set_last_error("will not adapt");
  return FALIGN_UNSUPPORTED;
}

START_TEST(failing_signal_ends_the_step) {
  for (int32_t choice = 0; choice < 4; choice++) {
    falign_rule_table table = {.size = sizeof table,
                               .name = "stubborn",
                               .feedback = FALIGN_FEEDBACK_LAYER,
                               .concurrent = choice & 1,
                               .signal = failing_signal,
                               .destroy = own_destroy};
    own_rule own = {0};
    learner by = new_own(&table, &own, TANH);
    falign_network *same = new_network(FALIGN_F64, D, widths, true, TANH);
    ok(falign_network_draw(same, 0.7, 0.7, 1, 0));
    if (choice & 2 && falign_trainer_set_threads(by.trainer, 2) == FALIGN_UNSUPPORTED) continue;
    draw_data();
    fails(FALIGN_CALLBACK, "no signal today", step(&by, inputs, ROWS, targets));
    ck_assert_ptr_nonnull(strstr(falign_last_error(), "stubborn"));
    ck_assert(same_parameters(by.network, same));
    ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 0);
    ck_assert_ptr_null(falign_trainer_trace(by.trainer));
    own.adapted = 1; /* and it can go on */
    ok(step(&by, inputs, ROWS, targets));
    ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 1);
    free_learner(&by);
    falign_network_destroy(same);
    ck_assert_int_eq(own.destroyed, 1);
  }
}
END_TEST

/* Writes all but one number, for which it leaves what was there, or writes 1/0. */
static falign_status careless_signal(void *user, const falign_rule *rule, const falign_network *network,
                                     const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  const own_rule *own = user;
  (void)rule, (void)network;
  for (size_t i = 0; i < out->rows; i++) {
    for (size_t j = 0; j < out->cols; j++) {
      bool skipped = l == 2 && falign_trace_step(trace)->first_row == 0 && i == 2 && j == 1;
      if (!skipped) set_element(out, i, j, 0.1);
      if (skipped && own->adapted) set_element(out, i, j, HUGE_VAL);
    }
  }
  return FALIGN_OK;
}

START_TEST(unwritten_signals_end_the_step) {
  for (int adapted = 0; adapted < 2; adapted++) {
    falign_rule_table table = {.size = sizeof table, .name = "careless", .signal = careless_signal};
    own_rule own = {.adapted = adapted};
    learner by = new_own(&table, &own, TANH);
    falign_network *same = new_network(FALIGN_F64, D, widths, true, TANH);
    ok(falign_network_draw(same, 0.7, 0.7, 1, 0));
    draw_data();
    fails(FALIGN_DIVERGED,
          adapted ? "rule careless: row 2, column 1 of the signal to layer 2 is inf"
                  : "rule careless: row 2, column 1 of the signal to layer 2 is nan, or was not written",
          step(&by, inputs, ROWS, targets));
    ck_assert(same_parameters(by.network, same));
    ck_assert_ptr_nonnull(strstr(falign_last_error(), "diverged at iteration 0: "));
    ck_assert(adapted == !strstr(falign_last_error(), "not written"));
    double bad_target = targets[1];
    targets[1] = (double)NAN; /* whose fault it is not then */
    fails(FALIGN_INVALID, "y has nan in row 0, column 1", step(&by, inputs, ROWS, targets));
    targets[1] = bad_target;
    free_learner(&by);
    falign_network_destroy(same);
  }
}
END_TEST

/* An error whose square is finite, and whose delta is not by the activation's slope. */
static void steep(void *user, const double *z, double *out, size_t count) {
  (void)user, (void)z;
  for (size_t i = 0; i < count; i++) out[i] = HUGE_VAL;
}
static void identity(void *user, const double *z, double *out, size_t count) {
  (void)user;
  memcpy(out, z, count * sizeof *out);
}

START_TEST(rules_are_not_blamed_for_what_comes_from_above) {
  falign_rule_table table = {
      .size = sizeof table, .name = "innocent", .feedback = FALIGN_FEEDBACK_LAYER, .signal = by_layer};
  own_rule own = {0};
  learner by = new_own(&table, &own, TANH);
  ok(activate_custom(by.network, D, identity, steep, NULL));
  draw_data();
  fails(FALIGN_DIVERGED, "delta[3] is not finite", step(&by, inputs, ROWS, targets));
  free_learner(&by);
}
END_TEST

START_TEST(failing_adapt_is_told) {
  falign_rule_table table = kp_table;
  table.adapt = failing_adapt;
  own_rule own = {0};
  learner by = new_own(&table, &own, TANH);
  draw_data();
  fails(FALIGN_CALLBACK, "will not adapt", step(&by, inputs, ROWS, targets));
  ck_assert_ptr_nonnull(strstr(falign_last_error(), "kolen-pollack"));
  own.adapted = 1; /* and it fails without a word */
  falign_set_last_error("an older message");
  fails(FALIGN_CALLBACK, "failed to adapt: status 7 (FALIGN_UNSUPPORTED)", step(&by, inputs, ROWS, targets));
  free_learner(&by);
}
END_TEST

static falign_status wordy_signal(void *user, const falign_rule *rule, const falign_network *network,
                                  const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  (void)rule, (void)network, (void)trace, (void)l, (void)out;
  falign_set_last_error(user);
  return FALIGN_IO;
}

/* A message of 800 bytes is within what is kept of any message. */
START_TEST(long_messages_arrive_whole) {
  char message[801];
  memset(message, 'm', 800);
  memcpy(message + 788, "and its end.", 13);
  const falign_rule_table table = {.size = sizeof table, .name = "wordy", .signal = wordy_signal};
  learner by = {.network = new_network(FALIGN_F64, D, widths, true, TANH)};
  ok(falign_rule_create_custom(&table, message, by.network, &by.rule));
  ok(falign_trainer_create(by.network, by.rule, 1, &by.trainer));
  draw_data();
  fails(FALIGN_CALLBACK, "and its end.", step(&by, inputs, ROWS, targets));
  free_learner(&by);
}
END_TEST

/* ---- Imposed signals have no target ---- */

static falign_status no_target(void *user, const falign_rule *rule, const falign_network *network,
                               const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  falign_view target;
  ((own_rule *)user)->adapted += falign_trace_view(trace, FALIGN_TARGET, D, &target) == FALIGN_UNSUPPORTED;
  return no_signal(NULL, rule, network, trace, l, out);
}

static falign_status wants_update(void *user, const falign_rule *rule, const falign_network *network,
                                  const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  falign_view dw;
  (void)user, (void)rule, (void)network, (void)out;
  return falign_trace_view(trace, FALIGN_DW, l, &dw);
}

START_TEST(signals_are_told_what_they_see) {
  const falign_rule_table table = {.size = sizeof table, .name = "early", .signal = wants_update};
  own_rule own = {0};
  learner by = new_own(&table, &own, TANH);
  draw_data();
  fails(FALIGN_CALLBACK, "dW[2] is not there yet: signals see L, Z, Y*, and delta from layer 3 on",
        step(&by, inputs, ROWS, targets));
  free_learner(&by);
}
END_TEST

START_TEST(imposed_signals_have_no_target) {
  const falign_rule_table table = {.size = sizeof table, .name = "asking", .signal = no_target};
  own_rule own = {0};
  learner by = new_own(&table, &own, TANH);
  draw_data();
  ok(falign_trainer_impose(by.trainer, READ_F64(inputs, ROWS, 3, 3), READ_F64(targets, ROWS, 2, 2)));
  ck_assert_msg(own.adapted == D - 1, "%d of %d callbacks found no target", own.adapted, D - 1);
  free_learner(&by);
}
END_TEST

/* ---- Tables ---- */

START_TEST(incomplete_tables_are_refused) {
  falign_network *wide = new_network(FALIGN_F64, D, widths, true, TANH);
  falign_rule *rule = NULL;
  own_rule own = {0};
  falign_rule_table table = kp_table;
  table.signal = NULL;
  fails(FALIGN_INVALID, "rule kolen-pollack has no signal", falign_rule_create_custom(&table, &own, wide, &rule));
#define create(table) falign_rule_create_custom(table, &own, wide, &rule)
  bad_tables_are_refused(falign_rule_table, "rule", kp_table, create);
#undef create
  table = kp_table;
  table.feedback = 3;
  fails(FALIGN_INVALID, "feedback", falign_rule_create_custom(&table, &own, wide, &rule));
  table.feedback = -1;
  fails(FALIGN_INVALID, "feedback", falign_rule_create_custom(&table, &own, wide, &rule));
  fails(FALIGN_INVALID, "network is NULL", falign_rule_create_custom(&kp_table, &own, NULL, &rule));
  fails(FALIGN_INVALID, "out is NULL", falign_rule_create_custom(&kp_table, &own, wide, NULL));
  ck_assert_ptr_null(rule);
  ck_assert_int_eq(own.destroyed, 0);
  char name[] = "mine"; /* the table and its name were copied */
  table = kp_table;
  table.name = name;
  ok(falign_rule_create_custom(&table, &own, wide, &rule));
  memset(name, 'x', 4);
  memset(&table, 0, sizeof table);
  ck_assert_str_eq(falign_rule_name(rule), "mine");
  ck_assert_int_eq(falign_rule_feedback(rule), FALIGN_FEEDBACK_LAYER);
  falign_rule_destroy(rule);
  ck_assert_int_eq(own.destroyed, 1);
  falign_network_destroy(wide);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_loop_test(tests, sign_symmetry_rule, 0, 2);
  tcase_add_loop_test(tests, target_projection_rule, 0, 2);
  tcase_add_test(tests, kolen_pollack_rule);
  tcase_add_test(tests, adapt_sees_activity);
  tcase_add_test(tests, called_in_order_on_one_thread);
  tcase_add_test(tests, failing_signal_ends_the_step);
  tcase_add_test(tests, unwritten_signals_end_the_step);
  tcase_add_test(tests, rules_are_not_blamed_for_what_comes_from_above);
  tcase_add_test(tests, failing_adapt_is_told);
  tcase_add_test(tests, long_messages_arrive_whole);
  tcase_add_test(tests, signals_are_told_what_they_see);
  tcase_add_test(tests, imposed_signals_have_no_target);
  tcase_add_test(tests, incomplete_tables_are_refused);
}

int main(void) { return run_suite("custom_rule", add_tests); }
