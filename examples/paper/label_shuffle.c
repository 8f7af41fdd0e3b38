/* SPDX-License-Identifier: Apache-2.0 */

/* Fig. 6 and section 2.3.6: a fraction of the training labels is random, so that points of one category are no longer
 * more alike than others. The more labels are random, the later and the less weights align. Where all are, alignment
 * terms align only at the lag of an epoch, at which errors and outputs repeat themselves. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kit/figure.h"
#include "kit/histogram.h"
#include "kit/orders.h"

enum { EARLY = 66, LATE = 1260, LOG_EVERY = 20, POINTS = 10000 };

static const char *const names[] = {"0", "20", "40", "60", "80", "100"}; /* percent */
enum { NONE = 0, ALL = 5, CONDITIONS = 6 };

#define SHUFFLED(fraction) \
  { .rule = "fa", .eta = 0.0005, .order = FALIGN_ORDER_ONCE, .label_shuffle = fraction }
static const digits_setup setups[CONDITIONS] = {SHUFFLED(0),   SHUFFLED(0.2), SHUFFLED(0.4),
                                                SHUFFLED(0.6), SHUFFLED(0.8), SHUFFLED(1)};

static const uint64_t listed_at[] = {EARLY, LATE};

/* Of S_L of the inputs; an image's dot product with itself is 23 on average. */
static const histogram inputs = {
    .metric = "pairs_s_l", .quantity = FALIGN_SIMILARITY_L, .low = 0, .width = 1, .bins = 64};

/* ---- Similarity of inputs ---- */

/* The first inputs of the run's order and the labels it gives them. */
typedef struct points {
  float *x;
  float *nothing; /* in the place of errors, which the inputs have none of */
  uint32_t *labels;
  size_t count, width;
} points;

static falign_status make_points(const digits_run *digits, points *p) {
  const falign_batches_shape *shape = falign_batches_get_shape(digits->train);
  p->count = shape->points < POINTS ? shape->points - shape->points % shape->size : POINTS;
  p->width = shape->input_width;
  p->x = malloc(p->count * p->width * sizeof *p->x);
  p->nothing = calloc(p->count, sizeof *p->nothing);
  p->labels = malloc(p->count * sizeof *p->labels);
  bool made = p->x != NULL && p->nothing != NULL && p->labels != NULL;
  return made ? FALIGN_OK : fail(FALIGN_MEMORY, "no memory for %zu points", p->count);
}

static falign_status read_points(const digits_run *digits, points *p) {
  size_t rows = falign_batches_get_shape(digits->train)->size;
  for (size_t first = 0; first < p->count; first += rows) {
    uint64_t k = first / rows;
    falign_matrix x = falign_matrix_f32(p->x + first * p->width, rows, p->width);
    TRY(falign_batches_get(digits->train, k, &x, NULL));
    TRY(falign_batches_points_of(digits->train, k, NULL, p->labels + first, rows));
  }
  return FALIGN_OK;
}

static falign_status set_sides(falign_similarity *similarity, const points *p) {
  falign_view x = falign_view_f32(p->x, p->count, p->width), nothing = falign_view_f32(p->nothing, p->count, 1);
  for (int32_t side = FALIGN_SIDE_PAST; side <= FALIGN_SIDE_PRESENT; side++) {
    TRY(falign_similarity_set_side(similarity, side, &x, &nothing, p->labels));
  }
  return FALIGN_OK;
}

static falign_status record_points(figure_run *r, const points *p) {
  falign_similarity *similarity;
  TRY(falign_similarity_create(FALIGN_F32, p->width, 1, DIGITS_CATEGORIES, &similarity));
  falign_status status = set_sides(similarity, p);
  if (status == FALIGN_OK) status = histogram_record(r, similarity, &inputs, 0, 0);
  falign_similarity_destroy(similarity);
  return status;
}

static falign_status record_inputs(figure_run *r, const digits_run *digits) {
  points p = {0};
  falign_status status = make_points(digits, &p);
  if (status == FALIGN_OK) status = read_points(digits, &p);
  if (status == FALIGN_OK) status = record_points(r, &p);
  free(p.x);
  free(p.nothing);
  free(p.labels);
  return status;
}

/* ---- A run ---- */

static falign_status observe(figure_run *r, const digits_run *digits, orders_meter *m) {
  falign_metric *metric;
  TRY(falign_metric_create_test_error(digits->test, &metric));
  TRY(digits_observe(digits, metric, r->per_epoch, figure_record, r));
  TRY(figure_observe(r, digits, "angle_w_b", LOG_EVERY));
  if (r->condition != NONE && r->condition != ALL) return FALIGN_OK;
  TRY(record_inputs(r, digits));
  TRY(digits_keep_history(digits, 0, ORDERS_LONGEST, &m->terms));
  return orders_observe(digits, m, figure_record, r);
}

