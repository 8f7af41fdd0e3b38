/* SPDX-License-Identifier: Apache-2.0 */
/* Linear terms, in double precision for any network: their matrices are small. */
#include <stdlib.h>
#include <string.h>

#include "analysis/decomposition.h"
#include "analysis/terms.h"
#include "base/size.h"
#include "math/backend.h"

/* The terms of one layer, eta[k] left^T (eta[k-o] past[k-o]^T now), where the history keeps `past`, n[l-1] x m. */
typedef struct {
  const falign_history *history;
  const falign_trace *trace;
  uint32_t l;
  bool direct;
  const void *delta;      /* of the step, rows x now_cols */
  size_t in, here, above; /* n[l-1], n[l], n[l+1] */
  size_t m;               /* n[l+1], or n[d] for direct feedback */
  double *left;           /* B[l], F[l] or its simplification, m x n[l] */
  double *now;            /* L[l-1]^T delta of the step, n[l-1] x now_cols */
  size_t now_cols;
  double *past;      /* n[l-1] x m */
  double *transform; /* past^T now, m x now_cols */
} linear;

/* C = alpha op(A) B for contiguous matrices, op(A) = A or A^T. */
static falign_status multiply_plain(const linear *x, const falign_view *a, bool transposed, const falign_view *b,
                                    double alpha, double *c) {
  size_t rows = transposed ? a->cols : a->rows;
  return fal_gemm_f64(x->trace->step.backend, transposed, 0, rows, b->cols, b->rows, alpha, a->data, a->cols, b->data,
                      b->cols, 0, c, b->cols);
}

static void free_linear(linear *x) {
  free(x->left);
  free(x->now);
  free(x->past);
  free(x->transform);
}

static double *allocate_doubles(size_t rows, size_t cols) { return fal_alloc_matrix(rows, cols, sizeof(double)); }

static falign_status allocate_linear(linear *x) {
  size_t widest = fal_max(fal_max(x->m, x->now_cols), x->above);
  x->left = allocate_doubles(x->m, x->here);
  x->now = allocate_doubles(x->in, widest);
  x->past = allocate_doubles(x->in, x->m);
  x->transform = allocate_doubles(x->m, widest);
  if (x->left && x->now && x->past && x->transform) return FALIGN_OK;
  return fal_fail_memory("linear terms", x->in + x->m, widest * sizeof *x->past);
}

/* now = L[l-1]^T delta of the present step, by the backend in the network's precision. */
static falign_status correlate_step(const linear *x) {
  const falign_trace *trace = x->trace;
  const falign_backend *backend = trace->step.backend;
  size_t rows = trace->step.rows, in = x->in, cols = x->now_cols, stride = fal_output_stride(trace, x->l - 1);
  const void *left = trace->outputs[x->l - 1], *right = x->delta;
  if (trace->network->precision == FALIGN_F64)
    return fal_gemm_f64(backend, 1, 0, in, cols, rows, 1, left, stride, right, cols, 0, x->now, cols);
  float *product = fal_alloc(in * cols, sizeof *product);
  if (!product) return fal_fail_memory("L^T delta", in, cols * sizeof *product);
  falign_status status = fal_gemm_f32(backend, 1, 0, in, cols, rows, 1, left, stride, right, cols, 0, product, cols);
  const falign_matrix now = falign_matrix_f64(x->now, in, cols);
  const falign_view found = falign_view_f32(product, in, cols);
  if (status == FALIGN_OK) fal_copy(&now, &found);
  free(product);
  return status;
}

static falign_status check_kept(const linear *x) {
  int32_t kept = x->direct ? FALIGN_KEEP_DIRECT : FALIGN_KEEP_C;
  if (x->history->keeps & kept) return FALIGN_OK;
  return fal_fail(FALIGN_UNSUPPORTED, "the history does not keep %s, which linear terms of rules with %s feedback need",
                  x->direct ? "L[l-1]^T delta[d]" : "C[l]", x->direct ? "direct" : "layer-wise");
}

static void copy_to_doubles(double *to, const falign_view *from) {
  const falign_matrix matrix = falign_matrix_f64(to, from->rows, from->cols);
  fal_copy(&matrix, from);
}

