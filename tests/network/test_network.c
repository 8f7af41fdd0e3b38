/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>

#include "learning.h"

static const size_t widths[] = {3, 5, 4, 2};

static falign_network *drawn(falign_precision precision, bool biases, uint64_t seed, uint32_t run) {
  falign_network *network = new_network(precision, 3, widths, biases, TANH);
  ok(falign_network_draw(network, 1, 1, seed, run));
  return network;
}

/* ---- Creating ---- */

START_TEST(shape_of_a_network) {
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    falign_network *network = NULL;
    size_t own[] = {3, 5, 4, 2};
    ok(falign_network_create(precision, 3, own, 1, &network));
    memset(own, 0, sizeof own); /* the widths were copied */
    ck_assert_int_eq(falign_network_precision(network), precision);
    ck_assert_uint_eq(falign_network_layers(network), 3);
    for (uint32_t l = 0; l <= 3; l++) ck_assert_uint_eq(falign_network_width(network, l), widths[l]);
    ck_assert_uint_eq(falign_network_width(network, 4), 0);
    ck_assert_uint_eq(falign_network_width(network, UINT32_MAX), 0);
    ck_assert_int_ne(falign_network_has_biases(network), 0);
    ck_assert_uint_eq(falign_network_parameters(network), 15 + 20 + 8 + 5 + 4 + 2);
    for (uint32_t l = 1; l <= 3; l++) ck_assert_int_eq(activation_of(network, l), TANH_RELU);
    ck_assert_ptr_null(falign_network_activation(network, 0));
    ck_assert_ptr_null(falign_network_activation(network, 4));
    double *all = parameters(network);
    ck_assert(largest(all, falign_network_parameters(network)) == 0);
    free(all);
    falign_network_destroy(network);
  }
  falign_network_destroy(NULL);
}
END_TEST

START_TEST(one_layer_of_one_weight) {
  falign_network *network = NULL;
  const size_t one[] = {1, 1};
  ok(falign_network_create(FALIGN_F64, 1, one, 0, &network));
  ck_assert_uint_eq(falign_network_parameters(network), 1);
  falign_network_destroy(network);
}
END_TEST

START_TEST(impossible_networks) {
  falign_network *network = NULL;
  const size_t zero_first[] = {0, 2, 2}, zero_middle[] = {2, 0, 2}, zero_last[] = {2, 2, 0};
  fails(FALIGN_INVALID, "layers", falign_network_create(FALIGN_F32, 0, widths, 1, &network));
  fails(FALIGN_INVALID, "layers", falign_network_create(FALIGN_F32, UINT32_MAX, widths, 1, &network));
  fails(FALIGN_INVALID, "layer 0 has width 0", falign_network_create(FALIGN_F32, 2, zero_first, 1, &network));
  fails(FALIGN_INVALID, "layer 1 has width 0", falign_network_create(FALIGN_F32, 2, zero_middle, 1, &network));
  fails(FALIGN_INVALID, "layer 2 has width 0", falign_network_create(FALIGN_F32, 2, zero_last, 1, &network));
  fails(FALIGN_INVALID, "precision", falign_network_create(0, 3, widths, 1, &network));
  fails(FALIGN_INVALID, "precision", falign_network_create(3, 3, widths, 1, &network));
  fails(FALIGN_INVALID, "widths is NULL", falign_network_create(FALIGN_F32, 3, NULL, 1, &network));
  fails(FALIGN_INVALID, "out is NULL", falign_network_create(FALIGN_F32, 3, widths, 1, NULL));
  ck_assert_ptr_null(network);
}
END_TEST

/* Every place where a product or a sum of sizes could wrap around, to 0 among others. */
START_TEST(sizes_that_overflow) {
  const size_t half = SIZE_MAX / 2 + 1, root = (size_t)1 << (sizeof(size_t) * 4);
  const size_t shapes[][3] = {{SIZE_MAX, SIZE_MAX, SIZE_MAX},
                              {SIZE_MAX / 2, SIZE_MAX / 2, 1},
                              {1, SIZE_MAX, 1},
                              {1, half, 1},
                              {half, 1, 1},
                              {1, 1, half},
                              {half, 2, 1},
                              {2, half, 2},
                              {root, root, 1},
                              {root, root - 1, 1},
                              {root / 2, root / 2, root / 2},
                              {1, SIZE_MAX / 8, 1},
                              {SIZE_MAX / 8, 1, 7},
                              {SIZE_MAX / 16, 1, 1},
                              {1, SIZE_MAX / 16 + 1, 1},
                              {1, 1, SIZE_MAX / 8 - 1}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    for (int choice = 0; choice < 8; choice++) {
      falign_network *network = NULL;
      uint32_t layers = choice & 1 ? 2 : 1;
      falign_precision precision = choice & 2 ? FALIGN_F32 : FALIGN_F64;
      uint32_t l = shapes[i][0] == 1 && shapes[i][1] == 1; /* W[0] is a small one */
      if (l == layers) continue;
      char text[100];
      snprintf(text, sizeof text, "W[%u] of %zu x %zu is too large", l, shapes[i][l], shapes[i][l + 1]);
      fails(FALIGN_MEMORY, text, falign_network_create(precision, layers, shapes[i], choice >> 2, &network));
      ck_assert_ptr_null(network);
    }
  }
}
END_TEST

