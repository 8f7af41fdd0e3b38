/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <pthread.h>

#include "learning.h"

static const size_t widths[] = {7, 9, 6, 4};
enum { D = 3, MOST = 3000 };

static double x[MOST * 7], y[MOST * 4];

static void draw_data(void) {
  gaussian(x, MOST * 7, 1, 1);
  gaussian(y, MOST * 4, 1, 2);
}

static learner make(falign_precision precision, const char *rule) {
  return new_learner(new_network(precision, D, widths, true, FALIGN_TANH), rule, 0.5, 1, 0.001);
}

static falign_batches *new_batches(size_t points, size_t size, falign_order order) {
  falign_dataset *dataset = NULL;
  falign_batches *batches = NULL;
  ok(falign_dataset_create_regression_f64(x, points, 7, 7, y, 4, 4, &dataset));
  ok(falign_batches_create(dataset, NULL, size, &batches));
  ok(falign_batches_set_order(batches, order, 5, 0));
  falign_dataset_destroy(dataset);
  return batches;
}

static void use_backend(const learner *by, size_t index) {
  falign_backend *backend = NULL;
  ok(falign_backend_find(falign_backend_name_at(index), &backend));
  ok(falign_trainer_set_backend(by->trainer, backend));
}

/* ---- Threads ---- */

/* The loss of every step, as bits. */
static falign_status note(void *user, uint64_t iteration, const char *metric, int64_t layer, int64_t order,
                          double value) {
  (void)metric, (void)layer, (void)order;
  ((double *)user)[iteration] = value;
  return FALIGN_OK;
}

/* Three steps, with or without everything kept, then an evaluation. */
static learner train_on(uint32_t threads, falign_precision precision, const char *rule, size_t backend, size_t rows,
                        double losses[5]) {
  learner by = make(precision, rule);
  falign_metric *loss = NULL;
  ok(falign_trainer_set_threads(by.trainer, threads));
  ck_assert_uint_eq(falign_trainer_threads(by.trainer), threads);
  use_backend(&by, backend);
  ok(falign_metric_create("loss", &loss));
  ok(falign_trainer_observe(by.trainer, loss, 1, note, losses));
  falign_metric_destroy(loss);
  for (int k = 0; k < 3; k++) {
    ok(falign_trainer_keep(by.trainer, k == 1 ? FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP : 0));
    ok(step(&by, x, rows, y));
  }
  falign_batches *batches = new_batches(rows, rows, FALIGN_ORDER_NONE);
  ok(falign_trainer_run(by.trainer, batches, 4));
  ok(falign_trainer_evaluate(by.trainer, batches, &losses[4], NULL));
  falign_batches_destroy(batches);
  return by;
}

START_TEST(threads_give_the_same_bits) {
  const char *const rules[] = {"bp", "fa", "dfa"};
  const size_t rows[] = {1, 7, 128, 129, 1000, MOST};
  draw_data();
  learner probe = make(FALIGN_F32, "bp");
  falign_status status = falign_trainer_set_threads(probe.trainer, 2);
  free_learner(&probe);
  if (status == FALIGN_UNSUPPORTED) return; /* a build without threads */
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
  draw_data();
  learner one = make(FALIGN_F32, "fa"), changing = make(FALIGN_F32, "fa");
  for (uint32_t k = 0; k < 8; k++) {
    falign_status status = falign_trainer_set_threads(changing.trainer, 1 + k % 4);
    if (status == FALIGN_UNSUPPORTED) break;
    ok(status);
    ok(step(&one, x, 700, y));
    ok(step(&changing, x, 700, y));
  }
  ck_assert(same_parameters(one.network, changing.network));
  fails(FALIGN_INVALID, "0", falign_trainer_set_threads(one.trainer, 0));
  fails(FALIGN_INVALID, "1025", falign_trainer_set_threads(one.trainer, 1025));
  fails(FALIGN_INVALID, "trainer is NULL", falign_trainer_set_threads(NULL, 1));
  ck_assert_uint_eq(falign_trainer_threads(one.trainer), 1);
  free_learner(&one);
  free_learner(&changing);
}
END_TEST

/* ---- Resuming ---- */

enum { POINTS = 103, BATCH = 10, TOTAL = 37 }; /* a last batch of 3; 11 batches an epoch */

static void normalized(const learner *by) {
  const double gamma = 1;
  falign_norm *norm = NULL;
  ok(falign_norm_create_columns(&gamma, 1, &norm));
  ok(falign_norm_match_feedback(norm, strcmp(falign_rule_name(by->rule), "fa") == 0));
  ok(falign_trainer_set_norm(by->trainer, norm));
  falign_norm_destroy(norm);
}

/* Everything anew, and other numbers in it, as in another process; then what was saved at iteration `at`. */
static learner resume(const falign_tensors *saved, falign_precision precision, const char *rule) {
  learner by = new_learner(new_network(precision, D, widths, true, FALIGN_TANH), rule, 0.1, 99, 0.001);
  normalized(&by);
  ok(falign_trainer_import(by.trainer, saved));
  return by;
}

