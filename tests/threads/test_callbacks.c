/* SPDX-License-Identifier: Apache-2.0 */
/* What docs/threads.md promises of callbacks: what they may call and what is refused, and cancelling. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "threads/whole_run.h"

/* ---- Callbacks that call back ---- */

/* A learner whose rule, activation, metric and progress may call; `threads` of each trainer is `most`. */
typedef struct {
  learner by, other;
  falign_batches *batches;
  falign_metric *loss;
  atomic_int calls, refused, served, destroyed;
  bool destroys; /* the callback gives the trainer back */
  bool cancels;  /* the callback asks the run that it is within to end */
} caller;

/* All that a trainer refuses while it is at work; counts as one call. */
static void call_at_work(caller *p) {
  falign_trainer *own = p->by.trainer;
  double x[7] = {0};
  if (p->cancels) falign_trainer_cancel(own);
  bool refused =
      falign_trainer_step(own, READ_F64(x, 1, 7, 7), READ_F64(x, 1, 4, 4)) == FALIGN_INVALID &&
      falign_trainer_probe(own, READ_F64(x, 1, 7, 7), READ_F64(x, 1, 4, 4)) == FALIGN_INVALID &&
      falign_trainer_impose(own, READ_F64(x, 1, 7, 7), READ_F64(x, 1, 4, 4)) == FALIGN_INVALID &&
      falign_trainer_run(own, p->batches, UINT64_MAX) == FALIGN_INVALID &&
      falign_trainer_measure(own) == FALIGN_INVALID && falign_trainer_set_eta(own, 7) == FALIGN_INVALID &&
      falign_trainer_set_threads(own, 1) == FALIGN_INVALID && falign_trainer_set_norm(own, NULL) == FALIGN_INVALID &&
      falign_trainer_set_backend(own, falign_trainer_backend(own)) == FALIGN_INVALID &&
      falign_trainer_set_history(own, NULL) == FALIGN_INVALID && falign_trainer_keep(own, 0) == FALIGN_INVALID &&
      falign_trainer_observe(own, p->loss, 1, add_value, NULL) == FALIGN_INVALID &&
      falign_trainer_import(own, NULL) == FALIGN_INVALID && strstr(falign_last_error(), "from one of its callbacks");
  atomic_fetch_add(&p->calls, 1);
  atomic_fetch_add(&p->refused, refused);
}

/* What it also refuses while it computes or evaluates. */
static void call_while_busy(caller *p) {
  double out[OUTPUTS], x[7] = {0}, loss;
  call_at_work(p);
  bool refused = falign_trainer_evaluate(p->by.trainer, p->batches, &loss, NULL) == FALIGN_INVALID &&
                 falign_trainer_forward(p->by.trainer, READ_F64(x, 1, 7, 7), WRITE_F64(out, 1, 4, 4)) == FALIGN_INVALID;
  if (!refused) atomic_fetch_sub(&p->refused, 1);
}

static falign_status busy_signal(void *user, const falign_rule *rule, const falign_network *network,
                                 const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  call_while_busy(user);
  return no_signal(NULL, rule, network, trace, l, out);
}

static falign_status busy_adapt(void *user, falign_rule *rule, falign_network *network, const falign_trace *trace) {
  (void)rule, (void)network, (void)trace;
  call_while_busy(user);
  return FALIGN_OK;
}

static void identity(void *user, const double *z, double *out, size_t count) {
  caller *p = user;
  memcpy(out, z, count * sizeof *out);
  call_while_busy(p);
}

static void ones(void *user, const double *z, double *out, size_t count) {
  (void)user, (void)z;
  for (size_t i = 0; i < count; i++) out[i] = 1;
}

static void count_destroyed(void *user) { atomic_fetch_add(&((caller *)user)->destroyed, 1); }