/* Layers that fit one by one, of which the sum wraps around to 0. */
START_TEST(sums_that_overflow) {
  enum { MANY = 256 };
  size_t wide[MANY + 1];
  falign_network *network = NULL;
  for (size_t l = 0; l <= MANY; l++) wide[l] = (size_t)1 << 28; /* 2^56 weights each where size_t has 64 bits */
  fails(FALIGN_MEMORY, "W[", falign_network_create(FALIGN_F32, MANY, wide, 0, &network));
  fails(FALIGN_MEMORY, "W[", falign_network_create(FALIGN_F64, MANY, wide, 0, &network));
  ck_assert_ptr_null(network);
}
END_TEST

/* ---- Weights and biases ---- */

/* Numbers come back as they were, rounded to f32 where the network or the caller is in f32; nothing is written beside
 * the columns. */
START_TEST(weights_round_trip) {
  falign_precision precision = _i ? FALIGN_F64 : FALIGN_F32;
  enum { STRIDE = 9 };
  double in[5 * STRIDE], out[5 * STRIDE];
  float in_f32[5 * STRIDE], out_f32[5 * STRIDE];
  falign_network *network = new_network(precision, 3, widths, true, TANH);
  gaussian(in, 5 * STRIDE, 1, 1);
  to_f32(in, 5 * STRIDE, in_f32);
  for (uint32_t l = 0; l < 3; l++) {
    size_t rows = widths[l], cols = widths[l + 1];
    for (int from_f32 = 0; from_f32 < 2; from_f32++) {
      for (size_t i = 0; i < 5 * STRIDE; i++) {
        out[i] = 42;
        out_f32[i] = 42;
      }
      if (from_f32) {
        ok(falign_network_set(network, FALIGN_W, l, READ_F32(in_f32, rows, cols, STRIDE)));
      } else {
        ok(falign_network_set(network, FALIGN_W, l, READ_F64(in, rows, cols, STRIDE)));
      }
      ok(falign_network_get(network, FALIGN_W, l, WRITE_F64(out, rows, cols, STRIDE)));
      ok(falign_network_get(network, FALIGN_W, l, WRITE_F32(out_f32, rows, cols, STRIDE)));
      bool rounded = from_f32 || precision == FALIGN_F32;
      for (size_t i = 0; i < 5 * STRIDE; i++) {
        bool inside = i / STRIDE < rows && i % STRIDE < cols;
        double want = rounded ? (double)in_f32[i] : in[i];
        ck_assert(out[i] == (inside ? want : 42));
        ck_assert(out_f32[i] == (inside ? in_f32[i] : 42));
      }
    }
  }
  falign_network_destroy(network);
}
END_TEST

START_TEST(biases_round_trip) {
  falign_precision precision = _i ? FALIGN_F64 : FALIGN_F32;
  falign_network *network = new_network(precision, 3, widths, true, TANH);
  for (uint32_t l = 1; l <= 3; l++) {
    double in[6] = {0}, out[6] = {42, 42, 42, 42, 42, 42};
    float in_f32[6] = {0}, out_f32[6] = {42, 42, 42, 42, 42, 42};
    gaussian(in, 5, 1, l);
    to_f32(in, 5, in_f32);
    ok(falign_network_set(network, FALIGN_BIAS, l, READ_F64(in, 1, widths[l], widths[l])));
    ok(falign_network_get(network, FALIGN_BIAS, l, WRITE_F64(out, 1, widths[l], widths[l])));
    ok(falign_network_get(network, FALIGN_BIAS, l, WRITE_F32(out_f32, 1, widths[l], widths[l])));
    for (size_t i = 0; i < 6; i++) {
      ck_assert(out[i] == (i < widths[l] ? precision == FALIGN_F32 ? (double)in_f32[i] : in[i] : 42));
      ck_assert(out_f32[i] == (i < widths[l] ? in_f32[i] : 42));
    }
    ok(falign_network_set(network, FALIGN_BIAS, l, READ_F32(in_f32, 1, widths[l], widths[l])));
    ok(falign_network_get(network, FALIGN_BIAS, l, WRITE_F64(out, 1, widths[l], widths[l])));
    for (size_t i = 0; i < widths[l]; i++) ck_assert(out[i] == (double)in_f32[i]);
  }
  falign_network_destroy(network);
}
END_TEST

/* One layer's numbers lie apart from all others. */
START_TEST(layers_do_not_overlap) {
  for (int biases = 0; biases < 2; biases++) {
    falign_network *network = new_network(FALIGN_F64, 3, widths, biases, TANH);
    size_t count = 0;
    for (uint32_t l = 0; l < 3; l++) {
      double *w = network_f64(network, FALIGN_W, l);
      for (size_t i = 0; i < widths[l] * widths[l + 1]; i++) w[i] = (double)++count;
      double *b = biases ? network_f64(network, FALIGN_BIAS, l + 1) : NULL;
      for (size_t i = 0; b && i < widths[l + 1]; i++) b[i] = (double)++count;
    }
    ck_assert_uint_eq(count, falign_network_parameters(network));
    double *all = parameters(network);
    for (size_t i = 0; i < count; i++) ck_assert(all[i] == (double)(i + 1));
    free(all);
    falign_network_destroy(network);
  }
}
END_TEST

