/* SPDX-License-Identifier: Apache-2.0 */
#include "data/code.h"

#include <stdlib.h>

#include "falign/tensors.h"
#include "math/rng.h"
#include "base/support.h"

struct falign_code {
  fal_refs refs;
  uint32_t categories;
  size_t width;
  double *rows; /* categories x width */
};

void fal_code_keep(const falign_code *code) { fal_refs_keep(&((falign_code *)code)->refs); }

void falign_code_destroy(falign_code *code) {
  if (!code || !fal_refs_drop(&code->refs)) return;
  free(code->rows);
  free(code);
}

static falign_status check_size(size_t categories, size_t width) {
  if (categories == 0 || width == 0)
    return fal_fail(FALIGN_INVALID, "a code is %zu x %zu, but has categories and outputs", categories, width);
  if (categories > UINT32_MAX)
    return fal_fail(FALIGN_INVALID, "categories is %zu, above %lu", categories, (unsigned long)UINT32_MAX);
  return FALIGN_OK;
}

/* A code of zeros. */
static falign_status create_zeros(size_t categories, size_t width, falign_code **out) {
  FAL_TRY(check_size(categories, width));
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

/* Section 4.4: each category in turn draws its outputs from those that are free still. */
static falign_status draw(falign_code *code, size_t hot, falign_rng *rng) {
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
  falign_status status = draw(code, hot, &rng);
  if (status == FALIGN_OK) {
    *out = code;
  } else {
    falign_code_destroy(code);
  }
  return status;
}

falign_status falign_code_create(const double *code, size_t categories, size_t width, size_t stride,
                                 falign_code **out) {
  FAL_GIVEN(out);
  FAL_TRY(fal_check_matrix("code", -1, code, categories, width, stride, categories, width));
  FAL_TRY(check_size(categories, width)); /* before so many rows are read */
  FAL_TRY(fal_check_finite("code", -1, code, FALIGN_F64, categories, width, stride));
  falign_code *created;
  FAL_TRY(create_zeros(categories, width, &created));
  fal_copy_matrix(created->rows, FALIGN_F64, width, code, FALIGN_F64, stride, categories, width);
  *out = created;
  return FALIGN_OK;
}

falign_status falign_code_import(const falign_tensors *tensors, falign_code **out) {
  FAL_GIVEN(tensors);
  FAL_GIVEN(out);
  const size_t *dims;
  size_t rank;
  FAL_TRY(falign_tensors_view(tensors, "code", NULL, &dims, &rank, NULL));
  if (rank != 2) return fal_fail(FALIGN_SHAPE, "\"code\" has %zu dimensions, not 2", rank);
  falign_code *code;
  FAL_TRY(create_zeros(dims[0], dims[1], &code));
  falign_status status = falign_tensors_read_f64(tensors, "code", dims, 2, code->rows);
  if (status == FALIGN_OK) {
    *out = code;
  } else {
    falign_code_destroy(code);
  }
  return status;
}

falign_status falign_code_export(const falign_code *code, falign_precision precision, falign_tensors *tensors) {
  FAL_GIVEN(code);
  FAL_GIVEN(tensors);
  size_t dims[] = {code->categories, code->width}, element = fal_element(precision);
  if (element == 0) return fal_fail(FALIGN_INVALID, "precision %d is none", (int)precision);
  FAL_TRY(fal_check_finite_as("code", -1, code->rows, FALIGN_F64, precision, dims[0], dims[1], dims[1]));
  void *rows = fal_alloc(dims[0] * dims[1], element);
  if (!rows) return fal_fail_memory("a code", dims[0] * dims[1], element);
  fal_copy_matrix(rows, precision, code->width, code->rows, FALIGN_F64, code->width, code->categories, code->width);
  falign_dtype dtype = precision == FALIGN_F32 ? FALIGN_DTYPE_F32 : FALIGN_DTYPE_F64;
  falign_status status = falign_tensors_add(tensors, "code", dtype, dims, 2, rows);
  free(rows);
  return status;
}

uint32_t falign_code_categories(const falign_code *code) { return code->categories; }

size_t falign_code_width(const falign_code *code) { return code->width; }

const double *falign_code_row(const falign_code *code, uint32_t category) {
  return category < code->categories ? code->rows + category * code->width : NULL;
}

static double dot_f32(const double *code, const void *activities, size_t count) {
  const float *y = activities;
  double sum = 0;
  for (size_t j = 0; j < count; j++) sum += code[j] * (double)y[j];
  return sum;
}

static double dot_f64(const double *code, const void *activities, size_t count) {
  const double *y = activities;
  double sum = 0;
  for (size_t j = 0; j < count; j++) sum += code[j] * y[j];
  return sum;
}

static uint32_t decode_row(const falign_code *code, double (*dot)(const double *, const void *, size_t),
                           const void *y) {
  uint32_t best = 0;
  double largest = dot(code->rows, y, code->width);
  for (uint32_t category = 1; category < code->categories; category++) {
    double product = dot(code->rows + category * code->width, y, code->width);
    if (product <= largest) continue;
    best = category;
    largest = product;
  }
  return best;
}

static falign_status decode(const falign_code *code, const void *y, falign_precision precision, size_t rows,
                            size_t cols, size_t stride, uint32_t *categories) {
  FAL_GIVEN(code);
  FAL_GIVEN(categories);
  FAL_TRY(fal_check_matrix("y", -1, y, rows, cols, stride, rows, code->width));
  size_t bytes = stride * fal_element(precision);
  for (size_t i = 0; i < rows; i++)
    categories[i] = decode_row(code, precision == FALIGN_F32 ? dot_f32 : dot_f64, (const char *)y + i * bytes);
  return FALIGN_OK;
}

falign_status falign_code_decode_f32(const falign_code *code, const float *y, size_t rows, size_t cols, size_t stride,
                                     uint32_t *categories) {
  return decode(code, y, FALIGN_F32, rows, cols, stride, categories);
}

falign_status falign_code_decode_f64(const falign_code *code, const double *y, size_t rows, size_t cols, size_t stride,
                                     uint32_t *categories) {
  return decode(code, y, FALIGN_F64, rows, cols, stride, categories);
}
