/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "data.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char synthetic[] = "synthetic:";

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

/* Reads WITHIN,BETWEEN. */
static falign_status read_synthetic(const char *text, data_place *place) {
  data_synthetic *s = &place->synthetic;
  char rest;
  int found = sscanf(text, "%lf,%lf%c", &s->within, &s->between, &rest);
  bool holds = found == 2 && s->between >= 0 && s->between <= s->within && s->within <= 1;
  if (!holds)
    return fail(FALIGN_INVALID, "--data '%s%s' is not synthetic:WITHIN,BETWEEN with 1 >= WITHIN >= BETWEEN >= 0",
                synthetic, text);
  place->drawn = true;
  return use(place, synthetic, text, NULL);
}

static bool is_synthetic(const char *given) {
  return given != NULL && strncmp(given, synthetic, strlen(synthetic)) == 0;
}

falign_status data_check(const char *given) {
  data_place place;
  return is_synthetic(given) ? read_synthetic(given + strlen(synthetic), &place) : FALIGN_OK;
}

falign_status data_find(const char *given, data_place *place) {
  const char *named = environment("FALIGN_MNIST_DIR");
  const char *data_home = environment("XDG_DATA_HOME");
  const char *home = environment("HOME");
  const char *system = "/usr/share/datasets/fashion-mnist", *user = "the user's data directory";
  *place = (data_place){0};
  if (is_synthetic(given)) return read_synthetic(given + strlen(synthetic), place);
  if (given != NULL) return use(place, given, "", NULL);
  if (named != NULL) return use(place, named, "", "FALIGN_MNIST_DIR");
  if (data_home == NULL && home != NULL && has_images(home, "/.local/share/falign/mnist")) {
    return use(place, home, "/.local/share/falign/mnist", user);
  }
  if (data_home != NULL && has_images(data_home, "/falign/mnist")) return use(place, data_home, "/falign/mnist", user);
  if (has_images(system, "")) return use(place, system, "", "the system's Fashion-MNIST");
  return fail(FALIGN_IO, "no data found: " HOW_TO_GET);
}

static falign_status scale(const falign_dataset *dataset, float factor, falign_dataset **out) {
  const falign_dataset_shape *shape = falign_dataset_get_shape(dataset);
  size_t count = shape->points * shape->width;
  float *x = malloc(count * sizeof *x);
  if (x == NULL) return fail(FALIGN_MEMORY, "no memory for %zu points", shape->points);
  falign_matrix inputs = falign_matrix_f32(x, shape->points, shape->width);
  falign_status status = falign_dataset_get(dataset, 0, &inputs);
  for (size_t i = 0; i < count; i++) x[i] *= factor;
  falign_view scaled = falign_view_of(inputs);
  if (status == FALIGN_OK) status = falign_dataset_create(&scaled, shape->labels, shape->categories, out);
  free(x);
  return status;
}

falign_status data_draw(const data_synthetic *s, size_t image_size, falign_part part, uint64_t seed,
                        falign_dataset **out) {
  const double mean_square = 22.83 / 225; /* of a pixel of MNIST, of 15 x 15 in an image */
  const falign_synthetic like_mnist = {.points = part == FALIGN_TRAIN ? 60000 : 10000,
                                       .width = image_size * image_size,
                                       .categories = 10,
                                       .within = s->within,
                                       .between = s->between};
  falign_dataset *drawn;
  TRY(falign_dataset_create_synthetic(&like_mnist, part, seed, &drawn));
  falign_status status = scale(drawn, (float)sqrt(mean_square), out);
  falign_dataset_destroy(drawn);
  return status;
}

static falign_status read_part(const data_place *place, size_t image_size, falign_part part, uint64_t seed,
                               falign_dataset **out) {
  if (place->drawn) return data_draw(&place->synthetic, image_size, part, seed, out);
  return falign_dataset_read_mnist(place->path, part, image_size, out);
}

falign_status data_read(const data_place *place, size_t image_size, uint64_t seed, falign_dataset **train,
                        falign_dataset **test) {
  falign_status status = read_part(place, image_size, FALIGN_TRAIN, seed, train);
  if (status == FALIGN_OK) status = read_part(place, image_size, FALIGN_TEST, seed, test);
  if (place->why == NULL) return status;
  if (status == FALIGN_OK) fprintf(stderr, "data: %s (%s)\n", place->path, place->why);
  if (status != FALIGN_IO) return status;
  return fail(status, "%s (%s): " HOW_TO_GET, falign_last_error(), place->why);
}
