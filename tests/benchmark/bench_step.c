/* SPDX-License-Identifier: Apache-2.0 */
/* The time of one training step, and of what belongs to it.
 *
 * bench_step --describe: what the library was built of, a line "WORD TEXT" each.
 * bench_step SECONDS CASE...: measures each case for SECONDS and prints "CASE SECONDS". A case is KEY=VALUE, separated
 * by commas; what is not named is as in the paper's network:
 *
 *   work=step|evaluate|products|load|epoch
 *                   a step; an evaluation of 10,000 points; the matrix products of a step alone, on whole batches;
 *                   MNIST from its files; the 60 steps of an epoch of MNIST (drawn data without it) and an evaluation
 *   rule=fa         bp, fa, dfa
 *   precision=f32   f32, f64
 *   norm=none       none, columns
 *   backend=auto    any of this build
 *   threads=1
 *   widths=225-50-50-50-50-50
 *   batch=1000
 *   log=0           angle_w_b and angle_dw_bp at every so many iterations */
#include <math.h>
#include <string.h>

#include "bench.h"

enum { MOST_WIDTHS = 16, POINTS = 60000, WIDE_POINTS = 6400, TEST_POINTS = 10000, CATEGORIES = 10, MOST_STEPS = 1000 };

typedef struct {
  const char *name;
  char work[16], rule[16], norm[16], backend[32];
  falign_precision precision;
  size_t widths[MOST_WIDTHS], batch;
  uint32_t d, threads, log;
} settings;

/* ---- Reading a case ---- */

static void refuse(const char *what, const char *text) {
  fprintf(stderr, "bench_step: there is no %s '%s'\n", what, text);
  exit(EXIT_FAILURE);
}

static unsigned long read_number(const char *text) {
  char *end;
  unsigned long number = strtoul(text, &end, 10);
  if (end == text || *end != '\0') refuse("number", text);
  return number;
}

static void read_widths(settings *s, const char *text) {
  const char *at = text;
  for (size_t i = 0; i < MOST_WIDTHS; i++) {
    char *end;
    s->widths[i] = strtoul(at, &end, 10);
    if (s->widths[i] == 0) break;
    s->d = (uint32_t)i;
    if (*end == '\0' && i > 0) return;
    at = end + 1;
  }
  refuse("network", text);
}

static void set(settings *s, const char *key, char *value) {
  if (strcmp(key, "work") == 0) {
    snprintf(s->work, sizeof s->work, "%s", value);
  } else if (strcmp(key, "rule") == 0) {
    snprintf(s->rule, sizeof s->rule, "%s", value);
  } else if (strcmp(key, "norm") == 0) {
    snprintf(s->norm, sizeof s->norm, "%s", value);
  } else if (strcmp(key, "backend") == 0) {
    snprintf(s->backend, sizeof s->backend, "%s", value);
  } else if (strcmp(key, "precision") == 0) {
    s->precision = strcmp(value, "f64") == 0 ? FALIGN_F64 : FALIGN_F32;
  } else if (strcmp(key, "widths") == 0) {
    read_widths(s, value);
  } else if (strcmp(key, "batch") == 0) {
    s->batch = read_number(value);
  } else if (strcmp(key, "threads") == 0) {
    s->threads = (uint32_t)read_number(value);
  } else if (strcmp(key, "log") == 0) {
    s->log = (uint32_t)read_number(value);
  } else {
    refuse("key", key);
  }
}

static settings read_case(const char *name) {
  settings s = {.name = name,
                .work = "step",
                .rule = "fa",
                .norm = "none",
                .backend = "auto",
                .precision = FALIGN_F32,
                .widths = {225, 50, 50, 50, 50, 50},
                .batch = 1000,
                .d = 5,
                .threads = 1};
  char text[256];
  snprintf(text, sizeof text, "%s", name);
  for (char *word = text, *next; word; word = next) {
    char *comma = strchr(word, ','), *value = strchr(word, '=');
    next = comma ? comma + 1 : NULL;
    if (comma) *comma = '\0';
    if (value == NULL) refuse("value in", word);
    *value = '\0';
    set(&s, word, value + 1);
  }
  return s;
}

