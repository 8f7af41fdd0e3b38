/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_TENSORS_H
#define FALIGN_TENSORS_H

/** @file tensors.h
 *  @brief Named arrays and notes, in memory and as safetensors files. */

#include "falign/matrix.h"

FALIGN_BEGIN

/** A set of tensors with different names, in the order in which they were added, and notes (name and text). */
typedef struct falign_tensors falign_tensors;

/** Element types. */
typedef int32_t falign_dtype;
enum {
  FALIGN_DTYPE_F32 = 1, /**< as FALIGN_F32 */
  FALIGN_DTYPE_F64 = 2, /**< as FALIGN_F64 */
  FALIGN_DTYPE_I64 = 3, /**< signed 64-bit integers */
  FALIGN_DTYPE_U8 = 4   /**< bytes */
};

/** Makes an empty set. @return FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_tensors_create(falign_tensors **out);
/** Releases it; NULL is fine. */
FALIGN_API void falign_tensors_destroy(falign_tensors *tensors);

/** Copies a contiguous row-major array into the set.
 *  @param dims sizes of the `rank` dimensions (0..8), the slowest first
 *  @return FALIGN_INVALID for a name that is empty, exists already or is "__metadata__", for an unknown dtype or a
 *  rank above 8; FALIGN_MEMORY (a size that overflows included). */
FALIGN_API FALIGN_CHECKED falign_status falign_tensors_add(falign_tensors *tensors, const char *name,
                                                           falign_dtype dtype, const size_t *dims, size_t rank,
                                                           const void *data);

/** Returns the number of tensors. */
FALIGN_API size_t falign_tensors_count(const falign_tensors *tensors);
/** Returns the name of tensor `index`, in the set's own storage; NULL beyond the last. */
FALIGN_API const char *falign_tensors_name_at(const falign_tensors *tensors, size_t index);
/** Returns 1 if there is a tensor of that name, else 0. */
FALIGN_API int32_t falign_tensors_has(const falign_tensors *tensors, const char *name);

/** One tensor of a set. */
typedef struct falign_tensor {
  falign_dtype dtype; /**< of the elements */
  size_t rank;        /**< number of dimensions, 0..8 */
  const size_t *dims; /**< their sizes, the slowest first */
  const void *data;   /**< contiguous, row-major */
} falign_tensor;

/** Views a tensor. `data` and `dims` stay in the set's own storage until it is destroyed. @return FALIGN_INVALID for a
 *  name that does not exist. */
FALIGN_API FALIGN_CHECKED falign_status falign_tensors_view(const falign_tensors *tensors, const char *name,
                                                            falign_tensor *out);

/** Copies an F32 or F64 tensor, converted: one of two dimensions of the matrix's shape, one of one dimension to a
 *  matrix of one row, or a single number (rank 0) to one of 1 x 1.
 *  @return FALIGN_INVALID for a name that does not exist or a number that is not finite, FALIGN_FORMAT for another
 *  dtype. On failure `out` is untouched. */
FALIGN_API FALIGN_CHECKED falign_status falign_tensors_get(const falign_tensors *tensors, const char *name,
                                                           const falign_matrix *out);

/** Sets a note (an entry of the file's __metadata__), replacing one of the same name.
 *  @return FALIGN_INVALID for a NULL, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_tensors_set_note(falign_tensors *tensors, const char *name,
                                                                const char *text);
/** Returns a note; NULL if there is none. Valid until the note or the set changes. */
FALIGN_API const char *falign_tensors_note(const falign_tensors *tensors, const char *name);

/** Writes a safetensors file: to a temporary file beside the target, renamed when all of it is on disk; on failure
 *  an existing file is unchanged. A target that exists and is not a regular file (a device, a pipe) is written
 *  directly. @return FALIGN_IO with the path and the system's reason, FALIGN_INVALID for names and notes beyond a
 *  header of 100 MB, FALIGN_MEMORY; FALIGN_UNSUPPORTED in a build without files. */
FALIGN_API FALIGN_CHECKED falign_status falign_tensors_write(const falign_tensors *tensors, const char *path);

/** Reads a safetensors file. Nothing in it is trusted: header length, names, dtypes, shapes and offsets are checked
 *  against each other and against the file's size. @return FALIGN_IO, FALIGN_FORMAT naming the file and what is wrong
 *  with it, FALIGN_MEMORY; FALIGN_UNSUPPORTED in a build without files. */
FALIGN_API FALIGN_CHECKED falign_status falign_tensors_read(const char *path, falign_tensors **out);

FALIGN_END

#endif
