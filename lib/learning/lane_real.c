/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "learning/activation.h"
#include "base/bits.h"
#include "base/real.h"
#include "base/vector.h"
#include "learning/trainer.h"

#define gemm REAL(falign_backend_gemm)

/* Aims the worker's view at `count` rows from `first` on and loads L[0] and, with `target`, Y*. */
static falign_trace *load(const fal_pass *pass, uint32_t number, size_t first, size_t count, bool target) {
  fal_worker *worker = &pass->trainer->work->workers[number];
  falign_trace *block = &worker->block;
  const fal_rows_in *in = &pass->in;
  size_t inputs = block->network->widths[0], outputs = block->network->widths[block->network->layers];
  if (pass->keep) {
    fal_trace_aim(block, &pass->trainer->work->whole, first, count);
  } else {
    fal_trace_aim(block, &worker->scratch, 0, count);
  }
  block->first_row = first;
  void *own_target = (void *)block->target;
  if (in->batches) {
    fal_batches_gather(in->batches, in->k, first, count, REAL_PRECISION, block->outputs[0], target ? own_target : NULL);
    return block;
  }
  const real *x = (const real *)in->x + first * in->x_stride;
  const real *y = target ? (const real *)in->y + first * in->y_stride : NULL;
  if (pass->keep) {
    fal_copy_matrix(block->outputs[0], REAL_PRECISION, inputs, x, REAL_PRECISION, in->x_stride, count, inputs);
    if (y) fal_copy_matrix(own_target, REAL_PRECISION, outputs, y, REAL_PRECISION, in->y_stride, count, outputs);
    return block;
  }
  block->outputs[0] = (void *)x;
  block->input_stride = in->x_stride;
  block->target = y;
  block->target_stride = in->y_stride;
  return block;
}

/* Z[l] = L[l-1] W[l-1] + b[l], L[l] = f(Z[l]). */
static falign_status forward(const falign_trace *block, fal_lane *lane) {
  const falign_network *network = block->network;
  const size_t *n = network->widths;
  for (uint32_t l = 1; l <= network->layers; l++) {
    FAL_TRY(gemm(block->backend, 0, 0, block->rows, n[l], n[l - 1], 1, block->outputs[l - 1],
                 l == 1 ? block->input_stride : n[l - 1], fal_weights(network, l - 1), n[l], 0, block->states[l],
                 n[l]));
    const real *b = network->biases ? fal_bias(network, l) : NULL;
    if (!REAL(fal_activate)(&network->activation[l], b, block->states[l], block->outputs[l], block->rows, n[l])) {
      lane->bad_layer = l;
      return FALIGN_DIVERGED;
    }
  }
  return FALIGN_OK;
}

enum { SUMS = 8 }; /* side by side, so that an addition need not wait for the one before */

/* e = y* - y of a row; adds the squares to `sums`. */
FAL_LOOP void subtract_loop(const real *restrict target, const real *restrict output, real *restrict error, size_t cols,
                            double sums[SUMS]) {
  size_t j = 0;
  for (; j + SUMS <= cols; j += SUMS) {
    for (size_t k = 0; k < SUMS; k++) {
      real e = target[j + k] - output[j + k];
      error[j + k] = e;
      sums[k] += (double)e * (double)e;
    }
  }
  for (size_t k = 0; j < cols; j++, k++) {
    real e = target[j] - output[j];
    error[j] = e;
    sums[k] += (double)e * (double)e;
  }
}

FAL_VECTOR(void, subtract, (const real *target, const real *output, real *error, size_t cols, double sums[SUMS]),
           subtract_loop(target, output, error, cols, sums))

/* E = Y* - Y; returns the loss, 1/2 sum E^2. */
static double squared_error(const falign_trace *block, real *error) {
  uint32_t d = block->network->layers;
  size_t cols = block->network->widths[d];
  const real *target = block->target, *output = block->outputs[d];
  double sums[SUMS] = {0}, sum = 0;
  int level = fal_vector_level();
  for (size_t i = 0; i < block->rows; i++, target += block->target_stride, output += cols, error += cols)
    subtract[level](target, output, error, cols, sums);
  for (size_t k = 0; k < SUMS; k++) sum += sums[k];
  return sum / 2;
}

static void times_derivative(const falign_trace *block, uint32_t l, real *delta) {
  REAL(fal_times_derivative)
  (&block->network->activation[l], delta, block->states[l], block->outputs[l], delta,
   block->rows * block->network->widths[l]);
}

/* delta[d] = E .* f'(Z[d]) (eqs. 18, 20), or as imposed. */
static void output_delta(const fal_pass *pass, falign_trace *block, fal_lane *lane) {
  uint32_t d = block->network->layers;
  size_t cols = block->network->widths[d];
  if (pass->imposed) {
    fal_copy_matrix(block->deltas[d], REAL_PRECISION, cols, block->target, REAL_PRECISION, block->target_stride,
                    block->rows, cols);
    block->target = NULL; /* a rule finds none */
    return;
  }
  lane->loss += squared_error(block, block->deltas[d]);
  times_derivative(block, d, block->deltas[d]);
}

