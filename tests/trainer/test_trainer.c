/* SPDX-License-Identifier: Apache-2.0 */
#include "learning.h"

static void use_backend(const learner *by, size_t index) {
  falign_backend *backend = NULL;
  ok(falign_backend_create(falign_backend_name_at(index), &backend));
  ok(falign_trainer_set_backend(by->trainer, backend));
}

/* ---- Threads ---- */

/* The loss of every step, as bits. */
static falign_status note(void *user, const falign_value *value) {
  ((double *)user)[value->iteration] = value->value;
  return FALIGN_OK;
}

/* Three steps, with or without everything kept, then an evaluation. */
static learner train_on(uint32_t threads, falign_precision precision, const char *rule, size_t backend, size_t rows,
                        double losses[5]) {
  learner by = task_learner(precision, rule);
  falign_metric *loss = NULL;
  ok(falign_trainer_set_threads(by.trainer, threads));
  ck_assert_uint_eq(falign_trainer_threads(by.trainer), threads);
  use_backend(&by, backend);
  ok(falign_metric_create("loss", &loss));
  ok(falign_trainer_observe(by.trainer, loss, 1, note, losses));
  falign_metric_destroy(loss);
  for (int k = 0; k < 3; k++) {
    ok(falign_trainer_keep(by.trainer, k == 1 ? FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP : 0));
    ok(step(&by, task.x, rows, task.y));
  }
  falign_batches *batches = task_batches(rows, rows, FALIGN_ORDER_NONE);
  ok(falign_trainer_run(by.trainer, batches, 4));
  ok(falign_trainer_evaluate(by.trainer, batches, &losses[4], NULL));
  falign_batches_destroy(batches);
  return by;
}

START_TEST(threads_give_the_same_bits) {
  const char *const rules[] = {"bp", "fa", "dfa"};
  const size_t rows[] = {1, 7, 128, 129, 1000, TASK_ROWS};
  draw_task();
  learner probe = task_learner(FALIGN_F32, "bp");
  falign_status status = falign_trainer_set_threads(probe.trainer, 2);
  free_learner(&probe);
  skip_unless(status != FALIGN_UNSUPPORTED, no_threads);
  for (int choice = 0; choice < 2 * 3 * 6; choice++) {
    falign_precision precision = choice & 1 ? FALIGN_F64 : FALIGN_F32;
    const char *rule = rules[choice / 2 % 3];
    size_t count = rows[choice / 6];
    double losses[3][5];
    learner one = train_on(1, precision, rule, (size_t)_i, count, losses[0]);
    for (uint32_t threads = 2; threads <= 3; threads++) {
      learner by = train_on(threads, precision, rule, (size_t)_i, count, losses[threads - 1]);
      ck_assert_msg(same_parameters(one.network, by.network), "%s, f%d, %zu rows, %u threads", rule,
                    precision == FALIGN_F32 ? 32 : 64, count, threads);
      ck_assert_mem_eq(losses[0], losses[threads - 1], sizeof losses[0]);
      free_learner(&by);
    }
    free_learner(&one);
  }
}
END_TEST

/* Changing the number on the way, too. */
START_TEST(threads_changed_in_between) {
  draw_task();
  learner one = task_learner(FALIGN_F32, "fa"), changing = task_learner(FALIGN_F32, "fa");
  for (uint32_t k = 0; k < 8; k++) {
    falign_status status = falign_trainer_set_threads(changing.trainer, 1 + k % 4);
    if (status == FALIGN_UNSUPPORTED) {
      skip_part(no_threads);
      break;
    }
    ok(status);
    ok(step(&one, task.x, 700, task.y));
    ok(step(&changing, task.x, 700, task.y));
  }
  ck_assert(same_parameters(one.network, changing.network));
  fails(FALIGN_INVALID, "threads go from 1 to 1024, got 0", falign_trainer_set_threads(one.trainer, 0));
  fails(FALIGN_INVALID, "threads go from 1 to 1024, got 1025", falign_trainer_set_threads(one.trainer, 1025));
  fails(FALIGN_INVALID, "trainer is NULL", falign_trainer_set_threads(NULL, 1));
  ck_assert_uint_eq(falign_trainer_threads(one.trainer), 1);
  free_learner(&one);
  free_learner(&changing);
}
END_TEST

