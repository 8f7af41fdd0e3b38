/* SPDX-License-Identifier: Apache-2.0 */

/* Trains a deep network on MNIST by backpropagation, feedback alignment or direct feedback alignment, and measures how
 * its forward weights align with the feedback weights. */

#include <falign/falign.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/data.h"
#include "kit/describe.h"
#include "kit/output.h"
#include "kit/plot.h"
#include "kit/process.h"
#include "mnist_runs.h"
#include "mnist_terms.h"

/* ---- What all runs share ---- */

static falign_status load_data(experiment *e) {
  TRY(data_find(e->set.data, &e->place));
  return data_read(&e->place, (size_t)e->set.image_size, e->set.seed, &e->train, &e->test);
}

static falign_status check_outputs(const settings *s) {
  TRY(output_check(s->out));
  TRY(output_check(s->plot));
  TRY(output_check(s->save));
  return output_check(s->checkpoint);
}

/* What the numbers of a run depend on. */
static falign_status describe_numbers(const experiment *e, configuration *config) {
  TRY(settings_describe(&e->set, config));
  TRY(config_set_text(config, "backend", falign_backend_name(e->backend)));
  TRY(describe_dataset(config, "training-data", falign_dataset_fingerprint(e->train)));
  return describe_dataset(config, "test-data", falign_dataset_fingerprint(e->test));
}

