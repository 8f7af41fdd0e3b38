/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_TRAJECTORY_H
#define FAL_TRAJECTORY_H

#include "falign/trajectory.h"
#include "base/support.h"

struct falign_trajectory {
  falign_precision precision;
  size_t numbers, points, capacity;
  void **point; /* each in memory of its own, so that none moves when others are added */
};

struct falign_components {
  size_t numbers, count;
  double *mean;
  double *directions; /* count x numbers */
  double *variances, total_variance;
};

/* Fails unless `length` is the number of coordinates. */
falign_status fal_components_check_length(const falign_components *components, size_t length);

#endif
