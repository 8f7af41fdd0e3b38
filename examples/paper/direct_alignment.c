/* SPDX-License-Identifier: Apache-2.0 */

/* What the paper leaves to future work: how direct feedback alignment aligns (eqs. 6 to 8, S14 to S17). The product of
 * the weights from layer l on with F[l]^T; each W[l], and its direct alignment terms, with Q[l]^T of the decomposition
 * F[l] = Q[d-1] ... Q[l] + F_perp[l], and with F[l]^T F[l+1], between which stands what is to keep their direction in
 * eq. 8. F_perp is zero where all layers have one width; a narrow one makes it large. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kit/figure.h"
#include "kit/orders.h"

enum {
  EARLY = 66,
  EPOCH = 60, /* an order: the same batch, an epoch before */
  NARROW_WIDTH = 20,
  NUMBERS = DIGITS_WIDTH * DIGITS_WIDTH, /* of a matrix, at most */
};

static const uint64_t simplified[] = {1, EPOCH}; /* orders that are also taken as eq. 8 has them */
enum { SIMPLIFIED = sizeof simplified / sizeof simplified[0] };

static const char *const names[] = {"equal", "narrow"};
enum { EQUAL, NARROW, CONDITIONS };

static const digits_setup setups[CONDITIONS] = {
    [EQUAL] = {.rule = "dfa", .eta = 0.0005, .order = FALIGN_ORDER_ONCE},
    [NARROW] = {.rule = "dfa", .eta = 0.0005, .order = FALIGN_ORDER_ONCE, .narrow = NARROW_WIDTH},
};

typedef struct meter {
  falign_terms *terms;
  double ff[DIGITS_LAYERS][NUMBERS]; /* F[l]^T F[l+1], F[d] being the identity */
  double t[ORDERS_LISTED * NUMBERS]; /* terms of one layer */
} meter;

static size_t width(const digits_run *digits, uint32_t l) { return falign_network_width(digits->network, l); }

/* ---- F[l]^T F[l+1] ---- */

static falign_status get_feedback(const digits_run *digits, uint32_t l, double *f) {
  size_t rows = DIGITS_WIDTH, cols = width(digits, l);
  falign_matrix feedback = falign_matrix_f64(f, rows, cols);
  if (l < DIGITS_LAYERS) return falign_rule_get(digits->rule, FALIGN_FEEDBACK, l, &feedback);
  for (size_t i = 0; i < rows * cols; i++) f[i] = i % (cols + 1) == 0;
  return FALIGN_OK;
}

static falign_status multiply_feedback(const digits_run *digits, uint32_t l, double *ff) {
  double left[NUMBERS], right[NUMBERS];
  size_t rows = width(digits, l), cols = width(digits, l + 1);
  TRY(get_feedback(digits, l, left));
  TRY(get_feedback(digits, l + 1, right));
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = 0; j < cols; j++) {
      double sum = 0;
      for (size_t k = 0; k < DIGITS_WIDTH; k++) sum += left[k * rows + i] * right[k * cols + j];
      ff[i * cols + j] = sum;
    }
  }
  return FALIGN_OK;
}

/* The angle of a matrix of the shape of W[l] with F[l]^T F[l+1]. */
static falign_status angle_with_ff(const meter *m, uint32_t l, const falign_view *matrix, double *angle) {
  falign_view ff = falign_view_f64(m->ff[l], matrix->rows, matrix->cols);
  return falign_angle(matrix, &ff, angle, NULL, NULL);
}

/* ---- Metrics ---- */

static falign_status measure_weights(void *user, falign_trainer *trainer, const falign_trace *trace,
                                     falign_value_fn emit, void *emit_user) {
  const meter *m = user;
  int64_t k = (int64_t)falign_trainer_iteration(trainer);
  (void)trace;
  for (uint32_t l = 1; l < DIGITS_LAYERS; l++) {
    falign_view w;
    falign_value angle = {k, "angle_w_ff", l, -1, 0};
    TRY(falign_network_view(falign_trainer_network(trainer), FALIGN_W, l, &w));
    TRY(angle_with_ff(m, l, &w, &angle.value));
    TRY(emit(emit_user, &angle));
  }
  return FALIGN_OK;
}

/* The layer and step whose terms are measured, and where values go. */
typedef struct place {
  const falign_network *network;
  const falign_trace *trace;
  uint32_t l;
  falign_value_fn emit;
  void *user;
} place;

