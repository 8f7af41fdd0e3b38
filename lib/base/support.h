/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_SUPPORT_H
#define FAL_SUPPORT_H

/* Failures, memory and reference counts. Names that are shared within the library but not public begin with fal_. */

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
/* Makes GCC's analyzer require checks for NULL. Its search for leaks is off: it reports false ones where memory goes
 * into an object on one condition and is freed on the opposite one. The leak sanitizer finds the real ones. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#define FAL_ALLOCATES __attribute__((malloc(free, 1)))
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#else
#define FAL_ALLOCATES
#endif

/* Returns from the calling function with the status of a call that failed. */
#define FAL_TRY(call)                                       \
  do {                                                      \
    falign_status fal_try_status = (call);                  \
    if (fal_try_status != FALIGN_OK) return fal_try_status; \
  } while (0)

/* Sets this thread's message; the value is `status`. */
#define fal_fail(status, ...) (fal_message(__VA_ARGS__), status)
/* The failure of an allocation of `count` elements of `size` bytes. */
#define fal_fail_memory(what, count, size) \
  fal_fail(FALIGN_MEMORY, "no memory for %s (%zu x %zu bytes)", what, (size_t)(count), (size_t)(size))
void fal_message(const char *format, ...) FAL_PRINTF(1, 2);

/* Clears the message; call it before a user's function. */
void fal_before_callback(void);
/* Returns `status`; names the user's function that failed unless it has set a message itself. */
falign_status fal_callback_failed(falign_status status, const char *what, const char *name);
/* Returns the message that a failed callback has set, or else the name of its status. */
const char *fal_callback_message(falign_status status);

/* How work on another thread ended. Each thread has its own last message, so this one travels along. */
typedef struct {
  falign_status status;
  char message[1024]; /* as long as falign_last_error() */
} fal_outcome;
/* Stores a status and, if it is a failure, this thread's message. */
void fal_outcome_set(fal_outcome *outcome, falign_status status);
/* Returns the status and makes its message this thread's. */
falign_status fal_outcome_raise(const fal_outcome *outcome);

/* Fails, naming the argument, if it is NULL. */
#define FAL_GIVEN(argument)                                                 \
  do {                                                                      \
    if (!(argument)) return fal_fail(FALIGN_INVALID, #argument " is NULL"); \
  } while (0)

/* Copies a user's table of `given` bytes; that of the first release has `least`. Missing entries become 0; entries
 * unknown to this library must be 0. */
falign_status fal_copy_table(const char *what, void *own, size_t own_size, size_t least, const void *table,
                             size_t given);

/* Allocates count * size bytes, at least one. Returns NULL if the product overflows or memory is short. */
FAL_ALLOCATES void *fal_alloc(size_t count, size_t size);
/* The same, filled with zeros. */
FAL_ALLOCATES void *fal_zalloc(size_t count, size_t size);
/* Allocates rows * cols elements of `size` bytes, as fal_alloc(). */
FAL_ALLOCATES void *fal_alloc_matrix(size_t rows, size_t cols, size_t size);
FAL_ALLOCATES char *fal_strdup(const char *text);
/* Multiplies; returns false if the product overflows. */
bool fal_mul(size_t a, size_t b, size_t *product);

/* A reference count: the first member of each shared object. */
typedef atomic_uint fal_refs;
void fal_refs_init(fal_refs *refs);
void fal_refs_retain(fal_refs *refs);
/* Returns true if that was the last reference. */
bool fal_refs_release(fal_refs *refs);

#endif
