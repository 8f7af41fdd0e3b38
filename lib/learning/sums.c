/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "learning/trainer.h"

void fal_sums_clear(fal_sums *sums) {
  free(sums->whole);
  free(sums->partial);
  sums->whole = sums->partial = NULL;
  sums->count = sums->partials = 0;
}

static falign_status allocate(void **buffer, size_t count, size_t element) {
  void *room = fal_alloc(count, element);
  if (!room) return fal_fail_memory("updates", count, element);
  free(*buffer);
  *buffer = room;
  return FALIGN_OK;
}

falign_status fal_sums_reserve(const falign_trainer *trainer, fal_sums *sums, size_t count) {
  size_t element = fal_element(trainer->network->precision), others = trainer->work->lane_count - 1, numbers;
  if (count != sums->count) fal_sums_clear(sums);
  sums->count = count;
  if (!sums->whole) FAL_TRY(allocate(&sums->whole, count, element));
  if (others <= sums->partials) return FALIGN_OK;
  if (!fal_mul(others, count, &numbers)) return fal_fail_memory("updates", others, count);
  FAL_TRY(allocate(&sums->partial, numbers, element)); /* of updates FAL_LANES_BYTES at most */
  sums->partials = others;
  return FALIGN_OK;
}

/* Parameters are shared out in pieces; each number is summed up by one thread, in the order of the lanes. */
typedef struct {
  const fal_sums *sums;
  size_t partials;
  falign_precision precision;
  void *w; /* may be NULL */
  atomic_bool bad;
} sharing;

/* What a task works on. */
typedef struct {
  size_t count;
  void *whole, *partial, *w;
} piece;

static piece piece_of(const sharing *s, size_t task) {
  size_t first = task * FAL_PIECE, left = s->sums->count - first, skip = first * fal_element(s->precision);
  return (piece){.count = left < FAL_PIECE ? left : FAL_PIECE,
                 .whole = (char *)s->sums->whole + skip,
                 .partial = s->partials > 0 ? (char *)s->sums->partial + skip : NULL,
                 .w = s->w ? (char *)s->w + skip : NULL};
}

static void gather_piece(void *arg, size_t task, uint32_t worker) {
  sharing *s = arg;
  piece p = piece_of(s, task);
  bool fine = true;
  (void)worker;
  if (s->precision == FALIGN_F32) {
    fal_add_lanes_f32(p.whole, p.partial, s->partials, s->sums->count, p.count);
    if (p.w) fine = fal_next_is_finite_f32(p.w, p.whole, p.count);
  } else {
    fal_add_lanes_f64(p.whole, p.partial, s->partials, s->sums->count, p.count);
    if (p.w) fine = fal_next_is_finite_f64(p.w, p.whole, p.count);
  }
  if (!fine) atomic_store_explicit(&s->bad, true, memory_order_relaxed);
}

static void apply_piece(void *arg, size_t task, uint32_t worker) {
  const sharing *s = arg;
  piece p = piece_of(s, task);
  (void)worker;
  if (s->precision == FALIGN_F32) {
    fal_apply_f32(p.w, p.whole, p.count);
  } else {
    fal_apply_f64(p.w, p.whole, p.count);
  }
}

/* Threads are worth their while for a few pieces at least; `reads` is how often each number is read. */
static void share_out(const falign_trainer *trainer, sharing *s, size_t reads, fal_task_fn task) {
  size_t pieces = (s->sums->count + FAL_PIECE - 1) / FAL_PIECE;
  fal_pool_run(pieces * reads > 8 ? trainer->work->pool : NULL, pieces, task, s);
}

bool fal_sums_gather(const falign_trainer *trainer, const fal_sums *sums, const void *w) {
  sharing s = {.sums = sums,
               .partials = trainer->work->lane_count - 1,
               .precision = trainer->network->precision,
               .w = (void *)w};
  atomic_init(&s.bad, false);
  share_out(trainer, &s, s.partials + 1, gather_piece);
  return !atomic_load(&s.bad);
}

void fal_sums_apply(const falign_trainer *trainer) {
  sharing s = {
      .sums = &trainer->work->sums, .precision = trainer->network->precision, .w = trainer->network->parameters};
  share_out(trainer, &s, 1, apply_piece);
}
