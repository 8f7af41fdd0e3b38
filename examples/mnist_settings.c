/* SPDX-License-Identifier: Apache-2.0 */
#include "mnist_settings.h"

#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kit/data.h"
#include "kit/describe.h"
#include "kit/options.h"
#include "kit/output.h"
#include "kit/plot.h"
#include "mnist_terms.h"

enum { DEFAULT_EPOCHS = 100 };
#define NOT_GIVEN UINT64_MAX

static void print_metrics(void) {
  const char *name;
  puts(
      "\nMetrics, measured before each update k of which --log-every is a divisor; those of the weights\n"
      "alone also after the last update:");
  printf("  %-20s %s\n", "test_error", "share of the test set that is decoded wrongly, percent; at epoch starts");
  for (size_t i = 0; (name = falign_metric_name_at(i)) != NULL; i++) {
    printf("  %-20s %s\n", name, falign_metric_description_at(i));
  }
  terms_print_help();
  printf("\nBackends: auto");
  for (size_t i = 0; (name = falign_backend_name_at(i)) != NULL; i++) printf(", %s", name);
  puts("\n\nExit code: 0; 1 after a failure; 2 after wrong usage.");
}

#define NEXT_EPOCH "; default: the batches of an epoch"

static int parse_options(settings *s, int argc, char **argv) {
  const uint64_t many = 1000000000;
  const option options[] = {
      OPTION_TEXT("data", "DIR|synthetic:W,B", NULL, &s->data,
                  "directory of the four IDX files, plain or gz, or synthetic data, in which points of one category "
                  "have a cosine of W in expectation and others of B; default: $FALIGN_MNIST_DIR, else the user's data "
                  "directory, else the system's Fashion-MNIST"),
      OPTION_CHOICE("rule", "bp|fa|dfa", "fa", &s->rule, "how the error travels back"),
      OPTION_CHOICE("norm", "none|columns", "none", &s->norm,
                    "weight normalization, at the start and after each update"),
      OPTION_REAL("gamma", "1", &s->gamma, DBL_MIN, DBL_MAX, "norm of each neuron's input weights with --norm columns"),
      OPTION_CHOICE("normalize-feedback", "yes|no", NULL, &s->normalize_feedback,
                    "scale the columns of the feedback matrices to gamma at the start; default: yes with --norm "
                    "columns, else no"),
      OPTION_REAL("eta", "0.0005", &s->eta, 0, DBL_MAX, "learning rate"),
      OPTION_COUNT("epochs", NULL, &s->epochs, 0, many, "passes over the training set; default: 100"),
      OPTION_COUNT("iterations", NULL, &s->iterations, 0, many * many / 1000, "updates, in place of --epochs"),
      OPTION_COUNT("batch", "1000", &s->batch, 1, many, "data points in a batch"),
      OPTION_TEXT("hidden", "N,N,...|none", "50,50,50,50", &s->hidden,
                  "widths of at most 63 hidden layers; the output has 50"),
      OPTION_CHOICE("activation", "tanh-relu|relu|tanh|logistic|linear", "tanh-relu", &s->activation,
                    "activation of all layers"),
      OPTION_COUNT("hot", "5", &s->hot, 1, OUTPUTS / CATEGORIES, "ones in the code of each category"),
      OPTION_COUNT("image-size", "15", &s->image_size, 1, 256, "width and height to which images are resized"),
      OPTION_REAL("init-sd", "0.1", &s->init_sd, 0, DBL_MAX, "standard deviation of drawn W, b, B and F"),
      OPTION_CHOICE("shuffle", "none|once|epoch", "none", &s->shuffle,
                    "order of the training set: the file's, one for each run, or a new one for each epoch"),
      OPTION_REAL("label-shuffle", "0", &s->label_shuffle, 0, 1, "fraction of training labels replaced by random ones"),
      OPTION_REAL("label-smoothing", "0", &s->label_smoothing, 0, 0.5, "training targets: ones become 1 - X, zeros X"),
      OPTION_COUNT(
          "runs", "1", &s->runs, 1, 1000000,
          "runs, each with random numbers of its own; as many go on at once as there are threads, but one after the "
          "other with --terms-at, --checkpoint or --resume"),
      OPTION_COUNT("seed", "1", &s->seed, 0, UINT64_MAX, "seed of all random numbers"),
      OPTION_CHOICE("precision", "f32|f64", "f32", &s->precision, "single or double precision"),
      OPTION_TEXT("backend", "NAME", "auto", &s->backend, "what multiplies matrices; see below"),
      OPTION_COUNT("threads", NULL, &s->threads, 1, 1024,
                   "threads, on which results do not depend; default: the cores available"),
      OPTION_COUNT("log-every", NULL, &s->log_every, 1, many, "iterations between measurements" NEXT_EPOCH),
      OPTION_TEXT("metrics", "LIST|all", DEFAULT_METRICS, &s->metrics,
                  "what is measured, separated by commas; see below"),
      OPTION_TEXT("terms-at", "K,K,...", NULL, &s->terms_at,
                  "iterations, counted from 0, at which alignment terms are measured, for fa and dfa; all steps before "
                  "the last of them are kept in memory"),
      OPTION_TEXT("orders", "all|O,O,...", "all", &s->orders, "single orders whose terms are written"),
      OPTION_TEXT(
          "out", "FILE.csv", NULL, &s->out,
          "where the values go; FILE.json gets the configuration, FILE.summary.csv means and standard deviations "
          "over the runs; default: standard output"),
      OPTION_TEXT("plot", "FILE.svg|FILE.png", NULL, &s->plot, "plot of test error and angles, drawn by gnuplot"),
      OPTION_TEXT("load", "FILE", NULL, &s->load,
                  "safetensors file with W.l, b.l, B.l or F.l and code to start from; what it lacks is drawn"),
      OPTION_TEXT("save", "FILE", NULL, &s->save,
                  "safetensors file for the same after the last update of a single run"),
      OPTION_TEXT("checkpoint", "FILE", NULL, &s->checkpoint, "file that keeps the whole state while training"),
      OPTION_COUNT("checkpoint-every", NULL, &s->checkpoint_every, 1, many,
                   "iterations between checkpoints" NEXT_EPOCH),
      OPTION_TEXT(
          "resume", "FILE", NULL, &s->resume,
          "checkpoint to go on from, up to the given epochs or iterations; what is measured may differ, and the "
          "JSON beside --out tells of the last part"),
  };
  const program mnist = {
      .about = "Trains a deep network on MNIST by backpropagation, feedback alignment or direct feedback alignment.",
      .options = options,
      .count = sizeof options / sizeof options[0],
      .more = print_metrics,
  };
  return options_parse(&mnist, argc, argv);
}

