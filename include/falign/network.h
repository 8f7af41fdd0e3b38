/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_NETWORK_H
#define FALIGN_NETWORK_H

/** @file network.h
 *  @brief What is learned: widths, activations, weights W and biases b.
 *
 *  A network has d layers of weights and widths n[0..d]. Z[l] = L[l-1] W[l-1] + b[l] and L[l] = f(Z[l]) for
 *  l = 1..d, with W[l] of shape n[l] x n[l+1] for l = 0..d-1 and b[l] of length n[l] for l = 1..d (section 2.1).
 *
 *  Its matrices are FALIGN_W, FALIGN_BIAS and FALIGN_PARAMETERS (matrix.h). Functions that take a quantity and a layer
 *  return FALIGN_INVALID for any other quantity and for a layer that does not exist, and FALIGN_UNSUPPORTED for the
 *  bias of a network without biases. */

#include "falign/activation.h"
#include "falign/matrix.h"

FALIGN_BEGIN

struct falign_tensors;

/** A fully connected network. */
typedef struct falign_network falign_network;

/** Makes a network with all weights and biases 0 and tanh(relu) in each layer.
 *  @param precision of weights, biases and everything that a step computes
 *  @param layers d, 1 to 2^24 - 1
 *  @param widths n[0..d], d + 1 numbers, each at least 1
 *  @param biases 0 leaves out b and its updates
 *  @return FALIGN_INVALID for an invalid precision, number of layers or width, FALIGN_MEMORY (also if a size
 *  overflows). */
FALIGN_API FALIGN_CHECKED falign_status falign_network_create(falign_precision precision, uint32_t layers,
                                                              const size_t *widths, int32_t biases,
                                                              falign_network **out);
/** Releases a reference; NULL is fine. */
FALIGN_API void falign_network_destroy(falign_network *network);

/** Returns the precision of weights and biases. */
FALIGN_API falign_precision falign_network_precision(const falign_network *network);
/** Returns d, the number of layers of weights. */
FALIGN_API uint32_t falign_network_layers(const falign_network *network);
/** Returns n[l]; 0 for l > d. */
FALIGN_API size_t falign_network_width(const falign_network *network, uint32_t l);
/** Returns 1 if the network has biases, else 0. */
FALIGN_API int32_t falign_network_has_biases(const falign_network *network);
/** Returns the number of all weights and biases together. */
FALIGN_API size_t falign_network_parameters(const falign_network *network);

/** Sets the activation of layer l = 1..d, to which the network keeps a reference. @return FALIGN_INVALID for a layer
 *  that does not exist. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_set_activation(falign_network *network, uint32_t l,
                                                                      const falign_activation *activation);
/** Returns the activation of layer l = 1..d, borrowed; NULL for any other l. */
FALIGN_API const falign_activation *falign_network_activation(const falign_network *network, uint32_t l);

/** Draws W from N(0, sd_w) and b from N(0, sd_b); the parameters are standard deviations (section 2.3.1).
 *  The streams are (seed, FALIGN_RNG_W or _BIAS, l, run); both precisions start from the same numbers, rounded.
 *  @return FALIGN_INVALID for a standard deviation that is negative, not finite, or so large that a number could
 *  overflow the precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_draw(falign_network *network, double sd_w, double sd_b,
                                                            uint64_t seed, uint32_t run);

/** Sets a matrix of the network from a matrix in either precision. @return FALIGN_INVALID also naming a number that is
 *  not finite in the network's precision; the matrix is then unchanged. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_set(falign_network *network, falign_quantity what, uint32_t l,
                                                           const falign_view *values);
/** Copies a matrix of the network to `out`, in either precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_get(const falign_network *network, falign_quantity what,
                                                           uint32_t l, const falign_matrix *out);
/** Views a matrix of the network in its own storage (contiguous, row-major); valid while the network lives. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_view(const falign_network *network, falign_quantity what,
                                                            uint32_t l, falign_view *out);
/** Gives the network's own storage of a matrix, as falign_network_view(), for changing it in place. Write only finite
 *  numbers there. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_edit(falign_network *network, falign_quantity what, uint32_t l,
                                                            falign_matrix *out);

/** Adds copies of all W.l (n[l] x n[l+1]) and b.l (n[l]) to a set of tensors, in the network's precision. @return
 *  FALIGN_INVALID for a name that exists already, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_export(const falign_network *network,
                                                              struct falign_tensors *tensors);
/** Sets the W.l and b.l that a set of tensors holds, in either precision; others stay unchanged, and names that the
 *  network does not have are ignored. On failure the network is unchanged. @return FALIGN_SHAPE naming both shapes,
 *  FALIGN_FORMAT for integers, FALIGN_INVALID naming a number that is not finite in the network's precision,
 *  FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_import(falign_network *network,
                                                              const struct falign_tensors *tensors);

FALIGN_END

#endif
