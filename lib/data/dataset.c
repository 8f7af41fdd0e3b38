/* SPDX-License-Identifier: Apache-2.0 */
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "base/vector.h"

#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)(address))
#endif

falign_dataset *fal_dataset_new(void) {
  falign_dataset *dataset = fal_zalloc(1, sizeof *dataset);
  if (dataset) fal_refs_init(&dataset->refs);
  return dataset;
}

falign_status fal_dataset_finish(falign_dataset *dataset, falign_status status, falign_dataset **out) {
  if (status == FALIGN_OK) {
    *out = dataset;
  } else {
    falign_dataset_destroy(dataset);
  }
  return status;
}

void fal_dataset_keep(const falign_dataset *dataset) { fal_refs_keep(&((falign_dataset *)dataset)->refs); }

void falign_dataset_destroy(falign_dataset *dataset) {
  if (!dataset || !fal_refs_drop(&dataset->refs)) return;
  free(dataset->inputs.data);
  free(dataset->targets.data);
  free(dataset->labels);
  free(dataset);
}

falign_status fal_dataset_check_points(size_t points) {
  if (points == 0) return fal_fail(FALIGN_INVALID, "a dataset has no points: 0 rows, want 1 or more");
  if (points > UINT32_MAX)
    return fal_fail(FALIGN_INVALID, "a dataset has %zu points, above %lu", points, (unsigned long)UINT32_MAX);
  return FALIGN_OK;
}

/* Reading a row: `count` stored numbers become those of a precision. */
typedef void row_reader(void *to, const void *from, size_t count, double denominator);

#define DEFINE_COPY(name, type)                                                    \
  static void name(void *to, const void *from, size_t count, double denominator) { \
    (void)denominator;                                                             \
    memcpy(to, from, count * sizeof(type));                                        \
  }

