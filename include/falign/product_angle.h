/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_PRODUCT_ANGLE_H
#define FALIGN_PRODUCT_ANGLE_H

/** @file product_angle.h
 *  @brief How far a product of two feedback matrices is from that of two forward ones: Supplementary Note 1, Fig. S7.
 *
 *  With theta_1 = B_1 angle W_1^T and theta_2 = B_2 angle W_2^T uniform between 0 and 180 degrees, what is
 *  theta_3 = B_2 B_1 angle W_2^T W_1^T? It shows why alignment declines towards the first layers. */

#include "falign/status.h"

FALIGN_BEGIN

/** A source of random pairs of matrices, and room to multiply them. */
typedef struct falign_product_angle falign_product_angle;

/** Opens a source of matrices B_2 (rows x inner) and B_1 (inner x cols); the paper has 30, 15, 40. Draw i is a function
 *  of the seed, the run and i. It takes B_l, A and (r_1, r_2), in this order, from the stream (seed,
 *  FALIGN_RNG_PRODUCT, l, run); and from the stream (seed, FALIGN_RNG_PRODUCT, l + 2, run) blocks of bits that say
 *  which numbers of Z_l are positive, the lowest bit of a word first.
 *  @return FALIGN_INVALID for a size of 0, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_product_angle_create(size_t rows, size_t inner, size_t cols,
                                                                    uint64_t seed, uint32_t run,
                                                                    falign_product_angle **out);
/** Releases it; NULL is fine. */
FALIGN_API void falign_product_angle_destroy(falign_product_angle *source);

/** Makes the next `count` draws. B_1 and B_2 are uniform on the unit hypersphere, W_1^T and W_2^T are so for each
 *  angle, and the angles are uniform: W^T = r_1 A + r_2 B, normalized, with A orthonormal to B and r_1, r_2 from N(0,
 *  1). All angles are in degrees; arrays have `count` numbers, and those that are NULL are not written.
 *  @param theta_1 B_1 angle W_1^T
 *  @param theta_2 B_2 angle W_2^T
 *  @param theta_3 B_2 B_1 angle W_2^T W_1^T
 *  @param theta_3_nonlinear eq. S1: {B_2 .* f'(Z_2)} B_1 .* f'(Z_1) angle {W_2^T .* f'(Z_2)} W_1^T .* f'(Z_1), with Z_1
 *  (rows x cols) and Z_2 (rows x inner) from N(0, 1) and f = relu; NaN if a side is zero
 *  @return FALIGN_INVALID for a NULL source. */
FALIGN_API FALIGN_CHECKED falign_status falign_product_angle_draw(falign_product_angle *source, size_t count,
                                                                  double *theta_1, double *theta_2, double *theta_3,
                                                                  double *theta_3_nonlinear);

FALIGN_END

#endif
