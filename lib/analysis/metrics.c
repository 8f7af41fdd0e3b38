/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/decomposition.h"
#include "data/batches.h"
#include "falign/metrics.h"
#include "falign/trainer.h"
#include "learning/metric.h"
#include "math/angle.h"
#include "math/backend.h"

typedef struct builtin_metric builtin_metric;

/* One measurement of a built-in metric. */
typedef struct {
  const builtin_metric *metric;
  const falign_trainer *trainer;
  const falign_network *network;
  const falign_rule *rule;
  const falign_trace *trace;
  uint32_t d;
  falign_value_fn emit;
  void *emit_user;
} measurement;

/* The layers for which a metric is measured. */
typedef enum layers {
  WHOLE,   /* once for all */
  WEIGHTS, /* 0..d-1 */
  HIDDEN,  /* 1..d-1 */
  UNITS,   /* 1..d */
  OUTPUTS  /* 0..d */
} layers;

struct builtin_metric {
  const char *name;
  const char *description;
  int32_t needs;
  layers layers;
  falign_status (*measure)(const measurement *m, uint32_t l); /* l is 0 for WHOLE */
  falign_quantity a, b; /* the matrices that `measure` takes; see view_quantity() */
  double (*compare)(const falign_view *a, const falign_view *b, size_t count); /* only for pairs */
  bool (*applies)(const measurement *m);                                       /* NULL: always */
};

static bool has_layer_feedback(const measurement *m) { return falign_rule_feedback(m->rule) == FALIGN_FEEDBACK_LAYER; }

static bool has_direct_feedback(const measurement *m) {
  return falign_rule_feedback(m->rule) == FALIGN_FEEDBACK_DIRECT;
}

static bool has_biases(const measurement *m) { return falign_network_has_biases(m->network) != 0; }

static size_t width(const measurement *m, uint32_t l) { return falign_network_width(m->network, l); }

/* Emits a value of an order, or of none if it is -1. */
static falign_status emit_order(const measurement *m, int64_t layer, double value, int64_t order) {
  const falign_value found = {(int64_t)falign_trainer_iteration(m->trainer), m->metric->name, layer, order, value};
  return m->emit(m->emit_user, &found);
}

static falign_status emit_layer(const measurement *m, int64_t layer, double value) {
  return emit_order(m, layer, value, -1);
}

/* Views a matrix of the network, the rule or the trace. Feedback is transposed to the shape of W[l]. */
static falign_status view_quantity(const measurement *m, falign_quantity what, uint32_t l, falign_view *out) {
  if (what == FALIGN_W) return falign_network_view(m->network, FALIGN_W, l, out);
  if (what != FALIGN_FEEDBACK) return falign_trace_view(m->trace, what, l, out);
  falign_view feedback;
  FAL_TRY(falign_rule_view(m->rule, FALIGN_FEEDBACK, l, &feedback));
  *out = falign_view_transposed(feedback);
  return FALIGN_OK;
}

static falign_status view_a(const measurement *m, uint32_t l, falign_view *out) {
  return view_quantity(m, m->metric->a, l, out);
}

static falign_status view_b(const measurement *m, uint32_t l, falign_view *out) {
  return view_quantity(m, m->metric->b, l, out);
}

static falign_status measure_pair(const measurement *m, uint32_t l) {
  falign_view a, b;
  FAL_TRY(view_a(m, l, &a));
  FAL_TRY(view_b(m, l, &b));
  return emit_layer(m, l, m->metric->compare(&a, &b, 1));
}

/* Compares the pairs of all layers 1..d-1, each side as one vector. */
static falign_status measure_joined(const measurement *m, uint32_t none) {
  (void)none;
  if (m->d < 2) return FALIGN_OK;
  size_t count = m->d - 1;
  falign_view *a = fal_alloc(count, 2 * sizeof *a);
  if (!a) return fal_fail_memory("views", count, 2 * sizeof *a);
  falign_view *b = a + count;
  falign_status status = FALIGN_OK;
  for (uint32_t l = 1; status == FALIGN_OK && l < m->d; l++) {
    status = view_a(m, l, &a[l - 1]);
    if (status == FALIGN_OK) status = view_b(m, l, &b[l - 1]);
  }
  if (status == FALIGN_OK) status = emit_layer(m, -1, m->metric->compare(a, b, count));
  free(a);
  return status;
}

