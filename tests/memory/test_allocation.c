/* SPDX-License-Identifier: Apache-2.0 */
/* Lets each allocation of the library, and each start of a thread, fail in turn: every call must say so, leak nothing
 * and leave its outputs alone. The program is linked statically, with malloc and its kin wrapped (see meson.build), and
 * takes cJSON's over. */
#include <signal.h>
#ifdef FAL_TEST_CJSON
#include <cjson/cJSON.h>
#endif

#include "memory/sweep.h"

#ifdef FAL_XSMM
#include "backend/no_kernels.h"
#endif

static falign_status make_run(objects *o, falign_network **network, falign_rule **rule, falign_batches **batches,
                              falign_trainer **trainer) {
  size_t widths[] = {6, 8, 10};
  TRY(falign_network_create(FALIGN_F32, 2, widths, 1, network));
  TRY(falign_network_draw(*network, 0.3, 0.3, 1, 0));
  TRY(falign_rule_create("fa", *network, rule));
  TRY(falign_rule_draw(*rule, 0.3, 1, 0));
  TRY(falign_rule_normalize_columns(*rule, 1));
  TRY(falign_batches_create(o->data, o->code, 150, batches));
  TRY(falign_batches_shuffle_labels(*batches, 0.2, 1, 0));
  TRY(falign_batches_set_order(*batches, FALIGN_ORDER_EPOCH, 1, 0));
  return falign_trainer_create(*network, *rule, 1e-3, trainer);
}

static falign_status observe_all(objects *o) {
  for (size_t i = 0; falign_metric_name_at(i); i++) {
    TRY(falign_metric_create(falign_metric_name_at(i), &o->metrics[o->metric_count]));
    TRY(falign_trainer_observe(o->trainer, o->metrics[o->metric_count++], 1, ignore, NULL));
  }
  uint64_t at[] = {0, 2};
  TRY(falign_batches_create(o->test_data, o->code, 20, &o->test));
  TRY(falign_metric_create_test_error(o->test, &o->metrics[o->metric_count]));
  return falign_trainer_observe_at(o->trainer, o->metrics[o->metric_count++], at, 2, ignore, NULL);
}

static falign_status train(objects *o) {
  double gamma = 1;
  TRY(falign_dataset_create_synthetic(&(falign_synthetic){300, 6, 5, 0.6, 0.1}, FALIGN_TRAIN, 1, &o->data));
  TRY(falign_dataset_create_synthetic(&(falign_synthetic){40, 6, 5, 0.6, 0.1}, FALIGN_TEST, 1, &o->test_data));
  TRY(falign_code_create_n_hot(5, 10, 2, 1, 0, &o->code));
  TRY(make_run(o, &o->network, &o->rule, &o->batches, &o->trainer));
  TRY(falign_norm_create("columns", &gamma, 1, &o->norm));
  TRY(falign_norm_apply(o->norm, o->network, o->rule));
  TRY(falign_trainer_set_norm(o->trainer, o->norm));
  falign_status threads = falign_trainer_set_threads(o->trainer, 2);
  if (threads != FALIGN_UNSUPPORTED) TRY(threads);
  TRY(observe_all(o));
  TRY(falign_trainer_run(o->trainer, o->batches, 3));
  TRY(falign_trainer_measure(o->trainer));
  return falign_trainer_evaluate(o->trainer, o->test, NULL, NULL);
}

static falign_status resume(objects *o) {
  TRY(train(o));
  TRY(falign_tensors_create(&o->tensors));
  TRY(falign_trainer_export(o->trainer, o->tensors));
  TRY(falign_batches_export(o->batches, 3, o->tensors));
  TRY(falign_tensors_set_note(o->tensors, "who", "a test"));
  TRY(falign_code_import(o->tensors, &o->other_code));
  TRY(make_run(o, &o->other_network, &o->other_rule, &o->other_batches, &o->other_trainer));
  TRY(falign_network_import(o->other_network, o->tensors));
  TRY(falign_rule_import(o->other_rule, o->tensors));
  TRY(falign_trainer_import(o->other_trainer, o->tensors));
  TRY(falign_batches_import(o->other_batches, 3, o->tensors));
  return falign_trainer_run(o->other_trainer, o->other_batches, 4);
}

