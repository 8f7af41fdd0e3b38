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

/* Opens a stream in the caller's storage; see falign_rng_create(). */
falign_status fal_rng_init(falign_rng *rng, uint64_t seed, uint32_t purpose, uint32_t layer, uint32_t run);

#endif
