/* SPDX-License-Identifier: Apache-2.0 */
#include "base/real.h"
#include "base/vector.h"
#include "math/backend.h"

FAL_LOOP void add_outer_loop(const real *a, size_t a_stride, const real *restrict b, size_t m, size_t n, real alpha,
                             bool fresh, real *restrict c, size_t ldc) {
  for (size_t i = 0; i < m; i++, a += a_stride, c += ldc) {
    real x = *a;
    if (fresh) {
      for (size_t j = 0; j < n; j++) c[j] = alpha * (x * b[j]);
    } else {
      for (size_t j = 0; j < n; j++) c[j] += alpha * (x * b[j]);
    }
  }
}

FAL_VECTOR(void, add_outer,
           (const real *a, size_t a_stride, const real *b, size_t m, size_t n, real alpha, bool fresh, real *c,
            size_t ldc),
           add_outer_loop(a, a_stride, b, m, n, alpha, fresh, c, ldc))

void REAL(fal_add_outer)(const real *a, size_t a_stride, const real *b, size_t m, size_t n, real alpha, bool fresh,
                         real *c, size_t ldc) {
  add_outer[fal_vector_level()](a, a_stride, b, m, n, alpha, fresh, c, ldc);
}
