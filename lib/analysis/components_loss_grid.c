/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "analysis/trajectory.h"
#include "base/size.h"
#include "learning/trainer.h"

/* A plane, and a network of the given shape that is moved over it. The trainer only evaluates. */
typedef struct {
  const falign_components *components;
  const double *a, *b; /* directions */
  falign_batches *batches;
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

static falign_status copy_shape(const falign_network *network, falign_network **out) {
  FAL_TRY(falign_network_create(network->precision, network->layers, network->widths, network->biases, out));
  for (uint32_t l = 1; l <= network->layers; l++)
    FAL_TRY(falign_network_set_activation(*out, l, falign_network_activation(network, l)));
  return FALIGN_OK;
}

static falign_status open_plane(plane *p, const falign_network *network, uint32_t threads) {
  size_t numbers = p->components->numbers;
  FAL_TRY(copy_shape(network, &p->network));
  FAL_TRY(falign_rule_create("bp", p->network, &p->rule));
  FAL_TRY(falign_trainer_create(p->network, p->rule, 0, &p->trainer));
  FAL_TRY(falign_trainer_set_threads(p->trainer, threads));
  FAL_TRY(fal_check_batches(p->trainer, p->batches));
  p->point = fal_alloc(numbers, sizeof *p->point);
  return p->point ? FALIGN_OK : fal_fail_memory("a point", numbers, sizeof *p->point);
}

/* Checked here since a backend may skip products of zeros with weights that are not finite. */
static bool is_finite(const falign_network *network) {
  for (size_t i = 0; i < network->parameter_count; i++) {
    if (!isfinite(fal_number(network->precision, network->parameters, i))) return false;
  }
  return true;
}

/* Evaluates the loss at mean + x a + y b. */
static falign_status evaluate_at(const plane *p, double x, double y, double *loss) {
  const double *mean = p->components->mean;
  size_t numbers = p->components->numbers;
  for (size_t j = 0; j < numbers; j++) p->point[j] = mean[j] + x * p->a[j] + y * p->b[j];
  const falign_matrix to = fal_matrix_plain(p->network->parameters, p->network->precision, 1, numbers);
  const falign_view from = falign_view_f64(p->point, 1, numbers);
  fal_copy(&to, &from);
  falign_status status =
      is_finite(p->network) ? falign_trainer_evaluate(p->trainer, p->batches, loss, NULL) : FALIGN_DIVERGED;
  if (status != FALIGN_DIVERGED) return status;
  *loss = (double)INFINITY;
  return FALIGN_OK;
}

static falign_status evaluate_all(const plane *p, const falign_grid *grid, double *loss) {
  size_t total = grid->x_count * grid->y_count;
  for (size_t i = 0; i < total; i++) {
    FAL_TRY(evaluate_at(p, grid->x[i % grid->x_count], grid->y[i / grid->x_count], &loss[i]));
    if (grid->progress && grid->progress(grid->user, i + 1, total) != 0)
      return fal_fail(FALIGN_CANCELLED, "cancelled by the progress callback after %zu of %zu grid points", i + 1,
                      total);
  }
  return FALIGN_OK;
}

/* Writes `loss` at the end, so that a failure leaves it unchanged. */
static falign_status fill_grid(const plane *p, const falign_grid *grid, const falign_matrix *loss) {
  double *losses = fal_alloc_matrix(grid->x_count, grid->y_count, sizeof *losses);
  if (!losses) return fal_fail(FALIGN_MEMORY, "no memory for a grid of %zu x %zu points", grid->y_count, grid->x_count);
  falign_status status = evaluate_all(p, grid, losses);
  const falign_view view = falign_view_f64(losses, grid->y_count, grid->x_count);
  if (status == FALIGN_OK) fal_copy(loss, &view);
  free(losses);
  return status;
}

static falign_status check_grid(const falign_components *components, const falign_grid *grid) {
  FAL_GIVEN(grid);
  FAL_GIVEN(grid->x);
  FAL_GIVEN(grid->y);
  size_t highest = fal_max(grid->a, grid->b);
  if (highest < components->count) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "there is no component %zu: they go from 0 to %zu", highest, components->count - 1);
}

falign_status falign_components_loss_grid(const falign_components *components, const falign_network *network,
                                          falign_batches *batches, const falign_grid *grid, const falign_matrix *loss) {
  FAL_GIVEN(components);
  FAL_GIVEN(network);
  FAL_TRY(check_grid(components, grid));
  FAL_TRY(fal_check_matrix_shape("loss", -1, loss, grid->y_count, grid->x_count));
  FAL_TRY(fal_components_check_network(components, network));
  plane p = {.components = components,
             .a = fal_components_direction(components, grid->a),
             .b = fal_components_direction(components, grid->b),
             .batches = batches};
  falign_status status = open_plane(&p, network, grid->threads);
  if (status == FALIGN_OK) status = fill_grid(&p, grid, loss);
  close_plane(&p);
  return status;
}
