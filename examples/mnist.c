/* SPDX-License-Identifier: Apache-2.0 */

/* Trains a deep network on MNIST by backpropagation, feedback alignment or direct feedback alignment, and measures how
 * its forward weights align with the feedback weights. */

#include <falign/falign.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/data.h"
#include "kit/describe.h"
#include "kit/options.h"
#include "kit/output.h"
#include "kit/plot.h"
#include "kit/process.h"
#include "kit/progress.h"
#include "mnist_settings.h"
#include "mnist_terms.h"

/* What all runs share. */
typedef struct experiment {
  settings set;
  data_place place;
  falign_dataset *train, *test;
  falign_backend *backend;
  falign_config *config;      /* what a resumed run must share */
  falign_tensors *start;      /* of --load */
  falign_tensors *checkpoint; /* of --resume */
  falign_table *table;
  progress progress;
  double test_error; /* the last one; NaN before */
  uint32_t threads;
} experiment;

/* One run: what is drawn anew for it, and what is bound to that. */
typedef struct run {
  uint32_t number;
  falign_code *code;
  falign_batches *train, *test;
  falign_network *network;
  falign_rule *rule;
  falign_norm *norm; /* NULL for none */
  falign_trainer *trainer;
} run;

/* ---- What all runs share ---- */

static falign_status load_data(experiment *e) {
  TRY(data_find(e->set.data, &e->place));
  return data_read(&e->place, (size_t)e->set.image_size, &e->train, &e->test);
}

static falign_status check_outputs(const settings *s) {
  TRY(output_check(s->out));
  TRY(output_check(s->plot));
  TRY(output_check(s->save));
  return output_check(s->checkpoint);
}

/* What the numbers of a run depend on. */
static falign_status describe_numbers(const experiment *e, falign_config *config) {
  TRY(settings_describe(&e->set, config));
  TRY(falign_config_set_text(config, "backend", falign_backend_name(e->backend)));
  TRY(describe_dataset(config, "training-data", e->train));
  return describe_dataset(config, "test-data", e->test);
}

/* Everything, for the file beside the table. */
static falign_status describe_all(const experiment *e, falign_config *config) {
  TRY(describe_program(config, "mnist"));
  TRY(describe_numbers(e, config));
  TRY(settings_describe_rest(&e->set, config));
  TRY(falign_config_set_text(config, "data", e->place.path));
  TRY(falign_config_set_integer(config, "threads", e->threads));
  return describe_backend(config, e->backend);
}

/* Whether `name` is `letter`.l for an l from first to last. */
static bool is_layer(const char *name, char letter, uint32_t first, uint32_t last) {
  char candidate[16];
  for (uint32_t l = first; l <= last; l++) {
    snprintf(candidate, sizeof candidate, "%c.%" PRIu32, letter, l);
    if (strcmp(name, candidate) == 0) return true;
  }
  return false;
}

static bool is_known(const char *name, uint32_t d) {
  return is_layer(name, 'W', 0, d - 1) || is_layer(name, 'b', 1, d) || is_layer(name, 'B', 1, d - 1) ||
         is_layer(name, 'F', 1, d - 1) || strcmp(name, "code") == 0;
}

/* Refuses what an import would pass over: unknown names, and mixed precisions. */
static falign_status check_start(const falign_tensors *start, const char *path, uint32_t d) {
  falign_dtype first = 0, dtype;
  for (size_t i = 0; i < falign_tensors_count(start); i++) {
    const char *name = falign_tensors_name_at(start, i);
    if (!is_known(name, d)) return fail(FALIGN_FORMAT, "%s: this network has no '%s'", path, name);
    TRY(falign_tensors_view(start, name, &dtype, NULL, NULL, NULL));
    if (dtype != FALIGN_DTYPE_F32 && dtype != FALIGN_DTYPE_F64) {
      return fail(FALIGN_FORMAT, "%s: '%s' is neither F32 nor F64", path, name);
    }
    if (i == 0) first = dtype;
    if (dtype != first) return fail(FALIGN_FORMAT, "%s: '%s' has not the precision of the first tensor", path, name);
  }
  return FALIGN_OK;
}

