/* SPDX-License-Identifier: Apache-2.0 */
#include "files/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/support.h"

/* The index of a name, which is added where it is new. */
static falign_status intern(fal_names *names, const char *name, int32_t *out) {
  size_t index = fal_names_find(names, name);
  if (index == names->count) {
    if (index == INT32_MAX) return fal_fail(FALIGN_MEMORY, "a table has room for %zu different names", index);
    FAL_TRY(fal_names_add(names, name));
  }
  *out = (int32_t)index;
  return FALIGN_OK;
}

static falign_status initialise(falign_table *table, falign_precision precision, const char *column) {
  table->precision = precision;
  table->run = -1;
  if (column) {
    table->column = fal_strdup(column);
    if (!table->column) return fal_fail_memory("a column's name", strlen(column) + 1, 1);
  }
  return intern(&table->conditions, "", &table->condition);
}

falign_status falign_table_create(falign_precision precision, const char *condition, falign_table **out) {
  FAL_GIVEN(out);
  if (fal_element(precision) == 0) return fal_fail(FALIGN_INVALID, "precision %" PRId32 " is none", precision);
  if (condition && !*condition) return fal_fail(FALIGN_INVALID, "condition is empty");
  falign_table *table = fal_zalloc(1, sizeof *table);
  if (!table) return fal_fail_memory("a table", 1, sizeof *table);
  falign_status status = initialise(table, precision, condition);
  if (status == FALIGN_OK) {
    *out = table;
  } else {
    falign_table_destroy(table);
  }
  return status;
}

void falign_table_destroy(falign_table *table) {
  if (!table) return;
  fal_names_release(&table->conditions);
  fal_names_release(&table->metrics);
  free(table->column);
  free(table->rows);
  free(table);
}

falign_status falign_table_set_condition(falign_table *table, const char *value) {
  FAL_GIVEN(table);
  FAL_GIVEN(value);
  if (!table->column) return fal_fail(FALIGN_INVALID, "the table has no leading column");
  return intern(&table->conditions, value, &table->condition);
}

static int64_t not_below_empty(int64_t value) { return value < 0 ? -1 : value; }

void falign_table_set_run(falign_table *table, int64_t run) { table->run = not_below_empty(run); }

static falign_status push(falign_table *table, const fal_row *row) {
  fal_row *rows = fal_grow(table->rows, &table->capacity, table->count, sizeof *rows);
  if (!rows) return fal_fail_memory("a table", table->count + 1, sizeof *rows);
  table->rows = rows;
  rows[table->count++] = *row;
  return FALIGN_OK;
}

static bool is_metric(const char *name) { return *name && !strpbrk(name, ",\"\r\n"); }

falign_status falign_table_add(falign_table *table, int64_t iteration, double epoch, int64_t layer, int64_t order,
                               const char *metric, double value) {
  FAL_GIVEN(table);
  FAL_GIVEN(metric);
  if (!is_metric(metric))
    return fal_fail(FALIGN_INVALID, "metric \"%s\" is empty or has a comma, quote or line break", metric);
  if (layer > INT32_MAX || order > INT32_MAX)
    return fal_fail(FALIGN_INVALID, "%s %" PRId64 " is beyond %" PRId32, layer > INT32_MAX ? "layer" : "order",
                    layer > INT32_MAX ? layer : order, INT32_MAX);
  fal_row row = {.epoch = epoch,
                 .value = value,
                 .run = table->run,
                 .iteration = not_below_empty(iteration),
                 .layer = (int32_t)not_below_empty(layer),
                 .order = (int32_t)not_below_empty(order),
                 .condition = table->condition};
  FAL_TRY(intern(&table->metrics, metric, &row.metric));
  return push(table, &row);
}

/* A row of a table that has names of its own for the indices. */
static falign_status append_row(falign_table *table, const falign_table *other, size_t i) {
  fal_row row = other->rows[i];
  FAL_TRY(intern(&table->conditions, other->conditions.at[row.condition], &row.condition));
  FAL_TRY(intern(&table->metrics, other->metrics.at[row.metric], &row.metric));
  return push(table, &row);
}

falign_status falign_table_append(falign_table *table, const falign_table *other) {
  FAL_GIVEN(table);
  FAL_GIVEN(other);
  const char *has = table->column ? table->column : "", *found = other->column ? other->column : "";
  if (strcmp(has, found) != 0)
    return fal_fail(FALIGN_INVALID, "the table has the leading column \"%s\", the other \"%s\"", has, found);
  const size_t before = table->count, count = other->count; /* they may be one table */
  for (size_t i = 0; i < count; i++) {
    falign_status status = append_row(table, other, i);
    if (status == FALIGN_OK) continue;
    table->count = before;
    return status;
  }
  return FALIGN_OK;
}

size_t falign_table_rows(const falign_table *table) { return table ? table->count : 0; }

falign_status falign_table_row(const falign_table *table, size_t i, const char **condition, int64_t *run,
                               int64_t *iteration, double *epoch, int64_t *layer, int64_t *order, const char **metric,
                               double *value) {
  FAL_GIVEN(table);
  if (i >= table->count) return fal_fail(FALIGN_INVALID, "row %zu is beyond the table's %zu", i, table->count);
  const fal_row *row = &table->rows[i];
  if (condition) *condition = table->column ? table->conditions.at[row->condition] : NULL;
  if (run) *run = row->run;
  if (iteration) *iteration = row->iteration;
  if (epoch) *epoch = row->epoch;
  if (layer) *layer = row->layer;
  if (order) *order = row->order;
  if (metric) *metric = table->metrics.at[row->metric];
  if (value) *value = row->value;
  return FALIGN_OK;
}

