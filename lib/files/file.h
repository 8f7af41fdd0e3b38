/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_FILE_H
#define FAL_FILE_H

/* Writing and reading of files. */

#include "base/support.h"

/* A file that is being written. It replaces an older one only when all of it is on disk. A target that is not a regular
 * file, or is under /dev/ or /proc/ such as /dev/stdout, is written directly. */
typedef struct fal_file fal_file;

falign_status fal_file_create(const char *path, fal_file **out);
/* Writes to an open descriptor, which stays open. */
falign_status fal_file_attach(int descriptor, fal_file **out);
/* Writes. A failure is reported by fal_file_close(). */
void fal_file_put(fal_file *file, const void *data, size_t size);
void fal_file_put_text(fal_file *file, const char *text);
/* Puts the file in its place, or removes what was written if a write failed. Releases `file` either way. */
falign_status fal_file_close(fal_file *file);

/* A regular file that is being read. */
typedef struct {
  const char *path;
  int fd;
  size_t size;
} fal_source;

/* `path` must outlast the source. */
falign_status fal_source_open(const char *path, fal_source *source);
/* Reads the next `size` bytes. */
falign_status fal_source_read(fal_source *source, void *out, size_t size);
/* Reads at most `size` bytes; 0 at the end. */
falign_status fal_source_read_some(fal_source *source, void *out, size_t size, size_t *got);
bool fal_file_exists(const char *path);
void fal_source_close(fal_source *source);

/* The failure of a public function in a build without files. */
falign_status fal_fail_without_files(const char *function);

#endif
