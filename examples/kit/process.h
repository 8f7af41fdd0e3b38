/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_PROCESS_H
#define KIT_PROCESS_H

/* What belongs to the process and so is the program's business, not the library's. */

#include <falign/falign.h>

/* Tells OpenBLAS or BLIS, where the process has one, to use one thread: the trainer already spreads each step over
 * threads of its own, and results would depend on the BLAS's. */
void process_one_blas_thread(void);

/* Processors that this process may use, 1 to 1024. */
uint32_t process_cores(void);

/* From now on SIGINT and SIGTERM cancel this trainer's run; NULL before the trainer is destroyed. A second signal ends
 * the process. */
void process_cancel_on_signal(falign_trainer *trainer);

#endif
