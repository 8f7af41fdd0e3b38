/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_ENSEMBLE_H
#define FALIGN_ENSEMBLE_H

/** @file ensemble.h
 *  @brief Many runs at once, each on one thread: other seeds, other settings.
 *
 *  Runs share only what they do not change, so that each is bitwise identical to the same run alone. Several runs with
 *  one thread each are faster than one run after the other with several threads: a step has nothing to share out, and
 *  no thread to wait for.
 *
 *  A run calls its callbacks (rules, metrics, sinks, progress) on the thread that it is on. Callbacks of different runs
 *  are called at the same time: guard what they share. */

#include "falign/trainer.h"

FALIGN_BEGIN

/** Does the run of that number, from its first object to its last, on the thread that it is called on. A result other
 *  than FALIGN_OK is the failure of the run. */
typedef falign_status (*falign_run_fn)(void *user, uint32_t number);

/** Does the runs 0 to runs - 1, at most `threads` of them at once; the caller's thread is one of these. Runs begin in
 *  the order of their numbers, each when a thread is free. After a failure no run with a higher number begins, and
 *  those at work finish. Returns when all are done.
 *  @return FALIGN_INVALID for 0 threads or more than 1024, FALIGN_UNSUPPORTED for more than 1 in a build without
 *  threads, FALIGN_MEMORY if the threads cannot be created: no run then begins. Else the status and message of the run
 *  that failed; of several, that of the lowest number, whichever was first in time. */
FALIGN_API FALIGN_CHECKED falign_status falign_ensemble_run(uint32_t runs, uint32_t threads, falign_run_fn run,
                                                            void *user);

/** Calls falign_trainer_run() for each of `count` trainers, by falign_ensemble_run(): trainer i takes batches[i] until
 *  its iteration is `until`. falign_trainer_iteration() shows how far each has come; another call resumes the rest.
 *  Datasets, codes, normalizations and backends may be shared; networks, batches, histories, metrics that keep state
 *  between calls (such as one that evaluates test batches) and rules that learn must not. Give each trainer one
 *  thread. falign_trainer_cancel() of each stops them all; one that has not begun takes the request in its next run.
 *  @return FALIGN_INVALID for two trainers, networks or batches that are the same, and as falign_ensemble_run() and
 *  falign_trainer_run(), with the number of the trainer in the message. */
FALIGN_API FALIGN_CHECKED falign_status falign_ensemble_train(falign_trainer *const *trainers,
                                                              falign_batches *const *batches, size_t count,
                                                              uint64_t until, uint32_t threads);

FALIGN_END

#endif