/* Sets n[1..d] from --hidden. */
static falign_status parse_widths(settings *s) {
  const char *list = strcmp(s->hidden, "none") == 0 ? NULL : s->hidden;
  char item[OPTION_ITEM_SIZE];
  uint64_t width;
  const option hidden = {.name = "hidden", .parse = option_count, .target = &width, .least = 1, .most = 1000000};
  while (option_next_item(&list, item)) {
    if (s->layers == MAX_HIDDEN) return fail(FALIGN_INVALID, "--hidden '%s' has too many layers", s->hidden);
    TRY(option_count(&hidden, item));
    s->widths[++s->layers] = (size_t)width;
  }
  s->widths[++s->layers] = OUTPUTS;
  return FALIGN_OK;
}

bool settings_measure(const settings *s, const char *metric) {
  return strcmp(s->metrics, "all") == 0 || settings_names(s, metric);
}

bool settings_names(const settings *s, const char *metric) {
  const char *list = s->metrics;
  char item[OPTION_ITEM_SIZE];
  while (option_next_item(&list, item)) {
    if (strcmp(item, metric) == 0) return true;
  }
  return false;
}

static bool is_metric(const char *name) {
  const char *known;
  if (strcmp(name, "test_error") == 0) return true;
  for (size_t i = 0; (known = falign_metric_name_at(i)) != NULL; i++) {
    if (strcmp(name, known) == 0) return true;
  }
  return false;
}

static falign_status check_metrics(const char *list) {
  char item[OPTION_ITEM_SIZE];
  if (strcmp(list, "all") == 0) return FALIGN_OK;
  while (option_next_item(&list, item)) {
    if (!is_metric(item)) return fail(FALIGN_INVALID, "--metrics '%s' is not a metric", item);
  }
  return FALIGN_OK;
}

static falign_status check_backend(const char *name) {
  falign_backend *backend = NULL;
  falign_status status = falign_backend_create(name, &backend);
  falign_backend_destroy(backend);
  return status == FALIGN_OK ? status : fail(status, "--backend '%s': %s", name, falign_last_error());
}

static falign_status check_outputs(const settings *s) {
  const output_file files[] = {{"out", s->out}, {"plot", s->plot}, {"save", s->save}, {"checkpoint", s->checkpoint}};
  return output_check_distinct(files, sizeof files / sizeof files[0]);
}

/* What the table of options cannot say. */
static falign_status check(settings *s) {
  TRY(data_check(s->data));
  TRY(parse_widths(s));
  TRY(check_metrics(s->metrics));
  TRY(check_backend(s->backend));
  TRY(check_outputs(s));
  TRY(terms_check(s));
  if (s->epochs != NOT_GIVEN && s->iterations != NOT_GIVEN) {
    return fail(FALIGN_INVALID, "--epochs '%" PRIu64 "' and --iterations '%" PRIu64 "' exclude each other", s->epochs,
                s->iterations);
  }
  if (s->save != NULL && s->runs > 1) {
    return fail(FALIGN_INVALID, "--save '%s' holds one run, not --runs '%" PRIu64 "'", s->save, s->runs);
  }
  if (s->plot != NULL && !plot_can_write(s->plot)) {
    return fail(FALIGN_INVALID, "--plot '%s' does not end in .svg or .png", s->plot);
  }
  return FALIGN_OK;
}

