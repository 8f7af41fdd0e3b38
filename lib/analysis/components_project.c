/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "learning/rule.h"
#include "analysis/trajectory.h"

falign_status fal_components_check_length(const falign_components *components, size_t length) {
  if (length == components->numbers) return FALIGN_OK;
  return fal_fail(FALIGN_SHAPE, "the components have %zu coordinates, got %zu", components->numbers, length);
}

static falign_status check(const falign_components *components, const double *coordinates, size_t count,
                           size_t length) {
  FAL_GIVEN(coordinates);
  FAL_TRY(fal_components_check_length(components, length));
  if (count == components->count) return FALIGN_OK;
  return fal_fail(FALIGN_SHAPE, "there are %zu components, got %zu coordinates", components->count, count);
}

/* coordinates[i] = <x - mean, component i>, or without the mean. */
static void project(const falign_components *components, const void *x, falign_precision precision, const double *mean,
                    double *coordinates) {
  for (size_t i = 0; i < components->count; i++) {
    const double *direction = falign_components_direction(components, i);
    double sum = 0;
    for (size_t j = 0; j < components->numbers; j++)
      sum += (fal_number(precision, x, j) - (mean ? mean[j] : 0)) * direction[j];
    coordinates[i] = sum;
  }
}

falign_status falign_components_project(const falign_components *components, const double *point, size_t length,
                                        double *coordinates, size_t count) {
  FAL_GIVEN(components);
  FAL_GIVEN(point);
  FAL_TRY(check(components, coordinates, count, length));
  project(components, point, FALIGN_F64, components->mean, coordinates);
  return FALIGN_OK;
}

falign_status falign_components_project_direction(const falign_components *components, const double *direction,
                                                  size_t length, double *coordinates, size_t count) {
  FAL_GIVEN(components);
  FAL_GIVEN(direction);
  FAL_TRY(check(components, coordinates, count, length));
  project(components, direction, FALIGN_F64, NULL, coordinates);
  return FALIGN_OK;
}

falign_status falign_components_project_network(const falign_components *components, const falign_network *network,
                                                double *coordinates, size_t count) {
  FAL_GIVEN(components);
  FAL_GIVEN(network);
  FAL_TRY(check(components, coordinates, count, network->parameter_count));
  project(components, network->parameters, network->precision, components->mean, coordinates);
  return FALIGN_OK;
}

/* B[l]^T in the places of W[l]. */
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
                                                 const falign_rule *rule, double *coordinates, size_t count) {
  FAL_GIVEN(components);
  FAL_GIVEN(network);
  FAL_GIVEN(rule);
  FAL_TRY(fal_rule_check(rule, network));
  FAL_TRY(check(components, coordinates, count, network->parameter_count));
  if (rule->table.feedback != FALIGN_FEEDBACK_LAYER)
    return fal_fail(FALIGN_UNSUPPORTED, "rule %s has no B[l]", rule->table.name);
  double *point = fal_zalloc(components->numbers, sizeof *point);
  if (!point) return fal_fail_memory("a point", components->numbers, sizeof *point);
  place_feedback(network, rule, point);
  project(components, point, FALIGN_F64, components->mean, coordinates);
  free(point);
  return FALIGN_OK;
}

falign_status falign_components_point(const falign_components *components, const double *coordinates, size_t count,
                                      double *point, size_t length) {
  FAL_GIVEN(components);
  FAL_GIVEN(point);
  FAL_TRY(check(components, coordinates, count, length));
  memcpy(point, components->mean, length * sizeof *point);
  for (size_t i = 0; i < count; i++) {
    const double *direction = falign_components_direction(components, i);
    for (size_t j = 0; j < length; j++) point[j] += coordinates[i] * direction[j];
  }
  return FALIGN_OK;
}
