/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/similarity.h"

#include <stdlib.h>
#include <string.h>

static size_t class_count(const fal_classes *classes) { return 2 * (size_t)classes->categories; }

falign_status fal_classes_init(fal_classes *classes, uint32_t categories, size_t rows) {
  fal_classes made = {.categories = categories};
  size_t starts = class_count(&made) + 2; /* with one more, which sorting needs */
  made.order = fal_alloc(rows, sizeof *made.order);
  made.starts = fal_alloc(starts, sizeof *made.starts);
  if (!made.order || !made.starts) {
    fal_classes_clear(&made);
    return fal_fail_memory("classes of points", rows + starts, sizeof *made.starts);
  }
  *classes = made;
  return FALIGN_OK;
}

void fal_classes_clear(fal_classes *classes) {
  free(classes->order);
  free(classes->starts);
  *classes = (fal_classes){0};
}

static size_t class_of(const fal_classes *classes, uint32_t label, bool well) {
  return well ? label : (size_t)classes->categories + label;
}

/* Counting sort: next[c] is where class c begins at first, and where class c + 1 begins at the end. */
void fal_classes_sort(fal_classes *classes, const uint32_t *labels, const bool *well, size_t rows) {
  size_t count = class_count(classes), *starts = classes->starts, *next = starts + 1;
  memset(starts, 0, (count + 2) * sizeof *starts);
  for (size_t i = 0; i < rows; i++) next[class_of(classes, labels[i], well && well[i]) + 1]++;
  for (size_t c = 1; c <= count; c++) next[c] += next[c - 1];
  for (size_t i = 0; i < rows; i++) {
    classes->order[next[class_of(classes, labels[i], well && well[i])]++] = (uint32_t)i;
  }
}
