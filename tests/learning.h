/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LEARNING_H
#define TESTS_LEARNING_H

/* What the tests of learning share: small networks with a rule and a trainer, and the same learning once more in
 * plain nested loops, which know nothing of the library. */

#include "suite.h"

enum { MAX_LAYERS = 6, MAX_WIDTH = 12, MAX_ROWS = 160 };

/* ---- Numbers ---- */

/* Gaussian numbers; `number` tells the draws of a test apart. */
static inline void gaussian(double *out, size_t count, double sd, uint32_t number) {
  falign_rng *rng = NULL;
  ok(falign_rng_create(7, FALIGN_RNG_USER, 0, number, &rng));
  draw_normal(rng, sd, WRITE_F64(out, 1, count, count));
  falign_rng_destroy(rng);
}

/* The same numbers in single precision. */
static inline void to_f32(const double *from, size_t count, float *to) {
  for (size_t i = 0; i < count; i++) to[i] = (float)from[i];
}

/* As a network of that precision holds them. */
static inline void round_as(falign_precision precision, double *numbers, size_t count) {
  for (size_t i = 0; i < count && precision == FALIGN_F32; i++) numbers[i] = rounded_f32(numbers[i]);
}

static inline double epsilon(falign_precision precision) { return precision == FALIGN_F32 ? 0x1p-23 : 0x1p-52; }

static inline double largest(const double *numbers, size_t count) {
  double most = 0;
  for (size_t i = 0; i < count; i++) most = fmax(most, fabs(numbers[i]));
  return most;
}

/* ---- The library's side ---- */

typedef struct {
  falign_network *network;
  falign_rule *rule;
  falign_trainer *trainer;
} learner;

static inline falign_network *new_network(falign_precision precision, uint32_t d, const size_t *n, bool biases,
                                          activation f) {
  falign_network *network = NULL;
  ok(falign_network_create(precision, d, n, biases, &network));
  for (uint32_t l = 1; l <= d && f != CUSTOM; l++) ok(activate(network, l, f));
  return network;
}

/* Weights, biases and feedback are drawn with the standard deviation `sd`. */
static inline learner new_learner(falign_network *network, const char *rule, double sd, uint64_t seed, double eta) {
  learner made = {.network = network};
  ok(falign_rule_create(rule, network, &made.rule));
  ok(falign_network_draw(network, sd, sd, seed, 0));
  ok(falign_rule_draw(made.rule, sd, seed, 0));
  ok(falign_trainer_create(network, made.rule, eta, &made.trainer));
  return made;
}

static inline void free_learner(learner *used) {
  falign_trainer_destroy(used->trainer);
  falign_rule_destroy(used->rule);
  falign_network_destroy(used->network);
}

/* One step on contiguous rows, in the network's precision. */
static inline falign_status step(const learner *with, const double *x, size_t rows, const double *y) {
  size_t inputs = falign_network_width(with->network, 0);
  size_t outputs = falign_network_width(with->network, falign_network_layers(with->network));
  if (falign_network_precision(with->network) == FALIGN_F64)
    return falign_trainer_step(with->trainer, READ_F64(x, rows, inputs, inputs), READ_F64(y, rows, outputs, outputs));
  float *numbers = malloc(rows * (inputs + outputs) * sizeof *numbers);
  ck_assert_ptr_nonnull(numbers);
  to_f32(x, rows * inputs, numbers);
  to_f32(y, rows * outputs, numbers + rows * inputs);
  falign_status status = falign_trainer_step(with->trainer, READ_F32(numbers, rows, inputs, inputs),
                                             READ_F32(numbers + rows * inputs, rows, outputs, outputs));
  free(numbers);
  return status;
}

/* A contiguous quantity of the last step in double precision, of which `rows` and `cols` are as expected. */
static inline const double *seen(const learner *by, falign_quantity quantity, uint32_t l, size_t want_rows,
                                 size_t want_cols) {
  falign_view view;
  ok(falign_trace_view(falign_trainer_trace(by->trainer), quantity, l, &view));
  ck_assert_int_eq(view.precision, FALIGN_F64);
  ck_assert_uint_eq(view.rows, want_rows);
  ck_assert_uint_eq(view.cols, want_cols);
  ck_assert_int_eq(view.row_step, (ptrdiff_t)want_cols);
  ck_assert_int_eq(view.col_step, 1);
  return view.data;
}

/* All weights and biases one after the other, in double precision; the caller frees them. */
static inline double *parameters(const falign_network *network) {
  double *all = malloc(falign_network_parameters(network) * sizeof *all), *at = all;
  ck_assert_ptr_nonnull(all);
  for (uint32_t l = 0; l < falign_network_layers(network); l++) {
    size_t rows = falign_network_width(network, l), cols = falign_network_width(network, l + 1);
    ok(falign_network_get(network, FALIGN_W, l, WRITE_F64(at, rows, cols, cols)));
    at += rows * cols;
    if (!falign_network_has_biases(network)) continue;
    ok(falign_network_get(network, FALIGN_BIAS, l + 1, WRITE_F64(at, 1, cols, cols)));
    at += cols;
  }
  return all;
}

