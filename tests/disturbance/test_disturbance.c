/* SPDX-License-Identifier: Apache-2.0 */
#include "past.h"

/* Disturbed terms and weights against eq. 4 written out with disturbed activities. */

enum { MOST = PAST_WIDTH * PAST_WIDTH, KINDS = 4, SEED = 9, RUN = 2 };
typedef enum { UNDISTURBED, WITHOUT_NONLINEARITY, FRESH_FEEDBACK, SHUFFLED_ROWS } kind;

/* A run beside which all four kinds of disturbed weights are kept. */
typedef struct {
  past *p;
  falign_rule *fresh;
  falign_disturbance *by[KINDS];
  past_weights fresh_back[PAST_LAYERS];
} disturbed;

static disturbed begin(const past_plan *plan) {
  disturbed x = {.p = past_new(plan, PAST_LAYERS, past_widths)};
  past *p = x.p;
  ok(falign_rule_create(plan->rule, p->by.network, &x.fresh));
  ok(falign_rule_draw(x.fresh, 0.5, 77, 0));
  for (uint32_t l = 1; l < p->d; l++)
    ok(falign_rule_get(x.fresh, FALIGN_FEEDBACK, l,
                       WRITE_F64(x.fresh_back[l][0], feedback_rows(p->by.network, x.fresh, l), p->n[l], PAST_WIDTH)));
  ok(falign_disturbance_create("undisturbed", NULL, p->history, p->by.rule, &x.by[UNDISTURBED]));
  ok(falign_disturbance_create("linear", NULL, p->history, p->by.rule, &x.by[WITHOUT_NONLINEARITY]));
  ok(falign_disturbance_create("fresh_feedback", &(falign_disturbance_settings){.fresh = x.fresh}, p->history,
                               p->by.rule, &x.by[FRESH_FEEDBACK]));
  ok(falign_disturbance_create("shuffled_rows", &(falign_disturbance_settings){.seed = SEED, .run = RUN}, p->history,
                               p->by.rule, &x.by[SHUFFLED_ROWS]));
  return x;
}

static void go(disturbed *x, bool shuffled) {
  past_go(x->p, shuffled);
  for (int i = 0; i < KINDS; i++) ok(falign_disturbance_update(x->by[i], past_trace(x->p)));
}

static void end(disturbed *x) {
  for (int i = 0; i < KINDS; i++) falign_disturbance_destroy(x->by[i]);
  falign_rule_destroy(x->fresh);
  past_free(x->p);
}

/* The permutation of the rows at iteration k. */
static void order_of(uint64_t k, uint32_t *order) {
  falign_rng *rng;
  ok(falign_rng_create(SEED, FALIGN_RNG_ROWS, (uint32_t)k, RUN, &rng));
  falign_rng_permutation(rng, order, PAST_ROWS);
  falign_rng_destroy(rng);
}

/* A copy of the run in which the disturbance is real: other feedback, or each step's delta with shuffled rows. */
static past *disturb(const disturbed *x, kind what) {
  past *copy = malloc(sizeof *copy);
  ck_assert_ptr_nonnull(copy);
  memcpy(copy, x->p, sizeof *copy);
  if (what == FRESH_FEEDBACK) memcpy(copy->back, x->fresh_back, sizeof copy->back);
  for (uint64_t k = 0; k < copy->steps && what == SHUFFLED_ROWS; k++) {
    uint32_t order[PAST_ROWS];
    order_of(k, order);
    for (uint32_t l = 2; l <= copy->d; l++)
      for (size_t r = 0; r < PAST_ROWS; r++)
        memcpy(copy->step[k].delta[l][r], x->p->step[k].delta[l][order[r]], sizeof copy->step[k].delta[l][r]);
  }
  return copy;
}

static const past_plan plans[] = {
    {FALIGN_F64, "fa", TANH_RELU, true, false, false, 9, 0},
    {FALIGN_F64, "fa", TANH, true, true, true, 9, 0},
    {FALIGN_F64, "dfa", LOGISTIC, false, false, true, 9, 0},
    {FALIGN_F32, "fa", TANH, true, false, false, 6, 0},
};
enum { PLANS = sizeof plans / sizeof *plans };