/* The message says where; W is as it was. */
START_TEST(numbers_that_are_not_finite) {
  falign_precision precision = _i ? FALIGN_F64 : FALIGN_F32;
  falign_network *network = drawn(precision, true, 1, 0), *same = drawn(precision, true, 1, 0);
  const double bad[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
  for (int i = 0; i < 3; i++) {
    double w[20] = {0};
    float w_f32[20] = {0};
    w[3 * 4 + 2] = bad[i];
    w_f32[3 * 4 + 2] = (float)bad[i];
    fails(FALIGN_INVALID, "W[1] has", falign_network_set(network, FALIGN_W, 1, READ_F64(w, 5, 4, 4)));
    ck_assert_ptr_nonnull(strstr(falign_last_error(), "row 3, column 2"));
    fails(FALIGN_INVALID, "row 3, column 2", falign_network_set(network, FALIGN_W, 1, READ_F32(w_f32, 5, 4, 4)));
    fails(FALIGN_INVALID, "b[1] has", falign_network_set(network, FALIGN_BIAS, 1, READ_F64(w + 10, 1, 5, 5)));
    ck_assert_ptr_nonnull(strstr(falign_last_error(), "column 4"));
    fails(FALIGN_INVALID, "column 4", falign_network_set(network, FALIGN_BIAS, 1, READ_F32(w_f32 + 10, 1, 5, 5)));
    double beside[4 * 5] = {0};
    ok(falign_network_get(same, FALIGN_W, 2, WRITE_F64(beside, 4, 2, 5)));
    beside[2 * 5 + 2] = bad[i]; /* not among the columns */
    ok(falign_network_set(network, FALIGN_W, 2, READ_F64(beside, 4, 2, 5)));
  }
  ck_assert(same_parameters(network, same));
  falign_network_destroy(network);
  falign_network_destroy(same);
}
END_TEST

/* A double beyond the largest float is not finite in an f32 network; the largest float is. */
START_TEST(doubles_too_large_for_f32) {
  falign_network *network = drawn(FALIGN_F32, true, 1, 0), *same = drawn(FALIGN_F32, true, 1, 0);
  falign_network *wide = drawn(FALIGN_F64, true, 1, 0);
  double w[15] = {0}, b[5] = {0};
  w[1 * 5 + 4] = 1e39;
  b[2] = -1e300;
  fails(FALIGN_INVALID, "row 1, column 4", falign_network_set(network, FALIGN_W, 0, READ_F64(w, 3, 5, 5)));
  fails(FALIGN_INVALID, "column 2", falign_network_set(network, FALIGN_BIAS, 1, READ_F64(b, 1, 5, 5)));
  ck_assert(same_parameters(network, same));
  ok(falign_network_set(wide, FALIGN_W, 0, READ_F64(w, 3, 5, 5)));
  w[1 * 5 + 4] = (double)FLT_MAX;
  ok(falign_network_set(network, FALIGN_W, 0, READ_F64(w, 3, 5, 5)));
  ck_assert(network_f32(network, FALIGN_W, 0)[9] == FLT_MAX);
  falign_network_destroy(network);
  falign_network_destroy(same);
  falign_network_destroy(wide);
}
END_TEST

START_TEST(wrong_shapes) {
  const size_t square[] = {50, 50, 50, 50, 10};
  falign_network *network = new_network(FALIGN_F64, 4, square, true, TANH);
  static double w[50 * 50];
  static float w_f32[50 * 50];
  fails(FALIGN_SHAPE, "W[2] is 50 x 50, got 49 x 50",
        falign_network_set(network, FALIGN_W, 2, READ_F64(w, 49, 50, 50)));
  ck_assert_str_eq(falign_last_error(), "W[2] is 50 x 50, got 49 x 50");
  fails(FALIGN_SHAPE, "W[3] is 50 x 10, got 10 x 50",
        falign_network_set(network, FALIGN_W, 3, READ_F32(w_f32, 10, 50, 50)));
  fails(FALIGN_SHAPE, "W[0] is 50 x 50, got 50 x 51",
        falign_network_get(network, FALIGN_W, 0, WRITE_F64(w, 50, 51, 51)));
  fails(FALIGN_SHAPE, "W[0] is 50 x 50, got 0 x 0",
        falign_network_get(network, FALIGN_W, 0, WRITE_F32(w_f32, 0, 0, 0)));
  fails(FALIGN_INVALID, "W[0] is 50 x 50 with invalid steps: 49 from row to row, 1 from column to column",
        falign_network_set(network, FALIGN_W, 0, READ_F64(w, 50, 50, 49)));
  fails(FALIGN_INVALID, "W[0] is 50 x 50 with invalid steps: 0 from row to row, 1 from column to column",
        falign_network_get(network, FALIGN_W, 0, WRITE_F64(w, 50, 50, 0)));
  fails(FALIGN_INVALID, "W[0] is 50 x 50 with invalid steps: 9223372036854775807 from row to row",
        falign_network_set(network, FALIGN_W, 0, READ_F64(w, 50, 50, PTRDIFF_MAX)));
  fails(FALIGN_SHAPE, "b[4] is 1 x 10, got 1 x 11",
        falign_network_set(network, FALIGN_BIAS, 4, READ_F64(w, 1, 11, 11)));
  fails(FALIGN_SHAPE, "b[1] is 1 x 50, got 1 x 0",
        falign_network_set(network, FALIGN_BIAS, 1, READ_F32(w_f32, 1, 0, 0)));
  fails(FALIGN_SHAPE, "b[4] is 1 x 10, got 1 x 9", falign_network_get(network, FALIGN_BIAS, 4, WRITE_F64(w, 1, 9, 9)));
  fails(FALIGN_SHAPE, "b[4] is 1 x 10, got 1 x 9",
        falign_network_get(network, FALIGN_BIAS, 4, WRITE_F32(w_f32, 1, 9, 9)));
  fails(FALIGN_SHAPE, "b[4] is 1 x 10, got 10 x 1", falign_network_set(network, FALIGN_BIAS, 4, READ_F64(w, 10, 1, 1)));
  fails(FALIGN_SHAPE, "parameters is 1 x 8160, got 1 x 8161",
        falign_network_set(network, FALIGN_PARAMETERS, 0, READ_F64(w, 1, 8161, 8161)));
  fails(FALIGN_INVALID, "W[0] has the unknown precision 7",
        falign_network_set(network, FALIGN_W, 0, &(falign_view){w, 50, 50, 50, 1, 7}));
  fails(FALIGN_INVALID, "W[0] is NULL", falign_network_set(network, FALIGN_W, 0, NULL));
  fails(FALIGN_INVALID, "W[0] is NULL", falign_network_get(network, FALIGN_W, 0, NULL));
  fails(FALIGN_INVALID, "W[0] is NULL", falign_network_set(network, FALIGN_W, 0, READ_F64(NULL, 50, 50, 50)));
  fails(FALIGN_INVALID, "W[0] is NULL", falign_network_get(network, FALIGN_W, 0, WRITE_F32(NULL, 50, 50, 50)));
  fails(FALIGN_INVALID, "b[1] is NULL", falign_network_set(network, FALIGN_BIAS, 1, READ_F64(NULL, 1, 50, 50)));
  falign_network_destroy(network);
}
END_TEST

START_TEST(layers_out_of_range) {
  falign_network *network = new_network(FALIGN_F64, 3, widths, true, TANH);
  double w[20];
  float w_f32[20];
  fails(FALIGN_INVALID, "W[3]", falign_network_set(network, FALIGN_W, 3, READ_F64(w, 2, 2, 2)));
  fails(FALIGN_INVALID, "W[4294967295]", falign_network_set(network, FALIGN_W, UINT32_MAX, READ_F32(w_f32, 2, 2, 2)));
  fails(FALIGN_INVALID, "0 to 2", falign_network_get(network, FALIGN_W, 3, WRITE_F64(w, 2, 2, 2)));
  fails(FALIGN_INVALID, "W[3]", falign_network_get(network, FALIGN_W, 3, WRITE_F32(w_f32, 2, 2, 2)));
  fails(FALIGN_INVALID, "b[0]", falign_network_set(network, FALIGN_BIAS, 0, READ_F64(w, 1, 3, 3)));
  fails(FALIGN_INVALID, "b[4]", falign_network_set(network, FALIGN_BIAS, 4, READ_F32(w_f32, 1, 2, 2)));
  fails(FALIGN_INVALID, "1 to 3", falign_network_get(network, FALIGN_BIAS, 0, WRITE_F64(w, 1, 3, 3)));
  fails(FALIGN_INVALID, "b[4]", falign_network_get(network, FALIGN_BIAS, 4, WRITE_F32(w_f32, 1, 2, 2)));
  fails(FALIGN_INVALID, "network is NULL", falign_network_set(NULL, FALIGN_W, 0, READ_F64(w, 3, 5, 5)));
  fails(FALIGN_INVALID, "network is NULL", falign_network_get(NULL, FALIGN_BIAS, 1, WRITE_F64(w, 1, 5, 5)));
  falign_network_destroy(network);
}
END_TEST

/* Quantities that a network does not have. */
START_TEST(other_quantities) {
  falign_network *network = new_network(FALIGN_F64, 3, widths, true, TANH);
  double w[54];
  falign_view view = {.rows = 7};
  falign_matrix matrix = {.rows = 7};
  const falign_quantity others[] = {0, -1, FALIGN_FEEDBACK, FALIGN_L, FALIGN_DW, FALIGN_M, FALIGN_M_SKEW, 23, 99};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    char text[150];
    snprintf(text, sizeof text,
             "a network has no quantity %d: want FALIGN_W (1), FALIGN_BIAS (2) or FALIGN_PARAMETERS (3)", others[i]);
    fails(FALIGN_INVALID, text, falign_network_set(network, others[i], 0, READ_F64(w, 3, 5, 5)));
    fails(FALIGN_INVALID, text, falign_network_get(network, others[i], 0, WRITE_F64(w, 3, 5, 5)));
    fails(FALIGN_INVALID, text, falign_network_view(network, others[i], 0, &view));
    fails(FALIGN_INVALID, text, falign_network_edit(network, others[i], 0, &matrix));
  }
  fails(FALIGN_INVALID, "the parameters are of all layers: l is 0, got 1",
        falign_network_get(network, FALIGN_PARAMETERS, 1, WRITE_F64(w, 1, 54, 54)));
  fails(FALIGN_INVALID, "out is NULL", falign_network_view(network, FALIGN_W, 0, NULL));
  fails(FALIGN_INVALID, "out is NULL", falign_network_edit(network, FALIGN_W, 0, NULL));
  ck_assert(view.rows == 7 && matrix.rows == 7);
  falign_network_destroy(network);
}
END_TEST

