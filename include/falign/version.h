/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_VERSION_H
#define FALIGN_VERSION_H

/** @file version.h
 *  @brief Compile-time and run-time version. */

#include "falign/export.h"

/** Changes with the ABI, from 1 on. */
#define FALIGN_VERSION_MAJOR 0
/** Changes when something is added; before 1.0 also with the ABI. */
#define FALIGN_VERSION_MINOR 1
/** Changes with each other release. */
#define FALIGN_VERSION_PATCH 0
/** All three as text. */
#define FALIGN_VERSION_STRING "0.1.0"

FALIGN_BEGIN

/** The version of the library that is loaded, such as "0.1.0". Static storage. */
FALIGN_API const char *falign_version(void);

FALIGN_END

#endif
