/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_POOL_H
#define FAL_POOL_H

#include "base/support.h"

/* Threads that share out numbered tasks. Which thread does which task is open; results must not depend on it. */
typedef struct fal_pool fal_pool;

/* Does one task; `worker` is below the pool's threads and differs between tasks that run at the same time. */
typedef void (*fal_task_fn)(void *arg, size_t task, uint32_t worker);

/* Fails where nobody may ask for so many threads, or this build has not more than one. */
falign_status fal_pool_check(uint32_t threads);
/* A pool of `threads` in all, the caller of fal_pool_run() among them. */
falign_status fal_pool_create(uint32_t threads, fal_pool **out);
void fal_pool_destroy(fal_pool *pool);
/* Does tasks 0..tasks-1 and returns when all are done. A NULL pool does them in order on the caller's thread. */
void fal_pool_run(fal_pool *pool, size_t tasks, fal_task_fn work, void *arg);

/* False in a forked child, which does not inherit the threads. */
bool fal_pool_is_here(const fal_pool *pool);
void fal_pool_run_on_all(fal_pool *pool, size_t tasks, fal_task_fn work, void *arg);

#endif
