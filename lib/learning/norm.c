/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/norm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "math/angle.h"
#include "math/scale.h"

struct falign_norm {
  fal_refs refs;
  const struct norm_kind *kind;
  const char *name;
  bool match_feedback;
  double *gamma;
  size_t gammas;
  falign_norm_table table; /* only of a user's normalization */
  void *user;
};

/* The layer that is being normalized. */
typedef struct {
  falign_network *network;
  uint32_t l;
  size_t first; /* gammas of the neurons below those of W[l] */
  double *column_room;
} layer_place;

/* A kind of normalization. A new one is a new entry. */
typedef struct norm_kind {
  const char *name;
  bool scales;    /* takes gammas */
  bool by_neuron; /* can take one for each neuron */
  /* Normalizes W[l]; NULL: does nothing. */
  falign_status (*apply)(const falign_norm *norm, const layer_place *at);
} norm_kind;

static falign_matrix weights_of(const falign_network *network, uint32_t l) {
  return fal_matrix_plain(fal_weights(network, l), network->precision, network->widths[l], network->widths[l + 1]);
}

/* B[l]. */
static falign_matrix feedback_of(const falign_rule *rule, uint32_t l) {
  return fal_matrix_plain(rule->feedback[l], rule->precision, rule->widths[l + 1], rule->widths[l]);
}

static double frobenius(const falign_matrix *x) {
  const falign_view view = falign_view_of(*x);
  return fal_view_norm(&view, 1);
}

/* W[l]_{*,i} = gamma W[l]_{*,i} / ||W[l]_{*,i}|| (eq. 13). */
static falign_status apply_columns(const falign_norm *norm, const layer_place *at) {
  const falign_network *network = at->network;
  uint32_t l = at->l;
  const falign_matrix w = weights_of(network, l);
  bool by_neuron = norm->gammas > network->layers;
  const double *gamma = norm->gamma;
  if (by_neuron) {
    gamma += at->first;
  } else if (norm->gammas > 1) {
    gamma += l;
  }
  FAL_TRY(fal_column_scales("W", l, &w, gamma, by_neuron, at->column_room));
  fal_scale_columns(&w, at->column_room);
  return FALIGN_OK;
}

static falign_status apply_matrix(const falign_norm *norm, const layer_place *at) {
  uint32_t l = at->l;
  const falign_matrix w = weights_of(at->network, l);
  double scale, goal = norm->gamma[norm->gammas > 1 ? l : 0];
  FAL_TRY(fal_find_scale("W", l, -1, w.precision, goal, frobenius(&w), &scale));
  fal_scale_all(&w, scale);
  return FALIGN_OK;
}

static falign_status apply_custom(const falign_norm *norm, const layer_place *at) {
  fal_before_callback();
  falign_status status = norm->table.apply(norm->user, at->network, at->l);
  if (status == FALIGN_OK) return FALIGN_OK;
  return fal_fail(FALIGN_CALLBACK, "normalization %s failed on W[%u]: %s", norm->name, at->l,
                  fal_callback_message(status));
}

static const norm_kind builtins[] = {
    {.name = "none"},
    {.name = "columns", .scales = true, .by_neuron = true, .apply = apply_columns},
    {.name = "matrices", .scales = true, .apply = apply_matrix},
};
enum { BUILTINS = sizeof builtins / sizeof *builtins };
static const norm_kind custom = {.apply = apply_custom};

/* ---- Making one ---- */

static falign_status check_gamma(const norm_kind *kind, const double *gamma, size_t count) {
  if (!kind->scales && count > 0)
    return fal_fail(FALIGN_INVALID, "normalization %s takes no gamma, got %zu", kind->name, count);
  if (kind->scales && count == 0) return fal_fail(FALIGN_INVALID, "normalization %s: no gamma was given", kind->name);
  if (count > 0 && !gamma) return fal_fail(FALIGN_INVALID, "gamma is NULL");
  for (size_t i = 0; i < count; i++) {
    if (!(gamma[i] > 0) || !isfinite(gamma[i]))
      return fal_fail(FALIGN_INVALID, "gamma[%zu] must be positive and finite, got %g", i, gamma[i]);
  }
  return FALIGN_OK;
}

static falign_status create_norm(const norm_kind *kind, const char *name, const double *gamma, size_t count,
                                 falign_norm **out) {
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
  norm->kind = kind;
  norm->name = name_copy;
  norm->gamma = gamma_copy;
  norm->gammas = count;
  if (count > 0) memcpy(gamma_copy, gamma, count * sizeof *gamma);
  *out = norm;
  return FALIGN_OK;
}

falign_status falign_norm_create(const char *name, const double *gamma, size_t count, falign_norm **out) {
  FAL_GIVEN(name);
  FAL_GIVEN(out);
  for (size_t i = 0; i < BUILTINS; i++) {
    if (strcmp(name, builtins[i].name) != 0) continue;
    FAL_TRY(check_gamma(&builtins[i], gamma, count));
    return create_norm(&builtins[i], name, gamma, count, out);
  }
  return fal_fail(FALIGN_UNSUPPORTED, "there is no normalization \"%s\": the library has none, columns and matrices",
                  name);
}

