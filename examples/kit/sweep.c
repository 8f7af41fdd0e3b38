/* SPDX-License-Identifier: Apache-2.0 */
#include "sweep.h"

#include <stdlib.h>

#include "matrix.h"

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

/* Copies the results of a step on batch k to the rows of its points. */
static falign_status collect(const task *t, uint64_t k, const falign_trace *trace) {
  size_t rows = falign_trace_step(trace)->rows;
  falign_view l, delta, last_delta;
  TRY(falign_trace_view(trace, FALIGN_L, t->l - 1, &l));
  TRY(falign_trace_view(trace, FALIGN_DELTA, t->l + 1, &delta));
  TRY(falign_trace_view(trace, FALIGN_DELTA, DIGITS_LAYERS, &last_delta));
  view_copy_f32(&l, t->out->l + k * rows * l.cols);
  view_copy_f32(&delta, t->out->delta + k * rows * delta.cols);
  TRY(falign_row_norms(&last_delta, t->out->norms + k * rows));
  return falign_batches_points_of(t->run->train, k, NULL, t->out->labels + k * rows, rows);
}

/* Probes the network with one batch after the other; `x` and `y` have room for one. */
static falign_status probe_batches(const task *t, falign_trainer *trainer, const falign_matrix *x,
                                   const falign_matrix *y) {
  const falign_view inputs = falign_view_of(*x), targets = falign_view_of(*y);
  TRY(falign_trainer_keep(trainer, FALIGN_NEEDS_ACTIVITY));
  for (uint64_t k = 0; k < t->out->points / x->rows; k++) {
    TRY(falign_batches_get(t->run->train, k, x, y));
    TRY(falign_trainer_probe(trainer, &inputs, &targets));
    TRY(collect(t, k, falign_trainer_trace(trainer)));
  }
  return FALIGN_OK;
}

static falign_status probe(const task *t, falign_trainer *trainer) {
  const falign_batches_shape *shape = falign_batches_get_shape(t->run->train);
  float *x = malloc(shape->size * shape->input_width * sizeof *x);
  float *y = malloc(shape->size * shape->target_width * sizeof *y);
  falign_status status = FALIGN_OK;
  if (x == NULL || y == NULL) status = fail(FALIGN_MEMORY, "no memory for a batch of %zu points", shape->size);
  if (status == FALIGN_OK) {
    falign_matrix inputs = falign_matrix_f32(x, shape->size, shape->input_width);
    falign_matrix targets = falign_matrix_f32(y, shape->size, shape->target_width);
    status = probe_batches(t, trainer, &inputs, &targets);
  }
  free(x);
  free(y);
  return status;
}

falign_status sweep_make(const digits_run *run, falign_network *network, size_t points, uint32_t l, sweep *out) {
  const task t = {run, l, out};
  falign_trainer *trainer;
  TRY(allocate(points, falign_network_width(network, l - 1), out));
  TRY(falign_trainer_create(network, run->rule, falign_trainer_eta(run->trainer), &trainer));
  falign_status status = probe(&t, trainer);
  falign_trainer_destroy(trainer);
  return status;
}
