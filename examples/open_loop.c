/* SPDX-License-Identifier: Apache-2.0 */

/* The open-loop network of Fig. 1B: signals that no task produces are imposed on a network of two layers, and its
 * forward weights align with the feedback weights, or do not, according to the correlations of those signals alone. */

#include <falign/falign.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/describe.h"
#include "kit/options.h"
#include "kit/output.h"
#include "kit/plot.h"
#include "kit/process.h"
#include "kit/progress.h"

enum { INPUTS = 20, HIDDEN = 100, OUTPUTS = 20, BATCH = 100, SIGNAL = BATCH * INPUTS };

typedef struct settings {
  const char *condition, *precision, *out, *plot;
  double eta;
  uint64_t iterations, runs, seed;
} settings;

typedef struct experiment {
  settings set;
  falign_precision precision;
  falign_table *table;
  progress progress;
} experiment;

/* Signals that are imposed on a layer, in the network's precision. */
typedef struct signals {
  falign_rng *rng;
  falign_matrix values; /* of one of the arrays */
  float f32[SIGNAL];
  double f64[SIGNAL];
} signals;

typedef struct run {
  uint32_t number;
  falign_network *network;
  falign_rule *rule;
  falign_trainer *trainer;
  signals input, error; /* L[0] and delta[2] */
} run;

/* How the signals of a run come about. */
typedef struct condition {
  const char *name;
  bool renewed;    /* drawn anew for each iteration */
  bool correlated; /* delta[2] = L[0] */
  size_t style;    /* of the line in the plot */
} condition;

static const condition conditions[] = {
    {.name = "constant", .style = 1},
    {.name = "crosscorrelated", .renewed = true, .correlated = true, .style = 2},
    {.name = "independent", .renewed = true, .style = 0},
};
enum { CONDITIONS = sizeof conditions / sizeof conditions[0] };

/* ---- The network ---- */

static void relu(void *user, const double *z, double *out, size_t count) {
  (void)user;
  for (size_t i = 0; i < count; i++) out[i] = z[i] > 0 ? z[i] : 0;
}

/* The derivative is 1 at 0, as the authors have it; the library's own has 0 there. */
static void relu_derivative(void *user, const double *z, double *out, size_t count) {
  (void)user;
  for (size_t i = 0; i < count; i++) out[i] = z[i] >= 0 ? 1 : 0;
}

static falign_status set_activations(falign_network *network) {
  static const falign_activation_table table = {
      .size = sizeof table, .name = "authors-relu", .f = relu, .df = relu_derivative};
  falign_activation *activation;
  TRY(falign_activation_create_custom(&table, NULL, &activation));
  falign_status status = falign_network_set_activation(network, 1, activation);
  if (status == FALIGN_OK) status = falign_network_set_activation(network, 2, activation);
  falign_activation_destroy(activation); /* the network keeps its references */
  return status;
}

static falign_status make_network(const experiment *e, run *r) {
  const size_t widths[] = {INPUTS, HIDDEN, OUTPUTS};
  TRY(falign_network_create(e->precision, 2, widths, 0, &r->network));
  TRY(set_activations(r->network));
  TRY(falign_rule_create("fa", r->network, &r->rule));
  TRY(falign_network_draw(r->network, 1, 0, e->set.seed, r->number));
  TRY(falign_rule_draw(r->rule, 1, e->set.seed, r->number));
  return falign_trainer_create(r->network, r->rule, e->set.eta, &r->trainer);
}

/* ---- The signals ---- */

/* Opens the stream of a layer's signals. */
static falign_status open_signals(const experiment *e, const run *r, uint32_t layer, size_t width, signals *s) {
  bool single = e->precision == FALIGN_F32;
  s->values = single ? falign_matrix_f32(s->f32, BATCH, width) : falign_matrix_f64(s->f64, BATCH, width);
  return falign_rng_create(e->set.seed, FALIGN_RNG_SIGNAL, layer, r->number, &s->rng);
}

static falign_status draw(signals *s) { return falign_rng_normal(s->rng, 1, &s->values); }

