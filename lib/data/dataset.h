/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_DATASET_H
#define FAL_DATASET_H

#include "falign/dataset.h"
#include "base/support.h"

/* How numbers are stored. Pixels are integers, so that they are exact in any precision. */
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
  size_t points;
  fal_rows inputs;
  fal_rows targets; /* of width 0 without targets */
  uint32_t categories;
  uint32_t *labels; /* NULL without labels */
};

/* A dataset without points, to be filled in; NULL without memory. */
falign_dataset *fal_dataset_new(void);
/* Hands a filled dataset out, or destroys it where filling it failed; returns `status`. */
falign_status fal_dataset_finish(falign_dataset *dataset, falign_status status, falign_dataset **out);
void fal_dataset_keep(const falign_dataset *dataset);

/* Fails unless points are counted by a uint32_t and there is at least one. */
falign_status fal_dataset_check_points(size_t points);

/* Copies the inputs of `count` points to count x width contiguous numbers, and their targets. */
void fal_dataset_gather(const falign_dataset *dataset, const uint32_t *points, size_t count, falign_precision precision,
                        void *x);
void fal_dataset_gather_targets(const falign_dataset *dataset, const uint32_t *points, size_t count,
                                falign_precision precision, void *y);

#endif
