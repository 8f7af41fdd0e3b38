/* SPDX-License-Identifier: Apache-2.0 */
/* A pool on OpenMP's threads, which belong to the thread that uses it. */
#define _POSIX_C_SOURCE 200809L
#include <fenv.h>
#include <omp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/pool.h"

struct fal_pool {
  uint32_t threads;
  pid_t owner; /* a forked child has none of the threads */
};

falign_status fal_pool_create(uint32_t threads, fal_pool **out) {
  fal_pool *pool = fal_alloc(1, sizeof *pool);
  if (!pool) return fal_fail_memory("threads", threads, sizeof *pool);
  *pool = (fal_pool){threads, getpid()};
  *out = pool;
  return FALIGN_OK;
}

void fal_pool_destroy(fal_pool *pool) { free(pool); }

bool fal_pool_is_here(const fal_pool *pool) { return pool->owner == getpid(); }

/* Where OpenMP gives fewer threads, those do all tasks. All of them round as the caller does. */
void fal_pool_run_on_all(fal_pool *pool, size_t tasks, fal_task_fn work, void *arg) {
  fenv_t environment;
  fegetenv(&environment);
#pragma omp parallel num_threads(pool->threads)
  {
    fesetenv(&environment);
#pragma omp for schedule(dynamic)
    for (size_t task = 0; task < tasks; task++) work(arg, task, (uint32_t)omp_get_thread_num());
  }
}