static falign_status train(experiment *e, const condition *c, run *r) {
  const settings *s = &e->set;
  TRY(open_signals(e, r, 0, INPUTS, &r->input));
  TRY(open_signals(e, r, 1, OUTPUTS, &r->error));
  falign_view x = falign_view_of(r->input.values);
  falign_view delta = c->correlated ? x : falign_view_of(r->error.values);
  for (uint64_t k = 0; k < s->iterations; k++) {
    if (k == 0 || c->renewed) TRY(draw(&r->input));
    if ((k == 0 || c->renewed) && !c->correlated) TRY(draw(&r->error));
    TRY(falign_trainer_impose(r->trainer, &x, &delta));
    progress_show(&e->progress, (r->number + (double)k / (double)s->iterations) / (double)s->runs,
                  "%s, run %" PRIu32 "/%" PRIu64, c->name, r->number + 1, s->runs);
  }
  return FALIGN_OK;
}

/* ---- The runs ---- */

/* Adds a row; called for each measured value. */
static falign_status record(void *user, const falign_value *value) {
  const experiment *e = user;
  return falign_table_add(e->table, value, NAN); /* without epochs */
}

static falign_status observe(experiment *e, run *r) {
  falign_metric *angle;
  TRY(falign_metric_create("angle_w_b", &angle));
  falign_status status = falign_trainer_observe(r->trainer, angle, 1, record, e);
  falign_metric_destroy(angle);
  return status;
}

static falign_status do_run(experiment *e, const condition *c, run *r) {
  TRY(make_network(e, r));
  TRY(observe(e, r));
  falign_table_set_run(e->table, r->number);
  TRY(train(e, c, r));
  return falign_trainer_measure(r->trainer);
}

static void release_run(run *r) {
  falign_trainer_destroy(r->trainer);
  falign_rule_destroy(r->rule);
  falign_network_destroy(r->network);
  falign_rng_destroy(r->input.rng);
  falign_rng_destroy(r->error.rng);
}

static falign_status do_condition(experiment *e, const condition *c) {
  TRY(falign_table_set_condition(e->table, c->name));
  e->progress = (progress){0};
  for (uint64_t number = 0; number < e->set.runs; number++) {
    run r = {.number = (uint32_t)number};
    falign_status status = do_run(e, c, &r);
    release_run(&r);
    TRY(status);
  }
  return FALIGN_OK;
}

static falign_status do_conditions(experiment *e) {
  for (size_t i = 0; i < CONDITIONS; i++) {
    bool chosen = strcmp(e->set.condition, "all") == 0 || strcmp(e->set.condition, conditions[i].name) == 0;
    if (chosen) TRY(do_condition(e, &conditions[i]));
  }
  return FALIGN_OK;
}

/* ---- Results ---- */

static falign_status describe(const settings *s, configuration *config) {
  falign_backend *backend;
  TRY(describe_program(config, "open_loop"));
  TRY(config_set_text(config, "condition", s->condition));
  TRY(config_set_real(config, "eta", s->eta));
  TRY(config_set_integer(config, "iterations", (int64_t)s->iterations));
  TRY(config_set_integer(config, "runs", (int64_t)s->runs));
  TRY(describe_seed(config, s->seed));
  TRY(config_set_text(config, "precision", s->precision));
  TRY(falign_backend_create("auto", &backend)); /* a trainer's own choice; permanent, so there is nothing to destroy */
  return describe_backend(config, backend);
}

static falign_status write_table(const experiment *e) {
  configuration *config;
  TRY(config_create(&config));
  falign_status status = describe(&e->set, config);
  if (status == FALIGN_OK) status = output_table(e->table, config, e->set.out);
  config_destroy(config);
  return status;
}

static falign_status print_summary(const experiment *e) {
  for (size_t i = 0; i < CONDITIONS; i++)
    TRY(curve_print_last(e->table, (curve_key){conditions[i].name, "angle_w_b", 1, -1}));
  return FALIGN_OK;
}

