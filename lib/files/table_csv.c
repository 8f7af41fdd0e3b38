/* SPDX-License-Identifier: Apache-2.0 */
#include "files/table_csv.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Writes text, in quotes if CSV needs them. */
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

enum { REAL_TEXT = 40 };

/* Formats a number with so many significant digits and a point in any locale, or as "nan", "inf" or "-inf". */
static void format_real(char text[REAL_TEXT], double value, int digits) {
  if (isnan(value)) { /* of either sign */
    memcpy(text, "nan", sizeof "nan");
    return;
  }
  snprintf(text, REAL_TEXT, "%.*g", digits, value);
  char *point = text + strspn(text, "0123456789+-einf");
  if (!*point) return;
  size_t length = strcspn(point, "0123456789"); /* a locale's decimal separator may have several bytes */
  *point = '.';
  memmove(point + 1, point + length, strlen(point + length) + 1);
}

void fal_put_real(fal_file *file, const falign_table *table, double value, char after) {
  char text[REAL_TEXT];
  format_real(text, value, table->precision == FALIGN_F32 ? 9 : 17);
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

static falign_status write_table(const falign_table *table, fal_file *file) {
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
  return write_table(table, file);
}

falign_status falign_table_write_descriptor(const falign_table *table, int32_t descriptor) {
  FAL_GIVEN(table);
  fal_file *file;
  FAL_TRY(fal_file_attach(descriptor, &file));
  return write_table(table, file);
}