/* Emits the angles of one term with Q^T and with F^T F. */
static falign_status emit_angles(const meter *m, const place *p, uint64_t order, const falign_view *t,
                                 const char *with_q, const char *with_ff) {
  int64_t k = (int64_t)falign_trace_step(p->trace)->iteration;
  falign_comparison comparison;
  TRY(falign_terms_compare(m->terms, p->trace, p->l, t, &comparison));
  const falign_value q = {k, with_q, p->l, (int64_t)order, comparison.angle};
  TRY(p->emit(p->user, &q));
  falign_value ff = {k, with_ff, p->l, (int64_t)order, 0};
  TRY(angle_with_ff(m, p->l, t, &ff.value));
  return p->emit(p->user, &ff);
}

/* Measures the terms of one kind and some orders. */
static falign_status measure_kind(meter *m, const place *p, falign_term kind, const falign_orders *orders,
                                  const char *with_q, const char *with_ff) {
  size_t rows = falign_network_width(p->network, p->l), cols = falign_network_width(p->network, p->l + 1);
  falign_matrix all = falign_matrix_f64(m->t, orders->count * rows, cols); /* one term below the other */
  TRY(falign_terms_get(m->terms, p->trace, kind, p->l, orders, &all));
  for (size_t i = 0; i < orders->count; i++) {
    falign_view t = falign_view_f64(m->t + i * rows * cols, rows, cols);
    TRY(emit_angles(m, p, orders->list[i], &t, with_q, with_ff));
  }
  return FALIGN_OK;
}

static falign_status measure_terms(void *user, falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                                   void *emit_user) {
  meter *m = user;
  uint64_t k = falign_trainer_iteration(trainer), list[ORDERS_LISTED];
  const falign_orders orders = {.list = list, .count = orders_of(k, k == EARLY, list)};
  const falign_orders as_eq_8 = {.list = simplified, .count = k < EPOCH ? 1 : SIMPLIFIED};
  if (orders.count == 0) return FALIGN_OK;
  for (uint32_t l = 1; l < DIGITS_LAYERS; l++) {
    const place p = {falign_trainer_network(trainer), trace, l, emit, emit_user};
    TRY(measure_kind(m, &p, FALIGN_TERM, &orders, "angle_t", "angle_t_ff"));
    TRY(measure_kind(m, &p, FALIGN_TERM_SIMPLIFIED, &as_eq_8, "angle_simplified", "angle_simplified_ff"));
  }
  return FALIGN_OK;
}

/* ---- A run ---- */

static falign_status observe_terms(figure_run *r, const digits_run *digits, meter *m) {
  static const falign_metric_table table = {
      .size = sizeof table, .name = "terms", .needs = FALIGN_NEEDS_ACTIVITY, .measure = measure_terms};
  const uint64_t early = EARLY;
  falign_metric *metric;
  TRY(digits_keep_history(digits, FALIGN_KEEP_DIRECT, ORDERS_LONGEST, &m->terms));
  TRY(falign_metric_create_custom(&table, m, &metric));
  falign_status status = falign_trainer_observe_at(digits->trainer, metric, &early, 1, figure_record, r);
  if (status != FALIGN_OK) falign_metric_destroy(metric);
  TRY(status);
  return digits_observe(digits, metric, ORDERS_EVERY, figure_record, r);
}

static falign_status observe_weights(figure_run *r, const digits_run *digits, meter *m) {
  static const falign_metric_table table = {.size = sizeof table, .name = "angle_w_ff", .measure = measure_weights};
  falign_metric *metric;
  for (uint32_t l = 1; l < DIGITS_LAYERS; l++) TRY(multiply_feedback(digits, l, m->ff[l]));
  TRY(falign_metric_create_custom(&table, m, &metric));
  TRY(digits_observe(digits, metric, ORDERS_EVERY, figure_record, r));
  TRY(figure_observe(r, digits, "angle_w_f", ORDERS_EVERY));
  return figure_observe(r, digits, "angle_w_q", ORDERS_EVERY);
}

static falign_status observe_all(figure_run *r, const digits_run *digits, meter *m) {
  falign_metric *metric;
  TRY(falign_metric_create_test_error(digits->test, &metric));
  TRY(digits_observe(digits, metric, r->per_epoch, figure_record, r));
  TRY(figure_observe(r, digits, "share_f_perp", figure_updates(r))); /* F does not change: at the start and the end */
  TRY(observe_weights(r, digits, m));
  return observe_terms(r, digits, m);
}

static falign_status do_run(figure_run *r, digits_run *digits) {
  meter *m = calloc(1, sizeof *m);
  if (m == NULL) return fail(FALIGN_MEMORY, "no memory for the terms of %d orders", ORDERS_LISTED);
  falign_status status = observe_all(r, digits, m);
  if (status == FALIGN_OK) status = figure_train(r, digits);
  if (status == FALIGN_OK) status = falign_trainer_measure(digits->trainer);
  falign_terms_destroy(m->terms);
  free(m);
  return status;
}

