/* SPDX-License-Identifier: Apache-2.0 */
#include "learning.h"

/* The same weights and the same batches, computed by plain nested loops, agree after 20 steps. */

enum { POINTS = 17, BATCH = 6, STEPS = 20 }; /* a last batch of 5 */
static const size_t widths[] = {7, 9, 6, 8, 4};
enum { D = 4, WIDEST = 9 };
static const double eta = 0.0005;

static plain model;
static double points[POINTS * 7], targets[POINTS * 4];

static void draw_data(falign_precision precision) {
  gaussian(points, POINTS * 7, 1, 1);
  gaussian(targets, POINTS * 4, 1, 2);
  round_as(precision, points, POINTS * 7);
  round_as(precision, targets, POINTS * 4);
}

/* No update here is more than a tenth of the layer's largest weight (asserted). Its numbers went through 2 d + 1
 * products of at most 9 terms and functions that err by an epsilon or two: off by at most (2 d + 1) (9 + 2) epsilons
 * of the update. Adding it and normalizing round by two more epsilons of the weight. What is off stays in the weights:
 * 20 times as much after 20 steps, in a network that does not magnify errors. */
enum { LARGEST_UPDATE = 10 };
static double rounding(falign_precision precision) {
  return STEPS * (2 + (2.0 * D + 1) * (WIDEST + 2) / LARGEST_UPDATE) * epsilon(precision);
}

static falign_batches *new_batches(size_t size) {
  falign_dataset *dataset = NULL;
  falign_batches *batches = NULL;
  ok(falign_dataset_create_regression(READ_F64(points, POINTS, 7, 7), READ_F64(targets, POINTS, 4, 4), &dataset));
  ok(falign_batches_create(dataset, NULL, size, &batches));
  falign_dataset_destroy(dataset);
  return batches;
}

static void use_backend(const learner *by, size_t index) {
  falign_backend *backend = NULL;
  ok(falign_backend_create(falign_backend_name_at(index), &backend));
  ok(falign_trainer_set_backend(by->trainer, backend));
}

static void normalize(const learner *by, double gamma) {
  falign_norm *norm = NULL;
  ok(falign_norm_create("columns", &gamma, 1, &norm));
  ok(falign_norm_apply(norm, by->network, by->rule));
  ok(falign_trainer_set_norm(by->trainer, norm));
  falign_norm_destroy(norm);
}

static falign_status note_loss(void *user, const falign_value *value) {
  ((double *)user)[value->iteration] = value->value;
  return FALIGN_OK;
}

typedef struct {
  falign_precision precision;
  const char *rule;
  activation f;
  bool normalized, biases;
  size_t backend;
} configuration;

static void check_run(const configuration *c) {
  double losses[STEPS] = {0}, want[STEPS], kink = (double)INFINITY, gamma = 1.25;
  draw_data(c->precision);
  learner by = new_learner(new_network(c->precision, D, widths, c->biases, c->f), c->rule, 0.5, 10, eta);
  falign_metric *loss = NULL;
  ok(falign_metric_create("loss", &loss));
  ok(falign_trainer_observe(by.trainer, loss, 1, note_loss, losses));
  falign_metric_destroy(loss);
  use_backend(&by, c->backend);
  plain_read(&model, by.network, by.rule);
  if (c->normalized) {
    normalize(&by, gamma);
    plain_normalize(&model, gamma);
  }
  falign_batches *batches = new_batches(BATCH);
  ok(falign_trainer_run(by.trainer, batches, STEPS));
  for (size_t k = 0; k < STEPS; k++) {
    size_t first = k % 3 * BATCH, rows = k % 3 == 2 ? POINTS - 2 * BATCH : BATCH;
    want[k] = plain_step(&model, c->rule, eta, points + first * 7, rows, targets + first * 4);
    if (c->normalized) plain_normalize(&model, gamma);
    kink = fmin(kink, plain_nearest_kink(&model, rows));
    for (uint32_t l = 0; l < D; l++) {
      size_t count = MAX_WIDTH * MAX_WIDTH;
      ck_assert(largest(model.dw[l][0], count) * LARGEST_UPDATE <= largest(model.w[l][0], count));
    }
  }
  const char *name = activation_names[c->f];
  /* A unit on different sides of its kink in the two runs would prove nothing: the seed is one that keeps away. */
  ck_assert_msg(kink > rounding(c->precision), "%s: a unit came within %g of its kink", name, kink);
  double distance = plain_distance(&model, by.network);
  ck_assert_msg(distance <= rounding(c->precision), "%s, %s, f%d, %s: apart by %g, %g allowed", c->rule, name,
                c->precision == FALIGN_F32 ? 32 : 64, falign_backend_name_at(c->backend), distance,
                rounding(c->precision));
  for (size_t k = 0; k < STEPS; k++) near(losses[k], want[k], want[k] * rounding(c->precision));
  ck_assert(want[STEPS - 1] != want[2]); /* the runs went somewhere */
  falign_batches_destroy(batches);
  free_learner(&by);
}

