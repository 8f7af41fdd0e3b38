/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MNIST_SETTINGS_H
#define MNIST_SETTINGS_H

/* The command line of mnist. */

#include <stdbool.h>

#include "kit/config.h"
#include "kit/errors.h"

enum { CATEGORIES = 10, OUTPUTS = 50, MAX_HIDDEN = 63 };

#define DEFAULT_METRICS "test_error,loss,angle_w_b"

typedef struct settings {
  const char *data, *rule, *norm, *normalize_feedback, *hidden, *activation, *shuffle, *precision, *backend, *metrics;
  const char *terms_at, *orders;
  const char *out, *plot, *load, *save, *checkpoint, *resume;
  double gamma, eta, init_sd, label_shuffle, label_smoothing;
  uint64_t epochs, iterations, batch, hot, image_size, runs, seed, threads, log_every, checkpoint_every;

  /* What follows from the above. */
  uint32_t layers;               /* d */
  size_t widths[MAX_HIDDEN + 2]; /* n[0..d]; n[0] comes with the data */
  uint64_t per_epoch;            /* batches in an epoch */
  uint64_t total;                /* iterations */
} settings;

/* Reads and checks the command line. Returns -1 to go on, else the exit code. */
int settings_parse(settings *s, int argc, char **argv);

/* Settles what depends on the training set: per_epoch, total, and settings that were not given.
 * @return FALIGN_INVALID, wrong usage, where a batch is larger than the training set. */
falign_status settings_plan(settings *s, const falign_dataset *train);

falign_precision settings_precision(const settings *s);
falign_order settings_order(const settings *s);
bool settings_normalize_weights(const settings *s);
bool settings_normalize_feedback(const settings *s);

/* Whether --metrics names this metric. */
bool settings_measure(const settings *s, const char *metric);
/* Whether it is asked for by its name. */
bool settings_names(const settings *s, const char *metric);

/* Describes what the numbers of a run depend on: a resumed run must agree in it. */
falign_status settings_describe(const settings *s, configuration *config);

/* Adds all other settings. */
falign_status settings_describe_rest(const settings *s, configuration *config);

#endif
