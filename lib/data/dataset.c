/* SPDX-License-Identifier: Apache-2.0 */
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "base/vector.h"
#include "math/matrix.h"

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
  if (status != FALIGN_OK) {
    falign_dataset_destroy(dataset);
    return status;
  }
  dataset->shape.width = dataset->inputs.width;
  dataset->shape.target_width = dataset->targets.width;
  dataset->shape.labels = dataset->labels;
  *out = dataset;
  return FALIGN_OK;
}

void fal_dataset_retain(const falign_dataset *dataset) { fal_refs_retain(&((falign_dataset *)dataset)->refs); }

void falign_dataset_destroy(falign_dataset *dataset) {
  if (!dataset || !fal_refs_release(&dataset->refs)) return;
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

falign_status fal_dataset_check_part(falign_part part) {
  if (part == FALIGN_TRAIN || part == FALIGN_TEST) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "part is FALIGN_TRAIN or FALIGN_TEST, got %d", part);
}

/* Converts `count` stored numbers to a precision. */
typedef void row_converter(void *to, const void *from, size_t count, double denominator);

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

/* Divides in the type `via`, which rounds only once if it represents both integers exactly. */
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
  row_converter *f32, *f64;
} formats[] = {
    [FAL_STORED_U8] = {sizeof(uint8_t), f32_from_u8, f64_from_u8},
    [FAL_STORED_I32] = {sizeof(int32_t), f32_from_i32, f64_from_i32},
    [FAL_STORED_F32] = {sizeof(float), copy_f32, f64_from_f32},
    [FAL_STORED_F64] = {sizeof(double), f32_from_f64, copy_f64},
};

static const char *row_at(const fal_rows *rows, size_t point) {
  return (const char *)rows->data + point * rows->width * formats[rows->storage].element;
}

static void read_stored_row(const fal_rows *rows, size_t point, falign_precision precision, void *to) {
  row_converter *read = precision == FALIGN_F32 ? formats[rows->storage].f32 : formats[rows->storage].f64;
  read(to, row_at(rows, point), rows->width, rows->denominator);
}

/* Rows in random order come from main memory; prefetching saves a third of the time. */
enum { ROWS_AHEAD = 4, CACHE_LINE = 64 };

static void prefetch_row(const fal_rows *rows, size_t point) {
  const char *row = row_at(rows, point);
  for (size_t at = 0; at < rows->width * formats[rows->storage].element; at += CACHE_LINE) PREFETCH(row + at);
}

static void gather_rows(const fal_rows *rows, const uint32_t *points, size_t count, falign_precision precision,
                        void *to) {
  size_t bytes = rows->width * fal_element(precision);
  for (size_t i = 0; i < count; i++) {
    if (i + ROWS_AHEAD < count) prefetch_row(rows, points[i + ROWS_AHEAD]);
    read_stored_row(rows, points[i], precision, (char *)to + i * bytes);
  }
}

void fal_dataset_gather(const falign_dataset *dataset, const uint32_t *points, size_t count, falign_precision precision,
                        void *x) {
  gather_rows(&dataset->inputs, points, count, precision, x);
}

void fal_dataset_gather_targets(const falign_dataset *dataset, const uint32_t *points, size_t count,
                                falign_precision precision, void *y) {
  gather_rows(&dataset->targets, points, count, precision, y);
}

static falign_status copy_rows(const char *name, const falign_view *from, fal_rows *out) {
  void *copy;
  if (from->cols == 0) return fal_fail(FALIGN_INVALID, "%s has no columns", name);
  FAL_TRY(fal_clone(name, from, from->precision, &copy));
  fal_storage storage = from->precision == FALIGN_F32 ? FAL_STORED_F32 : FAL_STORED_F64;
  *out = (fal_rows){.data = copy, .width = from->cols, .storage = storage, .denominator = 1};
  return FALIGN_OK;
}

static falign_status copy_labels(falign_dataset *dataset, const uint32_t *labels, uint32_t categories) {
  size_t points = dataset->shape.points;
  for (size_t i = 0; i < points; i++) {
    if (labels[i] >= categories)
      return fal_fail(FALIGN_INVALID, "label %zu is %u, but there are %u categories", i, labels[i], categories);
  }
  dataset->labels = fal_alloc(points, sizeof *labels);
  if (!dataset->labels) return fal_fail_memory("labels", points, sizeof *labels);
  memcpy(dataset->labels, labels, points * sizeof *labels);
  dataset->shape.categories = categories;
  return FALIGN_OK;
}

