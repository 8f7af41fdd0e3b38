/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_SUPPORT_H
#define FAL_SUPPORT_H

/* What every folder of the library uses: failures, memory, reference counts, matrices as arguments.
 * Names that other translation units see but the public does not begin with fal_. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "falign/status.h"

#if defined(__GNUC__)
#define FAL_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define FAL_PRINTF(text, first)
#endif
/* So that GCC's analyzer asks for checks of NULL. It also finds leaks, but where memory goes into an object on one
 * condition, and is freed on the opposite one, there are none: those the sanitizer looks for. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#define FAL_ALLOCATES __attribute__((malloc(free, 1)))
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#else
#define FAL_ALLOCATES
#endif

/* Returns the status of a call that failed to the caller. */
#define FAL_TRY(call)                                       \
  do {                                                      \
    falign_status fal_try_status = (call);                  \
    if (fal_try_status != FALIGN_OK) return fal_try_status; \
  } while (0)

/* Sets this thread's message and is `status`: a constant there tells compilers that it is a failure. */
#define fal_fail(status, ...) (fal_message(__VA_ARGS__), status)
/* The failure of an allocation of `count` elements of `size` bytes. */
#define fal_fail_memory(what, count, size) \
  fal_fail(FALIGN_MEMORY, "no memory for %s (%zu x %zu bytes)", what, (size_t)(count), (size_t)(size))
void fal_message(const char *format, ...) FAL_PRINTF(1, 2);

/* Before a caller's function is called, and where it has failed: names it unless it has left a message itself. */
void fal_before_callback(void);
falign_status fal_callback_failed(falign_status status, const char *what, const char *name);
/* What a callback that failed has left as its message, or else the name of its status. */
const char *fal_callback_message(falign_status status);

/* How work on another thread ended: messages are kept by thread. */
typedef struct {
  falign_status status;
  char message[1024]; /* as long as falign_last_error() */
} fal_outcome;
/* Takes this thread's message, where there is a failure, to where the caller finds it. */
void fal_outcome_keep(fal_outcome *outcome, falign_status status);
/* Returns the status, and makes its message this thread's. */
falign_status fal_outcome_raise(const fal_outcome *outcome);

/* Fails with the argument's name where it is NULL. */
#define FAL_GIVEN(argument)                                                 \
  do {                                                                      \
    if (!(argument)) return fal_fail(FALIGN_INVALID, #argument " is NULL"); \
  } while (0)

/* Copies a caller's table of `given` bytes, of which the first release has `least`. Entries that it lacks become 0;
 * those that this library does not know must be 0. */
falign_status fal_copy_table(const char *what, void *own, size_t own_size, size_t least, const void *table,
                             size_t given);

/* Element i of an array in either precision. */
double fal_number(falign_precision precision, const void *numbers, size_t i);

/* count * size bytes, at least one; NULL where the product overflows or memory is short. Released with free(). */
FAL_ALLOCATES void *fal_alloc(size_t count, size_t size);
/* The same, filled with zeros. */
FAL_ALLOCATES void *fal_zalloc(size_t count, size_t size);
FAL_ALLOCATES char *fal_strdup(const char *text);
/* a * b; false where it overflows. */
bool fal_mul(size_t a, size_t b, size_t *product);

/* A count of references, the first member of each shared object. */
typedef atomic_uint fal_refs;
void fal_refs_init(fal_refs *refs);
void fal_refs_keep(fal_refs *refs);
/* True when the last reference was given back. */
bool fal_refs_drop(fal_refs *refs);

/* Bytes of one number; 0 for a number that is no precision. */
size_t fal_element(falign_precision precision);

/* Checks an argument "W[2]" of rows x cols against the shape it must have, its stride, and NULL. */
falign_status fal_check_matrix(const char *name, int64_t index, const void *data, size_t rows, size_t cols,
                               size_t stride, size_t want_rows, size_t want_cols);
/* Fails, naming row and column, where a matrix holds a number that is not finite. */
falign_status fal_check_finite(const char *name, int64_t index, const void *data, falign_precision precision,
                               size_t rows, size_t cols, size_t stride);
/* The same for numbers that are about to be converted to the precision `as`. */
falign_status fal_check_finite_as(const char *name, int64_t index, const void *data, falign_precision precision,
                                  falign_precision as, size_t rows, size_t cols, size_t stride);
/* Copies a matrix, converting between precisions. */
void fal_copy_matrix(void *to, falign_precision to_precision, size_t to_stride, const void *from,
                     falign_precision from_precision, size_t from_stride, size_t rows, size_t cols);

#endif