/* All quantities come from and go to matrices of any layout and precision. */
START_TEST(any_steps) {
  falign_precision own = _i ? FALIGN_F64 : FALIGN_F32;
  enum { PARAMETERS = 15 + 20 + 8 + 5 + 4 + 2 };
  static const struct {
    falign_quantity what;
    uint32_t l;
    size_t rows, cols;
  } all[] = {{FALIGN_W, 1, 5, 4}, {FALIGN_W, 2, 4, 2}, {FALIGN_BIAS, 1, 1, 5}, {FALIGN_PARAMETERS, 0, 1, PARAMETERS}};
  static layout_room room;
  double in[PARAMETERS];
  gaussian(in, PARAMETERS, 1, 1);
  round_as(FALIGN_F32, in, PARAMETERS);
  falign_network *whole = drawn(own, true, 1, 0), *network = drawn(own, true, 1, 0);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    ok(falign_network_set(whole, all[i].what, all[i].l, READ_F64(in, all[i].rows, all[i].cols, all[i].cols)));
    for (int choice = 0; choice < LAYOUTS * 2; choice++) {
      falign_precision precision = choice & 1 ? FALIGN_F64 : FALIGN_F32;
      ok(falign_network_draw(network, 1, 1, 1, 0));
      for (size_t j = 0; j < i; j++)
        ok(falign_network_set(network, all[j].what, all[j].l, READ_F64(in, all[j].rows, all[j].cols, all[j].cols)));
      falign_view from = lay_out_copy(&room, choice / 2, precision, all[i].rows, all[i].cols, in);
      ok(falign_network_set(network, all[i].what, all[i].l, &from));
      ck_assert(same_parameters(network, whole));
      falign_matrix to = lay_out(&room, choice / 2, precision, all[i].rows, all[i].cols, 42);
      ok(falign_network_get(network, all[i].what, all[i].l, &to));
      ck_assert(holds(&room, &to, 42, in));
    }
  }
  falign_network_destroy(whole);
  falign_network_destroy(network);
}
END_TEST

