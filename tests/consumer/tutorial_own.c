/* SPDX-License-Identifier: Apache-2.0 */
/* Your own learning rule: Kolen and Pollack's, in which the feedback learns to mirror the forward weights, with checks
 * that it is right. */
#include <falign/falign.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define TRY(call)                      \
  do {                                 \
    falign_status try_status = call;   \
    if (try_status) return try_status; \
  } while (0)

enum { LAYERS = 3, UPDATES = 400, BATCH = 100 };
static const size_t widths[] = {40, 30, 30, 20};

/* The signal is that of feedback alignment, delta[l+1] B[l], for the rows of a block. */
static falign_status send_back(void *user, const falign_rule *rule, const falign_network *network,
                               const falign_trace *trace, uint32_t l, const falign_matrix *out) {
  falign_view delta, b;
  (void)user, (void)network;
  TRY(falign_trace_view(trace, FALIGN_DELTA, l + 1, &delta));
  TRY(falign_rule_view(rule, FALIGN_FEEDBACK, l, &b));
  return falign_backend_gemm(falign_trace_step(trace)->backend, 1, &delta, &b, 0, out);
}

/* Called after the update. B[l] gains the transpose of what W[l] has gained, and both decay by the same factor, so that
 * their difference only decays: B[l] - W[l]^T becomes (1 - decay) (B[l] - W[l]^T). */
static falign_status mirror(void *user, falign_rule *rule, falign_network *network, const falign_trace *trace) {
  const double left = 1 - *(const double *)user;
  for (uint32_t l = 1; l < falign_network_layers(network); l++) {
    falign_view update;              /* dW[l] */
    falign_matrix weights, feedback; /* W[l] and B[l] */
    TRY(falign_trace_view(trace, FALIGN_DW, l, &update));
    TRY(falign_network_edit(network, FALIGN_W, l, &weights));
    TRY(falign_rule_edit(rule, FALIGN_FEEDBACK, l, &feedback));
    double *w = weights.data, *b = feedback.data;
    const size_t rows = weights.rows, cols = weights.cols;
    for (size_t i = 0; i < rows; i++) {
      const double *dw = (const double *)update.data + (ptrdiff_t)i * update.row_step; /* row i */
      for (size_t j = 0; j < cols; j++) {
        w[i * cols + j] *= left;
        b[j * rows + i] = left * (b[j * rows + i] + dw[j]);
      }
    }
  }
  return FALIGN_OK;
}

static const falign_rule_table kolen_pollack = {
    .size = sizeof(falign_rule_table),
    .name = "kolen-pollack",
    .feedback = FALIGN_FEEDBACK_LAYER, /* the library keeps B[l], draws, saves and measures it */
    .concurrent = 1,                   /* send_back() writes only to `out` */
    .signal = send_back,
    .adapt = mirror,
};

/* ---- A run ---- */

typedef struct run {
  falign_network *network;
  falign_rule *rule;
  falign_trainer *trainer;
} run;

/* Makes a network that starts from the same numbers, and a trainer by a rule: a built-in one by name, or a table. */
static falign_status start(run *r, const char *name, const falign_rule_table *table, void *user) {
  TRY(falign_network_create(FALIGN_F64, LAYERS, widths, 1, &r->network));
  TRY(falign_network_draw(r->network, 0.1, 0.1, 7, 0));
  TRY(table ? falign_rule_create_custom(table, user, r->network, &r->rule)
            : falign_rule_create(name, r->network, &r->rule));
  TRY(falign_rule_draw(r->rule, 0.1, 7, 0));
  return falign_trainer_create(r->network, r->rule, 0.002, &r->trainer);
}

static void release(run *r) {
  falign_trainer_destroy(r->trainer);
  falign_rule_destroy(r->rule);
  falign_network_destroy(r->network);
}

/* ||B[1] - W[1]^T|| */
static falign_status difference(const run *r, double *norm) {
  falign_view weights, feedback;
  TRY(falign_network_view(r->network, FALIGN_W, 1, &weights));
  TRY(falign_rule_view(r->rule, FALIGN_FEEDBACK, 1, &feedback));
  const double *w = weights.data, *b = feedback.data;
  double sum = 0;
  for (size_t i = 0; i < widths[1]; i++) {
    for (size_t j = 0; j < widths[2]; j++) {
      double d = b[j * widths[1] + i] - w[i * widths[2] + j];
      sum += d * d;
    }
  }
  *norm = sqrt(sum);
  return FALIGN_OK;
}

