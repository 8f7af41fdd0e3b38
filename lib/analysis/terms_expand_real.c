/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "analysis/terms_expand.h"
#include "base/real.h"
#include "base/size.h"
#include "learning/activation.h"
#include "math/backend.h"

#define gemm REAL(fal_gemm)

/* A group of orders, and the widths of its matrices. */
typedef struct {
  const fal_expansion *what;
  const fal_expand_room *room;
  const uint64_t *orders;
  size_t count;
  bool before;            /* the first slot is for the order before the first, which a remainder needs */
  bool chained;           /* W of each slot is that of the next plus its update; see is_chained() */
  size_t slots;           /* orders with a Z */
  size_t in, here, above; /* n[l-1], n[l], n[l+1] */
} group;

static uint64_t iteration(const group *g) { return g->what->trace->step.iteration; }

/* A slot of a matrix that consists of `slots` adjacent matrices of n[l-1] x n[l]. */
typedef struct {
  real *matrix;
  size_t slots, slot;
} slot_place;

/* Copies the matrix at `at` in the entry of step k to a slot. */
static falign_status pack_matrix(const group *g, uint64_t k, const slot_place *to, size_t at) {
  const real *kept = fal_history_view(g->what->history, k, at, g->in * g->here, g->room->matrix);
  if (!kept) return FALIGN_IO;
  const falign_view from = fal_view_plain(kept, REAL_PRECISION, g->in, g->here);
  const falign_matrix slot = {to->matrix + to->slot * g->here,  g->in, g->here,
                              (ptrdiff_t)(to->slots * g->here), 1,     REAL_PRECISION};
  fal_copy(&slot, &from);
  return FALIGN_OK;
}

/* Copies W[l-1][k-order], and the biases b[l][k], to a slot. */
static falign_status pack_weights(const group *g, uint64_t order, const slot_place *to) {
  const falign_history *history = g->what->history;
  uint32_t l = g->what->l;
  FAL_TRY(pack_matrix(g, iteration(g) - order, to, fal_history_weights_at(history, l - 1)));
  if (!history->network->biases) return FALIGN_OK;
  const real *b = fal_history_view(history, iteration(g), fal_history_bias_at(history, l), g->here, g->room->matrix);
  if (!b) return FALIGN_IO;
  memcpy((real *)g->room->bias + to->slot * g->here, b, g->here * sizeof *b);
  return FALIGN_OK;
}

static falign_status pack_update(const group *g, size_t i) {
  const slot_place to = {g->room->update, g->count, i};
  return pack_matrix(g, iteration(g) - g->orders[i], &to, g->what->update_at);
}

/* Whether the weights of each slot but the last are the next slot's plus its update, bit for bit. They are not after a
 * normalization, after changes by the program, or with disturbed updates. */
static bool is_chained(const group *g) {
  const real *w = g->room->w, *update = g->room->update;
  for (size_t o = 1; o < g->count; o++) {
    if (g->orders[o] != g->orders[o - 1] + 1) return false;
  }
  for (size_t i = 0; i < g->in; i++, w += g->slots * g->here, update += g->count * g->here) {
    const real *of_next = update + (g->before ? 0 : g->here);
    for (size_t j = 0; j < (g->slots - 1) * g->here; j++) {
      real sum = w[j + g->here] + of_next[j];
      /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c): bit for bit */
      if (memcmp(&sum, &w[j], sizeof sum) != 0) return false;
    }
  }
  return true;
}

static falign_status pack_group(group *g) {
  slot_place w = {g->room->w, g->slots, 0};
  if (g->before) FAL_TRY(pack_weights(g, g->orders[0] - 1, &w));
  for (size_t i = 0; i < g->count; i++) {
    w.slot = i + g->before;
    FAL_TRY(pack_weights(g, g->orders[i], &w));
    FAL_TRY(pack_update(g, i));
  }
  g->chained = is_chained(g);
  return FALIGN_OK;
}

/* A block of the batch, with its rows of L[l-1] and delta. */
typedef struct {
  size_t first, rows;
  const real *l, *delta;
  size_t l_stride;
} block;

static block block_at(const group *g, size_t first) {
  const falign_trace *trace = g->what->trace;
  uint32_t l = g->what->l;
  size_t stride = fal_output_stride(trace, l - 1);
  return (block){.first = first,
                 .rows = fal_min(trace->step.rows - first, FAL_EXPAND_BLOCK),
                 .l = (const real *)trace->outputs[l - 1] + first * stride,
                 .delta = (const real *)g->what->delta + first * g->above,
                 .l_stride = stride};
}

