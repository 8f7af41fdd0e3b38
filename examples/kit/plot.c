/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "plot.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "output.h"

/* Dashes tell the lines apart without colour; colour-blind readers tell the colours apart. */
static const char *const colours[] = {"#d55e00", "#0072b2", "#009e73", "#cc79a7", "#000000", "#56b4e9"};
enum { MARKS = 8, DASHES = 5, COLOURS = sizeof colours / sizeof colours[0] };

static bool ends_in(const char *text, const char *ending) {
  size_t length = strlen(text), tail = strlen(ending);
  return length > tail && strcmp(text + length - tail, ending) == 0;
}

bool plot_can_write(const char *path) { return ends_in(path, ".svg") || ends_in(path, ".png"); }

/* Takes over a curve, unless it is empty or there is no room. */
static void add(plot_panel *panel, curve data, const char *title, plot_style style) {
  if (data.count == 0 || panel->count == PLOT_LINES) {
    curve_free(&data);
    return;
  }
  plot_line *line = &panel->lines[panel->count++];
  snprintf(line->title, sizeof line->title, "%s", title);
  line->data = data;
  line->style = style;
}

falign_status plot_add(plot_panel *panel, const falign_table *table, curve_key key, const char *title,
                       plot_style style) {
  curve data;
  TRY(curve_gather(table, key, &data));
  add(panel, data, title, style);
  return FALIGN_OK;
}

falign_status plot_add_orders(plot_panel *panel, const falign_table *table, curve_key key, int64_t iteration,
                              const char *title, plot_style style) {
  curve data;
  TRY(curve_gather_orders(table, key, iteration, &data));
  add(panel, data, title, style);
  return FALIGN_OK;
}

void plot_free(plot_panel *panel) {
  for (size_t i = 0; i < panel->count; i++) curve_free(&panel->lines[i].data);
  panel->count = 0;
}

static double x_of(const plot_panel *panel, const curve_point *point) {
  return panel->by_epoch ? point->epoch : point->iteration;
}

static void print_data(FILE *script, const plot_panel *panel, size_t i) {
  const curve *data = &panel->lines[i].data;
  fprintf(script, "$line%zu << END\n", i);
  for (size_t k = 0; k < data->count; k++) {
    const curve_point *point = &data->points[k];
    fprintf(script, "%.9g %.9g %.9g\n", x_of(panel, point), point->mean, point->sd);
  }
  fputs("END\n", script);
}

/* A text as gnuplot quotes it. */
static void print_text(FILE *script, const char *text) {
  fputc('\'', script);
  for (; *text != '\0'; text++) fputs(*text == '\'' ? "''" : (char[]){*text, '\0'}, script);
  fputc('\'', script);
}

static void print_line(FILE *script, const plot_line *line, size_t i) {
  const char *colour = colours[line->style.colour % COLOURS];
  size_t points = line->data.count;
  if (line->data.points[0].runs > 1) {
    fprintf(script, "$line%zu using 1:($2-$3):($2+$3) with filledcurves fc rgb '%s' ", i, colour);
    fputs("fs transparent solid 0.2 noborder notitle, ", script);
  }
  fprintf(script, "$line%zu using 1:2 with %s lw 2.5 dt %d lc rgb '%s' ", i,
          points == 1          ? "points"
          : line->style.marked ? "linespoints"
                               : "lines",
          (int)(line->style.dash % DASHES) + 1, colour);
  if (line->style.marked) fprintf(script, "pt 6 pointinterval %zu ", points / MARKS + 1);
  fputs("title ", script);
  print_text(script, line->title);
}

/* gnuplot warns where all points have one x or one y: gives it a range then. */
static void print_ranges(FILE *script, const plot_panel *panel) {
  const curve_point *first = &panel->lines[0].data.points[0];
  double x = x_of(panel, first), y = first->mean;
  bool wide = false, high = false;
  for (size_t i = 0; i < panel->count; i++) {
    for (size_t k = 0; k < panel->lines[i].data.count; k++) {
      const curve_point *point = &panel->lines[i].data.points[k];
      wide = wide || fabs(x_of(panel, point) - x) > 0;
      high = high || fabs(point->mean - y) > 0;
    }
  }
  fputs("set xrange [*:*]\nset yrange [*:*]\n", script);
  if (!wide) fprintf(script, "set xrange [%.9g:%.9g]\n", x - 1, x + 1);
  if (!high) fprintf(script, "set yrange [%.9g:%.9g]\n", y - 1, y + 1);
}