START_TEST(resumed_runs_give_the_same_bits) {
  const char *const rules[] = {"bp", "fa", "dfa"};
  const uint64_t places[] = {0, 1, 10, 11, 12, 30};
  draw_data();
  for (int choice = 0; choice < 6 * 6; choice++) {
    falign_precision precision = choice & 1 ? FALIGN_F64 : FALIGN_F32;
    const char *rule = rules[choice / 2 % 3];
    uint64_t at = places[choice / 6];
    learner whole = make(precision, rule), first = make(precision, rule);
    normalized(&whole);
    normalized(&first);
    falign_batches *batches = new_batches(POINTS, BATCH, _i), *again = new_batches(POINTS, BATCH, _i);
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
    for (uint32_t l = 0; l < D; l++)
      ck_assert(falign_trainer_start_norm(whole.trainer, l) == falign_trainer_start_norm(second.trainer, l));
    if (strcmp(rule, "fa") == 0) { /* B followed W */
      double a[54], b[54];
      ok(falign_rule_get_feedback_f64(whole.rule, 1, a, 6, 9, 9));
      ok(falign_rule_get_feedback_f64(second.rule, 1, b, 6, 9, 9));
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
  draw_data();
  learner whole = make(FALIGN_F64, "fa"), pieces = make(FALIGN_F64, "fa");
  falign_batches *batches = new_batches(POINTS, BATCH, FALIGN_ORDER_EPOCH);
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
  draw_data();
  learner from = make(FALIGN_F64, "fa");
  ok(step(&from, x, 5, y));
  falign_tensors *good = NULL;
  ok(falign_tensors_create(&good));
  ok(falign_trainer_export(from.trainer, good));
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    for (int replaced = 0; replaced < 2; replaced++) {
      learner to = new_learner(new_network(FALIGN_F64, D, widths, true, FALIGN_TANH), "fa", 1, 9, 0.001);
      learner same = new_learner(new_network(FALIGN_F64, D, widths, true, FALIGN_TANH), "fa", 1, 9, 0.001);
      falign_tensors *bad = NULL;
      ok(falign_tensors_create(&bad));
      for (size_t t = 0; t < falign_tensors_count(good); t++) {
        const char *name = falign_tensors_name_at(good, t);
        falign_dtype dtype;
        const size_t *dims;
        size_t rank, wrong = 1;
        const void *data;
        ok(falign_tensors_view(good, name, &dtype, &dims, &rank, &data));
        if (strcmp(name, parts[i]) != 0) ok(falign_tensors_add(bad, name, dtype, dims, rank, data));
        if (strcmp(name, parts[i]) == 0 && replaced) ok(falign_tensors_add(bad, name, dtype, &wrong, 1, data));
      }
      falign_status status = falign_trainer_import(to.trainer, bad);
      ck_assert_msg(replaced ? status == FALIGN_SHAPE || status == FALIGN_FORMAT : status == FALIGN_FORMAT, "%s: %s",
                    parts[i], falign_status_name(status));
      ck_assert_msg(strstr(falign_last_error(), parts[i]) != NULL, "\"%s\" does not name %s", falign_last_error(),
                    parts[i]);
      ck_assert(same_parameters(to.network, same.network));
      ck_assert_mem_eq(falign_rule_feedback_f64(to.rule, 1), falign_rule_feedback_f64(same.rule, 1), 54 * 8);
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

static falign_status no_signal(void *user, const falign_rule *rule, const falign_network *network,
                               const falign_trace *trace, uint32_t l, double *out) {
  (void)user, (void)rule;
  memset(out, 0, falign_trace_rows(trace) * falign_network_width(network, l) * sizeof *out);
  return FALIGN_OK;
}

/* A caller's rule that cannot take its state: nothing is changed but what the rule itself changed. */
START_TEST(import_with_a_failing_load) {
  const falign_rule_table table = {
      .size = sizeof table, .name = "forgetful", .signal_f64 = no_signal, .load = refuse_to_load};
  draw_data();
  learner from = make(FALIGN_F64, "bp"), to = {.network = new_network(FALIGN_F64, D, widths, true, FALIGN_TANH)};
  falign_tensors *set = NULL;
  ok(step(&from, x, 5, y));
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

/* ---- Progress and cancelling ---- */

typedef struct {
  falign_trainer *trainer;
  uint64_t seen[64], until, stop_at, cancel_at;
  size_t calls;
} progress;

static int32_t watch(void *user, uint64_t iteration, uint64_t until) {
  progress *p = user;
  p->seen[p->calls++] = iteration;
  p->until = until;
  if (iteration == p->cancel_at) falign_trainer_cancel(p->trainer);
  return iteration == p->stop_at;
}

START_TEST(progress_after_each_update) {
  draw_data();
  learner by = make(FALIGN_F64, "fa");
  falign_batches *batches = new_batches(POINTS, BATCH, FALIGN_ORDER_NONE);
  progress p = {.trainer = by.trainer};
  falign_trainer_set_progress(by.trainer, watch, &p);
  ok(falign_trainer_run(by.trainer, batches, 13));
  ck_assert_uint_eq(p.calls, 13);
  for (size_t i = 0; i < 13; i++) ck_assert_uint_eq(p.seen[i], i + 1);
  ck_assert_uint_eq(p.until, 13);
  ok(falign_trainer_run(by.trainer, batches, 13)); /* nothing to do */
  ck_assert_uint_eq(p.calls, 13);
  ok(step(&by, x, 5, y)); /* no run */
  ck_assert_uint_eq(p.calls, 13);
  falign_trainer_set_progress(by.trainer, NULL, NULL);
  ok(falign_trainer_run(by.trainer, batches, 20));
  ck_assert_uint_eq(p.calls, 13);
  falign_batches_destroy(batches);
  free_learner(&by);
}
END_TEST

/* Stopped between two updates, by the result or by a request, and continued: the same bits as without. */
START_TEST(cancelled_and_continued) {
  draw_data();
  learner by = make(FALIGN_F64, "fa"), whole = make(FALIGN_F64, "fa");
  falign_batches *batches = new_batches(POINTS, BATCH, FALIGN_ORDER_EPOCH);
  progress p = {.trainer = by.trainer, .stop_at = 5, .cancel_at = 12};
  falign_trainer_set_progress(by.trainer, watch, &p);
  fails(FALIGN_CANCELLED, "5", falign_trainer_run(by.trainer, batches, 20));
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 5);
  fails(FALIGN_CANCELLED, "12", falign_trainer_run(by.trainer, batches, 20));
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 12);
  falign_trainer_cancel(by.trainer); /* before a run: the next one takes it */
  fails(FALIGN_CANCELLED, "12", falign_trainer_run(by.trainer, batches, 20));
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 12);
  ok(falign_trainer_run(by.trainer, batches, 20)); /* once */
  ck_assert_uint_eq(p.calls, 20);
  ok(falign_trainer_run(whole.trainer, batches, 20));
  ck_assert(same_parameters(by.network, whole.network));
  falign_batches_destroy(batches);
  free_learner(&by);
  free_learner(&whole);
}
END_TEST

static void *cancel_from_here(void *trainer) {
  falign_trainer_cancel(trainer);
  return NULL;
}

/* Starts the thread that cancels once the run is well under way. */
static int32_t start_cancelling(void *user, uint64_t iteration, uint64_t until) {
  (void)until;
  progress *p = user;
  pthread_t thread;
  if (iteration != 3) return 0;
  ck_assert_int_eq(pthread_create(&thread, NULL, cancel_from_here, p->trainer), 0);
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
  p->calls = (size_t)iteration;
  return 0;
}

START_TEST(cancelled_from_another_thread) {
  draw_data();
  learner by = make(FALIGN_F32, "fa");
  falign_batches *batches = new_batches(POINTS, BATCH, FALIGN_ORDER_NONE);
  progress p = {.trainer = by.trainer};
  falign_trainer_set_progress(by.trainer, start_cancelling, &p);
  fails(FALIGN_CANCELLED, "3", falign_trainer_run(by.trainer, batches, UINT64_MAX));
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 3);
  /* and while it runs, without any agreement on when */
  falign_trainer_set_progress(by.trainer, NULL, NULL);
  pthread_t thread;
  ck_assert_int_eq(pthread_create(&thread, NULL, cancel_from_here, by.trainer), 0);
  fails(FALIGN_CANCELLED, "cancelled", falign_trainer_run(by.trainer, batches, UINT64_MAX));
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
  falign_batches_destroy(batches);
  free_learner(&by);
}
END_TEST

/* ---- Observers ---- */

typedef struct {
  uint64_t seen[64];
  size_t calls;
  bool without_trace;
  double weight[64]; /* W[0][0] when it looked */
} observer;

static falign_status look(void *user, const falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                          void *emit_user) {
  (void)user;
  uint64_t k = falign_trainer_iteration(trainer);
  if (trace) ck_assert_uint_eq(falign_trace_iteration(trace), k);
  ((observer *)emit_user)->without_trace = trace == NULL;
  return emit(emit_user, k, "look", -1, -1, falign_network_weights_f64(falign_trainer_network(trainer), 0)[0]);
}

static falign_status receive(void *user, uint64_t iteration, const char *metric, int64_t layer, int64_t order,
                             double value) {
  observer *by = user;
  ck_assert_str_eq(metric, "look");
  ck_assert(layer == -1 && order == -1);
  by->weight[by->calls] = value;
  by->seen[by->calls++] = iteration;
  return FALIGN_OK;
}

static falign_metric *new_metric(int32_t needs) {
  const falign_metric_table table = {.size = sizeof table, .name = "look", .needs = needs, .measure = look};
  falign_metric *metric = NULL;
  ok(falign_metric_create_custom(&table, NULL, &metric));
  return metric;
}

/* Before each update of which `every` is a divisor, and at the listed ones, in a run and in single steps; with the
 * weights before the update. */
START_TEST(observers_look_when_due) {
  draw_data();
  learner by = make(FALIGN_F64, "fa");
  falign_batches *batches = new_batches(POINTS, BATCH, FALIGN_ORDER_NONE);
  falign_metric *metric = new_metric(0);
  observer each = {.calls = 0}, third = {.calls = 0}, listed = {.calls = 0}, never = {.calls = 0};
  uint64_t at[] = {11, 0, 4, 4, 1000};
  ok(falign_trainer_observe(by.trainer, metric, 1, receive, &each));
  ok(falign_trainer_observe(by.trainer, metric, 3, receive, &third));
  ok(falign_trainer_observe_at(by.trainer, metric, at, 5, receive, &listed));
  ok(falign_trainer_observe_at(by.trainer, metric, NULL, 0, receive, &never));
  memset(at, 0, sizeof at); /* the list was copied */
  falign_metric_destroy(metric);
  double before = falign_network_weights_f64(by.network, 0)[0];
  ok(falign_trainer_run(by.trainer, batches, 10));
  for (int k = 0; k < 3; k++) ok(step(&by, x, 5, y));
  ck_assert_uint_eq(each.calls, 13);
  for (size_t i = 0; i < 13; i++) ck_assert_uint_eq(each.seen[i], i);
  ck_assert(each.weight[0] == before && each.weight[1] != before);
  ck_assert_uint_eq(third.calls, 5);
  for (size_t i = 0; i < 5; i++) ck_assert_uint_eq(third.seen[i], 3 * i);
  ck_assert_uint_eq(listed.calls, 3);
  ck_assert(listed.seen[0] == 0 && listed.seen[1] == 4 && listed.seen[2] == 11);
  ck_assert_uint_eq(never.calls, 0);
  ck_assert(!each.without_trace);
  /* after the last update, all look that need no step */
  ok(falign_trainer_measure(by.trainer));
  ck_assert(each.calls == 14 && third.calls == 6 && listed.calls == 4 && never.calls == 1);
  ck_assert(each.seen[13] == 13 && each.without_trace);
  ck_assert(each.weight[13] == falign_network_weights_f64(by.network, 0)[0]);
  falign_batches_destroy(batches);
  free_learner(&by);
}
END_TEST

START_TEST(measure_leaves_out_those_that_need_a_step) {
  draw_data();
  learner by = make(FALIGN_F64, "fa");
  falign_metric *metric = new_metric(FALIGN_NEEDS_STEP);
  observer seen_by = {.calls = 0};
  ok(falign_trainer_observe(by.trainer, metric, 1, receive, &seen_by));
  ok(falign_trainer_measure(by.trainer));
  ck_assert_uint_eq(seen_by.calls, 0);
  fails(FALIGN_INVALID, "every is 0", falign_trainer_observe(by.trainer, metric, 0, receive, &seen_by));
  fails(FALIGN_INVALID, "metric is NULL", falign_trainer_observe(by.trainer, NULL, 1, receive, &seen_by));
  fails(FALIGN_INVALID, "sink", falign_trainer_observe(by.trainer, metric, 1, NULL, &seen_by));
  fails(FALIGN_INVALID, "iterations is NULL",
        falign_trainer_observe_at(by.trainer, metric, NULL, 1, receive, &seen_by));
  fails(FALIGN_INVALID, "trainer is NULL", falign_trainer_observe(NULL, metric, 1, receive, &seen_by));
  fails(FALIGN_INVALID, "trainer is NULL", falign_trainer_measure(NULL));
  ok(step(&by, x, 5, y));
  ck_assert_uint_eq(seen_by.calls, 1);
  falign_metric_destroy(metric);
  free_learner(&by);
}
END_TEST

static falign_status refuse_value(void *user, uint64_t iteration, const char *metric, int64_t layer, int64_t order,
                                  double value) {
  (void)user, (void)iteration, (void)metric, (void)layer, (void)order, (void)value;
  falign_set_last_error("the sink is full");
  return FALIGN_IO;
}

/* A sink that fails ends the step before the update. */
START_TEST(failing_sink_ends_the_step) {
  draw_data();
  learner by = make(FALIGN_F64, "fa"), same = make(FALIGN_F64, "fa");
  falign_metric *metric = NULL;
  ok(falign_metric_create("loss", &metric));
  ok(falign_trainer_observe(by.trainer, metric, 2, refuse_value, NULL));
  falign_metric_destroy(metric);
  fails(FALIGN_IO, "the sink is full", step(&by, x, 5, y));
  ck_assert(same_parameters(by.network, same.network));
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 0);
  free_learner(&by);
  free_learner(&same);
}
END_TEST

