/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_BITS_H
#define FAL_BITS_H

/* The bits of a number, for vectorized loops. */

#include <stdint.h>
#include <string.h>

#include "base/real.h"
#include "base/vector.h"

#if defined(FAL_REAL_F32)
typedef uint32_t real_bits;
#else
typedef uint64_t real_bits;
#endif

FAL_LOOP real_bits bits_of(real x) {
  real_bits bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* The bits of NaN if x is infinite or NaN, else those of 0, whose sign depends on the rounding mode. Join such bits by
 * | and test them with all_were_finite(). */
FAL_LOOP real_bits not_finite(real x) { return bits_of(x - x); }

FAL_LOOP int all_were_finite(real_bits joined) { return (real_bits)(joined << 1) == 0; }

#endif
