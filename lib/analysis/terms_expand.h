/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_TERMS_EXPAND_H
#define FAL_TERMS_EXPAND_H

#include "base/pool.h"
#include "learning/history.h"

/* The expansion of f(L[l-1][k] W[l-1][k] + b[l][k])^T delta in the updates of past steps, for many orders at once.
 *
 * Since eta L[l-1][k-o]^T delta[l][k-o] is dW[l-1][k-o], no product of size nb x nb is needed. The term of order o is
 *   T = eta { f'(Z) .* P }^T delta   with   Z = L[l-1] W[l-1][k-o] + b[l],   P = L[l-1] dW[l-1][k-o].
 * The W, and the dW, of a group of orders are adjacent in one matrix. If W[l-1][k-o+1] is W[l-1][k-o] + dW[l-1][k-o],
 * as without normalization, the first Z of a group gives the others by subtracting P. Threads share the groups; their
 * sums are added in order. dW is what was applied to the weights. */

enum {
  FAL_GROUP = 8,        /* orders of a group; this and the next fix the order of summation */
  FAL_EXPAND_BLOCK = 48 /* rows of a block */
};

/* What to expand. */
typedef struct {
  const falign_history *history;
  const falign_trace *trace; /* of step k, with activity */
  uint32_t l;
  size_t update_at;  /* where an entry has dW[l-1], or disturbed updates */
  const void *delta; /* nb x n[l+1], contiguous */
  uint32_t first_degree, last_degree;
  const uint64_t *orders; /* for a remainder 1, 2, 3, ... */
  size_t count;
  double *single;    /* (count n[l]) x n[l+1]; NULL: not wanted, also below */
  double *sum;       /* n[l] x n[l+1] */
  double *remainder; /* n[l] x n[l+1] */
} fal_expansion;

/* A thread's matrices, in one array. */
typedef struct {
  void *storage;
  size_t capacity;    /* numbers */
  void *w, *update;   /* n[l-1] x slots n[l] */
  void *bias;         /* slots n[l] */
  void *z, *y, *step; /* block x slots n[l]; `step` is P, then f' .* P */
  void *together;     /* block x n[l]: the sum over the group */
  void *rest;         /* block x n[l]: of the remainder */
  void *t;            /* slots n[l] x n[l+1] */
  void *matrix;       /* a matrix of the history, or the transpose of the remainder */
} fal_expand_room;

/* Groups that are computed at the same time, and their results. */
enum { FAL_WAVE = 64 };
typedef struct {
  const fal_expansion *what;
  fal_expand_room *rooms;    /* one for each worker */
  size_t first;              /* group of task 0 */
  size_t numbers;            /* of W[l] */
  double *sums, *remainders; /* one for each task; NULL: not wanted */
  fal_outcome outcomes[FAL_WAVE];
} fal_wave;

/* Threads and their rooms. */
typedef struct {
  fal_pool *pool;
  uint32_t threads;
  fal_expand_room *rooms;
  fal_wave wave;
} fal_expander;

falign_status fal_expander_create(fal_expander **out);
void fal_expander_destroy(fal_expander *expander);
falign_status fal_expander_set_threads(fal_expander *expander, uint32_t threads);

/* Writes the matrices that are wanted, in double precision; if it fails, they are undefined. */
falign_status fal_expand(fal_expander *expander, const fal_expansion *what);
/* Computes eta f(L[l-1] W[l-1][k-order] + b[l])^T delta, with l, trace and delta from `what`. */
falign_status fal_expand_zero(fal_expander *expander, const fal_expansion *what, uint64_t order, double *t);

/* terms_expand_real.c, one for each precision: a task of the pool, with a fal_wave; and the zero-degree term. */
void fal_expand_group_f32(void *wave, size_t task, uint32_t worker);
void fal_expand_group_f64(void *wave, size_t task, uint32_t worker);
falign_status fal_expand_zero_f32(const fal_expansion *what, uint64_t order, fal_expand_room *room, double *t);
falign_status fal_expand_zero_f64(const fal_expansion *what, uint64_t order, fal_expand_room *room, double *t);

#endif
