/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_RANGE_H
#define FAL_RANGE_H

#include <stddef.h>

/* The numbers first..first+count-1. */
typedef struct {
  size_t first, count;
} fal_range;

/* Share i of `of` nearly equal ones. */
typedef struct {
  size_t i, of;
} fal_share;

/* Returns a share of the numbers 0..count-1; the first shares are longer. */
static inline fal_range fal_range_of(size_t count, fal_share share) {
  /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a batch has at least one row, block and lane */
  size_t each = count / share.of, longer = count % share.of;
  return (fal_range){share.i * each + (share.i < longer ? share.i : longer), each + (share.i < longer)};
}

#endif
