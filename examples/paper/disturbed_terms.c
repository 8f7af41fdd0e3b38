/* SPDX-License-Identifier: Apache-2.0 */

/* Figs. 4 and 5: what alignment depends on. Beside the weights that FA learns go weights that are built from disturbed
 * alignment terms: without the nonlinearity (eq. 5 for eq. 4), with feedback weights that the network has not learnt
 * by, and with the errors of a batch dealt to other points. Only the last keeps weights from aligning. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kit/figure.h"
#include "kit/orders.h"

enum { EARLY = 66, LATE = 590, LOG_EVERY = 10 };

static const char *const names[] = {"unshuffled"};
static const digits_setup setup = {.rule = "fa", .eta = 0.0005, .order = FALIGN_ORDER_ONCE};

/* ---- A run ---- */

enum { UNDISTURBED, LINEAR, FRESH_FEEDBACK, SHUFFLED_ROWS, KINDS };

static const char *const kind_names[KINDS] = {"undisturbed", "linear", "fresh_feedback", "shuffled_rows"};
static const char *const term_metrics[KINDS] = {"angle_t", "angle_t_linear", "angle_t_fresh_feedback",
                                                "angle_t_shuffled_rows"};
static const uint64_t listed_at[] = {EARLY, LATE};

/* What is measured in one run. */
typedef struct analysis {
  falign_history *history;
  falign_rule *fresh;                      /* feedback weights that the network does not learn by */
  falign_disturbance *disturbances[KINDS]; /* NULL for UNDISTURBED */
  orders_meter meters[KINDS];
} analysis;

static falign_status draw_fresh(const figure_run *r, const digits_run *digits, analysis *a) {
  const uint32_t no_run = UINT32_C(1) << 31; /* has a stream of random numbers that is no run's own */
  TRY(falign_rule_create("fa", digits->network, &a->fresh));
  return falign_rule_draw(a->fresh, digits_init_sd, r->figure->seed, no_run | r->number);
}

static falign_status create_disturbances(const figure_run *r, const digits_run *digits, analysis *a) {
  const falign_disturbance_settings settings = {.fresh = a->fresh, .seed = r->figure->seed, .run = r->number};
  for (int kind = LINEAR; kind < KINDS; kind++) {
    TRY(falign_disturbance_create(kind_names[kind], &settings, a->history, digits->rule, &a->disturbances[kind]));
  }
  return FALIGN_OK;
}

/* The weights that disturbed terms build. */
static falign_status observe_weights(figure_run *r, const digits_run *digits, falign_disturbance *disturbance) {
  falign_metric *metric;
  TRY(falign_disturbance_set_threads(disturbance, r->threads));
  TRY(falign_metric_create_disturbance(disturbance, &metric));
  return digits_observe(digits, metric, LOG_EVERY, figure_record, r);
}

/* The weights of one kind of terms, and its single orders. */
static falign_status observe_kind(figure_run *r, const digits_run *digits, int kind, analysis *a) {
  falign_rule *known = kind == FRESH_FEEDBACK ? a->fresh : digits->rule;
  orders_meter *m = &a->meters[kind];
  *m = (orders_meter){.metric = term_metrics[kind],
                      .disturbance = a->disturbances[kind],
                      .listed_at = listed_at,
                      .listed_at_count = sizeof listed_at / sizeof listed_at[0]};
  TRY(falign_terms_create(a->history, known, &m->terms));
  TRY(orders_observe(digits, m, figure_record, r));
  return kind == UNDISTURBED ? FALIGN_OK : observe_weights(r, digits, a->disturbances[kind]);
}

static falign_status observe(figure_run *r, const digits_run *digits, analysis *a) {
  TRY(falign_history_create(digits->network, &a->history));
  TRY(draw_fresh(r, digits, a));
  TRY(create_disturbances(r, digits, a));
  TRY(falign_trainer_set_history(digits->trainer, a->history));
  for (int kind = 0; kind < KINDS; kind++) TRY(observe_kind(r, digits, kind, a));
  return figure_observe(r, digits, "angle_w_b", LOG_EVERY);
}

