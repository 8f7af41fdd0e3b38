/* SPDX-License-Identifier: Apache-2.0 */
#include "mnist_settings.h"

#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kit/options.h"
#include "kit/plot.h"
#include "kit/process.h"

enum { DEFAULT_EPOCHS = 100 };
#define NOT_GIVEN UINT64_MAX

static void print_metrics(void) {
  puts("\nMetrics, measured before each update k of which --log-every is a divisor; those of the weights alone also "
       "after the last update:");
  printf("  %-20s %s\n", "test_error", "share of the test set that is decoded wrongly, percent; at epoch starts");
  for (size_t i = 0; i < falign_metric_count(); i++) {
    printf("  %-20s %s\n", falign_metric_name_at(i), falign_metric_description_at(i));
  }
  printf("\nBackends: auto");
  for (size_t i = 0; i < falign_backend_count(); i++) printf(", %s", falign_backend_name_at(i));
  puts("\n\nExit code: 0; 1 after a failure; 2 after wrong usage.");
}

/* clang-format off */
static int parse_options(settings *s, int argc, char **argv) {
  const uint64_t many = 1000000000;
  const option options[] = {
      {"data", "DIR", NULL, "directory with the four IDX files, plain or gz; default: $FALIGN_MNIST_DIR, else the "
       "user's data directory, else the system's Fashion-MNIST", option_text, &s->data},
      {"rule", "bp|fa|dfa", "fa", "how the error travels back", option_choice, &s->rule},
      {"norm", "none|columns", "none", "weight normalization, at the start and after each update",
       option_choice, &s->norm},
      {"gamma", "X", "1", "norm of each neuron's input weights with --norm columns", option_real, &s->gamma,
       .low = DBL_MIN, .high = DBL_MAX},
      {"normalize-feedback", "yes|no", NULL, "scale the columns of the feedback matrices to gamma at the start; "
       "default: yes with --norm columns, else no", option_choice, &s->normalize_feedback},
      {"eta", "X", "0.0005", "learning rate", option_real, &s->eta, .high = DBL_MAX},
      {"epochs", "N", NULL, "passes over the training set; default: 100", option_count, &s->epochs, .most = many},
      {"iterations", "N", NULL, "updates, in place of --epochs", option_count, &s->iterations, .most = many * many / 1000},
      {"batch", "N", "1000", "data points in a batch", option_count, &s->batch, .least = 1, .most = many},
      {"hidden", "N,N,...|none", "50,50,50,50", "widths of at most 63 hidden layers; the output has 50",
       option_text, &s->hidden},
      {"activation", "tanh-relu|relu|tanh|logistic|linear", "tanh-relu", "activation of all layers",
       option_choice, &s->activation},
      {"hot", "N", "5", "ones in the code of each category", option_count, &s->hot,
       .least = 1, .most = OUTPUTS / CATEGORIES},
      {"image-size", "N", "15", "width and height to which images are resized", option_count, &s->image_size,
       .least = 1, .most = 256},
      {"init-sd", "X", "0.1", "standard deviation of drawn W, b, B and F", option_real, &s->init_sd, .high = DBL_MAX},
      {"shuffle", "none|once|epoch", "none", "order of the training set: the file's, one for each run, or a new one "
       "for each epoch", option_choice, &s->shuffle},
      {"label-shuffle", "X", "0", "fraction of the training labels that are replaced by random ones",
       option_real, &s->label_shuffle, .high = 1},
      {"label-smoothing", "X", "0", "training targets: ones become 1 - X, zeros X", option_real, &s->label_smoothing,
       .high = 0.5},
      {"runs", "N", "1", "runs, each with random numbers of its own", option_count, &s->runs,
       .least = 1, .most = 1000000},
      {"seed", "N", "1", "seed of all random numbers", option_count, &s->seed, .most = UINT64_MAX},
      {"precision", "f32|f64", "f32", "single or double precision", option_choice, &s->precision},
      {"backend", "NAME", "auto", "what multiplies matrices; see below", option_text, &s->backend},
      {"threads", "N", NULL, "threads, of which results do not depend; default: the cores available",
       option_count, &s->threads, .least = 1, .most = 1024},
      {"log-every", "N", NULL, "iterations from one measurement to the next; default: the batches of an epoch",
       option_count, &s->log_every, .least = 1, .most = many},
      {"metrics", "LIST|all", "test_error,loss,angle_w_b", "what is measured, separated by commas; see below",
       option_text, &s->metrics},
      {"out", "FILE.csv", NULL, "where the values go; FILE.json gets the configuration, FILE.summary.csv means and "
       "standard deviations over the runs; default: standard output", option_text, &s->out},
      {"plot", "FILE.svg|FILE.png", NULL, "plot of test error and angles, drawn by gnuplot", option_text, &s->plot},
      {"load", "FILE", NULL, "safetensors file with W.l, b.l, B.l or F.l and code to start from; what it lacks is "
       "drawn", option_text, &s->load},
      {"save", "FILE", NULL, "safetensors file for the same after the last update", option_text, &s->save},
      {"checkpoint", "FILE", NULL, "file in which the whole state is kept while training", option_text, &s->checkpoint},
      {"checkpoint-every", "N", NULL, "iterations from one checkpoint to the next; default: the batches of an epoch",
       option_count, &s->checkpoint_every, .least = 1, .most = many},
      {"resume", "FILE", NULL, "checkpoint to go on from, up to the given epochs or iterations",
       option_text, &s->resume},
  };
  const program program = {
      .name = "mnist",
      .about = "Trains a deep network on MNIST by backpropagation, feedback alignment or direct feedback alignment.",
      .options = options,
      .count = sizeof options / sizeof options[0],
      .more = print_metrics,
  };
  return options_parse(&program, argc, argv);
}
/* clang-format on */

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
  const char *list = s->metrics;
  char item[OPTION_ITEM_SIZE];
  if (strcmp(list, "all") == 0) return true;
  while (option_next_item(&list, item)) {
    if (strcmp(item, metric) == 0) return true;
  }
  return false;
}

