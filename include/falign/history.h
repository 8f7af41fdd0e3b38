/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_HISTORY_H
#define FALIGN_HISTORY_H

/** @file history.h
 *  @brief The past steps that alignment terms are made of, within a limit of memory.
 *
 *  A trainer that was given a history (falign_trainer_set_history()) records each step k in it before the observers
 *  look; a program with its own training loop records its traces (falign_history_record()). Kept are W[l-1] and
 *  b[l] as they are used in the step, the update dW[l-1] = eta L[l-1]^T delta[l] and what the optimizer makes of it,
 *  both before normalization, for the hidden layers l = 1..d-1; never activities. Everything is kept in the network's
 *  precision. */

#include "falign/rule.h"

FALIGN_BEGIN

/** Past steps of one run. */
typedef struct falign_history falign_history;

/** What is kept only when asked for, since only some runs and terms need it; the sum of those that apply. */
enum {
  FALIGN_KEEP_C = 1,      /**< FALIGN_C: for M and the linear terms of FA (eq. 5) */
  FALIGN_KEEP_DIRECT = 2, /**< FALIGN_DIRECT: for the linear terms of DFA (eqs. 8, S15) */
  FALIGN_KEEP_APPLIED = 4 /**< FALIGN_DW_APPLIED: for steps in which it differs from FALIGN_DW */
};

/** Makes an empty history for runs of `network`, to which it keeps a reference. It keeps all steps in memory without
 *  limit, unless set otherwise before the first step. @return FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_history_create(falign_network *network, falign_history **out);
/** Releases a reference; NULL is fine. */
FALIGN_API void falign_history_destroy(falign_history *history);

/** Also keeps what FALIGN_KEEP_... names, in addition to earlier requests. @return FALIGN_INVALID after the first step
 *  and for unknown quantities, FALIGN_MEMORY if the size of a step overflows. */
FALIGN_API FALIGN_CHECKED falign_status falign_history_keep(falign_history *history, int32_t quantities);

/** Keeps the last `steps` steps before the current one, so that orders 1..steps can be computed; 0 keeps all.
 *  @return FALIGN_INVALID after the first step and for a window that is too large. */
FALIGN_API FALIGN_CHECKED falign_status falign_history_set_window(falign_history *history, uint64_t steps);

/** Uses at most `bytes` bytes of memory. Beyond that, steps go to an unnamed file in `directory`, which disappears with
 *  the history however the process ends, or, if `directory` is NULL, the step fails with FALIGN_MEMORY and reports how
 *  much it would need; see falign_history_bytes(). With a directory any limit is accepted, although the bytes of 0
 *  steps, which are always in memory, may exceed it. A step that could not be recorded, for lack of memory or with
 *  FALIGN_IO on a full disk, was not made: without the history (falign_trainer_set_history() with NULL) the run can
 *  continue.
 *  @return FALIGN_INVALID after the first step, FALIGN_IO for a directory in which no file can be made,
 *  FALIGN_UNSUPPORTED for a directory in a build without files, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_history_set_limit(falign_history *history, uint64_t bytes,
                                                                 const char *directory);

/** Computes the bytes that a run of `steps` steps takes, whether in memory or in the file, with the settings made so
 *  far. @return FALIGN_MEMORY if the size overflows. */
FALIGN_API FALIGN_CHECKED falign_status falign_history_bytes(const falign_history *history, uint64_t steps,
                                                             uint64_t *bytes);

/** Forgets all steps, so that another run can be recorded. Settings stay. */
FALIGN_API void falign_history_clear(falign_history *history);

/** Returns the steps it holds: iterations *first to *end - 1; *first = *end if it holds none. Outputs that are NULL are
 *  not written. @return FALIGN_INVALID for a NULL history. */
FALIGN_API FALIGN_CHECKED falign_status falign_history_range(const falign_history *history, uint64_t *first,
                                                             uint64_t *end);
/** Returns the bytes in memory and in the file. Outputs that are NULL are not written. @return FALIGN_INVALID for a
 *  NULL history. */
FALIGN_API FALIGN_CHECKED falign_status falign_history_used(const falign_history *history, uint64_t *memory,
                                                            uint64_t *file);

/** Records a step that another program made, before it changes the weights: W and b of the history's network as they
 *  are now, and the rest from the trace (falign_trace_create()). It needs FALIGN_DW for l = 0..d-2; with
 *  FALIGN_KEEP_C or FALIGN_KEEP_DIRECT also L and DELTA, from which C[l] or DIRECT is computed;
 *  for disturbances (disturbance.h) also Z.
 *  @return FALIGN_INVALID unless the trace's iteration follows the last one recorded (the first may have any
 *  iteration); FALIGN_SHAPE for the trace of another network; FALIGN_UNSUPPORTED for a trace that lacks what is needed,
 *  or whose DW_APPLIED differs from DW without FALIGN_KEEP_APPLIED; FALIGN_IO, FALIGN_MEMORY; the step is then not
 *  recorded. */
FALIGN_API FALIGN_CHECKED falign_status falign_history_record(falign_history *history, const falign_trace *trace);

/** Copies a matrix of step k, in either precision: FALIGN_W and FALIGN_DW, FALIGN_DW_APPLIED for l = 0..d-2;
 *  FALIGN_BIAS for l = 1..d-1; FALIGN_C, FALIGN_DIRECT. @return FALIGN_INVALID for a step, quantity or layer that does
 *  not exist, FALIGN_UNSUPPORTED for what is not kept, FALIGN_IO if the file cannot be read, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_history_get(const falign_history *history, uint64_t k,
                                                           falign_quantity what, uint32_t l, const falign_matrix *out);

FALIGN_END

#endif
