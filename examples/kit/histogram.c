/* SPDX-License-Identifier: Apache-2.0 */
#include "histogram.h"

#include <inttypes.h>
#include <stdio.h>

/* The groups in the order of falign_similarity_histogram(). */
static const char *const groups[] = {"within_well", "within_poor", "between_well", "between_poor"};
static const char *const halves[] = {"within", "between"};
enum { GROUPS = 4, COUNTS = HISTOGRAM_MOST_BINS + 2 };

static falign_status record_group(figure_run *r, const histogram *h, const char *group, const uint64_t counts[COUNTS],
                                  uint64_t iteration, int64_t layer) {
  char metric[64];
  uint64_t pairs = 0;
  snprintf(metric, sizeof metric, "%s_%s", h->metric, group);
  for (uint32_t i = 0; i < h->bins + 2; i++) pairs += counts[i];
  for (uint32_t i = 0; i < h->bins && pairs > 0; i++) {
    double share = (double)counts[i + 1] / (double)pairs; /* the first count is of what lies below all bins */
    TRY(figure_add(r, iteration, metric, layer, i, share));
  }
  return FALIGN_OK;
}

/* Well and poor together. */
static falign_status record_half(figure_run *r, const histogram *h, size_t half, const uint64_t *counts,
                                 uint64_t iteration, int64_t layer) {
  uint64_t both[COUNTS];
  const uint64_t *well = counts + 2 * half * (h->bins + 2), *poor = well + h->bins + 2;
  for (uint32_t i = 0; i < h->bins + 2; i++) both[i] = well[i] + poor[i];
  return record_group(r, h, halves[half], both, iteration, layer);
}

static falign_status record_bins(figure_run *r, const histogram *h, uint64_t iteration, int64_t layer) {
  char metric[64];
  snprintf(metric, sizeof metric, "%s_bin", h->metric);
  for (uint32_t i = 0; i < h->bins; i++) {
    TRY(figure_add(r, iteration, metric, layer, i, h->low + (i + 0.5) * h->width));
  }
  return FALIGN_OK;
}

falign_status histogram_record(figure_run *r, const falign_similarity *similarity, const histogram *h,
                               uint64_t iteration, int64_t layer) {
  uint64_t counts[GROUPS * COUNTS];
  if (h->bins > HISTOGRAM_MOST_BINS) return fail(FALIGN_INVALID, "%" PRIu32 " bins are too many", h->bins);
  const falign_bins bins = {.low = h->low, .high = h->low + h->bins * h->width, .count = h->bins};
  TRY(falign_similarity_histogram(similarity, h->quantity, &bins, r->threads, counts));
  TRY(record_bins(r, h, iteration, layer));
  for (size_t half = 0; half < 2; half++) TRY(record_half(r, h, half, counts, iteration, layer));
  for (size_t g = 0; g < GROUPS && h->by_quality; g++) {
    TRY(record_group(r, h, groups[g], counts + g * (h->bins + 2), iteration, layer));
  }
  return FALIGN_OK;
}

static falign_status gather(const figure *f, const char *condition, const char *metric, const char *ending,
                            uint64_t iteration, int64_t layer, curve *out) {
  char name[64];
  snprintf(name, sizeof name, "%s_%s", metric, ending);
  return curve_gather_orders(f->table, (curve_key){condition, name, layer, -1}, (int64_t)iteration, out);
}

falign_status histogram_draw(const figure *f, const char *condition, const char *metric, const char *group,
                             uint64_t iteration, int64_t layer, const char *title, plot_style style,
                             plot_panel *panel) {
  curve bins, shares;
  TRY(gather(f, condition, metric, "bin", iteration, layer, &bins));
  falign_status status = gather(f, condition, metric, group, iteration, layer, &shares);
  for (size_t i = 0; i < bins.count && i < shares.count; i++) shares.points[i].x = bins.points[i].mean;
  curve_free(&bins);
  TRY(status);
  style.shape = PLOT_STEPS;
  plot_add_curve(panel, shares, title, style);
  return FALIGN_OK;
}
