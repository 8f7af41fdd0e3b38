/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_NORM_H
#define FAL_NORM_H

#include "falign/norm.h"
#include "learning/rule.h"

void fal_norm_retain(const falign_norm *norm);

/* Returns the length of `column_room` in fal_norm_apply(): the columns of the widest W[l]. */
size_t fal_norm_column_room(const falign_network *network);
/* falign_norm_apply() with the caller's room, so that steps do not allocate. */
falign_status fal_norm_apply(const falign_norm *norm, falign_network *network, falign_rule *rule, double *column_room);

#endif
