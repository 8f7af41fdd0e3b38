/* SPDX-License-Identifier: Apache-2.0 */
/* For a small machine: a build without files, threads, BLAS and LAPACK is enough. All memory is allocated before the
 * loop; inside it the library allocates nothing, and the network learns from rows as they arrive. */
#include <falign/falign.h>

enum { INPUTS = 4, HIDDEN = 12, OUTPUTS = 1, ROWS = 16, STEPS = 3000 };

/* Reads the sensors: four readings in each row of x, and in y the value to predict from them. */
static falign_status read_sensors(falign_rng *rng, float x[ROWS * INPUTS], float y[ROWS * OUTPUTS]) {
  falign_matrix readings = falign_matrix_f32(x, ROWS, INPUTS);
  falign_status status = falign_rng_normal(rng, 1, &readings);
  for (int i = 0; i < ROWS; i++) y[i] = x[4 * i] - 0.5f * x[4 * i + 1] * x[4 * i + 2];
  return status;
}

static falign_status set_up(falign_network **network, falign_rule **rule, falign_trainer **trainer, falign_rng **rng) {
  const size_t widths[] = {INPUTS, HIDDEN, HIDDEN, OUTPUTS};
  falign_activation *tanh, *linear;
  falign_backend *builtin;
  falign_status status = falign_network_create(FALIGN_F32, 3, widths, 1, network);
  if (status == FALIGN_OK) status = falign_activation_create("tanh", &tanh);
  if (status == FALIGN_OK) status = falign_activation_create("linear", &linear);
  for (uint32_t l = 1; status == FALIGN_OK && l <= 3; l++)
    status = falign_network_set_activation(*network, l, l < 3 ? tanh : linear);
  if (status == FALIGN_OK) status = falign_network_draw(*network, 0.5, 0, 1, 0);
  if (status == FALIGN_OK) status = falign_rule_create("fa", *network, rule);
  if (status == FALIGN_OK) status = falign_rule_draw(*rule, 0.5, 1, 0);
  if (status == FALIGN_OK) status = falign_trainer_create(*network, *rule, 0.003, trainer);
  if (status == FALIGN_OK) status = falign_backend_create("builtin", &builtin); /* a BLAS may allocate */
  if (status == FALIGN_OK) status = falign_trainer_set_backend(*trainer, builtin);
  if (status == FALIGN_OK) status = falign_rng_create(1, FALIGN_RNG_USER, 0, 0, rng);
  return status;
}

int main(void) {
  falign_network *network = NULL;
  falign_rule *rule = NULL;
  falign_trainer *trainer = NULL;
  falign_rng *rng = NULL;
  float x[ROWS * INPUTS] = {0}, y[ROWS * OUTPUTS] = {0};
  falign_view x_view = falign_view_f32(x, ROWS, INPUTS), y_view = falign_view_f32(y, ROWS, OUTPUTS);
  double first = 0, last = 0;
  falign_status status = set_up(&network, &rule, &trainer, &rng);

  /* A probe computes everything of a step and learns nothing: it allocates the memory for batches of this size. */
  if (status == FALIGN_OK) status = falign_trainer_probe(trainer, &x_view, &y_view);

  for (int k = 0; status == FALIGN_OK && k < STEPS; k++) {
    status = read_sensors(rng, x, y);
    if (status == FALIGN_OK) status = falign_trainer_step(trainer, &x_view, &y_view);
    if (status == FALIGN_OK)
      last += (falign_trace_step(falign_trainer_trace(trainer))->loss - last) / 100; /* smoothed */
    if (k == 300) first = last;
  }

  falign_rng_destroy(rng);
  falign_trainer_destroy(trainer);
  falign_rule_destroy(rule);
  falign_network_destroy(network);
  return status == FALIGN_OK && last < 0.5 * first ? 0 : 1;
}
