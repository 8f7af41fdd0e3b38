/* SPDX-License-Identifier: Apache-2.0 */
/* Traces and histories of a program that trains by itself, in plain loops and with momentum: the analysis takes them as
 * it takes a trainer's. */
#include "suite.h"

enum { D = 3, ROWS = 8, STEPS = 7, MOST = 8 };
static const size_t n[D + 1] = {5, 7, 6, 4};
static const double eta = 0.05;

typedef double numbers[MOST][MOST];

/* What happened in a step; W and b as used in it. */
typedef struct {
  numbers w[D], b[D + 1], out[D + 1], z[D + 1], delta[D + 1], dw[D], db[D + 1], applied[D];
} step_made;

/* A network in plain arrays, and the library's objects that are told of it. */
typedef struct {
  double momentum;
  numbers w[D], b[D + 1], v[D], v_bias[D + 1], back[D];
  step_made steps[STEPS];
  falign_network *network;
  falign_rule *rule;
  falign_history *history;
  falign_trace *trace; /* of the last step */
} run_made;

static falign_view view_of(numbers from, size_t rows, size_t cols) {
  return (falign_view){from, rows, cols, MOST, 1, FALIGN_F64};
}

static void draw(falign_rng *rng, numbers to, size_t rows, size_t cols, double sd) {
  ok(falign_rng_normal(rng, sd, &(falign_matrix){to, rows, cols, MOST, 1, FALIGN_F64}));
}

/* to = to + factor A B, with A or B transposed where `ta` or `tb` says so: rows x cols, `inner` between them. */
static void add_product(numbers to, double factor, numbers a, bool ta, numbers b, bool tb, const size_t shape[3]) {
  for (size_t i = 0; i < shape[0]; i++) {
    for (size_t j = 0; j < shape[1]; j++) {
      for (size_t q = 0; q < shape[2]; q++) to[i][j] += factor * (ta ? a[q][i] : a[i][q]) * (tb ? b[j][q] : b[q][j]);
    }
  }
}

static void forward(const run_made *r, step_made *s) {
  for (uint32_t l = 1; l <= D; l++) {
    for (size_t i = 0; i < ROWS; i++) memcpy(s->z[l][i], r->b[l][0], sizeof s->z[l][i]);
    add_product(s->z[l], 1, s->out[l - 1], false, (double(*)[MOST])r->w[l - 1], false,
                (size_t[]){ROWS, n[l], n[l - 1]});
    for (size_t i = 0; i < ROWS; i++) {
      for (size_t j = 0; j < n[l]; j++) s->out[l][i][j] = tanh(s->z[l][i][j]);
    }
  }
}

static void times_derivative(step_made *s, uint32_t l) {
  for (size_t i = 0; i < ROWS; i++) {
    for (size_t j = 0; j < n[l]; j++) s->delta[l][i][j] *= 1 - s->out[l][i][j] * s->out[l][i][j];
  }
}

static void backward(run_made *r, step_made *s, numbers y) {
  for (size_t i = 0; i < ROWS; i++) {
    for (size_t j = 0; j < n[D]; j++) s->delta[D][i][j] = y[i][j] - s->out[D][i][j];
  }
  times_derivative(s, D);
  for (uint32_t l = D - 1; l >= 1; l--) {
    add_product(s->delta[l], 1, s->delta[l + 1], false, r->back[l], false, (size_t[]){ROWS, n[l], n[l + 1]});
    times_derivative(s, l);
  }
  for (uint32_t l = 0; l < D; l++) {
    add_product(s->dw[l], eta, s->out[l], true, s->delta[l + 1], false, (size_t[]){n[l], n[l + 1], ROWS});
    for (size_t i = 0; i < ROWS; i++) {
      for (size_t j = 0; j < n[l + 1]; j++) s->db[l + 1][0][j] += eta * s->delta[l + 1][i][j];
    }
  }
}

/* v = momentum v + update; w = w + v. */
static void apply(double momentum, numbers w, numbers v, numbers update) {
  for (size_t i = 0; i < MOST; i++) {
    for (size_t j = 0; j < MOST; j++) {
      v[i][j] = momentum * v[i][j] + update[i][j];
      w[i][j] += v[i][j];
    }
  }
}

