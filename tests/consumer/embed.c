/* SPDX-License-Identifier: Apache-2.0 */
/* For a small machine: a build without files, threads, BLAS and LAPACK is enough. All memory is taken before the loop;
 * in it the library allocates nothing, and the network learns from rows as they come. */
#include <falign/falign.h>

enum { INPUTS = 4, HIDDEN = 12, OUTPUTS = 1, ROWS = 16, STEPS = 3000 };

/* What the sensors say: four readings a row, and what is to be foretold of them. */
static void read_sensors(falign_rng *rng, float x[ROWS * INPUTS], float y[ROWS * OUTPUTS]) {
  falign_rng_normal_f32(rng, 1, x, ROWS * INPUTS);
  for (int i = 0; i < ROWS; i++) y[i] = x[4 * i] - 0.5f * x[4 * i + 1] * x[4 * i + 2];
}

static falign_status set_up(falign_network **network, falign_rule **rule, falign_trainer **trainer, falign_rng **rng) {
  const size_t widths[] = {INPUTS, HIDDEN, HIDDEN, OUTPUTS};
  falign_backend *builtin;
  falign_status status = falign_network_create(FALIGN_F32, 3, widths, 1, network);
  for (uint32_t l = 1; status == FALIGN_OK && l <= 3; l++)
    status = falign_network_set_activation(*network, l, l < 3 ? FALIGN_TANH : FALIGN_LINEAR);
  if (status == FALIGN_OK) status = falign_network_draw(*network, 0.5, 0, 1, 0);
  if (status == FALIGN_OK) status = falign_rule_create_fa(*network, rule);
  if (status == FALIGN_OK) status = falign_rule_draw(*rule, 0.5, 1, 0);
  if (status == FALIGN_OK) status = falign_trainer_create(*network, *rule, 0.003, trainer);
  if (status == FALIGN_OK) status = falign_backend_find("builtin", &builtin); /* a BLAS may allocate as it likes */
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
  double first = 0, last = 0;
  falign_status status = set_up(&network, &rule, &trainer, &rng);

  /* The first step takes the memory for batches of this size: with eta = 0 it changes nothing. */
  if (status == FALIGN_OK) status = falign_trainer_set_eta(trainer, 0);
  if (status == FALIGN_OK) status = falign_trainer_step_f32(trainer, x, ROWS, INPUTS, INPUTS, y, OUTPUTS, OUTPUTS);
  if (status == FALIGN_OK) status = falign_trainer_set_eta(trainer, 0.003);

  for (int k = 0; status == FALIGN_OK && k < STEPS; k++) {
    read_sensors(rng, x, y);
    status = falign_trainer_step_f32(trainer, x, ROWS, INPUTS, INPUTS, y, OUTPUTS, OUTPUTS);
    if (status == FALIGN_OK) last += (falign_trace_loss(falign_trainer_trace(trainer)) - last) / 100; /* smoothed */
    if (k == 300) first = last;
  }

  falign_rng_destroy(rng);
  falign_trainer_destroy(trainer);
  falign_rule_destroy(rule);
  falign_network_destroy(network);
  return status == FALIGN_OK && last < 0.5 * first ? 0 : 1;
}
