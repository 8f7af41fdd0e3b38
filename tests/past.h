/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_PAST_H
#define TESTS_PAST_H

/* What the tests of histories and terms share: a run of some steps of which everything is kept, activities and all, and
 * the paper's formulas written out on that in plain loops. */

#include "learning.h"

enum { PAST_STEPS = 14, PAST_ROWS = 20, PAST_WIDTH = 9, PAST_LAYERS = 4 };

static const size_t past_widths[] = {7, 9, 8, 6, 5};

typedef double past_matrix[PAST_ROWS][PAST_WIDTH]; /* of activities */
typedef double past_weights[PAST_WIDTH][PAST_WIDTH];

typedef struct {
  size_t rows;
  double eta;
  past_matrix out[PAST_LAYERS + 1], z[PAST_LAYERS + 1], delta[PAST_LAYERS + 1];
  past_weights w[PAST_LAYERS], dw[PAST_LAYERS];
  double b[PAST_LAYERS + 1][PAST_WIDTH];
} past_step;

/* A run and its steps; `back` is the feedback. */
typedef struct {
  learner by;
  falign_history *history;
  falign_terms *terms;
  uint32_t d;
  const size_t *n;
  activation f;
  bool direct;
  uint64_t steps;
  past_step step[PAST_STEPS];
  past_weights back[PAST_LAYERS];
} past;

/* Copies a quantity of the last step. */
static inline void past_copy(const past *p, falign_quantity quantity, uint32_t l, double *out, size_t stride) {
  falign_view view;
  ok(falign_trace_view(falign_trainer_trace(p->by.trainer), quantity, l, &view));
  copy_elements(&view, out, stride);
}

/* Keeps the weights that the next step uses. */
static inline void past_before(const past *p, past_step *s) {
  memset(s, 0, sizeof *s);
  for (uint32_t l = 0; l < p->d; l++) {
    ok(falign_network_get(p->by.network, FALIGN_W, l, WRITE_F64(s->w[l][0], p->n[l], p->n[l + 1], PAST_WIDTH)));
    if (falign_network_has_biases(p->by.network))
      ok(falign_network_get(p->by.network, FALIGN_BIAS, l + 1, WRITE_F64(s->b[l + 1], 1, p->n[l + 1], p->n[l + 1])));
  }
}

static inline void past_after(const past *p, past_step *s) {
  const falign_trace *trace = falign_trainer_trace(p->by.trainer);
  s->rows = falign_trace_step(trace)->rows;
  s->eta = falign_trace_step(trace)->eta;
  for (uint32_t l = 0; l <= p->d; l++) {
    past_copy(p, FALIGN_L, l, s->out[l][0], PAST_WIDTH);
    if (l < p->d) past_copy(p, FALIGN_DW, l, s->dw[l][0], PAST_WIDTH);
    if (l == 0) continue;
    past_copy(p, FALIGN_Z, l, s->z[l][0], PAST_WIDTH);
    past_copy(p, FALIGN_DELTA, l, s->delta[l][0], PAST_WIDTH);
  }
}

/* What to run. */
typedef struct {
  falign_precision precision;
  const char *rule;
  activation f;
  bool biases, normalized, shuffled;
  uint64_t steps;
  double eta; /* 0: a usual one */
} past_plan;

/* Makes the objects of a run; `d` layers of the widths n. */
static inline past *past_new(const past_plan *plan, uint32_t d, const size_t *n) {
  past *p = calloc(1, sizeof *p);
  ck_assert_ptr_nonnull(p);
  p->d = d;
  p->n = n;
  p->f = plan->f;
  p->direct = strcmp(plan->rule, "dfa") == 0;
  p->by = new_learner(new_network(plan->precision, d, n, plan->biases, plan->f), plan->rule, 0.5, 3,
                      plan->eta > 0 ? plan->eta : 0.005);
  ok(falign_history_create(p->by.network, &p->history));
  ok(falign_history_keep(p->history, FALIGN_KEEP_C | FALIGN_KEEP_DIRECT));
  ok(falign_trainer_set_history(p->by.trainer, p->history));
  ok(falign_trainer_keep(p->by.trainer, FALIGN_NEEDS_ACTIVITY));
  if (strcmp(plan->rule, "bp") != 0) {
    ok(falign_terms_create(p->history, p->by.rule, &p->terms));
    for (uint32_t l = 1; l < d; l++)
      ok(falign_rule_get(p->by.rule, FALIGN_FEEDBACK, l,
                         WRITE_F64(p->back[l][0], feedback_rows(p->by.network, p->by.rule, l), n[l], PAST_WIDTH)));
  }
  if (plan->normalized) {
    double gamma = 1.2;
    falign_norm *norm;
    ok(falign_norm_create("columns", &gamma, 1, &norm));
    ok(falign_norm_apply(norm, p->by.network, NULL));
    ok(falign_trainer_set_norm(p->by.trainer, norm));
    falign_norm_destroy(norm);
  }
  return p;
}