static void new_caller(caller *p, uint32_t threads) {
  const falign_rule_table table = {.size = sizeof table,
                                   .name = "caller",
                                   .concurrent = 1,
                                   .signal = busy_signal,
                                   .adapt = busy_adapt,
                                   .destroy = count_destroyed};
  memset(p, 0, sizeof *p);
  p->by.network = new_network(FALIGN_F64, TASK_LAYERS, task_widths, true, TANH);
  ok(falign_network_draw(p->by.network, 0.5, 0.5, 1, 0));
  ok(falign_rule_create_custom(&table, p, p->by.network, &p->by.rule));
  ok(falign_trainer_create(p->by.network, p->by.rule, 0.001, &p->by.trainer));
  ok(falign_trainer_set_threads(p->by.trainer, threads));
  p->other = task_learner(FALIGN_F64, "fa");
  p->batches = task_batches(TASK_ROWS, 1000, FALIGN_ORDER_NONE);
  ok(falign_metric_create("loss", &p->loss));
}

static void free_caller(caller *p) {
  free_learner(&p->by);
  free_learner(&p->other);
  falign_batches_destroy(p->batches);
  falign_metric_destroy(p->loss);
}

/* From signals on all threads, `adapt` and activations in steps and evaluations: an error, no deadlock, no harm. */
START_TEST(busy_trainers_refuse) {
  caller p;
  draw_task();
  for (uint32_t threads = 1; threads <= several(); threads++) {
    new_caller(&p, threads);
    ok(falign_trainer_run(p.by.trainer, p.batches, 6));
    ck_assert_int_ge(atomic_load(&p.calls), 6 * (2 * 7 + 1)); /* two hidden layers of seven blocks or more, and adapt */
    ck_assert_int_eq(atomic_load(&p.refused), atomic_load(&p.calls));
    int before = atomic_load(&p.calls);
    double loss, error;
    ok(activate_custom(p.by.network, 1, identity, ones, &p));
    ok(falign_trainer_evaluate(p.by.trainer, p.batches, &loss, &error));
    ck_assert_int_ge(atomic_load(&p.calls), before + 3 * 7);
    ck_assert_int_eq(atomic_load(&p.refused), atomic_load(&p.calls));
    ok(falign_trainer_set_eta(p.by.trainer, 0.002)); /* it is idle again */
    ck_assert_uint_eq(falign_trainer_iteration(p.by.trainer), 6);
    free_caller(&p);
  }
}
END_TEST

/* A metric may measure, make and destroy objects, and use another trainer; of its own it may evaluate. */
static falign_status use_the_library(void *user, falign_trainer *trainer, const falign_trace *trace,
                                     falign_value_fn emit, void *emit_user) {
  caller *p = user;
  whole_run inner = {.number = 1, .threads = p->destroys ? 1 : falign_trainer_threads(trainer)};
  falign_view view;
  double loss, angle;
  (void)trace;
  call_at_work(p);
  TRY(falign_network_view(falign_trainer_network(trainer), FALIGN_W, 1, &view));
  const double *w = view.data;
  TRY(falign_angle(READ_F64(w, 1, 6, 6), READ_F64(w + 6, 1, 6, 6), &angle, NULL, NULL));
  TRY(emit(emit_user, &(falign_value){0, "own", -1, -1, angle}));
  TRY(falign_trainer_evaluate(trainer, p->batches, &loss, NULL));
  TRY(falign_trainer_step(p->other.trainer, READ_F64(task.x, 100, 7, 7), READ_F64(task.y, 100, 4, 4)));
  TRY(falign_trainer_evaluate(p->other.trainer, p->batches, &loss, NULL));
  TRY(do_run(&inner));
  atomic_fetch_add(&p->served, 1);
  if (!p->destroys) return FALIGN_OK;
  falign_rule_destroy(p->by.rule);
  falign_trainer_destroy(p->by.trainer);
  return atomic_load(&p->destroyed) == 0 ? FALIGN_OK : FALIGN_CALLBACK;
}

static void observe_by_use(caller *p, int32_t needs) {
  const falign_metric_table table = {.size = sizeof table, .name = "user", .needs = needs, .measure = use_the_library};
  static double values;
  falign_metric *metric;
  ok(falign_metric_create_custom(&table, p, &metric));
  ok(falign_trainer_observe(p->by.trainer, metric, 1, add_value, &values));
  falign_metric_destroy(metric);
}

START_TEST(metrics_use_the_library) {
  caller p;
  draw_task();
  new_caller(&p, several());
  observe_by_use(&p, FALIGN_NEEDS_STEP);
  ok(falign_trainer_run(p.by.trainer, p.batches, 4));
  ck_assert_int_eq(atomic_load(&p.served), 4);
  ck_assert_uint_eq(falign_trainer_iteration(p.other.trainer), 4);
  ck_assert_int_eq(atomic_load(&p.refused), atomic_load(&p.calls));
  free_caller(&p);
}
END_TEST

