/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_CODE_H
#define FAL_CODE_H

#include "falign/code.h"

void fal_code_keep(const falign_code *code);

#endif
