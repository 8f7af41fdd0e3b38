/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/rule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/scale.h"
#include "files/tensors.h"

static const falign_rule_table own_rules[] = {
    {.size = sizeof(falign_rule_table),
     .name = "bp",
     .feedback = FALIGN_FEEDBACK_NONE,
     .concurrent = 1,
     .signal_f32 = fal_signal_bp_f32,
     .signal_f64 = fal_signal_bp_f64},
    {.size = sizeof(falign_rule_table),
     .name = "fa",
     .feedback = FALIGN_FEEDBACK_LAYER,
     .concurrent = 1,
     .signal_f32 = fal_signal_fa_f32,
     .signal_f64 = fal_signal_fa_f64},
    {.size = sizeof(falign_rule_table),
     .name = "dfa",
     .feedback = FALIGN_FEEDBACK_DIRECT,
     .concurrent = 1,
     .signal_f32 = fal_signal_dfa_f32,
     .signal_f64 = fal_signal_dfa_f64},
};
enum { OWN_RULES = sizeof own_rules / sizeof *own_rules };

falign_status falign_rule_create_bp(const falign_network *network, falign_rule **out) {
  return falign_rule_create_named("bp", network, out);
}

falign_status falign_rule_create_fa(const falign_network *network, falign_rule **out) {
  return falign_rule_create_named("fa", network, out);
}

falign_status falign_rule_create_dfa(const falign_network *network, falign_rule **out) {
  return falign_rule_create_named("dfa", network, out);
}

falign_status falign_rule_create_named(const char *name, const falign_network *network, falign_rule **out) {
  FAL_GIVEN(name);
  for (size_t i = 0; i < OWN_RULES; i++) {
    if (strcmp(name, own_rules[i].name) == 0) return falign_rule_create_custom(&own_rules[i], NULL, network, out);
  }
  return fal_fail(FALIGN_UNSUPPORTED, "there is no rule \"%s\": the library has bp, fa and dfa", name);
}

/* The size of the table in the first release. */
static const size_t first_size = offsetof(falign_rule_table, destroy) + sizeof(void (*)(void *));

