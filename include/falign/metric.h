/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_METRIC_H
#define FALIGN_METRIC_H

/** @file metric.h
 *  @brief What is measured: angles, norms and errors, as named values per layer. */

#include "falign/angle.h"
#include "falign/batches.h"
#include "falign/norm.h"

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

/** Receives one measured value, on the thread that runs the step. `layer` and `order` are -1 where they do not apply;
 *  `metric` lives until the call returns. A failure ends the step with this status and message. */
typedef falign_status (*falign_value_fn)(void *user, uint64_t iteration, const char *metric, int64_t layer,
                                         int64_t order, double value);

/** A caller's metric. */
typedef struct falign_metric_table {
  size_t size;      /**< sizeof(falign_metric_table) */
  const char *name; /**< required; copied */
  int32_t needs;    /**< FALIGN_NEEDS_... */
  /** Required: measures iteration falign_trainer_iteration(trainer), before its update, on the thread that runs the
   *  step, and calls emit(emit_user, ...) for each value. `trace` is NULL where a metric that needs only the weights
   *  is measured without a step. The trainer, its network and its rule must not be changed. A failure
   *  ends the step with this status and message. */
  falign_status (*measure)(void *user, const struct falign_trainer *trainer, const falign_trace *trace,
                           falign_value_fn emit, void *emit_user);
  void (*destroy)(void *user); /**< optional: called once when the last reference is gone */
} falign_metric_table;

/** How many metrics can be made by name. */
FALIGN_API size_t falign_metric_count(void);
/** The name of metric `index`; NULL beyond the last. Static storage. */
FALIGN_API const char *falign_metric_name_at(size_t index);
/** One line about metric `index`; NULL beyond the last. Static storage. */
FALIGN_API const char *falign_metric_description_at(size_t index);

/** Makes a metric by name. Layers for which it has no meaning, and rules (angle_w_b under BP), yield no values; an
 *  angle with a zero matrix is NaN. Angles are in degrees (eq. 24), cosines as eq. 25, norms Frobenius norms.
 *  @return FALIGN_UNSUPPORTED naming the metric, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_metric_create(const char *name, falign_metric **out);

/** "test_error": the share of `test`'s points that are decoded wrongly, in percent. Keeps a reference to `test`.
 *  Measuring fails as falign_trainer_evaluate() does. @return FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_metric_create_test_error(falign_batches *test, falign_metric **out);

/** A caller's metric. `user` is passed to its functions. @return FALIGN_INVALID naming a missing entry or needs that
 *  are not known, FALIGN_UNSUPPORTED for a table with entries that this version does not know, FALIGN_MEMORY; `user` is
 *  then not destroyed. */
FALIGN_API FALIGN_CHECKED falign_status falign_metric_create_custom(const falign_metric_table *table, void *user,
                                                                    falign_metric **out);
/** Gives back a reference; NULL is fine. */
FALIGN_API void falign_metric_destroy(falign_metric *metric);

/** The name that the metric was made with, in its own storage. */
FALIGN_API const char *falign_metric_name(const falign_metric *metric);
/** FALIGN_NEEDS_... of the metric. */
FALIGN_API int32_t falign_metric_needs(const falign_metric *metric);

FALIGN_END

#endif