/* ---- Calls from callbacks ---- */

typedef struct {
  learner *by;
  falign_batches *batches;
  int refused, served;
} caller;

static falign_status call_back(void *user, const falign_trainer *trainer, const falign_trace *trace,
                               falign_value_fn emit, void *emit_user) {
  (void)trace, (void)emit, (void)emit_user;
  caller *c = user;
  double out[5 * 4], loss;
  falign_trainer *own = c->by->trainer;
  ck_assert_ptr_eq(trainer, own);
  c->refused += step(c->by, x, 5, y) == FALIGN_INVALID;
  c->refused += falign_trainer_run(own, c->batches, 1000) == FALIGN_INVALID;
  c->refused += falign_trainer_impose_f64(own, x, 5, 7, 7, y, 4, 4) == FALIGN_INVALID;
  c->refused += falign_trainer_set_eta(own, 7) == FALIGN_INVALID;
  c->refused += falign_trainer_set_threads(own, 2) == FALIGN_INVALID;
  c->refused += falign_trainer_set_norm(own, NULL) == FALIGN_INVALID;
  c->served += falign_trainer_evaluate(own, c->batches, &loss, NULL) == FALIGN_OK;
  c->served += falign_trainer_forward_f64(own, x, 5, 7, 7, out, 4, 4) == FALIGN_OK;
  return FALIGN_OK;
}