static falign_status allocate_product(size_t rows, size_t cols, double **out) {
  *out = fal_alloc_matrix(rows, cols, sizeof **out);
  return *out ? FALIGN_OK : fal_fail_memory("a product of weights", rows, sizeof **out);
}

/* Copies W[l] in double precision; the caller frees it. */
static falign_status copy_w(const measurement *m, uint32_t l, double **out) {
  FAL_TRY(allocate_product(width(m, l), width(m, l + 1), out));
  const falign_matrix copy = falign_matrix_f64(*out, width(m, l), width(m, l + 1));
  return falign_network_get(m->network, FALIGN_W, l, &copy);
}

/* Multiplies W[l] by `above`, the product of the layers above; the caller frees the product. */
static falign_status multiply_w(const measurement *m, uint32_t l, const double *above, double **out) {
  size_t rows = width(m, l), inner = width(m, l + 1), cols = width(m, m->d);
  FAL_TRY(allocate_product(rows, cols, out));
  double *w = NULL;
  falign_status status = copy_w(m, l, &w);
  if (status == FALIGN_OK)
    status = fal_gemm_f64(&fal_backend_builtin, 0, 0, rows, cols, inner, 1, w, inner, above, cols, 0, *out, cols);
  free(w);
  return status;
}

/* products[l] = W[l] W[l+1] ... W[d-1] for l = d-1..1. The caller frees them, also after a failure. */
static falign_status multiply_layers(const measurement *m, double **products) {
  FAL_TRY(copy_w(m, m->d - 1, &products[m->d - 1]));
  for (uint32_t l = m->d - 2; l >= 1; l--) FAL_TRY(multiply_w(m, l, products[l + 1], &products[l]));
  return FALIGN_OK;
}

/* Compares W[l] ... W[d-1], which leads from layer l to the output, with the feedback from there (eq. 6). */
static falign_status measure_products(const measurement *m, uint32_t none) {
  (void)none;
  if (m->d < 2) return FALIGN_OK;
  double **products = fal_zalloc(m->d, sizeof *products);
  if (!products) return fal_fail_memory("products of weights", m->d, sizeof *products);
  falign_status status = multiply_layers(m, products);
  for (uint32_t l = 1; status == FALIGN_OK && l < m->d; l++) {
    const falign_view product = falign_view_f64(products[l], width(m, l), width(m, m->d));
    falign_view feedback;
    status = view_b(m, l, &feedback);
    if (status == FALIGN_OK) status = emit_layer(m, l, m->metric->compare(&product, &feedback, 1));
  }
  for (uint32_t l = 1; l < m->d; l++) free(products[l]);
  free(products);
  return status;
}

#ifdef FAL_LAPACK

/* Measures each layer with the decomposition of F (eq. 7). */
static falign_status decompose_feedback(const measurement *m,
                                        falign_status (*each)(const measurement *m, const falign_decomposition *parts,
                                                              uint32_t l)) {
  falign_decomposition *parts;
  FAL_TRY(falign_decomposition_create(m->rule, &parts));
  falign_status status = FALIGN_OK;
  for (uint32_t l = 1; status == FALIGN_OK && l < m->d; l++) status = each(m, parts, l);
  falign_decomposition_destroy(parts);
  return status;
}

static falign_status compare_with_q(const measurement *m, const falign_decomposition *parts, uint32_t l) {
  falign_view w, q = falign_view_f64(fal_decomposition_q(parts, l), width(m, l + 1), width(m, l));
  falign_view transposed = falign_view_transposed(q);
  FAL_TRY(view_a(m, l, &w));
  return emit_layer(m, l, m->metric->compare(&w, &transposed, 1));
}

static falign_status measure_q(const measurement *m, uint32_t none) {
  (void)none;
  return decompose_feedback(m, compare_with_q);
}

static falign_status emit_share(const measurement *m, const falign_decomposition *parts, uint32_t l) {
  return emit_layer(m, l, falign_decomposition_share(parts, l));
}

static falign_status measure_shares(const measurement *m, uint32_t none) {
  (void)none;
  return decompose_feedback(m, emit_share);
}

#endif

static falign_status measure_norm(const measurement *m, uint32_t l) {
  falign_view a;
  FAL_TRY(view_a(m, l, &a));
  return emit_layer(m, l, fal_view_norm(&a, 1));
}

static falign_status measure_norm_ratio(const measurement *m, uint32_t l) {
  falign_view a;
  FAL_TRY(view_a(m, l, &a));
  return emit_layer(m, l, fal_view_norm(&a, 1) / falign_trainer_start_norm(m->trainer, l));
}

