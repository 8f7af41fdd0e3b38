/* SPDX-License-Identifier: Apache-2.0 */
#include "files/tensors.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/support.h"

void *fal_grow(void *array, size_t *capacity, size_t count, size_t size) {
  if (count < *capacity) return array;
  size_t bytes, larger = *capacity < 8 ? 8 : *capacity;
  if (!fal_mul(larger, 2, &larger) || !fal_mul(larger, size, &bytes) || bytes > PTRDIFF_MAX) return NULL;
  void *grown = realloc(array, bytes);
  if (grown) *capacity = larger;
  return grown;
}

/* The slot that holds a name, or the empty one where it would go. */
static size_t *slot_of(const fal_names *names, const char *name) {
  uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
  for (const char *c = name; *c; c++) hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
  size_t mask = names->slot_count - 1, at = (size_t)(hash ^ hash >> 32) & mask;
  while (names->slots[at] != 0 && strcmp(names->at[names->slots[at] - 1], name) != 0) at = (at + 1) & mask;
  return &names->slots[at];
}

size_t fal_names_find(const fal_names *names, const char *name) {
  if (names->slot_count == 0) return names->count;
  size_t slot = *slot_of(names, name);
  return slot == 0 ? names->count : slot - 1;
}

static void fill_slots(fal_names *names) {
  for (size_t i = 0; i < names->count; i++) *slot_of(names, names->at[i]) = i + 1;
}

