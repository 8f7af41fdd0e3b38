/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_CURVE_H
#define KIT_CURVE_H

/* What a metric is over the runs of a table. */

#include "errors.h"

typedef struct curve_point {
  double x;        /* iteration, order, or whatever else the curve goes over */
  double epoch;    /* of the iteration */
  double mean, sd; /* sd: n-1; NaN for one run */
  double median, least, most;
  size_t runs;
} curve_point;

typedef struct curve {
  curve_point *points;
  size_t count;
} curve;

/* What a curve is of: rows of one metric, layer and order (-1: none), and of one condition unless that is NULL. */
typedef struct curve_key {
  const char *condition, *metric;
  int64_t layer, order;
} curve_key;

/* Gathers such rows by iteration, their x. Undefined values are left out. */
falign_status curve_gather(const falign_table *table, curve_key key, curve *out);
/* Gathers the rows of one iteration and all orders, by order, their x. */
falign_status curve_gather_orders(const falign_table *table, curve_key key, int64_t iteration, curve *out);
/* Adds the point of one iteration of the curve that curve_gather() makes, at x; nothing where that has none. */
falign_status curve_add_at(const falign_table *table, curve_key key, int64_t iteration, double x, curve *c);
/* Adds the last point of the curve that curve_gather() makes, at x; nothing where that has none. */
falign_status curve_add_last(const falign_table *table, curve_key key, double x, curve *c);
/* Adds a point that is no mean. */
falign_status curve_add(double x, double y, curve *c);
void curve_free(curve *c);

/* Prints the last point as a line on standard error; nothing where there is none. */
falign_status curve_print_last(const falign_table *table, curve_key key);

#endif
