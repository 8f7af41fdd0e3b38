/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_RULE_H
#define FALIGN_RULE_H

/** @file rule.h
 *  @brief How the error travels back: BP, FA, DFA, or the caller's own rule.
 *
 *  A rule says which signal reaches the units of layer l = d-1..1; the trainer multiplies it by f'(Z[l]) and so gets
 *  delta[l]. A rule owns its feedback matrices: B[l] (n[l+1] x n[l]), F[l] (n[d] x n[l]), or none. */

#include "falign/network.h"
#include "falign/trace.h"

FALIGN_BEGIN

/** A learning rule, made for one network's shape and precision. */
typedef struct falign_rule falign_rule;

/** Which feedback matrices a rule has. */
typedef int32_t falign_feedback;
enum {
  FALIGN_FEEDBACK_NONE = 0,  /**< none */
  FALIGN_FEEDBACK_LAYER = 1, /**< B[l], l = 1..d-1, of shape n[l+1] x n[l] */
  FALIGN_FEEDBACK_DIRECT = 2 /**< F[l], l = 1..d-1, of shape n[d] x n[l] */
};

/** A caller's rule. Callbacks return a falign_status; where it is not said otherwise a failure ends the step with
 *  FALIGN_CALLBACK and the message given to falign_set_last_error(). */
typedef struct falign_rule_table {
  size_t size;              /**< sizeof(falign_rule_table) */
  const char *name;         /**< required; copied */
  falign_feedback feedback; /**< which feedback matrices the library keeps for this rule */
  /** 0: signal_* are called on the thread that runs the step, block after block in the order of the rows.
   *  1: they may be called from several threads at once, for different rows. */
  int32_t concurrent;
  /** Required in the precision that is used: writes the signal that reaches layer l = d-1..1, before f', to `out`
   *  (rows of `trace` x n[l], contiguous); what is then not finite, or was not written, ends the step with
   *  FALIGN_DIVERGED. `trace` holds a block of the batch's rows: L, Z, TARGET, and DELTA of the
   *  layers above l. */
  falign_status (*signal_f32)(void *user, const falign_rule *rule, const falign_network *network,
                              const falign_trace *trace, uint32_t l, float *out);
  /** As signal_f32, in double precision. */
  falign_status (*signal_f64)(void *user, const falign_rule *rule, const falign_network *network,
                              const falign_trace *trace, uint32_t l, double *out);
  /** Optional: after the weights were updated and normalized. May change the feedback matrices and the network.
   *  `trace` holds DW and DB of the step, and L, Z and DELTA of the whole batch if `needs_activity` is set. */
  falign_status (*adapt)(void *user, falign_rule *rule, falign_network *network, const falign_trace *trace);
  int32_t needs_activity; /**< see `adapt` */
  /** Optional: state beyond the feedback matrices, for checkpoints. Use names of the form "rule.NAME". A failure is
   *  that of the call that saves or loads. */
  falign_status (*save)(void *user, struct falign_tensors *tensors);
  /** Optional: takes back what `save` has added. */
  falign_status (*load)(void *user, const struct falign_tensors *tensors);
  void (*destroy)(void *user); /**< optional: called once when the last reference is gone */
} falign_rule_table;

/** Backpropagation: delta[l] = delta[l+1] W[l]^T .* f'(Z[l]) (eq. 19). No feedback matrices. Keeps no reference to the
 *  network. @return FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_create_bp(const falign_network *network, falign_rule **out);
/** Feedback alignment (BP-TRW): delta[l] = delta[l+1] B[l] .* f'(Z[l]) (eqs. 2, 21). B starts at 0: draw or set it.
 *  Keeps no reference to the network. @return FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_create_fa(const falign_network *network, falign_rule **out);
/** Direct feedback alignment: delta[l] = delta[d] F[l] .* f'(Z[l]) (eq. 6). F starts at 0: draw or set it. Keeps no
 *  reference to the network. @return FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_create_dfa(const falign_network *network, falign_rule **out);
/** The rule "bp", "fa" or "dfa". @return FALIGN_UNSUPPORTED for another name, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_create_named(const char *name, const falign_network *network,
                                                                 falign_rule **out);
/** A caller's rule; its feedback matrices start at 0. `user` is passed to each callback. Keeps no reference to the
 *  network. @return FALIGN_INVALID naming a missing entry, FALIGN_UNSUPPORTED for a table with entries that this
 *  version does not know, FALIGN_MEMORY; `user` is then not destroyed. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_create_custom(const falign_rule_table *table, void *user,
                                                                  const falign_network *network, falign_rule **out);
/** Gives back a reference; NULL is fine. */
FALIGN_API void falign_rule_destroy(falign_rule *rule);

