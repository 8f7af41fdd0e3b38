/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "files/table.h"
#include "files/tensors.h"

/* Tables as tensors: one for each column, with indices in place of names, and one for each set of names, each name
 * followed by a 0. */

typedef struct {
  const char *name;
  size_t offset, size;
  falign_dtype dtype;
} fal_column;

#define COLUMN(field, type) \
  { "table." #field, offsetof(fal_row, field), sizeof(((fal_row *)0)->field), type }

static const fal_column columns[] = {COLUMN(condition, FALIGN_DTYPE_I64), COLUMN(run, FALIGN_DTYPE_I64),
                                     COLUMN(iteration, FALIGN_DTYPE_I64), COLUMN(epoch, FALIGN_DTYPE_F64),
                                     COLUMN(layer, FALIGN_DTYPE_I64),     COLUMN(order, FALIGN_DTYPE_I64),
                                     COLUMN(metric, FALIGN_DTYPE_I64),    COLUMN(value, FALIGN_DTYPE_F64)};

enum { COLUMNS = sizeof columns / sizeof *columns, CELL = 8 };

static void load_cell(const fal_column *column, const fal_row *row, unsigned char *cell) {
  const unsigned char *field = (const unsigned char *)row + column->offset;
  if (column->size == CELL) {
    memcpy(cell, field, CELL);
    return;
  }
  int32_t narrow;
  memcpy(&narrow, field, sizeof narrow);
  int64_t wide = narrow;
  memcpy(cell, &wide, CELL);
}

static falign_status export_column(const falign_table *table, const fal_column *column, falign_tensors *tensors) {
  fal_tensor *tensor;
  FAL_TRY(fal_tensors_reserve(tensors, column->name, column->dtype, &table->count, 1, &tensor));
  for (size_t i = 0; i < table->count; i++) load_cell(column, &table->rows[i], tensor->data + i * CELL);
  return FALIGN_OK;
}

static falign_status export_names(char *const *names, size_t count, const char *name, falign_tensors *tensors) {
  size_t bytes = 0;
  for (size_t i = 0; i < count; i++) bytes += strlen(names[i]) + 1;
  fal_tensor *tensor;
  FAL_TRY(fal_tensors_reserve(tensors, name, FALIGN_DTYPE_U8, &bytes, 1, &tensor));
  unsigned char *to = tensor->data;
  for (size_t i = 0; i < count; i++) {
    size_t length = strlen(names[i]) + 1;
    memcpy(to, names[i], length);
    to += length;
  }
  return FALIGN_OK;
}

static falign_status export_table(const falign_table *table, falign_tensors *tensors) {
  FAL_TRY(export_names(&table->column, table->column ? 1 : 0, "table.column", tensors));
  FAL_TRY(export_names(table->conditions.at, table->conditions.count, "table.conditions", tensors));
  FAL_TRY(export_names(table->metrics.at, table->metrics.count, "table.metrics", tensors));
  for (size_t i = 0; i < COLUMNS; i++) FAL_TRY(export_column(table, &columns[i], tensors));
  return FALIGN_OK;
}

falign_status falign_table_export(const falign_table *table, falign_tensors *tensors) {
  FAL_GIVEN(table);
  FAL_GIVEN(tensors);
  size_t before = falign_tensors_count(tensors);
  falign_status status = export_table(table, tensors);
  if (status != FALIGN_OK) fal_tensors_truncate(tensors, before);
  return status;
}

/* Finds a vector of the given type. */
static falign_status find_vector(const falign_tensors *tensors, const char *name, falign_dtype dtype, size_t *length,
                                 const unsigned char **data) {
  if (!falign_tensors_has(tensors, name)) return fal_fail(FALIGN_FORMAT, "there is no tensor \"%s\"", name);
  falign_tensor tensor;
  FAL_TRY(falign_tensors_view(tensors, name, &tensor));
  if (tensor.dtype != dtype || tensor.rank != 1)
    return fal_fail(FALIGN_FORMAT, "tensor \"%s\" has rank %zu and dtype %" PRId32 ", not 1 and %" PRId32, name,
                    tensor.rank, tensor.dtype, dtype);
  *length = tensor.dims[0];
  *data = tensor.data;
  return FALIGN_OK;
}

static falign_status import_names(const falign_tensors *tensors, const char *name, fal_names *names) {
  size_t left;
  const unsigned char *data;
  FAL_TRY(find_vector(tensors, name, FALIGN_DTYPE_U8, &left, &data));
  if (left > 0 && data[left - 1] != 0) return fal_fail(FALIGN_FORMAT, "tensor \"%s\" does not end with a 0", name);
  for (const char *text = (const char *)data; left > 0;) {
    if (fal_names_find(names, text) < names->count)
      return fal_fail(FALIGN_FORMAT, "tensor \"%s\" has \"%s\" twice", name, text);
    FAL_TRY(fal_names_add(names, text));
    size_t length = strlen(text) + 1;
    text += length;
    left -= length;
  }
  return FALIGN_OK;
}

static falign_status import_metrics(const falign_tensors *tensors, fal_names *metrics) {
  FAL_TRY(import_names(tensors, "table.metrics", metrics));
  for (size_t i = 0; i < metrics->count; i++) {
    if (!fal_is_metric_name(metrics->at[i]))
      return fal_fail(FALIGN_FORMAT, "tensor \"table.metrics\" has \"%s\", which cannot be a metric", metrics->at[i]);
  }
  return FALIGN_OK;
}

/* Checks that the table and the tensors have the same leading column. */
static falign_status check_leading_column(const falign_table *table, const falign_tensors *tensors) {
  fal_names names = {.at = NULL};
  falign_status status = import_names(tensors, "table.column", &names);
  if (status == FALIGN_OK) {
    const char *has = table->column ? table->column : "", *found = names.count > 0 ? names.at[0] : "";
    if (names.count > 1 || strcmp(has, found) != 0)
      status = fal_fail(FALIGN_FORMAT, "the table has the leading column \"%s\", the tensors' \"%s\"", has, found);
  }
  fal_names_release(&names);
  return status;
}

/* Returns false for an integer out of its range. */
static bool store_cell(const fal_column *column, fal_row *row, const unsigned char *cell) {
  unsigned char *field = (unsigned char *)row + column->offset;
  if (column->dtype == FALIGN_DTYPE_F64) {
    memcpy(field, cell, CELL);
    return true;
  }
  int64_t wide;
  memcpy(&wide, cell, CELL);
  if (wide < -1 || (column->size < CELL && wide > INT32_MAX)) return false;
  int32_t narrow = (int32_t)wide;
  memcpy(field, column->size == CELL ? (const void *)&wide : (const void *)&narrow, column->size);
  return true;
}

static falign_status import_column(falign_table *table, const fal_column *column, const falign_tensors *tensors) {
  size_t length;
  const unsigned char *data;
  FAL_TRY(find_vector(tensors, column->name, column->dtype, &length, &data));
  if (length != table->count)
    return fal_fail(FALIGN_FORMAT, "tensor \"%s\" has %zu rows, not %zu", column->name, length, table->count);
  for (size_t i = 0; i < length; i++) {
    if (!store_cell(column, &table->rows[i], data + i * CELL))
      return fal_fail(FALIGN_FORMAT, "tensor \"%s\" is out of range in row %zu", column->name, i);
  }
  return FALIGN_OK;
}

static bool is_index(const fal_names *names, int32_t index) { return index >= 0 && (size_t)index < names->count; }

static falign_status check_indices(const falign_table *table) {
  for (size_t i = 0; i < table->count; i++) {
    const fal_row *row = &table->rows[i];
    if (!is_index(&table->metrics, row->metric) || !is_index(&table->conditions, row->condition))
      return fal_fail(FALIGN_FORMAT, "row %zu has metric %" PRId32 " and condition %" PRId32 " of %zu and %zu", i,
                      row->metric, row->condition, table->metrics.count, table->conditions.count);
  }
  return FALIGN_OK;
}

static falign_status import_rows(falign_table *table, const falign_tensors *tensors) {
  const unsigned char *data;
  FAL_TRY(find_vector(tensors, "table.value", FALIGN_DTYPE_F64, &table->count, &data));
  table->rows = fal_zalloc(table->count, sizeof *table->rows);
  if (!table->rows) return fal_fail_memory("a table", table->count, sizeof *table->rows);
  table->capacity = table->count;
  for (size_t i = 0; i < COLUMNS; i++) FAL_TRY(import_column(table, &columns[i], tensors));
  return check_indices(table);
}

/* Fills an empty table that will replace `old`. */
static falign_status import_table(falign_table *table, const falign_table *old, const falign_tensors *tensors) {
  FAL_TRY(check_leading_column(table, tensors));
  fal_names_truncate(&table->conditions, 0);
  FAL_TRY(import_names(tensors, "table.conditions", &table->conditions));
  FAL_TRY(import_metrics(tensors, &table->metrics));
  FAL_TRY(import_rows(table, tensors));
  table->run = old->run;
  return fal_names_intern(&table->conditions, old->conditions.at[old->condition], &table->condition);
}

falign_status falign_table_import(falign_table *table, const falign_tensors *tensors) {
  FAL_GIVEN(table);
  FAL_GIVEN(tensors);
  falign_table *fresh;
  FAL_TRY(falign_table_create(table->precision, table->column, &fresh));
  falign_status status = import_table(fresh, table, tensors);
  if (status == FALIGN_OK) {
    falign_table old = *table;
    *table = *fresh;
    *fresh = old;
  }
  falign_table_destroy(fresh);
  return status;
}
