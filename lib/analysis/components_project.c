/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "analysis/trajectory.h"
#include "learning/rule.h"

falign_status fal_components_check_network(const falign_components *components, const falign_network *network) {
  if (network->parameter_count == components->numbers) return FALIGN_OK;
  return fal_fail(FALIGN_SHAPE, "the components have %zu coordinates, but the network has %zu parameters",
                  components->numbers, network->parameter_count);
}

/* coordinates[i][j] = <x[i] - mean, component j>, without the mean if it is NULL. */
static void project_rows(const falign_components *components, const falign_view *x, const double *mean,
                         const falign_matrix *coordinates) {
  for (size_t i = 0; i < x->rows; i++) {
    for (size_t k = 0; k < components->count; k++) {
      const double *direction = fal_components_direction(components, k);
      double sum = 0;
      for (size_t j = 0; j < components->numbers; j++)
        sum += (fal_view_at(x, i, j) - (mean ? mean[j] : 0)) * direction[j];
      fal_matrix_put(coordinates, i, k, sum);
    }
  }
}

/* Checks any number of rows of `width` numbers. */
static falign_status check_rows(const char *name, const falign_view *x, size_t width) {
  FAL_TRY(fal_check_view(name, -1, x));
  return fal_check_view_shape(name, -1, x, x->rows, width);
}

falign_status falign_components_project(const falign_components *components, const falign_view *points,
                                        const falign_matrix *coordinates) {
  FAL_GIVEN(components);
  FAL_TRY(check_rows("points", points, components->numbers));
  FAL_TRY(fal_check_matrix_shape("coordinates", -1, coordinates, points->rows, components->count));
  project_rows(components, points, components->mean, coordinates);
  return FALIGN_OK;
}

falign_status falign_components_project_direction(const falign_components *components, const falign_view *directions,
                                                  const falign_matrix *coordinates) {
  FAL_GIVEN(components);
  FAL_TRY(check_rows("directions", directions, components->numbers));
  FAL_TRY(fal_check_matrix_shape("coordinates", -1, coordinates, directions->rows, components->count));
  project_rows(components, directions, NULL, coordinates);
  return FALIGN_OK;
}

/* Writes B[l]^T where a point has W[l]. */
static void place_feedback(const falign_network *network, const falign_rule *rule, double *point) {
  for (uint32_t l = 1; l < network->layers; l++) {
    size_t rows = network->widths[l], cols = network->widths[l + 1];
    double *w = point + network->w_at[l];
    for (size_t i = 0; i < rows; i++) {
      for (size_t j = 0; j < cols; j++) w[i * cols + j] = fal_number(rule->precision, rule->feedback[l], j * rows + i);
    }
  }
}

falign_status falign_components_project_feedback(const falign_components *components, const falign_network *network,
                                                 const falign_rule *rule, const falign_matrix *coordinates) {
  FAL_GIVEN(components);
  FAL_GIVEN(network);
  FAL_GIVEN(rule);
  FAL_TRY(fal_rule_check(rule, network));
  FAL_TRY(fal_components_check_network(components, network));
  FAL_TRY(fal_check_matrix_shape("coordinates", -1, coordinates, 1, components->count));
  if (rule->table.feedback != FALIGN_FEEDBACK_LAYER)
    return fal_fail(FALIGN_UNSUPPORTED, "rule %s has no B[l]", rule->table.name);
  double *point = fal_zalloc(components->numbers, sizeof *point);
  if (!point) return fal_fail_memory("a point", components->numbers, sizeof *point);
  place_feedback(network, rule, point);
  const falign_view view = falign_view_f64(point, 1, components->numbers);
  project_rows(components, &view, components->mean, coordinates);
  free(point);
  return FALIGN_OK;
}

falign_status falign_components_point(const falign_components *components, const falign_view *coordinates,
                                      const falign_matrix *points) {
  FAL_GIVEN(components);
  FAL_TRY(check_rows("coordinates", coordinates, components->count));
  FAL_TRY(fal_check_matrix_shape("points", -1, points, coordinates->rows, components->numbers));
  for (size_t i = 0; i < coordinates->rows; i++) {
    for (size_t j = 0; j < components->numbers; j++) {
      double sum = components->mean[j];
      for (size_t k = 0; k < components->count; k++)
        sum += fal_view_at(coordinates, i, k) * fal_components_direction(components, k)[j];
      fal_matrix_put(points, i, j, sum);
    }
  }
  return FALIGN_OK;
}
