/* SPDX-License-Identifier: Apache-2.0 */
#include "records.h"

/* ---- What is recorded ---- */

/* L[l-1]^T delta[above] in plain loops. Both sum up `rows` products, in orders of their own: each errs by at most
 * rows + 1 roundings of the sum of magnitudes. */
static void check_correlation(const past *p, uint64_t k, falign_quantity quantity, uint32_t l, uint32_t above) {
  const past_step *s = &p->step[k];
  double got[PAST_WIDTH * PAST_WIDTH];
  size_t rows = p->n[l - 1], cols = p->n[above];
  ok(falign_history_get(p->history, k, quantity, l, WRITE_F64(got, rows, cols, cols)));
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = 0; j < cols; j++) {
      double sum = 0, magnitude = 0;
      for (size_t r = 0; r < s->rows; r++) {
        sum += s->out[l - 1][r][i] * s->delta[above][r][j];
        magnitude += fabs(s->out[l - 1][r][i] * s->delta[above][r][j]);
      }
      double off = ((double)s->rows + 1) * epsilon(falign_network_precision(p->by.network)) * magnitude;
      near(got[i * cols + j], sum, off);
    }
  }
}

/* A matrix of the history, bit for bit. */
static void check_kept(const past *p, uint64_t k, falign_quantity quantity, uint32_t l, const double *want, size_t rows,
                       size_t cols) {
  double got[PAST_WIDTH * PAST_WIDTH];
  ok(falign_history_get(p->history, k, quantity, l, WRITE_F64(got, rows, cols, cols)));
  for (size_t i = 0; i < rows; i++) {
    ck_assert_msg(memcmp(got + i * cols, want + i * PAST_WIDTH, cols * sizeof *got) == 0,
                  "quantity %d of layer %u at %u, row %zu", quantity, l, (unsigned)k, i);
  }
}

static void check_past(const past *p) {
  check_range(p->history, 0, p->steps);
  for (uint64_t k = 0; k < p->steps; k++) {
    const past_step *s = &p->step[k];
    for (uint32_t l = 1; l < p->d; l++) {
      check_kept(p, k, FALIGN_W, l - 1, s->w[l - 1][0], p->n[l - 1], p->n[l]);
      check_kept(p, k, FALIGN_DW, l - 1, s->dw[l - 1][0], p->n[l - 1], p->n[l]);
      if (falign_network_has_biases(p->by.network)) check_kept(p, k, FALIGN_BIAS, l, s->b[l], 1, p->n[l]);
      check_correlation(p, k, FALIGN_C, l, l + 1);
      check_correlation(p, k, FALIGN_DIRECT, l, p->d);
    }
  }
}

START_TEST(records_are_what_the_run_used) {
  const char *const rules[] = {"bp", "fa", "dfa"};
  for (int i = 0; i < 24; i++) {
    past_plan plan = {.precision = i & 1 ? FALIGN_F32 : FALIGN_F64,
                      .rule = rules[i / 8],
                      .f = TANH,
                      .biases = i & 2,
                      .normalized = i & 4,
                      .shuffled = true,
                      .steps = 6};
    past *p = past_run(&plan);
    check_past(p);
    past_free(p);
  }
}
END_TEST

/* W[k+1] is W[k] + dW[k] with its columns scaled to gamma: the recorded update is the one before that. The library
 * rounds the sum, the norm of at most 9 terms and the product; so does this. */
START_TEST(updates_are_those_before_normalization) {
  past_plan plan = {
      .precision = FALIGN_F64, .rule = "fa", .f = TANH, .normalized = true, .steps = PAST_STEPS, .eta = 0.05};
  past *p = past_run(&plan);
  double w[9 * 8], dw[9 * 8], next[9 * 8], scaled = 0;
  for (uint64_t k = 0; k + 1 < p->steps; k++) {
    ok(falign_history_get(p->history, k, FALIGN_W, 1, WRITE_F64(w, 9, 8, 8)));
    ok(falign_history_get(p->history, k, FALIGN_DW, 1, WRITE_F64(dw, 9, 8, 8)));
    ok(falign_history_get(p->history, k + 1, FALIGN_W, 1, WRITE_F64(next, 9, 8, 8)));
    for (size_t i = 0; i < 9 * 8; i++) w[i] += dw[i];
    for (size_t j = 0; j < 8; j++) {
      double norm = falign_frobenius(READ_F64(w + j, 9, 1, 8));
      for (size_t i = 0; i < 9; i++) near(next[i * 8 + j], w[i * 8 + j] * 1.2 / norm, 20 * epsilon(FALIGN_F64));
      scaled = fmax(scaled, fabs(norm - 1.2));
    }
  }
  ck_assert_double_gt(scaled, 1e-3); /* the columns had to be scaled */
  past_free(p);
}
END_TEST