/* Fills everything except `past`, with delta[now_layer] on the right; free_linear() frees it, also after a failure. */
static falign_status prepare_linear(const fal_term_request *asked, uint32_t now_layer, linear *x) {
  const falign_terms *terms = asked->terms;
  uint32_t l = asked->l;
  const size_t *n = terms->history->network->widths;
  const falign_rule *rule = terms->rule;
  falign_view delta;
  *x = (linear){.history = terms->history,
                .trace = asked->trace,
                .l = l,
                .direct = rule->table.feedback == FALIGN_FEEDBACK_DIRECT,
                .in = n[l - 1],
                .here = n[l],
                .above = n[l + 1],
                .m = fal_rule_feedback_rows(rule, l),
                .now_cols = n[now_layer]};
  FAL_TRY(check_kept(x));
  FAL_TRY(falign_trace_view(asked->trace, FALIGN_DELTA, now_layer, &delta));
  x->delta = delta.data;
  FAL_TRY(allocate_linear(x));
  const falign_view feedback = fal_view_plain(rule->feedback[l], rule->precision, x->m, x->here);
  copy_to_doubles(x->left, &feedback);
  return correlate_step(x);
}

/* Computes `transform` from `past`. */
static falign_status transform_now(const linear *x) {
  const falign_view past = falign_view_f64(x->past, x->in, x->m), now = falign_view_f64(x->now, x->in, x->now_cols);
  return multiply_plain(x, &past, true, &now, 1, x->transform);
}

/* t = scale left^T transform, n[l] x now_cols, which must be n[l+1]. */
static falign_status project_linear(const linear *x, double scale, double *t) {
  const falign_view left = falign_view_f64(x->left, x->m, x->here);
  const falign_view transform = falign_view_f64(x->transform, x->m, x->now_cols);
  return multiply_plain(x, &left, true, &transform, scale, t);
}

/* Reads `past` of an order, and eta[k] eta[k-o]. */
static falign_status read_past(const linear *x, uint64_t order, double *scale) {
  const uint64_t then = x->trace->step.iteration - order;
  const falign_matrix past = falign_matrix_f64(x->past, x->in, x->m);
  double eta;
  FAL_TRY(falign_history_get(x->history, then, x->direct ? FALIGN_DIRECT : FALIGN_C, x->l, &past));
  FAL_TRY(fal_history_eta(x->history, then, &eta));
  *scale = x->trace->step.eta * eta;
  return FALIGN_OK;
}

static falign_status compute_whole(const linear *x, uint64_t order, double *t) {
  double scale;
  FAL_TRY(read_past(x, order, &scale));
  FAL_TRY(transform_now(x));
  return project_linear(x, scale, t);
}

static falign_status compute_diagonal(const linear *x, uint64_t order, double *t) {
  double scale;
  FAL_TRY(read_past(x, order, &scale));
  for (size_t j = 0; j < x->m; j++) {
    double m = 0; /* M_jj */
    for (size_t i = 0; i < x->in; i++) m += x->past[i * x->m + j] * x->now[i * x->m + j];
    for (size_t i = 0; i < x->here; i++) t[i * x->m + j] = scale * m * x->left[j * x->here + i];
  }
  return FALIGN_OK;
}

/* ---- Lists and sums of orders ---- */

/* Computes one term. */
typedef falign_status (*term_fn)(const linear *x, uint64_t order, double *t);

static falign_status collect_terms(const linear *x, term_fn term, const falign_orders *orders, double *t) {
  size_t numbers = x->here * x->above;
  for (size_t i = 0; i < orders->count; i++) FAL_TRY(term(x, orders->list[i], t + i * numbers));
  return FALIGN_OK;
}

static falign_status get_terms(const fal_term_request *asked, term_fn term, double *t) {
  linear x;
  falign_status status = prepare_linear(asked, asked->l + 1, &x);
  if (status == FALIGN_OK) status = collect_terms(&x, term, &asked->orders, t);
  free_linear(&x);
  return status;
}

falign_status fal_linear_get(const fal_term_request *asked, double *t) { return get_terms(asked, compute_whole, t); }

