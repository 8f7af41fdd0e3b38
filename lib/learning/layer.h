/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_LAYER_H
#define FAL_LAYER_H

#include "learning/trace.h"

/* How a layer l = 1..d, with W[l-1] and b[l], processes a block of rows. All layers are dense so far.
 * `delta` is delta[l]; `update` has the layout of the network's parameters. */
typedef struct {
  /* Writes Z[l] and L[l] of the block and whether all their numbers are finite. */
  falign_status (*forward_f32)(const falign_trace *block, uint32_t l, bool *finite);
  falign_status (*forward_f64)(const falign_trace *block, uint32_t l, bool *finite);
  /* Writes the signal that BP sends to layer l - 1, before f', to `out` (contiguous). */
  falign_status (*send_back_f32)(const falign_trace *block, uint32_t l, const float *delta, float *out);
  falign_status (*send_back_f64)(const falign_trace *block, uint32_t l, const double *delta, double *out);
  /* Adds dW[l-1] and db[l] of the block to `update`, or writes them there if it is `fresh`. */
  falign_status (*add_update_f32)(const falign_trace *block, uint32_t l, const float *delta, bool fresh, float *update);
  falign_status (*add_update_f64)(const falign_trace *block, uint32_t l, const double *delta, bool fresh,
                                  double *update);
} fal_layer_kind;

/* The kind of all layers so far. */
extern const fal_layer_kind fal_layer_dense;

falign_status fal_dense_forward_f32(const falign_trace *block, uint32_t l, bool *finite);
falign_status fal_dense_forward_f64(const falign_trace *block, uint32_t l, bool *finite);
falign_status fal_dense_send_back_f32(const falign_trace *block, uint32_t l, const float *delta, float *out);
falign_status fal_dense_send_back_f64(const falign_trace *block, uint32_t l, const double *delta, double *out);
falign_status fal_dense_add_update_f32(const falign_trace *block, uint32_t l, const float *delta, bool fresh,
                                       float *update);
falign_status fal_dense_add_update_f64(const falign_trace *block, uint32_t l, const double *delta, bool fresh,
                                       double *update);

#endif
