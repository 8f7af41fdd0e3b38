/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_DATA_H
#define KIT_DATA_H

/* Where the four files of MNIST, or of a dataset in its form, lie. */

#include "errors.h"

typedef struct data_place {
  char path[4096];
  const char *why; /* how the directory came to be chosen; NULL if it was given */
} data_place;

/* Chooses `given`, or where that is NULL the first of $FALIGN_MNIST_DIR, the user's data directory and the system's
 * Fashion-MNIST. */
falign_status data_find(const char *given, data_place *place);

/* Reads both parts, and says on standard error which data that was unless it was given. */
falign_status data_read(const data_place *place, size_t image_size, falign_dataset **train, falign_dataset **test);

#endif