/* As for undisturbed terms: see tests/terms. */
static double rounding(const past_plan *plan) { return plan->precision == FALIGN_F32 ? 400 * 0x1p-23 : 1e-12; }

START_TEST(disturbed_orders_equal_equation_4) {
  const past_plan *plan = &plans[_i];
  disturbed x = begin(plan);
  while (x.p->steps < plan->steps) go(&x, plan->shuffled);
  uint64_t k = x.p->steps - 1;
  for (kind what = UNDISTURBED; what <= SHUFFLED_ROWS; what++) {
    past *real = disturb(&x, what);
    for (uint32_t l = 1; l < real->d; l++) {
      for (uint64_t o = 1; o <= k; o++) {
        double fast[MOST], slow[MOST];
        ok(disturbance_get(x.by[what], past_trace(x.p), l, &(falign_orders){&o, 1, 1}, fast));
        plain_term(real, l, o, what == WITHOUT_NONLINEARITY, slow);
        double off = apart(fast, slow, past_numbers(real, l));
        ck_assert_msg(off < rounding(plan), "%s, layer %u, order %d: off by %g", falign_disturbance_name(x.by[what]), l,
                      (int)o, off);
      }
    }
    free(real);
  }
  end(&x);
}
END_TEST

/* W[l] of the first step, and at each step the zero-degree term and all orders. */
static void plain_weights(const past *whole, uint32_t l, bool linear, double *w) {
  past *p = malloc(sizeof *p);
  ck_assert_ptr_nonnull(p);
  memcpy(p, whole, sizeof *p);
  size_t cols = p->n[l + 1];
  for (size_t i = 0; i < p->n[l]; i++) memcpy(w + i * cols, p->step[0].w[l][i], cols * sizeof *w);
  for (p->steps = 1; p->steps <= whole->steps; p->steps++) {
    const past_step *now = &p->step[p->steps - 1];
    for (size_t m = 0; m < now->rows; m++)
      for (size_t i = 0; i < p->n[l]; i++)
        for (size_t j = 0; j < cols; j++)
          w[i * cols + j] += now->eta * plain_f(p->f, plain_zeta(p, l, p->steps - 1, m, i)) * now->delta[l + 1][m][j];
    for (uint64_t o = 1; o < p->steps; o++) {
      double t[MOST];
      plain_term(p, l, o, linear, t);
      for (size_t i = 0; i < past_numbers(p, l); i++) w[i] += t[i];
    }
  }
  free(p);
}

START_TEST(disturbed_weights_are_what_the_terms_build) {
  const past_plan *plan = &plans[_i];
  disturbed x = begin(plan);
  while (x.p->steps < plan->steps) go(&x, plan->shuffled);
  for (kind what = UNDISTURBED; what <= SHUFFLED_ROWS; what++) {
    past *real = disturb(&x, what);
    for (uint32_t l = 1; l < real->d; l++) {
      double fast[MOST], slow[MOST], start[MOST], moved = 0;
      size_t rows = real->n[l], cols = real->n[l + 1];
      ok(falign_disturbance_get_weights(x.by[what], l, WRITE_F64(fast, rows, cols, cols)));
      plain_weights(real, l, what == WITHOUT_NONLINEARITY, slow);
      for (size_t i = 0; i < rows * cols; i++) {
        start[i] = real->step[0].w[l][i / cols][i % cols];
        moved = fmax(moved, fabs(fast[i] - start[i]));
        fast[i] -= start[i];
        slow[i] -= start[i];
      }
      ck_assert(moved > 1e-3);
      ck_assert_msg(apart(fast, slow, rows * cols) < rounding(plan), "%s, layer %u: off by %g",
                    falign_disturbance_name(x.by[what]), l, apart(fast, slow, rows * cols));
    }
    free(real);
  }
  end(&x);
}
END_TEST

