/* SPDX-License-Identifier: Apache-2.0 */
#include "learning.h"

/* BP against central differences of the loss, which plain loops compute (section 4.1: dW = -eta dLoss/dW). */

/* Central differences of steps h and 2 h together, (4 D(h) - D(2h)) / 3, err by h^4 / 7.5 of the fifth derivative: with
 * h = 2e-4 by 2e-16 times a number that is below 1e6 here. The loss is rounded by some 2^-52 of itself, which over h
 * is 1e-12 of the loss; a layer's largest gradient is at least 1e-3 of it, so this makes 1e-9. Where there are kinks h
 * is smaller, so that few are reached, and the two errors 1e-15 and 2e-8. All this is below the 1e-7 asked for. */
static const double tolerance = 1e-7;

static double h_for(activation f) { return has_kink(f) ? 1e-5 : 2e-4; }

enum { MOST_ROWS = 131 };

static const size_t shapes[MAX_LAYERS][MAX_LAYERS + 1] = {{5, 3},          {3, 7, 2},          {4, 5, 3, 3},
                                                          {1, 6, 3, 5, 2}, {7, 5, 6, 4, 5, 3}, {3, 8, 5, 7, 6, 5, 1}};
static const size_t batches[] = {1, 3, 8, MOST_ROWS}; /* the last in two blocks of rows */

static plain model;
static double x[MOST_ROWS * MAX_WIDTH], y[MOST_ROWS * MAX_WIDTH];
static bool above[MAX_LAYERS + 1][MAX_ROWS][MAX_WIDTH];

static void sine(void *user, const double *z, double *out, size_t count) {
  (void)user;
  for (size_t i = 0; i < count; i++) out[i] = sin(z[i]);
}

static void cosine(void *user, const double *z, double *out, size_t count) {
  (void)user;
  for (size_t i = 0; i < count; i++) out[i] = cos(z[i]);
}

static double loss_at(size_t rows) {
  plain_forward(&model, x, rows);
  return plain_loss(&model, rows, y);
}

static void note_sides(size_t rows) {
  for (uint32_t l = 1; l <= model.d; l++) {
    for (size_t r = 0; r < rows; r++) {
      for (size_t j = 0; j < model.n[l]; j++) above[l][r][j] = model.z[l][r][j] > 0;
    }
  }
}

/* Whether a unit is on the other side of its kink than note_sides() found it. */
static bool sides_changed(size_t rows) {
  for (uint32_t l = 1; l <= model.d && has_kink(model.f); l++) {
    for (size_t r = 0; r < rows; r++) {
      for (size_t j = 0; j < model.n[l]; j++) {
        if (above[l][r][j] != (model.z[l][r][j] > 0)) return true;
      }
    }
  }
  return false;
}

/* -dLoss/dp by differences; NaN where a step takes a unit over its kink. */
static double slope(double *p, size_t rows) {
  static const double places[] = {-2, -1, 1, 2};
  double at = *p, losses[4], h = h_for(model.f);
  bool over = false;
  for (int i = 0; i < 4; i++) {
    *p = at + places[i] * h;
    losses[i] = loss_at(rows);
    if (i == 0) note_sides(rows);
    over |= sides_changed(rows);
  }
  *p = at;
  return over ? (double)NAN : (8 * (losses[1] - losses[2]) - (losses[0] - losses[3])) / (12 * h);
}

/* Slopes of all weights and biases, to model.dw and model.db. False where a layer has none above a thousandth of the
 * loss: such a draw would test little. Counts parameters, and those that were excluded. */
static bool find_slopes(size_t rows, int *count, int *excluded) {
  double least = 1e-3 * loss_at(rows);
  for (uint32_t l = 0; l < model.d; l++) {
    double most_w = 0, most_b = 0;
    for (size_t j = 0; j < model.n[l + 1]; j++) {
      for (size_t i = 0; i < model.n[l]; i++) {
        double g = model.dw[l][i][j] = slope(&model.w[l][i][j], rows);
        most_w = fmax(most_w, fabs(g));
        *excluded += isnan(g) != 0;
      }
      double g = model.db[l + 1][j] = slope(&model.b[l + 1][j], rows);
      most_b = fmax(most_b, fabs(g));
      *excluded += isnan(g) != 0;
    }
    *count += (int)((model.n[l] + 1) * model.n[l + 1]);
    if (most_w < least || most_b < least) return false;
  }
  return true;
}

/* The largest error of `cols` columns over the largest number. */
static double compare(const double *got, const double *want, size_t want_stride, size_t rows, size_t cols) {
  double error = 0, most = 0;
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = 0; j < cols; j++) {
      double g = want[i * want_stride + j];
      if (isnan(g)) continue;
      error = fmax(error, isnan(got[i * cols + j]) ? (double)INFINITY : fabs(got[i * cols + j] - g));
      most = fmax(most, fabs(g));
    }
  }
  return error / most;
}

static void check_step(const learner *by, size_t rows) {
  ok(step(by, x, rows, y));
  near(falign_trace_step(falign_trainer_trace(by->trainer))->loss, loss_at(rows), 1e-13 * loss_at(rows));
  for (uint32_t l = 0; l < model.d; l++) {
    size_t n = model.n[l], m = model.n[l + 1];
    double of_w = compare(seen(by, FALIGN_DW, l, n, m), model.dw[l][0], MAX_WIDTH, n, m);
    ck_assert_msg(of_w <= tolerance, "%s, d = %u, %zu rows: dW[%u] is off by %g", activation_names[model.f], model.d,
                  rows, l, of_w);
    if (!model.biases) continue;
    double of_b = compare(seen(by, FALIGN_DB, l + 1, 1, m), model.db[l + 1], MAX_WIDTH, 1, m);
    ck_assert_msg(of_b <= tolerance, "%s, d = %u, %zu rows: db[%u] is off by %g", activation_names[model.f], model.d,
                  rows, l + 1, of_b);
  }
}

