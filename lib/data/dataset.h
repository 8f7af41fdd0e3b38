/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_DATASET_H
#define FAL_DATASET_H

#include "base/support.h"
#include "falign/dataset.h"

/* How numbers are stored. Pixels are stored as integers, which are exact in any precision. */
typedef enum { FAL_STORED_U8, FAL_STORED_I32, FAL_STORED_F32, FAL_STORED_F64 } fal_storage;

/* A row of numbers for each point. */
typedef struct {
  void *data;
  size_t width;
  fal_storage storage;
  double denominator; /* of the integers */
} fal_rows;

struct falign_dataset {
  fal_refs refs;
  falign_dataset_shape shape; /* points and categories; fal_dataset_finish() sets the rest */
  fal_rows inputs;
  fal_rows targets; /* width 0: no targets */
  uint32_t *labels; /* NULL: no labels */
};

/* Makes an empty dataset to be filled in; NULL if memory is short. */
falign_dataset *fal_dataset_new(void);
/* Completes the shape of a filled dataset and writes it to `out`, or destroys it if filling it failed; returns
 * `status`. */
falign_status fal_dataset_finish(falign_dataset *dataset, falign_status status, falign_dataset **out);
void fal_dataset_retain(const falign_dataset *dataset);

/* Fails unless the number of points is from 1 to UINT32_MAX. */
falign_status fal_dataset_check_points(size_t points);
/* Fails for an unknown part. */
falign_status fal_dataset_check_part(falign_part part);

/* Copy the inputs, or the targets, of `count` points to contiguous rows. */
void fal_dataset_gather(const falign_dataset *dataset, const uint32_t *points, size_t count, falign_precision precision,
                        void *x);
void fal_dataset_gather_targets(const falign_dataset *dataset, const uint32_t *points, size_t count,
                                falign_precision precision, void *y);

/* Reads row `row` as contiguous numbers of a precision. */
typedef void fal_row_reader(const void *from, size_t row, falign_precision precision, void *out);
/* Returns the numbers of scratch that fal_write_rows() needs: those of a row, or 0. */
size_t fal_row_scratch(const falign_matrix *to);
/* Fills a matrix with any steps with the rows 0, 1, ... that `read` returns. */
void fal_write_rows(const falign_matrix *to, fal_row_reader *read, const void *from, void *scratch);

#endif