/* delta[l] = the rule's signal .* f'(Z[l]), from the last hidden layer down. */
static falign_status hidden_deltas(const falign_rule *rule, falign_trace *block) {
  for (uint32_t l = block->network->layers - 1; l >= 1; l--) {
    block->lowest_delta = l + 1;
    FAL_TRY(REAL(fal_rule_signal)(rule, block->network, block, l, block->deltas[l]));
    times_derivative(block, l, block->deltas[l]);
  }
  block->lowest_delta = 1;
  return FALIGN_OK;
}

/* What BP would send (eq. 19), from the same forward pass. */
static falign_status bp_deltas(const falign_trace *block) {
  const falign_network *network = block->network;
  uint32_t d = network->layers;
  memcpy(block->bp_deltas[d], block->deltas[d], block->rows * network->widths[d] * sizeof(real));
  falign_trace bp = *block; /* in which the deltas are BP's */
  bp.deltas = block->bp_deltas;
  for (uint32_t l = d - 1; l >= 1; l--) {
    FAL_TRY(REAL(fal_signal_bp)(NULL, NULL, network, &bp, l, bp.deltas[l]));
    times_derivative(&bp, l, bp.deltas[l]);
  }
  return FALIGN_OK;
}

FAL_LOOP void sum_columns_loop(const real *restrict delta, size_t rows, size_t cols, real eta, real *restrict db) {
  for (size_t i = 0; i < rows; i++, delta += cols) {
    for (size_t j = 0; j < cols; j++) db[j] += eta * delta[j];
  }
}

FAL_VECTOR(void, add_columns, (const real *delta, size_t rows, size_t cols, real eta, real *db),
           sum_columns_loop(delta, rows, cols, eta, db))

static void sum_columns(const real *delta, size_t rows, size_t cols, real eta, bool fresh, real *db) {
  if (fresh) memset(db, 0, cols * sizeof *db);
  add_columns[fal_vector_level()](delta, rows, cols, eta, db);
}

/* dW[l] = eta L[l]^T delta[l+1] (eqs. 1, 22), db[l] = eta 1^T delta[l] (eq. 23), added to what is there unless
 * `fresh`. */
static falign_status add_updates(const falign_trace *block, void *const *deltas, bool fresh, real *update) {
  const falign_network *network = block->network;
  const size_t *n = network->widths;
  real eta = (real)block->eta;
  for (uint32_t l = 0; l < network->layers; l++) {
    FAL_TRY(gemm(block->backend, 1, 0, n[l], n[l + 1], block->rows, eta, block->outputs[l],
                 l == 0 ? block->input_stride : n[l], deltas[l + 1], n[l + 1], fresh ? 0 : 1, update + network->w_at[l],
                 n[l + 1]));
    if (network->biases) sum_columns(deltas[l + 1], block->rows, n[l + 1], eta, fresh, update + network->b_at[l + 1]);
  }
  return FALIGN_OK;
}

/* L[l-1]^T delta[above] for l = 1..d-1, added to what is there unless `fresh`; above[l] is l + 1, or d for `direct`. */
static falign_status add_correlations(const falign_trace *block, const falign_history *history, bool direct, bool fresh,
                                      real *sums) {
  const size_t *n = block->network->widths, *at = direct ? history->direct_at : history->c_at;
  uint32_t d = block->network->layers;
  for (uint32_t l = 1; l < d; l++) {
    uint32_t above = direct ? d : l + 1;
    FAL_TRY(gemm(block->backend, 1, 0, n[l - 1], n[above], block->rows, 1, block->outputs[l - 1],
                 l == 1 ? block->input_stride : n[l - 1], block->deltas[above], n[above], fresh ? 0 : 1, sums + at[l],
                 n[above]));
  }
  return FALIGN_OK;
}

static falign_status correlate_block(const falign_trace *block, const falign_history *history, bool fresh, real *sums) {
  if (history->keeps & FALIGN_KEEP_C) FAL_TRY(add_correlations(block, history, false, fresh, sums));
  if (history->keeps & FALIGN_KEEP_DIRECT) FAL_TRY(add_correlations(block, history, true, fresh, sums));
  return FALIGN_OK;
}

/* The sum that a lane adds to. */
static real *lane_sum(const fal_sums *sums, size_t lane) {
  return lane == 0 ? sums->whole : (real *)sums->partial + (lane - 1) * sums->count;
}

static falign_status train_block(const fal_pass *pass, falign_trace *block, size_t lane, bool fresh) {
  const falign_trainer *trainer = pass->trainer;
  fal_work *work = trainer->work;
  FAL_TRY(forward(block, &work->lanes[lane]));
  output_delta(pass, block, &work->lanes[lane]);
  FAL_TRY(hidden_deltas(trainer->rule, block));
  FAL_TRY(add_updates(block, block->deltas, fresh, lane_sum(&work->sums, lane)));
  if (pass->correlate)
    FAL_TRY(correlate_block(block, trainer->history, fresh, lane_sum(&work->correlation_sums, lane)));
  if (!pass->bp) return FALIGN_OK;
  FAL_TRY(bp_deltas(block));
  return add_updates(block, block->bp_deltas, fresh, lane_sum(&work->bp_sums, lane));
}

