/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_TABLE_H
#define FALIGN_TABLE_H

/** @file table.h
 *  @brief Measured values as a tidy CSV table: run,iteration,epoch,layer,order,metric,value (docs/files.md).
 *
 *  In a build without files all functions of this header that return a status return FALIGN_UNSUPPORTED. */

#include "falign/tensors.h"

FALIGN_BEGIN

/** Rows of measured values. */
typedef struct falign_table falign_table;

/** An empty table. Reals are written with 9 digits for FALIGN_F32 and 17 for FALIGN_F64.
 *  @param condition name of a leading text column, such as "condition"; NULL for none
 *  @return FALIGN_INVALID for what is no precision or an empty condition, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_table_create(falign_precision precision, const char *condition,
                                                            falign_table **out);
/** Releases it; NULL is fine. */
FALIGN_API void falign_table_destroy(falign_table *table);

/** What the next rows say in the leading column. @return FALIGN_INVALID for a table without one, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_table_set_condition(falign_table *table, const char *value);
/** What the next rows say in the column `run`; -1 leaves it empty. */
FALIGN_API void falign_table_set_run(falign_table *table, int64_t run);

/** Adds a row. A negative iteration, layer or order and a NaN epoch leave their fields empty.
 *  Layers and orders are below 2^31.
 *  @param metric name without comma, quote or line break, copied
 *  @return FALIGN_INVALID for such a metric, or a layer or order that is too large; FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_table_add(falign_table *table, int64_t iteration, double epoch,
                                                         int64_t layer, int64_t order, const char *metric,
                                                         double value);

/** Adds the rows of `other`, which has the same leading column or none either, in their order, each with its run and
 *  condition. What the next rows say stays. @return FALIGN_INVALID for another leading column, FALIGN_MEMORY; the rows
 *  are then as they were. */
FALIGN_API FALIGN_CHECKED falign_status falign_table_append(falign_table *table, const falign_table *other);

/** The number of rows. */
FALIGN_API size_t falign_table_rows(const falign_table *table);

/** Reads row i back. Empty fields come as -1 (epoch: NaN). `condition` and `metric` stay in the table's own storage
 *  (condition: NULL without such a column), until the table imports others or is destroyed. The outputs that are NULL
 *  are not written. @return FALIGN_INVALID for a row that is not there. */
FALIGN_API FALIGN_CHECKED falign_status falign_table_row(const falign_table *table, size_t i, const char **condition,
                                                         int64_t *run, int64_t *iteration, double *epoch,
                                                         int64_t *layer, int64_t *order, const char **metric,
                                                         double *value);

/** Writes the rows as CSV, as falign_tensors_write() writes. An undefined value is `nan`. @return FALIGN_IO with the
 *  path and the system's reason, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_table_write(const falign_table *table, const char *path);
/** The same to an open file descriptor, such as 1 for standard output; it stays open. @return FALIGN_IO,
 *  FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_table_write_descriptor(const falign_table *table, int32_t descriptor);

/** Writes mean, standard deviation (n-1; nan for one run) and n over the runs of all rows that agree in everything
 *  but the run: iteration,epoch,layer,order,metric,mean,sd,n with the leading column if there is one. Values that
 *  are NaN are left out and not counted. @return as falign_table_write(). */
FALIGN_API FALIGN_CHECKED falign_status falign_table_write_summary(const falign_table *table, const char *path);

/** Adds the rows to a set of tensors ("table.*"): for checkpoints. @return FALIGN_INVALID for a name that is there
 *  already, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_table_export(const falign_table *table, falign_tensors *tensors);
/** Takes back the rows that falign_table_export() has added to a table with the same leading column, in place of its
 *  own. @return FALIGN_FORMAT where something is missing, out of range or of another leading column, FALIGN_MEMORY; the
 *  rows are then as they were. */
FALIGN_API FALIGN_CHECKED falign_status falign_table_import(falign_table *table, const falign_tensors *tensors);

FALIGN_END

#endif