static void tell_network(run_made *r) {
  for (uint32_t l = 0; l < D; l++) {
    falign_view w = view_of(r->w[l], n[l], n[l + 1]), b = view_of(r->b[l + 1], 1, n[l + 1]);
    ok(falign_network_set(r->network, FALIGN_W, l, &w));
    ok(falign_network_set(r->network, FALIGN_BIAS, l + 1, &b));
  }
}

static falign_trace *trace_of(const run_made *r, step_made *s, uint64_t k) {
  falign_trace *trace;
  ok(falign_trace_create(r->network, &(falign_step){.iteration = k, .rows = ROWS, .eta = eta, .loss = NAN}, &trace));
  for (uint32_t l = 0; l <= D; l++) {
    falign_view out = view_of(s->out[l], ROWS, n[l]), z = view_of(s->z[l], ROWS, n[l]);
    falign_view delta = view_of(s->delta[l], ROWS, n[l]), db = view_of(s->db[l], 1, n[l]);
    ok(falign_trace_set(trace, FALIGN_L, l, &out));
    if (l == 0) continue;
    ok(falign_trace_set(trace, FALIGN_Z, l, &z));
    ok(falign_trace_set(trace, FALIGN_DELTA, l, &delta));
    ok(falign_trace_set(trace, FALIGN_DB, l, &db));
  }
  for (uint32_t l = 0; l < D; l++) {
    falign_view dw = view_of(s->dw[l], n[l], n[l + 1]), applied = view_of(s->applied[l], n[l], n[l + 1]);
    ok(falign_trace_set(trace, FALIGN_DW, l, &dw));
    if (r->momentum > 0) ok(falign_trace_set(trace, FALIGN_DW_APPLIED, l, &applied));
  }
  return trace;
}

static void make_step(run_made *r, falign_rng *rng, uint64_t k) {
  step_made *s = &r->steps[k];
  numbers y;
  draw(rng, s->out[0], ROWS, n[0], 1);
  draw(rng, y, ROWS, n[D], 0.3);
  memcpy(s->w, r->w, sizeof s->w);
  memcpy(s->b, r->b, sizeof s->b);
  forward(r, s);
  backward(r, s, y);
  tell_network(r);
  for (uint32_t l = 0; l < D; l++) {
    apply(r->momentum, r->w[l], r->v[l], s->dw[l]);
    apply(r->momentum, r->b[l + 1], r->v_bias[l + 1], s->db[l + 1]);
    memcpy(s->applied[l], r->v[l], sizeof s->applied[l]);
  }
  falign_trace_destroy(r->trace);
  r->trace = trace_of(r, s, k);
  ok(falign_history_record(r->history, r->trace));
}

static falign_network *new_network(void) {
  falign_network *network;
  ok(falign_network_create(FALIGN_F64, D, n, 1, &network));
  for (uint32_t l = 1; l <= D; l++) ok(activate(network, l, TANH));
  return network;
}

static run_made *make_run(double momentum) {
  run_made *r = calloc(1, sizeof *r);
  ck_assert_ptr_nonnull(r);
  falign_rng *rng;
  r->momentum = momentum;
  r->network = new_network();
  ok(falign_rule_create("fa", r->network, &r->rule));
  ok(falign_history_create(r->network, &r->history));
  ok(falign_history_keep(r->history, FALIGN_KEEP_C | (momentum > 0 ? FALIGN_KEEP_APPLIED : 0)));
  ok(falign_rng_create(5, FALIGN_RNG_USER, 0, 0, &rng));
  for (uint32_t l = 0; l < D; l++) {
    draw(rng, r->w[l], n[l], n[l + 1], 0.5);
    draw(rng, r->b[l + 1], 1, n[l + 1], 0.2);
    if (l == 0) continue;
    draw(rng, r->back[l], n[l + 1], n[l], 0.5);
    falign_view b = view_of(r->back[l], n[l + 1], n[l]);
    ok(falign_rule_set(r->rule, FALIGN_FEEDBACK, l, &b));
  }
  for (uint64_t k = 0; k < STEPS; k++) make_step(r, rng, k);
  falign_rng_destroy(rng);
  return r;
}

