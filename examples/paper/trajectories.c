/* SPDX-License-Identifier: Apache-2.0 */

/* Figs. 7C and 7F: the paths of two networks that start alike through the space of all weights and biases, seen in the
 * plane of their first two principal components, over the loss there. FA goes elsewhere than BP, and FA with weight
 * normalization elsewhere than without. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kit/figure.h"
#include "kit/matrix.h"

enum {
  TAKEN_EVERY = 3,  /* iterations between two points of a path */
  ARROW_EVERY = 25, /* points between two arrows */
  SIDE = 40,        /* of the grid of losses */
  PLANE = 2
};
static const double reach = 20;         /* the grid goes from -reach to reach */
static const double arrow_length = 1.5; /* in the plane */

/* The second network of each pair; the first learns by FA. */
static const char *const names[] = {"fa-and-bp", "fa-and-normalized"};
enum { WITH_BP, WITH_NORMALIZED, CONDITIONS };

static const digits_setup setups[CONDITIONS] = {{.rule = "bp", .eta = 0.0005},
                                                {.rule = "fa", .eta = 0.0005, .gamma = 1}};
static const digits_setup first_setup = {.rule = "fa", .eta = 0.0005};

/* ---- Points and updates on the way ---- */

/* Two paths, and the directions of FA's and BP's updates at some of their points. */
typedef struct paths {
  falign_trajectory *points;
  falign_trajectory *fa_updates, *bp_updates; /* at each ARROW_EVERY-th point */
  size_t first_count;                         /* points of the first path */
} paths;

/* A direction in the order of a trajectory's coordinates: W[0], b[1], W[1], ... */
static falign_status flatten(const falign_trace *trace, falign_quantity w, falign_quantity b, float *out) {
  for (uint32_t l = 0; l < DIGITS_LAYERS; l++) {
    falign_view weights, biases;
    TRY(falign_trace_view(trace, w, l, &weights));
    TRY(falign_trace_view(trace, b, l + 1, &biases));
    view_copy_f32(&weights, out);
    out += weights.rows * weights.cols;
    view_copy_f32(&biases, out);
    out += biases.cols;
  }
  return FALIGN_OK;
}

static falign_status add_update(const falign_trace *trace, falign_quantity w, falign_quantity b,
                                falign_trajectory *updates) {
  falign_view others;
  TRY(falign_trajectory_view(updates, &others));
  float *numbers = malloc(others.cols * sizeof *numbers);
  if (numbers == NULL) return fail(FALIGN_MEMORY, "no memory for an update");
  falign_view direction = falign_view_f32(numbers, 1, others.cols);
  falign_status status = flatten(trace, w, b, numbers);
  if (status == FALIGN_OK) status = falign_trajectory_add(updates, &direction);
  free(numbers);
  return status;
}

/* Where a network is in the space of its parameters. */
static falign_status add_point(const falign_network *network, paths *p) {
  falign_view parameters;
  TRY(falign_network_view(network, FALIGN_PARAMETERS, 0, &parameters));
  return falign_trajectory_add(p->points, &parameters);
}

static falign_status take_point(void *user, falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                                void *emit_user) {
  (void)trace, (void)emit, (void)emit_user;
  return add_point(falign_trainer_network(trainer), user);
}

/* What the rule adds, and what BP would add from the same weights. */
static falign_status take_updates(void *user, falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                                  void *emit_user) {
  paths *p = user;
  (void)trainer, (void)emit, (void)emit_user;
  TRY(add_update(trace, FALIGN_DW, FALIGN_DB, p->fa_updates));
  return add_update(trace, FALIGN_DW_BP, FALIGN_DB_BP, p->bp_updates);
}

static falign_status observe(const digits_run *digits, paths *p) {
  const falign_metric_table point = {.size = sizeof point, .name = "point", .measure = take_point};
  const falign_metric_table updates = {
      .size = sizeof updates, .name = "updates", .needs = FALIGN_NEEDS_STEP | FALIGN_NEEDS_BP, .measure = take_updates};
  falign_metric *metric;
  TRY(falign_metric_create_custom(&point, p, &metric));
  TRY(digits_observe(digits, metric, TAKEN_EVERY, figure_record, NULL));
  TRY(falign_metric_create_custom(&updates, p, &metric));
  return digits_observe(digits, metric, TAKEN_EVERY * ARROW_EVERY, figure_record, NULL);
}