/* ---- A trainer as a case says ---- */

typedef struct {
  falign_dataset *data;
  falign_code *code;
  falign_batches *batches, *test;
  falign_network *network;
  falign_rule *rule;
  falign_norm *norm;
  falign_trainer *trainer;
  falign_metric *metrics[2];
  uint64_t steps; /* of a call */
} bench;

static falign_dataset *draw_data(size_t points, size_t width) {
  const falign_synthetic synthetic = {
      .points = points, .width = width, .categories = CATEGORIES, .within = 0.6, .between = 0.2};
  falign_dataset *data;
  OK(falign_dataset_create_synthetic(&synthetic, FALIGN_TRAIN, 1, &data));
  return data;
}

/* Drawn once for all cases of a program with such inputs; fewer points of wide inputs, which take long to draw, but
 * still more than caches hold. */
static falign_dataset *training_data(size_t width) {
  static falign_dataset *data;
  if (data == NULL || falign_dataset_get_shape(data)->width != width) {
    falign_dataset_destroy(data);
    data = draw_data(width > 225 ? WIDE_POINTS : POINTS, width);
  }
  return data;
}

/* The standard deviation is the paper's 0.1 at width 50, and such that states are as large at any other. */
static void make_network(bench *b, const settings *s) {
  double width = (double)s->widths[1], sd = 0.1 * sqrt(50 / width), gamma = 1;
  OK(falign_network_create(s->precision, s->d, s->widths, 1, &b->network));
  OK(falign_network_draw(b->network, sd, sd, 1, 0));
  OK(falign_rule_create(s->rule, b->network, &b->rule));
  OK(falign_rule_draw(b->rule, sd, 1, 0));
  OK(falign_trainer_create(b->network, b->rule, 0.0005 * 50 / width, &b->trainer));
  OK(falign_trainer_set_threads(b->trainer, s->threads));
  if (strcmp(s->norm, "columns") == 0) {
    OK(falign_norm_create("columns", &gamma, 1, &b->norm));
    OK(falign_norm_apply(b->norm, b->network, b->rule));
    OK(falign_trainer_set_norm(b->trainer, b->norm));
  }
}

static falign_status drop(void *user, const falign_value *value) {
  (void)user, (void)value;
  return FALIGN_OK;
}

static bench make(const settings *s, falign_dataset *data) {
  static const char *const logged[] = {"angle_w_b", "angle_dw_bp"};
  bench b = {.data = data};
  falign_backend *backend;
  size_t outputs = s->widths[s->d];
  OK(falign_code_create_n_hot(CATEGORIES, outputs, outputs / CATEGORIES, 1, 0, &b.code));
  OK(falign_batches_create(data, b.code, s->batch, &b.batches));
  make_network(&b, s);
  OK(falign_backend_create(s->backend, &backend));
  OK(falign_trainer_set_backend(b.trainer, backend));
  for (size_t i = 0; i < 2 && s->log > 0; i++) {
    OK(falign_metric_create(logged[i], &b.metrics[i]));
    OK(falign_trainer_observe(b.trainer, b.metrics[i], s->log, drop, NULL));
  }
  return b;
}

static void destroy(bench *b) {
  falign_trainer_destroy(b->trainer);
  for (size_t i = 0; i < 2; i++) falign_metric_destroy(b->metrics[i]);
  falign_norm_destroy(b->norm);
  falign_rule_destroy(b->rule);
  falign_network_destroy(b->network);
  falign_batches_destroy(b->test);
  falign_batches_destroy(b->batches);
  falign_code_destroy(b->code);
}

/* ---- Steps, evaluations, epochs ---- */

static void do_steps(void *arg) {
  bench *b = arg;
  OK(falign_trainer_run(b->trainer, b->batches, falign_trainer_iteration(b->trainer) + b->steps));
}

