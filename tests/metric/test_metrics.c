/* SPDX-License-Identifier: Apache-2.0 */
#include "lab.h"

/* Every value is compared with plain loops over weights and traces as the public interface gives them. */

static void observe_all(lab *b) {
  for (size_t i = 0; falign_metric_name_at(i); i++) observe(b, falign_metric_name_at(i));
}

static matrix transposed(const matrix *a) {
  matrix t = {a->cols, a->rows, {0}};
  for (size_t i = 0; i < t.rows; i++)
    for (size_t j = 0; j < t.cols; j++) t.at[i * t.cols + j] = a->at[j * a->cols + i];
  return t;
}

/* B[l]^T or F[l]^T */
static matrix feedback(const lab *b, uint32_t l) {
  matrix f = {falign_rule_feedback(b->rule) == FALIGN_FEEDBACK_DIRECT ? n[D] : n[l + 1], n[l], {0}};
  ok(falign_rule_get(b->rule, FALIGN_FEEDBACK, l, WRITE_F64(f.at, f.rows, f.cols, f.cols)));
  return transposed(&f);
}

static matrix kept(const lab *b, falign_quantity quantity, uint32_t l) {
  falign_view view;
  ok(falign_trace_view(falign_trainer_trace(b->trainer), quantity, l, &view));
  ck_assert(view.rows * view.cols <= MOST && view.precision == b->precision);
  matrix out = {view.rows, view.cols, {0}};
  copy_elements(&view, out.at, view.cols);
  return out;
}

/* Growing sums over the pairs of numbers of one or more matrices. */
typedef struct {
  long double aa, bb, ab;
} sums;

static void add_pair(sums *s, const matrix *a, const matrix *b) {
  ck_assert(a->rows == b->rows && a->cols == b->cols);
  for (size_t i = 0; i < a->rows * a->cols; i++) {
    s->aa += (long double)a->at[i] * a->at[i];
    s->bb += (long double)b->at[i] * b->at[i];
    s->ab += (long double)a->at[i] * b->at[i];
  }
}

static double norm_of(const matrix *a) {
  sums s = {0};
  add_pair(&s, a, a);
  return (double)sqrtl(s.aa);
}

/* The three metrics whose names end in `pair`. acosl() loses half the digits near 0. */
static void check_sums(const lab *b, const char *pair, int64_t layer, const sums *s) {
  char name[32];
  long double cosine = s->ab / sqrtl(s->aa * s->bb);
  if (cosine > 1) cosine = 1;
  snprintf(name, sizeof name, "angle_%s", pair);
  near(value_of(&b->log, name, layer, -1), (double)(acosl(cosine) * 180 / acosl(-1)), 2e-7);
  snprintf(name, sizeof name, "cos_%s", pair);
  near(value_of(&b->log, name, layer, -1), (double)cosine, 1e-13);
  snprintf(name, sizeof name, "inner_%s", pair);
  near(value_of(&b->log, name, layer, -1), (double)s->ab, 1e-13 * (double)sqrtl(s->aa * s->bb));
}

static void check_pair(const lab *b, const char *pair, int64_t layer, const matrix *left, const matrix *right) {
  sums s = {0};
  add_pair(&s, left, right);
  check_sums(b, pair, layer, &s);
}

static void check_count(const lab *b, const char *pair, size_t want) {
  static const char *const kinds[] = {"angle", "cos", "inner"};
  for (size_t i = 0; i < 3; i++) {
    char name[32];
    snprintf(name, sizeof name, "%s_%s", kinds[i], pair);
    ck_assert_msg(entries_of(&b->log, name) == want, "%s: %zu values, not %zu", name, entries_of(&b->log, name), want);
  }
}

static matrix product(const matrix *a, const matrix *b) {
  matrix c = {a->rows, b->cols, {0}};
  for (size_t i = 0; i < c.rows; i++)
    for (size_t j = 0; j < c.cols; j++)
      for (size_t m = 0; m < a->cols; m++) c.at[i * c.cols + j] += a->at[i * a->cols + m] * b->at[m * b->cols + j];
  return c;
}

static void check_layer_feedback(const lab *b, const matrix *w, bool applies) {
  check_count(b, "w_b", applies ? D - 1 : 0);
  check_count(b, "w_b_all", applies ? 1 : 0);
  check_count(b, "dw_b", applies ? D - 1 : 0);
  if (!applies) return;
  sums all = {0};
  for (uint32_t l = 1; l < D; l++) {
    matrix back = feedback(b, l), dw = kept(b, FALIGN_DW, l);
    check_pair(b, "w_b", l, &w[l], &back);
    check_pair(b, "dw_b", l, &dw, &back);
    add_pair(&all, &w[l], &back);
  }
  check_sums(b, "w_b_all", -1, &all);
}