/* The angle of W[1] with B[1]^T, in degrees. */
static falign_status angle(const run *r, double *degrees) {
  falign_view w, b;
  TRY(falign_network_view(r->network, FALIGN_W, 1, &w));
  TRY(falign_rule_view(r->rule, FALIGN_FEEDBACK, 1, &b));
  falign_view transposed = falign_view_transposed(b);
  return falign_angle(&w, &transposed, degrees, NULL, NULL);
}

/* ---- Checks that the rule is right ---- */

static int failures;

static void expect(const char *what, int holds) {
  printf("%s: %s\n", what, holds ? "yes" : "NO");
  failures += !holds;
}

/* Without `adapt` the rule is bitwise feedback alignment. */
static falign_status compare_with_fa(run *own, run *fa, falign_batches *batches) {
  falign_rule_table still = kolen_pollack;
  still.adapt = NULL;
  TRY(start(own, NULL, &still, NULL));
  TRY(start(fa, "fa", NULL, NULL));
  TRY(falign_trainer_run(own->trainer, batches, UPDATES));
  TRY(falign_trainer_run(fa->trainer, batches, UPDATES));
  falign_view w, v;
  TRY(falign_network_view(own->network, FALIGN_W, 1, &w));
  TRY(falign_network_view(fa->network, FALIGN_W, 1, &v));
  expect("with fixed B the bits of feedback alignment", memcmp(w.data, v.data, w.rows * w.cols * sizeof(double)) == 0);
  return FALIGN_OK;
}

/* With `adapt` the difference of B and W^T decays by the factor 1 - decay in each update, whatever is learned. */
static falign_status follow(run *r, falign_batches *batches) {
  double decay = 0.01, before, after, angle_before, angle_after, before_error, after_error;
  TRY(start(r, NULL, &kolen_pollack, &decay));
  TRY(difference(r, &before));
  TRY(angle(r, &angle_before));
  TRY(falign_trainer_evaluate(r->trainer, batches, NULL, &before_error));
  TRY(falign_trainer_run(r->trainer, batches, UPDATES));
  TRY(falign_trainer_evaluate(r->trainer, batches, NULL, &after_error));
  TRY(difference(r, &after));
  TRY(angle(r, &angle_after));
  const double ratio = after / before, law = pow(1 - decay, UPDATES);
  printf("angle of W[1] with B[1]^T: %.1f degrees before, %.2f after\n", angle_before, angle_after);
  printf("wrong: %.1f %% before, %.1f %% after\n", 100 * before_error, 100 * after_error);
  printf("B - W^T is %.6f of what it was, (1 - decay)^%d is %.6f\n", ratio, UPDATES, law);
  expect("the difference decays as it must", fabs(ratio / law - 1) < 1e-9);
  expect("the error falls", after_error < before_error);
  return FALIGN_OK;
}

static falign_status verify(run runs[3], falign_batches *batches) {
  TRY(compare_with_fa(&runs[0], &runs[1], batches));
  return follow(&runs[2], batches);
}

int main(void) {
  const falign_synthetic points = {.points = 800, .width = widths[0], .categories = 4, .within = 0.5, .between = 0.1};
  falign_dataset *data = NULL;
  falign_code *code = NULL;
  falign_batches *batches = NULL;
  run runs[3] = {{0}};
  falign_status status = falign_dataset_create_synthetic(&points, FALIGN_TRAIN, 7, &data);
  if (status == FALIGN_OK) status = falign_code_create_n_hot(4, widths[LAYERS], 5, 7, 0, &code);
  if (status == FALIGN_OK) status = falign_batches_create(data, code, BATCH, &batches);
  if (status == FALIGN_OK) status = verify(runs, batches);
  if (status != FALIGN_OK) fprintf(stderr, "%s: %s\n", falign_status_name(status), falign_last_error());
  for (int i = 0; i < 3; i++) release(&runs[i]);
  falign_batches_destroy(batches);
  falign_code_destroy(code);
  falign_dataset_destroy(data);
  return status != FALIGN_OK || failures > 0;
}
