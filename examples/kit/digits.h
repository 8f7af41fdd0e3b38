/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_DIGITS_H
#define KIT_DIGITS_H

/* The paper's network for images of digits, 225-50-50-50-50-50 with f = tanh(relu), as one run sees it (section 4.4).
 */

#include <stdbool.h>

#include "config.h"
#include "data.h"
#include "errors.h"

enum { DIGITS_LAYERS = 5, DIGITS_WIDTH = 50, DIGITS_IMAGE = 15, DIGITS_CATEGORIES = 10, DIGITS_BATCH = 1000 };

extern const double digits_init_sd; /* of W, b and B as they are drawn */

/* What runs of one condition have in common. */
typedef struct digits_setup {
  const char *rule; /* NULL: the condition trains no network */
  double eta;
  double gamma;        /* norm of each column of W and B; 0: they are not normalized */
  bool only_w, only_b; /* normalizes these alone */
  bool without_biases;
  size_t narrow;              /* width of the last hidden layer; 0: that of all */
  falign_order order;         /* 0: that of the files */
  double label_shuffle;       /* fraction of the training labels that are random */
  double label_smoothing;     /* of training targets: ones become 1 - this, zeros this */
  const data_synthetic *data; /* in place of what --data names; NULL for that */
} digits_setup;

/* What one run is made of. */
typedef struct digits_run {
  falign_code *code;
  falign_batches *train, *test;
  falign_network *network;
  falign_rule *rule;
  falign_norm *norm; /* NULL for none */
  falign_trainer *trainer;
} digits_run;

/* Adds the setup to a configuration, each name after `prefix`. */
falign_status digits_describe(const digits_setup *setup, const char *prefix, configuration *config);

/* Draws a run, in single precision. After a failure, too, it is to be released. */
falign_status digits_make(const digits_setup *setup, const falign_dataset *train, const falign_dataset *test,
                          uint64_t seed, uint32_t number, uint32_t threads, digits_run *out);
void digits_release(digits_run *run);

/* Has the trainer keep the last `window` steps (0: all) with the given quantities, and makes terms of them unless that
 * is NULL. */
falign_status digits_keep_history(const digits_run *run, int32_t quantities, uint64_t window, falign_terms **terms);

/* Observes a metric at each multiple of `every`, and releases it. */
falign_status digits_observe(const digits_run *run, falign_metric *metric, uint64_t every, falign_value_fn sink,
                             void *user);
/* The same, at the given iterations. */
falign_status digits_observe_at(const digits_run *run, falign_metric *metric, const uint64_t *iterations, size_t count,
                                falign_value_fn sink, void *user);

#endif
