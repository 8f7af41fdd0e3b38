/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_RECORDS_H
#define TESTS_RECORDS_H

/* What the tests of histories share: all that a history holds of a step, and runs on the task that one records. */

#include "past.h"

enum { KEEP_ALL = FALIGN_KEEP_C | FALIGN_KEEP_DIRECT };
static const falign_quantity quantities[] = {FALIGN_W, FALIGN_BIAS, FALIGN_DW, FALIGN_C, FALIGN_DIRECT};

/* The shape of a quantity; false where layer l has none. */
static inline bool quantity_shape(const falign_network *network, falign_quantity quantity, uint32_t l, size_t *rows,
                                  size_t *cols) {
  uint32_t d = falign_network_layers(network);
  bool of_weights = quantity == FALIGN_W || quantity == FALIGN_DW;
  if (of_weights ? l + 1 >= d : l == 0 || l >= d) return false;
  if (quantity == FALIGN_BIAS && !falign_network_has_biases(network)) return false;
  *rows = falign_network_width(network, of_weights ? l : l - 1);
  *cols = falign_network_width(network, quantity == FALIGN_C ? l + 1 : d);
  if (of_weights) *cols = falign_network_width(network, l + 1);
  if (quantity == FALIGN_BIAS) *rows = 1, *cols = falign_network_width(network, l);
  return true;
}

/* Both histories, of networks of one shape, hold the same bits of a step. */
static inline void same_step(const falign_network *network, const falign_history *a, const falign_history *b,
                             uint64_t k) {
  double of_a[MAX_WIDTH * MAX_WIDTH], of_b[MAX_WIDTH * MAX_WIDTH];
  size_t rows, cols, compared = 0;
  for (size_t i = 0; i < sizeof quantities / sizeof *quantities; i++) {
    for (uint32_t l = 0; l < falign_network_layers(network); l++) {
      falign_quantity quantity = quantities[i];
      if (!quantity_shape(network, quantity, l, &rows, &cols)) continue;
      ok(falign_history_get(a, k, quantity, l, WRITE_F64(of_a, rows, cols, cols)));
      ok(falign_history_get(b, k, quantity, l, WRITE_F64(of_b, rows, cols, cols)));
      ck_assert_msg(memcmp(of_a, of_b, rows * cols * sizeof *of_a) == 0, "quantity %d of layer %u differs at %u",
                    quantity, l, (unsigned)k);
      compared++;
    }
  }
  ck_assert_uint_gt(compared, 0);
}

static inline void check_range(const falign_history *history, uint64_t want_first, uint64_t want_end) {
  uint64_t first, end;
  ok(falign_history_range(history, &first, &end));
  ck_assert_uint_eq(first, want_first);
  ck_assert_uint_eq(end, want_end);
}

/* Both hold the same steps, in the same bits. */
static inline void same_history(const falign_network *network, const falign_history *a, const falign_history *b) {
  uint64_t first, end;
  ok(falign_history_range(a, &first, &end));
  check_range(b, first, end);
  ck_assert_uint_lt(first, end);
  for (uint64_t k = first; k < end; k++) same_step(network, a, b, k);
}

/* Bytes of one more step. */
static inline uint64_t step_bytes(const falign_history *history) {
  uint64_t none, one;
  ok(falign_history_bytes(history, 0, &none));
  ok(falign_history_bytes(history, 1, &one));
  return one - none;
}

/* A learner of the task whose steps are recorded. */
typedef struct {
  learner by;
  falign_history *history;
} recorder;

static inline recorder new_recorder(falign_precision precision, const char *rule) {
  recorder made = {.by = task_learner(precision, rule)};
  ok(falign_history_create(made.by.network, &made.history));
  ok(falign_history_keep(made.history, KEEP_ALL));
  ok(falign_trainer_set_history(made.by.trainer, made.history));
  return made;
}

static inline void free_recorder(recorder *used) {
  free_learner(&used->by);
  falign_history_destroy(used->history);
}

/* A step on TASK_BATCH rows that depend on the iteration alone. */
static inline falign_status go(const learner *by) {
  size_t first = (size_t)(falign_trainer_iteration(by->trainer) % 50) * TASK_BATCH;
  return step(by, task.x + first * 7, TASK_BATCH, task.y + first * 4);
}

static inline void go_to(const learner *by, uint64_t iteration) {
  while (falign_trainer_iteration(by->trainer) < iteration) ok(go(by));
}

/* Has learnt the same, bit for bit, as a learner that nothing disturbed. */
static inline void check_undisturbed(const learner *by, const char *rule) {
  learner other = task_learner(falign_network_precision(by->network), rule);
  go_to(&other, falign_trainer_iteration(by->trainer));
  ck_assert(same_parameters(by->network, other.network));
  free_learner(&other);
}

#endif
