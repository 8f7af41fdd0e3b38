/* SPDX-License-Identifier: Apache-2.0 */
#include "past.h"

/* The metric of alignment terms against the functions that it is made of. */

enum { MOST = PAST_WIDTH * PAST_WIDTH };

static const past_plan plans[] = {
    {FALIGN_F64, "fa", TANH_RELU, true, false, false, 12, 0},
    {FALIGN_F64, "dfa", TANH_RELU, true, false, false, 12, 0},
};

enum { MOST_VALUES = 4000 };
static struct {
  char metric[32];
  int64_t layer, order;
  uint64_t iteration;
  double value;
} values[MOST_VALUES];
static size_t value_count;

static falign_status keep_value(void *user, const falign_value *value) {
  (void)user;
  ck_assert_uint_lt(value_count, MOST_VALUES);
  snprintf(values[value_count].metric, sizeof values[0].metric, "%s", value->name);
  values[value_count].layer = value->layer;
  values[value_count].order = value->order;
  values[value_count].iteration = (uint64_t)value->iteration;
  values[value_count++].value = value->value;
  return FALIGN_OK;
}

/* The one value of that name; how many there are in *count. */
static double value_of(const char *metric, uint64_t iteration, int64_t layer, int64_t order, size_t *count) {
  double found = (double)NAN;
  *count = 0;
  for (size_t i = 0; i < value_count; i++) {
    if (strcmp(values[i].metric, metric) != 0 || values[i].layer != layer || values[i].order != order ||
        values[i].iteration != iteration)
      continue;
    found = values[i].value;
    ++*count;
  }
  return found;
}

static void expect(const char *metric, uint64_t k, int64_t layer, int64_t order, double want) {
  size_t count;
  double got = value_of(metric, k, layer, order, &count);
  ck_assert_msg(count == 1, "%s of layer %d, order %d: %zu values", metric, (int)layer, (int)order, count);
  if (isnan(want)) {
    ck_assert(isnan(got));
  } else {
    near(got, want, 1e-9 * fabs(want)); /* sums are cut into pieces differently */
  }
}

static void expect_angle(past *p, const char *metric, const char *norm_metric, uint32_t l, int64_t order,
                         const double *t) {
  falign_comparison got;
  ok(falign_terms_compare(p->terms, past_trace(p), l, READ_F64(t, p->n[l], p->n[l + 1], p->n[l + 1]), &got));
  expect(metric, p->steps - 1, l, order, got.angle);
  if (norm_metric) expect(norm_metric, p->steps - 1, l, order, got.norm);
}