/* ---- Resuming ---- */

enum { TOTAL = 37 };

static void normalized(const learner *by) {
  const double gamma = 1;
  falign_norm *norm = NULL;
  ok(falign_norm_create("columns", &gamma, 1, &norm));
  ok(falign_norm_match_feedback(norm, strcmp(falign_rule_name(by->rule), "fa") == 0));
  ok(falign_trainer_set_norm(by->trainer, norm));
  falign_norm_destroy(norm);
}

/* Everything anew, and other numbers in it, as in another process; then what was saved at iteration `at`. */
static learner resume(const falign_tensors *saved, falign_precision precision, const char *rule) {
  learner by = new_learner(new_network(precision, TASK_LAYERS, task_widths, true, TANH), rule, 0.1, 99, 0.001);
  normalized(&by);
  ok(falign_trainer_import(by.trainer, saved));
  return by;
}

START_TEST(resumed_runs_give_the_same_bits) {
  const char *const rules[] = {"bp", "fa", "dfa"};
  const uint64_t places[] = {0, 1, 10, 11, 12, 30};
  draw_task();
  for (int choice = 0; choice < 6 * 6; choice++) {
    falign_precision precision = choice & 1 ? FALIGN_F64 : FALIGN_F32;
    const char *rule = rules[choice / 2 % 3];
    uint64_t at = places[choice / 6];
    learner whole = task_learner(precision, rule), first = task_learner(precision, rule);
    normalized(&whole);
    normalized(&first);
    falign_batches *batches = task_batches(TASK_POINTS, TASK_BATCH, _i),
                   *again = task_batches(TASK_POINTS, TASK_BATCH, _i);
    falign_tensors *saved = NULL;
    ok(falign_trainer_run(whole.trainer, batches, TOTAL));
    ok(falign_trainer_run(first.trainer, batches, at));
    ok(falign_tensors_create(&saved));
    ok(falign_trainer_export(first.trainer, saved));
    ok(falign_batches_export(batches, at, saved));
    free_learner(&first);
    falign_batches_destroy(batches);
    learner second = resume(saved, precision, rule);
    ok(falign_batches_import(again, at, saved));
    falign_tensors_destroy(saved);
    ck_assert_uint_eq(falign_trainer_iteration(second.trainer), at);
    ok(falign_trainer_run(second.trainer, again, TOTAL));
    ck_assert_msg(same_parameters(whole.network, second.network), "%s, order %d, resumed at %d", rule, _i, (int)at);
    ck_assert_uint_eq(falign_trainer_iteration(second.trainer), TOTAL);
    for (uint32_t l = 0; l < TASK_LAYERS; l++)
      ck_assert(falign_trainer_start_norm(whole.trainer, l) == falign_trainer_start_norm(second.trainer, l));
    if (strcmp(rule, "fa") == 0) { /* B followed W */
      double a[54], b[54];
      ok(falign_rule_get(whole.rule, FALIGN_FEEDBACK, 1, WRITE_F64(a, 6, 9, 9)));
      ok(falign_rule_get(second.rule, FALIGN_FEEDBACK, 1, WRITE_F64(b, 6, 9, 9)));
      ck_assert_mem_eq(a, b, sizeof a);
    }
    falign_batches_destroy(again);
    free_learner(&whole);
    free_learner(&second);
  }
}
END_TEST

/* A run in pieces is the run. */
START_TEST(runs_in_pieces) {
  draw_task();
  learner whole = task_learner(FALIGN_F64, "fa"), pieces = task_learner(FALIGN_F64, "fa");
  falign_batches *batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_EPOCH);
  ok(falign_trainer_run(whole.trainer, batches, TOTAL));
  const uint64_t stops[] = {0, 1, 5, 5, 3, 11, 12, 36, TOTAL};
  for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) ok(falign_trainer_run(pieces.trainer, batches, stops[i]));
  ck_assert(same_parameters(whole.network, pieces.network));
  ck_assert_uint_eq(falign_trainer_iteration(pieces.trainer), TOTAL);
  falign_batches_destroy(batches);
  free_learner(&whole);
  free_learner(&pieces);
}
END_TEST

