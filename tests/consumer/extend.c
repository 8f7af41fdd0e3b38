/* SPDX-License-Identifier: Apache-2.0 */
/* Your own rule, metric, normalization and backend, as docs/extending.md explains them. */

#include <falign/falign.h>
#include <stdio.h>

#define TRY(call)                                                                    \
  do {                                                                               \
    if ((call) != FALIGN_OK) return fprintf(stderr, "%s\n", falign_last_error()), 1; \
  } while (0)

/* Sign symmetry: the error travels back through the signs of the forward weights, delta[l+1] sign(W[l])^T. */
static falign_status send_through_signs(void *user, const falign_rule *rule, const falign_network *network,
                                        const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  falign_view delta, w; /* delta[l+1]: rows x n[l+1]; W[l]: n[l] x n[l+1] */
  falign_status status = falign_trace_view(trace, FALIGN_DELTA, l + 1, &delta);
  if (status == FALIGN_OK) status = falign_network_view(network, FALIGN_W, l, &w);
  (void)user, (void)rule;
  if (status != FALIGN_OK) return status;
  for (size_t i = 0; i < delta.rows; i++) {
    const float *error = (const float *)delta.data + (ptrdiff_t)i * delta.row_step;
    float *signal = (float *)out->data + i * out->cols;
    for (size_t j = 0; j < w.rows; j++) {
      const float *weights = (const float *)w.data + j * w.cols;
      float sum = 0;
      for (size_t m = 0; m < w.cols; m++) sum += weights[m] > 0 ? error[m] : -error[m];
      signal[j] = 0.1f * sum;
    }
  }
  return FALIGN_OK;
}

static const falign_rule_table sign_symmetry = {
    .size = sizeof(falign_rule_table),
    .name = "sign-symmetry",
    .feedback = FALIGN_FEEDBACK_NONE,
    .concurrent = 1,
    .signal = send_through_signs,
};

/* Measures the share of the units of each layer that are silent for the whole batch. */
static falign_status measure_silent(void *user, falign_trainer *trainer, const falign_trace *trace,
                                    falign_value_fn emit, void *emit_user) {
  uint32_t d = falign_network_layers(falign_trainer_network(trainer));
  (void)user;
  for (uint32_t l = 1; l <= d; l++) {
    falign_view y;
    falign_status status = falign_trace_view(trace, FALIGN_L, l, &y);
    if (status != FALIGN_OK) return status;
    size_t silent = 0;
    for (size_t j = 0; j < y.cols; j++) {
      const float *output = (const float *)y.data + j;
      size_t i = 0;
      while (i < y.rows && output[(ptrdiff_t)i * y.row_step] == 0) i++;
      silent += i == y.rows;
    }
    const falign_value value = {.iteration = (int64_t)falign_trace_step(trace)->iteration,
                                .name = "silent",
                                .layer = l,
                                .order = -1,
                                .value = (double)silent / (double)y.cols};
    status = emit(emit_user, &value);
    if (status != FALIGN_OK) return status;
  }
  return FALIGN_OK;
}

static const falign_metric_table silent = {
    .size = sizeof(falign_metric_table),
    .name = "silent",
    .needs = FALIGN_NEEDS_ACTIVITY,
    .measure = measure_silent,
};

/* Keeps each weight within [-limit, limit]; `user` is the limit. */
static falign_status clip(void *user, falign_network *network, uint32_t l) {
  const float limit = *(const float *)user;
  falign_matrix matrix;
  falign_status status = falign_network_edit(network, FALIGN_W, l, &matrix);
  if (status != FALIGN_OK) return status;
  float *w = matrix.data;
  for (size_t i = 0; i < matrix.rows * matrix.cols; i++) w[i] = w[i] > limit ? limit : w[i] < -limit ? -limit : w[i];
  return FALIGN_OK;
}

static const falign_norm_table clipped = {
    .size = sizeof(falign_norm_table),
    .name = "clipped",
    .apply = clip,
};

