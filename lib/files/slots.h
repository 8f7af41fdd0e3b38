/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_SLOTS_H
#define FAL_SLOTS_H

#include "base/support.h"
#include "falign/tensors.h"

/* A matrix in an object that is copied from or to the tensor of the same name, such as "W.2". A vector has rows = 0. */
typedef struct {
  const char *prefix;
  uint32_t index;
  size_t rows, cols;
  void *data;
} fal_slot;

falign_status fal_slots_export(const fal_slot *slots, size_t count, falign_precision precision,
                               falign_tensors *tensors);

/* Numbers that were read for slots and checked, but not yet copied. */
typedef struct {
  char *numbers;
  bool *found;
} fal_staged;

/* Reads the tensors of the slots that are in the set; with `all`, each must be. */
falign_status fal_slots_stage(const fal_slot *slots, size_t count, falign_precision precision, bool all,
                              const falign_tensors *tensors, fal_staged *staged);
/* Copies the numbers to their slots, or discards them; releases `staged`. */
void fal_slots_commit(const fal_slot *slots, size_t count, falign_precision precision, fal_staged *staged);
void fal_slots_discard(fal_staged *staged);

#endif
