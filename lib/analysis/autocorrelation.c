/* SPDX-License-Identifier: Apache-2.0 */
#include "falign/autocorrelation.h"

#include <math.h>
#include <stdlib.h>

#include "falign/trainer.h"
#include "analysis/recent.h"

typedef struct {
  fal_recent *recent;
  uint64_t every;
  size_t count;
  uint64_t lags[];
} autocorrelation;

/* One look: a trace, and where its values go. */
typedef struct {
  const autocorrelation *metric;
  const falign_trace *trace;
  falign_value_fn emit;
  void *emit_user;
} look;

/* The angle of a matrix with what it was `lag` iterations before. */
static falign_status compare(const look *at, uint64_t lag, falign_quantity quantity, uint32_t l) {
  fal_view now, then = fal_recent_view(at->metric->recent, at->trace, lag, quantity, l);
  FAL_TRY(fal_trace_view(at->trace, quantity, l, &now));
  double angle = now.rows == then.rows ? fal_view_angle(&now, &then, 1) : (double)NAN;
  return at->emit(at->emit_user, at->trace->iteration, quantity == FALIGN_L ? "angle_l_lag" : "angle_delta_lag", l,
                  (int64_t)lag, angle);
}

static falign_status compare_layers(const look *at, uint64_t lag) {
  uint32_t d = at->trace->network->layers;
  for (uint32_t l = 0; l <= d; l++) FAL_TRY(compare(at, lag, FALIGN_L, l));
  for (uint32_t l = 1; l <= d; l++) FAL_TRY(compare(at, lag, FALIGN_DELTA, l));
  return FALIGN_OK;
}

static falign_status measure(void *user, const falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                             void *emit_user) {
  const autocorrelation *metric = user;
  const look at = {metric, trace, emit, emit_user};
  fal_recent_meet(metric->recent, trainer, trace);
  bool emits = trace->iteration % metric->every == 0;
  for (size_t i = 0; i < metric->count && emits; i++) {
    if (fal_recent_has(metric->recent, metric->lags[i])) FAL_TRY(compare_layers(&at, metric->lags[i]));
  }
  return fal_recent_add(metric->recent, trace);
}

static void destroy(void *user) {
  autocorrelation *metric = user;
  fal_recent_destroy(metric->recent);
  free(metric);
}

static falign_status check(const uint64_t *lags, size_t count, uint64_t every) {
  FAL_GIVEN(lags);
  if (count == 0) return fal_fail(FALIGN_INVALID, "there are no lags");
  if (every == 0)
    return fal_fail(FALIGN_INVALID,
                    "every is 0, want 1 or more: values are measured at the iterations that it divides");
  for (size_t i = 0; i < count; i++) {
    if (lags[i] == 0 || lags[i] > INT64_MAX)
      return fal_fail(FALIGN_INVALID, "lags[%zu] is %llu, outside 1..2^63 - 1", i, (unsigned long long)lags[i]);
  }
  return FALIGN_OK;
}

static falign_status create(const uint64_t *lags, size_t count, uint64_t every, autocorrelation **out) {
  if (count > SIZE_MAX / sizeof *lags - sizeof **out) return fal_fail(FALIGN_MEMORY, "%zu lags are too many", count);
  autocorrelation *metric = fal_zalloc(1, sizeof *metric + count * sizeof *lags);
  if (!metric) return fal_fail_memory("lags", count, sizeof *lags);
  uint64_t longest = 0;
  metric->every = every;
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

falign_status falign_metric_create_autocorrelation(const uint64_t *lags, size_t count, uint64_t every,
                                                   falign_metric **out) {
  autocorrelation *metric;
  FAL_GIVEN(out);
  FAL_TRY(check(lags, count, every));
  FAL_TRY(create(lags, count, every, &metric));
  const falign_metric_table table = {.size = sizeof table,
                                     .name = "autocorrelation",
                                     .needs = FALIGN_NEEDS_ACTIVITY,
                                     .measure = measure,
                                     .destroy = destroy};
  falign_status status = falign_metric_create_custom(&table, metric, out);
  if (status != FALIGN_OK) destroy(metric);
  return status;
}
