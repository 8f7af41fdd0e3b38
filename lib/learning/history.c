/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/history.h"

#include <stdlib.h>
#include <string.h>

#include "files/tensors.h"

enum { HEADER = 16 }; /* bytes before the numbers of an entry: eta */

static size_t element(const falign_history *history) { return fal_element(history->network->precision); }

/* Known not to overflow; see lay_out(). */
static size_t entry_bytes(const falign_history *history) { return HEADER + history->numbers * element(history); }

static bool has_begun(const falign_history *history) { return history->end != history->origin; }

/* ---- Layout ---- */

/* Adds rows x cols numbers; false where that overflows. */
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

/* Where each part of an entry begins. */
static falign_status lay_out(falign_history *history, int32_t keeps) {
  size_t numbers = 0, correlations = 0;
  bool fits = place_correlations(history, keeps, &correlations) && add_matrix(2, history->parameters, &numbers) &&
              add_matrix(1, correlations, &numbers);
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

/* After a layout that did not fit: the one before did. */
static void restore_layout(falign_history *history) {
  falign_status status = lay_out(history, history->keeps);
  (void)status;
}

size_t fal_history_weights_at(const falign_history *history, uint32_t l) { return history->network->w_at[l]; }

size_t fal_history_bias_at(const falign_history *history, uint32_t l) { return history->network->b_at[l]; }

size_t fal_history_update_at(const falign_history *history, uint32_t l) {
  return history->parameters + history->network->w_at[l];
}

size_t fal_history_correlations_at(const falign_history *history) { return 2 * history->parameters; }

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
  fal_network_keep(network);
  history->network = network;
  history->limit = UINT64_MAX;
  history->parameters = network->w_at[network->layers - 1];
  history->c_at = places;
  history->direct_at = places + network->layers;
  falign_status status = lay_out(history, 0);
  if (status != FALIGN_OK) {
    falign_history_destroy(history);
    return status;
  }
  *out = history;
  return FALIGN_OK;
}

void fal_history_keep_reference(falign_history *history) { fal_refs_keep(&history->refs); }

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
  if (!history || !fal_refs_drop(&history->refs)) return;
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
  if (quantities & ~(FALIGN_KEEP_C | FALIGN_KEEP_DIRECT))
    return fal_fail(FALIGN_INVALID, "quantities of %d are unknown", quantities);
  falign_status status = lay_out(history, history->keeps | quantities);
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
  falign_status status = lay_out(history, history->keeps);
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

/* What is kept once, whatever the steps. */
static uint64_t fixed_bytes(const falign_history *history) {
  uint64_t bytes = (uint64_t)history->correlations * sizeof(double);
  bytes += (uint64_t)history->network->parameter_count * element(history);
  if (history->spill) bytes += entry_bytes(history);
  return bytes;
}

/* Entries that fit in memory. */
static uint64_t memory_entries(const falign_history *history) {
  uint64_t fixed = fixed_bytes(history);
  return history->limit < fixed ? 0 : (history->limit - fixed) / entry_bytes(history);
}

