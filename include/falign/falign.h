/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_FALIGN_H
#define FALIGN_FALIGN_H

/** @file falign.h
 *  @brief All of libfalign. */

#include "falign/analysis.h"
#include "falign/files.h"
#include "falign/learning.h"

#endif
