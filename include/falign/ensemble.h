/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_ENSEMBLE_H
#define FALIGN_ENSEMBLE_H

/** @file ensemble.h
 *  @brief Many runs at once, each on one thread: other seeds, other settings.
 *
 *  Runs share nothing but what they only read, so that each has bitwise the numbers that it has alone. A trainer of one
 *  thread in each of several runs is faster than one trainer of several threads in one run after the other: a step
 *  has nothing to share out, and no thread to wait for.
 *
 *  What a run calls (rules, metrics, sinks, progress) it calls on the thread that it is on. Functions of different runs
 *  are called at the same time: what they share, the caller must guard. */

#include "falign/trainer.h"

FALIGN_BEGIN

/** Does the run of that number, from its first object to its last, on the thread that it is called on. A result other
 *  than FALIGN_OK is the failure of the run. */
typedef falign_status (*falign_run_fn)(void *user, uint32_t number);

/** Does the runs 0 to runs - 1, of which at most `threads` go on at once; the caller's thread is one of these. Runs are
 *  begun in the order of their numbers, each when a thread is free. After a failure no run is begun whose number is
 *  above it, and the runs that go on come to their own end. Returns when all are done.
 *  @return FALIGN_INVALID for 0 threads or more than 1024, FALIGN_UNSUPPORTED for more than 1 in a build without
 *  threads, FALIGN_MEMORY where the threads cannot be had: no run is then begun. Else the status and message of the run
 *  that failed, of several that of the lowest number, whichever was first in time. */
FALIGN_API FALIGN_CHECKED falign_status falign_ensemble_run(uint32_t runs, uint32_t threads, falign_run_fn run,
                                                            void *user);

/** falign_trainer_run() with each of `count` trainers, by falign_ensemble_run(): trainer i takes batches[i] until its
 *  iteration is `until`. Which have come so far, falign_trainer_iteration() tells; a further call goes on with the
 *  others. No two may share a network, batches, a history, a metric that keeps state between calls (such as one with
 *  test batches of its own), or a rule that learns; datasets, codes, normalizations and backends they may. A trainer
 *  has best one thread (falign_trainer_set_threads()).
 *  falign_trainer_cancel() of each stops them all; one that has not begun takes the request in its next run.
 *  @return FALIGN_INVALID for two trainers, networks or batches that are the same, and as falign_ensemble_run() and
 *  falign_trainer_run(), with the number of the trainer in the message. */
FALIGN_API FALIGN_CHECKED falign_status falign_ensemble_train(falign_trainer *const *trainers,
                                                              falign_batches *const *batches, size_t count,
                                                              uint64_t until, uint32_t threads);

FALIGN_END

#endif
