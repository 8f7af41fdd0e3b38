/* SPDX-License-Identifier: Apache-2.0 */
/* An outside program, which uses only the installed library. It trains a small network by feedback alignment, observes
 * it with its own metric, and fails unless the error falls and the weights align. */
#include <falign/falign.h>
#include <stdint.h>
#include <stdio.h>

enum { INPUTS = 40, HIDDEN = 30, OUTPUTS = 20, LAYERS = 3, CATEGORIES = 4, POINTS = 800, BATCH = 80, UPDATES = 600 };

#define TRY(call)                                   \
  do {                                              \
    falign_status try_status = (call);              \
    if (try_status != FALIGN_OK) return try_status; \
  } while (0)

typedef struct objects {
  falign_dataset *data;
  falign_code *code;
  falign_batches *batches;
  falign_network *network;
  falign_rule *rule;
  falign_metric *metric;
  falign_trainer *trainer;
} objects;

/* The first and the last measured value. */
typedef struct seen {
  int32_t count;
  double first, last;
} seen;

/* Measures the angle of W[1] with B[1]^T, from the matrices themselves. */
static falign_status measure_angle(void *user, falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                                   void *emit_user) {
  falign_view w, b;
  falign_value value = {
      .iteration = (int64_t)falign_trainer_iteration(trainer), .name = "own_angle", .layer = 1, .order = -1};
  (void)user, (void)trace;
  TRY(falign_network_view(falign_trainer_network(trainer), FALIGN_W, 1, &w));
  TRY(falign_rule_view(falign_trainer_rule(trainer), FALIGN_FEEDBACK, 1, &b));
  falign_view transposed = falign_view_transposed(b);
  TRY(falign_angle(&w, &transposed, &value.value, NULL, NULL));
  return emit(emit_user, &value);
}

static falign_status take(void *user, const falign_value *value) {
  seen *s = user;
  if (s->count++ == 0) s->first = value->value;
  s->last = value->value;
  return FALIGN_OK;
}

static falign_status make_data(objects *o) {
  const falign_synthetic points = {
      .points = POINTS, .width = INPUTS, .categories = CATEGORIES, .within = 0.5, .between = 0.1};
  TRY(falign_dataset_create_synthetic(&points, FALIGN_TRAIN, 7, &o->data));
  TRY(falign_code_create_n_hot(CATEGORIES, OUTPUTS, OUTPUTS / CATEGORIES, 7, 0, &o->code));
  TRY(falign_batches_create(o->data, o->code, BATCH, &o->batches));
  return falign_batches_set_order(o->batches, FALIGN_ORDER_EPOCH, 7, 0);
}

static falign_status make_trainer(objects *o) {
  const size_t widths[LAYERS + 1] = {INPUTS, HIDDEN, HIDDEN, OUTPUTS};
  TRY(falign_network_create(FALIGN_F64, LAYERS, widths, 1, &o->network));
  TRY(falign_network_draw(o->network, 0.1, 0.1, 7, 0));
  TRY(falign_rule_create("fa", o->network, &o->rule));
  TRY(falign_rule_draw(o->rule, 0.1, 7, 0));
  return falign_trainer_create(o->network, o->rule, 0.002, &o->trainer);
}

static falign_status observe(objects *o, seen *angles) {
  const falign_metric_table table = {.size = sizeof table, .name = "own_angle", .measure = measure_angle};
  TRY(falign_metric_create_custom(&table, NULL, &o->metric));
  return falign_trainer_observe(o->trainer, o->metric, 10, take, angles);
}

static falign_status train(objects *o, seen *angles, double *error_before, double *error_after) {
  TRY(make_data(o));
  TRY(make_trainer(o));
  TRY(observe(o, angles));
  TRY(falign_trainer_evaluate(o->trainer, o->batches, NULL, error_before));
  TRY(falign_trainer_run(o->trainer, o->batches, UPDATES));
  TRY(falign_trainer_measure(o->trainer));
  return falign_trainer_evaluate(o->trainer, o->batches, NULL, error_after);
}

static void release(objects *o) {
  falign_trainer_destroy(o->trainer);
  falign_metric_destroy(o->metric);
  falign_rule_destroy(o->rule);
  falign_network_destroy(o->network);
  falign_batches_destroy(o->batches);
  falign_code_destroy(o->code);
  falign_dataset_destroy(o->data);
}

int main(void) {
  objects o = {0};
  seen angles = {0};
  double before = 0, after = 0;
  falign_status status = train(&o, &angles, &before, &after);
  release(&o);
  if (status != FALIGN_OK) {
    fprintf(stderr, "%s: %s\n", falign_status_name(status), falign_last_error());
    return 1;
  }
  printf("libfalign %s\n", falign_version());
  printf("angle of W[1] with B[1]^T: %.1f degrees before, %.1f after %d updates\n", angles.first, angles.last, UPDATES);
  printf("wrongly decoded points: %.1f %% before, %.1f %% after\n", 100 * before, 100 * after);
  return after < before && angles.last < angles.first && angles.count == UPDATES / 10 + 1 ? 0 : 1;
}
