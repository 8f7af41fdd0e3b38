/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_RULE_H
#define FAL_RULE_H

#include "falign/rule.h"
#include "learning/network.h"
#include "learning/trace.h"

struct falign_rule {
  fal_refs refs;
  falign_rule_table table; /* its name is the rule's own copy */
  void *user;
  falign_precision precision;
  uint32_t layers;
  size_t *widths;
  void **feedback; /* B[l] or F[l], l = 1..d-1 */
};

void fal_rule_retain(falign_rule *rule);
bool fal_rule_is_bp(const falign_rule *rule);
/* Fails unless the rule was made for a network of this shape and precision. */
falign_status fal_rule_check(const falign_rule *rule, const falign_network *network);
/* Returns the rows of the feedback matrix of layer l: n[l+1] or n[d]. */
size_t fal_rule_feedback_rows(const falign_rule *rule, uint32_t l);
/* Lists B.l or F.l: fal_rule_slot_count() slots. */
size_t fal_rule_slot_count(const falign_rule *rule);
void fal_rule_slots(const falign_rule *rule, fal_slot *slots);
/* Imports the tensors of slots and the rule's own state; changes all of the slots or none. */
falign_status fal_rule_import_slots(const falign_rule *rule, const fal_slot *slots, size_t count, bool all,
                                    const falign_tensors *tensors);

/* Writes the signal to layer l, before f', for the rows of `trace` to `out`, a contiguous matrix with the trace's rows
 * and n[l] columns in the network's precision. */
falign_status fal_rule_signal(const falign_rule *rule, const falign_network *network, const falign_trace *trace,
                              uint32_t l, const falign_matrix *out);

/* The built-in rules, as entries of a falign_rule_table. */
falign_status fal_signal_bp(void *user, const falign_rule *rule, const falign_network *network,
                            const falign_trace *trace, uint32_t l, const falign_matrix *out);
falign_status fal_signal_fa(void *user, const falign_rule *rule, const falign_network *network,
                            const falign_trace *trace, uint32_t l, const falign_matrix *out);
falign_status fal_signal_dfa(void *user, const falign_rule *rule, const falign_network *network,
                             const falign_trace *trace, uint32_t l, const falign_matrix *out);

/* signals_real.c: fills the matrix for a user's signal with NaN, and checks that all numbers have been written and are
 * finite. */
void fal_signal_blank_f32(float *out, size_t count);
void fal_signal_blank_f64(double *out, size_t count);
falign_status fal_signal_check_f32(const falign_rule *rule, const falign_trace *trace, uint32_t l, const float *out);
falign_status fal_signal_check_f64(const falign_rule *rule, const falign_trace *trace, uint32_t l, const double *out);

#endif
