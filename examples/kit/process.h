/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_PROCESS_H
#define KIT_PROCESS_H

/* What belongs to the process and so is the program's business, not the library's. */

#include <stdbool.h>
#include <stdint.h>

#include "errors.h"

/* Tells OpenBLAS or BLIS, where the process has one, to use one thread: the trainer already spreads each step over
 * threads of its own, and results would depend on the BLAS's. */
void process_one_blas_thread(void);

/* As many threads as asked for; for 0, one for each processor that this process may use, at most 1024, where this build
 * of the library has threads, else 1. */
falign_status process_threads(uint64_t asked, uint32_t *threads);

/* From now on the first SIGINT or SIGTERM is noted, for work to end in good order; a second of the kind ends the
 * process. */
void process_watch_signals(void);
/* Whether one has come; from any thread. */
bool process_interrupted(void);

#endif
