/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "plot.h"

#include <errno.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "output.h"

extern char **environ; /* POSIX has it in no header */

/* Dashes tell the lines apart without colour; colour-blind readers tell the colours apart. */
static const char *const colours[] = {"#d55e00", "#0072b2", "#009e73", "#cc79a7", "#000000", "#56b4e9"};
enum { MARKS = 8, DASHES = 5, COLOURS = sizeof colours / sizeof colours[0] };

static bool ends_in(const char *text, const char *ending) {
  size_t length = strlen(text), tail = strlen(ending);
  return length > tail && strcmp(text + length - tail, ending) == 0;
}

bool plot_can_write(const char *path) { return ends_in(path, ".svg") || ends_in(path, ".png"); }

void plot_add_curve(plot_panel *panel, curve data, const char *title, plot_style style) {
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
  plot_add_curve(panel, data, title, style);
  return FALIGN_OK;
}

falign_status plot_add_orders(plot_panel *panel, const falign_table *table, curve_key key, int64_t iteration,
                              const char *title, plot_style style) {
  curve data;
  TRY(curve_gather_orders(table, key, iteration, &data));
  plot_add_curve(panel, data, title, style);
  return FALIGN_OK;
}

falign_status plot_add_grid(plot_panel *panel, plot_grid grid) {
  size_t count = grid.rows * grid.columns;
  grid.values = malloc(count * sizeof *grid.values);
  if (grid.values == NULL) return fail(FALIGN_MEMORY, "no memory for a grid of %zu values", count);
  for (size_t i = 0; i < count; i++) grid.values[i] = NAN;
  panel->grid = grid;
  return FALIGN_OK;
}

void plot_free(plot_panel *panel) {
  for (size_t i = 0; i < panel->count; i++) curve_free(&panel->lines[i].data);
  free(panel->grid.values);
  panel->grid.values = NULL;
  panel->count = 0;
}

static bool is_used(const plot_panel *panel) { return panel->count > 0 || panel->grid.values != NULL; }

/* ---- Data ---- */

static double x_of(const plot_panel *panel, const curve_point *point) {
  return panel->by_epoch ? point->epoch : point->x;
}

static void print_arrows(FILE *script, const curve *data) {
  for (size_t k = 0; k + 1 < data->count; k += 2) {
    const curve_point *from = &data->points[k], *to = from + 1;
    fprintf(script, "%.9g %.9g %.9g %.9g\n", from->x, from->mean, to->x - from->x, to->mean - from->mean);
  }
}

static void print_points(FILE *script, const plot_panel *panel, const curve *data) {
  for (size_t k = 0; k < data->count; k++) {
    const curve_point *p = &data->points[k];
    fprintf(script, "%.9g %.9g %.9g %.9g %.9g %.9g\n", x_of(panel, p), p->mean, p->sd, p->median, p->least, p->most);
  }
}

static void print_line_data(FILE *script, const plot_panel *panel, size_t i) {
  const plot_line *line = &panel->lines[i];
  fprintf(script, "$line%zu << END\n", i);
  if (line->style.shape == PLOT_ARROWS) {
    print_arrows(script, &line->data);
  } else {
    print_points(script, panel, &line->data);
  }
  fputs("END\n", script);
}

static double grid_x(const plot_grid *g, double column) { return g->x_first + column * g->x_step; }
static double grid_y(const plot_grid *g, double row) { return g->y_first + row * g->y_step; }

/* The grid of panel i, and its contours, which gnuplot computes as a table. */
static void print_grid_data(FILE *script, const plot_grid *g, size_t i) {
  fprintf(script, "$grid%zu << END\n", i);
  for (size_t row = 0; row < g->rows; row++) {
    for (size_t column = 0; column < g->columns; column++) {
      double value = g->values[row * g->columns + column];
      fprintf(script, "%.9g %.9g ", grid_x(g, (double)column), grid_y(g, (double)row));
      fprintf(script, isfinite(value) ? "%.9g\n" : "NaN\n", value);
    }
    fputs("\n", script);
  }
  fputs("END\n", script);
  if (!g->contours) return;
  fprintf(script, "set contour base\nset cntrparam levels auto 20\nunset surface\nset table $contours%zu\n", i);
  fprintf(script, "splot $grid%zu using 1:2:3\nunset table\nset surface\nunset contour\n", i);
}

/* ---- Lines ---- */

/* A text as gnuplot quotes it. */
static void print_text(FILE *script, const char *text) {
  fputc('\'', script);
  for (; *text != '\0'; text++) fputs(*text == '\'' ? "''" : (char[]){*text, '\0'}, script);
  fputc('\'', script);
}

/* One that is empty has no place in the key. */
static void print_title(FILE *script, const plot_line *line) {
  fputs("title ", script);
  print_text(script, line->title);
}

