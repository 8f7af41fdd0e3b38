/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/layer.h"

const fal_layer_kind fal_layer_dense = {.forward_f32 = fal_dense_forward_f32,
                                        .forward_f64 = fal_dense_forward_f64,
                                        .send_back_f32 = fal_dense_send_back_f32,
                                        .send_back_f64 = fal_dense_send_back_f64,
                                        .add_update_f32 = fal_dense_add_update_f32,
                                        .add_update_f64 = fal_dense_add_update_f64};
