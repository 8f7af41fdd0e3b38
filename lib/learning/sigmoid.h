/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_SIGMOID_H
#define FAL_SIGMOID_H

/* tanh and the logistic function, for vectorized loops.
 *
 * They consist of sums, products, quotients, comparisons and signs, all of which IEEE 754 defines to the last bit, in
 * the order written here. So their results are bitwise identical on every machine, with every instruction set and with
 * every compiler that rounds as the standard requires. The C library's functions differ between machines.
 *
 * For w = n ln2/2 + h, with s = 2^-n and H = h coth(h), a series in h^2 that is close to 1:
 *
 *   tanh(h) = h / H,  exp(-2w) = s (H - h) / (H + h)
 *   tanh(w) = ((1 - s) H + (1 + s) h) / D,  1 - tanh(w) = 2 s (H - h) / D,  where D = (1 + s) H + (1 - s) h
 *   logistic(-2w) = s (H - h) / D = s (1 - (2h + s (H - h)) / D)
 *
 * Only g = H - 1 is computed, and 1 is added last, to round as little as possible before. Of two forms the one with the
 * smaller error is used. The largest errors are 1.6 (single) and 1.7 (double precision) units in the last place. */

#include <math.h>
#include <stdbool.h>

#include "base/bits.h"

#if defined(FAL_REAL_F32)
enum { FRACTION_BITS = 23, EXPONENT_OF_1 = 127 };
#define TO_INTEGER 0x1.8p23f  /* numbers of this size have no fraction */
#define HALF_LN2 0x1.62e4p-2f /* so short that its product with n is exact */
#define HALF_LN2_REST 0x1.7f7d1cp-21f
#define TANH_IS_1 10.0f     /* from here on */
#define LOGISTIC_IS_0 53.0f /* from minus twice this on */
#define real_abs fabsf
#define real_copysign copysignf
#else
enum { FRACTION_BITS = 52, EXPONENT_OF_1 = 1023 };
#define TO_INTEGER 0x1.8p52
#define HALF_LN2 0x1.62e42feep-2
#define HALF_LN2_REST 0x1.a39ef35793c76p-34
#define TANH_IS_1 20.0
#define LOGISTIC_IS_0 375.0
#define real_abs fabs
#define real_copysign copysign
#endif

/* Returns 2^-n, a normal number. */
FAL_LOOP real power_of_half(real_bits n) {
  real_bits bits = (EXPONENT_OF_1 - n) << FRACTION_BITS;
  real power;
  memcpy(&power, &bits, sizeof power);
  return power;
}

/* The terms of the series below after the first four, which only double precision needs. */
FAL_LOOP real more_terms(real x) {
#if defined(FAL_REAL_F32)
  (void)x;
  return 0;
#else
  return x * (2 / 93555.0 + x * (-1382 / 638512875.0 +
                                 x * (4 / 18243225.0 + x * (-3617 / 162820783125.0 + x * (87734 / 38979295480125.0)))));
#endif
}

/* Returns h coth(h) - 1, the sum of 2^2k B[2k] / (2k)! h^2k over k = 1, 2, ... with the Bernoulli numbers B. For
 * |h| < 0.35 the first omitted term is less than 1/100 of the last place of 1. */
FAL_LOOP real h_coth_h_less_1(real h) {
  real x = h * h;
  return x * ((real)(1 / 3.0) +
              x * ((real)(-1 / 45.0) + x * ((real)(2 / 945.0) + x * ((real)(-1 / 4725.0) + more_terms(x)))));
}

/* Intermediate results for a piece of the numbers. A short loop of its own fills each array, so that the processor can
 * work on several vectors at once; one long loop would wait for each result. */
enum { SIGMOID_PIECE = 128 };
typedef struct {
  real h[SIGMOID_PIECE], g[SIGMOID_PIECE], s[SIGMOID_PIECE], s_1[SIGMOID_PIECE];
} reduced;

/* Writes w >= 0 as n ln2/2 + h and returns n: w / (ln2/2) - `shift`, rounded, so that h / (ln2/2) is from `shift` - 1/2
 * to `shift` + 1/2. */
FAL_LOOP real_bits reduce(real w, real shift, real *h) {
  real steps = w * (real)2.88539008177792681472 - shift;
  real counted = steps + TO_INTEGER; /* n is in its last bits */
  real n = counted - TO_INTEGER;
  *h = w - n * HALF_LN2 - n * HALF_LN2_REST;
  return bits_of(counted) - bits_of(TO_INTEGER);
}

/* D */
FAL_LOOP real denominator(real h, real g, real s) { return (1 + s) + ((1 + s) * g + (1 - s) * h); }

/* s (H - h) */
FAL_LOOP real remainder_of_1(real h, real g, real s) { return s * (1 + (g - h)); }

FAL_LOOP real positive(real z) { return z > 0 ? z : 0; }

FAL_LOOP real tanh_of(real h, real g, real s) {
  real rise = (1 - s) + (h + ((1 - s) * g + s * h));
  bool low = s >= (real)0.5;                                                      /* tanh(w) < 0.6 */
  real from = low ? 0 : 1, numerator = low ? rise : -2 * remainder_of_1(h, g, s); /* so that there is one quotient */
  return from + numerator / denominator(h, g, s);
}

/* tanh(z), or tanh(max(z, 0)) if it is `rectified`. */
FAL_LOOP void tanh_loop(bool rectified, const real *restrict z, real *restrict y, size_t count) {
  reduced r;
  for (size_t i = 0; i < count; i++) {
    real w = rectified ? positive(z[i]) : real_abs(z[i]);
    w = w > TANH_IS_1 ? TANH_IS_1 : w; /* NaN stays NaN */
    r.s[i] = power_of_half(reduce(w, (real)0.5, &r.h[i]));
  }
  for (size_t i = 0; i < count; i++) r.g[i] = h_coth_h_less_1(r.h[i]);
  for (size_t i = 0; i < count; i++) {
    real risen = tanh_of(r.h[i], r.g[i], r.s[i]);
    y[i] = rectified ? risen : real_copysign(risen, z[i]);
  }
}

FAL_LOOP real logistic_of(real h, real g, real s_1, real s_2, real z) {
  real s = s_1 * s_2;
  bool low = s == 1; /* where s (H - h) = D / 2 - h */
  real from = low ? (real)0.5 : 1, numerator = low ? h : 2 * h + remainder_of_1(h, g, s);
  real y = (from - numerator / denominator(h, g, s)) * s_1 * s_2;
  return z < 0 ? y : 1 - y;
}

FAL_LOOP void logistic_loop(const real *restrict z, real *restrict y, size_t count) {
  reduced r;
  for (size_t i = 0; i < count; i++) {
    real w = real_abs(z[i]) / 2;
    w = w > LOGISTIC_IS_0 ? LOGISTIC_IS_0 : w;
    real_bits n = reduce(w, 0, &r.h[i]), half = n / 2; /* in two steps, since 2^-n may be subnormal */
    r.s_1[i] = power_of_half(half);
    r.s[i] = power_of_half(n - half);
  }
  for (size_t i = 0; i < count; i++) r.g[i] = h_coth_h_less_1(r.h[i]);
  for (size_t i = 0; i < count; i++) y[i] = logistic_of(r.h[i], r.g[i], r.s_1[i], r.s[i], z[i]);
}

#endif