/* Steps and settings are refused; looking is served, and disturbs neither the step nor the run's data. */
START_TEST(calls_from_a_metric) {
  draw_data();
  learner by = make(FALIGN_F64, "fa"), plain_run = make(FALIGN_F64, "fa");
  falign_batches *batches = new_batches(POINTS, BATCH, FALIGN_ORDER_EPOCH);
  caller c = {.by = &by, .batches = batches};
  const falign_metric_table table = {.size = sizeof table, .name = "caller", .measure = call_back};
  falign_metric *metric = NULL;
  ok(falign_metric_create_custom(&table, &c, &metric));
  ok(falign_trainer_observe(by.trainer, metric, 1, note, NULL));
  falign_metric_destroy(metric);
  ok(falign_trainer_run(by.trainer, batches, 15));
  ck_assert_int_eq(c.refused, 6 * 15);
  ck_assert_int_eq(c.served, 2 * 15);
  ok(falign_trainer_run(plain_run.trainer, batches, 15));
  ck_assert(same_parameters(by.network, plain_run.network));
  ck_assert(falign_trainer_eta(by.trainer) == 0.001);
  falign_batches_destroy(batches);
  free_learner(&by);
  free_learner(&plain_run);
}
END_TEST

/* ---- What a trace keeps ---- */

static falign_status view(const learner *by, falign_quantity quantity, uint32_t l) {
  const double *data = NULL;
  return falign_trace_view_f64(falign_trainer_trace(by->trainer), quantity, l, &data, NULL, NULL, NULL);
}

static void check_kept(const learner *by, bool activity, bool bp) {
  falign_status with_activity = activity ? FALIGN_OK : FALIGN_UNSUPPORTED;
  falign_status with_bp = bp ? FALIGN_OK : FALIGN_UNSUPPORTED;
  ck_assert_int_eq(view(by, FALIGN_DW, 0), FALIGN_OK);
  ck_assert_int_eq(view(by, FALIGN_DB, 1), FALIGN_OK);
  ck_assert_int_eq(view(by, FALIGN_L, 0), with_activity);
  ck_assert_int_eq(view(by, FALIGN_L, D), with_activity);
  ck_assert_int_eq(view(by, FALIGN_Z, 1), with_activity);
  ck_assert_int_eq(view(by, FALIGN_DELTA, 1), with_activity);
  ck_assert_int_eq(view(by, FALIGN_TARGET, D), with_activity);
  ck_assert_int_eq(view(by, FALIGN_DW_BP, 0), with_bp);
  ck_assert_int_eq(view(by, FALIGN_DB_BP, 1), with_bp);
  ck_assert_int_eq(view(by, FALIGN_DELTA_BP, 1), activity && bp ? FALIGN_OK : FALIGN_UNSUPPORTED);
}

/* In every order of asking for more and for less: what a step did not keep is not shown from an earlier one. */
START_TEST(kept_as_asked) {
  const char *const rules[] = {"fa", "bp"};
  draw_data();
  for (int r = 0; r < 2; r++) {
    learner by = make(FALIGN_F64, rules[r]);
    ck_assert_ptr_null(falign_trainer_trace(by.trainer));
    for (int turn = 0; turn < 16; turn++) {
      bool activity = turn * 7 / 2 & 1, bp = turn * 5 / 3 & 1;
      ok(falign_trainer_keep(by.trainer, (activity ? FALIGN_NEEDS_ACTIVITY : 0) | (bp ? FALIGN_NEEDS_BP : 0)));
      ok(step(&by, x, 140, y));
      check_kept(&by, activity, bp);
    }
    free_learner(&by);
  }
}
END_TEST

START_TEST(delta_bp_is_not_stale) {
  draw_data();
  learner by = make(FALIGN_F64, "fa");
  ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP));
  ok(step(&by, x, 5, y));
  check_kept(&by, true, true);
  ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY));
  ok(step(&by, x, 5, y));
  check_kept(&by, true, false);
  free_learner(&by);
}
END_TEST

START_TEST(views_that_do_not_exist) {
  draw_data();
  learner by = make(FALIGN_F64, "fa"), narrow = make(FALIGN_F32, "fa");
  const size_t n[] = {7, 4};
  learner unbiased = new_learner(new_network(FALIGN_F64, 1, n, false, FALIGN_TANH), "bp", 1, 1, 0.1);
  const double *data = NULL;
  const float *data_f32 = NULL;
  ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP));
  ok(step(&by, x, 5, y));
  ok(step(&narrow, x, 5, y));
  ok(step(&unbiased, x, 5, y));
  const falign_trace *trace = falign_trainer_trace(by.trainer);
  const struct {
    falign_quantity quantity;
    uint32_t l;
  } wrong[] = {{FALIGN_L, 4},  {FALIGN_Z, 0},         {FALIGN_Z, 4},       {FALIGN_DELTA, 0},    {FALIGN_TARGET, 2},
               {FALIGN_DW, 3}, {FALIGN_DB, 0},        {FALIGN_DB, 4},      {FALIGN_DELTA_BP, 0}, {FALIGN_DW_BP, 3},
               {0, 1},         {FALIGN_DB_BP + 1, 1}, {FALIGN_L, 1u << 31}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    fails(FALIGN_INVALID, "", falign_trace_view_f64(trace, wrong[i].quantity, wrong[i].l, &data, NULL, NULL, NULL));
  fails(FALIGN_SHAPE, "f64", falign_trace_view_f32(trace, FALIGN_DW, 0, &data_f32, NULL, NULL, NULL));
  fails(FALIGN_SHAPE, "f32",
        falign_trace_view_f64(falign_trainer_trace(narrow.trainer), FALIGN_DW, 0, &data, NULL, NULL, NULL));
  ck_assert_int_eq(view(&unbiased, FALIGN_DB, 1), FALIGN_UNSUPPORTED);
  fails(FALIGN_INVALID, "trace is NULL", falign_trace_view_f64(NULL, FALIGN_DW, 0, &data, NULL, NULL, NULL));
  ck_assert_ptr_null(data);
  ck_assert_ptr_null(data_f32);
  free_learner(&by);
  free_learner(&narrow);
  free_learner(&unbiased);
}
END_TEST