static void check_all(falign_precision precision, size_t backend) {
  const char *const rules[] = {"bp", "fa", "dfa"};
  for (size_t i = 0; i < 3 * 5 * 4; i++) {
    configuration c = {.precision = precision, .rule = rules[i % 3], .backend = backend};
    c.f = TANH_RELU + (activation)(i / 3 % 5);
    c.normalized = i / 15 & 1;
    c.biases = i / 30 & 1;
    check_run(&c);
  }
}

START_TEST(as_plain_loops_f64) { check_all(FALIGN_F64, (size_t)_i); }
END_TEST

START_TEST(as_plain_loops_f32) { check_all(FALIGN_F32, (size_t)_i); }
END_TEST

/* The bound above is no empty one: the learning itself is larger by far, also for f32. */
START_TEST(learning_exceeds_rounding) {
  draw_data(FALIGN_F64);
  learner by = new_learner(new_network(FALIGN_F64, D, widths, true, TANH), "fa", 0.5, 1, eta);
  plain_read(&model, by.network, by.rule);
  for (int k = 0; k < STEPS; k++) ok(step(&by, points, POINTS, targets));
  ck_assert(plain_distance(&model, by.network) > 100 * rounding(FALIGN_F32));
  free_learner(&by);
}
END_TEST

/* ---- Steps on the caller's arrays, blocks, and all that a trace shows ---- */

/* Compares a matrix of a trace with one of the model. Sums over 150 rows may err by as many epsilons after 2 d + 1
 * products: ten times the bound above. */
static void check_matrix(const learner *by, falign_quantity quantity, uint32_t l, size_t rows, size_t cols,
                         const double *want) {
  const double *got = seen(by, quantity, l, rows, cols);
  double most = 0, error = 0;
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = 0; j < cols; j++) {
      error = fmax(error, fabs(got[i * cols + j] - want[i * MAX_WIDTH + j]));
      most = fmax(most, fabs(want[i * MAX_WIDTH + j]));
    }
  }
  ck_assert_msg(error <= most * 10 * rounding(FALIGN_F64), "quantity %d of layer %u is off by %g of %g", quantity, l,
                error, most);
}

