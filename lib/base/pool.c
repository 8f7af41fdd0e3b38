/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#ifndef FAL_THREADS

static falign_status no_threads(uint32_t threads) {
  return fal_fail(FALIGN_UNSUPPORTED, "%u threads: this build has none", threads);
}

falign_status fal_pool_create(uint32_t threads, fal_pool **out) {
  (void)out;
  return no_threads(threads);
}

void fal_pool_destroy(fal_pool *pool) { (void)pool; }

bool fal_pool_is_here(const fal_pool *pool) { return (void)pool, false; }

void fal_pool_run_on_all(fal_pool *pool, size_t tasks, fal_task_fn work, void *arg) {
  (void)pool, (void)tasks, (void)work, (void)arg;
}

#endif

falign_status fal_pool_check(uint32_t threads) {
  if (threads < 1 || threads > 1024) return fal_fail(FALIGN_INVALID, "threads go from 1 to 1024, got %u", threads);
#ifndef FAL_THREADS
  if (threads > 1) return no_threads(threads);
#endif
  return FALIGN_OK;
}

void fal_pool_run(fal_pool *pool, size_t tasks, fal_task_fn work, void *arg) {
  if (pool && tasks > 1 && fal_pool_is_here(pool)) {
    fal_pool_run_on_all(pool, tasks, work, arg);
    return;
  }
  for (size_t task = 0; task < tasks; task++) work(arg, task, 0);
}