static falign_status train_both(objects *o) {
  TRY(falign_dataset_create_synthetic(&(falign_synthetic){300, 6, 5, 0.6, 0.1}, FALIGN_TRAIN, 1, &o->data));
  TRY(falign_code_create_n_hot(5, 10, 2, 1, 0, &o->code));
  TRY(make_run(o, &o->network, &o->rule, &o->batches, &o->trainer));
  TRY(make_run(o, &o->other_network, &o->other_rule, &o->other_batches, &o->other_trainer));
  falign_trainer *const trainers[] = {o->trainer, o->other_trainer};
  falign_batches *const batches[] = {o->batches, o->other_batches};
  return falign_ensemble_train(trainers, batches, 2, 3, 1); /* what fails here is counted on one thread */
}

static falign_status look_back(objects *o, uint64_t lag) {
  const uint64_t lags[] = {1, lag};
  TRY(falign_metric_create_similarity(o->batches, lag, &o->metrics[o->metric_count]));
  TRY(falign_trainer_observe(o->trainer, o->metrics[o->metric_count++], 1, ignore, NULL));
  TRY(falign_metric_create_autocorrelation(lags, 2, &o->metrics[o->metric_count]));
  return falign_trainer_observe(o->trainer, o->metrics[o->metric_count++], 1, ignore, NULL);
}

/* Batches of 70 and one of 20 points, so that copies of past iterations differ in size. */
static falign_status make_short_run(objects *o) {
  size_t widths[] = {6, 8, 10};
  TRY(falign_dataset_create_synthetic(&(falign_synthetic){300, 6, 5, 0.6, 0.1}, FALIGN_TRAIN, 1, &o->data));
  TRY(falign_code_create_n_hot(5, 10, 2, 1, 0, &o->code));
  TRY(falign_batches_create(o->data, o->code, 70, &o->batches));
  TRY(falign_network_create(FALIGN_F32, 2, widths, 1, &o->network));
  TRY(falign_network_draw(o->network, 0.3, 0.3, 1, 0));
  TRY(falign_rule_create("bp", o->network, &o->rule));
  TRY(falign_trainer_create(o->network, o->rule, 1e-3, &o->trainer));
  return look_back(o, 7);
}

static falign_status past_iterations(objects *o) {
  TRY(make_short_run(o));
  return falign_trainer_run(o->trainer, o->batches, 10);
}

static falign_status pairs(objects *o) {
  const float x[] = {1, 2, 3, 4, 5, 6};
  const double errors[] = {3, 2, 1};
  const uint32_t labels[] = {0, 1, 1};
  uint64_t counts[4 * 5];
  falign_pair_sums sums;
  TRY(falign_similarity_create(FALIGN_F32, 2, 1, 2, &o->similarity));
  for (int32_t side = 0; side < 2; side++) {
    TRY(falign_similarity_set_side(o->similarity, side, READ_F32(x, 3, 2, 2), READ_F32(x, 3, 1, 2), labels));
    TRY(falign_similarity_classify(o->similarity, side, errors, 3, 0.5));
  }
  TRY(falign_similarity_sums(o->similarity, FALIGN_PAIRS_WITHIN_POOR, &sums));
  falign_status status =
      falign_similarity_histogram(o->similarity, FALIGN_SIMILARITY_L, &(falign_bins){0, 1, 3}, 2, counts);
  if (status != FALIGN_UNSUPPORTED) return status;
  return falign_similarity_histogram(o->similarity, FALIGN_SIMILARITY_L, &(falign_bins){0, 1, 3}, 1, counts);
}

static falign_status plain_sgemm(void *user, int32_t ta, int32_t tb, size_t m, size_t n, size_t k, float alpha,
                                 const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                                 size_t ldc) {
  return falign_backend_gemm(user, alpha, (ta ? READ_F32_T(a, k, m, lda) : READ_F32(a, m, k, lda)),
                             (tb ? READ_F32_T(b, n, k, ldb) : READ_F32(b, k, n, ldb)), beta, WRITE_F32(c, m, n, ldc));
}

static falign_status plain_dgemm(void *user, int32_t ta, int32_t tb, size_t m, size_t n, size_t k, double alpha,
                                 const double *a, size_t lda, const double *b, size_t ldb, double beta, double *c,
                                 size_t ldc) {
  return falign_backend_gemm(user, alpha, (ta ? READ_F64_T(a, k, m, lda) : READ_F64(a, m, k, lda)),
                             (tb ? READ_F64_T(b, n, k, ldb) : READ_F64(b, k, n, ldb)), beta, WRITE_F64(c, m, n, ldc));
}

