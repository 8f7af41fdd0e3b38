/* SPDX-License-Identifier: Apache-2.0 */

/* Figs. S4 and S5: how alike the outputs and the errors of data points are, within and between categories (eq. 12).
 * Within a category errors are alike and outputs more so than between categories, which is what makes alignment terms
 * align; later in training points that are poorly classified weaken it. */

#include <inttypes.h>
#include <stdio.h>

#include "kit/figure.h"
#include "kit/histogram.h"
#include "kit/process.h"
#include "kit/sweep.h"

enum {
  LAG = 1,
  LOG_EVERY = 10,
  EARLY = 3,
  LATE = 800,
  QUICK_POINTS = 5000, /* of the histograms with --quick, in place of all */
  FOLLOWED = 20,       /* points whose errors are followed over the epochs, */
  DRAWN = 5,           /* and those that are drawn */
  BINS = 128
};

static const char *const names[] = {"unshuffled"};
static const digits_setup setup = {.rule = "fa", .eta = 0.0005, .order = FALIGN_ORDER_ONCE};
static const uint64_t times[] = {EARLY, LATE};
enum { TIMES = sizeof times / sizeof times[0] };

/* ---- Over the iterations: Fig. S4 ---- */

/* The mean eigenvalue of M_sym, which is tr(M) / n. */
static falign_status measure_eigenvalues(void *user, falign_trainer *trainer, const falign_trace *trace,
                                         falign_value_fn emit, void *emit_user) {
  uint64_t k = falign_trainer_iteration(trainer);
  (void)user, (void)trace;
  for (uint32_t l = 1; l < DIGITS_LAYERS && k >= LAG; l++) {
    falign_transformation *m;
    TRY(falign_transformation_create(falign_trainer_history(trainer), k, LAG, l, &m));
    double mean = falign_transformation_trace(m) / (double)falign_transformation_size(m);
    falign_transformation_destroy(m);
    const falign_value value = {(int64_t)k, "mean_eigenvalue", l, LAG, mean};
    TRY(emit(emit_user, &value));
  }
  return FALIGN_OK;
}

/* The norms of the errors of the first points of a batch, numbered by the order. */
static falign_status measure_errors(void *user, falign_trainer *trainer, const falign_trace *trace,
                                    falign_value_fn emit, void *emit_user) {
  int64_t k = (int64_t)falign_trainer_iteration(trainer);
  (void)user;
  for (uint32_t l = 1; l <= DIGITS_LAYERS; l++) {
    falign_view delta;
    double norms[FOLLOWED];
    TRY(falign_trace_view(trace, FALIGN_DELTA, l, &delta));
    if (delta.rows > FOLLOWED) delta.rows = FOLLOWED;
    TRY(falign_row_norms(&delta, norms));
    for (size_t i = 0; i < delta.rows; i++) {
      const falign_value norm = {k, "norm_delta", l, (int64_t)i, norms[i]};
      TRY(emit(emit_user, &norm));
    }
  }
  return FALIGN_OK;
}

static falign_status observe_custom(figure_run *r, const digits_run *digits, uint64_t every, int32_t needs,
                                    falign_status (*measure)(void *, falign_trainer *, const falign_trace *,
                                                             falign_value_fn, void *)) {
  const falign_metric_table table = {.size = sizeof table, .name = "similarity", .needs = needs, .measure = measure};
  falign_metric *metric;
  TRY(falign_metric_create_custom(&table, NULL, &metric));
  return digits_observe(digits, metric, every, figure_record, r);
}

static falign_status observe(figure_run *r, const digits_run *digits) {
  falign_metric *metric;
  TRY(digits_keep_history(digits, FALIGN_KEEP_C, LAG, NULL));
  TRY(observe_custom(r, digits, LOG_EVERY, FALIGN_NEEDS_STEP, measure_eigenvalues));
  TRY(falign_metric_create_similarity(digits->train, LAG, &metric));
  TRY(digits_observe(digits, metric, LOG_EVERY, figure_record, r));
  return observe_custom(r, digits, r->per_epoch, FALIGN_NEEDS_ACTIVITY, measure_errors);
}

/* ---- Over the data set: Fig. S5 ---- */

static size_t count_points(const figure_run *r, const digits_run *digits) {
  const falign_batches_shape *shape = falign_batches_get_shape(digits->train);
  size_t wanted = r->figure->quick && shape->points > QUICK_POINTS ? QUICK_POINTS : shape->points;
  return wanted - wanted % shape->size;
}

