/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_NORM_H
#define FALIGN_NORM_H

/** @file norm.h
 *  @brief Weight normalization after each update (section 2.3.8). */

#include "falign/rule.h"

FALIGN_BEGIN

/** A weight normalization. It has no state of its own beyond its settings; several trainers may share one. */
typedef struct falign_norm falign_norm;

/** A user's normalization. */
typedef struct falign_norm_table {
  size_t size;      /**< sizeof(falign_norm_table) */
  const char *name; /**< required; copied */
  /** Required: changes W[l] in place (falign_network_edit()). Called after each update for l = 0..d-1 in turn, on the
   *  thread that runs the step. A failure ends the step with FALIGN_CALLBACK. */
  falign_status (*apply)(void *user, falign_network *network, uint32_t l);
  void (*destroy)(void *user); /**< optional: called once when the last reference is released */
} falign_norm_table;

/** Makes a normalization by name.
 *  - "none" leaves W unchanged (for use with falign_norm_match_feedback()) and takes no gamma.
 *  - "columns" scales each column of each W[l], the input weights of a neuron, to norm gamma (eq. 13). `gamma` is one
 *    number for all; or d, one for each W[l]; or n[1] + ... + n[d], one for each neuron, layer after layer.
 *  - "matrices" scales each W[l] as a whole to Frobenius norm gamma: one number for all, or d, one for each W[l].
 *  @param gamma `count` positive numbers; a count that does not fit the network is reported by falign_norm_apply()
 *  @return FALIGN_UNSUPPORTED for another name, listing these; FALIGN_INVALID for a gamma that is not positive and
 *  finite, and for none or any where it does not belong; FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_norm_create(const char *name, const double *gamma, size_t count,
                                                           falign_norm **out);
/** Makes a normalization of a user's functions. `user` is passed to each. @return FALIGN_INVALID naming a missing
 *  entry, FALIGN_UNSUPPORTED for a table with entries that this version does not know, FALIGN_MEMORY; `user` is then
 *  not destroyed. */
FALIGN_API FALIGN_CHECKED falign_status falign_norm_create_custom(const falign_norm_table *table, void *user,
                                                                  falign_norm **out);
/** Releases a reference; NULL is fine. */
FALIGN_API void falign_norm_destroy(falign_norm *norm);

/** Returns "none", "columns", "matrices" or the user's name, in the normalization's own storage. */
FALIGN_API const char *falign_norm_name(const falign_norm *norm);

/** From now on also scales B[l] to the Frobenius norm of W[l], l = 1..d-1, after W was normalized. For rules with
 *  layer-wise feedback only: with others falign_norm_apply() returns FALIGN_UNSUPPORTED.
 *  @param on 0 switches it off
 *  @return FALIGN_INVALID for a NULL norm. */
FALIGN_API FALIGN_CHECKED falign_status falign_norm_match_feedback(falign_norm *norm, int32_t on);

/** Normalizes now. The trainer does this after each update; call it yourself once at the start, as the paper does.
 *  @param rule whose B[l] are matched to W[l]; may be NULL unless falign_norm_match_feedback() is on
 *  @return FALIGN_SHAPE if the number of gammas or the rule does not fit the network; FALIGN_INVALID naming a column
 *  or matrix whose norm is 0 (it has no direction to keep) or cannot be scaled in the network's precision,
 *  FALIGN_DIVERGED one whose norm is not finite; FALIGN_UNSUPPORTED if B[l] must match W[l] but the rule has none;
 *  FALIGN_MEMORY; FALIGN_CALLBACK. A W[l] whose scaling fails is unchanged, those before it are scaled; if only
 *  B[l] cannot be matched, W[l] is scaled. */
FALIGN_API FALIGN_CHECKED falign_status falign_norm_apply(const falign_norm *norm, falign_network *network,
                                                          falign_rule *rule);

FALIGN_END

#endif
