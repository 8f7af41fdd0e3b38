/* SPDX-License-Identifier: Apache-2.0 */
#include "learning.h"

/* A probe computes what a step would, and nothing is learned. */

enum { ROWS = 300 }; /* several blocks */

static falign_status probe(const learner *by, size_t rows) {
  if (falign_network_precision(by->network) == FALIGN_F64)
    return falign_trainer_probe(by->trainer, READ_F64(task.x, rows, 7, 7), READ_F64(task.y, rows, 4, 4));
  static float x[ROWS * 7], y[ROWS * 4];
  to_f32(task.x, rows * 7, x);
  to_f32(task.y, rows * 4, y);
  return falign_trainer_probe(by->trainer, READ_F32(x, rows, 7, 7), READ_F32(y, rows, 4, 4));
}

/* The layers of a quantity. */
static uint32_t first_layer(falign_quantity what) {
  if (what == FALIGN_TARGET) return TASK_LAYERS;
  return what == FALIGN_L || what == FALIGN_DW || what == FALIGN_DW_APPLIED || what == FALIGN_DW_BP ? 0 : 1;
}

static uint32_t last_layer(falign_quantity what) {
  return what == FALIGN_DW || what == FALIGN_DW_APPLIED || what == FALIGN_DW_BP ? TASK_LAYERS - 1 : TASK_LAYERS;
}

/* Both traces have the same matrices, bit for bit, or both have none. */
static void same_quantity(const falign_trace *a, const falign_trace *b, falign_quantity what, uint32_t l, bool there) {
  falign_view of_a, of_b;
  falign_status want = there ? FALIGN_OK : FALIGN_UNSUPPORTED;
  ck_assert_int_eq(falign_trace_view(a, what, l, &of_a), want);
  ck_assert_int_eq(falign_trace_view(b, what, l, &of_b), want);
  if (!there) return;
  ck_assert(of_a.rows == of_b.rows && of_a.cols == of_b.cols && of_a.precision == of_b.precision);
  size_t apart = 0;
  for (size_t i = 0; i < of_a.rows * of_a.cols; i++)
    apart += element(&of_a, i / of_a.cols, i % of_a.cols) != element(&of_b, i / of_b.cols, i % of_b.cols);
  ck_assert_msg(apart == 0, "%zu numbers of quantity %d, layer %u, differ", apart, what, l);
}

static bool is_kept(falign_quantity what, int32_t needs) {
  bool activity = needs & FALIGN_NEEDS_ACTIVITY, bp = needs & FALIGN_NEEDS_BP;
  switch (what) {
    case FALIGN_DW:
    case FALIGN_DB:
    case FALIGN_DW_APPLIED: return true;
    case FALIGN_DW_BP:
    case FALIGN_DB_BP: return bp;
    case FALIGN_DELTA_BP: return activity && bp;
    default: return activity;
  }
}

static void same_trace(const falign_trace *a, const falign_trace *b, int32_t needs) {
  const falign_step *of_a = falign_trace_step(a), *of_b = falign_trace_step(b);
  ck_assert_uint_eq(of_a->iteration, of_b->iteration);
  ck_assert(of_a->rows == of_b->rows && of_a->first_row == 0 && of_b->first_row == 0);
  ck_assert(of_a->eta == of_b->eta && of_a->loss == of_b->loss && of_a->precision == of_b->precision);
  ck_assert_ptr_eq(of_a->backend, of_b->backend);
  for (falign_quantity what = FALIGN_L; what <= FALIGN_DB_BP; what++) {
    for (uint32_t l = first_layer(what); l <= last_layer(what); l++) same_quantity(a, b, what, l, is_kept(what, needs));
  }
}