static falign_status copy_table(const falign_rule_table *given, falign_precision precision, falign_rule_table *table) {
  FAL_TRY(fal_copy_table("rule", table, sizeof *table, first_size, given, given->size));
  if (!table->name) return fal_fail(FALIGN_INVALID, "the rule table has no name");
  if (table->feedback < FALIGN_FEEDBACK_NONE || table->feedback > FALIGN_FEEDBACK_DIRECT)
    return fal_fail(FALIGN_INVALID, "rule %s: %d is no kind of feedback", table->name, table->feedback);
  if (precision == FALIGN_F32 ? !table->signal_f32 : !table->signal_f64)
    return fal_fail(FALIGN_INVALID, "rule %s has no signal_%s", table->name, precision == FALIGN_F32 ? "f32" : "f64");
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

falign_status falign_rule_create_custom(const falign_rule_table *table, void *user, const falign_network *network,
                                        falign_rule **out) {
  falign_rule_table own;
  FAL_GIVEN(table);
  FAL_GIVEN(network);
  FAL_GIVEN(out);
  FAL_TRY(copy_table(table, network->precision, &own));
  falign_rule *rule = fal_zalloc(1, sizeof *rule);
  if (!rule) return fal_fail_memory("a rule", 1, sizeof *rule);
  size_t ends = (size_t)network->layers + 1;
  fal_refs_init(&rule->refs);
  rule->table = own;
  rule->table.name = fal_strdup(own.name);
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
  rule->table.destroy = own.destroy;
  *out = rule;
  return FALIGN_OK;
}

void fal_rule_keep(falign_rule *rule) { fal_refs_keep(&rule->refs); }

void falign_rule_destroy(falign_rule *rule) {
  if (!rule || !fal_refs_drop(&rule->refs)) return;
  if (rule->table.destroy) rule->table.destroy(rule->user);
  for (uint32_t l = 1; rule->feedback && l < rule->layers; l++) free(rule->feedback[l]);
  free(rule->feedback);
  free(rule->widths);
  free((char *)rule->table.name);
  free(rule);
}

const char *falign_rule_name(const falign_rule *rule) { return rule->table.name; }

falign_feedback falign_rule_feedback(const falign_rule *rule) { return rule->table.feedback; }

bool fal_rule_is_own(const falign_rule *rule) {
  for (size_t i = 0; i < OWN_RULES; i++) {
    if (rule->table.signal_f32 == own_rules[i].signal_f32) return true;
  }
  return false;
}

bool fal_rule_is_bp(const falign_rule *rule) { return rule->table.signal_f32 == fal_signal_bp_f32; }

falign_status fal_rule_check(const falign_rule *rule, const falign_network *network) {
  if (rule->precision != network->precision)
    return fal_fail(FALIGN_SHAPE, "rule %s was made for the other precision", rule->table.name);
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

static const char *letter(const falign_rule *rule) {
  return rule->table.feedback == FALIGN_FEEDBACK_DIRECT ? "F" : "B";
}

falign_status falign_rule_draw(falign_rule *rule, double sd, uint64_t seed, uint32_t run) {
  FAL_GIVEN(rule);
  FAL_TRY(fal_check_sd("sd", rule->precision, sd));
  if (rule->table.feedback == FALIGN_FEEDBACK_NONE) return FALIGN_OK;
  uint32_t purpose = rule->table.feedback == FALIGN_FEEDBACK_DIRECT ? FALIGN_RNG_F : FALIGN_RNG_B;
  for (uint32_t l = 1; l < rule->layers; l++) {
    size_t count = fal_rule_feedback_rows(rule, l) * rule->widths[l];
    FAL_TRY(fal_draw(seed, purpose, l, run, sd, rule->precision, rule->feedback[l], count));
  }
  return FALIGN_OK;
}

static size_t widest(const falign_rule *rule) {
  size_t wide = 0;
  for (uint32_t l = 1; l < rule->layers; l++) wide = rule->widths[l] > wide ? rule->widths[l] : wide;
  return wide;
}

/* Finds the scales of all matrices before the first is changed. */
static falign_status normalize_columns(falign_rule *rule, double gamma, double *scale) {
  for (int pass = 0; pass < 2; pass++) {
    for (uint32_t l = 1; l < rule->layers; l++) {
      size_t rows = fal_rule_feedback_rows(rule, l), cols = rule->widths[l];
      FAL_TRY(fal_column_scales(letter(rule), l, rule->precision, rule->feedback[l], rows, cols, &gamma, 0, scale));
      if (pass == 1) fal_scale_columns(rule->precision, rule->feedback[l], rows, cols, scale);
    }
  }
  return FALIGN_OK;
}

falign_status falign_rule_normalize_columns(falign_rule *rule, double gamma) {
  FAL_GIVEN(rule);
  if (!(gamma > 0) || !isfinite(gamma)) return fal_fail(FALIGN_INVALID, "gamma must be positive, got %g", gamma);
  if (rule->table.feedback == FALIGN_FEEDBACK_NONE) return FALIGN_OK;
  double *scale = fal_alloc(widest(rule), sizeof *scale);
  if (!scale) return fal_fail_memory("column norms", widest(rule), sizeof *scale);
  falign_status status = normalize_columns(rule, gamma, scale);
  free(scale);
  return status;
}

static falign_status check_layer(const falign_rule *rule, uint32_t l) {
  FAL_GIVEN(rule);
  if (rule->table.feedback == FALIGN_FEEDBACK_NONE)
    return fal_fail(FALIGN_UNSUPPORTED, "rule %s has no feedback matrices", rule->table.name);
  if (l < 1 || l >= rule->layers)
    return fal_fail(FALIGN_INVALID, "there is no %s[%u]: l goes from 1 to %u", letter(rule), l, rule->layers - 1);
  return FALIGN_OK;
}

static falign_status check_feedback(const falign_rule *rule, uint32_t l, const void *b, size_t rows, size_t cols,
                                    size_t stride) {
  FAL_TRY(check_layer(rule, l));
  return fal_check_matrix(letter(rule), l, b, rows, cols, stride, fal_rule_feedback_rows(rule, l), rule->widths[l]);
}

static falign_status set_feedback(falign_rule *rule, uint32_t l, const void *b, falign_precision precision, size_t rows,
                                  size_t cols, size_t stride) {
  FAL_TRY(check_feedback(rule, l, b, rows, cols, stride));
  FAL_TRY(fal_check_finite_as(letter(rule), l, b, precision, rule->precision, rows, cols, stride));
  fal_copy_matrix(rule->feedback[l], rule->precision, cols, b, precision, stride, rows, cols);
  return FALIGN_OK;
}

falign_status falign_rule_set_feedback_f32(falign_rule *rule, uint32_t l, const float *b, size_t rows, size_t cols,
                                           size_t stride) {
  return set_feedback(rule, l, b, FALIGN_F32, rows, cols, stride);
}

falign_status falign_rule_set_feedback_f64(falign_rule *rule, uint32_t l, const double *b, size_t rows, size_t cols,
                                           size_t stride) {
  return set_feedback(rule, l, b, FALIGN_F64, rows, cols, stride);
}

static falign_status get_feedback(const falign_rule *rule, uint32_t l, void *b, falign_precision precision, size_t rows,
                                  size_t cols, size_t stride) {
  FAL_TRY(check_feedback(rule, l, b, rows, cols, stride));
  fal_copy_matrix(b, precision, stride, rule->feedback[l], rule->precision, cols, rows, cols);
  return FALIGN_OK;
}

falign_status falign_rule_get_feedback_f32(const falign_rule *rule, uint32_t l, float *b, size_t rows, size_t cols,
                                           size_t stride) {
  return get_feedback(rule, l, b, FALIGN_F32, rows, cols, stride);
}

falign_status falign_rule_get_feedback_f64(const falign_rule *rule, uint32_t l, double *b, size_t rows, size_t cols,
                                           size_t stride) {
  return get_feedback(rule, l, b, FALIGN_F64, rows, cols, stride);
}

static void *feedback_in_place(const falign_rule *rule, uint32_t l, falign_precision precision) {
  if (check_layer(rule, l)) return NULL;
  if (rule->precision == precision) return rule->feedback[l];
  fal_message("the rule is in %s", rule->precision == FALIGN_F32 ? "f32" : "f64");
  return NULL;
}

float *falign_rule_feedback_f32(falign_rule *rule, uint32_t l) { return feedback_in_place(rule, l, FALIGN_F32); }

const float *falign_rule_view_feedback_f32(const falign_rule *rule, uint32_t l) {
  return feedback_in_place(rule, l, FALIGN_F32);
}

double *falign_rule_feedback_f64(falign_rule *rule, uint32_t l) { return feedback_in_place(rule, l, FALIGN_F64); }

const double *falign_rule_view_feedback_f64(const falign_rule *rule, uint32_t l) {
  return feedback_in_place(rule, l, FALIGN_F64);
}

size_t fal_rule_slot_count(const falign_rule *rule) {
  return rule->table.feedback == FALIGN_FEEDBACK_NONE ? 0 : rule->layers - 1;
}

void fal_rule_slots(const falign_rule *rule, fal_slot *slots) {
  if (rule->table.feedback == FALIGN_FEEDBACK_NONE) return;
  for (uint32_t l = 1; l < rule->layers; l++) {
    *slots++ = (fal_slot){.prefix = letter(rule),
                          .index = l,
                          .rows = fal_rule_feedback_rows(rule, l),
                          .cols = rule->widths[l],
                          .data = rule->feedback[l]};
  }
}

static falign_status make_slots(const falign_rule *rule, fal_slot **slots) {
  *slots = fal_alloc(fal_rule_slot_count(rule), sizeof **slots);
  if (!*slots) return fal_fail_memory("slots", fal_rule_slot_count(rule), sizeof **slots);
  fal_rule_slots(rule, *slots);
  return FALIGN_OK;
}

falign_status falign_rule_export(const falign_rule *rule, falign_tensors *tensors) {
  if (!rule || !tensors) return fal_fail(FALIGN_INVALID, "%s is NULL", rule ? "tensors" : "rule");
  fal_slot *slots;
  size_t before = falign_tensors_count(tensors);
  FAL_TRY(make_slots(rule, &slots));
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
    fal_slots_drop(&staged);
  }
  return status;
}

falign_status falign_rule_import(falign_rule *rule, const falign_tensors *tensors) {
  if (!rule || !tensors) return fal_fail(FALIGN_INVALID, "%s is NULL", rule ? "tensors" : "rule");
  fal_slot *slots;
  FAL_TRY(make_slots(rule, &slots));
  falign_status status = fal_rule_import_slots(rule, slots, fal_rule_slot_count(rule), false, tensors);
  free(slots);
  return status;
}
