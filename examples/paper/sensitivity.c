/* SPDX-License-Identifier: Apache-2.0 */

/* Fig. S8: how much the end of training depends on the learning rate, gamma and label smoothing (Note 6): the test
 * error, and how far FA's updates are from BP's. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "kit/figure.h"

enum { LAST_EPOCHS = 10, EVERY = 10 }; /* that values are means over; iterations between angles */

/* gamma, 0 being no normalization. */
static const double gammas[] = {0, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5};

/* What conditions have in common besides gamma and smoothing. */
typedef struct group {
  const char *name, *rule;
  double eta;
  bool authors; /* their own setup: without biases, and only W is normalized */
} group;

enum { FA_LARGE, FA_SMALL, BP_LARGE, BP_SMALL, FA_AUTHORS, GROUPS };

static const group groups[GROUPS] = {
    [FA_LARGE] = {"fa-0.0005", "fa", 0.0005, false},          [FA_SMALL] = {"fa-0.0003", "fa", 0.0003, false},
    [BP_LARGE] = {"bp-0.0005", "bp", 0.0005, false},          [BP_SMALL] = {"bp-0.0003", "bp", 0.0003, false},
    [FA_AUTHORS] = {"fa-authors-0.0005", "fa", 0.0005, true},
};
enum { GAMMAS = sizeof gammas / sizeof gammas[0], CONDITIONS = GROUPS * 2 * GAMMAS };

/* Filled at the start. */
static char name_texts[CONDITIONS][48];
static const char *names[CONDITIONS];
static digits_setup setups[CONDITIONS];

static size_t condition(size_t which, bool smoothed, size_t gamma) { return (2 * which + smoothed) * GAMMAS + gamma; }

static void make_condition(const group *g, bool smoothed, double gamma, size_t c) {
  char text[16];
  snprintf(text, sizeof text, gamma > 0 ? "%g" : "none", gamma);
  snprintf(name_texts[c], sizeof name_texts[c], "%s-%s%s", g->name, text, smoothed ? "-smoothed" : "");
  names[c] = name_texts[c];
  setups[c] = (digits_setup){.rule = g->rule,
                             .eta = g->eta,
                             .gamma = gamma,
                             .only_w = g->authors,
                             .without_biases = g->authors,
                             .label_smoothing = smoothed ? 0.05 : 0};
}

static void make_conditions(void) {
  for (size_t i = 0; i < GROUPS; i++) {
    for (size_t j = 0; j < GAMMAS; j++) {
      make_condition(&groups[i], false, gammas[j], condition(i, false, j));
      make_condition(&groups[i], true, gammas[j], condition(i, true, j));
    }
  }
}

/* ---- A run ---- */

typedef struct average {
  double sum, count;
} average;

typedef struct averages {
  average test_error, angle[DIGITS_LAYERS];
} averages;

/* Called for each value. */
static falign_status add(void *user, const falign_value *value) {
  averages *a = user;
  average *to = value->layer < 0 ? &a->test_error : &a->angle[value->layer];
  if (isnan(value->value)) return FALIGN_OK;
  to->sum += value->value;
  to->count++;
  return FALIGN_OK;
}

static uint64_t last_epochs(const figure_run *r) {
  return r->figure->epochs < LAST_EPOCHS ? r->figure->epochs : LAST_EPOCHS;
}

/* Of all epochs that count; that of the last comes after the last update. */
static falign_status observe_test_error(const figure_run *r, const digits_run *digits, averages *a) {
  uint64_t ends[LAST_EPOCHS], count = last_epochs(r);
  falign_metric *metric;
  for (uint64_t i = 0; i < count; i++) ends[i] = figure_updates(r) - i * r->per_epoch;
  TRY(falign_metric_create_test_error(digits->test, &metric));
  return digits_observe_at(digits, metric, ends, (size_t)count, add, a);
}

static falign_status observe_angles(const figure_run *r, const digits_run *digits, averages *a) {
  uint64_t k = figure_updates(r) - last_epochs(r) * r->per_epoch;
  falign_metric *metric;
  TRY(falign_metric_create("angle_dw_bp", &metric));
  falign_status status = FALIGN_OK;
  for (; k < figure_updates(r) && status == FALIGN_OK; k++) {
    if (k % EVERY == 0) status = falign_trainer_observe_at(digits->trainer, metric, &k, 1, add, a);
  }
  falign_metric_destroy(metric);
  return status;
}

static falign_status train(figure_run *r, const digits_run *digits, averages *a) {
  TRY(observe_test_error(r, digits, a));
  if (falign_rule_feedback(digits->rule) != FALIGN_FEEDBACK_NONE) TRY(observe_angles(r, digits, a));
  TRY(figure_train(r, digits));
  return falign_trainer_measure(digits->trainer);
}

static falign_status record_mean(figure_run *r, const char *metric, int64_t layer, const average *a) {
  return figure_add(r, figure_updates(r), metric, layer, -1, a->sum / a->count);
}

static falign_status record(figure_run *r, const digits_run *digits, const averages *a) {
  TRY(record_mean(r, "test_error", -1, &a->test_error));
  if (falign_rule_feedback(digits->rule) == FALIGN_FEEDBACK_NONE) return FALIGN_OK;
  for (uint32_t l = 0; l < DIGITS_LAYERS; l++) TRY(record_mean(r, "angle_dw_bp", l, &a->angle[l]));
  return FALIGN_OK;
}

