/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "figure.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "describe.h"
#include "options.h"
#include "output.h"
#include "process.h"

enum { PATH_SIZE = 4096, NOT_GIVEN = 0, WHOLE = 1000000 };

/* A run that is to be done or was kept. */
typedef struct job {
  figure_run run;
  struct jobs *all;
  configuration *config; /* what its numbers depend on */
  bool kept;             /* by an earlier start of the program */
  uint32_t done;         /* of all its work, in millionths */
} job;

/* All runs of all conditions. */
typedef struct jobs {
  job *list;
  size_t count;
  size_t *pending; /* those that are not kept */
  size_t pending_count;
  atomic_ullong work; /* of the pending ones, so far, in millionths of a run */
  atomic_uint done;
  atomic_flag showing; /* taken by the run that shows progress */
} jobs;

/* ---- Files ---- */

static falign_status join(char path[PATH_SIZE], const figure *f, const char *ending) {
  int length = snprintf(path, PATH_SIZE, "%s/%s%s", f->out, f->program->name, ending);
  return length > 0 && length < PATH_SIZE ? FALIGN_OK : fail(FALIGN_INVALID, "the path %s is too long", f->out);
}

static falign_status make_directory(const char *path) {
  struct stat info;
  if (mkdir(path, 0777) == 0) return FALIGN_OK;
  if (errno == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return FALIGN_OK;
  return fail(FALIGN_IO, "cannot make the directory %s: %s", path, strerror(errno));
}

static falign_status make_directories(const figure *f) {
  char path[PATH_SIZE];
  TRY(make_directory(f->out));
  TRY(join(path, f, ".runs"));
  TRY(make_directory(path));
  TRY(join(path, f, ".csv"));
  return output_check(path);
}

/* Where a run is kept. */
static falign_status kept_path(const job *j, char path[PATH_SIZE]) {
  const figure *f = j->run.figure;
  char ending[256];
  snprintf(ending, sizeof ending, ".runs/%s-%" PRIu32 ".safetensors", f->program->conditions[j->run.condition],
           j->run.number);
  return join(path, f, ending);
}

/* ---- What numbers depend on ---- */

uint64_t figure_updates(const figure_run *r) { return r->figure->epochs * r->per_epoch; }

/* Whether a run is on the data that --data names. */
static bool uses_data(const digits_setup *setup) { return setup->rule != NULL && setup->data == NULL; }

static bool any_uses_data(const figure_program *plan) {
  for (size_t c = 0; c < plan->condition_count; c++) {
    if (uses_data(&plan->setups[c])) return true;
  }
  return false;
}

static falign_status describe_data(const figure *f, configuration *config) {
  falign_backend *backend;
  TRY(describe_program(config, f->program->name));
  if (f->epochs > 0) TRY(config_set_integer(config, "epochs", (int64_t)f->epochs));
  TRY(describe_seed(config, f->seed));
  if (f->program->describe != NULL) TRY(f->program->describe(f, config));
  if (f->train != NULL) TRY(describe_dataset(config, "training-data", f->train_fingerprint));
  if (f->test != NULL) TRY(describe_dataset(config, "test-data", f->test_fingerprint));
  TRY(falign_backend_create("auto", &backend)); /* a trainer's own choice; permanent */
  return describe_backend(config, backend);
}

static falign_status describe_run(const figure_run *r, configuration *config) {
  const figure_program *plan = r->figure->program;
  TRY(describe_data(r->figure, config));
  TRY(config_set_text(config, "condition", plan->conditions[r->condition]));
  TRY(config_set_integer(config, "run", r->number));
  return digits_describe(&plan->setups[r->condition], "", config);
}

/* Everything, for the file beside the table. */
static falign_status describe_all(const figure *f, configuration *config) {
  const figure_program *plan = f->program;
  char prefix[64];
  TRY(describe_data(f, config));
  TRY(config_set_integer(config, "runs", (int64_t)f->runs));
  if (f->train != NULL) TRY(config_set_text(config, "data", f->place.path));
  for (size_t c = 0; c < plan->condition_count; c++) {
    snprintf(prefix, sizeof prefix, "%s.", plan->conditions[c]);
    TRY(digits_describe(&plan->setups[c], prefix, config));
  }
  return FALIGN_OK;
}

/* ---- Runs that are kept ---- */

static falign_status keep(const job *j) {
  char path[PATH_SIZE];
  falign_tensors *tensors;
  TRY(kept_path(j, path));
  TRY(falign_tensors_create(&tensors));
  falign_status status = falign_table_export(j->run.table, tensors);
  if (status == FALIGN_OK) status = config_export(j->config, tensors);
  if (status == FALIGN_OK) status = falign_tensors_write(tensors, path);
  falign_tensors_destroy(tensors);
  return status;
}

/* Whether the file holds this very run. */
static bool is_of(const job *j, const falign_tensors *tensors) {
  configuration *config = NULL;
  bool same = config_import(tensors, &config) == FALIGN_OK && config_match(j->config, config) == FALIGN_OK;
  config_destroy(config);
  return same;
}

/* Takes the rows of a run that was kept; of another or a damaged file, none. */
static falign_status take_kept(job *j) {
  char path[PATH_SIZE];
  falign_tensors *tensors = NULL;
  TRY(kept_path(j, path));
  if (falign_tensors_read(path, &tensors) != FALIGN_OK) return FALIGN_OK;
  j->kept = is_of(j, tensors) && falign_table_import(j->run.table, tensors) == FALIGN_OK;
  falign_tensors_destroy(tensors);
  return FALIGN_OK;
}

/* ---- Doing runs ---- */

static void show(const figure_run *r, const jobs *all) {
  figure *f = r->figure;
  double share = (double)atomic_load(&all->work) / WHOLE / (double)all->pending_count;
  progress_show(&f->progress, share, "%s: %zu of %zu runs done, now %s", f->program->name,
                all->count - all->pending_count + atomic_load(&all->done), all->count,
                f->program->conditions[r->condition]);
}

bool figure_stopped(figure_run *r, double share) {
  job *j = (job *)r; /* whose first member it is */
  jobs *all = j->all;
  uint32_t done = (uint32_t)(WHOLE * (r->begun + r->part * share));
  if (done > j->done) { /* where parts meet, rounding can take a millionth away */
    atomic_fetch_add(&all->work, done - j->done);
    j->done = done;
  }
  if (!atomic_flag_test_and_set(&all->showing)) {
    show(r, all);
    atomic_flag_clear(&all->showing);
  }
  return process_interrupted();
}

/* Called after each update. */
static int32_t look(void *user, uint64_t iteration, uint64_t until) {
  return figure_stopped(user, (double)iteration / (double)until);
}

falign_status figure_record(void *run, const falign_value *value) {
  const figure_run *r = run;
  double epoch = r->per_epoch > 0 ? (double)value->iteration / (double)r->per_epoch : NAN;
  return falign_table_add(r->table, value, epoch);
}

falign_status figure_add(figure_run *r, uint64_t iteration, const char *metric, int64_t layer, int64_t order,
                         double value) {
  const falign_value added = {(int64_t)iteration, metric, layer, order, value};
  return figure_record(r, &added);
}

falign_status figure_observe(figure_run *r, const digits_run *digits, const char *name, uint64_t every) {
  falign_metric *metric;
  TRY(falign_metric_create(name, &metric));
  return digits_observe(digits, metric, every, figure_record, r);
}

falign_status figure_train(figure_run *r, const digits_run *digits) {
  falign_trainer_set_progress(digits->trainer, look, r);
  return falign_trainer_run(digits->trainer, digits->train, figure_updates(r));
}

static falign_status do_digits(figure_run *r, const falign_dataset *train, const falign_dataset *test) {
  const figure *f = r->figure;
  digits_run digits;
  falign_status status =
      digits_make(&f->program->setups[r->condition], train, test, f->seed, r->number, r->threads, &digits);
  r->per_epoch = status == FALIGN_OK ? falign_batches_get_shape(digits.train)->count : 0;
  if (status == FALIGN_OK) status = f->program->run(r, &digits);
  digits_release(&digits);
  return status;
}

/* A run on data of its own. */
static falign_status do_synthetic(figure_run *r, const data_synthetic *data) {
  falign_dataset *train = NULL, *test = NULL;
  falign_status status = data_draw(data, DIGITS_IMAGE, FALIGN_TRAIN, r->figure->seed, &train);
  if (status == FALIGN_OK) status = data_draw(data, DIGITS_IMAGE, FALIGN_TEST, r->figure->seed, &test);
  if (status == FALIGN_OK) status = do_digits(r, train, test);
  falign_dataset_destroy(train);
  falign_dataset_destroy(test);
  return status;
}

static falign_status do_run(figure_run *r) {
  const figure *f = r->figure;
  const digits_setup *setup = &f->program->setups[r->condition];
  if (setup->rule == NULL) return f->program->run(r, NULL);
  return setup->data != NULL ? do_synthetic(r, setup->data) : do_digits(r, f->train, f->test);
}

static falign_status do_pending(void *user, uint32_t index) {
  jobs *all = user;
  job *j = &all->list[all->pending[index]];
  const figure_program *plan = j->run.figure->program;
  if (process_interrupted()) return fail(FALIGN_CANCELLED, "interrupted");
  falign_status status = do_run(&j->run);
  if (status == FALIGN_OK) status = keep(j);
  if (status != FALIGN_OK) {
    return fail(status, "%s, run %" PRIu32 ": %s", plan->conditions[j->run.condition], j->run.number,
                falign_last_error());
  }
  atomic_fetch_add(&all->done, 1);
  return FALIGN_OK;
}

static falign_status prepare_job(job *j) {
  figure *f = j->run.figure;
  TRY(falign_table_create(FALIGN_F32, "condition", &j->run.table));
  TRY(falign_table_set_condition(j->run.table, f->program->conditions[j->run.condition]));
  falign_table_set_run(j->run.table, j->run.number);
  TRY(config_create(&j->config));
  TRY(describe_run(&j->run, j->config));
  return take_kept(j);
}

/* One run of each condition after the other, so that after an interruption all conditions have about as many. */
static falign_status prepare_jobs(figure *f, jobs *all) {
  const size_t conditions = f->program->condition_count, count = conditions * (size_t)f->runs;
  all->list = calloc(count, sizeof *all->list);
  all->pending = calloc(count, sizeof *all->pending);
  if (all->list == NULL || all->pending == NULL) return fail(FALIGN_MEMORY, "no memory for %zu runs", count);
  all->count = count;
  for (size_t i = 0; i < count; i++) {
    job *j = &all->list[i];
    *j = (job){.run = {.figure = f, .condition = i % conditions, .number = (uint32_t)(i / conditions), .part = 1},
               .all = all};
    TRY(prepare_job(j));
    if (!j->kept) all->pending[all->pending_count++] = i;
  }
  return FALIGN_OK;
}

static falign_status do_all_pending(const figure *f, jobs *all) {
  uint32_t threads, pending = (uint32_t)all->pending_count;
  TRY(process_threads(f->threads, &threads));
  if (pending == 0) return FALIGN_OK;
  uint32_t at_once = pending < threads ? pending : threads;
  for (uint32_t i = 0; i < pending; i++) { /* the last ones share out all threads, as others end */
    uint32_t left = pending - i;
    all->list[all->pending[i]].run.threads = threads / (left < at_once ? left : at_once);
  }
  falign_status status = falign_ensemble_run(pending, at_once, do_pending, all);
  if (status != FALIGN_CANCELLED) return status;
  return fail(status, "interrupted: %zu of %zu runs are kept in %s; the same command does the others",
              all->count - pending + atomic_load(&all->done), all->count, f->out);
}

static falign_status gather(const figure *f, const jobs *all) {
  for (size_t c = 0; c < f->program->condition_count; c++) {
    for (size_t i = c; i < all->count; i += f->program->condition_count) {
      TRY(falign_table_append(f->table, all->list[i].run.table));
    }
  }
  return FALIGN_OK;
}

static falign_status do_runs(figure *f) {
  jobs all = {.showing = ATOMIC_FLAG_INIT};
  falign_status status = prepare_jobs(f, &all);
  if (status == FALIGN_OK && all.pending_count < all.count) {
    fprintf(stderr, "%s: %zu of %zu runs are there already\n", f->program->name, all.count - all.pending_count,
            all.count);
  }
  if (status == FALIGN_OK) status = do_all_pending(f, &all);
  progress_end(&f->progress);
  if (status == FALIGN_OK) status = gather(f, &all);
  for (size_t i = 0; i < all.count; i++) {
    falign_table_destroy(all.list[i].run.table);
    config_destroy(all.list[i].config);
  }
  free(all.list);
  free(all.pending);
  return status;
}

/* ---- Results ---- */

/* The last point of each line, on standard error. */
static void print_panel(const plot_panel *panel) {
  plot_shape shape = panel->count > 0 ? panel->lines[0].style.shape : PLOT_PATH;
  if (shape == PLOT_LINE || shape == PLOT_RANGE) fprintf(stderr, "%s\n", panel->title);
  for (size_t i = 0; i < panel->count; i++) {
    const plot_line *line = &panel->lines[i];
    const curve_point *last = &line->data.points[line->data.count - 1];
    if (line->style.shape != PLOT_LINE && line->style.shape != PLOT_RANGE) continue;
    fprintf(stderr, "  %-40s %10.5g", line->title, line->style.shape == PLOT_LINE ? last->mean : last->median);
    if (last->runs > 1 && line->style.shape == PLOT_LINE) fprintf(stderr, " +- %-8.3g", last->sd);
    if (line->style.shape == PLOT_RANGE) fprintf(stderr, " (%.5g to %.5g)", last->least, last->most);
    if (panel->by_epoch) fprintf(stderr, "  at epoch %.5g", last->epoch);
    if (!panel->by_epoch) fprintf(stderr, "  at %s %.5g", panel->x_label, last->x);
    fprintf(stderr, ", %zu run%s\n", last->runs, last->runs == 1 ? "" : "s");
  }
}

static falign_status write_table(const figure *f) {
  char path[PATH_SIZE];
  configuration *config;
  TRY(join(path, f, ".csv"));
  TRY(config_create(&config));
  falign_status status = describe_all(f, config);
  if (status == FALIGN_OK) status = output_table(f->table, config, path);
  config_destroy(config);
  return status;
}

typedef falign_status fill_function(const figure *f, plot_panel panels[FIGURE_PANELS]);

static falign_status write_pictures(const figure *f, const plot_panel *panels, const char *more) {
  static const char *const formats[] = {".svg", ".png"};
  char path[PATH_SIZE], ending[16];
  for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
    snprintf(ending, sizeof ending, "%s%s", more, formats[i]);
    TRY(join(path, f, ending));
    TRY(plot_write(panels, FIGURE_PANELS, path));
  }
  return FALIGN_OK;
}

