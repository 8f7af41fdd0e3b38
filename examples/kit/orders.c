/* SPDX-License-Identifier: Apache-2.0 */
#include "orders.h"

#include <stdlib.h>

const uint64_t orders_traced[ORDERS_TRACED] = {1, 59, 60, 61, ORDERS_LONGEST};

static bool is_listed_at(const orders_meter *m, uint64_t k) {
  for (size_t i = 0; i < m->listed_at_count; i++) {
    if (m->listed_at[i] == k) return true;
  }
  return false;
}

size_t orders_of(uint64_t k, bool listed, uint64_t orders[ORDERS_LISTED]) {
  size_t most = listed ? ORDERS_LISTED : ORDERS_TRACED, count = 0;
  for (size_t i = 0; i < most; i++) {
    uint64_t order = listed ? i + 1 : orders_traced[i];
    if (order <= k) orders[count++] = order;
  }
  return count;
}

/* Computes the terms of one layer into m->t, one below the other. */
static falign_status compute(const orders_meter *m, const falign_trace *trace, uint32_t l,
                             const falign_orders *orders) {
  falign_matrix terms = falign_matrix_f64(m->t, orders->count * DIGITS_WIDTH, DIGITS_WIDTH);
  if (m->disturbance != NULL) return falign_disturbance_get(m->disturbance, trace, l, orders, &terms);
  return falign_terms_get(m->terms, trace, FALIGN_TERM, l, orders, &terms);
}

static falign_status measure(void *user, falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                             void *emit_user) {
  const orders_meter *m = user;
  uint64_t k = falign_trainer_iteration(trainer), list[ORDERS_LISTED];
  const falign_orders orders = {.list = list, .count = orders_of(k, is_listed_at(m, k), list)};
  for (uint32_t l = 1; l < DIGITS_LAYERS && orders.count > 0; l++) {
    TRY(compute(m, trace, l, &orders));
    for (size_t i = 0; i < orders.count; i++) {
      falign_view term = falign_view_f64(m->t + i * DIGITS_WIDTH * DIGITS_WIDTH, DIGITS_WIDTH, DIGITS_WIDTH);
      falign_comparison with_b;
      TRY(falign_terms_compare(m->terms, trace, l, &term, &with_b));
      const falign_value angle = {(int64_t)k, m->metric, l, (int64_t)list[i], with_b.angle};
      TRY(emit(emit_user, &angle));
    }
  }
  return FALIGN_OK;
}

/* Those iterations at which the metric does not look anyhow. */
static falign_status observe_listed(const digits_run *run, const orders_meter *m, falign_metric *metric,
                                    falign_value_fn sink, void *user) {
  for (size_t i = 0; i < m->listed_at_count; i++) {
    if (m->listed_at[i] % ORDERS_EVERY == 0) continue;
    TRY(falign_trainer_observe_at(run->trainer, metric, &m->listed_at[i], 1, sink, user));
  }
  return FALIGN_OK;
}

falign_status orders_observe(const digits_run *run, orders_meter *m, falign_value_fn sink, void *user) {
  const falign_metric_table table = {
      .size = sizeof table, .name = m->metric, .needs = FALIGN_NEEDS_ACTIVITY, .measure = measure};
  falign_metric *metric;
  m->t = malloc(ORDERS_LISTED * DIGITS_WIDTH * DIGITS_WIDTH * sizeof *m->t);
  if (m->t == NULL) return fail(FALIGN_MEMORY, "no memory for the terms of %d orders", ORDERS_LISTED);
  TRY(falign_metric_create_custom(&table, m, &metric));
  falign_status status = observe_listed(run, m, metric, sink, user);
  if (status == FALIGN_OK) status = falign_trainer_observe(run->trainer, metric, ORDERS_EVERY, sink, user);
  falign_metric_destroy(metric);
  return status;
}
