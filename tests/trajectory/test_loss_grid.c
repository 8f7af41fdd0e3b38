/* SPDX-License-Identifier: Apache-2.0 */
#include "components.h"

/* A grid in the plane of two of the three components of four points. */
enum { COUNT = 3, X_COUNT = 4, Y_COUNT = 3, GRID = X_COUNT * Y_COUNT };

static const double grid_x[X_COUNT] = {-1.5, 0, 0.25, 3}, grid_y[Y_COUNT] = {-2, 0, 1};

static falign_components *components_around(const falign_network *network) {
  falign_trajectory *trajectory = NULL;
  falign_components *found = NULL;
  size_t numbers = falign_network_parameters(network);
  double *point = malloc(numbers * sizeof *point);
  ck_assert_ptr_nonnull(point);
  ok(falign_trajectory_create(falign_network_precision(network), numbers, &trajectory));
  for (uint32_t i = 0; i <= COUNT; i++) {
    gaussian(point, numbers, 0.2 * (i + 1), i);
    ok(falign_trajectory_add(trajectory, READ_F64(point, 1, numbers, numbers)));
  }
  ok(falign_components_create(trajectory, COUNT, &found));
  falign_trajectory_destroy(trajectory);
  free(point);
  return found;
}

/* Puts W[0], b[1], W[1], ... into a network, one matrix after the other. */
static void set_parameters(falign_network *network, const double *at) {
  for (uint32_t l = 0; l < falign_network_layers(network); l++) {
    size_t rows = falign_network_width(network, l), cols = falign_network_width(network, l + 1);
    ok(falign_network_set(network, FALIGN_W, l, READ_F64(at, rows, cols, cols)));
    at += rows * cols;
    if (!falign_network_has_biases(network)) continue;
    ok(falign_network_set(network, FALIGN_BIAS, l + 1, READ_F64(at, 1, cols, cols)));
    at += cols;
  }
}

/* The loss of `by` with its weights at mean + x a + y b. */
static double loss_at(const learner *by, const falign_components *found, size_t a, size_t b, double x, double y,
                      falign_batches *batches) {
  size_t numbers = falign_network_parameters(by->network);
  double *point = malloc(numbers * sizeof *point), loss = -1;
  ck_assert_ptr_nonnull(point);
  for (size_t j = 0; j < numbers; j++)
    point[j] = mean_of(found)[j] + x * direction_of(found, a)[j] + y * direction_of(found, b)[j];
  set_parameters(by->network, point);
  ok(falign_trainer_evaluate(by->trainer, batches, &loss, NULL));
  free(point);
  return loss;
}

static void sine(void *user, const double *z, double *out, size_t count) {
  for (size_t i = 0; i < count; i++) out[i] = *(double *)user * sin(z[i]);
}

static void cosine(void *user, const double *z, double *out, size_t count) {
  for (size_t i = 0; i < count; i++) out[i] = *(double *)user * cos(z[i]);
}

/* A network of which each layer has another activation, one of them the caller's. */
static learner mixed_learner(falign_precision precision, bool biases) {
  static double twice = 2;
  falign_network *network = new_network(precision, TASK_LAYERS, task_widths, biases, CUSTOM);
  ok(activate(network, 1, LOGISTIC));
  ok(activate_custom(network, 2, sine, cosine, &twice));
  ok(activate(network, 3, LINEAR));
  return new_learner(network, "fa", 0.5, 1, 0.1);
}

/* The grid in the plane of components a and b. */
static falign_grid grid_of(size_t a, size_t b) {
  return (falign_grid){.a = a, .b = b, .x = grid_x, .x_count = X_COUNT, .y = grid_y, .y_count = Y_COUNT, .threads = 1};
}

static falign_status fill(const falign_components *found, const learner *by, falign_batches *batches, uint32_t threads,
                          double loss[GRID]) {
  falign_grid grid = grid_of(2, 0);
  grid.threads = threads;
  return falign_components_loss_grid(found, by->network, batches, &grid, WRITE_F64(loss, Y_COUNT, X_COUNT, X_COUNT));
}

/* Bit by bit, and the network that was given stays as it was. */
START_TEST(losses_by_hand) {
  skip_unless(have_lapack(), no_lapack);
  draw_task();
  for (int choice = 0; choice < 4; choice++) {
    falign_precision precision = choice % 2 ? FALIGN_F64 : FALIGN_F32;
    learner by = mixed_learner(precision, choice / 2), same = mixed_learner(precision, choice / 2);
    falign_components *found = components_around(by.network);
    falign_batches *batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_EPOCH);
    double loss[GRID];
    ok(fill(found, &by, batches, 1, loss));
    ck_assert(same_parameters(by.network, same.network));
    for (size_t i = 0; i < GRID; i++) {
      double x = grid_x[i % X_COUNT], y = grid_y[i / X_COUNT], want = loss_at(&same, found, 2, 0, x, y, batches);
      ck_assert_msg(loss[i] == want, "x %g, y %g: %g, not %g", x, y, loss[i], want);
    }
    falign_components_destroy(found);
    falign_batches_destroy(batches);
    free_learner(&by);
    free_learner(&same);
  }
}
END_TEST