/* Metrics that need LAPACK. */
static bool have_lapack(void) {
  falign_metric *metric;
  if (falign_metric_create("angle_w_q", &metric) == FALIGN_UNSUPPORTED) return false;
  falign_metric_destroy(metric);
  return true;
}

/* With the factors of F, whose own test is elsewhere. */
static void check_decomposition(const lab *b, const matrix *w) {
  falign_decomposition *parts;
  ok(falign_decomposition_create(b->rule, &parts));
  check_count(b, "w_q", D - 1);
  for (uint32_t l = 1; l < D; l++) {
    double q[MOST];
    matrix back = {w[l].rows, w[l].cols, {0}};
    ok(falign_decomposition_get(parts, FALIGN_Q, l, WRITE_F64(q, back.cols, back.rows, back.rows)));
    for (size_t i = 0; i < back.rows; i++)
      for (size_t j = 0; j < back.cols; j++) back.at[i * back.cols + j] = q[j * back.rows + i];
    check_pair(b, "w_q", l, &w[l], &back);
    near(value_of(&b->log, "share_f_perp", l, -1), falign_decomposition_share(parts, l), 0);
  }
  falign_decomposition_destroy(parts);
}

static void check_direct_feedback(const lab *b, const matrix *w, bool applies) {
  check_count(b, "w_f", applies ? D - 1 : 0);
  if (!applies) return;
  if (have_lapack())
    check_decomposition(b, w);
  else
    say_skipped("metrics of Q and F_perp", "", no_lapack);
  matrix through = w[D - 1];
  for (uint32_t l = D - 1; l >= 1; l--) {
    if (l < D - 1) through = product(&w[l], &through);
    matrix back = feedback(b, l);
    check_pair(b, "w_f", l, &through, &back);
  }
}

static void check_updates(const lab *b, const matrix *w) {
  check_count(b, "dw_bp", D);
  check_count(b, "db_bp", D);
  check_count(b, "dw_w", D);
  for (uint32_t l = 0; l < D; l++) {
    matrix dw = kept(b, FALIGN_DW, l), dw_bp = kept(b, FALIGN_DW_BP, l);
    matrix db = kept(b, FALIGN_DB, l + 1), db_bp = kept(b, FALIGN_DB_BP, l + 1);
    check_pair(b, "dw_bp", l, &dw, &dw_bp);
    check_pair(b, "db_bp", l + 1, &db, &db_bp);
    check_pair(b, "dw_w", l, &dw, &w[l]);
    near(value_of(&b->log, "norm_dw", l, -1), norm_of(&dw), 1e-13 * norm_of(&dw));
    near(value_of(&b->log, "norm_w", l, -1), norm_of(&w[l]), 1e-13 * norm_of(&w[l]));
    near(value_of(&b->log, "norm_w_ratio", l, -1), norm_of(&w[l]) / b->start_norm[l], 1e-12);
  }
  ck_assert(entries_of(&b->log, "norm_dw") == D && entries_of(&b->log, "norm_w") == D);
  ck_assert(entries_of(&b->log, "norm_w_ratio") == D);
}

static double derivative(activation f, double z) {
  switch (f) {
    case TANH_RELU: return z > 0 ? 1 - tanh(z) * tanh(z) : 0;
    case RELU: return z > 0;
    case TANH: return 1 - tanh(z) * tanh(z);
    case LOGISTIC: return 1 / (1 + exp(-z)) / (1 + exp(z));
    default: return 1;
  }
}

