/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_EXPAND_H
#define FAL_EXPAND_H

#include "learning/history.h"
#include "base/pool.h"

/* The expansion of f(L[l-1][k] W[l-1][k] + b[l][k])^T delta in the updates of past steps, for many orders at once.
 *
 * Since eta L[l-1][k-o]^T delta[l][k-o] is dW[l-1][k-o], no product of the size nb x nb is needed: of order o there are
 *   Z = L[l-1] W[l-1][k-o] + b[l]   P = L[l-1] dW[l-1][k-o]   T = eta { f'(Z) .* P }^T delta,
 * and the W, and the dW, of a group of orders stand side by side in one matrix. Where W[l-1][k-o+1] is
 * W[l-1][k-o] + dW[l-1][k-o], as without normalization, the first Z of a group gives the others by subtracting P.
 * Groups are shared out among threads; their sums are added in order. */

enum {
  FAL_GROUP = 8,        /* orders of a group: part of what fixes the order of summation, as are */
  FAL_EXPAND_BLOCK = 48 /* the rows that go through all of it while they are in cache */
};

/* What is expanded. */
typedef struct {
  const falign_history *history;
  const falign_trace *trace; /* of step k, with activity */
  uint32_t l;
  size_t update_at;  /* place in an entry of what stands for dW[l-1] */
  const void *delta; /* nb x n[l+1], contiguous */
  uint32_t first_degree, last_degree;
  const uint64_t *orders; /* for a remainder 1, 2, 3, ... */
  size_t count;
  double *single;    /* count x n[l] x n[l+1]; NULL: not wanted, as below */
  double *sum;       /* n[l] x n[l+1] */
  double *remainder; /* n[l] x n[l+1] */
} fal_expansion;

/* What a thread works with: matrices that lie in one array. */
typedef struct {
  void *storage;
  size_t capacity;    /* numbers */
  void *w, *update;   /* n[l-1] x slots n[l] */
  void *bias;         /* slots n[l] */
  void *z, *y, *step; /* block x slots n[l]; `step` is P, then f' .* P */
  void *together;     /* block x n[l]: of all orders of the group */
  void *rest;         /* block x n[l]: of the remainder */
  void *t;            /* slots n[l] x n[l+1] */
  void *matrix;       /* a matrix of the history, or what is left of the remainder, n[l] x n[l+1] */
} fal_expand_room;

/* Groups that are done at once, and what comes of them. */
enum { FAL_WAVE = 64 };
typedef struct {
  const fal_expansion *what;
  fal_expand_room *rooms;    /* one a worker */
  size_t first;              /* group of task 0 */
  double *sums, *remainders; /* one a task; NULL: not wanted */
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

/* Writes the matrices that are wanted, in double precision; on failure they hold anything. */
falign_status fal_expand(fal_expander *expander, const fal_expansion *what);
/* eta f(L[l-1] W[l-1][k-order] + b[l])^T delta, for the same l, trace and delta. */
falign_status fal_expand_zero(fal_expander *expander, const fal_expansion *what, uint64_t order, double *t);

/* expand_group.c, of one precision each: a task of the pool, with a fal_wave; and the zero-degree term. */
void fal_expand_group_f32(void *wave, size_t task, uint32_t worker);
void fal_expand_group_f64(void *wave, size_t task, uint32_t worker);
falign_status fal_expand_zero_f32(const fal_expansion *what, uint64_t order, fal_expand_room *room, double *t);
falign_status fal_expand_zero_f64(const fal_expansion *what, uint64_t order, fal_expand_room *room, double *t);

#endif
