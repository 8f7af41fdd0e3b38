/* SPDX-License-Identifier: Apache-2.0 */
/* A first network: trains by feedback alignment, and measures how its weights align. */
#include <falign/falign.h>
#include <stdio.h>

#define TRY(call)                                                     \
  do {                                                                \
    if (call) return fprintf(stderr, "%s\n", falign_last_error()), 1; \
  } while (0)

/* Receives each measured value. */
static falign_status print(void *user, const falign_value *v) {
  (void)user;
  printf("update %4d: %s of layer %d is %.1f\n", (int)v->iteration, v->name, (int)v->layer, v->value);
  return FALIGN_OK;
}

int main(void) {
  const falign_synthetic points = {.points = 2000, .width = 100, .categories = 10, .within = 0.35, .between = 0.2};
  const falign_synthetic other_points = {
      .points = 1000, .width = 100, .categories = 10, .within = 0.35, .between = 0.2};
  const size_t widths[] = {100, 50, 50, 50}; /* n[0] to n[3] */
  falign_dataset *data, *unseen;
  falign_code *code;
  falign_batches *batches, *test;
  falign_network *network;
  falign_rule *rule;
  falign_trainer *trainer;
  falign_metric *angle;
  double before, after;

  /* Data: points of ten categories, and ten mutually exclusive codes of five ones among 50 outputs. */
  TRY(falign_dataset_create_synthetic(&points, FALIGN_TRAIN, 1, &data));
  TRY(falign_dataset_create_synthetic(&other_points, FALIGN_TEST, 1, &unseen));
  TRY(falign_code_create_n_hot(10, 50, 5, 1, 0, &code));
  TRY(falign_batches_create(data, code, 100, &batches));
  TRY(falign_batches_create(unseen, code, 1000, &test));

  /* A network, its rule, and the loop that joins them. */
  TRY(falign_network_create(FALIGN_F32, 3, widths, 1, &network));
  TRY(falign_network_draw(network, 0.1, 0.1, 1, 0));
  TRY(falign_rule_create("fa", network, &rule));
  TRY(falign_rule_draw(rule, 0.1, 1, 0));
  TRY(falign_trainer_create(network, rule, 0.001, &trainer));

  /* What is measured, before each 500th update. */
  TRY(falign_metric_create("angle_w_b", &angle));
  TRY(falign_trainer_observe(trainer, angle, 500, print, NULL));

  TRY(falign_trainer_evaluate(trainer, test, NULL, &before));
  TRY(falign_trainer_run(trainer, batches, 1500));
  TRY(falign_trainer_measure(trainer)); /* once more, after the last update */
  TRY(falign_trainer_evaluate(trainer, test, NULL, &after));
  printf("wrong on unseen points: %.1f %% before, %.1f %% after\n", 100 * before, 100 * after);

  falign_metric_destroy(angle);
  falign_trainer_destroy(trainer);
  falign_rule_destroy(rule);
  falign_network_destroy(network);
  falign_batches_destroy(test);
  falign_batches_destroy(batches);
  falign_code_destroy(code);
  falign_dataset_destroy(unseen);
  falign_dataset_destroy(data);
  return after < before ? 0 : 1;
}
