/* SPDX-License-Identifier: Apache-2.0 */
/* What a step can be given beyond the public interface: another optimizer, with a state of its own, and another loss.
 * Looks below the public interface and is linked statically. */
#include "learning.h"
#include "learning/trainer.h"

/* ---- Momentum, as another optimizer: v = 0.5 v + update, w = w + v ---- */

static void next_f32(const fal_optimizer_piece *piece, size_t i, float *out) {
  *out = 0.5F * ((const float *)piece->state)[i] + ((const float *)piece->update)[i];
}

static void next_f64(const fal_optimizer_piece *piece, size_t i, double *out) {
  *out = 0.5 * ((const double *)piece->state)[i] + ((const double *)piece->update)[i];
}

static bool propose_f32(const fal_optimizer_piece *piece) {
  bool finite = true;
  for (size_t i = 0; i < piece->count; i++) {
    float *increment = (float *)piece->increment + i;
    next_f32(piece, i, increment);
    finite &= isfinite(((const float *)piece->w)[i] + *increment) != 0;
  }
  return finite;
}

static bool propose_f64(const fal_optimizer_piece *piece) {
  bool finite = true;
  for (size_t i = 0; i < piece->count; i++) {
    double *increment = (double *)piece->increment + i;
    next_f64(piece, i, increment);
    finite &= isfinite(((const double *)piece->w)[i] + *increment) != 0;
  }
  return finite;
}

static void apply_f32(const fal_optimizer_piece *piece) {
  for (size_t i = 0; i < piece->count; i++) {
    ((float *)piece->state)[i] = ((const float *)piece->increment)[i];
    ((float *)piece->w)[i] += ((const float *)piece->increment)[i];
  }
}

static void apply_f64(const fal_optimizer_piece *piece) {
  for (size_t i = 0; i < piece->count; i++) {
    ((double *)piece->state)[i] = ((const double *)piece->increment)[i];
    ((double *)piece->w)[i] += ((const double *)piece->increment)[i];
  }
}

static const fal_optimizer momentum = {.states = 1,
                                       .own_increments = true,
                                       .propose_f32 = propose_f32,
                                       .propose_f64 = propose_f64,
                                       .apply_f32 = apply_f32,
                                       .apply_f64 = apply_f64};

static void use_momentum(learner *by) {
  fal_optimizer_clear(&by->trainer->optimizer);
  ok(fal_optimizer_init(&by->trainer->optimizer, &momentum, by->network));
}

/* Enough parameters for several threads. */
static const size_t wide[] = {64, 300, 200, 10};
enum { ROWS = 6, WIDE_LAYERS = 3 };

static learner wide_learner(falign_precision precision) {
  learner by = new_learner(new_network(precision, WIDE_LAYERS, wide, true, TANH), "fa", 0.1, 2, 0.01);
  use_momentum(&by);
  return by;
}

static falign_status wide_step(const learner *by, uint32_t k) {
  double x[ROWS * 64], y[ROWS * 10];
  gaussian(x, ROWS * 64, 1, 2 * k);
  gaussian(y, ROWS * 10, 0.3, 2 * k + 1);
  return step(by, x, ROWS, y);
}

START_TEST(weights_follow_the_optimizer) {
  learner by = wide_learner(FALIGN_F64);
  size_t count = falign_network_parameters(by.network);
  double *v = calloc(count, sizeof *v);
  ck_assert_ptr_nonnull(v);
  for (uint32_t k = 0; k < 5; k++) {
    double *want = parameters(by.network);
    ok(wide_step(&by, k));
    const falign_trace *trace = falign_trainer_trace(by.trainer);
    for (uint32_t l = 0, at = 0; l < WIDE_LAYERS; l++) {
      const double *dw = seen(&by, FALIGN_DW, l, wide[l], wide[l + 1]);
      falign_view applied;
      ok(falign_trace_view(trace, FALIGN_DW_APPLIED, l, &applied));
      for (size_t i = 0; i < wide[l] * wide[l + 1]; i++, at++) {
        v[at] = 0.5 * v[at] + dw[i];
        ck_assert(((const double *)applied.data)[i] == v[at]);
        want[at] += v[at];
      }
      const double *db = seen(&by, FALIGN_DB, l + 1, 1, wide[l + 1]);
      for (size_t i = 0; i < wide[l + 1]; i++, at++) {
        v[at] = 0.5 * v[at] + db[i];
        want[at] += v[at];
      }
    }
    double *got = parameters(by.network);
    ck_assert(memcmp(got, want, count * sizeof *got) == 0);
    free(got);
    free(want);
  }
  free(v);
  free_learner(&by);
}
END_TEST

START_TEST(threads_change_nothing) {
  falign_precision precision = _i ? FALIGN_F64 : FALIGN_F32;
  skip_unless(falign_has_feature("threads"), no_threads);
  learner one = wide_learner(precision), three = wide_learner(precision);
  ok(falign_trainer_set_threads(three.trainer, 3));
  for (uint32_t k = 0; k < 6; k++) {
    ok(wide_step(&one, k));
    ok(wide_step(&three, k));
    ck_assert(same_parameters(one.network, three.network));
  }
  free_learner(&one);
  free_learner(&three);
}
END_TEST