/* Makes room for one more name, with at most half of the slots in use. */
static bool names_grow(fal_names *names) {
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
  if (!copy || !names_grow(names)) {
    free(copy);
    return fal_fail_memory("a name", strlen(name) + 1, 1);
  }
  names->at[names->count] = copy;
  *slot_of(names, name) = names->count + 1;
  names->count++;
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

falign_status falign_tensors_create(falign_tensors **out) {
  FAL_GIVEN(out);
  falign_tensors *tensors = fal_zalloc(1, sizeof *tensors);
  if (!tensors) return fal_fail_memory("a set of tensors", 1, sizeof *tensors);
  *out = tensors;
  return FALIGN_OK;
}

void falign_tensors_destroy(falign_tensors *tensors) {
  if (!tensors) return;
  for (size_t i = 0; i < tensors->names.count; i++) free(tensors->items[i]);
  for (size_t i = 0; i < tensors->note_names.count; i++) free(tensors->notes[i]);
  fal_names_release(&tensors->names);
  fal_names_release(&tensors->note_names);
  free(tensors->items);
  free(tensors->notes);
  free(tensors);
}

size_t fal_dtype_size(falign_dtype dtype) {
  switch (dtype) {
    case FALIGN_DTYPE_F32: return sizeof(float);
    case FALIGN_DTYPE_F64: return sizeof(double);
    case FALIGN_DTYPE_I64: return sizeof(int64_t);
    case FALIGN_DTYPE_U8: return 1;
    default: return 0;
  }
}

/* A tensor without values; NULL where its size overflows or memory is short. */
static fal_tensor *new_tensor(falign_dtype dtype, const size_t *dims, size_t rank) {
  size_t elements = 1, bytes;
  for (size_t i = 0; i < rank; i++) {
    if (!fal_mul(elements, dims[i], &elements)) return NULL;
  }
  if (!fal_mul(elements, fal_dtype_size(dtype), &bytes) || bytes > PTRDIFF_MAX - sizeof(fal_tensor)) return NULL;
  fal_tensor *tensor = fal_alloc(sizeof *tensor + bytes, 1);
  if (!tensor) return NULL;
  tensor->dtype = dtype;
  tensor->rank = rank;
  tensor->elements = elements;
  for (size_t i = 0; i < rank; i++) tensor->dims[i] = dims[i];
  return tensor;
}

static falign_status check_new(const falign_tensors *tensors, const char *name, falign_dtype dtype, const size_t *dims,
                               size_t rank) {
  if (!*name || strcmp(name, "__metadata__") == 0)
    return fal_fail(FALIGN_INVALID, "a tensor cannot have the name \"%s\"", name);
  if (falign_tensors_has(tensors, name)) return fal_fail(FALIGN_INVALID, "tensor \"%s\" is there already", name);
  if (fal_dtype_size(dtype) == 0)
    return fal_fail(FALIGN_INVALID, "tensor \"%s\" has the unknown dtype %" PRId32, name, dtype);
  if (rank > FAL_MAX_RANK)
    return fal_fail(FALIGN_INVALID, "tensor \"%s\" has rank %zu, at most %d is possible", name, rank, FAL_MAX_RANK);
  if (rank > 0) FAL_GIVEN(dims);
  return FALIGN_OK;
}

falign_status fal_tensors_reserve(falign_tensors *tensors, const char *name, falign_dtype dtype, const size_t *dims,
                                  size_t rank, fal_tensor **out) {
  FAL_TRY(check_new(tensors, name, dtype, dims, rank));
  fal_tensor **items = fal_grow(tensors->items, &tensors->capacity, tensors->names.count, sizeof(fal_tensor *));
  if (items) tensors->items = items;
  fal_tensor *tensor = items ? new_tensor(dtype, dims, rank) : NULL;
  if (!tensor) return fal_fail(FALIGN_MEMORY, "no memory for tensor \"%s\"", name);
  falign_status status = fal_names_add(&tensors->names, name);
  if (status != FALIGN_OK) {
    free(tensor);
    return status;
  }
  items[tensors->names.count - 1] = tensor;
  *out = tensor;
  return FALIGN_OK;
}

void fal_tensors_truncate(falign_tensors *tensors, size_t count) {
  for (size_t i = count; i < tensors->names.count; i++) free(tensors->items[i]);
  fal_names_truncate(&tensors->names, count);
}

falign_status falign_tensors_add(falign_tensors *tensors, const char *name, falign_dtype dtype, const size_t *dims,
                                 size_t rank, const void *data) {
  FAL_GIVEN(tensors);
  FAL_GIVEN(name);
  FAL_TRY(check_new(tensors, name, dtype, dims, rank));
  bool empty = false;
  for (size_t i = 0; i < rank; i++) empty = empty || dims[i] == 0;
  if (!empty) FAL_GIVEN(data);
  fal_tensor *tensor;
  FAL_TRY(fal_tensors_reserve(tensors, name, dtype, dims, rank, &tensor));
  if (!empty) memcpy(tensor->data, data, tensor->elements * fal_dtype_size(dtype));
  return FALIGN_OK;
}

falign_status fal_tensors_add_real(falign_tensors *tensors, const char *prefix, int64_t index,
                                   falign_precision precision, const void *data, const size_t *dims, size_t rank) {
  falign_dtype dtype = precision == FALIGN_F32 ? FALIGN_DTYPE_F32 : FALIGN_DTYPE_F64;
  if (index < 0) return falign_tensors_add(tensors, prefix, dtype, dims, rank, data);
  char name[64];
  snprintf(name, sizeof name, "%s.%" PRId64, prefix, index);
  return falign_tensors_add(tensors, name, dtype, dims, rank, data);
}

size_t falign_tensors_count(const falign_tensors *tensors) { return tensors ? tensors->names.count : 0; }

const char *falign_tensors_name_at(const falign_tensors *tensors, size_t index) {
  return index < falign_tensors_count(tensors) ? tensors->names.at[index] : NULL;
}

int32_t falign_tensors_has(const falign_tensors *tensors, const char *name) {
  return tensors && name && fal_names_find(&tensors->names, name) < tensors->names.count;
}

static falign_status find(const falign_tensors *tensors, const char *name, const fal_tensor **out) {
  FAL_GIVEN(tensors);
  FAL_GIVEN(name);
  size_t index = fal_names_find(&tensors->names, name);
  if (index == tensors->names.count) return fal_fail(FALIGN_INVALID, "there is no tensor \"%s\"", name);
  *out = tensors->items[index];
  return FALIGN_OK;
}

falign_status falign_tensors_view(const falign_tensors *tensors, const char *name, falign_dtype *dtype,
                                  const size_t **dims, size_t *rank, const void **data) {
  const fal_tensor *tensor;
  FAL_TRY(find(tensors, name, &tensor));
  if (dtype) *dtype = tensor->dtype;
  if (dims) *dims = tensor->dims;
  if (rank) *rank = tensor->rank;
  if (data) *data = tensor->data;
  return FALIGN_OK;
}

enum { SHAPE_TEXT = FAL_MAX_RANK * 22 + 3 };

/* "[50, 10]" */
static const char *shape_text(char *text, const size_t *dims, size_t rank) {
  size_t at = 1;
  text[0] = '[';
  for (size_t i = 0; i < rank; i++)
    at += (size_t)snprintf(text + at, SHAPE_TEXT - at, "%s%zu", i == 0 ? "" : ", ", dims[i]);
  snprintf(text + at, SHAPE_TEXT - at, "]");
  return text;
}

static falign_status check_shape(const char *name, const fal_tensor *tensor, const size_t *dims, size_t rank) {
  if (rank > 0) FAL_GIVEN(dims);
  if (rank > FAL_MAX_RANK)
    return fal_fail(FALIGN_SHAPE, "tensor \"%s\" has rank %zu, not %zu", name, tensor->rank, rank);
  if (rank == tensor->rank && (rank == 0 || memcmp(dims, tensor->dims, rank * sizeof *dims) == 0)) return FALIGN_OK;
  char has[SHAPE_TEXT], want[SHAPE_TEXT];
  return fal_fail(FALIGN_SHAPE, "tensor \"%s\" is %s, not %s", name, shape_text(has, tensor->dims, tensor->rank),
                  shape_text(want, dims, rank));
}

/* Finds a tensor of reals whose numbers are all finite and at most `largest`. */
static falign_status find_real(const falign_tensors *tensors, const char *name, const size_t *dims, size_t rank,
                               double largest, const fal_tensor **out) {
  const fal_tensor *tensor;
  FAL_TRY(find(tensors, name, &tensor));
  if (tensor->dtype != FALIGN_DTYPE_F32 && tensor->dtype != FALIGN_DTYPE_F64)
    return fal_fail(FALIGN_FORMAT, "tensor \"%s\" holds integers, not reals", name);
  FAL_TRY(check_shape(name, tensor, dims, rank));
  for (size_t i = 0; i < tensor->elements; i++) {
    double value = fal_number(tensor->dtype, tensor->data, i);
    if (!isfinite(value)) return fal_fail(FALIGN_INVALID, "tensor \"%s\" has %g at index %zu", name, value, i);
    if (fabs(value) > largest)
      return fal_fail(FALIGN_INVALID, "tensor \"%s\" has %.17g at index %zu, too large for single precision", name,
                      value, i);
  }
  *out = tensor;
  return FALIGN_OK;
}

falign_status falign_tensors_read_f32(const falign_tensors *tensors, const char *name, const size_t *dims, size_t rank,
                                      float *out) {
  FAL_GIVEN(out);
  const fal_tensor *tensor;
  FAL_TRY(find_real(tensors, name, dims, rank, FLT_MAX, &tensor));
  for (size_t i = 0; i < tensor->elements; i++) out[i] = (float)fal_number(tensor->dtype, tensor->data, i);
  return FALIGN_OK;
}

falign_status falign_tensors_read_f64(const falign_tensors *tensors, const char *name, const size_t *dims, size_t rank,
                                      double *out) {
  FAL_GIVEN(out);
  const fal_tensor *tensor;
  FAL_TRY(find_real(tensors, name, dims, rank, DBL_MAX, &tensor));
  for (size_t i = 0; i < tensor->elements; i++) out[i] = fal_number(tensor->dtype, tensor->data, i);
  return FALIGN_OK;
}

falign_status fal_tensors_read_real(const falign_tensors *tensors, const char *name, falign_precision precision,
                                    const size_t *dims, size_t rank, void *out) {
  if (precision == FALIGN_F32) return falign_tensors_read_f32(tensors, name, dims, rank, out);
  return falign_tensors_read_f64(tensors, name, dims, rank, out);
}

/* Appends a note whose text is yet to be set. */
static falign_status add_note(falign_tensors *tensors, const char *name) {
  char **notes = fal_grow(tensors->notes, &tensors->note_capacity, tensors->note_names.count, sizeof *notes);
  if (!notes) return fal_fail_memory("notes", tensors->note_names.count + 1, sizeof *notes);
  tensors->notes = notes;
  notes[tensors->note_names.count] = NULL;
  return fal_names_add(&tensors->note_names, name);
}

falign_status falign_tensors_set_note(falign_tensors *tensors, const char *name, const char *text) {
  FAL_GIVEN(tensors);
  FAL_GIVEN(name);
  FAL_GIVEN(text);
  char *copy = fal_strdup(text);
  if (!copy) return fal_fail_memory("a note", strlen(text) + 1, 1);
  size_t index = fal_names_find(&tensors->note_names, name);
  falign_status status = index < tensors->note_names.count ? FALIGN_OK : add_note(tensors, name);
  if (status != FALIGN_OK) {
    free(copy);
    return status;
  }
  free(tensors->notes[index]);
  tensors->notes[index] = copy;
  return FALIGN_OK;
}

const char *falign_tensors_note(const falign_tensors *tensors, const char *name) {
  if (!tensors || !name) return NULL;
  size_t index = fal_names_find(&tensors->note_names, name);
  return index < tensors->note_names.count ? tensors->notes[index] : NULL;
}