/* One step on PAST_ROWS rows: one of three batches in turn, or new ones; keeps all of it. */
static inline void past_go(past *p, bool shuffled) {
  double x[PAST_ROWS * PAST_WIDTH], y[PAST_ROWS * PAST_WIDTH];
  uint32_t batch = (uint32_t)(shuffled ? p->steps : p->steps % 3);
  gaussian(x, PAST_ROWS * p->n[0], 1, 2 * batch);
  gaussian(y, PAST_ROWS * p->n[p->d], 0.3, 2 * batch + 1);
  for (size_t i = 0; i < PAST_ROWS * p->n[p->d]; i++) y[i] += 0.5; /* within the range of all activations */
  past_step *s = &p->step[p->steps++];
  past_before(p, s);
  ok(step(&p->by, x, PAST_ROWS, y));
  past_after(p, s);
}

static inline past *past_run(const past_plan *plan) {
  past *p = past_new(plan, PAST_LAYERS, past_widths);
  while (p->steps < plan->steps) past_go(p, plan->shuffled);
  return p;
}

static inline void past_free(past *p) {
  falign_terms_destroy(p->terms);
  free_learner(&p->by);
  falign_history_destroy(p->history);
  free(p);
}

static inline const falign_trace *past_trace(const past *p) { return falign_trainer_trace(p->by.trainer); }

/* ---- The paper's formulas; matrices of the shape of W[l] are contiguous ---- */

/* zeta^o of the last step, element (m, i). */
static inline double plain_zeta(const past *p, uint32_t l, uint64_t o, size_t m, size_t i) {
  const past_step *now = &p->step[p->steps - 1], *then = now - o;
  double sum = now->b[l][i];
  for (size_t c = 0; c < p->n[l - 1]; c++) sum += now->out[l - 1][m][c] * then->w[l - 1][c][i];
  return sum;
}

/* delta[l][k-o] without its f', as eq. 4 writes it: B[l]^T delta[l+1]^T, transposed. */
static inline double plain_sent(const past *p, uint32_t l, uint64_t o, size_t r, size_t i) {
  const past_step *then = &p->step[p->steps - 1 - o];
  uint32_t from = p->direct ? p->d : l + 1;
  double sum = 0;
  for (size_t q = 0; q < p->n[from]; q++) sum += then->delta[from][r][q] * p->back[l][q][i];
  return sum;
}

/* S_L[r][m] = L[l-1][k-o] L[l-1][k]^T */
static inline double plain_similarity(const past *p, uint32_t l, uint64_t o, size_t r, size_t m) {
  const past_step *now = &p->step[p->steps - 1], *then = now - o;
  double sum = 0;
  for (size_t c = 0; c < p->n[l - 1]; c++) sum += then->out[l - 1][r][c] * now->out[l - 1][m][c];
  return sum;
}

/* Eq. 4 (or S15) with its products of the size nb x nb; `linear` leaves both f' out (eq. 5). */
static inline void plain_term(const past *p, uint32_t l, uint64_t o, bool linear, double *t) {
  const past_step *now = &p->step[p->steps - 1], *then = now - o;
  for (size_t i = 0; i < p->n[l]; i++) {
    for (size_t j = 0; j < p->n[l + 1]; j++) t[i * p->n[l + 1] + j] = 0;
    for (size_t m = 0; m < now->rows; m++) {
      double inner = 0;
      for (size_t r = 0; r < then->rows; r++) {
        double sent = plain_sent(p, l, o, r, i);
        if (!linear) sent *= plain_df(p->f, then->z[l][r][i]);
        inner += then->eta * sent * plain_similarity(p, l, o, r, m);
      }
      if (!linear) inner *= plain_df(p->f, plain_zeta(p, l, o, m, i));
      for (size_t j = 0; j < p->n[l + 1]; j++) t[i * p->n[l + 1] + j] += now->eta * inner * now->delta[l + 1][m][j];
    }
  }
}

static inline size_t past_numbers(const past *p, uint32_t l) { return p->n[l] * p->n[l + 1]; }

/* ||a - b|| / ||b|| */
static inline double apart(const double *a, const double *b, size_t count) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < count; i++) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return sqrt(difference / norm);
}

static inline double norm_of(const double *a, size_t count) { return falign_frobenius(READ_F64(a, 1, count, count)); }

/* dW[l] of the last step, contiguous. */
static inline void past_update(const past *p, uint32_t l, double *dw) { past_copy(p, FALIGN_DW, l, dw, p->n[l + 1]); }

#endif
