/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "learning/norm.h"
#include "learning/trainer.h"

/* Returns the number of lanes. It depends only on the shapes, so that results do not depend on the threads. Lanes
 * beyond half of the maximum have two blocks or more each, since adding their sums takes time, too. */
static size_t count_lanes(const falign_network *network, size_t blocks) {
  size_t bytes = network->parameter_count * fal_element(network->precision);
  size_t fit = FAL_LANES_BYTES / bytes, some = fal_min(blocks, FAL_LANES / 2);
  return fal_min(blocks / 2 > some ? fal_min(blocks / 2, FAL_LANES) : some, fit > 0 ? fit : 1);
}

static falign_step step_of(const falign_trainer *trainer, size_t rows, double loss) {
  return (falign_step){.iteration = trainer->iteration,
                       .rows = rows,
                       .eta = trainer->eta,
                       .loss = loss,
                       .precision = trainer->network->precision,
                       .backend = trainer->backend};
}

falign_status fal_plan_lanes(const falign_trainer *trainer, size_t rows, bool bp) {
  fal_work *work = trainer->work;
  size_t block = trainer->network->parameter_count < FAL_LARGE ? FAL_BLOCK : FAL_LARGE_BLOCK;
  work->block_count = (rows - 1) / block + 1;
  work->lane_count = count_lanes(trainer->network, work->block_count);
  size_t longest = fal_range_of(rows, (fal_share){0, work->block_count}).count;
  for (uint32_t i = 0; i < work->threads; i++) {
    fal_worker *worker = &work->workers[i];
    FAL_TRY(fal_trace_reserve(&worker->scratch, longest, bp));
    worker->block.step = step_of(trainer, longest, (double)NAN);
  }
  for (size_t i = 0; i < work->lane_count; i++) {
    work->lanes[i].outcome.status = FALIGN_OK;
    work->lanes[i].bad_layer = 0;
    work->lanes[i].loss = 0;
    work->lanes[i].wrong = 0;
  }
  return FALIGN_OK;
}

/* A dataset's numbers are finite, but may be beyond the range of single precision. */
static falign_status check_batch_finite(const falign_trainer *trainer, const fal_row_source *source) {
  const falign_network *network = trainer->network;
  const falign_trace *scratch = &trainer->work->workers[0].scratch;
  void *place_x = scratch->outputs[0], *place_y = scratch->storage; /* which begins with the target */
  falign_view x = fal_view_plain(place_x, network->precision, 1, network->widths[0]);
  falign_view y = fal_view_plain(place_y, network->precision, 1, network->widths[network->layers]);
  for (size_t i = 0; i < source->rows; i++) {
    fal_batches_gather(source->batches, source->k, i, 1, network->precision, place_x, place_y);
    if (fal_check_finite("x", -1, &x, network->precision) || fal_check_finite("y", -1, &y, network->precision))
      return fal_fail(FALIGN_INVALID, "row %zu of batch %llu is beyond single precision", i,
                      (unsigned long long)source->k);
  }
  return FALIGN_OK;
}

/* An input that is not finite is the caller's mistake and reported as such, but searched for only after a failure. */
falign_status fal_check_input_finite(const falign_trainer *trainer, const fal_row_source *source, const char *y_name) {
  falign_precision precision = trainer->network->precision;
  if (source->batches) return check_batch_finite(trainer, source);
  FAL_TRY(fal_check_finite("x", -1, source->x, precision));
  return y_name ? fal_check_finite(y_name, -1, source->y, precision) : FALIGN_OK;
}

static falign_status fail_diverged(const falign_trainer *trainer, const char *what, uint32_t l) {
  return fal_fail(FALIGN_DIVERGED, "diverged at iteration %llu, layer %u: %s[%u] is not finite",
                  (unsigned long long)trainer->iteration, l, what, l);
}

falign_status fal_lanes_status(const falign_trainer *trainer, const fal_row_source *source, const char *y_name) {
  const fal_work *work = trainer->work;
  for (size_t i = 0; i < work->lane_count; i++) {
    const fal_lane *lane = &work->lanes[i];
    if (lane->outcome.status == FALIGN_OK) continue;
    if (lane->outcome.status == FALIGN_DIVERGED) FAL_TRY(fal_check_input_finite(trainer, source, y_name));
    if (lane->bad_layer == 0) return fal_outcome_raise(&lane->outcome);
    return fail_diverged(trainer, "Z", lane->bad_layer);
  }
  return FALIGN_OK;
}