static falign_status no_signal(void *user, const falign_rule *rule, const falign_network *network,
                               const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  (void)user, (void)rule, (void)network, (void)trace, (void)l;
  memset(out->data, 0, out->rows * out->cols * sizeof(float));
  return FALIGN_OK;
}

static falign_status keep_weights(void *user, falign_network *network, uint32_t l) {
  (void)user, (void)network, (void)l;
  return FALIGN_OK;
}

static falign_status measure_nothing(void *user, falign_trainer *trainer, const falign_trace *trace,
                                     falign_value_fn emit, void *emit_user) {
  (void)user, (void)trainer, (void)trace, (void)emit, (void)emit_user;
  return FALIGN_OK;
}

static falign_status custom_parts(objects *o) {
  falign_backend *builtin;
  size_t widths[] = {3, 4, 5};
  TRY(falign_backend_create("builtin", &builtin));
  falign_backend_table backend = {.size = sizeof backend, .name = "plain", .sgemm = plain_sgemm, .dgemm = plain_dgemm};
  TRY(falign_backend_create_custom(&backend, builtin, &o->backend));
  TRY(falign_network_create(FALIGN_F32, 2, widths, 0, &o->network));
  falign_rule_table rule = {
      .size = sizeof rule, .name = "none", .feedback = FALIGN_FEEDBACK_DIRECT, .signal = no_signal};
  TRY(falign_rule_create_custom(&rule, NULL, o->network, &o->rule));
  falign_norm_table norm = {.size = sizeof norm, .name = "still", .apply = keep_weights};
  TRY(falign_norm_create_custom(&norm, NULL, &o->norm));
  falign_metric_table metric = {.size = sizeof metric, .name = "nothing", .measure = measure_nothing};
  TRY(falign_metric_create_custom(&metric, NULL, &o->metrics[o->metric_count]));
  o->metric_count++;
  TRY(falign_rng_create(1, FALIGN_RNG_USER, 0, 0, &o->rng));
  float x[6] = {1, 2, 3, 4, 5, 6};
  uint32_t labels[2] = {0, 1};
  TRY(falign_dataset_create(READ_F32(x, 2, 3, 3), labels, 2, &o->data));
  TRY(falign_dataset_create_regression(READ_F32(x, 2, 3, 3), READ_F32(x, 2, 3, 3), &o->test_data));
  TRY(falign_trainer_create(o->network, o->rule, 0.1, &o->trainer));
  return falign_trainer_set_backend(o->trainer, o->backend);
}

static falign_status draw_products(objects *o) {
  double theta[4];
  TRY(falign_product_angle_create(3, 4, 5, 1, 0, &o->product_angle));
  return falign_product_angle_draw(o->product_angle, 1, &theta[0], &theta[1], &theta[2], &theta[3]);
}

/* Of more points than a trajectory has room for at first, and fewer than their coordinates. */
static falign_status follow(objects *o) {
  double x[2] = {0, 1}, coordinates[2], loss[4];
  TRY(falign_dataset_create_synthetic(&(falign_synthetic){300, 6, 5, 0.6, 0.1}, FALIGN_TRAIN, 1, &o->data));
  TRY(falign_code_create_n_hot(5, 10, 2, 1, 0, &o->code));
  TRY(make_run(o, &o->network, &o->rule, &o->batches, &o->trainer));
  TRY(falign_trajectory_create(FALIGN_F32, falign_network_parameters(o->network), &o->trajectory));
  for (uint32_t i = 0; i < 20; i++) {
    TRY(falign_network_draw(o->network, 0.3, 0.3, 1, i));
    TRY(add_network(o->trajectory, o->network));
  }
  TRY(falign_components_create(o->trajectory, 2, &o->components));
  TRY(falign_components_project_feedback(o->components, o->network, o->rule, WRITE_F64(coordinates, 1, 2, 2)));
  const falign_grid grid = {.a = 0, .b = 1, .x = x, .x_count = 2, .y = x, .y_count = 2, .threads = 2};
  falign_status status =
      falign_components_loss_grid(o->components, o->network, o->batches, &grid, WRITE_F64(loss, 2, 2, 2));
  return status == FALIGN_UNSUPPORTED ? FALIGN_OK : status; /* a build without threads */
}

static void scale_by_two(void *user, const double *z, double *out, size_t count) {
  (void)user;
  for (size_t i = 0; i < count; i++) out[i] = 2 * z[i];
}

