/* SPDX-License-Identifier: Apache-2.0 */
/* Terms that cannot be computed, and what their errors say. */
#include "past.h"

enum { MOST = PAST_WIDTH * PAST_WIDTH };

static const past_plan shuffled = {FALIGN_F64, "fa", TANH_RELU, true, true, true, 12, 0};
static const past_plan plain_run = {FALIGN_F64, "fa", TANH_RELU, true, false, false, 12, 0};

START_TEST(terms_that_are_not_there) {
  const past_plan plan = {FALIGN_F64, "fa", TANH_RELU, true, false, false, 5, 0};
  past *p = past_run(&plan);
  const falign_trace *trace = past_trace(p);
  uint64_t zero = 0, one = 1, five = 5;
  double t[MOST] = {42};
  fails(FALIGN_INVALID, "no term of order 0 at iteration 4: orders go from 1 to 4",
        terms_get(p->terms, trace, FALIGN_TERM, 1, &(falign_orders){&zero, 1, 1}, t));
  fails(FALIGN_INVALID, "order 5 at iteration 4",
        terms_get(p->terms, trace, FALIGN_TERM, 1, &(falign_orders){&five, 1, 1}, t));
  fails(FALIGN_INVALID, "order 5 at iteration 4",
        terms_get(p->terms, trace, FALIGN_TERM_LINEAR, 1, &(falign_orders){&five, 1, 1}, t));
  fails(FALIGN_INVALID, "order 5 at iteration 4", terms_zero(p->terms, trace, 1, 5, t));
  fails(FALIGN_INVALID, "layer 0: l goes from 1 to 3",
        terms_get(p->terms, trace, FALIGN_TERM, 0, &(falign_orders){&one, 1, 1}, t));
  fails(FALIGN_INVALID, "layer 4: l goes from 1 to 3",
        terms_sum(p->terms, trace, FALIGN_TERM, 4, &(falign_orders){NULL, 0, 1}, t));
  fails(FALIGN_INVALID, "layer 4", terms_sum(p->terms, trace, FALIGN_TERM_LINEAR, 4, &(falign_orders){NULL, 0, 1}, t));
  fails(FALIGN_INVALID, "degrees go from 1 to 10, got 11",
        terms_get(p->terms, trace, FALIGN_TERM, 1, &(falign_orders){&one, 1, 11}, t));
  fails(FALIGN_INVALID, "degrees go from 1 to 10, got 0", terms_remainder(p->terms, trace, 1, 0, t));
  fails(FALIGN_INVALID, "got 11", terms_remainder(p->terms, trace, 1, 11, t));
  fails(FALIGN_INVALID, "have degree 1, got 2",
        terms_get(p->terms, trace, FALIGN_TERM_LINEAR, 1, &(falign_orders){&one, 1, 2}, t));
  fails(FALIGN_INVALID, "kind 0 of terms is unknown",
        terms_get(p->terms, trace, 0, 1, &(falign_orders){&one, 1, 1}, t));
  fails(FALIGN_INVALID, "kind 5 of terms is unknown",
        terms_sum(p->terms, trace, 5, 1, &(falign_orders){NULL, 0, 1}, t));
  fails(FALIGN_UNSUPPORTED, "are not summed: get them and add them up",
        terms_sum(p->terms, trace, FALIGN_TERM_DIAGONAL, 1, &(falign_orders){NULL, 0, 1}, t));
  fails(FALIGN_UNSUPPORTED, "tanh-relu, has no Taylor terms of degree 2",
        terms_get(p->terms, trace, FALIGN_TERM, 1, &(falign_orders){&one, 1, 2}, t));
  fails(FALIGN_INVALID, "orders have no list: single terms are asked for by their orders",
        terms_get(p->terms, trace, FALIGN_TERM, 1, &(falign_orders){NULL, 1, 1}, t));
  fails(FALIGN_INVALID, "t is NULL", terms_get(p->terms, trace, FALIGN_TERM, 1, &(falign_orders){&one, 1, 1}, NULL));
  fails(FALIGN_UNSUPPORTED, "rule fa has no direct feedback",
        terms_get(p->terms, trace, FALIGN_TERM_SIMPLIFIED, 1, &(falign_orders){&one, 1, 1}, t));
  fails(FALIGN_INVALID, "threads go from 1 to 1024", falign_terms_set_threads(p->terms, 0));
  const falign_orders first = {&one, 1, 1};
  const size_t rows = p->n[1], cols = p->n[2];
  fails(FALIGN_INVALID, "orders is NULL",
        falign_terms_get(p->terms, trace, FALIGN_TERM, 1, NULL, WRITE_F64(t, rows, cols, cols)));
  fails(FALIGN_INVALID, "t is NULL", falign_terms_get(p->terms, trace, FALIGN_TERM, 1, &first, NULL));
  fails(FALIGN_INVALID, "t is NULL", falign_terms_zero(p->terms, trace, 1, 1, NULL));
  fails(FALIGN_SHAPE, "t is 9 x 8, got 8 x 9",
        falign_terms_get(p->terms, trace, FALIGN_TERM, 1, &first, WRITE_F64(t, cols, rows, rows)));
  fails(FALIGN_SHAPE, "t is 9 x 8, got 18 x 8",
        falign_terms_sum(p->terms, trace, FALIGN_TERM, 1, &first, WRITE_F64(t, 2 * rows, cols, cols)));
  fails(FALIGN_SHAPE, "t is 9 x 8, got 9 x 7",
        falign_terms_remainder(p->terms, trace, 1, 1, WRITE_F64(t, rows, cols - 1, cols)));
  fails(FALIGN_INVALID, "t is 9 x 8 with invalid steps: 7 from row to row, 1 from column to column",
        falign_terms_zero(p->terms, trace, 1, 1, WRITE_F64(t, rows, cols, cols - 1)));
  falign_comparison with;
  fails(FALIGN_SHAPE, "t is 9 x 8, got 8 x 9",
        falign_terms_compare(p->terms, trace, 1, READ_F64(t, cols, rows, rows), &with));
  fails(FALIGN_INVALID, "out is NULL", falign_terms_compare(p->terms, trace, 1, READ_F64(t, rows, cols, cols), NULL));
  ck_assert(t[0] == 42);
  falign_history_clear(p->history);
  fails(FALIGN_INVALID, "holds no steps", terms_get(p->terms, trace, FALIGN_TERM, 1, &(falign_orders){&one, 1, 1}, t));
  past_free(p);
}
END_TEST