/* Steps of about 10 ms, so that the clock costs nothing; whole periods of what is logged. */
static void choose_steps(bench *b, uint32_t log) {
  b->steps = 2;
  do_steps(b);
  double began = seconds();
  do_steps(b);
  double each = (seconds() - began) / 2;
  b->steps = each > 0.01 ? 1 : each * MOST_STEPS < 0.01 ? MOST_STEPS : (uint64_t)(0.01 / each);
  if (log > 0) b->steps += log - b->steps % log;
}

static void measure_steps(const settings *s, double total) {
  bench b = make(s, training_data(s->widths[0]));
  choose_steps(&b, s->log);
  measure(s->name, do_steps, &b, (double)b.steps, total);
  destroy(&b);
}

static void do_evaluation(void *arg) {
  double loss, error;
  bench *b = arg;
  OK(falign_trainer_evaluate(b->trainer, b->test, &loss, &error));
}

static void measure_evaluation(const settings *s, double total) {
  bench b = make(s, training_data(s->widths[0]));
  falign_dataset *test = draw_data(TEST_POINTS, s->widths[0]);
  OK(falign_batches_create(test, b.code, s->batch, &b.test));
  measure(s->name, do_evaluation, &b, 1, total);
  destroy(&b);
  falign_dataset_destroy(test);
}

static void do_epoch(void *arg) {
  do_steps(arg);
  do_evaluation(arg);
}

/* ---- MNIST ---- */

static falign_dataset *read_part(falign_part part) {
  const char *directory = getenv("FALIGN_MNIST_DIR");
  falign_dataset *data;
  if (directory == NULL) return draw_data(part == FALIGN_TRAIN ? POINTS : TEST_POINTS, 225);
  OK(falign_dataset_read_mnist(directory, part, 15, &data));
  return data;
}

static void load(void *arg) {
  (void)arg;
  falign_dataset_destroy(read_part(FALIGN_TRAIN));
  falign_dataset_destroy(read_part(FALIGN_TEST));
}

static void measure_epoch(const settings *s, double total) {
  falign_dataset *train = read_part(FALIGN_TRAIN), *test = read_part(FALIGN_TEST);
  bench b = make(s, train);
  OK(falign_batches_create(test, b.code, s->batch, &b.test));
  b.steps = falign_batches_get_shape(b.batches)->count;
  measure(s->name, do_epoch, &b, 1, total);
  destroy(&b);
  falign_dataset_destroy(train);
  falign_dataset_destroy(test);
}

/* ---- The products of a step alone, in single precision, whole batches: what the BLAS itself can do ---- */

typedef struct {
  const settings *s;
  const falign_backend *backend;
  float *l[MOST_WIDTHS], *delta[MOST_WIDTHS], *w[MOST_WIDTHS], *dw[MOST_WIDTHS];
} products;

static float *draw(size_t count) {
  falign_rng *rng;
  float *numbers = malloc(count * sizeof *numbers);
  if (numbers == NULL) exit(EXIT_FAILURE);
  falign_matrix row = falign_matrix_f32(numbers, 1, count);
  OK(falign_rng_create(1, FALIGN_RNG_USER, 0, 0, &rng));
  OK(falign_rng_normal(rng, 0.1, &row));
  falign_rng_destroy(rng);
  return numbers;
}