/* Two networks of one shape hold the same bits (no number here is NaN or a negative zero beside a positive one). */
static inline bool same_parameters(const falign_network *a, const falign_network *b) {
  double *of_a = parameters(a), *of_b = parameters(b);
  ck_assert_uint_eq(falign_network_parameters(a), falign_network_parameters(b));
  bool same = memcmp(of_a, of_b, falign_network_parameters(a) * sizeof *of_a) == 0;
  free(of_a);
  free(of_b);
  return same;
}

/* The rows of B[l] or F[l]. */
static inline size_t feedback_rows(const falign_network *network, const falign_rule *rule, uint32_t l) {
  bool direct = falign_rule_feedback(rule) == FALIGN_FEEDBACK_DIRECT;
  return falign_network_width(network, direct ? falign_network_layers(network) : l + 1);
}

/* The feedback matrix of a layer in double precision. */
static inline void get_feedback(const falign_network *network, const falign_rule *rule, uint32_t l, double *out) {
  size_t cols = falign_network_width(network, l);
  ok(falign_rule_get(rule, FALIGN_FEEDBACK, l, WRITE_F64(out, feedback_rows(network, rule, l), cols, cols)));
}

/* Two rules for the network hold the same bits. */
static inline bool same_feedback(const falign_network *network, const falign_rule *a, const falign_rule *b) {
  double of_a[MAX_WIDTH * MAX_WIDTH], of_b[MAX_WIDTH * MAX_WIDTH];
  for (uint32_t l = 1; l < falign_network_layers(network); l++) {
    get_feedback(network, a, l, of_a);
    get_feedback(network, b, l, of_b);
    size_t count = feedback_rows(network, a, l) * falign_network_width(network, l);
    if (memcmp(of_a, of_b, count * sizeof *of_a) != 0) return false;
  }
  return true;
}

/* ---- Callbacks ---- */

/* A rule's signal that is zero. */
static inline falign_status no_signal(void *user, const falign_rule *rule, const falign_network *network,
                                      const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  (void)user, (void)rule, (void)network, (void)trace, (void)l;
  memset(out->data, 0, out->rows * out->cols * (out->precision == FALIGN_F32 ? sizeof(float) : sizeof(double)));
  return FALIGN_OK;
}

/* What a sink received from measure_weight(). */
typedef struct {
  uint64_t seen[64];
  size_t calls;
  bool without_trace;
  double weight[64]; /* W[0][0] when it was measured */
} observer;

/* A metric that emits W[0][0]. */
static inline falign_status measure_weight(void *user, falign_trainer *trainer, const falign_trace *trace,
                                           falign_value_fn emit, void *emit_user) {
  (void)user;
  uint64_t k = falign_trainer_iteration(trainer);
  if (trace) ck_assert_uint_eq(falign_trace_step(trace)->iteration, k);
  ((observer *)emit_user)->without_trace = trace == NULL;
  falign_view w;
  ok(falign_network_view(falign_trainer_network(trainer), FALIGN_W, 0, &w));
  return emit(emit_user, &(falign_value){(int64_t)k, "weight", -1, -1, element(&w, 0, 0)});
}

/* The sink for it. */
static inline falign_status receive(void *user, const falign_value *value) {
  observer *by = user;
  ck_assert_str_eq(value->name, "weight");
  ck_assert(value->layer == -1 && value->order == -1);
  by->weight[by->calls] = value->value;
  by->seen[by->calls++] = (uint64_t)value->iteration;
  return FALIGN_OK;
}

/* ---- A task: Gaussian inputs and targets, and a network of three layers ---- */

enum { TASK_LAYERS = 3, TASK_ROWS = 3000 };
enum { TASK_POINTS = 103, TASK_BATCH = 10 }; /* of a short run: a last batch of 3; 11 batches an epoch */

static const size_t task_widths[] = {7, 9, 6, 4};
static struct { double x[TASK_ROWS * 7], y[TASK_ROWS * 4]; } task;

static inline void draw_task(void) {
  gaussian(task.x, TASK_ROWS * 7, 1, 1);
  gaussian(task.y, TASK_ROWS * 4, 1, 2);
}

static inline learner task_learner(falign_precision precision, const char *rule) {
  return new_learner(new_network(precision, TASK_LAYERS, task_widths, true, TANH), rule, 0.5, 1, 0.001);
}