/* All values of the last step are those of the functions. */
START_TEST(the_metric_emits_all_of_it) {
  const past_plan *plan = &plans[_i];
  const uint64_t at[] = {0, 5, 11}, listed[] = {11, 1, 4};
  bool all = _i == 0;
  past *p = past_new(plan, PAST_LAYERS, past_widths);
  falign_decomposition *parts;
  bool lapack = falign_decomposition_create(p->by.rule, &parts) != FALIGN_UNSUPPORTED || !p->direct;
  if (p->direct && lapack) falign_decomposition_destroy(parts);
  if (!lapack) past_free(p);
  skip_unless(lapack, no_lapack);
  falign_metric *metric;
  ok(falign_metric_create_terms(all ? NULL : listed, all ? 0 : 3, &metric));
  ok(falign_trainer_observe_at(p->by.trainer, metric, at, 3, keep_value, NULL));
  value_count = 0;
  while (p->steps < 12) past_go(p, false);
  size_t count;
  value_of("angle_t", 5, 1, all ? 3 : 4, &count); /* of 1..5, or 1 and 4 */
  ck_assert_uint_eq(count, 1);
  value_of("angle_t", 5, 1, 11, &count);
  ck_assert_uint_eq(count, 0);
  value_of("angle_t", 11, 1, 3, &count);
  ck_assert_uint_eq(count, all ? 1 : 0);
  for (uint32_t l = 1; l < p->d; l++) {
    double t[MOST];
    const falign_trace *trace = past_trace(p);
    for (uint64_t o = 1; o <= 11; o++) {
      if (!all && o != 11 && o != 1 && o != 4) continue;
      ok(terms_get(p->terms, trace, FALIGN_TERM, l, &(falign_orders){&o, 1, 1}, t));
      expect_angle(p, "angle_t", "norm_t", l, (int64_t)o, t);
      ok(terms_get(p->terms, trace, FALIGN_TERM_LINEAR, l, &(falign_orders){&o, 1, 1}, t));
      expect_angle(p, "angle_t_linear", "norm_t_linear", l, (int64_t)o, t);
    }
    ok(terms_zero(p->terms, trace, l, 11, t));
    expect_angle(p, "angle_zero", "norm_zero", l, -1, t);
    ok(terms_remainder(p->terms, trace, l, 1, t));
    expect_angle(p, "angle_remainder", "norm_remainder", l, -1, t);
    ok(terms_sum(p->terms, trace, FALIGN_TERM, l, &(falign_orders){NULL, 0, 1}, t));
    expect_angle(p, "angle_sum_t", "norm_sum_t", l, -1, t);
    ok(terms_sum(p->terms, trace, FALIGN_TERM_LINEAR, l, &(falign_orders){NULL, 0, 1}, t));
    expect_angle(p, "angle_sum_t_linear", NULL, l, -1, t);
    value_of("norm_dw", 11, l, -1, &count); /* that is another metric's */
    ck_assert_uint_eq(count, 0);
    expect("norm_sum_t", 0, l, -1, 0); /* of no orders */
    expect("angle_sum_t", 0, l, -1, (double)NAN);
    expect("norm_remainder", 0, l, -1, 0);
    value_of("norm_zero", 0, l, -1, &count);
    ck_assert_uint_eq(count, 1);
  }
  falign_metric_destroy(metric);
  past_free(p);
}
END_TEST

/* What the norms are compared with comes once, from the built-in metric, though both observe. */
START_TEST(norms_of_updates_come_from_their_own_metric) {
  past *p = past_new(&plans[0], PAST_LAYERS, past_widths);
  falign_metric *terms, *updates;
  ok(falign_metric_create_terms(NULL, 0, &terms));
  ok(falign_metric_create("norm_dw", &updates));
  ok(falign_trainer_observe(p->by.trainer, terms, 1, keep_value, NULL));
  ok(falign_trainer_observe(p->by.trainer, updates, 1, keep_value, NULL));
  value_count = 0;
  while (p->steps < 3) past_go(p, false);
  for (uint32_t l = 0; l < p->d; l++) {
    double dw[MOST];
    past_update(p, l, dw);
    expect("norm_dw", 2, l, -1, norm_of(dw, past_numbers(p, l)));
  }
  falign_metric_destroy(terms);
  falign_metric_destroy(updates);
  past_free(p);
}
END_TEST

START_TEST(the_metric_needs_a_history) {
  past *p = past_new(&plans[0], PAST_LAYERS, past_widths);
  double x[PAST_ROWS * 7], y[PAST_ROWS * 5];
  falign_metric *metric = NULL;
  uint64_t zero = 0;
  gaussian(x, PAST_ROWS * 7, 1, 0);
  gaussian(y, PAST_ROWS * 5, 1, 1);
  fails(FALIGN_INVALID, "order 0 of the list is 0", falign_metric_create_terms(&zero, 1, &metric));
  ok(falign_metric_create_terms(NULL, 0, &metric));
  ok(falign_trainer_observe(p->by.trainer, metric, 1, keep_value, NULL));
  value_count = 0;
  ok(step(&p->by, x, PAST_ROWS, y));
  ok(falign_trainer_set_history(p->by.trainer, NULL));
  fails(FALIGN_INVALID, "no history", step(&p->by, x, PAST_ROWS, y));
  ck_assert_uint_eq(falign_trainer_iteration(p->by.trainer), 1);
  falign_metric_destroy(metric);
  past_free(p);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_loop_test(tests, the_metric_emits_all_of_it, 0, 2);
  tcase_add_test(tests, norms_of_updates_come_from_their_own_metric);
  tcase_add_test(tests, the_metric_needs_a_history);
}

int main(void) { return run_suite("terms_metric", add_tests); }
