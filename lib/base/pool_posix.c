/* SPDX-License-Identifier: Apache-2.0 */
/* A pool on POSIX threads. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>

#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/pool.h"

typedef struct {
  fal_pool *pool;
  pthread_t thread;
  uint32_t number; /* 1..threads-1; the caller is worker 0 */
} worker;

/* A waiting thread spins for about 20 us before it sleeps, since waking takes longer than the pauses within a step. */
enum { SPINS = 2000 };

struct fal_pool {
  pthread_mutex_t lock; /* only for sleeping and waking */
  pthread_cond_t work_available, work_done;
  atomic_uint_fast64_t round; /* counts calls of fal_pool_run() */
  atomic_uint busy;           /* workers that have not finished the round */
  atomic_bool closing;
  pid_t owner;        /* the process that has these threads; a forked child has not */
  fenv_t environment; /* the caller's, so that all threads round alike */
  size_t tasks;
  atomic_size_t next;
  fal_task_fn work;
  void *arg;
  uint32_t started; /* running workers */
  worker workers[];
};

static void do_tasks(fal_pool *pool, uint32_t number) {
  for (;;) {
    size_t task = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    if (task >= pool->tasks) return;
    pool->work(pool->arg, task, number);
  }
}

static void pause_briefly(void) {
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
  __builtin_ia32_pause();
#endif
}

static bool has_new_round(fal_pool *pool, uint64_t done) {
  return atomic_load_explicit(&pool->round, memory_order_acquire) != done ||
         atomic_load_explicit(&pool->closing, memory_order_acquire);
}

/* Waits for a round after `done`, or for closing. */
static void await_round(fal_pool *pool, uint64_t done) {
  for (int i = 0; i < SPINS; i++) {
    if (has_new_round(pool, done)) return;
    pause_briefly();
  }
  pthread_mutex_lock(&pool->lock);
  while (!has_new_round(pool, done)) pthread_cond_wait(&pool->work_available, &pool->lock);
  pthread_mutex_unlock(&pool->lock);
}

/* The last worker to finish wakes the caller. The lock ensures that the caller is either asleep or still spinning. */
static void finish_round(fal_pool *pool) {
  if (atomic_fetch_sub_explicit(&pool->busy, 1, memory_order_acq_rel) != 1) return;
  pthread_mutex_lock(&pool->lock);
  pthread_cond_signal(&pool->work_done);
  pthread_mutex_unlock(&pool->lock);
}

static bool is_busy(fal_pool *pool) { return atomic_load_explicit(&pool->busy, memory_order_acquire) > 0; }

static void await_others(fal_pool *pool) {
  for (int i = 0; i < SPINS; i++) {
    if (!is_busy(pool)) return;
    pause_briefly();
  }
  pthread_mutex_lock(&pool->lock);
  while (is_busy(pool)) pthread_cond_wait(&pool->work_done, &pool->lock);
  pthread_mutex_unlock(&pool->lock);
}

static void *work_rounds(void *arg) {
  worker *self = arg;
  fal_pool *pool = self->pool;
  for (uint64_t done = 0;;) {
    await_round(pool, done);
    if (atomic_load_explicit(&pool->closing, memory_order_acquire)) return NULL;
    done++;
    fesetenv(&pool->environment);
    do_tasks(pool, self->number);
    finish_round(pool);
  }
}

/* Starts the workers with all signals blocked, so that the program's own threads receive them. */
static int start_workers(fal_pool *pool, uint32_t count) {
  sigset_t all, before;
  sigfillset(&all);
  int error = pthread_sigmask(SIG_SETMASK, &all, &before);
  if (error) return error;
  for (uint32_t i = 0; i < count && !error; i++) {
    worker *next = &pool->workers[i];
    next->pool = pool;
    next->number = i + 1;
    error = pthread_create(&next->thread, NULL, work_rounds, next);
    if (!error) pool->started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return error;
}

falign_status fal_pool_create(uint32_t threads, fal_pool **out) {
  uint32_t others = threads - 1;
  fal_pool *pool = fal_zalloc(1, sizeof *pool + others * sizeof *pool->workers);
  if (!pool) return fal_fail_memory("threads", others, sizeof *pool->workers);
  pool->owner = getpid();
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->work_available, NULL);
  pthread_cond_init(&pool->work_done, NULL);
  int error = start_workers(pool, others);
  if (error) {
    uint32_t started = pool->started;
    fal_pool_destroy(pool);
    return fal_fail(FALIGN_MEMORY, "cannot start thread %u of %u: error %d", started + 2, threads, error);
  }
  *out = pool;
  return FALIGN_OK;
}

void fal_pool_destroy(fal_pool *pool) {
  if (!pool) return;
  if (pool->owner != getpid()) {
    free(pool);
    return;
  }
  pthread_mutex_lock(&pool->lock);
  atomic_store_explicit(&pool->closing, true, memory_order_release);
  pthread_cond_broadcast(&pool->work_available);
  pthread_mutex_unlock(&pool->lock);
  for (uint32_t i = 0; i < pool->started; i++) pthread_join(pool->workers[i].thread, NULL);
  pthread_cond_destroy(&pool->work_done);
  pthread_cond_destroy(&pool->work_available);
  pthread_mutex_destroy(&pool->lock);
  free(pool);
}

void fal_pool_run_on_all(fal_pool *pool, size_t tasks, fal_task_fn work, void *arg) {
  pool->work = work;
  pool->arg = arg;
  fegetenv(&pool->environment);
  pool->tasks = tasks;
  atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
  atomic_store_explicit(&pool->busy, pool->started, memory_order_relaxed);
  pthread_mutex_lock(&pool->lock); /* so that no worker goes to sleep in between */
  atomic_fetch_add_explicit(&pool->round, 1, memory_order_release);
  pthread_cond_broadcast(&pool->work_available);
  pthread_mutex_unlock(&pool->lock);
  do_tasks(pool, 0);
  await_others(pool);
}

bool fal_pool_is_here(const fal_pool *pool) { return pool->owner == getpid(); }
