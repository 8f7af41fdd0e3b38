/* SPDX-License-Identifier: Apache-2.0 */
#include "past.h"

/* Alignment terms against eq. 4 written out with the activities themselves, and the identities that they obey. */

enum { MOST = PAST_WIDTH * PAST_WIDTH };

/* A matrix of a layer comes of sums of up to PAST_ROWS + 2 PAST_WIDTH products; 100 epsilons leave room for all of the
 * orders and for the norms to be larger than the result. */
static const double rounding = 100 * 0x1p-52;

static const past_plan plans[] = {
    {FALIGN_F64, "fa", TANH_RELU, true, false, false, 12, 0},
    {FALIGN_F64, "fa", TANH_RELU, true, true, true, 12, 0},
    {FALIGN_F64, "fa", TANH, false, false, true, 12, 0},
    {FALIGN_F64, "fa", LOGISTIC, true, true, false, 12, 0},
    {FALIGN_F64, "fa", RELU, true, false, true, 6, 0},
    {FALIGN_F64, "fa", LINEAR, true, false, false, 12, 0.0002},
    {FALIGN_F64, "dfa", TANH_RELU, true, false, false, 12, 0},
    {FALIGN_F64, "dfa", TANH, true, true, true, 12, 0},
};
enum { PLANS = sizeof plans / sizeof *plans };

/* ---- Eq. 4 ---- */

/* All orders by the fast path, through weight-shaped matrices, and by products of activities. */
START_TEST(terms_equal_equation_4) {
  past *p = past_run(&plans[_i]);
  uint64_t k = p->steps - 1, orders[PAST_STEPS];
  for (uint64_t o = 1; o <= k; o++) orders[o - 1] = o;
  for (uint32_t l = 1; l < p->d; l++) {
    double fast[PAST_STEPS * MOST], slow[MOST];
    size_t numbers = past_numbers(p, l);
    ok(terms_get(p->terms, past_trace(p), FALIGN_TERM, l, &(falign_orders){orders, (size_t)k, 1}, fast));
    for (uint64_t o = 1; o <= k; o++) {
      plain_term(p, l, o, false, slow);
      double off = apart(fast + (o - 1) * numbers, slow, numbers);
      ck_assert_msg(off < 1e-12, "layer %u, order %d: off by %g", l, (int)o, off);
    }
  }
  past_free(p);
}
END_TEST

/* Eq. S6, index by index, on a tiny network. */
START_TEST(terms_equal_the_index_sum) {
  static const size_t n[] = {3, 2, 3, 2};
  const past_plan plan = {FALIGN_F64, "fa", TANH_RELU, true, false, true, 4, 0.1};
  past *p = past_new(&plan, 3, n);
  while (p->steps < plan.steps) past_go(p, true);
  uint64_t k = p->steps - 1;
  for (uint32_t l = 1; l < 3; l++) {
    for (uint64_t o = 1; o <= k; o++) {
      const past_step *now = &p->step[k], *then = &p->step[k - o];
      double fast[9], sum[9] = {0};
      ok(terms_get(p->terms, past_trace(p), FALIGN_TERM, l, &(falign_orders){&o, 1, 1}, fast));
      for (size_t i = 0; i < n[l]; i++)
        for (size_t j = 0; j < n[l + 1]; j++)
          for (size_t q = 0; q < n[l + 1]; q++)
            for (size_t r = 0; r < PAST_ROWS; r++)
              for (size_t c = 0; c < n[l - 1]; c++)
                for (size_t m = 0; m < PAST_ROWS; m++)
                  sum[i * n[l + 1] + j] += now->eta * then->eta * plain_df(p->f, plain_zeta(p, l, o, m, i)) *
                                           plain_df(p->f, then->z[l][r][i]) * p->back[l][q][i] *
                                           then->delta[l + 1][r][q] * then->out[l - 1][r][c] * now->out[l - 1][m][c] *
                                           now->delta[l + 1][m][j];
      ck_assert(norm_of(sum, n[l] * n[l + 1]) > 0);
      ck_assert(apart(fast, sum, n[l] * n[l + 1]) < 1e-12);
    }
  }
  past_free(p);
}
END_TEST