static void free_run(run_made *r) {
  falign_trace_destroy(r->trace);
  falign_history_destroy(r->history);
  falign_rule_destroy(r->rule);
  falign_network_destroy(r->network);
  free(r);
}

/* ---- The paper's formulas on that ---- */

/* zeta^o = L[l-1][k] W[l-1][k-o] + b[l][k]; for o = -1 that of the weights after the last step is not needed. */
static void plain_zeta(run_made *r, uint32_t l, uint64_t o, numbers zeta) {
  step_made *now = &r->steps[STEPS - 1];
  for (size_t i = 0; i < ROWS; i++) memcpy(zeta[i], now->b[l][0], sizeof zeta[i]);
  add_product(zeta, 1, now->out[l - 1], false, r->steps[STEPS - 1 - o].w[l - 1], false,
              (size_t[]){ROWS, n[l], n[l - 1]});
}

/* eta A^T delta[l+1][k] */
static void plain_project(run_made *r, uint32_t l, numbers a, numbers t) {
  memset(t, 0, sizeof(numbers));
  add_product(t, eta, a, true, r->steps[STEPS - 1].delta[l + 1], false, (size_t[]){n[l], n[l + 1], ROWS});
}

/* f'(zeta^o) .* (L[l-1][k] dW[l-1][k-o]), with the increments that were applied. */
static void plain_change(run_made *r, uint32_t l, uint64_t o, numbers change) {
  numbers zeta;
  plain_zeta(r, l, o, zeta);
  memset(change, 0, sizeof(numbers));
  add_product(change, 1, r->steps[STEPS - 1].out[l - 1], false, r->steps[STEPS - 1 - o].applied[l - 1], false,
              (size_t[]){ROWS, n[l], n[l - 1]});
  for (size_t i = 0; i < ROWS; i++) {
    for (size_t j = 0; j < n[l]; j++) change[i][j] *= 1 - tanh(zeta[i][j]) * tanh(zeta[i][j]);
  }
}

static void plain_remainder(run_made *r, uint32_t l, numbers t) {
  numbers rests = {{0}}, before, after, change;
  for (uint64_t o = 1; o < STEPS; o++) {
    plain_zeta(r, l, o - 1, after);
    plain_zeta(r, l, o, before);
    plain_change(r, l, o, change);
    for (size_t i = 0; i < ROWS; i++) {
      for (size_t j = 0; j < n[l]; j++) rests[i][j] += tanh(after[i][j]) - tanh(before[i][j]) - change[i][j];
    }
  }
  plain_project(r, l, rests, t);
}

static double largest_apart(const double *a, numbers b, size_t rows, size_t cols) {
  double most = 0;
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = 0; j < cols; j++) most = fmax(most, fabs(a[i * cols + j] - b[i][j]));
  }
  return most;
}

static falign_terms *terms_of(const run_made *r) {
  falign_terms *terms;
  ok(falign_terms_create(r->history, r->rule, &terms));
  return terms;
}

START_TEST(terms_are_made_of_the_increments_that_were_applied) {
  run_made *r = make_run(0.9);
  falign_terms *terms = terms_of(r);
  double t[MOST * MOST];
  numbers change, want;
  for (uint32_t l = 1; l < D; l++) {
    for (uint64_t o = 1; o < STEPS; o++) {
      plain_change(r, l, o, change);
      plain_project(r, l, change, want);
      ok(terms_get(terms, r->trace, FALIGN_TERM, l, &(falign_orders){&o, 1, 1}, t));
      near(largest_apart(t, want, n[l], n[l + 1]), 0, 1e-15);
      ck_assert_double_gt(falign_frobenius(READ_F64(t, n[l], n[l + 1], n[l + 1])), 1e-5);
    }
    plain_remainder(r, l, want);
    ok(terms_remainder(terms, r->trace, l, 1, t));
    near(largest_apart(t, want, n[l], n[l + 1]), 0, 1e-14);
  }
  falign_terms_destroy(terms);
  free_run(r);
}
END_TEST