static bool is_metric(const char *name) {
  if (strcmp(name, "test_error") == 0) return true;
  for (size_t i = 0; i < falign_metric_count(); i++) {
    if (strcmp(name, falign_metric_name_at(i)) == 0) return true;
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
  falign_status status = falign_backend_find(name, &backend);
  falign_backend_destroy(backend);
  return status == FALIGN_OK ? status : fail(status, "--backend '%s': %s", name, falign_last_error());
}

/* What the table of options cannot say. */
static falign_status check(settings *s) {
  TRY(parse_widths(s));
  TRY(check_metrics(s->metrics));
  TRY(check_backend(s->backend));
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
  return code < 0 && check(s) != FALIGN_OK ? exit_wrong_usage("mnist") : code;
}

falign_status settings_plan(settings *s, const falign_dataset *train) {
  uint64_t points = falign_dataset_points(train);
  if (s->batch > points) {
    return fail(FALIGN_INVALID, "--batch '%" PRIu64 "' is more than the %" PRIu64 " points of the training set",
                s->batch, points);
  }
  s->widths[0] = falign_dataset_width(train);
  s->per_epoch = (points + s->batch - 1) / s->batch;
  if (s->epochs == NOT_GIVEN) s->epochs = DEFAULT_EPOCHS;
  s->total = s->iterations == NOT_GIVEN ? s->epochs * s->per_epoch : s->iterations;
  if (s->log_every == 0) s->log_every = s->per_epoch;
  if (s->checkpoint_every == 0) s->checkpoint_every = s->per_epoch;
  if (s->threads == 0) s->threads = process_cores();
  return FALIGN_OK;
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

falign_status settings_describe(const settings *s, falign_config *config) {
  char seed[32];
  snprintf(seed, sizeof seed, "%" PRIu64, s->seed);
  TRY(falign_config_set_text(config, "rule", s->rule));
  TRY(falign_config_set_text(config, "norm", s->norm));
  TRY(falign_config_set_text(config, "normalize-feedback", settings_normalize_feedback(s) ? "yes" : "no"));
  if (settings_normalize_weights(s) || settings_normalize_feedback(s)) {
    TRY(falign_config_set_real(config, "gamma", s->gamma));
  }
  TRY(falign_config_set_real(config, "eta", s->eta));
  TRY(falign_config_set_integer(config, "batch", (int64_t)s->batch));
  TRY(falign_config_set_text(config, "hidden", s->hidden));
  TRY(falign_config_set_text(config, "activation", s->activation));
  TRY(falign_config_set_integer(config, "hot", (int64_t)s->hot));
  TRY(falign_config_set_integer(config, "image-size", (int64_t)s->image_size));
  TRY(falign_config_set_real(config, "init-sd", s->init_sd));
  TRY(falign_config_set_text(config, "shuffle", s->shuffle));
  TRY(falign_config_set_real(config, "label-shuffle", s->label_shuffle));
  TRY(falign_config_set_real(config, "label-smoothing", s->label_smoothing));
  TRY(falign_config_set_text(config, "seed", seed));
  return falign_config_set_text(config, "precision", s->precision);
}

static falign_status describe_path(falign_config *config, const char *name, const char *path) {
  return path == NULL ? FALIGN_OK : falign_config_set_text(config, name, path);
}

falign_status settings_describe_rest(const settings *s, falign_config *config) {
  TRY(falign_config_set_real(config, "gamma", s->gamma));
  TRY(falign_config_set_integer(config, "outputs", OUTPUTS));
  TRY(falign_config_set_integer(config, "iterations", (int64_t)s->total));
  TRY(falign_config_set_integer(config, "batches-per-epoch", (int64_t)s->per_epoch));
  TRY(falign_config_set_integer(config, "runs", (int64_t)s->runs));
  TRY(falign_config_set_integer(config, "threads", (int64_t)s->threads));
  TRY(falign_config_set_integer(config, "log-every", (int64_t)s->log_every));
  TRY(falign_config_set_text(config, "metrics", s->metrics));
  TRY(describe_path(config, "load", s->load));
  TRY(describe_path(config, "save", s->save));
  TRY(describe_path(config, "checkpoint", s->checkpoint));
  return describe_path(config, "resume", s->resume);
}
