/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_DATA_H
#define KIT_DATA_H

/* Where the four files of MNIST, or of a dataset in its form, lie. */

#include "errors.h"

/* Writes the directory to `path`: `given`, or where that is NULL the first of $FALIGN_MNIST_DIR, the user's data
 * directory and the system's Fashion-MNIST, and says on standard error which it took. */
falign_status data_find(const char *given, char *path, size_t size);

#endif
