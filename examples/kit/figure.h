/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_FIGURE_H
#define KIT_FIGURE_H

/* A program that makes one figure of the paper from runs, most of them on images of digits.
 *
 * Its runs go on at once, one on each core. A run that has ended is kept in DIR/NAME.runs, and is taken from there when
 * the program is started again with the same settings: after an interruption, with more runs, or to draw again. */

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "data.h"
#include "digits.h"
#include "errors.h"
#include "plot.h"
#include "progress.h"

typedef struct figure figure;

/* One run of one condition. */
typedef struct figure_run {
  figure *figure;
  size_t condition;
  uint32_t number, threads;
  uint64_t per_epoch;  /* updates of an epoch */
  falign_table *table; /* where its rows go */
  double begun, part;  /* the share of the run's work that is done, and that of what comes next; 0 and 1 at first */
} figure_run;

enum { FIGURE_PANELS = 16 }; /* at most */

typedef struct figure_program {
  const char *name, *about;
  const char *const *conditions; /* their names; kept runs and the table's first column have them */
  const digits_setup *setups;    /* of each */
  size_t condition_count;
  uint64_t runs, epochs;             /* as in the paper; no epochs where no network is trained */
  uint64_t quick_runs, quick_epochs; /* with --quick */
  /* Has a run measured as it likes, and trains it by figure_train(). `digits` is NULL for a setup without a rule. */
  falign_status (*run)(figure_run *r, digits_run *digits);
  /* Adds to the configuration what else numbers depend on; may be NULL. */
  falign_status (*describe)(const figure *f, configuration *config);
  /* Fills the panels of the figure, which are empty. */
  falign_status (*fill)(const figure *f, plot_panel panels[FIGURE_PANELS]);
  /* Fills those of a second picture, NAME-more; may be NULL. */
  falign_status (*fill_more)(const figure *f, plot_panel panels[FIGURE_PANELS]);
} figure_program;

struct figure {
  const figure_program *program;
  const char *data, *out;
  uint64_t runs, epochs, seed, threads;
  bool quick;
  data_place place;
  falign_dataset *train, *test;
  uint64_t train_fingerprint, test_fingerprint;
  falign_table *table; /* of all runs; the first column is the condition */
  progress progress;
};

/* The whole program; returns the exit code. */
int figure_main(const figure_program *plan, int argc, char **argv);

/* Updates of a run. */
uint64_t figure_updates(const figure_run *r);
/* Says that this share of the present part of the run is done; whether the run is to stop, after a signal. */
bool figure_stopped(figure_run *r, double share);
/* Has the library's metric of that name recorded at each multiple of `every`. */
falign_status figure_observe(figure_run *r, const digits_run *digits, const char *name, uint64_t every);
/* Trains a run to its end. */
falign_status figure_train(figure_run *r, const digits_run *digits);
/* Adds a row: a falign_value_fn, whose user pointer is the figure_run. */
falign_status figure_record(void *run, const falign_value *value);
/* Adds a row of these numbers; -1: no layer or order. */
falign_status figure_add(figure_run *r, uint64_t iteration, const char *metric, int64_t layer, int64_t order,
                         double value);

#endif
