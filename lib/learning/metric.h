/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_METRIC_H
#define FAL_METRIC_H

#include "falign/trainer.h"

void fal_metric_keep(falign_metric *metric);

/* Lets a metric look once; its values go to `emit`. */
falign_status fal_metric_measure(const falign_metric *metric, const falign_trainer *trainer, const falign_trace *trace,
                                 falign_value_fn emit, void *emit_user);

#endif
