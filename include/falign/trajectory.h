/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_TRAJECTORY_H
#define FALIGN_TRAJECTORY_H

/** @file trajectory.h
 *  @brief The path of all learnable parameters through their space, and its principal components (Figs. 7C, 7F).
 *
 *  A point is a row of coordinates: a network's are FALIGN_PARAMETERS, W[0], b[1], W[1], b[2], ..., W[d-1], b[d].
 *  Points of one or several runs are stacked, centered and not scaled; their principal components span the plane that
 *  is plotted. */

#include "falign/batches.h"
#include "falign/rule.h"

FALIGN_BEGIN

/** Points that were added one after the other. */
typedef struct falign_trajectory falign_trajectory;

/** Makes an empty trajectory of points that have `numbers` coordinates, kept in the given precision.
 *  @return FALIGN_INVALID for 0 numbers or an invalid precision, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_trajectory_create(falign_precision precision, size_t numbers,
                                                                 falign_trajectory **out);
/** Releases it; NULL is fine. */
FALIGN_API void falign_trajectory_destroy(falign_trajectory *trajectory);

/** Adds a point, 1 x numbers, converted; falign_network_view() with FALIGN_PARAMETERS gives a network's.
 *  @return FALIGN_INVALID naming a coordinate that is not finite, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_trajectory_add(falign_trajectory *trajectory, const falign_view *point);
/** Views all points in the trajectory's own storage, one for each row in the order in which they were added; valid
 *  until the next one is added. Without points it has 0 rows. */
FALIGN_API FALIGN_CHECKED falign_status falign_trajectory_view(const falign_trajectory *trajectory, falign_view *out);

/** The mean of a trajectory's points and their first principal components: orthonormal directions, the one of largest
 *  variance first, each with the sign that makes its coordinate of largest magnitude positive. */
typedef struct falign_components falign_components;

/** Finds the first `count` principal components. The trajectory is not needed afterwards. Time grows with the square
 *  of the points or of the coordinates, whichever are fewer, times the other. Directions without variance are
 *  arbitrary, but orthonormal to the others.
 *  @return FALIGN_INVALID unless there are at least two points and 1 <= count < points and count <= numbers, and where
 *  the variance is beyond double precision; FALIGN_UNSUPPORTED in a build without LAPACK and for sizes beyond it,
 *  FALIGN_DIVERGED if it does not converge, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_components_create(const falign_trajectory *trajectory, size_t count,
                                                                 falign_components **out);
/** Releases them; NULL is fine. */
FALIGN_API void falign_components_destroy(falign_components *components);

/** What components consist of. */
typedef int32_t falign_component;
enum {
  FALIGN_COMPONENT_DIRECTIONS = 1, /**< unit vectors, count x numbers */
  FALIGN_COMPONENT_MEAN = 2,       /**< the mean of the points, 1 x numbers */
  FALIGN_COMPONENT_VARIANCE = 3,   /**< the variance along each (n - 1 in the denominator), 1 x count */
  FALIGN_COMPONENT_EXPLAINED = 4   /**< the share of all variance that each explains, 0 to 1; NaN if nothing varies */
};

/** Views a part of the components in their own storage, in double precision. @return FALIGN_INVALID for an unknown
 *  part. */
FALIGN_API FALIGN_CHECKED falign_status falign_components_view(const falign_components *components,
                                                               falign_component what, falign_view *out);

/** Projects points, one for each row: coordinates[i][j] = <point i - mean, component j>, rows x count. */
FALIGN_API FALIGN_CHECKED falign_status falign_components_project(const falign_components *components,
                                                                  const falign_view *points,
                                                                  const falign_matrix *coordinates);
/** Projects directions, such as updates: as falign_components_project(), without the mean. */
FALIGN_API FALIGN_CHECKED falign_status falign_components_project_direction(const falign_components *components,
                                                                            const falign_view *directions,
                                                                            const falign_matrix *coordinates);
/** Projects the feedback weights of FA as a point: B[l]^T in the place of W[l] for l >= 1, and 0 for W[0] and all
 *  biases (the red dot of Figs. 7C and 7F); 1 x count. @return FALIGN_UNSUPPORTED for a rule without B[l],
 *  FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_components_project_feedback(const falign_components *components,
                                                                           const falign_network *network,
                                                                           const falign_rule *rule,
                                                                           const falign_matrix *coordinates);
/** Computes the points mean + sum_j coordinates[i][j] component j, rows x numbers. */
FALIGN_API FALIGN_CHECKED falign_status falign_components_point(const falign_components *components,
                                                                const falign_view *coordinates,
                                                                const falign_matrix *points);

/** A grid in the plane of two components, and how it is evaluated. */
typedef struct falign_grid {
  size_t a;         /**< the component along x */
  size_t b;         /**< the component along y */
  const double *x;  /**< coordinates along `a` */
  size_t x_count;   /**< of `x` */
  const double *y;  /**< coordinates along `b` */
  size_t y_count;   /**< of `y` */
  uint32_t threads; /**< how many threads evaluate; the result does not depend on it */
  /** Called after each grid point with how many are done and how many there are; a result other than 0 cancels. NULL
   *  for none. */
  int32_t (*progress)(void *user, uint64_t done, uint64_t total);
  void *user; /**< passed to `progress` */
} falign_grid;

/** Computes the loss 1/2 sum E^2 over all points of `batches` on a grid: loss[i][j] belongs to
 *  mean + x[j] component a + y[i] component b. Works on a copy of the network; only the network's shape and
 *  activations are used. At a grid point where the network is not finite the loss is infinity.
 *  @param loss y_count x x_count
 *  @return FALIGN_SHAPE if the network, the batches or the components do not fit, FALIGN_INVALID for components that
 *  do not exist, FALIGN_CANCELLED, FALIGN_MEMORY, else as falign_trainer_set_threads() and falign_trainer_evaluate();
 *  `loss` is then untouched. */
FALIGN_API FALIGN_CHECKED falign_status falign_components_loss_grid(const falign_components *components,
                                                                    const falign_network *network,
                                                                    falign_batches *batches, const falign_grid *grid,
                                                                    const falign_matrix *loss);

FALIGN_END

#endif
