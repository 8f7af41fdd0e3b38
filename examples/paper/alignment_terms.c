/* SPDX-License-Identifier: Apache-2.0 */

/* Figs. 2 and S2: how the alignment terms of single orders (eq. 4) stand to B^T, early and late in a run over the
 * orders, and over the iterations beside the update and the weights that they add up to; with and without a new order
 * of the data for each epoch of 60 iterations. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kit/figure.h"
#include "kit/orders.h"

enum { EARLY = 66, LATE = 1260 };

static const char *const names[] = {"unshuffled", "shuffled"};
enum { UNSHUFFLED, SHUFFLED, CONDITIONS };

static const digits_setup setups[CONDITIONS] = {
    {.rule = "fa", .eta = 0.0005, .order = FALIGN_ORDER_ONCE},
    {.rule = "fa", .eta = 0.0005, .order = FALIGN_ORDER_EPOCH},
};

/* ---- A run ---- */

static falign_status observe(figure_run *r, const digits_run *digits, orders_meter *m) {
  TRY(digits_keep_history(digits, 0, ORDERS_LONGEST, &m->terms));
  TRY(orders_observe(digits, m, figure_record, r));
  TRY(figure_observe(r, digits, "angle_dw_b", ORDERS_EVERY));
  return figure_observe(r, digits, "angle_w_b", ORDERS_EVERY);
}

static falign_status do_run(figure_run *r, digits_run *digits) {
  const uint64_t listed_at[] = {EARLY, LATE};
  orders_meter m = {.metric = "angle_t", .listed_at = listed_at, .listed_at_count = 2};
  falign_status status = observe(r, digits, &m);
  if (status == FALIGN_OK) status = figure_train(r, digits);
  falign_terms_destroy(m.terms);
  free(m.t);
  return status;
}

/* ---- The figure ---- */

/* The terms of all layers over the orders, at one iteration. */
static falign_status add_orders(const figure *f, const char *condition, int64_t iteration, plot_panel *panel) {
  char title[32];
  for (uint32_t l = 1; l < DIGITS_LAYERS; l++) {
    snprintf(title, sizeof title, "layer %" PRIu32, l);
    TRY(plot_add_orders(panel, f->table, (curve_key){condition, "angle_t", l, -1}, iteration, title,
                        (plot_style){.colour = l, .dash = l}));
  }
  return FALIGN_OK;
}

/* The terms of the first layer over the iterations, and what they add up to. */
static falign_status add_iterations(const figure *f, const char *condition, plot_panel *panel) {
  char title[32];
  for (size_t i = 0; i < ORDERS_TRACED; i++) {
    snprintf(title, sizeof title, "T, order %" PRIu64, orders_traced[i]);
    TRY(plot_add(panel, f->table, (curve_key){condition, "angle_t", 1, (int64_t)orders_traced[i]}, title,
                 (plot_style){.colour = i, .dash = i}));
  }
  TRY(plot_add(panel, f->table, (curve_key){condition, "angle_dw_b", 1, -1}, "dW",
               (plot_style){.colour = 5, .marked = true}));
  return plot_add(panel, f->table, (curve_key){condition, "angle_w_b", 1, -1}, "W",
                  (plot_style){.colour = 4, .dash = 1, .marked = true});
}

static falign_status fill(const figure *f, plot_panel panels[FIGURE_PANELS]) {
  static const char *const titles[CONDITIONS][3] = {
      {"Iteration 66", "Iteration 1260", "W[1] and its terms"},
      {"Iteration 66, data shuffled", "Iteration 1260, data shuffled", "W[1] and its terms, data shuffled"}};
  for (size_t c = 0; c < CONDITIONS; c++) {
    plot_panel *row = &panels[3 * c];
    for (size_t i = 0; i < 3; i++) {
      row[i] = (plot_panel){.title = titles[c][i],
                            .x_label = i < 2 ? "order of the alignment term" : "iteration",
                            .y_label = "angle with B[l]^T (degrees)"};
    }
    TRY(add_orders(f, names[c], EARLY, &row[0]));
    TRY(add_orders(f, names[c], LATE, &row[1]));
    TRY(add_iterations(f, names[c], &row[2]));
  }
  return FALIGN_OK;
}

int main(int argc, char **argv) {
  static const figure_program alignment_terms = {
      .name = "alignment_terms",
      .about = "Measures the alignment terms of single orders (Figs. 2, S2).",
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
  return figure_main(&alignment_terms, argc, argv);
}