/* Of a batch in two blocks of rows. */
START_TEST(whole_trace) {
  enum { ROWS = 150 };
  static double x[ROWS * 7], y[ROWS * 4];
  const char *const rules[] = {"bp", "fa", "dfa"};
  gaussian(x, ROWS * 7, 1, 1);
  gaussian(y, ROWS * 4, 1, 2);
  for (int i = 0; i < 3; i++) {
    learner by = new_learner(new_network(FALIGN_F64, D, widths, true, TANH), rules[i], 0.5, 1, eta);
    ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP));
    plain_read(&model, by.network, by.rule);
    ok(step(&by, x, ROWS, y));
    double loss = plain_step(&model, rules[i], eta, x, ROWS, y);
    const falign_trace *trace = falign_trainer_trace(by.trainer);
    near(falign_trace_step(trace)->loss, loss, loss * rounding(FALIGN_F64));
    ck_assert_uint_eq(falign_trace_step(trace)->rows, ROWS);
    ck_assert_uint_eq(falign_trace_step(trace)->first_row, 0);
    ck_assert_uint_eq(falign_trace_step(trace)->iteration, 0);
    ck_assert(falign_trace_step(trace)->eta == eta);
    ck_assert_int_eq(falign_trace_step(trace)->precision, FALIGN_F64);
    for (uint32_t l = 0; l <= D; l++) check_matrix(&by, FALIGN_L, l, ROWS, widths[l], model.out[l][0]);
    for (uint32_t l = 1; l <= D; l++) {
      check_matrix(&by, FALIGN_Z, l, ROWS, widths[l], model.z[l][0]);
      check_matrix(&by, FALIGN_DELTA, l, ROWS, widths[l], model.delta[l][0]);
      check_matrix(&by, FALIGN_DW, l - 1, widths[l - 1], widths[l], model.dw[l - 1][0]);
      check_matrix(&by, FALIGN_DB, l, 1, widths[l], model.db[l]);
    }
    ck_assert_mem_eq(seen(&by, FALIGN_TARGET, D, ROWS, 4), y, sizeof y);
    free_learner(&by);
  }
}
END_TEST

/* So many rows that several blocks are summed up one after the other before the sums are added: the model goes through
 * them 150 at a time. A sum over 3000 rows errs by at most as many epsilons of its terms' magnitudes, which cancel, and
 * by their root with random signs: 20 times the bound above, the root of 3000 being 55 and the bound 238 epsilons. */
START_TEST(many_rows) {
  enum { PART = 150, PARTS = 20, ROWS = PART * PARTS };
  static double x[ROWS * 7], y[ROWS * 4];
  static plain sum;
  gaussian(x, ROWS * 7, 1, 1);
  gaussian(y, ROWS * 4, 1, 2);
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    double loss = 0;
    learner by = new_learner(new_network(precision, D, widths, true, TANH), "fa", 0.5, 1, eta);
    round_as(precision, x, ROWS * 7);
    round_as(precision, y, ROWS * 4);
    plain_read(&model, by.network, by.rule);
    plain_read(&sum, by.network, by.rule);
    for (size_t part = 0; part < PARTS; part++) {
      const double *of_x = x + part * PART * 7, *of_y = y + part * PART * 4;
      plain_forward(&model, of_x, PART);
      plain_deltas(&model, "fa", PART, of_y);
      plain_updates(&model, eta, PART);
      loss += plain_loss(&model, PART, of_y);
      memcpy(sum.dw, model.dw, sizeof sum.dw);
      memcpy(sum.db, model.db, sizeof sum.db);
      plain_apply(&sum);
    }
    ok(step(&by, x, ROWS, y));
    near(plain_distance(&sum, by.network), 0, 20 * rounding(precision));
    near(falign_trace_step(falign_trainer_trace(by.trainer))->loss, loss, loss * rounding(precision));
    free_learner(&by);
  }
}
END_TEST

