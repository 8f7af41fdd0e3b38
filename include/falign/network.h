/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_NETWORK_H
#define FALIGN_NETWORK_H

/** @file network.h
 *  @brief What is learnt: widths, activations, weights W and biases b.
 *
 *  A network has d layers of weights and widths n[0..d]. Z[l] = L[l-1] W[l-1] + b[l] and L[l] = f(Z[l]) for
 *  l = 1..d, with W[l] of shape n[l] x n[l+1] for l = 0..d-1 and b[l] of length n[l] for l = 1..d (section 2.1). */

#include "falign/status.h"

FALIGN_BEGIN

struct falign_tensors;

/** A fully connected network. */
typedef struct falign_network falign_network;

/** Activation functions. */
typedef int32_t falign_activation;
enum {
  FALIGN_TANH_RELU = 1, /**< tanh(max(z, 0)), derivative 0 at 0: the paper's (section 2.3.1) */
  FALIGN_RELU = 2,      /**< max(z, 0), derivative 0 at 0 */
  FALIGN_TANH = 3,      /**< tanh(z) */
  FALIGN_LOGISTIC = 4,  /**< 1 / (1 + exp(-z)) */
  FALIGN_LINEAR = 5,    /**< z */
  FALIGN_CUSTOM = 6     /**< the caller's; see falign_network_set_custom_activation() */
};

/** The name of an activation ("tanh-relu", "relu", "tanh", "logistic", "linear", "custom"), NULL for a number that
 *  is none. Static storage. */
FALIGN_API const char *falign_activation_name(falign_activation activation);
/** The activation of a name; 0 for a name that is none, and for NULL. */
FALIGN_API falign_activation falign_activation_find(const char *name);

/** An element-wise function: writes out[i] = f(z[i]) for i < count. `out` and `z` do not overlap. May be called
 *  from several threads at once. */
typedef void (*falign_map_fn)(void *user, const double *z, double *out, size_t count);

/** Makes a network with all weights and biases 0 and tanh(relu) in each layer.
 *  @param precision of weights, biases and all that a step computes
 *  @param layers d, 1 to 2^24 - 1
 *  @param widths n[0..d], d + 1 numbers, each at least 1
 *  @param biases 0 leaves out b and its updates
 *  @return FALIGN_INVALID for a precision, number of layers or width that cannot be, FALIGN_MEMORY (a size that
 *  overflows included). */
FALIGN_API FALIGN_CHECKED falign_status falign_network_create(falign_precision precision, uint32_t layers,
                                                              const size_t *widths, int32_t biases,
                                                              falign_network **out);
/** Gives back a reference; NULL is fine. */
FALIGN_API void falign_network_destroy(falign_network *network);

/** The precision of weights and biases. */
FALIGN_API falign_precision falign_network_precision(const falign_network *network);
/** d, the number of layers of weights. */
FALIGN_API uint32_t falign_network_layers(const falign_network *network);
/** n[l]; 0 for l > d. */
FALIGN_API size_t falign_network_width(const falign_network *network, uint32_t l);
/** 1 if the network has biases, else 0. */
FALIGN_API int32_t falign_network_has_biases(const falign_network *network);
/** All weights and biases together. */
FALIGN_API size_t falign_network_parameters(const falign_network *network);

/** Sets the activation of layer l = 1..d. @return FALIGN_INVALID for a layer that is not there, for FALIGN_CUSTOM and
 *  for what is no activation. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_set_activation(falign_network *network, uint32_t l,
                                                                      falign_activation activation);
/** Gives layer l = 1..d the caller's activation f and its derivative df, both as functions of z. What `user` points to
 *  must live as long as the network. @return FALIGN_INVALID for a layer that is not there and for a NULL function. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_set_custom_activation(falign_network *network, uint32_t l,
                                                                             falign_map_fn f, falign_map_fn df,
                                                                             void *user);
/** The activation of layer l = 1..d; 0 for any other l. */
FALIGN_API falign_activation falign_network_activation(const falign_network *network, uint32_t l);

