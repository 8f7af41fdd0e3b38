/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
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

static void print_integer(int64_t value) {
  if (value >= 0) printf("%" PRId64, value);
  putchar(',');
}

static falign_status print_row(const falign_table *table, size_t i, int digits) {
  const char *condition, *metric;
  int64_t run, iteration, layer, order;
  double epoch, value;
  TRY(falign_table_row(table, i, &condition, &run, &iteration, &epoch, &layer, &order, &metric, &value));
  if (condition != NULL) printf("%s,", condition);
  print_integer(run);
  print_integer(iteration);
  if (!isnan(epoch)) printf("%.*g", digits, epoch);
  putchar(',');
  print_integer(layer);
  print_integer(order);
  printf("%s,", metric);
  if (isnan(value))
    puts("nan");
  else
    printf("%.*g\n", digits, value);
  return FALIGN_OK;
}

/* The text of falign_table_write(), which takes a path: /dev/stdout would not do for every standard output. */
static falign_status print_table(const results *r) {
  int digits = r->precision == FALIGN_F32 ? 9 : 17;
  if (r->condition != NULL) printf("%s,", r->condition);
  puts("run,iteration,epoch,layer,order,metric,value");
  for (size_t i = 0; i < falign_table_rows(r->table); i++) TRY(print_row(r->table, i, digits));
  if (fflush(stdout) != 0 || ferror(stdout)) return fail_to_write("to standard output");
  return FALIGN_OK;
}

/* `path` with another ending in place of ".csv". */
static char *beside(const char *path, const char *ending) {
  size_t stem = strlen(path);
  if (stem > 4 && strcmp(path + stem - 4, ".csv") == 0) stem -= 4;
  char *other = malloc(stem + strlen(ending) + 1);
  if (other != NULL) sprintf(other, "%.*s%s", (int)stem, path, ending);
  return other;
}

static falign_status write_beside(const results *r, const char *path) {
  char *json = beside(path, ".json"), *summary = beside(path, ".summary.csv");
  falign_status status = json == NULL || summary == NULL ? fail(FALIGN_MEMORY, "out of memory") : FALIGN_OK;
  if (status == FALIGN_OK) status = falign_config_write(r->config, json);
  if (status == FALIGN_OK) status = falign_table_write_summary(r->table, summary);
  free(json);
  free(summary);
  return status;
}

falign_status output_table(const results *r, const char *path) {
  if (path == NULL) return print_table(r);
  TRY(falign_table_write(r->table, path));
  return is_special(path) ? FALIGN_OK : write_beside(r, path);
}

falign_status output_bytes(const char *path, const void *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  if (file == NULL) return fail_to_write(path);
  bool written = fwrite(bytes, 1, size, file) == size;
  bool closed = fclose(file) == 0;
  return written && closed ? FALIGN_OK : fail_to_write(path);
}
