/* SPDX-License-Identifier: Apache-2.0 */
/* What docs/threads.md promises: objects on many threads, callbacks that call back, cancelling, forks. Threads assert
 * nothing themselves, they report to the test's own thread. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "learning.h"

/* Neither the sanitizer nor OpenMP lets threads be made in a child of a program that has threads. */
#if defined(__SANITIZE_THREAD__) || defined(FAL_TEST_OPENMP)
#define CHILDREN_HAVE_THREADS false
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CHILDREN_HAVE_THREADS false
#endif
#endif
#ifndef CHILDREN_HAVE_THREADS
#define CHILDREN_HAVE_THREADS true
#endif

enum { CROWD = 8, POINTS = 400, INPUTS = 6, OUTPUTS = 4, UPDATES = 25, NUMBERS = 6 * 9 + 9 * 7 + 7 * 4 + 9 + 7 + 4 };
static const size_t widths[] = {INPUTS, 9, 7, OUTPUTS};

#define TRY(call)                                   \
  do {                                              \
    falign_status try_status = (call);              \
    if (try_status != FALIGN_OK) return try_status; \
  } while (0)

/* 2 in a build with threads, else 1. */
static uint32_t several(void) {
  learner by = task_learner(FALIGN_F32, "bp");
  falign_status status = falign_trainer_set_threads(by.trainer, 2);
  free_learner(&by);
  return status == FALIGN_UNSUPPORTED ? 1 : 2;
}

/* ---- Many threads ---- */

typedef struct crowd crowd;
typedef falign_status (*member_fn)(crowd *c, uint32_t number);

struct crowd {
  member_fn member;
  void *user;
  pthread_barrier_t barrier;
  falign_status status[CROWD];
  char message[CROWD][256];
};

typedef struct {
  crowd *crowd;
  uint32_t number;
} place;

static void *join_in(void *arg) {
  place *p = arg;
  crowd *c = p->crowd;
  pthread_barrier_wait(&c->barrier);
  c->status[p->number] = c->member(c, p->number);
  if (c->status[p->number] != FALIGN_OK)
    snprintf(c->message[p->number], sizeof c->message[0], "%s", falign_last_error());
  return NULL;
}