static void two(void *user, const double *z, double *out, size_t count) {
  (void)user, (void)z;
  for (size_t i = 0; i < count; i++) out[i] = 2;
}

static falign_status make_direct_run(objects *o) {
  const size_t widths[] = {3, 4, 5, 2};
  const double gamma = 1, weights[3 * 4] = {1, 2, 3}, bias[4] = {1};
  TRY(falign_network_create(FALIGN_F64, 3, widths, 1, &o->network));
  TRY(falign_network_draw(o->network, 0.3, 0.3, 1, 0));
  TRY(activate(o->network, 1, LOGISTIC));
  const falign_activation_table doubling = {.size = sizeof doubling, .name = "double", .f = scale_by_two, .df = two};
  TRY(falign_activation_create_custom(&doubling, NULL, &o->activation));
  TRY(falign_network_set_activation(o->network, 2, o->activation));
  TRY(falign_network_set(o->network, FALIGN_W, 0, READ_F64(weights, 3, 4, 4)));
  TRY(falign_network_set(o->network, FALIGN_BIAS, 1, READ_F64(bias, 1, 4, 4)));
  TRY(falign_rule_create("dfa", o->network, &o->rule));
  TRY(falign_rule_draw(o->rule, 0.3, 1, 0));
  TRY(falign_norm_create("matrices", &gamma, 1, &o->norm));
  TRY(falign_trainer_create(o->network, o->rule, 0.01, &o->trainer));
  TRY(falign_trainer_set_norm(o->trainer, o->norm));
  falign_norm_destroy(o->norm);
  o->norm = NULL;
  return falign_norm_create("none", NULL, 0, &o->norm);
}

/* Regression in double precision: what the scenarios above, of codes in single precision, do not come by. */
static falign_status double_precision(objects *o) {
  const double x[] = {1, 2, 3, 4, 5, 6}, y[] = {0, 1, 1, 0};
  const uint32_t labels[] = {0, 1};
  TRY(make_direct_run(o));
  TRY(falign_dataset_create_regression(READ_F64(x, 2, 3, 3), READ_F64(y, 2, 2, 2), &o->data));
  TRY(falign_batches_create(o->data, NULL, 1, &o->batches));
  TRY(falign_trainer_run(o->trainer, o->batches, 2));
  TRY(falign_trainer_impose(o->trainer, READ_F64(x, 2, 3, 3), READ_F64(y, 2, 2, 2)));
  TRY(falign_tensors_create(&o->tensors));
  TRY(falign_rule_export(o->rule, o->tensors));
  TRY(falign_network_export(o->network, o->tensors));
  TRY(falign_code_create(READ_F64(y, 2, 2, 2), &o->code));
  TRY(falign_code_export(o->code, FALIGN_F64, o->tensors));
  TRY(falign_dataset_create(READ_F64(x, 2, 3, 3), labels, 2, &o->test_data));
  TRY(falign_batches_create(o->test_data, o->code, 2, &o->test));
  TRY(falign_batches_set_smoothing(o->test, 0.05));
  TRY(falign_trainer_run(o->trainer, o->test, 4));
  TRY(falign_similarity_create(FALIGN_F64, 3, 2, 2, &o->similarity));
  TRY(falign_similarity_set_side(o->similarity, 0, READ_F64(x, 2, 3, 3), READ_F64(y, 2, 2, 2), labels));
  TRY(falign_trajectory_create(FALIGN_F64, 6, &o->trajectory));
  return falign_trajectory_add(o->trajectory, READ_F64(x, 1, 6, 6));
}

/* ---- Terms of a small network, and what they are made of ---- */

enum { PAST_ROWS = 6 };
static const size_t past_widths[] = {5, 6, 7, 4};

/* As TRY(), for what a build may lack. */
#define TRY_IF_THERE(call)                                                              \
  do {                                                                                  \
    falign_status try_status = (call);                                                  \
    if (try_status != FALIGN_OK && try_status != FALIGN_UNSUPPORTED) return try_status; \
  } while (0)

static falign_status take_steps(objects *o, int count) {
  float x[PAST_ROWS * 5], y[PAST_ROWS * 4];
  for (int i = 0; i < PAST_ROWS * 5; i++) x[i] = (float)(i % 7) / 7;
  for (int i = 0; i < PAST_ROWS * 4; i++) y[i] = (float)(i % 3) / 3;
  for (int k = 0; k < count; k++)
    TRY(falign_trainer_step(o->trainer, READ_F32(x, PAST_ROWS, 5, 5), READ_F32(y, PAST_ROWS, 4, 4)));
  return FALIGN_OK;
}