/* Single precision: numbers of 2^-23 through sums of some 40 products, which may cancel to a tenth of their size. */
START_TEST(terms_in_single_precision) {
  const past_plan plan = {FALIGN_F32, "fa", TANH, true, true, true, 12, 0};
  past *p = past_run(&plan);
  for (uint32_t l = 1; l < p->d; l++) {
    for (uint64_t o = 1; o < p->steps; o++) {
      double fast[MOST], slow[MOST];
      ok(terms_get(p->terms, past_trace(p), FALIGN_TERM, l, &(falign_orders){&o, 1, 1}, fast));
      plain_term(p, l, o, false, slow);
      ck_assert(apart(fast, slow, past_numbers(p, l)) < 400 * 0x1p-23);
    }
  }
  past_free(p);
}
END_TEST

/* ---- The expansion ---- */

static void add_to(double *sum, const double *t, size_t count) {
  for (size_t i = 0; i < count; i++) sum[i] += t[i];
}

/* R_l by its own formula, in plain loops. */
static void plain_remainder(const past *p, uint32_t l, double *r) {
  const past_step *now = &p->step[p->steps - 1];
  memset(r, 0, past_numbers(p, l) * sizeof *r);
  for (uint64_t o = 1; o < p->steps; o++) {
    const past_step *then = now - o;
    for (size_t m = 0; m < now->rows; m++) {
      for (size_t i = 0; i < p->n[l]; i++) {
        double zeta = plain_zeta(p, l, o, m, i), step = 0;
        for (size_t c = 0; c < p->n[l - 1]; c++) step += now->out[l - 1][m][c] * then->dw[l - 1][c][i];
        double rest = plain_f(p->f, plain_zeta(p, l, o - 1, m, i)) - plain_f(p->f, zeta) - plain_df(p->f, zeta) * step;
        for (size_t j = 0; j < p->n[l + 1]; j++) r[i * p->n[l + 1] + j] += now->eta * rest * now->delta[l + 1][m][j];
      }
    }
  }
}

/* dW = sum of T + zero-degree term + R at each k (eqs. 3, 11, S14), with R computed on its own. */
START_TEST(the_expansion_closes) {
  const past_plan *plan = &plans[_i];
  past *p = past_new(plan, PAST_LAYERS, past_widths);
  while (p->steps < plan->steps) {
    past_go(p, plan->shuffled);
    uint64_t k = p->steps - 1;
    for (uint32_t l = 1; l < p->d; l++) {
      double sum[MOST], zero[MOST], rest[MOST], slow[MOST], dw[MOST], whole[MOST];
      size_t numbers = past_numbers(p, l);
      ok(terms_sum(p->terms, past_trace(p), FALIGN_TERM, l, &(falign_orders){NULL, 0, 1}, sum));
      ok(terms_zero(p->terms, past_trace(p), l, k, zero));
      ok(terms_remainder(p->terms, past_trace(p), l, 1, rest));
      past_update(p, l, dw);
      double size = norm_of(sum, numbers) + norm_of(zero, numbers) + norm_of(rest, numbers);
      for (size_t i = 0; i < numbers; i++) whole[i] = sum[i] + zero[i] + rest[i] - dw[i];
      ck_assert_msg(norm_of(whole, numbers) <= rounding * size, "layer %u at %d: off by %g of %g", l, (int)k,
                    norm_of(whole, numbers), size);
      plain_remainder(p, l, slow);
      for (size_t i = 0; i < numbers; i++) slow[i] -= rest[i];
      ck_assert(norm_of(slow, numbers) <= rounding * size);
      double share = norm_of(rest, numbers) / norm_of(dw, numbers);
      if (plan->f == LINEAR && !plan->normalized) ck_assert(share <= rounding * size / norm_of(dw, numbers));
      if (plan->f == TANH && k > 2) ck_assert_msg(share > 1e-6, "R is %g of dW", share);
    }
  }
  past_free(p);
}
END_TEST