/* With an imposed delta[d], L[0]^T delta[d] and eta L[0]^T delta[1] are known from what was imposed. */
START_TEST(imposed_steps) {
  draw_task();
  recorder r = new_recorder(FALIGN_F64, "dfa");
  double direct[7 * 4], dw[7 * 9], delta[TASK_BATCH * 9];
  ok(falign_trainer_keep(r.by.trainer, FALIGN_NEEDS_ACTIVITY));
  for (uint64_t k = 0; k < 3; k++) {
    const double *x = task.x + k * 70, *y = task.y + k * 40;
    ok(falign_trainer_impose(r.by.trainer, READ_F64(x, TASK_BATCH, 7, 7), READ_F64(y, TASK_BATCH, 4, 4)));
    memcpy(delta, seen(&r.by, FALIGN_DELTA, 1, TASK_BATCH, 9), sizeof delta);
    ok(falign_history_get(r.history, k, FALIGN_DIRECT, 1, WRITE_F64(direct, 7, 4, 4)));
    ok(falign_history_get(r.history, k, FALIGN_DW, 0, WRITE_F64(dw, 7, 9, 9)));
    for (size_t i = 0; i < 7; i++) { /* sums of 10 products of a few units */
      double sum[9] = {0};
      for (size_t m = 0; m < TASK_BATCH; m++) {
        for (size_t j = 0; j < 4; j++) sum[j] += x[m * 7 + i] * y[m * 4 + j];
      }
      for (size_t j = 0; j < 4; j++) near(direct[i * 4 + j], sum[j], 1e-13);
      memset(sum, 0, sizeof sum);
      for (size_t m = 0; m < TASK_BATCH; m++) {
        for (size_t j = 0; j < 9; j++) sum[j] += 0.001 * x[m * 7 + i] * delta[m * 9 + j];
      }
      for (size_t j = 0; j < 9; j++) near(dw[i * 9 + j], sum[j], 1e-15);
    }
  }
  free_recorder(&r);
}
END_TEST

/* The last batch of an epoch has 3 rows, and those before it 10: C[1] is that of its own rows alone. */
START_TEST(smaller_last_batch) {
  static plain model;
  draw_task();
  recorder r = new_recorder(FALIGN_F64, "fa");
  falign_batches *batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_NONE);
  ok(falign_trainer_run(r.by.trainer, batches, 10));
  plain_read(&model, r.by.network, r.by.rule);
  ok(falign_trainer_run(r.by.trainer, batches, 11));
  check_range(r.history, 0, 11);
  const size_t rows = TASK_POINTS % TASK_BATCH, first = TASK_POINTS - rows;
  ck_assert_uint_eq(rows, 3);
  plain_forward(&model, task.x + first * 7, rows);
  plain_deltas(&model, "fa", rows, task.y + first * 4);
  double c[7 * 6];
  ok(falign_history_get(r.history, 10, FALIGN_C, 1, WRITE_F64(c, 7, 6, 6)));
  for (size_t i = 0; i < 7; i++) {
    for (size_t j = 0; j < 6; j++) {
      double sum = 0;
      for (size_t m = 0; m < rows; m++) sum += model.out[0][m][i] * model.delta[2][m][j];
      near(c[i * 6 + j], sum, 1e-13); /* numbers of a few units, after two layers of 9 and 7 products */
    }
  }
  falign_batches_destroy(batches);
  free_recorder(&r);
}
END_TEST

