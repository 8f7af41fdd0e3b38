/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_TRACE_H
#define FALIGN_TRACE_H

/** @file trace.h
 *  @brief What happened in one step, read-only. Everything the paper analyses is a function of traces. */

#include "falign/backend.h"

FALIGN_BEGIN

/** One step, or a block of its rows. Belongs to the trainer; valid until its next step, evaluation or destruction,
 *  or until the callback that received it returns. */
typedef struct falign_trace falign_trace;

/** What a trace holds, by layer. */
typedef int32_t falign_quantity;
enum {
  FALIGN_L = 1,        /**< outputs L[l], l = 0..d, rows x n[l] */
  FALIGN_Z = 2,        /**< internal states Z[l], l = 1..d, rows x n[l] */
  FALIGN_DELTA = 3,    /**< error signals delta[l], l = 1..d, rows x n[l] (eqs. 18 to 21, 6) */
  FALIGN_TARGET = 4,   /**< Y*, l = d, rows x n[d]; none in a step with an imposed delta[d] */
  FALIGN_DW = 5,       /**< eta L[l]^T delta[l+1], l = 0..d-1, n[l] x n[l+1] (eqs. 1, 22) */
  FALIGN_DB = 6,       /**< eta 1^T delta[l], l = 1..d, 1 x n[l] (eq. 23) */
  FALIGN_DELTA_BP = 7, /**< what BP would send: as DELTA (eqs. 18, 19) */
  FALIGN_DW_BP = 8,    /**< what BP would add: as DW (eq. 16) */
  FALIGN_DB_BP = 9     /**< what BP would add: as DB (eq. 17) */
};

/** Views a quantity of layer l without copying: row i, column j is data[i * stride + j]. Borrowed, as long as the
 *  trace. The outputs that are NULL are not written.
 *  @return FALIGN_INVALID for a layer that has no such quantity, FALIGN_SHAPE for the other precision,
 *  FALIGN_UNSUPPORTED for a quantity that was not kept (see falign_trainer_keep()). */
FALIGN_API FALIGN_CHECKED falign_status falign_trace_view_f32(const falign_trace *trace, falign_quantity quantity,
                                                              uint32_t l, const float **data, size_t *rows,
                                                              size_t *cols, size_t *stride);
/** As falign_trace_view_f32(), in double precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_trace_view_f64(const falign_trace *trace, falign_quantity quantity,
                                                              uint32_t l, const double **data, size_t *rows,
                                                              size_t *cols, size_t *stride);

/** Rows of the batch, or of the block that a rule's callback was given. */
FALIGN_API size_t falign_trace_rows(const falign_trace *trace);
/** The place in the batch of the first row that the trace holds. */
FALIGN_API size_t falign_trace_first_row(const falign_trace *trace);
/** k: updates made before this step. */
FALIGN_API uint64_t falign_trace_iteration(const falign_trace *trace);
/** The learning rate of the step. */
FALIGN_API double falign_trace_eta(const falign_trace *trace);
/** 1/2 sum E^2 of the batch; NaN with an imposed delta[d] and in a rule's callback. */
FALIGN_API double falign_trace_loss(const falign_trace *trace);
/** The precision of the step's matrices. */
FALIGN_API falign_precision falign_trace_precision(const falign_trace *trace);
/** The backend that multiplies the step's matrices. Borrowed, as long as the trace. */
FALIGN_API const falign_backend *falign_trace_backend(const falign_trace *trace);

FALIGN_END

#endif
