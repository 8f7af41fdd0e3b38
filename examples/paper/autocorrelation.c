/* SPDX-License-Identifier: Apache-2.0 */

/* Fig. S3: how far the outputs and the errors of a batch resemble those of some iterations before, which makes the
 * alignment terms of these orders align (eq. 5). A pass over the data takes 60 iterations: without shuffling, lag 60 is
 * the same batch one epoch earlier. */

#include <inttypes.h>
#include <stdio.h>

#include "kit/figure.h"

static const uint64_t lags[] = {1, 59, 60, 61, 120};
enum { LAGS = sizeof lags / sizeof lags[0], EPOCH = 2, LOG_EVERY = 10 };

static const char *const names[] = {"unshuffled", "shuffled"};
enum { UNSHUFFLED, SHUFFLED, CONDITIONS };

static const digits_setup setups[CONDITIONS] = {
    {.rule = "fa", .eta = 0.0005, .order = FALIGN_ORDER_ONCE},
    {.rule = "fa", .eta = 0.0005, .order = FALIGN_ORDER_EPOCH},
};

static falign_status do_run(figure_run *r, digits_run *digits) {
  falign_metric *metric;
  TRY(falign_metric_create_autocorrelation(lags, LAGS, &metric));
  TRY(digits_observe(digits, metric, LOG_EVERY, figure_record, r));
  return figure_train(r, digits);
}

/* ---- The figure ---- */

typedef struct view {
  const char *metric, *title;
  int64_t layer;
} view;

/* Pairs that meet in alignment terms, of l = 2 and 4: L[l-1] and delta[l+1]. */
static const view views[] = {
    {"angle_l_lag", "L[1] with L[1] some iterations earlier", 1},
    {"angle_delta_lag", "delta[3] likewise", 3},
    {"angle_l_lag", "L[3] likewise", 3},
    {"angle_delta_lag", "delta[5] likewise", 5},
};
enum { VIEWS = sizeof views / sizeof views[0] };

static falign_status add_lags(const figure *f, const view *v, plot_panel *panel) {
  char title[32];
  for (size_t i = 0; i < LAGS; i++) {
    snprintf(title, sizeof title, "%" PRIu64 " earlier", lags[i]);
    TRY(plot_add(panel, f->table, (curve_key){names[UNSHUFFLED], v->metric, v->layer, (int64_t)lags[i]}, title,
                 (plot_style){.colour = i, .dash = i}));
  }
  return plot_add(panel, f->table, (curve_key){names[SHUFFLED], v->metric, v->layer, (int64_t)lags[EPOCH]},
                  "60 earlier, data shuffled", (plot_style){.colour = EPOCH, .dash = EPOCH, .marked = true});
}

static falign_status fill(const figure *f, plot_panel panels[FIGURE_PANELS]) {
  for (size_t i = 0; i < VIEWS; i++) {
    panels[i] = (plot_panel){.title = views[i].title, .x_label = "iteration", .y_label = "angle (degrees)"};
    TRY(add_lags(f, &views[i], &panels[i]));
  }
  return FALIGN_OK;
}

int main(int argc, char **argv) {
  static const figure_program autocorrelation = {
      .name = "autocorrelation",
      .about = "Compares outputs and errors of FA with those of earlier iterations (Fig. S3).",
      .conditions = names,
      .setups = setups,
      .condition_count = CONDITIONS,
      .runs = 30,
      .epochs = 25,
      .quick_runs = 2,
      .quick_epochs = 5,
      .run = do_run,
      .fill = fill,
  };
  return figure_main(&autocorrelation, argc, argv);
}
