/* SPDX-License-Identifier: Apache-2.0 */
#include "network/activation.h"

#include <float.h>
#include <math.h>

#include "support/real.h"

#if defined(FAL_REAL_F32)
#define REAL_MAX FLT_MAX
#define real_tanh tanhf
#define real_exp expf
#else
#define REAL_MAX DBL_MAX
#define real_tanh tanh
#define real_exp exp
#endif

/* The caller's functions take doubles: other numbers go through a piece of the stack. */
enum { PIECE = 256 };

static void map(falign_map_fn function, void *user, const real *z, real *out, size_t count) {
  double from[PIECE], to[PIECE];
  for (size_t at = 0; at < count; at += PIECE) {
    size_t length = count - at < PIECE ? count - at : PIECE;
    for (size_t i = 0; i < length; i++) from[i] = (double)z[at + i];
    function(user, from, to, length);
    for (size_t i = 0; i < length; i++) out[at + i] = (real)to[i];
  }
}

static real positive(real z) { return z > 0 ? z : 0; }

static real logistic(real z) { return 1 / (1 + real_exp(-z)); }

static void apply(const fal_activation *activation, const real *z, real *y, size_t count) {
  switch (activation->kind) {
    case FALIGN_TANH_RELU:
      for (size_t i = 0; i < count; i++) y[i] = z[i] > 0 ? real_tanh(z[i]) : 0;
      break;
    case FALIGN_RELU:
      for (size_t i = 0; i < count; i++) y[i] = positive(z[i]);
      break;
    case FALIGN_TANH:
      for (size_t i = 0; i < count; i++) y[i] = real_tanh(z[i]);
      break;
    case FALIGN_LOGISTIC:
      for (size_t i = 0; i < count; i++) y[i] = logistic(z[i]);
      break;
    case FALIGN_LINEAR:
      for (size_t i = 0; i < count; i++) y[i] = z[i];
      break;
    default: map(activation->f, activation->user, z, y, count);
  }
}

static bool all_finite(const real *values, size_t count) {
  int bad = 0;
  for (size_t i = 0; i < count; i++) {
    real magnitude = values[i] < 0 ? -values[i] : values[i];
    bad |= !(magnitude <= REAL_MAX);
  }
  return bad == 0;
}

bool REAL(fal_activate)(const fal_activation *activation, const real *b, real *z, real *y, size_t rows, size_t cols) {
  bool finite = true;
  for (size_t i = 0; i < rows; i++, z += cols, y += cols) {
    if (b) {
      for (size_t j = 0; j < cols; j++) z[j] += b[j];
    }
    finite &= all_finite(z, cols); /* tanh and relu would hide an infinity or NaN of Z */
    apply(activation, z, y, cols);
    if (activation->kind == FALIGN_CUSTOM) finite &= all_finite(y, cols);
  }
  return finite;
}

void REAL(fal_times_derivative)(const fal_activation *activation, const real *signal, const real *z, const real *y,
                                real *out, size_t count) {
  switch (activation->kind) {
    case FALIGN_TANH_RELU:
      for (size_t i = 0; i < count; i++) {
        real rising = signal[i] * (1 - y[i] * y[i]);
        out[i] = z[i] > 0 ? rising : 0;
      }
      break;
    case FALIGN_RELU:
      for (size_t i = 0; i < count; i++) {
        real rising = signal[i];
        out[i] = z[i] > 0 ? rising : 0;
      }
      break;
    case FALIGN_TANH:
      for (size_t i = 0; i < count; i++) out[i] = signal[i] * (1 - y[i] * y[i]);
      break;
    case FALIGN_LOGISTIC:
      for (size_t i = 0; i < count; i++) out[i] = signal[i] * (y[i] * (1 - y[i]));
      break;
    case FALIGN_LINEAR:
      for (size_t i = 0; i < count; i++) out[i] = signal[i];
      break;
    default: {
      real derivative[PIECE];
      for (size_t at = 0; at < count; at += PIECE) {
        size_t length = count - at < PIECE ? count - at : PIECE;
        map(activation->df, activation->user, z + at, derivative, length);
        for (size_t i = 0; i < length; i++) out[at + i] = signal[at + i] * derivative[i];
      }
    }
  }
}
