/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_TABLE_H
#define FAL_TABLE_H

#include "falign/table.h"
#include "files/names.h"

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
  int32_t condition; /* of rows to be added, as is `run` */
  int64_t run;
  fal_row *rows;
  size_t count;
  size_t capacity;
};

/* Whether a name is valid for a metric: not empty, without commas, quotes and line breaks. */
bool fal_is_metric_name(const char *name);

#endif
