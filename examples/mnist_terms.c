/* SPDX-License-Identifier: Apache-2.0 */
#include "mnist_terms.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/curve.h"
#include "kit/options.h"

void terms_print_help(void) {
  puts(
      "\nAlignment terms (eqs. 3 to 5, 11), at the iterations of --terms-at for each layer l = 1..d-1; angles are "
      "with\n"
      "B[l]^T, or Q[l]^T (eq. 7) under dfa:\n"
      "  angle_t, norm_t                    T of each order that --orders names, up to the iteration\n"
      "  angle_t_linear, norm_t_linear      the same without the nonlinearity\n"
      "  angle_zero, norm_zero              zero-degree term\n"
      "  angle_remainder, norm_remainder    remainder\n"
      "  angle_sum_t, norm_sum_t            sum of T over all orders\n"
      "  angle_sum_t_linear                 sum of the linear terms over all orders\n"
      "  norm_dw                            dW[l]");
}

/* Copies the numbers of a list, each of 1 or `least` up; a NULL array only counts and checks them. */
static falign_status read_list(const char *name, const char *list, uint64_t least, uint64_t *numbers, size_t *count) {
  char item[OPTION_ITEM_SIZE];
  uint64_t number = 0;
  const option one = {.name = name, .parse = option_count, .target = &number, .least = least, .most = INT32_MAX};
  *count = 0;
  while (option_next_item(&list, item)) {
    TRY(option_count(&one, item));
    if (numbers != NULL) numbers[*count] = number;
    ++*count;
  }
  return FALIGN_OK;
}

/* The numbers of a list; the caller frees them. */
static falign_status make_list(const char *name, const char *list, uint64_t least, uint64_t **numbers, size_t *count) {
  TRY(read_list(name, list, least, NULL, count));
  *numbers = malloc((*count + 1) * sizeof **numbers);
  if (*numbers == NULL) return fail(FALIGN_MEMORY, "no memory for the %zu numbers of --%s", *count, name);
  falign_status status = read_list(name, list, least, *numbers, count);
  if (status != FALIGN_OK) free(*numbers);
  return status;
}

static bool takes_all(const settings *s) { return strcmp(s->orders, "all") == 0; }

uint64_t terms_end(const settings *s) {
  uint64_t *at, end = 0;
  size_t count;
  if (s->terms_at == NULL || make_list("terms-at", s->terms_at, 0, &at, &count) != FALIGN_OK) return 0;
  for (size_t i = 0; i < count; i++) end = at[i] >= end ? at[i] + 1 : end;
  free(at);
  return end;
}

/* No order twice, and none that no iteration has. */
static falign_status check_orders(const settings *s) {
  uint64_t *orders, end = terms_end(s);
  size_t count;
  if (takes_all(s)) return FALIGN_OK;
  TRY(make_list("orders", s->orders, 1, &orders, &count));
  falign_status status = FALIGN_OK;
  for (size_t i = 0; i < count && status == FALIGN_OK; i++) {
    if (s->terms_at != NULL && orders[i] >= end) {
      status = fail(FALIGN_INVALID, "--orders '%" PRIu64 "' is beyond all of --terms-at '%s'", orders[i], s->terms_at);
    }
    for (size_t j = 0; j < i && status == FALIGN_OK; j++) {
      if (orders[i] == orders[j]) status = fail(FALIGN_INVALID, "--orders has '%" PRIu64 "' twice", orders[i]);
    }
  }
  free(orders);
  return status;
}

falign_status terms_check(const settings *s) {
  size_t count;
  if (s->terms_at != NULL) TRY(read_list("terms-at", s->terms_at, 0, NULL, &count));
  TRY(check_orders(s));
  if (s->terms_at == NULL) return FALIGN_OK;
  if (strcmp(s->rule, "bp") == 0) {
    return fail(FALIGN_INVALID, "--terms-at '%s': bp has no feedback weights, and so no alignment terms", s->terms_at);
  }
  if (s->layers < 2) return fail(FALIGN_INVALID, "--terms-at '%s' needs a hidden layer", s->terms_at);
  if (s->resume != NULL) {
    return fail(FALIGN_INVALID, "--terms-at '%s' needs all steps from the first on, which --resume does not have",
                s->terms_at);
  }
  return FALIGN_OK;
}

