/* SPDX-License-Identifier: Apache-2.0 */
#include "sweep.h"

#include <stdlib.h>

/* What is swept, and where it goes. */
typedef struct task {
  const digits_run *run;
  uint32_t l;
  sweep *out;
} task;

static falign_status allocate(size_t points, size_t l_width, sweep *s) {
  *s = (sweep){.points = points, .l_width = l_width};
  s->l = malloc(points * l_width * sizeof *s->l);
  s->delta = malloc(points * DIGITS_WIDTH * sizeof *s->delta);
  s->norms = malloc(points * sizeof *s->norms);
  s->labels = malloc(points * sizeof *s->labels);
  bool made = s->l != NULL && s->delta != NULL && s->norms != NULL && s->labels != NULL;
  return made ? FALIGN_OK : fail(FALIGN_MEMORY, "no memory for %zu points", points);
}

void sweep_release(sweep *s) {
  free(s->l);
  free(s->delta);
  free(s->norms);
  free(s->labels);
}

static void copy_rows(float *to, const float *from, size_t rows, size_t cols, size_t stride) {
  for (size_t i = 0; i < rows * cols; i++) to[i] = from[i / cols * stride + i % cols];
}

/* Copies what a batch has to its place; called for each step. */
static falign_status collect(void *user, const falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                             void *emit_user) {
  const task *t = user;
  const float *from;
  size_t rows, cols, stride;
  uint64_t k = falign_trainer_iteration(trainer);
  (void)emit, (void)emit_user;
  TRY(falign_trace_view_f32(trace, FALIGN_L, t->l - 1, &from, &rows, &cols, &stride));
  copy_rows(t->out->l + k * rows * cols, from, rows, cols, stride);
  TRY(falign_trace_view_f32(trace, FALIGN_DELTA, t->l + 1, &from, &rows, &cols, &stride));
  copy_rows(t->out->delta + k * rows * cols, from, rows, cols, stride);
  TRY(falign_trace_view_f32(trace, FALIGN_DELTA, DIGITS_LAYERS, &from, &rows, &cols, &stride));
  TRY(falign_row_norms_f32(from, rows, cols, stride, t->out->norms + k * rows));
  return falign_batches_points_of(t->run->train, k, NULL, t->out->labels + k * rows, rows);
}

static falign_status ignore(void *user, uint64_t iteration, const char *metric, int64_t layer, int64_t order,
                            double value) {
  (void)user, (void)iteration, (void)metric, (void)layer, (void)order, (void)value;
  return FALIGN_OK;
}

static falign_status run_trainer(const task *t, falign_trainer *trainer, falign_metric *metric) {
  TRY(falign_trainer_observe(trainer, metric, 1, ignore, NULL));
  return falign_trainer_run(trainer, t->run->train, t->out->points / falign_batches_size(t->run->train));
}

falign_status sweep_make(const digits_run *run, falign_network *network, size_t points, uint32_t l, sweep *out) {
  const double eta = 0;
  task t = {run, l, out};
  const falign_metric_table table = {
      .size = sizeof table, .name = "sweep", .needs = FALIGN_NEEDS_ACTIVITY, .measure = collect};
  falign_metric *metric;
  falign_trainer *trainer;
  TRY(allocate(points, falign_network_width(network, l - 1), out));
  TRY(falign_metric_create_custom(&table, &t, &metric));
  falign_status status = falign_trainer_create(network, run->rule, eta, &trainer);
  if (status == FALIGN_OK) {
    status = run_trainer(&t, trainer, metric);
    falign_trainer_destroy(trainer);
  }
  falign_metric_destroy(metric);
  return status;
}
