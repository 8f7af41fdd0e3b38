/* SPDX-License-Identifier: Apache-2.0 */
#include "base/vector.h"

int fal_vector_level(void) {
#if defined(__GNUC__) && defined(__x86_64__)
  __builtin_cpu_init(); /* the caller may be a constructor; costs nothing the second time */
  if (!__builtin_cpu_supports("fma")) return FAL_BASELINE;
  if (__builtin_cpu_supports("avx512f")) return FAL_AVX512;
  if (__builtin_cpu_supports("avx2")) return FAL_AVX2;
#endif
  return FAL_BASELINE;
}

bool fal_vectors_fuse(void) {
#if defined(__aarch64__) || defined(__ARM_FEATURE_FMA) || defined(__FMA__)
  return true;
#else
  return fal_vector_level() != FAL_BASELINE;
#endif
}
