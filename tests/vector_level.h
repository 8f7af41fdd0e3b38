/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_TEST_VECTOR_LEVEL_H
#define FALIGN_TEST_VECTOR_LEVEL_H

/* The choice of the level of vectors, where the linker can wrap fal_vector_level() (see meson.build). */
#include "base/vector.h"

static int levels = 1; /* that can be chosen */

#ifdef FAL_TEST_WRAP
static int level = -1; /* the best, or this one */

int __real_fal_vector_level(void);
int __wrap_fal_vector_level(void);
int __wrap_fal_vector_level(void) { return level < 0 ? __real_fal_vector_level() : level; }

static void find_levels(void) { levels = __real_fal_vector_level() + 1; }
static void choose(int chosen) { level = chosen; }
#else
static void find_levels(void) {}
static void choose(int chosen) { (void)chosen; }
#endif

#endif