START_TEST(its_state_is_in_checkpoints) {
  falign_precision precision = _i ? FALIGN_F64 : FALIGN_F32;
  learner whole = wide_learner(precision), resumed = wide_learner(precision);
  falign_tensors *tensors;
  for (uint32_t k = 0; k < 3; k++) ok(wide_step(&whole, k));
  ok(falign_tensors_create(&tensors));
  ok(falign_trainer_export(whole.trainer, tensors));
  ck_assert_int_eq(falign_tensors_has(tensors, "optimizer.0"), 1);
  ok(falign_trainer_import(resumed.trainer, tensors));
  for (uint32_t k = 3; k < 6; k++) {
    ok(wide_step(&whole, k));
    ok(wide_step(&resumed, k));
  }
  ck_assert(same_parameters(whole.network, resumed.network));
  ck_assert_uint_eq(resumed.trainer->optimizer.steps, 6);
  learner without_state = new_learner(new_network(precision, WIDE_LAYERS, wide, true, TANH), "fa", 0.1, 2, 0.01);
  falign_tensors *without;
  ok(falign_tensors_create(&without));
  ok(falign_trainer_export(without_state.trainer, without));
  ck_assert_int_eq(falign_tensors_has(without, "optimizer.0"), 0);
  fails(FALIGN_FORMAT, "optimizer.", falign_trainer_import(resumed.trainer, without));
  falign_tensors_destroy(without);
  falign_tensors_destroy(tensors);
  free_learner(&without_state);
  free_learner(&whole);
  free_learner(&resumed);
}
END_TEST

START_TEST(a_history_keeps_what_was_applied) {
  learner by = wide_learner(FALIGN_F64);
  falign_history *without, *history;
  static double got[64 * 300];
  ok(falign_history_create(by.network, &without));
  ok(falign_trainer_set_history(by.trainer, without));
  fails(FALIGN_UNSUPPORTED, "FALIGN_KEEP_APPLIED", wide_step(&by, 0));
  ok(falign_history_create(by.network, &history));
  ok(falign_history_keep(history, FALIGN_KEEP_APPLIED));
  ok(falign_trainer_set_history(by.trainer, history));
  for (uint32_t k = 0; k < 3; k++) ok(wide_step(&by, k));
  falign_view applied;
  ok(falign_trace_view(falign_trainer_trace(by.trainer), FALIGN_DW_APPLIED, 0, &applied));
  ok(falign_history_get(history, 2, FALIGN_DW_APPLIED, 0, WRITE_F64(got, 64, 300, 300)));
  ck_assert(memcmp(got, applied.data, sizeof got) == 0);
  ok(falign_history_get(history, 2, FALIGN_DW, 0, WRITE_F64(got, 64, 300, 300)));
  ck_assert(memcmp(got, applied.data, sizeof got) != 0);
  falign_history_destroy(without);
  falign_history_destroy(history);
  free_learner(&by);
}
END_TEST

/* ---- The sum of |E|, as another loss, whose signal goes to Z[d] without f' ---- */

static double sum_of_errors_f64(const falign_trace *block, double *signal) {
  uint32_t d = block->network->layers;
  size_t cols = block->network->widths[d];
  const double *target = block->target, *output = block->outputs[d];
  double sum = 0;
  for (size_t i = 0; i < block->step.rows * cols; i++) {
    double error = target[i / cols * block->target_stride + i % cols] - output[i];
    signal[i] = error > 0 ? 1 : -1;
    sum += fabs(error);
  }
  return sum;
}

static const fal_loss sum_of_errors = {.signal_f64 = sum_of_errors_f64};

START_TEST(another_loss) {
  draw_task();
  learner by = task_learner(FALIGN_F64, "bp");
  by.trainer->loss = &sum_of_errors;
  ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY));
  ok(step(&by, task.x, ROWS, task.y));
  const double *out = seen(&by, FALIGN_L, 3, ROWS, 4), *delta = seen(&by, FALIGN_DELTA, 3, ROWS, 4);
  double sum = 0;
  for (size_t i = 0; i < ROWS * 4; i++) {
    ck_assert(delta[i] == (task.y[i] > out[i] ? 1 : -1)); /* without f' */
    sum += fabs(task.y[i] - out[i]);
  }
  near(falign_trace_step(falign_trainer_trace(by.trainer))->loss, sum, 1e-13);
  free_learner(&by);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, weights_follow_the_optimizer);
  tcase_add_loop_test(tests, threads_change_nothing, 0, 2);
  tcase_add_loop_test(tests, its_state_is_in_checkpoints, 0, 2);
  tcase_add_test(tests, a_history_keeps_what_was_applied);
  tcase_add_test(tests, another_loss);
}

int main(void) { return run_suite("seams", add_tests); }