static void check_activity(const lab *b) {
  double saturated_somewhere = 0;
  for (uint32_t l = 0; l <= D; l++) {
    matrix outputs = kept(b, FALIGN_L, l);
    near(value_of(&b->log, "norm_l", l, -1), norm_of(&outputs), 1e-13 * norm_of(&outputs));
    if (l == 0) continue;
    matrix delta = kept(b, FALIGN_DELTA, l), z = kept(b, FALIGN_Z, l);
    near(value_of(&b->log, "norm_delta", l, -1), norm_of(&delta), 1e-13 * norm_of(&delta));
    for (size_t i = 0; i < ROWS; i++) {
      matrix row = {1, n[l], {0}};
      memcpy(row.at, delta.at + i * n[l], n[l] * sizeof row.at[0]);
      near(value_of(&b->log, "norm_delta_point", l, (int64_t)i), norm_of(&row), 1e-13 * norm_of(&row));
    }
    double saturated = 0;
    for (size_t i = 0; i < ROWS * n[l]; i++) saturated += derivative(activations[l], z.at[i]) <= 0.01;
    near(value_of(&b->log, "saturated", l, -1), saturated / (double)(ROWS * n[l]), 1e-15);
    saturated_somewhere += saturated > 0 && saturated < (double)(ROWS * n[l]);
  }
  ck_assert(saturated_somewhere >= 2);
  ck_assert(entries_of(&b->log, "norm_l") == D + 1 && entries_of(&b->log, "norm_delta") == D);
  ck_assert(entries_of(&b->log, "norm_delta_point") == D * ROWS && entries_of(&b->log, "saturated") == D);

  matrix y = kept(b, FALIGN_L, D), target = kept(b, FALIGN_TARGET, D);
  double loss = 0;
  for (size_t i = 0; i < ROWS * n[D]; i++) loss += (target.at[i] - y.at[i]) * (target.at[i] - y.at[i]) / 2;
  near(value_of(&b->log, "loss", -1, -1), loss, (b->precision == FALIGN_F32 ? 1e-5 : 1e-13) * loss);
  ck_assert(entries_of(&b->log, "loss") == 1);
}

static const char *const rules[] = {"bp", "fa", "dfa"};
static const falign_precision precisions[] = {FALIGN_F32, FALIGN_F64};

START_TEST(every_metric_of_every_rule) {
  const char *rule = rules[_i % 3];
  lab b;
  open_lab(&b, precisions[_i / 3], rule, D, 1);
  observe_all(&b);
  ok(falign_trainer_keep(b.trainer, FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP));
  for (uint32_t l = 0; l < D; l++) {
    matrix w = weights(&b, l);
    b.start_norm[l] = norm_of(&w);
  }
  for (uint64_t k = 0; k < STEPS; k++) {
    matrix w[D];
    for (uint32_t l = 0; l < D; l++) w[l] = weights(&b, l);
    b.log.count = 0;
    ok(step(&b));
    for (size_t i = 0; i < b.log.count; i++) ck_assert(b.log.entries[i].iteration == k);
    check_layer_feedback(&b, w, strcmp(rule, "fa") == 0);
    check_direct_feedback(&b, w, strcmp(rule, "dfa") == 0);
    check_updates(&b, w);
    check_activity(&b);
    if (k == 0) near(value_of(&b.log, "norm_w_ratio", 2, -1), 1, 0);
    for (uint32_t l = 0; strcmp(rule, "bp") == 0 && l < D; l++) {
      near(value_of(&b.log, "angle_dw_bp", l, -1), 0, 0);
      near(value_of(&b.log, "angle_db_bp", l + 1, -1), 0, 0);
      near(value_of(&b.log, "cos_dw_bp", l, -1), 1, 0);
    }
  }
  close_lab(&b);
}
END_TEST

START_TEST(layers_come_in_order) {
  lab b;
  open_lab(&b, FALIGN_F64, "dfa", D, 1);
  observe(&b, "angle_w_f");
  observe(&b, "norm_delta");
  ok(step(&b));
  int64_t layers[D - 1 + D];
  ck_assert(b.log.count == D - 1 + D);
  for (size_t i = 0; i < b.log.count; i++) layers[i] = b.log.entries[i].layer;
  for (int64_t i = 0; i < D - 1; i++) ck_assert(layers[i] == i + 1);
  for (int64_t i = 0; i < D; i++) ck_assert(layers[D - 1 + i] == i + 1);
  close_lab(&b);
}
END_TEST

START_TEST(what_does_not_apply_yields_nothing) {
  lab b;
  open_lab(&b, FALIGN_F64, rules[_i], 1, 0);
  observe_all(&b);
  ok(step(&b));
  static const char *const absent[] = {"w_b", "w_b_all", "dw_b", "w_f", "w_q", "db_bp"};
  for (size_t i = 0; i < 6; i++) check_count(&b, absent[i], 0);
  check_count(&b, "dw_bp", 1);
  ck_assert(entries_of(&b.log, "norm_l") == 2 && entries_of(&b.log, "norm_w") == 1);
  close_lab(&b);
}
END_TEST

START_TEST(undefined_angle_is_nan) {
  lab b;
  open_lab(&b, FALIGN_F32, "fa", D, 1);
  const double zeros[MOST] = {0};
  ok(falign_rule_set(b.rule, FALIGN_FEEDBACK, 2, READ_F64(zeros, n[3], n[2], n[2])));
  observe(&b, "angle_w_b");
  observe(&b, "cos_w_b");
  observe(&b, "inner_w_b");
  ok(step(&b));
  ck_assert(isnan(value_of(&b.log, "angle_w_b", 2, -1)) && isnan(value_of(&b.log, "cos_w_b", 2, -1)));
  ck_assert(value_of(&b.log, "inner_w_b", 2, -1) == 0 && !isnan(value_of(&b.log, "angle_w_b", 1, -1)));
  close_lab(&b);
}
END_TEST