/* ---- Evaluation and forward pass ---- */

static plain model;

/* Sums of 103 * 4 squares of numbers of which each went through three products of at most 9 terms: less than 103
 * epsilons, with all signs alike. */
START_TEST(evaluate_and_forward) {
  draw_data();
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    learner by = make(precision, "fa"), same = make(precision, "fa");
    const size_t sizes[] = {POINTS, BATCH, 1};
    plain_read(&model, by.network, by.rule);
    plain_forward(&model, x, POINTS);
    double want = plain_loss(&model, POINTS, y), loss = 0, error = 0;
    for (int i = 0; i < 3; i++) {
      falign_batches *batches = new_batches(POINTS, sizes[i], FALIGN_ORDER_EPOCH);
      ok(falign_trainer_evaluate(by.trainer, batches, &loss, &error));
      near(loss, want, want * 103 * epsilon(precision));
      ck_assert(isnan(error)); /* no code */
      ok(falign_trainer_evaluate(by.trainer, batches, NULL, NULL));
      falign_batches_destroy(batches);
    }
    if (precision == FALIGN_F64) {
      double out[POINTS * 5];
      for (size_t i = 0; i < POINTS * 5; i++) out[i] = 42;
      ok(falign_trainer_forward_f64(by.trainer, x, POINTS, 7, 7, out, 4, 5));
      for (size_t i = 0; i < POINTS * 5; i++)
        near(out[i], i % 5 < 4 ? model.out[D][i / 5][i % 5] : 42, 30 * epsilon(precision)); /* |L| is at most 1 */
    } else {
      float in[POINTS * 7], out[POINTS * 4];
      to_f32(x, POINTS * 7, in);
      ok(falign_trainer_forward_f32(by.trainer, in, POINTS, 7, 7, out, 4, 4));
      for (size_t i = 0; i < POINTS * 4; i++)
        near((double)out[i], model.out[D][i / 4][i % 4], 60 * epsilon(precision)); /* and x was rounded */
    }
    ck_assert(same_parameters(by.network, same.network));
    ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 0);
    free_learner(&by);
    free_learner(&same);
  }
}
END_TEST

/* The share of wrong decodings, against a decoding by hand: the largest dot product with the codes. */
START_TEST(error_of_classification) {
  enum { CATEGORIES = 3 };
  uint32_t labels[POINTS];
  draw_data();
  learner by = make(FALIGN_F64, "fa");
  falign_dataset *dataset = NULL;
  falign_code *code = NULL;
  falign_batches *batches = NULL;
  for (uint32_t i = 0; i < POINTS; i++) labels[i] = i * 7 % CATEGORIES;
  ok(falign_dataset_create_f64(x, POINTS, 7, 7, labels, CATEGORIES, &dataset));
  ok(falign_code_create_n_hot(CATEGORIES, 4, 1, 3, 0, &code));
  ok(falign_batches_create(dataset, code, BATCH, &batches));
  plain_read(&model, by.network, by.rule);
  plain_forward(&model, x, POINTS);
  int wrong = 0;
  double want = 0, loss, error;
  for (size_t r = 0; r < POINTS; r++) {
    uint32_t best = 0;
    double dots[CATEGORIES] = {0};
    for (uint32_t c = 0; c < CATEGORIES; c++) {
      for (size_t j = 0; j < 4; j++) dots[c] += falign_code_row(code, c)[j] * model.out[D][r][j];
      if (dots[c] > dots[best]) best = c;
    }
    wrong += best != labels[r];
    for (size_t j = 0; j < 4; j++) want += pow(falign_code_row(code, labels[r])[j] - model.out[D][r][j], 2) / 2;
  }
  ck_assert(wrong > 0 && wrong < POINTS);
  ok(falign_trainer_evaluate(by.trainer, batches, &loss, &error));
  ck_assert(error == (double)wrong / POINTS);
  near(loss, want, want * 103 * 0x1p-52);
  falign_batches_destroy(batches);
  falign_code_destroy(code);
  falign_dataset_destroy(dataset);
  free_learner(&by);
}
END_TEST

/* The same whatever the batch: also where several blocks of rows are summed up one after the other. */
START_TEST(evaluation_in_large_batches) {
  enum { CATEGORIES = 3 };
  static uint32_t labels[MOST];
  static double in_parts[MOST * 4], at_once[MOST * 4];
  draw_data();
  learner by = make(FALIGN_F64, "fa");
  falign_dataset *dataset = NULL;
  falign_code *code = NULL;
  double loss[2], error[2];
  const size_t sizes[] = {100, MOST};
  for (uint32_t i = 0; i < MOST; i++) labels[i] = i * 7 % CATEGORIES;
  ok(falign_dataset_create_f64(x, MOST, 7, 7, labels, CATEGORIES, &dataset));
  ok(falign_code_create_n_hot(CATEGORIES, 4, 1, 3, 0, &code));
  for (int i = 0; i < 2; i++) {
    falign_batches *batches = NULL;
    ok(falign_batches_create(dataset, code, sizes[i], &batches));
    ok(falign_trainer_evaluate(by.trainer, batches, &loss[i], &error[i]));
    falign_batches_destroy(batches);
  }
  ck_assert(error[0] > 0 && error[0] == error[1]);
  near(loss[1], loss[0], loss[0] * MOST * 0x1p-52); /* the same positive terms in another order */
  for (size_t r = 0; r < MOST; r += 100)
    ok(falign_trainer_forward_f64(by.trainer, x + r * 7, 100, 7, 7, in_parts + r * 4, 4, 4));
  ok(falign_trainer_forward_f64(by.trainer, x, MOST, 7, 7, at_once, 4, 4));
  for (size_t i = 0; i < MOST * 4; i++) near(at_once[i], in_parts[i], 30 * 0x1p-52); /* |L| is at most 1 */
  falign_code_destroy(code);
  falign_dataset_destroy(dataset);
  free_learner(&by);
}
END_TEST

/* ---- Divergence ---- */

static bool says(const char *text) { return strstr(falign_last_error(), text) != NULL; }

