/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_VIEWS_H
#define TESTS_VIEWS_H

/* Plain arrays as matrices, and objects' matrices as plain arrays, in one expression each. */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "falign/falign.h"

/* A row-major array of rows x cols with a stride, to read or to write; with _T the transpose of that array. */
#define READ_F32(data, rows, cols, stride) \
  (&(const falign_view){(data), (rows), (cols), (ptrdiff_t)(stride), 1, FALIGN_F32})
#define READ_F64(data, rows, cols, stride) \
  (&(const falign_view){(data), (rows), (cols), (ptrdiff_t)(stride), 1, FALIGN_F64})
#define READ_F32_T(data, rows, cols, stride) \
  (&(const falign_view){(data), (cols), (rows), 1, (ptrdiff_t)(stride), FALIGN_F32})
#define READ_F64_T(data, rows, cols, stride) \
  (&(const falign_view){(data), (cols), (rows), 1, (ptrdiff_t)(stride), FALIGN_F64})
#define WRITE_F32(data, rows, cols, stride) \
  (&(const falign_matrix){(data), (rows), (cols), (ptrdiff_t)(stride), 1, FALIGN_F32})
#define WRITE_F64(data, rows, cols, stride) \
  (&(const falign_matrix){(data), (rows), (cols), (ptrdiff_t)(stride), 1, FALIGN_F64})

/* An object's own storage in the precision that the name says. */
static inline void *network_data(falign_network *network, falign_quantity what, uint32_t l,
                                 falign_precision precision) {
  falign_matrix m = {0};
  if (falign_network_edit(network, what, l, &m) != FALIGN_OK || m.precision != precision) abort();
  return m.data;
}

static inline float *network_f32(falign_network *network, falign_quantity what, uint32_t l) {
  return network_data(network, what, l, FALIGN_F32);
}

static inline double *network_f64(falign_network *network, falign_quantity what, uint32_t l) {
  return network_data(network, what, l, FALIGN_F64);
}

static inline double *rule_f64(falign_rule *rule, uint32_t l) {
  falign_matrix m = {0};
  if (falign_rule_edit(rule, FALIGN_FEEDBACK, l, &m) != FALIGN_OK || m.precision != FALIGN_F64) abort();
  return m.data;
}

/* Element (i, j) of a matrix in either precision. */
static inline double element(const falign_view *view, size_t i, size_t j) {
  ptrdiff_t place = (ptrdiff_t)i * view->row_step + (ptrdiff_t)j * view->col_step;
  return view->precision == FALIGN_F32 ? (double)((const float *)view->data)[place]
                                       : ((const double *)view->data)[place];
}

/* Copies a matrix into a row-major array with a stride. */
static inline void copy_elements(const falign_view *view, double *out, size_t stride) {
  for (size_t i = 0; i < view->rows; i++) {
    for (size_t j = 0; j < view->cols; j++) out[i * stride + j] = element(view, i, j);
  }
}

static inline void set_element(const falign_matrix *matrix, size_t i, size_t j, double value) {
  ptrdiff_t place = (ptrdiff_t)i * matrix->row_step + (ptrdiff_t)j * matrix->col_step;
  if (matrix->precision == FALIGN_F32) {
    ((float *)matrix->data)[place] = (float)value;
  } else {
    ((double *)matrix->data)[place] = value;
  }
}

/* ---- Layouts: plain, transposed, with gaps, backward, and all of these at once ---- */

enum { LAYOUTS = 5, LAYOUT_ROOM = 512 };

/* Storage for a matrix of any layout, of at most LAYOUT_ROOM / 2 - 3 * rows numbers. */
typedef union {
  float f32[LAYOUT_ROOM];
  double f64[LAYOUT_ROOM];
} layout_room;

/* Lays a matrix out in `room`, all numbers of which become `fill`. */
static inline falign_matrix lay_out(layout_room *room, int layout, falign_precision precision, size_t rows, size_t cols,
                                    double fill) {
  ptrdiff_t r = (ptrdiff_t)rows, c = (ptrdiff_t)cols, row_step = c, col_step = 1;
  if (layout == 1) row_step = 1, col_step = r;
  if (layout == 2) row_step = c + 3;
  if (layout == 3) row_step = -c, col_step = -1;
  if (layout == 4) row_step = 2, col_step = -2 * r;
  ptrdiff_t first = (row_step < 0 ? (1 - r) * row_step : 0) + (col_step < 0 ? (1 - c) * col_step : 0);
  if (rows == 1) row_step = layout % 2 ? PTRDIFF_MIN : PTRDIFF_MAX; /* never taken, so it may be anything */
  if (cols == 1) col_step = layout % 2 ? PTRDIFF_MAX : PTRDIFF_MIN;
  for (size_t i = 0; i < LAYOUT_ROOM; i++) {
    if (precision == FALIGN_F32) room->f32[i] = (float)fill;
    if (precision == FALIGN_F64) room->f64[i] = fill;
  }
  void *data = precision == FALIGN_F32 ? (void *)(room->f32 + first) : (void *)(room->f64 + first);
  return (falign_matrix){data, rows, cols, row_step, col_step, precision};
}

/* The same with the numbers of a contiguous array, to read. */
static inline falign_view lay_out_copy(layout_room *room, int layout, falign_precision precision, size_t rows,
                                       size_t cols, const double *numbers) {
  falign_matrix matrix = lay_out(room, layout, precision, rows, cols, 1e30);
  for (size_t i = 0; i < rows * cols; i++) set_element(&matrix, i / cols, i % cols, numbers[i]);
  return falign_view_of(matrix);
}

