/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/recent.h"

#include <stdlib.h>

/* The matrices of one iteration, contiguous: L[0], .., L[d], delta[1], .., delta[d]. */
typedef struct {
  size_t rows;
  size_t bytes; /* that there is room for */
  void *numbers;
} copy;

struct fal_recent {
  const struct falign_trainer *trainer; /* only compared */
  uint64_t last;                        /* iteration that was added last, where `held` > 0 */
  uint64_t held;                        /* iterations that followed each other up to it */
  size_t row_bytes;                     /* of one row of all matrices: tells a trainer in the place of a former one */
  size_t most_rows;                     /* of an iteration so far: all copies get room for them */
  uint64_t count;
  copy copies[]; /* iteration k is in copies[k % count] */
};

falign_status fal_recent_create(uint64_t iterations, fal_recent **out) {
  if (iterations >= SIZE_MAX / sizeof(copy) - sizeof(fal_recent))
    return fal_fail(FALIGN_MEMORY, "%llu iterations are too many to keep", (unsigned long long)iterations);
  fal_recent *recent = fal_zalloc(1, sizeof *recent + ((size_t)iterations + 1) * sizeof *recent->copies);
  if (!recent) return fal_fail_memory("past iterations", iterations, sizeof *recent->copies);
  recent->count = iterations + 1; /* of the last one, too, which may be made anew */
  *out = recent;
  return FALIGN_OK;
}

void fal_recent_destroy(fal_recent *recent) {
  if (!recent) return;
  for (uint64_t i = 0; i < recent->count; i++) free(recent->copies[i].numbers);
  free(recent);
}

/* Numbers of a row of the matrices that lie before delta[l], or before L[l]. */
static size_t numbers_before(const falign_network *network, falign_quantity quantity, uint32_t l) {
  size_t numbers = 0;
  uint32_t outputs = quantity == FALIGN_L ? l : network->layers + 1;
  for (uint32_t i = 0; i < outputs; i++) numbers += network->widths[i];
  for (uint32_t i = 1; i < l && quantity == FALIGN_DELTA; i++) numbers += network->widths[i];
  return numbers;
}

void fal_recent_meet(fal_recent *recent, const struct falign_trainer *trainer, const falign_trace *trace) {
  const falign_network *network = trace->network;
  size_t row_bytes = numbers_before(network, FALIGN_DELTA, network->layers + 1) * fal_element(network->precision);
  bool same = recent->held > 0 && recent->trainer == trainer && recent->row_bytes == row_bytes;
  if (same && trace->iteration == recent->last + 1) return;
  if (same && trace->iteration == recent->last) { /* that step was not made after all */
    recent->last--;
    recent->held--;
    return;
  }
  recent->held = 0;
  recent->trainer = trainer;
  recent->row_bytes = row_bytes;
}

bool fal_recent_has(const fal_recent *recent, uint64_t lag) { return lag <= recent->held; }

/* The place of a matrix in a copy. */
static void *find(const copy *from, const falign_trace *trace, falign_quantity quantity, uint32_t l) {
  size_t numbers = from->rows * numbers_before(trace->network, quantity, l);
  return (char *)from->numbers + numbers * fal_element(trace->network->precision);
}

fal_view fal_recent_view(const fal_recent *recent, const falign_trace *trace, uint64_t lag, falign_quantity quantity,
                         uint32_t l) {
  const copy *from = &recent->copies[(trace->iteration - lag) % recent->count];
  size_t width = trace->network->widths[l];
  return fal_view_of(find(from, trace, quantity, l), trace->network->precision, from->rows, width, width);
}

static falign_status reserve(fal_recent *recent, copy *place, size_t rows) {
  if (rows > recent->most_rows) recent->most_rows = rows;
  size_t bytes;
  if (!fal_mul(recent->most_rows, recent->row_bytes, &bytes))
    return fal_fail(FALIGN_MEMORY, "a copy of %zu rows is too large", recent->most_rows);
  if (bytes <= place->bytes) return FALIGN_OK;
  void *numbers = fal_alloc(bytes, 1);
  if (!numbers) return fal_fail_memory("a copy of outputs and error signals", recent->most_rows, recent->row_bytes);
  free(place->numbers);
  *place = (copy){.bytes = bytes, .numbers = numbers};
  return FALIGN_OK;
}

static falign_status copy_matrix(const falign_trace *trace, falign_quantity quantity, uint32_t l, copy *to) {
  fal_view from;
  FAL_TRY(fal_trace_view(trace, quantity, l, &from));
  fal_copy_matrix(find(to, trace, quantity, l), from.precision, from.cols, from.data, from.precision, from.row_step,
                  from.rows, from.cols);
  return FALIGN_OK;
}

falign_status fal_recent_add(fal_recent *recent, const falign_trace *trace) {
  copy *place = &recent->copies[trace->iteration % recent->count];
  FAL_TRY(reserve(recent, place, trace->rows));
  place->rows = trace->rows;
  for (uint32_t l = 0; l <= trace->network->layers; l++) {
    FAL_TRY(copy_matrix(trace, FALIGN_L, l, place));
    if (l > 0) FAL_TRY(copy_matrix(trace, FALIGN_DELTA, l, place));
  }
  recent->last = trace->iteration;
  recent->held++;
  return FALIGN_OK;
}
