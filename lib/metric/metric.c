/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/metric.h"

#include <stdlib.h>

#include "support/support.h"

struct falign_metric {
  fal_refs refs;
  falign_metric_table table; /* its name is the metric's own copy */
  void *user;
};

static falign_status check_table(const falign_metric_table *table) {
  const int32_t known = FALIGN_NEEDS_STEP | FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP;
  if (!table) return fal_fail(FALIGN_INVALID, "table is NULL");
  if (table->size < sizeof *table)
    return fal_fail(FALIGN_INVALID, "table->size is %zu, at least %zu is required", table->size, sizeof *table);
  if (!table->name) return fal_fail(FALIGN_INVALID, "table->name is NULL");
  if (!table->measure) return fal_fail(FALIGN_INVALID, "table->measure is NULL (metric \"%s\")", table->name);
  if (table->needs & ~known)
    return fal_fail(FALIGN_INVALID, "table->needs is %d, which has unknown bits (metric \"%s\")", (int)table->needs,
                    table->name);
  return FALIGN_OK;
}

falign_status falign_metric_create_custom(const falign_metric_table *table, void *user, falign_metric **out) {
  if (!out) return fal_fail(FALIGN_INVALID, "out is NULL");
  FAL_TRY(check_table(table));
  falign_metric *metric = fal_alloc(1, sizeof *metric);
  char *name = fal_strdup(table->name);
  if (!metric || !name) {
    free(metric);
    free(name);
    return fal_fail_memory("a metric", 1, sizeof *metric);
  }
  *metric = (falign_metric){.table = *table, .user = user};
  metric->table.name = name;
  fal_refs_init(&metric->refs);
  *out = metric;
  return FALIGN_OK;
}

void fal_metric_keep(falign_metric *metric) { fal_refs_keep(&metric->refs); }

void falign_metric_destroy(falign_metric *metric) {
  if (!metric || !fal_refs_drop(&metric->refs)) return;
  if (metric->table.destroy) metric->table.destroy(metric->user);
  free((void *)metric->table.name);
  free(metric);
}

const char *falign_metric_name(const falign_metric *metric) { return metric->table.name; }

int32_t falign_metric_needs(const falign_metric *metric) { return metric->table.needs; }

falign_status fal_metric_measure(const falign_metric *metric, const falign_trainer *trainer, const falign_trace *trace,
                                 falign_value_fn emit, void *emit_user) {
  return metric->table.measure(metric->user, trainer, trace, emit, emit_user);
}
