/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_ARRAY_H
#define FAL_ARRAY_H

#include <stddef.h>

/* Makes room for element `count` of a growing array of elements of `size` bytes. Returns NULL, and leaves the array as
 * it was, if memory is short. */
void *fal_grow(void *array, size_t *capacity, size_t count, size_t size);

#endif
