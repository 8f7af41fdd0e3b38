/* SPDX-License-Identifier: Apache-2.0 */
#include "data/code.h"

#include <stdlib.h>

#include "falign/tensors.h"
#include "math/matrix.h"
#include "math/rng.h"

void fal_code_retain(const falign_code *code) { fal_refs_retain(&((falign_code *)code)->refs); }

void falign_code_destroy(falign_code *code) {
  if (!code || !fal_refs_release(&code->refs)) return;
  free(code->rows);
  free(code);
}

static falign_status check_code_size(size_t categories, size_t width) {
  if (categories == 0 || width == 0)
    return fal_fail(FALIGN_INVALID, "a code is %zu x %zu, but has categories and outputs", categories, width);
  if (categories > UINT32_MAX)
    return fal_fail(FALIGN_INVALID, "categories is %zu, above %lu", categories, (unsigned long)UINT32_MAX);
  return FALIGN_OK;
}

/* Makes a code of zeros. */
static falign_status create_zeros(size_t categories, size_t width, falign_code **out) {
  FAL_TRY(check_code_size(categories, width));
  size_t count;
  double *rows = fal_mul(categories, width, &count) ? fal_zalloc(count, sizeof *rows) : NULL;
  falign_code *code = fal_alloc(1, sizeof *code);
  if (!rows || !code) {
    free(rows);
    free(code);
    return fal_fail(FALIGN_MEMORY, "no memory for a code of %zu x %zu", categories, width);
  }
  *code = (falign_code){.categories = (uint32_t)categories, .width = width, .rows = rows};
  fal_refs_init(&code->refs);
  *out = code;
  return FALIGN_OK;
}

/* Section 4.4: each category in turn draws its outputs from those that are still free. */
static falign_status draw_code(falign_code *code, size_t hot, falign_rng *rng) {
  size_t *left = fal_alloc(code->width, sizeof *left), count = code->width;
  if (!left) return fal_fail_memory("outputs", code->width, sizeof *left);
  for (size_t j = 0; j < count; j++) left[j] = j;
  for (uint32_t category = 0; category < code->categories; category++) {
    for (size_t drawn = 0; drawn < hot; drawn++) {
      size_t at = (size_t)falign_rng_below(rng, count);
      code->rows[category * code->width + left[at]] = 1;
      left[at] = left[--count];
    }
  }
  free(left);
  return FALIGN_OK;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): from the whole to its part */
falign_status falign_code_create_n_hot(uint32_t categories, size_t width, size_t hot, uint64_t seed, uint32_t run,
                                       falign_code **out) {
  FAL_GIVEN(out);
  if (hot == 0) return fal_fail(FALIGN_INVALID, "hot is 0");
  if (categories > 0 && hot > width / categories)
    return fal_fail(FALIGN_INVALID, "%u categories of %zu ones do not fit in %zu outputs", categories, hot, width);
  falign_rng rng;
  FAL_TRY(fal_rng_init(&rng, seed, FALIGN_RNG_CODE, 0, run));
  falign_code *code;
  FAL_TRY(create_zeros(categories, width, &code));
  falign_status status = draw_code(code, hot, &rng);
  if (status == FALIGN_OK) {
    *out = code;
  } else {
    falign_code_destroy(code);
  }
  return status;
}

falign_status falign_code_create(const falign_view *code, falign_code **out) {
  FAL_GIVEN(out);
  FAL_TRY(fal_check_view("code", -1, code));
  FAL_TRY(check_code_size(code->rows, code->cols)); /* before all rows are read */
  FAL_TRY(fal_check_finite("code", -1, code, FALIGN_F64));
  falign_code *created;
  FAL_TRY(create_zeros(code->rows, code->cols, &created));
  falign_matrix rows = fal_matrix_plain(created->rows, FALIGN_F64, code->rows, code->cols);
  fal_copy(&rows, code);
  *out = created;
  return FALIGN_OK;
}

falign_status falign_code_import(const falign_tensors *tensors, falign_code **out) {
  FAL_GIVEN(tensors);
  FAL_GIVEN(out);
  falign_tensor tensor;
  FAL_TRY(falign_tensors_view(tensors, "code", &tensor));
  if (tensor.rank != 2) return fal_fail(FALIGN_SHAPE, "\"code\" has %zu dimensions, not 2", tensor.rank);
  falign_code *code;
  FAL_TRY(create_zeros(tensor.dims[0], tensor.dims[1], &code));
  falign_matrix rows = fal_matrix_plain(code->rows, FALIGN_F64, code->categories, code->width);
  falign_status status = falign_tensors_get(tensors, "code", &rows);
  if (status == FALIGN_OK) {
    *out = code;
  } else {
    falign_code_destroy(code);
  }
  return status;
}

falign_status falign_code_view(const falign_code *code, falign_view *out) {
  FAL_GIVEN(code);
  FAL_GIVEN(out);
  *out = falign_view_f64(code->rows, code->categories, code->width);
  return FALIGN_OK;
}

falign_status falign_code_export(const falign_code *code, falign_precision precision, falign_tensors *tensors) {
  falign_view own;
  FAL_TRY(falign_code_view(code, &own));
  FAL_GIVEN(tensors);
  size_t dims[] = {own.rows, own.cols}, count = own.rows * own.cols, element = fal_element(precision);
  if (element == 0) return fal_fail(FALIGN_INVALID, "precision is FALIGN_F32 or FALIGN_F64, got %d", precision);
  FAL_TRY(fal_check_finite("code", -1, &own, precision));
  void *numbers = fal_alloc(count, element);
  if (!numbers) return fal_fail_memory("a code", count, element);
  falign_matrix rows = fal_matrix_plain(numbers, precision, own.rows, own.cols);
  fal_copy(&rows, &own);
  falign_dtype dtype = precision == FALIGN_F32 ? FALIGN_DTYPE_F32 : FALIGN_DTYPE_F64;
  falign_status status = falign_tensors_add(tensors, "code", dtype, dims, 2, numbers);
  free(numbers);
  return status;
}

/* Returns the dot product of a category's outputs with a row of activities. */
typedef double dot_fn(const double *code, const falign_view *y);

static double dot_f32(const double *code, const falign_view *y) {
  const float *numbers = y->data;
  double sum = 0;
  for (size_t j = 0; j < y->cols; j++) sum += code[j] * (double)numbers[(ptrdiff_t)j * y->col_step];
  return sum;
}

static double dot_f64(const double *code, const falign_view *y) {
  const double *numbers = y->data;
  double sum = 0;
  for (size_t j = 0; j < y->cols; j++) sum += code[j] * numbers[(ptrdiff_t)j * y->col_step];
  return sum;
}

static uint32_t decode_row(const falign_code *code, const falign_view *y) {
  dot_fn *dot = y->precision == FALIGN_F32 ? dot_f32 : dot_f64;
  uint32_t best = 0;
  double largest = dot(code->rows, y);
  for (uint32_t category = 1; category < code->categories; category++) {
    double product = dot(code->rows + category * code->width, y);
    if (product <= largest) continue;
    best = category;
    largest = product;
  }
  return best;
}

falign_status falign_code_decode(const falign_code *code, const falign_view *y, uint32_t *categories) {
  FAL_GIVEN(code);
  FAL_GIVEN(categories);
  FAL_TRY(fal_check_view("y", -1, y));
  FAL_TRY(fal_check_view_shape("y", -1, y, y->rows, code->width));
  for (size_t i = 0; i < y->rows; i++) {
    falign_view row = fal_view_part(y, i, 1);
    categories[i] = decode_row(code, &row);
  }
  return FALIGN_OK;
}
