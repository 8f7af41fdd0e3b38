/* SPDX-License-Identifier: Apache-2.0 */
/* One step of backpropagation on one data point in FANN, floats, on the paper's network: forward, backward, update.
 * Argument: SECONDS. FANN runs on one thread, and has no tanh(relu): it gets its logistic function, as it is and in the
 * steps that stand in for it, which are faster. */
#include <fann.h>

#include "bench.h"

enum { POINTS = 60000, INPUTS = 225, OUTPUTS = 50, MOST = 1000 };

typedef struct {
  struct fann *network;
  float *x, *y;
  size_t at;
} bench;

static float *draw(uint32_t number, double sd, size_t count) {
  falign_rng *rng;
  float *numbers = malloc(count * sizeof *numbers);
  if (numbers == NULL) exit(EXIT_FAILURE);
  falign_matrix row = falign_matrix_f32(numbers, 1, count);
  OK(falign_rng_create(1, FALIGN_RNG_USER, number, 0, &rng));
  OK(falign_rng_normal(rng, sd, &row));
  falign_rng_destroy(rng);
  return numbers;
}

static void do_steps(void *arg) {
  bench *b = arg;
  for (int i = 0; i < MOST; i++) {
    fann_train(b->network, b->x + b->at * INPUTS, b->y + b->at * OUTPUTS);
    b->at = (b->at + 1) % POINTS;
  }
}

static void measure_activation(const char *name, bench *b, enum fann_activationfunc_enum activation, double total) {
  static const unsigned widths[] = {INPUTS, 50, 50, 50, 50, OUTPUTS};
  b->network = fann_create_standard_array(6, widths);
  if (b->network == NULL) exit(EXIT_FAILURE);
  fann_set_activation_function_hidden(b->network, activation);
  fann_set_activation_function_output(b->network, activation);
  fann_set_training_algorithm(b->network, FANN_TRAIN_INCREMENTAL);
  fann_set_learning_rate(b->network, 0.0005F);
  measure(name, do_steps, b, MOST, total);
  fann_destroy(b->network);
}

int main(int argc, char **argv) {
  double total = argc > 1 ? strtod(argv[1], NULL) : 0.2;
  bench b = {NULL, draw(0, 0.07, (size_t)POINTS * INPUTS), draw(1, 0.3, (size_t)POINTS * OUTPUTS), 0};
  measure_activation("fann_bp_1", &b, FANN_SIGMOID, total);
  measure_activation("fann_stepwise_bp_1", &b, FANN_SIGMOID_STEPWISE, total);
  free(b.x);
  free(b.y);
  return EXIT_SUCCESS;
}
