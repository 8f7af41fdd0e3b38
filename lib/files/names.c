/* SPDX-License-Identifier: Apache-2.0 */
#include "files/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

/* Finds the slot that holds a name, or the empty slot where it belongs. */
static size_t *find_slot(const fal_names *names, const char *name) {
  uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
  for (const char *c = name; *c; c++) hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
  size_t mask = names->slot_count - 1, at = (size_t)(hash ^ hash >> 32) & mask;
  while (names->slots[at] != 0 && strcmp(names->at[names->slots[at] - 1], name) != 0) at = (at + 1) & mask;
  return &names->slots[at];
}

size_t fal_names_find(const fal_names *names, const char *name) {
  if (names->slot_count == 0) return names->count;
  size_t slot = *find_slot(names, name);
  return slot == 0 ? names->count : slot - 1;
}

static void fill_slots(fal_names *names) {
  for (size_t i = 0; i < names->count; i++) *find_slot(names, names->at[i]) = i + 1;
}

/* Makes room for one more name, with at most half of the slots in use. */
static bool grow_names(fal_names *names) {
  char **at = fal_grow(names->at, &names->capacity, names->count, sizeof *at);
  if (!at) return false;
  names->at = at;
  if (names->slot_count >= 2 * names->capacity) return true;
  size_t *slots = fal_zalloc(2 * names->capacity, sizeof *slots);
  if (!slots) return false;
  free(names->slots);
  names->slots = slots;
  names->slot_count = 2 * names->capacity;
  fill_slots(names);
  return true;
}

falign_status fal_names_add(fal_names *names, const char *name) {
  char *copy = fal_strdup(name);
  if (!copy || !grow_names(names)) {
    free(copy);
    return fal_fail_memory("a name", strlen(name) + 1, 1);
  }
  names->at[names->count] = copy;
  *find_slot(names, name) = names->count + 1;
  names->count++;
  return FALIGN_OK;
}

falign_status fal_names_intern(fal_names *names, const char *name, int32_t *out) {
  size_t index = fal_names_find(names, name);
  if (index == names->count) {
    if (index == INT32_MAX) return fal_fail(FALIGN_MEMORY, "there is room for %zu different names", index);
    FAL_TRY(fal_names_add(names, name));
  }
  *out = (int32_t)index;
  return FALIGN_OK;
}

void fal_names_truncate(fal_names *names, size_t count) {
  while (names->count > count) free(names->at[--names->count]);
  for (size_t i = 0; i < names->slot_count; i++) names->slots[i] = 0;
  fill_slots(names);
}

void fal_names_release(fal_names *names) {
  for (size_t i = 0; i < names->count; i++) free(names->at[i]);
  free(names->at);
  free(names->slots);
}
