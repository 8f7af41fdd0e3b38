/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_BATCHES_H
#define FAL_BATCHES_H

#include "falign/batches.h"

void fal_batches_retain(falign_batches *batches);

/* Prepares the order of the epoch of iteration k. Until the next call, several threads may call the functions below for
 * iterations of that epoch. */
falign_status fal_batches_seek(falign_batches *batches, uint64_t k);

/* Writes rows first..first+count-1 of the batch of iteration k: inputs and smoothed targets, contiguous. x or y may be
 * NULL. */
void fal_batches_gather(const falign_batches *batches, uint64_t k, size_t first, size_t count,
                        falign_precision precision, void *x, void *y);

/* Returns the label of a row of that batch. */
uint32_t fal_batches_label(const falign_batches *batches, uint64_t k, size_t row);

#endif