/* The mean, with a band where there is more than one run. */
static void print_mean(FILE *script, const plot_line *line, size_t i, const char *colour, int dash) {
  const char *how = line->data.count == 1 ? "points" : line->style.marked ? "linespoints" : "lines";
  if (line->data.points[0].runs > 1) {
    fprintf(script, "$line%zu using 1:($2-$3):($2+$3) with filledcurves fc rgb '%s' ", i, colour);
    fputs("fs transparent solid 0.2 noborder notitle, ", script);
  }
  fprintf(script, "$line%zu using 1:2 with %s lw 2.5 dt %d lc rgb '%s' ", i, how, dash, colour);
  if (line->style.marked) fprintf(script, "pt 6 pointinterval %zu ", line->data.count / MARKS + 1);
}

static void print_line(FILE *script, const plot_line *line, size_t i) {
  const char *colour = colours[line->style.colour % COLOURS];
  int dash = (int)(line->style.dash % DASHES) + 1, mark = line->style.marked ? 6 : 7;
  switch (line->style.shape) {
    case PLOT_LINE: print_mean(script, line, i, colour, dash); break;
    case PLOT_RANGE:
      fprintf(script, "$line%zu using 1:4:5:6 with yerrorbars lw 1.2 pt 0 lc rgb '%s' notitle, ", i, colour);
      fprintf(script, "$line%zu using 1:4 with linespoints lw 2 pt %d dt %d lc rgb '%s' ", i, mark, dash, colour);
      break;
    case PLOT_STEPS:
      fprintf(script, "$line%zu using 1:2 with histeps lw 2.5 dt %d lc rgb '%s' ", i, dash, colour);
      break;
    case PLOT_PATH:
      fprintf(script, "$line%zu using 1:2 with %s lw 2.5 dt %d lc rgb '%s' ", i,
              line->style.marked ? "points" : "lines", dash, colour);
      if (line->style.marked) fprintf(script, "pt %d ps 1.5 ", (int)(5 + 2 * (line->style.dash % 4)));
      break;
    case PLOT_ARROWS:
      fprintf(script, "$line%zu using 1:2:3:4 with vectors head filled size screen 0.008,20 lw 1.5 lc rgb '%s' ", i,
              colour);
      break;
  }
  print_title(script, line);
}

/* ---- Panels ---- */

/* gnuplot warns where all points have one x or one y: gives it a range then. */
static void print_line_ranges(FILE *script, const plot_panel *panel) {
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
  if (!wide) fprintf(script, "set xrange [%.9g:%.9g]\n", x - 1, x + 1);
  if (!high) fprintf(script, "set yrange [%.9g:%.9g]\n", y - 1, y + 1);
}

/* Those of a grid hold all its squares; those of bars leave room for the first and the last. */
static void print_ranges(FILE *script, const plot_panel *panel) {
  const plot_grid *g = &panel->grid;
  bool bars = panel->count > 0 && panel->lines[0].style.shape == PLOT_RANGE;
  fputs("set xrange [*:*]\nset yrange [*:*]\n", script);
  fputs(bars ? "set offsets graph 0.03, graph 0.03, 0, 0\n" : "unset offsets\n", script);
  if (g->values == NULL) {
    print_line_ranges(script, panel);
    return;
  }
  fprintf(script, "set xrange [%.9g:%.9g]\n", grid_x(g, -0.5), grid_x(g, (double)g->columns - 0.5));
  fprintf(script, "set yrange [%.9g:%.9g]\n", grid_y(g, -0.5), grid_y(g, (double)g->rows - 0.5));
}

static void print_setting(FILE *script, const plot_panel *panel, const char *name, const char *text) {
  fprintf(script, "set %s ", name);
  print_text(script, text);
  fputs(panel->plain ? " noenhanced\n" : " enhanced\n", script);
}

/* What the lines of a panel are of more than one run. */
static const char *what_of(plot_shape shape) {
  if (shape == PLOT_RANGE) return "median and range";
  return shape == PLOT_LINE ? "mean and s.d." : "mean";
}

static void print_heading(FILE *script, const plot_panel *panel) {
  char title[256];
  size_t runs = panel->count > 0 ? panel->lines[0].data.points[0].runs : 1;
  const char *what = panel->count > 0 ? what_of(panel->lines[0].style.shape) : "";
  snprintf(title, sizeof title, runs > 1 ? "%s: %s of %zu runs" : "%s", panel->title, what, runs);
  print_setting(script, panel, "title", title);
  print_setting(script, panel, "xlabel", panel->x_label);
  print_setting(script, panel, "ylabel", panel->y_label);
  if (panel->grid.values != NULL) {
    print_setting(script, panel, "cblabel", panel->grid.label);
    fputs("set cblabel offset 1.5\n", script); /* beside the numbers */
  }
  fputs(panel->log_y ? "set logscale y\n" : "unset logscale y\n", script);
}

static void print_panel(FILE *script, const plot_panel *panel, size_t number) {
  const char *separator = "plot ";
  print_ranges(script, panel);
  for (size_t i = 0; i < panel->count; i++) print_line_data(script, panel, i);
  print_heading(script, panel);
  if (panel->grid.values != NULL) {
    fprintf(script, "plot $grid%zu using 1:2:3 with image notitle", number);
    if (panel->grid.contours)
      fprintf(script, ", $contours%zu using 1:2 with lines lw 0.7 lc rgb '#707070' notitle", number);
    separator = ", ";
  }
  for (size_t i = 0; i < panel->count; i++) {
    fputs(separator, script);
    print_line(script, &panel->lines[i], i);
    separator = ", ";
  }
  fputs("\n", script);
}