/* In a linear network nothing is left out: undisturbed and linear terms build the network's own weights. */
START_TEST(terms_of_a_linear_network_build_its_weights) {
  const past_plan plan = {FALIGN_F64, "fa", LINEAR, true, false, true, 9, 0.0002};
  disturbed x = begin(&plan);
  while (x.p->steps < plan.steps) go(&x, true);
  for (uint32_t l = 1; l < x.p->d; l++) {
    double own[MOST], w[MOST];
    size_t rows = x.p->n[l], cols = x.p->n[l + 1];
    ok(falign_network_get(x.p->by.network, FALIGN_W, l, WRITE_F64(own, rows, cols, cols)));
    for (kind what = UNDISTURBED; what <= WITHOUT_NONLINEARITY; what++) {
      ok(falign_disturbance_get_weights(x.by[what], l, WRITE_F64(w, rows, cols, cols)));
      ck_assert(apart(w, own, rows * cols) < 1e-13);
    }
    ok(falign_disturbance_get_weights(x.by[SHUFFLED_ROWS], l, WRITE_F64(w, rows, cols, cols)));
    ck_assert(apart(w, own, rows * cols) > 1e-4);
  }
  end(&x);
}
END_TEST

/* The same feedback as the network's own disturbs nothing. */
START_TEST(the_same_feedback_is_no_disturbance) {
  past *p = past_new(&plans[0], PAST_LAYERS, past_widths);
  falign_disturbance *none, *same;
  ok(falign_disturbance_create("undisturbed", NULL, p->history, p->by.rule, &none));
  ok(falign_disturbance_create("fresh_feedback", &(falign_disturbance_settings){.fresh = p->by.rule}, p->history,
                               p->by.rule, &same));
  while (p->steps < 8) {
    past_go(p, true);
    ok(falign_disturbance_update(none, past_trace(p)));
    ok(falign_disturbance_update(same, past_trace(p)));
  }
  for (uint32_t l = 1; l < p->d; l++) {
    double a[MOST], b[MOST], angle_a, angle_b;
    ok(falign_disturbance_get_weights(none, l, WRITE_F64(a, p->n[l], p->n[l + 1], p->n[l + 1])));
    ok(falign_disturbance_get_weights(same, l, WRITE_F64(b, p->n[l], p->n[l + 1], p->n[l + 1])));
    ck_assert(apart(a, b, past_numbers(p, l)) < 1e-13);
    ok(falign_disturbance_angle(none, l, &angle_a));
    ok(falign_disturbance_angle(same, l, &angle_b));
    near(angle_a, angle_b, 1e-10);
  }
  falign_disturbance_destroy(none);
  falign_disturbance_destroy(same);
  past_free(p);
}
END_TEST

/* ---- Learning is untouched; threads change nothing ---- */

START_TEST(learning_is_untouched) {
  const past_plan *plan = &plans[_i];
  disturbed x = begin(plan);
  past *alone = past_new(plan, PAST_LAYERS, past_widths);
  while (x.p->steps < plan->steps) {
    go(&x, plan->shuffled);
    past_go(alone, plan->shuffled);
  }
  ck_assert(same_parameters(x.p->by.network, alone->by.network));
  past_free(alone);
  end(&x);
}
END_TEST

START_TEST(threads_change_no_bit) {
  disturbed one = begin(&plans[_i]), two = begin(&plans[_i]);
  for (int i = 0; i < KINDS; i++) {
    falign_status status = falign_disturbance_set_threads(two.by[i], 2);
    if (status == FALIGN_UNSUPPORTED)
      skip_part(no_threads);
    else
      ok(status);
  }
  while (one.p->steps < 12) { /* two groups of orders */
    go(&one, true);
    go(&two, true);
  }
  for (int i = 0; i < KINDS; i++) {
    for (uint32_t l = 1; l < PAST_LAYERS; l++) {
      double a[MOST], b[MOST];
      size_t rows = past_widths[l], cols = past_widths[l + 1];
      ok(falign_disturbance_get_weights(one.by[i], l, WRITE_F64(a, rows, cols, cols)));
      ok(falign_disturbance_get_weights(two.by[i], l, WRITE_F64(b, rows, cols, cols)));
      ck_assert(memcmp(a, b, rows * cols * sizeof *a) == 0);
    }
  }
  end(&one);
  end(&two);
}
END_TEST