START_TEST(network_without_biases) {
  falign_network *network = drawn(FALIGN_F64, false, 1, 0), *with = drawn(FALIGN_F64, true, 1, 0);
  double b[5], w[20], v[20];
  ck_assert_int_eq(falign_network_has_biases(network), 0);
  ck_assert_uint_eq(falign_network_parameters(network), 15 + 20 + 8);
  fails(FALIGN_UNSUPPORTED, "no biases", falign_network_set(network, FALIGN_BIAS, 1, READ_F64(b, 1, 5, 5)));
  fails(FALIGN_UNSUPPORTED, "no biases", falign_network_get(network, FALIGN_BIAS, 1, WRITE_F64(b, 1, 5, 5)));
  falign_view view;
  falign_matrix matrix;
  fails(FALIGN_UNSUPPORTED, "no biases", falign_network_view(network, FALIGN_BIAS, 1, &view));
  fails(FALIGN_UNSUPPORTED, "no biases", falign_network_edit(network, FALIGN_BIAS, 1, &matrix));
  for (uint32_t l = 0; l < 3; l++) { /* leaving out b shifts no stream of W */
    size_t rows = widths[l], cols = widths[l + 1];
    ok(falign_network_get(network, FALIGN_W, l, WRITE_F64(w, rows, cols, cols)));
    ok(falign_network_get(with, FALIGN_W, l, WRITE_F64(v, rows, cols, cols)));
    ck_assert_mem_eq(w, v, rows * cols * sizeof *w);
  }
  falign_network_destroy(network);
  falign_network_destroy(with);
}
END_TEST

/* A view, and what can be edited, is the network's own storage: contiguous, in its precision. */
static void check_own_storage(falign_network *network, falign_quantity what, uint32_t l, size_t rows, size_t cols) {
  falign_view view;
  falign_matrix matrix;
  ok(falign_network_view(network, what, l, &view));
  ok(falign_network_edit(network, what, l, &matrix));
  ck_assert_ptr_eq(view.data, matrix.data);
  ck_assert_int_eq(view.precision, falign_network_precision(network));
  ck_assert_int_eq(matrix.precision, falign_network_precision(network));
  ck_assert(view.rows == rows && view.cols == cols && matrix.rows == rows && matrix.cols == cols);
  ck_assert(view.row_step == (ptrdiff_t)cols && view.col_step == 1);
  ck_assert(matrix.row_step == (ptrdiff_t)cols && matrix.col_step == 1);
  double numbers[64];
  set_element(&matrix, rows - 1, cols / 2, 42);
  ok(falign_network_get(network, what, l, WRITE_F64(numbers, rows, cols, cols)));
  ck_assert(numbers[(rows - 1) * cols + cols / 2] == 42 && element(&view, rows - 1, cols / 2) == 42);
}

