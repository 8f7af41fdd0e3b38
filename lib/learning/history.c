/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "math/backend.h"

enum { HEADER = 16 }; /* bytes before the numbers of an entry: eta */

static size_t element(const falign_history *history) { return fal_element(history->network->precision); }

/* Cannot overflow; see lay_out_entry(). */
static size_t entry_bytes(const falign_history *history) { return HEADER + history->numbers * element(history); }

static bool has_begun(const falign_history *history) { return history->end != history->origin; }

/* ---- Layout ---- */

/* Adds rows x cols numbers; false if that overflows. */
static bool add_matrix(size_t rows, size_t cols, size_t *numbers) {
  size_t count;
  if (!fal_mul(rows, cols, &count) || count > PTRDIFF_MAX / sizeof(double) - *numbers) return false;
  *numbers += count;
  return true;
}

/* Places the correlations of all hidden layers. */
static bool place_correlations(falign_history *history, int32_t keeps, size_t *numbers) {
  const size_t *n = history->network->widths;
  uint32_t d = history->network->layers;
  bool fits = true;
  for (uint32_t l = 1; l < d && fits && (keeps & FALIGN_KEEP_C); l++) {
    history->c_at[l] = *numbers;
    fits = add_matrix(n[l - 1], n[l + 1], numbers);
  }
  for (uint32_t l = 1; l < d && fits && (keeps & FALIGN_KEEP_DIRECT); l++) {
    history->direct_at[l] = *numbers;
    fits = add_matrix(n[l - 1], n[d], numbers);
  }
  return fits;
}

/* Places everything that an entry has. */
static falign_status lay_out_entry(falign_history *history, int32_t keeps) {
  size_t numbers = 0, correlations = 0;
  size_t of_parameters = keeps & FALIGN_KEEP_APPLIED ? 3 : 2;
  bool fits = place_correlations(history, keeps, &correlations) &&
              add_matrix(of_parameters, history->parameters, &numbers) && add_matrix(1, correlations, &numbers);
  for (size_t i = 0; i < history->part_count && fits; i++) {
    history->parts[i].at = numbers;
    fits = add_matrix(1, history->parts[i].count, &numbers);
  }
  if (!fits) return fal_fail(FALIGN_MEMORY, "a step of a history is too large");
  history->keeps = keeps;
  history->correlations = correlations;
  history->numbers = numbers;
  return FALIGN_OK;
}

/* Returns to the former layout, which is known to fit. */
static void restore_layout(falign_history *history) {
  falign_status status = lay_out_entry(history, history->keeps);
  (void)status;
}

size_t fal_history_weights_at(const falign_history *history, uint32_t l) { return history->network->w_at[l]; }

size_t fal_history_bias_at(const falign_history *history, uint32_t l) { return history->network->b_at[l]; }

static size_t update_at(const falign_history *history, uint32_t l) {
  return history->parameters + history->network->w_at[l];
}

static bool keeps_applied(const falign_history *history) { return (history->keeps & FALIGN_KEEP_APPLIED) != 0; }

size_t fal_history_applied_at(const falign_history *history, uint32_t l) {
  return update_at(history, l) + (keeps_applied(history) ? history->parameters : 0);
}

size_t fal_history_correlations_at(const falign_history *history) {
  return (keeps_applied(history) ? 3 : 2) * history->parameters;
}

size_t fal_history_correlation_at(const falign_history *history, uint32_t l, bool direct) {
  return fal_history_correlations_at(history) + (direct ? history->direct_at[l] : history->c_at[l]);
}

falign_status falign_history_create(falign_network *network, falign_history **out) {
  FAL_GIVEN(network);
  FAL_GIVEN(out);
  falign_history *history = fal_zalloc(1, sizeof *history);
  size_t *places = fal_zalloc(network->layers, 2 * sizeof *places);
  if (!history || !places) {
    free(history);
    free(places);
    return fal_fail_memory("a history", network->layers, 2 * sizeof *places);
  }
  fal_refs_init(&history->refs);
  fal_network_retain(network);
  history->network = network;
  history->limit = UINT64_MAX;
  history->parameters = network->w_at[network->layers - 1];
  history->c_at = places;
  history->direct_at = places + network->layers;
  falign_status status = lay_out_entry(history, 0);
  if (status != FALIGN_OK) {
    falign_history_destroy(history);
    return status;
  }
  *out = history;
  return FALIGN_OK;
}

