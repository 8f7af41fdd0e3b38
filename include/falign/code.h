/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_CODE_H
#define FALIGN_CODE_H

/** @file code.h
 *  @brief The desired output of each category, such as mutually exclusive n-hot codes (section 4.4). */

#include "falign/matrix.h"

FALIGN_BEGIN

struct falign_tensors;

/** One row of desired outputs a category. Never changed after it is made. */
typedef struct falign_code falign_code;

/** Draws mutually exclusive n-hot codes: each category gets `hot` ones among the `width` outputs, no output in two
 *  categories (section 4.4). The stream is (seed, FALIGN_RNG_CODE, 0, run).
 *  @return FALIGN_INVALID if hot * categories exceeds width or a count is 0, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_code_create_n_hot(uint32_t categories, size_t width, size_t hot,
                                                                 uint64_t seed, uint32_t run, falign_code **out);

/** Copies a matrix with one row of desired outputs for each category. @return FALIGN_INVALID for a size of 0 or naming
 *  a number that is not finite, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_code_create(const falign_view *code, falign_code **out);

/** Makes a code of the tensor "code" of a set, in either precision.
 *  @return FALIGN_INVALID if the set has none, it is empty or a number is not finite, FALIGN_SHAPE if it is not
 *  two-dimensional, FALIGN_FORMAT for integers, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_code_import(const struct falign_tensors *tensors, falign_code **out);
/** Adds the tensor "code" (categories x width) to a set, in the given precision. @return FALIGN_INVALID for a name that
 *  exists already, an unknown precision, or a number beyond it; FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_code_export(const falign_code *code, falign_precision precision,
                                                           struct falign_tensors *tensors);
/** Releases a reference; NULL is fine. */
FALIGN_API void falign_code_destroy(falign_code *code);

/** Views the code in its own storage: a row for each category and a column for each output, in double precision. Valid
 *  while the code lives. */
FALIGN_API FALIGN_CHECKED falign_status falign_code_view(const falign_code *code, falign_view *out);

/** Finds the category whose code has the largest dot product with each row of activities y (rows x width); the first
 *  of several. Writes one category for each row. */
FALIGN_API FALIGN_CHECKED falign_status falign_code_decode(const falign_code *code, const falign_view *y,
                                                           uint32_t *categories);

FALIGN_END

#endif
