/* SPDX-License-Identifier: Apache-2.0 */
#include "mnist_runs.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/matrix.h"
#include "kit/options.h"
#include "kit/process.h"
#include "mnist_terms.h"

/* Consecutive runs, of which some go on at once. */
typedef struct group {
  experiment *experiment;
  uint32_t first, count;
  uint32_t at_once;
  falign_table **tables;    /* one a run; NULL for the experiment's own */
  _Atomic uint32_t failed;  /* the lowest run that failed so far; UINT32_MAX for none */
  atomic_uint done;         /* runs that are over */
  atomic_ullong iterations; /* updates of all runs */
  atomic_flag showing;      /* taken by the run that shows progress */
} group;

/* One run: what is drawn anew for it, and what is bound to that. */
typedef struct run {
  group *group;
  uint32_t number;
  bool resumes;
  falign_table *table; /* where its rows go; borrowed */
  double test_error;   /* the last one; NaN before */
  falign_code *code;
  falign_batches *train, *test;
  falign_network *network;
  falign_rule *rule;
  falign_norm *norm; /* NULL for none */
  falign_trainer *trainer;
  double norm_dw[MAX_HIDDEN + 1]; /* ||dW[l]||_F where alignment terms are measured */
} run;

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
  TRY(falign_table_export(r->table, tensors));
  TRY(config_export(e->config, tensors));
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
  configuration *config;
  TRY(config_import(e->checkpoint, &config));
  falign_status status = config_match(e->config, config);
  config_destroy(config);
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
  falign_view code;
  TRY(falign_code_view(r->code, &code));
  if (code.rows == CATEGORIES && code.cols == OUTPUTS) return FALIGN_OK;
  return fail(FALIGN_SHAPE, "code is %d x %d, got %zu x %zu", CATEGORIES, OUTPUTS, code.rows, code.cols);
}

static falign_status make_batches(const experiment *e, run *r) {
  const settings *s = &e->set;
  size_t test_points = falign_dataset_get_shape(e->test)->points, size = (size_t)s->batch;
  TRY(falign_batches_create(e->train, r->code, size, &r->train));
  TRY(falign_batches_set_smoothing(r->train, s->label_smoothing));
  TRY(falign_batches_set_order(r->train, settings_order(s), s->seed, r->number));
  if (s->label_shuffle > 0) TRY(falign_batches_shuffle_labels(r->train, s->label_shuffle, s->seed, r->number));
  return falign_batches_create(e->test, r->code, size < test_points ? size : test_points, &r->test);
}

static falign_status make_network(const experiment *e, run *r) {
  const settings *s = &e->set;
  TRY(falign_network_create(settings_precision(s), s->layers, s->widths, 1, &r->network));
  TRY(network_activate(r->network, s->activation));
  TRY(falign_rule_create(s->rule, r->network, &r->rule));
  return settings_normalize_weights(s) ? falign_norm_create("columns", &s->gamma, 1, &r->norm) : FALIGN_OK;
}

/* Adds a row; called for each measured value. */
static falign_status record(void *user, const falign_value *value) {
  run *r = user;
  double epoch = (double)value->iteration / (double)r->group->experiment->set.per_epoch;
  if (strcmp(value->name, "test_error") == 0) r->test_error = value->value;
  return falign_table_add(r->table, value, epoch);
}

/* Keeps the norm of dW[l] until the alignment terms of its layer are recorded. */
static falign_status keep_norm(void *user, const falign_value *value) {
  run *r = user;
  r->norm_dw[value->layer] = value->value;
  return FALIGN_OK;
}

/* Adds the norm of dW[l] after the other rows of layer l, unless --metrics has it measured in this iteration. */
static falign_status record_norm(run *r, int64_t iteration, int64_t layer) {
  const settings *s = &r->group->experiment->set;
  const falign_value norm = {iteration, "norm_dw", layer, -1, r->norm_dw[layer]};
  bool again = settings_measure(s, norm.name) && (uint64_t)iteration % s->log_every == 0;
  return again ? FALIGN_OK : record(r, &norm);
}