static falign_status set_side(falign_similarity *similarity, int32_t side, const sweep *s) {
  const double well = 0.6; /* share of the points that count as well classified */
  falign_view l = falign_view_f32(s->l, s->points, s->l_width);
  falign_view delta = falign_view_f32(s->delta, s->points, DIGITS_WIDTH);
  TRY(falign_similarity_set_side(similarity, side, &l, &delta, s->labels));
  return falign_similarity_classify(similarity, side, s->norms, s->points, well);
}

/* The means over the pairs of each group. */
static falign_status record_means(figure_run *r, const falign_similarity *similarity, uint64_t k, uint32_t l) {
  static const char *const groups[] = {"within",      "between",      "within_well",
                                       "within_poor", "between_well", "between_poor"};
  char metric[64];
  for (falign_pairs pairs = FALIGN_PAIRS_WITHIN; pairs <= FALIGN_PAIRS_BETWEEN_POOR; pairs++) {
    const char *group = groups[pairs - FALIGN_PAIRS_WITHIN];
    falign_pair_sums sums;
    TRY(falign_similarity_sums(similarity, pairs, &sums));
    snprintf(metric, sizeof metric, "mean_s_l_%s", group);
    TRY(figure_add(r, k, metric, l, LAG, sums.s_l / (double)sums.count));
    snprintf(metric, sizeof metric, "mean_s_delta_%s", group);
    TRY(figure_add(r, k, metric, l, LAG, sums.s_delta / (double)sums.count));
  }
  return FALIGN_OK;
}

static double mean_square(const float *x, size_t rows, size_t cols) {
  double sum = 0;
  for (size_t i = 0; i < rows * cols; i++) sum += (double)x[i] * (double)x[i];
  return sum / (double)rows;
}

static bool any_negative(const float *x, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (x[i] < 0) return true;
  }
  return false;
}

/* Bins that reach as far as the points' mean square tells, below 0 where products can be. */
static histogram choose_bins(const char *metric, int32_t quantity, const float *x, size_t rows, size_t cols) {
  double reach = 3 * mean_square(x, rows, cols), low = any_negative(x, rows * cols) ? -reach : 0;
  return (histogram){.metric = metric,
                     .quantity = quantity,
                     .low = low,
                     .width = (reach - low) / BINS,
                     .bins = BINS,
                     .by_quality = true};
}

static falign_status go_on(void) { return process_interrupted() ? fail(FALIGN_CANCELLED, "interrupted") : FALIGN_OK; }

static falign_status record_histograms(figure_run *r, const falign_similarity *similarity, const sweep *s, uint64_t k,
                                       uint32_t l) {
  const histogram outputs = choose_bins("pairs_s_l", FALIGN_SIMILARITY_L, s->l, s->points, s->l_width);
  const histogram errors = choose_bins("pairs_s_delta", FALIGN_SIMILARITY_DELTA, s->delta, s->points, DIGITS_WIDTH);
  TRY(histogram_record(r, similarity, &outputs, k, l));
  TRY(go_on());
  return histogram_record(r, similarity, &errors, k, l);
}

/* Sets a side from the weights of a network; `s` is to be released. */
static falign_status sweep_side(const figure_run *r, const digits_run *digits, falign_network *network, uint32_t l,
                                int32_t side, falign_similarity *similarity, sweep *s) {
  TRY(sweep_make(digits, network, count_points(r, digits), l, s));
  return set_side(similarity, side, s);
}

static falign_status compare_sides(figure_run *r, const digits_run *digits, uint64_t k, uint32_t l,
                                   falign_network *const networks[2], falign_similarity *similarity) {
  sweep s;
  falign_status status = sweep_side(r, digits, networks[0], l, FALIGN_SIDE_PAST, similarity, &s);
  sweep_release(&s);
  TRY(status);
  status = sweep_side(r, digits, networks[1], l, FALIGN_SIDE_PRESENT, similarity, &s);
  if (status == FALIGN_OK) status = record_means(r, similarity, k, l);
  if (status == FALIGN_OK) status = go_on();
  if (status == FALIGN_OK && r->number == 0) status = record_histograms(r, similarity, &s, k, l);
  sweep_release(&s);
  return status;
}

static falign_status compare_layer(figure_run *r, const digits_run *digits, uint64_t k, uint32_t l,
                                   falign_network *const networks[2]) {
  size_t l_width = falign_network_width(digits->network, l - 1);
  falign_similarity *similarity;
  TRY(falign_similarity_create(FALIGN_F32, l_width, DIGITS_WIDTH, DIGITS_CATEGORIES, &similarity));
  falign_status status = compare_sides(r, digits, k, l, networks, similarity);
  falign_similarity_destroy(similarity);
  return status;
}