START_TEST(in_place) {
  falign_network *network = drawn(_i ? FALIGN_F64 : FALIGN_F32, true, 1, 0);
  for (uint32_t l = 0; l < 3; l++) {
    check_own_storage(network, FALIGN_W, l, widths[l], widths[l + 1]);
    check_own_storage(network, FALIGN_BIAS, l + 1, 1, widths[l + 1]);
  }
  check_own_storage(network, FALIGN_PARAMETERS, 0, 1, falign_network_parameters(network));
  falign_view view, all;
  falign_matrix matrix;
  ok(falign_network_view(network, FALIGN_PARAMETERS, 0, &all));
  ok(falign_network_view(network, FALIGN_W, 0, &view));
  ck_assert_ptr_eq(view.data, all.data); /* W[0] comes first */
  fails(FALIGN_INVALID, "there is no W[3]: l goes from 0 to 2", falign_network_view(network, FALIGN_W, 3, &view));
  fails(FALIGN_INVALID, "there is no W[3]: l goes from 0 to 2", falign_network_edit(network, FALIGN_W, 3, &matrix));
  fails(FALIGN_INVALID, "there is no b[0]: l goes from 1 to 3", falign_network_view(network, FALIGN_BIAS, 0, &view));
  fails(FALIGN_INVALID, "there is no b[4]: l goes from 1 to 3", falign_network_edit(network, FALIGN_BIAS, 4, &matrix));
  fails(FALIGN_INVALID, "network is NULL", falign_network_view(NULL, FALIGN_W, 0, &view));
  fails(FALIGN_INVALID, "network is NULL", falign_network_edit(NULL, FALIGN_W, 0, &matrix));
  falign_network_destroy(network);
}
END_TEST

/* ---- Draws ---- */

/* The sample's mean and standard deviation are as asked for, within 5 of their own standard errors. */
static void check_moments(const double *sample, size_t count, double sd) {
  double mean = 0, square = 0;
  for (size_t i = 0; i < count; i++) mean += sample[i] / (double)count;
  for (size_t i = 0; i < count; i++) square += (sample[i] - mean) * (sample[i] - mean);
  near(mean, 0, 5 * sd / sqrt((double)count));
  near(sqrt(square / (double)(count - 1)), sd, 5 * sd / sqrt(2 * (double)count));
}

START_TEST(standard_deviations) {
  const size_t big[] = {200, 150, 180};
  falign_network *network = new_network(FALIGN_F64, 2, big, true, TANH);
  ok(falign_network_draw(network, 0.1, 3, 5, 0)); /* a standard deviation of 0.1, not a variance */
  check_moments(network_f64(network, FALIGN_W, 0), 200 * 150, 0.1);
  check_moments(network_f64(network, FALIGN_W, 1), 150 * 180, 0.1);
  check_moments(network_f64(network, FALIGN_BIAS, 1), 150, 3);
  check_moments(network_f64(network, FALIGN_BIAS, 2), 180, 3);
  falign_network_destroy(network);
}
END_TEST

/* Correlation of two samples of N(0, 1) is within 5 standard errors of 0. */
static void check_independent(const double *a, const double *b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += a[i] * b[i];
  near(sum / (double)count, 0, 5 / sqrt((double)count));
}

START_TEST(draws_are_independent) {
  enum { SIDE = 100, COUNT = SIDE * SIDE };
  const size_t big[] = {SIDE, SIDE, SIDE};
  static double drawn_w[4][2][COUNT];
  const struct {
    uint64_t seed;
    uint32_t run;
  } streams[] = {{1, 0}, {2, 0}, {1, 1}, {(uint64_t)1 << 32 | 1, 0}};
  falign_network *network = new_network(FALIGN_F64, 2, big, true, TANH);
  for (int s = 0; s < 4; s++) {
    ok(falign_network_draw(network, 1, 1, streams[s].seed, streams[s].run));
    for (uint32_t l = 0; l < 2; l++)
      ok(falign_network_get(network, FALIGN_W, l, WRITE_F64(drawn_w[s][l], SIDE, SIDE, SIDE)));
    check_independent(drawn_w[s][0], drawn_w[s][1], COUNT);
    check_independent(drawn_w[s][0], network_f64(network, FALIGN_BIAS, 1), SIDE);
    for (int t = 0; t < s; t++) check_independent(drawn_w[s][0], drawn_w[t][0], COUNT);
    for (int t = 0; t < s; t++) check_independent(drawn_w[s][1], drawn_w[t][1], COUNT);
  }
  falign_network_destroy(network);
}
END_TEST

