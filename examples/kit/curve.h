/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_CURVE_H
#define KIT_CURVE_H

/* Mean and standard deviation of a metric over the runs of a table. */

#include "errors.h"

typedef struct curve_point {
  double iteration, epoch, mean, sd; /* sd: n-1; NaN for one run */
  size_t runs;
} curve_point;

typedef struct curve {
  curve_point *points;
  size_t count;
} curve;

/* Gathers the rows of one metric and layer, and of one condition unless that is NULL, by iteration. Rows with an order
 * and undefined values are left out. */
falign_status curve_gather(const falign_table *table, const char *condition, const char *metric, int64_t layer,
                           curve *out);
void curve_free(curve *c);

/* Prints the last point as a line on standard error; nothing where there is none. */
falign_status curve_print_last(const falign_table *table, const char *condition, const char *metric, int64_t layer);

#endif
