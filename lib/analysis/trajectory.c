/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/trajectory.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 4 };

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
  free(trajectory->storage);
  free(trajectory);
}

static size_t point_bytes(const falign_trajectory *trajectory) {
  return trajectory->numbers * fal_element(trajectory->precision);
}

const void *fal_trajectory_point(const falign_trajectory *trajectory, size_t i) {
  return (const char *)trajectory->storage + i * point_bytes(trajectory);
}

/* Makes room for one more point. The caller frees `replaced`, the former storage. */
static falign_status reserve_point(falign_trajectory *trajectory, void **replaced) {
  if (trajectory->points < trajectory->capacity) return FALIGN_OK;
  size_t capacity = FIRST_CAPACITY, numbers;
  bool fits = trajectory->capacity == 0 || fal_mul(trajectory->capacity, 2, &capacity);
  fits = fits && fal_mul(capacity, trajectory->numbers, &numbers);
  void *storage = fits ? fal_alloc(numbers, fal_element(trajectory->precision)) : NULL;
  if (!storage)
    return fal_fail(FALIGN_MEMORY, "no memory for %zu points of %zu coordinates", capacity, trajectory->numbers);
  if (trajectory->points > 0) memcpy(storage, trajectory->storage, trajectory->points * point_bytes(trajectory));
  *replaced = trajectory->storage;
  trajectory->storage = storage;
  trajectory->capacity = capacity;
  return FALIGN_OK;
}

falign_status falign_trajectory_add(falign_trajectory *trajectory, const falign_view *point) {
  FAL_GIVEN(trajectory);
  int64_t index = (int64_t)trajectory->points;
  size_t numbers = trajectory->numbers;
  void *replaced = NULL;
  FAL_TRY(fal_check_view_shape("point", index, point, 1, numbers));
  FAL_TRY(fal_check_finite("point", index, point, trajectory->precision));
  FAL_TRY(reserve_point(trajectory, &replaced));
  char *place = (char *)trajectory->storage + trajectory->points * point_bytes(trajectory);
  const falign_matrix to = fal_matrix_plain(place, trajectory->precision, 1, numbers);
  fal_copy(&to, point);
  free(replaced); /* `point` may be in it */
  trajectory->points++;
  return FALIGN_OK;
}

falign_status falign_trajectory_view(const falign_trajectory *trajectory, falign_view *out) {
  FAL_GIVEN(trajectory);
  FAL_GIVEN(out);
  *out = fal_view_plain(trajectory->storage, trajectory->precision, trajectory->points, trajectory->numbers);
  return FALIGN_OK;
}