falign_status terms_check_total(const settings *s) {
  uint64_t end = terms_end(s);
  if (end <= s->total) return FALIGN_OK;
  return fail(FALIGN_INVALID, "--terms-at '%" PRIu64 "' is at or beyond the last of %" PRIu64 " iterations", end - 1,
              s->total);
}

/* Terms that cannot be compared are better refused before the run than at its end. */
static falign_status check_rule(const falign_trainer *trainer) {
  const falign_rule *rule = falign_trainer_rule(trainer);
  falign_decomposition *parts;
  if (falign_rule_feedback(rule) != FALIGN_FEEDBACK_DIRECT) return FALIGN_OK;
  TRY(falign_decomposition_create(rule, &parts));
  falign_decomposition_destroy(parts);
  return FALIGN_OK;
}

static falign_status keep_history(const settings *s, falign_trainer *trainer) {
  bool direct = falign_rule_feedback(falign_trainer_rule(trainer)) == FALIGN_FEEDBACK_DIRECT;
  falign_history *history;
  uint64_t bytes = 0;
  TRY(falign_history_create(falign_trainer_network(trainer), &history));
  falign_status status = falign_history_keep(history, direct ? FALIGN_KEEP_DIRECT : FALIGN_KEEP_C);
  if (status == FALIGN_OK) status = falign_history_bytes(history, terms_end(s), &bytes);
  if (status == FALIGN_OK) status = falign_trainer_set_history(trainer, history);
  if (status == FALIGN_OK && bytes > 100000000) {
    fprintf(stderr, "alignment terms need a history of %" PRIu64 " steps: %.1f GB of memory\n", terms_end(s),
            (double)bytes / 1e9);
  }
  falign_history_destroy(history);
  return status;
}

static falign_status create_metric(const settings *s, falign_metric **out) {
  uint64_t *orders = NULL;
  size_t count = 0;
  if (!takes_all(s)) TRY(make_list("orders", s->orders, 1, &orders, &count));
  falign_status status = falign_metric_create_terms(orders, count, out);
  free(orders);
  return status;
}

/* Observes a metric at the iterations of --terms-at, and releases it. */
static falign_status observe(const settings *s, falign_trainer *trainer, falign_metric *metric, falign_value_fn sink,
                             void *user) {
  uint64_t *at;
  size_t count;
  falign_status status = make_list("terms-at", s->terms_at, 0, &at, &count);
  if (status == FALIGN_OK) {
    status = falign_trainer_observe_at(trainer, metric, at, count, sink, user);
    free(at);
  }
  falign_metric_destroy(metric);
  return status;
}

falign_status terms_observe(const settings *s, falign_trainer *trainer, falign_value_fn norm_sink, falign_value_fn sink,
                            void *user) {
  falign_metric *metric;
  if (s->terms_at == NULL) return FALIGN_OK;
  TRY(check_rule(trainer));
  TRY(keep_history(s, trainer));
  TRY(falign_metric_create("norm_dw", &metric));
  TRY(observe(s, trainer, metric, norm_sink, user));
  TRY(create_metric(s, &metric));
  return observe(s, trainer, metric, sink, user);
}

falign_status terms_print_summary(const settings *s, const falign_table *table) {
  static const char *const names[] = {"angle_sum_t", "angle_sum_t_linear", "angle_zero", "angle_remainder"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    for (int64_t l = 1; l < s->layers; l++) TRY(curve_print_last(table, (curve_key){NULL, names[i], l, -1}));
  }
  return FALIGN_OK;
}
