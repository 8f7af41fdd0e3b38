/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_RNG_H
#define FAL_RNG_H

#include "falign/rng.h"

struct falign_rng {
  uint64_t seed;
  uint64_t position;
  uint32_t stream; /* purpose << 24 | layer */
  uint32_t run;
};

/* Which random stream; see falign_rng_create(). */
typedef struct {
  uint64_t seed;
  uint32_t purpose, layer, run;
} fal_stream;

/* Opens a stream in the caller's storage; see falign_rng_create(). */
falign_status fal_rng_init(falign_rng *rng, uint64_t seed, uint32_t purpose, uint32_t layer, uint32_t run);

/* Fails if numbers drawn with the standard deviation `sd`, called `name`, could be beyond the precision. */
falign_status fal_check_sd(const char *name, falign_precision precision, double sd);
/* falign_rng_normal() without checks, into an array. */
void fal_rng_normal(falign_rng *rng, double sd, double *out, size_t count);
/* Fills a matrix row by row with N(0, sd) numbers from the beginning of a stream. */
falign_status fal_draw(const fal_stream *stream, double sd, const falign_matrix *out);

#endif
