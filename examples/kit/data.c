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

#define HOW_TO_GET                                                                                                \
  "run scripts/get-mnist, or 'apt-get install dataset-fashion-mnist', or name a directory that has the four IDX " \
  "files with --data or FALIGN_MNIST_DIR"

static falign_status use(data_place *place, const char *directory, const char *below, const char *why) {
  int length = snprintf(place->path, sizeof place->path, "%s%s", directory, below);
  if (length < 0 || (size_t)length >= sizeof place->path) {
    return fail(FALIGN_INVALID, "the path %s%s is too long", directory, below);
  }
  place->why = why;
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

falign_status data_find(const char *given, data_place *place) {
  const char *named = environment("FALIGN_MNIST_DIR");
  const char *data_home = environment("XDG_DATA_HOME");
  const char *home = environment("HOME");
  const char *system = "/usr/share/datasets/fashion-mnist", *user = "the user's data directory";
  if (given != NULL) return use(place, given, "", NULL);
  if (named != NULL) return use(place, named, "", "FALIGN_MNIST_DIR");
  if (data_home == NULL && home != NULL && has_images(home, "/.local/share/falign/mnist")) {
    return use(place, home, "/.local/share/falign/mnist", user);
  }
  if (data_home != NULL && has_images(data_home, "/falign/mnist")) return use(place, data_home, "/falign/mnist", user);
  if (has_images(system, "")) return use(place, system, "", "the system's Fashion-MNIST");
  return fail(FALIGN_IO, "no data found: " HOW_TO_GET);
}

falign_status data_read(const data_place *place, size_t image_size, falign_dataset **train, falign_dataset **test) {
  falign_status status = falign_dataset_read_mnist(place->path, FALIGN_TRAIN, image_size, train);
  if (status == FALIGN_OK) status = falign_dataset_read_mnist(place->path, FALIGN_TEST, image_size, test);
  if (place->why == NULL) return status;
  if (status == FALIGN_OK) fprintf(stderr, "data: %s (%s)\n", place->path, place->why);
  if (status != FALIGN_IO) return status;
  return fail(status, "%s (%s): " HOW_TO_GET, falign_last_error(), place->why);
}
