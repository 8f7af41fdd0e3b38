/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "math/angle.h"
#include "data/batches.h"
#include "analysis/decomposition.h"
#include "falign/trainer.h"
#include "learning/activation.h"
#include "base/support.h"
#include "learning/trace.h"

typedef struct builtin builtin;

/* What a built-in metric looks at. */
typedef struct scene {
  const builtin *metric;
  const falign_trainer *trainer;
  falign_network *network;
  falign_rule *rule;
  const falign_trace *trace;
  falign_precision precision;
  uint32_t d;
  falign_value_fn emit;
  void *emit_user;
} scene;

/* The layers for which a metric is measured. */
typedef enum layers {
  WHOLE,   /* once for all */
  WEIGHTS, /* 0..d-1 */
  HIDDEN,  /* 1..d-1 */
  UNITS,   /* 1..d */
  OUTPUTS  /* 0..d */
} layers;

/* Views a matrix of layer l. */
typedef falign_status (*view_fn)(const scene *s, uint32_t l, fal_view *out);

struct builtin {
  const char *name;
  const char *description;
  int32_t needs;
  layers layers;
  falign_status (*measure)(const scene *s, uint32_t l); /* l is 0 for WHOLE */
  view_fn a, b;                                         /* what measure_pair(), measure_norm() and the like look at */
  double (*compare)(const fal_view *a, const fal_view *b, size_t count); /* for pairs */
  bool (*applies)(const scene *s);                                       /* NULL: always */
};

static bool has_layer_feedback(const scene *s) { return falign_rule_feedback(s->rule) == FALIGN_FEEDBACK_LAYER; }

static bool has_direct_feedback(const scene *s) { return falign_rule_feedback(s->rule) == FALIGN_FEEDBACK_DIRECT; }

static bool has_biases(const scene *s) { return falign_network_has_biases(s->network) != 0; }

static size_t width(const scene *s, uint32_t l) { return falign_network_width(s->network, l); }

static falign_status emit(const scene *s, int64_t layer, int64_t order, double value) {
  return s->emit(s->emit_user, falign_trainer_iteration(s->trainer), s->metric->name, layer, order, value);
}

/* W[l] */
static falign_status view_w(const scene *s, uint32_t l, fal_view *out) {
  const void *data = s->precision == FALIGN_F32 ? (const void *)falign_network_view_weights_f32(s->network, l)
                                                : (const void *)falign_network_view_weights_f64(s->network, l);
  *out = fal_view_of(data, s->precision, width(s, l), width(s, l + 1), width(s, l + 1));
  return FALIGN_OK;
}

/* B[l]^T or F[l]^T */
static falign_status view_feedback(const scene *s, uint32_t l, fal_view *out) {
  const void *data = s->precision == FALIGN_F32 ? (const void *)falign_rule_view_feedback_f32(s->rule, l)
                                                : (const void *)falign_rule_view_feedback_f64(s->rule, l);
  size_t rows = width(s, has_direct_feedback(s) ? s->d : l + 1);
  *out = fal_view_transposed(fal_view_of(data, s->precision, rows, width(s, l), width(s, l)));
  return FALIGN_OK;
}

static falign_status view_trace(const scene *s, falign_quantity quantity, uint32_t l, fal_view *out) {
  return fal_trace_view(s->trace, quantity, l, out);
}

static falign_status view_l(const scene *s, uint32_t l, fal_view *out) { return view_trace(s, FALIGN_L, l, out); }

static falign_status view_z(const scene *s, uint32_t l, fal_view *out) { return view_trace(s, FALIGN_Z, l, out); }

static falign_status view_delta(const scene *s, uint32_t l, fal_view *out) {
  return view_trace(s, FALIGN_DELTA, l, out);
}

static falign_status view_dw(const scene *s, uint32_t l, fal_view *out) { return view_trace(s, FALIGN_DW, l, out); }

static falign_status view_db(const scene *s, uint32_t l, fal_view *out) { return view_trace(s, FALIGN_DB, l, out); }

static falign_status view_dw_bp(const scene *s, uint32_t l, fal_view *out) {
  return view_trace(s, FALIGN_DW_BP, l, out);
}

static falign_status view_db_bp(const scene *s, uint32_t l, fal_view *out) {
  return view_trace(s, FALIGN_DB_BP, l, out);
}

static const void *row_of(const fal_view *view, size_t row) {
  return (const char *)view->data + row * view->row_step * fal_element(view->precision);
}