/* Without a nonlinearity eq. 4 is eq. 5, and each step of the chain of eq. 3 is exact: after o steps
 * dW = T^1 + ... + T^o + eta (L[l-1] W[l-1][k-o] + b)^T delta. */
START_TEST(a_linear_network_is_expanded_exactly) {
  const past_plan plan = {FALIGN_F64, _i ? "dfa" : "fa", LINEAR, true, false, true, 12, 0.0002};
  past *p = past_run(&plan);
  for (uint32_t l = 1; l < p->d; l++) {
    double t[MOST], linear[MOST], zero[MOST], dw[MOST], sum[MOST] = {0};
    size_t numbers = past_numbers(p, l);
    past_update(p, l, dw);
    for (uint64_t o = 0; o < p->steps; o++) {
      if (o > 0) {
        ok(terms_get(p->terms, past_trace(p), FALIGN_TERM, l, &(falign_orders){&o, 1, 1}, t));
        ok(terms_get(p->terms, past_trace(p), FALIGN_TERM_LINEAR, l, &(falign_orders){&o, 1, 1}, linear));
        ck_assert(apart(linear, t, numbers) < rounding);
        add_to(sum, t, numbers);
      }
      ok(terms_zero(p->terms, past_trace(p), l, o, zero));
      add_to(zero, sum, numbers);
      ck_assert(apart(zero, dw, numbers) < rounding);
    }
  }
  past_free(p);
}
END_TEST

/* The zero-degree term of each order by its formula; that of order 0 is dW. */
START_TEST(zero_degree_terms) {
  past *p = past_run(&plans[_i]);
  const past_step *now = &p->step[p->steps - 1];
  for (uint32_t l = 1; l < p->d; l++) {
    double dw[MOST], zero[MOST];
    for (uint64_t o = 0; o < p->steps; o++) {
      double slow[MOST] = {0};
      ok(terms_zero(p->terms, past_trace(p), l, o, zero));
      for (size_t m = 0; m < now->rows; m++)
        for (size_t i = 0; i < p->n[l]; i++)
          for (size_t j = 0; j < p->n[l + 1]; j++)
            slow[i * p->n[l + 1] + j] += now->eta * plain_f(p->f, plain_zeta(p, l, o, m, i)) * now->delta[l + 1][m][j];
      ck_assert(apart(zero, slow, past_numbers(p, l)) < rounding);
    }
    ok(terms_zero(p->terms, past_trace(p), l, 0, zero));
    past_update(p, l, dw);
    ck_assert(apart(zero, dw, past_numbers(p, l)) < rounding);
  }
  past_free(p);
}
END_TEST

/* ---- Sums ---- */

START_TEST(sums_are_sums_of_orders) {
  past *p = past_run(&plans[_i]);
  uint64_t k = p->steps - 1, all[PAST_STEPS], threes[PAST_STEPS], rest[PAST_STEPS];
  size_t of_threes = 0, of_rest = 0;
  for (uint64_t o = 1; o <= k; o++) {
    all[o - 1] = o;
    if (o % 3 == 0) threes[of_threes++] = o;
    if (o % 3 != 0) rest[of_rest++] = o;
  }
  for (uint32_t l = 1; l < p->d; l++) {
    size_t numbers = past_numbers(p, l);
    double t[PAST_STEPS * MOST], sum[MOST] = {0}, of_all[MOST], multiples[MOST], others[MOST];
    ok(terms_get(p->terms, past_trace(p), FALIGN_TERM, l, &(falign_orders){all, (size_t)k, 1}, t));
    for (uint64_t o = 1; o <= k; o++) add_to(sum, t + (o - 1) * numbers, numbers);
    ok(terms_sum(p->terms, past_trace(p), FALIGN_TERM, l, &(falign_orders){NULL, 0, 1}, of_all));
    ok(terms_sum(p->terms, past_trace(p), FALIGN_TERM, l, &(falign_orders){threes, of_threes, 1}, multiples));
    ok(terms_sum(p->terms, past_trace(p), FALIGN_TERM, l, &(falign_orders){rest, of_rest, 1}, others));
    ck_assert(apart(of_all, sum, numbers) < rounding);
    add_to(multiples, others, numbers);
    ck_assert(apart(multiples, sum, numbers) < rounding);
    ok(terms_sum(p->terms, past_trace(p), FALIGN_TERM, l, &(falign_orders){threes, 0, 1}, sum)); /* of no orders */
    ck_assert(norm_of(sum, numbers) == 0);
  }
  past_free(p);
}
END_TEST