static void do_products(void *arg) {
  products *p = arg;
  const size_t *n = p->s->widths, nb = p->s->batch;
  uint32_t d = p->s->d;
  int bp = strcmp(p->s->rule, "bp") == 0; /* W transposed in place of B */
  for (uint32_t l = 0; l < d; l++) {
    falign_view output = falign_view_f32(p->l[l], nb, n[l]), w = falign_view_f32(p->w[l], n[l], n[l + 1]);
    falign_matrix next = falign_matrix_f32(p->l[l + 1], nb, n[l + 1]);
    OK(falign_backend_gemm(p->backend, 1, &output, &w, 0, &next));
  }
  for (uint32_t l = d - 1; l >= 1; l--) {
    falign_view delta = falign_view_f32(p->delta[l + 1], nb, n[l + 1]);
    falign_view w = falign_view_f32(p->w[l], n[l], n[l + 1]), b = falign_view_f32(p->w[l], n[l + 1], n[l]);
    falign_view back = bp ? falign_view_transposed(w) : b;
    falign_matrix signal = falign_matrix_f32(p->delta[l], nb, n[l]);
    OK(falign_backend_gemm(p->backend, 1, &delta, &back, 0, &signal));
  }
  for (uint32_t l = 0; l < d; l++) {
    falign_view transposed = falign_view_transposed(falign_view_f32(p->l[l], nb, n[l]));
    falign_view delta = falign_view_f32(p->delta[l + 1], nb, n[l + 1]);
    falign_matrix dw = falign_matrix_f32(p->dw[l], n[l], n[l + 1]);
    OK(falign_backend_gemm(p->backend, (double)1e-6F, &transposed, &delta, 0, &dw));
  }
}

static void measure_products(const settings *s, double total) {
  products p = {.s = s};
  falign_backend *backend;
  OK(falign_backend_create(s->backend, &backend));
  p.backend = backend;
  for (uint32_t l = 0; l <= s->d; l++) {
    p.l[l] = draw(s->batch * s->widths[l]);
    p.delta[l] = draw(s->batch * s->widths[l]);
    p.w[l] = l < s->d ? draw(s->widths[l] * s->widths[l + 1]) : NULL;
    p.dw[l] = l < s->d ? draw(s->widths[l] * s->widths[l + 1]) : NULL;
  }
  measure(s->name, do_products, &p, 1, total);
  for (uint32_t l = 0; l <= s->d; l++) {
    free(p.l[l]);
    free(p.delta[l]);
    free(p.w[l]);
    free(p.dw[l]);
  }
}

/* ---- The program ---- */

static void describe(void) {
  falign_backend *backend;
#if defined(__clang__)
  printf("compiler clang %s\n", __clang_version__);
#elif defined(__GNUC__)
  printf("compiler gcc %s\n", __VERSION__);
#endif
  printf("library falign %s\n", falign_version());
  for (size_t i = 0; falign_backend_name_at(i) != NULL; i++) {
    const char *name = falign_backend_name_at(i);
    OK(falign_backend_create(name, &backend));
    printf("%s %s\n", name, falign_backend_detail(backend));
  }
  OK(falign_backend_create("auto", &backend));
  printf("auto %s\n", falign_backend_detail(backend));
}

static void measure_case(const settings *s, double total) {
  if (strcmp(s->work, "step") == 0) {
    measure_steps(s, total);
  } else if (strcmp(s->work, "evaluate") == 0) {
    measure_evaluation(s, total);
  } else if (strcmp(s->work, "products") == 0) {
    measure_products(s, total);
  } else if (strcmp(s->work, "epoch") == 0) {
    measure_epoch(s, total);
  } else if (strcmp(s->work, "load") != 0) {
    refuse("work", s->work);
  } else if (getenv("FALIGN_MNIST_DIR") == NULL) {
    fprintf(stderr, "bench_step: FALIGN_MNIST_DIR is not set: loading of MNIST is not measured\n");
  } else {
    measure(s->name, load, NULL, 1, total);
  }
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--describe") == 0) {
    describe();
    return EXIT_SUCCESS;
  }
  if (argc < 3) {
    fprintf(stderr, "usage: bench_step --describe | bench_step SECONDS CASE...\n");
    return EXIT_FAILURE;
  }
  for (int i = 2; i < argc; i++) {
    settings s = read_case(argv[i]);
    measure_case(&s, strtod(argv[1], NULL));
    fflush(stdout);
  }
  falign_dataset_destroy(training_data(1));
  return EXIT_SUCCESS;
}
