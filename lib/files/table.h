/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_TABLE_H
#define FAL_TABLE_H

#include "falign/table.h"
#include "files/file.h"
#include "files/tensors.h"

/* -1 and NaN stand for empty fields. */
typedef struct {
  double epoch, value;
  int64_t run, iteration;
  int32_t layer, order;
  int32_t metric, condition; /* indices of their names */
} fal_row;

struct falign_table {
  falign_precision precision;
  char *column; /* name of the leading column; NULL for none */
  fal_names conditions;
  fal_names metrics;
  int32_t condition; /* of the next rows, as is run */
  int64_t run;
  fal_row *rows;
  size_t count;
  size_t capacity;
};

/* Fields of a line of CSV, each with the character that follows it. A negative integer is an empty field. */
void fal_put_integer(fal_file *file, int64_t value, char after);
void fal_put_real(fal_file *file, const falign_table *table, double value, char after);
/* The names of the columns: the leading one, if there is one, then `rest`. */
void fal_put_titles(fal_file *file, const falign_table *table, const char *rest);
/* The leading column, if there is one. */
void fal_put_condition(fal_file *file, const falign_table *table, const fal_row *row);
/* Iteration, epoch, layer, order and metric. */
void fal_put_key(fal_file *file, const falign_table *table, const fal_row *row);

#endif