/* All disturbances, in the history that is about to be kept. */
static falign_status disturb(objects *o) {
  TRY(falign_rule_create(falign_rule_name(o->rule), o->network, &o->other_rule));
  TRY(falign_rule_draw(o->other_rule, 0.5, 2, 0));
  TRY(falign_disturbance_create("undisturbed", NULL, o->history, o->rule, &o->disturbances[0]));
  TRY(falign_disturbance_create("linear", NULL, o->history, o->rule, &o->disturbances[1]));
  TRY(falign_disturbance_create("fresh_feedback", &(falign_disturbance_settings){.fresh = o->other_rule}, o->history,
                                o->rule, &o->disturbances[2]));
  TRY(falign_disturbance_create("shuffled_rows", &(falign_disturbance_settings){.seed = 1, .run = 0}, o->history,
                                o->rule, &o->disturbances[3]));
  for (int i = 0; i < 4; i++) {
    TRY(falign_metric_create_disturbance(o->disturbances[i], &o->metrics[o->metric_count]));
    TRY(falign_trainer_observe(o->trainer, o->metrics[o->metric_count++], 2, ignore, NULL));
  }
  return FALIGN_OK;
}

/* A history of two steps in memory; the others go to a file where there are files. */
static falign_status record(objects *o, const char *rule, bool disturbed) {
  const uint64_t at[] = {0, 2}, orders[] = {1, 2};
  char path[256];
  uint64_t bytes;
  TRY(falign_network_create(FALIGN_F32, 3, past_widths, 1, &o->network));
  TRY(falign_network_draw(o->network, 0.5, 0.5, 1, 0));
  TRY(falign_rule_create(rule, o->network, &o->rule));
  TRY(falign_rule_draw(o->rule, 0.5, 1, 0));
  TRY(falign_trainer_create(o->network, o->rule, 0.01, &o->trainer));
  TRY(falign_trainer_keep(o->trainer, FALIGN_NEEDS_ACTIVITY));
  TRY(falign_history_create(o->network, &o->history));
  TRY(falign_history_keep(o->history, FALIGN_KEEP_C | FALIGN_KEEP_DIRECT));
  if (disturbed) TRY(disturb(o));
  TRY(falign_history_bytes(o->history, 3, &bytes)); /* of which the step on its way to the file is one */
  *strrchr(scratch(path, sizeof path, ""), '/') = '\0';
  TRY_IF_THERE(falign_history_set_limit(o->history, bytes, path));
  TRY(falign_trainer_set_history(o->trainer, o->history));
  TRY(falign_metric_create_terms(orders, 2, &o->metrics[o->metric_count]));
  return falign_trainer_observe_at(o->trainer, o->metrics[o->metric_count++], at, 2, ignore, NULL);
}

static falign_status make_terms(objects *o) {
  const uint64_t orders[] = {1, 3};
  const uint64_t last = falign_trainer_iteration(o->trainer) - 1;
  double t[2 * 6 * 7];
  falign_comparison with;
  TRY(falign_terms_create(o->history, o->rule, &o->terms));
  TRY_IF_THERE(falign_terms_set_threads(o->terms, 2));
  const falign_trace *trace = falign_trainer_trace(o->trainer);
  TRY(terms_get(o->terms, trace, FALIGN_TERM, 1, &(falign_orders){orders, 2, 1}, t));
  TRY(terms_sum(o->terms, trace, FALIGN_TERM, 1, &(falign_orders){NULL, 0, 1}, t));
  TRY(terms_remainder(o->terms, trace, 1, 1, t));
  TRY(terms_zero(o->terms, trace, 1, last, t));
  TRY(terms_get(o->terms, trace, FALIGN_TERM_LINEAR, 1, &(falign_orders){orders, 2, 1}, t));
  TRY_IF_THERE(terms_get(o->terms, trace, FALIGN_TERM_DIAGONAL, 1, &(falign_orders){orders, 2, 1}, t));
  TRY_IF_THERE(terms_get(o->terms, trace, FALIGN_TERM_SIMPLIFIED, 1, &(falign_orders){orders, 2, 1}, t));
  TRY(terms_sum(o->terms, trace, FALIGN_TERM_LINEAR, 1, &(falign_orders){NULL, 0, 1}, t));
  TRY(terms_sum(o->terms, trace, FALIGN_TERM_LINEAR, 1, &(falign_orders){orders, 2, 1}, t));
  TRY_IF_THERE(falign_terms_compare(o->terms, trace, 1, READ_F64(t, 6, 7, 7), &with));
  return FALIGN_OK;
}