START_TEST(no_loss_with_imposed_signals) {
  lab b;
  open_lab(&b, FALIGN_F64, "fa", D, 1);
  observe_all(&b);
  ok(falign_trainer_impose(b.trainer, READ_F64(b.x, ROWS, n[0], n[0]), READ_F64(b.y, ROWS, n[D], n[D])));
  ck_assert(isnan(value_of(&b.log, "loss", -1, -1)));
  check_count(&b, "dw_bp", D);
  close_lab(&b);
}
END_TEST

static void square(void *user, const double *z, double *out, size_t count) {
  (void)user;
  for (size_t i = 0; i < count; i++) out[i] = z[i] * z[i] / 20;
}

static void square_derivative(void *user, const double *z, double *out, size_t count) {
  (void)user;
  for (size_t i = 0; i < count; i++) out[i] = z[i] / 10;
}

START_TEST(saturated_with_a_custom_activation) {
  lab b;
  open_lab(&b, precisions[_i], "fa", D, 1);
  ok(activate_custom(b.network, 2, square, square_derivative, NULL));
  ok(activate(b.network, 4, LINEAR));
  ok(falign_trainer_keep(b.trainer, FALIGN_NEEDS_ACTIVITY));
  observe(&b, "saturated");
  ok(step(&b));
  matrix z = kept(&b, FALIGN_Z, 2);
  double saturated = 0;
  for (size_t i = 0; i < ROWS * n[2]; i++) saturated += z.at[i] / 10 <= 0.01;
  near(value_of(&b.log, "saturated", 2, -1), saturated / (double)(ROWS * n[2]), 1e-15);
  near(value_of(&b.log, "saturated", 4, -1), 0, 0);
  close_lab(&b);
}
END_TEST

START_TEST(measurement_without_a_step) {
  lab b;
  open_lab(&b, FALIGN_F64, "fa", D, 1);
  observe_all(&b);
  for (size_t i = 0; i < STEPS; i++) ok(step(&b));
  b.log.count = 0;
  ok(falign_trainer_measure(b.trainer));
  size_t seen = 0;
  for (size_t i = 0; falign_metric_name_at(i); i++) {
    falign_metric *metric;
    ok(falign_metric_create(falign_metric_name_at(i), &metric));
    size_t count = entries_of(&b.log, falign_metric_name(metric));
    if (falign_metric_needs(metric) != 0) ck_assert(count == 0);
    seen += count;
    falign_metric_destroy(metric);
  }
  ck_assert(seen == b.log.count);
  check_count(&b, "w_b", D - 1);
  check_count(&b, "w_b_all", 1);
  ck_assert(entries_of(&b.log, "norm_w") == D && entries_of(&b.log, "norm_w_ratio") == D);
  for (size_t i = 0; i < b.log.count; i++) ck_assert(b.log.entries[i].iteration == STEPS);
  matrix w = weights(&b, 2), back = feedback(&b, 2);
  check_pair(&b, "w_b", 2, &w, &back);
  close_lab(&b);
}
END_TEST

/* The category of the largest dot product with the code. */
static uint32_t decode(const falign_code *code, const double *y) {
  uint32_t best = 0;
  double most = -INFINITY;
  for (uint32_t c = 0; c < code_categories(code); c++) {
    double sum = 0;
    for (size_t j = 0; j < code_width(code); j++) sum += code_row(code, c)[j] * y[j];
    if (sum > most) {
      most = sum;
      best = c;
    }
  }
  return best;
}