#define DEFINE_CONVERSION(name, to_type, from_type)                                                     \
  FAL_LOOP void name##_loop(to_type *restrict to, const from_type *restrict from, size_t count) {       \
    for (size_t j = 0; j < count; j++) to[j] = (to_type)from[j];                                        \
  }                                                                                                     \
  FAL_VECTOR(void, name##_at, (void *to, const void *from, size_t count), name##_loop(to, from, count)) \
  static void name(void *to, const void *from, size_t count, double denominator) {                      \
    (void)denominator;                                                                                  \
    name##_at[fal_vector_level()](to, from, count);                                                     \
  }

/* Divides in the type `via`, which rounds once where it holds both integers. */
#define DEFINE_DIVISION(name, to_type, from_type, via)                                                         \
  FAL_LOOP void name##_loop(to_type *restrict to, const from_type *restrict from, size_t count, via divisor) { \
    for (size_t j = 0; j < count; j++) to[j] = (to_type)((via)from[j] / divisor);                              \
  }                                                                                                            \
  FAL_VECTOR(void, name##_at, (void *to, const void *from, size_t count, via divisor),                         \
             name##_loop(to, from, count, divisor))                                                            \
  static void name(void *to, const void *from, size_t count, double denominator) {                             \
    name##_at[fal_vector_level()](to, from, count, (via)denominator);                                          \
  }

DEFINE_COPY(copy_f32, float)
DEFINE_COPY(copy_f64, double)
DEFINE_CONVERSION(f32_from_f64, float, double)
DEFINE_CONVERSION(f64_from_f32, double, float)
DEFINE_DIVISION(f32_from_u8, float, uint8_t, float)
DEFINE_DIVISION(f64_from_u8, double, uint8_t, double)
DEFINE_DIVISION(f32_from_small_i32, float, int32_t, float)
DEFINE_DIVISION(f32_from_large_i32, float, int32_t, double)
DEFINE_DIVISION(f64_from_i32, double, int32_t, double)

static void f32_from_i32(void *to, const void *from, size_t count, double denominator) {
  const double exact_in_f32 = 1 << 24;
  if (denominator <= exact_in_f32) {
    f32_from_small_i32(to, from, count, denominator);
  } else {
    f32_from_large_i32(to, from, count, denominator);
  }
}

static const struct {
  size_t element;
  row_reader *f32, *f64;
} formats[] = {
    [FAL_STORED_U8] = {sizeof(uint8_t), f32_from_u8, f64_from_u8},
    [FAL_STORED_I32] = {sizeof(int32_t), f32_from_i32, f64_from_i32},
    [FAL_STORED_F32] = {sizeof(float), copy_f32, f64_from_f32},
    [FAL_STORED_F64] = {sizeof(double), f32_from_f64, copy_f64},
};

static const char *row_at(const fal_rows *rows, size_t point) {
  return (const char *)rows->data + point * rows->width * formats[rows->storage].element;
}

static void read_row(const fal_rows *rows, size_t point, falign_precision precision, void *to) {
  row_reader *read = precision == FALIGN_F32 ? formats[rows->storage].f32 : formats[rows->storage].f64;
  read(to, row_at(rows, point), rows->width, rows->denominator);
}

/* Rows in random order come from main memory: asking early saves a third of the time. */
enum { ROWS_AHEAD = 4, CACHE_LINE = 64 };

static void prefetch_row(const fal_rows *rows, size_t point) {
  const char *row = row_at(rows, point);
  for (size_t at = 0; at < rows->width * formats[rows->storage].element; at += CACHE_LINE) PREFETCH(row + at);
}

static void gather(const fal_rows *rows, const uint32_t *points, size_t count, falign_precision precision, void *to) {
  size_t bytes = rows->width * fal_element(precision);
  for (size_t i = 0; i < count; i++) {
    if (i + ROWS_AHEAD < count) prefetch_row(rows, points[i + ROWS_AHEAD]);
    read_row(rows, points[i], precision, (char *)to + i * bytes);
  }
}

void fal_dataset_gather(const falign_dataset *dataset, const uint32_t *points, size_t count, falign_precision precision,
                        void *x) {
  gather(&dataset->inputs, points, count, precision, x);
}

void fal_dataset_gather_targets(const falign_dataset *dataset, const uint32_t *points, size_t count,
                                falign_precision precision, void *y) {
  gather(&dataset->targets, points, count, precision, y);
}

static falign_status copy_rows(const char *name, const void *data, falign_precision precision, size_t rows, size_t cols,
                               size_t stride, fal_rows *out) {
  FAL_TRY(fal_check_matrix(name, -1, data, rows, cols, stride, rows, cols));
  if (cols == 0) return fal_fail(FALIGN_INVALID, "%s has no columns", name);
  FAL_TRY(fal_check_finite(name, -1, data, precision, rows, cols, stride));
  size_t count, element = fal_element(precision);
  void *copy = fal_mul(rows, cols, &count) ? fal_alloc(count, element) : NULL;
  if (!copy) return fal_fail_memory(name, rows, cols * element);
  fal_copy_matrix(copy, precision, cols, data, precision, stride, rows, cols);
  fal_storage storage = precision == FALIGN_F32 ? FAL_STORED_F32 : FAL_STORED_F64;
  *out = (fal_rows){.data = copy, .width = cols, .storage = storage, .denominator = 1};
  return FALIGN_OK;
}

static falign_status copy_labels(falign_dataset *dataset, const uint32_t *labels, uint32_t categories) {
  for (size_t i = 0; i < dataset->points; i++) {
    if (labels[i] >= categories)
      return fal_fail(FALIGN_INVALID, "label %zu is %u, but there are %u categories", i, labels[i], categories);
  }
  dataset->labels = fal_alloc(dataset->points, sizeof *labels);
  if (!dataset->labels) return fal_fail_memory("labels", dataset->points, sizeof *labels);
  memcpy(dataset->labels, labels, dataset->points * sizeof *labels);
  dataset->categories = categories;
  return FALIGN_OK;
}

static falign_status create_inputs(const void *x, falign_precision precision, size_t rows, size_t cols, size_t stride,
                                   falign_dataset **out) {
  FAL_TRY(fal_dataset_check_points(rows));
  falign_dataset *dataset = fal_dataset_new();
  if (!dataset) return fal_fail_memory("a dataset", 1, sizeof *dataset);
  dataset->points = rows;
  return fal_dataset_finish(dataset, copy_rows("x", x, precision, rows, cols, stride, &dataset->inputs), out);
}

static falign_status create_labelled(const void *x, falign_precision precision, size_t rows, size_t cols, size_t stride,
                                     const uint32_t *labels, uint32_t categories, falign_dataset **out) {
  FAL_GIVEN(out);
  falign_dataset *dataset;
  FAL_TRY(create_inputs(x, precision, rows, cols, stride, &dataset));
  return fal_dataset_finish(dataset, labels ? copy_labels(dataset, labels, categories) : FALIGN_OK, out);
}

static falign_status create_regression(const void *x, falign_precision precision, size_t rows, size_t cols,
                                       size_t stride, const void *y, size_t target_cols, size_t target_stride,
                                       falign_dataset **out) {
  FAL_GIVEN(out);
  falign_dataset *dataset;
  FAL_TRY(create_inputs(x, precision, rows, cols, stride, &dataset));
  falign_status status = copy_rows("y", y, precision, rows, target_cols, target_stride, &dataset->targets);
  return fal_dataset_finish(dataset, status, out);
}

falign_status falign_dataset_create_f32(const float *x, size_t rows, size_t cols, size_t stride, const uint32_t *labels,
                                        uint32_t categories, falign_dataset **out) {
  return create_labelled(x, FALIGN_F32, rows, cols, stride, labels, categories, out);
}

falign_status falign_dataset_create_f64(const double *x, size_t rows, size_t cols, size_t stride,
                                        const uint32_t *labels, uint32_t categories, falign_dataset **out) {
  return create_labelled(x, FALIGN_F64, rows, cols, stride, labels, categories, out);
}

falign_status falign_dataset_create_regression_f32(const float *x, size_t rows, size_t cols, size_t stride,
                                                   const float *y, size_t target_cols, size_t target_stride,
                                                   falign_dataset **out) {
  return create_regression(x, FALIGN_F32, rows, cols, stride, y, target_cols, target_stride, out);
}

falign_status falign_dataset_create_regression_f64(const double *x, size_t rows, size_t cols, size_t stride,
                                                   const double *y, size_t target_cols, size_t target_stride,
                                                   falign_dataset **out) {
  return create_regression(x, FALIGN_F64, rows, cols, stride, y, target_cols, target_stride, out);
}

size_t falign_dataset_points(const falign_dataset *dataset) { return dataset->points; }

size_t falign_dataset_width(const falign_dataset *dataset) { return dataset->inputs.width; }

size_t falign_dataset_target_width(const falign_dataset *dataset) { return dataset->targets.width; }

uint32_t falign_dataset_categories(const falign_dataset *dataset) { return dataset->categories; }

const uint32_t *falign_dataset_labels(const falign_dataset *dataset) { return dataset->labels; }

static falign_status get(const falign_dataset *dataset, size_t first, size_t count, falign_precision precision, void *x,
                         size_t cols, size_t stride) {
  FAL_GIVEN(dataset);
  if (first > dataset->points || count > dataset->points - first)
    return fal_fail(FALIGN_INVALID, "%zu points from point %zu on were asked for, but there are %zu", count, first,
                    dataset->points);
  FAL_TRY(fal_check_matrix("x", -1, x, count, cols, stride, count, dataset->inputs.width));
  size_t bytes = stride * fal_element(precision);
  for (size_t i = 0; i < count; i++) read_row(&dataset->inputs, first + i, precision, (char *)x + i * bytes);
  return FALIGN_OK;
}

falign_status falign_dataset_get_f32(const falign_dataset *dataset, size_t first, size_t count, float *x, size_t cols,
                                     size_t stride) {
  return get(dataset, first, count, FALIGN_F32, x, cols, stride);
}

falign_status falign_dataset_get_f64(const falign_dataset *dataset, size_t first, size_t count, double *x, size_t cols,
                                     size_t stride) {
  return get(dataset, first, count, FALIGN_F64, x, cols, stride);
}

/* One step of FNV-1a over the eight bytes of a number, the lowest first. */
static uint64_t hash_u64(uint64_t hash, uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8) hash = (hash ^ (number >> shift & 0xff)) * 0x100000001b3;
  return hash;
}