falign_status fal_linear_get_diagonal(const fal_term_request *asked, double *t) {
  const falign_rule *rule = asked->terms->rule;
  if (rule->table.feedback != FALIGN_FEEDBACK_DIRECT) return get_terms(asked, compute_diagonal, t);
  return fal_fail(FALIGN_UNSUPPORTED, "the linear terms of rule %s have no M between B[%u]^T and delta[%u]",
                  rule->table.name, asked->l, asked->l + 1);
}

/* Sums the terms of the listed orders. */
static falign_status sum_listed(const linear *x, const falign_orders *orders, double *t) {
  size_t numbers = x->here * x->above;
  double *term;
  FAL_TRY(fal_terms_room(x->history->network, x->l, &term, 1));
  falign_status status = FALIGN_OK;
  memset(t, 0, numbers * sizeof *t);
  for (size_t i = 0; i < orders->count && status == FALIGN_OK; i++) {
    status = compute_whole(x, orders->list[i], term);
    for (size_t j = 0; j < numbers && status == FALIGN_OK; j++) t[j] += term[j];
  }
  free(term);
  return status;
}

/* The history's running sum is over the steps before its last one. */
static falign_status check_last_step(const linear *x) {
  const falign_history *history = x->history;
  const unsigned long long k = x->trace->step.iteration;
  if (history->summed == k && history->origin == 0) return FALIGN_OK;
  if (history->origin > 0)
    return fal_fail(FALIGN_INVALID, "all orders at iteration %llu need iteration 0, but the history begins with %llu",
                    k, (unsigned long long)history->origin);
  return fal_fail(FALIGN_INVALID, "the running sum of all orders is that of iteration %llu, not of %llu",
                  (unsigned long long)history->summed, k);
}

/* Computes the sum of all orders at once from the history's running sum of eta times `past`. */
static falign_status sum_all(const linear *x, double *t) {
  size_t numbers = x->in * x->m, at = fal_history_correlation_at(x->history, x->l, x->direct);
  FAL_TRY(check_last_step(x));
  const double *sum = x->history->sum + (at - fal_history_correlations_at(x->history));
  memcpy(x->past, sum, numbers * sizeof *sum);
  FAL_TRY(transform_now(x));
  return project_linear(x, x->trace->step.eta, t);
}

falign_status fal_linear_sum(const fal_term_request *asked, double *t) {
  linear x;
  falign_status status = prepare_linear(asked, asked->l + 1, &x);
  if (status == FALIGN_OK) status = asked->orders.list ? sum_listed(&x, &asked->orders, t) : sum_all(&x, t);
  free_linear(&x);
  return status;
}

/* ---- Eq. 8 ---- */

/* Replaces F[l] by left = F[l+1] Q[l], and L[l-1]^T delta[l+1] by now = L[l-1]^T delta[d] F[l+1]. */
static falign_status simplify_linear(const falign_terms *terms, linear *x) {
  uint32_t l = x->l, d = terms->rule->layers;
  if (l == d - 1) return FALIGN_OK; /* F[d] is the identity, and Q[d-1] = F[d-1] */
  double *f = allocate_doubles(x->m, x->above), *now = allocate_doubles(x->in, x->above);
  falign_status status = f && now ? FALIGN_OK : fal_fail_memory("F", x->m, x->above * sizeof *f);
  if (status == FALIGN_OK) {
    const falign_view feedback = fal_view_plain(terms->rule->feedback[l + 1], terms->rule->precision, x->m, x->above);
    const falign_view above = falign_view_f64(f, x->m, x->above), before = falign_view_f64(x->now, x->in, x->m);
    const falign_view q = falign_view_f64(fal_decomposition_q(terms->decomposition, l), x->above, x->here);
    copy_to_doubles(f, &feedback);
    status = multiply_plain(x, &above, false, &q, 1, x->left);
    if (status == FALIGN_OK) status = multiply_plain(x, &before, false, &above, 1, now);
  }
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

falign_status fal_linear_get_simplified(const fal_term_request *asked, double *t) {
  linear x;
  FAL_TRY(fal_terms_decompose(asked->terms));
  falign_status status = prepare_linear(asked, asked->terms->rule->layers, &x);
  if (status == FALIGN_OK) status = simplify_linear(asked->terms, &x);
  if (status == FALIGN_OK) status = collect_terms(&x, compute_whole, &asked->orders, t);
  free_linear(&x);
  return status;
}