/* Returns what the optimizer would add to parameter i. */
static double increment_at(const falign_trainer *trainer, size_t i) {
  const void *own = trainer->optimizer.increments;
  return fal_number(trainer->network->precision, own ? own : trainer->work->update.whole, i);
}

/* Reports the first parameter that would not be finite after the update. */
static falign_status fail_update(const falign_trainer *trainer, const fal_row_source *source, const char *y_name) {
  const falign_network *network = trainer->network;
  double limit = network->precision == FALIGN_F32 ? (double)FLT_MAX : DBL_MAX;
  FAL_TRY(fal_check_input_finite(trainer, source, y_name));
  for (size_t i = 0; i < network->parameter_count; i++) {
    double next = fal_number(network->precision, network->parameters, i) + increment_at(trainer, i);
    if (fabs(next) <= limit) continue;
    uint32_t l = 0;
    while (l + 1 < network->layers && network->w_at[l + 1] <= i) l++;
    return i < network->b_at[l + 1] ? fail_diverged(trainer, "W", l) : fail_diverged(trainer, "b", l + 1);
  }
  return fail_diverged(trainer, "W", 0);
}

static double sum_losses(const fal_work *work) {
  double loss = 0;
  for (size_t i = 0; i < work->lane_count; i++) loss += work->lanes[i].loss;
  return loss;
}

/* Shows the step to observers, the rule and the caller. */
static void publish_step(const falign_trainer *trainer, const fal_pass *pass, double loss) {
  fal_work *work = trainer->work;
  falign_trace *last = &work->last;
  fal_trace_blank(last);
  if (pass->keep) fal_trace_select_rows(last, &work->whole, 0, pass->source.rows);
  if (pass->imposed) last->target = NULL;
  last->step = step_of(trainer, pass->source.rows, pass->imposed ? (double)NAN : loss);
  last->update = work->update.whole;
  last->applied = trainer->optimizer.increments;
  last->lowest_delta = 1;
  size_t pointers = ((size_t)trainer->network->layers + 1) * sizeof *last->deltas;
  if (!pass->bp) memset(last->bp_deltas, 0, pointers); /* those of an earlier step */
  if (!pass->show_bp) return;
  last->bp_update = pass->bp ? work->bp_update.whole : work->update.whole;
  if (!pass->bp) memcpy(last->bp_deltas, last->deltas, pointers); /* the rule is BP */
}

static falign_status normalize_weights(falign_trainer *trainer) {
  if (!trainer->norm) return FALIGN_OK;
  return fal_norm_apply(trainer->norm, trainer->network, trainer->rule, trainer->column_room);
}

static falign_status adapt_rule(falign_trainer *trainer) {
  falign_rule *rule = trainer->rule;
  if (!rule->table.adapt) return FALIGN_OK;
  fal_before_callback();
  falign_status status = rule->table.adapt(rule->user, rule, trainer->network, &trainer->work->last);
  if (status == FALIGN_OK) return FALIGN_OK;
  return fal_fail(FALIGN_CALLBACK, "rule %s failed to adapt: %s", rule->table.name, fal_callback_message(status));
}

static falign_status reserve_step(const falign_trainer *trainer, const fal_pass *pass) {
  fal_work *work = trainer->work;
  size_t rows = pass->source.rows, parameters = trainer->network->parameter_count;
  FAL_TRY(fal_plan_lanes(trainer, rows, pass->bp));
  FAL_TRY(fal_sums_reserve(trainer, &work->update, parameters));
  if (pass->bp) FAL_TRY(fal_sums_reserve(trainer, &work->bp_update, parameters));
  if (pass->correlate) FAL_TRY(fal_sums_reserve(trainer, &work->correlations, trainer->history->correlations));
  return pass->keep ? fal_trace_reserve(&work->whole, rows, pass->bp) : FALIGN_OK;
}

