/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FILES_H
#define TESTS_FILES_H

/* A directory of a test's own, and whole files in it. The test program defines _POSIX_C_SOURCE. */

#include <dirent.h>
#include <sys/stat.h>

#include "suite.h"

static char directory[256];

/* The path of a name in the directory; good for four calls. */
static inline const char *at(const char *name) {
  static char paths[4][768];
  static unsigned turn;
  char *path = paths[turn++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", directory, name);
  return path;
}

/* The two halves of a checked fixture. */
static inline void make_directory(void) {
  const char *parent = getenv("TMPDIR");
  snprintf(directory, sizeof directory, "%s/falign-test-XXXXXX", parent ? parent : "/tmp");
  ck_assert_ptr_nonnull(mkdtemp(directory));
}

/* How many files are in the directory; removes them if asked to. */
static inline int count_files(bool removing) {
  int count = 0;
  DIR *stream = opendir(directory);
  ck_assert_ptr_nonnull(stream);
  for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (removing) remove(at(entry->d_name));
    count++;
  }
  closedir(stream);
  return count;
}

static inline void remove_directory(void) {
  count_files(true);
  ck_assert_int_eq(rmdir(directory), 0);
}

static inline void spill(const char *path, const void *data, size_t size) {
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(data, 1, size, file), size);
  ck_assert_int_eq(fclose(file), 0);
}

/* The file's content with a 0 behind it, in storage that the next call overwrites. */
static inline const char *slurp(const char *path, size_t *size) {
  static char content[1 << 20];
  FILE *file = fopen(path, "rb");
  ck_assert_ptr_nonnull(file);
  size_t length = fread(content, 1, sizeof content - 1, file);
  ck_assert_int_eq(fclose(file), 0);
  content[length] = '\0';
  if (size) *size = length;
  return content;
}

#endif
