/* SPDX-License-Identifier: Apache-2.0 */
#include "data/batches.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "data/code.h"
#include "data/dataset.h"
#include "files/tensors.h"
#include "math/matrix.h"
#include "math/rng.h"

struct falign_batches {
  fal_refs refs;
  falign_dataset *dataset;
  falign_code *code; /* NULL if the dataset has targets */
  falign_batches_shape shape;
  double smoothing;
  uint32_t *labels; /* of this run; NULL: the dataset's */

  falign_order order;
  uint64_t seed;
  uint32_t run;
  uint32_t *drawn; /* permutation `drawn_number`, if `is_drawn` */
  uint64_t drawn_number;
  bool is_drawn;
  uint32_t *imported; /* permutation `imported_number`, used instead of a drawn one; or NULL */
  uint64_t imported_number;
};

/* Returns the number of the permutation that contains the batch of iteration k. */
static uint64_t permutation_of(const falign_batches *batches, uint64_t k) {
  return batches->order == FALIGN_ORDER_EPOCH ? k / batches->shape.count : 0;
}

static const uint32_t *current_labels(const falign_batches *batches) {
  return batches->labels ? batches->labels : batches->dataset->labels;
}

void fal_batches_retain(falign_batches *batches) { fal_refs_retain(&batches->refs); }

void falign_batches_destroy(falign_batches *batches) {
  if (!batches || !fal_refs_release(&batches->refs)) return;
  falign_dataset_destroy(batches->dataset);
  falign_code_destroy(batches->code);
  free(batches->labels);
  free(batches->drawn);
  free(batches->imported);
  free(batches);
}

static falign_status check_fit(const falign_dataset *dataset, const falign_code *code) {
  const falign_dataset_shape *shape = &dataset->shape;
  if (!code && shape->target_width == 0)
    return fal_fail(FALIGN_SHAPE, "the dataset has no targets, so it needs a code");
  if (code && code->categories != shape->categories)
    return fal_fail(FALIGN_SHAPE, "the code has %u categories, but the dataset has %u", code->categories,
                    shape->categories);
  return FALIGN_OK;
}

falign_status falign_batches_create(const falign_dataset *dataset, const falign_code *code, size_t size,
                                    falign_batches **out) {
  FAL_GIVEN(dataset);
  FAL_GIVEN(out);
  FAL_TRY(check_fit(dataset, code));
  size_t points = dataset->shape.points;
  if (size == 0 || size > points)
    return fal_fail(FALIGN_INVALID, "a batch has %zu rows, but the dataset has %zu points", size, points);
  falign_batches *batches = fal_zalloc(1, sizeof *batches);
  uint32_t *drawn = fal_alloc(points, sizeof *drawn);
  if (!batches || !drawn) {
    free(batches);
    free(drawn);
    return fal_fail_memory("the order of the data", points, sizeof *drawn);
  }
  fal_refs_init(&batches->refs);
  fal_dataset_retain(dataset);
  if (code) fal_code_retain(code);
  batches->dataset = (falign_dataset *)dataset;
  batches->code = (falign_code *)code;
  batches->shape = (falign_batches_shape){.count = (points - 1) / size + 1,
                                          .points = points,
                                          .size = size,
                                          .input_width = dataset->shape.width,
                                          .target_width = code ? code->width : dataset->shape.target_width};
  batches->drawn = drawn;
  *out = batches;
  return FALIGN_OK;
}

falign_status falign_batches_set_smoothing(falign_batches *batches, double smoothing) {
  FAL_GIVEN(batches);
  if (!(smoothing >= 0 && smoothing <= 0.5))
    return fal_fail(FALIGN_INVALID, "smoothing is %g, outside 0..0.5", smoothing);
  batches->smoothing = smoothing;
  return FALIGN_OK;
}

/* Fills `labels` with the dataset's and replaces `changed` of them, chosen at random. `order` is room for a permutation
 * of the points. */
