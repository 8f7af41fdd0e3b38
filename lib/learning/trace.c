/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/trace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pointers of the four kinds lie in one array. */
falign_status fal_trace_init(falign_trace *trace, const falign_network *network) {
  size_t ends = (size_t)network->layers + 1;
  void **pointers = fal_zalloc(4 * ends, sizeof *pointers);
  if (!pointers) return fal_fail_memory("a trace", 4 * ends, sizeof *pointers);
  *trace = (falign_trace){.network = network,
                          .outputs = pointers,
                          .states = pointers + ends,
                          .deltas = pointers + 2 * ends,
                          .bp_deltas = pointers + 3 * ends,
                          .loss = (double)NAN};
  return FALIGN_OK;
}

void fal_trace_clear(falign_trace *trace) {
  free(trace->outputs);
  free(trace->storage);
  *trace = (falign_trace){0};
}

/* Numbers of one row: L[0], Y*, and of each layer l = 1..d Z, L, delta and, if asked for, BP's delta. */
static size_t row_numbers(const falign_network *network, bool bp) {
  size_t units = 0;
  for (uint32_t l = 1; l <= network->layers; l++) units += network->widths[l];
  return network->widths[0] + network->widths[network->layers] + units * (bp ? 4 : 3);
}

static void *take(char **at, size_t rows, size_t cols, size_t element) {
  void *matrix = *at;
  *at += rows * cols * element;
  return matrix;
}

static void place(falign_trace *trace) {
  const falign_network *network = trace->network;
  size_t element = fal_element(network->precision), rows = trace->storage_rows;
  char *at = trace->storage;
  trace->target = take(&at, rows, network->widths[network->layers], element);
  trace->outputs[0] = take(&at, rows, network->widths[0], element);
  for (uint32_t l = 1; l <= network->layers; l++) {
    trace->states[l] = take(&at, rows, network->widths[l], element);
    trace->outputs[l] = take(&at, rows, network->widths[l], element);
    trace->deltas[l] = take(&at, rows, network->widths[l], element);
    trace->bp_deltas[l] = trace->storage_bp ? take(&at, rows, network->widths[l], element) : NULL;
  }
}

falign_status fal_trace_reserve(falign_trace *trace, size_t rows, bool bp) {
  if (trace->storage && rows <= trace->storage_rows && (!bp || trace->storage_bp)) return FALIGN_OK;
  if (rows < trace->storage_rows) rows = trace->storage_rows; /* it only grows, so that steps stop allocating */
  bp = bp || trace->storage_bp;
  size_t numbers;
  if (!fal_mul(rows, row_numbers(trace->network, bp), &numbers))
    return fal_fail(FALIGN_MEMORY, "a trace of %zu rows is too large", rows);
  void *storage = fal_alloc(numbers, fal_element(trace->network->precision));
  if (!storage) return fal_fail_memory("a trace", numbers, fal_element(trace->network->precision));
  free(trace->storage);
  trace->storage = storage;
  trace->storage_rows = rows;
  trace->storage_bp = bp;
  place(trace);
  return FALIGN_OK;
}

void fal_trace_blank(falign_trace *view) {
  size_t ends = (size_t)view->network->layers + 1;
  memset(view->outputs, 0, 4 * ends * sizeof *view->outputs);
  view->target = view->update = view->bp_update = NULL;
}

void fal_trace_aim(falign_trace *view, const falign_trace *from, size_t first, size_t rows) {
  const falign_network *network = from->network;
  size_t element = fal_element(network->precision);
  view->rows = rows;
  view->input_stride = network->widths[0];
  view->target_stride = network->widths[network->layers];
  view->target = (char *)from->storage + first * view->target_stride * element;
  for (uint32_t l = 0; l <= network->layers; l++) {
    size_t skip = first * network->widths[l] * element;
    view->outputs[l] = (char *)from->outputs[l] + skip;
    if (l == 0) continue;
    view->states[l] = (char *)from->states[l] + skip;
    view->deltas[l] = (char *)from->deltas[l] + skip;
    view->bp_deltas[l] = from->bp_deltas[l] ? (char *)from->bp_deltas[l] + skip : NULL;
  }
}

typedef struct {
  const void *data;
  size_t rows, cols, stride;
} matrix;

static const char *quantity_name(falign_quantity quantity) {
  static const char *const names[] = {
      [FALIGN_L] = "L",        [FALIGN_Z] = "Z",   [FALIGN_DELTA] = "delta",       [FALIGN_TARGET] = "Y*",
      [FALIGN_DW] = "dW",      [FALIGN_DB] = "db", [FALIGN_DELTA_BP] = "delta_BP", [FALIGN_DW_BP] = "dW_BP",
      [FALIGN_DB_BP] = "db_BP"};
  return quantity >= FALIGN_L && quantity <= FALIGN_DB_BP ? names[quantity] : NULL;
}