/* Bit for bit, with more groups of orders than one. */
START_TEST(threads_change_no_bit) {
  past *p = past_run(&plans[_i]);
  uint64_t k = p->steps - 1, orders[PAST_STEPS];
  for (uint64_t o = 1; o <= k; o++) orders[o - 1] = o;
  static double t[4][PAST_STEPS * MOST], sum[4][MOST], rest[4][MOST];
  for (uint32_t threads = 1; threads <= 3; threads++) {
    falign_status status = falign_terms_set_threads(p->terms, threads);
    if (status == FALIGN_UNSUPPORTED) {
      skip_part(no_threads);
      break;
    }
    ok(status);
    ok(terms_get(p->terms, past_trace(p), FALIGN_TERM, 2, &(falign_orders){orders, (size_t)k, 1}, t[threads]));
    ok(terms_sum(p->terms, past_trace(p), FALIGN_TERM, 2, &(falign_orders){NULL, 0, 1}, sum[threads]));
    ok(terms_remainder(p->terms, past_trace(p), 2, 1, rest[threads]));
    ck_assert(memcmp(t[threads], t[1], sizeof t[1]) == 0);
    ck_assert(memcmp(sum[threads], sum[1], sizeof sum[1]) == 0);
    ck_assert(memcmp(rest[threads], rest[1], sizeof rest[1]) == 0);
  }
  past_free(p);
}
END_TEST

/* Note 3: the order of the data points within each mini-batch is nothing to the sum of the terms. */
START_TEST(rows_of_a_batch_may_be_shuffled) {
  past *p[2];
  double sum[2][MOST];
  for (int shuffled = 0; shuffled < 2; shuffled++) {
    p[shuffled] = past_new(&plans[0], PAST_LAYERS, past_widths);
    for (uint32_t k = 0; k < 10; k++) {
      double x[PAST_ROWS * 7], y[PAST_ROWS * 5], mixed_x[PAST_ROWS * 7], mixed_y[PAST_ROWS * 5];
      gaussian(x, PAST_ROWS * 7, 1, 2 * k);
      gaussian(y, PAST_ROWS * 5, 1, 2 * k + 1);
      for (size_t r = 0; r < PAST_ROWS; r++) {
        size_t from = shuffled ? (r * 7 + k) % PAST_ROWS : r; /* 7 and 20 have no common factor */
        memcpy(mixed_x + r * 7, x + from * 7, 7 * sizeof *x);
        memcpy(mixed_y + r * 5, y + from * 5, 5 * sizeof *y);
      }
      ok(step(&p[shuffled]->by, mixed_x, PAST_ROWS, mixed_y));
    }
  }
  for (uint32_t l = 1; l < PAST_LAYERS; l++) {
    falign_comparison with[2];
    size_t rows = past_widths[l], cols = past_widths[l + 1];
    for (int i = 0; i < 2; i++) {
      ok(terms_sum(p[i]->terms, past_trace(p[i]), FALIGN_TERM, l, &(falign_orders){NULL, 0, 1}, sum[i]));
      ok(falign_terms_compare(p[i]->terms, past_trace(p[i]), l, READ_F64(sum[i], rows, cols, cols), &with[i]));
    }
    ck_assert(apart(sum[1], sum[0], past_numbers(p[0], l)) < 1e-12);
    near(with[1].angle, with[0].angle, 1e-10);
  }
  past_free(p[0]);
  past_free(p[1]);
}
END_TEST