static falign_status measure_pair(const scene *s, uint32_t l) {
  fal_view a, b;
  FAL_TRY(s->metric->a(s, l, &a));
  FAL_TRY(s->metric->b(s, l, &b));
  return emit(s, l, -1, s->metric->compare(&a, &b, 1));
}

/* The pairs of layers 1..d-1 with each side taken as one vector. */
static falign_status measure_joined(const scene *s, uint32_t none) {
  (void)none;
  if (s->d < 2) return FALIGN_OK;
  size_t count = s->d - 1;
  fal_view *a = fal_alloc(count, 2 * sizeof *a);
  if (!a) return fal_fail_memory("views", count, 2 * sizeof *a);
  fal_view *b = a + count;
  falign_status status = FALIGN_OK;
  for (uint32_t l = 1; status == FALIGN_OK && l < s->d; l++) {
    status = s->metric->a(s, l, &a[l - 1]);
    if (status == FALIGN_OK) status = s->metric->b(s, l, &b[l - 1]);
  }
  if (status == FALIGN_OK) status = emit(s, -1, -1, s->metric->compare(a, b, count));
  free(a);
  return status;
}

static falign_status allocate(size_t rows, size_t cols, double **out) {
  size_t count;
  *out = fal_mul(rows, cols, &count) ? fal_alloc(count, sizeof **out) : NULL;
  return *out ? FALIGN_OK : fal_fail_memory("a product of weights", rows, sizeof **out);
}

/* W[l] in double precision; the caller frees it. */
static falign_status copy_w(const scene *s, uint32_t l, double **out) {
  FAL_TRY(allocate(width(s, l), width(s, l + 1), out));
  return falign_network_get_weights_f64(s->network, l, *out, width(s, l), width(s, l + 1), width(s, l + 1));
}

/* W[l] times `above`, the product of the layers above; the caller frees it. */
static falign_status multiply_w(const scene *s, uint32_t l, const double *above, double **out) {
  size_t rows = width(s, l), inner = width(s, l + 1), cols = width(s, s->d);
  falign_backend *backend;
  FAL_TRY(falign_backend_find("builtin", &backend));
  FAL_TRY(allocate(rows, cols, out));
  double *w = NULL;
  falign_status status = copy_w(s, l, &w);
  if (status == FALIGN_OK)
    status = falign_backend_gemm_f64(backend, 0, 0, rows, cols, inner, 1, w, inner, above, cols, 0, *out, cols);
  free(w);
  return status;
}

/* products[l] = W[l] W[l+1] ... W[d-1] for l = d-1..1; the caller frees them, also after a failure. */
static falign_status multiply_layers(const scene *s, double **products) {
  FAL_TRY(copy_w(s, s->d - 1, &products[s->d - 1]));
  for (uint32_t l = s->d - 2; l >= 1; l--) FAL_TRY(multiply_w(s, l, products[l + 1], &products[l]));
  return FALIGN_OK;
}

/* W[l] ... W[d-1], which takes layer l to the output, with the feedback from there (eq. 6). */
static falign_status measure_products(const scene *s, uint32_t none) {
  (void)none;
  if (s->d < 2) return FALIGN_OK;
  double **products = fal_zalloc(s->d, sizeof *products);
  if (!products) return fal_fail_memory("products of weights", s->d, sizeof *products);
  falign_status status = multiply_layers(s, products);
  for (uint32_t l = 1; status == FALIGN_OK && l < s->d; l++) {
    fal_view product = fal_view_of(products[l], FALIGN_F64, width(s, l), width(s, s->d), width(s, s->d)), feedback;
    status = s->metric->b(s, l, &feedback);
    if (status == FALIGN_OK) status = emit(s, l, -1, s->metric->compare(&product, &feedback, 1));
  }
  for (uint32_t l = 1; l < s->d; l++) free(products[l]);
  free(products);
  return status;
}

#ifdef FAL_LAPACK

/* Measures something of each layer with the decomposition of F (eq. 7). */
static falign_status decompose(const scene *s,
                               falign_status (*each)(const scene *s, const falign_decomposition *parts, uint32_t l)) {
  falign_decomposition *parts;
  FAL_TRY(falign_decomposition_create(s->rule, &parts));
  falign_status status = FALIGN_OK;
  for (uint32_t l = 1; status == FALIGN_OK && l < s->d; l++) status = each(s, parts, l);
  falign_decomposition_destroy(parts);
  return status;
}

