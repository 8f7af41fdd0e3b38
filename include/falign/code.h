/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_CODE_H
#define FALIGN_CODE_H

/** @file code.h
 *  @brief The desired output of each category, such as mutually exclusive n-hot codes (section 4.4). */

#include "falign/status.h"

FALIGN_BEGIN

struct falign_tensors;

/** One row of desired outputs a category. Never changed after it is made. */
typedef struct falign_code falign_code;

/** Draws mutually exclusive n-hot codes: each category gets `hot` ones among the `width` outputs, no output in two
 *  categories (section 4.4). The stream is (seed, FALIGN_RNG_CODE, 0, run).
 *  @return FALIGN_INVALID where hot * categories exceeds width or a count is 0, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_code_create_n_hot(uint32_t categories, size_t width, size_t hot,
                                                                 uint64_t seed, uint32_t run, falign_code **out);

/** Copies a categories x width matrix. @return FALIGN_INVALID for a size of 0 or naming a number that is not finite,
 *  FALIGN_SHAPE for a stride that is too short, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_code_create(const double *code, size_t categories, size_t width,
                                                           size_t stride, falign_code **out);

/** Makes a code of the tensor "code" of a set, in either precision.
 *  @return FALIGN_INVALID where the set has none, it is empty or a number is not finite, FALIGN_SHAPE where it is not
 *  two-dimensional, FALIGN_FORMAT for integers, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_code_import(const struct falign_tensors *tensors, falign_code **out);
/** Adds the tensor "code" (categories x width) to a set, in the given precision. @return FALIGN_INVALID for a name that
 *  is there already, what is no precision, or a number beyond it; FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_code_export(const falign_code *code, falign_precision precision,
                                                           struct falign_tensors *tensors);
/** Gives back a reference; NULL is fine. */
FALIGN_API void falign_code_destroy(falign_code *code);

/** The number of categories. */
FALIGN_API uint32_t falign_code_categories(const falign_code *code);
/** The outputs of the network: numbers of a row. */
FALIGN_API size_t falign_code_width(const falign_code *code);
/** The row of one category (width numbers) in the code's own storage; NULL beyond the last. */
FALIGN_API const double *falign_code_row(const falign_code *code, uint32_t category);

/** The category whose code has the largest dot product with each row of activities y (rows x width); the first of
 *  several. Writes `rows` categories. @return FALIGN_SHAPE. */
FALIGN_API FALIGN_CHECKED falign_status falign_code_decode_f32(const falign_code *code, const float *y, size_t rows,
                                                               size_t cols, size_t stride, uint32_t *categories);
/** As falign_code_decode_f32(), for double precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_code_decode_f64(const falign_code *code, const double *y, size_t rows,
                                                               size_t cols, size_t stride, uint32_t *categories);

FALIGN_END

#endif
