/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_SLOTS_H
#define FAL_SLOTS_H

#include "falign/tensors.h"
#include "base/support.h"

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

/* Numbers that were read for slots, all without fault, but are not in their places yet. */
typedef struct {
  char *numbers;
  bool *found;
} fal_staged;

/* Reads the tensors that are there; with `all`, each must be. */
falign_status fal_slots_stage(const fal_slot *slots, size_t count, falign_precision precision, bool all,
                              const falign_tensors *tensors, fal_staged *staged);
/* Puts them in their places, or drops them; either way `staged` is done with. */
void fal_slots_commit(const fal_slot *slots, size_t count, falign_precision precision, fal_staged *staged);
void fal_slots_drop(fal_staged *staged);

#endif
