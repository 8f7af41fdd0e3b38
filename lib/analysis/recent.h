/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_RECENT_H
#define FAL_RECENT_H

#include "learning/trace.h"

struct falign_trainer;

/* Copies of the outputs L[0..d] and the error signals delta[1..d] of the last iterations of one trainer. */
typedef struct fal_recent fal_recent;

/* Makes room for so many iterations; their matrices are allocated when they are added. */
falign_status fal_recent_create(uint64_t iterations, fal_recent **out);
void fal_recent_destroy(fal_recent *recent);

/* Call this before a trace is compared or added. Discards everything unless the trace follows the last one added, from
 * the same trainer. A second call for the step changes nothing. */
void fal_recent_begin_step(fal_recent *recent, const struct falign_trainer *trainer, const falign_trace *trace);
/* Whether there is a copy of the iteration `lag` before the trace's; `lag` is at most the iterations made room for. */
bool fal_recent_has(const fal_recent *recent, uint64_t lag);
/* Views FALIGN_L or FALIGN_DELTA of layer l of that iteration, which must have a copy. */
falign_view fal_recent_view(const fal_recent *recent, const falign_trace *trace, uint64_t lag, falign_quantity what,
                            uint32_t l);
/* Copies the trace of the step that was begun, in place of the oldest copy. */
falign_status fal_recent_add(fal_recent *recent, const falign_trace *trace);

#endif
