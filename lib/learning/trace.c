/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/trace.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/backend.h"

/* The pointers of the four kinds are in one array. */
falign_status fal_trace_init(falign_trace *trace, const falign_network *network) {
  size_t ends = (size_t)network->layers + 1;
  void **pointers = fal_zalloc(4 * ends, sizeof *pointers);
  if (!pointers) return fal_fail_memory("a trace", 4 * ends, sizeof *pointers);
  *trace = (falign_trace){.network = network,
                          .step = {.loss = (double)NAN, .precision = network->precision},
                          .outputs = pointers,
                          .states = pointers + ends,
                          .deltas = pointers + 2 * ends,
                          .bp_deltas = pointers + 3 * ends};
  return FALIGN_OK;
}

void fal_trace_clear(falign_trace *trace) {
  free(trace->outputs);
  free(trace->storage);
  *trace = (falign_trace){0};
}

/* Returns the numbers of one row: L[0], Y*, and for l = 1..d Z, L, delta and, if wanted, BP's delta. */
static size_t row_numbers(const falign_network *network, bool bp) {
  size_t units = 0;
  for (uint32_t l = 1; l <= network->layers; l++) units += network->widths[l];
  return network->widths[0] + network->widths[network->layers] + units * (bp ? 4 : 3);
}

static void *take_matrix(char **at, size_t rows, size_t cols, size_t element) {
  void *matrix = *at;
  *at += rows * cols * element;
  return matrix;
}

static void place_matrices(falign_trace *trace) {
  const falign_network *network = trace->network;
  size_t element = fal_element(network->precision), rows = trace->storage_rows;
  char *at = trace->storage;
  trace->target = take_matrix(&at, rows, network->widths[network->layers], element);
  trace->outputs[0] = take_matrix(&at, rows, network->widths[0], element);
  for (uint32_t l = 1; l <= network->layers; l++) {
    trace->states[l] = take_matrix(&at, rows, network->widths[l], element);
    trace->outputs[l] = take_matrix(&at, rows, network->widths[l], element);
    trace->deltas[l] = take_matrix(&at, rows, network->widths[l], element);
    trace->bp_deltas[l] = trace->storage_bp ? take_matrix(&at, rows, network->widths[l], element) : NULL;
  }
}

falign_status fal_trace_reserve(falign_trace *trace, size_t rows, bool bp) {
  if (trace->storage && rows <= trace->storage_rows && (!bp || trace->storage_bp)) return FALIGN_OK;
  if (rows < trace->storage_rows) rows = trace->storage_rows; /* it never shrinks, so that steps stop allocating */
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
  place_matrices(trace);
  return FALIGN_OK;
}

void fal_trace_blank(falign_trace *view) {
  size_t ends = (size_t)view->network->layers + 1;
  memset(view->outputs, 0, 4 * ends * sizeof *view->outputs);
  view->target = view->update = view->applied = view->bp_update = NULL;
}

