/* SPDX-License-Identifier: Apache-2.0 */
#include "base/support.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "falign/version.h"

static _Thread_local char last_error[1024];

static const char *const features[] = {
#ifdef FAL_CBLAS
    "cblas",
#endif
#ifdef FAL_XSMM
    "xsmm",
#endif
#ifdef FAL_LAPACK
    "lapack",
#endif
#ifdef FAL_FILES
    "files",
#endif
#ifdef FAL_THREADS
    "threads",
#endif
    NULL};

const char *falign_version(void) { return FALIGN_VERSION_STRING; }

int32_t falign_version_number(void) { return FALIGN_VERSION_NUMBER; }

const char *falign_feature_at(size_t index) {
  return index < sizeof features / sizeof *features ? features[index] : NULL;
}

int32_t falign_has_feature(const char *name) {
  size_t i = 0;
  while (features[i] != NULL && strcmp(features[i], name) != 0) i++;
  return features[i] != NULL;
}

const char *falign_last_error(void) { return last_error; }

void falign_set_last_error(const char *message) {
  if (message == last_error) return;
  snprintf(last_error, sizeof last_error, "%s", message ? message : "");
}

void fal_message(const char *format, ...) {
  char message[sizeof last_error]; /* since an argument may be the last message itself */
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  memcpy(last_error, message, sizeof message);
}

void fal_before_callback(void) { last_error[0] = 0; }

falign_status fal_callback_failed(falign_status status, const char *what, const char *name) {
  if (last_error[0] == 0)
    fal_message("%s %s failed with status %d (%s)", what, name, (int)status, falign_status_name(status));
  return status;
}

const char *fal_callback_message(falign_status status) {
  if (last_error[0] == 0) fal_message("status %d (%s)", (int)status, falign_status_name(status));
  return last_error;
}

void fal_outcome_set(fal_outcome *outcome, falign_status status) {
  outcome->status = status;
  if (status != FALIGN_OK) memcpy(outcome->message, last_error, sizeof last_error);
}

falign_status fal_outcome_raise(const fal_outcome *outcome) {
  if (outcome->status != FALIGN_OK) falign_set_last_error(outcome->message);
  return outcome->status;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): own_size and least are sizeof and offsetof of one type */
falign_status fal_copy_table(const char *what, void *own, size_t own_size, size_t least, const void *table,
                             size_t given) {
  if (given < least) return fal_fail(FALIGN_INVALID, "the %s table's size is %zu, want %zu", what, given, own_size);
  if (given < own_size && (given - least) % sizeof(void *) != 0)
    return fal_fail(FALIGN_INVALID, "the %s table's size is %zu, which ends within an entry", what, given);
  for (size_t i = own_size; i < given; i++) {
    if (((const unsigned char *)table)[i] != 0)
      return fal_fail(FALIGN_UNSUPPORTED, "the %s table of %zu bytes has entries that this version does not know", what,
                      given);
  }
  memset(own, 0, own_size);
  memcpy(own, table, given < own_size ? given : own_size);
  return FALIGN_OK;
}

const char *falign_status_name(falign_status status) {
  switch (status) {
    case FALIGN_OK: return "FALIGN_OK";
    case FALIGN_INVALID: return "FALIGN_INVALID";
    case FALIGN_SHAPE: return "FALIGN_SHAPE";
    case FALIGN_MEMORY: return "FALIGN_MEMORY";
    case FALIGN_IO: return "FALIGN_IO";
    case FALIGN_FORMAT: return "FALIGN_FORMAT";
    case FALIGN_DIVERGED: return "FALIGN_DIVERGED";
    case FALIGN_UNSUPPORTED: return "FALIGN_UNSUPPORTED";
    case FALIGN_CANCELLED: return "FALIGN_CANCELLED";
    case FALIGN_CALLBACK: return "FALIGN_CALLBACK";
    default: return "unknown status";
  }
}

bool fal_mul(size_t a, size_t b, size_t *product) {
  if (b != 0 && a > SIZE_MAX / b) return false;
  *product = a * b;
  return true;
}

void *fal_alloc(size_t count, size_t size) {
  size_t bytes;
  if (!fal_mul(count, size, &bytes) || bytes > PTRDIFF_MAX) return NULL;
  return malloc(bytes ? bytes : 1);
}

void *fal_zalloc(size_t count, size_t size) {
  size_t bytes;
  if (!fal_mul(count, size, &bytes) || bytes > PTRDIFF_MAX) return NULL;
  return calloc(bytes ? bytes : 1, 1);
}

void *fal_alloc_matrix(size_t rows, size_t cols, size_t size) {
  size_t count;
  return fal_mul(rows, cols, &count) ? fal_alloc(count, size) : NULL;
}

char *fal_strdup(const char *text) {
  size_t length = strlen(text) + 1;
  char *copy = fal_alloc(length, 1);
  if (copy) memcpy(copy, text, length);
  return copy;
}

void fal_refs_init(fal_refs *refs) { atomic_init(refs, 1); }

void fal_refs_retain(fal_refs *refs) { atomic_fetch_add_explicit(refs, 1, memory_order_relaxed); }

bool fal_refs_release(fal_refs *refs) { return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1; }
