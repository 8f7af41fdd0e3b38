/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_STATUS_H
#define FALIGN_STATUS_H

/** @file status.h
 *  @brief What a call returns, and what went wrong in words.
 *
 *  Conventions of the whole interface:
 *  - Argument order: the object first, then inputs, then outputs. Matrices are passed as falign_view and falign_matrix
 *    (matrix.h); an array is followed by its length, a callback by its user pointer, which every callback receives as
 *    its first argument.
 *  - A function that can fail returns a falign_status. On failure its outputs are untouched and nothing is leaked;
 *    falign_last_error() says what was wrong, with names and numbers.
 *  - Objects are opaque. falign_X_create() makes one, by name where there are several kinds;
 *    falign_X_create_custom() makes one of a user's functions; falign_X_destroy() releases it (NULL is fine). Objects
 *    that others use are counted: the user holds its own reference, so any order of destruction is safe.
 *  - NULL must not be passed unless a function says that it may: functions that return a status then return
 *    FALIGN_INVALID, others crash.
 *  - Tables of functions begin with their own size. Later versions may append entries: an entry that an older caller
 *    does not have counts as 0, and an entry that an older library does not know must be 0 (else FALIGN_UNSUPPORTED).
 *  - A callback that fails ends the call that ran it, with its message or, if it left none, with its name. Each kind of
 *    callback documents the status that this call returns.
 *  - Matrices are row-major unless their steps say otherwise; rows are data points. Arrays belong to the caller and are
 *    copied, unless stated.
 *  - Different objects may be used from different threads at once. One object belongs to one thread at a time;
 *    calls that take only const objects may run side by side. References may be taken and released on any thread. See
 *    docs/threads.md.
 *  - A callback may call the library. A trainer that is at work returns FALIGN_INVALID, but it may be read, cancelled
 *    and destroyed, and metrics and sinks may evaluate it. Any other object must live until the call that was given it
 *    returns.
 *  - The library never prints, exits, reads the environment, or changes signal handlers, locale or BLAS settings. One
 *    outside library does read it: see "xsmm" in backend.h. */

#include <stddef.h>
#include <stdint.h>

#include "falign/export.h"

FALIGN_BEGIN

/** The outcome of a call: FALIGN_OK or one of the codes below. */
typedef int32_t falign_status;

/** The codes. Numbers are fixed; new ones are appended. */
enum {
  FALIGN_OK = 0,          /**< Done. */
  FALIGN_INVALID = 1,     /**< An argument is out of its range. */
  FALIGN_SHAPE = 2,       /**< A matrix or network has the wrong shape or precision. */
  FALIGN_MEMORY = 3,      /**< An allocation failed, or a size overflows. */
  FALIGN_IO = 4,          /**< A file could not be opened, read or written. */
  FALIGN_FORMAT = 5,      /**< A file's content is not what its format demands. */
  FALIGN_DIVERGED = 6,    /**< A weight, bias, activation, update or loss stopped being finite. */
  FALIGN_UNSUPPORTED = 7, /**< This build, rule or object cannot do that. */
  FALIGN_CANCELLED = 8,   /**< A callback or falign_trainer_cancel() asked to stop. */
  FALIGN_CALLBACK = 9     /**< A user's function reported failure. */
};

/** Returns the name of a code, such as "FALIGN_SHAPE"; "unknown status" for any other number. Static storage. */
FALIGN_API const char *falign_status_name(falign_status status);

/** Says in words what went wrong in the last call that failed on this thread; "" before the first. Read it right after
 *  the failure: the next failure on the same thread overwrites the text, which is in the thread's own storage, and a
 *  call that runs callbacks may clear it. */
FALIGN_API const char *falign_last_error(void);

/** Sets the message that falign_last_error() returns on this thread (cut at 1023 bytes), so that a callback which
 *  returns a failure can say why. NULL clears it. */
FALIGN_API void falign_set_last_error(const char *message);

FALIGN_END

#endif
