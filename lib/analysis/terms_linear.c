/* SPDX-License-Identifier: Apache-2.0 */
/* Linear terms, in double precision whatever the network's: their matrices are small. */
#include <stdlib.h>
#include <string.h>

#include "math/backend.h"
#include "analysis/decomposition.h"
#include "analysis/terms.h"

/* Terms of one layer, eta[k] left^T (eta[k-o] past[k-o]^T now): `past` is kept by the history, n[l-1] x m. */
typedef struct {
  const falign_history *history;
  const falign_backend *backend;
  uint64_t k;
  uint32_t l;
  double eta;
  bool direct;
  size_t in, here, above; /* n[l-1], n[l], n[l+1] */
  size_t m;               /* n[l+1], or n[d] for direct feedback */
  double *left;           /* B[l], F[l] or what takes its place, m x n[l] */
  double *now;            /* L[l-1]^T delta of the step, n[l-1] x now_cols */
  size_t now_cols;
  double *past;      /* n[l-1] x m */
  double *transform; /* past^T now, m x now_cols */
} linear;

static falign_status times(const linear *x, bool transpose_a, size_t m, size_t n, size_t k, double alpha,
                           const double *a, size_t lda, const double *b, size_t ldb, double *c) {
  return falign_backend_gemm_f64(x->backend, transpose_a, 0, m, n, k, alpha, a, lda, b, ldb, 0, c, n);
}