START_TEST(threads_give_the_same_bits) {
  double one[GRID], more[GRID];
  skip_unless(have_lapack(), no_lapack);
  draw_task();
  learner by = mixed_learner(FALIGN_F32, true);
  falign_components *found = components_around(by.network);
  falign_batches *batches = task_batches(TASK_ROWS, 1000, FALIGN_ORDER_NONE);
  ok(fill(found, &by, batches, 1, one));
  for (uint32_t threads = 2; threads <= 3; threads++) {
    falign_status status = fill(found, &by, batches, threads, more);
    if (status == FALIGN_UNSUPPORTED) {
      skip_part(no_threads);
      break;
    }
    ok(status);
    ck_assert_mem_eq(more, one, sizeof one);
  }
  falign_components_destroy(found);
  falign_batches_destroy(batches);
  free_learner(&by);
}
END_TEST

typedef struct {
  uint64_t calls, stop_at;
} counter;

static int32_t count_calls(void *user, uint64_t done, uint64_t total) {
  counter *by = user;
  ck_assert_uint_eq(done, ++by->calls);
  ck_assert_uint_eq(total, GRID);
  return done == by->stop_at;
}

START_TEST(progress_and_cancelling) {
  double loss[GRID], untouched[GRID];
  skip_unless(have_lapack(), no_lapack);
  draw_task();
  learner by = mixed_learner(FALIGN_F64, true);
  falign_components *found = components_around(by.network);
  falign_batches *batches = task_batches(TASK_POINTS, TASK_POINTS, FALIGN_ORDER_NONE);
  for (size_t i = 0; i < GRID; i++) loss[i] = untouched[i] = 42;
  counter calls = {.stop_at = 5};
  falign_grid grid = grid_of(0, 1);
  grid.progress = count_calls;
  grid.user = &calls;
  const falign_matrix out = falign_matrix_f64(loss, Y_COUNT, X_COUNT);
  fails(FALIGN_CANCELLED, "after 5 of 12", falign_components_loss_grid(found, by.network, batches, &grid, &out));
  ck_assert_uint_eq(calls.calls, 5);
  ck_assert_mem_eq(loss, untouched, sizeof loss);
  calls = (counter){0};
  ok(falign_components_loss_grid(found, by.network, batches, &grid, &out));
  ck_assert_uint_eq(calls.calls, GRID);
  for (size_t i = 0; i < GRID; i++) ck_assert(isfinite(loss[i]) && loss[i] != 42);
  static layout_room room;
  for (int layout = 0; layout < LAYOUTS * 2; layout++) {
    falign_matrix to = lay_out(&room, layout / 2, layout & 1 ? FALIGN_F64 : FALIGN_F32, Y_COUNT, X_COUNT, -1);
    calls = (counter){0};
    ok(falign_components_loss_grid(found, by.network, batches, &grid, &to));
    ck_assert(holds(&room, &to, -1, loss));
  }
  grid = grid_of(0, 1);
  grid.x_count = 0;
  ok(falign_components_loss_grid(found, by.network, batches, &grid, WRITE_F64(loss, Y_COUNT, 0, 1)));
  falign_components_destroy(found);
  falign_batches_destroy(batches);
  free_learner(&by);
}
END_TEST

/* Far away: weights that are not finite or beyond single precision, activities that overflow, a loss that does. Points
 * beside them have the loss that they would have alone. */
START_TEST(points_that_overflow) {
  enum { FAR = 6 };
  const double far[FAR] = {NAN, INFINITY, 1e300, 0.5, -1e120, -1e60}, zero = 0;
  skip_unless(have_lapack(), no_lapack);
  draw_task();
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    learner by = new_learner(new_network(precision, TASK_LAYERS, task_widths, true, LINEAR), "fa", 0.5, 1, 0.1);
    falign_components *found = components_around(by.network);
    falign_batches *batches = task_batches(TASK_POINTS, TASK_POINTS, FALIGN_ORDER_NONE);
    double loss[FAR];
    const falign_grid grid = {.a = 0, .b = 1, .x = far, .x_count = FAR, .y = &zero, .y_count = 1, .threads = 1};
    ok(falign_components_loss_grid(found, by.network, batches, &grid, WRITE_F64(loss, 1, FAR, FAR)));
    for (int i = 0; i < FAR; i++) {
      double want = i == 3 ? loss_at(&by, found, 0, 1, far[i], 0, batches) : (double)INFINITY;
      ck_assert_msg(loss[i] == want, "x %g: %g, not %g", far[i], loss[i], want);
    }
    falign_components_destroy(found);
    falign_batches_destroy(batches);
    free_learner(&by);
  }
}
END_TEST

