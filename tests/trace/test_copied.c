/* SPDX-License-Identifier: Apache-2.0 */
#include "learning.h"

/* Every analysis function gives the same bits for a trainer's step and for a copy of it made with falign_trace_set().
 */

enum { STEPS = 5, ROWS = 12, MOST = (STEPS - 1) * MAX_WIDTH * MAX_WIDTH };

static const char *const rules[] = {"fa", "dfa"};

/* A history and what reads it. */
typedef struct {
  falign_history *history;
  falign_terms *terms;
  falign_disturbance *disturbances[4];
} reader;

static reader new_reader(const learner *by, falign_rule *fresh) {
  static const char *const names[] = {"undisturbed", "linear", "fresh_feedback", "shuffled_rows"};
  reader made;
  ok(falign_history_create(by->network, &made.history));
  ok(falign_history_keep(made.history, FALIGN_KEEP_C | FALIGN_KEEP_DIRECT));
  ok(falign_terms_create(made.history, by->rule, &made.terms));
  for (int i = 0; i < 4; i++)
    ok(falign_disturbance_create(names[i], &(falign_disturbance_settings){fresh, 5, 0}, made.history, by->rule,
                                 &made.disturbances[i]));
  return made;
}

static void free_reader(reader *used) {
  falign_terms_destroy(used->terms);
  for (int i = 0; i < 4; i++) falign_disturbance_destroy(used->disturbances[i]);
  falign_history_destroy(used->history);
}

/* A trace made by hand with all that `from` has. */
static falign_trace *copy_trace(const falign_network *network, const falign_trace *from) {
  falign_step of = *falign_trace_step(from);
  falign_trace *made;
  falign_view view;
  of.backend = NULL;
  ok(falign_trace_create(network, &of, &made));
  for (falign_quantity what = FALIGN_L; what <= FALIGN_DB_BP; what++) {
    for (uint32_t l = 0; l <= falign_network_layers(network); l++) {
      if (falign_trace_view(from, what, l, &view) == FALIGN_OK) ok(falign_trace_set(made, what, l, &view));
    }
  }
  return made;
}

/* What the analysis computes of one layer of a step, one number after the other. */
typedef struct {
  double numbers[40 * MOST];
  size_t count;
} findings;

static double *room_for(findings *f, size_t count) {
  f->count += count;
  ck_assert_uint_le(f->count, sizeof f->numbers / sizeof *f->numbers);
  return f->numbers + f->count - count;
}

static void find_terms(const reader *by, const falign_trace *trace, uint32_t l, bool direct, findings *f) {
  const uint64_t list[] = {1, 2, 3, 4}, k = falign_trace_step(trace)->iteration;
  falign_orders orders = {list, (size_t)k, 1}, all = {NULL, 0, 1};
  falign_view dw;
  ok(falign_trace_view(trace, FALIGN_DW, l, &dw));
  size_t numbers = dw.rows * dw.cols;
  for (falign_term kind = FALIGN_TERM; kind <= FALIGN_TERM_SIMPLIFIED && k > 0; kind++) {
    if (kind == (direct ? FALIGN_TERM_DIAGONAL : FALIGN_TERM_SIMPLIFIED)) continue;
    if (kind == FALIGN_TERM_SIMPLIFIED && !falign_has_feature("lapack")) continue;
    ok(terms_get(by->terms, trace, kind, l, &orders, room_for(f, orders.count * numbers)));
    if (kind <= FALIGN_TERM_LINEAR) ok(terms_sum(by->terms, trace, kind, l, &all, room_for(f, numbers)));
  }
  for (orders.degree = 2; orders.degree <= 3 && k > 0; orders.degree++)
    ok(terms_get(by->terms, trace, FALIGN_TERM, l, &orders, room_for(f, orders.count * numbers)));
  ok(terms_zero(by->terms, trace, l, k, room_for(f, numbers)));
  ok(terms_remainder(by->terms, trace, l, 1, room_for(f, numbers)));
  if (direct && !falign_has_feature("lapack")) return;
  falign_comparison compared;
  ok(falign_terms_compare(by->terms, trace, l, &dw, &compared));
  memcpy(room_for(f, 3), (double[]){compared.angle, compared.norm, compared.ratio}, 3 * sizeof(double));
}

static void find_disturbed(const reader *by, const falign_trace *trace, uint32_t l, bool direct, findings *f) {
  falign_view dw;
  ok(falign_trace_view(trace, FALIGN_DW, l, &dw));
  for (int i = 0; i < 4; i++) {
    double *w = room_for(f, dw.rows * dw.cols);
    ok(falign_disturbance_get_weights(by->disturbances[i], l, WRITE_F64(w, dw.rows, dw.cols, dw.cols)));
    if (!direct || falign_has_feature("lapack")) ok(falign_disturbance_angle(by->disturbances[i], l, room_for(f, 1)));
    const uint64_t one = 1;
    if (falign_trace_step(trace)->iteration > 0)
      ok(disturbance_get(by->disturbances[i], trace, l, &(falign_orders){&one, 1, 1}, room_for(f, dw.rows * dw.cols)));
  }
}