static void release(analysis *a) {
  for (int kind = 0; kind < KINDS; kind++) {
    falign_disturbance_destroy(a->disturbances[kind]);
    falign_terms_destroy(a->meters[kind].terms);
    free(a->meters[kind].t);
  }
  falign_rule_destroy(a->fresh);
  falign_history_destroy(a->history);
}

static falign_status do_run(figure_run *r, digits_run *digits) {
  analysis a = {0};
  falign_status status = observe(r, digits, &a);
  if (status == FALIGN_OK) status = figure_train(r, digits);
  release(&a);
  return status;
}

/* ---- The figure ---- */

typedef struct view {
  const char *weights, *terms; /* metrics of what is disturbed */
  const char *title, *terms_title;
} view;

static const view views[] = {
    {"angle_w_linear", "angle_t_linear", "W[l] without nonlinearity", "T of l = 1 without nonlinearity"},
    {"angle_w_fresh_feedback", "angle_t_fresh_feedback", "W[l] of fresh feedback", "T of l = 1, fresh feedback"},
    {"angle_w_shuffled_rows", "angle_t_shuffled_rows", "W[l] of shuffled errors", "T of l = 1, shuffled errors"},
};
enum { VIEWS = sizeof views / sizeof views[0] };

static falign_status add_weights(const figure *f, const char *metric, const char *what, bool marked,
                                 plot_panel *panel) {
  char title[48];
  for (uint32_t l = 1; l < DIGITS_LAYERS; l++) {
    snprintf(title, sizeof title, "layer %" PRIu32 "%s", l, what);
    TRY(plot_add(panel, f->table, (curve_key){names[0], metric, l, -1}, title,
                 (plot_style){.colour = l, .dash = l, .marked = marked}));
  }
  return FALIGN_OK;
}

static falign_status add_terms(const figure *f, const char *metric, const char *what, bool marked, plot_panel *panel) {
  char title[48];
  for (size_t i = 0; i < sizeof listed_at / sizeof listed_at[0]; i++) {
    snprintf(title, sizeof title, "iteration %" PRIu64 "%s", listed_at[i], what);
    TRY(plot_add_orders(panel, f->table, (curve_key){names[0], metric, 1, -1}, (int64_t)listed_at[i], title,
                        (plot_style){.colour = 1 + i, .dash = i, .marked = marked}));
  }
  return FALIGN_OK;
}

static falign_status fill(const figure *f, plot_panel panels[FIGURE_PANELS]) {
  for (size_t i = 0; i < VIEWS; i++) {
    plot_panel *weights = &panels[i], *terms = &panels[VIEWS + i];
    *weights = (plot_panel){.title = views[i].title, .x_label = "iteration", .y_label = "angle with B[l]^T (degrees)"};
    *terms = (plot_panel){.title = views[i].terms_title,
                          .x_label = "order of the alignment term",
                          .y_label = "angle with B[1]^T (degrees)"};
    TRY(add_weights(f, "angle_w_b", "", false, weights));
    TRY(add_weights(f, views[i].weights, ", disturbed", true, weights));
    TRY(add_terms(f, "angle_t", "", false, terms));
    TRY(add_terms(f, views[i].terms, ", disturbed", true, terms));
  }
  return FALIGN_OK;
}

int main(int argc, char **argv) {
  static const figure_program disturbed_terms = {
      .name = "disturbed_terms",
      .about = "Compares weights with those that disturbed alignment terms would build (Figs. 4, 5).",
      .conditions = names,
      .setups = &setup,
      .condition_count = 1,
      .runs = 3,
      .epochs = 10,
      .quick_runs = 1,
      .quick_epochs = 2,
      .run = do_run,
      .fill = fill,
  };
  return figure_main(&disturbed_terms, argc, argv);
}
