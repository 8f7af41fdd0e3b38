/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_METRIC_H
#define FALIGN_METRIC_H

/** @file metric.h
 *  @brief A measurement that observes a trainer: what it needs and how it measures. metrics.h has the built-in ones. */

#include "falign/trace.h"
#include "falign/value.h"

FALIGN_BEGIN

struct falign_trainer;

/** A measurement. Observes a trainer at the iterations chosen with falign_trainer_observe(). */
typedef struct falign_metric falign_metric;

/** What a metric needs of a step; the sum of those that apply. 0: the weights alone, so that it can also be measured
 *  without a step. */
enum {
  FALIGN_NEEDS_STEP = 1,     /**< DW, DB and the loss */
  FALIGN_NEEDS_ACTIVITY = 2, /**< L, Z and DELTA of the whole batch */
  FALIGN_NEEDS_BP = 4        /**< DW_BP and DB_BP; with FALIGN_NEEDS_ACTIVITY also DELTA_BP */
};

/** A user's metric. A failure of its functions ends the step with this status and message. They must not change the
 *  trainer, its network or its rule, but may call falign_trainer_evaluate() and falign_trainer_forward(). */
typedef struct falign_metric_table {
  size_t size;      /**< sizeof(falign_metric_table) */
  const char *name; /**< required; copied */
  int32_t needs;    /**< FALIGN_NEEDS_..., of `look` too */
  /** Required: measures iteration falign_trainer_iteration(trainer), before its update, on the thread that runs the
   *  step, when it is due, and calls emit(emit_user, ...) for each value. `trace` is NULL if a metric that needs only
   *  the weights is measured without a step. */
  falign_status (*measure)(void *user, struct falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                           void *emit_user);
  void (*destroy)(void *user); /**< optional: called once when the last reference is released */
  /** Optional: sees every step, whether due or not, after `measure`: for metrics that compare with earlier steps. */
  falign_status (*look)(void *user, struct falign_trainer *trainer, const falign_trace *trace);
} falign_metric_table;

/** Makes a metric from a user's functions. `user` is passed to each. @return FALIGN_INVALID naming a missing entry or
 *  unknown needs, FALIGN_UNSUPPORTED for a table with entries that this version does not know, FALIGN_MEMORY; `user` is
 *  then not destroyed. */
FALIGN_API FALIGN_CHECKED falign_status falign_metric_create_custom(const falign_metric_table *table, void *user,
                                                                    falign_metric **out);
/** Releases a reference; NULL is fine. */
FALIGN_API void falign_metric_destroy(falign_metric *metric);

/** Returns the name that the metric was made with, in its own storage. */
FALIGN_API const char *falign_metric_name(const falign_metric *metric);
/** Returns FALIGN_NEEDS_... of the metric. */
FALIGN_API int32_t falign_metric_needs(const falign_metric *metric);

FALIGN_END

#endif