static falign_status train(figure_run *r, const digits_run *digits, paths *p) {
  TRY(observe(digits, p));
  TRY(figure_train(r, digits));
  return add_point(digits->network, p);
}

static falign_status make_paths(const falign_network *network, paths *p) {
  size_t numbers = falign_network_parameters(network);
  TRY(falign_trajectory_create(FALIGN_F32, numbers, &p->points));
  TRY(falign_trajectory_create(FALIGN_F32, numbers, &p->fa_updates));
  return falign_trajectory_create(FALIGN_F32, numbers, &p->bp_updates);
}

static void release_paths(paths *p) {
  falign_trajectory_destroy(p->points);
  falign_trajectory_destroy(p->fa_updates);
  falign_trajectory_destroy(p->bp_updates);
}

/* ---- In the plane ---- */

/* A place in the plane; `order` tells which path it is of, or which point of the grid. */
static falign_status record_place(figure_run *r, uint64_t iteration, const char *what, int64_t order,
                                  const double place[PLANE]) {
  char metric[32];
  for (int i = 0; i < PLANE; i++) {
    snprintf(metric, sizeof metric, "%s_pc%d", what, i + 1);
    TRY(figure_add(r, iteration, metric, -1, order, place[i]));
  }
  return FALIGN_OK;
}

/* Projects the points or directions of a trajectory, one to each of the places. */
static falign_status project(const falign_components *components, const falign_trajectory *from, bool directions,
                             double (*places)[PLANE]) {
  falign_view all;
  TRY(falign_trajectory_view(from, &all));
  falign_matrix coordinates = falign_matrix_f64(places[0], all.rows, PLANE);
  return directions ? falign_components_project_direction(components, &all, &coordinates)
                    : falign_components_project(components, &all, &coordinates);
}

static size_t count_points(const falign_trajectory *trajectory) {
  falign_view all = {0};
  return falign_trajectory_view(trajectory, &all) == FALIGN_OK ? all.rows : 0;
}

/* The places of both paths, in the order of the iterations. */
static falign_status record_paths(figure_run *r, const falign_components *components, const paths *p,
                                  double (*places)[PLANE]) {
  TRY(project(components, p->points, false, places));
  size_t count = count_points(p->points);
  for (size_t i = 0; i < count; i++) {
    bool second = i >= p->first_count;
    uint64_t step = second ? i - p->first_count : i, k = step * TAKEN_EVERY, last = figure_updates(r);
    TRY(record_place(r, k < last ? k : last, "path", second, places[i]));
  }
  return FALIGN_OK;
}

/* The updates as directions in the plane, for the arrows of both paths. */
static falign_status record_updates(figure_run *r, const falign_components *components, const char *what,
                                    const falign_trajectory *updates, double (*places)[PLANE]) {
  size_t half = count_points(updates) / 2;
  TRY(project(components, updates, true, places));
  for (size_t i = 0; i < 2 * half; i++) {
    bool second = i >= half;
    uint64_t arrow = second ? i - half : i;
    TRY(record_place(r, arrow * TAKEN_EVERY * ARROW_EVERY, what, second, places[i]));
  }
  return FALIGN_OK;
}

static falign_status record_components(figure_run *r, const falign_components *components, const digits_run *runs[2]) {
  falign_view explained;
  TRY(falign_components_view(components, FALIGN_COMPONENT_EXPLAINED, &explained));
  const double *shares = explained.data;
  for (size_t i = 0; i < PLANE; i++) TRY(figure_add(r, 0, "explained", -1, (int64_t)i + 1, shares[i]));
  for (size_t i = 0; i < 2; i++) {
    double place[PLANE];
    falign_matrix coordinates = falign_matrix_f64(place, 1, PLANE);
    if (falign_rule_feedback(runs[i]->rule) != FALIGN_FEEDBACK_LAYER) continue;
    TRY(falign_components_project_feedback(components, runs[i]->network, runs[i]->rule, &coordinates));
    TRY(record_place(r, 0, "feedback", (int64_t)i, place));
  }
  return FALIGN_OK;
}

