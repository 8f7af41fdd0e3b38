/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_AUTOCORRELATION_H
#define FALIGN_AUTOCORRELATION_H

/** @file autocorrelation.h
 *  @brief How far outputs and error signals resemble themselves some iterations earlier (section 2.3.5, Fig. S3). */

#include "falign/metric.h"

FALIGN_BEGIN

/** Makes a metric: the angles of L[l] of iteration k with L[l] of iteration k - o (l = 0..d, "angle_l_lag"), and of
 *  delta[l] likewise (l = 1..d, "angle_delta_lag"), with the lag o as the order. It looks at every step, keeps the
 *  outputs and error signals of as many iterations as the largest lag, and emits each lag up to k when it is due.
 *  Batches of different sizes, and zero matrices, give NaN. After a gap in the iterations, and with another trainer, it
 *  begins anew: each lag has values again that many iterations later.
 *  @param lags `count` lags o, at least one, each 1 to 2^63 - 1
 *  @return FALIGN_INVALID naming a lag out of range, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_metric_create_autocorrelation(const uint64_t *lags, size_t count,
                                                                             falign_metric **out);

FALIGN_END

#endif
