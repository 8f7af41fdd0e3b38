/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "data/dataset.h"
#include "math/rng.h"

/* A point is sqrt(between) g + sqrt(within - between) c[label] + sqrt(1 - within) noise, where g, c and the noise are
 * drawn from N(0, 1): layers of the stream FALIGN_RNG_SYNTHETIC. */
enum { COMMON, CENTRES, NOISE };

static falign_status check(size_t points, size_t width, uint32_t categories, double within, double between,
                           falign_part part) {
  FAL_TRY(fal_dataset_check_points(points));
  if (width == 0) return fal_fail(FALIGN_INVALID, "width is 0");
  if (categories == 0 || categories > INT32_MAX)
    return fal_fail(FALIGN_INVALID, "categories go from 1 to 2^31 - 1, got %u", categories);
  if (!(0 <= between && between <= within && within <= 1))
    return fal_fail(FALIGN_INVALID, "0 <= between <= within <= 1 does not hold for between %g, within %g", between,
                    within);
  if (part != FALIGN_TRAIN && part != FALIGN_TEST)
    return fal_fail(FALIGN_INVALID, "part is FALIGN_TRAIN or FALIGN_TEST, got %d", (int)part);
  return FALIGN_OK;
}

/* Draws sqrt(between) g + sqrt(within - between) c for each category; `rows` has one more row, for g. */
static falign_status draw_centres(double *rows, size_t width, uint32_t categories, double within, double between,
                                  uint64_t seed) {
  falign_rng common, centres;
  FAL_TRY(fal_rng_init(&common, seed, FALIGN_RNG_SYNTHETIC, COMMON, 0));
  FAL_TRY(fal_rng_init(&centres, seed, FALIGN_RNG_SYNTHETIC, CENTRES, 0));
  double *g = rows + categories * width;
  falign_rng_normal_f64(&common, sqrt(between), g, width);
  falign_rng_normal_f64(&centres, sqrt(within - between), rows, categories * width);
  for (uint32_t c = 0; c < categories; c++) {
    for (size_t j = 0; j < width; j++) rows[c * width + j] += g[j];
  }
  return FALIGN_OK;
}

static falign_status draw_points(falign_dataset *dataset, const double *centres, double within, falign_part part,
                                 uint64_t seed) {
  falign_rng noise;
  FAL_TRY(fal_rng_init(&noise, seed, FALIGN_RNG_SYNTHETIC, NOISE, (uint32_t)part));
  size_t width = dataset->inputs.width;
  for (size_t i = 0; i < dataset->points; i++) {
    double *x = (double *)dataset->inputs.data + i * width;
    uint32_t label = (uint32_t)(i % dataset->categories);
    const double *centre = centres + label * width;
    falign_rng_normal_f64(&noise, sqrt(1 - within), x, width);
    for (size_t j = 0; j < width; j++) x[j] += centre[j];
    dataset->labels[i] = label;
  }
  return FALIGN_OK;
}

/* Gives a dataset its memory. */
static falign_status allocate(falign_dataset *dataset, size_t points, size_t width, uint32_t categories) {
  size_t count;
  double *x = fal_mul(points, width, &count) ? fal_alloc(count, sizeof *x) : NULL;
  dataset->points = points;
  dataset->inputs = (fal_rows){.data = x, .width = width, .storage = FAL_STORED_F64, .denominator = 1};
  dataset->categories = categories;
  dataset->labels = fal_alloc(points, sizeof *dataset->labels);
  if (!x || !dataset->labels) return fal_fail(FALIGN_MEMORY, "no memory for %zu x %zu synthetic data", points, width);
  return FALIGN_OK;
}

static falign_status draw(falign_dataset *dataset, double within, double between, falign_part part, uint64_t seed) {
  size_t count, width = dataset->inputs.width;
  double *centres = fal_mul((size_t)dataset->categories + 1, width, &count) ? fal_alloc(count, sizeof *centres) : NULL;
  if (!centres) return fal_fail_memory("the centres of categories", dataset->categories, width * sizeof *centres);
  falign_status status = draw_centres(centres, width, dataset->categories, within, between, seed);
  if (status == FALIGN_OK) status = draw_points(dataset, centres, within, part, seed);
  free(centres);
  return status;
}

falign_status falign_dataset_create_synthetic(size_t points, size_t width, uint32_t categories, double within,
                                              double between, falign_part part, uint64_t seed, falign_dataset **out) {
  FAL_GIVEN(out);
  FAL_TRY(check(points, width, categories, within, between, part));
  falign_dataset *dataset = fal_dataset_new();
  if (!dataset) return fal_fail_memory("a dataset", 1, sizeof *dataset);
  falign_status status = allocate(dataset, points, width, categories);
  if (status == FALIGN_OK) status = draw(dataset, within, between, part, seed);
  return fal_dataset_finish(dataset, status, out);
}
