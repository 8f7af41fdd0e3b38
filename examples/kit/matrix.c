/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix.h"

falign_status network_activate(falign_network *network, const char *name) {
  falign_activation *activation; /* a permanent one: there is nothing to destroy */
  TRY(falign_activation_create(name, &activation));
  for (uint32_t l = 1; l <= falign_network_layers(network); l++) {
    TRY(falign_network_set_activation(network, l, activation));
  }
  return FALIGN_OK;
}

void view_copy_f32(const falign_view *from, float *to) {
  const float *numbers = from->data;
  for (size_t i = 0; i < from->rows; i++) {
    for (size_t j = 0; j < from->cols; j++) {
      *to++ = numbers[(ptrdiff_t)i * from->row_step + (ptrdiff_t)j * from->col_step];
    }
  }
}
