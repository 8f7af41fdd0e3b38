/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_OUTPUT_H
#define KIT_OUTPUT_H

/* Where results go. */

#include <stdbool.h>

#include "errors.h"

/* Fails if a file could not be written there (NULL could), so that it shows before hours of work. */
falign_status output_check(const char *path);

/* Writes the rows of `table` to the CSV file `path` (NULL: standard output), and beside it the configuration
 * (FILE.json) and means and standard deviations over the runs (FILE.summary.csv). A device or a pipe gets nothing
 * beside it. */
falign_status output_table(const falign_table *table, const falign_config *config, const char *path);

/* A device, a pipe or the like, also where it leads to a file: nothing is put beside it. */
bool output_is_special(const char *path);
/* Whether `other` is one of the files that output_table() writes beside `path`. */
bool output_is_beside(const char *path, const char *other);

/* Writes bytes to a file. */
falign_status output_bytes(const char *path, const void *bytes, size_t size);

#endif