static falign_status draw(const figure *f, fill_function *fill, const char *more) {
  static plot_panel panels[FIGURE_PANELS];
  falign_status status = fill(f, panels);
  for (size_t i = 0; i < FIGURE_PANELS && status == FALIGN_OK; i++) print_panel(&panels[i]);
  if (status == FALIGN_OK) status = write_pictures(f, panels, more);
  for (size_t i = 0; i < FIGURE_PANELS; i++) plot_free(&panels[i]);
  return status;
}

static falign_status write_results(const figure *f) {
  TRY(write_table(f));
  TRY(draw(f, f->program->fill, ""));
  if (f->program->fill_more != NULL) TRY(draw(f, f->program->fill_more, "-more"));
  fprintf(stderr, "%s: %s/%s.svg, .png, .csv, .summary.csv, .json\n", f->program->name, f->out, f->program->name);
  return FALIGN_OK;
}

/* ---- The program ---- */

/* What --help says of the paper's size. */
static void print_about(const figure_program *plan, char *about, size_t size) {
  char paper[64] = "", quick[64] = "";
  if (plan->epochs > 0) {
    snprintf(paper, sizeof paper, " of %" PRIu64 " epochs", plan->epochs);
    snprintf(quick, sizeof quick, " of %" PRIu64, plan->quick_epochs);
  }
  snprintf(about, size,
           "%s\nWithout options: %" PRIu64 " runs%s; with --quick %" PRIu64
           "%s.\n"
           "Runs are kept in DIR/%s.runs: the same command, interrupted, goes on; with more --runs it adds to them.",
           plan->about, plan->runs, paper, plan->quick_runs, quick, plan->name);
}