/* What the next step will show, with what is to be kept; the step itself is as it would have been. */
START_TEST(a_probe_shows_the_next_step) {
  const char *const rules[] = {"bp", "fa", "dfa"};
  falign_precision precision = _i & 1 ? FALIGN_F64 : FALIGN_F32;
  int32_t needs = (_i & 2 ? FALIGN_NEEDS_ACTIVITY : 0) | (_i & 4 ? FALIGN_NEEDS_BP : 0);
  draw_task();
  for (int r = 0; r < 3; r++) {
    learner by = task_learner(precision, rules[r]), other = task_learner(precision, rules[r]);
    ok(falign_trainer_keep(by.trainer, needs));
    ok(falign_trainer_keep(other.trainer, needs));
    for (int k = 0; k < 3; k++) {
      ok(probe(&by, 7)); /* others may come before */
      ok(probe(&by, ROWS));
      ok(step(&other, task.x, ROWS, task.y));
      same_trace(falign_trainer_trace(by.trainer), falign_trainer_trace(other.trainer), needs);
      ck_assert_uint_eq(falign_trainer_iteration(by.trainer), (uint64_t)k);
      ok(step(&by, task.x, ROWS, task.y));
      same_trace(falign_trainer_trace(by.trainer), falign_trainer_trace(other.trainer), needs);
      ck_assert(same_parameters(by.network, other.network));
    }
    free_learner(&by);
    free_learner(&other);
  }
}
END_TEST

START_TEST(threads_give_the_same_bits) {
  draw_task();
  learner by = task_learner(FALIGN_F32, "fa"), other = task_learner(FALIGN_F32, "fa");
  falign_status status = falign_trainer_set_threads(other.trainer, 3);
  bool threads = status != FALIGN_UNSUPPORTED;
  if (threads) {
    const int32_t needs = FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP;
    ok(status);
    ok(falign_trainer_keep(by.trainer, needs));
    ok(falign_trainer_keep(other.trainer, needs));
    ok(probe(&by, ROWS));
    ok(probe(&other, ROWS));
    same_trace(falign_trainer_trace(by.trainer), falign_trainer_trace(other.trainer), needs);
  }
  free_learner(&by);
  free_learner(&other);
  skip_unless(threads, no_threads);
}
END_TEST

/* ---- Nothing is learned, and nobody sees it ---- */

/* How often a rule, a normalization or a metric was called. */
typedef struct {
  int signals, adapted, normalized, measured, looked;
  bool fails;
} calls;

static falign_status count_signal(void *user, const falign_rule *rule, const falign_network *network,
                                  const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  calls *seen_by = user;
  seen_by->signals++;
  if (seen_by->fails) return falign_set_last_error("no signal today"), FALIGN_IO;
  return no_signal(NULL, rule, network, trace, l, out);
}

static falign_status count_adapt(void *user, falign_rule *rule, falign_network *network, const falign_trace *trace) {
  (void)rule, (void)network, (void)trace;
  ((calls *)user)->adapted++;
  return FALIGN_OK;
}

static falign_status count_normalization(void *user, falign_network *network, uint32_t l) {
  (void)network, (void)l;
  ((calls *)user)->normalized++;
  return FALIGN_OK;
}

static falign_status count_measurement(void *user, falign_trainer *trainer, const falign_trace *trace,
                                       falign_value_fn emit, void *emit_user) {
  (void)trainer, (void)trace, (void)emit, (void)emit_user;
  ((calls *)user)->measured++;
  return FALIGN_OK;
}

static falign_status count_look(void *user, falign_trainer *trainer, const falign_trace *trace) {
  (void)trainer, (void)trace;
  ((calls *)user)->looked++;
  return FALIGN_OK;
}

/* A learner of which all callbacks count. */
static learner counted(calls *seen_by) {
  const falign_rule_table rule = {.size = sizeof rule,
                                  .name = "counting",
                                  .feedback = FALIGN_FEEDBACK_LAYER,
                                  .signal = count_signal,
                                  .adapt = count_adapt,
                                  .needs_activity = 1};
  const falign_norm_table normalization = {.size = sizeof normalization, .name = "own", .apply = count_normalization};
  const falign_metric_table table = {.size = sizeof table,
                                     .name = "counting",
                                     .needs = FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP,
                                     .measure = count_measurement,
                                     .look = count_look};
  learner made = {.network = new_network(FALIGN_F64, TASK_LAYERS, task_widths, true, TANH)};
  falign_norm *norm;
  falign_metric *metric;
  ok(falign_network_draw(made.network, 0.5, 0.5, 1, 0));
  ok(falign_rule_create_custom(&rule, seen_by, made.network, &made.rule));
  ok(falign_rule_draw(made.rule, 0.5, 1, 0));
  ok(falign_trainer_create(made.network, made.rule, 0.001, &made.trainer));
  ok(falign_norm_create_custom(&normalization, seen_by, &norm));
  ok(falign_trainer_set_norm(made.trainer, norm));
  falign_norm_destroy(norm);
  ok(falign_metric_create_custom(&table, seen_by, &metric));
  ok(falign_trainer_observe(made.trainer, metric, 1, receive, NULL));
  falign_metric_destroy(metric);
  return made;
}

