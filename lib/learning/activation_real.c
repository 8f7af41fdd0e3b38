/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/activation.h"

#include <string.h>

#include "base/real.h"
#include "base/size.h"
#include "base/vector.h"
#include "learning/sigmoid.h"

/* A user's functions take doubles; other numbers are converted piece by piece. */
enum { PIECE = 256 };

static void map_pieces(falign_map_fn function, void *user, const real *z, real *out, size_t count) {
  double from[PIECE], to[PIECE];
  for (size_t at = 0; at < count; at += PIECE) {
    size_t length = fal_min(count - at, PIECE);
    for (size_t i = 0; i < length; i++) from[i] = (double)z[at + i];
    function(user, from, to, length);
    for (size_t i = 0; i < length; i++) out[at + i] = (real)to[i];
  }
}

/* ---- Y = f(Z) ---- */

FAL_LOOP void apply_piece(fal_activation_kind kind, const real *restrict z, real *restrict y, size_t count) {
  switch (kind) {
    case FAL_TANH_RELU: tanh_loop(true, z, y, count); break;
    case FAL_RELU:
      for (size_t i = 0; i < count; i++) y[i] = positive(z[i]);
      break;
    case FAL_TANH: tanh_loop(false, z, y, count); break;
    case FAL_LOGISTIC: logistic_loop(z, y, count); break;
    default:
      for (size_t i = 0; i < count; i++) y[i] = z[i];
  }
}

FAL_LOOP void apply_loop(fal_activation_kind kind, const real *restrict z, real *restrict y, size_t count) {
  for (; count > SIGMOID_PIECE; count -= SIGMOID_PIECE, z += SIGMOID_PIECE, y += SIGMOID_PIECE)
    apply_piece(kind, z, y, SIGMOID_PIECE);
  apply_piece(kind, z, y, count);
}

FAL_VECTOR(void, apply, (fal_activation_kind kind, const real *z, real *y, size_t count), apply_loop(kind, z, y, count))

FAL_LOOP bool all_finite_loop(const real *values, size_t count) {
  real_bits bad = 0;
  for (size_t i = 0; i < count; i++) bad |= not_finite(values[i]);
  return all_were_finite(bad);
}

FAL_VECTOR(bool, all_finite, (const real *values, size_t count), return all_finite_loop(values, count))

FAL_LOOP bool add_bias_loop(const real *restrict b, real *restrict z, size_t rows, size_t cols) {
  real_bits bad = 0;
  for (size_t i = 0; i < rows; i++, z += cols) {
    for (size_t j = 0; j < cols; j++) {
      z[j] += b[j];
      bad |= not_finite(z[j]);
    }
  }
  return all_were_finite(bad);
}

FAL_VECTOR(bool, add_bias, (const real *b, real *z, size_t rows, size_t cols), return add_bias_loop(b, z, rows, cols))

bool REAL(fal_activate)(const falign_activation *activation, const real *b, real *z, real *y, size_t rows,
                        size_t cols) {
  int level = fal_vector_level();
  size_t count = rows * cols;
  /* tanh and relu could hide an infinity or NaN in Z */
  bool finite = b ? add_bias[level](b, z, rows, cols) : all_finite[level](z, count);
  if (activation->kind != FAL_CUSTOM) {
    apply[level](activation->kind, z, y, count);
    return finite;
  }
  map_pieces(activation->f, activation->user, z, y, count);
  return finite & all_finite[level](y, count);
}

/* ---- f' ---- */

FAL_LOOP void times_derivative_loop(fal_activation_kind kind, const real *restrict z, const real *restrict y,
                                    real *restrict signal, size_t count) {
  switch (kind) {
    case FAL_TANH_RELU:
      for (size_t i = 0; i < count; i++) {
        real rising = signal[i] * (1 - y[i] * y[i]);
        signal[i] = z[i] > 0 ? rising : 0;
      }
      break;
    case FAL_RELU:
      for (size_t i = 0; i < count; i++) {
        real rising = signal[i];
        signal[i] = z[i] > 0 ? rising : 0;
      }
      break;
    case FAL_TANH:
      for (size_t i = 0; i < count; i++) signal[i] *= 1 - y[i] * y[i];
      break;
    case FAL_LOGISTIC:
      for (size_t i = 0; i < count; i++) signal[i] *= y[i] * (1 - y[i]);
      break;
    default: break;
  }
}

FAL_VECTOR(void, times_derivative, (fal_activation_kind kind, const real *z, const real *y, real *signal, size_t count),
           times_derivative_loop(kind, z, y, signal, count))

