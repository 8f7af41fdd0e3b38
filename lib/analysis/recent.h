/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_RECENT_H
#define FAL_RECENT_H

#include "math/angle.h"
#include "learning/trace.h"

struct falign_trainer;

/* Copies of the outputs L[0..d] and the error signals delta[1..d] of the last iterations of one trainer. */
typedef struct fal_recent fal_recent;

/* Room for so many iterations; that of their matrices is taken when they come. */
falign_status fal_recent_create(uint64_t iterations, fal_recent **out);
void fal_recent_destroy(fal_recent *recent);

/* Before the trace of an iteration is compared: forgets everything unless it follows the last one that was added, of
 * the same trainer. */
void fal_recent_meet(fal_recent *recent, const struct falign_trainer *trainer, const falign_trace *trace);
/* Whether there is a copy of the iteration that lies `lag` before the trace's; `lag` is at most the iterations that
 * there is room for. */
bool fal_recent_has(const fal_recent *recent, uint64_t lag);
/* FALIGN_L or FALIGN_DELTA of layer l of that iteration, which there is. */
fal_view fal_recent_view(const fal_recent *recent, const falign_trace *trace, uint64_t lag, falign_quantity quantity,
                         uint32_t l);
/* Afterwards: adds the trace, in the place of the oldest. */
falign_status fal_recent_add(fal_recent *recent, const falign_trace *trace);

#endif