/* Multiplies L[l-1] by the first `cols` of `wide` columns. */
static falign_status multiply_outputs(const group *g, const block *rows, const real *matrices, size_t cols, size_t wide,
                                      real *out) {
  return gemm(g->what->trace->step.backend, 0, 0, rows->rows, cols, g->in, 1, rows->l, rows->l_stride, matrices, wide,
              0, out, wide);
}

/* Computes the other slots from the first: zeta^(o+1) = zeta^o - L[l-1] dW[l-1][k-o-1]. */
static void chain_states(const group *g, const block *rows) {
  size_t wide = g->slots * g->here, length = g->count * g->here;
  for (size_t i = 0; i < rows->rows; i++) {
    real *z = (real *)g->room->z + i * wide;
    const real *step = (const real *)g->room->step + i * length + (g->before ? 0 : g->here);
    for (size_t s = 1; s < g->slots; s++, z += g->here, step += g->here) {
      for (size_t j = 0; j < g->here; j++) z[j + g->here] = z[j] - step[j];
    }
  }
}

/* Computes zeta^o = L[l-1] W[l-1][k-o] + b[l] and f(zeta^o) of all slots. */
static falign_status compute_states(const group *g, const block *rows) {
  const falign_network *network = g->what->history->network;
  const fal_expand_room *room = g->room;
  size_t wide = g->slots * g->here;
  FAL_TRY(multiply_outputs(g, rows, room->w, g->chained ? g->here : wide, wide, room->z));
  if (g->chained) chain_states(g, rows);
  if (REAL(fal_activate)(network->activation[g->what->l], network->biases ? room->bias : NULL, room->z, room->y,
                         rows->rows, wide))
    return FALIGN_OK;
  return fal_fail(FALIGN_DIVERGED, "layer %u at iteration %llu is not finite with the weights of an earlier iteration",
                  g->what->l, (unsigned long long)iteration(g));
}

/* Computes sum_v f^(v)(zeta^o) / v! .* P.^v of all orders, in place of P = L[l-1] dW[l-1][k-o]. */
static void expand_steps(const group *g, const block *rows) {
  const fal_expansion *what = g->what;
  const fal_series series = {what->history->network->activation[what->l], what->first_degree, what->last_degree};
  size_t wide = g->slots * g->here, length = g->count * g->here;
  real *step = g->room->step;
  for (size_t i = 0; i < rows->rows; i++, step += length) {
    size_t at = i * wide + g->before * g->here;
    REAL(fal_taylor)
    (&series, step, (const real *)g->room->z + at, (const real *)g->room->y + at, step, length);
  }
}

/* out = eta delta^T A, n[l+1] x cols, added to `out` except for the first block; A has the rows of the block. This is
 * the transpose of a term, or of adjacent ones. */
static falign_status add_projection(const group *g, const block *rows, const real *a, size_t cols, real *out) {
  return gemm(g->what->trace->step.backend, 1, 0, g->above, cols, rows->rows, (real)g->what->trace->step.eta,
              rows->delta, g->above, a, cols, rows->first == 0 ? 0 : 1, out, cols);
}

/* Adds up the steps of the group's orders. */
static const real *add_steps(const group *g, const block *rows) {
  const real *step = g->room->step;
  real *together = g->room->together;
  for (size_t i = 0; i < rows->rows; i++) {
    real *sum = together + i * g->here;
    memcpy(sum, step, g->here * sizeof *sum);
    step += g->here;
    for (size_t o = 1; o < g->count; o++, step += g->here) {
      for (size_t j = 0; j < g->here; j++) sum[j] += step[j];
    }
  }
  return together;
}

/* Computes the remainder of the differences: sum_o f(zeta^(o-1)) - f(zeta^o) - step^o. */
static const real *add_remainders(const group *g, const block *rows) {
  const real *step = g->room->step;
  real *rest = g->room->rest;
  for (size_t i = 0; i < rows->rows; i++) {
    const real *y = (const real *)g->room->y + i * g->slots * g->here;
    real *sum = rest + i * g->here;
    memset(sum, 0, g->here * sizeof *sum);
    for (size_t o = 0; o < g->count; o++, y += g->here, step += g->here) {
      for (size_t j = 0; j < g->here; j++) sum[j] += y[j] - y[j + g->here] - step[j];
    }
  }
  return rest;
}