static void times_custom(const falign_activation *activation, const real *z, real *signal, size_t count) {
  real derivative[PIECE] = {0};
  for (size_t at = 0; at < count; at += PIECE) {
    size_t length = fal_min(count - at, PIECE);
    map_pieces(activation->df, activation->user, z + at, derivative, length);
    for (size_t i = 0; i < length; i++) signal[at + i] *= derivative[i];
  }
}

void REAL(fal_times_derivative)(const falign_activation *activation, const real *signal, const real *z, const real *y,
                                real *out, size_t count) {
  if (out != signal) memcpy(out, signal, count * sizeof *out);
  if (activation->kind == FAL_CUSTOM) {
    times_custom(activation, z, out, count);
  } else {
    times_derivative[fal_vector_level()](activation->kind, z, y, out, count);
  }
}

/* ---- Taylor polynomials ---- */

/* The derivatives of tanh are polynomials in y = tanh(z): P[0] = y, P[v+1] = P[v]' (1 - y^2), so P[v] = f' P[v-1]'.
 * Row v holds the coefficients of Q[v] = P[v-1]' / v!, where Q[1] = 1 and (v+1) Q[v+1] = (Q[v] (1 - y^2))'. Every
 * other coefficient is 0. */
typedef struct {
  real q[FAL_MAX_DEGREE + 1][FAL_MAX_DEGREE];
} tanh_coefficients;

static void fill_coefficients(uint32_t last, tanh_coefficients *out) {
  double now[FAL_MAX_DEGREE + 2] = {1}, next[FAL_MAX_DEGREE + 2] = {0};
  for (uint32_t v = 1; v <= last; v++) {
    for (uint32_t j = 0; j < v; j++) out->q[v][j] = (real)now[j];
    for (uint32_t j = 0; j <= v; j++) next[j] = (j + 1) * (now[j + 1] - (j > 0 ? now[j - 1] : 0)) / (v + 1);
    memcpy(now, next, sizeof now);
  }
}

/* sum = sum over v of Q[v](y) step^v, by Horner's rule in step and, for each Q[v], in y^2. */
FAL_LOOP void sum_series_loop(const fal_series *series, const tanh_coefficients *s, const real *restrict step,
                              const real *restrict y, real *restrict sum, size_t count) {
  const uint32_t first = series->first, last = series->last;
  real term[PIECE];
  for (size_t i = 0; i < count; i++) sum[i] = 0;
  for (uint32_t v = last; v >= first; v--) {
    for (size_t i = 0; i < count; i++) term[i] = s->q[v][v - 1];
    for (uint32_t j = v - 1; j >= 2; j -= 2) {
      for (size_t i = 0; i < count; i++) term[i] = term[i] * (y[i] * y[i]) + s->q[v][j - 2];
    }
    if (v % 2 == 0) {
      for (size_t i = 0; i < count; i++) term[i] *= y[i];
    }
    for (size_t i = 0; i < count; i++) sum[i] = sum[i] * step[i] + term[i];
  }
  for (uint32_t v = 0; v < first; v++) {
    for (size_t i = 0; i < count; i++) sum[i] *= step[i];
  }
}

FAL_VECTOR(void, sum_series,
           (const fal_series *series, const tanh_coefficients *s, const real *step, const real *y, real *sum,
            size_t count),
           sum_series_loop(series, s, step, y, sum, count))

/* signal = the factor of f'. logistic(z) = 1/2 + tanh(z/2) / 2 uses the series of tanh, with tanh(z/2) = 2 y - 1: in
 * powers of the logistic function itself the terms would cancel each other. */
static void taylor_signal(const fal_series *series, const real *step, const real *y, real *signal, size_t count) {
  real narrow[PIECE], centered[PIECE];
  real width = series->activation->kind == FAL_LOGISTIC ? 2 : 1;
  tanh_coefficients s;
  fill_coefficients(series->last, &s);
  for (size_t at = 0; at < count; at += PIECE) {
    size_t length = fal_min(count - at, PIECE);
    for (size_t i = 0; i < length; i++) {
      narrow[i] = step[at + i] / width;
      centered[i] = width * y[at + i] - (width - 1);
    }
    sum_series[fal_vector_level()](series, &s, narrow, centered, signal + at, length);
    for (size_t i = 0; i < length; i++) signal[at + i] *= width;
  }
}

void REAL(fal_taylor)(const fal_series *series, const real *step, const real *z, const real *y, real *out,
                      size_t count) {
  const falign_activation *activation = series->activation;
  if (activation->kind == FAL_TANH || activation->kind == FAL_LOGISTIC) {
    taylor_signal(series, step, y, out, count);
  } else if (series->first == 1) {
    memmove(out, step, count * sizeof *out);
  } else {
    memset(out, 0, count * sizeof *out); /* linear */
  }
  REAL(fal_times_derivative)(activation, out, z, y, out, count);
}
