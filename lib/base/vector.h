/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_VECTOR_H
#define FAL_VECTOR_H

#include <stdbool.h>

/* Loops for the widest vectors of the processor at hand.
 *
 * A loop is plain C in a FAL_LOOP function, which the compiler vectorizes. FAL_VECTOR compiles it once for each level
 * of vectors and makes a table of the versions:
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

/* A function that is inlined into each version, like every function that the loop calls. */
#if defined(__GNUC__)
#define FAL_LOOP static inline __attribute__((always_inline))
#else
#define FAL_LOOP static inline
#endif

/* The baseline is the compiler's target: SSE2 on x86-64, NEON on 64-bit Arm. */
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

/* Returns the highest level that the processor and the operating system support. */
int fal_vector_level(void);
/* Whether that level fuses products and sums. */
bool fal_vectors_fuse(void);

#endif