/* A trainer that its own callback gives back goes when the call that ran the callback is over. */
START_TEST(destroyed_within_its_own_calls) {
  caller p;
  draw_task();
  for (int way = 0; way < 3; way++) {
    new_caller(&p, several());
    p.destroys = true;
    observe_by_use(&p, 0);
    if (way == 0) ok(falign_trainer_step(p.by.trainer, READ_F64(task.x, 1000, 7, 7), READ_F64(task.y, 1000, 4, 4)));
    if (way == 1) ok(falign_trainer_measure(p.by.trainer));
    if (way == 2) ok(falign_trainer_run(p.by.trainer, p.batches, 1));
    ck_assert_int_eq(atomic_load(&p.served), 1);
    ck_assert_int_eq(atomic_load(&p.destroyed), 1);
    falign_network_destroy(p.by.network);
    free_learner(&p.other);
    falign_batches_destroy(p.batches);
    falign_metric_destroy(p.loss);
  }
}
END_TEST

/* Between two updates, where progress is told, a trainer is idle: it may be set, evaluated, and trained further. */
static int32_t change_settings(void *user, uint64_t iteration, uint64_t until) {
  caller *p = user;
  double loss;
  (void)until;
  bool served = falign_trainer_set_threads(p->other.trainer, iteration % 2 ? several() : 1) == FALIGN_OK &&
                falign_trainer_evaluate(p->other.trainer, p->batches, &loss, NULL) == FALIGN_OK &&
                falign_trainer_set_eta(p->other.trainer, 0.001) == FALIGN_OK;
  if (iteration == 3) served = served && falign_trainer_run(p->other.trainer, p->batches, 5) == FALIGN_OK;
  atomic_fetch_add(&p->served, served);
  return 0;
}

START_TEST(progress_finds_an_idle_trainer) {
  caller p;
  draw_task();
  new_caller(&p, 1);
  learner whole = task_learner(FALIGN_F64, "fa");
  falign_trainer_set_progress(p.other.trainer, change_settings, &p);
  ok(falign_trainer_run(p.other.trainer, p.batches, 9));
  ok(falign_trainer_run(whole.trainer, p.batches, 9));
  ck_assert_int_eq(atomic_load(&p.served), 9);
  ck_assert(same_parameters(p.other.network, whole.network));
  free_learner(&whole);
  free_caller(&p);
}
END_TEST

/* ---- Cancelling ---- */

typedef struct {
  falign_trainer *trainer;
  pthread_mutex_t lock;
  pthread_cond_t under_way;
  bool begun;
} signal_box;

static int32_t tell(void *user, uint64_t iteration, uint64_t until) {
  signal_box *box = user;
  (void)until;
  if (iteration != 5) return 0;
  pthread_mutex_lock(&box->lock);
  box->begun = true;
  pthread_cond_signal(&box->under_way);
  pthread_mutex_unlock(&box->lock);
  return 0;
}

static void *cancel_once_begun(void *arg) {
  signal_box *box = arg;
  pthread_mutex_lock(&box->lock);
  while (!box->begun) pthread_cond_wait(&box->under_way, &box->lock);
  pthread_mutex_unlock(&box->lock);
  falign_trainer_cancel(box->trainer);
  return NULL;
}

/* Wherever a run was stopped from another thread, it goes on to the bits of one that was not. */
START_TEST(cancelled_while_running) {
  draw_task();
  for (uint32_t threads = 1; threads <= several(); threads++) {
    learner by = task_learner(FALIGN_F64, "fa"), whole = task_learner(FALIGN_F64, "fa");
    falign_batches *batches = task_batches(TASK_ROWS, 500, FALIGN_ORDER_EPOCH);
    signal_box box = {by.trainer, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    pthread_t thread;
    ok(falign_trainer_set_threads(by.trainer, threads));
    falign_trainer_set_progress(by.trainer, tell, &box);
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_once_begun, &box), 0);
    fails(FALIGN_CANCELLED, "cancelled at iteration", falign_trainer_run(by.trainer, batches, UINT64_MAX));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    uint64_t stopped = falign_trainer_iteration(by.trainer);
    ck_assert_uint_ge(stopped, 5);
    ok(falign_trainer_run(by.trainer, batches, stopped + 7));
    ok(falign_trainer_run(whole.trainer, batches, stopped + 7));
    ck_assert(same_parameters(by.network, whole.network));
    free_learner(&by);
    free_learner(&whole);
    falign_batches_destroy(batches);
  }
}
END_TEST

