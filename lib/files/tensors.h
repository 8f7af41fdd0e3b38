/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_TENSORS_H
#define FAL_TENSORS_H

#include <stdalign.h>
#include <stdbool.h>

#include "falign/tensors.h"

enum { FAL_MAX_RANK = 8 };

/* Makes room for element `count` of a growing array; NULL, with the array as it was, where memory is short. */
void *fal_grow(void *array, size_t *capacity, size_t count, size_t size);

/* Different names in the order in which they were added, found by hashing. All zeros is the empty one. */
typedef struct {
  char **at;
  size_t count;
  size_t capacity;
  size_t *slots; /* index + 1 of the name that is there, or 0 */
  size_t slot_count;
} fal_names;

/* The index of a name; `count` where it is not there. */
size_t fal_names_find(const fal_names *names, const char *name);
/* Appends a name that is not there. */
falign_status fal_names_add(fal_names *names, const char *name);
/* Forgets all names but the first `count`. */
void fal_names_truncate(fal_names *names, size_t count);
void fal_names_release(fal_names *names);

typedef struct {
  falign_dtype dtype;
  size_t rank;
  size_t dims[FAL_MAX_RANK];
  size_t elements;
  alignas(max_align_t) unsigned char data[];
} fal_tensor;

struct falign_tensors {
  fal_names names;
  fal_tensor **items; /* one a name; each stays where it is, as views point into it */
  size_t capacity;
  fal_names note_names;
  char **notes;
  size_t note_capacity;
};

/* Bytes of an element; 0 for a number that is no dtype. */
size_t fal_dtype_size(falign_dtype dtype);
/* Adds a tensor whose data are yet to be written. */
falign_status fal_tensors_reserve(falign_tensors *tensors, const char *name, falign_dtype dtype, const size_t *dims,
                                  size_t rank, fal_tensor **out);
/* Removes all tensors but the first `count`: undoes additions. */
void fal_tensors_truncate(falign_tensors *tensors, size_t count);

/* Adds a tensor of that precision named "W.2" (prefix "W", index 2), or just by its prefix for a negative index. */
falign_status fal_tensors_add_real(falign_tensors *tensors, const char *prefix, int64_t index,
                                   falign_precision precision, const void *data, const size_t *dims, size_t rank);
/* falign_tensors_read_f32() or falign_tensors_read_f64(). */
falign_status fal_tensors_read_real(const falign_tensors *tensors, const char *name, falign_precision precision,
                                    const size_t *dims, size_t rank, void *out);

#endif
