/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_OUTPUT_H
#define KIT_OUTPUT_H

/* Where results go. */

#include "config.h"
#include "errors.h"

/* Fails if a file could not be written there (NULL could), so that it shows before hours of work. */
falign_status output_check(const char *path);

/* Writes the rows of `table` to the CSV file `path` (NULL: standard output), and beside it the configuration
 * (FILE.json) and means and standard deviations over the runs (FILE.summary.csv). A device or a pipe gets nothing
 * beside it. */
falign_status output_table(const falign_table *table, const configuration *config, const char *path);

typedef struct output_file {
  const char *option, *path; /* NULL: it is not written */
} output_file;

/* Fails where two are the same file, or one is a file that output_table() writes beside the first. */
falign_status output_check_distinct(const output_file *files, size_t count);

/* Writes a text and a line feed under a temporary name, and renames the file when all is on disk: after a failure an
 * older file is unchanged. Its permissions are kept, and a symbolic link stays one. A device or a pipe is written
 * directly. */
falign_status output_replace(const char *path, const char *text);

/* Writes bytes to a file. */
falign_status output_bytes(const char *path, const void *bytes, size_t size);

#endif