static void release(linear *x) {
  free(x->left);
  free(x->now);
  free(x->past);
  free(x->transform);
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* NULL where memory is short or the size overflows. */
static double *new_matrix(size_t rows, size_t cols) {
  size_t numbers;
  return fal_mul(rows, cols, &numbers) ? fal_alloc(numbers, sizeof(double)) : NULL;
}

static falign_status allocate(linear *x) {
  size_t widest = larger(larger(x->m, x->now_cols), x->above);
  x->left = new_matrix(x->m, x->here);
  x->now = new_matrix(x->in, widest);
  x->past = new_matrix(x->in, x->m);
  x->transform = new_matrix(x->m, widest);
  if (x->left && x->now && x->past && x->transform) return FALIGN_OK;
  release(x);
  return fal_fail_memory("linear terms", x->in + x->m, widest * sizeof *x->past);
}

static falign_record record_of(const linear *x) { return x->direct ? FALIGN_RECORD_DIRECT : FALIGN_RECORD_C; }

/* L[l-1]^T delta[above] of the step itself, by the backend in the network's precision. */
static falign_status correlate(const falign_trace *trace, uint32_t l, uint32_t above, double *out) {
  const falign_network *network = trace->network;
  const size_t *n = network->widths;
  size_t rows = n[l - 1], cols = n[above], stride = l == 1 ? trace->input_stride : rows;
  const void *left = trace->outputs[l - 1], *right = trace->deltas[above];
  if (network->precision == FALIGN_F64)
    return falign_backend_gemm_f64(trace->backend, 1, 0, rows, cols, trace->rows, 1, left, stride, right, cols, 0, out,
                                   cols);
  float *product = fal_alloc(rows * cols, sizeof *product);
  if (!product) return fal_fail_memory("L^T delta", rows, cols * sizeof *product);
  falign_status status = falign_backend_gemm_f32(trace->backend, 1, 0, rows, cols, trace->rows, 1, left, stride, right,
                                                 cols, 0, product, cols);
  if (status == FALIGN_OK) fal_copy_matrix(out, FALIGN_F64, cols, product, FALIGN_F32, cols, rows, cols);
  free(product);
  return status;
}

static falign_status check_kept(const linear *x) {
  int32_t kept = x->direct ? FALIGN_KEEP_DIRECT : FALIGN_KEEP_C;
  if (x->history->keeps & kept) return FALIGN_OK;
  return fal_fail(FALIGN_UNSUPPORTED, "the history does not keep %s, which linear terms of rules with %s feedback need",
                  x->direct ? "L[l-1]^T delta[d]" : "C[l]", x->direct ? "direct" : "layer-wise");
}

/* Everything but `past`; to be released. delta[now_layer] stands on the right. */
static falign_status prepare(const falign_terms *terms, const falign_trace *trace, uint32_t l, uint32_t now_layer,
                             linear *x) {
  const size_t *n = terms->history->network->widths;
  const falign_rule *rule = terms->rule;
  *x = (linear){.history = terms->history,
                .backend = trace->backend,
                .k = trace->iteration,
                .l = l,
                .eta = trace->eta,
                .direct = rule->table.feedback == FALIGN_FEEDBACK_DIRECT,
                .in = n[l - 1],
                .here = n[l],
                .above = n[l + 1],
                .m = fal_rule_feedback_rows(rule, l),
                .now_cols = n[now_layer]};
  FAL_TRY(check_kept(x));
  FAL_TRY(allocate(x));
  fal_copy_matrix(x->left, FALIGN_F64, x->here, rule->feedback[l], rule->precision, x->here, x->m, x->here);
  falign_status status = correlate(trace, l, now_layer, x->now);
  if (status != FALIGN_OK) release(x);
  return status;
}

/* past^T now for the matrix that is at hand. */
static falign_status transform(const linear *x) {
  return times(x, true, x->m, x->now_cols, x->in, 1, x->past, x->m, x->now, x->now_cols, x->transform);
}

/* scale left^T transform, n[l] x n[l+1] */
static falign_status project(const linear *x, double scale, double *t) {
  return times(x, true, x->here, x->above, x->m, scale, x->left, x->here, x->transform, x->now_cols, t);
}

/* Reads what is past of an order, and eta[k] eta[k-o]. */
static falign_status look_back(const linear *x, uint64_t order, double *scale) {
  uint64_t then = x->k - order;
  double eta;
  FAL_TRY(falign_history_get(x->history, then, record_of(x), x->l, x->past, x->in, x->m, x->m));
  FAL_TRY(fal_history_eta(x->history, then, &eta));
  *scale = x->eta * eta;
  return FALIGN_OK;
}

static falign_status whole_term(const linear *x, uint64_t order, double *t) {
  double scale;
  FAL_TRY(look_back(x, order, &scale));
  FAL_TRY(transform(x));
  return project(x, scale, t);
}

static falign_status diagonal_term(const linear *x, uint64_t order, double *t) {
  double scale;
  FAL_TRY(look_back(x, order, &scale));
  for (size_t j = 0; j < x->m; j++) {
    double m = 0; /* M_jj */
    for (size_t i = 0; i < x->in; i++) m += x->past[i * x->m + j] * x->now[i * x->m + j];
    for (size_t i = 0; i < x->here; i++) t[i * x->m + j] = scale * m * x->left[j * x->here + i];
  }
  return FALIGN_OK;
}

/* Computes one term. */
typedef falign_status (*term_fn)(const linear *x, uint64_t order, double *t);

/* Each order by `term`: one after the other, or added up where `summed`. */
static falign_status collect(const linear *x, term_fn term, const uint64_t *orders, size_t count, bool summed,
                             double *t) {
  size_t numbers = x->here * x->above;
  double *room;
  FAL_TRY(fal_terms_room(x->history->network, x->l, summed ? 2 : count, &room));
  falign_status status = FALIGN_OK;
  if (summed) memset(room, 0, numbers * sizeof *room);
  for (size_t i = 0; i < count && status == FALIGN_OK; i++) {
    double *to = room + (summed ? 1 : i) * numbers;
    status = term(x, orders[i], to);
    for (size_t j = 0; j < numbers && summed; j++) room[j] += to[j];
  }
  if (status == FALIGN_OK) memcpy(t, room, (summed ? 1 : count) * numbers * sizeof *t);
  free(room);
  return status;
}

static falign_status linear_terms(falign_terms *terms, const falign_trace *trace, uint32_t l, term_fn term,
                                  const uint64_t *orders, size_t count, bool summed, double *t) {
  linear x;
  FAL_GIVEN(t);
  FAL_TRY(fal_terms_check(terms, trace, l));
  FAL_TRY(fal_terms_check_orders(terms->history, trace->iteration, orders, count));
  FAL_TRY(prepare(terms, trace, l, l + 1, &x));
  falign_status status = collect(&x, term, orders, count, summed, t);
  release(&x);
  return status;
}

falign_status falign_terms_linear(falign_terms *terms, const falign_trace *trace, uint32_t l, const uint64_t *orders,
                                  size_t count, double *t) {
  return linear_terms(terms, trace, l, whole_term, orders, count, false, t);
}

falign_status falign_terms_linear_diagonal(falign_terms *terms, const falign_trace *trace, uint32_t l,
                                           const uint64_t *orders, size_t count, double *t) {
  FAL_TRY(fal_terms_check(terms, trace, l));
  if (terms->rule->table.feedback == FALIGN_FEEDBACK_DIRECT)
    return fal_fail(FALIGN_UNSUPPORTED, "the linear terms of rule %s have no M between B[%u]^T and delta[%u]",
                    terms->rule->table.name, l, l + 1);
  return linear_terms(terms, trace, l, diagonal_term, orders, count, false, t);
}

/* All orders at once: by the sum of eta times what is past that the history has kept up. */
static falign_status sum_all(const linear *x, double *t) {
  size_t numbers = x->in * x->m, at = fal_history_correlation_at(x->history, x->l, x->direct);
  const double *sum = x->history->sum + (at - fal_history_correlations_at(x->history));
  memcpy(x->past, sum, numbers * sizeof *sum);
  FAL_TRY(transform(x));
  return project(x, x->eta, t);
}

/* The running sum is that of the steps before the last one. */
static falign_status check_last(const falign_history *history, uint64_t k) {
  if (history->summed == k && history->origin == 0) return FALIGN_OK;
  if (history->origin > 0)
    return fal_fail(FALIGN_INVALID, "all orders at iteration %llu need iteration 0, but the history begins with %llu",
                    (unsigned long long)k, (unsigned long long)history->origin);
  return fal_fail(FALIGN_INVALID, "all orders can be summed for the last step of the history, %llu, not for %llu",
                  (unsigned long long)history->summed, (unsigned long long)k);
}

falign_status falign_terms_linear_sum(falign_terms *terms, const falign_trace *trace, uint32_t l,
                                      const uint64_t *orders, size_t count, double *t) {
  linear x;
  double *room;
  if (orders) return linear_terms(terms, trace, l, whole_term, orders, count, true, t);
  FAL_GIVEN(t);
  FAL_TRY(fal_terms_check(terms, trace, l));
  FAL_TRY(prepare(terms, trace, l, l + 1, &x));
  falign_status status = check_last(terms->history, trace->iteration);
  if (status == FALIGN_OK) status = fal_terms_room(terms->history->network, l, 1, &room);
  if (status == FALIGN_OK) {
    status = sum_all(&x, room);
    if (status == FALIGN_OK) memcpy(t, room, x.here * x.above * sizeof *t);
    free(room);
  }
  release(&x);
  return status;
}

/* ---- Eq. 8 ---- */

/* left = F[l+1] Q[l] in place of F[l]; now = L[l-1]^T delta[d] F[l+1] in place of L[l-1]^T delta[l+1]. */
static falign_status simplify(const falign_terms *terms, linear *x) {
  uint32_t l = x->l, d = terms->rule->layers;
  size_t m = x->m;
  const double *q = fal_decomposition_q(terms->decomposition, l);
  if (l == d - 1) return FALIGN_OK; /* F[d] is the identity, and Q[d-1] = F[d-1] */
  double *f = fal_alloc(m * x->above, sizeof *f), *now = fal_alloc(x->in * x->above, sizeof *now);
  falign_status status = f && now ? FALIGN_OK : fal_fail_memory("F", m, x->above * sizeof *f);
  if (status == FALIGN_OK) {
    fal_copy_matrix(f, FALIGN_F64, x->above, terms->rule->feedback[l + 1], terms->rule->precision, x->above, m,
                    x->above);
    status = times(x, false, m, x->here, x->above, 1, f, x->above, q, x->here, x->left);
  }
  if (status == FALIGN_OK) status = times(x, false, x->in, x->above, m, 1, x->now, m, f, x->above, now);
  free(f);
  if (status == FALIGN_OK) {
    free(x->now);
    x->now = now;
    x->now_cols = x->above;
  } else {
    free(now);
  }
  return status;
}

falign_status falign_terms_simplified(falign_terms *terms, const falign_trace *trace, uint32_t l,
                                      const uint64_t *orders, size_t count, double *t) {
  linear x;
  FAL_GIVEN(t);
  FAL_TRY(fal_terms_check(terms, trace, l));
  FAL_TRY(fal_terms_check_orders(terms->history, trace->iteration, orders, count));
  FAL_TRY(fal_terms_decompose(terms));
  FAL_TRY(prepare(terms, trace, l, terms->rule->layers, &x));
  falign_status status = simplify(terms, &x);
  if (status == FALIGN_OK) status = collect(&x, whole_term, orders, count, false, t);
  release(&x);
  return status;
}
