/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_SIMILARITY_H
#define FAL_SIMILARITY_H

#include "base/support.h"
#include "falign/similarity.h"
#include "math/matrix.h"

/* Points sorted by class: the well classified ones of category 0, 1, ..., then the poorly classified ones of each. */
typedef struct fal_classes {
  uint32_t categories;
  uint32_t *order; /* the points, class by class; those of a class in their own order */
  size_t *starts;  /* where each of the 2 * categories classes begins in `order`, and where the last ends */
} fal_classes;

/* Makes room for so many points. */
falign_status fal_classes_init(fal_classes *classes, uint32_t categories, size_t rows);
void fal_classes_clear(fal_classes *classes);
/* Sorts points by label. `well` marks the well classified ones; NULL: none. */
void fal_classes_sort(fal_classes *classes, const uint32_t *labels, const bool *well, size_t rows);

/* One side of eq. 12: rows of L[l-1] and delta[l+1], one for each point. */
typedef struct fal_points {
  falign_view l, delta;
  const fal_classes *classes;
} fal_points;

typedef struct fal_sides {
  fal_points past, present;
} fal_sides;

/* Sums over the pairs within and between categories. */
typedef struct fal_group_sums {
  falign_pair_sums within, between;
} fal_group_sums;

/* Which pairs to sum over. */
typedef enum fal_quality {
  FAL_ALL,  /* all pairs */
  FAL_WELL, /* both points are well classified */
  FAL_POOR  /* at least one is not */
} fal_quality;

/* Memory for sums, all zeros at first. It only grows, so that repeated sums do not allocate. */
typedef struct fal_pair_room {
  size_t count;
  double *numbers; /* released with free() */
} fal_pair_room;

falign_status fal_sum_pairs(const fal_sides *sides, fal_quality quality, fal_pair_room *room, fal_group_sums *out);

/* Returns the number of bins in an interval of length 1; infinite or NaN for invalid bins. */
double fal_bins_per_unit(const falign_bins *bins);

/* Groups of pairs in a histogram: within and between categories, each of well and poorly classified points. */
enum { FAL_HISTOGRAM_GROUPS = 4 };

/* Contiguous rows, one for each point, and the points' classes. */
typedef struct fal_classified {
  falign_view rows;
  const fal_classes *classes;
} fal_classified;

/* Counts the pairs of rows of two sides (FALIGN_SIDE_...); see falign_similarity_histogram(). */
falign_status fal_histogram_f32(const fal_classified sides[2], const falign_bins *bins, uint32_t threads,
                                uint64_t *counts);
falign_status fal_histogram_f64(const fal_classified sides[2], const falign_bins *bins, uint32_t threads,
                                uint64_t *counts);

#endif