START_TEST(traces_that_do_not_fit) {
  past *p = past_run(&plain_run), *other = past_run(&shuffled);
  uint64_t one = 1;
  double t[MOST], x[PAST_ROWS * 7] = {0}, y[PAST_ROWS * 5] = {0};
  fails(FALIGN_SHAPE, "the trace and the history are of different networks",
        terms_get(p->terms, past_trace(other), FALIGN_TERM, 1, &(falign_orders){&one, 1, 1}, t));
  falign_terms *terms = NULL;
  fails(FALIGN_INVALID, "history is NULL", falign_terms_create(NULL, p->by.rule, &terms));
  falign_rule *bp;
  ok(falign_rule_create("bp", p->by.network, &bp));
  fails(FALIGN_UNSUPPORTED, "rule bp has no feedback matrices, and so no alignment terms",
        falign_terms_create(p->history, bp, &terms));
  ck_assert_ptr_null(terms);
  falign_rule_destroy(bp);
  ok(falign_trainer_keep(p->by.trainer, 0));
  ok(step(&p->by, x, PAST_ROWS, y));
  fails(FALIGN_UNSUPPORTED, "L[0] and delta[2] were not kept in this step, or not set",
        terms_get(p->terms, past_trace(p), FALIGN_TERM, 1, &(falign_orders){&one, 1, 1}, t));
  past_free(p);
  past_free(other);
}
END_TEST

