/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_PLOT_H
#define KIT_PLOT_H

/* Line plots with bands of one standard deviation, drawn by gnuplot. */

#include <stdbool.h>

#include "curve.h"

enum { PLOT_LINES = 64 };

/* How a line looks: lines must differ in dashes or marks as well as in colour. */
typedef struct plot_style {
  size_t colour, dash;
  bool marked;
} plot_style;

typedef struct plot_line {
  char title[32];
  curve data;
  plot_style style;
} plot_line;

typedef struct plot_panel {
  const char *title, *x_label, *y_label;
  bool by_epoch; /* the x axis: epochs or iterations */
  plot_line lines[PLOT_LINES];
  size_t count;
} plot_panel;

/* Adds the curve of a metric to a panel if it has a point; see curve_gather(). */
falign_status plot_add(plot_panel *panel, const falign_table *table, curve_key key, const char *title,
                       plot_style style);
/* Adds the curve over the orders at one iteration; see curve_gather_orders(). */
falign_status plot_add_orders(plot_panel *panel, const falign_table *table, curve_key key, int64_t iteration,
                              const char *title, plot_style style);
void plot_free(plot_panel *panel);

/* Whether the file name ends in .svg or .png. */
bool plot_can_write(const char *path);

/* Draws the panels that have lines, up to three side by side, more in two rows. */
falign_status plot_write(const plot_panel *panels, size_t count, const char *path);

#endif