/* The runs that callbacks ask for in vain do not take a request that is for the run they are within. */
START_TEST(cancelled_from_signals) {
  caller p;
  draw_task();
  for (uint32_t threads = 1; threads <= several(); threads++) {
    new_caller(&p, threads);
    p.cancels = true;
    fails(FALIGN_CANCELLED, "cancelled at iteration 1", falign_trainer_run(p.by.trainer, p.batches, 6));
    ck_assert_int_gt(atomic_load(&p.calls), 0);
    ck_assert_int_eq(atomic_load(&p.refused), atomic_load(&p.calls));
    free_caller(&p);
  }
}
END_TEST

/* A request outside a run is kept for the next one that has something to do. */
START_TEST(cancelled_before_and_after) {
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa");
  falign_batches *batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_NONE);
  falign_trainer_cancel(by.trainer);
  fails(FALIGN_CANCELLED, "iteration 0", falign_trainer_run(by.trainer, batches, 3));
  ok(falign_trainer_run(by.trainer, batches, 3));
  falign_trainer_cancel(by.trainer);
  ok(falign_trainer_run(by.trainer, batches, 3)); /* nothing to do */
  fails(FALIGN_CANCELLED, "iteration 3", falign_trainer_run(by.trainer, batches, 4));
  ok(falign_trainer_run(by.trainer, batches, 4));
  free_learner(&by);
  falign_batches_destroy(batches);
}
END_TEST

static falign_trainer *interrupted;
static void handle(int number) {
  (void)number;
  falign_trainer_cancel(interrupted);
}

static int32_t raise_at_2(void *user, uint64_t iteration, uint64_t until) {
  (void)user, (void)until;
  return iteration == 2 ? raise(SIGUSR1) : 0;
}

START_TEST(cancelled_by_a_signal_handler) {
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa");
  falign_batches *batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_NONE);
  struct sigaction action = {.sa_handler = handle}, old;
  interrupted = by.trainer;
  sigaction(SIGUSR1, &action, &old);
  falign_trainer_set_progress(by.trainer, raise_at_2, NULL);
  fails(FALIGN_CANCELLED, "iteration 2", falign_trainer_run(by.trainer, batches, 9));
  sigaction(SIGUSR1, &old, NULL);
  ok(falign_trainer_run(by.trainer, batches, 9));
  free_learner(&by);
  falign_batches_destroy(batches);
}
END_TEST
/* ---- A rule's save and load give the trainer back ---- */

typedef struct {
  learner by;
  bool saving;
  int destroyed;
} releaser;

static void release_trainer(releaser *g) {
  falign_trainer_destroy(g->by.trainer);
  ck_assert_int_eq(g->destroyed, 0);
}

static falign_status save(void *user, falign_tensors *tensors) {
  releaser *g = user;
  (void)tensors;
  if (g->saving) release_trainer(g);
  return FALIGN_OK;
}

static falign_status load(void *user, const falign_tensors *tensors) {
  (void)tensors;
  release_trainer(user);
  return FALIGN_OK;
}

static void count_rule_destroyed(void *user) { ((releaser *)user)->destroyed++; }

START_TEST(given_back_while_saved_and_loaded) {
  for (int saving = 0; saving < 2; saving++) {
    releaser g = {.saving = saving};
    const falign_rule_table table = {.size = sizeof table,
                                     .name = "releaser",
                                     .signal = no_signal,
                                     .save = save,
                                     .load = load,
                                     .destroy = count_rule_destroyed};
    falign_tensors *set = NULL;
    g.by.network = new_network(FALIGN_F64, TASK_LAYERS, task_widths, true, TANH);
    ok(falign_rule_create_custom(&table, &g, g.by.network, &g.by.rule));
    ok(falign_trainer_create(g.by.network, g.by.rule, 0.1, &g.by.trainer));
    falign_rule_destroy(g.by.rule);
    falign_network_destroy(g.by.network);
    ok(falign_tensors_create(&set));
    ok(falign_trainer_export(g.by.trainer, set));
    if (!saving) ok(falign_trainer_import(g.by.trainer, set));
    ck_assert_int_eq(g.destroyed, 1);
    falign_tensors_destroy(set);
  }
}
END_TEST