void fal_history_retain(falign_history *history) { fal_refs_retain(&history->refs); }

void falign_history_clear(falign_history *history) {
  for (size_t i = 0; i < history->entry_count; i++) free(history->entries[i]);
  free(history->entries);
  free(history->scratch);
  free(history->start);
  free(history->sum);
  history->entries = NULL;
  history->scratch = history->start = NULL;
  history->sum = NULL;
  history->entry_count = history->entry_capacity = 0;
  history->origin = history->first = history->end = history->summed = 0;
  if (history->spill) fal_spill_empty(history->spill);
}

void falign_history_destroy(falign_history *history) {
  if (!history || !fal_refs_release(&history->refs)) return;
  falign_history_clear(history);
  for (size_t i = 0; i < history->part_count; i++) history->parts[i].destroy(history->parts[i].user);
  free(history->parts);
  free(history->c_at);
  fal_spill_destroy(history->spill);
  falign_network_destroy(history->network);
  free(history);
}

/* ---- Settings ---- */

falign_status fal_history_check_unbegun(const falign_history *history) {
  FAL_GIVEN(history);
  if (!has_begun(history)) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "the history holds steps since iteration %llu: settings come before the first",
                  (unsigned long long)history->origin);
}

falign_status falign_history_keep(falign_history *history, int32_t quantities) {
  FAL_TRY(fal_history_check_unbegun(history));
  if (quantities & ~(FALIGN_KEEP_C | FALIGN_KEEP_DIRECT | FALIGN_KEEP_APPLIED))
    return fal_fail(FALIGN_INVALID, "quantities of %d are unknown", quantities);
  falign_status status = lay_out_entry(history, history->keeps | quantities);
  if (status != FALIGN_OK) restore_layout(history);
  return status;
}

falign_status falign_history_set_window(falign_history *history, uint64_t steps) {
  FAL_TRY(fal_history_check_unbegun(history));
  if (steps >= SIZE_MAX / sizeof(void *))
    return fal_fail(FALIGN_INVALID, "a window of %llu steps is too large", (unsigned long long)steps);
  history->window = steps;
  return FALIGN_OK;
}

falign_status falign_history_set_limit(falign_history *history, uint64_t bytes, const char *directory) {
  fal_spill *spill = NULL;
  FAL_TRY(fal_history_check_unbegun(history));
  if (directory) FAL_TRY(fal_spill_create(directory, &spill));
  fal_spill_destroy(history->spill);
  history->spill = spill;
  history->limit = bytes;
  return FALIGN_OK;
}

falign_status fal_history_add_part(falign_history *history, size_t count,
                                   falign_status (*fill)(void *user, const falign_trace *trace, void *out),
                                   void (*destroy)(void *user), void *user, size_t *part) {
  FAL_TRY(fal_history_check_unbegun(history));
  size_t used = history->part_count;
  fal_history_part *parts = fal_alloc(used + 1, sizeof *parts), *before = history->parts;
  if (!parts) return fal_fail_memory("a history's parts", used + 1, sizeof *parts);
  if (used > 0) memcpy(parts, before, used * sizeof *parts);
  parts[used] = (fal_history_part){.count = count, .fill = fill, .destroy = destroy, .user = user};
  history->parts = parts;
  history->part_count++;
  falign_status status = lay_out_entry(history, history->keeps);
  if (status != FALIGN_OK) {
    history->parts = before;
    history->part_count--;
    restore_layout(history);
    free(parts);
    return status;
  }
  free(before);
  *part = used;
  return FALIGN_OK;
}

size_t fal_history_part_at(const falign_history *history, size_t part) { return history->parts[part].at; }

bool fal_history_needs_activity(const falign_history *history) { return history->part_count > 0; }

/* ---- Memory ---- */

/* Returns the bytes that are needed once, for any number of steps. */
static uint64_t fixed_bytes(const falign_history *history) {
  uint64_t bytes = (uint64_t)history->correlations * sizeof(double);
  bytes += (uint64_t)history->network->parameter_count * element(history);
  if (history->spill) bytes += entry_bytes(history);
  return bytes;
}

