/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_DATA_H
#define KIT_DATA_H

/* Data of ten categories: the four files of MNIST or of a dataset in its form, or synthetic. */

#include <stdbool.h>

#include "errors.h"

/* Points of one category have an expected cosine of `within`, those of two of `between`. */
typedef struct data_synthetic {
  double within, between;
} data_synthetic;

typedef struct data_place {
  char path[4096];
  const char *why; /* how the directory came to be chosen; NULL if it was given */
  bool drawn;      /* synthetic, in place of a directory */
  data_synthetic synthetic;
} data_place;

/* Refuses text that begins as synthetic data and is not. */
falign_status data_check(const char *given);

/* Chooses `given`, or where that is NULL the first of $FALIGN_MNIST_DIR, the user's data directory and the system's
 * Fashion-MNIST. "synthetic:WITHIN,BETWEEN" asks for synthetic data. */
falign_status data_find(const char *given, data_place *place);

/* Reads or draws both parts, and says on standard error which data that was unless it was given. */
falign_status data_read(const data_place *place, size_t image_size, uint64_t seed, falign_dataset **train,
                        falign_dataset **test);

/* Draws one part of synthetic data that has as many points of as many inputs as resized MNIST, and their mean square.
 */
falign_status data_draw(const data_synthetic *synthetic, size_t image_size, falign_part part, uint64_t seed,
                        falign_dataset **out);

#endif