/* Sum of the terms + zero-degree term + remainder = eta L^T delta, whatever the optimizer made of it. */
START_TEST(identity_holds_with_another_optimizer) {
  run_made *r = make_run(0.9);
  falign_terms *terms = terms_of(r);
  double sum[MOST * MOST], zero[MOST * MOST], rest[MOST * MOST];
  for (uint32_t l = 1; l < D; l++) {
    ok(terms_sum(terms, r->trace, FALIGN_TERM, l, &(falign_orders){NULL, 0, 1}, sum));
    ok(terms_zero(terms, r->trace, l, STEPS - 1, zero));
    ok(terms_remainder(terms, r->trace, l, 1, rest));
    for (size_t i = 0; i < n[l] * n[l + 1]; i++) sum[i] += zero[i] + rest[i];
    near(largest_apart(sum, r->steps[STEPS - 1].dw[l], n[l], n[l + 1]), 0, 1e-16);
    ck_assert_double_gt(falign_frobenius(READ_F64(rest, n[l], n[l + 1], n[l + 1])), 1e-5);
  }
  falign_terms_destroy(terms);
  free_run(r);
}
END_TEST

/* eta^2 B^T C[k-o]^T C[k] (eq. 5), with the C that the history makes of L and delta; and M of the same. */
START_TEST(linear_terms_and_m_come_from_outputs_and_signals) {
  run_made *r = make_run(0);
  falign_terms *terms = terms_of(r);
  for (uint32_t l = 1; l < D; l++) {
    for (uint64_t o = 1; o < STEPS; o++) {
      numbers c_now = {{0}}, c_then = {{0}}, m = {{0}}, want = {{0}};
      step_made *now = &r->steps[STEPS - 1], *then = now - o;
      add_product(c_now, 1, now->out[l - 1], true, now->delta[l + 1], false, (size_t[]){n[l - 1], n[l + 1], ROWS});
      add_product(c_then, 1, then->out[l - 1], true, then->delta[l + 1], false, (size_t[]){n[l - 1], n[l + 1], ROWS});
      add_product(m, 1, c_then, true, c_now, false, (size_t[]){n[l + 1], n[l + 1], n[l - 1]});
      add_product(want, eta * eta, r->back[l], true, m, false, (size_t[]){n[l], n[l + 1], n[l + 1]});
      double t[MOST * MOST];
      ok(terms_get(terms, r->trace, FALIGN_TERM_LINEAR, l, &(falign_orders){&o, 1, 0}, t));
      near(largest_apart(t, want, n[l], n[l + 1]), 0, 1e-15);
      falign_transformation *made;
      ok(falign_transformation_create(r->history, STEPS - 1, o, l, &made));
      ok(falign_transformation_get(made, FALIGN_M, WRITE_F64(t, n[l + 1], n[l + 1], n[l + 1])));
      near(largest_apart(t, m, n[l + 1], n[l + 1]), 0, 1e-13);
      falign_transformation_destroy(made);
    }
  }
  falign_terms_destroy(terms);
  free_run(r);
}
END_TEST

