/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_ACTIVATION_H
#define FAL_ACTIVATION_H

#include "learning/network.h"

enum { FAL_MAX_DEGREE = 10 }; /* of Taylor polynomials */

/* Z = Z + b (b may be NULL) and Y = f(Z) for contiguous rows x cols matrices, which do not overlap. False where Z or Y
 * has a number that is not finite. */
bool fal_activate_f32(const fal_activation *activation, const float *b, float *z, float *y, size_t rows, size_t cols);
bool fal_activate_f64(const fal_activation *activation, const double *b, double *z, double *y, size_t rows,
                      size_t cols);

/* out = signal .* f'(Z), where Y = f(Z); `out` may be `signal`, which is fastest. */
void fal_times_derivative_f32(const fal_activation *activation, const float *signal, const float *z, const float *y,
                              float *out, size_t count);
void fal_times_derivative_f64(const fal_activation *activation, const double *signal, const double *z, const double *y,
                              double *out, size_t count);

/* Whether f has a Taylor series about each z: tanh, logistic and linear do. */
bool fal_is_analytic(const fal_activation *activation);

/* out = sum over v = first..last of f^(v)(Z) / v! .* step.^v, where Y = f(Z): terms of f(Z + step) (eqs. S2 to S5),
 * with 1 <= first <= last <= FAL_MAX_DEGREE. For an f that is not analytic last is 1, so that out = step .* f'(Z).
 * `out` may be `step`. The error of a term is at most 20 epsilon |step|^v for tanh and 20 epsilon |step / 2|^v for
 * logistic. It is absolute: the derivatives are made of Y, so where tanh or logistic rounds to 1 they are 0. */
void fal_taylor_f32(const fal_activation *activation, uint32_t first, uint32_t last, const float *step, const float *z,
                    const float *y, float *out, size_t count);
void fal_taylor_f64(const fal_activation *activation, uint32_t first, uint32_t last, const double *step,
                    const double *z, const double *y, double *out, size_t count);

/* out = f'(Z) of layer l, in the given precision. */
void fal_activation_derivative(const falign_network *network, uint32_t l, falign_precision precision, const void *z,
                               const void *y, void *out, size_t count);

#endif
