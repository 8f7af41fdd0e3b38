/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "learning/metric.h"
#include "learning/trainer.h"

static bool is_due(const fal_observer *observer, uint64_t iteration) {
  if (observer->every > 0) return iteration % observer->every == 0;
  for (size_t i = 0; i < observer->at_count; i++) {
    if (observer->at[i] == iteration) return true;
  }
  return false;
}

int32_t fal_observers_need(const falign_trainer *trainer) {
  int32_t needs = 0;
  for (size_t i = 0; i < trainer->observer_count; i++) {
    const fal_observer *observer = &trainer->observers[i];
    if (is_due(observer, trainer->iteration) || fal_metric_looks(observer->metric))
      needs |= falign_metric_needs(observer->metric);
  }
  return needs;
}

/* Whether no later observer has the same metric: a metric sees each step once, after it was measured. */
static bool is_last_of_metric(const falign_trainer *trainer, size_t i) {
  for (size_t j = i + 1; j < trainer->observer_count; j++) {
    if (trainer->observers[j].metric == trainer->observers[i].metric) return false;
  }
  return true;
}

falign_status fal_observe(falign_trainer *trainer, const falign_trace *trace) {
  for (size_t i = 0; i < trainer->observer_count; i++) {
    const fal_observer *observer = &trainer->observers[i];
    if (is_due(observer, trainer->iteration))
      FAL_TRY(fal_metric_measure(observer->metric, trainer, trace, observer->sink, observer->user));
    if (fal_metric_looks(observer->metric) && is_last_of_metric(trainer, i))
      FAL_TRY(fal_metric_look(observer->metric, trainer, trace));
  }
  return FALIGN_OK;
}

falign_status falign_trainer_measure(falign_trainer *trainer) {
  FAL_GIVEN(trainer);
  fal_phase before;
  FAL_TRY(fal_phase_begin(trainer, FAL_OBSERVING, &before));
  bool started = trainer->started;
  fal_measure_start_norms(trainer);
  falign_status status = FALIGN_OK;
  fal_begin_observing(trainer);
  for (size_t i = 0; i < trainer->observer_count && status == FALIGN_OK; i++) {
    const fal_observer *observer = &trainer->observers[i];
    if (falign_metric_needs(observer->metric) != 0) continue;
    status = fal_metric_measure(observer->metric, trainer, NULL, observer->sink, observer->user);
  }
  fal_end_observing(trainer);
  trainer->started = started; /* only a step starts a run */
  fal_phase_end(trainer, before);
  return status;
}

static falign_status add_observer(falign_trainer *trainer, fal_observer observer) {
  size_t count = trainer->observer_count;
  fal_observer *observers = fal_alloc(count + 1, sizeof *observers);
  if (!observers) return fal_fail_memory("observers", count + 1, sizeof *observers);
  if (count > 0) memcpy(observers, trainer->observers, count * sizeof *observers);
  observers[count] = observer;
  free(trainer->observers);
  trainer->observers = observers;
  trainer->observer_count++;
  fal_metric_retain(observer.metric);
  return FALIGN_OK;
}

static falign_status check_observer(const falign_trainer *trainer, const falign_metric *metric, falign_value_fn sink) {
  FAL_TRY(fal_check_idle(trainer));
  FAL_GIVEN(metric);
  return sink ? FALIGN_OK : fal_fail(FALIGN_INVALID, "the sink of %s is NULL", falign_metric_name(metric));
}

falign_status falign_trainer_observe(falign_trainer *trainer, falign_metric *metric, uint64_t every,
                                     falign_value_fn sink, void *user) {
  FAL_TRY(check_observer(trainer, metric, sink));
  if (every == 0)
    return fal_fail(FALIGN_INVALID, "every is 0, want 1 or more: a metric is measured at multiples of it");
  return add_observer(trainer, (fal_observer){.metric = metric, .every = every, .sink = sink, .user = user});
}

falign_status falign_trainer_observe_at(falign_trainer *trainer, falign_metric *metric, const uint64_t *iterations,
                                        size_t count, falign_value_fn sink, void *user) {
  FAL_TRY(check_observer(trainer, metric, sink));
  if (count > 0 && !iterations) return fal_fail(FALIGN_INVALID, "iterations is NULL");
  uint64_t *at = fal_alloc(count, sizeof *at);
  if (!at) return fal_fail_memory("iterations", count, sizeof *at);
  if (count > 0) memcpy(at, iterations, count * sizeof *at);
  falign_status status =
      add_observer(trainer, (fal_observer){.metric = metric, .at = at, .at_count = count, .sink = sink, .user = user});
  if (status != FALIGN_OK) free(at);
  return status;
}

void fal_observers_free(falign_trainer *trainer) {
  for (size_t i = 0; i < trainer->observer_count; i++) {
    falign_metric_destroy(trainer->observers[i].metric);
    free(trainer->observers[i].at);
  }
  free(trainer->observers);
}
