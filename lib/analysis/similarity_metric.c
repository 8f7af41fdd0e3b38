/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "analysis/recent.h"
#include "analysis/similarity.h"
#include "data/batches.h"
#include "falign/trainer.h"

typedef struct {
  falign_batches *batches;
  uint64_t lag;
  fal_recent *recent;
  size_t size;      /* of a full batch */
  uint32_t *labels; /* of the last lag + 1 iterations, those of k at (k % (lag + 1)) size */
  fal_classes past, present;
  fal_pair_room room;
} similarity_metric;

/* A trace, and where its values go. */
typedef struct {
  const falign_trace *trace;
  falign_value_fn emit;
  void *emit_user;
  uint64_t lag;
} measurement;

static uint32_t *stored_labels(const similarity_metric *metric, uint64_t k) {
  return metric->labels + (size_t)(k % (metric->lag + 1)) * metric->size;
}

/* A mean over pairs, by its name. */
typedef struct {
  const char *name;
  double sum;
  uint64_t count;
} pair_mean;

static falign_status emit_mean(const measurement *m, uint32_t l, const pair_mean *mean) {
  const falign_value value = {.iteration = (int64_t)m->trace->step.iteration,
                              .name = mean->name,
                              .layer = l,
                              .order = (int64_t)m->lag,
                              .value = mean->count > 0 ? mean->sum / (double)mean->count : (double)NAN};
  return m->emit(m->emit_user, &value);
}

static falign_status emit_means(const measurement *m, uint32_t l, const fal_group_sums *sums) {
  const falign_pair_sums *within = &sums->within, *between = &sums->between;
  const pair_mean means[] = {
      {"s_l_within", within->s_l, within->count},
      {"s_l_between", between->s_l, between->count},
      {"s_delta_within", within->s_delta, within->count},
      {"s_delta_between", between->s_delta, between->count},
      {"s_product_within", within->s_product, within->count},
      {"s_product_between", between->s_product, between->count},
  };
  for (size_t i = 0; i < sizeof means / sizeof *means; i++) FAL_TRY(emit_mean(m, l, &means[i]));
  return FALIGN_OK;
}

static falign_status measure_layer_similarity(similarity_metric *metric, const measurement *m, uint32_t l) {
  fal_sides sides = {
      .past = {fal_recent_view(metric->recent, m->trace, m->lag, FALIGN_L, l - 1),
               fal_recent_view(metric->recent, m->trace, m->lag, FALIGN_DELTA, l + 1), &metric->past},
      .present = {.classes = &metric->present},
  };
  fal_group_sums sums;
  FAL_TRY(falign_trace_view(m->trace, FALIGN_L, l - 1, &sides.present.l));
  FAL_TRY(falign_trace_view(m->trace, FALIGN_DELTA, l + 1, &sides.present.delta));
  FAL_TRY(fal_sum_pairs(&sides, FAL_ALL, &metric->room, &sums));
  return emit_means(m, l, &sums);
}

static falign_status measure_layers(similarity_metric *metric, const measurement *m) {
  uint64_t k = m->trace->step.iteration, before = k - metric->lag;
  fal_classes_sort(&metric->past, stored_labels(metric, before), NULL, falign_batches_rows(metric->batches, before));
  fal_classes_sort(&metric->present, stored_labels(metric, k), NULL, falign_batches_rows(metric->batches, k));
  for (uint32_t l = 1; l < m->trace->network->layers; l++) FAL_TRY(measure_layer_similarity(metric, m, l));
  return FALIGN_OK;
}

/* Stores the labels of a step's batch, and discards earlier steps unless this one follows them. */
static falign_status begin_step(similarity_metric *metric, const falign_trainer *trainer, const falign_trace *trace) {
  uint64_t k = trace->step.iteration;
  FAL_TRY(falign_batches_points_of(metric->batches, k, NULL, stored_labels(metric, k), trace->step.rows));
  fal_recent_begin_step(metric->recent, trainer, trace);
  return FALIGN_OK;
}

static falign_status measure_similarity(void *user, falign_trainer *trainer, const falign_trace *trace,
                                        falign_value_fn emit, void *emit_user) {
  similarity_metric *metric = user;
  const measurement m = {trace, emit, emit_user, metric->lag};
  FAL_TRY(begin_step(metric, trainer, trace));
  return fal_recent_has(metric->recent, metric->lag) ? measure_layers(metric, &m) : FALIGN_OK;
}

static falign_status store_step(void *user, falign_trainer *trainer, const falign_trace *trace) {
  similarity_metric *metric = user;
  FAL_TRY(begin_step(metric, trainer, trace));
  return fal_recent_add(metric->recent, trace);
}

static void destroy_similarity(void *user) {
  similarity_metric *metric = user;
  falign_batches_destroy(metric->batches);
  fal_recent_destroy(metric->recent);
  free(metric->labels);
  fal_classes_clear(&metric->past);
  fal_classes_clear(&metric->present);
  free(metric->room.numbers);
  free(metric);
}

static falign_status reserve_labels(similarity_metric *metric) {
  size_t labels;
  bool fits = metric->lag < SIZE_MAX && fal_mul((size_t)metric->lag + 1, metric->size, &labels);
  metric->labels = fits ? fal_alloc(labels, sizeof *metric->labels) : NULL;
  if (metric->labels) return FALIGN_OK;
  return fal_fail(FALIGN_MEMORY, "no memory for the labels of %llu batches of %zu points",
                  (unsigned long long)metric->lag, metric->size);
}

static falign_status reserve_similarity(similarity_metric *metric) {
  falign_view code;
  FAL_TRY(falign_code_view(falign_batches_code(metric->batches), &code));
  FAL_TRY(reserve_labels(metric));
  FAL_TRY(fal_recent_create(metric->lag, &metric->recent));
  FAL_TRY(fal_classes_init(&metric->past, (uint32_t)code.rows, metric->size));
  return fal_classes_init(&metric->present, (uint32_t)code.rows, metric->size);
}

falign_status falign_metric_create_similarity(falign_batches *batches, uint64_t lag, falign_metric **out) {
  FAL_GIVEN(batches);
  FAL_GIVEN(out);
  if (lag == 0 || lag > INT64_MAX)
    return fal_fail(FALIGN_INVALID, "lag is %llu, outside 1..2^63 - 1", (unsigned long long)lag);
  if (!falign_batches_code(batches)) return fal_fail(FALIGN_UNSUPPORTED, "the batches have no labels");
  similarity_metric *metric = fal_zalloc(1, sizeof *metric);
  if (!metric) return fal_fail_memory("a metric", 1, sizeof *metric);
  fal_batches_retain(batches);
  *metric = (similarity_metric){.batches = batches, .lag = lag, .size = falign_batches_get_shape(batches)->size};
  const falign_metric_table table = {.size = sizeof table,
                                     .name = "similarity",
                                     .needs = FALIGN_NEEDS_ACTIVITY,
                                     .measure = measure_similarity,
                                     .look = store_step,
                                     .destroy = destroy_similarity};
  falign_status status = reserve_similarity(metric);
  if (status == FALIGN_OK) status = falign_metric_create_custom(&table, metric, out);
  if (status != FALIGN_OK) destroy_similarity(metric);
  return status;
}
