/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_BATCHES_H
#define FALIGN_BATCHES_H

/** @file batches.h
 *  @brief A dataset as one run sees it: its order, its labels, its targets, cut into batches. */

#include "falign/code.h"
#include "falign/dataset.h"

FALIGN_BEGIN

/** Batches of a dataset. Keeps references to the dataset and the code. They start in the dataset's own order, with its
 *  own labels and without smoothing. */
typedef struct falign_batches falign_batches;

/** Orders of the data. */
typedef int32_t falign_order;
enum {
  FALIGN_ORDER_NONE = 0, /**< the dataset's own */
  FALIGN_ORDER_ONCE = 1, /**< one permutation for the whole run (the paper's "no shuffling") */
  FALIGN_ORDER_EPOCH = 2 /**< a new permutation for each epoch (the paper's "shuffling") */
};

/** Cuts a dataset into batches of `size` rows; the last is smaller if size does not divide the points.
 *  @param code desired outputs of the categories; NULL for a dataset that has targets
 *  @return FALIGN_INVALID for a size of 0 or above the points, FALIGN_SHAPE if code and dataset do not fit,
 *  FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_batches_create(const falign_dataset *dataset, const falign_code *code,
                                                              size_t size, falign_batches **out);
/** Releases a reference; NULL is fine. */
FALIGN_API void falign_batches_destroy(falign_batches *batches);

/** Smooths labels: a target c becomes c + s (1 - 2 c), so ones become 1 - s and zeros s (Note 6; s = 0.05).
 *  @return FALIGN_INVALID unless 0 <= s <= 0.5. */
FALIGN_API FALIGN_CHECKED falign_status falign_batches_set_smoothing(falign_batches *batches, double smoothing);

/** Replaces the labels of a randomly chosen fraction of the points by uniform random categories, so that a tenth of
 *  ten categories stay right by chance (Fig. 6). The stream is (seed, FALIGN_RNG_LABELS, 0, run). A
 *  further call starts again from the dataset's own labels.
 *  @return FALIGN_INVALID unless 0 <= fraction <= 1, FALIGN_UNSUPPORTED without labels, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_batches_shuffle_labels(falign_batches *batches, double fraction,
                                                                      uint64_t seed, uint32_t run);

/** Chooses the order. The permutation of epoch e comes from the stream (seed, FALIGN_RNG_ORDER, e, run), e = 0 for
 *  FALIGN_ORDER_ONCE. Batches of FALIGN_ORDER_EPOCH end with epoch 2^24 - 1: whatever asks for one beyond fails with
 *  FALIGN_INVALID. @return FALIGN_INVALID for an unknown order. */
FALIGN_API FALIGN_CHECKED falign_status falign_batches_set_order(falign_batches *batches, falign_order order,
                                                                 uint64_t seed, uint32_t run);

/** The size of batches. */
typedef struct falign_batches_shape {
  uint64_t count;      /**< batches in an epoch */
  size_t points;       /**< points in an epoch */
  size_t size;         /**< rows of a full batch */
  size_t input_width;  /**< numbers of an input row */
  size_t target_width; /**< numbers of a target row */
} falign_batches_shape;

/** Returns the size of batches, in their own storage. */
FALIGN_API const falign_batches_shape *falign_batches_get_shape(const falign_batches *batches);
/** Returns the code; NULL for a dataset that has targets. Borrowed, until the batches are destroyed or import
 *  another. */
FALIGN_API const falign_code *falign_batches_code(const falign_batches *batches);
/** Returns the rows of the batch of iteration k (counted from 0 over all epochs). */
FALIGN_API size_t falign_batches_rows(const falign_batches *batches, uint64_t k);

/** Writes which points of the dataset the batch of iteration k holds, counted from 0, and the labels it gives them.
 *  `length`, of each array, is falign_batches_rows(). Outputs that are NULL are not written.
 *  @return FALIGN_SHAPE for another length, FALIGN_UNSUPPORTED for labels of a dataset without labels, FALIGN_INVALID
 *  beyond the last epoch (falign_batches_set_order()). */
FALIGN_API FALIGN_CHECKED falign_status falign_batches_points_of(falign_batches *batches, uint64_t k, uint32_t *points,
                                                                 uint32_t *labels, size_t length);

/** Copies inputs x (rows x input width) and targets y (rows x target width) of the batch of iteration k, rows being
 *  falign_batches_rows(); NULL leaves out one of them. @return FALIGN_INVALID beyond the last epoch. */
FALIGN_API FALIGN_CHECKED falign_status falign_batches_get(falign_batches *batches, uint64_t k, const falign_matrix *x,
                                                           const falign_matrix *y);

/** Adds what the run has drawn for its data (the code, shuffled labels, the order of the epoch of iteration k) to a
 *  set of tensors: "code", "labels", "order". The code is kept in double precision.
 *  @return FALIGN_INVALID for a name that exists already, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_batches_export(falign_batches *batches, uint64_t k,
                                                              struct falign_tensors *tensors);
/** Restores what falign_batches_export() has added, in batches made with the same dataset, size, smoothing,
 *  shuffled labels and order. @return FALIGN_FORMAT or FALIGN_SHAPE if the set does not fit, FALIGN_INVALID for a
 *  code that is not finite, FALIGN_MEMORY; nothing is then changed. */
FALIGN_API FALIGN_CHECKED falign_status falign_batches_import(falign_batches *batches, uint64_t k,
                                                              const struct falign_tensors *tensors);

FALIGN_END

#endif
