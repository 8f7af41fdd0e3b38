/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/optimizer.h"

#include "base/bits.h"
#include "base/real.h"
#include "base/vector.h"

/* Plain gradient descent: w = w + update (eqs. 14, 15). */

FAL_LOOP bool next_is_finite_loop(const real *w, const real *update, size_t count) {
  real_bits bad = 0;
  for (size_t i = 0; i < count; i++) bad |= not_finite(w[i] + update[i]);
  return all_were_finite(bad);
}

FAL_VECTOR(bool, next_is_finite, (const real *w, const real *update, size_t count),
           return next_is_finite_loop(w, update, count))

bool REAL(fal_sgd_propose)(const fal_optimizer_piece *piece) {
  return next_is_finite[fal_vector_level()](piece->w, piece->update, piece->count);
}

FAL_LOOP void add_update_loop(real *restrict w, const real *restrict update, size_t count) {
  for (size_t i = 0; i < count; i++) w[i] += update[i];
}

FAL_VECTOR(void, add_update, (real * w, const real *update, size_t count), add_update_loop(w, update, count))

void REAL(fal_sgd_apply)(const fal_optimizer_piece *piece) {
  add_update[fal_vector_level()](piece->w, piece->update, piece->count);
}