static falign_status do_run(figure_run *r, digits_run *digits) {
  orders_meter m = {.metric = "angle_t", .listed_at = listed_at, .listed_at_count = 2};
  falign_status status = observe(r, digits, &m);
  if (status == FALIGN_OK) status = figure_train(r, digits);
  if (status == FALIGN_OK) status = falign_trainer_measure(digits->trainer);
  falign_terms_destroy(m.terms);
  free(m.t);
  return status;
}

/* ---- The figure ---- */

/* A metric over the epochs, for each fraction. */
static falign_status add_fractions(const figure *f, const char *metric, int64_t layer, plot_panel *panel) {
  char title[32];
  panel->by_epoch = true;
  for (size_t c = 0; c < CONDITIONS; c++) {
    snprintf(title, sizeof title, "%s %%", names[c]);
    TRY(plot_add(panel, f->table, (curve_key){names[c], metric, layer, -1}, title,
                 (plot_style){.colour = c, .dash = c, .marked = c == ALL}));
  }
  return FALIGN_OK;
}

/* Terms over the orders with all labels shuffled, and those of the first layer with none. */
static falign_status add_orders(const figure *f, uint64_t iteration, plot_panel *panel) {
  char title[32];
  for (uint32_t l = 1; l < DIGITS_LAYERS; l++) {
    snprintf(title, sizeof title, "layer %" PRIu32, l);
    TRY(plot_add_orders(panel, f->table, (curve_key){names[ALL], "angle_t", l, -1}, (int64_t)iteration, title,
                        (plot_style){.colour = l, .dash = l}));
  }
  return plot_add_orders(panel, f->table, (curve_key){names[NONE], "angle_t", 1, -1}, (int64_t)iteration,
                         "layer 1, true labels", (plot_style){.colour = 1, .dash = 1, .marked = true});
}

static falign_status add_inputs(const figure *f, plot_panel *panel) {
  static const size_t conditions[] = {NONE, ALL};
  static const char *const titles[][2] = {{"within, true labels", "between, true labels"},
                                          {"within, shuffled", "between, shuffled"}};
  for (size_t i = 0; i < 2; i++) {
    const char *name = names[conditions[i]];
    TRY(histogram_draw(f, name, inputs.metric, "within", 0, 0, titles[i][0], (plot_style){.colour = 1, .dash = 2 * i},
                       panel));
    TRY(histogram_draw(f, name, inputs.metric, "between", 0, 0, titles[i][1],
                       (plot_style){.colour = 0, .dash = 2 * i + 1}, panel));
  }
  return FALIGN_OK;
}

static falign_status fill(const figure *f, plot_panel panels[FIGURE_PANELS]) {
  panels[0] = (plot_panel){.title = "W[1] with B[1]^T", .x_label = "epoch", .y_label = "angle (degrees)"};
  panels[1] = (plot_panel){.title = "W[4] with B[4]^T", .x_label = "epoch", .y_label = "angle (degrees)"};
  panels[2] = (plot_panel){.title = "Test error", .x_label = "epoch", .y_label = "test error (%)"};
  panels[3] = (plot_panel){.title = "100 %, iteration 66",
                           .x_label = "order of the alignment term",
                           .y_label = "angle with B[l]^T (degrees)"};
  panels[4] = panels[3];
  panels[4].title = "100 %, iteration 1260";
  panels[5] = (plot_panel){
      .title = "Similarity of inputs", .x_label = "dot product of two inputs", .y_label = "share of the pairs"};
  TRY(add_fractions(f, "angle_w_b", 1, &panels[0]));
  TRY(add_fractions(f, "angle_w_b", DIGITS_LAYERS - 1, &panels[1]));
  TRY(add_fractions(f, "test_error", -1, &panels[2]));
  TRY(add_orders(f, EARLY, &panels[3]));
  TRY(add_orders(f, LATE, &panels[4]));
  return add_inputs(f, &panels[5]);
}

int main(int argc, char **argv) {
  static const figure_program label_shuffle = {
      .name = "label_shuffle",
      .about = "Trains by FA on labels of which a fraction is random (Fig. 6).",
      .conditions = names,
      .setups = setups,
      .condition_count = CONDITIONS,
      .runs = 10,
      .epochs = 100,
      .quick_runs = 2,
      .quick_epochs = 3,
      .run = do_run,
      .fill = fill,
  };
  return figure_main(&label_shuffle, argc, argv);
}