static falign_status compare_with_q(const scene *s, const falign_decomposition *parts, uint32_t l) {
  fal_view w, q = fal_view_of(fal_decomposition_q(parts, l), FALIGN_F64, width(s, l + 1), width(s, l), width(s, l));
  fal_view transposed = fal_view_transposed(q);
  FAL_TRY(s->metric->a(s, l, &w));
  return emit(s, l, -1, s->metric->compare(&w, &transposed, 1));
}

static falign_status measure_q(const scene *s, uint32_t none) {
  (void)none;
  return decompose(s, compare_with_q);
}

static falign_status emit_share(const scene *s, const falign_decomposition *parts, uint32_t l) {
  return emit(s, l, -1, falign_decomposition_share(parts, l));
}

static falign_status measure_shares(const scene *s, uint32_t none) {
  (void)none;
  return decompose(s, emit_share);
}

#endif

static falign_status measure_norm(const scene *s, uint32_t l) {
  fal_view a;
  FAL_TRY(s->metric->a(s, l, &a));
  return emit(s, l, -1, fal_view_norm(&a, 1));
}

static falign_status measure_norm_ratio(const scene *s, uint32_t l) {
  fal_view a;
  FAL_TRY(s->metric->a(s, l, &a));
  return emit(s, l, -1, fal_view_norm(&a, 1) / falign_trainer_start_norm(s->trainer, l));
}

static falign_status measure_row_norms(const scene *s, uint32_t l) {
  fal_view a;
  FAL_TRY(s->metric->a(s, l, &a));
  for (size_t i = 0; i < a.rows; i++) {
    fal_view row = fal_view_of(row_of(&a, i), a.precision, 1, a.cols, a.cols);
    FAL_TRY(emit(s, l, (int64_t)i, fal_view_norm(&row, 1)));
  }
  return FALIGN_OK;
}

static size_t count_saturated(const void *derivatives, falign_precision precision, size_t count) {
  const double threshold = 0.01;
  size_t saturated = 0;
  for (size_t i = 0; i < count; i++) {
    saturated += fal_number(precision, derivatives, i) <= threshold;
  }
  return saturated;
}

static falign_status measure_saturated(const scene *s, uint32_t l) {
  fal_view z, y;
  FAL_TRY(s->metric->a(s, l, &z));
  FAL_TRY(s->metric->b(s, l, &y));
  void *derivatives = fal_alloc(z.cols, fal_element(z.precision));
  if (!derivatives) return fal_fail_memory("derivatives", z.cols, fal_element(z.precision));
  size_t saturated = 0;
  for (size_t i = 0; i < z.rows; i++) {
    fal_activation_derivative(s->network, l, z.precision, row_of(&z, i), row_of(&y, i), derivatives, z.cols);
    saturated += count_saturated(derivatives, z.precision, z.cols);
  }
  free(derivatives);
  return emit(s, l, -1, (double)saturated / ((double)z.rows * (double)z.cols));
}