/* Computes the forward pass, deltas and updates of all rows, without changing the network. */
static falign_status compute_step(falign_trainer *trainer, fal_pass *pass, double *loss) {
  fal_work *work = trainer->work;
  const char *y_name = pass->imposed ? "delta" : "y";
  FAL_TRY(reserve_step(trainer, pass));
  bool f32 = trainer->network->precision == FALIGN_F32;
  fal_pool *pool = trainer->rule->table.concurrent ? work->pool : NULL;
  fal_pool_run(pool, work->lane_count, f32 ? fal_train_lane_f32 : fal_train_lane_f64, pass);
  FAL_TRY(fal_lanes_status(trainer, &pass->source, y_name));
  if (!fal_sums_propose(trainer)) return fail_update(trainer, &pass->source, y_name);
  if (pass->bp) fal_sums_gather(trainer, &work->bp_update);
  if (pass->correlate) fal_sums_gather(trainer, &work->correlations);
  *loss = sum_losses(work);
  if (isfinite(*loss)) return FALIGN_OK;
  FAL_TRY(fal_check_input_finite(trainer, &pass->source, y_name));
  return fal_fail(FALIGN_DIVERGED, "diverged at iteration %llu, layer %u: the loss is %g",
                  (unsigned long long)trainer->iteration, trainer->network->layers, *loss);
}

/* Lets the history record W[k] and the update, and observers see them; then applies the update. */
static falign_status finish_step(falign_trainer *trainer) {
  fal_work *work = trainer->work;
  if (trainer->history) FAL_TRY(fal_history_record(trainer->history, &work->last, work->correlations.whole));
  fal_begin_observing(trainer);
  falign_status observed = fal_observe(trainer, &work->last);
  fal_end_observing(trainer);
  FAL_TRY(observed);
  work->phase = FAL_APPLYING;
  fal_sums_apply(trainer);
  trainer->iteration++; /* W[k+1] is there, even if what follows fails */
  FAL_TRY(normalize_weights(trainer));
  return adapt_rule(trainer);
}

/* Undoes what a failed step has recorded, unless its update was applied. */
static void undo_step(falign_trainer *trainer, bool started) {
  fal_phase phase = trainer->work->phase;
  if (phase == FAL_APPLYING) return;
  trainer->started = started;
  if (phase == FAL_OBSERVING && trainer->history) fal_history_remove_last(trainer->history, trainer->iteration);
}

/* Returns the FALIGN_NEEDS_... of a step. */
static int32_t step_needs(const falign_trainer *trainer, bool probe) {
  int32_t needs = trainer->keep;
  if (probe) return needs;
  if (trainer->rule->table.adapt && trainer->rule->table.needs_activity) needs |= FALIGN_NEEDS_ACTIVITY;
  if (trainer->history && fal_history_needs_activity(trainer->history)) needs |= FALIGN_NEEDS_ACTIVITY;
  return needs | fal_observers_need(trainer);
}

static falign_status make_step(falign_trainer *trainer, const fal_row_source *source, fal_step_kind kind) {
  bool probe = kind == FAL_PROBE, started = trainer->started;
  int32_t needs = step_needs(trainer, probe);
  fal_pass pass = {.trainer = trainer,
                   .source = *source,
                   .imposed = kind == FAL_IMPOSE,
                   .bp = (needs & FALIGN_NEEDS_BP) && !fal_rule_is_bp(trainer->rule),
                   .show_bp = (needs & FALIGN_NEEDS_BP) != 0,
                   .keep = (needs & FALIGN_NEEDS_ACTIVITY) != 0,
                   .correlate = !probe && trainer->history && trainer->history->correlations > 0};
  double loss = (double)NAN;
  if (!probe) fal_measure_start_norms(trainer);
  falign_status status = compute_step(trainer, &pass, &loss);
  if (status == FALIGN_OK) publish_step(trainer, &pass, loss);
  if (status == FALIGN_OK && !probe) status = finish_step(trainer);
  if (status != FALIGN_OK) undo_step(trainer, started);
  return status;
}

falign_status fal_step(falign_trainer *trainer, const fal_row_source *source, fal_step_kind kind) {
  fal_phase before;
  FAL_TRY(fal_phase_begin(trainer, FAL_COMPUTING, &before));
  trainer->work->last_valid = false;
  falign_status status = make_step(trainer, source, kind);
  trainer->work->last_valid = status == FALIGN_OK;
  fal_phase_end(trainer, before);
  return status;
}
