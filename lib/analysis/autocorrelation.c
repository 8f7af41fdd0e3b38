/* SPDX-License-Identifier: Apache-2.0 */
#include "falign/autocorrelation.h"

#include <math.h>
#include <stdlib.h>

#include "analysis/recent.h"
#include "falign/trainer.h"
#include "math/angle.h"

typedef struct {
  fal_recent *recent;
  size_t count;
  uint64_t lags[];
} autocorrelation;

/* A trace, and where its values go. */
typedef struct {
  const autocorrelation *metric;
  const falign_trace *trace;
  falign_value_fn emit;
  void *emit_user;
} measurement;

/* The angle of a matrix with what it was `lag` iterations before. */
static falign_status compare_with_past(const measurement *m, uint64_t lag, falign_quantity quantity, uint32_t l) {
  falign_view now, then = fal_recent_view(m->metric->recent, m->trace, lag, quantity, l);
  FAL_TRY(falign_trace_view(m->trace, quantity, l, &now));
  const falign_value value = {.iteration = (int64_t)m->trace->step.iteration,
                              .name = quantity == FALIGN_L ? "angle_l_lag" : "angle_delta_lag",
                              .layer = l,
                              .order = (int64_t)lag,
                              .value = now.rows == then.rows ? fal_view_angle(&now, &then, 1) : (double)NAN};
  return m->emit(m->emit_user, &value);
}

static falign_status compare_layers(const measurement *m, uint64_t lag) {
  uint32_t d = m->trace->network->layers;
  for (uint32_t l = 0; l <= d; l++) FAL_TRY(compare_with_past(m, lag, FALIGN_L, l));
  for (uint32_t l = 1; l <= d; l++) FAL_TRY(compare_with_past(m, lag, FALIGN_DELTA, l));
  return FALIGN_OK;
}

static falign_status measure_autocorrelation(void *user, falign_trainer *trainer, const falign_trace *trace,
                                             falign_value_fn emit, void *emit_user) {
  const autocorrelation *metric = user;
  const measurement m = {metric, trace, emit, emit_user};
  fal_recent_begin_step(metric->recent, trainer, trace);
  for (size_t i = 0; i < metric->count; i++) {
    if (fal_recent_has(metric->recent, metric->lags[i])) FAL_TRY(compare_layers(&m, metric->lags[i]));
  }
  return FALIGN_OK;
}

static falign_status store_step(void *user, falign_trainer *trainer, const falign_trace *trace) {
  const autocorrelation *metric = user;
  fal_recent_begin_step(metric->recent, trainer, trace);
  return fal_recent_add(metric->recent, trace);
}

static void destroy_autocorrelation(void *user) {
  autocorrelation *metric = user;
  fal_recent_destroy(metric->recent);
  free(metric);
}

static falign_status check_lags(const uint64_t *lags, size_t count) {
  FAL_GIVEN(lags);
  if (count == 0) return fal_fail(FALIGN_INVALID, "there are no lags");
  for (size_t i = 0; i < count; i++) {
    if (lags[i] == 0 || lags[i] > INT64_MAX)
      return fal_fail(FALIGN_INVALID, "lags[%zu] is %llu, outside 1..2^63 - 1", i, (unsigned long long)lags[i]);
  }
  return FALIGN_OK;
}

static falign_status create_autocorrelation(const uint64_t *lags, size_t count, autocorrelation **out) {
  if (count > SIZE_MAX / sizeof *lags - sizeof **out) return fal_fail(FALIGN_MEMORY, "%zu lags are too many", count);
  autocorrelation *metric = fal_zalloc(1, sizeof *metric + count * sizeof *lags);
  if (!metric) return fal_fail_memory("lags", count, sizeof *lags);
  uint64_t longest = 0;
  metric->count = count;
  for (size_t i = 0; i < count; i++) {
    metric->lags[i] = lags[i];
    if (lags[i] > longest) longest = lags[i];
  }
  falign_status status = fal_recent_create(longest, &metric->recent);
  if (status != FALIGN_OK) free(metric);
  if (status == FALIGN_OK) *out = metric;
  return status;
}

falign_status falign_metric_create_autocorrelation(const uint64_t *lags, size_t count, falign_metric **out) {
  autocorrelation *metric;
  FAL_GIVEN(out);
  FAL_TRY(check_lags(lags, count));
  FAL_TRY(create_autocorrelation(lags, count, &metric));
  const falign_metric_table table = {.size = sizeof table,
                                     .name = "autocorrelation",
                                     .needs = FALIGN_NEEDS_ACTIVITY,
                                     .measure = measure_autocorrelation,
                                     .look = store_step,
                                     .destroy = destroy_autocorrelation};
  falign_status status = falign_metric_create_custom(&table, metric, out);
  if (status != FALIGN_OK) destroy_autocorrelation(metric);
  return status;
}
