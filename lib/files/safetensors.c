/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "files/file.h"
#include "files/json.h"
#include "files/tensors.h"

enum { LENGTH = 8, MAX_HEADER = 100 * 1000 * 1000, ALIGNMENT = 8 };

static const struct {
  const char *name;
  falign_dtype dtype;
} dtypes[] = {{"F32", FALIGN_DTYPE_F32}, {"F64", FALIGN_DTYPE_F64}, {"I64", FALIGN_DTYPE_I64}, {"U8", FALIGN_DTYPE_U8}};

enum { DTYPES = sizeof dtypes / sizeof *dtypes };

static const char *dtype_name(falign_dtype dtype) {
  size_t i = 0;
  while (dtypes[i].dtype != dtype) i++;
  return dtypes[i].name;
}

static size_t tensor_bytes(const fal_tensor *tensor) { return tensor->elements * fal_dtype_size(tensor->dtype); }

static bool host_is_little_endian(void) {
  const uint16_t one = 1;
  return *(const unsigned char *)&one == 1;
}

static void reverse_bytes(unsigned char *to, const unsigned char *from, size_t size) {
  for (size_t i = 0; i < size; i++) to[i] = from[size - 1 - i];
}

/* ---- Writing ---- */

/* Data are in descending order of element size, so that each tensor is aligned without gaps. */
static const size_t element_sizes[] = {8, 4, 1};

enum { ELEMENT_SIZES = sizeof element_sizes / sizeof *element_sizes };

/* Finds where the data of each tensor begin. */
static void place_data(const falign_tensors *tensors, uint64_t *begins) {
  uint64_t at = 0;
  for (size_t s = 0; s < ELEMENT_SIZES; s++) {
    for (size_t i = 0; i < tensors->names.count; i++) {
      const fal_tensor *tensor = tensors->items[i];
      if (fal_dtype_size(tensor->dtype) != element_sizes[s]) continue;
      begins[i] = at;
      at += tensor_bytes(tensor);
    }
  }
}

static bool add_entry(cJSON *header, const char *name, const fal_tensor *tensor, uint64_t begin) {
  char shape[FAL_MAX_RANK * 21 + 3] = "[", offsets[48];
  size_t length = 1;
  for (size_t i = 0; i < tensor->rank; i++)
    length += (size_t)snprintf(shape + length, sizeof shape - length, "%s%zu", i == 0 ? "" : ",", tensor->dims[i]);
  snprintf(shape + length, sizeof shape - length, "]");
  snprintf(offsets, sizeof offsets, "[%" PRIu64 ",%" PRIu64 "]", begin, begin + tensor_bytes(tensor));
  cJSON *entry = cJSON_AddObjectToObject(header, name);
  return entry && cJSON_AddStringToObject(entry, "dtype", dtype_name(tensor->dtype)) &&
         cJSON_AddRawToObject(entry, "shape", shape) && cJSON_AddRawToObject(entry, "data_offsets", offsets);
}

static bool add_notes(cJSON *header, const falign_tensors *tensors) {
  if (tensors->note_names.count == 0) return true;
  cJSON *notes = cJSON_AddObjectToObject(header, "__metadata__");
  if (!notes) return false;
  for (size_t i = 0; i < tensors->note_names.count; i++) {
    if (!cJSON_AddStringToObject(notes, tensors->note_names.at[i], tensors->notes[i])) return false;
  }
  return true;
}

/* Returns the header as text; NULL if memory is short. Release it with cJSON_free(). */
static char *header_text(const falign_tensors *tensors, const uint64_t *begins) {
  cJSON *header = cJSON_CreateObject();
  bool complete = header && add_notes(header, tensors);
  for (size_t i = 0; complete && i < tensors->names.count; i++)
    complete = add_entry(header, tensors->names.at[i], tensors->items[i], begins[i]);
  char *text = complete ? cJSON_PrintUnformatted(header) : NULL;
  cJSON_Delete(header);
  return text;
}

static void put_header(fal_file *file, const char *text) {
  size_t length = strlen(text), padding = (ALIGNMENT - length % ALIGNMENT) % ALIGNMENT;
  unsigned char prefix[LENGTH];
  for (size_t i = 0; i < LENGTH; i++) prefix[i] = (unsigned char)((uint64_t)(length + padding) >> 8 * i);
  fal_file_put(file, prefix, LENGTH);
  fal_file_put(file, text, length);
  fal_file_put(file, "        ", padding);
}

