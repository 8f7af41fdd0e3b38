/* SPDX-License-Identifier: Apache-2.0 */
/* Analyzes the steps of a program that trains by itself: plain loops, with momentum. */
#include <falign/falign.h>
#include <math.h>
#include <stdio.h>

#define TRY(call)                      \
  do {                                 \
    falign_status try_status = (call); \
    if (try_status) return try_status; \
  } while (0)

enum { LAYERS = 3, ROWS = 40, MOST = 20, STEPS = 30 };
static const size_t n[LAYERS + 1] = {MOST, 15, 15, 10};
static const double eta = 0.005, momentum = 0.9;

typedef double numbers[ROWS][MOST];

/* The network and one step of it: matrices whose rows are MOST numbers apart. */
typedef struct model {
  numbers w[LAYERS], feedback[LAYERS];                   /* W[l] and B[l] */
  numbers output[LAYERS + 1], delta[LAYERS + 1], target; /* L[l], delta[l] and Y* */
  numbers dw[LAYERS], applied[LAYERS];                   /* eta L[l]^T delta[l+1], and with momentum */
} model;

static falign_matrix matrix_of(numbers data, size_t rows, size_t cols) {
  falign_matrix matrix = {data, rows, cols, MOST, 1, FALIGN_F64};
  return matrix;
}

/* ---- Learning, without the library ---- */

static void forward(model *m) {
  for (int l = 1; l <= LAYERS; l++) {
    for (size_t i = 0; i < ROWS; i++) {
      for (size_t j = 0; j < n[l]; j++) {
        double z = 0;
        for (size_t p = 0; p < n[l - 1]; p++) z += m->output[l - 1][i][p] * m->w[l - 1][p][j];
        m->output[l][i][j] = tanh(z);
      }
    }
  }
}

static void backward(model *m) {
  for (int l = LAYERS; l >= 1; l--) {
    for (size_t i = 0; i < ROWS; i++) {
      for (size_t j = 0; j < n[l]; j++) {
        double y = m->output[l][i][j], signal = l == LAYERS ? m->target[i][j] - y : 0;
        for (size_t p = 0; l < LAYERS && p < n[l + 1]; p++) signal += m->delta[l + 1][i][p] * m->feedback[l][p][j];
        m->delta[l][i][j] = signal * (1 - y * y);
      }
    }
  }
}

/* Computes what will be added to the weights. */
static void compute_updates(model *m) {
  for (int l = 0; l < LAYERS; l++) {
    for (size_t i = 0; i < n[l]; i++) {
      for (size_t j = 0; j < n[l + 1]; j++) {
        double sum = 0;
        for (size_t p = 0; p < ROWS; p++) sum += m->output[l][p][i] * m->delta[l + 1][p][j];
        m->dw[l][i][j] = eta * sum;
        m->applied[l][i][j] = momentum * m->applied[l][i][j] + m->dw[l][i][j];
      }
    }
  }
}

static void add_updates(model *m) {
  for (int l = 0; l < LAYERS; l++) {
    for (size_t i = 0; i < n[l]; i++) {
      for (size_t j = 0; j < n[l + 1]; j++) m->w[l][i][j] += m->applied[l][i][j];
    }
  }
}

/* ---- Recording ---- */

/* The objects that the analysis reads: the network's weights are set before each step is recorded. */
typedef struct recorder {
  falign_network *network;
  falign_rule *rule;
  falign_history *history;
  falign_trace *trace; /* of the last step */
} recorder;

static falign_status set(falign_trace *trace, falign_quantity what, uint32_t l, falign_matrix matrix) {
  falign_view view = falign_view_of(matrix);
  return falign_trace_set(trace, what, l, &view);
}

/* Records step k, after its updates were computed and before they are added. */
static falign_status record(recorder *r, model *m, uint64_t k) {
  const falign_step step = {.iteration = k, .rows = ROWS, .eta = eta, .loss = NAN};
  falign_trace_destroy(r->trace);
  r->trace = NULL;
  TRY(falign_trace_create(r->network, &step, &r->trace));
  for (uint32_t l = 0; l < LAYERS; l++) {
    falign_view w = falign_view_of(matrix_of(m->w[l], n[l], n[l + 1]));
    TRY(falign_network_set(r->network, FALIGN_W, l, &w));
    TRY(set(r->trace, FALIGN_L, l, matrix_of(m->output[l], ROWS, n[l])));
    TRY(set(r->trace, FALIGN_DELTA, l + 1, matrix_of(m->delta[l + 1], ROWS, n[l + 1])));
    TRY(set(r->trace, FALIGN_DW, l, matrix_of(m->dw[l], n[l], n[l + 1])));
    TRY(set(r->trace, FALIGN_DW_APPLIED, l, matrix_of(m->applied[l], n[l], n[l + 1])));
  }
  return falign_history_record(r->history, r->trace);
}

