/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "falign/backend.h"
#include "analysis/similarity.h"
#include "base/pool.h"
#include "base/real.h"

/* The matrix of all pairs is made and counted in tiles that stay in cache; a task is a row of tiles. Points are sorted
 * by class, so that the columns of one group lie side by side. */
enum {
  TILE_ROWS = 384,
  TILE_COLS = 768,
  LANES = 8 /* counters of each bin, so that neighbours which fall into one bin do not wait for each other */
};

/* One side: its rows in the order of their classes. */
typedef struct {
  real *numbers;
  size_t rows;
  const fal_classes *classes;
} sorted;

typedef struct {
  real *tile;       /* TILE_ROWS x TILE_COLS */
  uint64_t *counts; /* groups x slots x LANES */
  falign_status status;
} worker;

typedef struct {
  const falign_backend *backend;
  sorted past, present;
  size_t width;
  const fal_bins *bins;
  size_t slots; /* the bins, and what lies below and above them */
  worker *workers;
  uint32_t threads;
} counting;

/* Columns of one group, up to `end`. */
typedef struct {
  size_t end, group;
} run;

enum { RUNS = 6 };

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Seen from a row, the columns lie before, in and after its category, the well classified first. */
static void find_runs(const fal_classes *columns, size_t row_class, run runs[RUNS]) {
  size_t categories = columns->categories, category = row_class % categories;
  for (size_t poor = 0; poor < 2; poor++, runs += RUNS / 2) {
    const size_t *starts = columns->starts + poor * categories;
    size_t within = poor || row_class >= categories, between = 2 + within;
    runs[0] = (run){starts[category], between};
    runs[1] = (run){starts[category + 1], within};
    runs[2] = (run){starts[categories], between};
  }
}

/* Slot 0 is below the bins, slot i + 1 is bin i, the last is above. What is not a number is counted above. */
static void find_slots(const real *values, size_t count, const fal_bins *bins, int32_t *slots) {
  const double low = bins->low, high = bins->high, per_unit = bins->per_unit;
  const double above = (double)bins->count, last = above - 1;
  for (size_t j = 0; j < count; j++) {
    double value = (double)values[j], bin = (value - low) * per_unit;
    bin = bin < last ? bin : last;
    bin = value < low ? -1 : bin;
    bin = value < high ? bin : above;
    slots[j] = (int32_t)bin + 1;
  }
}

static void count(const int32_t *slots, size_t length, uint64_t *counts) {
  size_t j = 0;
  for (; j + LANES <= length; j += LANES) {
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): a run ends where the row does */
    for (size_t lane = 0; lane < LANES; lane++) counts[(size_t)slots[j + lane] * LANES + lane]++;
  }
  for (; j < length; j++) counts[(size_t)slots[j] * LANES]++;
}

/* Counts one row of a tile whose columns are first..first+cols-1. */
static void count_row(const counting *c, const real *values, size_t first, size_t cols, const run runs[RUNS],
                      uint64_t *counts) {
  int32_t slots[TILE_COLS];
  find_slots(values, cols, c->bins, slots);
  size_t at = 0;
  for (size_t r = 0; r < RUNS; r++) {
    if (runs[r].end <= first + at) continue;
    size_t end = least(runs[r].end - first, cols);
    count(slots + at, end - at, counts + runs[r].group * c->slots * LANES);
    at = end;
  }
}

static void count_tile(const counting *c, const worker *w, size_t first_row, size_t rows, size_t first_col,
                       size_t cols) {
  const size_t *starts = c->past.classes->starts;
  size_t row_class = 0;
  run runs[RUNS];
  for (size_t i = 0; i < rows; i++) {
    size_t before = row_class;
    while (starts[row_class + 1] <= first_row + i) row_class++;
    if (i == 0 || row_class != before) find_runs(c->present.classes, row_class, runs);
    count_row(c, w->tile + i * cols, first_col, cols, runs, w->counts);
  }
}

/* A row of tiles. */
static void count_rows(void *arg, size_t task, uint32_t number) {
  const counting *c = arg;
  worker *w = &c->workers[number];
  size_t first_row = task * TILE_ROWS, rows = least(TILE_ROWS, c->past.rows - first_row);
  for (size_t first = 0; first < c->present.rows && w->status == FALIGN_OK; first += TILE_COLS) {
    size_t cols = least(TILE_COLS, c->present.rows - first);
    w->status =
        REAL(falign_backend_gemm)(c->backend, 0, 1, rows, cols, c->width, 1, c->past.numbers + first_row * c->width,
                                  c->width, c->present.numbers + first * c->width, c->width, 0, w->tile, cols);
    if (w->status == FALIGN_OK) count_tile(c, w, first_row, rows, first, cols);
  }
}

static falign_status sort_rows(const fal_view *view, const fal_classes *classes, sorted *out) {
  *out = (sorted){.rows = view->rows, .classes = classes};
  out->numbers = fal_alloc(view->rows * view->cols, sizeof(real)); /* no more than the side's own */
  if (!out->numbers) return fal_fail_memory("sorted points", view->rows, view->cols * sizeof(real));
  for (size_t i = 0; i < view->rows; i++) {
    const real *row = (const real *)view->data + classes->order[i] * view->row_step;
    memcpy(out->numbers + i * view->cols, row, view->cols * sizeof(real));
  }
  return FALIGN_OK;
}

static falign_status create_workers(counting *c) {
  size_t counters;
  if (!fal_mul(c->slots, FAL_HISTOGRAM_GROUPS * LANES, &counters))
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

static void release(counting *c) {
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
    if (c->workers[i].status != FALIGN_OK) /* its message was left on the worker's own thread */
      return fal_fail(c->workers[i].status, "rows of %zu numbers cannot be multiplied", c->width);
  }
  return FALIGN_OK;
}

static void add_counts(const counting *c, uint64_t *counts) {
  for (size_t slot = 0; slot < FAL_HISTOGRAM_GROUPS * c->slots; slot++) {
    counts[slot] = 0;
    for (uint32_t i = 0; i < c->threads; i++) {
      for (size_t lane = 0; lane < LANES; lane++) counts[slot] += c->workers[i].counts[slot * LANES + lane];
    }
  }
}

falign_status REAL(fal_histogram)(const fal_view *past, const fal_classes *past_classes, const fal_view *present,
                                  const fal_classes *present_classes, const fal_bins *bins, uint32_t threads,
                                  uint64_t *counts) {
  falign_backend *backend;
  FAL_TRY(falign_backend_find("auto", &backend));
  counting c = {.backend = backend, .width = past->cols, .bins = bins, .slots = bins->count + 2, .threads = threads};
  falign_status status = sort_rows(past, past_classes, &c.past);
  if (status == FALIGN_OK) status = sort_rows(present, present_classes, &c.present);
  if (status == FALIGN_OK) status = create_workers(&c);
  if (status == FALIGN_OK) status = count_all(&c);
  if (status == FALIGN_OK) add_counts(&c, counts);
  release(&c);
  return status;
}
