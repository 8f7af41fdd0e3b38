/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_CODE_H
#define FAL_CODE_H

#include "base/support.h"
#include "falign/code.h"

struct falign_code {
  fal_refs refs;
  uint32_t categories;
  size_t width;
  double *rows; /* categories x width */
};

void fal_code_retain(const falign_code *code);

#endif