/* A set that does not fit, whatever is wrong with it: nothing is taken. */
START_TEST(import_is_all_or_nothing) {
  const char *const parts[] = {"W.0", "W.2", "b.1", "B.2", "trainer.iteration", "trainer.start_norm"};
  draw_task();
  learner from = task_learner(FALIGN_F64, "fa");
  ok(step(&from, task.x, 5, task.y));
  falign_tensors *good = NULL;
  ok(falign_tensors_create(&good));
  ok(falign_trainer_export(from.trainer, good));
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    for (int replaced = 0; replaced < 2; replaced++) {
      learner to = new_learner(new_network(FALIGN_F64, TASK_LAYERS, task_widths, true, TANH), "fa", 1, 9, 0.001);
      learner same = new_learner(new_network(FALIGN_F64, TASK_LAYERS, task_widths, true, TANH), "fa", 1, 9, 0.001);
      falign_tensors *bad = NULL;
      ok(falign_tensors_create(&bad));
      for (size_t t = 0; t < falign_tensors_count(good); t++) {
        const char *name = falign_tensors_name_at(good, t);
        falign_tensor of;
        size_t wrong = 1;
        ok(falign_tensors_view(good, name, &of));
        if (strcmp(name, parts[i]) != 0) ok(falign_tensors_add(bad, name, of.dtype, of.dims, of.rank, of.data));
        if (strcmp(name, parts[i]) == 0 && replaced) ok(falign_tensors_add(bad, name, of.dtype, &wrong, 1, of.data));
      }
      falign_status status = falign_trainer_import(to.trainer, bad);
      ck_assert_msg(replaced ? status == FALIGN_SHAPE || status == FALIGN_FORMAT : status == FALIGN_FORMAT, "%s: %s",
                    parts[i], falign_status_name(status));
      ck_assert_msg(strstr(falign_last_error(), parts[i]) != NULL, "\"%s\" does not name %s", falign_last_error(),
                    parts[i]);
      ck_assert(same_parameters(to.network, same.network));
      ck_assert_mem_eq(rule_f64(to.rule, 1), rule_f64(same.rule, 1), 54 * 8);
      ck_assert_uint_eq(falign_trainer_iteration(to.trainer), 0);
      ck_assert(isnan(falign_trainer_start_norm(to.trainer, 0)));
      falign_tensors_destroy(bad);
      free_learner(&to);
      free_learner(&same);
    }
  }
  fails(FALIGN_INVALID, "tensors is NULL", falign_trainer_import(from.trainer, NULL));
  fails(FALIGN_INVALID, "trainer is NULL", falign_trainer_import(NULL, good));
  fails(FALIGN_INVALID, "tensors is NULL", falign_trainer_export(from.trainer, NULL));
  falign_tensors_destroy(good);
  free_learner(&from);
}
END_TEST

static falign_status refuse_to_load(void *user, const falign_tensors *tensors) {
  (void)user, (void)tensors;
  falign_set_last_error("cannot load");
  return FALIGN_CALLBACK;
}