static falign_status take_apart(objects *o) {
  const double m[] = {1, 2, 3, 4};
  double values[7], b[7 * 6] = {1}, ratio, w[5 * 6];
  TRY_IF_THERE(falign_decomposition_create(o->rule, &o->decomposition));
  TRY(falign_transformation_create(o->history, 3, 1, 1, &o->transformation));
  TRY(falign_transformation_create_of(READ_F64(m, 2, 2, 2), &o->other_transformation));
  TRY_IF_THERE(falign_transformation_eigenvalues(o->transformation, values, 7));
  TRY(falign_transformation_skew_ratio(o->transformation, READ_F64(b, 7, 6, 6), &ratio));
  return falign_history_get(o->history, 0, FALIGN_W, 0, WRITE_F64(w, 5, 6, 6));
}

static falign_status take_terms(objects *o, const char *rule) {
  TRY(record(o, rule, false));
  TRY(take_steps(o, 4));
  TRY(make_terms(o));
  TRY(take_apart(o));
  falign_history_clear(o->history);
  TRY(falign_history_set_window(o->history, 1));
  return take_steps(o, 4);
}

static falign_status disturbances(objects *o) {
  const uint64_t orders[] = {1, 3};
  double t[2 * 6 * 7];
  TRY(record(o, "fa", true));
  TRY(take_steps(o, 4));
  return disturbance_get(o->disturbances[3], falign_trainer_trace(o->trainer), 1, &(falign_orders){orders, 2, 1}, t);
}

static falign_status terms_of_fa_run(objects *o) { return take_terms(o, "fa"); }

static falign_status terms_of_dfa_run(objects *o) { return take_terms(o, "dfa"); }

/* ---- Matrices that cannot be taken as they are ---- */

/* Two columns in every five, from the last row to the first: neither rows nor columns are contiguous. */
static falign_view with_gaps(const double *numbers, size_t rows) {
  return (falign_view){numbers + (rows - 1) * 5, rows, 2, -5, 2, FALIGN_F64};
}

static falign_status any_steps(objects *o) {
  const size_t widths[] = {2, 3, 2};
  double numbers[8 * 5], out[8 * 5] = {0}, norms[8];
  uint32_t categories[8];
  falign_backend *builtin;
  for (int i = 0; i < 8 * 5; i++) numbers[i] = (double)(i % 7) / 7;
  falign_view x = with_gaps(numbers, 8), square = with_gaps(numbers, 2);
  falign_matrix to = {out + 7 * 5, 8, 2, -5, 2, FALIGN_F64}, to_square = {out + 5, 2, 2, -5, 2, FALIGN_F64};
  TRY(falign_backend_create("builtin", &builtin));
  TRY(falign_backend_gemm(builtin, 1, &x, &square, 1, &to));
  TRY(falign_backend_gemm(builtin, 1, &square, &square, 0, &to_square));
  TRY(falign_network_create(FALIGN_F64, 2, widths, 1, &o->network));
  TRY(falign_network_draw(o->network, 0.3, 0.3, 1, 0));
  TRY(falign_rule_create("fa", o->network, &o->rule));
  TRY(falign_trainer_create(o->network, o->rule, 0.01, &o->trainer));
  TRY(falign_trainer_keep(o->trainer, FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP));
  TRY(falign_trainer_probe(o->trainer, &x, &x));
  TRY(falign_trainer_step(o->trainer, &x, &x));
  TRY(falign_trainer_impose(o->trainer, &x, &x));
  TRY(falign_trainer_forward(o->trainer, &x, &to));
  TRY(falign_dataset_create_regression(&x, &x, &o->data));
  TRY(falign_dataset_get(o->data, 0, &to));
  TRY(falign_batches_create(o->data, NULL, 8, &o->batches));
  TRY(falign_batches_get(o->batches, 0, &to, &to));
  TRY(falign_code_create(&square, &o->code));
  TRY(falign_code_decode(o->code, &x, categories));
  TRY(falign_row_norms(&x, norms));
  TRY(falign_rng_create(1, FALIGN_RNG_USER, 0, 0, &o->rng));
  TRY(falign_rng_normal(o->rng, 1, &to));
  TRY(falign_transformation_create_of(&square, &o->transformation));
  return falign_transformation_apply(o->transformation, FALIGN_M, &square, &norms[0], &norms[1]);
}

