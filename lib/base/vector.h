/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_VECTOR_H
#define FAL_VECTOR_H

#include <stdbool.h>

/* Loops for the widest vectors that the processor at hand has.
 *
 * A loop is plain C, in a FAL_LOOP function, of which the compiler makes vectors. FAL_VECTOR compiles it once a level
 * and makes a table of the versions:
 *
 *   FAL_LOOP void add_up(const real *restrict x, real *restrict y, size_t count) {
 *     for (size_t i = 0; i < count; i++) y[i] += x[i];
 *   }
 *   FAL_VECTOR(void, add, (const real *x, real *y, size_t count), add_up(x, y, count))
 *
 *   add[fal_vector_level()](x, y, count);
 *
 * All versions give the same bits: no order is changed, and the compiler is told not to fuse products and sums
 * (math/builtin_real.c excepted). */

/* Is inlined into each version; so is every function that the loop calls. */
#if defined(__GNUC__)
#define FAL_LOOP static inline __attribute__((always_inline))
#else
#define FAL_LOOP static inline
#endif

/* The baseline is what the compiler was told to use: SSE2 on x86-64, NEON on 64-bit Arm. */
#if defined(__GNUC__) && defined(__x86_64__)
enum { FAL_BASELINE, FAL_AVX2, FAL_AVX512, FAL_VECTOR_LEVELS };
#define FAL_AT_AVX2 __attribute__((target("avx2,fma")))
#define FAL_AT_AVX512 __attribute__((target("avx512f,fma")))
#define FAL_VECTOR(type, name, parameters, ...)                       \
  static type name##_baseline parameters { __VA_ARGS__; }             \
  FAL_AT_AVX2 static type name##_avx2 parameters { __VA_ARGS__; }     \
  FAL_AT_AVX512 static type name##_avx512 parameters { __VA_ARGS__; } \
  static type(*const name[FAL_VECTOR_LEVELS]) parameters = {name##_baseline, name##_avx2, name##_avx512};
#else
enum { FAL_BASELINE, FAL_VECTOR_LEVELS };
#define FAL_VECTOR(type, name, parameters, ...)           \
  static type name##_baseline parameters { __VA_ARGS__; } \
  static type(*const name[FAL_VECTOR_LEVELS]) parameters = {name##_baseline};
#endif

/* The highest level that processor and operating system have. */
int fal_vector_level(void);
/* Whether it has fused products and sums. */
bool fal_vectors_fuse(void);

#endif