/* A window leaves out older orders, but the running sum and the zero-degree term of order k reach back to the start. */
START_TEST(terms_within_a_window) {
  past *whole = past_run(&plain_run), *part = past_new(&plain_run, PAST_LAYERS, past_widths);
  ok(falign_history_set_window(part->history, 4));
  while (part->steps < whole->steps) past_go(part, false);
  uint64_t four = 4, five = 5, k = whole->steps - 1;
  double a[MOST], b[MOST];
  for (uint32_t l = 1; l < PAST_LAYERS; l++) {
    size_t numbers = past_numbers(part, l);
    ok(terms_get(part->terms, past_trace(part), FALIGN_TERM, l, &(falign_orders){&four, 1, 1}, a));
    ok(terms_get(whole->terms, past_trace(whole), FALIGN_TERM, l, &(falign_orders){&four, 1, 1}, b));
    ck_assert(memcmp(a, b, numbers * sizeof *a) == 0);
    ok(terms_zero(part->terms, past_trace(part), l, k, a));
    ok(terms_zero(whole->terms, past_trace(whole), l, k, b));
    ck_assert(memcmp(a, b, numbers * sizeof *a) == 0);
    ok(terms_sum(part->terms, past_trace(part), FALIGN_TERM_LINEAR, l, &(falign_orders){NULL, 0, 1}, a));
    ok(terms_sum(whole->terms, past_trace(whole), FALIGN_TERM_LINEAR, l, &(falign_orders){NULL, 0, 1}, b));
    ck_assert(memcmp(a, b, numbers * sizeof *a) == 0);
    fails(FALIGN_INVALID, "order 5 at iteration 11 needs iteration 6, but the history holds 7 to 11",
          terms_get(part->terms, past_trace(part), FALIGN_TERM, l, &(falign_orders){&five, 1, 1}, a));
    fails(FALIGN_INVALID, "needs iteration",
          terms_sum(part->terms, past_trace(part), FALIGN_TERM, l, &(falign_orders){NULL, 0, 1}, a));
    fails(FALIGN_INVALID, "needs iteration", terms_zero(part->terms, past_trace(part), l, 5, a));
  }
  past_free(whole);
  past_free(part);
}
END_TEST

/* The running sum over all orders is that of the last step, and of a history that begins with iteration 0. */
START_TEST(linear_sums_of_other_steps) {
  past *p = past_run(&plain_run);
  const double x[PAST_ROWS * 7] = {0}, y[PAST_ROWS * 5] = {0};
  double t[MOST];
  falign_trainer *other;
  ok(falign_trainer_create(p->by.network, p->by.rule, 0.01, &other));
  ok(falign_trainer_keep(other, FALIGN_NEEDS_ACTIVITY));
  for (int k = 0; k < 3; k++)
    ok(falign_trainer_step(other, READ_F64(x, PAST_ROWS, 7, 7), READ_F64(y, PAST_ROWS, 5, 5)));
  fails(FALIGN_INVALID, "the running sum of all orders is that of iteration 11, not of 2",
        terms_sum(p->terms, falign_trainer_trace(other), FALIGN_TERM_LINEAR, 1, &(falign_orders){NULL, 0, 1}, t));

  falign_history_clear(p->history);
  for (int k = 0; k < 2; k++)
    ok(falign_trainer_step(p->by.trainer, READ_F64(x, PAST_ROWS, 7, 7), READ_F64(y, PAST_ROWS, 5, 5)));
  fails(FALIGN_INVALID, "at iteration 13 need iteration 0, but the history begins with 12",
        terms_sum(p->terms, past_trace(p), FALIGN_TERM_LINEAR, 1, &(falign_orders){NULL, 0, 1}, t));
  falign_trainer_destroy(other);
  past_free(p);
}
END_TEST

