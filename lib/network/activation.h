/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_ACTIVATION_H
#define FAL_ACTIVATION_H

#include "network/network.h"

/* Z = Z + b (b may be NULL) and Y = f(Z) for contiguous rows x cols matrices, which do not overlap. False where Z or Y
 * has a number that is not finite. */
bool fal_activate_f32(const fal_activation *activation, const float *b, float *z, float *y, size_t rows, size_t cols);
bool fal_activate_f64(const fal_activation *activation, const double *b, double *z, double *y, size_t rows,
                      size_t cols);

/* out = signal o f'(Z), where Y = f(Z); `out` may be `signal`, which is fastest. */
void fal_times_derivative_f32(const fal_activation *activation, const float *signal, const float *z, const float *y,
                              float *out, size_t count);
void fal_times_derivative_f64(const fal_activation *activation, const double *signal, const double *z, const double *y,
                              double *out, size_t count);

/* out = f'(Z) of layer l, in the given precision. */
void fal_activation_derivative(const falign_network *network, uint32_t l, falign_precision precision, const void *z,
                               const void *y, void *out, size_t count);

#endif