/* Returns how many entries fit in memory. */
static uint64_t memory_entries(const falign_history *history) {
  uint64_t fixed = fixed_bytes(history);
  return history->limit < fixed ? 0 : (history->limit - fixed) / entry_bytes(history);
}

static uint64_t slot_of_step(const falign_history *history, uint64_t k) {
  uint64_t steps = k - history->origin;
  return history->window > 0 ? steps % (history->window + 1) : steps;
}

falign_status falign_history_bytes(const falign_history *history, uint64_t steps, uint64_t *bytes) {
  FAL_GIVEN(history);
  FAL_GIVEN(bytes);
  uint64_t held = history->window > 0 && steps > history->window ? history->window + 1 : steps;
  uint64_t fixed = fixed_bytes(history), each = entry_bytes(history);
  if (held > (UINT64_MAX - fixed) / each)
    return fal_fail(FALIGN_MEMORY, "a history of %llu steps of %llu bytes is too large", (unsigned long long)held,
                    (unsigned long long)each);
  *bytes = fixed + held * each;
  return FALIGN_OK;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): first and end */
falign_status falign_history_range(const falign_history *history, uint64_t *first, uint64_t *end) {
  FAL_GIVEN(history);
  if (first) *first = history->first;
  if (end) *end = history->end;
  return FALIGN_OK;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): outputs, each of which may be NULL */
falign_status falign_history_used(const falign_history *history, uint64_t *memory, uint64_t *file) {
  FAL_GIVEN(history);
  uint64_t held = history->end - history->first, in_memory = 0, each = entry_bytes(history);
  for (size_t i = 0; i < history->entry_count; i++) in_memory += history->entries[i] != NULL;
  if (memory) *memory = has_begun(history) ? fixed_bytes(history) + in_memory * each : 0;
  if (file) *file = held > in_memory ? (held - in_memory) * each : 0;
  return FALIGN_OK;
}

/* ---- Reading ---- */

falign_status fal_history_check(const falign_history *history, uint64_t k) {
  if (k >= history->first && k < history->end) return FALIGN_OK;
  if (!has_begun(history)) return fal_fail(FALIGN_INVALID, "the history holds no steps");
  return fal_fail(FALIGN_INVALID, "iteration %llu is not in the history, which holds %llu to %llu",
                  (unsigned long long)k, (unsigned long long)history->first, (unsigned long long)history->end - 1);
}

/* Views bytes of entry k: in memory, or read to `scratch`. */
/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): a place and a length */
static const void *view_bytes(const falign_history *history, uint64_t k, size_t at, size_t size, void *scratch) {
  uint64_t slot = slot_of_step(history, k), in_memory = memory_entries(history);
  if (slot < in_memory) return (const char *)history->entries[slot] + at;
  uint64_t place = (slot - in_memory) * entry_bytes(history) + at;
  return fal_spill_read(history->spill, scratch, size, place) == FALIGN_OK ? scratch : NULL;
}

const void *fal_history_view(const falign_history *history, uint64_t k, size_t at, size_t count, void *scratch) {
  if (k < history->first) return (const char *)history->start + at * element(history); /* of `origin` */
  return view_bytes(history, k, HEADER + at * element(history), count * element(history), scratch);
}

const void *fal_history_start(const falign_history *history, uint32_t l) {
  return (const char *)history->start + history->network->w_at[l] * element(history);
}

falign_status fal_history_eta(const falign_history *history, uint64_t k, double *eta) {
  double scratch;
  const double *kept = view_bytes(history, k, 0, sizeof *kept, &scratch);
  if (!kept) return FALIGN_IO;
  *eta = *kept;
  return FALIGN_OK;
}

/* A matrix in an entry. */
typedef struct {
  const char *name;
  size_t at, rows, cols;
} kept_matrix;

static falign_status check_kept_layer(const falign_history *history, const char *name, uint32_t l, uint32_t first) {
  uint32_t end = history->network->layers - 1 + first;
  if (l >= first && l < end) return FALIGN_OK;
  if (first == end) return fal_fail(FALIGN_INVALID, "there is no %s[%u]: the network has no hidden layer", name, l);
  return fal_fail(FALIGN_INVALID, "there is no %s[%u] in a history: l goes from %u to %u", name, l, first, end - 1);
}