static falign_status expand_block(const group *g, const block *rows) {
  const fal_expansion *what = g->what;
  size_t length = g->count * g->here;
  FAL_TRY(multiply_outputs(g, rows, g->room->update, length, length, g->room->step));
  FAL_TRY(compute_states(g, rows));
  expand_steps(g, rows);
  if (what->single) {
    FAL_TRY(add_projection(g, rows, g->room->step, length, g->room->t));
  } else if (what->sum) {
    FAL_TRY(add_projection(g, rows, add_steps(g, rows), g->here, g->room->t));
  }
  return what->remainder ? add_projection(g, rows, add_remainders(g, rows), g->here, g->room->matrix) : FALIGN_OK;
}

/* Adds the transpose of the n[l+1] x n[l] matrix that begins at column `at` of `from`, which has `cols` columns. */
static void add_transposed(const group *g, const real *from, size_t at, size_t cols, double *to) {
  for (size_t j = 0; j < g->above; j++) {
    for (size_t i = 0; i < g->here; i++) to[i * g->above + j] += (double)from[j * cols + at + i];
  }
}

static void deliver_group(const group *g, double *single, double *sum, double *remainder) {
  size_t numbers = g->here * g->above, terms = g->what->single ? g->count : 1, cols = terms * g->here;
  if (single) memset(single, 0, g->count * numbers * sizeof *single);
  if (sum) memset(sum, 0, numbers * sizeof *sum);
  for (size_t o = 0; o < terms; o++) {
    if (single) add_transposed(g, g->room->t, o * g->here, cols, single + o * numbers);
    if (sum) add_transposed(g, g->room->t, o * g->here, cols, sum);
  }
  if (!remainder) return;
  memset(remainder, 0, numbers * sizeof *remainder);
  add_transposed(g, g->room->matrix, 0, g->here, remainder);
}

static group group_of(const fal_expansion *what, const fal_expand_room *room, const uint64_t *orders, size_t count) {
  const size_t *n = &what->history->network->widths[what->l];
  bool before = what->remainder != NULL;
  return (group){.what = what,
                 .room = room,
                 .orders = orders,
                 .count = count,
                 .before = before,
                 .slots = count + before,
                 .in = n[-1],
                 .here = n[0],
                 .above = n[1]};
}

static falign_status expand_group(const fal_wave *wave, size_t task, const fal_expand_room *room) {
  const fal_expansion *what = wave->what;
  size_t first = (wave->first + task) * FAL_GROUP, left = what->count - first;
  group g = group_of(what, room, what->orders + first, fal_min(left, FAL_GROUP));
  size_t numbers = g.here * g.above;
  FAL_TRY(pack_group(&g));
  for (size_t row = 0; row < what->trace->step.rows; row += FAL_EXPAND_BLOCK) {
    block rows = block_at(&g, row);
    FAL_TRY(expand_block(&g, &rows));
  }
  deliver_group(&g, what->single ? what->single + first * numbers : NULL,
                wave->sums ? wave->sums + task * numbers : NULL,
                wave->remainders ? wave->remainders + task * numbers : NULL);
  return FALIGN_OK;
}

void REAL(fal_expand_group)(void *arg, size_t task, uint32_t worker) {
  fal_wave *wave = arg;
  fal_outcome_set(&wave->outcomes[task], expand_group(wave, task, &wave->rooms[worker]));
}

falign_status REAL(fal_expand_zero)(const fal_expansion *what, uint64_t order, fal_expand_room *room, double *t) {
  group g = group_of(what, room, &order, 1);
  g.before = false;
  g.slots = 1;
  const slot_place only = {room->w, 1, 0};
  FAL_TRY(pack_weights(&g, order, &only));
  for (size_t row = 0; row < what->trace->step.rows; row += FAL_EXPAND_BLOCK) {
    block rows = block_at(&g, row);
    FAL_TRY(compute_states(&g, &rows));
    FAL_TRY(add_projection(&g, &rows, room->y, g.here, room->t));
  }
  memset(t, 0, g.here * g.above * sizeof *t);
  add_transposed(&g, room->t, 0, g.here, t);
  return FALIGN_OK;
}
