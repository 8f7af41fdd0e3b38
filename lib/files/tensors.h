/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_TENSORS_H
#define FAL_TENSORS_H

#include <stdalign.h>
#include <stdbool.h>

#include "falign/tensors.h"
#include "files/names.h"

enum { FAL_MAX_RANK = 8 };

typedef struct {
  falign_dtype dtype;
  size_t rank;
  size_t dims[FAL_MAX_RANK];
  size_t elements;
  alignas(max_align_t) unsigned char data[];
} fal_tensor;

struct falign_tensors {
  fal_names names;
  fal_tensor **items; /* one for each name; never moved, since views point into them */
  size_t capacity;
  fal_names note_names;
  char **notes;
  size_t note_capacity;
};

/* Returns the bytes of an element; 0 for an unknown dtype. */
size_t fal_dtype_size(falign_dtype dtype);
/* Adds a tensor without writing its data. */
falign_status fal_tensors_reserve(falign_tensors *tensors, const char *name, falign_dtype dtype, const size_t *dims,
                                  size_t rank, fal_tensor **out);
/* Removes all tensors but the first `count`. */
void fal_tensors_truncate(falign_tensors *tensors, size_t count);

/* Adds a tensor named "W.2" for the prefix "W" and index 2, or "W" for a negative index. */
falign_status fal_tensors_add_real(falign_tensors *tensors, const char *prefix, int64_t index,
                                   falign_precision precision, const void *data, const size_t *dims, size_t rank);
/* Copies a tensor of reals with these dimensions, at most 2, to contiguous numbers. Errors as falign_tensors_get(). */
falign_status fal_tensors_read_real(const falign_tensors *tensors, const char *name, falign_precision precision,
                                    const size_t *dims, size_t rank, void *out);

#endif
