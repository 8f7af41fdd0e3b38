/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_ACTIVATION_H
#define FAL_ACTIVATION_H

#include "falign/activation.h"
#include "math/matrix.h"

typedef enum { FAL_TANH_RELU = 1, FAL_RELU, FAL_TANH, FAL_LOGISTIC, FAL_LINEAR, FAL_CUSTOM } fal_activation_kind;

struct falign_activation {
  fal_refs refs;
  bool permanent; /* a built-in one, which is never released */
  fal_activation_kind kind;
  const char *name;
  falign_map_fn f, df; /* FAL_CUSTOM only */
  void *user;
  void (*destroy)(void *user);
};

enum { FAL_MAX_DEGREE = 10 }; /* of Taylor polynomials */

void fal_activation_retain(const falign_activation *activation);
/* Returns "tanh-relu", which new networks have. */
const falign_activation *fal_activation_default(void);

/* Z = Z + b (b may be NULL) and Y = f(Z) for contiguous rows x cols matrices, which must not overlap. Returns false if
 * Z or Y has a number that is not finite. */
bool fal_activate_f32(const falign_activation *activation, const float *b, float *z, float *y, size_t rows,
                      size_t cols);
bool fal_activate_f64(const falign_activation *activation, const double *b, double *z, double *y, size_t rows,
                      size_t cols);

/* out = signal .* f'(Z), where Y = f(Z); `out` may be `signal`, which is fastest. */
void fal_times_derivative_f32(const falign_activation *activation, const float *signal, const float *z, const float *y,
                              float *out, size_t count);
void fal_times_derivative_f64(const falign_activation *activation, const double *signal, const double *z,
                              const double *y, double *out, size_t count);

/* Whether f has a Taylor series about every z, like tanh, logistic and linear. */
bool fal_is_analytic(const falign_activation *activation);

/* Terms of a function's Taylor series: the degrees first..last, with 1 <= first <= last <= FAL_MAX_DEGREE; last must be
 * 1 if the function is not analytic. */
typedef struct {
  const falign_activation *activation;
  uint32_t first, last;
} fal_series;

/* out = sum over the degrees v of f^(v)(Z) / v! .* step.^v, where Y = f(Z): terms of f(Z + step) (eqs. S2 to S5).
 * `out` may be `step`. The error of a term is at most 20 epsilon |step|^v for tanh and 20 epsilon |step / 2|^v for
 * logistic. It is an absolute error: the derivatives are computed from Y, so they are 0 if tanh or logistic rounds
 * to 1. */
void fal_taylor_f32(const fal_series *series, const float *step, const float *z, const float *y, float *out,
                    size_t count);
void fal_taylor_f64(const fal_series *series, const double *step, const double *z, const double *y, double *out,
                    size_t count);

/* out = f'(Z), where Y = f(Z), in the given precision. */
void fal_activation_derivative(const falign_activation *activation, falign_precision precision, const void *z,
                               const void *y, void *out, size_t count);

#endif