static falign_status read_start(experiment *e) {
  const char *path = e->set.load;
  if (path == NULL) return FALIGN_OK;
  TRY(falign_tensors_read(path, &e->start));
  return check_start(e->start, path, e->set.layers);
}

static falign_status prepare(experiment *e) {
  const settings *s = &e->set;
  TRY(check_outputs(s));
  TRY(falign_backend_find(s->backend, &e->backend));
  TRY(falign_config_create(&e->config));
  TRY(describe_numbers(e, e->config));
  TRY(falign_table_create(settings_precision(s), NULL, &e->table));
  TRY(read_start(e));
  return s->resume == NULL ? FALIGN_OK : falign_tensors_read(s->resume, &e->checkpoint);
}

static void release(experiment *e) {
  falign_dataset_destroy(e->train);
  falign_dataset_destroy(e->test);
  falign_backend_destroy(e->backend);
  falign_config_destroy(e->config);
  falign_tensors_destroy(e->start);
  falign_tensors_destroy(e->checkpoint);
  falign_table_destroy(e->table);
}

/* ---- Checkpoints ---- */

static falign_status add_count(falign_tensors *tensors, const char *name, uint64_t count) {
  char text[32];
  snprintf(text, sizeof text, "%" PRIu64, count);
  return falign_tensors_set_note(tensors, name, text);
}

static falign_status read_count(const experiment *e, const char *name, uint64_t *count) {
  const char *text = falign_tensors_note(e->checkpoint, name);
  const option note = {.name = name, .parse = option_count, .target = count, .most = UINT64_MAX};
  if (text != NULL && option_count(&note, text) == FALIGN_OK) return FALIGN_OK;
  return fail(FALIGN_FORMAT, "it is no checkpoint of mnist: it does not tell its %s", name);
}

static falign_status fill_checkpoint(const experiment *e, const run *r, falign_tensors *tensors) {
  TRY(falign_trainer_export(r->trainer, tensors));
  TRY(falign_batches_export(r->train, falign_trainer_iteration(r->trainer), tensors));
  TRY(falign_table_export(e->table, tensors));
  TRY(falign_config_export(e->config, tensors));
  TRY(add_count(tensors, "run", r->number));
  TRY(add_count(tensors, "loaded", e->start != NULL));
  return add_count(tensors, "iterations", e->set.total);
}

static falign_status write_checkpoint(const experiment *e, const run *r) {
  falign_tensors *tensors;
  if (e->set.checkpoint == NULL) return FALIGN_OK;
  TRY(falign_tensors_create(&tensors));
  falign_status status = fill_checkpoint(e, r, tensors);
  if (status == FALIGN_OK) status = falign_tensors_write(tensors, e->set.checkpoint);
  falign_tensors_destroy(tensors);
  return status;
}

static falign_status match_checkpoint(const experiment *e) {
  falign_config *config;
  TRY(falign_config_import(e->checkpoint, &config));
  falign_status status = falign_config_match(e->config, config);
  falign_config_destroy(config);
  if (status == FALIGN_OK) return status;
  return fail(status, "its configuration is another: %s (here and there)", falign_last_error());
}

/* Finds the run that a checkpoint is in, and checks that it can be gone on with. */
static falign_status find_run(const experiment *e, uint64_t *number) {
  const settings *s = &e->set;
  uint64_t total, loaded;
  TRY(match_checkpoint(e));
  TRY(read_count(e, "run", number));
  TRY(read_count(e, "loaded", &loaded));
  TRY(read_count(e, "iterations", &total));
  if (*number >= s->runs) {
    return fail(FALIGN_INVALID, "it is in run %" PRIu64 ", beyond --runs %" PRIu64, *number, s->runs);
  }
  if (*number > 0 && total != s->total) {
    return fail(FALIGN_INVALID, "it follows runs of %" PRIu64 " iterations, not %" PRIu64, total, s->total);
  }
  if (*number + 1 < s->runs && (loaded != 0) != (e->start != NULL)) {
    return fail(FALIGN_INVALID, "its runs start with%s --load, as those after them must", loaded != 0 ? "" : "out");
  }
  return FALIGN_OK;
}