/* 3000 rows make 16 lanes, which threads share out. */
START_TEST(threads_do_not_matter) {
  draw_task();
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    recorder one = new_recorder(precision, "dfa");
    for (int k = 0; k < 3; k++) ok(step(&one.by, task.x, TASK_ROWS, task.y));
    for (uint32_t threads = 2; threads <= 5; threads++) {
      recorder more = new_recorder(precision, "dfa");
      falign_status status = falign_trainer_set_threads(more.by.trainer, threads);
      if (status == FALIGN_UNSUPPORTED)
        skip_part(no_threads);
      else
        ok(status);
      for (int k = 0; k < 3; k++) ok(step(&more.by, task.x, TASK_ROWS, task.y));
      same_history(one.by.network, one.history, more.history);
      free_recorder(&more);
    }
    free_recorder(&one);
  }
}
END_TEST

/* The sums of all lanes: L[l-1]^T delta of 3000 rows, by their activity. */
START_TEST(many_rows) {
  static double c[9 * 6], sum[9 * 6], magnitude[9 * 6];
  const falign_quantity kept[] = {FALIGN_C, FALIGN_DIRECT};
  draw_task();
  recorder r = new_recorder(FALIGN_F64, "fa");
  ok(falign_trainer_keep(r.by.trainer, FALIGN_NEEDS_ACTIVITY));
  ok(step(&r.by, task.x, TASK_ROWS, task.y));
  for (int i = 0; i < 4; i++) {
    uint32_t l = 1 + (uint32_t)i / 2, above = i & 1 ? TASK_LAYERS : l + 1;
    size_t rows = task_widths[l - 1], cols = task_widths[above];
    const double *out = seen(&r.by, FALIGN_L, l - 1, TASK_ROWS, rows);
    const double *delta = seen(&r.by, FALIGN_DELTA, above, TASK_ROWS, cols);
    ok(falign_history_get(r.history, 0, kept[i & 1], l, WRITE_F64(c, rows, cols, cols)));
    for (size_t j = 0; j < rows * cols; j++) {
      sum[j] = magnitude[j] = 0;
      for (size_t m = 0; m < TASK_ROWS; m++) {
        double product = out[m * rows + j / cols] * delta[m * cols + j % cols];
        sum[j] += product;
        magnitude[j] += fabs(product);
      }
      near(c[j], sum[j], TASK_ROWS * epsilon(FALIGN_F64) * magnitude[j]);
    }
  }
  free_recorder(&r);
}
END_TEST

START_TEST(recording_changes_nothing) {
  const char *const rules[] = {"bp", "fa", "dfa"};
  draw_task();
  for (int i = 0; i < 3; i++) {
    recorder r = new_recorder(FALIGN_F32, rules[i]);
    go_to(&r.by, 20);
    check_undisturbed(&r.by, rules[i]);
    free_recorder(&r);
  }
}
END_TEST

/* ---- A window ---- */

START_TEST(a_window_keeps_the_last_steps) {
  const uint64_t windows[] = {1, 3, 7};
  draw_task();
  recorder whole = new_recorder(FALIGN_F32, "fa");
  go_to(&whole.by, 20);
  for (int i = 0; i < 3; i++) {
    recorder r = new_recorder(FALIGN_F32, "fa");
    uint64_t window = windows[i];
    ok(falign_history_set_window(r.history, window));
    for (uint64_t k = 0; k < 20; k++) {
      uint64_t first = k > window ? k - window : 0;
      ok(go(&r.by));
      check_range(r.history, first, k + 1);
      for (uint64_t then = first; then <= k; then++) same_step(r.by.network, r.history, whole.history, then);
      double w[7 * 9];
      char words[64];
      snprintf(words, sizeof words, "not in the history, which holds %u to %u", (unsigned)first, (unsigned)k);
      fails(FALIGN_INVALID, words, falign_history_get(r.history, k + 1, FALIGN_W, 0, WRITE_F64(w, 7, 9, 9)));
      if (first == 0) continue;
      fails(FALIGN_INVALID, words, falign_history_get(r.history, first - 1, FALIGN_W, 0, WRITE_F64(w, 7, 9, 9)));
    }
    free_recorder(&r);
  }
  free_recorder(&whole);
}
END_TEST