static void find_transformations(const reader *by, const falign_trace *trace, uint32_t l, findings *f) {
  uint64_t k = falign_trace_step(trace)->iteration;
  for (uint64_t o = 1; o <= k; o++) {
    falign_transformation *m;
    ok(falign_transformation_create(by->history, k, o, l, &m));
    size_t n = falign_transformation_size(m);
    ok(falign_transformation_get(m, FALIGN_M, WRITE_F64(room_for(f, n * n), n, n, n)));
    falign_transformation_destroy(m);
  }
}

static void find_similarity(const falign_trace *trace, uint32_t l, findings *f) {
  uint32_t labels[ROWS];
  falign_view outputs, signals;
  falign_similarity *similarity;
  falign_pair_sums sums;
  for (uint32_t i = 0; i < ROWS; i++) labels[i] = i % 3;
  ok(falign_trace_view(trace, FALIGN_L, l - 1, &outputs));
  ok(falign_trace_view(trace, FALIGN_DELTA, l + 1, &signals));
  ok(falign_similarity_create(outputs.precision, outputs.cols, signals.cols, 3, &similarity));
  for (int32_t side = FALIGN_SIDE_PAST; side <= FALIGN_SIDE_PRESENT; side++)
    ok(falign_similarity_set_side(similarity, side, &outputs, &signals, labels));
  ok(falign_similarity_sums(similarity, FALIGN_PAIRS_WITHIN, &sums));
  *room_for(f, 1) = sums.s_product;
  falign_similarity_destroy(similarity);
}

static void analyze(const reader *by, const falign_trace *trace, uint32_t l, bool direct, findings *f) {
  f->count = 0;
  find_terms(by, trace, l, direct, f);
  find_disturbed(by, trace, l, direct, f);
  if (!direct) find_transformations(by, trace, l, f);
  find_similarity(trace, l, f);
}

/* Computes a step, which learns nothing. */
static void probe(const learner *by, const double *x, const double *y) {
  float x_f32[ROWS * 7], y_f32[ROWS * 4];
  to_f32(x, ROWS * 7, x_f32);
  to_f32(y, ROWS * 4, y_f32);
  ok(falign_network_precision(by->network) == FALIGN_F64
         ? falign_trainer_probe(by->trainer, READ_F64(x, ROWS, 7, 7), READ_F64(y, ROWS, 4, 4))
         : falign_trainer_probe(by->trainer, READ_F32(x_f32, ROWS, 7, 7), READ_F32(y_f32, ROWS, 4, 4)));
}

START_TEST(all_analysis_takes_traces_made_by_hand) {
  static findings of_trainer, by_hand;
  const char *rule = rules[_i % 2];
  draw_task();
  learner by = task_learner(_i < 2 ? FALIGN_F64 : FALIGN_F32, rule);
  falign_rule *fresh;
  ok(falign_rule_create(rule, by.network, &fresh));
  ok(falign_rule_draw(fresh, 0.5, 9, 0));
  reader own = new_reader(&by, fresh), recorded = new_reader(&by, fresh);
  ok(falign_trainer_set_history(by.trainer, own.history));
  ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY | FALIGN_NEEDS_BP));
  for (size_t k = 0; k < STEPS; k++) {
    const double *x = task.x + k * ROWS * 7, *y = task.y + k * ROWS * 4;
    probe(&by, x, y);
    falign_trace *copy = copy_trace(by.network, falign_trainer_trace(by.trainer));
    ok(falign_history_record(recorded.history, copy)); /* before the weights change */
    ok(step(&by, x, ROWS, y));
    const falign_trace *trace = falign_trainer_trace(by.trainer);
    for (int i = 0; i < 4; i++) {
      ok(falign_disturbance_update(own.disturbances[i], trace));
      ok(falign_disturbance_update(recorded.disturbances[i], copy));
    }
    for (uint32_t l = 1; l < TASK_LAYERS; l++) {
      analyze(&own, trace, l, _i % 2, &of_trainer);
      analyze(&recorded, copy, l, _i % 2, &by_hand);
      ck_assert_uint_eq(of_trainer.count, by_hand.count);
      for (size_t i = 0; i < by_hand.count; i++)
        ck_assert_msg(memcmp(&of_trainer.numbers[i], &by_hand.numbers[i], sizeof *by_hand.numbers) == 0,
                      "step %zu, layer %u, number %zu", k, l, i);
    }
    falign_trace_destroy(copy);
  }
  free_reader(&own);
  free_reader(&recorded);
  falign_rule_destroy(fresh);
  free_learner(&by);
}
END_TEST

static void add_tests(TCase *tests) { tcase_add_loop_test(tests, all_analysis_takes_traces_made_by_hand, 0, 4); }

int main(void) { return run_suite("copied", add_tests); }