/* ---- One run ---- */

/* Takes the code of a file, or draws one where there is none. */
static falign_status make_code(const experiment *e, const falign_tensors *file, run *r) {
  const settings *s = &e->set;
  if (file == NULL || !falign_tensors_has(file, "code")) {
    return falign_code_create_n_hot(CATEGORIES, OUTPUTS, (size_t)s->hot, s->seed, r->number, &r->code);
  }
  TRY(falign_code_import(file, &r->code));
  uint32_t categories = falign_code_categories(r->code);
  size_t width = falign_code_width(r->code);
  if (categories == CATEGORIES && width == OUTPUTS) return FALIGN_OK;
  return fail(FALIGN_SHAPE, "code is %d x %d, got %" PRIu32 " x %zu", CATEGORIES, OUTPUTS, categories, width);
}

static falign_status make_batches(const experiment *e, run *r) {
  const settings *s = &e->set;
  size_t test_points = falign_dataset_points(e->test), size = (size_t)s->batch;
  TRY(falign_batches_create(e->train, r->code, size, &r->train));
  TRY(falign_batches_set_smoothing(r->train, s->label_smoothing));
  TRY(falign_batches_set_order(r->train, settings_order(s), s->seed, r->number));
  if (s->label_shuffle > 0) TRY(falign_batches_shuffle_labels(r->train, s->label_shuffle, s->seed, r->number));
  return falign_batches_create(e->test, r->code, size < test_points ? size : test_points, &r->test);
}

static falign_status make_network(const experiment *e, run *r) {
  const settings *s = &e->set;
  TRY(falign_network_create(settings_precision(s), s->layers, s->widths, 1, &r->network));
  for (uint32_t l = 1; l <= s->layers; l++) {
    TRY(falign_network_set_activation(r->network, l, falign_activation_find(s->activation)));
  }
  TRY(falign_rule_create_named(s->rule, r->network, &r->rule));
  return settings_normalize_weights(s) ? falign_norm_create_columns(&s->gamma, 1, &r->norm) : FALIGN_OK;
}

/* Adds a row; called for each measured value. */
static falign_status record(void *user, uint64_t iteration, const char *metric, int64_t layer, int64_t order,
                            double value) {
  experiment *e = user;
  double epoch = (double)iteration / (double)e->set.per_epoch;
  if (strcmp(metric, "test_error") == 0) e->test_error = value;
  return falign_table_add(e->table, (int64_t)iteration, epoch, layer, order, metric, value);
}

/* The same for alignment terms, but for the norm that --metrics has measured in this iteration. */
static falign_status record_term(void *user, uint64_t iteration, const char *metric, int64_t layer, int64_t order,
                                 double value) {
  const experiment *e = user;
  bool again = strcmp(metric, "norm_dw") == 0 && settings_measure(&e->set, metric) && iteration % e->set.log_every == 0;
  return again ? FALIGN_OK : record(user, iteration, metric, layer, order, value);
}

/* Has a metric measured, and gives up the reference to it. */
static falign_status observe(experiment *e, run *r, falign_metric *metric, uint64_t every) {
  falign_status status = falign_trainer_observe(r->trainer, metric, every, record, e);
  falign_metric_destroy(metric);
  return status;
}

static falign_status observe_all(experiment *e, run *r) {
  const settings *s = &e->set;
  falign_metric *metric;
  if (settings_measure(s, "test_error")) {
    TRY(falign_metric_create_test_error(r->test, &metric));
    TRY(observe(e, r, metric, s->per_epoch));
  }
  for (size_t i = 0; i < falign_metric_count(); i++) {
    if (!settings_measure(s, falign_metric_name_at(i))) continue;
    TRY(falign_metric_create(falign_metric_name_at(i), &metric));
    TRY(observe(e, r, metric, s->log_every));
  }
  return terms_observe(s, r->trainer, record_term, e);
}