/* The caller's strides: what lies beside the columns is no part of the batch. */
START_TEST(strided_rows) {
  double x[5 * 10], y[5 * 6], tight_x[5 * 7], tight_y[5 * 4];
  for (int i = 0; i < 50; i++) x[i] = (double)NAN;
  for (int i = 0; i < 30; i++) y[i] = (double)NAN;
  gaussian(tight_x, 35, 1, 1);
  gaussian(tight_y, 20, 1, 2);
  for (int r = 0; r < 5; r++) {
    memcpy(x + (size_t)r * 10, tight_x + (size_t)r * 7, 7 * sizeof *x);
    memcpy(y + (size_t)r * 6, tight_y + (size_t)r * 4, 4 * sizeof *y);
  }
  for (int keep = 0; keep < 2; keep++) {
    learner a = new_learner(new_network(FALIGN_F64, D, widths, true, TANH), "fa", 0.5, 1, eta);
    learner b = new_learner(new_network(FALIGN_F64, D, widths, true, TANH), "fa", 0.5, 1, eta);
    ok(falign_trainer_keep(a.trainer, keep ? FALIGN_NEEDS_ACTIVITY : 0));
    ok(falign_trainer_step(a.trainer, READ_F64(x, 5, 7, 10), READ_F64(y, 5, 4, 6)));
    ok(step(&b, tight_x, 5, tight_y));
    ck_assert(same_parameters(a.network, b.network));
    ok(falign_trainer_impose(a.trainer, READ_F64(x, 5, 7, 10), READ_F64(y, 5, 4, 6)));
    ok(falign_trainer_impose(b.trainer, READ_F64(tight_x, 5, 7, 7), READ_F64(tight_y, 5, 4, 4)));
    ck_assert(same_parameters(a.network, b.network));
    free_learner(&a);
    free_learner(&b);
  }
}
END_TEST

/* Inputs, targets and imposed signals in matrices of any layout: the same bits; outputs go to any layout. */
START_TEST(any_steps) {
  enum { ROWS = 5 };
  falign_precision precision = _i ? FALIGN_F64 : FALIGN_F32;
  static layout_room rooms[3];
  double x[ROWS * 7], y[ROWS * 4], want[ROWS * 4];
  gaussian(x, ROWS * 7, 1, 1);
  gaussian(y, ROWS * 4, 1, 2);
  round_as(precision, x, ROWS * 7);
  round_as(precision, y, ROWS * 4);
  learner b = new_learner(new_network(precision, D, widths, true, TANH), "fa", 0.5, 1, eta);
  falign_view plain_x = lay_out_copy(&rooms[0], 0, precision, ROWS, 7, x);
  falign_view plain_y = lay_out_copy(&rooms[1], 0, precision, ROWS, 4, y);
  falign_matrix outputs = lay_out(&rooms[2], 0, precision, ROWS, 4, 42);
  ok(falign_trainer_step(b.trainer, &plain_x, &plain_y));
  ok(falign_trainer_impose(b.trainer, &plain_x, &plain_y));
  ok(falign_trainer_forward(b.trainer, &plain_x, &outputs));
  falign_view view = falign_view_of(outputs);
  copy_elements(&view, want, 4);
  for (int layout = 0; layout < LAYOUTS; layout++) {
    learner a = new_learner(new_network(precision, D, widths, true, TANH), "fa", 0.5, 1, eta);
    falign_view of_x = lay_out_copy(&rooms[0], layout, precision, ROWS, 7, x);
    falign_view of_y = lay_out_copy(&rooms[1], LAYOUTS - 1 - layout, precision, ROWS, 4, y);
    ok(falign_trainer_keep(a.trainer, layout & 1 ? FALIGN_NEEDS_ACTIVITY : 0));
    ok(falign_trainer_step(a.trainer, &of_x, &of_y));
    ok(falign_trainer_impose(a.trainer, &of_x, &of_y));
    ck_assert(same_parameters(a.network, b.network));
    outputs = lay_out(&rooms[2], layout, precision, ROWS, 4, 42);
    ok(falign_trainer_forward(a.trainer, &of_x, &outputs));
    ck_assert(holds(&rooms[2], &outputs, 42, want));
    free_learner(&a);
  }
  free_learner(&b);
}
END_TEST

