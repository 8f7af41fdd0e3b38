/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_ANALYSIS_H
#define FALIGN_ANALYSIS_H

/** @file analysis.h
 *  @brief All that explains why weights align. */

#include "falign/angle.h"
#include "falign/autocorrelation.h"
#include "falign/decomposition.h"
#include "falign/disturbance.h"
#include "falign/metrics.h"
#include "falign/product_angle.h"
#include "falign/similarity.h"
#include "falign/terms.h"
#include "falign/trajectory.h"
#include "falign/transformation.h"

#endif
