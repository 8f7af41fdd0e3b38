/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_TRACE_H
#define FALIGN_TRACE_H

/** @file trace.h
 *  @brief What happened in one step. Everything the paper analyzes is a function of traces.
 *
 *  A trainer provides a trace of each of its steps, to read. A trace of another program's step is filled from arrays;
 *  every analysis function accepts it just like a trainer's. */

#include "falign/backend.h"
#include "falign/network.h"

FALIGN_BEGIN

/** One step, or a block of its rows. A trainer's belongs to the trainer; it is valid until the trainer's next step,
 *  probe, evaluation or destruction, or until the callback that received it returns. */
typedef struct falign_trace falign_trace;

/** The numbers of a step. */
typedef struct falign_step {
  uint64_t iteration;            /**< k: updates made before this step */
  size_t rows;                   /**< of the batch, or of the block that a rule's callback was given */
  size_t first_row;              /**< the index in the batch of the first row that the trace holds */
  double eta;                    /**< the learning rate of the step */
  double loss;                   /**< of the batch; NaN with an imposed delta[d] and in a rule's callback */
  falign_precision precision;    /**< of the step's matrices */
  const falign_backend *backend; /**< multiplies the step's matrices; borrowed, as long as the trace */
} falign_step;

/** Makes an empty trace of a step of `network`, to which it keeps a reference, for a program that trains by itself.
 *  Fill it with falign_trace_set().
 *  @param step iteration, rows, eta and loss (NaN if there is none); first_row must be 0, the precision 0 or the
 *  network's, and the backend NULL for "auto", or one to which the trace keeps a reference
 *  @return FALIGN_INVALID for 0 rows, an iteration above 2^63 - 1, another first_row or an eta that is negative or not
 *  finite, FALIGN_SHAPE for another precision, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_trace_create(const falign_network *network, const falign_step *step,
                                                            falign_trace **out);
/** Releases a trace made with falign_trace_create(); NULL is fine. */
FALIGN_API void falign_trace_destroy(falign_trace *trace);
/** Copies a matrix of the step into a trace made with falign_trace_create(), converted to the network's precision:
 *  FALIGN_L to FALIGN_DB_BP. DW_APPLIED is DW unless set. A later call replaces the matrix. @return FALIGN_INVALID for
 *  a layer that has no such quantity and naming a number that is not finite, FALIGN_UNSUPPORTED for DB without biases,
 *  FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_trace_set(falign_trace *trace, falign_quantity what, uint32_t l,
                                                         const falign_view *values);

/** Views a matrix of the step without copying, FALIGN_L to FALIGN_DB_BP. Its rows are contiguous (col_step is 1).
 *  Borrowed, as long as the trace. A step with an imposed delta[d] has no target. @return FALIGN_INVALID for a layer
 *  that has no such quantity, FALIGN_UNSUPPORTED for a quantity that was not kept (see falign_trainer_keep()) or not
 *  set. */
FALIGN_API FALIGN_CHECKED falign_status falign_trace_view(const falign_trace *trace, falign_quantity what, uint32_t l,
                                                          falign_view *out);
/** Returns the numbers of the step, in the trace's own storage. */
FALIGN_API const falign_step *falign_trace_step(const falign_trace *trace);

FALIGN_END

#endif
