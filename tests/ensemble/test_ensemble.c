/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "learning.h"

enum { MEMBERS = 5, STEPS = 25 };

/* ---- Trainers with batches ---- */

typedef struct {
  learner by[MEMBERS];
  falign_trainer *trainers[MEMBERS];
  falign_batches *batches[MEMBERS];
} team;

/* Member i has the seed i + 1 and the learning rate 0.001 (i + 1), and an order of its own. All see one dataset. */
static void make_team(team *c, const char *rule) {
  falign_dataset *dataset;
  draw_task();
  ok(falign_dataset_create_regression(READ_F64(task.x, TASK_POINTS, 7, 7), READ_F64(task.y, TASK_POINTS, 4, 4),
                                      &dataset));
  for (uint32_t i = 0; i < MEMBERS; i++) {
    falign_network *network = new_network(FALIGN_F64, TASK_LAYERS, task_widths, true, TANH);
    c->by[i] = new_learner(network, rule, 0.5, i + 1, 0.001 * (i + 1));
    c->trainers[i] = c->by[i].trainer;
    ok(falign_batches_create(dataset, NULL, TASK_BATCH, &c->batches[i]));
    ok(falign_batches_set_order(c->batches[i], FALIGN_ORDER_EPOCH, 5, i));
  }
  falign_dataset_destroy(dataset);
}

static void free_team(team *c) {
  for (int i = 0; i < MEMBERS; i++) {
    free_learner(&c->by[i]);
    falign_batches_destroy(c->batches[i]);
  }
}

static bool have_threads(void) {
  learner by = task_learner(FALIGN_F32, "bp");
  falign_status status = falign_trainer_set_threads(by.trainer, 2);
  free_learner(&by);
  if (status == FALIGN_UNSUPPORTED) say_skipped("several threads", "", no_threads);
  return status != FALIGN_UNSUPPORTED;
}

static uint32_t most_threads(void) { return have_threads() ? 2 * MEMBERS : 1; }

/* The same bits as one run after the other, for fewer threads than runs, as many, and more; also in two calls. */
START_TEST(same_numbers_as_run_by_run) {
  const char *const rules[] = {"bp", "fa", "dfa"};
  for (size_t r = 0; r < 3; r++) {
    team alone, at_once;
    make_team(&alone, rules[r]);
    for (int i = 0; i < MEMBERS; i++) ok(falign_trainer_run(alone.trainers[i], alone.batches[i], STEPS));
    for (uint32_t threads = 1; threads <= most_threads(); threads++) {
      make_team(&at_once, rules[r]);
      ok(falign_ensemble_train(at_once.trainers, at_once.batches, MEMBERS, 10, threads));
      ok(falign_ensemble_train(at_once.trainers, at_once.batches, MEMBERS, STEPS, threads));
      for (int i = 0; i < MEMBERS; i++) {
        ck_assert_uint_eq(falign_trainer_iteration(at_once.trainers[i]), STEPS);
        ck_assert(same_parameters(alone.by[i].network, at_once.by[i].network));
      }
      ck_assert(!same_parameters(at_once.by[0].network, at_once.by[1].network));
      free_team(&at_once);
    }
    free_team(&alone);
  }
}
END_TEST

/* ---- Runs of the caller's own ---- */

typedef struct {
  atomic_uint begun[64], done[64];
  atomic_uint going_on, most_at_once;
  uint32_t fails_at[3]; /* runs that fail; 64 for none */
  uint32_t slow;        /* the run that takes its time before it fails */
  falign_status status;
  bool silent; /* fails without a message */
} record;

static void take_time(void) { nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL); }

static falign_status note(void *user, uint32_t number) {
  record *r = user;
  falign_status status = FALIGN_OK;
  unsigned now = atomic_fetch_add(&r->going_on, 1) + 1, most = atomic_load(&r->most_at_once);
  while (now > most && !atomic_compare_exchange_weak(&r->most_at_once, &most, now)) continue;
  atomic_fetch_add(&r->begun[number], 1);
  if (number == r->slow) take_time();
  for (int i = 0; i < 3; i++) {
    if (r->fails_at[i] != number) continue;
    char message[64];
    snprintf(message, sizeof message, "no luck with %u", number);
    status = r->status;
    falign_set_last_error(r->silent ? NULL : message);
  }
  if (status == FALIGN_OK) atomic_fetch_add(&r->done[number], 1);
  atomic_fetch_sub(&r->going_on, 1);
  return status;
}

static record new_record(uint32_t first, uint32_t second, uint32_t third) {
  return (record){.fails_at = {first, second, third}, .slow = 64, .status = FALIGN_CALLBACK};
}

START_TEST(each_run_once) {
  for (uint32_t threads = 1; threads <= most_threads(); threads++) {
    for (uint32_t runs = 0; runs <= 60; runs += 15) {
      record r = new_record(64, 64, 64);
      ok(falign_ensemble_run(runs, threads, note, &r));
      for (uint32_t i = 0; i < 64; i++) ck_assert_uint_eq(atomic_load(&r.done[i]), i < runs);
      ck_assert_uint_le(atomic_load(&r.most_at_once), threads);
    }
  }
}
END_TEST