static falign_status create_with_inputs(const falign_view *x, falign_dataset **out) {
  FAL_TRY(fal_check_view("x", -1, x));
  FAL_TRY(fal_dataset_check_points(x->rows));
  falign_dataset *dataset = fal_dataset_new();
  if (!dataset) return fal_fail_memory("a dataset", 1, sizeof *dataset);
  dataset->shape.points = x->rows;
  return fal_dataset_finish(dataset, copy_rows("x", x, &dataset->inputs), out);
}

falign_status falign_dataset_create(const falign_view *x, const uint32_t *labels, uint32_t categories,
                                    falign_dataset **out) {
  FAL_GIVEN(out);
  falign_dataset *dataset;
  FAL_TRY(create_with_inputs(x, &dataset));
  return fal_dataset_finish(dataset, labels ? copy_labels(dataset, labels, categories) : FALIGN_OK, out);
}

static falign_status copy_targets(falign_dataset *dataset, const falign_view *y) {
  FAL_TRY(fal_check_view("y", -1, y));
  FAL_TRY(fal_check_view_shape("y", -1, y, dataset->shape.points, y->cols));
  return copy_rows("y", y, &dataset->targets);
}

falign_status falign_dataset_create_regression(const falign_view *x, const falign_view *y, falign_dataset **out) {
  FAL_GIVEN(out);
  falign_dataset *dataset;
  FAL_TRY(create_with_inputs(x, &dataset));
  return fal_dataset_finish(dataset, copy_targets(dataset, y), out);
}

const falign_dataset_shape *falign_dataset_get_shape(const falign_dataset *dataset) { return &dataset->shape; }

size_t fal_row_scratch(const falign_matrix *to) { return to->col_step == 1 || to->cols == 1 ? 0 : to->cols; }

void fal_write_rows(const falign_matrix *to, fal_row_reader *read, const void *from, void *scratch) {
  bool in_place = fal_row_scratch(to) == 0;
  for (size_t i = 0; i < to->rows; i++) {
    falign_matrix row = fal_matrix_part(to, i, 1);
    read(from, i, to->precision, in_place ? row.data : scratch);
    if (in_place) continue;
    falign_view numbers = fal_view_plain(scratch, to->precision, 1, to->cols);
    fal_copy(&row, &numbers);
  }
}

/* Points from `first` on. */
typedef struct {
  const falign_dataset *dataset;
  size_t first;
} point_range;

static void read_point(const void *from, size_t row, falign_precision precision, void *out) {
  const point_range *range = from;
  read_stored_row(&range->dataset->inputs, range->first + row, precision, out);
}

falign_status falign_dataset_get(const falign_dataset *dataset, size_t first, const falign_matrix *x) {
  FAL_GIVEN(dataset);
  FAL_TRY(fal_check_matrix("x", -1, x));
  size_t points = dataset->shape.points;
  if (first > points || x->rows > points - first)
    return fal_fail(FALIGN_INVALID, "%zu points from point %zu on were asked for, but there are %zu", x->rows, first,
                    points);
  FAL_TRY(fal_check_matrix_shape("x", -1, x, x->rows, dataset->inputs.width));
  void *scratch = fal_alloc(fal_row_scratch(x), fal_element(x->precision));
  if (!scratch) return fal_fail_memory("a row", fal_row_scratch(x), fal_element(x->precision));
  point_range range = {dataset, first};
  fal_write_rows(x, read_point, &range, scratch);
  free(scratch);
  return FALIGN_OK;
}

/* One step of FNV-1a over the eight bytes of a number, the lowest first. */
static uint64_t hash_u64(uint64_t hash, uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8) hash = (hash ^ (number >> shift & 0xff)) * 0x100000001b3;
  return hash;
}

/* Hashes the numbers in double precision, however they are stored. */
static uint64_t hash_rows(uint64_t hash, const fal_rows *rows, size_t points) {
  enum { PIECE = 256 };
  double numbers[PIECE];
  size_t total = points * rows->width, element = formats[rows->storage].element;
  hash = hash_u64(hash, rows->width);
  for (size_t first = 0; first < total; first += PIECE) {
    size_t count = fal_min(total - first, PIECE);
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
  size_t points = dataset->shape.points;
  uint64_t hash = hash_u64(0xcbf29ce484222325, points);
  hash = hash_rows(hash, &dataset->inputs, points);
  hash = hash_rows(hash, &dataset->targets, points);
  hash = hash_u64(hash, dataset->shape.categories);
  if (dataset->labels) {
    for (size_t i = 0; i < points; i++) hash = hash_u64(hash, dataset->labels[i]);
  }
  return hash;
}
