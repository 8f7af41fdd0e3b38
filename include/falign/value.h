/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_VALUE_H
#define FALIGN_VALUE_H

/** @file value.h
 *  @brief One measured value: what metrics emit and tables hold. */

#include "falign/status.h"

FALIGN_BEGIN

/** One measured value. */
typedef struct falign_value {
  int64_t iteration; /**< updates made before it was measured; -1: does not apply */
  const char *name;  /**< name of what was measured, such as "angle_w_b" */
  int64_t layer;     /**< l; -1: does not apply */
  int64_t order;     /**< the order of a term, the lag of a comparison or the place of a point; -1: does not apply */
  double value;      /**< NaN where it is undefined */
} falign_value;

/** Receives one value, on the thread that runs the step. `value` and its name live until the call returns. A failure
 *  ends the step with this status and message. */
typedef falign_status (*falign_value_fn)(void *user, const falign_value *value);

FALIGN_END

#endif
