/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_PLOT_H
#define KIT_PLOT_H

/* Line plots with bands of one standard deviation, drawn by gnuplot. */

#include <stdbool.h>

#include "curve.h"

enum { PLOT_LINES = 64 };

typedef struct plot_line {
  char title[32];
  curve data;
  size_t style; /* dashes and colour */
} plot_line;

typedef struct plot_panel {
  const char *title, *x_label, *y_label;
  bool by_epoch; /* the x axis: epochs or iterations */
  plot_line lines[PLOT_LINES];
  size_t count;
} plot_panel;

/* Adds the curve of a metric to a panel if it has a point; see curve_gather(). */
falign_status plot_add(plot_panel *panel, const falign_table *table, const char *condition, const char *metric,
                       int64_t layer, const char *title, size_t style);
void plot_free(plot_panel *panel);

/* Whether the file name ends in .svg or .png. */
bool plot_can_write(const char *path);

/* Draws the panels that have lines side by side. */
falign_status plot_write(const plot_panel *panels, size_t count, const char *path);

#endif