/* Uses the threads asked for; else one for each core, where this build of the library has threads. */
static falign_status set_threads(experiment *e, run *r) {
  uint64_t asked = e->set.threads;
  falign_status status = falign_trainer_set_threads(r->trainer, asked > 0 ? (uint32_t)asked : process_cores());
  e->threads = falign_trainer_threads(r->trainer);
  return status == FALIGN_UNSUPPORTED && asked == 0 ? FALIGN_OK : status;
}

static falign_status make_trainer(experiment *e, run *r) {
  const settings *s = &e->set;
  TRY(falign_trainer_create(r->network, r->rule, s->eta, &r->trainer));
  TRY(falign_trainer_set_norm(r->trainer, r->norm));
  TRY(falign_trainer_set_backend(r->trainer, e->backend));
  return set_threads(e, r);
}

static falign_status load(const experiment *e, run *r) {
  TRY(falign_network_import(r->network, e->start));
  return falign_rule_import(r->rule, e->start);
}

/* Draws, loads and normalizes what a run starts from. */
static falign_status start_run(const experiment *e, run *r) {
  const settings *s = &e->set;
  TRY(falign_network_draw(r->network, s->init_sd, s->init_sd, s->seed, r->number));
  TRY(falign_rule_draw(r->rule, s->init_sd, s->seed, r->number));
  if (e->start != NULL) TRY(blame(s->load, load(e, r)));
  if (r->norm != NULL) TRY(falign_norm_apply(r->norm, r->network, r->rule));
  return settings_normalize_feedback(s) ? falign_rule_normalize_columns(r->rule, s->gamma) : FALIGN_OK;
}

/* Takes up a run where a checkpoint left it. */
static falign_status resume_run(const experiment *e, run *r) {
  TRY(falign_trainer_import(r->trainer, e->checkpoint));
  uint64_t iteration = falign_trainer_iteration(r->trainer);
  if (iteration > e->set.total) {
    return fail(FALIGN_INVALID, "it is at iteration %" PRIu64 ", beyond the %" PRIu64 " asked for", iteration,
                e->set.total);
  }
  TRY(falign_batches_import(r->train, iteration, e->checkpoint));
  return falign_table_import(e->table, e->checkpoint);
}

static falign_status make_run(experiment *e, bool resumes, run *r) {
  const falign_tensors *file = resumes ? e->checkpoint : e->start;
  TRY(blame(resumes ? e->set.resume : e->set.load, make_code(e, file, r)));
  TRY(make_batches(e, r));
  TRY(make_network(e, r));
  TRY(make_trainer(e, r));
  TRY(observe_all(e, r));
  return resumes ? blame(e->set.resume, resume_run(e, r)) : start_run(e, r);
}

static void release_run(run *r) {
  process_cancel_on_signal(NULL);
  falign_trainer_destroy(r->trainer);
  falign_norm_destroy(r->norm);
  falign_rule_destroy(r->rule);
  falign_network_destroy(r->network);
  falign_batches_destroy(r->train);
  falign_batches_destroy(r->test);
  falign_code_destroy(r->code);
}

typedef struct watch {
  experiment *experiment;
  const run *run;
} watch;

static int32_t show_progress(void *user, uint64_t iteration, uint64_t until) {
  const watch *w = user;
  experiment *e = w->experiment;
  const settings *s = &e->set;
  (void)until;
  double done = (double)iteration / (double)s->total, epochs = (double)s->total / (double)s->per_epoch;
  char error[32] = "";
  if (!isnan(e->test_error)) snprintf(error, sizeof error, ", test error %.2f %%", e->test_error);
  progress_show(&e->progress, (w->run->number + done) / (double)s->runs,
                "run %" PRIu32 "/%" PRIu64 ", epoch %.1f/%.1f%s", w->run->number + 1, s->runs, done * epochs, epochs,
                error);
  return 0;
}

/* Trains on; the history ends with the last iteration that needs it. */
static falign_status train_until(const experiment *e, const run *r, uint64_t until) {
  uint64_t end = terms_end(&e->set);
  if (falign_trainer_history(r->trainer) != NULL && end <= until) {
    TRY(falign_trainer_run(r->trainer, r->train, end));
    TRY(falign_trainer_set_history(r->trainer, NULL));
  }
  return falign_trainer_run(r->trainer, r->train, until);
}