static falign_status draw(falign_rng *rng, double sd, numbers data, size_t rows, size_t cols) {
  falign_matrix matrix = matrix_of(data, rows, cols);
  return falign_rng_normal(rng, sd, &matrix);
}

static falign_status start(recorder *r, model *m, falign_rng *rng) {
  falign_activation *tangent;
  TRY(falign_network_create(FALIGN_F64, LAYERS, n, 0, &r->network));
  TRY(falign_activation_create("tanh", &tangent)); /* the f of the loops above */
  for (uint32_t l = 1; l <= LAYERS; l++) TRY(falign_network_set_activation(r->network, l, tangent));
  TRY(falign_rule_create("fa", r->network, &r->rule));
  TRY(draw(rng, 1, m->output[0], ROWS, n[0]));
  TRY(draw(rng, 0.3, m->target, ROWS, n[LAYERS]));
  for (uint32_t l = 0; l < LAYERS; l++) TRY(draw(rng, 0.2, m->w[l], n[l], n[l + 1]));
  for (uint32_t l = 1; l < LAYERS; l++) {
    TRY(draw(rng, 0.2, m->feedback[l], n[l + 1], n[l]));
    falign_view b = falign_view_of(matrix_of(m->feedback[l], n[l + 1], n[l]));
    TRY(falign_rule_set(r->rule, FALIGN_FEEDBACK, l, &b));
  }
  TRY(falign_history_create(r->network, &r->history));
  return falign_history_keep(r->history, FALIGN_KEEP_APPLIED); /* DW_APPLIED differs from DW */
}

/* ---- Analysis ---- */

/* dW[l] of the last step is the sum of all terms, the zero-degree term and the remainder. */
static falign_status analyze(recorder *r, falign_terms *terms, model *m, uint32_t l, double *left) {
  numbers all, zero, rest;
  const falign_orders orders = {.list = NULL}; /* all */
  falign_matrix sum = matrix_of(all, n[l], n[l + 1]);
  falign_matrix zero_term = matrix_of(zero, n[l], n[l + 1]), remainder = matrix_of(rest, n[l], n[l + 1]);
  falign_view view = falign_view_of(sum);
  falign_comparison with_b;
  TRY(falign_terms_sum(terms, r->trace, FALIGN_TERM, l, &orders, &sum));
  TRY(falign_terms_zero(terms, r->trace, l, STEPS - 1, &zero_term));
  TRY(falign_terms_remainder(terms, r->trace, l, 1, &remainder));
  TRY(falign_terms_compare(terms, r->trace, l, &view, &with_b));
  *left = 0;
  for (size_t i = 0; i < n[l]; i++) {
    for (size_t j = 0; j < n[l + 1]; j++)
      *left = fmax(*left, fabs(all[i][j] + zero[i][j] + rest[i][j] - m->dw[l][i][j]));
  }
  printf("layer %u: the terms sum to %.3f of dW, %.1f degrees from B^T; ", l, with_b.ratio, with_b.angle);
  printf("the identity %s\n", *left < 1e-14 ? "holds" : "DOES NOT HOLD");
  return FALIGN_OK;
}

static falign_status run(recorder *r, model *m, falign_rng *rng, falign_terms **terms) {
  double left;
  TRY(start(r, m, rng));
  for (uint64_t k = 0; k < STEPS; k++) {
    forward(m);
    backward(m);
    compute_updates(m);
    TRY(record(r, m, k));
    add_updates(m);
  }
  TRY(falign_terms_create(r->history, r->rule, terms));
  for (uint32_t l = 1; l < LAYERS; l++) {
    TRY(analyze(r, *terms, m, l, &left));
    if (left > 1e-14) return FALIGN_INVALID;
  }
  return FALIGN_OK;
}

int main(void) {
  static model m;
  recorder r = {0};
  falign_rng *rng = NULL;
  falign_terms *terms = NULL;
  falign_status status = falign_rng_create(7, FALIGN_RNG_USER, 0, 0, &rng);
  if (status == FALIGN_OK) status = run(&r, &m, rng, &terms);
  if (status != FALIGN_OK) fprintf(stderr, "%s: %s\n", falign_status_name(status), falign_last_error());
  falign_terms_destroy(terms);
  falign_trace_destroy(r.trace);
  falign_history_destroy(r.history);
  falign_rule_destroy(r.rule);
  falign_network_destroy(r.network);
  falign_rng_destroy(rng);
  return status != FALIGN_OK;
}