/* Orders 1..window can be asked for; the first weights and the sum of all linear terms outlast it. */
START_TEST(orders_at_the_edge_of_a_window) {
  enum { WINDOW = 4 };
  past_plan plan = {.precision = FALIGN_F64, .rule = "fa", .f = TANH, .biases = true, .shuffled = true};
  past *p = past_new(&plan, PAST_LAYERS, past_widths), *whole = past_new(&plan, PAST_LAYERS, past_widths);
  double t[9 * 8], want[9 * 8];
  ok(falign_history_set_window(p->history, WINDOW));
  while (p->steps < PAST_STEPS) {
    past_go(p, true);
    past_go(whole, true);
    uint64_t k = p->steps - 1, edge = k < WINDOW ? k : WINDOW, beyond = edge + 1;
    if (k == 0) continue;
    ok(terms_get(p->terms, past_trace(p), FALIGN_TERM, 1, &(falign_orders){&edge, 1, 1}, t));
    ok(terms_get(whole->terms, past_trace(whole), FALIGN_TERM, 1, &(falign_orders){&edge, 1, 1}, want));
    ck_assert_mem_eq(t, want, sizeof t);
    ok(terms_zero(p->terms, past_trace(p), 1, k, t));
    ok(terms_zero(whole->terms, past_trace(whole), 1, k, want));
    ck_assert_mem_eq(t, want, sizeof t);
    ok(terms_sum(p->terms, past_trace(p), FALIGN_TERM_LINEAR, 1, &(falign_orders){NULL, 0, 1}, t));
    ok(terms_sum(whole->terms, past_trace(whole), FALIGN_TERM_LINEAR, 1, &(falign_orders){NULL, 0, 1}, want));
    ck_assert_mem_eq(t, want, sizeof t);
    fails(FALIGN_INVALID, k <= WINDOW ? "there is no term of order" : "but the history holds",
          terms_get(p->terms, past_trace(p), FALIGN_TERM, 1, &(falign_orders){&beyond, 1, 1}, t));
  }
  past_free(p);
  past_free(whole);
}
END_TEST

/* ---- Memory ---- */

static void check_used(const falign_history *history, uint64_t steps) {
  uint64_t memory, file, told;
  ok(falign_history_used(history, &memory, &file));
  ok(falign_history_bytes(history, steps, &told));
  ck_assert_uint_eq(memory + file, told);
  ck_assert_uint_eq(file, 0);
}

/* The numbers of one step by hand: eta's 16 bytes, W and b below the last layer twice, and the correlations. */
START_TEST(bytes_are_known_beforehand) {
  draw_task();
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    for (uint64_t window = 0; window <= 5; window += 5) {
      recorder r = {.by = task_learner(precision, "fa")};
      size_t element = precision == FALIGN_F32 ? 4 : 8;
      size_t parameters = 7 * 9 + 9 + 9 * 6 + 6, correlations = 7 * 6 + 9 * 4 + (7 + 9) * 4;
      uint64_t before, all, used;
      ok(falign_history_create(r.by.network, &r.history));
      ck_assert_uint_eq(step_bytes(r.history), 16 + 2 * parameters * element);
      ok(falign_history_keep(r.history, FALIGN_KEEP_C));
      ok(falign_history_keep(r.history, FALIGN_KEEP_DIRECT)); /* beside C */
      ck_assert_uint_eq(step_bytes(r.history), 16 + (2 * parameters + correlations) * element);
      ok(falign_history_set_window(r.history, window));
      ok(falign_history_bytes(r.history, 12, &before));
      uint64_t held = window > 0 ? window + 1 : 12;
      uint64_t fixed = correlations * 8 + (parameters + 6 * 4 + 4) * element; /* their sum, and the first weights */
      ck_assert_uint_eq(before, fixed + held * step_bytes(r.history));
      ok(falign_history_used(r.history, &used, NULL));
      ck_assert_uint_eq(used, 0); /* memory is taken when it is needed */
      ok(falign_trainer_set_history(r.by.trainer, r.history));
      for (uint64_t k = 1; k <= 12; k++) {
        ok(go(&r.by));
        check_used(r.history, k);
      }
      ok(falign_history_bytes(r.history, 12, &all));
      ck_assert_uint_eq(all, before);
      free_recorder(&r);
    }
  }
}
END_TEST