/* Trains to the end, from checkpoint to checkpoint. */
static falign_status train(const experiment *e, const run *r) {
  const uint64_t every = e->set.checkpoint_every, total = e->set.total;
  uint64_t until;
  do {
    uint64_t next = (falign_trainer_iteration(r->trainer) / every + 1) * every;
    until = next < total ? next : total;
    falign_status status = train_until(e, r, until);
    if (status == FALIGN_OK || status == FALIGN_CANCELLED) TRY(write_checkpoint(e, r));
    if (status == FALIGN_CANCELLED) {
      return fail(status, "interrupted at iteration %" PRIu64 " of run %" PRIu32, falign_trainer_iteration(r->trainer),
                  r->number);
    }
    TRY(status);
  } while (until < total);
  return FALIGN_OK;
}

static falign_status save_run(const experiment *e, const run *r) {
  falign_tensors *tensors;
  if (e->set.save == NULL) return FALIGN_OK;
  TRY(falign_tensors_create(&tensors));
  falign_status status = falign_network_export(r->network, tensors);
  if (status == FALIGN_OK) status = falign_rule_export(r->rule, tensors);
  if (status == FALIGN_OK) status = falign_code_export(r->code, settings_precision(&e->set), tensors);
  if (status == FALIGN_OK) status = falign_tensors_write(tensors, e->set.save);
  falign_tensors_destroy(tensors);
  return status;
}

static falign_status do_run(experiment *e, bool resumes, run *r) {
  watch w = {e, r};
  TRY(make_run(e, resumes, r));
  falign_table_set_run(e->table, r->number);
  falign_trainer_set_progress(r->trainer, show_progress, &w);
  process_cancel_on_signal(r->trainer);
  TRY(train(e, r));
  TRY(falign_trainer_measure(r->trainer));
  return save_run(e, r);
}

static falign_status do_all_runs(experiment *e) {
  uint64_t first = 0;
  if (e->checkpoint != NULL) TRY(blame(e->set.resume, find_run(e, &first)));
  for (uint64_t number = first; number < e->set.runs; number++) {
    run r = {.number = (uint32_t)number};
    falign_status status = do_run(e, e->checkpoint != NULL && number == first, &r);
    release_run(&r);
    TRY(status);
  }
  return FALIGN_OK;
}

/* ---- Results ---- */

static falign_status write_table(const experiment *e) {
  falign_config *config;
  TRY(falign_config_create(&config));
  falign_status status = describe_all(e, config);
  if (status == FALIGN_OK) status = output_table(e->table, config, e->set.out);
  falign_config_destroy(config);
  return status;
}

static falign_status print_layers(const experiment *e, const char *metric) {
  for (int64_t layer = -1; layer <= e->set.layers; layer++) TRY(curve_print_last(e->table, NULL, metric, layer));
  return FALIGN_OK;
}

/* The last test error, loss and angles, on standard error. */
static falign_status print_summary(const experiment *e) {
  TRY(print_layers(e, "test_error"));
  TRY(print_layers(e, "loss"));
  for (size_t i = 0; i < falign_metric_count(); i++) {
    const char *name = falign_metric_name_at(i);
    if (strncmp(name, "angle_", 6) == 0) TRY(print_layers(e, name));
  }
  return terms_print_summary(&e->set, e->table);
}

/* The layers 1 to d-1 of an angle, in the colours of the paper's layers. */
static falign_status add_angles(const experiment *e, const char *metric, plot_panel *panel) {
  char title[32];
  for (uint32_t l = 1; l < e->set.layers; l++) {
    snprintf(title, sizeof title, "layer %" PRIu32, l);
    TRY(plot_add(panel, e->table, NULL, metric, l, title, l - 1));
  }
  return FALIGN_OK;
}

enum { PANELS = 3 };