static falign_status check_layer(const falign_trace *trace, falign_quantity quantity, uint32_t l) {
  const char *name = quantity_name(quantity);
  if (!name) return fal_fail(FALIGN_INVALID, "%d is no quantity of a trace", quantity);
  uint32_t d = trace->network->layers, first = 1, last = d;
  if (quantity == FALIGN_L) first = 0;
  if (quantity == FALIGN_TARGET) first = d;
  if (quantity == FALIGN_DW || quantity == FALIGN_DW_BP) {
    first = 0;
    last = d - 1;
  }
  if (l >= first && l <= last) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "there is no %s[%u]: l goes from %u to %u", name, l, first, last);
}

static const void *parameter(const falign_trace *trace, const void *update, size_t at) {
  return update ? (const char *)update + at * fal_element(trace->network->precision) : NULL;
}

static matrix find(const falign_trace *trace, falign_quantity quantity, uint32_t l) {
  const falign_network *network = trace->network;
  const size_t *n = network->widths;
  matrix by_rows = {NULL, trace->rows, n[l], n[l]};
  switch (quantity) {
    case FALIGN_L:
      by_rows.data = trace->outputs[l];
      if (l == 0) by_rows.stride = trace->input_stride;
      return by_rows;
    case FALIGN_Z: by_rows.data = trace->states[l]; return by_rows;
    case FALIGN_DELTA: by_rows.data = l >= trace->lowest_delta ? trace->deltas[l] : NULL; return by_rows;
    case FALIGN_DELTA_BP: by_rows.data = trace->lowest_delta <= 1 ? trace->bp_deltas[l] : NULL; return by_rows;
    case FALIGN_TARGET:
      by_rows.data = trace->target;
      by_rows.stride = trace->target_stride;
      return by_rows;
    case FALIGN_DW:
    case FALIGN_DW_BP: {
      const void *update = quantity == FALIGN_DW ? trace->update : trace->bp_update;
      return (matrix){parameter(trace, update, network->w_at[l]), n[l], n[l + 1], n[l + 1]};
    }
    default: {
      const void *update = quantity == FALIGN_DB ? trace->update : trace->bp_update;
      return (matrix){network->biases ? parameter(trace, update, network->b_at[l]) : NULL, 1, n[l], n[l]};
    }
  }
}

static falign_status view(const falign_trace *trace, falign_quantity quantity, uint32_t l, falign_precision precision,
                          matrix *out) {
  FAL_GIVEN(trace);
  FAL_TRY(check_layer(trace, quantity, l));
  if (precision != trace->network->precision)
    return fal_fail(FALIGN_SHAPE, "the trace is in %s", trace->network->precision == FALIGN_F32 ? "f32" : "f64");
  *out = find(trace, quantity, l);
  if (out->data) return FALIGN_OK;
  const char *name = quantity_name(quantity);
  if (trace->lowest_delta > 1 && quantity != FALIGN_TARGET) /* which an imposed step has not */
    return fal_fail(FALIGN_UNSUPPORTED, "%s[%u] is not there yet: signals see L, Z, Y*, and delta from layer %u on",
                    name, l, trace->lowest_delta);
  return fal_fail(FALIGN_UNSUPPORTED,
                  "%s[%u] was not kept in this step: ask for it before, by falign_trainer_keep() or a metric's needs",
                  name, l);
}

/* Writes the outputs that are asked for. */
static void give_shape(const matrix *found, size_t *rows, size_t *cols, size_t *stride) {
  if (rows) *rows = found->rows;
  if (cols) *cols = found->cols;
  if (stride) *stride = found->stride;
}

falign_status falign_trace_view_f32(const falign_trace *trace, falign_quantity quantity, uint32_t l, const float **data,
                                    size_t *rows, size_t *cols, size_t *stride) {
  matrix found;
  FAL_TRY(view(trace, quantity, l, FALIGN_F32, &found));
  if (data) *data = found.data;
  give_shape(&found, rows, cols, stride);
  return FALIGN_OK;
}

falign_status falign_trace_view_f64(const falign_trace *trace, falign_quantity quantity, uint32_t l,
                                    const double **data, size_t *rows, size_t *cols, size_t *stride) {
  matrix found;
  FAL_TRY(view(trace, quantity, l, FALIGN_F64, &found));
  if (data) *data = found.data;
  give_shape(&found, rows, cols, stride);
  return FALIGN_OK;
}

falign_status fal_trace_view(const falign_trace *trace, falign_quantity quantity, uint32_t l, fal_view *out) {
  matrix found;
  FAL_TRY(view(trace, quantity, l, trace->network->precision, &found));
  *out = fal_view_of(found.data, trace->network->precision, found.rows, found.cols, found.stride);
  return FALIGN_OK;
}

size_t falign_trace_rows(const falign_trace *trace) { return trace->rows; }

size_t falign_trace_first_row(const falign_trace *trace) { return trace->first_row; }

uint64_t falign_trace_iteration(const falign_trace *trace) { return trace->iteration; }

double falign_trace_eta(const falign_trace *trace) { return trace->eta; }

double falign_trace_loss(const falign_trace *trace) { return trace->loss; }

falign_precision falign_trace_precision(const falign_trace *trace) { return trace->network->precision; }

const falign_backend *falign_trace_backend(const falign_trace *trace) { return trace->backend; }
