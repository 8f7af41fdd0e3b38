/* SPDX-License-Identifier: Apache-2.0 */
#include "files/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "math/matrix.h"

static falign_status initialize_table(falign_table *table, falign_precision precision, const char *column) {
  table->precision = precision;
  table->run = -1;
  if (column) {
    table->column = fal_strdup(column);
    if (!table->column) return fal_fail_memory("a column's name", strlen(column) + 1, 1);
  }
  return fal_names_intern(&table->conditions, "", &table->condition);
}

falign_status falign_table_create(falign_precision precision, const char *condition, falign_table **out) {
  FAL_GIVEN(out);
  if (fal_element(precision) == 0)
    return fal_fail(FALIGN_INVALID, "precision %" PRId32 " is neither FALIGN_F32 nor FALIGN_F64", precision);
  if (condition && !*condition) return fal_fail(FALIGN_INVALID, "condition is empty");
  falign_table *table = fal_zalloc(1, sizeof *table);
  if (!table) return fal_fail_memory("a table", 1, sizeof *table);
  falign_status status = initialize_table(table, precision, condition);
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
  return fal_names_intern(&table->conditions, value, &table->condition);
}

static int64_t not_below_empty(int64_t value) { return value < 0 ? -1 : value; }

void falign_table_set_run(falign_table *table, int64_t run) { table->run = not_below_empty(run); }

static falign_status push_row(falign_table *table, const fal_row *row) {
  fal_row *rows = fal_grow(table->rows, &table->capacity, table->count, sizeof *rows);
  if (!rows) return fal_fail_memory("a table", table->count + 1, sizeof *rows);
  table->rows = rows;
  rows[table->count++] = *row;
  return FALIGN_OK;
}

bool fal_is_metric_name(const char *name) { return *name && !strpbrk(name, ",\"\r\n"); }

static falign_status check_value(const falign_value *value) {
  FAL_GIVEN(value);
  if (!value->name) return fal_fail(FALIGN_INVALID, "the name of the metric is NULL");
  if (!fal_is_metric_name(value->name))
    return fal_fail(FALIGN_INVALID, "metric \"%s\" is empty or has a comma, quote or line break", value->name);
  bool is_layer = value->layer > INT32_MAX;
  if (!is_layer && value->order <= INT32_MAX) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "%s %" PRId64 " is beyond %" PRId32, is_layer ? "layer" : "order",
                  is_layer ? value->layer : value->order, INT32_MAX);
}

falign_status falign_table_add(falign_table *table, const falign_value *value, double epoch) {
  FAL_GIVEN(table);
  FAL_TRY(check_value(value));
  fal_row row = {.epoch = epoch,
                 .value = value->value,
                 .run = table->run,
                 .iteration = not_below_empty(value->iteration),
                 .layer = (int32_t)not_below_empty(value->layer),
                 .order = (int32_t)not_below_empty(value->order),
                 .condition = table->condition};
  FAL_TRY(fal_names_intern(&table->metrics, value->name, &row.metric));
  return push_row(table, &row);
}

/* Appends a row of another table, translating its indices of names. */
static falign_status append_row(falign_table *table, const falign_table *other, size_t i) {
  fal_row row = other->rows[i];
  FAL_TRY(fal_names_intern(&table->conditions, other->conditions.at[row.condition], &row.condition));
  FAL_TRY(fal_names_intern(&table->metrics, other->metrics.at[row.metric], &row.metric));
  return push_row(table, &row);
}

falign_status falign_table_append(falign_table *table, const falign_table *other) {
  FAL_GIVEN(table);
  FAL_GIVEN(other);
  const char *has = table->column ? table->column : "", *found = other->column ? other->column : "";
  if (strcmp(has, found) != 0)
    return fal_fail(FALIGN_INVALID, "the table has the leading column \"%s\", the other \"%s\"", has, found);
  const size_t before = table->count, count = other->count; /* the two may be the same table */
  for (size_t i = 0; i < count; i++) {
    falign_status status = append_row(table, other, i);
    if (status == FALIGN_OK) continue;
    table->count = before;
    return status;
  }
  return FALIGN_OK;
}

size_t falign_table_rows(const falign_table *table) { return table ? table->count : 0; }

falign_status falign_table_row(const falign_table *table, size_t i, falign_row *out) {
  FAL_GIVEN(table);
  FAL_GIVEN(out);
  if (i >= table->count) return fal_fail(FALIGN_INVALID, "row %zu is beyond the table's %zu", i, table->count);
  const fal_row *row = &table->rows[i];
  *out = (falign_row){.condition = table->column ? table->conditions.at[row->condition] : NULL,
                      .run = row->run,
                      .epoch = row->epoch,
                      .value = {.iteration = row->iteration,
                                .name = table->metrics.at[row->metric],
                                .layer = row->layer,
                                .order = row->order,
                                .value = row->value}};
  return FALIGN_OK;
}