/* Lets a run end only when another is going on: that can be with a thread for each alone. */
static falign_status meet(void *user, uint32_t number) {
  atomic_uint *here = user;
  (void)number;
  atomic_fetch_add(here, 1);
  for (int i = 0; i < 2000 && atomic_load(here) < 3; i++) take_time();
  return atomic_load(here) < 3 ? FALIGN_CALLBACK : FALIGN_OK;
}

START_TEST(runs_go_on_at_once) {
  atomic_uint here = 0;
  if (have_threads()) ok(falign_ensemble_run(3, 3, meet, &here));
}
END_TEST

/* The lowest of the runs that fail is the one that is told of, also where it fails last. */
START_TEST(lowest_failure_wins) {
  for (uint32_t threads = 1; threads <= most_threads(); threads++) {
    for (int again = 0; again < 10; again++) {
      record r = new_record(9, 8, 7);
      r.slow = again < 5 ? 7 : 64;
      fails(FALIGN_CALLBACK, "no luck with 7", falign_ensemble_run(60, threads, note, &r));
      for (uint32_t i = 0; i < 7; i++) ck_assert_uint_eq(atomic_load(&r.done[i]), 1);
      ck_assert_uint_eq(atomic_load(&r.begun[7]), 1);
      if (threads == 1) ck_assert_uint_eq(atomic_load(&r.begun[8]), 0);
    }
  }
}
END_TEST

static falign_status wait_for_failure(void *user, uint32_t number) {
  atomic_uint *begun = user;
  atomic_fetch_add(begun, 1);
  if (number == 0) return FALIGN_CANCELLED;
  take_time(); /* by then run 0 has failed */
  take_time();
  return FALIGN_OK;
}

/* At most one run on each of the other threads. */
START_TEST(no_run_begins_after_a_failure) {
  for (uint32_t threads = 1; threads <= (have_threads() ? 4 : 1); threads++) {
    atomic_uint begun = 0;
    fails(FALIGN_CANCELLED, "run 0 failed with status 8 (FALIGN_CANCELLED)",
          falign_ensemble_run(1000, threads, wait_for_failure, &begun));
    ck_assert_uint_le(atomic_load(&begun), 2 * threads); /* a thread may have begun one before run 0 failed */
  }
}
END_TEST

START_TEST(failures_of_any_kind) {
  const falign_status kinds[] = {FALIGN_INVALID, FALIGN_DIVERGED, FALIGN_CANCELLED, 77};
  for (size_t i = 0; i < 4; i++) {
    record r = new_record(3, 64, 64);
    r.status = kinds[i];
    fails(kinds[i], "no luck with 3", falign_ensemble_run(10, most_threads(), note, &r));
    r = new_record(0, 1, 2);
    r.status = kinds[i];
    r.silent = true;
    fails(kinds[i], "run 0 failed with status", falign_ensemble_run(10, most_threads(), note, &r));
  }
}
END_TEST

static falign_status run_more(void *user, uint32_t number) {
  (void)number;
  return falign_ensemble_run(4, have_threads() ? 2 : 1, note, user);
}

START_TEST(ensembles_of_ensembles) {
  record r = new_record(64, 64, 64);
  ok(falign_ensemble_run(6, most_threads(), run_more, &r));
  for (uint32_t i = 0; i < 4; i++) ck_assert_uint_eq(atomic_load(&r.done[i]), 6);
  r = new_record(2, 64, 64);
  fails(FALIGN_CALLBACK, "no luck with 2", falign_ensemble_run(6, most_threads(), run_more, &r));
}
END_TEST

START_TEST(wrong_arguments) {
  record r = new_record(64, 64, 64);
  fails(FALIGN_INVALID, "run is NULL", falign_ensemble_run(1, 1, NULL, NULL));
  for (uint32_t runs = 0; runs < 3; runs++) {
    fails(FALIGN_INVALID, "threads go from 1 to 1024, got 0", falign_ensemble_run(runs, 0, note, &r));
    fails(FALIGN_INVALID, "threads go from 1 to 1024, got 1025", falign_ensemble_run(runs, 1025, note, &r));
    if (!have_threads()) fails(FALIGN_UNSUPPORTED, "this build has none", falign_ensemble_run(runs, 2, note, &r));
  }
  ck_assert_uint_eq(atomic_load(&r.begun[0]), 0);
}
END_TEST

/* ---- Trainers that cannot go on ---- */