/* A run whose numbers stop being finite has no results, but is a result. */
static falign_status do_run(figure_run *r, digits_run *digits) {
  averages a = {0};
  falign_status status = train(r, digits, &a);
  bool diverged = status == FALIGN_DIVERGED;
  if (!diverged) TRY(status);
  TRY(figure_add(r, figure_updates(r), "diverged", -1, -1, diverged));
  return diverged ? FALIGN_OK : record(r, digits, &a);
}

static falign_status describe(const figure *f, configuration *config) {
  (void)f;
  TRY(config_set_integer(config, "last-epochs", LAST_EPOCHS));
  return config_set_integer(config, "angles-every", EVERY);
}

/* ---- The figure ---- */

/* A metric over gamma. */
static falign_status add_gammas(const figure *f, size_t which, bool smoothed, const char *metric, int64_t layer,
                                const char *title, plot_style style, plot_panel *panel) {
  curve over = {0};
  falign_status status = FALIGN_OK;
  for (size_t i = 0; i < GAMMAS && status == FALIGN_OK; i++) {
    const curve_key key = {names[condition(which, smoothed, i)], metric, layer, -1};
    status = curve_add_last(f->table, key, gammas[i], &over);
  }
  style.shape = PLOT_RANGE;
  plot_add_curve(panel, over, title, style);
  return status;
}

/* The angles of all layers but the last, in which FA's updates are BP's. */
static falign_status add_layers(const figure *f, size_t which, bool smoothed, const char *what, bool marked,
                                plot_panel *panel) {
  char title[48];
  for (uint32_t l = 0; l + 1 < DIGITS_LAYERS; l++) {
    snprintf(title, sizeof title, "layer %" PRIu32 ", %s", l, what);
    TRY(add_gammas(f, which, smoothed, "angle_dw_bp", l, title, (plot_style){.colour = l, .dash = l, .marked = marked},
                   panel));
  }
  return FALIGN_OK;
}

static falign_status add_error(const figure *f, size_t which, bool smoothed, const char *title, plot_style style,
                               plot_panel *panel) {
  return add_gammas(f, which, smoothed, "test_error", -1, title, style, panel);
}

static falign_status fill_ours(const figure *f, bool smoothed, plot_panel *angles, plot_panel *errors) {
  TRY(add_layers(f, FA_LARGE, smoothed, "eta 0.0005", false, angles));
  TRY(add_layers(f, FA_SMALL, smoothed, "eta 0.0003", true, angles));
  TRY(add_error(f, BP_LARGE, smoothed, "BP, eta 0.0005", (plot_style){.colour = 1}, errors));
  TRY(add_error(f, BP_SMALL, smoothed, "BP, eta 0.0003", (plot_style){.colour = 1, .dash = 1, .marked = true}, errors));
  TRY(add_error(f, FA_LARGE, smoothed, "FA, eta 0.0005", (plot_style){.colour = 0, .dash = 2}, errors));
  return add_error(f, FA_SMALL, smoothed, "FA, eta 0.0003", (plot_style){.colour = 0, .dash = 3, .marked = true},
                   errors);
}

static falign_status fill_authors(const figure *f, plot_panel *angles, plot_panel *errors) {
  TRY(add_layers(f, FA_AUTHORS, false, "plain", false, angles));
  TRY(add_layers(f, FA_AUTHORS, true, "smoothed", true, angles));
  TRY(add_error(f, FA_AUTHORS, false, "FA, plain", (plot_style){.colour = 0, .dash = 2}, errors));
  return add_error(f, FA_AUTHORS, true, "FA, smoothed", (plot_style){.colour = 0, .dash = 3, .marked = true}, errors);
}

static falign_status fill(const figure *f, plot_panel panels[FIGURE_PANELS]) {
  static const char *const titles[FIGURE_PANELS] = {"A: dW[l] with BP's",           "A: the same, labels smoothed",
                                                    "A: the authors' setup",        "B: test error",
                                                    "B: the same, labels smoothed", "B: the authors' setup"};
  for (size_t i = 0; i < FIGURE_PANELS; i++) {
    panels[i] = (plot_panel){.title = titles[i],
                             .x_label = "gamma (0: no normalization)",
                             .y_label = i < 3 ? "angle (degrees)" : "test error (%)"};
  }
  TRY(fill_ours(f, false, &panels[0], &panels[3]));
  TRY(fill_ours(f, true, &panels[1], &panels[4]));
  return fill_authors(f, &panels[2], &panels[5]);
}

int main(int argc, char **argv) {
  static const figure_program sensitivity = {
      .name = "sensitivity",
      .about = "Trains by FA and BP with several learning rates, gammas and smoothed labels (Fig. S8).",
      .conditions = names,
      .setups = setups,
      .condition_count = CONDITIONS,
      .runs = 10,
      .epochs = 100,
      .quick_runs = 1,
      .quick_epochs = 1,
      .run = do_run,
      .describe = describe,
      .fill = fill,
  };
  make_conditions();
  return figure_main(&sensitivity, argc, argv);
}