static falign_status fail_unkept(const char *name, uint32_t l) {
  return fal_fail(FALIGN_UNSUPPORTED, "%s[%u] is not kept by this history", name, l);
}

static falign_status find_weights(const falign_history *history, falign_quantity what, uint32_t l, kept_matrix *out) {
  const size_t *n = history->network->widths;
  const char *name = what == FALIGN_W ? "W" : what == FALIGN_DW ? "dW" : "dW_applied";
  FAL_TRY(check_kept_layer(history, name, l, 0));
  *out = (kept_matrix){name, 0, n[l], n[l + 1]};
  switch (what) {
    case FALIGN_W: out->at = fal_history_weights_at(history, l); break;
    case FALIGN_DW: out->at = update_at(history, l); break;
    default: out->at = fal_history_applied_at(history, l);
  }
  return FALIGN_OK;
}

static falign_status find_bias(const falign_history *history, uint32_t l, kept_matrix *out) {
  FAL_TRY(check_kept_layer(history, "b", l, 1));
  if (!history->network->biases) return fail_unkept("b", l);
  *out = (kept_matrix){"b", fal_history_bias_at(history, l), 1, history->network->widths[l]};
  return FALIGN_OK;
}

static falign_status find_correlation(const falign_history *history, bool direct, uint32_t l, kept_matrix *out) {
  const size_t *n = history->network->widths;
  const char *name = direct ? "L^T delta[d]" : "C";
  FAL_TRY(check_kept_layer(history, name, l, 1));
  if (!(history->keeps & (direct ? FALIGN_KEEP_DIRECT : FALIGN_KEEP_C))) return fail_unkept(name, l);
  size_t cols = direct ? n[history->network->layers] : n[l + 1];
  *out = (kept_matrix){name, fal_history_correlation_at(history, l, direct), n[l - 1], cols};
  return FALIGN_OK;
}

static falign_status find_kept(const falign_history *history, falign_quantity what, uint32_t l, kept_matrix *out) {
  switch (what) {
    case FALIGN_W:
    case FALIGN_DW:
    case FALIGN_DW_APPLIED: return find_weights(history, what, l, out);
    case FALIGN_BIAS: return find_bias(history, l, out);
    case FALIGN_C: return find_correlation(history, false, l, out);
    case FALIGN_DIRECT: return find_correlation(history, true, l, out);
    default:
      return fal_fail(FALIGN_INVALID,
                      "a history has no quantity %d: want FALIGN_W (%d), FALIGN_BIAS (%d), FALIGN_DW (%d), "
                      "FALIGN_DW_APPLIED (%d), FALIGN_C (%d) or FALIGN_DIRECT (%d)",
                      what, FALIGN_W, FALIGN_BIAS, FALIGN_DW, FALIGN_DW_APPLIED, FALIGN_C, FALIGN_DIRECT);
  }
}

falign_status falign_history_get(const falign_history *history, uint64_t k, falign_quantity what, uint32_t l,
                                 const falign_matrix *out) {
  kept_matrix found;
  FAL_GIVEN(history);
  FAL_TRY(find_kept(history, what, l, &found));
  FAL_TRY(fal_check_matrix_shape(found.name, l, out, found.rows, found.cols));
  FAL_TRY(fal_history_check(history, k));
  size_t numbers = found.rows * found.cols;
  void *scratch = history->spill ? fal_alloc(numbers, element(history)) : NULL;
  if (history->spill && !scratch) return fal_fail_memory(found.name, numbers, element(history));
  const void *kept = fal_history_view(history, k, found.at, numbers, scratch);
  if (kept) {
    falign_view values = fal_view_plain(kept, history->network->precision, found.rows, found.cols);
    fal_copy(out, &values);
  }
  free(scratch);
  return kept ? FALIGN_OK : FALIGN_IO;
}

/* ---- Recording ---- */