/* Hashes the numbers in double precision, however they are stored. */
static uint64_t hash_rows(uint64_t hash, const fal_rows *rows, size_t points) {
  enum { CHUNK = 256 };
  double numbers[CHUNK];
  size_t total = points * rows->width, element = formats[rows->storage].element;
  hash = hash_u64(hash, rows->width);
  for (size_t first = 0; first < total; first += CHUNK) {
    size_t count = total - first < CHUNK ? total - first : CHUNK;
    formats[rows->storage].f64(numbers, (const char *)rows->data + first * element, count, rows->denominator);
    for (size_t j = 0; j < count; j++) {
      uint64_t bits;
      memcpy(&bits, &numbers[j], sizeof bits);
      hash = hash_u64(hash, bits);
    }
  }
  return hash;
}

uint64_t falign_dataset_fingerprint(const falign_dataset *dataset) {
  uint64_t hash = hash_u64(0xcbf29ce484222325, dataset->points);
  hash = hash_rows(hash, &dataset->inputs, dataset->points);
  hash = hash_rows(hash, &dataset->targets, dataset->points);
  hash = hash_u64(hash, dataset->categories);
  if (dataset->labels) {
    for (size_t i = 0; i < dataset->points; i++) hash = hash_u64(hash, dataset->labels[i]);
  }
  return hash;
}
