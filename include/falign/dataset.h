/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_DATASET_H
#define FALIGN_DATASET_H

/** @file dataset.h
 *  @brief Data points and their labels or targets: IDX files, arrays, or synthetic data.
 *
 *  A dataset is never changed after it is made, so that any number of trainers and threads may share one. It has 1 to
 *  2^32 - 1 points. */

#include "falign/matrix.h"

FALIGN_BEGIN

/** Data points (rows of inputs), each with a label (its category) or a target row, or neither. */
typedef struct falign_dataset falign_dataset;

/** The two parts of an MNIST-like directory. */
typedef int32_t falign_part;
enum {
  FALIGN_TRAIN = 1, /**< train-images-idx3-ubyte, train-labels-idx1-ubyte */
  FALIGN_TEST = 2   /**< t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte */
};

/** Reads images and labels from two IDX files, plain or gz. Pixels are divided by 255. With an image_size s > 0 the
 *  images are resized to s x s: bilinear, source coordinate (i + 0.5) * h / s - 0.5, clamped at the edges, no
 *  antialiasing. Inputs are correct to the rounding of the precision in which they are asked for.
 *  @param image_size 0 leaves the images as they are; at most 1450
 *  @param categories labels must be below it
 *  @return FALIGN_IO, FALIGN_FORMAT naming the file and what is wrong with it, FALIGN_INVALID for 0 categories or an
 *  image size that is too large, FALIGN_MEMORY, FALIGN_UNSUPPORTED in a build without files. */
FALIGN_API FALIGN_CHECKED falign_status falign_dataset_read_idx(const char *images, const char *labels,
                                                                size_t image_size, uint32_t categories,
                                                                falign_dataset **out);

/** Reads one part of MNIST, or of a dataset with its file names and ten categories, from a directory; each file
 *  plain or with the ending .gz (docs/files.md). @return as falign_dataset_read_idx(); FALIGN_INVALID for an unknown
 *  part. */
FALIGN_API FALIGN_CHECKED falign_status falign_dataset_read_mnist(const char *directory, falign_part part,
                                                                  size_t image_size, falign_dataset **out);

/** Copies inputs x (one row for each point) and, unless `labels` is NULL, a label below `categories` for each row.
 *  @return FALIGN_INVALID for an invalid number of points or categories, or naming an input that is not finite or a
 *  label out of range; FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_dataset_create(const falign_view *x, const uint32_t *labels,
                                                              uint32_t categories, falign_dataset **out);
/** Copies inputs x and targets Y* (one row for each point), for regression. @return as falign_dataset_create(). */
FALIGN_API FALIGN_CHECKED falign_status falign_dataset_create_regression(const falign_view *x, const falign_view *y,
                                                                         falign_dataset **out);

/** What synthetic data is like. */
typedef struct falign_synthetic {
  size_t points;       /**< at least 1 */
  size_t width;        /**< inputs of a point, at least 1 */
  uint32_t categories; /**< at least 1; labels go 0, 1, .., categories-1 round and round */
  double within;       /**< two points of one category have an expected dot product of within * width */
  double between;      /**< two points of different categories one of between * width; 0 <= between <= within <= 1 */
} falign_synthetic;

/** Draws Gaussian data whose similarity is set; a point with itself has an expected dot product of `width`.
 *  @param part parts share the categories' centers and differ in the points
 *  @return FALIGN_INVALID naming what is out of range, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_dataset_create_synthetic(const falign_synthetic *synthetic,
                                                                        falign_part part, uint64_t seed,
                                                                        falign_dataset **out);
/** Releases a reference; NULL is fine. */
FALIGN_API void falign_dataset_destroy(falign_dataset *dataset);

/** The size of a dataset, and its labels. */
typedef struct falign_dataset_shape {
  size_t points;          /**< number of data points */
  size_t width;           /**< n[0]: inputs of a point */
  size_t target_width;    /**< numbers of a target row; 0 without targets */
  uint32_t categories;    /**< number of categories; 0 without labels */
  const uint32_t *labels; /**< one for each point, in the dataset's own storage; NULL without labels */
} falign_dataset_shape;

/** Returns the size of a dataset, and its labels, in the dataset's own storage. */
FALIGN_API const falign_dataset_shape *falign_dataset_get_shape(const falign_dataset *dataset);

/** Copies the inputs of the points from `first` on, one for each row of `x`. @return FALIGN_INVALID beyond the last
 *  point. */
FALIGN_API FALIGN_CHECKED falign_status falign_dataset_get(const falign_dataset *dataset, size_t first,
                                                           const falign_matrix *x);

/** Returns a 64-bit fingerprint of inputs, labels and targets, to tell datasets apart; the same on every machine. Not
 *  made against an adversary. */
FALIGN_API uint64_t falign_dataset_fingerprint(const falign_dataset *dataset);

FALIGN_END

#endif
