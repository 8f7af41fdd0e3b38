/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_FILE_H
#define FAL_FILE_H

/* How files are written and read. */

#include "base/support.h"

/* A file that is being written. It takes the place of an older one only when all of it is on disk; a target that is
 * no regular file, or one under /dev/ or /proc/ such as /dev/stdout, is written directly. */
typedef struct fal_file fal_file;

falign_status fal_file_create(const char *path, fal_file **out);
/* Writes to an open descriptor, which stays open. */
falign_status fal_file_attach(int descriptor, fal_file **out);
/* Writes; the first failure is kept for fal_file_close(). */
void fal_file_put(fal_file *file, const void *data, size_t size);
void fal_file_put_text(fal_file *file, const char *text);
/* Puts the file in its place, or removes what was written where a write failed. Releases `file` either way. */
falign_status fal_file_close(fal_file *file);

/* A regular file that is being read. */
typedef struct {
  const char *path;
  int fd;
  size_t size;
} fal_source;

/* Keeps `path` itself, not a copy. */
falign_status fal_source_open(const char *path, fal_source *source);
/* The next `size` bytes. */
falign_status fal_source_read(fal_source *source, void *out, size_t size);
/* At most `size` bytes; 0 at the end. */
falign_status fal_source_read_some(fal_source *source, void *out, size_t size, size_t *got);
bool fal_file_exists(const char *path);
void fal_source_close(fal_source *source);

enum { FAL_REAL_TEXT = 40 };

/* Formats with that many significant digits and a point in any locale; "nan", "inf" or "-inf" where it is none. */
void fal_format_real(char text[FAL_REAL_TEXT], double value, int digits);

#endif
