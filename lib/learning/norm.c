/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/norm.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "falign/angle.h"
#include "math/scale.h"

typedef enum { NORM_NONE, NORM_COLUMNS, NORM_MATRICES, NORM_CUSTOM } kind;

struct falign_norm {
  fal_refs refs;
  kind kind;
  const char *name;
  bool match_feedback;
  double *gamma;
  size_t gammas;
  falign_norm_table table; /* NORM_CUSTOM only */
  void *user;
};

static falign_status create(kind what, const char *name, const double *gamma, size_t count, falign_norm **out) {
  FAL_GIVEN(out);
  if (count > 0 && !gamma) return fal_fail(FALIGN_INVALID, "gamma is NULL");
  for (size_t i = 0; i < count; i++) {
    if (!(gamma[i] > 0) || !isfinite(gamma[i]))
      return fal_fail(FALIGN_INVALID, "gamma[%zu] must be positive, got %g", i, gamma[i]);
  }
  falign_norm *norm = fal_zalloc(1, sizeof *norm);
  char *name_copy = fal_strdup(name);
  double *gamma_copy = fal_alloc(count, sizeof *gamma_copy);
  if (!norm || !name_copy || !gamma_copy) {
    free(norm);
    free(name_copy);
    free(gamma_copy);
    return fal_fail_memory("a normalization", count, sizeof *gamma);
  }
  fal_refs_init(&norm->refs);
  norm->kind = what;
  norm->name = name_copy;
  norm->gamma = gamma_copy;
  norm->gammas = count;
  if (count > 0) memcpy(gamma_copy, gamma, count * sizeof *gamma);
  *out = norm;
  return FALIGN_OK;
}

static falign_status create_scaling(kind what, const char *name, const double *gamma, size_t count, falign_norm **out) {
  if (count == 0) return fal_fail(FALIGN_INVALID, "no gamma was given");
  return create(what, name, gamma, count, out);
}

falign_status falign_norm_create_none(falign_norm **out) { return create(NORM_NONE, "none", NULL, 0, out); }

falign_status falign_norm_create_columns(const double *gamma, size_t count, falign_norm **out) {
  return create_scaling(NORM_COLUMNS, "columns", gamma, count, out);
}

falign_status falign_norm_create_matrices(const double *gamma, size_t count, falign_norm **out) {
  return create_scaling(NORM_MATRICES, "matrices", gamma, count, out);
}

falign_status falign_norm_create_custom(const falign_norm_table *table, void *user, falign_norm **out) {
  static const size_t first_size = offsetof(falign_norm_table, destroy) + sizeof(void (*)(void *));
  falign_norm_table own;
  FAL_GIVEN(table);
  FAL_TRY(fal_copy_table("normalization", &own, sizeof own, first_size, table, table->size));
  if (!own.name) return fal_fail(FALIGN_INVALID, "the normalization table has no name");
  if (!own.apply) return fal_fail(FALIGN_INVALID, "normalization %s has no apply", own.name);
  FAL_TRY(create(NORM_CUSTOM, own.name, NULL, 0, out));
  falign_norm *norm = *out;
  norm->table = own;
  norm->table.name = norm->name;
  norm->user = user;
  return FALIGN_OK;
}

void fal_norm_keep(const falign_norm *norm) { fal_refs_keep(&((falign_norm *)norm)->refs); }

void falign_norm_destroy(falign_norm *norm) {
  if (!norm || !fal_refs_drop(&norm->refs)) return;
  if (norm->table.destroy) norm->table.destroy(norm->user);
  free((char *)norm->name);
  free(norm->gamma);
  free(norm);
}

const char *falign_norm_name(const falign_norm *norm) { return norm->name; }

falign_status falign_norm_match_feedback(falign_norm *norm, int32_t on) {
  FAL_GIVEN(norm);
  norm->match_feedback = on != 0;
  return FALIGN_OK;
}

static double frobenius(falign_precision precision, const void *x, size_t rows, size_t cols) {
  return precision == FALIGN_F32 ? falign_frobenius_f32(x, rows, cols, cols)
                                 : falign_frobenius_f64(x, rows, cols, cols);
}