/* The script goes into a temporary file, and the picture comes back through a pipe: gnuplot itself does not notice a
 * disk that is full. */
static falign_status print_script(FILE *script, const plot_panel *panels, size_t count, const char *path) {
  size_t used = 0;
  for (size_t i = 0; i < count; i++) used += is_used(&panels[i]);
  if (used == 0) return fail(FALIGN_INVALID, "nothing to plot: no values were measured");
  size_t columns = used <= 3 ? used : used <= 6 ? (used + 1) / 2 : 4, rows = (used + columns - 1) / columns;
  fprintf(script, "set terminal %s size %zu,%zu dashlength 0.6 font 'sans,12' background rgb 'white'\n",
          ends_in(path, ".svg") ? "svg" : "pngcairo", 600 * columns, 480 * rows);
  fputs("set grid\nset autoscale xfix\nset format '%g'\n", script);
  fputs("set key outside bottom center horizontal Left reverse height 1\n", script);
  /* Darker is more, also without colour. */
  fputs("set palette defined (0 '#f7fbff', 1 '#c6dbef', 2 '#6baed6', 3 '#2171b5', 4 '#08306b')\n", script);
  for (size_t i = 0; i < count; i++) {
    if (panels[i].grid.values != NULL) print_grid_data(script, &panels[i].grid, i);
  }
  fprintf(script, "set multiplot layout %zu,%zu\n", rows, columns);
  for (size_t i = 0; i < count; i++) {
    if (is_used(&panels[i])) print_panel(script, &panels[i], i);
  }
  fputs("unset multiplot\n", script);
  return fflush(script) == 0 && !ferror(script) ? FALIGN_OK : fail(FALIGN_IO, "temporary file: %s", strerror(errno));
}

static falign_status copy_picture(int from, const char *path) {
  char block[4096], *picture = NULL;
  size_t size = 0;
  FILE *memory = open_memstream(&picture, &size);
  if (memory == NULL) return fail(FALIGN_MEMORY, "out of memory");
  for (ssize_t n; (n = read(from, block, sizeof block)) != 0;) {
    if (n > 0) fwrite(block, 1, (size_t)n, memory);
    if (n < 0 && errno != EINTR) break;
  }
  falign_status status = fclose(memory) == 0 ? FALIGN_OK : fail(FALIGN_MEMORY, "out of memory");
  if (status == FALIGN_OK && size == 0) status = fail(FALIGN_IO, "%s was not drawn: gnuplot gave nothing", path);
  if (status == FALIGN_OK) status = output_bytes(path, picture, size);
  free(picture);
  return status;
}

/* Starts gnuplot, from `in` to `out`; returns an errno. */
static int start_gnuplot(int in, const int out[2], pid_t *child) {
  static char name[] = "gnuplot";
  char *const words[] = {name, NULL};
  posix_spawn_file_actions_t actions;
  int error = posix_spawn_file_actions_init(&actions);
  if (error != 0) return error;
  error = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  if (error == 0) error = posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  if (error == 0 && out[0] != STDOUT_FILENO) error = posix_spawn_file_actions_addclose(&actions, out[0]);
  if (error == 0) error = posix_spawnp(child, name, &actions, NULL, words, environ);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

static falign_status not_drawn(const char *path, int error) {
  if (error == ENOENT)
    return fail(FALIGN_IO, "%s was not drawn: gnuplot is not installed (Debian: apt-get install gnuplot-nox)", path);
  return fail(FALIGN_IO, "%s was not drawn: cannot start gnuplot: %s", path, strerror(error));
}

static falign_status finish_gnuplot(pid_t child, const char *path) {
  int result;
  while (waitpid(child, &result, 0) < 0) {
    if (errno != EINTR) return not_drawn(path, errno);
  }
  if (WIFEXITED(result) && WEXITSTATUS(result) == 127) return not_drawn(path, ENOENT);
  return result == 0 ? FALIGN_OK : fail(FALIGN_IO, "%s was not drawn: gnuplot failed", path);
}

static falign_status run_gnuplot(FILE *script, const char *path) {
  int ends[2];
  pid_t child;
  rewind(script);
  if (pipe(ends) != 0) return not_drawn(path, errno);
  int error = start_gnuplot(fileno(script), ends, &child);
  close(ends[1]);
  falign_status status = error == 0 ? copy_picture(ends[0], path) : not_drawn(path, error);
  close(ends[0]);
  if (error != 0) return status;
  falign_status ended = finish_gnuplot(child, path);
  return ended != FALIGN_OK ? ended : status;
}

falign_status plot_write(const plot_panel *panels, size_t count, const char *path) {
  FILE *script = tmpfile();
  if (script == NULL) return fail(FALIGN_IO, "temporary file: %s", strerror(errno));
  falign_status status = print_script(script, panels, count, path);
  if (status == FALIGN_OK) status = run_gnuplot(script, path);
  fclose(script);
  return status;
}
