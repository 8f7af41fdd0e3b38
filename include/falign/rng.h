/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_RNG_H
#define FALIGN_RNG_H

/** @file rng.h
 *  @brief Counter-based random streams (Philox 4x32-10).
 *
 *  A stream is named by (seed, purpose, layer, run) and read by position. Drawing from one stream never shifts
 *  another, so adding a metric, a layer or a run leaves all other numbers as they were. */

#include "falign/matrix.h"

FALIGN_BEGIN

/** What a stream is for. Numbers are fixed; purposes from FALIGN_RNG_USER up to 255 are the user's. */
enum {
  FALIGN_RNG_W = 1,         /**< forward weights */
  FALIGN_RNG_BIAS = 2,      /**< biases */
  FALIGN_RNG_B = 3,         /**< FA feedback weights */
  FALIGN_RNG_F = 4,         /**< DFA feedback weights */
  FALIGN_RNG_CODE = 5,      /**< n-hot codes */
  FALIGN_RNG_ORDER = 6,     /**< order of the data */
  FALIGN_RNG_LABELS = 7,    /**< label shuffling */
  FALIGN_RNG_SYNTHETIC = 8, /**< synthetic data */
  FALIGN_RNG_SIGNAL = 9,    /**< imposed signals */
  FALIGN_RNG_PRODUCT = 10,  /**< pairs of matrices (Note 1) */
  FALIGN_RNG_ROWS = 11,     /**< shuffled rows of error matrices (Fig. 5) */
  FALIGN_RNG_USER = 128     /**< first number free for the user */
};

/** A position in one random stream. */
typedef struct falign_rng falign_rng;

/** Opens the stream (seed, purpose 0..255, layer 0..2^24-1, run) at its beginning.
 *  @return FALIGN_INVALID for a purpose or layer out of range, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_rng_create(uint64_t seed, uint32_t purpose, uint32_t layer, uint32_t run,
                                                          falign_rng **out);
/** Closes a stream; NULL is fine. */
FALIGN_API void falign_rng_destroy(falign_rng *rng);

/** Returns the number of blocks of 128 bits drawn so far, a position for falign_rng_seek(). */
FALIGN_API uint64_t falign_rng_position(const falign_rng *rng);
/** Moves to a position that falign_rng_position() returned. */
FALIGN_API void falign_rng_seek(falign_rng *rng, uint64_t position);

/** Draws the next block: 128 random bits as four words. Each other drawing function starts at a new block. */
FALIGN_API void falign_rng_block(falign_rng *rng, uint32_t words[4]);

/** Fills a matrix, row by row, with independent N(0, sd) numbers; sd is the standard deviation. In single precision
 *  they are the rounded numbers of double precision. @return FALIGN_INVALID for an sd that is negative, not finite, or
 *  so large that a number could be beyond the precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_rng_normal(falign_rng *rng, double sd, const falign_matrix *out);

/** Draws a uniform number in [0, 1) with 53 random bits. */
FALIGN_API double falign_rng_uniform(falign_rng *rng);

/** Draws a uniform integer in [0, bound), without bias; 0 for a bound of 0. */
FALIGN_API uint64_t falign_rng_below(falign_rng *rng, uint64_t bound);

/** Fills `out` with a uniformly drawn permutation of 0..count-1. */
FALIGN_API void falign_rng_permutation(falign_rng *rng, uint32_t *out, uint32_t count);

FALIGN_END

#endif
