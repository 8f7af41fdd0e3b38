/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_METRICS_H
#define FALIGN_METRICS_H

/** @file metrics.h
 *  @brief The built-in metrics: angles, norms and errors, as named values. */

#include "falign/batches.h"
#include "falign/metric.h"

FALIGN_BEGIN

/** Returns the name of built-in metric `index`; NULL beyond the last. Static storage. */
FALIGN_API const char *falign_metric_name_at(size_t index);
/** Describes built-in metric `index` in one line; NULL beyond the last. Static storage. */
FALIGN_API const char *falign_metric_description_at(size_t index);

/** Makes a metric by name. Layers and rules for which it has no meaning (angle_w_b under BP) yield no values; an
 *  angle with a zero matrix is NaN. Angles are in degrees (eq. 24), cosines as eq. 25, norms Frobenius norms.
 *  @return FALIGN_UNSUPPORTED naming the metric, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_metric_create(const char *name, falign_metric **out);

/** Makes the metric "test_error": the share of `test`'s points that are decoded wrongly, in percent. It keeps a
 *  reference to `test`. Measuring fails as falign_trainer_evaluate() does. @return FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_metric_create_test_error(falign_batches *test, falign_metric **out);

FALIGN_END

#endif