/* ---- Networks as they were ---- */

/* Those before updates k - LAG and k, for each of the times. */
typedef struct snapshots {
  falign_network *networks[TIMES][2];
} snapshots;

static falign_status copy_network(const falign_network *from, falign_network *to) {
  falign_view parameters;
  for (uint32_t l = 1; l <= DIGITS_LAYERS; l++) {
    TRY(falign_network_set_activation(to, l, falign_network_activation(from, l)));
  }
  TRY(falign_network_view(from, FALIGN_PARAMETERS, 0, &parameters));
  return falign_network_set(to, FALIGN_PARAMETERS, 0, &parameters);
}

static falign_status clone_network(const falign_network *from, falign_network **out) {
  size_t widths[DIGITS_LAYERS + 1];
  for (uint32_t l = 0; l <= DIGITS_LAYERS; l++) widths[l] = falign_network_width(from, l);
  TRY(falign_network_create(FALIGN_F32, DIGITS_LAYERS, widths, 1, out));
  return copy_network(from, *out);
}

static falign_status take_snapshot(void *user, falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                                   void *emit_user) {
  snapshots *s = user;
  uint64_t k = falign_trainer_iteration(trainer);
  (void)trace, (void)emit, (void)emit_user;
  for (size_t t = 0; t < TIMES; t++) {
    for (uint64_t back = 0; back <= LAG; back += LAG) {
      if (k + back != times[t]) continue;
      TRY(clone_network(falign_trainer_network(trainer), &s->networks[t][back == 0]));
    }
  }
  return FALIGN_OK;
}

static falign_status observe_snapshots(figure_run *r, const digits_run *digits, snapshots *s) {
  static const falign_metric_table table = {.size = sizeof table, .name = "snapshot", .measure = take_snapshot};
  const uint64_t at[] = {EARLY - LAG, EARLY, LATE - LAG, LATE};
  falign_metric *metric;
  TRY(falign_metric_create_custom(&table, s, &metric));
  return digits_observe_at(digits, metric, at, sizeof at / sizeof at[0], figure_record, r);
}

static falign_status compare_all(figure_run *r, const digits_run *digits, const snapshots *s) {
  for (size_t t = 0; t < TIMES; t++) {
    if (s->networks[t][1] == NULL) continue; /* the run ended before */
    for (uint32_t l = 1; l < DIGITS_LAYERS; l++) {
      double share = (double)((DIGITS_LAYERS - 1) * t + l - 1) / ((DIGITS_LAYERS - 1) * TIMES);
      if (figure_stopped(r, share)) return fail(FALIGN_CANCELLED, "interrupted");
      TRY(compare_layer(r, digits, times[t], l, s->networks[t]));
    }
  }
  return FALIGN_OK;
}

/* ---- A run ---- */

static falign_status do_run(figure_run *r, digits_run *digits) {
  snapshots s = {0};
  r->part = r->number == 0 ? 0.1 : 0.8; /* the histograms take longest */
  falign_status status = observe(r, digits);
  if (status == FALIGN_OK) status = observe_snapshots(r, digits, &s);
  if (status == FALIGN_OK) status = figure_train(r, digits);
  r->begun = r->part;
  r->part = 1 - r->part;
  if (status == FALIGN_OK) status = compare_all(r, digits, &s);
  for (size_t t = 0; t < TIMES; t++) {
    for (size_t i = 0; i < 2; i++) falign_network_destroy(s.networks[t][i]);
  }
  return status;
}

static falign_status describe(const figure *f, configuration *config) {
  if (!f->quick) return FALIGN_OK;
  TRY(config_set_text(config, "quick", "yes"));
  return config_set_integer(config, "histogram-points", QUICK_POINTS);
}

/* ---- The figures ---- */

/* A metric within and between categories over the iterations, for all layers. */
static falign_status add_layers(const figure *f, const char *metric, plot_panel *panel) {
  static const char *const groups[] = {"within", "between"};
  char title[48], name[64];
  for (size_t g = 0; g < 2; g++) {
    snprintf(name, sizeof name, "%s_%s", metric, groups[g]);
    for (uint32_t l = 1; l < DIGITS_LAYERS; l++) {
      snprintf(title, sizeof title, "l = %" PRIu32 ", %s", l, groups[g]);
      TRY(plot_add(panel, f->table, (curve_key){names[0], name, l, LAG}, title,
                   (plot_style){.colour = l, .dash = l, .marked = g == 1}));
    }
  }
  return FALIGN_OK;
}

