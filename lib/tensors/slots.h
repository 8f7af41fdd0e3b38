/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_SLOTS_H
#define FAL_SLOTS_H

#include "falign/tensors.h"
#include "support/support.h"

/* A named place in an object that a tensor of the same name is copied from or to: "W.2", rows x cols; a vector has
 * rows 0. */
typedef struct {
  const char *prefix;
  uint32_t index;
  size_t rows, cols;
  void *data;
} fal_slot;

falign_status fal_slots_export(const fal_slot *slots, size_t count, falign_precision precision,
                               falign_tensors *tensors);
/* Takes the tensors that are there (with `all`, each must be); all or none of the places are changed. */
falign_status fal_slots_import(const fal_slot *slots, size_t count, falign_precision precision, bool all,
                               const falign_tensors *tensors);

#endif
