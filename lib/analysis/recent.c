/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/recent.h"

#include <stdlib.h>

/* The matrices of one iteration, contiguous: L[0], .., L[d], delta[1], .., delta[d]. */
typedef struct {
  size_t rows;
  size_t bytes; /* allocated */
  void *numbers;
} iteration_copy;

struct fal_recent {
  const struct falign_trainer *trainer; /* only compared */
  uint64_t last;                        /* iteration that was added last, if `held` > 0 */
  uint64_t held;                        /* consecutive iterations up to it */
  size_t row_bytes;                     /* of one row of all matrices: a new trainer may have an old one's address */
  size_t most_rows;                     /* of any iteration so far: each copy gets room for them */
  uint64_t count;
  iteration_copy copies[]; /* iteration k is in copies[k % count] */
};

falign_status fal_recent_create(uint64_t iterations, fal_recent **out) {
  if (iterations >= SIZE_MAX / sizeof(iteration_copy) - sizeof(fal_recent))
    return fal_fail(FALIGN_MEMORY, "%llu iterations are too many to copy", (unsigned long long)iterations);
  fal_recent *recent = fal_zalloc(1, sizeof *recent + ((size_t)iterations + 1) * sizeof *recent->copies);
  if (!recent) return fal_fail_memory("past iterations", iterations, sizeof *recent->copies);
  recent->count = iterations + 1; /* with the last one, which may be repeated */
  *out = recent;
  return FALIGN_OK;
}

void fal_recent_destroy(fal_recent *recent) {
  if (!recent) return;
  for (uint64_t i = 0; i < recent->count; i++) free(recent->copies[i].numbers);
  free(recent);
}

/* Returns the numbers of one row of the matrices before delta[l], or before L[l]. */
static size_t numbers_before(const falign_network *network, falign_quantity what, uint32_t l) {
  size_t numbers = 0;
  uint32_t outputs = what == FALIGN_L ? l : network->layers + 1;
  for (uint32_t i = 0; i < outputs; i++) numbers += network->widths[i];
  for (uint32_t i = 1; i < l && what == FALIGN_DELTA; i++) numbers += network->widths[i];
  return numbers;
}

void fal_recent_begin_step(fal_recent *recent, const struct falign_trainer *trainer, const falign_trace *trace) {
  const falign_network *network = trace->network;
  size_t row_bytes = numbers_before(network, FALIGN_DELTA, network->layers + 1) * fal_element(network->precision);
  bool same = recent->held > 0 && recent->trainer == trainer && recent->row_bytes == row_bytes;
  if (same && trace->step.iteration == recent->last + 1) return;
  if (same && trace->step.iteration == recent->last) { /* that step has failed afterwards */
    recent->last--;
    recent->held--;
    return;
  }
  recent->held = 0;
  recent->trainer = trainer;
  recent->row_bytes = row_bytes;
}

bool fal_recent_has(const fal_recent *recent, uint64_t lag) { return lag <= recent->held; }

/* Finds a matrix in a copy. */
static void *find_in_copy(const iteration_copy *from, const falign_trace *trace, falign_quantity what, uint32_t l) {
  size_t numbers = from->rows * numbers_before(trace->network, what, l);
  return (char *)from->numbers + numbers * fal_element(trace->network->precision);
}

falign_view fal_recent_view(const fal_recent *recent, const falign_trace *trace, uint64_t lag, falign_quantity what,
                            uint32_t l) {
  const iteration_copy *from = &recent->copies[(trace->step.iteration - lag) % recent->count];
  return fal_view_plain(find_in_copy(from, trace, what, l), trace->network->precision, from->rows,
                        trace->network->widths[l]);
}

static falign_status reserve_copy(fal_recent *recent, iteration_copy *place, size_t rows) {
  if (rows > recent->most_rows) recent->most_rows = rows;
  size_t bytes;
  if (!fal_mul(recent->most_rows, recent->row_bytes, &bytes))
    return fal_fail(FALIGN_MEMORY, "a copy of %zu rows is too large", recent->most_rows);
  if (bytes <= place->bytes) return FALIGN_OK;
  void *numbers = fal_alloc(bytes, 1);
  if (!numbers) return fal_fail_memory("a copy of outputs and error signals", recent->most_rows, recent->row_bytes);
  free(place->numbers);
  *place = (iteration_copy){.bytes = bytes, .numbers = numbers};
  return FALIGN_OK;
}

static falign_status copy_from_trace(const falign_trace *trace, falign_quantity what, uint32_t l,
                                     const iteration_copy *into) {
  falign_view from;
  FAL_TRY(falign_trace_view(trace, what, l, &from));
  const falign_matrix to = fal_matrix_plain(find_in_copy(into, trace, what, l), from.precision, from.rows, from.cols);
  fal_copy(&to, &from);
  return FALIGN_OK;
}

falign_status fal_recent_add(fal_recent *recent, const falign_trace *trace) {
  iteration_copy *place = &recent->copies[trace->step.iteration % recent->count];
  FAL_TRY(reserve_copy(recent, place, trace->step.rows));
  place->rows = trace->step.rows;
  for (uint32_t l = 0; l <= trace->network->layers; l++) {
    FAL_TRY(copy_from_trace(trace, FALIGN_L, l, place));
    if (l > 0) FAL_TRY(copy_from_trace(trace, FALIGN_DELTA, l, place));
  }
  recent->last = trace->step.iteration;
  recent->held++;
  return FALIGN_OK;
}
