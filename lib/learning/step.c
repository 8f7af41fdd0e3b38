/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learning/norm.h"
#include "learning/trainer.h"

void fal_part(size_t count, size_t parts, size_t i, size_t *first, size_t *length) {
  /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): there is a row, so there are a block and a lane */
  size_t each = count / parts, longer = count % parts;
  *first = i * each + (i < longer ? i : longer);
  *length = each + (i < longer);
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* How many partial sums: a matter of the shapes alone, so that results do not depend on the threads. Of more than half
 * of the most there are two blocks or more each, since adding them up takes time as well. */
static size_t count_lanes(const falign_network *network, size_t blocks) {
  size_t bytes = network->parameter_count * fal_element(network->precision);
  size_t fit = FAL_LANES_BYTES / bytes, some = least(blocks, FAL_LANES / 2);
  return least(blocks / 2 > some ? least(blocks / 2, FAL_LANES) : some, fit > 0 ? fit : 1);
}

falign_status fal_plan(const falign_trainer *trainer, size_t rows, bool bp) {
  fal_work *work = trainer->work;
  size_t block = trainer->network->parameter_count < FAL_LARGE ? FAL_BLOCK : FAL_LARGE_BLOCK;
  work->block_count = (rows - 1) / block + 1;
  work->lane_count = count_lanes(trainer->network, work->block_count);
  size_t first, longest;
  fal_part(rows, work->block_count, 0, &first, &longest);
  for (uint32_t i = 0; i < work->threads; i++) {
    fal_worker *worker = &work->workers[i];
    FAL_TRY(fal_trace_reserve(&worker->scratch, longest, bp));
    worker->block.iteration = trainer->iteration;
    worker->block.eta = trainer->eta;
    worker->block.backend = trainer->backend;
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
static falign_status blame_batch(const falign_trainer *trainer, const fal_rows_in *in) {
  const falign_network *network = trainer->network;
  const falign_trace *scratch = &trainer->work->workers[0].scratch;
  for (size_t i = 0; i < in->rows; i++) {
    void *x = scratch->outputs[0], *y = scratch->storage; /* the target is first in it */
    fal_batches_gather(in->batches, in->k, i, 1, network->precision, x, y);
    if (fal_check_finite("x", -1, x, network->precision, 1, network->widths[0], network->widths[0]) ||
        fal_check_finite("y", -1, y, network->precision, 1, network->widths[network->layers],
                         network->widths[network->layers]))
      return fal_fail(FALIGN_INVALID, "row %zu of batch %llu is beyond single precision", i, (unsigned long long)in->k);
  }
  return FALIGN_OK;
}

/* An input that is not finite is the caller's mistake and told as such; it is looked for only after a failure. */
falign_status fal_blame_input(const falign_trainer *trainer, const fal_rows_in *in, const char *y_name) {
  const falign_network *network = trainer->network;
  if (in->batches) return blame_batch(trainer, in);
  FAL_TRY(fal_check_finite("x", -1, in->x, network->precision, in->rows, network->widths[0], in->x_stride));
  if (!y_name) return FALIGN_OK;
  return fal_check_finite(y_name, -1, in->y, network->precision, in->rows, network->widths[network->layers],
                          in->y_stride);
}

static falign_status diverged(const falign_trainer *trainer, const char *what, uint32_t l) {
  return fal_fail(FALIGN_DIVERGED, "diverged at iteration %llu, layer %u: %s[%u] is not finite",
                  (unsigned long long)trainer->iteration, l, what, l);
}

falign_status fal_lanes_status(const falign_trainer *trainer, const fal_rows_in *in, const char *y_name) {
  const fal_work *work = trainer->work;
  for (size_t i = 0; i < work->lane_count; i++) {
    const fal_lane *lane = &work->lanes[i];
    if (lane->outcome.status == FALIGN_OK) continue;
    if (lane->outcome.status == FALIGN_DIVERGED) FAL_TRY(fal_blame_input(trainer, in, y_name));
    if (lane->bad_layer == 0) return fal_outcome_raise(&lane->outcome);
    return diverged(trainer, "Z", lane->bad_layer);
  }
  return FALIGN_OK;
}

/* Finds the parameter that would not be finite after the update. */
static falign_status blame_update(const falign_trainer *trainer, const fal_rows_in *in, const char *y_name) {
  const falign_network *network = trainer->network;
  double limit = network->precision == FALIGN_F32 ? (double)FLT_MAX : DBL_MAX;
  FAL_TRY(fal_blame_input(trainer, in, y_name));
  for (size_t i = 0; i < network->parameter_count; i++) {
    double next = fal_number(network->precision, network->parameters, i) +
                  fal_number(network->precision, trainer->work->sums.whole, i);
    if (fabs(next) <= limit) continue;
    uint32_t l = 0;
    while (l + 1 < network->layers && network->w_at[l + 1] <= i) l++;
    return i < network->b_at[l + 1] ? diverged(trainer, "W", l) : diverged(trainer, "b", l + 1);
  }
  return diverged(trainer, "W", 0);
}

static double sum_losses(const fal_work *work) {
  double loss = 0;
  for (size_t i = 0; i < work->lane_count; i++) loss += work->lanes[i].loss;
  return loss;
}

/* Lets observers, the rule and the caller see the step. `needs` is what they asked for. */
static void publish(const falign_trainer *trainer, const fal_pass *pass, int32_t needs, double loss) {
  fal_work *work = trainer->work;
  falign_trace *last = &work->last;
  fal_trace_blank(last);
  if (pass->keep) fal_trace_aim(last, &work->whole, 0, pass->in.rows);
  if (pass->imposed) last->target = NULL;
  last->rows = pass->in.rows;
  last->iteration = trainer->iteration;
  last->eta = trainer->eta;
  last->loss = pass->imposed ? (double)NAN : loss;
  last->backend = trainer->backend;
  last->update = work->sums.whole;
  last->lowest_delta = 1;
  size_t pointers = ((size_t)trainer->network->layers + 1) * sizeof *last->deltas;
  if (!pass->bp) memset(last->bp_deltas, 0, pointers); /* those of an earlier step */
  if (!(needs & FALIGN_NEEDS_BP)) return;
  last->bp_update = pass->bp ? work->bp_sums.whole : work->sums.whole;
  if (!pass->bp) memcpy(last->bp_deltas, last->deltas, pointers); /* the rule is BP */
}

static falign_status normalize(falign_trainer *trainer) {
  return trainer->norm ? falign_norm_apply(trainer->norm, trainer->network, trainer->rule) : FALIGN_OK;
}

static falign_status adapt_rule(falign_trainer *trainer) {
  falign_rule *rule = trainer->rule;
  if (!rule->table.adapt) return FALIGN_OK;
  fal_before_callback();
  falign_status status = rule->table.adapt(rule->user, rule, trainer->network, &trainer->work->last);
  if (status == FALIGN_OK) return FALIGN_OK;
  return fal_fail(FALIGN_CALLBACK, "rule %s failed to adapt: %s", rule->table.name, fal_callback_message(status));
}

/* Forward, deltas and updates of all rows; the network is not changed. */
static falign_status compute(falign_trainer *trainer, fal_pass *pass, double *loss) {
  fal_work *work = trainer->work;
  const char *y_name = pass->imposed ? "delta" : "y";
  FAL_TRY(fal_plan(trainer, pass->in.rows, pass->bp));
  size_t parameters = trainer->network->parameter_count;
  FAL_TRY(fal_sums_reserve(trainer, &work->sums, parameters));
  if (pass->bp) FAL_TRY(fal_sums_reserve(trainer, &work->bp_sums, parameters));
  if (pass->correlate) FAL_TRY(fal_sums_reserve(trainer, &work->correlation_sums, trainer->history->correlations));
  if (pass->keep) FAL_TRY(fal_trace_reserve(&work->whole, pass->in.rows, pass->bp));
  bool f32 = trainer->network->precision == FALIGN_F32;
  fal_pool *pool = trainer->rule->table.concurrent ? work->pool : NULL;
  fal_pool_run(pool, work->lane_count, f32 ? fal_train_lane_f32 : fal_train_lane_f64, pass);
  FAL_TRY(fal_lanes_status(trainer, &pass->in, y_name));
  if (!fal_sums_gather(trainer, &work->sums, trainer->network->parameters))
    return blame_update(trainer, &pass->in, y_name);
  if (pass->bp) fal_sums_gather(trainer, &work->bp_sums, NULL);
  if (pass->correlate) fal_sums_gather(trainer, &work->correlation_sums, NULL);
  *loss = sum_losses(work);
  if (isfinite(*loss)) return FALIGN_OK;
  FAL_TRY(fal_blame_input(trainer, &pass->in, y_name));
  return fal_fail(FALIGN_DIVERGED, "diverged at iteration %llu, layer %u: the loss is %g",
                  (unsigned long long)trainer->iteration, trainer->network->layers, *loss);
}

/* The history records W[k] and what the step will add to it, and observers look at them; then it is added. */
static falign_status finish(falign_trainer *trainer) {
  fal_work *work = trainer->work;
  if (trainer->history) FAL_TRY(fal_history_record(trainer->history, &work->last, work->correlation_sums.whole));
  work->phase = FAL_LOOKING;
  work->looker = fal_this_thread();
  falign_status looked = fal_observe(trainer, &work->last);
  work->looker = NULL;
  FAL_TRY(looked);
  work->phase = FAL_APPLYING;
  fal_sums_apply(trainer);
  trainer->iteration++; /* W[k+1] is there, whatever comes of what follows */
  FAL_TRY(normalize(trainer));
  return adapt_rule(trainer);
}

falign_status fal_step(falign_trainer *trainer, const fal_rows_in *in, bool imposed) {
  fal_work *work = trainer->work;
  fal_phase before;
  FAL_TRY(fal_enter(trainer, FAL_COMPUTING, &before));
  int32_t needs = trainer->keep | fal_observers_need(trainer);
  if (trainer->rule->table.adapt && trainer->rule->table.needs_activity) needs |= FALIGN_NEEDS_ACTIVITY;
  if (trainer->history && fal_history_needs_activity(trainer->history)) needs |= FALIGN_NEEDS_ACTIVITY;
  fal_pass pass = {.trainer = trainer,
                   .in = *in,
                   .imposed = imposed,
                   .bp = (needs & FALIGN_NEEDS_BP) && !fal_rule_is_bp(trainer->rule),
                   .keep = (needs & FALIGN_NEEDS_ACTIVITY) != 0,
                   .correlate = trainer->history && trainer->history->correlations > 0};
  double loss = (double)NAN;
  bool started = trainer->started;
  work->last_valid = false;
  fal_note_start(trainer);
  falign_status status = compute(trainer, &pass, &loss);
  if (status == FALIGN_OK) {
    publish(trainer, &pass, needs, loss);
    status = finish(trainer);
  }
  work->last_valid = status == FALIGN_OK;
  if (status != FALIGN_OK && work->phase != FAL_APPLYING) { /* the step was not made */
    trainer->started = started;
    if (work->phase == FAL_LOOKING && trainer->history) fal_history_forget(trainer->history, trainer->iteration);
  }
  fal_leave(trainer, before);
  return status;
}
