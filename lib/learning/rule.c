/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/rule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "files/tensors.h"
#include "learning/layer.h"
#include "math/backend.h"
#include "math/rng.h"
#include "math/scale.h"

static const falign_rule_table builtins[] = {
    {.name = "bp", .feedback = FALIGN_FEEDBACK_NONE, .concurrent = 1, .signal = fal_signal_bp},
    {.name = "fa", .feedback = FALIGN_FEEDBACK_LAYER, .concurrent = 1, .signal = fal_signal_fa},
    {.name = "dfa", .feedback = FALIGN_FEEDBACK_DIRECT, .concurrent = 1, .signal = fal_signal_dfa},
};
enum { BUILTINS = sizeof builtins / sizeof *builtins };

static falign_status copy_rule_table(const falign_rule_table *given, falign_rule_table *table) {
  static const size_t first_size = offsetof(falign_rule_table, destroy) + sizeof given->destroy;
  FAL_TRY(fal_copy_table("rule", table, sizeof *table, first_size, given, given->size));
  if (!table->name) return fal_fail(FALIGN_INVALID, "the rule table has no name");
  if (table->feedback < FALIGN_FEEDBACK_NONE || table->feedback > FALIGN_FEEDBACK_DIRECT)
    return fal_fail(FALIGN_INVALID, "rule %s: there is no kind of feedback %d", table->name, table->feedback);
  if (!table->signal) return fal_fail(FALIGN_INVALID, "rule %s has no signal", table->name);
  return FALIGN_OK;
}

static bool allocate_feedback(falign_rule *rule) {
  if (rule->table.feedback == FALIGN_FEEDBACK_NONE) return true;
  for (uint32_t l = 1; l < rule->layers; l++) {
    size_t count;
    if (!fal_mul(fal_rule_feedback_rows(rule, l), rule->widths[l], &count)) return false;
    rule->feedback[l] = fal_zalloc(count, fal_element(rule->precision));
    if (!rule->feedback[l]) return false;
  }
  return true;
}

static falign_status create_rule(const falign_rule_table *table, void *user, const falign_network *network,
                                 falign_rule **out) {
  falign_rule *rule = fal_zalloc(1, sizeof *rule);
  if (!rule) return fal_fail_memory("a rule", 1, sizeof *rule);
  size_t ends = (size_t)network->layers + 1;
  fal_refs_init(&rule->refs);
  rule->table = *table;
  rule->table.name = fal_strdup(table->name);
  rule->table.destroy = NULL; /* until nothing can fail */
  rule->user = user;
  rule->precision = network->precision;
  rule->layers = network->layers;
  rule->widths = fal_alloc(ends, sizeof *rule->widths);
  rule->feedback = fal_zalloc(ends, sizeof *rule->feedback);
  if (rule->widths) memcpy(rule->widths, network->widths, ends * sizeof *rule->widths);
  if (!rule->table.name || !rule->widths || !rule->feedback || !allocate_feedback(rule)) {
    falign_rule_destroy(rule);
    return fal_fail_memory("a rule's feedback matrices", ends, sizeof *rule->feedback);
  }
  rule->table.destroy = table->destroy;
  *out = rule;
  return FALIGN_OK;
}

falign_status falign_rule_create(const char *name, const falign_network *network, falign_rule **out) {
  FAL_GIVEN(name);
  FAL_GIVEN(network);
  FAL_GIVEN(out);
  for (size_t i = 0; i < BUILTINS; i++) {
    if (strcmp(name, builtins[i].name) == 0) return create_rule(&builtins[i], NULL, network, out);
  }
  return fal_fail(FALIGN_UNSUPPORTED, "there is no rule \"%s\": the library has bp, fa and dfa", name);
}

falign_status falign_rule_create_custom(const falign_rule_table *table, void *user, const falign_network *network,
                                        falign_rule **out) {
  falign_rule_table own;
  FAL_GIVEN(table);
  FAL_GIVEN(network);
  FAL_GIVEN(out);
  FAL_TRY(copy_rule_table(table, &own));
  return create_rule(&own, user, network, out);
}