/** "bp", "fa", "dfa" or the caller's name, in the rule's own storage. */
FALIGN_API const char *falign_rule_name(const falign_rule *rule);
/** Which feedback matrices the rule has. */
FALIGN_API falign_feedback falign_rule_feedback(const falign_rule *rule);

/** Draws the feedback matrices from N(0, sd), sd a standard deviation, from the streams (seed, FALIGN_RNG_B or _F,
 *  l, run) (section 2.3.1). Without feedback matrices it does nothing. @return as falign_network_draw(). */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_draw(falign_rule *rule, double sd, uint64_t seed, uint32_t run);

/** Scales each column of each feedback matrix to Frobenius norm gamma > 0, as the paper does once at the start
 *  (section 2.3.8, as eq. 13). Without feedback matrices it does nothing. @return FALIGN_INVALID for a gamma that is
 *  not positive and finite, or naming a column whose norm is 0; FALIGN_DIVERGED naming one whose norm is not finite,
 *  FALIGN_MEMORY; nothing is then changed. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_normalize_columns(falign_rule *rule, double gamma);

/** Sets the feedback matrix of layer l = 1..d-1, B[l] (n[l+1] x n[l]) or F[l] (n[d] x n[l]), in either precision.
 *  @return FALIGN_UNSUPPORTED for a rule without one, FALIGN_SHAPE, FALIGN_INVALID for a layer that is not there or
 *  naming a number that is not finite; the matrix is then as it was. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_set_feedback_f32(falign_rule *rule, uint32_t l, const float *b,
                                                                     size_t rows, size_t cols, size_t stride);
/** As falign_rule_set_feedback_f32(), from double precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_set_feedback_f64(falign_rule *rule, uint32_t l, const double *b,
                                                                     size_t rows, size_t cols, size_t stride);
/** Copies B[l] or F[l] to the caller's matrix of that shape, converted. @return FALIGN_UNSUPPORTED for a rule without
 *  one, FALIGN_SHAPE, FALIGN_INVALID for a layer that is not there. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_get_feedback_f32(const falign_rule *rule, uint32_t l, float *b,
                                                                     size_t rows, size_t cols, size_t stride);
/** As falign_rule_get_feedback_f32(), in double precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_get_feedback_f64(const falign_rule *rule, uint32_t l, double *b,
                                                                     size_t rows, size_t cols, size_t stride);

/** The rule's own storage of B[l] or F[l], l = 1..d-1 (contiguous, row-major), for changing in place; valid while the
 *  rule lives. NULL, with falign_last_error() set, where there is none in that precision. */
FALIGN_API float *falign_rule_feedback_f32(falign_rule *rule, uint32_t l);
/** As falign_rule_feedback_f32(), in double precision. */
FALIGN_API double *falign_rule_feedback_f64(falign_rule *rule, uint32_t l);
/** As falign_rule_feedback_f32(), for reading. */
FALIGN_API const float *falign_rule_view_feedback_f32(const falign_rule *rule, uint32_t l);
/** As falign_rule_feedback_f64(), for reading. */
FALIGN_API const double *falign_rule_view_feedback_f64(const falign_rule *rule, uint32_t l);

/** Adds all B.l or F.l, and what the rule's `save` adds, to a set of tensors. @return FALIGN_INVALID for a name that
 *  is there already, FALIGN_MEMORY, the status of `save`. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_export(const falign_rule *rule, struct falign_tensors *tensors);
/** Takes those B.l or F.l that a set of tensors holds, in either precision, and what the rule's `load` takes; others
 *  stay as they are. On failure the feedback matrices are as they were. @return FALIGN_SHAPE, FALIGN_FORMAT,
 *  FALIGN_INVALID, FALIGN_MEMORY as falign_network_import(); the status of `load`. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_import(falign_rule *rule, const struct falign_tensors *tensors);

FALIGN_END

#endif