/* W[l] and b[l] are the streams that the header names; f32 holds the same numbers, rounded. */
START_TEST(draws_are_the_named_streams) {
  falign_network *wide = drawn(FALIGN_F64, true, 9, 4), *narrow = drawn(FALIGN_F32, true, 9, 4);
  for (uint32_t l = 0; l < 3; l++) {
    for (int bias = 0; bias < 2; bias++) {
      falign_rng *rng = NULL;
      double want[20];
      size_t count = bias ? widths[l + 1] : widths[l] * widths[l + 1];
      ok(falign_rng_create(9, bias ? FALIGN_RNG_BIAS : FALIGN_RNG_W, bias ? l + 1 : l, 4, &rng));
      draw_normal(rng, 1, WRITE_F64(want, 1, count, count));
      falign_rng_destroy(rng);
      const double *got = bias ? network_f64(wide, FALIGN_BIAS, l + 1) : network_f64(wide, FALIGN_W, l);
      const float *got_f32 = bias ? network_f32(narrow, FALIGN_BIAS, l + 1) : network_f32(narrow, FALIGN_W, l);
      for (size_t i = 0; i < count; i++) ck_assert(got[i] == want[i] && got_f32[i] == (float)want[i]);
    }
  }
  falign_network_destroy(wide);
  falign_network_destroy(narrow);
}
END_TEST

START_TEST(draws_with_wrong_arguments) {
  falign_network *network = drawn(FALIGN_F64, true, 1, 0), *same = drawn(FALIGN_F64, true, 1, 0);
  fails(FALIGN_INVALID, "sd_w is a standard deviation from 0 to", falign_network_draw(network, -1, 1, 1, 0));
  fails(FALIGN_INVALID, "sd_b is a standard deviation from 0 to", falign_network_draw(network, 1, -1e-300, 1, 0));
  fails(FALIGN_INVALID, "sd_w is a standard deviation from 0 to", falign_network_draw(network, (double)NAN, 1, 1, 0));
  fails(FALIGN_INVALID, "sd_b is a standard deviation from 0 to",
        falign_network_draw(network, 1, (double)INFINITY, 1, 0));
  fails(FALIGN_INVALID, "network is NULL", falign_network_draw(NULL, 1, 1, 1, 0));
  ck_assert(same_parameters(network, same));
  ok(falign_network_draw(network, 0, 0, 1, 0));
  double *all = parameters(network);
  ck_assert(largest(all, falign_network_parameters(network)) == 0);
  free(all);
  falign_network_destroy(network);
  falign_network_destroy(same);
}
END_TEST

/* ---- Tensors ---- */

static falign_tensors *export_of(const falign_network *network) {
  falign_tensors *set = NULL;
  ok(falign_tensors_create(&set));
  ok(falign_network_export(network, set));
  return set;
}

START_TEST(export_and_import) {
  for (int choice = 0; choice < 8; choice++) {
    falign_precision from = choice & 1 ? FALIGN_F64 : FALIGN_F32, to = choice & 2 ? FALIGN_F64 : FALIGN_F32;
    falign_network *source = drawn(from, choice >> 2, 1, 0), *target = drawn(to, choice >> 2, 2, 0);
    falign_tensors *set = export_of(source);
    ck_assert_uint_eq(falign_tensors_count(set), choice >> 2 ? 6 : 3);
    ok(falign_network_import(target, set));
    double *want = parameters(source), *got = parameters(target);
    round_as(to, want, falign_network_parameters(source));
    ck_assert_mem_eq(got, want, falign_network_parameters(source) * sizeof *got);
    free(want);
    free(got);
    falign_tensors_destroy(set);
    falign_network_destroy(source);
    falign_network_destroy(target);
  }
}
END_TEST

START_TEST(names_and_shapes_of_tensors) {
  falign_network *network = drawn(FALIGN_F32, true, 1, 0);
  falign_tensors *set = export_of(network);
  for (uint32_t l = 0; l < 3; l++) {
    char name[8];
    falign_tensor tensor;
    snprintf(name, sizeof name, "W.%u", l);
    ok(falign_tensors_view(set, name, &tensor));
    ck_assert(tensor.dtype == FALIGN_DTYPE_F32 && tensor.rank == 2);
    ck_assert(tensor.dims[0] == widths[l] && tensor.dims[1] == widths[l + 1]);
    ck_assert_mem_eq(tensor.data, network_f32(network, FALIGN_W, l), widths[l] * widths[l + 1] * sizeof(float));
    snprintf(name, sizeof name, "b.%u", l + 1);
    ok(falign_tensors_view(set, name, &tensor));
    ck_assert(tensor.dtype == FALIGN_DTYPE_F32 && tensor.rank == 1 && tensor.dims[0] == widths[l + 1]);
  }
  fails(FALIGN_INVALID, "W.0", falign_network_export(network, set)); /* the names are there already */
  fails(FALIGN_INVALID, "tensors is NULL", falign_network_export(network, NULL));
  fails(FALIGN_INVALID, "network is NULL", falign_network_export(NULL, set));
  fails(FALIGN_INVALID, "tensors is NULL", falign_network_import(network, NULL));
  falign_tensors_destroy(set);
  falign_network_destroy(network);
}
END_TEST