void fal_rule_retain(falign_rule *rule) { fal_refs_retain(&rule->refs); }

void falign_rule_destroy(falign_rule *rule) {
  if (!rule || !fal_refs_release(&rule->refs)) return;
  if (rule->table.destroy) rule->table.destroy(rule->user);
  for (uint32_t l = 1; rule->feedback && l < rule->layers; l++) free(rule->feedback[l]);
  free(rule->feedback);
  free(rule->widths);
  free((char *)rule->table.name);
  free(rule);
}

const char *falign_rule_name(const falign_rule *rule) { return rule->table.name; }

falign_feedback falign_rule_feedback(const falign_rule *rule) { return rule->table.feedback; }

static bool is_builtin(const falign_rule *rule) {
  for (size_t i = 0; i < BUILTINS; i++) {
    if (rule->table.signal == builtins[i].signal) return true;
  }
  return false;
}

bool fal_rule_is_bp(const falign_rule *rule) { return rule->table.signal == fal_signal_bp; }

static falign_matrix feedback_matrix(const falign_rule *rule, uint32_t l) {
  return fal_matrix_plain(rule->feedback[l], rule->precision, fal_rule_feedback_rows(rule, l), rule->widths[l]);
}

/* ---- Signals ---- */

/* delta[l+1] W[l]^T (eq. 19). */
falign_status fal_signal_bp(void *user, const falign_rule *rule, const falign_network *network,
                            const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  const void *delta = trace->deltas[l + 1];
  (void)user, (void)rule, (void)network;
  return out->precision == FALIGN_F32 ? fal_layer_dense.send_back_f32(trace, l + 1, delta, out->data)
                                      : fal_layer_dense.send_back_f64(trace, l + 1, delta, out->data);
}

/* out = delta[above] times the feedback matrix of layer l. */
static falign_status send_feedback(const falign_rule *rule, const falign_trace *trace, uint32_t above, uint32_t l,
                                   const falign_matrix *out) {
  const falign_view feedback = falign_view_of(feedback_matrix(rule, l));
  const falign_view delta = fal_view_plain(trace->deltas[above], out->precision, out->rows, feedback.rows);
  return fal_gemm(trace->step.backend, 1, &delta, &feedback, 0, out);
}

/* delta[l+1] B[l] (eq. 21). */
falign_status fal_signal_fa(void *user, const falign_rule *rule, const falign_network *network,
                            const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  (void)user, (void)network;
  return send_feedback(rule, trace, l + 1, l, out);
}

/* delta[d] F[l] (eq. 6). */
falign_status fal_signal_dfa(void *user, const falign_rule *rule, const falign_network *network,
                             const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  (void)user, (void)network;
  return send_feedback(rule, trace, rule->layers, l, out);
}

static void blank_signal(const falign_matrix *out) {
  if (out->precision == FALIGN_F32) {
    fal_signal_blank_f32(out->data, out->rows * out->cols);
  } else {
    fal_signal_blank_f64(out->data, out->rows * out->cols);
  }
}

falign_status fal_rule_signal(const falign_rule *rule, const falign_network *network, const falign_trace *trace,
                              uint32_t l, const falign_matrix *out) {
  if (is_builtin(rule)) return rule->table.signal(rule->user, rule, network, trace, l, out);
  blank_signal(out);
  fal_before_callback();
  falign_status status = rule->table.signal(rule->user, rule, network, trace, l, out);
  if (status != FALIGN_OK)
    return fal_fail(FALIGN_CALLBACK, "rule %s failed at layer %u: %s", rule->table.name, l,
                    fal_callback_message(status));
  return out->precision == FALIGN_F32 ? fal_signal_check_f32(rule, trace, l, out->data)
                                      : fal_signal_check_f64(rule, trace, l, out->data);
}

/* ---- Feedback matrices ---- */

