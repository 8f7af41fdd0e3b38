/* SPDX-License-Identifier: Apache-2.0 */
#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/support.h"

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): count and size, as for calloc() */
void *fal_grow(void *array, size_t *capacity, size_t count, size_t size) {
  if (count < *capacity) return array;
  size_t bytes, larger = *capacity < 8 ? 8 : *capacity;
  if (!fal_mul(larger, 2, &larger) || !fal_mul(larger, size, &bytes) || bytes > PTRDIFF_MAX) return NULL;
  void *grown = realloc(array, bytes);
  if (grown) *capacity = larger;
  return grown;
}