static void draw_labels(const falign_dataset *dataset, size_t changed, falign_rng *rng, uint32_t *order,
                        uint32_t *labels) {
  size_t points = dataset->shape.points;
  memcpy(labels, dataset->labels, points * sizeof *labels);
  falign_rng_permutation(rng, order, (uint32_t)points);
  for (size_t i = 0; i < changed; i++) labels[order[i]] = (uint32_t)falign_rng_below(rng, dataset->shape.categories);
}

falign_status falign_batches_shuffle_labels(falign_batches *batches, double fraction, uint64_t seed, uint32_t run) {
  FAL_GIVEN(batches);
  if (!(fraction >= 0 && fraction <= 1)) return fal_fail(FALIGN_INVALID, "fraction is %g, outside 0..1", fraction);
  if (!batches->dataset->labels) return fal_fail(FALIGN_UNSUPPORTED, "the dataset has no labels");
  falign_rng rng;
  FAL_TRY(fal_rng_init(&rng, seed, FALIGN_RNG_LABELS, 0, run));
  uint32_t *order = fal_alloc(batches->shape.points, sizeof *order);
  uint32_t *labels = fal_alloc(batches->shape.points, sizeof *labels);
  if (!order || !labels) {
    free(order);
    free(labels);
    return fal_fail_memory("labels", batches->shape.points, 2 * sizeof *labels);
  }
  draw_labels(batches->dataset, (size_t)llround(fraction * (double)batches->shape.points), &rng, order, labels);
  free(order);
  free(batches->labels);
  batches->labels = labels;
  return FALIGN_OK;
}

falign_status falign_batches_set_order(falign_batches *batches, falign_order order, uint64_t seed, uint32_t run) {
  FAL_GIVEN(batches);
  if (order != FALIGN_ORDER_NONE && order != FALIGN_ORDER_ONCE && order != FALIGN_ORDER_EPOCH)
    return fal_fail(FALIGN_INVALID, "there is no order %d", order);
  batches->order = order;
  batches->seed = seed;
  batches->run = run;
  batches->is_drawn = false;
  free(batches->imported);
  batches->imported = NULL;
  return FALIGN_OK;
}

const falign_batches_shape *falign_batches_get_shape(const falign_batches *batches) { return &batches->shape; }

const falign_code *falign_batches_code(const falign_batches *batches) { return batches->code; }

size_t falign_batches_rows(const falign_batches *batches, uint64_t k) {
  const falign_batches_shape *shape = &batches->shape;
  return fal_min(shape->points - (size_t)(k % shape->count) * shape->size, shape->size);
}

static bool is_imported(const falign_batches *batches, uint64_t number) {
  return batches->imported && batches->imported_number == number;
}

static falign_status check_epoch(const falign_batches *batches, uint64_t k) {
  uint64_t number = permutation_of(batches, k);
  if (number <= 0xffffff) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "iteration %" PRIu64 " is in epoch %" PRIu64 ", but orders end with epoch %d", k,
                  number, 0xffffff);
}

falign_status fal_batches_seek(falign_batches *batches, uint64_t k) {
  uint64_t number = permutation_of(batches, k);
  if (is_imported(batches, number) || (batches->is_drawn && batches->drawn_number == number)) return FALIGN_OK;
  FAL_TRY(check_epoch(batches, k));
  uint32_t points = (uint32_t)batches->shape.points;
  if (batches->order == FALIGN_ORDER_NONE) {
    for (uint32_t i = 0; i < points; i++) batches->drawn[i] = i;
  } else {
    falign_rng rng;
    FAL_TRY(fal_rng_init(&rng, batches->seed, FALIGN_RNG_ORDER, (uint32_t)number, batches->run));
    falign_rng_permutation(&rng, batches->drawn, points);
  }
  batches->drawn_number = number;
  batches->is_drawn = true;
  return FALIGN_OK;
}