/* All members begin at once, each on a thread of its own; none may fail. */
static void gather(member_fn member, void *user) {
  crowd c = {.member = member, .user = user};
  place places[CROWD];
  pthread_t threads[CROWD];
  ck_assert_int_eq(pthread_barrier_init(&c.barrier, NULL, CROWD), 0);
  for (uint32_t i = 0; i < CROWD; i++) {
    places[i] = (place){&c, i};
    ck_assert_int_eq(pthread_create(&threads[i], NULL, join_in, &places[i]), 0);
  }
  for (uint32_t i = 0; i < CROWD; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
  pthread_barrier_destroy(&c.barrier);
  for (uint32_t i = 0; i < CROWD; i++) ck_assert_msg(c.status[i] == FALIGN_OK, "thread %u: %s", i, c.message[i]);
}

/* ---- Different objects: whole lives side by side ---- */

/* A run from the first object to the last, and all that it comes to. */
typedef struct {
  uint32_t number, threads;
  falign_dataset *data;
  falign_code *code;
  falign_batches *batches;
  falign_network *network;
  falign_rule *rule;
  falign_norm *norm;
  falign_metric *metric;
  falign_trainer *trainer;
  double norms, loss, error, numbers[NUMBERS];
} life;

static falign_status add_value(void *user, uint64_t iteration, const char *metric, int64_t layer, int64_t order,
                               double value) {
  (void)iteration, (void)metric, (void)layer, (void)order;
  *(double *)user += value;
  return FALIGN_OK;
}

static falign_status read_numbers(const falign_network *network, double *at) {
  for (uint32_t l = 0; l < falign_network_layers(network); l++) {
    size_t rows = falign_network_width(network, l), cols = falign_network_width(network, l + 1);
    TRY(falign_network_get_weights_f64(network, l, at, rows, cols, cols));
    TRY(falign_network_get_bias_f64(network, l + 1, at + rows * cols, cols));
    at += (rows + 1) * cols;
  }
  return FALIGN_OK;
}

static falign_status make_data(uint64_t seed, falign_dataset **data, falign_code **code) {
  TRY(falign_dataset_create_synthetic(POINTS, INPUTS, OUTPUTS, 0.6, 0.2, FALIGN_TRAIN, seed, data));
  return falign_code_create_n_hot(OUTPUTS, OUTPUTS, 1, seed, 0, code);
}

static falign_status begin(life *m) {
  static const char *const rules[] = {"bp", "fa", "dfa"};
  static const double gamma = 1;
  TRY(make_data(m->number, &m->data, &m->code));
  TRY(falign_batches_create(m->data, m->code, 150, &m->batches));
  TRY(falign_batches_set_order(m->batches, FALIGN_ORDER_EPOCH, 3, m->number));
  TRY(falign_network_create(m->number % 2 ? FALIGN_F32 : FALIGN_F64, 3, widths, 1, &m->network));
  TRY(falign_network_draw(m->network, 0.5, 0.5, m->number, 0));
  TRY(falign_rule_create_named(rules[m->number % 3], m->network, &m->rule));
  TRY(falign_rule_draw(m->rule, 0.5, m->number, 0));
  TRY(falign_norm_create_columns(&gamma, 1, &m->norm));
  TRY(falign_metric_create("norm_dw", &m->metric));
  TRY(falign_trainer_create(m->network, m->rule, 0.01, &m->trainer));
  TRY(falign_trainer_set_norm(m->trainer, m->norm));
  TRY(falign_trainer_set_threads(m->trainer, m->threads));
  return falign_trainer_observe(m->trainer, m->metric, 4, add_value, &m->norms);
}

static void end(life *m) {
  falign_dataset_destroy(m->data);
  falign_code_destroy(m->code);
  falign_rule_destroy(m->rule);
  falign_network_destroy(m->network);
  falign_metric_destroy(m->metric);
  falign_norm_destroy(m->norm);
  falign_trainer_destroy(m->trainer);
  falign_batches_destroy(m->batches);
}

static falign_status live(life *m) {
  falign_status status = begin(m);
  if (status == FALIGN_OK) status = falign_trainer_run(m->trainer, m->batches, UPDATES);
  if (status == FALIGN_OK) status = falign_trainer_evaluate(m->trainer, m->batches, &m->loss, &m->error);
  if (status == FALIGN_OK) status = read_numbers(m->network, m->numbers);
  end(m);
  return status;
}

static falign_status live_one(crowd *c, uint32_t number) { return live((life *)c->user + number); }

static void expect_same(const life *a, const life *b) {
  ck_assert_mem_eq(a->numbers, b->numbers, sizeof a->numbers);
  ck_assert_double_eq(a->norms, b->norms);
  ck_assert_double_eq(a->loss, b->loss);
  ck_assert_double_eq(a->error, b->error);
}

/* With the bits that each has alone on one thread, though half of them have several threads of their own. */
START_TEST(whole_lives_side_by_side) {
  life lives[CROWD];
  uint32_t most = several();
  for (uint32_t i = 0; i < CROWD; i++) lives[i] = (life){.number = i, .threads = i < CROWD / 2 ? 1 : most};
  gather(live_one, lives);
  for (uint32_t i = 0; i < CROWD; i++) {
    life alone = {.number = i, .threads = 1};
    ok(live(&alone));
    expect_same(&alone, &lives[i]);
    if (i > 0) ck_assert_mem_ne(lives[0].numbers, lives[i].numbers, sizeof lives[0].numbers);
  }
}
END_TEST

/* ---- Shared objects ---- */

typedef struct {
  falign_dataset *data;
  falign_code *code;
  falign_network *network;
  falign_rule *rule;
  falign_norm *norm;
  falign_trainer *trainers[CROWD];
  double loss[CROWD], error[CROWD], angle[CROWD], share[CROWD];
  uint64_t fingerprint[CROWD];
  uint32_t most; /* threads of a trainer */
  atomic_int rule_gone, norm_gone;
} shared;

static void rule_goes(void *user) { atomic_fetch_add(&((shared *)user)->rule_gone, 1); }
static void norm_goes(void *user) { atomic_fetch_add(&((shared *)user)->norm_gone, 1); }
static falign_status leave(void *user, falign_network *network, uint32_t l) {
  (void)user, (void)network, (void)l;
  return FALIGN_OK;
}

static void make_shared(shared *s) {
  const falign_rule_table rule = {
      .size = sizeof rule, .name = "own", .concurrent = 1, .signal_f64 = no_signal, .destroy = rule_goes};
  const falign_norm_table norm = {.size = sizeof norm, .name = "own", .apply = leave, .destroy = norm_goes};
  memset(s, 0, sizeof *s);
  s->most = several();
  ok(make_data(5, &s->data, &s->code));
  ok(falign_network_create(FALIGN_F64, 3, widths, 1, &s->network));
  ok(falign_network_draw(s->network, 0.5, 0.5, 1, 0));
  ok(falign_rule_create_custom(&rule, s, s->network, &s->rule));
  ok(falign_norm_create_custom(&norm, s, &s->norm));
}

static void release_shared(shared *s) {
  falign_dataset_destroy(s->data);
  falign_code_destroy(s->code);
  falign_network_destroy(s->network);
  falign_rule_destroy(s->rule);
  falign_norm_destroy(s->norm);
}

/* Reads everything that several may read, and evaluates one network with a trainer and batches of its own. */
static falign_status read_all(shared *s, uint32_t number) {
  falign_batches *batches = NULL;
  falign_trainer *trainer = NULL;
  const double *w = falign_network_view_weights_f64(s->network, 1);
  s->fingerprint[number] = falign_dataset_fingerprint(s->data);
  TRY(falign_angle_f64(w, 8, 7, 7, w + 7, 7, 0, &s->angle[number], NULL, NULL));
  falign_status status = falign_batches_create(s->data, s->code, 100, &batches);
  if (status == FALIGN_OK) status = falign_trainer_create(s->network, s->rule, 0.1, &trainer);
  if (status == FALIGN_OK) status = falign_trainer_set_norm(trainer, s->norm);
  if (status == FALIGN_OK) status = falign_trainer_set_threads(trainer, number % 2 ? s->most : 1);
  if (status == FALIGN_OK) status = falign_trainer_evaluate(trainer, batches, &s->loss[number], &s->error[number]);
  falign_trainer_destroy(trainer);
  falign_batches_destroy(batches);
  return status;
}

static falign_status read_shared(crowd *c, uint32_t number) { return read_all(c->user, number); }

START_TEST(shared_objects_are_read_side_by_side) {
  static shared s, alone;
  make_shared(&s);
  make_shared(&alone);
  ok(read_all(&alone, 0));
  gather(read_shared, &s);
  for (uint32_t i = 0; i < CROWD; i++) {
    ck_assert_uint_eq(s.fingerprint[i], alone.fingerprint[0]);
    ck_assert_double_eq(s.angle[i], alone.angle[0]);
    ck_assert_double_eq(s.loss[i], alone.loss[0]);
    ck_assert_double_eq(s.error[i], alone.error[0]);
  }
  release_shared(&s);
  release_shared(&alone);
}
END_TEST

static falign_status give_back(crowd *c, uint32_t number) {
  falign_trainer_destroy(((shared *)c->user)->trainers[number]);
  return FALIGN_OK;
}

/* The last reference, on whichever thread it goes, takes each shared object with it, once. */
START_TEST(references_given_back_from_all_threads) {
  static shared s;
  for (int again = 0; again < 20; again++) {
    make_shared(&s);
    for (uint32_t i = 0; i < CROWD; i++) {
      ok(falign_trainer_create(s.network, s.rule, 0.1, &s.trainers[i]));
      ok(falign_trainer_set_norm(s.trainers[i], s.norm));
    }
    release_shared(&s);
    ck_assert_int_eq(atomic_load(&s.rule_gone) + atomic_load(&s.norm_gone), 0);
    gather(give_back, &s);
    ck_assert_int_eq(atomic_load(&s.rule_gone), 1);
    ck_assert_int_eq(atomic_load(&s.norm_gone), 1);
  }
}
END_TEST

/* ---- Messages ---- */

typedef struct {
  bool fresh[CROWD], own[CROWD];
} messages;

static falign_status fail_in_turn(crowd *c, uint32_t number) {
  messages *m = c->user;
  char text[32];
  falign_code *code;
  m->fresh[number] = falign_last_error()[0] == 0;
  snprintf(text, sizeof text, "own %u", number);
  falign_set_last_error(text);
  pthread_barrier_wait(&c->barrier); /* all have left theirs */
  m->own[number] = strcmp(falign_last_error(), text) == 0;
  pthread_barrier_wait(&c->barrier);
  falign_status status = falign_code_create_n_hot(number + 2, 1, 1, 1, 0, &code);
  snprintf(text, sizeof text, "%u", number + 2); /* the categories are in the message */
  pthread_barrier_wait(&c->barrier);
  m->own[number] = m->own[number] && status == FALIGN_INVALID && strstr(falign_last_error(), text);
  return FALIGN_OK;
}

START_TEST(last_error_of_each_thread) {
  messages m = {{false}, {false}};
  falign_set_last_error("of the test");
  gather(fail_in_turn, &m);
  for (uint32_t i = 0; i < CROWD; i++) ck_assert(m.fresh[i] && m.own[i]);
  ck_assert_str_eq(falign_last_error(), "of the test");
}
END_TEST

/* ---- Callbacks that call back ---- */

/* A learner whose rule, activation, metric and progress may call; `threads` of each trainer is `most`. */
typedef struct {
  learner by, other;
  falign_batches *batches;
  atomic_int calls, refused, served, gone;
  bool destroys; /* the callback gives the trainer back */
  bool cancels;  /* the callback asks the run that it is within to end */
} phone;

/* All that a trainer refuses while it is at work; counts as one call. */
static void call_at_work(phone *p) {
  falign_trainer *own = p->by.trainer;
  double x[7] = {0};
  if (p->cancels) falign_trainer_cancel(own);
  bool refused =
      falign_trainer_step_f64(own, x, 1, 7, 7, x, 4, 4) == FALIGN_INVALID &&
      falign_trainer_run(own, p->batches, UINT64_MAX) == FALIGN_INVALID &&
      falign_trainer_measure(own) == FALIGN_INVALID && falign_trainer_set_eta(own, 7) == FALIGN_INVALID &&
      falign_trainer_set_threads(own, 1) == FALIGN_INVALID && falign_trainer_set_norm(own, NULL) == FALIGN_INVALID &&
      falign_trainer_set_backend(own, falign_trainer_backend(own)) == FALIGN_INVALID &&
      falign_trainer_set_history(own, NULL) == FALIGN_INVALID && falign_trainer_keep(own, 0) == FALIGN_INVALID &&
      falign_trainer_import(own, NULL) == FALIGN_INVALID && strstr(falign_last_error(), "from a callback of its own");
  atomic_fetch_add(&p->calls, 1);
  atomic_fetch_add(&p->refused, refused);
}

/* What it also refuses while it computes or evaluates. */
static void call_while_busy(phone *p) {
  double out[OUTPUTS], x[7] = {0}, loss;
  call_at_work(p);
  bool refused = falign_trainer_evaluate(p->by.trainer, p->batches, &loss, NULL) == FALIGN_INVALID &&
                 falign_trainer_forward_f64(p->by.trainer, x, 1, 7, 7, out, 4, 4) == FALIGN_INVALID;
  if (!refused) atomic_fetch_sub(&p->refused, 1);
}

static falign_status busy_signal(void *user, const falign_rule *rule, const falign_network *network,
                                 const falign_trace *trace, uint32_t l, double *out) {
  call_while_busy(user);
  return no_signal(NULL, rule, network, trace, l, out);
}

static falign_status busy_adapt(void *user, falign_rule *rule, falign_network *network, const falign_trace *trace) {
  (void)rule, (void)network, (void)trace;
  call_while_busy(user);
  return FALIGN_OK;
}

static void identity(void *user, const double *z, double *out, size_t count) {
  phone *p = user;
  memcpy(out, z, count * sizeof *out);
  call_while_busy(p);
}

static void ones(void *user, const double *z, double *out, size_t count) {
  (void)user, (void)z;
  for (size_t i = 0; i < count; i++) out[i] = 1;
}

static void it_goes(void *user) { atomic_fetch_add(&((phone *)user)->gone, 1); }

static void open_phone(phone *p, uint32_t threads) {
  const falign_rule_table table = {.size = sizeof table,
                                   .name = "caller",
                                   .concurrent = 1,
                                   .signal_f64 = busy_signal,
                                   .adapt = busy_adapt,
                                   .destroy = it_goes};
  memset(p, 0, sizeof *p);
  p->by.network = new_network(FALIGN_F64, TASK_LAYERS, task_widths, true, FALIGN_TANH);
  ok(falign_network_draw(p->by.network, 0.5, 0.5, 1, 0));
  ok(falign_rule_create_custom(&table, p, p->by.network, &p->by.rule));
  ok(falign_trainer_create(p->by.network, p->by.rule, 0.001, &p->by.trainer));
  ok(falign_trainer_set_threads(p->by.trainer, threads));
  p->other = task_learner(FALIGN_F64, "fa");
  p->batches = task_batches(TASK_ROWS, 1000, FALIGN_ORDER_NONE);
}

static void close_phone(phone *p) {
  free_learner(&p->by);
  free_learner(&p->other);
  falign_batches_destroy(p->batches);
}

/* From signals on all threads, `adapt` and activations in steps and evaluations: an error, no deadlock, no harm. */
START_TEST(busy_trainers_refuse) {
  phone p;
  draw_task();
  for (uint32_t threads = 1; threads <= several(); threads++) {
    open_phone(&p, threads);
    ok(falign_trainer_run(p.by.trainer, p.batches, 6));
    ck_assert_int_ge(atomic_load(&p.calls), 6 * (2 * 7 + 1)); /* two hidden layers of seven blocks or more, and adapt */
    ck_assert_int_eq(atomic_load(&p.refused), atomic_load(&p.calls));
    int before = atomic_load(&p.calls);
    double loss, error;
    ok(falign_network_set_custom_activation(p.by.network, 1, identity, ones, &p));
    ok(falign_trainer_evaluate(p.by.trainer, p.batches, &loss, &error));
    ck_assert_int_ge(atomic_load(&p.calls), before + 3 * 7);
    ck_assert_int_eq(atomic_load(&p.refused), atomic_load(&p.calls));
    ok(falign_trainer_set_eta(p.by.trainer, 0.002)); /* it is idle again */
    ck_assert_uint_eq(falign_trainer_iteration(p.by.trainer), 6);
    close_phone(&p);
  }
}
END_TEST

/* A metric may measure, make and destroy objects, and use another trainer; of its own it may evaluate. */
static falign_status use_the_library(void *user, const falign_trainer *trainer, const falign_trace *trace,
                                     falign_value_fn emit, void *emit_user) {
  phone *p = user;
  life inner = {.number = 1, .threads = p->destroys ? 1 : falign_trainer_threads(trainer)};
  const double *w = falign_network_view_weights_f64(falign_trainer_network(trainer), 1);
  double loss, angle;
  (void)trace;
  call_at_work(p);
  TRY(falign_angle_f64(w, 1, 6, 6, w + 6, 6, 0, &angle, NULL, NULL));
  TRY(emit(emit_user, 0, "own", -1, -1, angle));
  TRY(falign_trainer_evaluate(trainer, p->batches, &loss, NULL));
  TRY(falign_trainer_step_f64(p->other.trainer, task.x, 100, 7, 7, task.y, 4, 4));
  TRY(falign_trainer_evaluate(p->other.trainer, p->batches, &loss, NULL));
  TRY(live(&inner));
  atomic_fetch_add(&p->served, 1);
  if (!p->destroys) return FALIGN_OK;
  falign_rule_destroy(p->by.rule);
  falign_trainer_destroy(p->by.trainer);
  return atomic_load(&p->gone) == 0 ? FALIGN_OK : FALIGN_CALLBACK;
}

static void observe_by_use(phone *p, int32_t needs) {
  const falign_metric_table table = {.size = sizeof table, .name = "user", .needs = needs, .measure = use_the_library};
  static double values;
  falign_metric *metric;
  ok(falign_metric_create_custom(&table, p, &metric));
  ok(falign_trainer_observe(p->by.trainer, metric, 1, add_value, &values));
  falign_metric_destroy(metric);
}

START_TEST(metrics_use_the_library) {
  phone p;
  draw_task();
  open_phone(&p, several());
  observe_by_use(&p, FALIGN_NEEDS_STEP);
  ok(falign_trainer_run(p.by.trainer, p.batches, 4));
  ck_assert_int_eq(atomic_load(&p.served), 4);
  ck_assert_uint_eq(falign_trainer_iteration(p.other.trainer), 4);
  ck_assert_int_eq(atomic_load(&p.refused), atomic_load(&p.calls));
  close_phone(&p);
}
END_TEST

/* A trainer that its own callback gives back goes when the call that ran the callback is over. */
START_TEST(destroyed_within_its_own_calls) {
  phone p;
  draw_task();
  for (int way = 0; way < 3; way++) {
    open_phone(&p, several());
    p.destroys = true;
    observe_by_use(&p, 0);
    if (way == 0) ok(falign_trainer_step_f64(p.by.trainer, task.x, 1000, 7, 7, task.y, 4, 4));
    if (way == 1) ok(falign_trainer_measure(p.by.trainer));
    if (way == 2) ok(falign_trainer_run(p.by.trainer, p.batches, 1));
    ck_assert_int_eq(atomic_load(&p.served), 1);
    ck_assert_int_eq(atomic_load(&p.gone), 1);
    falign_network_destroy(p.by.network);
    free_learner(&p.other);
    falign_batches_destroy(p.batches);
  }
}
END_TEST

/* Between two updates, where progress is told, a trainer is idle: it may be set, evaluated, and trained further. */
static int32_t change_settings(void *user, uint64_t iteration, uint64_t until) {
  phone *p = user;
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
  phone p;
  draw_task();
  open_phone(&p, 1);
  learner whole = task_learner(FALIGN_F64, "fa");
  falign_trainer_set_progress(p.other.trainer, change_settings, &p);
  ok(falign_trainer_run(p.other.trainer, p.batches, 9));
  ok(falign_trainer_run(whole.trainer, p.batches, 9));
  ck_assert_int_eq(atomic_load(&p.served), 9);
  ck_assert(same_parameters(p.other.network, whole.network));
  free_learner(&whole);
  close_phone(&p);
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
  phone p;
  draw_task();
  for (uint32_t threads = 1; threads <= several(); threads++) {
    open_phone(&p, threads);
    p.cancels = true;
    fails(FALIGN_CANCELLED, "cancelled at iteration 1", falign_trainer_run(p.by.trainer, p.batches, 6));
    ck_assert_int_gt(atomic_load(&p.calls), 0);
    ck_assert_int_eq(atomic_load(&p.refused), atomic_load(&p.calls));
    close_phone(&p);
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

/* ---- Forks ---- */

/* What a child came to, through a pipe; false where it failed. */
static bool ask_child(falign_status (*work)(void *user, double *numbers), void *user, double *numbers) {
  int ends[2], status;
  size_t size = NUMBERS * sizeof *numbers, got = 0;
  ck_assert_int_eq(pipe(ends), 0);
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    double own[NUMBERS];
    alarm(60); /* a deadlock is a failure */
    bool well = work(user, own) == FALIGN_OK && write(ends[1], own, size) == (ssize_t)size;
    _exit(well ? 0 : 1);
  }
  close(ends[1]);
  for (ssize_t part = 1; got < size && part > 0; got += (size_t)part) {
    part = read(ends[0], (char *)numbers + got, size - got);
    if (part < 0) break;
  }
  close(ends[0]);
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  return got == size && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static falign_status live_in_child(void *user, double *numbers) {
  life *m = user;
  TRY(live(m));
  memcpy(numbers, m->numbers, sizeof m->numbers);
  return FALIGN_OK;
}

/* Goes on with a trainer of the parent's, destroys it, and makes new ones with threads where that can be. */
static falign_status go_on_in_child(void *user, double *numbers) {
  life *m = user, fresh = {.number = m->number, .threads = CHILDREN_HAVE_THREADS ? m->threads : 1};
  TRY(falign_trainer_run(m->trainer, m->batches, 2 * UPDATES));
  if (fresh.threads > 1) TRY(falign_trainer_set_threads(m->trainer, m->threads + 1));
  TRY(falign_trainer_run(m->trainer, m->batches, 3 * UPDATES));
  TRY(read_numbers(m->network, numbers));
  falign_trainer_destroy(m->trainer);
  return live(&fresh);
}

START_TEST(forked_before_and_after_use) {
  uint32_t most = several();
  double before[NUMBERS], after[NUMBERS], numbers[NUMBERS];
  life in_child = {.number = 4, .threads = CHILDREN_HAVE_THREADS ? most : 1}, here = {.number = 4, .threads = most};
  ck_assert(ask_child(live_in_child, &in_child, before));
  life user = {.number = 4, .threads = most};
  ok(begin(&user));
  ok(falign_trainer_run(user.trainer, user.batches, UPDATES));
  ck_assert(ask_child(go_on_in_child, &user, after));
  ok(falign_trainer_run(user.trainer, user.batches, 3 * UPDATES)); /* the parent's is as it was */
  ok(read_numbers(user.network, numbers));
  ck_assert_mem_eq(after, numbers, sizeof numbers);
  ok(live(&here));
  ck_assert_mem_eq(before, here.numbers, sizeof before);
  end(&user);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, whole_lives_side_by_side);
  tcase_add_test(tests, shared_objects_are_read_side_by_side);
  tcase_add_test(tests, references_given_back_from_all_threads);
  tcase_add_test(tests, last_error_of_each_thread);
  tcase_add_test(tests, busy_trainers_refuse);
  tcase_add_test(tests, metrics_use_the_library);
  tcase_add_test(tests, destroyed_within_its_own_calls);
  tcase_add_test(tests, progress_finds_an_idle_trainer);
  tcase_add_test(tests, cancelled_while_running);
  tcase_add_test(tests, cancelled_from_signals);
  tcase_add_test(tests, cancelled_before_and_after);
  tcase_add_test(tests, cancelled_by_a_signal_handler);
  tcase_add_test(tests, forked_before_and_after_use);
}

int main(void) { return run_suite("threads", add_tests); }