static void put_data(fal_file *file, const fal_tensor *tensor) {
  size_t size = fal_dtype_size(tensor->dtype);
  if (host_is_little_endian() || size == 1) {
    fal_file_put(file, tensor->data, tensor_bytes(tensor));
    return;
  }
  for (size_t i = 0; i < tensor->elements; i++) {
    unsigned char element[8];
    reverse_bytes(element, tensor->data + i * size, size);
    fal_file_put(file, element, size);
  }
}

static falign_status write_file(const falign_tensors *tensors, const char *header, const char *path) {
  if (strlen(header) > MAX_HEADER - ALIGNMENT)
    return fal_fail(FALIGN_INVALID, "%s would have a header of %zu bytes, more than %d", path, strlen(header),
                    MAX_HEADER);
  fal_file *file;
  FAL_TRY(fal_file_create(path, &file));
  put_header(file, header);
  for (size_t s = 0; s < ELEMENT_SIZES; s++) {
    for (size_t i = 0; i < tensors->names.count; i++) {
      if (fal_dtype_size(tensors->items[i]->dtype) == element_sizes[s]) put_data(file, tensors->items[i]);
    }
  }
  return fal_file_close(file);
}

falign_status falign_tensors_write(const falign_tensors *tensors, const char *path) {
  FAL_GIVEN(tensors);
  FAL_GIVEN(path);
  uint64_t *begins = fal_alloc(tensors->names.count, sizeof *begins);
  char *header = NULL;
  if (begins) {
    place_data(tensors, begins);
    header = header_text(tensors, begins);
  }
  falign_status status =
      header ? write_file(tensors, header, path) : fal_fail(FALIGN_MEMORY, "no memory for the header of %s", path);
  cJSON_free(header);
  free(begins);
  return status;
}

/* ---- Reading ---- */

/* A tensor's entry in the header. The name belongs to the JSON. */
typedef struct {
  const char *name;
  falign_dtype dtype;
  size_t rank;
  size_t dims[FAL_MAX_RANK];
  size_t begin, end;
  fal_tensor *tensor;
} fal_entry;

typedef struct {
  const char *path;
  size_t data_size;
  fal_names names;
  fal_entry *entries;
  size_t capacity;
} fal_header;

static falign_status fail_entry(const fal_header *header, const char *name, const char *what) {
  return fal_fail(FALIGN_FORMAT, "%s: tensor \"%s\" %s", header->path, name, what);
}

/* Reads a whole number from 0 to 2^53; returns false for anything else. */
static bool read_size(const cJSON *item, size_t *out) {
  const double largest = 9007199254740992.0;
  if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= largest)) return false;
  uint64_t value = (uint64_t)item->valuedouble;
  if ((double)value != item->valuedouble || value > SIZE_MAX) return false;
  *out = (size_t)value;
  return true;
}

static falign_status read_dtype(const fal_header *header, const cJSON *item, fal_entry *entry) {
  const char *text = cJSON_GetStringValue(item);
  if (!text) return fail_entry(header, entry->name, "has a dtype that is not a string");
  for (size_t i = 0; i < DTYPES; i++) {
    if (strcmp(text, dtypes[i].name) != 0) continue;
    entry->dtype = dtypes[i].dtype;
    return FALIGN_OK;
  }
  return fal_fail(FALIGN_FORMAT, "%s: tensor \"%s\" has dtype %s; F32, F64, I64 and U8 are supported", header->path,
                  entry->name, text);
}

static falign_status read_shape(const fal_header *header, const cJSON *item, fal_entry *entry) {
  if (!cJSON_IsArray(item)) return fail_entry(header, entry->name, "has a shape that is not an array");
  const cJSON *dim;
  cJSON_ArrayForEach(dim, item) {
    if (entry->rank == FAL_MAX_RANK)
      return fal_fail(FALIGN_FORMAT, "%s: tensor \"%s\" has more than %d dimensions", header->path, entry->name,
                      FAL_MAX_RANK);
    if (!read_size(dim, &entry->dims[entry->rank]))
      return fal_fail(FALIGN_FORMAT, "%s: dimension %zu of tensor \"%s\" is not a whole number", header->path,
                      entry->rank, entry->name);
    entry->rank++;
  }
  return FALIGN_OK;
}

