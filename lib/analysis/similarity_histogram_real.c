/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "analysis/similarity.h"
#include "base/pool.h"
#include "base/real.h"
#include "base/size.h"
#include "math/backend.h"

/* The matrix of all pairs is computed and counted in tiles that stay in cache. A task is a row of tiles. Points are
 * sorted by class, so that the columns of a group are adjacent. */
enum {
  TILE_ROWS = 384,
  TILE_COLS = 768,
  COUNTERS = 8 /* of each bin, so that adjacent numbers in one bin do not wait for each other */
};

/* The rows of one side in the order of their classes. */
typedef struct {
  real *numbers;
  size_t rows;
  const fal_classes *classes;
} sorted;

typedef struct {
  real *tile;       /* TILE_ROWS x TILE_COLS */
  uint64_t *counts; /* groups x slots x COUNTERS */
  falign_status status;
} worker;

typedef struct {
  const falign_backend *backend;
  sorted past, present;
  size_t width;
  const falign_bins *bins;
  double per_unit;
  size_t slots; /* the bins, one below and one above them */
  worker *workers;
  uint32_t threads;
} counting;

/* Adjacent columns of one group, up to `end`. */
typedef struct {
  size_t end, group;
} segment;

enum { SEGMENTS = 6 };

/* The columns are before, in and after the row's category; first the well, then the poorly classified points. */
static void find_segments(const fal_classes *columns, size_t row_class, segment segments[SEGMENTS]) {
  size_t categories = columns->categories, category = row_class % categories;
  for (size_t poor = 0; poor < 2; poor++, segments += SEGMENTS / 2) {
    const size_t *starts = columns->starts + poor * categories;
    size_t within = poor || row_class >= categories, between = 2 + within;
    segments[0] = (segment){starts[category], between};
    segments[1] = (segment){starts[category + 1], within};
    segments[2] = (segment){starts[categories], between};
  }
}

/* Slot 0 is below the bins, slot i + 1 is bin i, the last is above. A NaN is counted above. */
static void find_slots(const counting *c, const real *values, size_t count, int32_t *slots) {
  const double low = c->bins->low, high = c->bins->high, per_unit = c->per_unit;
  const double above = (double)c->bins->count, last = above - 1;
  for (size_t j = 0; j < count; j++) {
    double value = (double)values[j], bin = (value - low) * per_unit;
    bin = bin < last ? bin : last;
    bin = value < low ? -1 : bin;
    bin = value < high ? bin : above;
    slots[j] = (int32_t)bin + 1;
  }
}

static void count_slots(const int32_t *slots, size_t length, uint64_t *counts) {
  size_t j = 0;
  for (; j + COUNTERS <= length; j += COUNTERS) {
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): no segment exceeds the row */
    for (size_t i = 0; i < COUNTERS; i++) counts[(size_t)slots[j + i] * COUNTERS + i]++;
  }
  for (; j < length; j++) counts[(size_t)slots[j] * COUNTERS]++;
}

/* Counts one row of a tile whose columns are first..first+cols-1. */
static void count_row(const counting *c, const real *values, size_t first, size_t cols,
                      const segment segments[SEGMENTS], uint64_t *counts) {
  int32_t slots[TILE_COLS];
  find_slots(c, values, cols, slots);
  size_t at = 0;
  for (size_t r = 0; r < SEGMENTS; r++) {
    if (segments[r].end <= first + at) continue;
    size_t end = fal_min(segments[r].end - first, cols);
    count_slots(slots + at, end - at, counts + segments[r].group * c->slots * COUNTERS);
    at = end;
  }
}

/* The pairs of some past points with some present ones. */
typedef struct {
  size_t first_row, rows, first_col, cols;
} tile;

static void count_tile(const counting *c, const worker *w, tile at) {
  const size_t *starts = c->past.classes->starts;
  size_t row_class = 0;
  segment segments[SEGMENTS];
  for (size_t i = 0; i < at.rows; i++) {
    size_t before = row_class;
    while (starts[row_class + 1] <= at.first_row + i) row_class++;
    if (i == 0 || row_class != before) find_segments(c->present.classes, row_class, segments);
    count_row(c, w->tile + i * at.cols, at.first_col, at.cols, segments, w->counts);
  }
}

