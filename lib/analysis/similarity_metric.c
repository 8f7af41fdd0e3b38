/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "data/batches.h"
#include "falign/trainer.h"
#include "analysis/similarity.h"
#include "analysis/recent.h"

typedef struct {
  falign_batches *batches;
  uint64_t lag, every;
  fal_recent *recent;
  size_t size;      /* of a full batch */
  uint32_t *labels; /* of the last lag + 1 iterations, those of k at (k % (lag + 1)) size */
  fal_classes past, present;
  fal_pair_room room;
} similarity;

/* One look: a trace, and where its values go. */
typedef struct {
  const falign_trace *trace;
  falign_value_fn emit;
  void *emit_user;
  uint64_t lag;
} look;

static uint32_t *labels_of(const similarity *metric, uint64_t k) {
  return metric->labels + (size_t)(k % (metric->lag + 1)) * metric->size;
}

static double mean(double sum, uint64_t count) { return count > 0 ? sum / (double)count : (double)NAN; }

static falign_status emit_mean(const look *at, const char *name, uint32_t l, double sum, uint64_t count) {
  return at->emit(at->emit_user, at->trace->iteration, name, l, (int64_t)at->lag, mean(sum, count));
}

static falign_status emit_means(const look *at, uint32_t l, const fal_pair_sums *within, const fal_pair_sums *between) {
  FAL_TRY(emit_mean(at, "s_l_within", l, within->l, within->count));
  FAL_TRY(emit_mean(at, "s_l_between", l, between->l, between->count));
  FAL_TRY(emit_mean(at, "s_delta_within", l, within->delta, within->count));
  FAL_TRY(emit_mean(at, "s_delta_between", l, between->delta, between->count));
  FAL_TRY(emit_mean(at, "s_product_within", l, within->product, within->count));
  return emit_mean(at, "s_product_between", l, between->product, between->count);
}

static falign_status measure_layer(similarity *metric, const look *at, uint32_t l) {
  fal_points past = {fal_recent_view(metric->recent, at->trace, at->lag, FALIGN_L, l - 1),
                     fal_recent_view(metric->recent, at->trace, at->lag, FALIGN_DELTA, l + 1), &metric->past};
  fal_points present = {.classes = &metric->present};
  fal_pair_sums within, between;
  FAL_TRY(fal_trace_view(at->trace, FALIGN_L, l - 1, &present.l));
  FAL_TRY(fal_trace_view(at->trace, FALIGN_DELTA, l + 1, &present.delta));
  FAL_TRY(fal_sum_pairs(&past, &present, FAL_ALL, &metric->room, &within, &between));
  return emit_means(at, l, &within, &between);
}

static falign_status measure_layers(similarity *metric, const look *at) {
  uint64_t k = at->trace->iteration, before = k - metric->lag;
  fal_classes_sort(&metric->past, labels_of(metric, before), NULL, falign_batches_rows(metric->batches, before));
  fal_classes_sort(&metric->present, labels_of(metric, k), NULL, falign_batches_rows(metric->batches, k));
  for (uint32_t l = 1; l < at->trace->network->layers; l++) FAL_TRY(measure_layer(metric, at, l));
  return FALIGN_OK;
}

static falign_status measure(void *user, const falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                             void *emit_user) {
  similarity *metric = user;
  uint64_t k = trace->iteration;
  const look at = {trace, emit, emit_user, metric->lag};
  FAL_TRY(falign_batches_points_of(metric->batches, k, NULL, labels_of(metric, k), trace->rows));
  fal_recent_meet(metric->recent, trainer, trace);
  if (k % metric->every == 0 && fal_recent_has(metric->recent, metric->lag)) FAL_TRY(measure_layers(metric, &at));
  return fal_recent_add(metric->recent, trace);
}

static void destroy(void *user) {
  similarity *metric = user;
  falign_batches_destroy(metric->batches);
  fal_recent_destroy(metric->recent);
  free(metric->labels);
  fal_classes_clear(&metric->past);
  fal_classes_clear(&metric->present);
  free(metric->room.numbers);
  free(metric);
}

static falign_status reserve(similarity *metric, uint32_t categories) {
  size_t labels;
  bool fits = metric->lag < SIZE_MAX && fal_mul((size_t)metric->lag + 1, metric->size, &labels);
  metric->labels = fits ? fal_alloc(labels, sizeof *metric->labels) : NULL;
  if (!metric->labels)
    return fal_fail(FALIGN_MEMORY, "no memory for the labels of %llu batches of %zu points",
                    (unsigned long long)metric->lag, metric->size);
  FAL_TRY(fal_recent_create(metric->lag, &metric->recent));
  FAL_TRY(fal_classes_init(&metric->past, categories, metric->size));
  return fal_classes_init(&metric->present, categories, metric->size);
}

static falign_status check(const falign_batches *batches, uint64_t lag, uint64_t every) {
  FAL_GIVEN(batches);
  if (lag == 0 || lag > INT64_MAX)
    return fal_fail(FALIGN_INVALID, "lag is %llu, outside 1..2^63 - 1", (unsigned long long)lag);
  if (every == 0)
    return fal_fail(FALIGN_INVALID,
                    "every is 0, want 1 or more: values are measured at the iterations that it divides");
  if (!falign_batches_code(batches)) return fal_fail(FALIGN_UNSUPPORTED, "the batches have no labels");
  return FALIGN_OK;
}

falign_status falign_metric_create_similarity(falign_batches *batches, uint64_t lag, uint64_t every,
                                              falign_metric **out) {
  FAL_GIVEN(out);
  FAL_TRY(check(batches, lag, every));
  similarity *metric = fal_zalloc(1, sizeof *metric);
  if (!metric) return fal_fail_memory("a metric", 1, sizeof *metric);
  fal_batches_keep(batches);
  *metric = (similarity){.batches = batches, .lag = lag, .every = every, .size = falign_batches_size(batches)};
  const falign_metric_table table = {.size = sizeof table,
                                     .name = "similarity",
                                     .needs = FALIGN_NEEDS_ACTIVITY,
                                     .measure = measure,
                                     .destroy = destroy};
  falign_status status = reserve(metric, falign_code_categories(falign_batches_code(batches)));
  if (status == FALIGN_OK) status = falign_metric_create_custom(&table, metric, out);
  if (status != FALIGN_OK) destroy(metric);
  return status;
}