START_TEST(wrong_trainers) {
  team c;
  make_team(&c, "fa");
  fails(FALIGN_INVALID, "trainers is NULL", falign_ensemble_train(NULL, c.batches, MEMBERS, 1, 1));
  fails(FALIGN_INVALID, "batches is NULL", falign_ensemble_train(c.trainers, NULL, MEMBERS, 1, 1));
  fails(FALIGN_INVALID, "threads go from 1 to 1024, got 0",
        falign_ensemble_train(c.trainers, c.batches, MEMBERS, 1, 0));
  ok(falign_ensemble_train(c.trainers, c.batches, 0, 1, 1));
  falign_trainer *trainer = c.trainers[3];
  c.trainers[3] = NULL;
  fails(FALIGN_INVALID, "trainers[3] is NULL", falign_ensemble_train(c.trainers, c.batches, MEMBERS, 1, 1));
  c.trainers[3] = c.trainers[1];
  fails(FALIGN_INVALID, "trainers 1 and 3 are the same", falign_ensemble_train(c.trainers, c.batches, MEMBERS, 1, 1));
  ok(falign_trainer_create(c.by[1].network, c.by[3].rule, 0.1, &c.trainers[3]));
  fails(FALIGN_INVALID, "trainers 1 and 3 have the same network",
        falign_ensemble_train(c.trainers, c.batches, MEMBERS, 1, 1));
  falign_trainer_destroy(c.trainers[3]);
  c.trainers[3] = trainer;
  falign_batches *batches = c.batches[4];
  c.batches[4] = NULL;
  fails(FALIGN_INVALID, "batches[4] is NULL", falign_ensemble_train(c.trainers, c.batches, MEMBERS, 1, 1));
  c.batches[4] = c.batches[0];
  fails(FALIGN_INVALID, "trainers 0 and 4 have the same batches",
        falign_ensemble_train(c.trainers, c.batches, MEMBERS, 1, 1));
  c.batches[4] = batches;
  for (int i = 0; i < MEMBERS; i++) ck_assert_uint_eq(falign_trainer_iteration(c.trainers[i]), 0);
  free_team(&c);
}
END_TEST

/* Trainers 1 and 3 go beyond all numbers; 1 is told of. The others, as far as they were begun, get to their end. */
START_TEST(divergence) {
  for (uint32_t threads = 1; threads <= most_threads(); threads++) {
    team c;
    make_team(&c, "fa");
    ok(falign_trainer_set_eta(c.trainers[1], 1e308));
    ok(falign_trainer_set_eta(c.trainers[3], 1e308));
    fails(FALIGN_DIVERGED, "trainer 1: ", falign_ensemble_train(c.trainers, c.batches, MEMBERS, STEPS, threads));
    ck_assert_uint_eq(falign_trainer_iteration(c.trainers[0]), STEPS);
    ck_assert_uint_lt(falign_trainer_iteration(c.trainers[1]), STEPS);
    uint64_t last = falign_trainer_iteration(c.trainers[4]);
    ck_assert(last == 0 || last == STEPS);
    free_team(&c);
  }
}
END_TEST

static void *cancel_all(void *arg) {
  const team *c = arg;
  take_time();
  for (int i = 0; i < MEMBERS; i++) falign_trainer_cancel(c->trainers[i]);
  return NULL;
}

/* Without end but by another thread's word. Each can then go on, and comes to what it would have come to. */
START_TEST(cancelled_from_another_thread) {
  for (uint32_t threads = 1; threads <= (have_threads() ? 4 : 1); threads++) {
    team c, whole;
    pthread_t thread;
    make_team(&c, "fa");
    make_team(&whole, "fa");
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_all, &c), 0);
    fails(FALIGN_CANCELLED, "trainer 0: cancelled",
          falign_ensemble_train(c.trainers, c.batches, MEMBERS, UINT64_MAX, threads));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    uint64_t most = 0;
    for (int i = 0; i < MEMBERS; i++) {
      uint64_t iteration = falign_trainer_iteration(c.trainers[i]);
      falign_status status = falign_trainer_run(c.trainers[i], c.batches[i], iteration + 1); /* takes what is left */
      ck_assert(status == FALIGN_OK || status == FALIGN_CANCELLED);
      most = iteration + 1 > most ? iteration + 1 : most;
    }
    ok(falign_ensemble_train(c.trainers, c.batches, MEMBERS, most, threads));
    ok(falign_ensemble_train(whole.trainers, whole.batches, MEMBERS, most, threads));
    for (int i = 0; i < MEMBERS; i++) ck_assert(same_parameters(c.by[i].network, whole.by[i].network));
    free_team(&c);
    free_team(&whole);
  }
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, same_numbers_as_run_by_run);
  tcase_add_test(tests, each_run_once);
  tcase_add_test(tests, runs_go_on_at_once);
  tcase_add_test(tests, lowest_failure_wins);
  tcase_add_test(tests, no_run_begins_after_a_failure);
  tcase_add_test(tests, failures_of_any_kind);
  tcase_add_test(tests, ensembles_of_ensembles);
  tcase_add_test(tests, wrong_arguments);
  tcase_add_test(tests, wrong_trainers);
  tcase_add_test(tests, divergence);
  tcase_add_test(tests, cancelled_from_another_thread);
}

int main(void) { return run_suite("ensemble", add_tests); }
