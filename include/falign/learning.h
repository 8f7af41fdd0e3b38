/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_LEARNING_H
#define FALIGN_LEARNING_H

/** @file learning.h
 *  @brief All that trains: networks, rules, normalizations, trainers, and the data they take. */

#include "falign/activation.h"
#include "falign/backend.h"
#include "falign/batches.h"
#include "falign/code.h"
#include "falign/dataset.h"
#include "falign/ensemble.h"
#include "falign/history.h"
#include "falign/matrix.h"
#include "falign/metric.h"
#include "falign/network.h"
#include "falign/norm.h"
#include "falign/rng.h"
#include "falign/rule.h"
#include "falign/status.h"
#include "falign/trace.h"
#include "falign/trainer.h"
#include "falign/value.h"
#include "falign/version.h"

#endif
