/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/activation.h"

#include <string.h>

#include "learning/sigmoid.h"
#include "base/real.h"
#include "base/vector.h"

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

/* ---- Y = f(Z) ---- */

FAL_LOOP void apply_run(falign_activation kind, const real *restrict z, real *restrict y, size_t count) {
  switch (kind) {
    case FALIGN_TANH_RELU: run_of_tanh(true, z, y, count); break;
    case FALIGN_RELU:
      for (size_t i = 0; i < count; i++) y[i] = positive(z[i]);
      break;
    case FALIGN_TANH: run_of_tanh(false, z, y, count); break;
    case FALIGN_LOGISTIC: run_of_logistic(z, y, count); break;
    default:
      for (size_t i = 0; i < count; i++) y[i] = z[i];
  }
}

FAL_LOOP void apply_loop(falign_activation kind, const real *restrict z, real *restrict y, size_t count) {
  for (; count > RUN; count -= RUN, z += RUN, y += RUN) apply_run(kind, z, y, RUN);
  apply_run(kind, z, y, count);
}

FAL_VECTOR(void, apply, (falign_activation kind, const real *z, real *y, size_t count), apply_loop(kind, z, y, count))

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

bool REAL(fal_activate)(const fal_activation *activation, const real *b, real *z, real *y, size_t rows, size_t cols) {
  int level = fal_vector_level();
  size_t count = rows * cols;
  /* tanh and relu would hide an infinity or NaN of Z */
  bool finite = b ? add_bias[level](b, z, rows, cols) : all_finite[level](z, count);
  if (activation->kind != FALIGN_CUSTOM) {
    apply[level](activation->kind, z, y, count);
    return finite;
  }
  map(activation->f, activation->user, z, y, count);
  return finite & all_finite[level](y, count);
}

/* ---- f' ---- */

FAL_LOOP void times_derivative_loop(falign_activation kind, const real *restrict z, const real *restrict y,
                                    real *restrict signal, size_t count) {
  switch (kind) {
    case FALIGN_TANH_RELU:
      for (size_t i = 0; i < count; i++) {
        real rising = signal[i] * (1 - y[i] * y[i]);
        signal[i] = z[i] > 0 ? rising : 0;
      }
      break;
    case FALIGN_RELU:
      for (size_t i = 0; i < count; i++) {
        real rising = signal[i];
        signal[i] = z[i] > 0 ? rising : 0;
      }
      break;
    case FALIGN_TANH:
      for (size_t i = 0; i < count; i++) signal[i] *= 1 - y[i] * y[i];
      break;
    case FALIGN_LOGISTIC:
      for (size_t i = 0; i < count; i++) signal[i] *= y[i] * (1 - y[i]);
      break;
    default: break;
  }
}

FAL_VECTOR(void, times_derivative, (falign_activation kind, const real *z, const real *y, real *signal, size_t count),
           times_derivative_loop(kind, z, y, signal, count))

static void times_custom(const fal_activation *activation, const real *z, real *signal, size_t count) {
  real derivative[PIECE] = {0};
  for (size_t at = 0; at < count; at += PIECE) {
    size_t length = count - at < PIECE ? count - at : PIECE;
    map(activation->df, activation->user, z + at, derivative, length);
    for (size_t i = 0; i < length; i++) signal[at + i] *= derivative[i];
  }
}

void REAL(fal_times_derivative)(const fal_activation *activation, const real *signal, const real *z, const real *y,
                                real *out, size_t count) {
  if (out != signal) memcpy(out, signal, count * sizeof *out);
  if (activation->kind == FALIGN_CUSTOM) {
    times_custom(activation, z, out, count);
  } else {
    times_derivative[fal_vector_level()](activation->kind, z, y, out, count);
  }
}

/* ---- Taylor polynomials ---- */

/* The derivatives of tanh are polynomials in y = tanh(z): P[0] = y, P[v+1] = P[v]' (1 - y^2), so P[v] = f' P[v-1]'.
 * Row v holds the coefficients of Q[v] = P[v-1]' / v!, for which Q[1] = 1 and (v+1) Q[v+1] = (Q[v] (1 - y^2))'. Every
 * other coefficient is 0. */
typedef struct {
  real q[FAL_MAX_DEGREE + 1][FAL_MAX_DEGREE];
} series;

static void fill_series(uint32_t last, series *tanh_series) {
  double now[FAL_MAX_DEGREE + 2] = {1}, next[FAL_MAX_DEGREE + 2] = {0};
  for (uint32_t v = 1; v <= last; v++) {
    for (uint32_t j = 0; j < v; j++) tanh_series->q[v][j] = (real)now[j];
    for (uint32_t j = 0; j <= v; j++) next[j] = (j + 1) * (now[j + 1] - (j > 0 ? now[j - 1] : 0)) / (v + 1);
    memcpy(now, next, sizeof now);
  }
}

/* sum = sum over v of Q[v](y) step^v, by Horner's rule in step and, for each Q[v], in y^2. */
FAL_LOOP void sum_series_loop(uint32_t first, uint32_t last, const series *s, const real *restrict step,
                              const real *restrict y, real *restrict sum, size_t count) {
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
           (uint32_t first, uint32_t last, const series *s, const real *step, const real *y, real *sum, size_t count),
           sum_series_loop(first, last, s, step, y, sum, count))

/* signal = what f' is to be multiplied by. logistic(z) = 1/2 + tanh(z/2) / 2 has tanh's series, with y for tanh(z/2)
 * being 2 y - 1: in powers of the logistic function itself the terms would cancel each other. */
static void taylor_signal(falign_activation kind, uint32_t first, uint32_t last, const real *step, const real *y,
                          real *signal, size_t count) {
  real narrow[PIECE], centred[PIECE];
  real width = kind == FALIGN_LOGISTIC ? 2 : 1;
  series s;
  fill_series(last, &s);
  for (size_t at = 0; at < count; at += PIECE) {
    size_t length = count - at < PIECE ? count - at : PIECE;
    for (size_t i = 0; i < length; i++) {
      narrow[i] = step[at + i] / width;
      centred[i] = width * y[at + i] - (width - 1);
    }
    sum_series[fal_vector_level()](first, last, &s, narrow, centred, signal + at, length);
    for (size_t i = 0; i < length; i++) signal[at + i] *= width;
  }
}

void REAL(fal_taylor)(const fal_activation *activation, uint32_t first, uint32_t last, const real *step, const real *z,
                      const real *y, real *out, size_t count) {
  if (activation->kind == FALIGN_TANH || activation->kind == FALIGN_LOGISTIC) {
    taylor_signal(activation->kind, first, last, step, y, out, count);
  } else if (first == 1) {
    memmove(out, step, count * sizeof *out);
  } else {
    memset(out, 0, count * sizeof *out); /* linear */
  }
  REAL(fal_times_derivative)(activation, out, z, y, out, count);
}
