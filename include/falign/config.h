/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_CONFIG_H
#define FALIGN_CONFIG_H

/** @file config.h
 *  @brief The configuration of a run: named values, written as JSON beside its table and kept in its checkpoint. */

#include "falign/tensors.h"

FALIGN_BEGIN

/** Named values in the order in which they were first set. */
typedef struct falign_config falign_config;

/** An empty configuration. In a build without files all functions of this header that return a status return
 *  FALIGN_UNSUPPORTED. @return FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_config_create(falign_config **out);
/** Releases it; NULL is fine. */
FALIGN_API void falign_config_destroy(falign_config *config);

/** Sets a value, which is copied, replacing one of the same name.
 *  @return FALIGN_INVALID for an empty name, a real that is not finite or an integer beyond 2^53; FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_config_set_text(falign_config *config, const char *name,
                                                               const char *value);
/** Sets a real. @return as falign_config_set_text(). */
FALIGN_API FALIGN_CHECKED falign_status falign_config_set_real(falign_config *config, const char *name, double value);
/** Sets an integer. @return as falign_config_set_text(). */
FALIGN_API FALIGN_CHECKED falign_status falign_config_set_integer(falign_config *config, const char *name,
                                                                  int64_t value);

/** The number of values. */
FALIGN_API size_t falign_config_count(const falign_config *config);
/** The name of value `index`, in the configuration's own storage; NULL beyond the last. */
FALIGN_API const char *falign_config_name_at(const falign_config *config, size_t index);
/** Reads a text, in the configuration's own storage until it changes. @return FALIGN_INVALID for a name that is not
 *  there or has a number. */
FALIGN_API FALIGN_CHECKED falign_status falign_config_get_text(const falign_config *config, const char *name,
                                                               const char **value);
/** Reads a number, real or integer. @return FALIGN_INVALID for a name that is not there or has a text. */
FALIGN_API FALIGN_CHECKED falign_status falign_config_get_real(const falign_config *config, const char *name,
                                                               double *value);

/** Succeeds if both hold the same names with the same values, in any order. @return FALIGN_INVALID with a message that
 *  names the first field that differs and both its values. */
FALIGN_API FALIGN_CHECKED falign_status falign_config_match(const falign_config *a, const falign_config *b);

/** Writes a JSON object, as falign_tensors_write() writes. @return FALIGN_IO, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_config_write(const falign_config *config, const char *path);
/** Reads a JSON object whose values are texts and numbers, of at most 16 MiB. @return FALIGN_IO, FALIGN_FORMAT
 *  naming the file and what is wrong with it, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_config_read(const char *path, falign_config **out);

/** Keeps the configuration as the note "config" of a set of tensors. @return FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_config_export(const falign_config *config, falign_tensors *tensors);
/** Makes a configuration of the note "config". @return FALIGN_FORMAT where the set has none or it is no such JSON,
 *  FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_config_import(const falign_tensors *tensors, falign_config **out);

FALIGN_END

#endif