/* Adds a row of the alignment terms, of which "angle_sum_t_linear" is the last of each layer. */
static falign_status record_term(void *user, const falign_value *value) {
  TRY(record(user, value));
  bool is_last = strcmp(value->name, "angle_sum_t_linear") == 0;
  return is_last ? record_norm(user, value->iteration, value->layer) : FALIGN_OK;
}

/* Observes a metric, and releases it. */
static falign_status observe(run *r, falign_metric *metric, uint64_t every) {
  falign_status status = falign_trainer_observe(r->trainer, metric, every, record, r);
  falign_metric_destroy(metric);
  return status;
}

static falign_status observe_all(const experiment *e, run *r) {
  const settings *s = &e->set;
  falign_metric *metric;
  const char *name;
  if (settings_measure(s, "test_error")) {
    TRY(falign_metric_create_test_error(r->test, &metric));
    TRY(observe(r, metric, s->per_epoch));
  }
  for (size_t i = 0; (name = falign_metric_name_at(i)) != NULL; i++) {
    if (!settings_measure(s, name)) continue;
    TRY(falign_metric_create(name, &metric));
    TRY(observe(r, metric, s->log_every));
  }
  return terms_observe(s, r->trainer, keep_norm, record_term, r);
}

static falign_status make_trainer(const experiment *e, run *r) {
  const settings *s = &e->set;
  TRY(falign_trainer_create(r->network, r->rule, s->eta, &r->trainer));
  TRY(falign_trainer_set_norm(r->trainer, r->norm));
  TRY(falign_trainer_set_backend(r->trainer, e->backend));
  return falign_trainer_set_threads(r->trainer, e->threads / r->group->at_once);
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
  return falign_table_import(r->table, e->checkpoint);
}

static falign_status make_run(const experiment *e, run *r) {
  const falign_tensors *file = r->resumes ? e->checkpoint : e->start;
  TRY(blame(r->resumes ? e->set.resume : e->set.load, make_code(e, file, r)));
  TRY(make_batches(e, r));
  TRY(make_network(e, r));
  TRY(make_trainer(e, r));
  TRY(observe_all(e, r));
  return r->resumes ? blame(e->set.resume, resume_run(e, r)) : start_run(e, r);
}

static void release_run(run *r) {
  falign_trainer_destroy(r->trainer);
  falign_norm_destroy(r->norm);
  falign_rule_destroy(r->rule);
  falign_network_destroy(r->network);
  falign_batches_destroy(r->train);
  falign_batches_destroy(r->test);
  falign_code_destroy(r->code);
}

/* ---- Progress ---- */

static void show(const run *r) {
  group *g = r->group;
  experiment *e = g->experiment;
  const settings *s = &e->set;
  double epochs = (double)s->total / (double)s->per_epoch;
  double done = (double)falign_trainer_iteration(r->trainer) / (double)s->total;
  double all = g->at_once > 1 ? g->first + (double)atomic_load(&g->iterations) / (double)s->total : r->number + done;
  char error[32] = "";
  if (!isnan(r->test_error)) snprintf(error, sizeof error, ", test error %.2f %%", r->test_error);
  if (g->at_once > 1) {
    progress_show(&e->progress, all / (double)s->runs,
                  "runs %" PRIu32 "/%" PRIu64 " done, epoch %.1f/%.1f on average%s", g->first + atomic_load(&g->done),
                  s->runs, all / (double)s->runs * epochs, epochs, error);
  } else {
    progress_show(&e->progress, all / (double)s->runs, "run %" PRIu32 "/%" PRIu64 ", epoch %.1f/%.1f%s", r->number + 1,
                  s->runs, done * epochs, epochs, error);
  }
}

/* Called after each update. Stops all runs after a signal, and those whose rows a failure has made needless. */
static int32_t look_around(void *user, uint64_t iteration, uint64_t until) {
  run *r = user;
  group *g = r->group;
  (void)iteration, (void)until;
  atomic_fetch_add(&g->iterations, 1);
  if (!atomic_flag_test_and_set(&g->showing)) { /* else another run shows it */
    show(r);
    atomic_flag_clear(&g->showing);
  }
  return process_interrupted() || r->number > atomic_load(&g->failed);
}