static int parse(figure *f, int argc, char **argv) {
  const figure_program *plan = f->program;
  char about[1024];
  option options[7] = {
      OPTION_TEXT("out", "DIR", "figures", &f->out,
                  "where results go: the figure as SVG and PNG, all rows, their means, and the configuration"),
      OPTION_COUNT("runs", NULL, &f->runs, 1, 1000000, "runs of each condition; default: as in the paper"),
      OPTION_COUNT("seed", "1", &f->seed, 0, UINT64_MAX, "seed of all random numbers"),
      OPTION_COUNT("threads", "0", &f->threads, 0, 1024, "runs at once; 0: one for each core"),
      OPTION_FLAG("quick", &f->quick, "fewer runs and epochs, where they are not given"),
  };
  const option epochs =
      OPTION_COUNT("epochs", NULL, &f->epochs, 1, 1000000, "epochs of a run; default: as in the paper");
  const option data =
      OPTION_TEXT("data", "DIR|synthetic:W,B", NULL, &f->data,
                  "directory of the four IDX files of MNIST or of data in its form, or synthetic data, in "
                  "which points of one category have a cosine of W in expectation and others of B");
  size_t count = 5;
  if (plan->epochs > 0) options[count++] = epochs;
  if (any_uses_data(plan)) options[count++] = data;
  print_about(plan, about, sizeof about);
  const struct program p = {.about = about, .options = options, .count = count};
  int code = options_parse(&p, argc, argv);
  if (code < 0 && data_check(f->data) != FALIGN_OK) code = exit_wrong_usage();
  if (f->runs == NOT_GIVEN) f->runs = f->quick ? plan->quick_runs : plan->runs;
  if (f->epochs == NOT_GIVEN) f->epochs = f->quick ? plan->quick_epochs : plan->epochs;
  return code;
}

static falign_status read_data(figure *f) {
  if (!any_uses_data(f->program)) return FALIGN_OK;
  TRY(data_find(f->data, &f->place));
  TRY(data_read(&f->place, DIGITS_IMAGE, f->seed, &f->train, &f->test));
  f->train_fingerprint = falign_dataset_fingerprint(f->train);
  f->test_fingerprint = falign_dataset_fingerprint(f->test);
  return FALIGN_OK;
}

static falign_status make_figure(figure *f) {
  TRY(make_directories(f));
  TRY(read_data(f));
  TRY(falign_table_create(FALIGN_F32, "condition", &f->table));
  process_watch_signals();
  TRY(do_runs(f));
  return write_results(f);
}

int figure_main(const figure_program *plan, int argc, char **argv) {
  figure f = {.program = plan, .out = ""};
  process_one_blas_thread();
  int code = parse(&f, argc, argv);
  if (code >= 0) return code;
  code = make_figure(&f) == FALIGN_OK ? EXIT_SUCCESS : exit_failed();
  falign_table_destroy(f.table);
  falign_dataset_destroy(f.train);
  falign_dataset_destroy(f.test);
  return code;
}
