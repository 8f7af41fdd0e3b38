/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_TABLE_CSV_H
#define FAL_TABLE_CSV_H

#include "files/file.h"
#include "files/table.h"

/* Each writes a field of a CSV line and the character `after` it. A negative integer is an empty field. */
void fal_put_integer(fal_file *file, int64_t value, char after);
void fal_put_real(fal_file *file, const falign_table *table, double value, char after);
/* Writes the header line: the leading column if the table has one, then `rest`. */
void fal_put_titles(fal_file *file, const falign_table *table, const char *rest);
/* Writes the leading column, if the table has one. */
void fal_put_condition(fal_file *file, const falign_table *table, const fal_row *row);
/* Writes iteration, epoch, layer, order and metric. */
void fal_put_key(fal_file *file, const falign_table *table, const fal_row *row);

#endif