START_TEST(bad_arguments) {
  const size_t narrow[] = {7, 9, 6, 3}, shifted[] = {8, 2, 4};
  double loss[GRID], x[2] = {0, 1};
  skip_unless(have_lapack(), no_lapack);
  draw_task();
  learner by = task_learner(FALIGN_F64, "fa");
  falign_network *fewer = new_network(FALIGN_F64, TASK_LAYERS, narrow, true, TANH);
  falign_network *wider = new_network(FALIGN_F64, 2, shifted, true, TANH);
  falign_components *found = components_around(by.network), *of_fewer = components_around(fewer);
  falign_components *of_wider = components_around(wider);
  falign_batches *batches = task_batches(TASK_POINTS, TASK_POINTS, FALIGN_ORDER_NONE);
  for (size_t i = 0; i < GRID; i++) loss[i] = 42;
  struct {
    falign_status want;
    const char *text;
    const falign_components *components;
    const falign_network *network;
    falign_batches *batches;
    falign_grid grid;
    double *loss;
  } cases[] = {
      {FALIGN_INVALID,
       "there is no component 3: they go from 0 to 2",
       found,
       by.network,
       batches,
       {3, 0, x, 2, x, 2, 1, NULL, NULL},
       loss},
      {FALIGN_INVALID, "there is no component 7", found, by.network, batches, {0, 7, x, 2, x, 2, 1, NULL, NULL}, loss},
      {FALIGN_SHAPE,
       "the components have 160 coordinates, but the network has 153 parameters",
       found,
       fewer,
       batches,
       {0, 1, x, 2, x, 2, 1, NULL, NULL},
       loss},
      {FALIGN_SHAPE,
       "4 numbers, the network 3 outputs",
       of_fewer,
       fewer,
       batches,
       {0, 1, x, 2, x, 2, 1, NULL, NULL},
       loss},
      {FALIGN_SHAPE, "7 inputs, the network 8", of_wider, wider, batches, {0, 1, x, 2, x, 2, 1, NULL, NULL}, loss},
      {FALIGN_SHAPE, "7 inputs, the network 8", of_wider, wider, batches, {0, 1, x, 0, x, 2, 1, NULL, NULL}, loss},
      {FALIGN_INVALID, "threads go from 1", found, by.network, batches, {0, 1, x, 2, x, 2, 0, NULL, NULL}, loss},
      {FALIGN_INVALID, "threads go from 1", found, by.network, batches, {0, 1, x, 2, x, 2, 1025, NULL, NULL}, loss},
      {FALIGN_MEMORY,
       "no memory for a grid",
       found,
       by.network,
       batches,
       {0, 1, x, SIZE_MAX / 64, x, 2, 1, NULL, NULL},
       loss},
      {FALIGN_INVALID, "components is NULL", NULL, by.network, batches, {0, 1, x, 2, x, 2, 1, NULL, NULL}, loss},
      {FALIGN_INVALID, "network is NULL", found, NULL, batches, {0, 1, x, 2, x, 2, 1, NULL, NULL}, loss},
      {FALIGN_INVALID, "batches is NULL", found, by.network, NULL, {0, 1, x, 2, x, 2, 1, NULL, NULL}, loss},
      {FALIGN_INVALID, "x is NULL", found, by.network, batches, {0, 1, NULL, 2, x, 2, 1, NULL, NULL}, loss},
      {FALIGN_INVALID, "y is NULL", found, by.network, batches, {0, 1, x, 2, NULL, 2, 1, NULL, NULL}, loss},
      {FALIGN_INVALID, "loss is NULL", found, by.network, batches, {0, 1, x, 2, x, 2, 1, NULL, NULL}, NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    fails(cases[i].want, cases[i].text,
          falign_components_loss_grid(
              cases[i].components, cases[i].network, cases[i].batches, &cases[i].grid,
              cases[i].loss ? WRITE_F64(cases[i].loss, 2, cases[i].grid.x_count, cases[i].grid.x_count) : NULL));
  const falign_grid two = {0, 1, x, 2, x, 2, 1, NULL, NULL};
  fails(FALIGN_SHAPE, "loss is 2 x 2, got 2 x 3",
        falign_components_loss_grid(found, by.network, batches, &two, WRITE_F64(loss, 2, 3, 3)));
  fails(FALIGN_INVALID, "loss is 2 x 2 with invalid steps: 1 from row to row, 1 from column to column",
        falign_components_loss_grid(found, by.network, batches, &two, WRITE_F64(loss, 2, 2, 1)));
  fails(FALIGN_INVALID, "grid is NULL",
        falign_components_loss_grid(found, by.network, batches, NULL, WRITE_F64(loss, 2, 2, 2)));
  for (size_t i = 0; i < GRID; i++) ck_assert(loss[i] == 42);
  falign_components_destroy(found);
  falign_components_destroy(of_fewer);
  falign_components_destroy(of_wider);
  falign_batches_destroy(batches);
  falign_network_destroy(fewer);
  falign_network_destroy(wider);
  free_learner(&by);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, losses_by_hand);
  tcase_add_test(tests, threads_give_the_same_bits);
  tcase_add_test(tests, progress_and_cancelling);
  tcase_add_test(tests, points_that_overflow);
  tcase_add_test(tests, bad_arguments);
}

int main(void) { return run_suite("loss grid", add_tests); }