/* Returns the order of the epoch of iteration k, which fal_batches_seek() has prepared. */
static const uint32_t *order_of(const falign_batches *batches, uint64_t k) {
  return is_imported(batches, permutation_of(batches, k)) ? batches->imported : batches->drawn;
}

/* Returns the points of the batch of iteration k; see order_of(). */
static const uint32_t *batch_points(const falign_batches *batches, uint64_t k) {
  return order_of(batches, k) + (k % batches->shape.count) * batches->shape.size;
}

uint32_t fal_batches_label(const falign_batches *batches, uint64_t k, size_t row) {
  return current_labels(batches)[batch_points(batches, k)[row]];
}

/* Written without the product 2 target, which may overflow. */
#define DEFINE_SMOOTH(name, to_type, from_type)                                  \
  static void name(void *to, const void *from, size_t count, double smoothing) { \
    to_type *targets = to;                                                       \
    const from_type *given = from;                                               \
    for (size_t j = 0; j < count; j++) {                                         \
      double target = (double)given[j];                                          \
      targets[j] = (to_type)(target + (smoothing - 2 * smoothing * target));     \
    }                                                                            \
  }
DEFINE_SMOOTH(smooth_f32, float, float)
DEFINE_SMOOTH(smooth_code_f32, float, double)
DEFINE_SMOOTH(smooth_f64, double, double)

/* Writes smoothed rows of the code or of the dataset's targets. */
static void gather_targets(const falign_batches *batches, const uint32_t *points, size_t count,
                           falign_precision precision, void *y) {
  bool single = precision == FALIGN_F32;
  size_t width = batches->shape.target_width, bytes = width * fal_element(precision);
  if (!batches->code) {
    fal_dataset_gather_targets(batches->dataset, points, count, precision, y);
    (single ? smooth_f32 : smooth_f64)(y, y, count * width, batches->smoothing);
    return;
  }
  const uint32_t *labels = current_labels(batches);
  for (size_t i = 0; i < count; i++) {
    const double *row = batches->code->rows + labels[points[i]] * width;
    (single ? smooth_code_f32 : smooth_f64)((char *)y + i * bytes, row, width, batches->smoothing);
  }
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): first and count */
void fal_batches_gather(const falign_batches *batches, uint64_t k, size_t first, size_t count,
                        falign_precision precision, void *x, void *y) {
  const uint32_t *points = batch_points(batches, k) + first;
  if (x) fal_dataset_gather(batches->dataset, points, count, precision, x);
  if (y) gather_targets(batches, points, count, precision, y);
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): outputs, each of which may be NULL */
falign_status falign_batches_points_of(falign_batches *batches, uint64_t k, uint32_t *points, uint32_t *labels,
                                       size_t length) {
  FAL_GIVEN(batches);
  if (labels && !current_labels(batches)) return fal_fail(FALIGN_UNSUPPORTED, "the dataset has no labels");
  size_t rows = falign_batches_rows(batches, k);
  if (length != rows)
    return fal_fail(FALIGN_SHAPE, "batch %" PRIu64 " has %zu rows, but length is %zu", k, rows, length);
  FAL_TRY(fal_batches_seek(batches, k));
  for (size_t i = 0; i < rows; i++) {
    if (points) points[i] = batch_points(batches, k)[i];
    if (labels) labels[i] = fal_batches_label(batches, k, i);
  }
  return FALIGN_OK;
}

/* A batch that fal_batches_seek() has prepared. */
typedef struct {
  const falign_batches *batches;
  uint64_t k;
} batch_place;

static void read_inputs(const void *from, size_t row, falign_precision precision, void *out) {
  const batch_place *at = from;
  fal_batches_gather(at->batches, at->k, row, 1, precision, out, NULL);
}

static void read_targets(const void *from, size_t row, falign_precision precision, void *out) {
  const batch_place *at = from;
  fal_batches_gather(at->batches, at->k, row, 1, precision, NULL, out);
}