falign_status fal_rule_check(const falign_rule *rule, const falign_network *network) {
  if (rule->precision != network->precision)
    return fal_fail(FALIGN_SHAPE, "rule %s was made for %s, the network is in %s", rule->table.name,
                    fal_precision_name(rule->precision), fal_precision_name(network->precision));
  if (rule->layers != network->layers)
    return fal_fail(FALIGN_SHAPE, "rule %s was made for %u layers of weights, the network has %u", rule->table.name,
                    rule->layers, network->layers);
  for (uint32_t l = 0; l <= network->layers; l++) {
    if (rule->widths[l] != network->widths[l])
      return fal_fail(FALIGN_SHAPE, "rule %s was made for width %zu in layer %u, the network has %zu", rule->table.name,
                      rule->widths[l], l, network->widths[l]);
  }
  return FALIGN_OK;
}

size_t fal_rule_feedback_rows(const falign_rule *rule, uint32_t l) {
  return rule->table.feedback == FALIGN_FEEDBACK_DIRECT ? rule->widths[rule->layers] : rule->widths[l + 1];
}

static const char *feedback_name(const falign_rule *rule) {
  return rule->table.feedback == FALIGN_FEEDBACK_DIRECT ? "F" : "B";
}

/* B[l] or F[l]. */
falign_status falign_rule_draw(falign_rule *rule, double sd, uint64_t seed, uint32_t run) {
  FAL_GIVEN(rule);
  FAL_TRY(fal_check_sd("sd", rule->precision, sd));
  if (rule->table.feedback == FALIGN_FEEDBACK_NONE) return FALIGN_OK;
  uint32_t purpose = rule->table.feedback == FALIGN_FEEDBACK_DIRECT ? FALIGN_RNG_F : FALIGN_RNG_B;
  for (uint32_t l = 1; l < rule->layers; l++) {
    const falign_matrix feedback = feedback_matrix(rule, l);
    FAL_TRY(fal_draw(&(fal_stream){seed, purpose, l, run}, sd, &feedback));
  }
  return FALIGN_OK;
}

static size_t widest_layer(const falign_rule *rule) {
  size_t widest = 0;
  for (uint32_t l = 1; l < rule->layers; l++) widest = fal_max(rule->widths[l], widest);
  return widest;
}

/* The first pass checks all matrices before the second changes them. */
static falign_status normalize_columns(falign_rule *rule, double gamma, double *scale) {
  for (int pass = 0; pass < 2; pass++) {
    for (uint32_t l = 1; l < rule->layers; l++) {
      const falign_matrix feedback = feedback_matrix(rule, l);
      FAL_TRY(fal_column_scales(feedback_name(rule), l, &feedback, &gamma, 0, scale));
      if (pass == 1) fal_scale_columns(&feedback, scale);
    }
  }
  return FALIGN_OK;
}

falign_status falign_rule_normalize_columns(falign_rule *rule, double gamma) {
  FAL_GIVEN(rule);
  if (!(gamma > 0) || !isfinite(gamma)) return fal_fail(FALIGN_INVALID, "gamma must be positive, got %g", gamma);
  if (rule->table.feedback == FALIGN_FEEDBACK_NONE) return FALIGN_OK;
  double *scale = fal_alloc(widest_layer(rule), sizeof *scale);
  if (!scale) return fal_fail_memory("column norms", widest_layer(rule), sizeof *scale);
  falign_status status = normalize_columns(rule, gamma, scale);
  free(scale);
  return status;
}

static falign_status find_feedback(const falign_rule *rule, falign_quantity what, uint32_t l, falign_matrix *out) {
  FAL_GIVEN(rule);
  if (what != FALIGN_FEEDBACK)
    return fal_fail(FALIGN_INVALID, "a rule has no quantity %d: want FALIGN_FEEDBACK (%d)", what, FALIGN_FEEDBACK);
  if (rule->table.feedback == FALIGN_FEEDBACK_NONE)
    return fal_fail(FALIGN_UNSUPPORTED, "rule %s has no feedback matrices", rule->table.name);
  if (l < 1 || l >= rule->layers)
    return fal_fail(FALIGN_INVALID, "there is no %s[%u]: l goes from 1 to %u", feedback_name(rule), l,
                    rule->layers - 1);
  *out = feedback_matrix(rule, l);
  return FALIGN_OK;
}