/* ---- The loss in the plane ---- */

static size_t grid_side(const figure *f) { return f->quick ? SIDE / 2 : SIDE; }
static double grid_step(const figure *f) { return 2 * reach / (double)(grid_side(f) - 1); }

static int32_t show_grid(void *user, uint64_t done, uint64_t total) {
  return figure_stopped(user, (double)done / (double)total);
}

/* Whether the loss is nowhere less beside a point that is not at the edge. */
static bool is_minimum(const double *loss, size_t side, size_t row, size_t column) {
  if (row == 0 || column == 0 || row + 1 == side || column + 1 == side) return false;
  for (size_t i = row - 1; i <= row + 1; i++) {
    for (size_t j = column - 1; j <= column + 1; j++) {
      if (loss[i * side + j] < loss[row * side + column]) return false;
    }
  }
  return true;
}

/* |E|_F / 2 at each place of the grid, by row and column, and the minima. */
static falign_status record_losses(figure_run *r, const double *axis, const double *loss, size_t side) {
  int64_t minima = 0;
  for (size_t row = 0; row < side; row++) {
    for (size_t column = 0; column < side; column++) {
      double e = sqrt(2 * loss[row * side + column]);
      TRY(figure_add(r, 0, "half_norm_e", (int64_t)row, (int64_t)column, e / 2));
      if (!is_minimum(loss, side, row, column)) continue;
      TRY(record_place(r, 0, "minimum", minima++, (const double[]){axis[column], axis[row]}));
    }
  }
  return FALIGN_OK;
}

static falign_status record_grid(figure_run *r, const falign_components *components, const digits_run *digits) {
  falign_batches *data = r->figure->quick ? digits->test : digits->train;
  size_t side = grid_side(r->figure);
  double axis[SIDE], *loss = malloc(side * side * sizeof *loss);
  if (loss == NULL) return fail(FALIGN_MEMORY, "no memory for the grid of losses");
  for (size_t i = 0; i < side; i++) axis[i] = -reach + (double)i * grid_step(r->figure);
  const falign_grid grid = {.a = 0,
                            .b = 1,
                            .x = axis,
                            .x_count = side,
                            .y = axis,
                            .y_count = side,
                            .threads = r->threads,
                            .progress = show_grid,
                            .user = r};
  falign_matrix losses = falign_matrix_f64(loss, side, side);
  falign_status status = falign_components_loss_grid(components, digits->network, data, &grid, &losses);
  if (status == FALIGN_OK) status = record_losses(r, axis, loss, side);
  free(loss);
  return status;
}

/* ---- A run ---- */

static falign_status record_plane(figure_run *r, const paths *p, const digits_run *runs[2]) {
  falign_components *components;
  double(*places)[PLANE] = malloc(count_points(p->points) * sizeof *places); /* updates are fewer than points */
  if (places == NULL) return fail(FALIGN_MEMORY, "no memory for the places of %zu points", count_points(p->points));
  falign_status status = falign_components_create(p->points, PLANE, &components);
  if (status == FALIGN_OK) {
    status = record_paths(r, components, p, places);
    if (status == FALIGN_OK) status = record_updates(r, components, "fa_update", p->fa_updates, places);
    if (status == FALIGN_OK) status = record_updates(r, components, "bp_update", p->bp_updates, places);
    if (status == FALIGN_OK) status = record_components(r, components, runs);
    if (status == FALIGN_OK) status = record_grid(r, components, runs[0]);
    falign_components_destroy(components);
  }
  free(places);
  return status;
}

