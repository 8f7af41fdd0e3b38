/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/loss.h"

const fal_loss fal_loss_squared_error = {
    .signal_f32 = fal_squared_error_f32, .signal_f64 = fal_squared_error_f64, .times_derivative = true};
