/* SPDX-License-Identifier: Apache-2.0 */
/* Asks of a run by feedback alignment which of its past steps push W[l] towards B[l]^T. */
#include <falign/falign.h>
#include <stdio.h>

#define TRY(call)                                                     \
  do {                                                                \
    if (call) return fprintf(stderr, "%s\n", falign_last_error()), 1; \
  } while (0)

enum { HIDDEN = 30, OUTPUTS = 20, STEPS = 41 };

/* Terms of layer l in the last step: single orders, their sum, and what the expansion leaves. */
static int print_terms(falign_terms *terms, const falign_trace *trace, uint32_t l, size_t numbers) {
  static double t[2 * HIDDEN * HIDDEN], sum[HIDDEN * HIDDEN], zero[HIDDEN * HIDDEN], rest[HIDDEN * HIDDEN];
  const uint64_t k = falign_trace_iteration(trace), orders[] = {1, 20};
  double angle, ratio;
  TRY(falign_terms_orders(terms, trace, l, 1, orders, 2, t));
  for (size_t i = 0; i < 2; i++) {
    TRY(falign_terms_compare(terms, trace, l, t + i * numbers, &angle, NULL, &ratio));
    printf("layer %u, order %2d: %5.1f degrees from B^T, %.3f of dW\n", l, (int)orders[i], angle, ratio);
  }
  TRY(falign_terms_sum(terms, trace, l, 1, NULL, 0, sum)); /* of all orders 1..k */
  TRY(falign_terms_zero(terms, trace, l, k, zero));
  TRY(falign_terms_remainder(terms, trace, l, 1, rest));
  TRY(falign_terms_compare(terms, trace, l, sum, &angle, NULL, &ratio));
  printf("layer %u, all orders: %5.1f degrees, %.3f of dW\n", l, angle, ratio);
  TRY(falign_terms_compare(terms, trace, l, zero, &angle, NULL, &ratio));
  printf("layer %u, zero-degree term: %5.1f degrees, %.3f of dW\n", l, angle, ratio);
  TRY(falign_terms_compare(terms, trace, l, rest, NULL, NULL, &ratio));
  printf("layer %u, remainder: %.4f of dW\n", l, ratio);
  return 0;
}

int main(void) {
  const size_t widths[] = {40, HIDDEN, HIDDEN, OUTPUTS};
  falign_dataset *data;
  falign_code *code;
  falign_batches *batches;
  falign_network *network;
  falign_rule *rule;
  falign_trainer *trainer;
  falign_history *history;
  falign_terms *terms;
  uint64_t bytes;

  TRY(falign_dataset_create_synthetic(800, 40, 4, 0.5, 0.1, FALIGN_TRAIN, 7, &data));
  TRY(falign_code_create_n_hot(4, OUTPUTS, 5, 7, 0, &code));
  TRY(falign_batches_create(data, code, 40, &batches));
  TRY(falign_network_create(FALIGN_F64, 3, widths, 1, &network));
  TRY(falign_network_draw(network, 0.1, 0.1, 7, 0));
  TRY(falign_rule_create_fa(network, &rule));
  TRY(falign_rule_draw(rule, 0.1, 7, 0));
  TRY(falign_trainer_create(network, rule, 0.005, &trainer));

  /* Before the first step: what is kept, and what it will take. */
  TRY(falign_history_create(network, &history));
  TRY(falign_history_keep(history, FALIGN_KEEP_C));
  TRY(falign_history_bytes(history, STEPS, &bytes));
  printf("a history of %d steps takes %d bytes\n", STEPS, (int)bytes);
  TRY(falign_trainer_set_history(trainer, history));
  TRY(falign_trainer_keep(trainer, FALIGN_NEEDS_ACTIVITY));
  TRY(falign_trainer_run(trainer, batches, STEPS));

  /* After it: the trace of the last step, and all steps before. */
  TRY(falign_terms_create(history, rule, &terms));
  int failed = 0;
  for (uint32_t l = 1; l <= 2; l++)
    failed |= print_terms(terms, falign_trainer_trace(trainer), l, widths[l] * widths[l + 1]);

  falign_terms_destroy(terms);
  falign_history_destroy(history);
  falign_trainer_destroy(trainer);
  falign_rule_destroy(rule);
  falign_network_destroy(network);
  falign_batches_destroy(batches);
  falign_code_destroy(code);
  falign_dataset_destroy(data);
  return failed;
}