falign_status falign_rule_set(falign_rule *rule, falign_quantity what, uint32_t l, const falign_view *values) {
  falign_matrix own;
  FAL_TRY(find_feedback(rule, what, l, &own));
  return fal_set_matrix(feedback_name(rule), l, &own, values);
}

falign_status falign_rule_get(const falign_rule *rule, falign_quantity what, uint32_t l, const falign_matrix *out) {
  falign_matrix own;
  FAL_TRY(find_feedback(rule, what, l, &own));
  falign_view values = falign_view_of(own);
  return fal_get_matrix(feedback_name(rule), l, &values, out);
}

falign_status falign_rule_view(const falign_rule *rule, falign_quantity what, uint32_t l, falign_view *out) {
  falign_matrix own;
  FAL_GIVEN(out);
  FAL_TRY(find_feedback(rule, what, l, &own));
  *out = falign_view_of(own);
  return FALIGN_OK;
}

falign_status falign_rule_edit(falign_rule *rule, falign_quantity what, uint32_t l, falign_matrix *out) {
  falign_matrix own;
  FAL_GIVEN(out);
  FAL_TRY(find_feedback(rule, what, l, &own));
  *out = own;
  return FALIGN_OK;
}

/* ---- Tensors ---- */

size_t fal_rule_slot_count(const falign_rule *rule) {
  return rule->table.feedback == FALIGN_FEEDBACK_NONE ? 0 : rule->layers - 1;
}

void fal_rule_slots(const falign_rule *rule, fal_slot *slots) {
  if (rule->table.feedback == FALIGN_FEEDBACK_NONE) return;
  for (uint32_t l = 1; l < rule->layers; l++) {
    *slots++ = (fal_slot){.prefix = feedback_name(rule),
                          .index = l,
                          .rows = fal_rule_feedback_rows(rule, l),
                          .cols = rule->widths[l],
                          .data = rule->feedback[l]};
  }
}

static falign_status make_rule_slots(const falign_rule *rule, fal_slot **slots) {
  *slots = fal_alloc(fal_rule_slot_count(rule), sizeof **slots);
  if (!*slots) return fal_fail_memory("slots", fal_rule_slot_count(rule), sizeof **slots);
  fal_rule_slots(rule, *slots);
  return FALIGN_OK;
}

falign_status falign_rule_export(const falign_rule *rule, falign_tensors *tensors) {
  FAL_GIVEN(rule);
  FAL_GIVEN(tensors);
  fal_slot *slots;
  size_t before = falign_tensors_count(tensors);
  FAL_TRY(make_rule_slots(rule, &slots));
  falign_status status = fal_slots_export(slots, fal_rule_slot_count(rule), rule->precision, tensors);
  free(slots);
  if (status == FALIGN_OK && rule->table.save) {
    fal_before_callback();
    status = rule->table.save(rule->user, tensors);
    if (status != FALIGN_OK) fal_callback_failed(status, "saving rule", rule->table.name);
  }
  if (status != FALIGN_OK) fal_tensors_truncate(tensors, before);
  return status;
}

falign_status fal_rule_import_slots(const falign_rule *rule, const fal_slot *slots, size_t count, bool all,
                                    const falign_tensors *tensors) {
  fal_staged staged;
  FAL_TRY(fal_slots_stage(slots, count, rule->precision, all, tensors, &staged));
  fal_before_callback();
  falign_status status = rule->table.load ? rule->table.load(rule->user, tensors) : FALIGN_OK;
  if (status != FALIGN_OK) fal_callback_failed(status, "loading rule", rule->table.name);
  if (status == FALIGN_OK) {
    fal_slots_commit(slots, count, rule->precision, &staged);
  } else {
    fal_slots_discard(&staged);
  }
  return status;
}

falign_status falign_rule_import(falign_rule *rule, const falign_tensors *tensors) {
  FAL_GIVEN(rule);
  FAL_GIVEN(tensors);
  fal_slot *slots;
  FAL_TRY(make_rule_slots(rule, &slots));
  falign_status status = fal_rule_import_slots(rule, slots, fal_rule_slot_count(rule), false, tensors);
  free(slots);
  return status;
}