static falign_status count_wrong(const fal_pass *pass, const falign_trace *block, uint64_t *wrong) {
  const falign_code *code = falign_batches_code(pass->in.batches);
  uint32_t d = block->network->layers, decoded[FAL_LARGE_BLOCK];
  size_t cols = block->network->widths[d];
  if (!code) return FALIGN_OK;
  FAL_TRY(REAL(falign_code_decode)(code, block->outputs[d], block->rows, cols, cols, decoded));
  for (size_t i = 0; i < block->rows; i++)
    *wrong += decoded[i] != fal_batches_label(pass->in.batches, pass->in.k, block->first_row + i);
  return FALIGN_OK;
}

static falign_status evaluate_block(const fal_pass *pass, falign_trace *block, size_t lane, bool fresh) {
  fal_lane *result = &pass->trainer->work->lanes[lane];
  (void)fresh;
  FAL_TRY(forward(block, result));
  result->loss += squared_error(block, block->deltas[block->network->layers]); /* which evaluation has no need of */
  return count_wrong(pass, block, &result->wrong);
}

static falign_status forward_block(const fal_pass *pass, falign_trace *block, size_t lane, bool fresh) {
  uint32_t d = block->network->layers;
  size_t cols = block->network->widths[d];
  (void)fresh;
  FAL_TRY(forward(block, &pass->trainer->work->lanes[lane]));
  memcpy((real *)pass->outputs + block->first_row * cols, block->outputs[d], block->rows * cols * sizeof(real));
  return FALIGN_OK;
}

/* Does something with a block of a lane, the first of them being `fresh`. */
typedef falign_status (*block_fn)(const fal_pass *pass, falign_trace *block, size_t lane, bool fresh);

/* Takes the blocks of a lane one after the other, until one fails. */
static void do_lane(const fal_pass *pass, size_t lane, uint32_t worker, bool target, block_fn each) {
  const fal_work *work = pass->trainer->work;
  falign_status status = FALIGN_OK;
  size_t first_block, blocks, first, rows;
  fal_part(work->block_count, work->lane_count, lane, &first_block, &blocks);
  for (size_t i = 0; i < blocks && status == FALIGN_OK; i++) {
    fal_part(pass->in.rows, work->block_count, first_block + i, &first, &rows);
    status = each(pass, load(pass, worker, first, rows, target), lane, i == 0);
  }
  fal_outcome_keep(&pass->trainer->work->lanes[lane].outcome, status);
}

void REAL(fal_train_lane)(void *pass, size_t lane, uint32_t worker) { do_lane(pass, lane, worker, true, train_block); }

void REAL(fal_evaluate_lane)(void *pass, size_t lane, uint32_t worker) {
  do_lane(pass, lane, worker, true, evaluate_block);
}

void REAL(fal_forward_lane)(void *pass, size_t lane, uint32_t worker) {
  do_lane(pass, lane, worker, false, forward_block);
}

enum { PIECE = 1024 }; /* numbers that stay in cache while all lanes are added */

FAL_LOOP void add_lanes_loop(real *restrict whole, const real *restrict partial, size_t partials, size_t stride,
                             size_t count) {
  for (size_t at = 0; at < count; at += PIECE) {
    size_t end = count - at < PIECE ? count : at + PIECE;
    for (size_t p = 0; p < partials; p++) {
      const real *more = partial + p * stride;
      for (size_t i = at; i < end; i++) whole[i] += more[i];
    }
  }
}

FAL_VECTOR(void, add_lanes, (real * whole, const real *partial, size_t partials, size_t stride, size_t count),
           add_lanes_loop(whole, partial, partials, stride, count))

void REAL(fal_add_lanes)(real *whole, const real *partial, size_t partials, size_t stride, size_t count) {
  add_lanes[fal_vector_level()](whole, partial, partials, stride, count);
}

FAL_LOOP bool next_is_finite_loop(const real *w, const real *update, size_t count) {
  real_bits bad = 0;
  for (size_t i = 0; i < count; i++) bad |= not_finite(w[i] + update[i]);
  return all_were_finite(bad);
}

FAL_VECTOR(bool, next_is_finite, (const real *w, const real *update, size_t count),
           return next_is_finite_loop(w, update, count))

bool REAL(fal_next_is_finite)(const real *w, const real *update, size_t count) {
  return next_is_finite[fal_vector_level()](w, update, count);
}

FAL_LOOP void apply_loop(real *restrict w, const real *restrict update, size_t count) {
  for (size_t i = 0; i < count; i++) w[i] += update[i];
}

FAL_VECTOR(void, apply, (real * w, const real *update, size_t count), apply_loop(w, update, count))

void REAL(fal_apply)(real *w, const real *update, size_t count) { apply[fal_vector_level()](w, update, count); }
