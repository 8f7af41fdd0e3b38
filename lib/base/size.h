/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_SIZE_H
#define FAL_SIZE_H

#include <stddef.h>

static inline size_t fal_min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t fal_max(size_t a, size_t b) { return a > b ? a : b; }

#endif
