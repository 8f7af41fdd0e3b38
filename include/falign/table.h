/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_TABLE_H
#define FALIGN_TABLE_H

/** @file table.h
 *  @brief Measured values as a tidy CSV table: run,iteration,epoch,layer,order,metric,value (docs/files.md).
 *
 *  In a build without files those that write files return FALIGN_UNSUPPORTED; a table in memory needs none. */

#include "falign/tensors.h"
#include "falign/value.h"

FALIGN_BEGIN

/** Rows of measured values. */
typedef struct falign_table falign_table;

/** Makes an empty table. Reals are written with 9 digits for FALIGN_F32 and 17 for FALIGN_F64.
 *  @param condition name of a leading text column, such as "condition"; NULL for none
 *  @return FALIGN_INVALID for an unknown precision or an empty condition, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_table_create(falign_precision precision, const char *condition,
                                                            falign_table **out);
/** Releases it; NULL is fine. */
FALIGN_API void falign_table_destroy(falign_table *table);

/** Sets what the next rows have in the leading column. @return FALIGN_INVALID for a table without one, FALIGN_MEMORY.
 */
FALIGN_API FALIGN_CHECKED falign_status falign_table_set_condition(falign_table *table, const char *value);
/** Sets what the next rows have in the column `run`; -1 leaves it empty. */
FALIGN_API void falign_table_set_run(falign_table *table, int64_t run);

/** Adds a row. A negative iteration, layer or order and a NaN epoch leave their fields empty.
 *  @param value layers and orders are below 2^31; the name, which is copied, has no comma, quote or line break
 *  @return FALIGN_INVALID for such a name, or a layer or order that is too large; FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_table_add(falign_table *table, const falign_value *value, double epoch);

/** Adds the rows of `other`, which must have the same leading column, or none if this table has none, in their order,
 *  each with its run and condition. What is set for the next rows stays. @return FALIGN_INVALID for another leading
 *  column, FALIGN_MEMORY; the rows are then unchanged. */
FALIGN_API FALIGN_CHECKED falign_status falign_table_append(falign_table *table, const falign_table *other);

/** Returns the number of rows. */
FALIGN_API size_t falign_table_rows(const falign_table *table);

/** One row of a table. */
typedef struct falign_row {
  const char *condition; /**< NULL without such a column */
  int64_t run;           /**< -1: empty */
  double epoch;          /**< NaN: empty */
  falign_value value;    /**< iteration, layer and order are -1 where empty */
} falign_row;

/** Reads row i back. The texts stay in the table's own storage, until the table imports others or is destroyed.
 *  @return FALIGN_INVALID for a row that does not exist. */
FALIGN_API FALIGN_CHECKED falign_status falign_table_row(const falign_table *table, size_t i, falign_row *out);

/** Writes the rows as CSV, as falign_tensors_write() does. An undefined value is `nan`. @return FALIGN_IO with the
 *  path and the system's reason, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_table_write(const falign_table *table, const char *path);
/** Writes them to an open file descriptor, such as 1 for standard output; it stays open. @return FALIGN_IO,
 *  FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_table_write_descriptor(const falign_table *table, int32_t descriptor);

/** Writes mean, standard deviation (n-1; nan for one run) and n over the runs of all rows that agree in everything
 *  but the run: iteration,epoch,layer,order,metric,mean,sd,n with the leading column if there is one. Values that
 *  are NaN are left out and not counted. @return as falign_table_write(). */
FALIGN_API FALIGN_CHECKED falign_status falign_table_write_summary(const falign_table *table, const char *path);

/** Adds the rows to a set of tensors ("table.*"): for checkpoints. @return FALIGN_INVALID for a name that is there
 *  already, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_table_export(const falign_table *table, falign_tensors *tensors);
/** Restores the rows that falign_table_export() has added, in a table with the same leading column, in place of its
 *  own. @return FALIGN_FORMAT if something is missing, out of range or of another leading column, FALIGN_MEMORY; the
 *  rows are then unchanged. */
FALIGN_API FALIGN_CHECKED falign_status falign_table_import(falign_table *table, const falign_tensors *tensors);

FALIGN_END

#endif
