/* SPDX-License-Identifier: Apache-2.0 */

/* Fig. S7: how far a product of two random matrices turns away when each factor does (Note 1), which tells why the
 * updates of FA stand the further from BP's the earlier the layer. No network is trained. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/figure.h"

enum { ROWS = 30, INNER = 15, COLS = 40 }; /* B_2 is ROWS x INNER, B_1 INNER x COLS */
enum { DRAWS = 50000, CHUNK = 500 };       /* of a run, and at once */
enum { WIDTH = 5, BINS = 180 / WIDTH };    /* of a bin in degrees, and of either angle */
enum { ALL = -1 };                         /* in place of a bin: all draws */

static const char *const names[] = {"random"};
static const digits_setup setup = {0};

/* ---- Mean and variance of numbers as they come ---- */

typedef struct moments {
  double count, mean, squares; /* of distances from the mean */
} moments;

static void add(double value, moments *m) {
  if (isnan(value)) return;
  double distance = value - m->mean;
  m->count++;
  m->mean += distance / m->count;
  m->squares += distance * (value - m->mean);
}

static double mean(const moments *m) { return m->count > 0 ? m->mean : NAN; }
static double variance(const moments *m) { return m->count > 1 ? m->squares / (m->count - 1) : NAN; }

/* ---- A run ---- */

typedef struct bin {
  moments linear, nonlinear, difference; /* of theta_3, of eq. S1, of the second less the first */
} bin;

typedef struct bins {
  bin of[BINS][BINS], all; /* by theta_1 and theta_2 */
} bins;

static void add_draw(double linear, double nonlinear, bin *b) {
  add(linear, &b->linear);
  add(nonlinear, &b->nonlinear);
  add(nonlinear - linear, &b->difference);
}

/* The last bin has its upper edge, too. */
static size_t bin_of(double angle) {
  size_t i = (size_t)(angle / WIDTH);
  return i < BINS ? i : BINS - 1;
}

static falign_status draw_chunk(falign_product_angle *source, bins *b) {
  double theta_1[CHUNK], theta_2[CHUNK], theta_3[CHUNK], nonlinear[CHUNK];
  TRY(falign_product_angle_draw(source, CHUNK, theta_1, theta_2, theta_3, nonlinear));
  for (size_t i = 0; i < CHUNK; i++) {
    add_draw(theta_3[i], nonlinear[i], &b->of[bin_of(theta_1[i])][bin_of(theta_2[i])]);
    add_draw(theta_3[i], nonlinear[i], &b->all);
  }
  return FALIGN_OK;
}

static falign_status draw_all(figure_run *r, falign_product_angle *source, bins *b) {
  for (int done = 0; done < DRAWS; done += CHUNK) {
    if (figure_stopped(r, (double)done / DRAWS)) return fail(FALIGN_CANCELLED, "interrupted");
    TRY(draw_chunk(source, b));
  }
  return FALIGN_OK;
}

static falign_status record_bin(const figure_run *r, int64_t edge_1, int64_t edge_2, const bin *b) {
  const struct {
    const char *metric;
    double value;
  } rows[] = {
      {"draws", b->linear.count},
      {"theta_3_mean", mean(&b->linear)},
      {"theta_3_variance", variance(&b->linear)},
      {"theta_3_nonlinear_mean", mean(&b->nonlinear)},
      {"theta_3_nonlinear_variance", variance(&b->nonlinear)},
      {"theta_3_difference_mean", mean(&b->difference)},
      {"theta_3_difference_error", sqrt(variance(&b->difference) / b->difference.count)},
  };
  size_t count = edge_1 == ALL ? sizeof rows / sizeof rows[0] : sizeof rows / sizeof rows[0] - 2;
  for (size_t i = 0; i < count; i++) {
    const falign_value value = {-1, rows[i].metric, edge_1, edge_2, rows[i].value};
    TRY(falign_table_add(r->table, &value, NAN));
  }
  return FALIGN_OK;
}

