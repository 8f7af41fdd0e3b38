/* SPDX-License-Identifier: Apache-2.0 */
/* Your own activation, and a metric that looks at every step, as docs/extending.md explains them. */
#include <falign/falign.h>
#include <math.h>
#include <stdio.h>

#define TRY(call)                      \
  do {                                 \
    falign_status try_status = (call); \
    if (try_status) return try_status; \
  } while (0)

enum { INPUTS = 40, HIDDEN = 30, OUTPUTS = 20, LAYERS = 3 };

/* ---- Softsign: f(z) = z / (1 + |z|) ---- */

static void softsign(void *user, const double *z, double *out, size_t count) {
  (void)user;
  for (size_t i = 0; i < count; i++) out[i] = z[i] / (1 + fabs(z[i]));
}

static void softsign_slope(void *user, const double *z, double *out, size_t count) {
  (void)user;
  for (size_t i = 0; i < count; i++) out[i] = 1 / ((1 + fabs(z[i])) * (1 + fabs(z[i])));
}

static const falign_activation_table softsign_table = {
    .size = sizeof(falign_activation_table), .name = "softsign", .f = softsign, .df = softsign_slope};

/* ---- The angle of the update of W[1] with the update before it ---- */

typedef struct last_update {
  uint64_t iteration; /* of the next step */
  double dw[HIDDEN * HIDDEN];
} last_update;

static falign_status measure_turn(void *user, falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                                  void *emit_user) {
  const last_update *last = user;
  const uint64_t k = falign_trace_step(trace)->iteration;
  falign_view dw, before = falign_view_f64(last->dw, HIDDEN, HIDDEN);
  falign_value value = {.iteration = (int64_t)k, .name = "turn", .layer = 1, .order = -1};
  (void)trainer;
  if (k == 0 || last->iteration != k) return FALIGN_OK; /* there is no update to compare with */
  TRY(falign_trace_view(trace, FALIGN_DW, 1, &dw));
  TRY(falign_angle(&dw, &before, &value.value, NULL, NULL));
  return emit(emit_user, &value);
}

/* Called after measure_turn() if the metric is due, and at every other step. */
static falign_status keep_update(void *user, falign_trainer *trainer, const falign_trace *trace) {
  last_update *last = user;
  falign_view dw;
  (void)trainer;
  TRY(falign_trace_view(trace, FALIGN_DW, 1, &dw));
  for (size_t i = 0; i < HIDDEN; i++) {
    const double *row = (const double *)dw.data + (ptrdiff_t)i * dw.row_step;
    for (size_t j = 0; j < HIDDEN; j++) last->dw[i * HIDDEN + j] = row[(ptrdiff_t)j * dw.col_step];
  }
  last->iteration = falign_trace_step(trace)->iteration + 1;
  return FALIGN_OK;
}

static const falign_metric_table turn = {
    .size = sizeof(falign_metric_table),
    .name = "turn",
    .needs = FALIGN_NEEDS_STEP,
    .measure = measure_turn,
    .look = keep_update,
};

/* ---- Both in a run ---- */

static falign_status print(void *user, const falign_value *v) {
  (void)user;
  printf("update %d: the update of W[%d] is at %.1f degrees from the one before\n", (int)v->iteration, (int)v->layer,
         v->value);
  return FALIGN_OK;
}

typedef struct run {
  falign_dataset *data;
  falign_code *code;
  falign_batches *batches;
  falign_network *network;
  falign_activation *activation;
  falign_rule *rule;
  falign_metric *metric;
  falign_trainer *trainer;
} run;

static falign_status train(run *r, last_update *last) {
  const falign_synthetic points = {.points = 800, .width = INPUTS, .categories = 4, .within = 0.5, .between = 0.1};
  const size_t widths[] = {INPUTS, HIDDEN, HIDDEN, OUTPUTS};
  TRY(falign_dataset_create_synthetic(&points, FALIGN_TRAIN, 7, &r->data));
  TRY(falign_code_create_n_hot(4, OUTPUTS, 5, 7, 0, &r->code));
  TRY(falign_batches_create(r->data, r->code, 80, &r->batches));
  TRY(falign_network_create(FALIGN_F64, LAYERS, widths, 1, &r->network));
  TRY(falign_activation_create_custom(&softsign_table, NULL, &r->activation));
  for (uint32_t l = 1; l <= LAYERS; l++) TRY(falign_network_set_activation(r->network, l, r->activation));
  TRY(falign_network_draw(r->network, 0.1, 0.1, 7, 0));
  TRY(falign_rule_create("fa", r->network, &r->rule));
  TRY(falign_rule_draw(r->rule, 0.1, 7, 0));
  TRY(falign_trainer_create(r->network, r->rule, 0.002, &r->trainer));
  TRY(falign_metric_create_custom(&turn, last, &r->metric));
  TRY(falign_trainer_observe(r->trainer, r->metric, 100, print, NULL));
  return falign_trainer_run(r->trainer, r->batches, 301);
}

int main(void) {
  static last_update last;
  run r = {0};
  falign_status status = train(&r, &last);
  if (status != FALIGN_OK) fprintf(stderr, "%s: %s\n", falign_status_name(status), falign_last_error());
  falign_trainer_destroy(r.trainer);
  falign_metric_destroy(r.metric);
  falign_rule_destroy(r.rule);
  falign_activation_destroy(r.activation);
  falign_network_destroy(r.network);
  falign_batches_destroy(r.batches);
  falign_code_destroy(r.code);
  falign_dataset_destroy(r.data);
  return status != FALIGN_OK;
}