static falign_status fill_panels(const experiment *e, plot_panel panels[PANELS]) {
  panels[0] = (plot_panel){.title = "Test error", .x_label = "epoch", .y_label = "test error (%)", .by_epoch = true};
  panels[1] = (plot_panel){.title = "W[l] with B[l]^T", .x_label = "iteration", .y_label = "angle (degrees)"};
  panels[2] =
      (plot_panel){.title = "W[l] ... W[d-1] with F[l]^T", .x_label = "iteration", .y_label = "angle (degrees)"};
  TRY(plot_add(&panels[0], e->table, NULL, "test_error", -1, e->set.rule, 0));
  TRY(add_angles(e, "angle_w_b", &panels[1]));
  return add_angles(e, "angle_w_f", &panels[2]);
}

/* Where none of those was measured: the first metrics that were, by layer. */
static falign_status fill_with_others(const experiment *e, plot_panel panels[PANELS]) {
  size_t used = 0;
  char title[32];
  for (size_t i = 0; i < falign_metric_count() && used < PANELS; i++) {
    const char *name = falign_metric_name_at(i);
    panels[used] = (plot_panel){.title = name, .x_label = "iteration", .y_label = name};
    for (int64_t l = -1; l <= e->set.layers; l++) {
      snprintf(title, sizeof title, "layer %" PRId64, l);
      TRY(plot_add(&panels[used], e->table, NULL, name, l, l < 0 ? name : title, (size_t)(l + 1)));
    }
    used += panels[used].count > 0;
  }
  return FALIGN_OK;
}

static falign_status plot(const experiment *e) {
  plot_panel panels[PANELS];
  falign_status status = fill_panels(e, panels);
  bool empty = panels[0].count + panels[1].count + panels[2].count == 0;
  if (status == FALIGN_OK && empty) status = fill_with_others(e, panels);
  if (status == FALIGN_OK) status = plot_write(panels, PANELS, e->set.plot);
  for (size_t i = 0; i < PANELS; i++) plot_free(&panels[i]);
  return status;
}

static bool has_rows_of(const falign_table *table, const char *metric) {
  const char *name;
  for (size_t i = 0; i < falign_table_rows(table); i++) {
    if (falign_table_row(table, i, NULL, NULL, NULL, NULL, NULL, NULL, &name, NULL) == FALIGN_OK &&
        strcmp(name, metric) == 0) {
      return true;
    }
  }
  return false;
}

/* Tells of metrics that were asked for by name, but have no meaning for the rule. */
static void print_missing(const experiment *e) {
  if (e->set.total == 0 || strcmp(e->set.metrics, DEFAULT_METRICS) == 0) return;
  for (size_t i = 0; i < falign_metric_count(); i++) {
    const char *name = falign_metric_name_at(i);
    if (settings_names(&e->set, name) && !has_rows_of(e->table, name)) {
      fprintf(stderr, "  %s has no values under rule %s\n", name, e->set.rule);
    }
  }
}

/* Writes what there is, also after a failure; returns the exit code. */
static int finish(const experiment *e, falign_status status) {
  int code = status == FALIGN_OK ? EXIT_SUCCESS : exit_failed("mnist");
  bool has_rows = falign_table_rows(e->table) > 0;
  if ((status == FALIGN_OK || has_rows) && write_table(e) != FALIGN_OK) code = exit_failed("mnist");
  if (status == FALIGN_OK && print_summary(e) != FALIGN_OK) code = exit_failed("mnist");
  if (status == FALIGN_OK) print_missing(e);
  if (status == FALIGN_OK && e->set.plot != NULL && plot(e) != FALIGN_OK) code = exit_failed("mnist");
  return code;
}

static int run_experiment(experiment *e) {
  if (load_data(e) != FALIGN_OK) return exit_failed("mnist");
  if (settings_plan(&e->set, e->train) != FALIGN_OK) return exit_wrong_usage("mnist");
  if (prepare(e) != FALIGN_OK) return exit_failed("mnist");
  falign_status status = do_all_runs(e);
  progress_end(&e->progress);
  return finish(e, status);
}

int main(int argc, char **argv) {
  experiment e = {.test_error = NAN};
  process_one_blas_thread();
  int code = settings_parse(&e.set, argc, argv);
  if (code >= 0) return code;
  code = run_experiment(&e);
  release(&e);
  return code;
}
