/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_TRAJECTORY_H
#define FALIGN_TRAJECTORY_H

/** @file trajectory.h
 *  @brief The path of all learnable parameters through their space, and its principal components (Figs. 7C, 7F).
 *
 *  A point holds W[0], b[1], W[1], b[2], ..., W[d-1], b[d], each row-major. Points of one or several runs are stacked,
 *  centred and not scaled; their principal components span the plane that is plotted. */

#include "falign/batches.h"
#include "falign/rule.h"

FALIGN_BEGIN

/** Points that were added one after the other. */
typedef struct falign_trajectory falign_trajectory;

/** An empty trajectory of points that have `numbers` coordinates, kept in the given precision.
 *  @return FALIGN_INVALID for 0 numbers or no precision, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_trajectory_create(falign_precision precision, size_t numbers,
                                                                 falign_trajectory **out);
/** Releases it; NULL is fine. */
FALIGN_API void falign_trajectory_destroy(falign_trajectory *trajectory);

/** Adds a point of `length` coordinates, converted. @return FALIGN_SHAPE for another length, FALIGN_INVALID naming a
 *  coordinate that is not finite, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_trajectory_add_f32(falign_trajectory *trajectory, const float *point,
                                                                  size_t length);
/** As falign_trajectory_add_f32(), from double precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_trajectory_add_f64(falign_trajectory *trajectory, const double *point,
                                                                  size_t length);
/** Adds all weights and biases of a network: a point of falign_network_parameters() coordinates.
 *  @return as falign_trajectory_add_f32(). */
FALIGN_API FALIGN_CHECKED falign_status falign_trajectory_add_network(falign_trajectory *trajectory,
                                                                      const falign_network *network);
/** How many points. */
FALIGN_API size_t falign_trajectory_points(const falign_trajectory *trajectory);
/** How many coordinates a point has. */
FALIGN_API size_t falign_trajectory_numbers(const falign_trajectory *trajectory);

/** Copies point i, in the order in which they were added, to `length` = falign_trajectory_numbers() coordinates.
 *  @return FALIGN_INVALID for a point that is not there, FALIGN_SHAPE for another length. */
FALIGN_API FALIGN_CHECKED falign_status falign_trajectory_get(const falign_trajectory *trajectory, size_t i,
                                                              double *point, size_t length);

/** The mean of a trajectory's points and their first principal components: orthonormal directions, the one of largest
 *  variance first, each with the sign that makes its coordinate of largest magnitude positive. */
typedef struct falign_components falign_components;

/** Finds the first `count` principal components. The trajectory is not needed afterwards. Time grows with the square
 *  of the points or of the coordinates, whichever are fewer, times the other. Directions in which nothing varies are
 *  any that complete the others.
 *  @return FALIGN_INVALID unless there are at least two points and 1 <= count < points and count <= numbers, and where
 *  the variance is beyond double precision; FALIGN_UNSUPPORTED in a build without LAPACK and for sizes beyond it,
 *  FALIGN_DIVERGED where it does not converge, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_components_create(const falign_trajectory *trajectory, size_t count,
                                                                 falign_components **out);
/** Releases them; NULL is fine. */
FALIGN_API void falign_components_destroy(falign_components *components);

/** How many components were asked for. */
FALIGN_API size_t falign_components_count(const falign_components *components);
/** The variance along component i (n - 1 in the denominator); NaN beyond the last. */
FALIGN_API double falign_components_variance(const falign_components *components, size_t i);
/** The share of all variance that component i explains, 0 to 1; NaN beyond the last or where nothing varies. */
FALIGN_API double falign_components_explained(const falign_components *components, size_t i);
/** Component i, a unit vector of falign_trajectory_numbers() coordinates in the components' own storage; NULL beyond
 *  the last. */
FALIGN_API const double *falign_components_direction(const falign_components *components, size_t i);
/** The mean of the points, falign_trajectory_numbers() coordinates in the components' own storage. */
FALIGN_API const double *falign_components_mean(const falign_components *components);

/** Projects a point: coordinates[i] = <point - mean, component i>, for all `count` components.
 *  @return FALIGN_SHAPE for another length or count. */
FALIGN_API FALIGN_CHECKED falign_status falign_components_project(const falign_components *components,
                                                                  const double *point, size_t length,
                                                                  double *coordinates, size_t count);
/** Projects a direction, such as an update: coordinates[i] = <direction, component i>. @return FALIGN_SHAPE for another
 *  length or count. */
FALIGN_API FALIGN_CHECKED falign_status falign_components_project_direction(const falign_components *components,
                                                                            const double *direction, size_t length,
                                                                            double *coordinates, size_t count);
/** Projects the weights and biases of a network, a point. @return FALIGN_SHAPE for another number of them, or count. */
FALIGN_API FALIGN_CHECKED falign_status falign_components_project_network(const falign_components *components,
                                                                          const falign_network *network,
                                                                          double *coordinates, size_t count);
/** Projects the feedback weights of FA as a point: B[l]^T in the place of W[l] for l >= 1, and 0 for W[0] and all
 *  biases (the red dot of Figs. 7C and 7F). @return FALIGN_SHAPE, FALIGN_UNSUPPORTED for a rule without B[l],
 *  FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_components_project_feedback(const falign_components *components,
                                                                           const falign_network *network,
                                                                           const falign_rule *rule, double *coordinates,
                                                                           size_t count);
/** The point mean + sum_i coordinates[i] component i. @return FALIGN_SHAPE for another length or count. */
FALIGN_API FALIGN_CHECKED falign_status falign_components_point(const falign_components *components,
                                                                const double *coordinates, size_t count, double *point,
                                                                size_t length);

/** The loss 1/2 sum E^2 over all points of `batches` on a grid in the plane of components `a` and `b`:
 *  loss[i * x_count + j] belongs to mean + x[j] component a + y[i] component b. Works on a copy of the network; the
 *  network itself only lends its shape and activations. A grid point where the network is not finite gets infinity.
 *  @param threads how many threads evaluate; the result does not depend on it
 *  @param progress called after each grid point with how many are done and how many there are; a result other than 0
 *  cancels. NULL for none
 *  @param user passed to `progress`
 *  @param loss y_count x x_count numbers
 *  @return FALIGN_SHAPE where the network, the batches or the components do not fit, FALIGN_INVALID for components that
 *  are not there, FALIGN_CANCELLED, FALIGN_MEMORY, else as falign_trainer_set_threads() and falign_trainer_evaluate();
 *  `loss` is then untouched. */
FALIGN_API FALIGN_CHECKED falign_status falign_components_loss_grid(
    const falign_components *components, size_t a, size_t b, const falign_network *network, falign_batches *batches,
    const double *x, size_t x_count, const double *y, size_t y_count, uint32_t threads,
    int32_t (*progress)(void *user, uint64_t done, uint64_t total), void *user, double *loss);

FALIGN_END

#endif
