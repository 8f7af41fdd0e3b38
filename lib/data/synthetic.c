/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "data/dataset.h"
#include "math/rng.h"

/* A point is sqrt(between) g + sqrt(within - between) c[label] + sqrt(1 - within) noise, where g, c and the noise are
 * drawn from N(0, 1): layers of the stream FALIGN_RNG_SYNTHETIC. */
enum { COMMON, CENTERS, NOISE };

static falign_status check_synthetic(const falign_synthetic *synthetic, falign_part part) {
  FAL_GIVEN(synthetic);
  FAL_TRY(fal_dataset_check_points(synthetic->points));
  if (synthetic->width == 0) return fal_fail(FALIGN_INVALID, "width is 0");
  if (synthetic->categories == 0 || synthetic->categories > INT32_MAX)
    return fal_fail(FALIGN_INVALID, "categories go from 1 to 2^31 - 1, got %u", synthetic->categories);
  double within = synthetic->within, between = synthetic->between;
  if (!(0 <= between && between <= within && within <= 1))
    return fal_fail(FALIGN_INVALID, "0 <= between <= within <= 1 does not hold for between %g, within %g", between,
                    within);
  return fal_dataset_check_part(part);
}

/* Draws sqrt(between) g + sqrt(within - between) c for each category. `rows` has one more row, for g. */
static falign_status draw_centers(const falign_synthetic *synthetic, uint64_t seed, double *rows) {
  size_t width = synthetic->width;
  uint32_t categories = synthetic->categories;
  falign_rng common, centers;
  FAL_TRY(fal_rng_init(&common, seed, FALIGN_RNG_SYNTHETIC, COMMON, 0));
  FAL_TRY(fal_rng_init(&centers, seed, FALIGN_RNG_SYNTHETIC, CENTERS, 0));
  double *g = rows + categories * width;
  fal_rng_normal(&common, sqrt(synthetic->between), g, width);
  fal_rng_normal(&centers, sqrt(synthetic->within - synthetic->between), rows, categories * width);
  for (uint32_t c = 0; c < categories; c++) {
    for (size_t j = 0; j < width; j++) rows[c * width + j] += g[j];
  }
  return FALIGN_OK;
}

static void draw_points(falign_dataset *dataset, const double *centers, double within, falign_rng *noise) {
  size_t width = dataset->inputs.width;
  for (size_t i = 0; i < dataset->shape.points; i++) {
    double *x = (double *)dataset->inputs.data + i * width;
    uint32_t label = (uint32_t)(i % dataset->shape.categories);
    const double *center = centers + label * width;
    fal_rng_normal(noise, sqrt(1 - within), x, width);
    for (size_t j = 0; j < width; j++) x[j] += center[j];
    dataset->labels[i] = label;
  }
}

/* Allocates a dataset's inputs and labels. */
static falign_status allocate_points(falign_dataset *dataset, const falign_synthetic *synthetic) {
  size_t points = synthetic->points, width = synthetic->width;
  double *x = fal_alloc_matrix(points, width, sizeof *x);
  dataset->shape.points = points;
  dataset->shape.categories = synthetic->categories;
  dataset->inputs = (fal_rows){.data = x, .width = width, .storage = FAL_STORED_F64, .denominator = 1};
  dataset->labels = fal_alloc(points, sizeof *dataset->labels);
  if (!x || !dataset->labels) return fal_fail(FALIGN_MEMORY, "no memory for %zu x %zu synthetic data", points, width);
  return FALIGN_OK;
}

static falign_status draw_dataset(falign_dataset *dataset, const falign_synthetic *synthetic, falign_part part,
                                  uint64_t seed) {
  size_t width = synthetic->width;
  double *centers = fal_alloc_matrix((size_t)synthetic->categories + 1, width, sizeof *centers);
  if (!centers) return fal_fail_memory("the centers of categories", synthetic->categories, width * sizeof *centers);
  falign_rng noise;
  falign_status status = fal_rng_init(&noise, seed, FALIGN_RNG_SYNTHETIC, NOISE, (uint32_t)part);
  if (status == FALIGN_OK) status = draw_centers(synthetic, seed, centers);
  if (status == FALIGN_OK) draw_points(dataset, centers, synthetic->within, &noise);
  free(centers);
  return status;
}

falign_status falign_dataset_create_synthetic(const falign_synthetic *synthetic, falign_part part, uint64_t seed,
                                              falign_dataset **out) {
  FAL_GIVEN(out);
  FAL_TRY(check_synthetic(synthetic, part));
  falign_dataset *dataset = fal_dataset_new();
  if (!dataset) return fal_fail_memory("a dataset", 1, sizeof *dataset);
  falign_status status = allocate_points(dataset, synthetic);
  if (status == FALIGN_OK) status = draw_dataset(dataset, synthetic, part, seed);
  return fal_dataset_finish(dataset, status, out);
}
