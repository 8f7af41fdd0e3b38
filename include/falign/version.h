/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_VERSION_H
#define FALIGN_VERSION_H

/** @file version.h
 *  @brief Version and parts of the library, when compiled and when run; what may change between versions is in
 *  docs/stability.md. */

#include <stddef.h>
#include <stdint.h>

#include "falign/export.h"

/** Changes when something is removed or means something else, from 1 on. */
#define FALIGN_VERSION_MAJOR 0
/** Changes when something is added; before 1.0 also when something is removed or means something else. */
#define FALIGN_VERSION_MINOR 1
/** Changes with each other release. */
#define FALIGN_VERSION_PATCH 0
/** All three as text. */
#define FALIGN_VERSION_STRING "0.1.0"
/** All three as one number to compare: 1002003 for 1.2.3. */
#define FALIGN_VERSION_NUMBER (FALIGN_VERSION_MAJOR * 1000000 + FALIGN_VERSION_MINOR * 1000 + FALIGN_VERSION_PATCH)

/** Counts the breaks of the ABI, and nothing else: the number in the shared library's name (soname) and in the version
 *  of its symbols. A program runs with every later library of the same number without being recompiled. */
#define FALIGN_ABI 0

FALIGN_BEGIN

/** Returns the version of the library that is loaded, such as "0.1.0". Static storage. */
FALIGN_API const char *falign_version(void);
/** Returns FALIGN_VERSION_NUMBER of the library that is loaded. */
FALIGN_API int32_t falign_version_number(void);

/** Returns the name of optional part `index` of this build; NULL beyond the last. Static storage. The parts are
 *  "cblas" and "xsmm" (backends), "lapack" (eigenvalues, principal components, least squares), "files" (IDX,
 *  safetensors, CSV), "threads" (several in a step). All functions are in each build; one whose part is not returns
 *  FALIGN_UNSUPPORTED. */
FALIGN_API const char *falign_feature_at(size_t index);
/** Returns 1 if the part of that name is in this build, else 0; see falign_feature_at(). */
FALIGN_API int32_t falign_has_feature(const char *name);

FALIGN_END

#endif