/* ---- Files ---- */

static falign_status files(objects *o) {
  char tensors[256], table[256], summary[256];
  size_t dims[2] = {2, 3};
  double numbers[6] = {1, 2, 3, 4, 5, 6};
  scratch(tensors, sizeof tensors, "memory.safetensors");
  scratch(table, sizeof table, "memory.csv");
  scratch(summary, sizeof summary, "memory.summary.csv");
  TRY(falign_tensors_create(&o->tensors));
  TRY(falign_tensors_add(o->tensors, "W.0", FALIGN_DTYPE_F64, dims, 2, numbers));
  TRY(falign_table_create(FALIGN_F64, "condition", &o->table));
  TRY(falign_table_set_condition(o->table, "a"));
  for (int run = 0; run < 3; run++) {
    falign_table_set_run(o->table, run);
    for (int i = 0; i < 20; i++)
      TRY(falign_table_add(o->table, &(falign_value){i, i % 2 ? "loss" : "angle_w_b", 1, -1, i}, 0.5));
  }
  TRY(falign_table_export(o->table, o->tensors));
  TRY(falign_tensors_set_note(o->tensors, "rule", "fa"));
  TRY(falign_tensors_write(o->tensors, tensors));
  TRY(falign_tensors_read(tensors, &o->read_tensors));
  TRY(falign_table_create(FALIGN_F64, "condition", &o->other_table));
  TRY(falign_table_import(o->other_table, o->read_tensors));
  TRY(falign_table_append(o->other_table, o->table));
  TRY(falign_table_write(o->other_table, table));
  return falign_table_write_summary(o->other_table, summary);
}

static void put32(FILE *file, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) fputc((int)(value >> shift & 255), file);
}

static falign_status idx(objects *o) {
  char images[256], labels[256];
  return falign_dataset_read_idx(scratch(images, sizeof images, "memory-images"),
                                 scratch(labels, sizeof labels, "memory-labels"), 3, 10, &o->data);
}

static void write_idx(void) {
  char path[256];
  FILE *images = fopen(scratch(path, sizeof path, "memory-images"), "wb");
  put32(images, 0x803), put32(images, 5), put32(images, 4), put32(images, 4);
  for (int i = 0; i < 80; i++) fputc(i, images);
  fclose(images);
  FILE *labels = fopen(scratch(path, sizeof path, "memory-labels"), "wb");
  put32(labels, 0x801), put32(labels, 5);
  for (int i = 0; i < 5; i++) fputc(i, labels);
  fclose(labels);
}

static bool have_lapack(void) {
  const double m = 1;
  double value;
  falign_transformation *made;
  ok(falign_transformation_create_of(READ_F64(&m, 1, 1, 1), &made));
  falign_status status = falign_transformation_eigenvalues(made, &value, 1);
  falign_transformation_destroy(made);
  return status == FALIGN_OK;
}

START_TEST(training) { sweep(train); }
END_TEST

START_TEST(resuming) { sweep(resume); }
END_TEST

START_TEST(ensembles) { sweep(train_both); }
END_TEST

START_TEST(metrics_that_look_back) { sweep(past_iterations); }
END_TEST

/* Once the longest lag has passed, steps allocate nothing: a copy of the small batch has room for a large one. */
START_TEST(metrics_that_look_back_for_long) {
  objects o = {0};
  ok(make_short_run(&o));
  ok(falign_trainer_run(o.trainer, o.batches, 8));
  memory.left = 0;
  memory.armed = true;
  falign_status status = falign_trainer_run(o.trainer, o.batches, 25);
  memory.armed = false;
  ck_assert_msg(status == FALIGN_OK, "%s", falign_last_error());
  destroy(&o);
}
END_TEST

/* After the first epoch, training and evaluating allocate nothing, with normalization, BP beside the rule, a new order
 * in each epoch, and whatever threads. */