/* What was finite with the inputs of its own step need not be with those of a later one. */
START_TEST(earlier_weights_that_are_too_large) {
  past *p = past_new(&plain_run, PAST_LAYERS, past_widths);
  double x[PAST_ROWS * 7], y[PAST_ROWS * 5] = {0}, t[MOST];
  const uint64_t one = 1;
  double *w = network_f64(p->by.network, FALIGN_W, 0), before = w[0];
  for (size_t i = 0; i < PAST_ROWS * 7; i++) x[i] = 1e-300;
  w[0] = 1e300;
  ok(falign_trainer_step(p->by.trainer, READ_F64(x, PAST_ROWS, 7, 7), READ_F64(y, PAST_ROWS, 5, 5)));
  w[0] = before;
  for (size_t i = 0; i < PAST_ROWS * 7; i++) x[i] = 1e10;
  ok(falign_trainer_step(p->by.trainer, READ_F64(x, PAST_ROWS, 7, 7), READ_F64(y, PAST_ROWS, 5, 5)));
  fails(FALIGN_DIVERGED, "layer 1 at iteration 1 is not finite with the weights of an earlier iteration",
        terms_get(p->terms, past_trace(p), FALIGN_TERM, 1, &(falign_orders){&one, 1, 1}, t));
  past_free(p);
}
END_TEST

START_TEST(linear_terms_need_what_was_kept) {
  for (int direct = 0; direct < 2; direct++) {
    falign_network *network = new_network(FALIGN_F64, PAST_LAYERS, past_widths, true, TANH);
    learner by = new_learner(network, direct ? "dfa" : "fa", 0.5, 1, 0.01);
    falign_history *history;
    falign_terms *terms;
    double x[PAST_ROWS * 7] = {1}, y[PAST_ROWS * 5] = {0}, t[MOST];
    uint64_t one = 1;
    ok(falign_history_create(network, &history));
    ok(falign_history_keep(history, direct ? FALIGN_KEEP_C : FALIGN_KEEP_DIRECT)); /* the other one */
    ok(falign_trainer_set_history(by.trainer, history));
    ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY));
    ok(falign_terms_create(history, by.rule, &terms));
    for (int k = 0; k < 2; k++) ok(step(&by, x, PAST_ROWS, y));
    const falign_trace *trace = falign_trainer_trace(by.trainer);
    fails(FALIGN_UNSUPPORTED, direct ? "does not keep L[l-1]^T delta[d]" : "does not keep C[l]",
          terms_get(terms, trace, FALIGN_TERM_LINEAR, 1, &(falign_orders){&one, 1, 1}, t));
    if (direct)
      fails(FALIGN_UNSUPPORTED, "no M between",
            terms_get(terms, trace, FALIGN_TERM_DIAGONAL, 1, &(falign_orders){&one, 1, 1}, t));
    falign_terms_destroy(terms);
    falign_history_destroy(history);
    free_learner(&by);
  }
}
END_TEST

/* M would have 2^32 numbers, which makes a size of 0 where sizes have 32 bits; elsewhere it may well be had. */
START_TEST(linear_terms_that_overflow) {
  enum { WIDE = 1 << 16 };
  static const size_t n[] = {1, 1, WIDE};
  static double y[WIDE], t[WIDE];
  skip_unless(SIZE_MAX == UINT32_MAX, "sizes have more than 32 bits");
  falign_network *network = new_network(FALIGN_F64, 2, n, false, LINEAR);
  learner by = new_learner(network, "fa", 0.5, 1, 0.01);
  falign_history *history;
  falign_terms *terms;
  const double x = 1;
  const uint64_t one = 1;
  ok(falign_history_create(network, &history));
  ok(falign_history_keep(history, FALIGN_KEEP_C));
  ok(falign_trainer_set_history(by.trainer, history));
  ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY));
  ok(falign_terms_create(history, by.rule, &terms));
  for (int k = 0; k < 2; k++) ok(step(&by, &x, 1, y));
  fails(FALIGN_MEMORY, "linear terms",
        terms_get(terms, falign_trainer_trace(by.trainer), FALIGN_TERM_LINEAR, 1, &(falign_orders){&one, 1, 1}, t));
  falign_terms_destroy(terms);
  falign_history_destroy(history);
  free_learner(&by);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, terms_that_are_not_there);
  tcase_add_test(tests, traces_that_do_not_fit);
  tcase_add_test(tests, terms_within_a_window);
  tcase_add_test(tests, linear_sums_of_other_steps);
  tcase_add_test(tests, earlier_weights_that_are_too_large);
  tcase_add_test(tests, linear_terms_need_what_was_kept);
  tcase_add_test(tests, linear_terms_that_overflow);
}

int main(void) { return run_suite("refused terms", add_tests); }
