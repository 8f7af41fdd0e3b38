/* SPDX-License-Identifier: Apache-2.0 */

/* The claim of section 2.3.6, put to a test: points of one category that are more alike than points of two (eq. 12)
 * make weights align. On synthetic data the gap between both similarities is set, above three levels of the latter, so
 * that gap and level can be told apart. */

#include <inttypes.h>
#include <stdio.h>

#include "kit/figure.h"

enum { EARLY = 66, FIRST_LOOK = 60, SECOND_LOOK = 300 };

static const double levels[] = {0, 0.2, 0.4};               /* similarity between categories */
static const double gaps[] = {0, 0.05, 0.1, 0.2, 0.3, 0.6}; /* of that within them above it */
enum {
  MIDDLE = 1,
  LEVELS = sizeof levels / sizeof levels[0],
  GAPS = sizeof gaps / sizeof gaps[0],
  CONDITIONS = LEVELS * GAPS
};

/* Conditions, those of one level one after the other; see make_conditions(). */
static char texts[CONDITIONS][64];
static const char *names[CONDITIONS];
static data_synthetic data[CONDITIONS];
static digits_setup setups[CONDITIONS];

static void make_conditions(void) {
  for (size_t c = 0; c < CONDITIONS; c++) {
    double level = levels[c / GAPS], gap = gaps[c % GAPS];
    snprintf(texts[c], sizeof texts[c], "gap-%g-above-%g", gap, level);
    names[c] = texts[c];
    data[c] = (data_synthetic){.within = level + gap, .between = level};
    setups[c] = (digits_setup){.rule = "fa", .eta = 0.0005, .order = FALIGN_ORDER_ONCE, .data = &data[c]};
  }
}

/* ---- The alignment term of order 1, as a metric ---- */

static falign_status measure(void *user, falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                             void *emit_user) {
  falign_terms *terms = user;
  int64_t k = (int64_t)falign_trainer_iteration(trainer);
  const uint64_t order = 1;
  const falign_orders orders = {.list = &order, .count = 1};
  double numbers[DIGITS_WIDTH * DIGITS_WIDTH];
  falign_matrix t = falign_matrix_f64(numbers, DIGITS_WIDTH, DIGITS_WIDTH);
  falign_view measured = falign_view_of(t);
  for (uint32_t l = 1; l < DIGITS_LAYERS; l++) {
    falign_comparison with_b;
    TRY(falign_terms_get(terms, trace, FALIGN_TERM, l, &orders, &t));
    TRY(falign_terms_compare(terms, trace, l, &measured, &with_b));
    const falign_value angle = {k, "angle_t", l, (int64_t)order, with_b.angle};
    TRY(emit(emit_user, &angle));
  }
  return FALIGN_OK;
}

/* ---- A run ---- */

static falign_status observe_term(figure_run *r, const digits_run *digits, falign_terms *terms) {
  static const falign_metric_table table = {
      .size = sizeof table, .name = "angle_t", .needs = FALIGN_NEEDS_ACTIVITY, .measure = measure};
  const uint64_t early = EARLY;
  falign_metric *metric;
  TRY(falign_metric_create_custom(&table, terms, &metric));
  return digits_observe_at(digits, metric, &early, 1, figure_record, r);
}

/* The mean similarities of batches EARLY - 1 and EARLY, and so on. */
static falign_status observe_similarity(figure_run *r, const digits_run *digits) {
  falign_metric *metric;
  TRY(falign_metric_create_similarity(digits->train, 1, &metric));
  return digits_observe(digits, metric, EARLY, figure_record, r);
}

static falign_status observe_weights(figure_run *r, const digits_run *digits) {
  const uint64_t looks[] = {0, FIRST_LOOK, SECOND_LOOK};
  falign_metric *metric;
  TRY(falign_metric_create("angle_w_b", &metric));
  TRY(digits_observe_at(digits, metric, looks, sizeof looks / sizeof looks[0], figure_record, r));
  TRY(falign_metric_create_test_error(digits->test, &metric));
  return digits_observe(digits, metric, r->per_epoch, figure_record, r);
}

