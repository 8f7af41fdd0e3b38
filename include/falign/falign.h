/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_FALIGN_H
#define FALIGN_FALIGN_H

/** @file falign.h
 *  @brief All of libfalign. */

#include "falign/angle.h"
#include "falign/autocorrelation.h"
#include "falign/backend.h"
#include "falign/batches.h"
#include "falign/code.h"
#include "falign/dataset.h"
#include "falign/decomposition.h"
#include "falign/disturbance.h"
#include "falign/ensemble.h"
#include "falign/export.h"
#include "falign/history.h"
#include "falign/metric.h"
#include "falign/network.h"
#include "falign/norm.h"
#include "falign/product_angle.h"
#include "falign/rng.h"
#include "falign/rule.h"
#include "falign/similarity.h"
#include "falign/status.h"
#include "falign/table.h"
#include "falign/tensors.h"
#include "falign/terms.h"
#include "falign/trace.h"
#include "falign/trainer.h"
#include "falign/trajectory.h"
#include "falign/transformation.h"
#include "falign/version.h"

#endif