static falign_status add_eigenvalues(const figure *f, plot_panel *panel) {
  char title[48];
  for (uint32_t l = 1; l < DIGITS_LAYERS; l++) {
    snprintf(title, sizeof title, "l = %" PRIu32, l);
    TRY(plot_add(panel, f->table, (curve_key){names[0], "mean_eigenvalue", l, LAG}, title,
                 (plot_style){.colour = l, .dash = l}));
  }
  return FALIGN_OK;
}

/* The errors of single points, those of the last layer and of the first. */
static falign_status add_errors(const figure *f, uint32_t l, plot_panel *panel) {
  char title[48];
  for (uint32_t i = 0; i < DRAWN; i++) {
    snprintf(title, sizeof title, "point %" PRIu32, i);
    TRY(plot_add(panel, f->table, (curve_key){names[0], "norm_delta", l, i}, title,
                 (plot_style){.colour = i, .dash = i}));
  }
  return FALIGN_OK;
}

static falign_status fill(const figure *f, plot_panel panels[FIGURE_PANELS]) {
  static const char *const titles[] = {
      "S_L of L[l-1]",          "S_{delta} of delta[l+1]",     "S_{delta} S_L",
      "Eigenvalues of M_{sym}", "|delta[5]| of single points", "|delta[1]| of single points"};
  static const char *const axes[] = {
      "mean over the pairs", "mean over the pairs", "mean over the pairs", "mean eigenvalue", "norm", "norm"};
  for (size_t i = 0; i < 6; i++) {
    panels[i] = (plot_panel){.title = titles[i], .x_label = "iteration", .y_label = axes[i]};
  }
  TRY(add_layers(f, "s_l", &panels[0]));
  TRY(add_layers(f, "s_delta", &panels[1]));
  TRY(add_layers(f, "s_product", &panels[2]));
  TRY(add_eigenvalues(f, &panels[3]));
  TRY(add_errors(f, DIGITS_LAYERS, &panels[4]));
  return add_errors(f, 1, &panels[5]);
}

/* The histograms of one layer and time: within and between, early of all pairs, late of well and poorly classified. */
static falign_status add_histograms(const figure *f, const char *metric, uint64_t k, uint32_t l, plot_panel *panel) {
  static const char *const groups[] = {"within",      "between",      "within_well",
                                       "within_poor", "between_well", "between_poor"};
  static const char *const titles[] = {"within",       "between",       "within, well",
                                       "within, poor", "between, well", "between, poor"};
  size_t first = k == EARLY ? 0 : 2, end = k == EARLY ? 2 : 6;
  panel->log_y = true;
  for (size_t g = first; g < end; g++) {
    bool within = g == 0 || g == 2 || g == 3;
    TRY(histogram_draw(f, names[0], metric, groups[g], k, l, titles[g],
                       (plot_style){.colour = within ? 1 : 0, .dash = g}, panel));
  }
  return FALIGN_OK;
}

/* A row for S_delta and one for S_L, early and late; a column for each layer. */
static falign_status fill_more(const figure *f, plot_panel panels[FIGURE_PANELS]) {
  static const char *const metrics[] = {"pairs_s_delta", "pairs_s_l"};
  static char titles[FIGURE_PANELS][64];
  for (size_t i = 0; i < FIGURE_PANELS; i++) {
    uint32_t l = (uint32_t)(i % 4 + 1);
    uint64_t k = times[i / 8];
    const char *metric = metrics[i / 4 % 2];
    snprintf(titles[i], sizeof titles[i], "%s, l = %" PRIu32 ", k = %" PRIu64, i / 4 % 2 == 0 ? "S_{delta}" : "S_L", l,
             k);
    panels[i] = (plot_panel){.title = titles[i], .x_label = "dot product", .y_label = "share of the pairs"};
    TRY(add_histograms(f, metric, k, l, &panels[i]));
  }
  return FALIGN_OK;
}

int main(int argc, char **argv) {
  static const figure_program similarity = {
      .name = "similarity",
      .about = "Compares outputs and errors of data points within and between categories (Figs. S4, S5).",
      .conditions = names,
      .setups = &setup,
      .condition_count = 1,
      .runs = 10,
      .epochs = 25,
      .quick_runs = 2,
      .quick_epochs = 14,
      .run = do_run,
      .describe = describe,
      .fill = fill,
      .fill_more = fill_more,
  };
  return figure_main(&similarity, argc, argv);
}
