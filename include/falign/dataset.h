/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_DATASET_H
#define FALIGN_DATASET_H

/** @file dataset.h
 *  @brief Data points and their labels or targets: IDX files, arrays, or synthetic data.
 *
 *  A dataset is never changed after it is made, so that any number of trainers and threads may share one. It has 1 to
 *  2^32 - 1 points. */

#include "falign/status.h"

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
 *  plain or with the ending .gz (docs/files.md). @return as falign_dataset_read_idx(); FALIGN_INVALID for what is no
 *  part. */
FALIGN_API FALIGN_CHECKED falign_status falign_dataset_read_mnist(const char *directory, falign_part part,
                                                                  size_t image_size, falign_dataset **out);

/** Copies rows x cols inputs and, unless `labels` is NULL, a label below `categories` for each row.
 *  @return FALIGN_INVALID for a size that cannot be, or naming an input that is not finite or a label out of range,
 *  FALIGN_SHAPE for a stride that is too short, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_dataset_create_f32(const float *x, size_t rows, size_t cols,
                                                                  size_t stride, const uint32_t *labels,
                                                                  uint32_t categories, falign_dataset **out);
/** As falign_dataset_create_f32(), from double precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_dataset_create_f64(const double *x, size_t rows, size_t cols,
                                                                  size_t stride, const uint32_t *labels,
                                                                  uint32_t categories, falign_dataset **out);

/** Copies rows x cols inputs and rows x target_cols targets Y*, for regression.
 *  @return as falign_dataset_create_f64(). */
FALIGN_API FALIGN_CHECKED falign_status falign_dataset_create_regression_f32(const float *x, size_t rows, size_t cols,
                                                                             size_t stride, const float *y,
                                                                             size_t target_cols, size_t target_stride,
                                                                             falign_dataset **out);
/** As falign_dataset_create_regression_f32(), from double precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_dataset_create_regression_f64(const double *x, size_t rows, size_t cols,
                                                                             size_t stride, const double *y,
                                                                             size_t target_cols, size_t target_stride,
                                                                             falign_dataset **out);

/** Draws Gaussian data whose similarity is set: two points of one category have an expected dot product of
 *  `within` * width, two of different categories `between` * width, a point with itself `width`. Labels go
 *  0, 1, .., categories-1 round and round.
 *  @param part parts share the categories' centres and differ in the points
 *  @return FALIGN_INVALID unless 0 <= between <= within <= 1 and all counts are positive, and for what is no part;
 *  FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_dataset_create_synthetic(size_t points, size_t width,
                                                                        uint32_t categories, double within,
                                                                        double between, falign_part part, uint64_t seed,
                                                                        falign_dataset **out);
/** Gives back a reference; NULL is fine. */
FALIGN_API void falign_dataset_destroy(falign_dataset *dataset);

/** The number of data points. */
FALIGN_API size_t falign_dataset_points(const falign_dataset *dataset);
/** n[0]: inputs of a point. */
FALIGN_API size_t falign_dataset_width(const falign_dataset *dataset);
/** Numbers of a target row; 0 without targets. */
FALIGN_API size_t falign_dataset_target_width(const falign_dataset *dataset);
/** Number of categories; 0 without labels. */
FALIGN_API uint32_t falign_dataset_categories(const falign_dataset *dataset);
/** The labels, one a point, in the dataset's own storage; NULL without labels. */
FALIGN_API const uint32_t *falign_dataset_labels(const falign_dataset *dataset);

/** Copies `count` points from `first` on to count x width matrices. @return FALIGN_INVALID beyond the end,
 *  FALIGN_SHAPE for a wrong cols or stride. */
FALIGN_API FALIGN_CHECKED falign_status falign_dataset_get_f32(const falign_dataset *dataset, size_t first,
                                                               size_t count, float *x, size_t cols, size_t stride);
/** As falign_dataset_get_f32(), in double precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_dataset_get_f64(const falign_dataset *dataset, size_t first,
                                                               size_t count, double *x, size_t cols, size_t stride);

/** A 64-bit fingerprint of inputs, labels and targets, to tell datasets apart; the same on every machine. Not made
 *  against an adversary. */
FALIGN_API uint64_t falign_dataset_fingerprint(const falign_dataset *dataset);

FALIGN_END

#endif