static falign_status measure_loss(const scene *s, uint32_t none) {
  (void)none;
  return emit(s, -1, -1, falign_trace_loss(s->trace));
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

static const builtin builtins[] = {
    PAIR("w_b", "W[l] with B[l]^T", 0, HIDDEN, measure_pair, view_w, view_feedback, .applies = has_layer_feedback),
    PAIR("w_b_all", "all W[l], l >= 1, with all B[l]^T", 0, WHOLE, measure_joined, view_w, view_feedback,
         .applies = has_layer_feedback),
    PAIR("dw_bp", "dW[l] with what BP would add to W[l]", BP, WEIGHTS, measure_pair, view_dw, view_dw_bp),
    PAIR("db_bp", "db[l] with what BP would add to b[l]", BP, UNITS, measure_pair, view_db, view_db_bp,
         .applies = has_biases),
    PAIR("dw_b", "dW[l] with B[l]^T", STEP, HIDDEN, measure_pair, view_dw, view_feedback,
         .applies = has_layer_feedback),
    PAIR("dw_w", "dW[l] with W[l]", STEP, WEIGHTS, measure_pair, view_dw, view_w),
    PAIR("w_f", "W[l] W[l+1] ... W[d-1] with F[l]^T", 0, WHOLE, .measure = measure_products, .b = view_feedback,
         .applies = has_direct_feedback),
#ifdef FAL_LAPACK
    PAIR("w_q", "W[l] with Q[l]^T, where F[l] = Q[d-1] ... Q[l] + F_perp[l]", 0, WHOLE, .measure = measure_q,
         .a = view_w, .applies = has_direct_feedback),
    {"share_f_perp", "norm of F_perp[l] over that of F[l]", 0, WHOLE, .measure = measure_shares,
     .applies = has_direct_feedback},
#endif
    {"norm_w", "norm of W[l]", 0, WEIGHTS, .measure = measure_norm, .a = view_w},
    {"norm_w_ratio", "norm of W[l] over its norm at iteration 0", 0, WEIGHTS, .measure = measure_norm_ratio,
     .a = view_w},
    {"norm_dw", "norm of dW[l]", STEP, WEIGHTS, .measure = measure_norm, .a = view_dw},
    {"norm_delta", "norm of delta[l]", ACTIVITY, UNITS, .measure = measure_norm, .a = view_delta},
    {"norm_delta_point", "norm of each data point's row of delta[l]; order is its place in the batch", ACTIVITY, UNITS,
     .measure = measure_row_norms, .a = view_delta},
    {"norm_l", "norm of L[l]", ACTIVITY, OUTPUTS, .measure = measure_norm, .a = view_l},
    {"saturated", "share of the units of layer l over the batch with f'(Z[l]) <= 0.01", ACTIVITY, UNITS,
     .measure = measure_saturated, .a = view_z, .b = view_l},
    {"loss", "1/2 sum E^2 of the batch", STEP, WHOLE, .measure = measure_loss},
};
enum { BUILTINS = sizeof builtins / sizeof builtins[0] };

/* First layer of a range, and the one after its last. */
static void range_of(layers which, uint32_t d, uint32_t *first, uint32_t *end) {
  *first = which == HIDDEN || which == UNITS;
  *end = which == WHOLE ? 1 : which == UNITS || which == OUTPUTS ? d + 1 : d;
}

static falign_status measure_builtin(void *user, const falign_trainer *trainer, const falign_trace *trace,
                                     falign_value_fn emit_value, void *emit_user) {
  const builtin *metric = user;
  falign_network *network = falign_trainer_network(trainer);
  const scene s = {.metric = metric,
                   .trainer = trainer,
                   .network = network,
                   .rule = falign_trainer_rule(trainer),
                   .trace = trace,
                   .precision = falign_network_precision(network),
                   .d = falign_network_layers(network),
                   .emit = emit_value,
                   .emit_user = emit_user};
  if (metric->applies && !metric->applies(&s)) return FALIGN_OK;
  uint32_t first, end;
  range_of(metric->layers, s.d, &first, &end);
  for (uint32_t l = first; l < end; l++) FAL_TRY(metric->measure(&s, l));
  return FALIGN_OK;
}

size_t falign_metric_count(void) { return BUILTINS; }

const char *falign_metric_name_at(size_t index) { return index < BUILTINS ? builtins[index].name : NULL; }

const char *falign_metric_description_at(size_t index) { return index < BUILTINS ? builtins[index].description : NULL; }

falign_status falign_metric_create(const char *name, falign_metric **out) {
  FAL_GIVEN(name);
  for (size_t i = 0; i < BUILTINS; i++) {
    if (strcmp(name, builtins[i].name) != 0) continue;
    const falign_metric_table table = {
        .size = sizeof table, .name = name, .needs = builtins[i].needs, .measure = measure_builtin};
    return falign_metric_create_custom(&table, (void *)&builtins[i], out);
  }
  if (strcmp(name, "test_error") == 0)
    return fal_fail(FALIGN_UNSUPPORTED, "\"test_error\" needs batches: make it with falign_metric_create_test_error()");
  return fal_fail(FALIGN_UNSUPPORTED, "there is no metric \"%s\"; falign_metric_name_at() lists those that have a name",
                  name);
}

static falign_status measure_test_error(void *user, const falign_trainer *trainer, const falign_trace *trace,
                                        falign_value_fn emit_value, void *emit_user) {
  (void)trace;
  double error;
  FAL_TRY(falign_trainer_evaluate(trainer, user, NULL, &error));
  return emit_value(emit_user, falign_trainer_iteration(trainer), "test_error", -1, -1, 100 * error);
}

static void release_batches(void *user) { falign_batches_destroy(user); }

falign_status falign_metric_create_test_error(falign_batches *test, falign_metric **out) {
  FAL_GIVEN(test);
  const falign_metric_table table = {
      .size = sizeof table, .name = "test_error", .measure = measure_test_error, .destroy = release_batches};
  FAL_TRY(falign_metric_create_custom(&table, test, out));
  fal_batches_keep(test);
  return FALIGN_OK;
}