/* ---- The metric ---- */

static struct {
  char metric[32];
  uint64_t iteration;
  int64_t layer;
  double value;
} values[500];
static size_t value_count;

static falign_status keep_value(void *user, const falign_value *value) {
  (void)user;
  ck_assert_uint_lt(value_count, 500);
  ck_assert_int_eq(value->order, -1);
  snprintf(values[value_count].metric, sizeof values[0].metric, "%s", value->name);
  values[value_count].iteration = (uint64_t)value->iteration;
  values[value_count].layer = value->layer;
  values[value_count++].value = value->value;
  return FALIGN_OK;
}

/* Angles before update k, at every second k, of weights that the functions give for a run of their own. */
START_TEST(the_metric_follows_the_weights) {
  static const char *const wanted[] = {"angle_w_undisturbed", "angle_w_linear", "angle_w_fresh_feedback",
                                       "angle_w_shuffled_rows"};
  disturbed seen = begin(&plans[0]), x = begin(&plans[0]);
  for (int i = 0; i < KINDS; i++) {
    falign_metric *metric;
    ok(falign_metric_create_disturbance(seen.by[i], &metric));
    ok(falign_trainer_observe(seen.p->by.trainer, metric, 2, keep_value, NULL));
    falign_metric_destroy(metric);
  }
  value_count = 0;
  while (seen.p->steps < 7) past_go(seen.p, false);
  ck_assert_uint_eq(value_count, 4 * KINDS * (PAST_LAYERS - 1)); /* at 0, 2, 4 and 6 */
  while (x.p->steps < 6) go(&x, false);
  for (int i = 0; i < KINDS; i++) {
    for (uint32_t l = 1; l < PAST_LAYERS; l++) {
      double angle, own, start;
      size_t found = 0;
      ok(falign_disturbance_angle(x.by[i], l, &angle));
      double w[MOST];
      ok(falign_disturbance_get_weights(x.by[i], l,
                                        WRITE_F64(w, past_widths[l], past_widths[l + 1], past_widths[l + 1])));
      const double *back = i == FRESH_FEEDBACK ? x.fresh_back[l][0] : x.p->back[l][0];
      ok(falign_angle(READ_F64(w, past_widths[l], past_widths[l + 1], past_widths[l + 1]),
                      READ_F64_T(back, past_widths[l + 1], past_widths[l], PAST_WIDTH), &own, NULL, NULL));
      near(angle, own, 0);
      ok(falign_angle(READ_F64(x.p->step[0].w[l][0], past_widths[l], past_widths[l + 1], PAST_WIDTH),
                      READ_F64_T(back, past_widths[l + 1], past_widths[l], PAST_WIDTH), &start, NULL, NULL));
      for (size_t v = 0; v < value_count; v++) {
        if (strcmp(values[v].metric, wanted[i]) != 0 || values[v].layer != l) continue;
        if (values[v].iteration == 6) near(values[v].value, angle, 0);
        if (values[v].iteration == 0) near(values[v].value, start, 1e-12);
        found++;
      }
      ck_assert_uint_eq(found, 4);
    }
  }
  end(&seen);
  end(&x);
}
END_TEST

/* ---- Errors ---- */

