/* SPDX-License-Identifier: Apache-2.0 */
#include "tensors/slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensors/tensors.h"

static size_t slot_elements(const fal_slot *slot) { return slot->rows ? slot->rows * slot->cols : slot->cols; }

/* The dimensions of a slot's tensor; returns their number. */
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

/* Reads all slots that are there to `staged`, one after the other, and marks them in `found`. */
static falign_status stage(const fal_slot *slots, size_t count, falign_precision precision, bool all,
                           const falign_tensors *tensors, char *staged, bool *found) {
  for (size_t i = 0; i < count; i++) {
    char name[32];
    snprintf(name, sizeof name, "%s.%u", slots[i].prefix, slots[i].index);
    found[i] = falign_tensors_has(tensors, name);
    if (!found[i] && all) return fal_fail(FALIGN_FORMAT, "there is no tensor %s", name);
    if (found[i]) {
      size_t dims[2];
      size_t rank = slot_dims(&slots[i], dims);
      FAL_TRY(fal_tensors_read_real(tensors, name, precision, dims, rank, staged));
    }
    staged += slot_elements(&slots[i]) * fal_element(precision);
  }
  return FALIGN_OK;
}

falign_status fal_slots_import(const fal_slot *slots, size_t count, falign_precision precision, bool all,
                               const falign_tensors *tensors) {
  size_t element = fal_element(precision), total = 0;
  for (size_t i = 0; i < count; i++) total += slot_elements(&slots[i]);
  char *staged = fal_alloc(total, element);
  bool *found = fal_zalloc(count, sizeof *found);
  falign_status status = staged && found ? FALIGN_OK : fal_fail_memory("tensors", total, element);
  if (status == FALIGN_OK) status = stage(slots, count, precision, all, tensors, staged, found);
  const char *from = staged;
  for (size_t i = 0; i < count && status == FALIGN_OK; i++) {
    size_t bytes = slot_elements(&slots[i]) * element;
    if (found[i]) memcpy(slots[i].data, from, bytes);
    from += bytes;
  }
  free(staged);
  free(found);
  return status;
}
