/* SPDX-License-Identifier: Apache-2.0 */

/* Which half of weight normalization (section 2.3.8) does the good: that of W after each update, or that of B once at
 * the start? Feedback alignment with neither, with both as in Fig. 7, and with one alone. Columns of B that are drawn
 * from N(0, 0.1) have norms of about 0.7: to scale them to 1 also makes errors larger, layer by layer. So once more B
 * alone, to 0.7. */

#include "kit/figure.h"

enum { LOG_EVERY = 20 /* iterations */ };

static const char *const names[] = {"neither", "w-and-b", "only-w", "only-b", "only-b-0.7"};
enum { NEITHER, W_AND_B, ONLY_W, ONLY_B, ONLY_B_SAME_SIZE, CONDITIONS };

static const digits_setup setups[CONDITIONS] = {
    [NEITHER] = {.rule = "fa", .eta = 0.0005},
    [W_AND_B] = {.rule = "fa", .eta = 0.0005, .gamma = 1},
    [ONLY_W] = {.rule = "fa", .eta = 0.0005, .gamma = 1, .only_w = true},
    [ONLY_B] = {.rule = "fa", .eta = 0.0005, .gamma = 1, .only_b = true},
    [ONLY_B_SAME_SIZE] = {.rule = "fa", .eta = 0.0005, .gamma = 0.7, .only_b = true},
};

/* What differs from batch to batch is measured on the first of each epoch. */
static falign_status do_run(figure_run *r, digits_run *digits) {
  falign_metric *metric;
  TRY(falign_metric_create_test_error(digits->test, &metric));
  TRY(digits_observe(digits, metric, r->per_epoch, figure_record, r));
  TRY(figure_observe(r, digits, "angle_w_b", LOG_EVERY));
  TRY(figure_observe(r, digits, "norm_w", LOG_EVERY));
  TRY(figure_observe(r, digits, "angle_dw_bp", r->per_epoch));
  TRY(figure_observe(r, digits, "norm_delta", r->per_epoch));
  TRY(figure_train(r, digits));
  return falign_trainer_measure(digits->trainer);
}

/* ---- The figure ---- */

typedef struct view {
  const char *metric;
  int64_t layer; /* -1: none */
  const char *title, *y_label;
} view;

static const view views[] = {
    {"angle_w_b", 1, "W[1] with B[1]^T", "angle (degrees)"},  {"angle_w_b", 4, "W[4] with B[4]^T", "angle (degrees)"},
    {"angle_dw_bp", 0, "dW[0] with BP's", "angle (degrees)"}, {"norm_w", 4, "norm of W[4]", "Frobenius norm"},
    {"norm_delta", 1, "norm of delta[1]", "Frobenius norm"},  {"test_error", -1, "test error", "test error (%)"},
};
enum { VIEWS = sizeof views / sizeof views[0] };

static falign_status add_conditions(const figure *f, const view *v, plot_panel *panel) {
  static const char *const titles[CONDITIONS] = {"neither", "W and B", "W alone", "B alone", "B alone, to 0.7"};
  for (size_t c = 0; c < CONDITIONS; c++) {
    TRY(plot_add(panel, f->table, (curve_key){names[c], v->metric, v->layer, -1}, titles[c],
                 (plot_style){.colour = c, .dash = c}));
  }
  return FALIGN_OK;
}

static falign_status fill(const figure *f, plot_panel panels[FIGURE_PANELS]) {
  for (size_t i = 0; i < VIEWS; i++) {
    panels[i] =
        (plot_panel){.title = views[i].title, .x_label = "epoch", .y_label = views[i].y_label, .by_epoch = true};
    TRY(add_conditions(f, &views[i], &panels[i]));
  }
  panels[VIEWS - 1].log_y = true;
  return FALIGN_OK;
}

int main(int argc, char **argv) {
  static const figure_program norm_control = {
      .name = "norm_control",
      .about = "Trains by FA with W, B, both or neither of them normalized (beyond the paper).",
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
  return figure_main(&norm_control, argc, argv);
}