/* W[k] is what it was before the step that failed, and can be looked at. */
START_TEST(a_huge_eta_diverges) {
  draw_data();
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    learner by = new_learner(new_network(precision, D, widths, true, FALIGN_LINEAR), "fa", 0.5, 1, 10);
    falign_batches *batches = new_batches(POINTS, BATCH, FALIGN_ORDER_NONE);
    falign_status status = FALIGN_OK;
    double *before = NULL;
    while (status == FALIGN_OK) {
      free(before);
      before = parameters(by.network);
      status = falign_trainer_run(by.trainer, batches, falign_trainer_iteration(by.trainer) + 1);
      ck_assert_uint_lt(falign_trainer_iteration(by.trainer), 1000);
    }
    char text[64];
    uint64_t k = falign_trainer_iteration(by.trainer);
    ck_assert_int_eq(status, FALIGN_DIVERGED);
    snprintf(text, sizeof text, "iteration %d, layer", (int)k);
    ck_assert_msg(k > 0 && says(text), "\"%s\"", falign_last_error());
    ck_assert_ptr_null(falign_trainer_trace(by.trainer));
    double *after = parameters(by.network);
    ck_assert_mem_eq(before, after, falign_network_parameters(by.network) * sizeof *after);
    for (size_t i = 0; i < falign_network_parameters(by.network); i++) ck_assert(isfinite(after[i]));
    fails(FALIGN_DIVERGED, "iteration", falign_trainer_run(by.trainer, batches, 1000)); /* again, and no crash */
    ck_assert_uint_eq(falign_trainer_iteration(by.trainer), k);
    free(before);
    free(after);
    falign_batches_destroy(batches);
    free_learner(&by);
  }
}
END_TEST

/* An infinite update is found before it is added, with the layer of the weight or bias that would not be finite. */
START_TEST(updates_that_are_not_finite) {
  const size_t n[] = {1, 1};
  const double one = 1;
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    const double big = precision == FALIGN_F32 ? 0x1p127 : 0x1p1023;
    for (int bias = 0; bias < 2; bias++) {
      learner by = {.network = new_network(precision, 1, n, true, FALIGN_LINEAR)};
      ok(falign_rule_create_bp(by.network, &by.rule));
      ok(falign_trainer_create(by.network, by.rule, 1, &by.trainer));
      double w = bias ? 0 : big, zero = 0;
      if (bias) {
        ok(falign_network_set_bias_f64(by.network, 1, &big, 1));
      } else {
        ok(falign_network_set_weights_f64(by.network, 0, &w, 1, 1, 1));
      }
      /* 2^127 + 2^127 overflows; an imposed delta has no loss that would tell first */
      float x_f32 = bias ? 0 : 1, delta_f32 = 0x1p127f;
      falign_status status = precision == FALIGN_F32
                                 ? falign_trainer_impose_f32(by.trainer, &x_f32, 1, 1, 1, &delta_f32, 1, 1)
                                 : falign_trainer_impose_f64(by.trainer, bias ? &zero : &one, 1, 1, 1, &big, 1, 1);
      ck_assert_int_eq(status, FALIGN_DIVERGED);
      ck_assert_msg(says("iteration 0") && says(bias ? "layer 1: b[1]" : "W[0]"), "\"%s\"", falign_last_error());
      free_learner(&by);
    }
  }
}
END_TEST

/* A NaN written in place into W[l] or b[l] shows in Z of the layer above, also where the activation hides it. */
START_TEST(weights_that_are_not_finite) {
  draw_data();
  for (falign_activation f = FALIGN_TANH_RELU; f <= FALIGN_LINEAR; f++) {
    for (uint32_t l = 0; l < D; l++) {
      for (int bias = 0; bias < 2; bias++) {
        learner by = new_learner(new_network(FALIGN_F64, D, widths, true, f), "fa", 0.5, 1, 0.001);
        char text[32];
        double out[4] = {42, 42, 42, 42};
        if (bias) {
          falign_network_bias_f64(by.network, l + 1)[1] = (double)INFINITY;
        } else {
          falign_network_weights_f64(by.network, l)[1] = (double)NAN;
        }
        snprintf(text, sizeof text, "iteration 0, layer %u", l + 1);
        fails(FALIGN_DIVERGED, text, step(&by, x, 1, y));
        fails(FALIGN_DIVERGED, text, step(&by, x, MOST, y));
        fails(FALIGN_DIVERGED, text, falign_trainer_forward_f64(by.trainer, x, 1, 7, 7, out, 4, 4));
        for (int i = 0; i < 4; i++) ck_assert(out[i] == 42);
        falign_batches *batches = new_batches(POINTS, BATCH, FALIGN_ORDER_NONE);
        double loss = 42;
        fails(FALIGN_DIVERGED, text, falign_trainer_evaluate(by.trainer, batches, &loss, NULL));
        ck_assert(loss == 42);
        falign_batches_destroy(batches);
        free_learner(&by);
      }
    }
  }
}
END_TEST

/* Finite weights and inputs whose products are too large for f32: found in the layer where it happens. */
START_TEST(overflow_in_a_layer) {
  draw_data();
  learner by = new_learner(new_network(FALIGN_F32, D, widths, true, FALIGN_RELU), "fa", 0.5, 1, 0.001);
  float *w = falign_network_weights_f32(by.network, 1);
  for (size_t i = 0; i < 54; i++) w[i] = FLT_MAX;
  float *b = falign_network_bias_f32(by.network, 1);
  for (size_t i = 0; i < 9; i++) b[i] = 100; /* all units active */
  double *before = parameters(by.network);
  fails(FALIGN_DIVERGED, "layer 2", step(&by, x, 5, y));
  double *after = parameters(by.network);
  ck_assert_mem_eq(before, after, falign_network_parameters(by.network) * sizeof *after);
  free(before);
  free(after);
  free_learner(&by);
}
END_TEST

/* An infinite square of a finite error, where no unit passes it on. */
START_TEST(overflow_of_the_loss) {
  const size_t n[] = {1, 1};
  const double one = 1, far = 1e200;
  learner by = {.network = new_network(FALIGN_F64, 1, n, true, FALIGN_TANH_RELU)};
  ok(falign_rule_create_bp(by.network, &by.rule));
  ok(falign_trainer_create(by.network, by.rule, 1, &by.trainer));
  fails(FALIGN_DIVERGED, "loss", step(&by, &one, 1, &far));
  ck_assert(says("iteration 0, layer 1"));
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 0);
  free_learner(&by);
}
END_TEST

/* ---- Wrong input ---- */