static learner make(uint32_t d, activation f, bool biases, uint64_t seed) {
  falign_network *network = new_network(FALIGN_F64, d, shapes[d - 1], biases, f);
  for (uint32_t l = 1; l <= d && f == CUSTOM; l++) ok(activate_custom(network, l, sine, cosine, NULL));
  return new_learner(network, "bp", 1, seed, 1); /* sd 1; with eta = 1 dW is minus the gradient */
}

/* One network and batch: of the seeds, the first for which every layer has a gradient. */
static void check(uint32_t d, activation f, bool biases, size_t rows, int *count, int *excluded) {
  gaussian(x, rows * shapes[d - 1][0], 1, 2 * d);
  gaussian(y, rows * shapes[d - 1][d], 1, 2 * d + 1);
  for (uint64_t seed = 0; seed < 100; seed++) {
    int parameters_here = 0, excluded_here = 0;
    learner by = make(d, f, biases, seed);
    plain_read(&model, by.network, NULL);
    bool alive = find_slopes(rows, &parameters_here, &excluded_here);
    if (alive) check_step(&by, rows);
    free_learner(&by);
    if (!alive) continue;
    *count += parameters_here;
    *excluded += excluded_here;
    return;
  }
  ck_abort_msg("%s, d = %u, %zu rows: no draw has a gradient in every layer", activation_names[f], d, rows);
}

START_TEST(bp_is_the_gradient) {
  activation f = (activation)_i;
  int count = 0, excluded = 0;
  for (uint32_t d = 1; d <= MAX_LAYERS; d++) {
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
      check(d, f, true, batches[b], &count, &excluded);
      if (batches[b] < 100) check(d, f, false, batches[b], &count, &excluded);
    }
  }
  /* A unit's z is within 2 h of 0 with a probability of about 2 h, and the largest batch has 131 * 31 units, of which a
   * parameter moves some: hardly one in a hundred takes a unit over. */
  ck_assert_msg(count > 1000 && excluded <= (has_kink(f) ? count / 100 : 0), "%s: %d of %d parameters excluded",
                activation_names[f], excluded, count);
}
END_TEST

static void set_mixed(falign_network *network) {
  ok(activate(network, 1, LOGISTIC));
  ok(activate(network, 2, LINEAR));
  ok(activate_custom(network, 3, sine, cosine, NULL));
  ok(activate(network, 4, TANH));
  ok(activate(network, 5, LOGISTIC));
}

/* The loss with W[l][p] moved by `by`, as the library's own trace has it; with eta = 0 nothing else moves. */
static double probe(const learner *with, uint32_t l, size_t p, double by, size_t rows) {
  double *w = network_f64(with->network, FALIGN_W, l), at = w[p];
  w[p] = at + by;
  ok(step(with, x, rows, y));
  w[p] = at;
  return falign_trace_step(falign_trainer_trace(with->trainer))->loss;
}

/* Each layer by another function. */
START_TEST(mixed_activations) {
  const size_t *n = shapes[4], rows = 4;
  learner by = make(5, TANH, true, 1), probing = make(5, TANH, true, 1);
  gaussian(x, rows * n[0], 1, 1);
  gaussian(y, rows * n[5], 1, 2);
  set_mixed(by.network);
  set_mixed(probing.network);
  ok(falign_trainer_set_eta(probing.trainer, 0));
  ok(step(&by, x, rows, y));
  for (uint32_t l = 0; l < 5; l++) {
    double slopes[8 * 8], h = h_for(TANH);
    for (size_t p = 0; p < n[l] * n[l + 1]; p++) {
      double once = probe(&probing, l, p, -h, rows) - probe(&probing, l, p, h, rows);
      double twice = probe(&probing, l, p, -2 * h, rows) - probe(&probing, l, p, 2 * h, rows);
      slopes[p] = (8 * once - twice) / (12 * h);
    }
    ck_assert(largest(slopes, n[l] * n[l + 1]) > 1e-3);
    double error = compare(seen(&by, FALIGN_DW, l, n[l], n[l + 1]), slopes, n[l + 1], n[l], n[l + 1]);
    ck_assert_msg(error <= tolerance, "dW[%u] is off by %g", l, error);
  }
  free_learner(&by);
  free_learner(&probing);
}
END_TEST

/* At a kink the derivative is 0, as the header says. */
START_TEST(derivative_at_the_kink) {
  const size_t n[] = {1, 1};
  const double one = 1, zero = 0;
  for (activation f = TANH_RELU; f <= RELU; f++) {
    learner by = {.network = new_network(FALIGN_F64, 1, n, true, f)};
    ok(falign_rule_create("bp", by.network, &by.rule));
    ok(falign_trainer_create(by.network, by.rule, 1, &by.trainer));
    ok(step(&by, &zero, 1, &one));
    ck_assert(*seen(&by, FALIGN_DB, 1, 1, 1) == 0);
    *network_f64(by.network, FALIGN_BIAS, 1) = 1e-9;
    ok(step(&by, &zero, 1, &one));
    near(*seen(&by, FALIGN_DB, 1, 1, 1), 1, 1e-8);
    free_learner(&by);
  }
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_loop_test(tests, bp_is_the_gradient, TANH_RELU, CUSTOM + 1);
  tcase_add_test(tests, mixed_activations);
  tcase_add_test(tests, derivative_at_the_kink);
}

int main(void) { return run_suite("gradient", add_tests); }
