/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_NORM_H
#define FAL_NORM_H

#include "falign/norm.h"
#include "learning/rule.h"

void fal_norm_keep(const falign_norm *norm);

#endif