/* Counts a row of tiles. */
static void count_rows(void *arg, size_t task, uint32_t number) {
  const counting *c = arg;
  worker *w = &c->workers[number];
  size_t first_row = task * TILE_ROWS, rows = fal_min(TILE_ROWS, c->past.rows - first_row);
  for (size_t first = 0; first < c->present.rows && w->status == FALIGN_OK; first += TILE_COLS) {
    size_t cols = fal_min(TILE_COLS, c->present.rows - first);
    w->status = REAL(fal_gemm)(c->backend, 0, 1, rows, cols, c->width, 1, c->past.numbers + first_row * c->width,
                               c->width, c->present.numbers + first * c->width, c->width, 0, w->tile, cols);
    if (w->status == FALIGN_OK) count_tile(c, w, (tile){first_row, rows, first, cols});
  }
}

static falign_status sort_rows(const fal_classified *side, sorted *out) {
  const falign_view *view = &side->rows;
  *out = (sorted){.rows = view->rows, .classes = side->classes};
  out->numbers = fal_alloc(view->rows * view->cols, sizeof(real)); /* cannot overflow: the side has as many */
  if (!out->numbers) return fal_fail_memory("sorted points", view->rows, view->cols * sizeof(real));
  for (size_t i = 0; i < view->rows; i++) {
    const real *row = (const real *)view->data + (ptrdiff_t)side->classes->order[i] * view->row_step;
    memcpy(out->numbers + i * view->cols, row, view->cols * sizeof(real));
  }
  return FALIGN_OK;
}

static falign_status create_counters(counting *c) {
  size_t counters;
  if (!fal_mul(c->slots, FAL_HISTOGRAM_GROUPS * COUNTERS, &counters))
    return fal_fail(FALIGN_MEMORY, "a histogram of %zu bins is too large", c->bins->count);
  c->workers = fal_zalloc(c->threads, sizeof *c->workers);
  if (!c->workers) return fal_fail_memory("workers", c->threads, sizeof *c->workers);
  for (uint32_t i = 0; i < c->threads; i++) {
    c->workers[i].tile = fal_alloc(TILE_ROWS * TILE_COLS, sizeof(real));
    c->workers[i].counts = fal_zalloc(counters, sizeof(uint64_t));
    if (!c->workers[i].tile || !c->workers[i].counts) return fal_fail_memory("counts", counters, sizeof(uint64_t));
  }
  return FALIGN_OK;
}

static void release_counting(counting *c) {
  free(c->past.numbers);
  free(c->present.numbers);
  for (uint32_t i = 0; c->workers && i < c->threads; i++) {
    free(c->workers[i].tile);
    free(c->workers[i].counts);
  }
  free(c->workers);
}

static falign_status count_all(counting *c) {
  fal_pool *pool = NULL;
  if (c->threads > 1) FAL_TRY(fal_pool_create(c->threads, &pool));
  fal_pool_run(pool, (c->past.rows - 1) / TILE_ROWS + 1, count_rows, c);
  fal_pool_destroy(pool);
  for (uint32_t i = 0; i < c->threads; i++) {
    if (c->workers[i].status != FALIGN_OK) /* the message is on the worker's thread */
      return fal_fail(c->workers[i].status, "rows of %zu numbers cannot be multiplied", c->width);
  }
  return FALIGN_OK;
}

static void add_counts(const counting *c, uint64_t *counts) {
  for (size_t slot = 0; slot < FAL_HISTOGRAM_GROUPS * c->slots; slot++) {
    counts[slot] = 0;
    for (uint32_t i = 0; i < c->threads; i++) {
      for (size_t k = 0; k < COUNTERS; k++) counts[slot] += c->workers[i].counts[slot * COUNTERS + k];
    }
  }
}

falign_status REAL(fal_histogram)(const fal_classified sides[2], const falign_bins *bins, uint32_t threads,
                                  uint64_t *counts) {
  falign_backend *backend;
  FAL_TRY(falign_backend_create("auto", &backend));
  counting c = {.backend = backend,
                .width = sides[FALIGN_SIDE_PAST].rows.cols,
                .bins = bins,
                .per_unit = fal_bins_per_unit(bins),
                .slots = bins->count + 2,
                .threads = threads};
  falign_status status = sort_rows(&sides[FALIGN_SIDE_PAST], &c.past);
  if (status == FALIGN_OK) status = sort_rows(&sides[FALIGN_SIDE_PRESENT], &c.present);
  if (status == FALIGN_OK) status = create_counters(&c);
  if (status == FALIGN_OK) status = count_all(&c);
  if (status == FALIGN_OK) add_counts(&c, counts);
  release_counting(&c);
  return status;
}