/* ---- Linear terms ---- */

START_TEST(linear_terms_equal_equation_5) {
  past *p = past_run(&plans[_i]);
  uint64_t k = p->steps - 1, orders[PAST_STEPS];
  for (uint64_t o = 1; o <= k; o++) orders[o - 1] = o;
  for (uint32_t l = 1; l < p->d; l++) {
    double fast[PAST_STEPS * MOST], slow[MOST], sum[MOST] = {0}, running[MOST], given[MOST];
    size_t numbers = past_numbers(p, l);
    ok(terms_get(p->terms, past_trace(p), FALIGN_TERM_LINEAR, l, &(falign_orders){orders, (size_t)k, 1}, fast));
    for (uint64_t o = 1; o <= k; o++) {
      plain_term(p, l, o, true, slow);
      ck_assert(apart(fast + (o - 1) * numbers, slow, numbers) < 1e-12);
      add_to(sum, slow, numbers);
    }
    ok(terms_sum(p->terms, past_trace(p), FALIGN_TERM_LINEAR, l, &(falign_orders){NULL, 0, 1}, running));
    ok(terms_sum(p->terms, past_trace(p), FALIGN_TERM_LINEAR, l, &(falign_orders){orders, (size_t)k, 1}, given));
    ck_assert(apart(running, sum, numbers) < 1e-12);
    ck_assert(apart(given, sum, numbers) < 1e-12);
  }
  past_free(p);
}
END_TEST

/* eta^2 B^T diag(M), with M_jj = sum over both batches' points of delta_j delta_j S_L. */
START_TEST(diagonal_part_of_linear_terms) {
  past *p = past_run(&plans[0]);
  for (uint32_t l = 1; l < p->d; l++) {
    for (uint64_t o = 1; o < p->steps; o += 3) {
      const past_step *now = &p->step[p->steps - 1], *then = now - o;
      double t[MOST], slow[MOST];
      ok(terms_get(p->terms, past_trace(p), FALIGN_TERM_DIAGONAL, l, &(falign_orders){&o, 1, 1}, t));
      for (size_t j = 0; j < p->n[l + 1]; j++) {
        double m = 0;
        for (size_t r = 0; r < PAST_ROWS; r++)
          for (size_t s = 0; s < PAST_ROWS; s++)
            m += then->delta[l + 1][r][j] * now->delta[l + 1][s][j] * plain_similarity(p, l, o, r, s);
        for (size_t i = 0; i < p->n[l]; i++) slow[i * p->n[l + 1] + j] = now->eta * then->eta * p->back[l][j][i] * m;
      }
      ck_assert(apart(t, slow, past_numbers(p, l)) < 1e-12);
    }
  }
  past_free(p);
}
END_TEST