START_TEST(nothing_is_learned) {
  calls seen_by = {0}, unseen = {0};
  draw_task();
  learner by = counted(&seen_by), same = counted(&unseen);
  falign_history *history = NULL;
  uint64_t first, end;
  ok(falign_history_create(by.network, &history));
  ok(falign_history_keep(history, FALIGN_KEEP_C));
  ok(falign_trainer_set_history(by.trainer, history));
  for (int k = 0; k < 3; k++) {
    ok(probe(&by, 20));
    ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 0);
    ck_assert(same_parameters(by.network, same.network) && same_feedback(by.network, by.rule, same.rule));
  }
  ck_assert_int_gt(seen_by.signals, 0);
  ck_assert(seen_by.adapted == 0 && seen_by.normalized == 0 && seen_by.measured == 0 && seen_by.looked == 0);
  ok(falign_history_range(history, &first, &end));
  ck_assert_uint_eq(first, end);
  for (uint32_t l = 0; l < TASK_LAYERS; l++) ck_assert(isnan(falign_trainer_start_norm(by.trainer, l)));
  falign_view data; /* what observers, rule and history need is not kept for a probe */
  ck_assert_int_eq(falign_trace_view(falign_trainer_trace(by.trainer), FALIGN_L, 1, &data), FALIGN_UNSUPPORTED);
  ck_assert_int_eq(falign_trace_view(falign_trainer_trace(by.trainer), FALIGN_DW_BP, 1, &data), FALIGN_UNSUPPORTED);

  ok(step(&by, task.x, 20, task.y));
  ck_assert(seen_by.adapted == 1 && seen_by.normalized == TASK_LAYERS);
  ck_assert(seen_by.measured == 1 && seen_by.looked == 1);
  ok(falign_history_range(history, &first, &end));
  ck_assert(first == 0 && end == 1);
  ok(probe(&by, 20));
  ok(falign_history_range(history, &first, &end));
  ck_assert(first == 0 && end == 1);
  ok(falign_trainer_measure(by.trainer)); /* the metric needs a step: it is not measured on a probe's trace */
  ck_assert_int_eq(seen_by.measured, 1);
  falign_history_destroy(history);
  free_learner(&by);
  free_learner(&same);
}
END_TEST

/* A run with probes between its steps is the run. */
START_TEST(probes_within_a_run) {
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa"), whole = task_learner(FALIGN_F64, "fa");
  falign_batches *batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_EPOCH);
  for (uint64_t until = 1; until <= 25; until++) {
    ok(falign_trainer_run(by.trainer, batches, until));
    ok(probe(&by, 11));
    ck_assert_uint_eq(falign_trace_step(falign_trainer_trace(by.trainer))->iteration, until);
  }
  ok(falign_trainer_run(whole.trainer, batches, 25));
  ck_assert(same_parameters(by.network, whole.network));
  for (uint32_t l = 0; l < TASK_LAYERS; l++)
    ck_assert(falign_trainer_start_norm(by.trainer, l) == falign_trainer_start_norm(whole.trainer, l));
  falign_batches_destroy(batches);
  free_learner(&by);
  free_learner(&whole);
}
END_TEST

/* ---- Errors ---- */