START_TEST(bytes_that_overflow) {
  falign_network *network = new_network(FALIGN_F64, TASK_LAYERS, task_widths, true, TANH);
  falign_history *history;
  uint64_t bytes = 7;
  ok(falign_history_create(network, &history));
  fails(FALIGN_MEMORY, "too large", falign_history_bytes(history, UINT64_MAX / 4, &bytes));
  ck_assert_uint_eq(bytes, 7);
  fails(FALIGN_INVALID, "too large", falign_history_set_window(history, UINT64_MAX));
  falign_history_destroy(history);
  falign_network_destroy(network);
}
END_TEST

/* The step that has no room is not made, and the run goes on without the history as if there had been none. */
START_TEST(a_limit_of_memory) {
  draw_task();
  for (int trial = 0; trial < 3; trial++) { /* room for just 5 steps; a byte less; a byte more */
    recorder r = new_recorder(FALIGN_F32, "fa");
    uint64_t five, six, memory, steps = trial == 1 ? 4 : 5;
    char words[128];
    ok(falign_history_bytes(r.history, steps, &five));
    ok(falign_history_bytes(r.history, steps + 1, &six));
    uint64_t limit = trial == 0 ? five : trial == 1 ? six - 1 : five + 1;
    ok(falign_history_set_limit(r.history, limit, NULL));
    go_to(&r.by, steps);
    double *before = parameters(r.by.network), *after;
    snprintf(words, sizeof words, "the history of %u steps takes %u bytes, above its limit of %u", (unsigned)steps + 1,
             (unsigned)six, (unsigned)limit);
    for (int again = 0; again < 2; again++) fails(FALIGN_MEMORY, words, go(&r.by));
    ck_assert_uint_eq(falign_trainer_iteration(r.by.trainer), steps);
    after = parameters(r.by.network);
    ck_assert_mem_eq(before, after, falign_network_parameters(r.by.network) * sizeof *before);
    check_range(r.history, 0, steps);
    ok(falign_history_used(r.history, &memory, NULL));
    ck_assert_uint_le(memory, limit);
    ok(falign_trainer_set_history(r.by.trainer, NULL));
    ck_assert_ptr_null(falign_trainer_history(r.by.trainer));
    go_to(&r.by, 20);
    check_undisturbed(&r.by, "fa");
    free(before);
    free(after);
    free_recorder(&r);
  }
}
END_TEST

/* A window that can never fit is refused before the first step; one that just fits goes on for ever. */
START_TEST(a_limit_for_a_window) {
  draw_task();
  recorder r = new_recorder(FALIGN_F64, "dfa");
  uint64_t bytes;
  char words[128];
  ok(falign_history_set_window(r.history, 9));
  ok(falign_history_bytes(r.history, 1000, &bytes));
  ok(falign_history_set_limit(r.history, bytes - 1, NULL));
  snprintf(words, sizeof words, "the history of 10 steps takes %u bytes, above its limit of %u", (unsigned)bytes,
           (unsigned)bytes - 1);
  fails(FALIGN_MEMORY, words, go(&r.by));
  ck_assert_uint_eq(falign_trainer_iteration(r.by.trainer), 0);
  ck_assert(isnan(falign_trainer_start_norm(r.by.trainer, 0))); /* the run has not begun */
  ok(falign_history_set_limit(r.history, bytes, NULL));         /* nor has the history */
  go_to(&r.by, 40);
  check_range(r.history, 30, 40);
  check_undisturbed(&r.by, "dfa");
  free_recorder(&r);
}
END_TEST

START_TEST(no_memory_at_all) {
  draw_task();
  recorder r = new_recorder(FALIGN_F32, "bp");
  ok(falign_history_set_limit(r.history, 0, NULL));
  fails(FALIGN_MEMORY, "above its limit of 0", go(&r.by));
  ok(falign_trainer_set_history(r.by.trainer, NULL));
  go_to(&r.by, 5);
  check_undisturbed(&r.by, "bp");
  free_recorder(&r);
}
END_TEST

/* ---- Reading ---- */