/* Eq. 8 in plain loops, with Q taken from the decomposition, whose own test it has. */
START_TEST(simplified_direct_terms_equal_equation_8) {
  past *p = past_run(&plans[6]);
  falign_decomposition *parts = NULL;
  falign_status status = falign_decomposition_create(p->by.rule, &parts);
  uint64_t one = 1;
  double unused[MOST];
  if (status == FALIGN_UNSUPPORTED) {
    fails(FALIGN_UNSUPPORTED, "LAPACK",
          terms_get(p->terms, past_trace(p), FALIGN_TERM_SIMPLIFIED, 1, &(falign_orders){&one, 1, 1}, unused));
    past_free(p);
  }
  skip_unless(status != FALIGN_UNSUPPORTED, no_lapack);
  ok(status);
  uint32_t d = p->d;
  for (uint32_t l = 1; l < d; l++) {
    double q[MOST];
    ok(falign_decomposition_get(parts, FALIGN_Q, l, WRITE_F64(q, p->n[l + 1], p->n[l], p->n[l])));
    for (uint64_t o = 1; o < p->steps; o += 2) {
      const past_step *now = &p->step[p->steps - 1], *then = now - o;
      double t[MOST], slow[MOST] = {0}, sent_now[PAST_ROWS][PAST_WIDTH] = {{0}};
      double sent_then[PAST_ROWS][PAST_WIDTH] = {{0}};
      ok(terms_get(p->terms, past_trace(p), FALIGN_TERM_SIMPLIFIED, l, &(falign_orders){&o, 1, 1}, t));
      for (size_t r = 0; r < PAST_ROWS; r++) { /* delta[d] F[l+1] */
        for (size_t j = 0; j < p->n[l + 1]; j++) {
          for (size_t c = 0; c < p->n[d]; c++) {
            double f = l + 1 < d ? p->back[l + 1][c][j] : (double)(c == j);
            sent_now[r][j] += now->delta[d][r][c] * f;
            sent_then[r][j] += then->delta[d][r][c] * f;
          }
        }
      }
      for (size_t r = 0; r < PAST_ROWS; r++)
        for (size_t m = 0; m < PAST_ROWS; m++)
          for (size_t a = 0; a < p->n[l + 1]; a++)
            for (size_t i = 0; i < p->n[l]; i++)
              for (size_t j = 0; j < p->n[l + 1]; j++)
                slow[i * p->n[l + 1] + j] += now->eta * then->eta * q[a * p->n[l] + i] * sent_then[r][a] *
                                             plain_similarity(p, l, o, r, m) * sent_now[m][j];
      ck_assert(apart(t, slow, past_numbers(p, l)) < 1e-12);
    }
  }
  falign_decomposition_destroy(parts);
  past_free(p);
}
END_TEST

/* ---- Taylor terms of higher degree ---- */

/* f^(v)(z) / v! of the hyperbolic tangent, written out by hand, with y = tanh(z). */
static double tanh_coefficient(uint32_t v, double z) {
  double y = tanh(z), s = 1 - y * y;
  switch (v) {
    case 1: return s;
    case 2: return -y * s;
    case 3: return s * (3 * y * y - 1) / 3;
    case 4: return -s * y * (3 * y * y - 2) / 3;
    case 5: return s * (15 * y * y * y * y - 15 * y * y + 2) / 15;
    default: return -s * y * (45 * y * y * y * y - 60 * y * y + 17) / 45;
  }
}

START_TEST(taylor_terms_equal_their_formula) {
  past *p = past_run(&plans[2]);
  const past_step *now = &p->step[p->steps - 1];
  for (uint32_t degree = 1; degree <= 6; degree++) {
    for (uint32_t l = 1; l < p->d; l++) {
      for (uint64_t o = 1; o < p->steps; o += 4) {
        double t[MOST], slow[MOST] = {0};
        ok(terms_get(p->terms, past_trace(p), FALIGN_TERM, l, &(falign_orders){&o, 1, degree}, t));
        for (size_t m = 0; m < PAST_ROWS; m++) {
          for (size_t i = 0; i < p->n[l]; i++) {
            double small = 0;
            for (size_t c = 0; c < p->n[l - 1]; c++) small += now->out[l - 1][m][c] * (now - o)->dw[l - 1][c][i];
            double h = tanh_coefficient(degree, plain_zeta(p, l, o, m, i)) * pow(small, degree);
            for (size_t j = 0; j < p->n[l + 1]; j++)
              slow[i * p->n[l + 1] + j] += now->eta * h * now->delta[l + 1][m][j];
          }
        }
        double off = apart(t, slow, past_numbers(p, l));
        ck_assert_msg(off < 1e-10, "degree %u, layer %u, order %d: off by %g", degree, l, (int)o, off);
      }
    }
  }
  past_free(p);
}
END_TEST

/* The remainder of degree v of three steps from the same start. */
static double remainder_of(activation f, uint32_t degree, double eta, uint32_t l) {
  const past_plan plan = {FALIGN_F64, "fa", f, true, false, true, 4, eta};
  past *p = past_run(&plan);
  double rest[MOST];
  ok(terms_remainder(p->terms, past_trace(p), l, degree, rest));
  double norm = norm_of(rest, past_numbers(p, l));
  past_free(p);
  return norm;
}