/* How many numbers of the room are not `fill`. */
static inline size_t numbers_set(const layout_room *room, falign_precision precision, double fill) {
  size_t count = 0;
  for (size_t i = 0; i < LAYOUT_ROOM; i++)
    count += precision == FALIGN_F32 ? room->f32[i] != (float)fill : room->f64[i] != fill;
  return count;
}

/* A number as single precision holds it. Volatile, since GCC 12 at -O3 leaves the rounding out of some loops. */
static inline double rounded_f32(double number) {
  volatile float single = (float)number;
  return (double)single;
}

/* Whether a matrix that lay_out() filled with `fill` now holds these numbers, rounded, and nothing else has changed. */
static inline bool holds(const layout_room *room, const falign_matrix *matrix, double fill, const double *numbers) {
  falign_view view = falign_view_of(*matrix);
  for (size_t i = 0; i < view.rows * view.cols; i++) {
    double number = view.precision == FALIGN_F32 ? rounded_f32(numbers[i]) : numbers[i];
    if (element(&view, i / view.cols, i % view.cols) != number) return false;
  }
  return numbers_set(room, view.precision, fill) == view.rows * view.cols;
}

/* ---- Objects ---- */

/* The built-in activations, and one that a test brings itself. */
typedef enum { NO_ACTIVATION, TANH_RELU, RELU, TANH, LOGISTIC, LINEAR, CUSTOM } activation;
static const char *const activation_names[] = {"none", "tanh-relu", "relu", "tanh", "logistic", "linear", "custom"};

/* Sets a built-in activation of a layer. */
static inline falign_status activate(falign_network *network, uint32_t l, activation f) {
  falign_activation *built_in;
  falign_status status = falign_activation_create(activation_names[f], &built_in);
  return status == FALIGN_OK ? falign_network_set_activation(network, l, built_in) : status;
}

/* Sets an activation of the test's own, which lives as long as the network. */
static inline falign_status activate_custom(falign_network *network, uint32_t l, falign_map_fn f, falign_map_fn df,
                                            void *user) {
  const falign_activation_table table = {.size = sizeof table, .name = "custom", .f = f, .df = df};
  falign_activation *made = NULL;
  falign_status status = falign_activation_create_custom(&table, user, &made);
  if (status == FALIGN_OK) status = falign_network_set_activation(network, l, made);
  falign_activation_destroy(made);
  return status;
}

/* The activation of a layer; CUSTOM for one that is not built in. */
static inline activation activation_of(const falign_network *network, uint32_t l) {
  const char *name = falign_activation_name(falign_network_activation(network, l));
  activation f = TANH_RELU;
  while (f < CUSTOM && strcmp(name, activation_names[f]) != 0) f++;
  return f;
}

/* How many backends this build has. */
static inline size_t backend_count(void) {
  size_t count = 0;
  while (falign_backend_name_at(count)) count++;
  return count;
}

/* Draws from a stream; ends the program if that cannot be done. */
static inline void draw_normal(falign_rng *rng, double sd, const falign_matrix *out) {
  if (falign_rng_normal(rng, sd, out) != FALIGN_OK) abort();
}

static inline size_t code_categories(const falign_code *code) {
  falign_view v = {0};
  return falign_code_view(code, &v) == FALIGN_OK ? v.rows : 0;
}

static inline size_t code_width(const falign_code *code) {
  falign_view v = {0};
  return falign_code_view(code, &v) == FALIGN_OK ? v.cols : 0;
}

static inline const double *code_row(const falign_code *code, size_t category) {
  falign_view v = {0};
  if (falign_code_view(code, &v) != FALIGN_OK || category >= v.rows) return NULL;
  return (const double *)v.data + category * v.cols;
}

static inline falign_status add_network(falign_trajectory *trajectory, const falign_network *network) {
  falign_view v;
  falign_status status = falign_network_view(network, FALIGN_PARAMETERS, 0, &v);
  return status == FALIGN_OK ? falign_trajectory_add(trajectory, &v) : status;
}

/* Where terms of layer l go that are stacked in the array `t`; one number for a layer that there is not. */
static inline falign_matrix stacked(const falign_trace *trace, uint32_t l, size_t count, double *t) {
  falign_view dw;
  if (!trace || falign_trace_view(trace, FALIGN_DW, l, &dw) != FALIGN_OK) return falign_matrix_f64(t, 1, 1);
  return falign_matrix_f64(t, count * dw.rows, dw.cols);
}

static inline falign_status terms_get(falign_terms *terms, const falign_trace *trace, falign_term kind, uint32_t l,
                                      const falign_orders *orders, double *t) {
  falign_matrix m = stacked(trace, l, orders->count, t);
  return falign_terms_get(terms, trace, kind, l, orders, &m);
}

static inline falign_status terms_sum(falign_terms *terms, const falign_trace *trace, falign_term kind, uint32_t l,
                                      const falign_orders *orders, double *t) {
  falign_matrix m = stacked(trace, l, 1, t);
  return falign_terms_sum(terms, trace, kind, l, orders, &m);
}

static inline falign_status terms_zero(falign_terms *terms, const falign_trace *trace, uint32_t l, uint64_t order,
                                       double *t) {
  falign_matrix m = stacked(trace, l, 1, t);
  return falign_terms_zero(terms, trace, l, order, &m);
}

static inline falign_status terms_remainder(falign_terms *terms, const falign_trace *trace, uint32_t l, uint32_t degree,
                                            double *t) {
  falign_matrix m = stacked(trace, l, 1, t);
  return falign_terms_remainder(terms, trace, l, degree, &m);
}

static inline falign_status disturbance_get(falign_disturbance *disturbance, const falign_trace *trace, uint32_t l,
                                            const falign_orders *orders, double *t) {
  falign_matrix m = stacked(trace, l, orders->count, t);
  return falign_disturbance_get(disturbance, trace, l, orders, &m);
}

#endif