/* A caller's rule that cannot take its state: nothing is changed but what the rule itself changed. */
START_TEST(import_with_a_failing_load) {
  const falign_rule_table table = {
      .size = sizeof table, .name = "forgetful", .signal = no_signal, .load = refuse_to_load};
  draw_task();
  learner from = task_learner(FALIGN_F64, "bp"),
          to = {.network = new_network(FALIGN_F64, TASK_LAYERS, task_widths, true, TANH)};
  falign_tensors *set = NULL;
  ok(step(&from, task.x, 5, task.y));
  ok(falign_tensors_create(&set));
  ok(falign_trainer_export(from.trainer, set));
  ok(falign_rule_create_custom(&table, NULL, to.network, &to.rule));
  ok(falign_trainer_create(to.network, to.rule, 1, &to.trainer));
  ck_assert_int_ne(falign_trainer_import(to.trainer, set), FALIGN_OK);
  ck_assert_ptr_nonnull(strstr(falign_last_error(), "cannot load"));
  ck_assert_uint_eq(falign_trainer_iteration(to.trainer), 0);
  double *all = parameters(to.network);
  ck_assert_msg(largest(all, falign_network_parameters(to.network)) == 0, "the weights were taken");
  free(all);
  falign_tensors_destroy(set);
  free_learner(&from);
  free_learner(&to);
}
END_TEST

/* ---- Creation and settings ---- */

START_TEST(eta_and_creation) {
  learner by = task_learner(FALIGN_F64, "fa");
  falign_trainer *none = NULL;
  const double bad[] = {-1e-300, (double)NAN, (double)INFINITY};
  for (int i = 0; i < 3; i++) {
    fails(FALIGN_INVALID, "eta goes from 0 to", falign_trainer_create(by.network, by.rule, bad[i], &none));
    fails(FALIGN_INVALID, "eta goes from 0 to", falign_trainer_set_eta(by.trainer, bad[i]));
  }
  fails(FALIGN_INVALID, "network is NULL", falign_trainer_create(NULL, by.rule, 1, &none));
  fails(FALIGN_INVALID, "rule is NULL", falign_trainer_create(by.network, NULL, 1, &none));
  fails(FALIGN_INVALID, "out is NULL", falign_trainer_create(by.network, by.rule, 1, NULL));
  ck_assert_ptr_null(none);
  ck_assert(falign_trainer_eta(by.trainer) == 0.001);
  ok(falign_trainer_set_eta(by.trainer, 0));
  ck_assert(falign_trainer_eta(by.trainer) == 0);
  draw_task();
  learner same = task_learner(FALIGN_F64, "fa");
  ok(step(&by, task.x, 5, task.y)); /* eta 0: a step that changes nothing */
  ck_assert(same_parameters(by.network, same.network));
  ck_assert_ptr_eq(falign_trainer_network(by.trainer), by.network);
  ck_assert_ptr_eq(falign_trainer_rule(by.trainer), by.rule);
  ck_assert_uint_eq(falign_trainer_threads(by.trainer), 1);
  free_learner(&by);
  free_learner(&same);
}
END_TEST

/* ||W[l]|| before update 0, and no other. */
START_TEST(start_norms) {
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa");
  const double bad[4] = {(double)NAN, (double)NAN, (double)NAN, (double)NAN};
  for (uint32_t l = 0; l <= TASK_LAYERS; l++) ck_assert(isnan(falign_trainer_start_norm(by.trainer, l)));
  fails(FALIGN_INVALID, "y has nan in row 0, column 0",
        falign_trainer_step(by.trainer, READ_F64(task.x, 1, 7, 7), READ_F64(bad, 1, 4, 4)));
  ok(falign_network_draw(by.network, 3, 3, 77, 0)); /* the failed step was none */
  double want[TASK_LAYERS];
  for (uint32_t l = 0; l < TASK_LAYERS; l++) {
    size_t rows = task_widths[l], cols = task_widths[l + 1];
    want[l] = falign_frobenius(READ_F64(network_f64(by.network, FALIGN_W, l), rows, cols, cols));
  }
  for (int k = 0; k < 3; k++) ok(step(&by, task.x, 5, task.y));
  for (uint32_t l = 0; l < TASK_LAYERS; l++)
    ck_assert_msg(falign_trainer_start_norm(by.trainer, l) == want[l], "W[%u]: %g, not %g", l,
                  falign_trainer_start_norm(by.trainer, l), want[l]);
  ck_assert(isnan(falign_trainer_start_norm(by.trainer, TASK_LAYERS)));
  free_learner(&by);
}
END_TEST

/* ---- Lifetimes ---- */