void fal_trace_select_rows(falign_trace *view, const falign_trace *from, size_t first, size_t rows) {
  const falign_network *network = from->network;
  size_t element = fal_element(network->precision);
  view->step.rows = rows;
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

/* ---- Views ---- */

static const char *quantity_name(falign_quantity what) {
  static const char *const names[] = {[FALIGN_L] = "L",
                                      [FALIGN_Z] = "Z",
                                      [FALIGN_DELTA] = "delta",
                                      [FALIGN_TARGET] = "Y*",
                                      [FALIGN_DW] = "dW",
                                      [FALIGN_DB] = "db",
                                      [FALIGN_DW_APPLIED] = "dW_applied",
                                      [FALIGN_DELTA_BP] = "delta_BP",
                                      [FALIGN_DW_BP] = "dW_BP",
                                      [FALIGN_DB_BP] = "db_BP"};
  return what >= FALIGN_L && what <= FALIGN_DB_BP ? names[what] : NULL;
}

static bool is_of_weights(falign_quantity what) {
  return what == FALIGN_DW || what == FALIGN_DW_APPLIED || what == FALIGN_DW_BP;
}

static bool is_of_biases(falign_quantity what) { return what == FALIGN_DB || what == FALIGN_DB_BP; }

static falign_status check_trace_layer(const falign_trace *trace, falign_quantity what, uint32_t l) {
  const char *name = quantity_name(what);
  if (!name)
    return fal_fail(FALIGN_INVALID, "a trace has no quantity %d: it has FALIGN_L (%d) to FALIGN_DB_BP (%d)", what,
                    FALIGN_L, FALIGN_DB_BP);
  uint32_t d = trace->network->layers, first = 1, last = d;
  if (what == FALIGN_L) first = 0;
  if (what == FALIGN_TARGET) first = d;
  if (is_of_weights(what)) {
    first = 0;
    last = d - 1;
  }
  if (l >= first && l <= last) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "there is no %s[%u]: l goes from %u to %u", name, l, first, last);
}

/* Returns the update that contains a quantity. */
static const void **update_of(falign_trace *trace, falign_quantity what) {
  if (what == FALIGN_DW_APPLIED) return &trace->applied;
  return what == FALIGN_DW_BP || what == FALIGN_DB_BP ? &trace->bp_update : &trace->update;
}

static bool *flag_of(const falign_trace *trace, falign_quantity what, uint32_t l) {
  return &trace->set[(size_t)(what - FALIGN_DW) * ((size_t)trace->network->layers + 1) + l];
}

/* Returns dW[l] or db[l]; NULL if the trace does not have it. */
static const void *find_parameters(const falign_trace *trace, falign_quantity what, uint32_t l) {
  const falign_network *network = trace->network;
  const void *update = *update_of((falign_trace *)trace, what);
  if (!update || (trace->set && !*flag_of(trace, what, l)) || (is_of_biases(what) && !network->biases)) return NULL;
  size_t at = is_of_biases(what) ? network->b_at[l] : network->w_at[l];
  return (const char *)update + at * fal_element(network->precision);
}

static falign_view find_quantity(const falign_trace *trace, falign_quantity what, uint32_t l) {
  const size_t *n = trace->network->widths;
  falign_precision precision = trace->network->precision;
  if (what == FALIGN_DW_APPLIED && !find_parameters(trace, what, l)) what = FALIGN_DW;
  if (is_of_weights(what)) return fal_view_plain(find_parameters(trace, what, l), precision, n[l], n[l + 1]);
  if (is_of_biases(what)) return fal_view_plain(find_parameters(trace, what, l), precision, 1, n[l]);
  falign_view by_rows = fal_view_plain(NULL, precision, trace->step.rows, n[l]);
  switch (what) {
    case FALIGN_L:
      by_rows.data = trace->outputs[l];
      if (l == 0) by_rows.row_step = (ptrdiff_t)trace->input_stride;
      return by_rows;
    case FALIGN_Z: by_rows.data = trace->states[l]; return by_rows;
    case FALIGN_DELTA: by_rows.data = l >= trace->lowest_delta ? trace->deltas[l] : NULL; return by_rows;
    case FALIGN_DELTA_BP: by_rows.data = trace->lowest_delta <= 1 ? trace->bp_deltas[l] : NULL; return by_rows;
    default:
      by_rows.data = trace->target;
      by_rows.row_step = (ptrdiff_t)trace->target_stride;
      return by_rows;
  }
}

bool fal_trace_has(const falign_trace *trace, falign_quantity what, uint32_t l) {
  return find_quantity(trace, what, l).data != NULL;
}

