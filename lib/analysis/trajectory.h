/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_TRAJECTORY_H
#define FAL_TRAJECTORY_H

#include "falign/trajectory.h"
#include "math/matrix.h"

struct falign_trajectory {
  falign_precision precision;
  size_t numbers, points, capacity;
  void *storage; /* `capacity` points, one after the other */
};

struct falign_components {
  size_t numbers, count;
  double *mean;
  double *directions; /* count x numbers */
  double *variance, *explained;
};

/* Returns the coordinates of point i. */
const void *fal_trajectory_point(const falign_trajectory *trajectory, size_t i);
/* Returns component i, a unit vector. */
const double *fal_components_direction(const falign_components *components, size_t i);
/* Fails unless points have as many coordinates as the network has parameters. */
falign_status fal_components_check_network(const falign_components *components, const falign_network *network);

#endif
