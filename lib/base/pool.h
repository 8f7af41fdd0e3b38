/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_POOL_H
#define FAL_POOL_H

#include "base/support.h"

/* Threads that share numbered tasks. Results must not depend on which thread does which task. */
typedef struct fal_pool fal_pool;

/* Does one task. `worker` is less than the number of threads and differs between tasks that run at the same time. */
typedef void (*fal_task_fn)(void *arg, size_t task, uint32_t worker);

/* Fails if the number of threads is invalid, or above 1 in a build without threads. */
falign_status fal_pool_check(uint32_t threads);
/* Makes a pool of `threads` threads, including the one that calls fal_pool_run(). */
falign_status fal_pool_create(uint32_t threads, fal_pool **out);
void fal_pool_destroy(fal_pool *pool);
/* Does tasks 0..tasks-1 and returns when all are done: in order on the caller's thread if `pool` is NULL. */
void fal_pool_run(fal_pool *pool, size_t tasks, fal_task_fn work, void *arg);

/* Returns false in a forked child, which does not inherit the threads. */
bool fal_pool_is_here(const fal_pool *pool);
void fal_pool_run_on_all(fal_pool *pool, size_t tasks, fal_task_fn work, void *arg);

#endif