int settings_parse(settings *s, int argc, char **argv) {
  *s = (settings){.epochs = NOT_GIVEN, .iterations = NOT_GIVEN};
  int code = parse_options(s, argc, argv);
  return code < 0 && check(s) != FALIGN_OK ? exit_wrong_usage() : code;
}

falign_status settings_plan(settings *s, const falign_dataset *train) {
  const falign_dataset_shape *shape = falign_dataset_get_shape(train);
  uint64_t points = shape->points;
  if (s->batch > points) {
    return fail(FALIGN_INVALID, "--batch '%" PRIu64 "' is more than the %" PRIu64 " points of the training set",
                s->batch, points);
  }
  s->widths[0] = shape->width;
  s->per_epoch = (points + s->batch - 1) / s->batch;
  if (s->epochs == NOT_GIVEN) s->epochs = DEFAULT_EPOCHS;
  s->total = s->iterations == NOT_GIVEN ? s->epochs * s->per_epoch : s->iterations;
  if (s->log_every == 0) s->log_every = s->per_epoch;
  if (s->checkpoint_every == 0) s->checkpoint_every = s->per_epoch;
  return terms_check_total(s);
}

falign_precision settings_precision(const settings *s) {
  return strcmp(s->precision, "f32") == 0 ? FALIGN_F32 : FALIGN_F64;
}

falign_order settings_order(const settings *s) {
  if (strcmp(s->shuffle, "once") == 0) return FALIGN_ORDER_ONCE;
  return strcmp(s->shuffle, "epoch") == 0 ? FALIGN_ORDER_EPOCH : FALIGN_ORDER_NONE;
}

bool settings_normalize_weights(const settings *s) { return strcmp(s->norm, "columns") == 0; }

bool settings_normalize_feedback(const settings *s) {
  if (strcmp(s->rule, "bp") == 0) return false;
  if (s->normalize_feedback == NULL) return settings_normalize_weights(s);
  return strcmp(s->normalize_feedback, "yes") == 0;
}

falign_status settings_describe(const settings *s, configuration *config) {
  TRY(config_set_text(config, "rule", s->rule));
  TRY(config_set_text(config, "norm", s->norm));
  TRY(config_set_text(config, "normalize-feedback", settings_normalize_feedback(s) ? "yes" : "no"));
  if (settings_normalize_weights(s) || settings_normalize_feedback(s)) {
    TRY(config_set_real(config, "gamma", s->gamma));
  }
  TRY(config_set_real(config, "eta", s->eta));
  TRY(config_set_integer(config, "batch", (int64_t)s->batch));
  TRY(config_set_text(config, "hidden", s->hidden));
  TRY(config_set_text(config, "activation", s->activation));
  TRY(config_set_integer(config, "hot", (int64_t)s->hot));
  TRY(config_set_integer(config, "image-size", (int64_t)s->image_size));
  TRY(config_set_real(config, "init-sd", s->init_sd));
  TRY(config_set_text(config, "shuffle", s->shuffle));
  TRY(config_set_real(config, "label-shuffle", s->label_shuffle));
  TRY(config_set_real(config, "label-smoothing", s->label_smoothing));
  TRY(describe_seed(config, s->seed));
  return config_set_text(config, "precision", s->precision);
}

static falign_status describe_given(configuration *config, const char *name, const char *text) {
  return text == NULL ? FALIGN_OK : config_set_text(config, name, text);
}

falign_status settings_describe_rest(const settings *s, configuration *config) {
  TRY(config_set_real(config, "gamma", s->gamma));
  TRY(config_set_integer(config, "outputs", OUTPUTS));
  TRY(config_set_integer(config, "iterations", (int64_t)s->total));
  TRY(config_set_real(config, "epochs", (double)s->total / (double)s->per_epoch));
  TRY(config_set_integer(config, "batches-per-epoch", (int64_t)s->per_epoch));
  TRY(config_set_integer(config, "runs", (int64_t)s->runs));
  TRY(config_set_integer(config, "log-every", (int64_t)s->log_every));
  TRY(config_set_text(config, "metrics", s->metrics));
  TRY(describe_given(config, "terms-at", s->terms_at));
  if (s->terms_at != NULL) TRY(config_set_text(config, "orders", s->orders));
  TRY(describe_given(config, "load", s->load));
  TRY(describe_given(config, "save", s->save));
  TRY(describe_given(config, "checkpoint", s->checkpoint));
  return describe_given(config, "resume", s->resume);
}
