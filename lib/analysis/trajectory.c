/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/trajectory.h"

#include <stdlib.h>

#include "learning/network.h"
#include "files/tensors.h"

falign_status falign_trajectory_create(falign_precision precision, size_t numbers, falign_trajectory **out) {
  FAL_GIVEN(out);
  if (fal_element(precision) == 0)
    return fal_fail(FALIGN_INVALID, "precision is FALIGN_F32 or FALIGN_F64, got %d", precision);
  if (numbers == 0) return fal_fail(FALIGN_INVALID, "a point of 0 coordinates");
  falign_trajectory *trajectory = fal_zalloc(1, sizeof *trajectory);
  if (!trajectory) return fal_fail_memory("a trajectory", 1, sizeof *trajectory);
  trajectory->precision = precision;
  trajectory->numbers = numbers;
  *out = trajectory;
  return FALIGN_OK;
}

void falign_trajectory_destroy(falign_trajectory *trajectory) {
  if (!trajectory) return;
  for (size_t i = 0; i < trajectory->points; i++) free(trajectory->point[i]);
  free(trajectory->point);
  free(trajectory);
}

static falign_status add(falign_trajectory *trajectory, const void *point, falign_precision precision, size_t length) {
  FAL_GIVEN(trajectory);
  FAL_GIVEN(point);
  size_t numbers = trajectory->numbers, element = fal_element(trajectory->precision);
  if (length != numbers)
    return fal_fail(FALIGN_SHAPE, "the trajectory's points have %zu coordinates, got %zu", numbers, length);
  FAL_TRY(fal_check_finite_as("point", (int64_t)trajectory->points, point, precision, trajectory->precision, 1, numbers,
                              numbers));
  void **all = fal_grow(trajectory->point, &trajectory->capacity, trajectory->points, sizeof *all);
  if (!all) return fal_fail_memory("points", trajectory->points, sizeof *all);
  trajectory->point = all;
  void *copy = fal_alloc(numbers, element);
  if (!copy) return fal_fail_memory("a point", numbers, element);
  fal_copy_matrix(copy, trajectory->precision, numbers, point, precision, numbers, 1, numbers);
  trajectory->point[trajectory->points++] = copy;
  return FALIGN_OK;
}

falign_status falign_trajectory_add_f32(falign_trajectory *trajectory, const float *point, size_t length) {
  return add(trajectory, point, FALIGN_F32, length);
}

falign_status falign_trajectory_add_f64(falign_trajectory *trajectory, const double *point, size_t length) {
  return add(trajectory, point, FALIGN_F64, length);
}

falign_status falign_trajectory_add_network(falign_trajectory *trajectory, const falign_network *network) {
  FAL_GIVEN(network);
  return add(trajectory, network->parameters, network->precision, network->parameter_count);
}

size_t falign_trajectory_points(const falign_trajectory *trajectory) { return trajectory->points; }

size_t falign_trajectory_numbers(const falign_trajectory *trajectory) { return trajectory->numbers; }

falign_status falign_trajectory_get(const falign_trajectory *trajectory, size_t i, double *point, size_t length) {
  FAL_GIVEN(trajectory);
  FAL_GIVEN(point);
  size_t numbers = trajectory->numbers;
  if (i >= trajectory->points)
    return fal_fail(FALIGN_INVALID, "there is no point %zu: the trajectory has %zu", i, trajectory->points);
  if (length != numbers)
    return fal_fail(FALIGN_SHAPE, "the trajectory's points have %zu coordinates, got %zu", numbers, length);
  fal_copy_matrix(point, FALIGN_F64, numbers, trajectory->point[i], trajectory->precision, numbers, 1, numbers);
  return FALIGN_OK;
}