/* ---- Training ---- */

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

static falign_status do_run(const experiment *e, run *r) {
  TRY(make_run(e, r));
  falign_table_set_run(r->table, r->number);
  falign_trainer_set_progress(r->trainer, look_around, r);
  TRY(train(e, r));
  TRY(falign_trainer_measure(r->trainer));
  return save_run(e, r);
}

/* ---- All runs ---- */

static falign_status choose_table(const group *g, uint32_t index, falign_table **table) {
  experiment *e = g->experiment;
  if (g->tables == NULL) {
    *table = e->table;
    return FALIGN_OK;
  }
  TRY(falign_table_create(settings_precision(&e->set), NULL, &g->tables[index]));
  *table = g->tables[index];
  return FALIGN_OK;
}

static void note_failure(group *g, uint32_t number) {
  uint32_t failed = atomic_load(&g->failed);
  while (number < failed && !atomic_compare_exchange_weak(&g->failed, &failed, number)) continue;
}

static falign_status do_numbered_run(void *user, uint32_t index) {
  group *g = user;
  run r = {.group = g, .number = g->first + index, .test_error = NAN};
  r.resumes = g->experiment->checkpoint != NULL && index == 0;
  falign_status status = choose_table(g, index, &r.table);
  if (status == FALIGN_OK) status = do_run(g->experiment, &r);
  if (status != FALIGN_OK) note_failure(g, r.number);
  release_run(&r);
  atomic_fetch_add(&g->done, 1);
  return status;
}

/* Adds the rows of the runs to the experiment's, up to those of the run `last`. */
static falign_status append_tables(const group *g, uint32_t last) {
  for (uint32_t i = 0; i < g->count && g->first + i <= last; i++) {
    if (g->tables[i] != NULL) TRY(falign_table_append(g->experiment->table, g->tables[i]));
  }
  return FALIGN_OK;
}

/* Does the runs with tables of their own. */
static falign_status do_at_once(group *g) {
  g->tables = calloc(g->count, sizeof *g->tables);
  if (g->tables == NULL) return fail(FALIGN_MEMORY, "no memory for the tables of %" PRIu32 " runs", g->count);
  falign_status status = falign_ensemble_run(g->count, g->at_once, do_numbered_run, g);
  uint32_t last = status == FALIGN_CANCELLED ? UINT32_MAX : atomic_load(&g->failed);
  falign_status appended = append_tables(g, last);
  for (uint32_t i = 0; i < g->count; i++) falign_table_destroy(g->tables[i]);
  free(g->tables);
  return appended == FALIGN_OK ? status : appended;
}

static falign_status do_group(experiment *e, uint32_t first, uint32_t count, uint32_t at_once) {
  group g = {.experiment = e, .first = first, .count = count, .at_once = at_once, .showing = ATOMIC_FLAG_INIT};
  atomic_init(&g.failed, UINT32_MAX);
  return at_once > 1 ? do_at_once(&g) : falign_ensemble_run(count, 1, do_numbered_run, &g);
}

/* A checkpoint holds one run and the rows of those before it, and the history of alignment terms takes much memory. */
static bool is_one_by_one(const settings *s) {
  return s->checkpoint != NULL || s->resume != NULL || s->terms_at != NULL;
}

/* As many runs at once as there are threads. Where the last of them are fewer, they share the threads. */
falign_status runs_do_all(experiment *e) {
  uint64_t first = 0;
  process_watch_signals();
  TRY(process_threads(e->set.threads, &e->threads));
  if (e->checkpoint != NULL) TRY(blame(e->set.resume, find_run(e, &first)));
  while (first < e->set.runs) {
    uint32_t left = (uint32_t)(e->set.runs - first), most = is_one_by_one(&e->set) ? 1 : e->threads;
    uint32_t at_once = left < most ? left : most;
    uint32_t count = left - left % at_once; /* NOLINT(clang-analyzer-core.DivideZero): there is a thread at least */
    TRY(do_group(e, (uint32_t)first, count, at_once));
    first += count;
  }
  return FALIGN_OK;
}