/* The norm of one column, where its sum of squares over- or underflows. */
static double column_norm(falign_precision precision, const void *x, size_t rows, size_t cols, size_t j) {
  return precision == FALIGN_F32 ? falign_frobenius_f32((const float *)x + j, rows, 1, cols)
                                 : falign_frobenius_f64((const double *)x + j, rows, 1, cols);
}

/* gamma / norm, or the reason why there is none that leaves finite numbers; of a whole matrix if `column` is negative.
 */
static falign_status find_scale(const char *name, uint32_t l, int64_t column, falign_precision precision, double gamma,
                                double norm, double *scale) {
  char what[64] = "";
  if (column >= 0) snprintf(what, sizeof what, "column %lld of ", (long long)column);
  if (norm == 0) return fal_fail(FALIGN_INVALID, "%s%s[%u] is zero and has no direction to keep", what, name, l);
  if (!isfinite(norm)) return fal_fail(FALIGN_DIVERGED, "%s%s[%u] has norm %g", what, name, l, norm);
  double factor = gamma / norm, most = precision == FALIGN_F32 ? (double)FLT_MAX : DBL_MAX;
  if (gamma > most || !isfinite(factor) || factor == 0)
    return fal_fail(FALIGN_INVALID, "%s%s[%u] of norm %g cannot be scaled to norm %g in %s", what, name, l, norm, gamma,
                    precision == FALIGN_F32 ? "f32" : "f64");
  *scale = factor;
  return FALIGN_OK;
}

falign_status fal_column_scales(const char *name, uint32_t l, falign_precision precision, const void *x, size_t rows,
                                size_t cols, const double *gamma, size_t gamma_step, double *scale) {
  if (precision == FALIGN_F32) {
    fal_column_squares_f32(x, rows, cols, scale);
  } else {
    fal_column_squares_f64(x, rows, cols, scale);
  }
  for (size_t j = 0; j < cols; j++) {
    bool exact = scale[j] >= DBL_MIN / DBL_EPSILON && scale[j] <= DBL_MAX;
    double norm = exact ? sqrt(scale[j]) : column_norm(precision, x, rows, cols, j);
    FAL_TRY(find_scale(name, l, (int64_t)j, precision, gamma[j * gamma_step], norm, &scale[j]));
  }
  return FALIGN_OK;
}

void fal_scale_columns(falign_precision precision, void *x, size_t rows, size_t cols, const double *scale) {
  if (precision == FALIGN_F32) {
    fal_scale_columns_f32(x, rows, cols, scale);
  } else {
    fal_scale_columns_f64(x, rows, cols, scale);
  }
}

void fal_scale_all(falign_precision precision, void *x, size_t count, double factor) {
  if (precision == FALIGN_F32) {
    fal_scale_all_f32(x, count, factor);
  } else {
    fal_scale_all_f64(x, count, factor);
  }
}

static size_t neurons(const falign_network *network) {
  size_t sum = 0;
  for (uint32_t l = 1; l <= network->layers; l++) sum += network->widths[l];
  return sum;
}

static falign_status check_gammas(const falign_norm *norm, const falign_network *network) {
  if (norm->kind == NORM_NONE || norm->kind == NORM_CUSTOM) return FALIGN_OK;
  if (norm->gammas == 1 || norm->gammas == network->layers) return FALIGN_OK;
  if (norm->kind == NORM_COLUMNS && norm->gammas == neurons(network)) return FALIGN_OK;
  return fal_fail(FALIGN_SHAPE, "%s normalization has %zu gammas; the network has %u layers of weights, %zu neurons",
                  norm->name, norm->gammas, network->layers, neurons(network));
}

/* W[l]_{*,i} = gamma W[l]_{*,i} / ||W[l]_{*,i}|| (eq. 13). `first` counts the neurons of the layers before. */
static falign_status apply_columns(const falign_norm *norm, falign_network *network, uint32_t l, size_t first) {
  size_t rows = network->widths[l], cols = network->widths[l + 1];
  bool by_neuron = norm->gammas > network->layers;
  const double *gamma = norm->gamma;
  if (by_neuron) {
    gamma += first;
  } else if (norm->gammas > 1) {
    gamma += l;
  }
  double *scale = network->column_scale;
  FAL_TRY(fal_column_scales("W", l, network->precision, fal_weights(network, l), rows, cols, gamma, by_neuron, scale));
  fal_scale_columns(network->precision, fal_weights(network, l), rows, cols, scale);
  return FALIGN_OK;
}