START_TEST(bad_arguments) {
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa");
  const float x_f32[7] = {0}, y_f32[4] = {0};
  double x[7] = {0}, y[4] = {0};
  const falign_view of_x = falign_view_f64(x, 1, 7), of_y = falign_view_f64(y, 1, 4);
  fails(FALIGN_INVALID, "trainer is NULL", falign_trainer_probe(NULL, &of_x, &of_y));
  fails(FALIGN_INVALID, "x is NULL", falign_trainer_probe(by.trainer, NULL, &of_y));
  fails(FALIGN_INVALID, "y is NULL", falign_trainer_probe(by.trainer, &of_x, NULL));
  fails(FALIGN_SHAPE, "x is in f32, the network in f64",
        falign_trainer_probe(by.trainer, READ_F32(x_f32, 1, 7, 7), &of_y));
  fails(FALIGN_SHAPE, "y is in f32, the network in f64",
        falign_trainer_probe(by.trainer, &of_x, READ_F32(y_f32, 1, 4, 4)));
  fails(FALIGN_SHAPE, "x is 1 x 7, got 1 x 6", falign_trainer_probe(by.trainer, READ_F64(x, 1, 6, 6), &of_y));
  fails(FALIGN_SHAPE, "y is 1 x 4, got 2 x 2", falign_trainer_probe(by.trainer, &of_x, READ_F64(y, 2, 2, 2)));
  fails(FALIGN_INVALID, "a batch of 0 rows", falign_trainer_probe(by.trainer, READ_F64(x, 0, 7, 7), &of_y));
  fails(FALIGN_INVALID, "x is 2 x 7 with invalid steps: 6 from row to row, 1 from column to column",
        falign_trainer_probe(by.trainer, READ_F64(x, 2, 7, 6), &of_y));
  x[5] = (double)NAN;
  fails(FALIGN_INVALID, "x has nan in row 0, column 5", falign_trainer_probe(by.trainer, &of_x, &of_y));
  ck_assert_ptr_null(falign_trainer_trace(by.trainer));
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 0);
  free_learner(&by);
}
END_TEST

START_TEST(failing_rules_end_it) {
  calls seen_by = {.fails = true};
  draw_task();
  learner by = counted(&seen_by);
  fails(FALIGN_CALLBACK, "no signal today", probe(&by, 20));
  ck_assert_ptr_null(falign_trainer_trace(by.trainer));
  seen_by.fails = false;
  ok(probe(&by, 20));
  ck_assert_ptr_nonnull(falign_trainer_trace(by.trainer));
  network_f64(by.network, FALIGN_W, 0)[0] = 1e300;
  network_f64(by.network, FALIGN_W, 0)[9] = -1e300;
  ok(activate(by.network, 1, LINEAR));
  ok(activate(by.network, 2, LINEAR));
  ok(activate(by.network, 3, LINEAR));
  fails(FALIGN_DIVERGED, "diverged at iteration 0", probe(&by, 20));
  ck_assert_ptr_null(falign_trainer_trace(by.trainer));
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 0);
  free_learner(&by);
}
END_TEST

/* A single row never takes its row_step, which may be anything. */
START_TEST(one_row_with_any_step) {
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa"), same = task_learner(FALIGN_F64, "fa");
  const ptrdiff_t steps[] = {PTRDIFF_MIN, -1, 0, PTRDIFF_MAX};
  falign_backend *backend;
  ok(falign_backend_create(falign_has_feature("cblas") ? "cblas" : "builtin", &backend));
  ok(falign_trainer_set_backend(by.trainer, backend));
  ok(falign_trainer_set_backend(same.trainer, backend));
  for (size_t i = 0; i < 4; i++) {
    const falign_view x = {task.x, 1, 7, steps[i], 1, FALIGN_F64}, y = {task.y, 1, 4, steps[3 - i], 1, FALIGN_F64};
    double out[2][4];
    ok(falign_trainer_forward(by.trainer, &x, &(falign_matrix){out[0], 1, 4, steps[i], 1, FALIGN_F64}));
    ok(falign_trainer_forward(same.trainer, READ_F64(task.x, 1, 7, 7), WRITE_F64(out[1], 1, 4, 4)));
    ck_assert(memcmp(out[0], out[1], sizeof out[0]) == 0);
    ok(falign_trainer_step(by.trainer, &x, &y));
    ok(step(&same, task.x, 1, task.y));
    ck_assert(same_parameters(by.network, same.network));
  }
  free_learner(&by);
  free_learner(&same);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, one_row_with_any_step);
  tcase_add_loop_test(tests, a_probe_shows_the_next_step, 0, 8);
  tcase_add_test(tests, threads_give_the_same_bits);
  tcase_add_test(tests, nothing_is_learned);
  tcase_add_test(tests, probes_within_a_run);
  tcase_add_test(tests, bad_arguments);
  tcase_add_test(tests, failing_rules_end_it);
}

int main(void) { return run_suite("probe", add_tests); }