static falign_status measure_row_norms(const measurement *m, uint32_t l) {
  falign_view a;
  FAL_TRY(view_a(m, l, &a));
  for (size_t i = 0; i < a.rows; i++) {
    const falign_view row = fal_view_part(&a, i, 1);
    FAL_TRY(emit_order(m, l, fal_view_norm(&row, 1), (int64_t)i));
  }
  return FALIGN_OK;
}

static size_t count_saturated(const falign_view *derivatives) {
  const double threshold = 0.01;
  size_t saturated = 0;
  for (size_t i = 0; i < derivatives->cols; i++) saturated += fal_view_at(derivatives, 0, i) <= threshold;
  return saturated;
}

static falign_status measure_saturated(const measurement *m, uint32_t l) {
  falign_view z, y;
  FAL_TRY(view_a(m, l, &z));
  FAL_TRY(view_b(m, l, &y));
  void *derivatives = fal_alloc(z.cols, fal_element(z.precision));
  if (!derivatives) return fal_fail_memory("derivatives", z.cols, fal_element(z.precision));
  const falign_view row = fal_view_plain(derivatives, z.precision, 1, z.cols);
  size_t saturated = 0;
  for (size_t i = 0; i < z.rows; i++) {
    fal_activation_derivative(m->network->activation[l], z.precision, fal_view_part(&z, i, 1).data,
                              fal_view_part(&y, i, 1).data, derivatives, z.cols);
    saturated += count_saturated(&row);
  }
  free(derivatives);
  return emit_layer(m, l, (double)saturated / ((double)z.rows * (double)z.cols));
}

static falign_status measure_loss(const measurement *m, uint32_t none) {
  (void)none;
  return emit_layer(m, -1, falign_trace_step(m->trace)->loss);
}

/* The three metrics of a pair of matrices. */
/* clang-format off */
#define PAIR(name, matrices, ...)                                                            \
  {"angle_" name, "angle of " matrices ", degrees", __VA_ARGS__, .compare = fal_view_angle}, \
  {"cos_" name, "cosine of " matrices, __VA_ARGS__, .compare = fal_view_cosine},             \
  {"inner_" name, "inner product of " matrices, __VA_ARGS__, .compare = fal_view_inner}
/* clang-format on */
#define STEP FALIGN_NEEDS_STEP
#define ACTIVITY FALIGN_NEEDS_ACTIVITY
#define BP (FALIGN_NEEDS_STEP | FALIGN_NEEDS_BP)

static const builtin_metric builtins[] = {
    PAIR("w_b", "W[l] with B[l]^T", 0, HIDDEN, measure_pair, FALIGN_W, FALIGN_FEEDBACK, .applies = has_layer_feedback),
    PAIR("w_b_all", "all W[l], l >= 1, with all B[l]^T", 0, WHOLE, measure_joined, FALIGN_W, FALIGN_FEEDBACK,
         .applies = has_layer_feedback),
    PAIR("dw_bp", "dW[l] with what BP would add to W[l]", BP, WEIGHTS, measure_pair, FALIGN_DW, FALIGN_DW_BP),
    PAIR("db_bp", "db[l] with what BP would add to b[l]", BP, UNITS, measure_pair, FALIGN_DB, FALIGN_DB_BP,
         .applies = has_biases),
    PAIR("dw_b", "dW[l] with B[l]^T", STEP, HIDDEN, measure_pair, FALIGN_DW, FALIGN_FEEDBACK,
         .applies = has_layer_feedback),
    PAIR("dw_w", "dW[l] with W[l]", STEP, WEIGHTS, measure_pair, FALIGN_DW, FALIGN_W),
    PAIR("w_f", "W[l] W[l+1] ... W[d-1] with F[l]^T", 0, WHOLE, .measure = measure_products, .b = FALIGN_FEEDBACK,
         .applies = has_direct_feedback),
#ifdef FAL_LAPACK
    PAIR("w_q", "W[l] with Q[l]^T, where F[l] = Q[d-1] ... Q[l] + F_perp[l]", 0, WHOLE, .measure = measure_q,
         .a = FALIGN_W, .applies = has_direct_feedback),
    {"share_f_perp", "norm of F_perp[l] over that of F[l]", 0, WHOLE, .measure = measure_shares,
     .applies = has_direct_feedback},
#endif
    {"norm_w", "norm of W[l]", 0, WEIGHTS, .measure = measure_norm, .a = FALIGN_W},
    {"norm_w_ratio", "norm of W[l] over its norm at iteration 0", 0, WEIGHTS, .measure = measure_norm_ratio,
     .a = FALIGN_W},
    {"norm_dw", "norm of dW[l]", STEP, WEIGHTS, .measure = measure_norm, .a = FALIGN_DW},
    {"norm_delta", "norm of delta[l]", ACTIVITY, UNITS, .measure = measure_norm, .a = FALIGN_DELTA},
    {"norm_delta_point", "norm of each data point's row of delta[l]; order is its place in the batch", ACTIVITY, UNITS,
     .measure = measure_row_norms, .a = FALIGN_DELTA},
    {"norm_l", "norm of L[l]", ACTIVITY, OUTPUTS, .measure = measure_norm, .a = FALIGN_L},
    {"saturated", "share of the units of layer l over the batch with f'(Z[l]) <= 0.01", ACTIVITY, UNITS,
     .measure = measure_saturated, .a = FALIGN_Z, .b = FALIGN_L},
    {"loss", "1/2 sum E^2 of the batch", STEP, WHOLE, .measure = measure_loss},
};
enum { BUILTINS = sizeof builtins / sizeof builtins[0] };

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): first and end */
static void range_of(layers which, uint32_t d, uint32_t *first, uint32_t *end) {
  *first = which == HIDDEN || which == UNITS;
  *end = which == WHOLE ? 1 : which == UNITS || which == OUTPUTS ? d + 1 : d;
}

