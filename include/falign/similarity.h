/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_SIMILARITY_H
#define FALIGN_SIMILARITY_H

/** @file similarity.h
 *  @brief How similar the outputs and error signals of data points are (eq. 12, Figs. S4 and S5).
 *
 *  For data points p of one side (iteration k - o) and m of the other (iteration k), S_L[p][m] is the dot product of
 *  their rows of L[l-1], and S_delta[p][m] that of their rows of delta[l+1]. Alignment is expected where
 *  sum_pm S_delta S_L is positive. Pairs are counted by whether both points belong to one category (within) or not
 *  (between), and by whether both are well classified (well) or not (poor). No matrix of all pairs is ever held. */

#include "falign/batches.h"
#include "falign/metric.h"

FALIGN_BEGIN

/** The two sides of all pairs. */
typedef struct falign_similarity falign_similarity;

/** The sides, in the order of eq. 12. */
enum {
  FALIGN_SIDE_PAST = 0,   /**< p, of iteration k - o */
  FALIGN_SIDE_PRESENT = 1 /**< m, of iteration k */
};

/** Groups of pairs. */
typedef int32_t falign_pairs;
enum {
  FALIGN_PAIRS_WITHIN = 1,       /**< both points of one category */
  FALIGN_PAIRS_BETWEEN = 2,      /**< points of two categories */
  FALIGN_PAIRS_WITHIN_WELL = 3,  /**< within, both well classified */
  FALIGN_PAIRS_WITHIN_POOR = 4,  /**< within, at least one poorly classified */
  FALIGN_PAIRS_BETWEEN_WELL = 5, /**< between, both well classified */
  FALIGN_PAIRS_BETWEEN_POOR = 6  /**< between, at least one poorly classified */
};

/** Makes an object for the similarities of points in `categories` categories, with `l_width` = n[l-1] outputs and
 *  `delta_width` = n[l+1] error signals. @return FALIGN_INVALID for a size of 0, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_similarity_create(falign_precision precision, size_t l_width,
                                                                 size_t delta_width, uint32_t categories,
                                                                 falign_similarity **out);
/** Releases it; NULL is fine. */
FALIGN_API void falign_similarity_destroy(falign_similarity *similarity);

/** Copies one side: the outputs l (rows x l_width), the error signals delta (rows x delta_width) and the category of
 *  each of its points, of which there are 1 to 2^32 - 1. A later call replaces it, and its classification.
 *  @return FALIGN_INVALID naming a label or number out of range, FALIGN_MEMORY; the side is then unchanged. */
FALIGN_API FALIGN_CHECKED falign_status falign_similarity_set_side(falign_similarity *similarity, int32_t side,
                                                                   const falign_view *l, const falign_view *delta,
                                                                   const uint32_t *labels);
/** Classifies the points of a side: the share of them with the smallest errors (norms of rows of delta[d], such as
 *  falign_row_norms() gives) is well classified; among equal errors, the first points. These are share * rows points,
 *  rounded to the nearest number, a half upwards. The paper's share is 0.6. Without a call all points are poor.
 *  @return FALIGN_SHAPE for another number of rows, FALIGN_INVALID for a share outside 0..1 or an error that is NaN,
 *  FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_similarity_classify(falign_similarity *similarity, int32_t side,
                                                                   const double *errors, size_t rows, double share);

/** Computes the norm of each row of a matrix, such as each data point's |delta[l]| (Fig. S5C), in double precision
 *  without overflow or underflow. @return FALIGN_INVALID for a size of 0. */
FALIGN_API FALIGN_CHECKED falign_status falign_row_norms(const falign_view *a, double *norms);

/** Sums over the pairs of a group. */
typedef struct falign_pair_sums {
  uint64_t count;   /**< pairs */
  double s_l;       /**< sum of S_L */
  double s_delta;   /**< sum of S_delta */
  double s_product; /**< sum of S_delta S_L, the similarity terms of eq. 12 */
} falign_pair_sums;

/** Sums over the pairs of a group, computed from sums over the points of each category in double precision, without
 *  forming any pair.
 *  @return FALIGN_INVALID for an unknown group or a side that is not set, FALIGN_UNSUPPORTED for a size beyond the
 *  BLAS, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_similarity_sums(const falign_similarity *similarity, falign_pairs pairs,
                                                               falign_pair_sums *out);

/** Quantities of pairs. */
enum {
  FALIGN_SIMILARITY_L = 1,    /**< S_L */
  FALIGN_SIMILARITY_DELTA = 2 /**< S_delta */
};

/** Bins of equal width. */
typedef struct falign_bins {
  double low;   /**< where the first begins */
  double high;  /**< where the last ends */
  size_t count; /**< at least 1 */
} falign_bins;

/** Counts the pairs of each group by S_L or S_delta, computed in the similarity's precision: `bins->count` bins of
 *  equal width from `low` to `high`, preceded by a count of what lies below `low` and followed by one of what lies at
 *  or above `high`. counts[g * (bins->count + 2) + i] belongs to group FALIGN_PAIRS_WITHIN_WELL + g, g = 0..3.
 *
 *  An S with low <= S < high is in bin floor((S - low) * (count / (high - low))), but at most count - 1, each operation
 *  rounded to double precision: on every machine the same S is in the same bin. So bin i begins at
 *  low + i (high - low) / count: exactly if these operations are exact, as with powers of two, and otherwise up to
 *  rounding. An S that overflows is counted below or above, and an S that is NaN as a result, above.
 *
 *  Time grows with the product of the sides; 60,000 x 60,000 pairs take seconds, as long as the BLAS has one thread.
 *  @param threads how many threads count, 1 to 1024; the result does not depend on it
 *  @return FALIGN_INVALID naming a side that is not set, a quantity or threads out of range, or invalid bins,
 *  FALIGN_UNSUPPORTED for more than one thread in a build without threads, FALIGN_MEMORY; `counts` is then untouched.
 */
FALIGN_API FALIGN_CHECKED falign_status falign_similarity_histogram(const falign_similarity *similarity,
                                                                    int32_t quantity, const falign_bins *bins,
                                                                    uint32_t threads, uint64_t *counts);

/** Makes a metric: means over the pairs of batches k - lag and k, for l = 1..d-1 (Fig. S4). It looks at every step,
 *  keeps the outputs and error signals of the last `lag` of them, and emits when it is due and k >= lag:
 *  "s_l_within", "s_l_between" (means of S_L, L being L[l-1]), "s_delta_within", "s_delta_between" (of S_delta,
 *  delta[l+1]), "s_product_within", "s_product_between" (of S_delta S_L), with `lag` as the order. A mean over no pairs
 *  is NaN. After a gap in the iterations, and with another trainer, it starts again: the next values come `lag`
 *  iterations later. A step on a batch whose number of rows differs from that of batch k of `batches` fails with
 *  FALIGN_SHAPE.
 *  @param batches those that the trainer is run on, which have the labels
 *  @param lag 1 to 2^63 - 1
 *  @return FALIGN_INVALID for a lag out of range, FALIGN_UNSUPPORTED for batches without labels, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_metric_create_similarity(falign_batches *batches, uint64_t lag,
                                                                        falign_metric **out);

FALIGN_END

#endif
