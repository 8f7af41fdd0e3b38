/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_ERRORS_H
#define KIT_ERRORS_H

/* One way for all failures: a function returns a status and leaves the words in falign_last_error(). */

#include <falign/falign.h>

/* Hands the status of a call that failed on to the caller. */
#define TRY(call)                                   \
  do {                                              \
    falign_status try_status = (call);              \
    if (try_status != FALIGN_OK) return try_status; \
  } while (0)

/* Says in printf()'s way what went wrong, and is `status`: a constant there tells compilers that it is a failure. */
#define fail(status, ...) (say_failure(__VA_ARGS__), (status))
__attribute__((format(printf, 1, 2))) void say_failure(const char *format, ...);

/* Returns `status`; puts the file that a failure is about, unless it is NULL, before its words. */
falign_status blame(const char *path, falign_status status);

/* The name by which the program was called, without folders. */
void set_called_as(const char *path);
const char *called_as(void);

/* Prints what went wrong; the exit code of a failure is 1, that of wrong usage 2. */
int exit_failed(void);
int exit_wrong_usage(void);

#endif
