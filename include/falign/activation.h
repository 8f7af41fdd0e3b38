/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_ACTIVATION_H
#define FALIGN_ACTIVATION_H

/** @file activation.h
 *  @brief Activation functions f of a layer's units: L[l] = f(Z[l]). */

#include "falign/status.h"

FALIGN_BEGIN

/** An activation function and its derivative. Never changed after it is made, so that any number of layers, networks
 *  and threads may share one. The built-in ones are permanent: destroying them does nothing. */
typedef struct falign_activation falign_activation;

/** An element-wise function: writes out[i] = f(z[i]) for i < count. `out` and `z` do not overlap. May be called
 *  from several threads at once. */
typedef void (*falign_map_fn)(void *user, const double *z, double *out, size_t count);

/** A user's activation. */
typedef struct falign_activation_table {
  size_t size;                 /**< sizeof(falign_activation_table) */
  const char *name;            /**< required; copied */
  falign_map_fn f;             /**< required: f(z) */
  falign_map_fn df;            /**< required: f'(z), as a function of z */
  void (*destroy)(void *user); /**< optional: called once when the last reference is released */
} falign_activation_table;

/** Finds a built-in activation by name; it need not be destroyed. "tanh-relu" is tanh(max(z, 0)) with derivative 0 at
 *  0, the paper's (section 2.3.1); "relu" is max(z, 0) with derivative 0 at 0; "tanh"; "logistic" is 1 / (1 + exp(-z));
 *  "linear" is z. @return FALIGN_UNSUPPORTED for another name, listing these. */
FALIGN_API FALIGN_CHECKED falign_status falign_activation_create(const char *name, falign_activation **out);
/** Makes an activation of a user's functions; `user` is passed to each. @return FALIGN_INVALID naming a missing entry,
 *  FALIGN_UNSUPPORTED for a table with entries that this version does not know, FALIGN_MEMORY; `user` is then not
 *  destroyed. */
FALIGN_API FALIGN_CHECKED falign_status falign_activation_create_custom(const falign_activation_table *table,
                                                                        void *user, falign_activation **out);
/** Releases a reference; NULL and the built-in ones are fine. */
FALIGN_API void falign_activation_destroy(falign_activation *activation);

/** The built-in name or the user's, in the activation's own storage. */
FALIGN_API const char *falign_activation_name(const falign_activation *activation);

FALIGN_END

#endif
