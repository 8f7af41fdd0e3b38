/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_DESCRIBE_H
#define KIT_DESCRIBE_H

/* What the configurations of all programs tell. */

#include "config.h"
#include "errors.h"

/* The program and the version of the library. */
falign_status describe_program(configuration *config, const char *name);

/* The seed: a number, or a text where a number would not be exact. */
falign_status describe_seed(configuration *config, uint64_t seed);

/* What stands behind a backend. */
falign_status describe_backend(configuration *config, const falign_backend *backend);

/* A dataset, by falign_dataset_fingerprint(). */
falign_status describe_dataset(configuration *config, const char *name, uint64_t fingerprint);

#endif
