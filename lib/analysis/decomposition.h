/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_DECOMPOSITION_H
#define FAL_DECOMPOSITION_H

#include "falign/decomposition.h"
#include "learning/rule.h"

/* Returns Q[l], contiguous; l = 1..d-1. */
const double *fal_decomposition_q(const falign_decomposition *decomposition, uint32_t l);
/* Whether this is the decomposition of the rule's present F. */
bool fal_decomposition_is_of(const falign_decomposition *decomposition, const falign_rule *rule);

#endif
