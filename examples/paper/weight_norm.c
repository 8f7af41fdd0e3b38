/* SPDX-License-Identifier: Apache-2.0 */

/* Figs. 7A, B, D, E: feedback alignment and backpropagation with and without weight normalization. How forward weights
 * align with the feedback weights, how FA's updates align with BP's, how the weights grow, and what the network learns.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kit/digits.h"
#include "kit/figure.h"
#include "kit/plot.h"

enum {
  WINDOW = 60,    /* of the moving average of the updates' angles */
  LOG_EVERY = 20, /* iterations */
};

typedef struct condition {
  digits_setup setup;
  const char *title; /* of the test error */
  plot_style style;
} condition;

static const char *const names[] = {"fa",         "fa-normalized",        "bp", "bp-normalized",
                                    "bp-authors", "bp-normalized-authors"};
enum { FA, FA_NORMALIZED, BP, BP_NORMALIZED, CONDITIONS = sizeof names / sizeof names[0] };

/* The paper's text has one learning rate and one gamma for all; the authors' curves of BP have others. */
static const condition conditions[CONDITIONS] = {
    {{.rule = "fa", .eta = 0.0005}, "FA", {0}},
    {{.rule = "fa", .eta = 0.0005, .gamma = 1}, "FA, normalized", {.marked = true}},
    {{.rule = "bp", .eta = 0.0005}, "BP", {.colour = 1, .dash = 1}},
    {{.rule = "bp", .eta = 0.0005, .gamma = 1}, "BP, normalized", {.colour = 1, .dash = 1, .marked = true}},
    {{.rule = "bp", .eta = 0.0004}, "BP, eta 0.0004", {.colour = 2, .dash = 2}},
    {{.rule = "bp", .eta = 0.0003, .gamma = 0.6},
     "BP, eta 0.0003, gamma 0.6",
     {.colour = 2, .dash = 2, .marked = true}},
};

static falign_status describe(size_t c, const char *prefix, falign_config *config) {
  return digits_describe(&conditions[c].setup, prefix, config);
}

/* ---- A run ---- */

/* The last angles of dW[l] with BP's. */
typedef struct window {
  double values[WINDOW];
  size_t count; /* so far */
} window;

typedef struct averages {
  const figure_run *run;
  window layer[DIGITS_LAYERS];
} averages;

static double mean(const window *w) {
  double sum = 0;
  for (size_t i = 0; i < WINDOW; i++) sum += w->values[i];
  return sum / WINDOW;
}

/* Records the mean of the last WINDOW values; called for each value. */
static falign_status record_average(void *user, uint64_t iteration, const char *metric, int64_t layer, int64_t order,
                                    double value) {
  averages *a = user;
  window *w = &a->layer[layer];
  w->values[w->count++ % WINDOW] = value;
  if (w->count < WINDOW || iteration % LOG_EVERY != 0) return FALIGN_OK;
  return figure_record((void *)a->run, iteration, metric, layer, order, mean(w));
}

static falign_status observe_all(const figure_run *r, const digits_run *run, averages *a) {
  falign_metric *metric;
  TRY(falign_metric_create_test_error(run->test, &metric));
  TRY(digits_observe(run, metric, digits_per_epoch(r->figure->train), figure_record, (void *)r));
  TRY(falign_metric_create("norm_w", &metric));
  TRY(digits_observe(run, metric, LOG_EVERY, figure_record, (void *)r));
  if (strcmp(conditions[r->condition].setup.rule, "fa") != 0) return FALIGN_OK;
  TRY(falign_metric_create("angle_w_b", &metric));
  TRY(digits_observe(run, metric, LOG_EVERY, figure_record, (void *)r));
  TRY(falign_metric_create("angle_dw_bp", &metric));
  return digits_observe(run, metric, 1, record_average, a);
}

static falign_status train(const figure_run *r, digits_run *run) {
  const figure *f = r->figure;
  averages a = {.run = r};
  TRY(digits_make(&conditions[r->condition].setup, f->train, f->test, f->seed, r->number, r->threads, run));
  TRY(observe_all(r, run, &a));
  falign_trainer_set_progress(run->trainer, figure_look, (void *)r);
  TRY(falign_trainer_run(run->trainer, run->train, figure_total(f)));
  return falign_trainer_measure(run->trainer);
}

static falign_status do_run(const figure_run *r) {
  digits_run run;
  falign_status status = train(r, &run);
  digits_release(&run);
  return status;
}

/* ---- The figure ---- */

static falign_status print(const figure *f) {
  for (size_t c = 0; c < CONDITIONS; c++) {
    TRY(curve_print_last(f->table, (curve_key){names[c], "test_error", -1, -1}));
    for (int64_t l = 1; l < DIGITS_LAYERS; l++)
      TRY(curve_print_last(f->table, (curve_key){names[c], "angle_w_b", l, -1}));
  }
  return FALIGN_OK;
}

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

enum { PANELS = 4 };

static falign_status fill(const figure *f, plot_panel panels[PANELS]) {
  panels[0] = (plot_panel){.title = "A: W[l] with B[l]^T", .x_label = "epoch", .y_label = "angle (degrees)"};
  panels[1] = (plot_panel){.title = "B: dW[l] with BP's", .x_label = "epoch", .y_label = "angle (degrees)"};
  panels[2] = (plot_panel){.title = "D: norm of W[l]", .x_label = "epoch", .y_label = "Frobenius norm"};
  panels[3] = (plot_panel){.title = "E: test error", .x_label = "epoch", .y_label = "test error (%)"};
  for (size_t i = 0; i < PANELS; i++) panels[i].by_epoch = true;
  TRY(add_layers(f, "angle_w_b", 1, &panels[0]));
  TRY(add_layers(f, "angle_dw_bp", 0, &panels[1]));
  TRY(add_layers(f, "norm_w", 0, &panels[2]));
  for (size_t c = 0; c < CONDITIONS; c++) {
    const condition *now = &conditions[c];
    TRY(plot_add(&panels[3], f->table, (curve_key){names[c], "test_error", -1, -1}, now->title, now->style));
  }
  return FALIGN_OK;
}

static falign_status draw(const figure *f, const char *path) {
  static plot_panel panels[PANELS];
  falign_status status = fill(f, panels);
  if (status == FALIGN_OK) status = plot_write(panels, PANELS, path);
  for (size_t i = 0; i < PANELS; i++) plot_free(&panels[i]);
  return status;
}

int main(int argc, char **argv) {
  static const figure_program weight_norm = {
      .name = "weight_norm",
      .about = "Trains by FA and BP with and without weight normalization (Figs. 7A, B, D, E).",
      .conditions = names,
      .condition_count = CONDITIONS,
      .runs = 10,
      .epochs = 100,
      .quick_runs = 2,
      .quick_epochs = 5,
      .describe = describe,
      .run = do_run,
      .print = print,
      .draw = draw,
  };
  return figure_main(&weight_norm, argc, argv);
}