static uint64_t slot_of(const falign_history *history, uint64_t k) {
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

falign_status falign_history_range(const falign_history *history, uint64_t *first, uint64_t *end) {
  FAL_GIVEN(history);
  if (first) *first = history->first;
  if (end) *end = history->end;
  return FALIGN_OK;
}

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

/* Bytes of entry k: in memory, or read to `scratch`. */
static const void *view_bytes(const falign_history *history, uint64_t k, size_t at, size_t size, void *scratch) {
  uint64_t slot = slot_of(history, k), in_memory = memory_entries(history);
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

/* A matrix of an entry. */
typedef struct {
  const char *name;
  size_t at, rows, cols;
} matrix;

static falign_status check_layer(const falign_history *history, const char *name, uint32_t l, uint32_t first) {
  uint32_t end = history->network->layers - 1 + first;
  if (l >= first && l < end) return FALIGN_OK;
  if (first == end) return fal_fail(FALIGN_INVALID, "there is no %s[%u]: the network has no hidden layer", name, l);
  return fal_fail(FALIGN_INVALID, "there is no %s[%u] in a history: l goes from %u to %u", name, l, first, end - 1);
}

static falign_status find(const falign_history *history, falign_record record, uint32_t l, matrix *out) {
  static const char *const names[] = {[FALIGN_RECORD_W] = "W",
                                      [FALIGN_RECORD_BIAS] = "b",
                                      [FALIGN_RECORD_DW] = "dW",
                                      [FALIGN_RECORD_C] = "C",
                                      [FALIGN_RECORD_DIRECT] = "L^T delta[d]"};
  const size_t *n = history->network->widths;
  if (record < FALIGN_RECORD_W || record > FALIGN_RECORD_DIRECT)
    return fal_fail(FALIGN_INVALID, "%d is no record of a history", record);
  bool of_weights = record == FALIGN_RECORD_W || record == FALIGN_RECORD_DW, direct = record == FALIGN_RECORD_DIRECT;
  int32_t kept = direct ? FALIGN_KEEP_DIRECT : record == FALIGN_RECORD_C ? FALIGN_KEEP_C : 0;
  out->name = names[record];
  FAL_TRY(check_layer(history, out->name, l, of_weights ? 0 : 1));
  if ((history->keeps & kept) != kept || (record == FALIGN_RECORD_BIAS && !history->network->biases))
    return fal_fail(FALIGN_UNSUPPORTED, "%s[%u] is not kept by this history", out->name, l);
  if (of_weights) {
    *out = (matrix){out->name,
                    record == FALIGN_RECORD_W ? fal_history_weights_at(history, l) : fal_history_update_at(history, l),
                    n[l], n[l + 1]};
  } else if (record == FALIGN_RECORD_BIAS) {
    *out = (matrix){out->name, fal_history_bias_at(history, l), 1, n[l]};
  } else {
    *out = (matrix){out->name, fal_history_correlation_at(history, l, direct), n[l - 1],
                    direct ? n[history->network->layers] : n[l + 1]};
  }
  return FALIGN_OK;
}

falign_status falign_history_get(const falign_history *history, uint64_t k, falign_record record, uint32_t l,
                                 double *out, size_t rows, size_t cols, size_t stride) {
  matrix found;
  FAL_GIVEN(history);
  FAL_TRY(find(history, record, l, &found));
  FAL_TRY(fal_check_matrix(found.name, l, out, rows, cols, stride, found.rows, found.cols));
  FAL_TRY(fal_history_check(history, k));
  void *scratch = history->spill ? fal_alloc(rows * cols, element(history)) : NULL;
  if (history->spill && !scratch) return fal_fail_memory(found.name, rows * cols, element(history));
  const void *kept = fal_history_view(history, k, found.at, rows * cols, scratch);
  if (kept) fal_copy_matrix(out, FALIGN_F64, stride, kept, history->network->precision, cols, rows, cols);
  free(scratch);
  return kept ? FALIGN_OK : FALIGN_IO;
}

/* ---- Recording ---- */

/* Gives a history its fixed memory before its first step. */
static falign_status begin(falign_history *history, uint64_t k) {
  falign_history_clear(history); /* a first step that failed has left memory, of other sizes if settings came between */
  size_t parameters = history->network->parameter_count;
  history->start = fal_alloc(parameters, element(history));
  if (history->spill) history->scratch = fal_alloc(entry_bytes(history), 1);
  if (history->correlations > 0) history->sum = fal_alloc(history->correlations, sizeof *history->sum);
  if (!history->start || (history->spill && !history->scratch) || (history->correlations > 0 && !history->sum))
    return fal_fail_memory("a history", history->numbers, 2 * element(history));
  memcpy(history->start, history->network->parameters, parameters * element(history));
  for (size_t i = 0; i < history->correlations; i++) history->sum[i] = 0;
  history->origin = history->first = history->end = history->summed = k;
  return FALIGN_OK;
}

static falign_status refuse(const falign_history *history, uint64_t steps) {
  uint64_t bytes;
  FAL_TRY(falign_history_bytes(history, steps, &bytes));
  return fal_fail(FALIGN_MEMORY, "the history of %llu steps takes %llu bytes, above its limit of %llu",
                  (unsigned long long)steps, (unsigned long long)bytes, (unsigned long long)history->limit);
}

/* The memory of a slot; a window that can never fit is refused at once. */
static falign_status reserve_slot(falign_history *history, uint64_t slot) {
  uint64_t steps = history->window > 0 ? history->window + 1 : slot + 1;
  if (steps > memory_entries(history) && !history->spill) return refuse(history, steps);
  void **entries = fal_grow(history->entries, &history->entry_capacity, (size_t)slot, sizeof *entries);
  if (!entries) return fal_fail_memory("a history's steps", slot + 1, sizeof *entries);
  history->entries = entries;
  while (history->entry_count <= slot) entries[history->entry_count++] = NULL;
  if (!entries[slot]) entries[slot] = fal_alloc(entry_bytes(history), 1);
  return entries[slot] ? FALIGN_OK : fal_fail_memory("a step of a history", entry_bytes(history), 1);
}

static falign_status fill(const falign_history *history, const falign_trace *trace, const void *correlations,
                          void *entry) {
  size_t bytes = history->parameters * element(history), size = element(history);
  char *numbers = (char *)entry + HEADER;
  memset(entry, 0, HEADER);
  memcpy(entry, &trace->eta, sizeof trace->eta);
  memcpy(numbers, history->network->parameters, bytes);
  memcpy(numbers + bytes, trace->update, bytes);
  if (correlations) memcpy(numbers + 2 * bytes, correlations, history->correlations * size);
  for (size_t i = 0; i < history->part_count; i++) {
    const fal_history_part *part = &history->parts[i];
    FAL_TRY(part->fill(part->user, trace, numbers + part->at * size));
  }
  return FALIGN_OK;
}

/* Adds eta times the correlations of the steps before k to their sum. */
static falign_status sum_up(falign_history *history, uint64_t k) {
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

static falign_status record(falign_history *history, const falign_trace *trace, const void *correlations, uint64_t k) {
  uint64_t slot = slot_of(history, k), in_memory = memory_entries(history);
  bool spilled = history->spill && slot >= in_memory;
  if (!spilled) FAL_TRY(reserve_slot(history, slot));
  FAL_TRY(sum_up(history, k));
  if (history->window > 0 && k - history->first > history->window) history->first = k - history->window;
  void *entry = spilled ? history->scratch : history->entries[slot];
  FAL_TRY(fill(history, trace, correlations, entry));
  if (!spilled) return FALIGN_OK;
  return fal_spill_write(history->spill, entry, entry_bytes(history), (slot - in_memory) * entry_bytes(history));
}

falign_status fal_history_record(falign_history *history, const falign_trace *trace, const void *correlations) {
  uint64_t k = trace->iteration;
  if (!has_begun(history)) FAL_TRY(begin(history, k));
  if (k != history->end)
    return fal_fail(FALIGN_INVALID, "the history ends with iteration %llu and cannot go on with %llu: clear it",
                    (unsigned long long)history->end - 1, (unsigned long long)k);
  FAL_TRY(record(history, trace, correlations, k));
  history->end = k + 1;
  return FALIGN_OK;
}

void fal_history_forget(falign_history *history, uint64_t k) {
  if (has_begun(history) && history->end == k + 1) history->end = k;
}
