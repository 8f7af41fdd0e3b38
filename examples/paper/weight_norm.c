/* SPDX-License-Identifier: Apache-2.0 */

/* Figs. 7A, B, D, E: feedback alignment and backpropagation with and without weight normalization. How forward weights
 * align with the feedback weights, how FA's updates align with BP's, how the weights grow, and what the network learns.
 */

#include <inttypes.h>
#include <stdio.h>

#include "kit/figure.h"

enum {
  WINDOW = 60,    /* of the moving average of the updates' angles */
  LOG_EVERY = 20, /* iterations */
};

static const char *const names[] = {"fa",         "fa-normalized",        "bp", "bp-normalized",
                                    "bp-authors", "bp-normalized-authors"};
enum { FA, FA_NORMALIZED, BP, BP_NORMALIZED, BP_AUTHORS, BP_NORMALIZED_AUTHORS, CONDITIONS };

/* The paper's text has one learning rate and one gamma for all; the authors' curves of BP have others. */
static const digits_setup setups[CONDITIONS] = {
    [FA] = {.rule = "fa", .eta = 0.0005},         [FA_NORMALIZED] = {.rule = "fa", .eta = 0.0005, .gamma = 1},
    [BP] = {.rule = "bp", .eta = 0.0005},         [BP_NORMALIZED] = {.rule = "bp", .eta = 0.0005, .gamma = 1},
    [BP_AUTHORS] = {.rule = "bp", .eta = 0.0004}, [BP_NORMALIZED_AUTHORS] = {.rule = "bp", .eta = 0.0003, .gamma = 0.6},
};

/* ---- A run ---- */

/* The last angles of dW[l] with BP's. */
typedef struct window {
  double values[WINDOW];
  size_t count; /* so far */
} window;

typedef struct averages {
  figure_run *run;
  window layer[DIGITS_LAYERS];
} averages;

static double mean(const window *w) {
  double sum = 0;
  for (size_t i = 0; i < WINDOW; i++) sum += w->values[i];
  return sum / WINDOW;
}

/* Records the mean of the last WINDOW values; called for each value. */
static falign_status record_average(void *user, const falign_value *value) {
  averages *a = user;
  window *w = &a->layer[value->layer];
  w->values[w->count++ % WINDOW] = value->value;
  if (w->count < WINDOW || value->iteration % LOG_EVERY != 0) return FALIGN_OK;
  falign_value average = *value;
  average.value = mean(w);
  return figure_record(a->run, &average);
}

static falign_status observe_fa(figure_run *r, const digits_run *digits, averages *a) {
  falign_metric *metric;
  TRY(figure_observe(r, digits, "angle_w_b", LOG_EVERY));
  TRY(falign_metric_create("angle_dw_bp", &metric));
  return digits_observe(digits, metric, 1, record_average, a);
}

static falign_status do_run(figure_run *r, digits_run *digits) {
  averages a = {.run = r};
  falign_metric *metric;
  TRY(falign_metric_create_test_error(digits->test, &metric));
  TRY(digits_observe(digits, metric, r->per_epoch, figure_record, r));
  TRY(figure_observe(r, digits, "norm_w", LOG_EVERY));
  if (r->condition <= FA_NORMALIZED) TRY(observe_fa(r, digits, &a));
  TRY(figure_train(r, digits));
  return falign_trainer_measure(digits->trainer);
}

/* ---- The figure ---- */

/* A metric of FA's layers, in the colours of the paper's layers; with marks where weights are normalized. */
static falign_status add_layers(const figure *f, const char *metric, uint32_t first, plot_panel *panel) {
  char title[32];
  for (size_t c = FA; c <= FA_NORMALIZED; c++) {
    for (uint32_t l = first; l < DIGITS_LAYERS; l++) {
      snprintf(title, sizeof title, "layer %" PRIu32 "%s", l, c == FA ? "" : ", normalized");
      TRY(plot_add(panel, f->table, (curve_key){names[c], metric, l, -1}, title,
                   (plot_style){.colour = l, .dash = l, .marked = c == FA_NORMALIZED}));
    }
  }
  return FALIGN_OK;
}

/* Of the test errors; with marks where weights are normalized. */
static falign_status add_errors(const figure *f, plot_panel *panel) {
  static const char *const titles[CONDITIONS] = {
      "FA", "FA, normalized", "BP", "BP, normalized", "BP, eta 0.0004", "BP, eta 0.0003, gamma 0.6"};
  for (size_t c = 0; c < CONDITIONS; c++) {
    TRY(plot_add(panel, f->table, (curve_key){names[c], "test_error", -1, -1}, titles[c],
                 (plot_style){.colour = c / 2, .dash = c / 2, .marked = setups[c].gamma > 0}));
  }
  return FALIGN_OK;
}

static falign_status fill(const figure *f, plot_panel panels[FIGURE_PANELS]) {
  panels[0] = (plot_panel){.title = "A: W[l] with B[l]^T", .x_label = "epoch", .y_label = "angle (degrees)"};
  panels[1] = (plot_panel){.title = "B: dW[l] with BP's", .x_label = "epoch", .y_label = "angle (degrees)"};
  panels[2] = (plot_panel){.title = "D: norm of W[l]", .x_label = "epoch", .y_label = "Frobenius norm"};
  panels[3] = (plot_panel){.title = "E: test error", .x_label = "epoch", .y_label = "test error (%)"};
  for (size_t i = 0; i < 4; i++) panels[i].by_epoch = true;
  TRY(add_layers(f, "angle_w_b", 1, &panels[0]));
  TRY(add_layers(f, "angle_dw_bp", 0, &panels[1]));
  TRY(add_layers(f, "norm_w", 0, &panels[2]));
  return add_errors(f, &panels[3]);
}

int main(int argc, char **argv) {
  static const figure_program weight_norm = {
      .name = "weight_norm",
      .about = "Trains by FA and BP with and without weight normalization (Figs. 7A, B, D, E).",
      .conditions = names,
      .setups = setups,
      .condition_count = CONDITIONS,
      .runs = 10,
      .epochs = 100,
      .quick_runs = 2,
      .quick_epochs = 5,
      .run = do_run,
      .fill = fill,
  };
  return figure_main(&weight_norm, argc, argv);
}