static falign_status report_missing(const falign_trace *trace, falign_quantity what, uint32_t l) {
  const char *name = quantity_name(what);
  if (is_of_biases(what) && !trace->network->biases)
    return fal_fail(FALIGN_UNSUPPORTED, "%s[%u]: the network has no biases", name, l);
  if (trace->set)
    return fal_fail(FALIGN_UNSUPPORTED, "%s[%u] was not set in this trace: see falign_trace_set()", name, l);
  if (trace->lowest_delta > 1 && what != FALIGN_TARGET) /* an imposed step never has one */
    return fal_fail(FALIGN_UNSUPPORTED, "%s[%u] is not there yet: signals see L, Z, Y*, and delta from layer %u on",
                    name, l, trace->lowest_delta);
  return fal_fail(FALIGN_UNSUPPORTED,
                  "%s[%u] was not kept in this step: ask for it before, by falign_trainer_keep() or a metric's needs",
                  name, l);
}

falign_status falign_trace_view(const falign_trace *trace, falign_quantity what, uint32_t l, falign_view *out) {
  FAL_GIVEN(trace);
  FAL_GIVEN(out);
  FAL_TRY(check_trace_layer(trace, what, l));
  falign_view found = find_quantity(trace, what, l);
  if (!found.data) return report_missing(trace, what, l);
  *out = found;
  return FALIGN_OK;
}

falign_status fal_trace_check_activity(const falign_trace *trace) {
  falign_view view;
  for (uint32_t l = 1; l < trace->network->layers; l++) {
    FAL_TRY(falign_trace_view(trace, FALIGN_L, l - 1, &view));
    FAL_TRY(falign_trace_view(trace, FALIGN_L, l, &view));
    FAL_TRY(falign_trace_view(trace, FALIGN_Z, l, &view));
    FAL_TRY(falign_trace_view(trace, FALIGN_DELTA, l + 1, &view));
  }
  return FALIGN_OK;
}

const falign_step *falign_trace_step(const falign_trace *trace) { return &trace->step; }

/* ---- Traces made from arrays ---- */

static falign_status check_step(const falign_network *network, const falign_step *step) {
  double most = network->precision == FALIGN_F32 ? (double)FLT_MAX : DBL_MAX;
  if (step->rows == 0) return fal_fail(FALIGN_INVALID, "a step of 0 rows");
  if (step->first_row != 0)
    return fal_fail(FALIGN_INVALID, "first_row is %zu, but a trace made from arrays is of the whole batch: want 0",
                    step->first_row);
  if (step->iteration > INT64_MAX)
    return fal_fail(FALIGN_INVALID, "iteration is %llu, above 2^63 - 1", (unsigned long long)step->iteration);
  if (!(step->eta >= 0 && step->eta <= most))
    return fal_fail(FALIGN_INVALID, "eta goes from 0 to %g, got %g", most, step->eta);
  if (step->precision != 0 && step->precision != network->precision)
    return fal_fail(FALIGN_SHAPE, "the step's precision is %d, but the network is in %s (%d)", step->precision,
                    fal_precision_name(network->precision), network->precision);
  return FALIGN_OK;
}

/* Retains the given backend, or chooses the best one. */
static falign_status choose_backend(const falign_backend *given, const falign_backend **out) {
  if (!given) {
    falign_backend *best;
    FAL_TRY(falign_backend_create("auto", &best));
    *out = best;
    return FALIGN_OK;
  }
  fal_backend_retain(given);
  *out = given;
  return FALIGN_OK;
}

static falign_status fill_trace(falign_trace *trace, const falign_network *network, const falign_step *step) {
  size_t flags = ((size_t)network->layers + 1) * (FALIGN_DB_BP - FALIGN_DW + 1);
  FAL_TRY(fal_trace_init(trace, network));
  trace->set = fal_zalloc(flags, sizeof *trace->set);
  if (!trace->set) return fal_fail_memory("a trace", flags, sizeof *trace->set);
  FAL_TRY(choose_backend(step->backend, &trace->step.backend));
  trace->step.iteration = step->iteration;
  trace->step.rows = step->rows;
  trace->step.eta = step->eta;
  trace->step.loss = step->loss;
  trace->lowest_delta = 1;
  trace->input_stride = network->widths[0];
  trace->target_stride = network->widths[network->layers];
  return FALIGN_OK;
}

