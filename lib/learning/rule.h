/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_RULE_H
#define FAL_RULE_H

#include "falign/rule.h"
#include "learning/network.h"

struct falign_rule {
  fal_refs refs;
  falign_rule_table table; /* its name is the rule's own copy */
  void *user;
  falign_precision precision;
  uint32_t layers;
  size_t *widths;
  void **feedback; /* B[l] or F[l], l = 1..d-1 */
};

void fal_rule_keep(falign_rule *rule);
bool fal_rule_is_own(const falign_rule *rule); /* bp, fa or dfa */
bool fal_rule_is_bp(const falign_rule *rule);
/* Fails unless the rule was made for a network of this shape and precision. */
falign_status fal_rule_check(const falign_rule *rule, const falign_network *network);
/* Rows of the feedback matrix of layer l: n[l+1] or n[d]. */
size_t fal_rule_feedback_rows(const falign_rule *rule, uint32_t l);
/* Names the places of B.l or F.l: fal_rule_slot_count() of them. */
size_t fal_rule_slot_count(const falign_rule *rule);
void fal_rule_slots(const falign_rule *rule, fal_slot *slots);
/* Takes tensors for slots, and what the rule itself keeps; all of the slots are changed or none. */
falign_status fal_rule_import_slots(const falign_rule *rule, const fal_slot *slots, size_t count, bool all,
                                    const falign_tensors *tensors);

/* Writes the signal that reaches layer l, before f', of the rows of `trace` to `out`. */
falign_status fal_rule_signal_f32(const falign_rule *rule, const falign_network *network, const falign_trace *trace,
                                  uint32_t l, float *out);
falign_status fal_rule_signal_f64(const falign_rule *rule, const falign_network *network, const falign_trace *trace,
                                  uint32_t l, double *out);

/* The paper's rules, as entries of a falign_rule_table. */
falign_status fal_signal_bp_f32(void *user, const falign_rule *rule, const falign_network *network,
                                const falign_trace *trace, uint32_t l, float *out);
falign_status fal_signal_bp_f64(void *user, const falign_rule *rule, const falign_network *network,
                                const falign_trace *trace, uint32_t l, double *out);
falign_status fal_signal_fa_f32(void *user, const falign_rule *rule, const falign_network *network,
                                const falign_trace *trace, uint32_t l, float *out);
falign_status fal_signal_fa_f64(void *user, const falign_rule *rule, const falign_network *network,
                                const falign_trace *trace, uint32_t l, double *out);
falign_status fal_signal_dfa_f32(void *user, const falign_rule *rule, const falign_network *network,
                                 const falign_trace *trace, uint32_t l, float *out);
falign_status fal_signal_dfa_f64(void *user, const falign_rule *rule, const falign_network *network,
                                 const falign_trace *trace, uint32_t l, double *out);

#endif