static falign_status read_offsets(const fal_header *header, const cJSON *item, fal_entry *entry) {
  if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) != 2 || !read_size(item->child, &entry->begin) ||
      !read_size(item->child->next, &entry->end))
    return fail_entry(header, entry->name, "has data_offsets that are not two whole numbers");
  if (entry->begin > entry->end)
    return fal_fail(FALIGN_FORMAT, "%s: tensor \"%s\" ends at %zu, before it begins at %zu", header->path, entry->name,
                    entry->end, entry->begin);
  if (entry->end > header->data_size)
    return fal_fail(FALIGN_FORMAT, "%s: tensor \"%s\" ends at %zu, but the data have %zu bytes", header->path,
                    entry->name, entry->end, header->data_size);
  return FALIGN_OK;
}

static falign_status check_size(const fal_header *header, const fal_entry *entry) {
  size_t bytes = fal_dtype_size(entry->dtype);
  for (size_t i = 0; i < entry->rank; i++) {
    if (!fal_mul(bytes, entry->dims[i], &bytes))
      return fail_entry(header, entry->name, "has a shape whose product overflows");
  }
  if (bytes == entry->end - entry->begin) return FALIGN_OK;
  return fal_fail(FALIGN_FORMAT, "%s: tensor \"%s\" has %zu bytes by its shape, %zu by its offsets", header->path,
                  entry->name, bytes, entry->end - entry->begin);
}

static falign_status read_entry(fal_header *header, const cJSON *item) {
  const char *name = item->string;
  if (!*name) return fal_fail(FALIGN_FORMAT, "%s: a tensor has an empty name", header->path);
  if (fal_names_find(&header->names, name) < header->names.count) return fail_entry(header, name, "occurs twice");
  if (!cJSON_IsObject(item)) return fail_entry(header, name, "is not an object");
  const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
  const cJSON *shape = cJSON_GetObjectItemCaseSensitive(item, "shape");
  const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
  if (!dtype || !shape || !offsets || cJSON_GetArraySize(item) != 3)
    return fail_entry(header, name, "must have dtype, shape and data_offsets, each once, and nothing else");
  fal_entry entry = {.name = name};
  FAL_TRY(read_dtype(header, dtype, &entry));
  FAL_TRY(read_shape(header, shape, &entry));
  FAL_TRY(read_offsets(header, offsets, &entry));
  FAL_TRY(check_size(header, &entry));
  fal_entry *entries = fal_grow(header->entries, &header->capacity, header->names.count, sizeof *entries);
  if (!entries) return fal_fail_memory("a header", header->names.count + 1, sizeof *entries);
  header->entries = entries;
  entries[header->names.count] = entry;
  return fal_names_add(&header->names, name);
}

static falign_status read_notes(const char *path, const cJSON *item, falign_tensors *tensors) {
  if (!cJSON_IsObject(item)) return fal_fail(FALIGN_FORMAT, "%s: __metadata__ is not an object", path);
  const cJSON *note;
  cJSON_ArrayForEach(note, item) {
    if (!cJSON_IsString(note)) return fal_fail(FALIGN_FORMAT, "%s: note \"%s\" is not a string", path, note->string);
    if (falign_tensors_note(tensors, note->string))
      return fal_fail(FALIGN_FORMAT, "%s: note \"%s\" occurs twice", path, note->string);
    FAL_TRY(falign_tensors_set_note(tensors, note->string, note->valuestring));
  }
  return FALIGN_OK;
}

static falign_status read_entries(fal_header *header, const cJSON *json, falign_tensors *tensors) {
  const cJSON *item, *metadata = NULL;
  cJSON_ArrayForEach(item, json) {
    if (strcmp(item->string, "__metadata__") != 0) {
      FAL_TRY(read_entry(header, item));
      continue;
    }
    if (metadata) return fal_fail(FALIGN_FORMAT, "%s: __metadata__ occurs twice", header->path);
    metadata = item;
    FAL_TRY(read_notes(header->path, item, tensors));
  }
  return FALIGN_OK;
}

static int compare_entries(const void *a, const void *b) {
  const fal_entry *x = *(fal_entry *const *)a, *y = *(fal_entry *const *)b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end);
}

/* Checks that the tensors, in the order of their data, cover the data exactly. */
static falign_status check_cover(const fal_header *header, fal_entry *const *sorted) {
  size_t at = 0;
  const char *before = "";
  for (size_t i = 0; i < header->names.count; i++) {
    const fal_entry *entry = sorted[i];
    if (entry->begin < at)
      return fal_fail(FALIGN_FORMAT, "%s: tensor \"%s\" begins at %zu, but \"%s\" before it ends at %zu", header->path,
                      entry->name, entry->begin, before, at);
    if (entry->begin > at)
      return fal_fail(FALIGN_FORMAT, "%s: bytes %zu to %zu before tensor \"%s\" belong to none", header->path, at,
                      entry->begin, entry->name);
    at = entry->end;
    before = entry->name;
  }
  if (at == header->data_size) return FALIGN_OK;
  return fal_fail(FALIGN_FORMAT, "%s: the tensors end at %zu, but the data have %zu bytes", header->path, at,
                  header->data_size);
}

