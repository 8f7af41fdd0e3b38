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
  for (int i = 0; i < 2; i++) ok(falign_trajectory_add(line, READ_F64(&points[i], 1, 1, 1)));
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

/* Row `row` of a part of the components. */
static inline const double *part(const falign_components *found, falign_component what, size_t row) {
  falign_view view;
  ok(falign_components_view(found, what, &view));
  ck_assert(view.precision == FALIGN_F64 && view.row_step == (ptrdiff_t)view.cols && view.col_step == 1);
  ck_assert_uint_lt(row, view.rows);
  return (const double *)view.data + row * view.cols;
}

static inline const double *mean_of(const falign_components *found) { return part(found, FALIGN_COMPONENT_MEAN, 0); }

static inline const double *direction_of(const falign_components *found, size_t i) {
  return part(found, FALIGN_COMPONENT_DIRECTIONS, i);
}

/* How many components there are. */
static inline size_t count_of(const falign_components *found) {
  falign_view view;
  ok(falign_components_view(found, FALIGN_COMPONENT_DIRECTIONS, &view));
  return view.rows;
}

/* The points of a trajectory, one in each row. */
static inline falign_view points_of(const falign_trajectory *trajectory) {
  falign_view view;
  ok(falign_trajectory_view(trajectory, &view));
  return view;
}

/* A trajectory of rows of `numbers` coordinates. */
static inline falign_trajectory *new_trajectory(falign_precision precision, const double *rows, size_t points,
                                                size_t numbers) {
  falign_trajectory *made = NULL;
  ok(falign_trajectory_create(precision, numbers, &made));
  for (size_t i = 0; i < points; i++)
    ok(falign_trajectory_add(made, READ_F64(rows + i * numbers, 1, numbers, numbers)));
  falign_view all = points_of(made);
  ck_assert(all.rows == points && all.cols == numbers && all.precision == precision);
  return made;
}

static inline falign_components *components_of(falign_precision precision, const double *rows, size_t points,
                                               size_t numbers, size_t count) {
  falign_trajectory *trajectory = new_trajectory(precision, rows, points, numbers);
  falign_components *found = NULL;
  ok(falign_components_create(trajectory, count, &found));
  falign_trajectory_destroy(trajectory);
  ck_assert_uint_eq(count_of(found), count);
  return found;
}

#endif
