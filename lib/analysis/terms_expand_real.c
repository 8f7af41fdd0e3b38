/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "learning/activation.h"
#include "base/real.h"
#include "analysis/terms_expand.h"

#define gemm REAL(falign_backend_gemm)

/* A group of orders, and the widths of its matrices. */
typedef struct {
  const fal_expansion *what;
  const fal_expand_room *room;
  const uint64_t *orders;
  size_t count;
  bool before;            /* there is a slot for the order before the first, which a remainder needs */
  bool chained;           /* W of each slot is that of the next plus its update: one product gives all of Z */
  size_t slots;           /* orders that have a Z */
  size_t in, here, above; /* n[l-1], n[l], n[l+1] */
} group;

static uint64_t iteration(const group *g) { return g->what->trace->iteration; }

/* Puts the matrix of step k at `at` (in x here) into a slot of `to` (in x slots here). */
static falign_status pack(const group *g, uint64_t k, size_t at, size_t slot, real *to, size_t slots) {
  size_t wide = slots * g->here;
  const real *kept = fal_history_view(g->what->history, k, at, g->in * g->here, g->room->matrix);
  if (!kept) return FALIGN_IO;
  fal_copy_matrix(to + slot * g->here, REAL_PRECISION, wide, kept, REAL_PRECISION, g->here, g->in, g->here);
  return FALIGN_OK;
}

/* W[l-1][k-order], with the biases b[l][k], into a slot. */
static falign_status pack_weights(const group *g, uint64_t order, size_t slot) {
  const falign_history *history = g->what->history;
  uint32_t l = g->what->l;
  FAL_TRY(pack(g, iteration(g) - order, fal_history_weights_at(history, l - 1), slot, g->room->w, g->slots));
  if (!history->network->biases) return FALIGN_OK;
  const real *b = fal_history_view(history, iteration(g), fal_history_bias_at(history, l), g->here, g->room->matrix);
  if (!b) return FALIGN_IO;
  memcpy((real *)g->room->bias + slot * g->here, b, g->here * sizeof *b);
  return FALIGN_OK;
}

/* Whether the weights of each slot but the last are those of the next and its update, bit for bit: not where a
 * normalization or anybody else has changed them in between, nor with disturbed updates. */
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
  if (g->before) FAL_TRY(pack_weights(g, g->orders[0] - 1, 0));
  for (size_t i = 0; i < g->count; i++) {
    FAL_TRY(pack_weights(g, g->orders[i], i + g->before));
    FAL_TRY(pack(g, iteration(g) - g->orders[i], g->what->update_at, i, g->room->update, g->count));
  }
  g->chained = is_chained(g);
  return FALIGN_OK;
}

/* Rows of the batch, and those of L[l-1] and delta that belong to them. */
typedef struct {
  size_t first, rows;
  const real *l, *delta;
  size_t l_stride;
} block;

static block block_at(const group *g, size_t first) {
  const falign_trace *trace = g->what->trace;
  uint32_t l = g->what->l;
  size_t left = trace->rows - first, stride = l == 1 ? trace->input_stride : g->in;
  return (block){.first = first,
                 .rows = left < FAL_EXPAND_BLOCK ? left : FAL_EXPAND_BLOCK,
                 .l = (const real *)trace->outputs[l - 1] + first * stride,
                 .delta = (const real *)g->what->delta + first * g->above,
                 .l_stride = stride};
}

/* L[l-1] times the first `cols` columns of matrices that stand side by side in `wide`. */
static falign_status times_all(const group *g, const block *rows, const real *matrices, size_t cols, size_t wide,
                               real *out) {
  return gemm(g->what->trace->backend, 0, 0, rows->rows, cols, g->in, 1, rows->l, rows->l_stride, matrices, wide, 0,
              out, wide);
}

/* The other slots from the first: zeta^(o+1) = zeta^o - L[l-1] dW[l-1][k-o-1]. */
static void chain(const group *g, const block *rows) {
  size_t wide = g->slots * g->here, length = g->count * g->here;
  for (size_t i = 0; i < rows->rows; i++) {
    real *z = (real *)g->room->z + i * wide;
    const real *step = (const real *)g->room->step + i * length + (g->before ? 0 : g->here);
    for (size_t s = 1; s < g->slots; s++, z += g->here, step += g->here) {
      for (size_t j = 0; j < g->here; j++) z[j + g->here] = z[j] - step[j];
    }
  }
}

