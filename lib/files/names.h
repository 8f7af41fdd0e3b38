/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_NAMES_H
#define FAL_NAMES_H

#include "base/support.h"

/* A set of names in the order in which they were added, with a hash table. All zeros is the empty set. */
typedef struct {
  char **at;
  size_t count;
  size_t capacity;
  size_t *slots; /* index + 1 of the name in this slot; 0 if it is empty */
  size_t slot_count;
} fal_names;

/* Returns the index of a name; `count` if it is not in the set. */
size_t fal_names_find(const fal_names *names, const char *name);
/* Appends a name that is not in the set. */
falign_status fal_names_add(fal_names *names, const char *name);
/* Finds a name, or appends it. */
falign_status fal_names_intern(fal_names *names, const char *name, int32_t *out);
/* Removes all names but the first `count`. */
void fal_names_truncate(fal_names *names, size_t count);
void fal_names_release(fal_names *names);

#endif