/* Batches of the first `points` rows. */
static inline falign_batches *task_batches(size_t points, size_t size, falign_order order) {
  falign_dataset *dataset = NULL;
  falign_batches *batches = NULL;
  ok(falign_dataset_create_regression(READ_F64(task.x, points, 7, 7), READ_F64(task.y, points, 4, 4), &dataset));
  ok(falign_batches_create(dataset, NULL, size, &batches));
  ok(falign_batches_set_order(batches, order, 5, 0));
  falign_dataset_destroy(dataset);
  return batches;
}

/* ---- The plain side: section 2.1 and 4.1 of the paper, word for word ---- */

typedef struct {
  uint32_t d;
  size_t n[MAX_LAYERS + 1];
  bool biases;
  activation f;                                  /* CUSTOM is the sine */
  double w[MAX_LAYERS][MAX_WIDTH][MAX_WIDTH];    /* W[l] */
  double b[MAX_LAYERS + 1][MAX_WIDTH];           /* b[l] */
  double back[MAX_LAYERS][MAX_WIDTH][MAX_WIDTH]; /* B[l] or F[l] */
  double z[MAX_LAYERS + 1][MAX_ROWS][MAX_WIDTH], out[MAX_LAYERS + 1][MAX_ROWS][MAX_WIDTH];
  double delta[MAX_LAYERS + 1][MAX_ROWS][MAX_WIDTH];
  double dw[MAX_LAYERS][MAX_WIDTH][MAX_WIDTH], db[MAX_LAYERS + 1][MAX_WIDTH];
} plain;

/* Reads the network and, unless it is NULL, the rule. */
static inline void plain_read(plain *m, const falign_network *network, const falign_rule *rule) {
  m->d = falign_network_layers(network);
  m->biases = falign_network_has_biases(network) != 0;
  m->f = activation_of(network, 1);
  memset(m->b, 0, sizeof m->b);
  for (uint32_t l = 0; l <= m->d; l++) m->n[l] = falign_network_width(network, l);
  for (uint32_t l = 0; l < m->d; l++) {
    ok(falign_network_get(network, FALIGN_W, l, WRITE_F64(m->w[l][0], m->n[l], m->n[l + 1], MAX_WIDTH)));
    if (m->biases)
      ok(falign_network_get(network, FALIGN_BIAS, l + 1, WRITE_F64(m->b[l + 1], 1, m->n[l + 1], m->n[l + 1])));
    if (l == 0 || !rule || falign_rule_feedback(rule) == FALIGN_FEEDBACK_NONE) continue;
    size_t rows = feedback_rows(network, rule, l);
    ok(falign_rule_get(rule, FALIGN_FEEDBACK, l, WRITE_F64(m->back[l][0], rows, m->n[l], MAX_WIDTH)));
  }
}

static inline double plain_f(activation f, double z) {
  switch (f) {
    case TANH_RELU: return tanh(fmax(z, 0));
    case RELU: return fmax(z, 0);
    case TANH: return tanh(z);
    case LOGISTIC: return 1 / (1 + exp(-z));
    case LINEAR: return z;
    default: return sin(z);
  }
}

static inline double plain_df(activation f, double z) {
  double t = tanh(z), s = 1 / (1 + exp(-z));
  switch (f) {
    case TANH_RELU: return z > 0 ? 1 - t * t : 0;
    case RELU: return z > 0 ? 1 : 0;
    case TANH: return 1 - t * t;
    case LOGISTIC: return s * (1 - s);
    case LINEAR: return 1;
    default: return cos(z);
  }
}

static inline bool has_kink(activation f) { return f == TANH_RELU || f == RELU; }

static inline void plain_forward(plain *m, const double *x, size_t rows) {
  for (size_t r = 0; r < rows; r++) {
    for (size_t i = 0; i < m->n[0]; i++) m->out[0][r][i] = x[r * m->n[0] + i];
    for (uint32_t l = 1; l <= m->d; l++) {
      for (size_t j = 0; j < m->n[l]; j++) {
        double z = 0;
        for (size_t i = 0; i < m->n[l - 1]; i++) z += m->out[l - 1][r][i] * m->w[l - 1][i][j];
        m->z[l][r][j] = z + m->b[l][j];
        m->out[l][r][j] = plain_f(m->f, m->z[l][r][j]);
      }
    }
  }
}

static inline double plain_loss(const plain *m, size_t rows, const double *y) {
  double sum = 0;
  for (size_t r = 0; r < rows; r++) {
    for (size_t j = 0; j < m->n[m->d]; j++) {
      double e = y[r * m->n[m->d] + j] - m->out[m->d][r][j];
      sum += e * e;
    }
  }
  return sum / 2;
}