START_TEST(disturbances_come_before_the_first_step) {
  past *p = past_run(&plans[0]);
  falign_disturbance *late = NULL;
  falign_rule *fresh;
  ok(falign_rule_create("fa", p->by.network, &fresh));
  fails(FALIGN_INVALID, "holds steps since iteration 0",
        falign_disturbance_create("undisturbed", NULL, p->history, p->by.rule, &late));
  fails(FALIGN_INVALID, "settings come before",
        falign_disturbance_create("linear", NULL, p->history, p->by.rule, &late));
  fails(FALIGN_INVALID, "settings come before",
        falign_disturbance_create("fresh_feedback", &(falign_disturbance_settings){.fresh = fresh}, p->history,
                                  p->by.rule, &late));
  fails(FALIGN_INVALID, "settings come before",
        falign_disturbance_create("shuffled_rows", &(falign_disturbance_settings){.seed = 1, .run = 0}, p->history,
                                  p->by.rule, &late));
  ck_assert_ptr_null(late);
  falign_rule_destroy(fresh);
  past_free(p);
}
END_TEST

START_TEST(rules_that_do_not_fit) {
  past *p = past_new(&plans[0], PAST_LAYERS, past_widths);
  falign_disturbance *made = NULL;
  falign_rule *bp, *dfa;
  ok(falign_rule_create("bp", p->by.network, &bp));
  ok(falign_rule_create("dfa", p->by.network, &dfa));
  fails(FALIGN_UNSUPPORTED, "rule bp has no feedback",
        falign_disturbance_create("undisturbed", NULL, p->history, bp, &made));
  fails(FALIGN_SHAPE, "rule dfa of the settings has another kind of feedback than rule fa",
        falign_disturbance_create("fresh_feedback", &(falign_disturbance_settings){.fresh = dfa}, p->history,
                                  p->by.rule, &made));
  fails(FALIGN_INVALID, "fresh is NULL: disturbance fresh_feedback needs a rule with other feedback weights",
        falign_disturbance_create("fresh_feedback", &(falign_disturbance_settings){.seed = 1}, p->history, p->by.rule,
                                  &made));
  fails(FALIGN_INVALID, "settings is NULL: disturbance fresh_feedback needs",
        falign_disturbance_create("fresh_feedback", NULL, p->history, p->by.rule, &made));
  fails(FALIGN_INVALID, "settings is NULL: disturbance shuffled_rows needs",
        falign_disturbance_create("shuffled_rows", NULL, p->history, p->by.rule, &made));
  ck_assert_ptr_null(made);
  falign_rule_destroy(bp);
  falign_rule_destroy(dfa);
  past_free(p);
}
END_TEST

START_TEST(steps_come_in_order) {
  disturbed x = begin(&plans[0]);
  double w[MOST], angle, t[MOST];
  uint64_t one = 1;
  fails(FALIGN_INVALID, "there are no disturbed weights before the first update",
        falign_disturbance_get_weights(x.by[UNDISTURBED], 1, WRITE_F64(w, 9, 8, 8)));
  past_go(x.p, false);
  past_go(x.p, false);
  fails(FALIGN_INVALID, "continue with iteration 0, not with 1",
        falign_disturbance_update(x.by[UNDISTURBED], past_trace(x.p)));
  end(&x);

  x = begin(&plans[0]);
  go(&x, false);
  go(&x, false);
  fails(FALIGN_INVALID, "continue with iteration 2, not with 1",
        falign_disturbance_update(x.by[SHUFFLED_ROWS], past_trace(x.p)));
  fails(FALIGN_SHAPE, "W[1] is 9 x 8, got 8 x 9",
        falign_disturbance_get_weights(x.by[UNDISTURBED], 1, WRITE_F64(w, 8, 9, 9)));
  fails(FALIGN_INVALID, "no disturbed W[0]: l goes from 1 to 3",
        falign_disturbance_angle(x.by[UNDISTURBED], 0, &angle));
  fails(FALIGN_INVALID, "no disturbed W[4]",
        falign_disturbance_get_weights(x.by[UNDISTURBED], 4, WRITE_F64(w, 9, 8, 8)));
  fails(FALIGN_INVALID, "layer 4",
        disturbance_get(x.by[SHUFFLED_ROWS], past_trace(x.p), 4, &(falign_orders){&one, 1, 1}, t));
  one = 2;
  fails(FALIGN_INVALID, "order 2 at iteration 1",
        disturbance_get(x.by[FRESH_FEEDBACK], past_trace(x.p), 1, &(falign_orders){&one, 1, 1}, t));
  end(&x);
}
END_TEST

