/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_HISTORY_H
#define FALIGN_HISTORY_H

/** @file history.h
 *  @brief The past steps that alignment terms are made of, within a limit of memory.
 *
 *  A trainer that was given a history (falign_trainer_set_history()) records in it each step k before the observers
 *  look: W[l-1] and b[l] as they are used in the step, and the update dW[l-1] = eta L[l-1]^T delta[l] before any
 *  normalization, for the hidden layers l = 1..d-1; never activities. All is kept in the network's precision. */

#include "falign/rule.h"

FALIGN_BEGIN

/** Past steps of one run. */
typedef struct falign_history falign_history;

/** What a history can give of a step. */
typedef int32_t falign_record;
enum {
  FALIGN_RECORD_W = 1,     /**< W[l], l = 0..d-2, n[l] x n[l+1], as used in the step */
  FALIGN_RECORD_BIAS = 2,  /**< b[l], l = 1..d-1, 1 x n[l], as used in the step */
  FALIGN_RECORD_DW = 3,    /**< dW[l], l = 0..d-2, n[l] x n[l+1], before normalization (eqs. 1, 22) */
  FALIGN_RECORD_C = 4,     /**< C[l] = L[l-1]^T delta[l+1], l = 1..d-1, n[l-1] x n[l+1], if kept */
  FALIGN_RECORD_DIRECT = 5 /**< L[l-1]^T delta[d], l = 1..d-1, n[l-1] x n[d], if kept */
};

/** What is kept only when asked for, since only some terms need it; the sum of those that apply. */
enum {
  FALIGN_KEEP_C = 1,     /**< FALIGN_RECORD_C: for M and the linear terms of FA (eq. 5) */
  FALIGN_KEEP_DIRECT = 2 /**< FALIGN_RECORD_DIRECT: for the linear terms of DFA (eqs. 8, S15) */
};

/** An empty history for runs of `network`, to which it keeps a reference. It keeps all steps in memory without limit,
 *  unless told otherwise before the first step. @return FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_history_create(falign_network *network, falign_history **out);
/** Gives back a reference; NULL is fine. */
FALIGN_API void falign_history_destroy(falign_history *history);

/** Also keeps what FALIGN_KEEP_... names, beside what was asked for before. @return FALIGN_INVALID after the first step
 *  and for what is not known, FALIGN_MEMORY where the size of a step overflows. */
FALIGN_API FALIGN_CHECKED falign_status falign_history_keep(falign_history *history, int32_t quantities);

/** Keeps the last `steps` steps before the present one, so that orders 1..steps can be asked for; 0 keeps all.
 *  @return FALIGN_INVALID after the first step and for a window that is too large. */
FALIGN_API FALIGN_CHECKED falign_status falign_history_set_window(falign_history *history, uint64_t steps);

/** Uses at most so many bytes of memory. Beyond them steps go to an unnamed file in `directory` (it is gone when the
 *  history is, however the process ends), or where that is NULL the step fails with FALIGN_MEMORY, telling how much it
 *  would need; see falign_history_bytes(). With a directory none is refused, although the bytes of 0 steps, which are
 *  memory in any case, may be above the limit. A step that could not be recorded, for lack of memory or with FALIGN_IO
 *  since the disk is full, was not made: without the history (falign_trainer_set_history() with NULL) the run can go
 *  on.
 *  @return FALIGN_INVALID after the first step, FALIGN_IO for a directory in which no file can be made,
 *  FALIGN_UNSUPPORTED for a directory in a build without files, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_history_set_limit(falign_history *history, uint64_t bytes,
                                                                 const char *directory);

/** The memory in bytes that a run of so many steps takes, whether in memory or in the file, with what was asked for up
 *  to now: known before the first step. @return FALIGN_MEMORY where the size overflows. */
FALIGN_API FALIGN_CHECKED falign_status falign_history_bytes(const falign_history *history, uint64_t steps,
                                                             uint64_t *bytes);

/** Forgets all steps, so that another run can be recorded. Settings stay. */
FALIGN_API void falign_history_clear(falign_history *history);

/** The steps it holds: iterations *first to *end - 1; *first = *end where it holds none. The outputs that are NULL are
 *  not written. @return FALIGN_INVALID for a NULL history alone. */
FALIGN_API FALIGN_CHECKED falign_status falign_history_range(const falign_history *history, uint64_t *first,
                                                             uint64_t *end);
/** Bytes in memory and in the file. The outputs that are NULL are not written. @return FALIGN_INVALID for a NULL
 *  history alone. */
FALIGN_API FALIGN_CHECKED falign_status falign_history_used(const falign_history *history, uint64_t *memory,
                                                            uint64_t *file);

/** Copies a matrix of step k to the caller's rows x cols matrix, in double precision.
 *  @return FALIGN_INVALID for a step or layer that is not there, FALIGN_UNSUPPORTED for what is not kept, FALIGN_SHAPE,
 *  FALIGN_IO where the file cannot be read, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_history_get(const falign_history *history, uint64_t k,
                                                           falign_record record, uint32_t l, double *out, size_t rows,
                                                           size_t cols, size_t stride);

FALIGN_END

#endif