/* The number is named; the network is as it was; and the same trainer can go on. */
START_TEST(inputs_that_are_not_finite) {
  const double bad[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
  draw_data();
  for (int i = 0; i < 3; i++) {
    for (falign_activation f = FALIGN_TANH_RELU; f <= FALIGN_LINEAR; f++) {
      falign_precision precision = i & 1 ? FALIGN_F32 : FALIGN_F64;
      learner by = new_learner(new_network(precision, D, widths, true, f), "fa", 0.5, 1, 0.001);
      learner same = new_learner(new_network(precision, D, widths, true, f), "fa", 0.5, 1, 0.001);
      double x_before = x[200 * 7 + 3], y_before = y[150 * 4 + 2];
      x[200 * 7 + 3] = bad[i];
      fails(FALIGN_INVALID, "x has", step(&by, x, 300, y));
      ck_assert_msg(says("row 200, column 3"), "%s", falign_last_error());
      x[200 * 7 + 3] = x_before;
      y[150 * 4 + 2] = bad[i];
      fails(FALIGN_INVALID, "y has", step(&by, x, 300, y));
      ck_assert_msg(says("row 150, column 2"), "%s", falign_last_error());
      y[150 * 4 + 2] = y_before;
      ck_assert(same_parameters(by.network, same.network));
      ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 0);
      ok(step(&by, x, 300, y));
      ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 1);
      free_learner(&by);
      free_learner(&same);
    }
  }
}
END_TEST

START_TEST(imposed_signals_that_are_not_finite) {
  draw_data();
  learner by = make(FALIGN_F64, "fa");
  y[3 * 4 + 1] = (double)NAN;
  fails(FALIGN_INVALID, "delta has", falign_trainer_impose_f64(by.trainer, x, 5, 7, 7, y, 4, 4));
  ck_assert(says("row 3, column 1"));
  x[2 * 7] = (double)INFINITY;
  fails(FALIGN_INVALID, "x has", falign_trainer_impose_f64(by.trainer, x, 5, 7, 7, y, 4, 4));
  free_learner(&by);
}
END_TEST

/* Nothing is written for a batch of which a later row is wrong. */
START_TEST(forward_is_all_or_nothing) {
  static double out[300 * 4];
  draw_data();
  learner by = make(FALIGN_F64, "fa");
  x[280 * 7 + 3] = (double)NAN;
  for (size_t i = 0; i < 300 * 4; i++) out[i] = 42;
  fails(FALIGN_INVALID, "row 280, column 3", falign_trainer_forward_f64(by.trainer, x, 300, 7, 7, out, 4, 4));
  for (size_t i = 0; i < 300 * 4; i++) ck_assert_msg(out[i] == 42, "row %zu was written", i / 4);
  free_learner(&by);
}
END_TEST

START_TEST(wrong_shapes) {
  draw_data();
  learner by = make(FALIGN_F64, "fa");
  falign_trainer *t = by.trainer;
  static float x_f32[50], y_f32[50];
  double out[20];
  fails(FALIGN_SHAPE, "x is 5 x 7, got 5 x 6", falign_trainer_step_f64(t, x, 5, 6, 6, y, 4, 4));
  fails(FALIGN_SHAPE, "y is 5 x 4, got 5 x 5", falign_trainer_step_f64(t, x, 5, 7, 7, y, 5, 5));
  fails(FALIGN_SHAPE, "delta is 5 x 4, got 5 x 3", falign_trainer_impose_f64(t, x, 5, 7, 7, y, 3, 3));
  fails(FALIGN_SHAPE, "y is 5 x 4, got 5 x 9", falign_trainer_forward_f64(t, x, 5, 7, 7, out, 9, 9));
  fails(FALIGN_SHAPE, "stride", falign_trainer_step_f64(t, x, 5, 7, 6, y, 4, 4));
  fails(FALIGN_SHAPE, "stride", falign_trainer_step_f64(t, x, 5, 7, 7, y, 4, 3));
  fails(FALIGN_SHAPE, "f64", falign_trainer_step_f32(t, x_f32, 5, 7, 7, y_f32, 4, 4));
  fails(FALIGN_SHAPE, "f64", falign_trainer_impose_f32(t, x_f32, 5, 7, 7, y_f32, 4, 4));
  fails(FALIGN_SHAPE, "f64", falign_trainer_forward_f32(t, x_f32, 5, 7, 7, y_f32, 4, 4));
  fails(FALIGN_INVALID, "0 rows", falign_trainer_step_f64(t, x, 0, 7, 7, y, 4, 4));
  fails(FALIGN_INVALID, "x is NULL", falign_trainer_step_f64(t, NULL, 5, 7, 7, y, 4, 4));
  fails(FALIGN_INVALID, "y is NULL", falign_trainer_step_f64(t, x, 5, 7, 7, NULL, 4, 4));
  fails(FALIGN_INVALID, "delta is NULL", falign_trainer_impose_f64(t, x, 5, 7, 7, NULL, 4, 4));
  fails(FALIGN_INVALID, "trainer is NULL", falign_trainer_step_f64(NULL, x, 5, 7, 7, y, 4, 4));
  fails(FALIGN_INVALID, "trainer is NULL", falign_trainer_evaluate(NULL, NULL, NULL, NULL));
  fails(FALIGN_INVALID, "trainer is NULL", falign_trainer_run(NULL, NULL, 1));
  fails(FALIGN_INVALID, "batches is NULL", falign_trainer_run(t, NULL, 1));
  fails(FALIGN_INVALID, "batches is NULL", falign_trainer_evaluate(t, NULL, NULL, NULL));
  falign_dataset *dataset = NULL;
  falign_batches *batches = NULL;
  ok(falign_dataset_create_regression_f64(x, 5, 6, 7, y, 4, 4, &dataset));
  ok(falign_batches_create(dataset, NULL, 5, &batches));
  fails(FALIGN_SHAPE, "6 inputs", falign_trainer_run(t, batches, 1));
  fails(FALIGN_SHAPE, "6 inputs", falign_trainer_evaluate(t, batches, NULL, NULL));
  falign_batches_destroy(batches);
  falign_dataset_destroy(dataset);
  ok(falign_dataset_create_regression_f64(x, 5, 7, 7, y, 3, 4, &dataset));
  ok(falign_batches_create(dataset, NULL, 5, &batches));
  fails(FALIGN_SHAPE, "3", falign_trainer_run(t, batches, 1));
  falign_batches_destroy(batches);
  falign_dataset_destroy(dataset);
  ck_assert_uint_eq(falign_trainer_iteration(t), 0);
  free_learner(&by);
}
END_TEST

