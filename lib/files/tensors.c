/* SPDX-License-Identifier: Apache-2.0 */
#include "files/tensors.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "math/matrix.h"

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

/* Makes a tensor without values. Returns NULL if its size overflows or memory is short. */
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

static falign_status check_new_tensor(const falign_tensors *tensors, const char *name, falign_dtype dtype,
                                      const size_t *dims, size_t rank) {
  if (!*name || strcmp(name, "__metadata__") == 0)
    return fal_fail(FALIGN_INVALID, "a tensor cannot have the name \"%s\"", name);
  if (falign_tensors_has(tensors, name)) return fal_fail(FALIGN_INVALID, "tensor \"%s\" already exists", name);
  if (fal_dtype_size(dtype) == 0)
    return fal_fail(FALIGN_INVALID, "tensor \"%s\" has the unknown dtype %" PRId32, name, dtype);
  if (rank > FAL_MAX_RANK)
    return fal_fail(FALIGN_INVALID, "tensor \"%s\" has rank %zu, at most %d is possible", name, rank, FAL_MAX_RANK);
  if (rank > 0) FAL_GIVEN(dims);
  return FALIGN_OK;
}

falign_status fal_tensors_reserve(falign_tensors *tensors, const char *name, falign_dtype dtype, const size_t *dims,
                                  size_t rank, fal_tensor **out) {
  FAL_TRY(check_new_tensor(tensors, name, dtype, dims, rank));
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
  FAL_TRY(check_new_tensor(tensors, name, dtype, dims, rank));
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

static falign_status find_tensor(const falign_tensors *tensors, const char *name, const fal_tensor **out) {
  FAL_GIVEN(tensors);
  FAL_GIVEN(name);
  size_t index = fal_names_find(&tensors->names, name);
  if (index == tensors->names.count) return fal_fail(FALIGN_INVALID, "there is no tensor \"%s\"", name);
  *out = tensors->items[index];
  return FALIGN_OK;
}

falign_status falign_tensors_view(const falign_tensors *tensors, const char *name, falign_tensor *out) {
  const fal_tensor *tensor;
  FAL_GIVEN(out);
  FAL_TRY(find_tensor(tensors, name, &tensor));
  *out = (falign_tensor){.dtype = tensor->dtype, .rank = tensor->rank, .dims = tensor->dims, .data = tensor->data};
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

/* Checks that a tensor has these dimensions, at most 2. */
static falign_status check_dims(const char *name, const fal_tensor *tensor, const size_t *dims, size_t rank) {
  if (rank == tensor->rank && (rank == 0 || memcmp(dims, tensor->dims, rank * sizeof *dims) == 0)) return FALIGN_OK;
  char has[SHAPE_TEXT], want[SHAPE_TEXT];
  return fal_fail(FALIGN_SHAPE, "tensor \"%s\" is %s, not %s", name, shape_text(has, tensor->dims, tensor->rank),
                  shape_text(want, dims, rank));
}

/* Checks that all numbers of a tensor are finite in the given precision. */
static falign_status check_reals(const char *name, const fal_tensor *tensor, falign_precision precision) {
  double largest = precision == FALIGN_F32 ? (double)FLT_MAX : DBL_MAX;
  for (size_t i = 0; i < tensor->elements; i++) {
    double value = fal_number(tensor->dtype, tensor->data, i);
    if (!isfinite(value)) return fal_fail(FALIGN_INVALID, "tensor \"%s\" has %g at index %zu", name, value, i);
    if (fabs(value) > largest)
      return fal_fail(FALIGN_INVALID, "tensor \"%s\" has %.17g at index %zu, too large for single precision", name,
                      value, i);
  }
  return FALIGN_OK;
}

static falign_status find_reals(const falign_tensors *tensors, const char *name, const fal_tensor **out) {
  FAL_TRY(find_tensor(tensors, name, out));
  falign_dtype dtype = (*out)->dtype;
  if (dtype == FALIGN_DTYPE_F32 || dtype == FALIGN_DTYPE_F64) return FALIGN_OK;
  return fal_fail(FALIGN_FORMAT, "tensor \"%s\" holds integers, not reals", name);
}

/* Copies a tensor with as many elements as the matrix has. */
static falign_status copy_reals(const char *name, const fal_tensor *tensor, const falign_matrix *out) {
  FAL_TRY(check_reals(name, tensor, out->precision));
  falign_view from = fal_view_plain(tensor->data, tensor->dtype, out->rows, out->cols);
  fal_copy(out, &from);
  return FALIGN_OK;
}

falign_status falign_tensors_get(const falign_tensors *tensors, const char *name, const falign_matrix *out) {
  const fal_tensor *tensor;
  FAL_TRY(fal_check_matrix("out", -1, out));
  FAL_TRY(find_reals(tensors, name, &tensor));
  const size_t dims[2] = {out->rows, out->cols};
  bool is_row = tensor->rank == 1 && out->rows == 1;
  bool is_number = tensor->rank == 0 && out->rows == 1 && out->cols == 1;
  if (!is_number) FAL_TRY(is_row ? check_dims(name, tensor, dims + 1, 1) : check_dims(name, tensor, dims, 2));
  return copy_reals(name, tensor, out);
}

falign_status fal_tensors_read_real(const falign_tensors *tensors, const char *name, falign_precision precision,
                                    const size_t *dims, size_t rank, void *out) {
  const fal_tensor *tensor;
  FAL_TRY(find_reals(tensors, name, &tensor));
  FAL_TRY(check_dims(name, tensor, dims, rank));
  falign_matrix row = fal_matrix_plain(out, precision, 1, tensor->elements);
  return copy_reals(name, tensor, &row);
}

/* Appends a note without its text. */
static falign_status add_note(falign_tensors *tensors, const char *name) {
  char **notes = fal_grow(tensors->notes, &tensors->note_capacity, tensors->note_names.count, sizeof *notes);
  if (!notes) return fal_fail_memory("notes", tensors->note_names.count + 1, sizeof *notes);
  tensors->notes = notes;
  notes[tensors->note_names.count] = NULL;
  return fal_names_add(&tensors->note_names, name);
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): a name and its text */
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