static void swap_to_host_order(fal_tensor *tensor) {
  size_t size = fal_dtype_size(tensor->dtype);
  if (host_is_little_endian() || size == 1) return;
  for (size_t i = 0; i < tensor->elements; i++) {
    unsigned char element[8];
    memcpy(element, tensor->data + i * size, size);
    reverse_bytes(tensor->data + i * size, element, size);
  }
}

/* Adds the tensors in the order of the header and reads them in that of their data. */
static falign_status read_data(fal_source *source, const fal_header *header, fal_entry **sorted,
                               falign_tensors *tensors) {
  size_t count = header->names.count;
  for (size_t i = 0; i < count; i++) sorted[i] = &header->entries[i];
  qsort(sorted, count, sizeof(fal_entry *), compare_entries);
  FAL_TRY(check_cover(header, sorted));
  for (size_t i = 0; i < count; i++) {
    fal_entry *entry = &header->entries[i];
    FAL_TRY(fal_tensors_reserve(tensors, entry->name, entry->dtype, entry->dims, entry->rank, &entry->tensor));
  }
  for (size_t i = 0; i < count; i++) {
    FAL_TRY(fal_source_read(source, sorted[i]->tensor->data, sorted[i]->end - sorted[i]->begin));
    swap_to_host_order(sorted[i]->tensor);
  }
  return FALIGN_OK;
}

static falign_status read_tensors(fal_source *source, size_t header_size, const cJSON *json, falign_tensors *tensors) {
  fal_header header = {.path = source->path, .data_size = source->size - LENGTH - header_size};
  falign_status status = read_entries(&header, json, tensors);
  fal_entry **sorted = NULL;
  if (status == FALIGN_OK) {
    sorted = fal_alloc(header.names.count, sizeof(fal_entry *));
    status = sorted ? read_data(source, &header, sorted, tensors)
                    : fal_fail_memory("a header", header.names.count, sizeof(fal_entry *));
  }
  free(sorted);
  free(header.entries);
  fal_names_release(&header.names);
  return status;
}

static falign_status read_length(fal_source *source, size_t *out) {
  if (source->size < LENGTH)
    return fal_fail(FALIGN_FORMAT, "%s has %zu bytes, too few for a safetensors file", source->path, source->size);
  unsigned char prefix[LENGTH];
  FAL_TRY(fal_source_read(source, prefix, LENGTH));
  uint64_t length = 0;
  for (size_t i = 0; i < LENGTH; i++) length |= (uint64_t)prefix[i] << 8 * i;
  if (length > MAX_HEADER)
    return fal_fail(FALIGN_FORMAT,
                    "%s is not a safetensors file: its header would have %" PRIu64 " bytes, more than %d", source->path,
                    length, MAX_HEADER);
  if (length > source->size - LENGTH)
    return fal_fail(FALIGN_FORMAT, "%s: its header would have %" PRIu64 " bytes, but only %zu follow", source->path,
                    length, source->size - LENGTH);
  *out = (size_t)length;
  return FALIGN_OK;
}

static falign_status read_json_header(fal_source *source, size_t *size, cJSON **out) {
  FAL_TRY(read_length(source, size));
  char *text = fal_alloc(*size + 1, 1);
  if (!text) return fal_fail_memory("a header", *size + 1, 1);
  falign_status status = fal_source_read(source, text, *size);
  text[*size] = '\0';
  if (status == FALIGN_OK) status = fal_json_parse(source->path, text, *size, out);
  free(text);
  return status;
}

falign_status falign_tensors_read(const char *path, falign_tensors **out) {
  FAL_GIVEN(path);
  FAL_GIVEN(out);
  fal_source source;
  FAL_TRY(fal_source_open(path, &source));
  cJSON *json = NULL;
  falign_tensors *tensors = NULL;
  size_t header_size = 0;
  falign_status status = read_json_header(&source, &header_size, &json);
  if (status == FALIGN_OK) status = falign_tensors_create(&tensors);
  if (status == FALIGN_OK) status = read_tensors(&source, header_size, json, tensors);
  fal_source_close(&source);
  cJSON_Delete(json);
  if (status == FALIGN_OK) {
    *out = tensors;
  } else {
    falign_tensors_destroy(tensors);
  }
  return status;
}
