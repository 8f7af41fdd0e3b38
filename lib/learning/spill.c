/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "learning/history.h"

struct fal_spill {
  int fd;
  char directory[]; /* for messages */
};

static falign_status fail_on_file(const char *verb, const char *directory, int error) {
  char reason[128];
  if (strerror_r(error, reason, sizeof reason) != 0) snprintf(reason, sizeof reason, "error %d", error);
  return fal_fail(FALIGN_IO, "cannot %s the history's file in %s: %s", verb, directory, reason);
}

/* Opens a file without a name, which disappears when it is closed. */
static int open_unnamed(const char *directory, int *fd) {
  static const char pattern[] = "/.falign-history-XXXXXX";
  size_t length = strlen(directory);
  if (length == 0) return ENOENT; /* not the root directory */
  char *path = fal_alloc(length + sizeof pattern, 1);
  if (!path) return ENOMEM;
  memcpy(path, directory, length);
  memcpy(path + length, pattern, sizeof pattern);
  *fd = mkstemp(path);
  int error = *fd < 0 ? errno : 0;
  if (!error && (unlink(path) != 0 || fcntl(*fd, F_SETFD, FD_CLOEXEC) != 0)) {
    error = errno;
    close(*fd);
  }
  free(path);
  return error;
}

falign_status fal_spill_create(const char *directory, fal_spill **out) {
  int fd, error = open_unnamed(directory, &fd);
  if (error == ENOMEM) return fal_fail_memory("a path", strlen(directory), 1);
  if (error) return fail_on_file("make", directory, error);
  size_t length = strlen(directory) + 1;
  fal_spill *spill = fal_alloc(sizeof *spill + length, 1);
  if (!spill) {
    close(fd);
    return fal_fail_memory("a history's file", sizeof *spill + length, 1);
  }
  spill->fd = fd;
  memcpy(spill->directory, directory, length);
  *out = spill;
  return FALIGN_OK;
}

void fal_spill_destroy(fal_spill *spill) {
  if (!spill) return;
  close(spill->fd);
  free(spill);
}

void fal_spill_empty(const fal_spill *spill) {
  while (ftruncate(spill->fd, 0) != 0 && errno == EINTR) continue;
}

/* Converts a place in the file; returns false if it is too large for the system. */
static bool place_in_file(uint64_t at, size_t size, off_t *out) {
  const uint64_t most = sizeof(off_t) == sizeof(int64_t) ? INT64_MAX : INT32_MAX;
  if (at > most || size > most - at) return false;
  *out = (off_t)at;
  return true;
}

falign_status fal_spill_write(const fal_spill *spill, const void *data, size_t size, uint64_t at) {
  off_t offset;
  if (!place_in_file(at, size, &offset)) return fail_on_file("write", spill->directory, EFBIG);
  const char *from = data;
  while (size > 0) {
    ssize_t written = pwrite(spill->fd, from, size, offset);
    if (written < 0 && errno != EINTR) return fail_on_file("write", spill->directory, errno);
    if (written == 0) return fail_on_file("write", spill->directory, ENOSPC);
    if (written < 0) continue;
    from += written;
    offset += written;
    size -= (size_t)written;
  }
  return FALIGN_OK;
}

falign_status fal_spill_read(const fal_spill *spill, void *data, size_t size, uint64_t at) {
  off_t offset;
  if (!place_in_file(at, size, &offset)) return fail_on_file("read", spill->directory, EFBIG);
  char *to = data;
  while (size > 0) {
    ssize_t got = pread(spill->fd, to, size, offset);
    if (got < 0 && errno != EINTR) return fail_on_file("read", spill->directory, errno);
    if (got == 0) return fal_fail(FALIGN_IO, "the history's file in %s has become shorter", spill->directory);
    if (got < 0) continue;
    to += got;
    offset += got;
    size -= (size_t)got;
  }
  return FALIGN_OK;
}
