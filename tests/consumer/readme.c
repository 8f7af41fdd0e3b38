/* SPDX-License-Identifier: Apache-2.0 */
#include <falign/falign.h>
#include <stdio.h>

static falign_status print(void *user, const falign_value *v) {
  (void)user;
  printf("update %4d: %s, layer %d: %.1f degrees\n", (int)v->iteration, v->name, (int)v->layer, v->value);
  return FALIGN_OK;
}

int main(void) {
  const falign_synthetic points = {.points = 2000, .width = 100, .categories = 10, .within = 0.6, .between = 0.2};
  const size_t widths[] = {100, 50, 50, 50};
  falign_dataset *data;
  falign_code *code;
  falign_batches *batches;
  falign_network *network;
  falign_rule *rule;
  falign_trainer *trainer;
  falign_metric *angle;
  double error;
  if (falign_dataset_create_synthetic(&points, FALIGN_TRAIN, 1, &data) ||
      falign_code_create_n_hot(10, 50, 5, 1, 0, &code) || falign_batches_create(data, code, 100, &batches) ||
      falign_network_create(FALIGN_F32, 3, widths, 1, &network) || falign_network_draw(network, 0.1, 0.1, 1, 0) ||
      falign_rule_create("fa", network, &rule) || falign_rule_draw(rule, 0.1, 1, 0) ||
      falign_trainer_create(network, rule, 0.001, &trainer) || falign_metric_create("angle_w_b", &angle) ||
      falign_trainer_observe(trainer, angle, 1000, print, NULL) || falign_trainer_run(trainer, batches, 2001) ||
      falign_trainer_evaluate(trainer, batches, NULL, &error))
    return fprintf(stderr, "%s\n", falign_last_error()), 1;
  printf("%.1f %% of the points are decoded wrongly\n", 100 * error);
}
