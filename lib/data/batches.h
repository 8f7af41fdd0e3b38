/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_BATCHES_H
#define FAL_BATCHES_H

#include "falign/batches.h"

void fal_batches_keep(falign_batches *batches);

/* Prepares the order of the epoch of iteration k. Until the next call, the functions below may be called for
 * iterations of that epoch from several threads at once. */
falign_status fal_batches_seek(falign_batches *batches, uint64_t k);

/* Rows first..first+count-1 of the batch of iteration k: inputs and smoothed targets, contiguous. x or y may be NULL.
 */
void fal_batches_gather(const falign_batches *batches, uint64_t k, size_t first, size_t count,
                        falign_precision precision, void *x, void *y);

/* The label of one of those rows. */
uint32_t fal_batches_label(const falign_batches *batches, uint64_t k, size_t row);

#endif