/* ---- The figure ---- */

/* A metric of the weights of both networks, with marks where a layer is narrow. */
static falign_status add_weights(const figure *f, const char *metric, plot_panel *panel) {
  char title[32];
  for (size_t c = 0; c < CONDITIONS; c++) {
    for (uint32_t l = 1; l < DIGITS_LAYERS; l++) {
      snprintf(title, sizeof title, "layer %" PRIu32 "%s", l, c == EQUAL ? "" : ", narrow");
      TRY(plot_add(panel, f->table, (curve_key){names[c], metric, l, -1}, title,
                   (plot_style){.colour = l, .dash = l, .marked = c == NARROW}));
    }
  }
  return FALIGN_OK;
}

/* A line of layer 1, of one order or over the orders. */
typedef struct term_line {
  size_t condition;
  const char *metric, *title;
  plot_style style;
} term_line;

/* The terms of iteration EARLY; with marks where a layer is narrow. */
static falign_status add_orders(const figure *f, plot_panel *panel) {
  static const term_line lines[] = {
      {EQUAL, "angle_t", "with Q^T", {0}},
      {EQUAL, "angle_t_ff", "with F^T F", {.colour = 1, .dash = 1}},
      {NARROW, "angle_t", "with Q^T, narrow", {.colour = 4, .dash = 3, .marked = true}},
      {NARROW, "angle_t_ff", "with F^T F, narrow", {.colour = 2, .dash = 2, .marked = true}}};
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    TRY(plot_add_orders(panel, f->table, (curve_key){names[lines[i].condition], lines[i].metric, 1, -1}, EARLY,
                        lines[i].title, lines[i].style));
  }
  return FALIGN_OK;
}

/* The terms of layer 1 over the iterations. */
static falign_status add_iterations(const figure *f, plot_panel *panel) {
  char title[32];
  for (size_t i = 0; i < ORDERS_TRACED; i++) {
    snprintf(title, sizeof title, "order %" PRIu64, orders_traced[i]);
    TRY(plot_add(panel, f->table, (curve_key){names[EQUAL], "angle_t_ff", 1, (int64_t)orders_traced[i]}, title,
                 (plot_style){.colour = i, .dash = i}));
  }
  return FALIGN_OK;
}

/* Order EPOCH as it is, and with marks as eq. 8 has it. */
static falign_status add_simplified(const figure *f, plot_panel *panel) {
  static const term_line lines[] = {
      {EQUAL, "angle_t", "T with Q^T", {0}},
      {EQUAL, "angle_t_ff", "T with F^T F", {.colour = 1, .dash = 1}},
      {EQUAL, "angle_simplified", "eq. 8 with Q^T", {.colour = 4, .dash = 3, .marked = true}},
      {EQUAL, "angle_simplified_ff", "eq. 8 with F^T F", {.colour = 2, .dash = 2, .marked = true}}};
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    TRY(plot_add(panel, f->table, (curve_key){names[lines[i].condition], lines[i].metric, 1, EPOCH}, lines[i].title,
                 lines[i].style));
  }
  return FALIGN_OK;
}

static falign_status fill(const figure *f, plot_panel panels[FIGURE_PANELS]) {
  static const char *const titles[FIGURE_PANELS] = {"W[l] ... W[4] with F[l]^T", "W[l] with Q[l]^T",
                                                    "W[l] with F[l]^T F[l+1]",   "T[1] at iteration 66",
                                                    "T[1] with F[1]^T F[2]",     "T[1] of order 60"};
  for (size_t i = 0; i < FIGURE_PANELS; i++) {
    panels[i] = (plot_panel){.title = titles[i], .x_label = "iteration", .y_label = "angle (degrees)"};
  }
  panels[3].x_label = "order of the direct alignment term";
  TRY(add_weights(f, "angle_w_f", &panels[0]));
  TRY(add_weights(f, "angle_w_q", &panels[1]));
  TRY(add_weights(f, "angle_w_ff", &panels[2]));
  TRY(add_orders(f, &panels[3]));
  TRY(add_iterations(f, &panels[4]));
  return add_simplified(f, &panels[5]);
}

int main(int argc, char **argv) {
  static const figure_program direct_alignment = {
      .name = "direct_alignment",
      .about = "Measures how direct feedback alignment aligns (eqs. 6 to 8, S14 to S17; beyond the paper).",
      .conditions = names,
      .setups = setups,
      .condition_count = CONDITIONS,
      .runs = 10,
      .epochs = 25,
      .quick_runs = 2,
      .quick_epochs = 3,
      .run = do_run,
      .fill = fill,
  };
  return figure_main(&direct_alignment, argc, argv);
}