static void count_destroyed(void *user) { ++*(int *)user; }

static falign_status leave(void *user, falign_network *network, uint32_t l) {
  (void)user, (void)network, (void)l;
  return FALIGN_OK;
}

/* The trainer keeps all it was given, whoever is destroyed first. */
START_TEST(any_order_of_destruction) {
  draw_task();
  int destroyed = 0;
  learner by = {.network = new_network(FALIGN_F64, TASK_LAYERS, task_widths, true, TANH)};
  const falign_rule_table table = {
      .size = sizeof table, .name = "counted", .signal = no_signal, .destroy = count_destroyed};
  const falign_norm_table leaving = {
      .size = sizeof leaving, .name = "leaving", .apply = leave, .destroy = count_destroyed};
  const falign_metric_table measuring = {
      .size = sizeof measuring, .name = "weight", .measure = measure_weight, .destroy = count_destroyed};
  falign_norm *norm = NULL;
  falign_metric *metric = NULL;
  observer seen_by = {.calls = 0};
  ok(falign_network_draw(by.network, 1, 1, 1, 0));
  ok(falign_rule_create_custom(&table, &destroyed, by.network, &by.rule));
  ok(falign_norm_create_custom(&leaving, &destroyed, &norm));
  ok(falign_metric_create_custom(&measuring, &destroyed, &metric));
  ok(falign_trainer_create(by.network, by.rule, 0.1, &by.trainer));
  ok(falign_trainer_set_norm(by.trainer, norm));
  ok(falign_trainer_observe(by.trainer, metric, 1, receive, &seen_by));
  ok(falign_trainer_observe(by.trainer, metric, 2, receive, &seen_by));
  falign_network *network = by.network;
  falign_metric_destroy(metric);
  falign_norm_destroy(norm);
  falign_rule_destroy(by.rule);
  falign_network_destroy(network);
  ok(falign_trainer_step(by.trainer, READ_F64(task.x, 5, 7, 7), READ_F64(task.y, 5, 4, 4)));
  ck_assert_uint_eq(seen_by.calls, 2);
  ck_assert_int_eq(destroyed, 0);
  ck_assert_ptr_eq(falign_trainer_network(by.trainer), network);
  falign_trainer_destroy(by.trainer);
  ck_assert_int_eq(destroyed, 3);
  falign_trainer_destroy(NULL);
}
END_TEST

/* Several trainers share a network and a rule. */
START_TEST(shared_network) {
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa"), alone = task_learner(FALIGN_F64, "fa");
  falign_trainer *second = NULL;
  ok(falign_trainer_create(by.network, by.rule, 0.001, &second));
  for (int k = 0; k < 4; k++)
    ok(falign_trainer_step(k & 1 ? second : by.trainer, READ_F64(task.x, 5, 7, 7), READ_F64(task.y, 5, 4, 4)));
  for (int k = 0; k < 4; k++) ok(step(&alone, task.x, 5, task.y));
  ck_assert(same_parameters(by.network, alone.network));
  ck_assert_uint_eq(falign_trainer_iteration(second), 2);
  free_learner(&by);
  ok(falign_trainer_step(second, READ_F64(task.x, 5, 7, 7), READ_F64(task.y, 5, 4, 4)));
  falign_trainer_destroy(second);
  free_learner(&alone);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_loop_test(tests, threads_give_the_same_bits, 0, (int)backend_count());
  tcase_add_test(tests, threads_changed_in_between);
  tcase_add_loop_test(tests, resumed_runs_give_the_same_bits, FALIGN_ORDER_NONE, FALIGN_ORDER_EPOCH + 1);
  tcase_add_test(tests, runs_in_pieces);
  tcase_add_test(tests, import_is_all_or_nothing);
  tcase_add_test(tests, import_with_a_failing_load);
  tcase_add_test(tests, eta_and_creation);
  tcase_add_test(tests, start_norms);
  tcase_add_test(tests, any_order_of_destruction);
  tcase_add_test(tests, shared_network);
}

int main(void) { return run_suite("trainer", add_tests); }
