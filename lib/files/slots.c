/* SPDX-License-Identifier: Apache-2.0 */
#include "files/slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/tensors.h"
#include "math/matrix.h"

static size_t slot_elements(const fal_slot *slot) { return slot->rows ? slot->rows * slot->cols : slot->cols; }

/* Writes the dimensions of a slot's tensor and returns how many there are. */
static size_t slot_dims(const fal_slot *slot, size_t dims[2]) {
  if (slot->rows == 0) {
    dims[0] = slot->cols;
    return 1;
  }
  dims[0] = slot->rows;
  dims[1] = slot->cols;
  return 2;
}

falign_status fal_slots_export(const fal_slot *slots, size_t count, falign_precision precision,
                               falign_tensors *tensors) {
  size_t before = falign_tensors_count(tensors);
  for (size_t i = 0; i < count; i++) {
    size_t dims[2];
    size_t rank = slot_dims(&slots[i], dims);
    falign_status status =
        fal_tensors_add_real(tensors, slots[i].prefix, slots[i].index, precision, slots[i].data, dims, rank);
    if (status == FALIGN_OK) continue;
    fal_tensors_truncate(tensors, before);
    return status;
  }
  return FALIGN_OK;
}

static falign_status read_slots(const fal_slot *slots, size_t count, falign_precision precision, bool all,
                                const falign_tensors *tensors, fal_staged *staged) {
  char *to = staged->numbers;
  for (size_t i = 0; i < count; i++) {
    char name[32];
    snprintf(name, sizeof name, "%s.%u", slots[i].prefix, slots[i].index);
    staged->found[i] = falign_tensors_has(tensors, name);
    if (!staged->found[i] && all) return fal_fail(FALIGN_FORMAT, "there is no tensor %s", name);
    if (staged->found[i]) {
      size_t dims[2];
      size_t rank = slot_dims(&slots[i], dims);
      FAL_TRY(fal_tensors_read_real(tensors, name, precision, dims, rank, to));
    }
    to += slot_elements(&slots[i]) * fal_element(precision);
  }
  return FALIGN_OK;
}

falign_status fal_slots_stage(const fal_slot *slots, size_t count, falign_precision precision, bool all,
                              const falign_tensors *tensors, fal_staged *staged) {
  size_t element = fal_element(precision), total = 0;
  for (size_t i = 0; i < count; i++) total += slot_elements(&slots[i]);
  staged->numbers = fal_alloc(total, element);
  staged->found = fal_zalloc(count, sizeof *staged->found);
  falign_status status = staged->numbers && staged->found ? FALIGN_OK : fal_fail_memory("tensors", total, element);
  if (status == FALIGN_OK) status = read_slots(slots, count, precision, all, tensors, staged);
  if (status != FALIGN_OK) fal_slots_discard(staged);
  return status;
}

void fal_slots_commit(const fal_slot *slots, size_t count, falign_precision precision, fal_staged *staged) {
  const char *from = staged->numbers;
  for (size_t i = 0; i < count; i++) {
    size_t bytes = slot_elements(&slots[i]) * fal_element(precision);
    if (staged->found[i]) memcpy(slots[i].data, from, bytes);
    from += bytes;
  }
  fal_slots_discard(staged);
}

void fal_slots_discard(fal_staged *staged) {
  free(staged->numbers);
  free(staged->found);
}
