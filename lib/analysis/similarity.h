/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_SIMILARITY_H
#define FAL_SIMILARITY_H

#include "math/angle.h"
#include "falign/similarity.h"
#include "base/support.h"

/* Points sorted by class: the well classified ones of category 0, 1, .., then the poorly classified ones of each. */
typedef struct fal_classes {
  uint32_t categories;
  uint32_t *order; /* the points, class by class; those of a class in their own order */
  size_t *starts;  /* where each of the 2 * categories classes begins in `order`, and where the last ends */
} fal_classes;

/* Room for so many points. */
falign_status fal_classes_init(fal_classes *classes, uint32_t categories, size_t rows);
void fal_classes_clear(fal_classes *classes);
/* `well` tells which points are well classified; NULL: none. */
void fal_classes_sort(fal_classes *classes, const uint32_t *labels, const bool *well, size_t rows);

/* One side of eq. 12: rows of L[l-1] and delta[l+1], one a point. */
typedef struct fal_points {
  fal_view l, delta;
  const fal_classes *classes;
} fal_points;

/* Pairs, and their sums of S_L, S_delta and S_delta S_L. */
typedef struct fal_pair_sums {
  uint64_t count;
  double l, delta, product;
} fal_pair_sums;

/* What to sum over. */
typedef enum fal_quality {
  FAL_ALL,  /* all pairs */
  FAL_WELL, /* both points are well classified */
  FAL_POOR  /* at least one is not */
} fal_quality;

/* Memory to sum in; all zeros at first. It only grows, so that sums stop allocating. */
typedef struct fal_pair_room {
  size_t count;
  double *numbers; /* released with free() */
} fal_pair_room;

/* Sums over the pairs within and between categories. */
falign_status fal_sum_pairs(const fal_points *past, const fal_points *present, fal_quality quality, fal_pair_room *room,
                            fal_pair_sums *within, fal_pair_sums *between);

/* Bins of equal width from `low` to `high`. */
typedef struct fal_bins {
  double low, high;
  size_t count;
  double per_unit; /* bins in a distance of 1 */
} fal_bins;

/* Groups of pairs in a histogram: within and between categories, each well and poor. */
enum { FAL_HISTOGRAM_GROUPS = 4 };

/* Counts the pairs of rows of two matrices; see falign_similarity_histogram(). */
falign_status fal_histogram_f32(const fal_view *past, const fal_classes *past_classes, const fal_view *present,
                                const fal_classes *present_classes, const fal_bins *bins, uint32_t threads,
                                uint64_t *counts);
falign_status fal_histogram_f64(const fal_view *past, const fal_classes *past_classes, const fal_view *present,
                                const fal_classes *present_classes, const fal_bins *bins, uint32_t threads,
                                uint64_t *counts);

#endif
