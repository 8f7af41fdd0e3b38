/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_PLOT_H
#define KIT_PLOT_H

/* Plots drawn by gnuplot: lines with bands of one standard deviation, points with their range, histograms, paths,
 * arrows and heat maps. */

#include <stdbool.h>

#include "curve.h"

enum { PLOT_LINES = 64 };

typedef enum plot_shape {
  PLOT_LINE,   /* the mean, with a band of one standard deviation where there is more than one run */
  PLOT_RANGE,  /* the median, with a bar from the least to the most */
  PLOT_STEPS,  /* the mean as a histogram's outline */
  PLOT_PATH,   /* the mean of each point, from one to the next as they come; marked: the points alone */
  PLOT_ARROWS, /* an arrow from each point of even index to the one after it */
} plot_shape;

/* How a line looks: lines must differ in dashes or marks as well as in colour. */
typedef struct plot_style {
  size_t colour, dash;
  bool marked;
  plot_shape shape;
} plot_style;

typedef struct plot_line {
  char title[48];
  curve data;
  plot_style style;
} plot_line;

/* Values over a plane, row i being at y = y_first + i y_step; empty for none. */
typedef struct plot_grid {
  double *values;
  size_t rows, columns;
  double x_first, x_step, y_first, y_step;
  const char *label;
  bool contours; /* as lines beside the colours */
} plot_grid;

typedef struct plot_panel {
  const char *title, *x_label, *y_label;
  bool by_epoch; /* the x axis: epochs, in place of each point's x */
  bool log_y;    /* a logarithmic y axis */
  bool plain;    /* the texts have no gnuplot's markup, such as _ before what is lowered */
  plot_grid grid;
  plot_line lines[PLOT_LINES];
  size_t count;
} plot_panel;

/* Adds the curve of a metric to a panel if it has a point; see curve_gather(). */
falign_status plot_add(plot_panel *panel, const falign_table *table, curve_key key, const char *title,
                       plot_style style);
/* Adds the curve over the orders at one iteration; see curve_gather_orders(). */
falign_status plot_add_orders(plot_panel *panel, const falign_table *table, curve_key key, int64_t iteration,
                              const char *title, plot_style style);
/* Adds a curve, which the panel then owns; one without points is left out. */
void plot_add_curve(plot_panel *panel, curve data, const char *title, plot_style style);
/* Gives the panel a grid of values, all NaN, for the caller to fill. */
falign_status plot_add_grid(plot_panel *panel, plot_grid grid);
void plot_free(plot_panel *panel);

/* Whether the file name ends in .svg or .png. */
bool plot_can_write(const char *path);

/* Draws the panels that have lines or a grid, up to three side by side, up to six in two rows, more in rows of
 * four. */
falign_status plot_write(const plot_panel *panels, size_t count, const char *path);

#endif
