/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "data.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *environment(const char *name) {
  const char *value = getenv(name);
  return value != NULL && value[0] != '\0' ? value : NULL;
}

static falign_status use(const char *directory, const char *below, const char *why, char *path, size_t size) {
  int length = snprintf(path, size, "%s%s", directory, below);
  if (length < 0 || (size_t)length >= size) return fail(FALIGN_INVALID, "the path %s%s is too long", directory, below);
  if (why != NULL) fprintf(stderr, "data: %s (%s)\n", path, why);
  return FALIGN_OK;
}

/* Whether the directory has training images, plain or gz. */
static bool has_images(const char *directory, const char *below) {
  char file[4096];
  for (int gz = 0; gz < 2; gz++) {
    int length = snprintf(file, sizeof file, "%s%s/train-images-idx3-ubyte%s", directory, below, gz ? ".gz" : "");
    if (length > 0 && (size_t)length < sizeof file && access(file, R_OK) == 0) return true;
  }
  return false;
}

falign_status data_find(const char *given, char *path, size_t size) {
  const char *named = environment("FALIGN_MNIST_DIR");
  const char *data_home = environment("XDG_DATA_HOME");
  const char *home = environment("HOME");
  const char *system = "/usr/share/datasets/fashion-mnist";
  if (given != NULL) return use(given, "", NULL, path, size);
  if (named != NULL) return use(named, "", "FALIGN_MNIST_DIR", path, size);
  if (data_home == NULL && home != NULL && has_images(home, "/.local/share/falign/mnist")) {
    return use(home, "/.local/share/falign/mnist", "the user's data directory", path, size);
  }
  if (data_home != NULL && has_images(data_home, "/falign/mnist")) {
    return use(data_home, "/falign/mnist", "the user's data directory", path, size);
  }
  if (has_images(system, "")) return use(system, "", "the system's Fashion-MNIST", path, size);
  return fail(FALIGN_IO,
              "no data found: run scripts/get-mnist, or 'apt-get install dataset-fashion-mnist', or name a directory "
              "that has the four IDX files with --data or FALIGN_MNIST_DIR");
}