/* R of degree v has eta once before it, and v + 1 times in the step: halving eta divides it by 2^(v+2), up to terms of
 * the next order, which at these etas change the exponent by less than 0.2. Lower ones, degrees and layers would leave
 * less than rounding, 1e-16 of dW, can measure. */
START_TEST(remainders_shrink_by_their_degree) {
  activation f = _i ? LOGISTIC : TANH;
  double eta = _i ? 0.02 : 0.0007;
  for (uint32_t degree = 1; degree <= (_i ? 3 : 4); degree++) {
    for (uint32_t l = _i ? 2 : 1; l < PAST_LAYERS; l++) {
      double large = remainder_of(f, degree, eta, l), small = remainder_of(f, degree, eta / 2, l);
      double order = log2(large / small);
      ck_assert_msg(fabs(order - (degree + 2)) < 0.2, "degree %u, layer %u: %g, %g, order %g", degree, l, large, small,
                    order);
    }
  }
}
END_TEST

/* With more terms the expansion closes all the same, and what is left becomes less. */
START_TEST(higher_degrees_leave_less) {
  past *p = past_run(&plans[2]);
  for (uint32_t l = 1; l < p->d; l++) {
    double dw[MOST], zero[MOST], last = (double)INFINITY;
    size_t numbers = past_numbers(p, l);
    past_update(p, l, dw);
    ok(terms_zero(p->terms, past_trace(p), l, p->steps - 1, zero));
    double whole[MOST];
    memcpy(whole, zero, sizeof whole);
    for (uint32_t degree = 1; degree <= 6; degree++) {
      double t[MOST], rest[MOST], closed[MOST];
      ok(terms_sum(p->terms, past_trace(p), FALIGN_TERM, l, &(falign_orders){NULL, 0, degree}, t));
      add_to(whole, t, numbers);
      ok(terms_remainder(p->terms, past_trace(p), l, degree, rest));
      for (size_t i = 0; i < numbers; i++) closed[i] = whole[i] + rest[i];
      ck_assert(apart(closed, dw, numbers) < 1e-12);
      ck_assert(norm_of(rest, numbers) < last);
      last = norm_of(rest, numbers);
    }
  }
  past_free(p);
}
END_TEST

/* ---- Comparing ---- */

START_TEST(terms_are_compared_with_the_feedback) {
  past *p = past_run(&plans[_i]);
  falign_decomposition *parts = NULL;
  bool lapack = !p->direct || falign_decomposition_create(p->by.rule, &parts) == FALIGN_OK;
  if (!lapack) {
    double t[MOST] = {1};
    falign_comparison none;
    fails(FALIGN_UNSUPPORTED, "LAPACK",
          falign_terms_compare(p->terms, past_trace(p), 1, READ_F64(t, p->n[1], p->n[2], p->n[2]), &none));
    past_free(p);
  }
  skip_unless(lapack, no_lapack);
  for (uint32_t l = 1; l < p->d; l++) {
    double t[MOST], b[MOST], dw[MOST], want;
    falign_comparison got;
    size_t rows = p->n[l], cols = p->n[l + 1];
    ok(terms_sum(p->terms, past_trace(p), FALIGN_TERM, l, &(falign_orders){NULL, 0, 1}, t));
    if (p->direct) {
      ok(falign_decomposition_get(parts, FALIGN_Q, l, WRITE_F64(b, cols, rows, rows)));
    } else {
      ok(falign_rule_get(p->by.rule, FALIGN_FEEDBACK, l, WRITE_F64(b, cols, rows, rows)));
    }
    ok(falign_angle(READ_F64(t, rows, cols, cols), READ_F64_T(b, cols, rows, rows), &want, NULL, NULL));
    ok(falign_terms_compare(p->terms, past_trace(p), l, READ_F64(t, rows, cols, cols), &got));
    past_update(p, l, dw);
    near(got.angle, want, 0);
    near(got.norm, norm_of(t, rows * cols), 4 * 0x1p-52 * got.norm);
    near(got.ratio, got.norm / norm_of(dw, rows * cols), 8 * 0x1p-52 * got.ratio);
    static layout_room room;
    for (int layout = 0; layout < LAYOUTS; layout++) {
      falign_comparison same;
      falign_view view = lay_out_copy(&room, layout, FALIGN_F64, rows, cols, t);
      ok(falign_terms_compare(p->terms, past_trace(p), l, &view, &same));
      ck_assert(same.angle == got.angle && same.norm == got.norm && same.ratio == got.ratio);
    }
  }
  falign_decomposition_destroy(parts);
  past_free(p);
}
END_TEST