/* Computes C = alpha op(A) op(B) + beta C. With beta = 0, C is written without being read. */
static falign_status multiply_f32(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                                  float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta,
                                  float *c, size_t ldc) {
  (void)user;
  for (size_t i = 0; i < m; i++) {
    for (size_t j = 0; j < n; j++) {
      float sum = 0;
      for (size_t p = 0; p < k; p++)
        sum += (transpose_a ? a[p * lda + i] : a[i * lda + p]) * (transpose_b ? b[j * ldb + p] : b[p * ldb + j]);
      c[i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]);
    }
  }
  return FALIGN_OK;
}

static falign_status multiply_f64(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                                  double alpha, const double *a, size_t lda, const double *b, size_t ldb, double beta,
                                  double *c, size_t ldc) {
  (void)user;
  for (size_t i = 0; i < m; i++) {
    for (size_t j = 0; j < n; j++) {
      double sum = 0;
      for (size_t p = 0; p < k; p++)
        sum += (transpose_a ? a[p * lda + i] : a[i * lda + p]) * (transpose_b ? b[j * ldb + p] : b[p * ldb + j]);
      c[i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]);
    }
  }
  return FALIGN_OK;
}

static const falign_backend_table plain_loops = {
    .size = sizeof(falign_backend_table),
    .name = "plain-loops",
    .sgemm = multiply_f32,
    .dgemm = multiply_f64,
};

static falign_status print(void *user, const falign_value *v) {
  (void)user;
  printf("update %d: %s, layer %d: %.2f\n", (int)v->iteration, v->name, (int)v->layer, v->value);
  return FALIGN_OK;
}

int main(void) {
  const falign_synthetic points = {.points = 800, .width = 40, .categories = 4, .within = 0.5, .between = 0.1};
  const size_t widths[] = {40, 30, 30, 20};
  float limit = 0.5f;
  double before, after;
  falign_dataset *data;
  falign_code *code;
  falign_batches *batches;
  falign_network *network;
  falign_rule *rule;
  falign_metric *metric;
  falign_norm *norm;
  falign_backend *backend;
  falign_trainer *trainer;

  TRY(falign_dataset_create_synthetic(&points, FALIGN_TRAIN, 7, &data));
  TRY(falign_code_create_n_hot(4, 20, 5, 7, 0, &code));
  TRY(falign_batches_create(data, code, 80, &batches));
  TRY(falign_network_create(FALIGN_F32, 3, widths, 1, &network));
  TRY(falign_network_draw(network, 0.1, 0.1, 7, 0));

  TRY(falign_rule_create_custom(&sign_symmetry, NULL, network, &rule));
  TRY(falign_metric_create_custom(&silent, NULL, &metric));
  TRY(falign_norm_create_custom(&clipped, &limit, &norm));
  TRY(falign_backend_create_custom(&plain_loops, NULL, &backend));

  TRY(falign_trainer_create(network, rule, 0.002, &trainer));
  TRY(falign_trainer_set_norm(trainer, norm));
  TRY(falign_trainer_set_backend(trainer, backend));
  TRY(falign_trainer_observe(trainer, metric, 100, print, NULL));
  TRY(falign_trainer_evaluate(trainer, batches, NULL, &before));
  TRY(falign_trainer_run(trainer, batches, 301));
  TRY(falign_trainer_evaluate(trainer, batches, NULL, &after));
  printf("wrongly decoded points: %.1f %% before, %.1f %% after\n", 100 * before, 100 * after);

  falign_trainer_destroy(trainer);
  falign_backend_destroy(backend);
  falign_norm_destroy(norm);
  falign_metric_destroy(metric);
  falign_rule_destroy(rule);
  falign_network_destroy(network);
  falign_batches_destroy(batches);
  falign_code_destroy(code);
  falign_dataset_destroy(data);
  return after < before ? 0 : 1;
}