/* A run over batches is the same as steps on their rows, bit for bit. */
START_TEST(run_is_steps) {
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    draw_data(precision);
    learner a = new_learner(new_network(precision, D, widths, true, TANH_RELU), "fa", 0.5, 1, eta);
    learner b = new_learner(new_network(precision, D, widths, true, TANH_RELU), "fa", 0.5, 1, eta);
    falign_batches *batches = new_batches(BATCH);
    ok(falign_trainer_run(a.trainer, batches, 7));
    for (size_t k = 0; k < 7; k++) {
      size_t first = k % 3 * BATCH;
      ok(step(&b, points + first * 7, k % 3 == 2 ? POINTS - 2 * BATCH : BATCH, targets + first * 4));
    }
    ck_assert(same_parameters(a.network, b.network));
    falign_batches_destroy(batches);
    free_learner(&a);
    free_learner(&b);
  }
}
END_TEST

/* ---- The rules among each other ---- */

/* Between networks of one shape: the largest difference over the largest weight. */
static double apart(const falign_network *a, const falign_network *b) {
  double *of_a = parameters(a), *of_b = parameters(b), most = 0;
  size_t count = falign_network_parameters(a);
  for (size_t i = 0; i < count; i++) most = fmax(most, fabs(of_a[i] - of_b[i]));
  most /= largest(of_b, count);
  free(of_a);
  free(of_b);
  return most;
}

START_TEST(fa_with_transposed_weights_is_bp) {
  draw_data(FALIGN_F64);
  learner fa = new_learner(new_network(FALIGN_F64, D, widths, true, TANH), "fa", 0.5, 1, eta);
  learner bp = new_learner(new_network(FALIGN_F64, D, widths, true, TANH), "bp", 0.5, 1, eta);
  for (int k = 0; k < STEPS; k++) {
    for (uint32_t l = 1; l < D; l++) {
      const double *w = network_f64(fa.network, FALIGN_W, l);
      double *b = rule_f64(fa.rule, l);
      for (size_t i = 0; i < widths[l]; i++) {
        for (size_t j = 0; j < widths[l + 1]; j++) b[j * widths[l] + i] = w[i * widths[l + 1] + j];
      }
    }
    ok(step(&fa, points, POINTS, targets));
    ok(step(&bp, points, POINTS, targets));
  }
  near(apart(fa.network, bp.network), 0, rounding(FALIGN_F64)); /* the same products, in another order of summation */
  free_learner(&fa);
  free_learner(&bp);
}
END_TEST

/* out = delta[d] times, from layer d - 1 down to l, B[m], or W[m]^T where `transposed`. */
static void send_back(const double *delta, size_t rows, uint32_t l, bool transposed, double out[][WIDEST]) {
  for (size_t i = 0; i < rows * 4; i++) out[i / 4][i % 4] = delta[i];
  for (uint32_t m = D - 1; m >= l; m--) {
    for (size_t r = 0; r < rows; r++) {
      double sent[WIDEST] = {0};
      for (size_t j = 0; j < widths[m]; j++) {
        for (size_t q = 0; q < widths[m + 1]; q++)
          sent[j] += out[r][q] * (transposed ? model.w[m][j][q] : model.back[m][q][j]);
      }
      memcpy(out[r], sent, sizeof sent);
    }
  }
}

/* Eqs. 9 and 10: in a linear network delta[l] is delta[d] times a product of matrices, B[d-1] ... B[l] under FA and
 * W[d-1]^T ... W[l]^T under BP. At most three products of at most 8 terms each lie between them. */