/* A trainer makes the same steps; `out` gets the terms of its last one. */
static void trainer_terms(run_made *r, uint32_t l, uint64_t o, double *t, double *rest) {
  falign_network *network = new_network();
  falign_rule *rule;
  falign_trainer *trainer;
  falign_history *history;
  falign_terms *terms;
  numbers y;
  ok(falign_rule_create("fa", network, &rule));
  for (uint32_t i = 0; i < D; i++) {
    falign_view w = view_of(r->steps[0].w[i], n[i], n[i + 1]), b = view_of(r->steps[0].b[i + 1], 1, n[i + 1]);
    falign_view back = view_of(r->back[i], n[i + 1], n[i]);
    ok(falign_network_set(network, FALIGN_W, i, &w));
    ok(falign_network_set(network, FALIGN_BIAS, i + 1, &b));
    if (i > 0) ok(falign_rule_set(rule, FALIGN_FEEDBACK, i, &back));
  }
  ok(falign_trainer_create(network, rule, eta, &trainer));
  ok(falign_history_create(network, &history));
  ok(falign_trainer_set_history(trainer, history));
  ok(falign_trainer_keep(trainer, FALIGN_NEEDS_ACTIVITY));
  for (uint64_t k = 0; k < STEPS; k++) {
    step_made *s = &r->steps[k];
    for (size_t i = 0; i < ROWS; i++) {
      for (size_t j = 0; j < n[D]; j++) {
        double slope = 1 - s->out[D][i][j] * s->out[D][i][j];
        y[i][j] = s->out[D][i][j] + s->delta[D][i][j] / slope;
      }
    }
    falign_view x = view_of(s->out[0], ROWS, n[0]), target = view_of(y, ROWS, n[D]);
    ok(falign_trainer_step(trainer, &x, &target));
  }
  ok(falign_terms_create(history, rule, &terms));
  ok(terms_get(terms, falign_trainer_trace(trainer), FALIGN_TERM, l, &(falign_orders){&o, 1, 1}, t));
  ok(terms_remainder(terms, falign_trainer_trace(trainer), l, 1, rest));
  falign_terms_destroy(terms);
  falign_trainer_destroy(trainer);
  falign_history_destroy(history);
  falign_rule_destroy(rule);
  falign_network_destroy(network);
}

START_TEST(a_trainer_gives_the_same_terms) {
  run_made *r = make_run(0);
  falign_terms *terms = terms_of(r);
  for (uint32_t l = 1; l < D; l++) {
    for (uint64_t o = 1; o < STEPS; o += 2) {
      double mine[MOST * MOST], rest[MOST * MOST], theirs[MOST * MOST], their_rest[MOST * MOST];
      trainer_terms(r, l, o, theirs, their_rest);
      ok(terms_get(terms, r->trace, FALIGN_TERM, l, &(falign_orders){&o, 1, 1}, mine));
      ok(terms_remainder(terms, r->trace, l, 1, rest));
      for (size_t i = 0; i < n[l] * n[l + 1]; i++) {
        near(mine[i], theirs[i], 1e-15);
        near(rest[i], their_rest[i], 1e-15);
      }
    }
  }
  falign_terms_destroy(terms);
  free_run(r);
}
END_TEST

START_TEST(history_gives_what_was_recorded) {
  run_made *r = make_run(0.9);
  double got[MOST * MOST];
  for (uint64_t k = 0; k < STEPS; k++) {
    for (uint32_t l = 0; l + 1 < D; l++) {
      const falign_matrix *to = WRITE_F64(got, n[l], n[l + 1], n[l + 1]);
      ok(falign_history_get(r->history, k, FALIGN_W, l, to));
      near(largest_apart(got, r->steps[k].w[l], n[l], n[l + 1]), 0, 0);
      ok(falign_history_get(r->history, k, FALIGN_DW, l, to));
      near(largest_apart(got, r->steps[k].dw[l], n[l], n[l + 1]), 0, 0);
      ok(falign_history_get(r->history, k, FALIGN_DW_APPLIED, l, to));
      near(largest_apart(got, r->steps[k].applied[l], n[l], n[l + 1]), 0, 0);
    }
  }
  free_run(r);
}
END_TEST

START_TEST(records_that_cannot_be_are_refused) {
  run_made *r = make_run(0);
  falign_network *other = new_network();
  falign_trace *trace;
  falign_step step = {.iteration = STEPS, .rows = ROWS, .eta = eta, .loss = NAN};
  fails(FALIGN_INVALID, "ends with iteration 6 and cannot continue with 6",
        falign_history_record(r->history, r->trace));
  ok(falign_trace_create(other, &step, &trace));
  fails(FALIGN_SHAPE, "another network", falign_history_record(r->history, trace));
  falign_trace_destroy(trace);
  ok(falign_trace_create(r->network, &step, &trace));
  fails(FALIGN_UNSUPPORTED, "dW[0]", falign_history_record(r->history, trace));
  falign_trace_destroy(trace);
  r->momentum = 0.9; /* the history does not keep what was applied */
  memset(r->steps[STEPS - 1].applied[0], 0, sizeof r->steps[STEPS - 1].applied[0]);
  trace = trace_of(r, &r->steps[STEPS - 1], STEPS);
  fails(FALIGN_UNSUPPORTED, "FALIGN_KEEP_APPLIED", falign_history_record(r->history, trace));
  falign_trace_destroy(trace);
  falign_network_destroy(other);
  free_run(r);
}
END_TEST