/* What a set lacks stays as it is; names that are not the network's are left alone. */
START_TEST(import_of_a_part) {
  falign_network *network = drawn(FALIGN_F64, true, 1, 0), *before = drawn(FALIGN_F64, true, 1, 0);
  falign_tensors *set = NULL;
  const size_t dims[] = {5, 4}, length[] = {2};
  double w[20], v[20];
  gaussian(w, 20, 1, 3);
  ok(falign_tensors_create(&set));
  ok(falign_network_import(network, set));
  ck_assert(same_parameters(network, before));
  ok(falign_tensors_add(set, "W.1", FALIGN_DTYPE_F64, dims, 2, w));
  ok(falign_tensors_add(set, "b.3", FALIGN_DTYPE_F64, length, 1, w));
  ok(falign_tensors_add(set, "W.3", FALIGN_DTYPE_U8, NULL, 0, "x"));
  ok(falign_tensors_add(set, "B.1", FALIGN_DTYPE_U8, NULL, 0, "x"));
  ok(falign_network_import(network, set));
  ck_assert_mem_eq(network_f64(network, FALIGN_W, 1), w, sizeof w);
  ck_assert_mem_eq(network_f64(network, FALIGN_BIAS, 3), w, 2 * sizeof *w);
  ok(falign_network_get(before, FALIGN_W, 0, WRITE_F64(v, 3, 5, 5)));
  ck_assert_mem_eq(network_f64(network, FALIGN_W, 0), v, 15 * sizeof *v);
  ok(falign_network_get(before, FALIGN_BIAS, 2, WRITE_F64(v, 1, 4, 4)));
  ck_assert_mem_eq(network_f64(network, FALIGN_BIAS, 2), v, 4 * sizeof *v);
  falign_tensors_destroy(set);
  falign_network_destroy(network);
  falign_network_destroy(before);
}
END_TEST

/* One tensor that does not fit, after others that do: nothing is taken. */
START_TEST(import_is_all_or_nothing) {
  falign_network *network = drawn(FALIGN_F32, true, 1, 0), *before = drawn(FALIGN_F32, true, 1, 0);
  const size_t fits[] = {3, 5}, turned[] = {2, 4}, right[] = {4, 2}, one[] = {1, 2};
  const double good[15] = {0}, nan_inside[8] = {0, 0, 0, 0, 0, (double)NAN}, large[8] = {0, 1e39};
  const struct {
    const char *name;
    falign_dtype dtype;
    const size_t *dims;
    size_t rank;
    const void *data;
    falign_status want;
  } wrong[] = {{"W.2", FALIGN_DTYPE_F64, turned, 2, good, FALIGN_SHAPE},
               {"W.2", FALIGN_DTYPE_F64, right, 1, good, FALIGN_SHAPE},
               {"W.2", FALIGN_DTYPE_F64, NULL, 0, good, FALIGN_SHAPE},
               {"W.2", FALIGN_DTYPE_F64, right, 2, nan_inside, FALIGN_INVALID},
               {"W.2", FALIGN_DTYPE_F64, right, 2, large, FALIGN_INVALID},
               {"W.2", FALIGN_DTYPE_I64, right, 2, good, FALIGN_FORMAT},
               {"b.3", FALIGN_DTYPE_F64, one, 2, good, FALIGN_SHAPE},
               {"b.3", FALIGN_DTYPE_U8, one + 1, 1, good, FALIGN_FORMAT},
               {"b.3", FALIGN_DTYPE_F64, one, 1, good, FALIGN_SHAPE}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    falign_tensors *set = NULL;
    ok(falign_tensors_create(&set));
    ok(falign_tensors_add(set, "W.0", FALIGN_DTYPE_F64, fits, 2, good));
    ok(falign_tensors_add(set, wrong[i].name, wrong[i].dtype, wrong[i].dims, wrong[i].rank, wrong[i].data));
    fails(wrong[i].want, wrong[i].name, falign_network_import(network, set));
    ck_assert(same_parameters(network, before));
    falign_tensors_destroy(set);
  }
  falign_network_destroy(network);
  falign_network_destroy(before);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, shape_of_a_network);
  tcase_add_test(tests, one_layer_of_one_weight);
  tcase_add_test(tests, impossible_networks);
  tcase_add_test(tests, sizes_that_overflow);
  tcase_add_test(tests, sums_that_overflow);
  tcase_add_loop_test(tests, weights_round_trip, 0, 2);
  tcase_add_loop_test(tests, biases_round_trip, 0, 2);
  tcase_add_test(tests, layers_do_not_overlap);
  tcase_add_loop_test(tests, numbers_that_are_not_finite, 0, 2);
  tcase_add_test(tests, doubles_too_large_for_f32);
  tcase_add_test(tests, wrong_shapes);
  tcase_add_test(tests, layers_out_of_range);
  tcase_add_test(tests, other_quantities);
  tcase_add_loop_test(tests, any_steps, 0, 2);
  tcase_add_test(tests, network_without_biases);
  tcase_add_loop_test(tests, in_place, 0, 2);
  tcase_add_test(tests, standard_deviations);
  tcase_add_test(tests, draws_are_independent);
  tcase_add_test(tests, draws_are_the_named_streams);
  tcase_add_test(tests, draws_with_wrong_arguments);
  tcase_add_test(tests, export_and_import);
  tcase_add_test(tests, names_and_shapes_of_tensors);
  tcase_add_test(tests, import_of_a_part);
  tcase_add_test(tests, import_is_all_or_nothing);
}

int main(void) { return run_suite("network", add_tests); }
