/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "files/table_csv.h"

/* Rows that agree in everything but the run, in the table's order. */
typedef struct {
  const fal_row **rows;
  size_t count;
} row_group;

#define COMPARE(a, b)         \
  do {                        \
    if ((a) < (b)) return -1; \
    if ((a) > (b)) return 1;  \
  } while (0)

/* Compares everything that the rows of a group share; an empty epoch comes last. */
static int compare_keys(const fal_row *a, const fal_row *b) {
  COMPARE(a->condition, b->condition);
  COMPARE(a->metric, b->metric);
  COMPARE(a->layer, b->layer);
  COMPARE(a->order, b->order);
  COMPARE(a->iteration, b->iteration);
  COMPARE(isnan(a->epoch), isnan(b->epoch));
  COMPARE(a->epoch, b->epoch);
  return 0;
}

static int compare_rows(const void *a, const void *b) {
  const fal_row *x = *(const fal_row *const *)a, *y = *(const fal_row *const *)b;
  int order = compare_keys(x, y);
  if (order != 0) return order;
  COMPARE(x, y);
  return 0;
}

/* Orders groups by their first rows in the table. */
static int compare_groups(const void *a, const void *b) {
  const fal_row *x = *((const row_group *)a)->rows, *y = *((const row_group *)b)->rows;
  COMPARE(x, y);
  return 0;
}

/* Sorts the rows and divides them into groups. Returns the number of groups, at most that of rows. */
static size_t group_rows(const falign_table *table, const fal_row **rows, row_group *groups) {
  size_t count = 0;
  for (size_t i = 0; i < table->count; i++) rows[i] = &table->rows[i];
  qsort(rows, table->count, sizeof *rows, compare_rows);
  for (size_t i = 0; i < table->count; i++) {
    if (i == 0 || compare_keys(rows[i - 1], rows[i]) != 0) groups[count++] = (row_group){.rows = rows + i};
    groups[count - 1].count++;
  }
  qsort(groups, count, sizeof *groups, compare_groups);
  return count;
}

static void put_group(fal_file *file, const falign_table *table, const row_group *group) {
  size_t n = 0;
  double sum = 0, squares = 0;
  for (size_t i = 0; i < group->count; i++) {
    double value = group->rows[i]->value;
    if (isnan(value)) continue;
    sum += value;
    n++;
  }
  double mean = n > 0 ? sum / (double)n : (double)NAN;
  for (size_t i = 0; i < group->count; i++) {
    double difference = group->rows[i]->value - mean;
    if (!isnan(group->rows[i]->value)) squares += difference * difference;
  }
  fal_put_condition(file, table, group->rows[0]);
  fal_put_key(file, table, group->rows[0]);
  fal_put_real(file, table, mean, ',');
  fal_put_real(file, table, n > 1 ? sqrt(squares / (double)(n - 1)) : (double)NAN, ',');
  fal_put_integer(file, (int64_t)n, '\n');
}

static falign_status write_groups(const falign_table *table, const row_group *groups, size_t count, const char *path) {
  fal_file *file;
  FAL_TRY(fal_file_create(path, &file));
  fal_put_titles(file, table, "iteration,epoch,layer,order,metric,mean,sd,n\n");
  for (size_t i = 0; i < count; i++) put_group(file, table, &groups[i]);
  return fal_file_close(file);
}

falign_status falign_table_write_summary(const falign_table *table, const char *path) {
  FAL_GIVEN(table);
  FAL_GIVEN(path);
  const fal_row **rows = fal_alloc(table->count, sizeof *rows);
  row_group *groups = fal_alloc(table->count, sizeof *groups);
  falign_status status = rows && groups ? write_groups(table, groups, group_rows(table, rows, groups), path)
                                        : fal_fail_memory("a summary", table->count, sizeof *rows + sizeof *groups);
  free(rows);
  free(groups);
  return status;
}