START_TEST(reading_what_is_not_there) {
  draw_task();
  recorder r = {.by = task_learner(FALIGN_F64, "fa")};
  double out[9 * 9];
  for (size_t i = 0; i < 81; i++) out[i] = 7;
  ok(falign_history_create(r.by.network, &r.history));
  ok(falign_trainer_set_history(r.by.trainer, r.history));
  fails(FALIGN_INVALID, "the history holds no steps",
        falign_history_get(r.history, 0, FALIGN_W, 0, WRITE_F64(out, 7, 9, 9)));
  go_to(&r.by, 2);
  fails(FALIGN_INVALID, "iteration 2 is not in the history, which holds 0 to 1",
        falign_history_get(r.history, 2, FALIGN_W, 0, WRITE_F64(out, 7, 9, 9)));
  fails(FALIGN_INVALID,
        "a history has no quantity 0: want FALIGN_W (1), FALIGN_BIAS (2), FALIGN_DW (9), FALIGN_DW_APPLIED (11), "
        "FALIGN_C (15) or FALIGN_DIRECT (16)",
        falign_history_get(r.history, 0, 0, 0, WRITE_F64(out, 7, 9, 9)));
  fails(FALIGN_INVALID, "a history has no quantity 5",
        falign_history_get(r.history, 0, FALIGN_L, 0, WRITE_F64(out, 7, 9, 9)));
  fails(FALIGN_INVALID, "a history has no quantity 23",
        falign_history_get(r.history, 0, 23, 0, WRITE_F64(out, 7, 9, 9)));
  fails(FALIGN_INVALID, "no W[2] in a history: l goes from 0 to 1",
        falign_history_get(r.history, 0, FALIGN_W, 2, WRITE_F64(out, 6, 4, 4)));
  fails(FALIGN_INVALID, "no dW[2] in a history",
        falign_history_get(r.history, 0, FALIGN_DW, 2, WRITE_F64(out, 6, 4, 4)));
  fails(FALIGN_INVALID, "no b[0] in a history: l goes from 1 to 2",
        falign_history_get(r.history, 0, FALIGN_BIAS, 0, WRITE_F64(out, 1, 7, 7)));
  fails(FALIGN_INVALID, "no b[3]", falign_history_get(r.history, 0, FALIGN_BIAS, 3, WRITE_F64(out, 1, 4, 4)));
  fails(FALIGN_UNSUPPORTED, "C[1] is not kept", falign_history_get(r.history, 0, FALIGN_C, 1, WRITE_F64(out, 7, 6, 6)));
  fails(FALIGN_UNSUPPORTED, "L^T delta[d][1] is not kept",
        falign_history_get(r.history, 0, FALIGN_DIRECT, 1, WRITE_F64(out, 7, 4, 4)));
  fails(FALIGN_SHAPE, "W[0] is 7 x 9, got 9 x 7",
        falign_history_get(r.history, 0, FALIGN_W, 0, WRITE_F64(out, 9, 7, 9)));
  fails(FALIGN_INVALID, "W[0] is 7 x 9 with invalid steps: 8 from row to row, 1 from column to column",
        falign_history_get(r.history, 0, FALIGN_W, 0, WRITE_F64(out, 7, 9, 8)));
  fails(FALIGN_INVALID, "W[0] is NULL", falign_history_get(r.history, 0, FALIGN_W, 0, WRITE_F64(NULL, 7, 9, 9)));
  fails(FALIGN_INVALID, "history is NULL", falign_history_get(NULL, 0, FALIGN_W, 0, WRITE_F64(out, 7, 9, 9)));
  for (size_t i = 0; i < 81; i++) ck_assert_double_eq(out[i], 7);
  free_recorder(&r);
}
END_TEST

START_TEST(reading_with_any_steps) {
  draw_task();
  recorder r = new_recorder(FALIGN_F32, "fa");
  double wide[7 * 12], tight[7 * 9];
  for (size_t i = 0; i < 7 * 12; i++) wide[i] = -1;
  go_to(&r.by, 2);
  ok(falign_history_get(r.history, 1, FALIGN_W, 0, WRITE_F64(wide, 7, 9, 12)));
  ok(falign_history_get(r.history, 1, FALIGN_W, 0, WRITE_F64(tight, 7, 9, 9)));
  for (size_t i = 0; i < 7; i++) {
    for (size_t j = 0; j < 12; j++) ck_assert_double_eq(wide[i * 12 + j], j < 9 ? tight[i * 9 + j] : -1);
  }
  static layout_room room;
  for (int i = 0; i < LAYOUTS * 2; i++) {
    falign_matrix to = lay_out(&room, i / 2, i & 1 ? FALIGN_F64 : FALIGN_F32, 7, 9, -1);
    ok(falign_history_get(r.history, 1, FALIGN_W, 0, &to));
    ck_assert(holds(&room, &to, -1, tight));
  }
  free_recorder(&r);
}
END_TEST