/* The weight by which unit i of layer `from` sends its error to unit j of layer l. */
static inline double plain_back(const plain *m, const char *rule, uint32_t l, size_t i, size_t j) {
  return strcmp(rule, "bp") == 0 ? m->w[l][j][i] : m->back[l][i][j];
}

static inline void plain_deltas(plain *m, const char *rule, size_t rows, const double *y) {
  uint32_t d = m->d;
  for (size_t r = 0; r < rows; r++) {
    for (size_t j = 0; j < m->n[d]; j++)
      m->delta[d][r][j] = (y[r * m->n[d] + j] - m->out[d][r][j]) * plain_df(m->f, m->z[d][r][j]);
    for (uint32_t l = d - 1; l >= 1; l--) {
      uint32_t from = strcmp(rule, "dfa") == 0 ? d : l + 1;
      for (size_t j = 0; j < m->n[l]; j++) {
        double sum = 0;
        for (size_t i = 0; i < m->n[from]; i++) sum += m->delta[from][r][i] * plain_back(m, rule, l, i, j);
        m->delta[l][r][j] = sum * plain_df(m->f, m->z[l][r][j]);
      }
    }
  }
}

static inline void plain_updates(plain *m, double eta, size_t rows) {
  memset(m->dw, 0, sizeof m->dw);
  memset(m->db, 0, sizeof m->db);
  for (uint32_t l = 0; l < m->d; l++) {
    for (size_t r = 0; r < rows; r++) {
      for (size_t j = 0; j < m->n[l + 1]; j++) {
        for (size_t i = 0; i < m->n[l]; i++) m->dw[l][i][j] += eta * m->out[l][r][i] * m->delta[l + 1][r][j];
        if (m->biases) m->db[l + 1][j] += eta * m->delta[l + 1][r][j];
      }
    }
  }
}

static inline void plain_apply(plain *m) {
  for (uint32_t l = 0; l < m->d; l++) {
    for (size_t j = 0; j < m->n[l + 1]; j++) {
      for (size_t i = 0; i < m->n[l]; i++) m->w[l][i][j] += m->dw[l][i][j];
      m->b[l + 1][j] += m->db[l + 1][j];
    }
  }
}

/* Eq. 13 with one gamma. */
static inline void plain_normalize(plain *m, double gamma) {
  for (uint32_t l = 0; l < m->d; l++) {
    for (size_t j = 0; j < m->n[l + 1]; j++) {
      double sum = 0;
      for (size_t i = 0; i < m->n[l]; i++) sum += m->w[l][i][j] * m->w[l][i][j];
      for (size_t i = 0; i < m->n[l]; i++) m->w[l][i][j] *= gamma / sqrt(sum);
    }
  }
}

/* One whole step; returns the loss before it. */
static inline double plain_step(plain *m, const char *rule, double eta, const double *x, size_t rows, const double *y) {
  plain_forward(m, x, rows);
  plain_deltas(m, rule, rows, y);
  plain_updates(m, eta, rows);
  plain_apply(m);
  return plain_loss(m, rows, y);
}

/* How near a unit of a kinked activation is to its kink; infinity for the others. A unit that is at 0 exactly has no
 * input, and is there in any order of summation. */
static inline double plain_nearest_kink(const plain *m, size_t rows) {
  double least = (double)INFINITY;
  for (uint32_t l = 1; l <= m->d && has_kink(m->f); l++) {
    for (size_t r = 0; r < rows; r++) {
      for (size_t j = 0; j < m->n[l]; j++) {
        if (m->z[l][r][j] != 0) least = fmin(least, fabs(m->z[l][r][j]));
      }
    }
  }
  return least;
}

/* The largest difference between the network and the model, over the layer's largest weight or bias. */
static inline double plain_distance(const plain *m, const falign_network *network) {
  double worst = 0, w[MAX_WIDTH][MAX_WIDTH], b[MAX_WIDTH] = {0};
  for (uint32_t l = 0; l < m->d; l++) {
    double apart = 0, most = 0;
    ok(falign_network_get(network, FALIGN_W, l, WRITE_F64(w[0], m->n[l], m->n[l + 1], MAX_WIDTH)));
    if (m->biases) ok(falign_network_get(network, FALIGN_BIAS, l + 1, WRITE_F64(b, 1, m->n[l + 1], m->n[l + 1])));
    for (size_t j = 0; j < m->n[l + 1]; j++) {
      for (size_t i = 0; i < m->n[l]; i++) {
        apart = fmax(apart, fabs(w[i][j] - m->w[l][i][j]));
        most = fmax(most, fabs(m->w[l][i][j]));
      }
      apart = fmax(apart, fabs(b[j] - m->b[l + 1][j]));
      most = fmax(most, fabs(m->b[l + 1][j]));
    }
    worst = fmax(worst, isnan(apart) ? (double)INFINITY : apart / most);
  }
  return worst;
}

#endif