static falign_status plot(const experiment *e) {
  plot_panel panel = {
      .title = "Open-loop network", .x_label = "iteration", .y_label = "angle of W[1] with B[1]^T (degrees)"};
  falign_status status = FALIGN_OK;
  for (size_t i = 0; i < CONDITIONS && status == FALIGN_OK; i++) {
    const condition *c = &conditions[i];
    status = plot_add(&panel, e->table, (curve_key){c->name, "angle_w_b", 1, -1}, c->name,
                      (plot_style){.colour = c->style, .dash = c->style});
  }
  if (status == FALIGN_OK) status = plot_write(&panel, 1, e->set.plot);
  plot_free(&panel);
  return status;
}

/* Writes what there is, also after a failure; returns the exit code. */
static int finish(const experiment *e, falign_status status) {
  int code = status == FALIGN_OK ? EXIT_SUCCESS : exit_failed();
  bool has_rows = falign_table_rows(e->table) > 0;
  if ((status == FALIGN_OK || has_rows) && write_table(e) != FALIGN_OK) code = exit_failed();
  if (status == FALIGN_OK && print_summary(e) != FALIGN_OK) code = exit_failed();
  if (status == FALIGN_OK && e->set.plot != NULL && plot(e) != FALIGN_OK) code = exit_failed();
  return code;
}

static falign_status prepare(experiment *e) {
  e->precision = strcmp(e->set.precision, "f32") == 0 ? FALIGN_F32 : FALIGN_F64;
  TRY(output_check(e->set.out));
  TRY(output_check(e->set.plot));
  return falign_table_create(e->precision, "condition", &e->table);
}

static int run_experiment(experiment *e) {
  if (prepare(e) != FALIGN_OK) return exit_failed();
  falign_status status = do_conditions(e);
  progress_end(&e->progress);
  return finish(e, status);
}

static falign_status check_files(const settings *s) {
  const output_file files[] = {{"out", s->out}, {"plot", s->plot}};
  if (s->plot != NULL && !plot_can_write(s->plot))
    return fail(FALIGN_INVALID, "--plot '%s' does not end in .svg or .png", s->plot);
  return output_check_distinct(files, sizeof files / sizeof files[0]);
}

static int parse_command_line(settings *s, int argc, char **argv) {
  const option options[] = {
      OPTION_CHOICE(
          "condition", "constant|crosscorrelated|independent|all", "all", &s->condition,
          "constant: L[0] and delta[2] are drawn once; crosscorrelated: L[0] is drawn anew for each iteration "
          "and delta[2] = L[0]; independent: both are drawn anew"),
      OPTION_REAL("eta", "0.002", &s->eta, 0, DBL_MAX,
                  "learning rate; the paper's text has 0.002, the authors' program 0.0004"),
      OPTION_COUNT("iterations", "1500", &s->iterations, 0, 1000000000, "updates"),
      OPTION_COUNT("runs", "10", &s->runs, 1, 1000000, "runs, each with random numbers of its own"),
      OPTION_COUNT("seed", "1", &s->seed, 0, UINT64_MAX, "seed of all random numbers"),
      OPTION_CHOICE("precision", "f32|f64", "f32", &s->precision, "single or double precision"),
      OPTION_TEXT(
          "out", "FILE.csv", NULL, &s->out,
          "where the angles go; FILE.json gets the configuration, FILE.summary.csv means and standard deviations "
          "over the runs; default: standard output"),
      OPTION_TEXT("plot", "FILE.svg|FILE.png", NULL, &s->plot, "plot of the angles, drawn by gnuplot"),
  };
  const program open_loop = {
      .about = "Imposes signals on a 20-100-20 network and measures the angle of W[1] with B[1]^T (Fig. 1B).",
      .options = options,
      .count = sizeof options / sizeof options[0],
  };
  int code = options_parse(&open_loop, argc, argv);
  return code < 0 && check_files(s) != FALIGN_OK ? exit_wrong_usage() : code;
}

int main(int argc, char **argv) {
  experiment e = {.table = NULL};
  process_one_blas_thread();
  int code = parse_command_line(&e.set, argc, argv);
  if (code >= 0) return code;
  code = run_experiment(&e);
  falign_table_destroy(e.table);
  return code;
}