/* ---- CSV ---- */

/* Text, in quotes where CSV needs them. */
static void put_text(fal_file *file, const char *text, char after) {
  if (!strpbrk(text, ",\"\r\n")) {
    fal_file_put_text(file, text);
  } else {
    fal_file_put(file, "\"", 1);
    for (const char *c = text; *c; c++) fal_file_put(file, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
    fal_file_put(file, "\"", 1);
  }
  fal_file_put(file, &after, 1);
}

void fal_put_integer(fal_file *file, int64_t value, char after) {
  if (value >= 0) {
    char text[24];
    fal_file_put(file, text, (size_t)snprintf(text, sizeof text, "%" PRId64, value));
  }
  fal_file_put(file, &after, 1);
}

void fal_put_real(fal_file *file, const falign_table *table, double value, char after) {
  char text[FAL_REAL_TEXT];
  fal_format_real(text, value, table->precision == FALIGN_F32 ? 9 : 17);
  fal_file_put_text(file, text);
  fal_file_put(file, &after, 1);
}

void fal_put_titles(fal_file *file, const falign_table *table, const char *rest) {
  if (table->column) put_text(file, table->column, ',');
  fal_file_put_text(file, rest);
}

void fal_put_condition(fal_file *file, const falign_table *table, const fal_row *row) {
  if (table->column) put_text(file, table->conditions.at[row->condition], ',');
}

void fal_put_key(fal_file *file, const falign_table *table, const fal_row *row) {
  fal_put_integer(file, row->iteration, ',');
  if (isnan(row->epoch)) {
    fal_file_put(file, ",", 1);
  } else {
    fal_put_real(file, table, row->epoch, ',');
  }
  fal_put_integer(file, row->layer, ',');
  fal_put_integer(file, row->order, ',');
  put_text(file, table->metrics.at[row->metric], ',');
}

static falign_status write_rows(const falign_table *table, fal_file *file) {
  fal_put_titles(file, table, "run,iteration,epoch,layer,order,metric,value\n");
  for (size_t i = 0; i < table->count; i++) {
    const fal_row *row = &table->rows[i];
    fal_put_condition(file, table, row);
    fal_put_integer(file, row->run, ',');
    fal_put_key(file, table, row);
    fal_put_real(file, table, row->value, '\n');
  }
  return fal_file_close(file);
}

falign_status falign_table_write(const falign_table *table, const char *path) {
  FAL_GIVEN(table);
  FAL_GIVEN(path);
  fal_file *file;
  FAL_TRY(fal_file_create(path, &file));
  return write_rows(table, file);
}

falign_status falign_table_write_descriptor(const falign_table *table, int32_t descriptor) {
  FAL_GIVEN(table);
  fal_file *file;
  FAL_TRY(fal_file_attach(descriptor, &file));
  return write_rows(table, file);
}

/* ---- Tensors: one a column, with indices for names, and the names joined, each with a 0 behind it ---- */

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

static falign_status export_all(const falign_table *table, falign_tensors *tensors) {
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
  falign_status status = export_all(table, tensors);
  if (status != FALIGN_OK) fal_tensors_truncate(tensors, before);
  return status;
}

/* Views a vector of the given type. */
static falign_status find_vector(const falign_tensors *tensors, const char *name, falign_dtype dtype, size_t *length,
                                 const unsigned char **data) {
  if (!falign_tensors_has(tensors, name)) return fal_fail(FALIGN_FORMAT, "there is no tensor \"%s\"", name);
  falign_dtype has_dtype;
  size_t rank;
  const size_t *dims;
  const void *values;
  FAL_TRY(falign_tensors_view(tensors, name, &has_dtype, &dims, &rank, &values));
  if (has_dtype != dtype || rank != 1)
    return fal_fail(FALIGN_FORMAT, "tensor \"%s\" has rank %zu and dtype %" PRId32 ", not 1 and %" PRId32, name, rank,
                    has_dtype, dtype);
  *length = dims[0];
  *data = values;
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
    if (!is_metric(metrics->at[i]))
      return fal_fail(FALIGN_FORMAT, "tensor \"table.metrics\" has \"%s\", which is no metric", metrics->at[i]);
  }
  return FALIGN_OK;
}

/* Checks that the leading columns are the same. */
static falign_status check_column(const falign_table *table, const falign_tensors *tensors) {
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

/* False where an integer is out of its range. */
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

/* Fills an empty table that is to take the place of `old`. */
static falign_status import_all(falign_table *table, const falign_table *old, const falign_tensors *tensors) {
  FAL_TRY(check_column(table, tensors));
  fal_names_truncate(&table->conditions, 0);
  FAL_TRY(import_names(tensors, "table.conditions", &table->conditions));
  FAL_TRY(import_metrics(tensors, &table->metrics));
  FAL_TRY(import_rows(table, tensors));
  table->run = old->run;
  return intern(&table->conditions, old->conditions.at[old->condition], &table->condition);
}

falign_status falign_table_import(falign_table *table, const falign_tensors *tensors) {
  FAL_GIVEN(table);
  FAL_GIVEN(tensors);
  falign_table *fresh;
  FAL_TRY(falign_table_create(table->precision, table->column, &fresh));
  falign_status status = import_all(fresh, table, tensors);
  if (status == FALIGN_OK) {
    falign_table old = *table;
    *table = *fresh;
    *fresh = old;
  }
  falign_table_destroy(fresh);
  return status;
}
