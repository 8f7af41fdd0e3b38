/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MNIST_RUNS_H
#define MNIST_RUNS_H

/* The runs of mnist: several at once, each on one thread, or one after the other. */

#include "kit/config.h"
#include "kit/data.h"
#include "kit/progress.h"
#include "mnist_settings.h"

/* What all runs share. */
typedef struct experiment {
  settings set;
  data_place place;
  falign_dataset *train, *test;
  falign_backend *backend;
  configuration *config;      /* what a resumed run must share */
  falign_tensors *start;      /* of --load */
  falign_tensors *checkpoint; /* of --resume */
  falign_table *table;
  progress progress;
  uint32_t threads; /* of all runs together; runs_do_all() settles it */
} experiment;

/* Does all runs, and adds their rows to the table in the order of the runs: after a failure those up to the run that
 * failed, after an interruption all that there are. */
falign_status runs_do_all(experiment *e);

#endif