/* Prepares an empty history for its first step. */
static falign_status begin_history(falign_history *history, uint64_t k) {
  falign_history_clear(history); /* a first step that failed has left memory, perhaps of other sizes */
  size_t parameters = history->network->parameter_count;
  history->start = fal_alloc(parameters, element(history));
  if (history->spill) history->scratch = fal_alloc(entry_bytes(history), 1);
  if (history->correlations > 0) history->sum = fal_alloc(history->correlations, sizeof *history->sum);
  if (!history->start || (history->spill && !history->scratch) || (history->correlations > 0 && !history->sum))
    return fal_fail_memory("a history", history->numbers, 2 * element(history));
  memcpy(history->start, history->network->parameters, parameters * element(history));
  for (size_t i = 0; i < history->correlations; i++) history->sum[i] = 0;
  history->origin = history->first = history->end = history->summed = k;
  history->runs++;
  return FALIGN_OK;
}

static falign_status fail_beyond_limit(const falign_history *history, uint64_t steps) {
  uint64_t bytes;
  FAL_TRY(falign_history_bytes(history, steps, &bytes));
  return fal_fail(FALIGN_MEMORY, "the history of %llu steps takes %llu bytes, above its limit of %llu",
                  (unsigned long long)steps, (unsigned long long)bytes, (unsigned long long)history->limit);
}

/* Allocates the memory of a slot. A window that cannot fit is refused at the first step. */
static falign_status reserve_slot(falign_history *history, uint64_t slot) {
  uint64_t steps = history->window > 0 ? history->window + 1 : slot + 1;
  if (steps > memory_entries(history) && !history->spill) return fail_beyond_limit(history, steps);
  void **entries = fal_grow(history->entries, &history->entry_capacity, (size_t)slot, sizeof *entries);
  if (!entries) return fal_fail_memory("a history's steps", slot + 1, sizeof *entries);
  history->entries = entries;
  while (history->entry_count <= slot) entries[history->entry_count++] = NULL;
  if (!entries[slot]) entries[slot] = fal_alloc(entry_bytes(history), 1);
  return entries[slot] ? FALIGN_OK : fal_fail_memory("a step of a history", entry_bytes(history), 1);
}

/* Fills in what the optimizer adds to W; for what a trace does not have, the update. */
static void fill_applied(const falign_history *history, const falign_trace *trace, char *numbers) {
  const falign_network *network = history->network;
  size_t size = element(history);
  char *applied = numbers + 2 * history->parameters * size;
  if (history->parameters == 0) return;
  memcpy(applied, trace->update, history->parameters * size);
  for (uint32_t l = 0; l + 1 < network->layers; l++) {
    falign_view values;
    if (falign_trace_view(trace, FALIGN_DW_APPLIED, l, &values) != FALIGN_OK) continue;
    memcpy(applied + network->w_at[l] * size, values.data, values.rows * values.cols * size);
  }
}

static falign_status fill_entry(const falign_history *history, const falign_trace *trace, const void *correlations,
                                void *entry) {
  size_t bytes = history->parameters * element(history), size = element(history);
  char *numbers = (char *)entry + HEADER;
  memset(entry, 0, HEADER);
  memcpy(entry, &trace->step.eta, sizeof trace->step.eta);
  memcpy(numbers, history->network->parameters, bytes);
  if (bytes > 0) memcpy(numbers + bytes, trace->update, bytes);
  if (keeps_applied(history)) fill_applied(history, trace, numbers);
  if (correlations)
    memcpy(numbers + fal_history_correlations_at(history) * size, correlations, history->correlations * size);
  for (size_t i = 0; i < history->part_count; i++) {
    const fal_history_part *part = &history->parts[i];
    FAL_TRY(part->fill(part->user, trace, numbers + part->at * size));
  }
  return FALIGN_OK;
}

/* Adds eta times the correlations of the steps before k to the running sum. */
static falign_status sum_correlations(falign_history *history, uint64_t k) {
  size_t at = fal_history_correlations_at(history);
  for (; history->correlations > 0 && history->summed < k; history->summed++) {
    double eta;
    char *scratch = history->scratch;
    const void *kept = fal_history_view(history, history->summed, at, history->correlations, scratch);
    if (!kept) return FALIGN_IO;
    FAL_TRY(fal_history_eta(history, history->summed, &eta));
    for (size_t i = 0; i < history->correlations; i++)
      history->sum[i] += eta * fal_number(history->network->precision, kept, i);
  }
  return FALIGN_OK;
}