static falign_status do_run(figure_run *r, digits_run *digits) {
  falign_terms *terms;
  TRY(digits_keep_history(digits, 0, 1, &terms));
  falign_status status = observe_term(r, digits, terms);
  if (status == FALIGN_OK) status = observe_similarity(r, digits);
  if (status == FALIGN_OK) status = observe_weights(r, digits);
  if (status == FALIGN_OK) status = figure_train(r, digits);
  if (status == FALIGN_OK) status = falign_trainer_measure(digits->trainer);
  falign_terms_destroy(terms);
  return status;
}

/* ---- The figure ---- */

enum { LAST = -1 };

/* A metric at one iteration, or the last, over the gaps above a level. */
static falign_status add_gaps(const figure *f, size_t level, curve_key key, int64_t iteration, const char *title,
                              plot_style style, plot_panel *panel) {
  curve all = {0};
  falign_status status = FALIGN_OK;
  for (size_t g = 0; g < GAPS && status == FALIGN_OK; g++) {
    key.condition = names[level * GAPS + g];
    status = iteration == LAST ? curve_add_last(f->table, key, gaps[g], &all)
                               : curve_add_at(f->table, key, iteration, gaps[g], &all);
  }
  plot_add_curve(panel, all, title, style);
  return status;
}

/* Of all layers, above the level in the middle. */
static falign_status add_layers(const figure *f, const char *metric, int64_t order, int64_t iteration,
                                plot_panel *panel) {
  char title[32];
  for (uint32_t l = 1; l < DIGITS_LAYERS; l++) {
    snprintf(title, sizeof title, "layer %" PRIu32, l);
    TRY(add_gaps(f, MIDDLE, (curve_key){NULL, metric, l, order}, iteration, title,
                 (plot_style){.colour = l, .dash = l, .marked = true}, panel));
  }
  return FALIGN_OK;
}

/* Above all levels; with marks at the last iteration. */
static falign_status add_levels(const figure *f, const char *metric, int64_t layer, int64_t iteration,
                                plot_panel *panel) {
  char title[48];
  for (size_t i = 0; i < LEVELS; i++) {
    snprintf(title, sizeof title, "above %g, %s", levels[i], iteration == LAST ? "last" : "early");
    TRY(add_gaps(f, i, (curve_key){NULL, metric, layer, -1}, iteration, title,
                 (plot_style){.colour = i, .dash = i, .marked = iteration == LAST}, panel));
  }
  return FALIGN_OK;
}

static falign_status fill(const figure *f, plot_panel panels[FIGURE_PANELS]) {
  static const char *const titles[FIGURE_PANELS] = {
      "W[l] with B[l]^T, iteration 60", "iteration 300", "last iteration", "T of order 1, iteration 66",
      "W[1] above several levels",      "test error"};
  for (size_t i = 0; i < FIGURE_PANELS; i++) {
    panels[i] = (plot_panel){.title = titles[i],
                             .x_label = "similarity gap",
                             .y_label = i < 5 ? "angle with B[l]^T (degrees)" : "test error (%)"};
  }
  TRY(add_layers(f, "angle_w_b", -1, FIRST_LOOK, &panels[0]));
  TRY(add_layers(f, "angle_w_b", -1, SECOND_LOOK, &panels[1]));
  TRY(add_layers(f, "angle_w_b", -1, LAST, &panels[2]));
  TRY(add_layers(f, "angle_t", 1, EARLY, &panels[3]));
  TRY(add_levels(f, "angle_w_b", 1, FIRST_LOOK, &panels[4]));
  TRY(add_levels(f, "angle_w_b", 1, LAST, &panels[4]));
  return add_levels(f, "test_error", -1, LAST, &panels[5]);
}

int main(int argc, char **argv) {
  static const figure_program similarity_gap = {
      .name = "similarity_gap",
      .about = "Trains by FA on data whose similarity within and between categories is set (beyond the paper).",
      .conditions = names,
      .setups = setups,
      .condition_count = CONDITIONS,
      .runs = 5,
      .epochs = 10,
      .quick_runs = 1,
      .quick_epochs = 2,
      .run = do_run,
      .fill = fill,
  };
  make_conditions();
  return figure_main(&similarity_gap, argc, argv);
}
