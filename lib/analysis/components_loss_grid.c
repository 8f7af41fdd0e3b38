/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learning/trainer.h"
#include "analysis/trajectory.h"

/* A plane, and a network of the caller's shape that is moved over it; of the trainer only the evaluation is used. */
typedef struct {
  const falign_components *components;
  const double *a, *b; /* directions */
  falign_network *network;
  falign_rule *rule;
  falign_trainer *trainer;
  double *point;
} plane;

static void close_plane(plane *p) {
  falign_trainer_destroy(p->trainer);
  falign_rule_destroy(p->rule);
  falign_network_destroy(p->network);
  free(p->point);
}

static falign_status open_plane(plane *p, const falign_network *network, uint32_t threads) {
  size_t numbers = p->components->numbers, ends = (size_t)network->layers + 1;
  FAL_TRY(falign_network_create(network->precision, network->layers, network->widths, network->biases, &p->network));
  memcpy(p->network->activation, network->activation, ends * sizeof *network->activation);
  FAL_TRY(falign_rule_create_bp(p->network, &p->rule));
  FAL_TRY(falign_trainer_create(p->network, p->rule, 0, &p->trainer));
  FAL_TRY(falign_trainer_set_threads(p->trainer, threads));
  p->point = fal_alloc(numbers, sizeof *p->point);
  return p->point ? FALIGN_OK : fal_fail_memory("a point", numbers, sizeof *p->point);
}

/* Looked at here, as a backend may skip the products of zeros with weights that are not finite. */
static bool is_finite(const falign_network *network) {
  for (size_t i = 0; i < network->parameter_count; i++) {
    if (!isfinite(fal_number(network->precision, network->parameters, i))) return false;
  }
  return true;
}

/* The loss at mean + x a + y b. */
static falign_status evaluate(const plane *p, double x, double y, falign_batches *batches, double *loss) {
  const double *mean = p->components->mean;
  size_t numbers = p->components->numbers;
  for (size_t j = 0; j < numbers; j++) p->point[j] = mean[j] + x * p->a[j] + y * p->b[j];
  fal_copy_matrix(p->network->parameters, p->network->precision, numbers, p->point, FALIGN_F64, numbers, 1, numbers);
  falign_status status =
      is_finite(p->network) ? falign_trainer_evaluate(p->trainer, batches, loss, NULL) : FALIGN_DIVERGED;
  if (status != FALIGN_DIVERGED) return status;
  *loss = (double)INFINITY;
  return FALIGN_OK;
}

/* What is asked for: losses at all (x[j], y[i]). */
typedef struct {
  const double *x, *y;
  size_t x_count, y_count;
  falign_progress_fn progress; /* may be NULL */
  void *user;
} grid;

static falign_status evaluate_all(const plane *p, falign_batches *batches, const grid *g, double *loss) {
  size_t total = g->x_count * g->y_count;
  for (size_t i = 0; i < total; i++) {
    FAL_TRY(evaluate(p, g->x[i % g->x_count], g->y[i / g->x_count], batches, &loss[i]));
    if (g->progress && g->progress(g->user, i + 1, total) != 0)
      return fal_fail(FALIGN_CANCELLED, "cancelled by the progress callback after %zu of %zu grid points", i + 1,
                      total);
  }
  return FALIGN_OK;
}

/* `loss` is written when nothing can fail any more. */
static falign_status fill_grid(const plane *p, falign_batches *batches, const grid *g, double *loss) {
  size_t total;
  double *losses = fal_mul(g->x_count, g->y_count, &total) ? fal_alloc(total, sizeof *losses) : NULL;
  if (!losses) return fal_fail(FALIGN_MEMORY, "no memory for a grid of %zu x %zu points", g->y_count, g->x_count);
  falign_status status = evaluate_all(p, batches, g, losses);
  if (status == FALIGN_OK) memcpy(loss, losses, total * sizeof *loss);
  free(losses);
  return status;
}

static falign_status check(const falign_components *components, size_t a, size_t b, const falign_network *network) {
  size_t highest = a > b ? a : b;
  if (highest >= components->count)
    return fal_fail(FALIGN_INVALID, "there is no component %zu: they go from 0 to %zu", highest, components->count - 1);
  return fal_components_check_length(components, network->parameter_count);
}

falign_status falign_components_loss_grid(const falign_components *components, size_t a, size_t b,
                                          const falign_network *network, falign_batches *batches, const double *x,
                                          size_t x_count, const double *y, size_t y_count, uint32_t threads,
                                          int32_t (*progress)(void *user, uint64_t done, uint64_t total), void *user,
                                          double *loss) {
  FAL_GIVEN(components);
  FAL_GIVEN(network);
  FAL_GIVEN(x);
  FAL_GIVEN(y);
  FAL_GIVEN(loss);
  FAL_TRY(check(components, a, b, network));
  plane p = {.components = components,
             .a = falign_components_direction(components, a),
             .b = falign_components_direction(components, b)};
  grid g = {.x = x, .y = y, .x_count = x_count, .y_count = y_count, .progress = progress, .user = user};
  falign_status status = open_plane(&p, network, threads);
  if (status == FALIGN_OK) status = fal_check_batches(p.trainer, batches);
  if (status == FALIGN_OK) status = fill_grid(&p, batches, &g, loss);
  close_plane(&p);
  return status;
}