START_TEST(products_of_matrices_in_linear_networks) {
  draw_data(FALIGN_F64);
  for (int fa = 0; fa < 2; fa++) {
    learner by = new_learner(new_network(FALIGN_F64, D, widths, true, LINEAR), fa ? "fa" : "bp", 0.5, 1, eta);
    ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP));
    for (int k = 0; k < 3; k++) {
      plain_read(&model, by.network, by.rule); /* before the step changes W */
      ok(step(&by, points, POINTS, targets));
      const double *delta = seen(&by, FALIGN_DELTA, D, POINTS, 4);
      for (uint32_t l = 1; l < D; l++) {
        double sent[POINTS][WIDEST], by_bp[POINTS][WIDEST];
        const double *own = seen(&by, FALIGN_DELTA, l, POINTS, widths[l]);
        const double *bp = seen(&by, FALIGN_DELTA_BP, l, POINTS, widths[l]);
        send_back(delta, POINTS, l, !fa, sent);
        send_back(delta, POINTS, l, true, by_bp); /* and beside FA */
        double off = 3 * 8 * epsilon(FALIGN_F64) * fmax(largest(own, POINTS * widths[l]), largest(delta, POINTS * 4));
        for (size_t i = 0; i < POINTS * widths[l]; i++) {
          near(own[i], sent[i / widths[l]][i % widths[l]], off);
          near(bp[i], by_bp[i / widths[l]][i % widths[l]], off);
        }
      }
    }
    free_learner(&by);
  }
}
END_TEST

/* F[1] = B[1] means the same product of the same matrices: the same bits. */
START_TEST(dfa_is_fa_with_one_hidden_layer) {
  const size_t one_hidden[] = {7, 9, 4};
  draw_data(FALIGN_F32);
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    learner fa = new_learner(new_network(precision, 2, one_hidden, true, TANH), "fa", 0.5, 1, eta);
    learner dfa = new_learner(new_network(precision, 2, one_hidden, true, TANH), "dfa", 0.5, 1, eta);
    double b[4 * 9];
    ok(falign_rule_get(fa.rule, FALIGN_FEEDBACK, 1, WRITE_F64(b, 4, 9, 9)));
    ok(step(&fa, points, POINTS, targets));
    ok(step(&dfa, points, POINTS, targets));
    ck_assert(!same_parameters(fa.network, dfa.network)); /* B and F are drawn from streams of their own */
    ok(falign_network_draw(fa.network, 0.5, 0.5, 1, 0));
    ok(falign_network_draw(dfa.network, 0.5, 0.5, 1, 0));
    ok(falign_rule_set(dfa.rule, FALIGN_FEEDBACK, 1, READ_F64(b, 4, 9, 9)));
    for (int k = 0; k < STEPS; k++) {
      ok(step(&fa, points, POINTS, targets));
      ok(step(&dfa, points, POINTS, targets));
    }
    ck_assert(same_parameters(fa.network, dfa.network));
    free_learner(&fa);
    free_learner(&dfa);
  }
}
END_TEST

/* With one layer of weights no error travels back: all rules are the delta rule. */
START_TEST(rules_agree_without_hidden_layers) {
  const size_t shallow[] = {7, 4};
  const char *const rules[] = {"fa", "dfa"};
  draw_data(FALIGN_F64);
  learner bp = new_learner(new_network(FALIGN_F64, 1, shallow, true, LOGISTIC), "bp", 0.5, 1, eta);
  for (int k = 0; k < STEPS; k++) ok(step(&bp, points, POINTS, targets));
  for (int i = 0; i < 2; i++) {
    learner by = new_learner(new_network(FALIGN_F64, 1, shallow, true, LOGISTIC), rules[i], 0.5, 1, eta);
    for (int k = 0; k < STEPS; k++) ok(step(&by, points, POINTS, targets));
    ck_assert(same_parameters(by.network, bp.network));
    free_learner(&by);
  }
  free_learner(&bp);
}
END_TEST