static falign_status apply_matrix(const falign_norm *norm, falign_network *network, uint32_t l) {
  size_t rows = network->widths[l], cols = network->widths[l + 1];
  double scale, size = frobenius(network->precision, fal_weights(network, l), rows, cols);
  FAL_TRY(find_scale("W", l, -1, network->precision, norm->gamma[norm->gammas > 1 ? l : 0], size, &scale));
  fal_scale_all(network->precision, fal_weights(network, l), rows * cols, scale);
  return FALIGN_OK;
}

/* Whether B[l] has a norm that can be scaled: W[l] is not to be scaled before it fails. */
static falign_status check_feedback(const falign_network *network, const falign_rule *rule, uint32_t l) {
  double scale, norm = frobenius(rule->precision, rule->feedback[l], network->widths[l + 1], network->widths[l]);
  return find_scale("B", l, -1, rule->precision, norm, norm, &scale);
}

/* Gives B[l] the norm of W[l]. */
static falign_status match(const falign_network *network, falign_rule *rule, uint32_t l) {
  size_t rows = network->widths[l], cols = network->widths[l + 1];
  double scale, goal = frobenius(network->precision, fal_weights(network, l), rows, cols);
  if (goal == 0) return fal_fail(FALIGN_INVALID, "W[%u] is zero, and B[%u] is to have its norm", l, l);
  FAL_TRY(
      find_scale("B", l, -1, rule->precision, goal, frobenius(rule->precision, rule->feedback[l], cols, rows), &scale));
  fal_scale_all(rule->precision, rule->feedback[l], rows * cols, scale);
  return FALIGN_OK;
}

static falign_status check_match(const falign_norm *norm, const falign_network *network, const falign_rule *rule) {
  if (!norm->match_feedback) return FALIGN_OK;
  if (!rule) return fal_fail(FALIGN_INVALID, "rule is NULL, but its feedback is to follow the weights");
  if (rule->table.feedback != FALIGN_FEEDBACK_LAYER)
    return fal_fail(FALIGN_UNSUPPORTED, "rule %s has no B[l] that could follow W[l]", rule->table.name);
  return fal_rule_check(rule, network);
}

static falign_status apply_custom(const falign_norm *norm, falign_network *network, uint32_t l) {
  fal_before_callback();
  falign_status status = norm->table.apply(norm->user, network, l);
  if (status == FALIGN_OK) return FALIGN_OK;
  return fal_fail(FALIGN_CALLBACK, "normalization %s failed on W[%u]: %s", norm->name, l, fal_callback_message(status));
}

static falign_status apply_layer(const falign_norm *norm, falign_network *network, uint32_t l, size_t first) {
  switch (norm->kind) {
    case NORM_COLUMNS: return apply_columns(norm, network, l, first);
    case NORM_MATRICES: return apply_matrix(norm, network, l);
    case NORM_CUSTOM: return apply_custom(norm, network, l);
    default: return FALIGN_OK;
  }
}

falign_status falign_norm_apply(const falign_norm *norm, falign_network *network, falign_rule *rule) {
  if (!norm || !network) return fal_fail(FALIGN_INVALID, "%s is NULL", norm ? "network" : "norm");
  FAL_TRY(check_gammas(norm, network));
  FAL_TRY(check_match(norm, network, rule));
  size_t first = 0;
  for (uint32_t l = 0; l < network->layers; l++) {
    if (norm->match_feedback && l >= 1) FAL_TRY(check_feedback(network, rule, l));
    FAL_TRY(apply_layer(norm, network, l, first));
    first += network->widths[l + 1];
    if (norm->match_feedback && l >= 1) FAL_TRY(match(network, rule, l));
  }
  return FALIGN_OK;
}