START_TEST(names) {
  const char *const want[KINDS] = {"undisturbed", "linear", "fresh_feedback", "shuffled_rows"};
  disturbed x = begin(&plans[0]);
  for (int i = 0; i < KINDS; i++) ck_assert_str_eq(falign_disturbance_name(x.by[i]), want[i]);
  end(&x);
  past *p = past_new(&plans[0], PAST_LAYERS, past_widths);
  falign_disturbance *made = NULL;
  for (int i = 0; i < KINDS; i++)
    fails(FALIGN_UNSUPPORTED, want[i], falign_disturbance_create("noise", NULL, p->history, p->by.rule, &made));
  fails(FALIGN_UNSUPPORTED, "\"noise\"", falign_disturbance_create("noise", NULL, p->history, p->by.rule, &made));
  fails(FALIGN_INVALID, "name is NULL", falign_disturbance_create(NULL, NULL, p->history, p->by.rule, &made));
  ck_assert_ptr_null(made);
  past_free(p);
}
END_TEST

/* A trace of iteration 1 when rows were shuffled for iteration 2: that of another trainer of the network. */
START_TEST(rows_are_those_of_the_last_step) {
  disturbed x = begin(&plans[0]);
  const double zeros[PAST_ROWS * 7] = {0};
  const uint64_t one = 1;
  double t[MOST];
  falign_trainer *other;
  for (int k = 0; k < 3; k++) go(&x, false);
  ok(falign_trainer_create(x.p->by.network, x.p->by.rule, 0.01, &other));
  ok(falign_trainer_keep(other, FALIGN_NEEDS_ACTIVITY));
  for (int k = 0; k < 2; k++)
    ok(falign_trainer_step(other, READ_F64(zeros, PAST_ROWS, 7, 7), READ_F64(zeros, PAST_ROWS, 5, 5)));
  const falign_trace *trace = falign_trainer_trace(other);
  fails(FALIGN_INVALID, "rows were shuffled for iteration 2, not for 1",
        disturbance_get(x.by[SHUFFLED_ROWS], trace, 1, &(falign_orders){&one, 1, 1}, t));
  ok(disturbance_get(x.by[UNDISTURBED], trace, 1, &(falign_orders){&one, 1, 1}, t));
  falign_trainer_destroy(other);
  end(&x);
}
END_TEST

/* The streams of the permutations are numbered in 24 bits. */
START_TEST(rows_end_with_iteration_2_to_24) {
  disturbed x = begin(&plans[0]);
  const double zeros[PAST_ROWS * 7] = {0};
  const int64_t last = 0xffffff;
  const double start_norm[PAST_LAYERS] = {1, 1, 1, 1};
  const size_t layers = PAST_LAYERS;
  falign_tensors *at;
  ok(falign_tensors_create(&at));
  ok(falign_network_export(x.p->by.network, at));
  ok(falign_rule_export(x.p->by.rule, at));
  ok(falign_tensors_add(at, "trainer.iteration", FALIGN_DTYPE_I64, NULL, 0, &last));
  ok(falign_tensors_add(at, "trainer.start_norm", FALIGN_DTYPE_F64, &layers, 1, start_norm));
  ok(falign_trainer_import(x.p->by.trainer, at));
  ok(falign_trainer_step(x.p->by.trainer, READ_F64(zeros, PAST_ROWS, 7, 7), READ_F64(zeros, PAST_ROWS, 5, 5)));
  fails(FALIGN_INVALID, "rows are shuffled up to iteration 16777215, not at 16777216",
        falign_trainer_step(x.p->by.trainer, READ_F64(zeros, PAST_ROWS, 7, 7), READ_F64(zeros, PAST_ROWS, 5, 5)));
  falign_tensors_destroy(at);
  end(&x);
}
END_TEST