static falign_status measure_builtin(void *user, falign_trainer *trainer, const falign_trace *trace,
                                     falign_value_fn emit, void *emit_user) {
  const builtin_metric *metric = user;
  const falign_network *network = falign_trainer_network(trainer);
  const measurement m = {.metric = metric,
                         .trainer = trainer,
                         .network = network,
                         .rule = falign_trainer_rule(trainer),
                         .trace = trace,
                         .d = falign_network_layers(network),
                         .emit = emit,
                         .emit_user = emit_user};
  if (metric->applies && !metric->applies(&m)) return FALIGN_OK;
  uint32_t first, end;
  range_of(metric->layers, m.d, &first, &end);
  for (uint32_t l = first; l < end; l++) FAL_TRY(metric->measure(&m, l));
  return FALIGN_OK;
}

const char *falign_metric_name_at(size_t index) { return index < BUILTINS ? builtins[index].name : NULL; }

const char *falign_metric_description_at(size_t index) { return index < BUILTINS ? builtins[index].description : NULL; }

/* Fails with a list of the names. */
static falign_status fail_unknown_metric(const char *name) {
  char names[768] = "";
  for (size_t i = 0, used = 0; i < BUILTINS && used < sizeof names; i++) {
    used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "", builtins[i].name);
  }
  return fal_fail(FALIGN_UNSUPPORTED, "there is no metric \"%s\", only %s", name, names);
}

falign_status falign_metric_create(const char *name, falign_metric **out) {
  FAL_GIVEN(name);
  FAL_GIVEN(out);
  for (size_t i = 0; i < BUILTINS; i++) {
    if (strcmp(name, builtins[i].name) != 0) continue;
    const falign_metric_table table = {
        .size = sizeof table, .name = name, .needs = builtins[i].needs, .measure = measure_builtin};
    return fal_metric_create(&table, (void *)&builtins[i], out);
  }
  if (strcmp(name, "test_error") == 0)
    return fal_fail(FALIGN_UNSUPPORTED, "\"test_error\" needs batches: make it with falign_metric_create_test_error()");
  return fail_unknown_metric(name);
}

static falign_status measure_test_error(void *user, falign_trainer *trainer, const falign_trace *trace,
                                        falign_value_fn emit, void *emit_user) {
  falign_value value = {(int64_t)falign_trainer_iteration(trainer), "test_error", -1, -1, 0};
  double error;
  (void)trace;
  FAL_TRY(falign_trainer_evaluate(trainer, user, NULL, &error));
  value.value = 100 * error;
  return emit(emit_user, &value);
}

static void release_batches(void *user) { falign_batches_destroy(user); }

falign_status falign_metric_create_test_error(falign_batches *test, falign_metric **out) {
  FAL_GIVEN(test);
  FAL_GIVEN(out);
  const falign_metric_table table = {
      .size = sizeof table, .name = "test_error", .measure = measure_test_error, .destroy = release_batches};
  FAL_TRY(fal_metric_create(&table, test, out));
  fal_batches_retain(test);
  return FALIGN_OK;
}
