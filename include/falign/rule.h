/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_RULE_H
#define FALIGN_RULE_H

/** @file rule.h
 *  @brief How the error travels back: BP, FA, DFA, or a user's own rule.
 *
 *  A rule computes the signal that reaches the units of layer l = d-1..1; the trainer multiplies it by f'(Z[l]) and so
 *  gets delta[l]. A rule owns its feedback matrices FALIGN_FEEDBACK: B[l] (n[l+1] x n[l]), F[l] (n[d] x n[l]), or none.
 */

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

/** A user's rule. Callbacks return a falign_status; unless stated otherwise a failure ends the step with
 *  FALIGN_CALLBACK and the message given to falign_set_last_error(). */
typedef struct falign_rule_table {
  size_t size;              /**< sizeof(falign_rule_table) */
  const char *name;         /**< required; copied */
  falign_feedback feedback; /**< which feedback matrices the library keeps for this rule */
  /** 0: `signal` is called on the thread that runs the step, block after block in the order of the rows.
   *  1: it may be called from several threads at once, for different rows. */
  int32_t concurrent;
  /** Required: writes the signal that reaches layer l = d-1..1, before f', to `out` (rows of `trace` x n[l], in the
   *  network's precision, contiguous); a number that is not finite, or was not written, ends the step with
   *  FALIGN_DIVERGED. `trace` holds a block of the batch's rows: L, Z, TARGET, and DELTA of the layers above l. */
  falign_status (*signal)(void *user, const falign_rule *rule, const falign_network *network, const falign_trace *trace,
                          uint32_t l, const falign_matrix *out);
  /** Optional: called after the weights were updated and normalized. May change the feedback matrices and the network.
   *  `trace` holds DW and DB of the step, and L, Z and DELTA of the whole batch if `needs_activity` is set. */
  falign_status (*adapt)(void *user, falign_rule *rule, falign_network *network, const falign_trace *trace);
  int32_t needs_activity; /**< see `adapt` */
  /** Optional: saves state beyond the feedback matrices in checkpoints. Use names of the form "rule.NAME". Its failure
   *  is that of the call that saves or loads. */
  falign_status (*save)(void *user, struct falign_tensors *tensors);
  /** Optional: restores what `save` has added. */
  falign_status (*load)(void *user, const struct falign_tensors *tensors);
  void (*destroy)(void *user); /**< optional: called once when the last reference is released */
} falign_rule_table;

/** Makes a rule by name. It keeps no reference to the network; its feedback matrices start at 0: draw or set them.
 *  - "bp", backpropagation: delta[l] = delta[l+1] W[l]^T .* f'(Z[l]) (eq. 19); no feedback matrices.
 *  - "fa", feedback alignment (BP-TRW): delta[l] = delta[l+1] B[l] .* f'(Z[l]) (eqs. 2, 21).
 *  - "dfa", direct feedback alignment: delta[l] = delta[d] F[l] .* f'(Z[l]) (eq. 6).
 *  @return FALIGN_UNSUPPORTED for another name, listing these; FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_create(const char *name, const falign_network *network,
                                                           falign_rule **out);
/** Makes a rule from a user's functions; its feedback matrices start at 0. `user` is passed to each callback. It keeps
 *  no reference to the network. @return FALIGN_INVALID naming a missing entry, FALIGN_UNSUPPORTED for a table with
 *  entries that this version does not know, FALIGN_MEMORY; `user` is then not destroyed. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_create_custom(const falign_rule_table *table, void *user,
                                                                  const falign_network *network, falign_rule **out);
/** Releases a reference; NULL is fine. */
FALIGN_API void falign_rule_destroy(falign_rule *rule);

/** Returns "bp", "fa", "dfa" or the user's name, in the rule's own storage. */
FALIGN_API const char *falign_rule_name(const falign_rule *rule);
/** Returns which feedback matrices the rule has. */
FALIGN_API falign_feedback falign_rule_feedback(const falign_rule *rule);

/** Draws the feedback matrices from N(0, sd), sd a standard deviation, from the streams (seed, FALIGN_RNG_B or _F,
 *  l, run) (section 2.3.1). Without feedback matrices it does nothing. @return as falign_network_draw(). */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_draw(falign_rule *rule, double sd, uint64_t seed, uint32_t run);

/** Scales each column of each feedback matrix to Frobenius norm gamma > 0, as the paper does once at the start
 *  (section 2.3.8, as eq. 13). Without feedback matrices it does nothing. @return FALIGN_INVALID for a gamma that is
 *  not positive and finite, or naming a column whose norm is 0; FALIGN_DIVERGED naming one whose norm is not finite,
 *  FALIGN_MEMORY; nothing is then changed. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_normalize_columns(falign_rule *rule, double gamma);

/** Sets the feedback matrix of layer l = 1..d-1 from a matrix in either precision. This and the next three return
 *  FALIGN_INVALID for a quantity other than FALIGN_FEEDBACK and a layer that does not exist, and FALIGN_UNSUPPORTED for
 *  a rule without feedback matrices. @return FALIGN_INVALID also naming a number that is not finite in the rule's
 *  precision; the matrix is then unchanged. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_set(falign_rule *rule, falign_quantity what, uint32_t l,
                                                        const falign_view *values);
/** Copies the feedback matrix of layer l to the caller's matrix, in either precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_get(const falign_rule *rule, falign_quantity what, uint32_t l,
                                                        const falign_matrix *out);
/** Views the feedback matrix of layer l in the rule's own storage (contiguous, row-major); valid while the rule lives.
 */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_view(const falign_rule *rule, falign_quantity what, uint32_t l,
                                                         falign_view *out);
/** Gives the rule's own storage of the feedback matrix of layer l, as falign_rule_view(), for changing it in place.
 *  Write only finite numbers there. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_edit(falign_rule *rule, falign_quantity what, uint32_t l,
                                                         falign_matrix *out);

/** Adds all B.l or F.l, and what the rule's `save` adds, to a set of tensors. @return FALIGN_INVALID for a name that
 *  exists already, FALIGN_MEMORY, the status of `save`. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_export(const falign_rule *rule, struct falign_tensors *tensors);
/** Sets the B.l or F.l that a set of tensors holds, in either precision, and calls the rule's `load`; others stay
 *  unchanged. On failure the feedback matrices are unchanged. @return FALIGN_SHAPE, FALIGN_FORMAT,
 *  FALIGN_INVALID, FALIGN_MEMORY as falign_network_import(); the status of `load`. */
FALIGN_API FALIGN_CHECKED falign_status falign_rule_import(falign_rule *rule, const struct falign_tensors *tensors);

FALIGN_END

#endif