START_TEST(bad_arguments) {
  falign_network *network = new_network(FALIGN_F64, TASK_LAYERS, task_widths, false, TANH);
  falign_history *history, *untouched = NULL;
  uint64_t number;
  double b[9];
  ok(falign_history_create(network, &history));
  fails(FALIGN_INVALID, "network is NULL", falign_history_create(NULL, &untouched));
  fails(FALIGN_INVALID, "out is NULL", falign_history_create(network, NULL));
  ck_assert_ptr_null(untouched);
  fails(FALIGN_INVALID, "quantities of 8 are unknown", falign_history_keep(history, 8));
  fails(FALIGN_INVALID, "quantities of -1 are unknown", falign_history_keep(history, -1));
  fails(FALIGN_INVALID, "history is NULL", falign_history_keep(NULL, 1));
  fails(FALIGN_INVALID, "history is NULL", falign_history_set_window(NULL, 1));
  fails(FALIGN_INVALID, "history is NULL", falign_history_set_limit(NULL, 1, NULL));
  fails(FALIGN_INVALID, "history is NULL", falign_history_bytes(NULL, 1, &number));
  fails(FALIGN_INVALID, "bytes is NULL", falign_history_bytes(history, 1, NULL));
  fails(FALIGN_INVALID, "history is NULL", falign_history_range(NULL, &number, &number));
  fails(FALIGN_INVALID, "history is NULL", falign_history_used(NULL, &number, &number));
  ok(falign_history_range(history, NULL, NULL));
  ok(falign_history_used(history, NULL, NULL));
  fails(FALIGN_UNSUPPORTED, "b[1] is not kept", falign_history_get(history, 0, FALIGN_BIAS, 1, WRITE_F64(b, 1, 9, 9)));
  falign_history_clear(history);
  falign_history_destroy(history);
  falign_network_destroy(network);
}
END_TEST

/* Without a hidden layer there is nothing to keep but the iterations. */
START_TEST(one_layer_of_weights) {
  const size_t n[] = {7, 4};
  draw_task();
  learner by = new_learner(new_network(FALIGN_F32, 1, n, true, TANH), "fa", 0.5, 1, 0.001);
  falign_history *history;
  double w[7 * 4];
  ok(falign_history_create(by.network, &history));
  ok(falign_history_keep(history, KEEP_ALL));
  ok(falign_history_set_window(history, 2));
  ck_assert_uint_eq(step_bytes(history), 16);
  ok(falign_trainer_set_history(by.trainer, history));
  go_to(&by, 6);
  check_range(history, 3, 6);
  check_used(history, 6);
  fails(FALIGN_INVALID, "there is no W[0]: the network has no hidden layer",
        falign_history_get(history, 5, FALIGN_W, 0, WRITE_F64(w, 7, 4, 4)));
  fails(FALIGN_INVALID, "there is no C[1]: the network has no hidden layer",
        falign_history_get(history, 5, FALIGN_C, 1, WRITE_F64(w, 7, 4, 4)));
  falign_history_destroy(history);
  free_learner(&by);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, records_are_what_the_run_used);
  tcase_add_test(tests, updates_are_those_before_normalization);
  tcase_add_test(tests, imposed_steps);
  tcase_add_test(tests, smaller_last_batch);
  tcase_add_test(tests, threads_do_not_matter);
  tcase_add_test(tests, many_rows);
  tcase_add_test(tests, recording_changes_nothing);
  tcase_add_test(tests, a_window_keeps_the_last_steps);
  tcase_add_test(tests, orders_at_the_edge_of_a_window);
  tcase_add_test(tests, bytes_are_known_beforehand);
  tcase_add_test(tests, bytes_that_overflow);
  tcase_add_test(tests, a_limit_of_memory);
  tcase_add_test(tests, a_limit_for_a_window);
  tcase_add_test(tests, no_memory_at_all);
  tcase_add_test(tests, reading_what_is_not_there);
  tcase_add_test(tests, reading_with_any_steps);
  tcase_add_test(tests, bad_arguments);
  tcase_add_test(tests, one_layer_of_weights);
}

int main(void) { return run_suite("history", add_tests); }
