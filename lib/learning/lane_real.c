/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/real.h"
#include "base/size.h"
#include "base/vector.h"
#include "learning/activation.h"
#include "learning/layer.h"
#include "learning/trainer.h"

/* Returns rows of a user's matrix: in place if they are contiguous and not to be kept, else copied to `own`. */
static const void *load_rows(const fal_pass *pass, const falign_view *given, fal_range range, void *own,
                             size_t *stride) {
  falign_view rows = fal_view_part(given, range.first, range.count);
  if (!pass->keep && fal_view_stride(&rows, stride)) return rows.data;
  falign_matrix copy = fal_matrix_plain(own, REAL_PRECISION, rows.rows, rows.cols);
  fal_copy(&copy, &rows);
  *stride = rows.cols;
  return own;
}

/* Points the worker's view to a range of rows and loads L[0] and, with `target`, Y*. */
static falign_trace *load_block(const fal_pass *pass, uint32_t number, fal_range range, bool target) {
  fal_worker *worker = &pass->trainer->work->workers[number];
  falign_trace *block = &worker->block;
  const fal_row_source *source = &pass->source;
  if (pass->keep) {
    fal_trace_select_rows(block, &pass->trainer->work->whole, range.first, range.count);
  } else {
    fal_trace_select_rows(block, &worker->scratch, 0, range.count);
  }
  block->step.first_row = range.first;
  void *own_target = (void *)block->target;
  if (source->batches) {
    fal_batches_gather(source->batches, source->k, range.first, range.count, REAL_PRECISION, block->outputs[0],
                       target ? own_target : NULL);
    return block;
  }
  block->outputs[0] = (void *)load_rows(pass, source->x, range, block->outputs[0], &block->input_stride);
  if (target) block->target = load_rows(pass, source->y, range, own_target, &block->target_stride);
  return block;
}

static falign_status run_forward(const falign_trace *block, fal_lane *lane) {
  for (uint32_t l = 1; l <= block->network->layers; l++) {
    bool finite;
    FAL_TRY(fal_layer_dense.REAL(forward)(block, l, &finite));
    if (finite) continue;
    lane->bad_layer = l;
    return FALIGN_DIVERGED;
  }
  return FALIGN_OK;
}

static void times_derivative(const falign_trace *block, uint32_t l, real *delta) {
  REAL(fal_times_derivative)
  (block->network->activation[l], delta, block->states[l], block->outputs[l], delta,
   block->step.rows * block->network->widths[l]);
}

/* delta[d] = E .* f'(Z[d]) (eqs. 18, 20), or the imposed one. */
static void compute_output_delta(const fal_pass *pass, falign_trace *block, fal_lane *lane) {
  uint32_t d = block->network->layers;
  const fal_loss *loss = pass->trainer->loss;
  if (pass->imposed) {
    size_t rows = block->step.rows, cols = block->network->widths[d];
    falign_view given = fal_view_rows(block->target, REAL_PRECISION, rows, cols, block->target_stride);
    falign_matrix delta = fal_matrix_plain(block->deltas[d], REAL_PRECISION, rows, cols);
    fal_copy(&delta, &given);
    block->target = NULL; /* rules see no target */
    return;
  }
  lane->loss += loss->REAL(signal)(block, block->deltas[d]);
  if (loss->times_derivative) times_derivative(block, d, block->deltas[d]);
}

/* delta[l] = the rule's signal .* f'(Z[l]), from the last hidden layer down. */
static falign_status compute_hidden_deltas(const falign_rule *rule, falign_trace *block) {
  for (uint32_t l = block->network->layers - 1; l >= 1; l--) {
    falign_matrix signal =
        fal_matrix_plain(block->deltas[l], REAL_PRECISION, block->step.rows, block->network->widths[l]);
    block->lowest_delta = l + 1;
    FAL_TRY(fal_rule_signal(rule, block->network, block, l, &signal));
    times_derivative(block, l, block->deltas[l]);
  }
  block->lowest_delta = 1;
  return FALIGN_OK;
}

/* Computes BP's deltas (eq. 19) from the same forward pass. */
static falign_status compute_bp_deltas(const falign_trace *block) {
  uint32_t d = block->network->layers;
  void **deltas = block->bp_deltas;
  memcpy(deltas[d], block->deltas[d], block->step.rows * block->network->widths[d] * sizeof(real));
  for (uint32_t l = d - 1; l >= 1; l--) {
    FAL_TRY(fal_layer_dense.REAL(send_back)(block, l + 1, deltas[l + 1], deltas[l]));
    times_derivative(block, l, deltas[l]);
  }
  return FALIGN_OK;
}

static falign_status add_block_updates(const falign_trace *block, void *const *deltas, bool fresh, real *update) {
  for (uint32_t l = 1; l <= block->network->layers; l++)
    FAL_TRY(fal_layer_dense.REAL(add_update)(block, l, deltas[l], fresh, update));
  return FALIGN_OK;
}

