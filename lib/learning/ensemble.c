/* SPDX-License-Identifier: Apache-2.0 */
#include "falign/ensemble.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/pool.h"

/* The run that failed on a thread; after a failure the thread begins no later run. */
typedef struct {
  uint32_t number;
  fal_outcome outcome;
} failure;

typedef struct {
  falign_run_fn run;
  void *user;
  _Atomic uint32_t end; /* the lowest failed run so far; the number of runs if there is none */
  failure *failures;    /* one for each thread */
} ensemble;

static void end_at(ensemble *e, uint32_t number) {
  uint32_t end = atomic_load(&e->end);
  while (number < end && !atomic_compare_exchange_weak(&e->end, &end, number)) continue;
}

/* A task of the pool. Tasks begin in order, so a failure does not stop runs with lower numbers. */
static void do_run(void *arg, size_t task, uint32_t worker) {
  ensemble *e = arg;
  uint32_t number = (uint32_t)task;
  if (number > atomic_load(&e->end)) return;
  fal_before_callback();
  falign_status status = e->run(e->user, number);
  if (status == FALIGN_OK) return;
  char name[16];
  snprintf(name, sizeof name, "%" PRIu32, number);
  e->failures[worker].number = number;
  fal_outcome_set(&e->failures[worker].outcome, fal_callback_failed(status, "run", name));
  end_at(e, number);
}

/* Returns the failure of run `end`. */
static falign_status raise_lowest(const ensemble *e, uint32_t threads) {
  uint32_t end = atomic_load(&e->end);
  for (uint32_t i = 0; i < threads; i++) {
    const failure *f = &e->failures[i];
    if (f->outcome.status != FALIGN_OK && f->number == end) return fal_outcome_raise(&f->outcome);
  }
  return FALIGN_OK;
}

falign_status falign_ensemble_run(uint32_t runs, uint32_t threads, falign_run_fn run, void *user) {
  FAL_GIVEN(run);
  FAL_TRY(fal_pool_check(threads));
  if (threads > runs) threads = runs > 0 ? runs : 1;
  ensemble e = {.run = run, .user = user, .failures = fal_zalloc(threads, sizeof(failure))};
  if (!e.failures) return fal_fail_memory("an ensemble", threads, sizeof(failure));
  atomic_init(&e.end, runs);
  fal_pool *pool = NULL;
  falign_status status = threads > 1 ? fal_pool_create(threads, &pool) : FALIGN_OK;
  if (status == FALIGN_OK) {
    fal_pool_run(pool, runs, do_run, &e);
    fal_pool_destroy(pool);
    status = raise_lowest(&e, threads);
  }
  free(e.failures);
  return status;
}

/* ---- Trainers ---- */

typedef struct {
  falign_trainer *const *trainers;
  falign_batches *const *batches;
  uint64_t until;
} training;

static falign_status run_trainer(void *user, uint32_t number) {
  const training *t = user;
  falign_status status = falign_trainer_run(t->trainers[number], t->batches[number], t->until);
  return status == FALIGN_OK ? status : fal_fail(status, "trainer %" PRIu32 ": %s", number, falign_last_error());
}

/* Two runs must not share an object that they change. */
static falign_status check_apart(const training *t, size_t i, size_t j) {
  const char *same = t->trainers[i] == t->trainers[j] ? "are the same"
                     : t->batches[i] == t->batches[j] ? "have the same batches"
                     : falign_trainer_network(t->trainers[i]) == falign_trainer_network(t->trainers[j])
                         ? "have the same network"
                         : NULL;
  return same ? fal_fail(FALIGN_INVALID, "trainers %zu and %zu %s", j, i, same) : FALIGN_OK;
}

static falign_status check_trainers(const training *t, size_t count) {
  if (count > UINT32_MAX) return fal_fail(FALIGN_INVALID, "%zu trainers are more than %" PRIu32, count, UINT32_MAX);
  for (size_t i = 0; i < count; i++) {
    if (!t->trainers[i] || !t->batches[i])
      return fal_fail(FALIGN_INVALID, "%s[%zu] is NULL", t->trainers[i] ? "batches" : "trainers", i);
    for (size_t j = 0; j < i; j++) FAL_TRY(check_apart(t, i, j));
  }
  return FALIGN_OK;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): in the order of falign_trainer_run() */
falign_status falign_ensemble_train(falign_trainer *const *trainers, falign_batches *const *batches, size_t count,
                                    uint64_t until, uint32_t threads) {
  FAL_GIVEN(trainers);
  FAL_GIVEN(batches);
  training t = {trainers, batches, until};
  FAL_TRY(check_trainers(&t, count));
  return falign_ensemble_run((uint32_t)count, threads, run_trainer, &t);
}