falign_status falign_batches_get(falign_batches *batches, uint64_t k, const falign_matrix *x, const falign_matrix *y) {
  FAL_GIVEN(batches);
  size_t rows = falign_batches_rows(batches, k);
  if (x) FAL_TRY(fal_check_matrix_shape("x", -1, x, rows, batches->shape.input_width));
  if (y) FAL_TRY(fal_check_matrix_shape("y", -1, y, rows, batches->shape.target_width));
  FAL_TRY(fal_batches_seek(batches, k));
  size_t room = fal_max(x ? fal_row_scratch(x) : 0, y ? fal_row_scratch(y) : 0);
  void *scratch = fal_alloc(room, sizeof(double));
  if (!scratch) return fal_fail_memory("a row", room, sizeof(double));
  batch_place at = {batches, k};
  if (x) fal_write_rows(x, read_inputs, &at, scratch);
  if (y) fal_write_rows(y, read_targets, &at, scratch);
  free(scratch);
  return FALIGN_OK;
}

static falign_status export_numbers(falign_tensors *tensors, const char *name, const uint32_t *numbers, size_t count) {
  int64_t *wide = fal_alloc(count, sizeof *wide);
  if (!wide) return fal_fail_memory(name, count, sizeof *wide);
  for (size_t i = 0; i < count; i++) wide[i] = numbers[i];
  falign_status status = falign_tensors_add(tensors, name, FALIGN_DTYPE_I64, &count, 1, wide);
  free(wide);
  return status;
}

static falign_status export_batches(const falign_batches *batches, uint64_t k, falign_tensors *tensors) {
  if (batches->code) FAL_TRY(falign_code_export(batches->code, FALIGN_F64, tensors));
  if (batches->labels) FAL_TRY(export_numbers(tensors, "labels", batches->labels, batches->shape.points));
  if (batches->order == FALIGN_ORDER_NONE) return FALIGN_OK;
  return export_numbers(tensors, "order", order_of(batches, k), batches->shape.points);
}

falign_status falign_batches_export(falign_batches *batches, uint64_t k, falign_tensors *tensors) {
  FAL_GIVEN(batches);
  FAL_GIVEN(tensors);
  FAL_TRY(fal_batches_seek(batches, k));
  size_t before = falign_tensors_count(tensors);
  falign_status status = export_batches(batches, k, tensors);
  if (status != FALIGN_OK) fal_tensors_truncate(tensors, before);
  return status;
}

/* Copies an I64 vector of `count` numbers below `bound`. */
static falign_status import_numbers(const falign_tensors *tensors, const char *name, size_t count, uint32_t bound,
                                    uint32_t **out) {
  falign_tensor tensor;
  FAL_TRY(falign_tensors_view(tensors, name, &tensor));
  if (tensor.dtype != FALIGN_DTYPE_I64) return fal_fail(FALIGN_FORMAT, "\"%s\" is not of 64-bit integers", name);
  if (tensor.rank != 1) return fal_fail(FALIGN_SHAPE, "\"%s\" has %zu dimensions, not 1", name, tensor.rank);
  if (tensor.dims[0] != count)
    return fal_fail(FALIGN_SHAPE, "\"%s\" has %zu numbers, not %zu", name, tensor.dims[0], count);
  const int64_t *wide = tensor.data;
  for (size_t i = 0; i < count; i++) {
    if (wide[i] < 0 || wide[i] >= bound)
      return fal_fail(FALIGN_FORMAT, "\"%s\" has %" PRId64 " at index %zu, outside 0..%u", name, wide[i], i, bound - 1);
  }
  uint32_t *numbers = fal_alloc(count, sizeof *numbers);
  if (!numbers) return fal_fail_memory(name, count, sizeof *numbers);
  for (size_t i = 0; i < count; i++) numbers[i] = (uint32_t)wide[i];
  *out = numbers;
  return FALIGN_OK;
}