/* Both networks, one after the other, then the plane. */
static falign_status follow(figure_run *r, const digits_run *first, const digits_run *second, paths *p) {
  const digits_run *runs[2] = {first, second};
  TRY(make_paths(first->network, p));
  r->part = 0.25;
  TRY(train(r, first, p));
  p->first_count = count_points(p->points);
  r->begun = 0.25;
  TRY(train(r, second, p));
  r->begun = r->part = 0.5;
  return record_plane(r, p, runs);
}

static falign_status do_run(figure_run *r, digits_run *second) {
  const figure *f = r->figure;
  digits_run first;
  paths p = {0};
  falign_status status = digits_make(&first_setup, f->train, f->test, f->seed, r->number, r->threads, &first);
  if (status == FALIGN_OK) status = follow(r, &first, second, &p);
  release_paths(&p);
  digits_release(&first);
  return status;
}

static falign_status describe(const figure *f, configuration *config) {
  TRY(digits_describe(&first_setup, "first.", config));
  if (f->quick) TRY(config_set_text(config, "quick", "yes"));
  TRY(config_set_real(config, "grid-reach", reach));
  TRY(config_set_integer(config, "grid-side", (int64_t)grid_side(f)));
  return config_set_text(config, "grid-data", f->quick ? "test" : "training");
}

/* ---- The figure ---- */

/* Places that are rows of one order, or where that is -1 of all orders at iteration 0. */
static falign_status gather_places(const falign_table *table, const char *condition, const char *what, int64_t order,
                                   curve *out) {
  char metrics[PLANE][32];
  curve axis[PLANE] = {0};
  falign_status status = FALIGN_OK;
  for (int i = 0; i < PLANE && status == FALIGN_OK; i++) {
    snprintf(metrics[i], sizeof metrics[i], "%s_pc%d", what, i + 1);
    const curve_key key = {.condition = condition, .metric = metrics[i], .layer = -1, .order = order};
    status = order < 0 ? curve_gather_orders(table, key, 0, &axis[i]) : curve_gather(table, key, &axis[i]);
  }
  *out = (curve){0};
  for (size_t i = 0; i < axis[0].count && i < axis[1].count && status == FALIGN_OK; i++) {
    status = curve_add(axis[0].points[i].mean, axis[1].points[i].mean, out);
  }
  for (int i = 0; i < PLANE; i++) curve_free(&axis[i]);
  return status;
}

static falign_status add_places(const falign_table *table, const char *condition, const char *what, int64_t order,
                                const char *title, plot_style style, plot_panel *panel) {
  curve places;
  TRY(gather_places(table, condition, what, order, &places));
  style.shape = PLOT_PATH;
  plot_add_curve(panel, places, title, style);
  return FALIGN_OK;
}

/* Whether there is room for an arrow from a place beside the last one. */
static bool has_room(const curve *arrows, const curve_point *from) {
  if (arrows->count == 0) return true;
  const curve_point *last = &arrows->points[arrows->count - 2];
  return hypot(from->x - last->x, from->mean - last->mean) > arrow_length;
}

/* From places of a path, all arrows of one length. */
static falign_status join_arrows(const curve *path, const curve *directions, curve *out) {
  for (size_t i = 0; i < directions->count && i * ARROW_EVERY < path->count; i++) {
    const curve_point *from = &path->points[i * ARROW_EVERY], *to = &directions->points[i];
    double scale = arrow_length / hypot(to->x, to->mean);
    if (!has_room(out, from)) continue;
    TRY(curve_add(from->x, from->mean, out));
    TRY(curve_add(from->x + scale * to->x, from->mean + scale * to->mean, out));
  }
  return FALIGN_OK;
}

static falign_status add_arrows(const falign_table *table, const char *condition, const char *what, int64_t order,
                                const char *title, size_t colour, plot_panel *panel) {
  curve path, directions = {0}, arrows = {0};
  TRY(gather_places(table, condition, "path", order, &path));
  falign_status status = gather_places(table, condition, what, order, &directions);
  if (status == FALIGN_OK) status = join_arrows(&path, &directions, &arrows);
  curve_free(&path);
  curve_free(&directions);
  plot_add_curve(panel, arrows, title, (plot_style){.colour = colour, .shape = PLOT_ARROWS});
  return status;
}