START_TEST(eta_and_creation) {
  learner by = make(FALIGN_F64, "fa");
  falign_trainer *none = NULL;
  const double bad[] = {-1e-300, (double)NAN, (double)INFINITY};
  for (int i = 0; i < 3; i++) {
    fails(FALIGN_INVALID, "eta", falign_trainer_create(by.network, by.rule, bad[i], &none));
    fails(FALIGN_INVALID, "eta", falign_trainer_set_eta(by.trainer, bad[i]));
  }
  fails(FALIGN_INVALID, "network is NULL", falign_trainer_create(NULL, by.rule, 1, &none));
  fails(FALIGN_INVALID, "rule is NULL", falign_trainer_create(by.network, NULL, 1, &none));
  fails(FALIGN_INVALID, "out is NULL", falign_trainer_create(by.network, by.rule, 1, NULL));
  ck_assert_ptr_null(none);
  ck_assert(falign_trainer_eta(by.trainer) == 0.001);
  ok(falign_trainer_set_eta(by.trainer, 0));
  ck_assert(falign_trainer_eta(by.trainer) == 0);
  draw_data();
  learner same = make(FALIGN_F64, "fa");
  ok(step(&by, x, 5, y)); /* eta 0: a step that changes nothing */
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
  draw_data();
  learner by = make(FALIGN_F64, "fa");
  double bad = (double)NAN;
  for (uint32_t l = 0; l <= D; l++) ck_assert(isnan(falign_trainer_start_norm(by.trainer, l)));
  ck_assert_int_eq(falign_trainer_step_f64(by.trainer, x, 1, 7, 7, (double[]){bad, bad, bad, bad}, 4, 4),
                   FALIGN_INVALID);
  ok(falign_network_draw(by.network, 3, 3, 77, 0)); /* the failed step was none */
  double want[D];
  for (uint32_t l = 0; l < D; l++) {
    size_t rows = widths[l], cols = widths[l + 1];
    want[l] = falign_frobenius_f64(falign_network_weights_f64(by.network, l), rows, cols, cols);
  }
  for (int k = 0; k < 3; k++) ok(step(&by, x, 5, y));
  for (uint32_t l = 0; l < D; l++)
    ck_assert_msg(falign_trainer_start_norm(by.trainer, l) == want[l], "W[%u]: %g, not %g", l,
                  falign_trainer_start_norm(by.trainer, l), want[l]);
  ck_assert(isnan(falign_trainer_start_norm(by.trainer, D)));
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
  draw_data();
  int destroyed = 0;
  learner by = {.network = new_network(FALIGN_F64, D, widths, true, FALIGN_TANH)};
  const falign_rule_table table = {
      .size = sizeof table, .name = "counted", .signal_f64 = no_signal, .destroy = count_destroyed};
  const falign_norm_table leaving = {
      .size = sizeof leaving, .name = "leaving", .apply = leave, .destroy = count_destroyed};
  const falign_metric_table looking = {
      .size = sizeof looking, .name = "look", .measure = look, .destroy = count_destroyed};
  falign_norm *norm = NULL;
  falign_metric *metric = NULL;
  observer seen_by = {.calls = 0};
  ok(falign_network_draw(by.network, 1, 1, 1, 0));
  ok(falign_rule_create_custom(&table, &destroyed, by.network, &by.rule));
  ok(falign_norm_create_custom(&leaving, &destroyed, &norm));
  ok(falign_metric_create_custom(&looking, &destroyed, &metric));
  ok(falign_trainer_create(by.network, by.rule, 0.1, &by.trainer));
  ok(falign_trainer_set_norm(by.trainer, norm));
  ok(falign_trainer_observe(by.trainer, metric, 1, receive, &seen_by));
  ok(falign_trainer_observe(by.trainer, metric, 2, receive, &seen_by));
  falign_network *network = by.network;
  falign_metric_destroy(metric);
  falign_norm_destroy(norm);
  falign_rule_destroy(by.rule);
  falign_network_destroy(network);
  ok(falign_trainer_step_f64(by.trainer, x, 5, 7, 7, y, 4, 4));
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
  draw_data();
  learner by = make(FALIGN_F64, "fa"), alone = make(FALIGN_F64, "fa");
  falign_trainer *second = NULL;
  ok(falign_trainer_create(by.network, by.rule, 0.001, &second));
  for (int k = 0; k < 4; k++) ok(falign_trainer_step_f64(k & 1 ? second : by.trainer, x, 5, 7, 7, y, 4, 4));
  for (int k = 0; k < 4; k++) ok(step(&alone, x, 5, y));
  ck_assert(same_parameters(by.network, alone.network));
  ck_assert_uint_eq(falign_trainer_iteration(second), 2);
  free_learner(&by);
  ok(falign_trainer_step_f64(second, x, 5, 7, 7, y, 4, 4));
  falign_trainer_destroy(second);
  free_learner(&alone);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_loop_test(tests, threads_give_the_same_bits, 0, (int)falign_backend_count());
  tcase_add_test(tests, threads_changed_in_between);
  tcase_add_loop_test(tests, resumed_runs_give_the_same_bits, FALIGN_ORDER_NONE, FALIGN_ORDER_EPOCH + 1);
  tcase_add_test(tests, runs_in_pieces);
  tcase_add_test(tests, import_is_all_or_nothing);
  tcase_add_test(tests, import_with_a_failing_load);
  tcase_add_test(tests, progress_after_each_update);
  tcase_add_test(tests, cancelled_and_continued);
  tcase_add_test(tests, cancelled_from_another_thread);
  tcase_add_test(tests, observers_look_when_due);
  tcase_add_test(tests, measure_leaves_out_those_that_need_a_step);
  tcase_add_test(tests, failing_sink_ends_the_step);
  tcase_add_test(tests, calls_from_a_metric);
  tcase_add_test(tests, kept_as_asked);
  tcase_add_test(tests, delta_bp_is_not_stale);
  tcase_add_test(tests, views_that_do_not_exist);
  tcase_add_test(tests, evaluate_and_forward);
  tcase_add_test(tests, error_of_classification);
  tcase_add_test(tests, evaluation_in_large_batches);
  tcase_add_test(tests, a_huge_eta_diverges);
  tcase_add_test(tests, updates_that_are_not_finite);
  tcase_add_test(tests, weights_that_are_not_finite);
  tcase_add_test(tests, overflow_in_a_layer);
  tcase_add_test(tests, overflow_of_the_loss);
  tcase_add_test(tests, inputs_that_are_not_finite);
  tcase_add_test(tests, imposed_signals_that_are_not_finite);
  tcase_add_test(tests, forward_is_all_or_nothing);
  tcase_add_test(tests, wrong_shapes);
  tcase_add_test(tests, eta_and_creation);
  tcase_add_test(tests, start_norms);
  tcase_add_test(tests, any_order_of_destruction);
  tcase_add_test(tests, shared_network);
}

int main(void) { return run_suite("trainer", add_tests); }
