/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_CONFIG_H
#define KIT_CONFIG_H

/* The configuration of a run: named texts and numbers, written as JSON beside its table and kept in its checkpoint. */

#include "errors.h"

typedef struct cJSON configuration; /* one flat JSON object */

/* An empty configuration. */
falign_status config_create(configuration **out);
void config_destroy(configuration *config);

/* Sets a value; one of the same name is replaced in its place. */
falign_status config_set_text(configuration *config, const char *name, const char *value);
/* Returns FALIGN_INVALID for a number that is not finite. */
falign_status config_set_real(configuration *config, const char *name, double value);
/* Returns FALIGN_INVALID beyond 2^53. */
falign_status config_set_integer(configuration *config, const char *name, int64_t value);

/* Succeeds if both hold the same names with the same values, in any order; otherwise returns FALIGN_INVALID with a
 * message that names the first field that differs and both its values. */
falign_status config_match(const configuration *a, const configuration *b);

/* The JSON text, with numbers in the fewest digits that read back as the same. Released with free(). */
falign_status config_text(const configuration *config, char **out);

/* Keeps the configuration as the note "config" of a set of tensors. */
falign_status config_export(const configuration *config, falign_tensors *tensors);
/* Reads it back. Returns FALIGN_FORMAT if there is no such note or its text is invalid. */
falign_status config_import(const falign_tensors *tensors, configuration **out);

#endif
