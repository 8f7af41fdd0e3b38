/* SPDX-License-Identifier: Apache-2.0 */
/* Why the weights of tutorial_first.c align: which past steps push W[l] towards B[l]^T. */
#include <falign/falign.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TRY(call)                                                     \
  do {                                                                \
    if (call) return fprintf(stderr, "%s\n", falign_last_error()), 1; \
  } while (0)

/* Prints the angles with B[l]^T: of the terms of single orders, of their sum, and of the rest of the update. */
static falign_status print(void *user, const falign_value *v) {
  (void)user;
  if (strncmp(v->name, "angle_", 6) != 0 || strstr(v->name, "linear")) return FALIGN_OK;
  printf("update %3" PRId64 ", layer %" PRId64 ": %-15s", v->iteration, v->layer, v->name);
  if (v->order >= 0) printf(" order %3" PRId64, v->order);
  printf("\t%5.1f\n", v->value);
  return FALIGN_OK;
}

int main(void) {
  const falign_synthetic points = {.points = 2000, .width = 100, .categories = 10, .within = 0.35, .between = 0.2};
  const size_t widths[] = {100, 50, 50, 50};
  const uint64_t at[] = {100}, orders[] = {1, 20, 40};
  falign_dataset *data;
  falign_code *code;
  falign_batches *batches;
  falign_network *network;
  falign_rule *rule;
  falign_trainer *trainer;
  falign_history *history;
  falign_metric *terms;
  TRY(falign_dataset_create_synthetic(&points, FALIGN_TRAIN, 1, &data));
  TRY(falign_code_create_n_hot(10, 50, 5, 1, 0, &code));
  TRY(falign_batches_create(data, code, 100, &batches));
  TRY(falign_network_create(FALIGN_F32, 3, widths, 1, &network));
  TRY(falign_network_draw(network, 0.1, 0.1, 1, 0));
  TRY(falign_rule_create("fa", network, &rule));
  TRY(falign_rule_draw(rule, 0.1, 1, 0));
  TRY(falign_trainer_create(network, rule, 0.001, &trainer));

  /* The history records from the first step on; the metric uses it at iteration 100. */
  TRY(falign_history_create(network, &history));
  TRY(falign_history_keep(history, FALIGN_KEEP_C));
  TRY(falign_trainer_set_history(trainer, history));
  TRY(falign_metric_create_terms(orders, 3, &terms));
  TRY(falign_trainer_observe_at(trainer, terms, at, 1, print, NULL));
  TRY(falign_trainer_run(trainer, batches, 101));

  falign_metric_destroy(terms);
  falign_history_destroy(history);
  falign_trainer_destroy(trainer);
  falign_rule_destroy(rule);
  falign_network_destroy(network);
  falign_batches_destroy(batches);
  falign_code_destroy(code);
  falign_dataset_destroy(data);
  return 0;
}
