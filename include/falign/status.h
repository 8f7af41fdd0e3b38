/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_STATUS_H
#define FALIGN_STATUS_H

/** @file status.h
 *  @brief What a call returns, and what went wrong in words.
 *
 *  Conventions of the whole interface:
 *  - Argument order: the object first, then inputs, then outputs. A matrix is followed by its rows, columns and
 *    stride (elements from one row's start to the next, at least the columns); an array by its length; a callback
 *    by its user pointer, which every callback receives as its first argument.
 *  - A function that can fail returns a falign_status. On failure its outputs are untouched and nothing is leaked;
 *    falign_last_error() tells what was wrong, with names and numbers.
 *  - Objects are opaque. falign_X_create() makes one, and falign_X_destroy() gives it back (NULL is fine). Those that
 *    others use are counted: the user keeps a reference of its own, so any order of destruction is safe.
 *  - Where NULL is not said to be fine, it must not be passed: functions that return a status refuse it with
 *    FALIGN_INVALID, which is not said again with each of them; others crash. "A NULL alone": nothing else is an error.
 *  - Structs of functions begin with their own size. Later versions may append entries: what an older caller does not
 *    have counts as 0, and what an older library does not know must be 0 (else FALIGN_UNSUPPORTED).
 *  - A caller's function (a callback) that fails ends the call that ran it, with its message or, if it left none, with
 *    its name. What status that call returns is said with each kind of callback.
 *  - Matrices are row-major; rows are data points. Arrays belong to the caller and are copied, unless stated.
 *  - Different objects may be used from different threads at once. One object belongs to one thread at a time;
 *    calls that take only const objects may run side by side, but those of a trainer, which works in its own memory.
 *    References may be taken and given back on any thread. docs/threads.md has the whole.
 *  - A callback may call the library. A trainer that it calls while that is at work answers FALIGN_INVALID, but lets
 *    itself be read, cancelled and given back, and within metrics and sinks be evaluated. Any other object must live
 *    until the call that was given it returns.
 *  - The library never prints, exits, reads the environment, or changes signal handlers, locale or BLAS settings. */

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

/** The name of a code, such as "FALIGN_SHAPE"; "unknown status" for a number that is none. Static storage. */
FALIGN_API const char *falign_status_name(falign_status status);

/** What went wrong in the last call that failed on this thread, in words; "" before the first. Read it right after
 *  the failure: the next failure on the same thread overwrites the text, which is in storage of the thread, and a call
 *  that runs callbacks may clear it.
 */
FALIGN_API const char *falign_last_error(void);

/** Sets the message that falign_last_error() returns on this thread (cut at 1023 bytes), so that a callback which
 *  returns a failure can say why. NULL clears it. */
FALIGN_API void falign_set_last_error(const char *message);

/** Precision of an object's numbers. */
typedef int32_t falign_precision;
enum {
  FALIGN_F32 = 1, /**< IEEE single */
  FALIGN_F64 = 2  /**< IEEE double */
};

FALIGN_END

#endif
