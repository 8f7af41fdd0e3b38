/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_HISTOGRAM_H
#define KIT_HISTOGRAM_H

/* Histograms of the similarity of pairs of data points, as rows of a table: the order is the number of the bin, and the
 * value the share of a group's pairs in it, or of "METRIC_bin" where its middle lies. */

#include "figure.h"

typedef struct histogram {
  const char *metric; /* what rows are called, before "_within" and the like */
  int32_t quantity;   /* FALIGN_SIMILARITY_L or _DELTA */
  double low, width;  /* where bin 0 begins, and how wide each is */
  uint32_t bins;
  bool by_quality; /* tells pairs that are well classified from those that are not */
} histogram;

enum { HISTOGRAM_MOST_BINS = 256 };

/* Records the histograms of all groups that have pairs. Pairs beyond the bins count in the groups, but in no bin. */
falign_status histogram_record(figure_run *r, const falign_similarity *similarity, const histogram *h,
                               uint64_t iteration, int64_t layer);

/* Draws one of them, `group` being "within" and the like, over the similarity. */
falign_status histogram_draw(const figure *f, const char *condition, const char *metric, const char *group,
                             uint64_t iteration, int64_t layer, const char *title, plot_style style, plot_panel *panel);

#endif