static falign_status record_entry(falign_history *history, const falign_trace *trace, const void *correlations,
                                  uint64_t k) {
  uint64_t slot = slot_of_step(history, k), in_memory = memory_entries(history);
  bool spilled = history->spill && slot >= in_memory;
  if (!spilled) FAL_TRY(reserve_slot(history, slot));
  FAL_TRY(sum_correlations(history, k));
  if (history->window > 0 && k - history->first > history->window) history->first = k - history->window;
  void *entry = spilled ? history->scratch : history->entries[slot];
  FAL_TRY(fill_entry(history, trace, correlations, entry));
  if (!spilled) return FALIGN_OK;
  return fal_spill_write(history->spill, entry, entry_bytes(history), (slot - in_memory) * entry_bytes(history));
}

falign_status fal_history_record(falign_history *history, const falign_trace *trace, const void *correlations) {
  uint64_t k = trace->step.iteration;
  if (!trace->set && trace->applied && !keeps_applied(history))
    return fal_fail(FALIGN_UNSUPPORTED, "the optimizer changes dW: the history must keep FALIGN_KEEP_APPLIED");
  if (!has_begun(history)) FAL_TRY(begin_history(history, k));
  if (k != history->end)
    return fal_fail(FALIGN_INVALID, "the history ends with iteration %llu and cannot continue with %llu: clear it",
                    (unsigned long long)history->end - 1, (unsigned long long)k);
  FAL_TRY(record_entry(history, trace, correlations, k));
  history->end = k + 1;
  return FALIGN_OK;
}

void fal_history_remove_last(falign_history *history, uint64_t k) {
  if (has_begun(history) && history->end == k + 1) history->end = k;
}

/* ---- Steps of a program that trains by itself ---- */

static bool are_equal(const falign_view *a, const falign_view *b) {
  for (size_t i = 0; i < a->rows * a->cols; i++) {
    if (fal_number(a->precision, a->data, i) != fal_number(b->precision, b->data, i)) return false;
  }
  return true;
}

static falign_status check_updates(const falign_history *history, const falign_trace *trace) {
  for (uint32_t l = 0; l + 1 < history->network->layers; l++) {
    falign_view update, applied;
    FAL_TRY(falign_trace_view(trace, FALIGN_DW, l, &update));
    FAL_TRY(falign_trace_view(trace, FALIGN_DW_APPLIED, l, &applied));
    if (keeps_applied(history) || update.data == applied.data || are_equal(&update, &applied)) continue;
    return fal_fail(FALIGN_UNSUPPORTED,
                    "dW_applied[%u] differs from dW[%u]: the history keeps it with FALIGN_KEEP_APPLIED only", l, l);
  }
  return FALIGN_OK;
}

static falign_status check_trace(const falign_history *history, const falign_trace *trace) {
  if (trace->network != history->network) return fal_fail(FALIGN_SHAPE, "the trace is of another network");
  FAL_TRY(check_updates(history, trace));
  return history->part_count > 0 ? fal_trace_check_activity(trace) : FALIGN_OK;
}

/* Fails unless the trace has what the correlations are computed from. */
static falign_status check_correlated(const falign_trace *trace) {
  falign_view view;
  for (uint32_t l = 1; l < trace->network->layers; l++) {
    FAL_TRY(falign_trace_view(trace, FALIGN_L, l - 1, &view));
    FAL_TRY(falign_trace_view(trace, FALIGN_DELTA, l + 1, &view));
  }
  return FALIGN_OK;
}

static falign_status record_correlated(falign_history *history, const falign_trace *trace, void *correlations) {
  FAL_TRY(check_correlated(trace));
  FAL_TRY(history->network->precision == FALIGN_F32 ? fal_history_correlate_f32(history, trace, true, correlations)
                                                    : fal_history_correlate_f64(history, trace, true, correlations));
  return fal_history_record(history, trace, correlations);
}

falign_status falign_history_record(falign_history *history, const falign_trace *trace) {
  FAL_GIVEN(history);
  FAL_GIVEN(trace);
  FAL_TRY(check_trace(history, trace));
  if (history->correlations == 0) return fal_history_record(history, trace, NULL);
  void *correlations = fal_alloc(history->correlations, element(history));
  if (!correlations) return fal_fail_memory("correlations", history->correlations, element(history));
  falign_status status = record_correlated(history, trace, correlations);
  free(correlations);
  return status;
}