falign_status falign_trace_create(const falign_network *network, const falign_step *step, falign_trace **out) {
  FAL_GIVEN(network);
  FAL_GIVEN(step);
  FAL_GIVEN(out);
  FAL_TRY(check_step(network, step));
  falign_trace *trace = fal_zalloc(1, sizeof *trace);
  if (!trace) return fal_fail_memory("a trace", 1, sizeof *trace);
  fal_network_retain(network);
  falign_status status = fill_trace(trace, network, step);
  if (status != FALIGN_OK) {
    trace->network = network; /* fill_trace() may have failed before it was set */
    falign_trace_destroy(trace);
    return status;
  }
  *out = trace;
  return FALIGN_OK;
}

void falign_trace_destroy(falign_trace *trace) {
  if (!trace) return;
  for (size_t i = 0; trace->outputs && i < 4 * ((size_t)trace->network->layers + 1); i++) free(trace->outputs[i]);
  free((void *)trace->target);
  free((void *)trace->update);
  free((void *)trace->applied);
  free((void *)trace->bp_update);
  free(trace->set);
  falign_backend_destroy((falign_backend *)trace->step.backend);
  falign_network_destroy((falign_network *)trace->network);
  fal_trace_clear(trace);
  free(trace);
}

static void set_pointer(falign_trace *trace, falign_quantity what, uint32_t l, void *data) {
  switch (what) {
    case FALIGN_L: trace->outputs[l] = data; break;
    case FALIGN_Z: trace->states[l] = data; break;
    case FALIGN_DELTA: trace->deltas[l] = data; break;
    case FALIGN_DELTA_BP: trace->bp_deltas[l] = data; break;
    case FALIGN_TARGET: trace->target = data; break;
    default: *update_of(trace, what) = data;
  }
}

/* Allocates the matrix of `own`'s shape, or the update that contains it, unless the trace has it. */
static falign_status reserve_matrix(falign_trace *trace, falign_quantity what, uint32_t l, const falign_view *own) {
  bool is_part = is_of_weights(what) || is_of_biases(what);
  if (is_part ? *update_of(trace, what) != NULL : own->data != NULL) return FALIGN_OK;
  size_t rows = is_part ? 1 : own->rows, cols = is_part ? trace->network->parameter_count : own->cols, numbers;
  size_t element = fal_element(trace->network->precision);
  void *data = fal_mul(rows, cols, &numbers) ? fal_zalloc(numbers, element) : NULL;
  if (!data) return fal_fail_memory(quantity_name(what), rows, cols * element);
  set_pointer(trace, what, l, data);
  return FALIGN_OK;
}

falign_status falign_trace_set(falign_trace *trace, falign_quantity what, uint32_t l, const falign_view *values) {
  FAL_GIVEN(trace);
  if (!trace->set) return fal_fail(FALIGN_INVALID, "the trace belongs to a trainer, which sets it itself");
  FAL_TRY(check_trace_layer(trace, what, l));
  if (is_of_biases(what) && !trace->network->biases) return report_missing(trace, what, l);
  const char *name = quantity_name(what);
  falign_view own = find_quantity(trace, what, l);
  FAL_TRY(fal_check_view_shape(name, l, values, own.rows, own.cols));
  FAL_TRY(fal_check_finite(name, l, values, trace->network->precision));
  FAL_TRY(reserve_matrix(trace, what, l, &own));
  if (what >= FALIGN_DW) *flag_of(trace, what, l) = true;
  own = find_quantity(trace, what, l);
  falign_matrix place = fal_matrix_plain((void *)own.data, own.precision, own.rows, own.cols);
  fal_copy(&place, values);
  return FALIGN_OK;
}