START_TEST(test_error_by_own_decoding) {
  enum { POINTS = 103, WIDTH = 12, CATEGORIES = 5, OUTPUTS = 10 };
  const size_t widths[] = {WIDTH, 8, OUTPUTS};
  falign_dataset *parts[2];
  falign_code *code;
  falign_batches *train, *test;
  for (falign_part part = FALIGN_TRAIN; part <= FALIGN_TEST; part++)
    ok(falign_dataset_create_synthetic(&(falign_synthetic){POINTS, WIDTH, CATEGORIES, 0.5, 0}, part, 3,
                                       &parts[part - FALIGN_TRAIN]));
  ok(falign_code_create_n_hot(CATEGORIES, OUTPUTS, 2, 3, 0, &code));
  ok(falign_batches_create(parts[0], code, 20, &train));
  ok(falign_batches_create(parts[1], code, 20, &test));
  falign_network *network;
  falign_rule *rule;
  falign_trainer *trainer;
  ok(falign_network_create(FALIGN_F64, 2, widths, 1, &network));
  ok(falign_network_draw(network, 0.3, 0.1, 3, 0));
  ok(falign_rule_create("bp", network, &rule));
  ok(falign_trainer_create(network, rule, 0.01, &trainer));
  static journal log;
  falign_metric *metric;
  ok(falign_metric_create_test_error(test, &metric));
  ck_assert_str_eq(falign_metric_name(metric), "test_error");
  ck_assert(falign_metric_needs(metric) == 0);
  ok(falign_trainer_observe(trainer, metric, 30, record, &log));
  falign_metric_destroy(metric);
  falign_batches_destroy(test); /* the metric keeps it */

  static double x[POINTS * WIDTH], y[POINTS * OUTPUTS];
  ok(falign_dataset_get(parts[1], 0, WRITE_F64(x, POINTS, WIDTH, WIDTH)));
  const uint32_t *labels = falign_dataset_get_shape(parts[1])->labels;
  double wrong[3] = {0};
  for (uint64_t i = 0; i < 3; i++) {
    if (i > 0) ok(falign_trainer_run(trainer, train, 30 * i));
    ok(falign_trainer_forward(trainer, READ_F64(x, POINTS, WIDTH, WIDTH), WRITE_F64(y, POINTS, OUTPUTS, OUTPUTS)));
    for (size_t p = 0; p < POINTS; p++) wrong[i] += decode(code, y + p * OUTPUTS) != labels[p];
  }
  ok(falign_trainer_measure(trainer));
  ck_assert(log.count == 3);
  for (uint64_t i = 0; i < 3; i++) {
    ck_assert(log.entries[i].iteration == 30 * i && log.entries[i].layer == -1 && log.entries[i].order == -1);
    near(log.entries[i].value, 100 * wrong[i] / POINTS, 1e-12);
  }
  ck_assert(wrong[2] > 0 && wrong[2] < wrong[0]);

  falign_trainer_destroy(trainer);
  falign_rule_destroy(rule);
  falign_network_destroy(network);
  falign_batches_destroy(train);
  falign_code_destroy(code);
  falign_dataset_destroy(parts[0]);
  falign_dataset_destroy(parts[1]);
}
END_TEST

START_TEST(listing) {
  size_t count = 0;
  while (falign_metric_name_at(count)) count++;
  ck_assert_uint_eq(count, 7 * 3 + 8 + (have_lapack() ? 4 : 0));
  for (size_t i = 0; i < count; i++) {
    const char *name = falign_metric_name_at(i), *description = falign_metric_description_at(i);
    ck_assert(name && description && strlen(description) > 0 && strchr(description, '\n') == NULL);
    ck_assert_str_ne(name, "test_error");
    for (size_t j = 0; j < i; j++) ck_assert_str_ne(name, falign_metric_name_at(j));
  }
  ck_assert_str_eq(falign_metric_name_at(0), "angle_w_b");
  ck_assert_str_eq(falign_metric_description_at(0), "angle of W[l] with B[l]^T, degrees");
  ck_assert(!falign_metric_description_at(count) && !falign_metric_name_at(SIZE_MAX) &&
            !falign_metric_description_at(SIZE_MAX));

  falign_metric *metric = NULL;
  fails(FALIGN_UNSUPPORTED, "there is no metric \"angle_w_c\"", falign_metric_create("angle_w_c", &metric));
  fails(FALIGN_UNSUPPORTED, "falign_metric_create_test_error", falign_metric_create("test_error", &metric));
  fails(FALIGN_INVALID, "name is NULL", falign_metric_create(NULL, &metric));
  fails(FALIGN_INVALID, "out is NULL", falign_metric_create("loss", NULL));
  fails(FALIGN_INVALID, "test is NULL", falign_metric_create_test_error(NULL, &metric));
  ck_assert(metric == NULL);
  falign_metric_destroy(NULL);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_loop_test(tests, every_metric_of_every_rule, 0, 6);
  tcase_add_test(tests, layers_come_in_order);
  tcase_add_loop_test(tests, what_does_not_apply_yields_nothing, 0, 3);
  tcase_add_test(tests, undefined_angle_is_nan);
  tcase_add_test(tests, no_loss_with_imposed_signals);
  tcase_add_loop_test(tests, saturated_with_a_custom_activation, 0, 2);
  tcase_add_test(tests, measurement_without_a_step);
  tcase_add_test(tests, test_error_by_own_decoding);
  tcase_add_test(tests, listing);
}

int main(void) { return run_suite("metrics", add_tests); }