/* Returns the sum of a lane. */
static real *lane_sum(const fal_sums *sums, size_t lane) {
  return lane == 0 ? sums->whole : (real *)sums->partial + (lane - 1) * sums->count;
}

static falign_status train_block(const fal_pass *pass, falign_trace *block, size_t lane, bool fresh) {
  const falign_trainer *trainer = pass->trainer;
  fal_work *work = trainer->work;
  FAL_TRY(run_forward(block, &work->lanes[lane]));
  compute_output_delta(pass, block, &work->lanes[lane]);
  FAL_TRY(compute_hidden_deltas(trainer->rule, block));
  FAL_TRY(add_block_updates(block, block->deltas, fresh, lane_sum(&work->update, lane)));
  if (pass->correlate)
    FAL_TRY(REAL(fal_history_correlate)(trainer->history, block, fresh, lane_sum(&work->correlations, lane)));
  if (!pass->bp) return FALIGN_OK;
  FAL_TRY(compute_bp_deltas(block));
  return add_block_updates(block, block->bp_deltas, fresh, lane_sum(&work->bp_update, lane));
}

static falign_status count_wrong(const fal_pass *pass, const falign_trace *block, uint64_t *wrong) {
  const falign_code *code = falign_batches_code(pass->source.batches);
  uint32_t d = block->network->layers, decoded[FAL_LARGE_BLOCK];
  if (!code) return FALIGN_OK;
  falign_view y = fal_view_plain(block->outputs[d], REAL_PRECISION, block->step.rows, block->network->widths[d]);
  FAL_TRY(falign_code_decode(code, &y, decoded));
  for (size_t i = 0; i < block->step.rows; i++)
    *wrong += decoded[i] != fal_batches_label(pass->source.batches, pass->source.k, block->step.first_row + i);
  return FALIGN_OK;
}

static falign_status evaluate_block(const fal_pass *pass, falign_trace *block, size_t lane, bool fresh) {
  fal_lane *result = &pass->trainer->work->lanes[lane];
  void *signal = block->deltas[block->network->layers]; /* the loss function writes it; it is not used here */
  (void)fresh;
  FAL_TRY(run_forward(block, result));
  result->loss += pass->trainer->loss->REAL(signal)(block, signal);
  return count_wrong(pass, block, &result->wrong);
}

static falign_status forward_block(const fal_pass *pass, falign_trace *block, size_t lane, bool fresh) {
  uint32_t d = block->network->layers;
  size_t cols = block->network->widths[d];
  (void)fresh;
  FAL_TRY(run_forward(block, &pass->trainer->work->lanes[lane]));
  memcpy((real *)pass->outputs + block->step.first_row * cols, block->outputs[d],
         block->step.rows * cols * sizeof(real));
  return FALIGN_OK;
}

/* Processes a block of a lane; `fresh` for the first one. */
typedef falign_status (*block_fn)(const fal_pass *pass, falign_trace *block, size_t lane, bool fresh);

/* Processes the blocks of a lane in order, until one fails. */
static void process_lane(const fal_pass *pass, size_t lane, uint32_t worker, bool target, block_fn each) {
  fal_work *work = pass->trainer->work;
  falign_status status = FALIGN_OK;
  fal_range blocks = fal_range_of(work->block_count, (fal_share){lane, work->lane_count});
  for (size_t i = 0; i < blocks.count && status == FALIGN_OK; i++) {
    fal_range rows = fal_range_of(pass->source.rows, (fal_share){blocks.first + i, work->block_count});
    status = each(pass, load_block(pass, worker, rows, target), lane, i == 0);
  }
  fal_outcome_set(&work->lanes[lane].outcome, status);
}

void REAL(fal_train_lane)(void *pass, size_t lane, uint32_t worker) {
  process_lane(pass, lane, worker, true, train_block);
}

void REAL(fal_evaluate_lane)(void *pass, size_t lane, uint32_t worker) {
  process_lane(pass, lane, worker, true, evaluate_block);
}

void REAL(fal_forward_lane)(void *pass, size_t lane, uint32_t worker) {
  process_lane(pass, lane, worker, false, forward_block);
}

enum { PIECE = 1024 }; /* numbers that stay in cache while all lanes are added */

FAL_LOOP void add_lanes_loop(const fal_sums *sums, size_t partials, fal_range range) {
  real *restrict whole = (real *)sums->whole + range.first;
  for (size_t at = 0; at < range.count; at += PIECE) {
    size_t end = at + fal_min(range.count - at, PIECE);
    for (size_t p = 0; p < partials; p++) {
      const real *restrict more = (const real *)sums->partial + p * sums->count + range.first;
      for (size_t i = at; i < end; i++) whole[i] += more[i];
    }
  }
}

FAL_VECTOR(void, add_lanes, (const fal_sums *sums, size_t partials, fal_range range),
           add_lanes_loop(sums, partials, range))

void REAL(fal_add_lanes)(const fal_sums *sums, size_t partials, fal_range range) {
  add_lanes[fal_vector_level()](sums, partials, range);
}