/* What FA's trace says BP would do is what BP does on the same weights; and looking changes nothing. */
START_TEST(bp_beside_fa) {
  enum { ROWS = 150 };
  static double x[ROWS * 7], y[ROWS * 4];
  const char *const rules[] = {"bp", "fa", "dfa"};
  gaussian(x, ROWS * 7, 1, 1);
  gaussian(y, ROWS * 4, 1, 2);
  for (int i = 0; i < 3; i++) {
    learner by = new_learner(new_network(FALIGN_F64, D, widths, true, TANH_RELU), rules[i], 0.5, 1, eta);
    learner unwatched = new_learner(new_network(FALIGN_F64, D, widths, true, TANH_RELU), rules[i], 0.5, 1, eta);
    ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP));
    for (int k = 0; k < 3; k++) {
      learner bp = new_learner(new_network(FALIGN_F64, D, widths, true, TANH_RELU), "bp", 0.5, 1, eta);
      ok(falign_trainer_keep(bp.trainer, FALIGN_NEEDS_ACTIVITY));
      falign_tensors *weights = NULL;
      ok(falign_tensors_create(&weights));
      ok(falign_network_export(by.network, weights));
      ok(falign_network_import(bp.network, weights));
      falign_tensors_destroy(weights);
      ok(step(&bp, x, ROWS, y));
      ok(step(&by, x, ROWS, y));
      ok(step(&unwatched, x, ROWS, y));
      for (uint32_t l = 1; l <= D; l++) { /* the same products of the same matrices: the same bits */
        size_t n = widths[l], before = widths[l - 1];
        ck_assert_mem_eq(seen(&by, FALIGN_DELTA_BP, l, ROWS, n), seen(&bp, FALIGN_DELTA, l, ROWS, n),
                         ROWS * n * sizeof(double));
        ck_assert_mem_eq(seen(&by, FALIGN_DW_BP, l - 1, before, n), seen(&bp, FALIGN_DW, l - 1, before, n),
                         before * n * sizeof(double));
        ck_assert_mem_eq(seen(&by, FALIGN_DB_BP, l, 1, n), seen(&bp, FALIGN_DB, l, 1, n), n * sizeof(double));
      }
      bool same_update = memcmp(seen(&by, FALIGN_DW, 0, 7, 9), seen(&bp, FALIGN_DW, 0, 7, 9), 63 * sizeof(double)) == 0;
      ck_assert_int_eq(same_update, i == 0);
      free_learner(&bp);
    }
    ck_assert(same_parameters(by.network, unwatched.network));
    free_learner(&by);
    free_learner(&unwatched);
  }
}
END_TEST

START_TEST(backends_agree) {
  const char *const rules[] = {"bp", "fa", "dfa"};
  for (int i = 0; i < 6; i++) {
    falign_precision precision = i < 3 ? FALIGN_F32 : FALIGN_F64;
    draw_data(precision);
    learner first = new_learner(new_network(precision, D, widths, true, TANH), rules[i % 3], 0.5, 1, eta);
    use_backend(&first, 0);
    for (int k = 0; k < STEPS; k++) ok(step(&first, points, POINTS, targets));
    for (size_t b = 1; b < backend_count(); b++) {
      learner other = new_learner(new_network(precision, D, widths, true, TANH), rules[i % 3], 0.5, 1, eta);
      use_backend(&other, b);
      for (int k = 0; k < STEPS; k++) ok(step(&other, points, POINTS, targets));
      near(apart(first.network, other.network), 0, rounding(precision));
      free_learner(&other);
    }
    free_learner(&first);
  }
}
END_TEST

/* ---- Imposed signals (Fig. 1B) ---- */