falign_status falign_norm_create_custom(const falign_norm_table *table, void *user, falign_norm **out) {
  static const size_t first_size = offsetof(falign_norm_table, destroy) + sizeof table->destroy;
  falign_norm_table own;
  FAL_GIVEN(table);
  FAL_GIVEN(out);
  FAL_TRY(fal_copy_table("normalization", &own, sizeof own, first_size, table, table->size));
  if (!own.name) return fal_fail(FALIGN_INVALID, "the normalization table has no name");
  if (!own.apply) return fal_fail(FALIGN_INVALID, "normalization %s has no apply", own.name);
  falign_norm *norm;
  FAL_TRY(create_norm(&custom, own.name, NULL, 0, &norm));
  norm->table = own;
  norm->table.name = norm->name;
  norm->user = user;
  *out = norm;
  return FALIGN_OK;
}

void fal_norm_retain(const falign_norm *norm) { fal_refs_retain(&((falign_norm *)norm)->refs); }

void falign_norm_destroy(falign_norm *norm) {
  if (!norm || !fal_refs_release(&norm->refs)) return;
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

/* ---- Applying it ---- */

static size_t count_neurons(const falign_network *network) {
  size_t sum = 0;
  for (uint32_t l = 1; l <= network->layers; l++) sum += network->widths[l];
  return sum;
}

static falign_status check_gammas(const falign_norm *norm, const falign_network *network) {
  if (!norm->kind->scales || norm->gammas == 1 || norm->gammas == network->layers) return FALIGN_OK;
  if (norm->kind->by_neuron && norm->gammas == count_neurons(network)) return FALIGN_OK;
  return fal_fail(FALIGN_SHAPE, "%s normalization has %zu gammas; the network has %u layers of weights, %zu neurons",
                  norm->name, norm->gammas, network->layers, count_neurons(network));
}

/* Fails if B[l] cannot be scaled; checked before W[l] is scaled. */
static falign_status check_feedback(const falign_rule *rule, uint32_t l) {
  const falign_matrix b = feedback_of(rule, l);
  double scale, norm = frobenius(&b);
  return fal_find_scale("B", l, -1, rule->precision, norm, norm, &scale);
}

/* Gives B[l] the norm of W[l]. */
static falign_status match_layer(const falign_network *network, falign_rule *rule, uint32_t l) {
  const falign_matrix w = weights_of(network, l), b = feedback_of(rule, l);
  double scale, goal = frobenius(&w);
  if (goal == 0) return fal_fail(FALIGN_INVALID, "W[%u] is zero, and B[%u] must have its norm", l, l);
  FAL_TRY(fal_find_scale("B", l, -1, rule->precision, goal, frobenius(&b), &scale));
  fal_scale_all(&b, scale);
  return FALIGN_OK;
}

static falign_status check_match(const falign_norm *norm, const falign_network *network, const falign_rule *rule) {
  if (!norm->match_feedback) return FALIGN_OK;
  if (!rule) return fal_fail(FALIGN_INVALID, "rule is NULL, but its feedback must match the weights");
  if (rule->table.feedback != FALIGN_FEEDBACK_LAYER)
    return fal_fail(FALIGN_UNSUPPORTED, "rule %s has no B[l] that could match W[l]", rule->table.name);
  return fal_rule_check(rule, network);
}

size_t fal_norm_column_room(const falign_network *network) {
  size_t widest = 0;
  for (uint32_t l = 1; l <= network->layers; l++) widest = fal_max(network->widths[l], widest);
  return widest;
}

falign_status fal_norm_apply(const falign_norm *norm, falign_network *network, falign_rule *rule, double *column_room) {
  FAL_TRY(check_gammas(norm, network));
  FAL_TRY(check_match(norm, network, rule));
  bool matches = norm->match_feedback;
  layer_place at = {.network = network, .column_room = column_room};
  for (; at.l < network->layers; at.l++) {
    bool match = matches && at.l >= 1;
    if (match) FAL_TRY(check_feedback(rule, at.l));
    if (norm->kind->apply) FAL_TRY(norm->kind->apply(norm, &at));
    at.first += network->widths[at.l + 1];
    if (match) FAL_TRY(match_layer(network, rule, at.l));
  }
  return FALIGN_OK;
}

falign_status falign_norm_apply(const falign_norm *norm, falign_network *network, falign_rule *rule) {
  FAL_GIVEN(norm);
  FAL_GIVEN(network);
  size_t count = fal_norm_column_room(network);
  double *column_room = fal_alloc(count, sizeof *column_room);
  if (!column_room) return fal_fail_memory("column norms", count, sizeof *column_room);
  falign_status status = fal_norm_apply(norm, network, rule, column_room);
  free(column_room);
  return status;
}