/* Records a step of a run in another history; `d` is updated with it unless it is NULL. */
static falign_status record_again(run_made *r, falign_history *history, falign_disturbance *d, uint64_t k) {
  falign_trace *trace = trace_of(r, &r->steps[k], k);
  ok(falign_history_record(history, trace));
  falign_status status = d ? falign_disturbance_update(d, trace) : FALIGN_OK;
  falign_trace_destroy(trace);
  return status;
}

START_TEST(disturbed_weights_belong_to_one_run) {
  run_made *r = make_run(0);
  falign_history *history;
  falign_disturbance *d;
  ok(falign_history_create(r->network, &history));
  ok(falign_disturbance_create("undisturbed", NULL, history, r->rule, &d));
  for (uint64_t k = 0; k < 3; k++) ok(record_again(r, history, d, k));
  falign_history_clear(history);
  for (uint64_t k = 0; k < 3; k++) ok(record_again(r, history, NULL, k));
  fails(FALIGN_INVALID, "continue with iteration 0, not with 3", record_again(r, history, d, 3));
  falign_disturbance_destroy(d);
  falign_history_destroy(history);
  free_run(r);
}
END_TEST

START_TEST(traces_take_any_layout_and_refuse_what_does_not_fit) {
  falign_network *network = new_network();
  falign_trace *trace;
  float turned[5 * ROWS];
  double nan_row[6] = {0, 1, NAN, 3, 4, 5};
  falign_view seen;
  for (size_t i = 0; i < 5 * ROWS; i++) turned[i] = (float)i;
  fails(FALIGN_INVALID, "0 rows", falign_trace_create(network, &(falign_step){.eta = eta}, &trace));
  fails(FALIGN_SHAPE, "precision is 1",
        falign_trace_create(network, &(falign_step){.rows = 1, .precision = FALIGN_F32}, &trace));
  ok(falign_trace_create(network, &(falign_step){.rows = ROWS, .eta = eta}, &trace));
  fails(FALIGN_UNSUPPORTED, "L[0]", falign_trace_view(trace, FALIGN_L, 0, &seen));
  /* Stored by columns, the last row first. */
  falign_view x = {turned + ROWS - 1, ROWS, 5, -1, ROWS, FALIGN_F32};
  ok(falign_trace_set(trace, FALIGN_L, 0, &x));
  ok(falign_trace_view(trace, FALIGN_L, 0, &seen));
  ck_assert_int_eq(seen.precision, FALIGN_F64);
  for (size_t i = 0; i < ROWS; i++) {
    for (size_t j = 0; j < 5; j++)
      near(((const double *)seen.data)[i * (size_t)seen.row_step + j], (double)(j * ROWS + ROWS - 1 - i), 0);
  }
  fails(FALIGN_SHAPE, "8 x 7", falign_trace_set(trace, FALIGN_L, 1, &x));
  fails(FALIGN_INVALID, "L[4]", falign_trace_set(trace, FALIGN_L, D + 1, &x));
  fails(FALIGN_INVALID, "nan in row 0, column 2", falign_trace_set(trace, FALIGN_DB, 2, READ_F64(nan_row, 1, 6, 6)));
  falign_trace_destroy(trace);
  falign_network_destroy(network);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, terms_are_made_of_the_increments_that_were_applied);
  tcase_add_test(tests, identity_holds_with_another_optimizer);
  tcase_add_test(tests, linear_terms_and_m_come_from_outputs_and_signals);
  tcase_add_test(tests, a_trainer_gives_the_same_terms);
  tcase_add_test(tests, history_gives_what_was_recorded);
  tcase_add_test(tests, records_that_cannot_be_are_refused);
  tcase_add_test(tests, disturbed_weights_belong_to_one_run);
  tcase_add_test(tests, traces_take_any_layout_and_refuse_what_does_not_fit);
}

int main(void) { return run_suite("handmade", add_tests); }
