/* SPDX-License-Identifier: Apache-2.0 */
#include "math/rng.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "math/matrix.h"

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#include <Random123/philox.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#define TWO_PI 6.283185307179586
#define TWO_TO_MINUS_53 (1.0 / 9007199254740992.0)

enum { MAX_PURPOSE = 255, MAX_LAYER = 0xffffff };

falign_status fal_rng_init(falign_rng *rng, uint64_t seed, uint32_t purpose, uint32_t layer, uint32_t run) {
  if (purpose > MAX_PURPOSE) return fal_fail(FALIGN_INVALID, "purpose is %u, above %d", purpose, MAX_PURPOSE);
  if (layer > MAX_LAYER) return fal_fail(FALIGN_INVALID, "layer is %u, above %d", layer, MAX_LAYER);
  *rng = (falign_rng){.seed = seed, .stream = purpose << 24 | layer, .run = run};
  return FALIGN_OK;
}

falign_status falign_rng_create(uint64_t seed, uint32_t purpose, uint32_t layer, uint32_t run, falign_rng **out) {
  FAL_GIVEN(out);
  falign_rng rng;
  FAL_TRY(fal_rng_init(&rng, seed, purpose, layer, run));
  falign_rng *created = fal_alloc(1, sizeof *created);
  if (!created) return fal_fail_memory("a random stream", 1, sizeof *created);
  *created = rng;
  *out = created;
  return FALIGN_OK;
}

void falign_rng_destroy(falign_rng *rng) { free(rng); }

uint64_t falign_rng_position(const falign_rng *rng) { return rng->position; }

void falign_rng_seek(falign_rng *rng, uint64_t position) { rng->position = position; }

void falign_rng_block(falign_rng *rng, uint32_t words[4]) {
  philox4x32_key_t key = {{(uint32_t)rng->seed, (uint32_t)(rng->seed >> 32)}};
  philox4x32_ctr_t counter = {{(uint32_t)rng->position, (uint32_t)(rng->position >> 32), rng->stream, rng->run}};
  philox4x32_ctr_t block = philox4x32_R(10, counter, key);
  for (int i = 0; i < 4; i++) words[i] = block.v[i];
  rng->position++;
}

/* The next block as two 64-bit numbers. */
static void next_pair(falign_rng *rng, uint64_t pair[2]) {
  uint32_t words[4];
  falign_rng_block(rng, words);
  for (int i = 0; i < 2; i++) pair[i] = words[2 * i] | (uint64_t)words[2 * i + 1] << 32;
}

/* Two N(0, sd) numbers of one block, by Box and Muller. */
static void next_normals(falign_rng *rng, double sd, double normals[2]) {
  uint64_t pair[2];
  next_pair(rng, pair);
  double u = (double)((pair[0] >> 11) + 1) * TWO_TO_MINUS_53; /* in (0, 1] */
  double radius = sd * sqrt(-2 * log(u));
  double angle = TWO_PI * ((double)(pair[1] >> 11) * TWO_TO_MINUS_53);
  normals[0] = radius * cos(angle);
  normals[1] = radius * sin(angle);
}

/* Fills a matrix row by row. Each pair of numbers comes from one block. */
static void fill_with_normals(falign_rng *rng, double sd, const falign_matrix *out) {
  double normals[2];
  size_t drawn = 0;
  for (size_t i = 0; i < out->rows; i++) {
    for (size_t j = 0; j < out->cols; j++, drawn++) {
      if (drawn % 2 == 0) next_normals(rng, sd, normals);
      fal_matrix_put(out, i, j, normals[drawn % 2]);
    }
  }
}

falign_status fal_check_sd(const char *name, falign_precision precision, double sd) {
  const double farthest = 9; /* standard deviations; at most sqrt(2 ln 2^53) < 8.6 are drawn */
  double most = (precision == FALIGN_F32 ? (double)FLT_MAX : DBL_MAX) / farthest;
  if (sd >= 0 && sd <= most) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "%s is a standard deviation from 0 to %g, got %g", name, most, sd);
}

falign_status falign_rng_normal(falign_rng *rng, double sd, const falign_matrix *out) {
  FAL_GIVEN(rng);
  FAL_TRY(fal_check_matrix("out", -1, out));
  FAL_TRY(fal_check_sd("sd", out->precision, sd));
  fill_with_normals(rng, sd, out);
  return FALIGN_OK;
}

void fal_rng_normal(falign_rng *rng, double sd, double *out, size_t count) {
  falign_matrix matrix = falign_matrix_f64(out, 1, count);
  fill_with_normals(rng, sd, &matrix);
}

falign_status fal_draw(const fal_stream *stream, double sd, const falign_matrix *out) {
  falign_rng rng;
  FAL_TRY(fal_rng_init(&rng, stream->seed, stream->purpose, stream->layer, stream->run));
  fill_with_normals(&rng, sd, out);
  return FALIGN_OK;
}

double falign_rng_uniform(falign_rng *rng) {
  uint64_t pair[2];
  next_pair(rng, pair);
  return (double)(pair[0] >> 11) * TWO_TO_MINUS_53;
}

uint64_t falign_rng_below(falign_rng *rng, uint64_t bound) {
  if (bound == 0) return 0;
  uint64_t pair[2], biased = (0 - bound) % bound; /* 2^64 mod bound: so many numbers are rejected */
  do {
    next_pair(rng, pair);
  } while (pair[0] < biased);
  return pair[0] % bound;
}

void falign_rng_permutation(falign_rng *rng, uint32_t *out, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    uint32_t j = (uint32_t)falign_rng_below(rng, (uint64_t)i + 1);
    out[i] = out[j];
    out[j] = i;
  }
}
