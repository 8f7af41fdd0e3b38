/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

/* What the fuzz targets share. Each gets bytes that may be anything; what it must not do is crash, leak, or break its
 * word. Linked with libFuzzer, or with driver.c, which runs it on the files of seeds/. */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "falign/falign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)                                                      \
  do {                                                                       \
    if (!(condition)) {                                                      \
      fprintf(stderr, "%s: not so (%s)\n", #condition, falign_last_error()); \
      abort();                                                               \
    }                                                                        \
  } while (0)

/* A file of those bytes, by a name of this process. */
static inline const char *file_of(char path[64], const char *name, const uint8_t *data, size_t size) {
  snprintf(path, 64, "/tmp/falign-fuzz-%ld-%s", (long)getpid(), name);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
  close(fd);
  return path;
}

/* A failure says which, and why; and nothing was made. */
static inline void check_failure(falign_status status, const void *made) {
  must(status == FALIGN_FORMAT || status == FALIGN_IO || status == FALIGN_INVALID || status == FALIGN_MEMORY);
  must(falign_last_error()[0] != 0 && made == NULL);
}

#endif
