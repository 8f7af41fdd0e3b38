/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/metric.h"

#include <stdlib.h>

struct falign_metric {
  fal_refs refs;
  falign_metric_table table; /* its name is the metric's own copy */
  void *user;
};

static falign_status copy_metric_table(const falign_metric_table *given, falign_metric_table *table) {
  static const size_t first_size = offsetof(falign_metric_table, destroy) + sizeof given->destroy;
  const int32_t known = FALIGN_NEEDS_STEP | FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP;
  FAL_TRY(fal_copy_table("metric", table, sizeof *table, first_size, given, given->size));
  if (!table->name) return fal_fail(FALIGN_INVALID, "the metric table has no name");
  if (!table->measure) return fal_fail(FALIGN_INVALID, "metric %s has no measure", table->name);
  if (table->needs & ~known)
    return fal_fail(FALIGN_INVALID, "metric %s has needs of %d, which are unknown", table->name, table->needs);
  return FALIGN_OK;
}

falign_status falign_metric_create_custom(const falign_metric_table *table, void *user, falign_metric **out) {
  falign_metric_table own;
  FAL_GIVEN(table);
  FAL_GIVEN(out);
  FAL_TRY(copy_metric_table(table, &own));
  return fal_metric_create(&own, user, out);
}

falign_status fal_metric_create(const falign_metric_table *table, void *user, falign_metric **out) {
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

void fal_metric_retain(falign_metric *metric) { fal_refs_retain(&metric->refs); }

void falign_metric_destroy(falign_metric *metric) {
  if (!metric || !fal_refs_release(&metric->refs)) return;
  if (metric->table.destroy) metric->table.destroy(metric->user);
  free((char *)metric->table.name);
  free(metric);
}

const char *falign_metric_name(const falign_metric *metric) { return metric->table.name; }

int32_t falign_metric_needs(const falign_metric *metric) { return metric->table.needs; }

falign_status fal_metric_measure(const falign_metric *metric, struct falign_trainer *trainer, const falign_trace *trace,
                                 falign_value_fn emit, void *emit_user) {
  fal_before_callback();
  falign_status status = metric->table.measure(metric->user, trainer, trace, emit, emit_user);
  return status == FALIGN_OK ? status : fal_callback_failed(status, "metric", metric->table.name);
}

bool fal_metric_looks(const falign_metric *metric) { return metric->table.look != NULL; }

falign_status fal_metric_look(const falign_metric *metric, struct falign_trainer *trainer, const falign_trace *trace) {
  if (!metric->table.look) return FALIGN_OK;
  fal_before_callback();
  falign_status status = metric->table.look(metric->user, trainer, trace);
  return status == FALIGN_OK ? status : fal_callback_failed(status, "metric", metric->table.name);
}