/* Fails if one of `count` numbers below `count` occurs twice. */
static falign_status check_permutation(const uint32_t *order, size_t count) {
  bool *seen = fal_zalloc(count, sizeof *seen);
  if (!seen) return fal_fail_memory("an order", count, sizeof *seen);
  falign_status status = FALIGN_OK;
  for (size_t i = 0; i < count && status == FALIGN_OK; i++) {
    if (seen[order[i]]) status = fal_fail(FALIGN_FORMAT, "\"order\" has %u twice, again at index %zu", order[i], i);
    seen[order[i]] = true;
  }
  free(seen);
  return status;
}

/* What an import replaces; NULL: nothing. */
typedef struct {
  falign_code *code;
  uint32_t *labels, *order;
} imported_data;

static void release_imported(imported_data *taken) {
  falign_code_destroy(taken->code);
  free(taken->labels);
  free(taken->order);
}

static falign_status import_code(const falign_batches *batches, const falign_tensors *tensors, falign_code **out) {
  FAL_TRY(falign_code_import(tensors, out));
  const falign_code *own = batches->code, *got = *out;
  if (got->categories == own->categories && got->width == own->width) return FALIGN_OK;
  return fal_fail(FALIGN_SHAPE, "\"code\" is %u x %zu, got %u x %zu", own->categories, own->width, got->categories,
                  got->width);
}

/* Fails if the set lacks what these batches need or has what they cannot use. */
static falign_status check_names(const falign_batches *batches, const falign_tensors *tensors) {
  bool ordered = batches->order != FALIGN_ORDER_NONE;
  if (batches->code && !falign_tensors_has(tensors, "code")) return fal_fail(FALIGN_FORMAT, "there is no \"code\"");
  if (ordered && !falign_tensors_has(tensors, "order")) return fal_fail(FALIGN_FORMAT, "there is no \"order\"");
  if (!ordered && falign_tensors_has(tensors, "order"))
    return fal_fail(FALIGN_FORMAT, "there is an \"order\", but these batches are in the dataset's own");
  if (batches->labels && !falign_tensors_has(tensors, "labels"))
    return fal_fail(FALIGN_FORMAT, "there are no \"labels\", but the run has shuffled its own");
  if (!batches->code && falign_tensors_has(tensors, "labels"))
    return fal_fail(FALIGN_FORMAT, "there are \"labels\", but the dataset has none");
  return FALIGN_OK;
}

static falign_status import_data(const falign_batches *batches, const falign_tensors *tensors, imported_data *taken) {
  uint32_t points = (uint32_t)batches->shape.points, categories = batches->dataset->shape.categories;
  FAL_TRY(check_names(batches, tensors));
  if (batches->code) FAL_TRY(import_code(batches, tensors, &taken->code));
  if (falign_tensors_has(tensors, "labels"))
    FAL_TRY(import_numbers(tensors, "labels", points, categories, &taken->labels));
  if (batches->order == FALIGN_ORDER_NONE) return FALIGN_OK;
  FAL_TRY(import_numbers(tensors, "order", points, points, &taken->order));
  return check_permutation(taken->order, points);
}

falign_status falign_batches_import(falign_batches *batches, uint64_t k, const falign_tensors *tensors) {
  FAL_GIVEN(batches);
  FAL_GIVEN(tensors);
  FAL_TRY(check_epoch(batches, k));
  imported_data taken = {0};
  falign_status status = import_data(batches, tensors, &taken);
  if (status == FALIGN_OK) {
    imported_data own = {batches->code, batches->labels, batches->imported};
    batches->code = taken.code;
    batches->labels = taken.labels;
    batches->imported = taken.order;
    batches->imported_number = permutation_of(batches, k);
    taken = own;
  }
  release_imported(&taken);
  return status;
}
