/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/real.h"
#include "base/vector.h"
#include "learning/activation.h"
#include "learning/layer.h"
#include "math/backend.h"

#define gemm REAL(fal_gemm)

/* Z[l] = L[l-1] W[l-1] + b[l], L[l] = f(Z[l]). */
falign_status REAL(fal_dense_forward)(const falign_trace *block, uint32_t l, bool *finite) {
  const falign_network *network = block->network;
  const size_t *n = network->widths;
  FAL_TRY(gemm(block->step.backend, 0, 0, block->step.rows, n[l], n[l - 1], 1, block->outputs[l - 1],
               fal_output_stride(block, l - 1), fal_weights(network, l - 1), n[l], 0, block->states[l], n[l]));
  const real *b = network->biases ? fal_bias(network, l) : NULL;
  *finite = REAL(fal_activate)(network->activation[l], b, block->states[l], block->outputs[l], block->step.rows, n[l]);
  return FALIGN_OK;
}

/* out = delta[l] W[l-1]^T (eq. 19). */
falign_status REAL(fal_dense_send_back)(const falign_trace *block, uint32_t l, const real *delta, real *out) {
  const falign_network *network = block->network;
  const size_t *n = network->widths;
  return gemm(block->step.backend, 0, 1, block->step.rows, n[l - 1], n[l], 1, delta, n[l], fal_weights(network, l - 1),
              n[l], 0, out, n[l - 1]);
}

FAL_LOOP void add_columns_loop(const falign_view *delta, real eta, real *restrict db) {
  const real *restrict row = delta->data;
  size_t rows = delta->rows, cols = delta->cols;
  for (size_t i = 0; i < rows; i++, row += cols) {
    for (size_t j = 0; j < cols; j++) db[j] += eta * row[j];
  }
}

FAL_VECTOR(void, add_columns, (const falign_view *delta, real eta, real *db), add_columns_loop(delta, eta, db))

/* db[l] = eta 1^T delta[l] (eq. 23). */
static void add_bias_update(const falign_trace *block, uint32_t l, const real *delta, bool fresh, real *db) {
  falign_view rows = fal_view_plain(delta, REAL_PRECISION, block->step.rows, block->network->widths[l]);
  if (fresh) memset(db, 0, rows.cols * sizeof *db);
  add_columns[fal_vector_level()](&rows, (real)block->step.eta, db);
}

/* dW[l-1] = eta L[l-1]^T delta[l] (eqs. 1, 22). */
falign_status REAL(fal_dense_add_update)(const falign_trace *block, uint32_t l, const real *delta, bool fresh,
                                         real *update) {
  const falign_network *network = block->network;
  const size_t *n = network->widths;
  FAL_TRY(gemm(block->step.backend, 1, 0, n[l - 1], n[l], block->step.rows, (real)block->step.eta,
               block->outputs[l - 1], fal_output_stride(block, l - 1), delta, n[l], fresh ? 0 : 1,
               update + network->w_at[l - 1], n[l]));
  if (network->biases) add_bias_update(block, l, delta, fresh, update + network->b_at[l]);
  return FALIGN_OK;
}
