/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_FILES_H
#define FALIGN_FILES_H

/** @file files.h
 *  @brief All that is kept in files: tables of values, and named arrays. */

#include "falign/table.h"
#include "falign/tensors.h"

#endif
