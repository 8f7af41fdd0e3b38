/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_METRIC_H
#define FAL_METRIC_H

#include "base/support.h"
#include "falign/metric.h"

/* falign_metric_create_custom() for a complete table of this library, which is not checked. */
falign_status fal_metric_create(const falign_metric_table *table, void *user, falign_metric **out);
void fal_metric_retain(falign_metric *metric);

/* Measures once; the values go to `emit`. */
falign_status fal_metric_measure(const falign_metric *metric, struct falign_trainer *trainer, const falign_trace *trace,
                                 falign_value_fn emit, void *emit_user);
/* Whether the metric sees every step. */
bool fal_metric_looks(const falign_metric *metric);
/* Lets a metric that looks see a step; does nothing for others. */
falign_status fal_metric_look(const falign_metric *metric, struct falign_trainer *trainer, const falign_trace *trace);

#endif