static falign_status add_losses(const figure *f, const falign_table *table, const char *condition, plot_panel *panel) {
  size_t side = grid_side(f);
  TRY(plot_add_grid(panel, (plot_grid){.rows = side,
                                       .columns = side,
                                       .x_first = -reach,
                                       .y_first = -reach,
                                       .x_step = grid_step(f),
                                       .y_step = grid_step(f),
                                       .label = "|E|_F / 2",
                                       .contours = true}));
  for (size_t row = 0; row < side; row++) {
    const curve_key key = {condition, "half_norm_e", (int64_t)row, -1};
    curve values;
    TRY(curve_gather_orders(table, key, 0, &values));
    for (size_t i = 0; i < values.count && i < side; i++) panel->grid.values[row * side + i] = values.points[i].mean;
    curve_free(&values);
  }
  return FALIGN_OK;
}

static falign_status fill_panel(const figure *f, const falign_table *table, size_t c, plot_panel *panel) {
  enum { ORANGE = 0, GREEN = 2, BLACK = 4, CYAN = 5 };
  const char *name = names[c];
  TRY(add_losses(f, table, name, panel));
  for (int64_t i = 0; i < 2; i++) {
    bool learns_by_fa = c == WITH_NORMALIZED || i == 0;
    if (learns_by_fa) TRY(add_arrows(table, name, "fa_update", i, i == 0 ? "FA's update" : "", CYAN, panel));
    TRY(add_arrows(table, name, "bp_update", i, i == 0 ? "BP's update" : "", BLACK, panel));
  }
  TRY(add_places(table, name, "path", 0, "FA", (plot_style){.colour = ORANGE}, panel));
  TRY(add_places(table, name, "path", 1, c == WITH_BP ? "BP" : "FA, normalized",
                 (plot_style){.colour = GREEN, .dash = 1}, panel));
  TRY(add_places(table, name, "feedback", -1, "B", (plot_style){.colour = ORANGE, .dash = 1, .marked = true}, panel));
  return add_places(table, name, "minimum", -1, "minimum", (plot_style){.colour = BLACK, .dash = 3, .marked = true},
                    panel);
}

/* The rows of run 0: the planes of others are others. */
static falign_status take_first_run(const falign_table *all, falign_table **out) {
  TRY(falign_table_create(FALIGN_F32, "condition", out));
  falign_table_set_run(*out, 0);
  for (size_t i = 0; i < falign_table_rows(all); i++) {
    falign_row row;
    TRY(falign_table_row(all, i, &row));
    if (row.run != 0) continue;
    TRY(falign_table_set_condition(*out, row.condition));
    TRY(falign_table_add(*out, &row.value, row.epoch));
  }
  return FALIGN_OK;
}

static falign_status fill(const figure *f, plot_panel panels[FIGURE_PANELS]) {
  static const char *const titles[CONDITIONS] = {"C: FA and BP from one start",
                                                 "F: FA without and with weight normalization"};
  falign_table *table = NULL;
  falign_status status = take_first_run(f->table, &table);
  for (size_t c = 0; c < CONDITIONS && status == FALIGN_OK; c++) {
    panels[c] = (plot_panel){
        .title = titles[c], .x_label = "first principal component", .y_label = "second principal component"};
    status = fill_panel(f, table, c, &panels[c]);
  }
  falign_table_destroy(table);
  return status;
}

int main(int argc, char **argv) {
  static const figure_program trajectories = {
      .name = "trajectories",
      .about = "Follows the weights of two networks through the plane of their principal components (Figs. 7C, 7F).",
      .conditions = names,
      .setups = setups,
      .condition_count = CONDITIONS,
      .runs = 3, /* the paper draws one, as does the figure */
      .epochs = 100,
      .quick_runs = 1,
      .quick_epochs = 5,
      .run = do_run,
      .describe = describe,
      .fill = fill,
  };
  return figure_main(&trajectories, argc, argv);
}
