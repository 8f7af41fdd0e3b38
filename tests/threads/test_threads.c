/* SPDX-License-Identifier: Apache-2.0 */
/* What docs/threads.md promises: objects on many threads, and forks. Threads assert nothing themselves, they report to
 * the test's own thread. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "threads/whole_run.h"

/* Neither the sanitizer nor QEMU, which Meson starts as a wrapper, lets threads be made in a child of a
 * program that has threads. */
#if defined(__SANITIZE_THREAD__)
#define CHILDREN_HAVE_THREADS false
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CHILDREN_HAVE_THREADS false
#endif
#endif
#ifndef CHILDREN_HAVE_THREADS
#define CHILDREN_HAVE_THREADS (getenv("MESON_EXE_WRAPPER") == NULL)
#endif

/* ---- Many threads ---- */

enum { TEAM = 8 };

typedef struct team team;
typedef falign_status (*work_fn)(team *c, uint32_t number);

struct team {
  work_fn member;
  void *user;
  pthread_barrier_t barrier;
  falign_status status[TEAM];
  char message[TEAM][256];
};

typedef struct {
  team *team;
  uint32_t number;
} place;

static void *run_member(void *arg) {
  place *p = arg;
  team *c = p->team;
  pthread_barrier_wait(&c->barrier);
  c->status[p->number] = c->member(c, p->number);
  if (c->status[p->number] != FALIGN_OK)
    snprintf(c->message[p->number], sizeof c->message[0], "%s", falign_last_error());
  return NULL;
}