/* Without a word, and not at the first call for a step, which is the trainer's own. */
static falign_status fail_once_more(void *user, const falign_rule *rule, const falign_network *network,
                                    const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  int *calls = user;
  ck_assert_int_eq(no_signal(NULL, rule, network, trace, l, out), FALIGN_OK);
  return ++*calls > 1 ? FALIGN_IO : FALIGN_OK;
}

START_TEST(rules_that_fail) {
  const falign_rule_table table = {
      .size = sizeof table, .name = "stubborn", .feedback = FALIGN_FEEDBACK_LAYER, .signal = fail_once_more};
  const size_t widths[] = {7, 3, 5};
  const double zeros[PAST_ROWS * 7] = {0};
  learner by = {.network = new_network(FALIGN_F64, 2, widths, true, TANH)};
  falign_history *history;
  falign_disturbance *rows;
  int calls = 0;
  ok(falign_rule_create_custom(&table, &calls, by.network, &by.rule));
  ok(falign_trainer_create(by.network, by.rule, 0.01, &by.trainer));
  ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY));
  ok(falign_history_create(by.network, &history));
  ok(falign_disturbance_create("shuffled_rows", &(falign_disturbance_settings){.seed = SEED, .run = RUN}, history,
                               by.rule, &rows));
  ok(falign_trainer_set_history(by.trainer, history));
  fails(FALIGN_CALLBACK, "rule stubborn failed at layer 1: status 4 (FALIGN_IO)", step(&by, zeros, PAST_ROWS, zeros));
  ck_assert_int_eq(calls, 2);
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 0);
  falign_disturbance_destroy(rows);
  falign_history_destroy(history);
  free_learner(&by);
}
END_TEST

/* Cleared for another run, the weights begin anew. */
START_TEST(another_run_begins_anew) {
  disturbed x = begin(&plans[0]), fresh = begin(&plans[0]);
  falign_tensors *start;
  ok(falign_tensors_create(&start));
  ok(falign_trainer_export(x.p->by.trainer, start));
  for (int k = 0; k < 4; k++) go(&x, false);
  ok(falign_trainer_import(x.p->by.trainer, start)); /* which clears the history */
  x.p->steps = 0;
  for (int k = 0; k < 3; k++) {
    go(&x, false);
    go(&fresh, false);
  }
  for (int i = 0; i < KINDS; i++) {
    double a[MOST], b[MOST];
    ok(falign_disturbance_get_weights(x.by[i], 2, WRITE_F64(a, 8, 6, 6)));
    ok(falign_disturbance_get_weights(fresh.by[i], 2, WRITE_F64(b, 8, 6, 6)));
    ck_assert(memcmp(a, b, 8 * 6 * sizeof *a) == 0);
  }
  falign_tensors_destroy(start);
  end(&x);
  end(&fresh);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_loop_test(tests, disturbed_orders_equal_equation_4, 0, PLANS);
  tcase_add_loop_test(tests, disturbed_weights_are_what_the_terms_build, 0, PLANS);
  tcase_add_test(tests, terms_of_a_linear_network_build_its_weights);
  tcase_add_test(tests, the_same_feedback_is_no_disturbance);
  tcase_add_loop_test(tests, learning_is_untouched, 0, PLANS);
  tcase_add_loop_test(tests, threads_change_no_bit, 0, 2);
  tcase_add_test(tests, the_metric_follows_the_weights);
  tcase_add_test(tests, disturbances_come_before_the_first_step);
  tcase_add_test(tests, rules_that_do_not_fit);
  tcase_add_test(tests, steps_come_in_order);
  tcase_add_test(tests, names);
  tcase_add_test(tests, rows_are_those_of_the_last_step);
  tcase_add_test(tests, rows_end_with_iteration_2_to_24);
  tcase_add_test(tests, rules_that_fail);
  tcase_add_test(tests, another_run_begins_anew);
}

int main(void) { return run_suite("disturbance", add_tests); }