/* zeta^o = L[l-1] W[l-1][k-o] + b[l] and f(zeta^o) of all slots. */
static falign_status states(const group *g, const block *rows) {
  const falign_network *network = g->what->history->network;
  const fal_expand_room *room = g->room;
  size_t wide = g->slots * g->here;
  FAL_TRY(times_all(g, rows, room->w, g->chained ? g->here : wide, wide, room->z));
  if (g->chained) chain(g, rows);
  if (REAL(fal_activate)(&network->activation[g->what->l], network->biases ? room->bias : NULL, room->z, room->y,
                         rows->rows, wide))
    return FALIGN_OK;
  return fal_fail(FALIGN_DIVERGED, "layer %u at iteration %llu is not finite with weights of an earlier one",
                  g->what->l, (unsigned long long)iteration(g));
}

/* sum_v f^(v)(zeta^o) / v! .* P.^v of all orders, in place of P = L[l-1] dW[l-1][k-o]. */
static void expand(const group *g, const block *rows) {
  const fal_expansion *what = g->what;
  const fal_activation *activation = &what->history->network->activation[what->l];
  size_t wide = g->slots * g->here, length = g->count * g->here;
  real *step = g->room->step;
  for (size_t i = 0; i < rows->rows; i++, step += length) {
    size_t at = i * wide + g->before * g->here;
    REAL(fal_taylor)
    (activation, what->first_degree, what->last_degree, step, (const real *)g->room->z + at,
     (const real *)g->room->y + at, step, length);
  }
}

/* out = eta delta^T A, n[l+1] x cols, added to what is there but for the first block; A has the rows of the block. It
 * is the transpose of a term, or of several side by side. */
static falign_status project(const group *g, const block *rows, const real *a, size_t cols, real *out) {
  return gemm(g->what->trace->backend, 1, 0, g->above, cols, rows->rows, (real)g->what->trace->eta, rows->delta,
              g->above, a, cols, rows->first == 0 ? 0 : 1, out, cols);
}

/* The steps of all orders of the group, added up. */
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

/* What the steps leave of the differences: sum_o f(zeta^(o-1)) - f(zeta^o) - step^o. */
static const real *add_rests(const group *g, const block *rows) {
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

static falign_status do_block(const group *g, const block *rows) {
  const fal_expansion *what = g->what;
  size_t length = g->count * g->here;
  FAL_TRY(times_all(g, rows, g->room->update, length, length, g->room->step));
  FAL_TRY(states(g, rows));
  expand(g, rows);
  if (what->single) {
    FAL_TRY(project(g, rows, g->room->step, length, g->room->t));
  } else if (what->sum) {
    FAL_TRY(project(g, rows, add_steps(g, rows), g->here, g->room->t));
  }
  return what->remainder ? project(g, rows, add_rests(g, rows), g->here, g->room->matrix) : FALIGN_OK;
}

/* Adds the transpose of the matrix n[l+1] x n[l] that begins at column `at` of `from`, of `cols` columns. */
static void add_transposed(const group *g, const real *from, size_t at, size_t cols, double *to) {
  for (size_t j = 0; j < g->above; j++) {
    for (size_t i = 0; i < g->here; i++) to[i * g->above + j] += (double)from[j * cols + at + i];
  }
}

static void deliver(const group *g, double *single, double *sum, double *remainder) {
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

static falign_status do_group(const fal_wave *wave, size_t task, const fal_expand_room *room) {
  const fal_expansion *what = wave->what;
  size_t first = (wave->first + task) * FAL_GROUP, left = what->count - first;
  group g = group_of(what, room, what->orders + first, left < FAL_GROUP ? left : FAL_GROUP);
  size_t numbers = g.here * g.above;
  FAL_TRY(pack_group(&g));
  for (size_t row = 0; row < what->trace->rows; row += FAL_EXPAND_BLOCK) {
    block rows = block_at(&g, row);
    FAL_TRY(do_block(&g, &rows));
  }
  deliver(&g, what->single ? what->single + first * numbers : NULL, wave->sums ? wave->sums + task * numbers : NULL,
          wave->remainders ? wave->remainders + task * numbers : NULL);
  return FALIGN_OK;
}

void REAL(fal_expand_group)(void *arg, size_t task, uint32_t worker) {
  fal_wave *wave = arg;
  fal_outcome_keep(&wave->outcomes[task], do_group(wave, task, &wave->rooms[worker]));
}

falign_status REAL(fal_expand_zero)(const fal_expansion *what, uint64_t order, fal_expand_room *room, double *t) {
  group g = group_of(what, room, &order, 1);
  g.before = false;
  g.slots = 1;
  FAL_TRY(pack_weights(&g, order, 0));
  for (size_t row = 0; row < what->trace->rows; row += FAL_EXPAND_BLOCK) {
    block rows = block_at(&g, row);
    FAL_TRY(states(&g, &rows));
    FAL_TRY(project(&g, &rows, room->y, g.here, room->t));
  }
  memset(t, 0, g.here * g.above * sizeof *t);
  add_transposed(&g, room->t, 0, g.here, t);
  return FALIGN_OK;
}