/* Everything, for the file beside the table. */
static falign_status describe_all(const experiment *e, configuration *config) {
  TRY(describe_program(config, "mnist"));
  TRY(describe_numbers(e, config));
  TRY(settings_describe_rest(&e->set, config));
  TRY(config_set_text(config, "data", e->place.path));
  TRY(config_set_integer(config, "threads", e->threads));
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

static falign_status refuse_unknown(const char *path, const char *name) {
  bool is_checkpoint = strncmp(name, "trainer.", strlen("trainer.")) == 0;
  return fail(FALIGN_FORMAT, "%s: this network has no '%s'%s", path, name,
              is_checkpoint ? ", which is of a checkpoint, for --resume" : "");
}

/* Refuses what an import would pass over: unknown names, and mixed precisions. */
static falign_status check_start(const falign_tensors *start, const char *path, uint32_t d) {
  falign_dtype first = 0;
  for (size_t i = 0; i < falign_tensors_count(start); i++) {
    const char *name = falign_tensors_name_at(start, i);
    if (!is_known(name, d)) return refuse_unknown(path, name);
    falign_tensor tensor;
    TRY(falign_tensors_view(start, name, &tensor));
    if (tensor.dtype != FALIGN_DTYPE_F32 && tensor.dtype != FALIGN_DTYPE_F64) {
      return fail(FALIGN_FORMAT, "%s: '%s' is neither F32 nor F64", path, name);
    }
    if (i == 0) first = tensor.dtype;
    if (tensor.dtype != first)
      return fail(FALIGN_FORMAT, "%s: '%s' has not the precision of the first tensor", path, name);
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
  TRY(falign_backend_create(s->backend, &e->backend));
  TRY(config_create(&e->config));
  TRY(describe_numbers(e, e->config));
  TRY(falign_table_create(settings_precision(s), NULL, &e->table));
  TRY(read_start(e));
  return s->resume == NULL ? FALIGN_OK : falign_tensors_read(s->resume, &e->checkpoint);
}

static void release(experiment *e) {
  falign_dataset_destroy(e->train);
  falign_dataset_destroy(e->test);
  falign_backend_destroy(e->backend);
  config_destroy(e->config);
  falign_tensors_destroy(e->start);
  falign_tensors_destroy(e->checkpoint);
  falign_table_destroy(e->table);
}

/* ---- Results ---- */

static falign_status write_table(const experiment *e) {
  configuration *config;
  TRY(config_create(&config));
  falign_status status = describe_all(e, config);
  if (status == FALIGN_OK) status = output_table(e->table, config, e->set.out);
  config_destroy(config);
  return status;
}

static falign_status print_layers(const experiment *e, const char *metric) {
  for (int64_t layer = -1; layer <= e->set.layers; layer++)
    TRY(curve_print_last(e->table, (curve_key){NULL, metric, layer, -1}));
  return FALIGN_OK;
}

/* The last test error, loss and angles, on standard error. */
static falign_status print_summary(const experiment *e) {
  const char *name;
  TRY(print_layers(e, "test_error"));
  TRY(print_layers(e, "loss"));
  for (size_t i = 0; (name = falign_metric_name_at(i)) != NULL; i++) {
    if (strncmp(name, "angle_", 6) == 0) TRY(print_layers(e, name));
  }
  return terms_print_summary(&e->set, e->table);
}

/* The layers 1 to d-1 of an angle, in the colours of the paper's layers. */
static falign_status add_angles(const experiment *e, const char *metric, plot_panel *panel) {
  char title[32];
  for (uint32_t l = 1; l < e->set.layers; l++) {
    snprintf(title, sizeof title, "layer %" PRIu32, l);
    TRY(plot_add(panel, e->table, (curve_key){NULL, metric, l, -1}, title,
                 (plot_style){.colour = l - 1, .dash = l - 1}));
  }
  return FALIGN_OK;
}

enum { PANELS = 3 };

static falign_status fill_panels(const experiment *e, plot_panel panels[PANELS]) {
  panels[0] = (plot_panel){.title = "Test error", .x_label = "epoch", .y_label = "test error (%)", .by_epoch = true};
  panels[1] = (plot_panel){.title = "W[l] with B[l]^T", .x_label = "iteration", .y_label = "angle (degrees)"};
  panels[2] =
      (plot_panel){.title = "W[l] ... W[d-1] with F[l]^T", .x_label = "iteration", .y_label = "angle (degrees)"};
  TRY(plot_add(&panels[0], e->table, (curve_key){NULL, "test_error", -1, -1}, e->set.rule, (plot_style){0}));
  TRY(add_angles(e, "angle_w_b", &panels[1]));
  return add_angles(e, "angle_w_f", &panels[2]);
}

/* Where none of those was measured: the first metrics that were, by layer. */
static falign_status fill_with_others(const experiment *e, plot_panel panels[PANELS]) {
  size_t used = 0;
  const char *name;
  char title[32];
  for (size_t i = 0; used < PANELS && (name = falign_metric_name_at(i)) != NULL; i++) {
    panels[used] = (plot_panel){.title = name, .x_label = "iteration", .y_label = name, .plain = true};
    for (int64_t l = -1; l <= e->set.layers; l++) {
      snprintf(title, sizeof title, "layer %" PRId64, l);
      TRY(plot_add(&panels[used], e->table, (curve_key){NULL, name, l, -1}, l < 0 ? "" : title,
                   (plot_style){.colour = (size_t)(l + 1), .dash = (size_t)(l + 1)}));
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
  falign_row row;
  for (size_t i = 0; i < falign_table_rows(table); i++) {
    if (falign_table_row(table, i, &row) == FALIGN_OK && strcmp(row.value.name, metric) == 0) return true;
  }
  return false;
}

/* Reports metrics that were asked for by name, but have no meaning for the rule. */
static void print_missing(const experiment *e) {
  const char *name;
  if (e->set.total == 0 || strcmp(e->set.metrics, DEFAULT_METRICS) == 0) return;
  for (size_t i = 0; (name = falign_metric_name_at(i)) != NULL; i++) {
    if (settings_names(&e->set, name) && !has_rows_of(e->table, name)) {
      fprintf(stderr, "  %s has no values under rule %s\n", name, e->set.rule);
    }
  }
}

/* Writes what there is, also after a failure; returns the exit code. */
static int finish(const experiment *e, falign_status status) {
  int code = status == FALIGN_OK ? EXIT_SUCCESS : exit_failed();
  bool has_rows = falign_table_rows(e->table) > 0;
  if ((status == FALIGN_OK || has_rows) && write_table(e) != FALIGN_OK) code = exit_failed();
  if (status == FALIGN_OK && print_summary(e) != FALIGN_OK) code = exit_failed();
  if (status == FALIGN_OK) print_missing(e);
  if (status == FALIGN_OK && e->set.plot != NULL && plot(e) != FALIGN_OK) code = exit_failed();
  return code;
}

static int run_experiment(experiment *e) {
  if (load_data(e) != FALIGN_OK) return exit_failed();
  if (settings_plan(&e->set, e->train) != FALIGN_OK) return exit_wrong_usage();
  if (prepare(e) != FALIGN_OK) return exit_failed();
  falign_status status = runs_do_all(e);
  progress_end(&e->progress);
  return finish(e, status);
}

int main(int argc, char **argv) {
  experiment e = {0};
  process_one_blas_thread();
  int code = settings_parse(&e.set, argc, argv);
  if (code >= 0) return code;
  code = run_experiment(&e);
  release(&e);
  return code;
}
