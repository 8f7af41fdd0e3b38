/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700
#include "output.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static falign_status fail_to_write(const char *path) {
  return fail(FALIGN_IO, "cannot write %s: %s", path, strerror(errno));
}

/* A device, a pipe or the like, also where it leads to a file: nothing is put beside it. */
static bool is_special(const char *path) {
  struct stat info;
  if (stat(path, &info) != 0) return false;
  if (strncmp(path, "/dev/shm/", 9) == 0) return !S_ISREG(info.st_mode);
  return strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0 || !S_ISREG(info.st_mode);
}

static bool directory_is_writable(const char *path) {
  const char *slash = strrchr(path, '/');
  if (slash == NULL) return access(".", W_OK) == 0;
  char *directory = strndup(path, (size_t)(slash - path) + 1);
  bool writable = directory != NULL && access(directory, W_OK) == 0;
  free(directory);
  return writable;
}

falign_status output_check(const char *path) {
  struct stat info;
  if (path == NULL) return FALIGN_OK;
  if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
    return fail(FALIGN_IO, "cannot write %s: it is a directory", path);
  }
  bool writable = is_special(path) ? access(path, W_OK) == 0 : directory_is_writable(path);
  return writable ? FALIGN_OK : fail_to_write(path);
}

/* `path` with another ending in place of ".csv". */
static char *beside(const char *path, const char *ending) {
  size_t stem = strlen(path);
  if (stem > 4 && strcmp(path + stem - 4, ".csv") == 0) stem -= 4;
  char *other = malloc(stem + strlen(ending) + 1);
  if (other != NULL) sprintf(other, "%.*s%s", (int)stem, path, ending);
  return other;
}

/* Whether `other` is one of the files that are written beside `path`. */
static bool is_beside(const char *path, const char *other) {
  char *json = beside(path, ".json"), *summary = beside(path, ".summary.csv");
  bool same = json != NULL && summary != NULL && (strcmp(json, other) == 0 || strcmp(summary, other) == 0);
  free(json);
  free(summary);
  return same;
}

static falign_status check_pair(const output_file *one, const output_file *other, bool one_is_table) {
  if (one->path == NULL || other->path == NULL) return FALIGN_OK;
  if (strcmp(one->path, other->path) == 0 && !is_special(one->path))
    return fail(FALIGN_INVALID, "--%s and --%s are both '%s'", one->option, other->option, one->path);
  if (one_is_table && is_beside(one->path, other->path))
    return fail(FALIGN_INVALID, "--%s '%s' is a file that --%s '%s' writes beside it", other->option, other->path,
                one->option, one->path);
  return FALIGN_OK;
}

falign_status output_check_distinct(const output_file *files, size_t count) {
  for (size_t i = 0; i < count; i++) {
    for (size_t j = i + 1; j < count; j++) TRY(check_pair(&files[i], &files[j], i == 0));
  }
  return FALIGN_OK;
}

/* Devices and pipes cannot be replaced; a link to a file that does not exist yet would be. */
static bool is_direct(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 ? !S_ISREG(info.st_mode) : lstat(path, &info) == 0;
}

/* Writes and closes; errno is that of the first failure. */
static bool put_text(FILE *file, const char *text) {
  bool written = fprintf(file, "%s\n", text) >= 0 && fflush(file) == 0;
  bool synced = written && (fsync(fileno(file)) == 0 || errno == EINVAL); /* a pipe */
  int error = errno;
  if (fclose(file) != 0) return false;
  errno = error;
  return synced;
}

static falign_status write_directly(const char *path, const char *text) {
  FILE *file = fopen(path, "a");
  return file != NULL && put_text(file, text) ? FALIGN_OK : fail_to_write(path);
}

/* Creates a temporary file beside the target and writes its name to `name`. */
static FILE *open_temporary(const char *target, char *name, size_t size) {
  const char *slash = strrchr(target, '/');
  int folder = slash != NULL ? (int)(slash - target) + 1 : 0;
  FILE *file = NULL;
  for (unsigned number = 0; file == NULL; number++) {
    snprintf(name, size, "%.*s.falign-%ld-%u", folder, target, (long)getpid(), number);
    file = fopen(name, "wx");
    if (file == NULL && errno != EEXIST) break;
  }
  return file;
}

/* Gives the temporary file the target's name, or removes it. */
static bool replace(const char *target, const char *temporary, FILE *file, const char *text) {
  struct stat old;
  bool kept_mode = stat(target, &old) != 0 || fchmod(fileno(file), old.st_mode & 0777) == 0;
  if (put_text(file, text) && kept_mode && rename(temporary, target) == 0) return true;
  int error = errno;
  remove(temporary);
  errno = error;
  return false;
}

falign_status output_replace(const char *path, const char *text) {
  if (is_direct(path)) return write_directly(path, text);
  char *target = realpath(path, NULL);
  const char *name = target != NULL ? target : path; /* a new one */
  size_t size = strlen(name) + 64;
  char *temporary = malloc(size);
  FILE *file = temporary != NULL ? open_temporary(name, temporary, size) : NULL;
  bool replaced = file != NULL && replace(name, temporary, file, text);
  falign_status status = replaced ? FALIGN_OK : fail_to_write(path);
  free(temporary);
  free(target);
  return status;
}

static falign_status write_config(const configuration *config, const char *path) {
  char *text;
  TRY(config_text(config, &text));
  falign_status status = output_replace(path, text);
  free(text);
  return status;
}

static falign_status write_beside(const falign_table *table, const configuration *config, const char *path) {
  char *json = beside(path, ".json"), *summary = beside(path, ".summary.csv");
  falign_status status = json == NULL || summary == NULL ? fail(FALIGN_MEMORY, "out of memory") : FALIGN_OK;
  if (status == FALIGN_OK) status = write_config(config, json);
  if (status == FALIGN_OK) status = falign_table_write_summary(table, summary);
  free(json);
  free(summary);
  return status;
}

falign_status output_table(const falign_table *table, const configuration *config, const char *path) {
  if (path == NULL) return falign_table_write_descriptor(table, STDOUT_FILENO);
  TRY(falign_table_write(table, path));
  return is_special(path) ? FALIGN_OK : write_beside(table, config, path);
}

falign_status output_bytes(const char *path, const void *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  if (file == NULL) return fail_to_write(path);
  bool written = fwrite(bytes, 1, size, file) == size;
  bool closed = fclose(file) == 0;
  return written && closed ? FALIGN_OK : fail_to_write(path);
}