/* Stacked terms go to matrices of any layout and precision; a degree of 0 is 1. */
START_TEST(any_steps) {
  past *p = past_run(&plans[0]);
  const uint64_t two[] = {3, 1};
  const falign_orders orders = {two, 2, 1}, no_degree = {two, 2, 0};
  const uint32_t l = 3;
  size_t rows = p->n[l], cols = p->n[l + 1];
  double both[2 * MOST], sum[MOST], zero[MOST], rest[MOST];
  static layout_room room;
  ok(terms_get(p->terms, past_trace(p), FALIGN_TERM, l, &orders, both));
  ok(terms_sum(p->terms, past_trace(p), FALIGN_TERM, l, &orders, sum));
  ok(terms_zero(p->terms, past_trace(p), l, 2, zero));
  ok(terms_remainder(p->terms, past_trace(p), l, 1, rest));
  for (int choice = 0; choice < LAYOUTS * 2; choice++) {
    falign_precision precision = choice & 1 ? FALIGN_F64 : FALIGN_F32;
    falign_matrix to = lay_out(&room, choice / 2, precision, 2 * rows, cols, 42);
    ok(falign_terms_get(p->terms, past_trace(p), FALIGN_TERM, l, &no_degree, &to));
    ck_assert(holds(&room, &to, 42, both));
    to = lay_out(&room, choice / 2, precision, rows, cols, 42);
    ok(falign_terms_sum(p->terms, past_trace(p), FALIGN_TERM, l, &orders, &to));
    ck_assert(holds(&room, &to, 42, sum));
    to = lay_out(&room, choice / 2, precision, rows, cols, 42);
    ok(falign_terms_zero(p->terms, past_trace(p), l, 2, &to));
    ck_assert(holds(&room, &to, 42, zero));
    to = lay_out(&room, choice / 2, precision, rows, cols, 42);
    ok(falign_terms_remainder(p->terms, past_trace(p), l, 1, &to));
    ck_assert(holds(&room, &to, 42, rest));
  }
  past_free(p);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_loop_test(tests, terms_equal_equation_4, 0, PLANS);
  tcase_add_test(tests, terms_equal_the_index_sum);
  tcase_add_test(tests, terms_in_single_precision);
  tcase_add_loop_test(tests, the_expansion_closes, 0, PLANS);
  tcase_add_loop_test(tests, a_linear_network_is_expanded_exactly, 0, 2);
  tcase_add_loop_test(tests, zero_degree_terms, 0, PLANS);
  tcase_add_loop_test(tests, sums_are_sums_of_orders, 0, PLANS);
  tcase_add_loop_test(tests, threads_change_no_bit, 0, PLANS);
  tcase_add_test(tests, rows_of_a_batch_may_be_shuffled);
  tcase_add_loop_test(tests, linear_terms_equal_equation_5, 0, PLANS);
  tcase_add_test(tests, diagonal_part_of_linear_terms);
  tcase_add_test(tests, simplified_direct_terms_equal_equation_8);
  tcase_add_test(tests, taylor_terms_equal_their_formula);
  tcase_add_loop_test(tests, remainders_shrink_by_their_degree, 0, 2);
  tcase_add_test(tests, higher_degrees_leave_less);
  tcase_add_loop_test(tests, terms_are_compared_with_the_feedback, 0, PLANS);
  tcase_add_test(tests, any_steps);
}

int main(void) { return run_suite("terms", add_tests); }