/* ---- Activations that evaluate while terms are computed, on the terms' threads ---- */

static struct {
  falign_trainer *trainer;
  falign_batches *batches;
  atomic_int looking;
  pthread_t own;     /* the thread on which observers look */
  atomic_int served; /* evaluations on other threads */
  double values;
} eager;

static void evaluate_within(void *user, const double *z, double *out, size_t count) {
  (void)user;
  for (size_t i = 0; i < count; i++) out[i] = z[i];
  if (!atomic_load(&eager.looking)) return;
  double loss;
  falign_status status = falign_trainer_evaluate(eager.trainer, eager.batches, &loss, NULL);
  if (status == FALIGN_OK && !pthread_equal(pthread_self(), eager.own)) atomic_fetch_add(&eager.served, 1);
}

static falign_status turn(void *user, falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                          void *emit_user) {
  (void)trainer, (void)trace, (void)emit, (void)emit_user;
  atomic_store(&eager.looking, *(const int *)user);
  return FALIGN_OK;
}

static void observe_turn(const learner *by, const int *to) {
  falign_metric *metric;
  const falign_metric_table table = {.size = sizeof table, .name = "turn", .needs = FALIGN_NEEDS_STEP, .measure = turn};
  ok(falign_metric_create_custom(&table, (void *)(uintptr_t)to, &metric));
  ok(falign_trainer_observe(by->trainer, metric, 1, add_value, &eager.values));
  falign_metric_destroy(metric);
}

/* Only the thread on which observers look may evaluate; learning is that of a run that nobody has looked at. */
START_TEST(threads_of_terms_are_refused) {
  static const int on = 1, off = 0;
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa"), plain_run = task_learner(FALIGN_F64, "fa");
  falign_history *history = NULL;
  falign_metric *terms;
  eager.trainer = by.trainer;
  eager.own = pthread_self();
  eager.batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_NONE);
  ok(activate_custom(by.network, 1, evaluate_within, ones, NULL));
  ok(activate_custom(plain_run.network, 1, evaluate_within, ones, NULL));
  ok(falign_trainer_set_threads(by.trainer, several()));
  ok(falign_history_create(by.network, &history));
  ok(falign_history_keep(history, FALIGN_KEEP_C));
  ok(falign_trainer_set_history(by.trainer, history));
  ok(falign_metric_create_terms(NULL, 0, &terms));
  observe_turn(&by, &on);
  ok(falign_trainer_observe(by.trainer, terms, 1, add_value, &eager.values));
  falign_metric_destroy(terms);
  observe_turn(&by, &off);
  ok(falign_trainer_run(by.trainer, eager.batches, 60));
  ok(falign_trainer_run(plain_run.trainer, eager.batches, 60));
  ck_assert(eager.values != 0); /* terms were measured */
  ck_assert_int_eq(atomic_load(&eager.served), 0);
  ck_assert(same_parameters(by.network, plain_run.network));
  falign_history_destroy(history);
  falign_batches_destroy(eager.batches);
  free_learner(&by);
  free_learner(&plain_run);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, busy_trainers_refuse);
  tcase_add_test(tests, metrics_use_the_library);
  tcase_add_test(tests, destroyed_within_its_own_calls);
  tcase_add_test(tests, progress_finds_an_idle_trainer);
  tcase_add_test(tests, cancelled_while_running);
  tcase_add_test(tests, cancelled_from_signals);
  tcase_add_test(tests, cancelled_before_and_after);
  tcase_add_test(tests, cancelled_by_a_signal_handler);
  tcase_add_test(tests, given_back_while_saved_and_loaded);
  tcase_add_test(tests, threads_of_terms_are_refused);
}

int main(void) { return run_suite("callbacks", add_tests); }