/** Draws W from N(0, sd_w) and b from N(0, sd_b); the parameters are standard deviations (section 2.3.1).
 *  The streams are (seed, FALIGN_RNG_W or _BIAS, l, run); both precisions start from the same numbers, rounded.
 *  @return FALIGN_INVALID for a standard deviation that is negative, not finite, or so large that a number could be
 *  beyond the precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_draw(falign_network *network, double sd_w, double sd_b,
                                                            uint64_t seed, uint32_t run);

/** Sets W[l], l = 0..d-1, from an n[l] x n[l+1] matrix in either precision, converted to the network's.
 *  @return FALIGN_SHAPE naming both shapes, FALIGN_INVALID for a layer that is not there or naming a number that is not
 *  finite in the network's precision; W[l] is then as it was. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_set_weights_f32(falign_network *network, uint32_t l,
                                                                       const float *w, size_t rows, size_t cols,
                                                                       size_t stride);
/** As falign_network_set_weights_f32(), from double precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_set_weights_f64(falign_network *network, uint32_t l,
                                                                       const double *w, size_t rows, size_t cols,
                                                                       size_t stride);
/** Copies W[l], l = 0..d-1, to the caller's n[l] x n[l+1] matrix, converted. @return FALIGN_SHAPE, FALIGN_INVALID for a
 *  layer that is not there. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_get_weights_f32(const falign_network *network, uint32_t l,
                                                                       float *w, size_t rows, size_t cols,
                                                                       size_t stride);
/** As falign_network_get_weights_f32(), in double precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_get_weights_f64(const falign_network *network, uint32_t l,
                                                                       double *w, size_t rows, size_t cols,
                                                                       size_t stride);

/** Sets b[l], l = 1..d, of length n[l], in either precision, converted to the network's.
 *  @return FALIGN_UNSUPPORTED for a network without biases, else as falign_network_set_weights_f32(). */
FALIGN_API FALIGN_CHECKED falign_status falign_network_set_bias_f32(falign_network *network, uint32_t l, const float *b,
                                                                    size_t length);
/** As falign_network_set_bias_f32(), from double precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_set_bias_f64(falign_network *network, uint32_t l,
                                                                    const double *b, size_t length);
/** Copies b[l], l = 1..d, to the caller's array of n[l] numbers, converted. @return FALIGN_UNSUPPORTED for a network
 *  without biases, FALIGN_SHAPE, FALIGN_INVALID for a layer that is not there. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_get_bias_f32(const falign_network *network, uint32_t l, float *b,
                                                                    size_t length);
/** As falign_network_get_bias_f32(), in double precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_get_bias_f64(const falign_network *network, uint32_t l,
                                                                    double *b, size_t length);

/** The network's own storage of W[l], l = 0..d-1 (contiguous, row-major), for changing in place; valid while the
 *  network lives. NULL, with falign_last_error() set, for another precision or layer. Who writes here keeps the numbers
 *  finite. */
FALIGN_API float *falign_network_weights_f32(falign_network *network, uint32_t l);
/** As falign_network_weights_f32(), of a network in double precision. */
FALIGN_API double *falign_network_weights_f64(falign_network *network, uint32_t l);
/** As falign_network_weights_f32(), of b[l], l = 1..d (n[l] numbers); NULL also for a network without biases. */
FALIGN_API float *falign_network_bias_f32(falign_network *network, uint32_t l);
/** As falign_network_bias_f32(), of a network in double precision. */
FALIGN_API double *falign_network_bias_f64(falign_network *network, uint32_t l);
/** As falign_network_weights_f32(), for reading. */
FALIGN_API const float *falign_network_view_weights_f32(const falign_network *network, uint32_t l);
/** As falign_network_weights_f64(), for reading. */
FALIGN_API const double *falign_network_view_weights_f64(const falign_network *network, uint32_t l);
/** As falign_network_bias_f32(), for reading. */
FALIGN_API const float *falign_network_view_bias_f32(const falign_network *network, uint32_t l);
/** As falign_network_bias_f64(), for reading. */
FALIGN_API const double *falign_network_view_bias_f64(const falign_network *network, uint32_t l);

/** Adds copies of all W.l (n[l] x n[l+1]) and b.l (n[l]) to a set of tensors, in the network's precision. @return
 *  FALIGN_INVALID for a name that is there already, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_export(const falign_network *network,
                                                              struct falign_tensors *tensors);
/** Takes those W.l and b.l that a set of tensors holds, in either precision; others stay as they are, and names that
 *  the network does not have are passed over. On failure the network is as it was. @return FALIGN_SHAPE naming both
 * shapes, FALIGN_FORMAT for integers, FALIGN_INVALID naming a number that is not finite in the network's precision,
 * FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_network_import(falign_network *network,
                                                              const struct falign_tensors *tensors);

FALIGN_END

#endif
