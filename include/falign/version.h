/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_VERSION_H
#define FALIGN_VERSION_H

/** @file version.h
 *  @brief Compile-time and run-time version. */

#include "falign/export.h"

#define FALIGN_VERSION_MAJOR 0
#define FALIGN_VERSION_MINOR 1
#define FALIGN_VERSION_PATCH 0
#define FALIGN_VERSION_STRING "0.1.0"

FALIGN_BEGIN

/** The version of the library that is loaded, such as "0.1.0". Static storage. */
FALIGN_API const char *falign_version(void);

FALIGN_END

#endif