static void print_panel(FILE *script, const plot_panel *panel) {
  print_ranges(script, panel);
  for (size_t i = 0; i < panel->count; i++) print_data(script, panel, i);
  char title[256];
  size_t runs = panel->lines[0].data.points[0].runs;
  snprintf(title, sizeof title, runs > 1 ? "%s: mean and s.d. of %zu runs" : "%s", panel->title, runs);
  fputs("set title ", script);
  print_text(script, title);
  fputs("\nset xlabel ", script);
  print_text(script, panel->x_label);
  fputs("\nset ylabel ", script);
  print_text(script, panel->y_label);
  fputs("\n", script);
  for (size_t i = 0; i < panel->count; i++) {
    fputs(i == 0 ? "plot " : ", ", script);
    print_line(script, &panel->lines[i], i);
  }
  fputs("\n", script);
}

/* The script goes into a temporary file, and the picture comes back through a pipe: gnuplot itself does not notice a
 * disk that is full. */
static falign_status print_script(FILE *script, const plot_panel *panels, size_t count, const char *path) {
  size_t used = 0;
  for (size_t i = 0; i < count; i++) used += panels[i].count > 0;
  if (used == 0) return fail(FALIGN_INVALID, "nothing to plot: no values were measured");
  size_t rows = used > 3 ? 2 : 1, columns = (used + rows - 1) / rows;
  fprintf(script, "set terminal %s size %zu,%zu dashlength 0.6 font 'sans,12' background rgb 'white'\n",
          ends_in(path, ".svg") ? "svg" : "pngcairo", 600 * columns, 480 * rows);
  fputs("set grid\nset autoscale xfix\nset key outside bottom center horizontal Left reverse height 1\n", script);
  fprintf(script, "set multiplot layout %zu,%zu\n", rows, columns);
  for (size_t i = 0; i < count; i++) {
    if (panels[i].count > 0) print_panel(script, &panels[i]);
  }
  fputs("unset multiplot\n", script);
  return fflush(script) == 0 && !ferror(script) ? FALIGN_OK : fail(FALIGN_IO, "temporary file: %s", strerror(errno));
}

static falign_status copy_picture(FILE *from, const char *path) {
  char block[4096], *picture = NULL;
  size_t size = 0;
  FILE *memory = open_memstream(&picture, &size);
  if (memory == NULL) return fail(FALIGN_MEMORY, "out of memory");
  for (size_t n; (n = fread(block, 1, sizeof block, from)) > 0;) fwrite(block, 1, n, memory);
  falign_status status = fclose(memory) == 0 ? FALIGN_OK : fail(FALIGN_MEMORY, "out of memory");
  if (status == FALIGN_OK && size > 0) status = output_bytes(path, picture, size);
  free(picture);
  return status;
}

static falign_status run_gnuplot(FILE *script, const char *path) {
  char command[64];
  rewind(script);
  snprintf(command, sizeof command, "gnuplot <&%d", fileno(script));
  FILE *gnuplot = popen(command, "r");
  if (gnuplot == NULL) return fail(FALIGN_IO, "cannot start gnuplot: %s", strerror(errno));
  falign_status status = copy_picture(gnuplot, path);
  int result = pclose(gnuplot);
  if (WIFEXITED(result) && WEXITSTATUS(result) == 127) {
    return fail(FALIGN_IO, "%s was not drawn: gnuplot is not installed (Debian: apt-get install gnuplot-nox)", path);
  }
  if (result != 0) return fail(FALIGN_IO, "%s was not drawn: gnuplot failed", path);
  return status;
}

falign_status plot_write(const plot_panel *panels, size_t count, const char *path) {
  FILE *script = tmpfile();
  if (script == NULL) return fail(FALIGN_IO, "temporary file: %s", strerror(errno));
  falign_status status = print_script(script, panels, count, path);
  if (status == FALIGN_OK) status = run_gnuplot(script, path);
  fclose(script);
  return status;
}
