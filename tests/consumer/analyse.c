/* SPDX-License-Identifier: Apache-2.0 */
/* Finds out which past steps of a run by feedback alignment push W[l] towards B[l]^T. */
#include <falign/falign.h>
#include <stdio.h>

#define TRY(call)                                                     \
  do {                                                                \
    if (call) return fprintf(stderr, "%s\n", falign_last_error()), 1; \
  } while (0)

enum { HIDDEN = 30, OUTPUTS = 20, STEPS = 41 };

/* Prints the terms of layer l in the last step: single orders, their sum, and what the expansion leaves. */
static int print_terms(falign_terms *terms, const falign_trace *trace, uint32_t l, size_t cols) {
  static double numbers[2 * HIDDEN * HIDDEN];
  const uint64_t k = falign_trace_step(trace)->iteration, list[] = {1, 20};
  const falign_orders orders = {.list = list, .count = 2}, all = {.list = NULL}; /* all of 1..k */
  falign_matrix two = falign_matrix_f64(numbers, 2 * HIDDEN, cols), one = falign_matrix_f64(numbers, HIDDEN, cols);
  falign_view t = falign_view_of(one);
  falign_comparison found;

  TRY(falign_terms_get(terms, trace, FALIGN_TERM, l, &orders, &two)); /* one below the other */
  for (size_t i = 0; i < 2; i++) {
    falign_view term = falign_view_f64(numbers + i * HIDDEN * cols, HIDDEN, cols);
    TRY(falign_terms_compare(terms, trace, l, &term, &found));
    printf("layer %u, order %2d: %5.1f degrees from B^T, %.3f of dW\n", l, (int)list[i], found.angle, found.ratio);
  }
  TRY(falign_terms_sum(terms, trace, FALIGN_TERM, l, &all, &one));
  TRY(falign_terms_compare(terms, trace, l, &t, &found));
  printf("layer %u, all orders: %5.1f degrees, %.3f of dW\n", l, found.angle, found.ratio);
  TRY(falign_terms_zero(terms, trace, l, k, &one));
  TRY(falign_terms_compare(terms, trace, l, &t, &found));
  printf("layer %u, zero-degree term: %5.1f degrees, %.3f of dW\n", l, found.angle, found.ratio);
  TRY(falign_terms_remainder(terms, trace, l, 1, &one));
  TRY(falign_terms_compare(terms, trace, l, &t, &found));
  printf("layer %u, remainder: %.4f of dW\n", l, found.ratio);
  return 0;
}

int main(void) {
  const falign_synthetic points = {.points = 800, .width = 40, .categories = 4, .within = 0.5, .between = 0.1};
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

  TRY(falign_dataset_create_synthetic(&points, FALIGN_TRAIN, 7, &data));
  TRY(falign_code_create_n_hot(4, OUTPUTS, 5, 7, 0, &code));
  TRY(falign_batches_create(data, code, 40, &batches));
  TRY(falign_network_create(FALIGN_F64, 3, widths, 1, &network));
  TRY(falign_network_draw(network, 0.1, 0.1, 7, 0));
  TRY(falign_rule_create("fa", network, &rule));
  TRY(falign_rule_draw(rule, 0.1, 7, 0));
  TRY(falign_trainer_create(network, rule, 0.005, &trainer));

  /* Before the first step: what the history keeps, and how much memory it will use. */
  TRY(falign_history_create(network, &history));
  TRY(falign_history_keep(history, FALIGN_KEEP_C));
  TRY(falign_history_bytes(history, STEPS, &bytes));
  printf("a history of %d steps takes %d bytes\n", STEPS, (int)bytes);
  TRY(falign_trainer_set_history(trainer, history));
  TRY(falign_trainer_keep(trainer, FALIGN_NEEDS_ACTIVITY));
  TRY(falign_trainer_run(trainer, batches, STEPS));

  /* After the run: the trace of the last step, and the history of all steps before it. */
  TRY(falign_terms_create(history, rule, &terms));
  int failed = 0;
  for (uint32_t l = 1; l <= 2; l++) failed |= print_terms(terms, falign_trainer_trace(trainer), l, widths[l + 1]);

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