/* All members begin at once, each on a thread of its own; none may fail. */
static void run_together(work_fn member, void *user) {
  team c = {.member = member, .user = user};
  place places[TEAM];
  pthread_t threads[TEAM];
  ck_assert_int_eq(pthread_barrier_init(&c.barrier, NULL, TEAM), 0);
  for (uint32_t i = 0; i < TEAM; i++) {
    places[i] = (place){&c, i};
    ck_assert_int_eq(pthread_create(&threads[i], NULL, run_member, &places[i]), 0);
  }
  for (uint32_t i = 0; i < TEAM; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
  pthread_barrier_destroy(&c.barrier);
  for (uint32_t i = 0; i < TEAM; i++) ck_assert_msg(c.status[i] == FALIGN_OK, "thread %u: %s", i, c.message[i]);
}
/* ---- Different objects: whole runs side by side ---- */

static falign_status do_one(team *c, uint32_t number) { return do_run((whole_run *)c->user + number); }

static void expect_same(const whole_run *a, const whole_run *b) {
  ck_assert_mem_eq(a->numbers, b->numbers, sizeof a->numbers);
  ck_assert_double_eq(a->norms, b->norms);
  ck_assert_double_eq(a->loss, b->loss);
  ck_assert_double_eq(a->error, b->error);
}

/* With the bits that each has alone on one thread, though half of them have several threads of their own. */
START_TEST(whole_runs_side_by_side) {
  whole_run runs[TEAM];
  uint32_t most = several();
  for (uint32_t i = 0; i < TEAM; i++) runs[i] = (whole_run){.number = i, .threads = i < TEAM / 2 ? 1 : most};
  run_together(do_one, runs);
  for (uint32_t i = 0; i < TEAM; i++) {
    whole_run alone = {.number = i, .threads = 1};
    ok(do_run(&alone));
    expect_same(&alone, &runs[i]);
    if (i > 0) ck_assert_mem_ne(runs[0].numbers, runs[i].numbers, sizeof runs[0].numbers);
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
  falign_trainer *trainers[TEAM];
  double loss[TEAM], error[TEAM], angle[TEAM], share[TEAM];
  uint64_t fingerprint[TEAM];
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
      .size = sizeof rule, .name = "own", .concurrent = 1, .signal = no_signal, .destroy = rule_goes};
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
  falign_view view;
  TRY(falign_network_view(s->network, FALIGN_W, 1, &view));
  const double *w = view.data;
  s->fingerprint[number] = falign_dataset_fingerprint(s->data);
  TRY(falign_angle(READ_F64(w, 8, 7, 7), READ_F64(w + 7, 8, 7, 7), &s->angle[number], NULL, NULL));
  falign_status status = falign_batches_create(s->data, s->code, 100, &batches);
  if (status == FALIGN_OK) status = falign_trainer_create(s->network, s->rule, 0.1, &trainer);
  if (status == FALIGN_OK) status = falign_trainer_set_norm(trainer, s->norm);
  if (status == FALIGN_OK) status = falign_trainer_set_threads(trainer, number % 2 ? s->most : 1);
  if (status == FALIGN_OK) status = falign_trainer_evaluate(trainer, batches, &s->loss[number], &s->error[number]);
  falign_trainer_destroy(trainer);
  falign_batches_destroy(batches);
  return status;
}

static falign_status read_shared(team *c, uint32_t number) { return read_all(c->user, number); }

START_TEST(shared_objects_are_read_side_by_side) {
  static shared s, alone;
  make_shared(&s);
  make_shared(&alone);
  ok(read_all(&alone, 0));
  run_together(read_shared, &s);
  for (uint32_t i = 0; i < TEAM; i++) {
    ck_assert_uint_eq(s.fingerprint[i], alone.fingerprint[0]);
    ck_assert_double_eq(s.angle[i], alone.angle[0]);
    ck_assert_double_eq(s.loss[i], alone.loss[0]);
    ck_assert_double_eq(s.error[i], alone.error[0]);
  }
  release_shared(&s);
  release_shared(&alone);
}
END_TEST

static falign_status release_as_member(team *c, uint32_t number) {
  falign_trainer_destroy(((shared *)c->user)->trainers[number]);
  return FALIGN_OK;
}

/* The last reference, on whichever thread it goes, takes each shared object with it, once. */
START_TEST(references_given_back_from_all_threads) {
  static shared s;
  for (int again = 0; again < 20; again++) {
    make_shared(&s);
    for (uint32_t i = 0; i < TEAM; i++) {
      ok(falign_trainer_create(s.network, s.rule, 0.1, &s.trainers[i]));
      ok(falign_trainer_set_norm(s.trainers[i], s.norm));
    }
    release_shared(&s);
    ck_assert_int_eq(atomic_load(&s.rule_gone) + atomic_load(&s.norm_gone), 0);
    run_together(release_as_member, &s);
    ck_assert_int_eq(atomic_load(&s.rule_gone), 1);
    ck_assert_int_eq(atomic_load(&s.norm_gone), 1);
  }
}
END_TEST

/* ---- Messages ---- */

typedef struct {
  bool fresh[TEAM], own[TEAM];
} messages;

static falign_status fail_in_turn(team *c, uint32_t number) {
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
  run_together(fail_in_turn, &m);
  for (uint32_t i = 0; i < TEAM; i++) ck_assert(m.fresh[i] && m.own[i]);
  ck_assert_str_eq(falign_last_error(), "of the test");
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

static falign_status run_in_child(void *user, double *numbers) {
  whole_run *m = user;
  TRY(do_run(m));
  memcpy(numbers, m->numbers, sizeof m->numbers);
  return FALIGN_OK;
}

/* Goes on with a trainer of the parent's, destroys it, and makes new ones with threads where that can be. */
static falign_status go_on_in_child(void *user, double *numbers) {
  whole_run *m = user, fresh = {.number = m->number, .threads = CHILDREN_HAVE_THREADS ? m->threads : 1};
  TRY(falign_trainer_run(m->trainer, m->batches, 2 * UPDATES));
  if (fresh.threads > 1) TRY(falign_trainer_set_threads(m->trainer, m->threads + 1));
  TRY(falign_trainer_run(m->trainer, m->batches, 3 * UPDATES));
  TRY(read_numbers(m->network, numbers));
  falign_trainer_destroy(m->trainer);
  return do_run(&fresh);
}

START_TEST(forked_before_and_after_use) {
  uint32_t most = several();
  double before[NUMBERS], after[NUMBERS], numbers[NUMBERS];
  whole_run in_child = {.number = 4, .threads = CHILDREN_HAVE_THREADS ? most : 1},
            here = {.number = 4, .threads = most};
  ck_assert(ask_child(run_in_child, &in_child, before));
  whole_run user = {.number = 4, .threads = most};
  ok(begin_run(&user));
  ok(falign_trainer_run(user.trainer, user.batches, UPDATES));
  ck_assert(ask_child(go_on_in_child, &user, after));
  ok(falign_trainer_run(user.trainer, user.batches, 3 * UPDATES)); /* the parent's is as it was */
  ok(read_numbers(user.network, numbers));
  ck_assert_mem_eq(after, numbers, sizeof numbers);
  ok(do_run(&here));
  ck_assert_mem_eq(before, here.numbers, sizeof before);
  free_run(&user);
}
END_TEST
static void add_tests(TCase *tests) {
  tcase_add_test(tests, whole_runs_side_by_side);
  tcase_add_test(tests, shared_objects_are_read_side_by_side);
  tcase_add_test(tests, references_given_back_from_all_threads);
  tcase_add_test(tests, last_error_of_each_thread);
  tcase_add_test(tests, forked_before_and_after_use);
}

int main(void) { return run_suite("threads", add_tests); }