START_TEST(steps_that_have_settled) {
  const char *const rules[] = {"bp", "fa", "dfa"};
  const double gamma = 1;
  for (int i = 0; i < 3; i++) {
    objects o = {0};
    ok(make_short_run(&o));
    falign_trainer_destroy(o.trainer); /* and with it, the metrics that look back */
    falign_rule_destroy(o.rule);
    ok(falign_rule_create(rules[i], o.network, &o.rule));
    ok(falign_rule_draw(o.rule, 0.3, 1, 0));
    ok(falign_trainer_create(o.network, o.rule, 1e-3, &o.trainer));
    ok(falign_norm_create("columns", &gamma, 1, &o.norm));
    ok(falign_trainer_set_norm(o.trainer, o.norm));
    ok(falign_batches_set_order(o.batches, FALIGN_ORDER_EPOCH, 1, 0));
    falign_status threads = falign_trainer_set_threads(o.trainer, 2);
    if (threads != FALIGN_UNSUPPORTED) ok(threads);
    ok(falign_trainer_keep(o.trainer, FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP));
    ok(falign_trainer_run(o.trainer, o.batches, falign_batches_get_shape(o.batches)->count));
    memory.left = 0;
    memory.armed = true;
    falign_status status = falign_trainer_run(o.trainer, o.batches, 4 * falign_batches_get_shape(o.batches)->count);
    if (status == FALIGN_OK) status = falign_trainer_evaluate(o.trainer, o.batches, NULL, NULL);
    memory.armed = false;
    ck_assert_msg(status == FALIGN_OK, "%s: %s", rules[i], falign_last_error());
    destroy(&o);
  }
}
END_TEST

START_TEST(matrices_with_gaps) { sweep(any_steps); }
END_TEST

START_TEST(pairs_of_points) { sweep(pairs); }
END_TEST

START_TEST(parts_of_the_caller) { sweep(custom_parts); }
END_TEST

START_TEST(products) { sweep(draw_products); }
END_TEST

START_TEST(trajectories) {
  skip_unless(have_lapack(), no_lapack);
  sweep(follow);
}
END_TEST

START_TEST(regression_in_double_precision) { sweep(double_precision); }
END_TEST

START_TEST(terms_of_fa) { sweep(terms_of_fa_run); }
END_TEST

START_TEST(disturbed_terms) { sweep(disturbances); }
END_TEST

START_TEST(terms_of_dfa) {
  skip_unless(have_lapack(), no_lapack); /* what W aligns with is not known without */
  sweep(terms_of_dfa_run);
}
END_TEST

START_TEST(files_of_all_kinds) {
  const char *const names[] = {"memory.safetensors", "memory.csv", "memory.summary.csv"};
  char path[256];
  skip_unless(falign_has_feature("files"), no_files);
#ifdef FAL_TEST_CJSON
  cJSON_Hooks hooks = {__wrap_malloc, __wrap_free};
  cJSON_InitHooks(&hooks);
#endif
  sweep(files);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) remove(scratch(path, sizeof path, names[i]));
}
END_TEST

START_TEST(idx_files) {
  char path[256];
  skip_unless(falign_has_feature("files"), no_files);
  write_idx();
  sweep(idx);
  remove(scratch(path, sizeof path, "memory-images"));
  remove(scratch(path, sizeof path, "memory-labels"));
}
END_TEST

/* A block beyond the record would leak unseen. */
START_TEST(a_full_record_aborts) {
  void *volatile block = malloc(1);
  free(block);
  memory.live_count = MOST_LIVE;
  block = malloc(1);
}
END_TEST

static void add_tests(TCase *tests) {
  if (!getenv("CK_FORK")) /* without a process of its own it would end all tests */
    tcase_add_test_raise_signal(tests, a_full_record_aborts, SIGABRT);
  tcase_add_test(tests, training);
  tcase_add_test(tests, resuming);
  tcase_add_test(tests, ensembles);
  tcase_add_test(tests, metrics_that_look_back);
  tcase_add_test(tests, metrics_that_look_back_for_long);
  tcase_add_test(tests, steps_that_have_settled);
  tcase_add_test(tests, matrices_with_gaps);
  tcase_add_test(tests, pairs_of_points);
  tcase_add_test(tests, parts_of_the_caller);
  tcase_add_test(tests, products);
  tcase_add_test(tests, trajectories);
  tcase_add_test(tests, regression_in_double_precision);
  tcase_add_test(tests, terms_of_fa);
  tcase_add_test(tests, disturbed_terms);
  tcase_add_test(tests, terms_of_dfa);
  tcase_add_test(tests, files_of_all_kinds);
  tcase_add_test(tests, idx_files);
}

int main(void) { return run_suite("allocation", add_tests); }
