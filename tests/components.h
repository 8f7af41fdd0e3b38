/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_COMPONENTS_H
#define TESTS_COMPONENTS_H

/* What the tests of trajectories share: points in rows, and their principal components. */

#include "learning.h"

/* Whether this build has LAPACK, without which there are no components. */
static inline bool have_lapack(void) {
  const double points[] = {0, 1};
  falign_trajectory *line;
  falign_components *found = NULL;
  ok(falign_trajectory_create(FALIGN_F64, 1, &line));
  for (int i = 0; i < 2; i++) ok(falign_trajectory_add_f64(line, &points[i], 1));
  falign_status status = falign_components_create(line, 1, &found);
  if (status == FALIGN_UNSUPPORTED) {
    ck_assert_ptr_nonnull(strstr(falign_last_error(), "no LAPACK"));
    ck_assert_ptr_null(found);
  } else {
    ok(status);
  }
  falign_components_destroy(found);
  falign_trajectory_destroy(line);
  return status == FALIGN_OK;
}

/* A trajectory of rows of `numbers` coordinates. */
static inline falign_trajectory *new_trajectory(falign_precision precision, const double *rows, size_t points,
                                                size_t numbers) {
  falign_trajectory *made = NULL;
  ok(falign_trajectory_create(precision, numbers, &made));
  for (size_t i = 0; i < points; i++) ok(falign_trajectory_add_f64(made, rows + i * numbers, numbers));
  ck_assert_uint_eq(falign_trajectory_points(made), points);
  ck_assert_uint_eq(falign_trajectory_numbers(made), numbers);
  return made;
}

static inline falign_components *components_of(falign_precision precision, const double *rows, size_t points,
                                               size_t numbers, size_t count) {
  falign_trajectory *trajectory = new_trajectory(precision, rows, points, numbers);
  falign_components *found = NULL;
  ok(falign_components_create(trajectory, count, &found));
  falign_trajectory_destroy(trajectory);
  ck_assert_uint_eq(falign_components_count(found), count);
  return found;
}

#endif