static falign_status record(const figure_run *r, const bins *b) {
  TRY(record_bin(r, ALL, ALL, &b->all));
  for (size_t i = 0; i < BINS; i++) {
    for (size_t j = 0; j < BINS; j++) {
      TRY(record_bin(r, (int64_t)(WIDTH * i), (int64_t)(WIDTH * j), &b->of[i][j]));
    }
  }
  return FALIGN_OK;
}

static falign_status draw_and_record(figure_run *r, bins *b) {
  falign_product_angle *source;
  TRY(falign_product_angle_create(ROWS, INNER, COLS, r->figure->seed, r->number, &source));
  falign_status status = draw_all(r, source, b);
  falign_product_angle_destroy(source);
  return status == FALIGN_OK ? record(r, b) : status;
}

static falign_status do_run(figure_run *r, digits_run *digits) {
  (void)digits;
  bins *b = calloc(1, sizeof *b);
  if (b == NULL) return fail(FALIGN_MEMORY, "no memory for %d bins", BINS * BINS);
  falign_status status = draw_and_record(r, b);
  free(b);
  return status;
}

static falign_status describe(const figure *f, configuration *config) {
  (void)f;
  char shapes[64];
  snprintf(shapes, sizeof shapes, "%d x %d, %d x %d", ROWS, INNER, INNER, COLS);
  TRY(config_set_text(config, "shapes", shapes));
  TRY(config_set_integer(config, "draws", DRAWS));
  return config_set_integer(config, "bin-width", WIDTH);
}

/* ---- The figure ---- */

typedef struct view {
  const char *metric, *title, *label;
  bool contours;
} view;

static const view views[] = {
    {"theta_3_mean", "A: mean of theta_3", "degrees", true},
    {"theta_3_variance", "B: variance of theta_3", "squared degrees", false},
    {"theta_3_nonlinear_mean", "C: mean of theta_3, nonlinear", "degrees", true},
    {"theta_3_nonlinear_variance", "D: variance of theta_3, nonlinear", "squared degrees", false},
};
enum { VIEWS = sizeof views / sizeof views[0] };

/* Takes the mean over the runs of each bin; row i of the values is of one theta_2. */
static falign_status average(const falign_table *table, const char *metric, double *values) {
  moments of[BINS * BINS] = {0};
  for (size_t i = 0; i < falign_table_rows(table); i++) {
    falign_row row;
    TRY(falign_table_row(table, i, &row));
    int64_t edge_1 = row.value.layer, edge_2 = row.value.order;
    if (edge_1 == ALL || strcmp(row.value.name, metric) != 0) continue;
    add(row.value.value, &of[edge_2 / WIDTH * BINS + edge_1 / WIDTH]);
  }
  for (size_t i = 0; i < BINS * BINS; i++) values[i] = mean(&of[i]);
  return FALIGN_OK;
}

static falign_status fill(const figure *f, plot_panel panels[FIGURE_PANELS]) {
  const double middle = WIDTH / 2.0;
  for (size_t i = 0; i < VIEWS; i++) {
    panels[i] = (plot_panel){.title = views[i].title, .x_label = "theta_1 (degrees)", .y_label = "theta_2 (degrees)"};
    TRY(plot_add_grid(&panels[i], (plot_grid){.rows = BINS,
                                              .columns = BINS,
                                              .x_first = middle,
                                              .x_step = WIDTH,
                                              .y_first = middle,
                                              .y_step = WIDTH,
                                              .label = views[i].label,
                                              .contours = views[i].contours}));
    TRY(average(f->table, views[i].metric, panels[i].grid.values));
  }
  return FALIGN_OK;
}

int main(int argc, char **argv) {
  static const figure_program product_angle = {
      .name = "product_angle",
      .about = "Draws products of random matrices and the angles between them (Fig. S7).",
      .conditions = names,
      .setups = &setup,
      .condition_count = 1,
      .runs = 10,
      .quick_runs = 2,
      .run = do_run,
      .describe = describe,
      .fill = fill,
  };
  return figure_main(&product_angle, argc, argv);
}
