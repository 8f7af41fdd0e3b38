/* SPDX-License-Identifier: Apache-2.0 */

/* Figs. 3 and S6: what is left of an update beside its alignment terms, the remainder (eq. 11) and the zero-degree term
 * (eq. 3). Neither is why weights align: neither is at a small angle to B^T, and the remainder is small besides. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kit/figure.h"

enum { LOG_EVERY = 10 };

static const char *const names[] = {"unshuffled"};
static const digits_setup setup = {.rule = "fa", .eta = 0.0005, .order = FALIGN_ORDER_ONCE};

/* ---- A run ---- */

/* The last norms of one layer. */
typedef struct norms {
  double dw, remainder, zero;
} norms;

typedef struct recorder {
  figure_run *run;
  norms layer[DIGITS_LAYERS];
} recorder;

/* Keeps the norm of dW[l]; called for each layer before the values of any terms. */
static falign_status keep_norm(void *user, const falign_value *value) {
  recorder *r = user;
  r->layer[value->layer].dw = value->value;
  return FALIGN_OK;
}

static falign_status record_ratio(const recorder *r, const falign_value *last, const char *name, double ratio) {
  const falign_value value = {last->iteration, name, last->layer, -1, ratio};
  return figure_record(r->run, &value);
}

/* Records what the figures have: angles and norms of remainder and zero-degree term, and those norms over that of dW
 * with the last value of a layer; called for each value of the terms. */
static falign_status record(void *user, const falign_value *value) {
  recorder *r = user;
  norms *n = &r->layer[value->layer];
  bool kept = strstr(value->name, "_remainder") != NULL || strstr(value->name, "_zero") != NULL;
  if (kept) TRY(figure_record(r->run, value));
  if (strcmp(value->name, "norm_remainder") == 0) n->remainder = value->value;
  if (strcmp(value->name, "norm_zero") == 0) n->zero = value->value;
  if (strcmp(value->name, "angle_sum_t_linear") != 0) return FALIGN_OK;
  TRY(record_ratio(r, value, "ratio_remainder", n->remainder / n->dw));
  return record_ratio(r, value, "ratio_zero", n->zero / n->dw);
}

static falign_status do_run(figure_run *r, digits_run *digits) {
  const uint64_t order = 1; /* single orders are other figures' */
  recorder sink = {.run = r};
  falign_metric *metric;
  TRY(digits_keep_history(digits, FALIGN_KEEP_C, 0, NULL));
  TRY(falign_metric_create("norm_dw", &metric));
  TRY(digits_observe(digits, metric, LOG_EVERY, keep_norm, &sink));
  TRY(falign_metric_create_terms(&order, 1, &metric));
  TRY(digits_observe(digits, metric, LOG_EVERY, record, &sink));
  return figure_train(r, digits);
}

/* ---- The figure ---- */

typedef struct view {
  const char *metric, *title, *y_label;
} view;

static const view views[] = {
    {"angle_remainder", "R[l] with B[l]^T", "angle (degrees)"},
    {"ratio_remainder", "size of R[l]", "norm over that of dW[l]"},
    {"angle_zero", "zero-degree term with B[l]^T", "angle (degrees)"},
    {"ratio_zero", "size of the zero-degree term", "norm over that of dW[l]"},
};
enum { VIEWS = sizeof views / sizeof views[0] };

static falign_status add_layers(const figure *f, const view *v, plot_panel *panel) {
  char title[32];
  for (uint32_t l = 1; l < DIGITS_LAYERS; l++) {
    snprintf(title, sizeof title, "layer %" PRIu32, l);
    TRY(plot_add(panel, f->table, (curve_key){names[0], v->metric, l, -1}, title,
                 (plot_style){.colour = l, .dash = l}));
  }
  return FALIGN_OK;
}

static falign_status fill(const figure *f, plot_panel panels[FIGURE_PANELS]) {
  for (size_t i = 0; i < VIEWS; i++) {
    panels[i] = (plot_panel){.title = views[i].title, .x_label = "iteration", .y_label = views[i].y_label};
    TRY(add_layers(f, &views[i], &panels[i]));
  }
  return FALIGN_OK;
}

int main(int argc, char **argv) {
  static const figure_program remainder = {
      .name = "remainder",
      .about = "Measures the remainder and the zero-degree term of FA's updates (Figs. 3, S6).",
      .conditions = names,
      .setups = &setup,
      .condition_count = 1,
      .runs = 10,
      .epochs = 30,
      .quick_runs = 2,
      .quick_epochs = 3,
      .run = do_run,
      .fill = fill,
  };
  return figure_main(&remainder, argc, argv);
}