START_TEST(imposed_signals) {
  enum { ROWS = 13 };
  const size_t n[] = {7, 9, 4};
  const activation activations[] = {LOGISTIC, LINEAR, TANH_RELU};
  double x[ROWS * 7], delta[ROWS * 4];
  gaussian(x, ROWS * 7, 1, 1);
  gaussian(delta, ROWS * 4, 1, 2);
  for (int i = 0; i < 3; i++) {
    learner by = new_learner(new_network(FALIGN_F64, 2, n, i > 0, activations[i]), "fa", 0.5, 1, eta);
    ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY));
    plain_read(&model, by.network, by.rule);
    plain_forward(&model, x, ROWS);
    ok(falign_trainer_impose(by.trainer, READ_F64(x, ROWS, 7, 7), READ_F64(delta, ROWS, 4, 4)));
    ck_assert_mem_eq(seen(&by, FALIGN_DELTA, 2, ROWS, 4), delta, sizeof delta); /* as it is, not times f' */
    for (size_t r = 0; r < ROWS; r++) {
      for (size_t j = 0; j < 4; j++) model.delta[2][r][j] = delta[r * 4 + j];
      for (size_t j = 0; j < 9; j++) {
        double sum = 0;
        for (size_t q = 0; q < 4; q++) sum += delta[r * 4 + q] * model.back[1][q][j];
        model.delta[1][r][j] = sum * plain_df(model.f, model.z[1][r][j]);
      }
    }
    plain_updates(&model, eta, ROWS);
    check_matrix(&by, FALIGN_DELTA, 1, ROWS, 9, model.delta[1][0]);
    check_matrix(&by, FALIGN_DW, 0, 7, 9, model.dw[0][0]);
    check_matrix(&by, FALIGN_DW, 1, 9, 4, model.dw[1][0]);
    plain_apply(&model);
    near(plain_distance(&model, by.network), 0, rounding(FALIGN_F64));
    const falign_trace *trace = falign_trainer_trace(by.trainer);
    falign_view none;
    ck_assert(isnan(falign_trace_step(trace)->loss));
    fails(FALIGN_UNSUPPORTED, "Y*[2]", falign_trace_view(trace, FALIGN_TARGET, 2, &none));
    ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 1);
    free_learner(&by);
  }
}
END_TEST

/* As the imposed delta of a step of its own: delta[d] = E .* f' given by hand changes nothing. */
START_TEST(imposing_the_own_delta) {
  draw_data(FALIGN_F64);
  learner a = new_learner(new_network(FALIGN_F64, D, widths, true, TANH), "fa", 0.5, 1, eta);
  learner b = new_learner(new_network(FALIGN_F64, D, widths, true, TANH), "fa", 0.5, 1, eta);
  ok(falign_trainer_keep(a.trainer, FALIGN_NEEDS_ACTIVITY));
  for (int k = 0; k < 5; k++) {
    double delta[POINTS * 4];
    ok(step(&a, points, POINTS, targets));
    memcpy(delta, seen(&a, FALIGN_DELTA, D, POINTS, 4), sizeof delta);
    ok(falign_trainer_impose(b.trainer, READ_F64(points, POINTS, 7, 7), READ_F64(delta, POINTS, 4, 4)));
    ck_assert(same_parameters(a.network, b.network));
  }
  free_learner(&a);
  free_learner(&b);
}
END_TEST

static void add_tests(TCase *tests) {
  int count = (int)backend_count();
  tcase_add_loop_test(tests, as_plain_loops_f64, 0, count);
  tcase_add_loop_test(tests, as_plain_loops_f32, 0, count);
  tcase_add_test(tests, learning_exceeds_rounding);
  tcase_add_test(tests, whole_trace);
  tcase_add_test(tests, many_rows);
  tcase_add_test(tests, strided_rows);
  tcase_add_loop_test(tests, any_steps, 0, 2);
  tcase_add_test(tests, run_is_steps);
  tcase_add_test(tests, fa_with_transposed_weights_is_bp);
  tcase_add_test(tests, products_of_matrices_in_linear_networks);
  tcase_add_test(tests, dfa_is_fa_with_one_hidden_layer);
  tcase_add_test(tests, rules_agree_without_hidden_layers);
  tcase_add_test(tests, bp_beside_fa);
  tcase_add_test(tests, backends_agree);
  tcase_add_test(tests, imposed_signals);
  tcase_add_test(tests, imposing_the_own_delta);
}

int main(void) { return run_suite("reference", add_tests); }
