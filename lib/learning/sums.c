/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/size.h"
#include "learning/trainer.h"

void fal_sums_clear(fal_sums *sums) {
  free(sums->whole);
  free(sums->partial);
  sums->whole = sums->partial = NULL;
  sums->count = sums->partials = 0;
}

static falign_status allocate_sums(void **buffer, size_t count, size_t element) {
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
  if (!sums->whole) FAL_TRY(allocate_sums(&sums->whole, count, element));
  if (others <= sums->partials) return FALIGN_OK;
  if (!fal_mul(others, count, &numbers)) return fal_fail_memory("updates", others, count);
  FAL_TRY(allocate_sums(&sums->partial, numbers, element)); /* for updates at most FAL_LANES_BYTES */
  sums->partials = others;
  return FALIGN_OK;
}

/* Threads share the numbers in pieces. Each number is summed by one thread, in the order of the lanes. */
typedef struct {
  const falign_trainer *trainer;
  const fal_sums *sums;
  size_t partials;
  atomic_bool bad;
} sharing;

static fal_range piece_range(const sharing *s, size_t task) {
  size_t first = task * FAL_PIECE, left = s->sums->count - first;
  return (fal_range){first, fal_min(left, FAL_PIECE)};
}

static fal_optimizer_piece parameters_piece(const sharing *s, size_t task) {
  return fal_optimizer_piece_of(&s->trainer->optimizer, s->trainer->eta, s->sums->whole, piece_range(s, task));
}

static void gather_piece(void *arg, size_t task, uint32_t worker) {
  const sharing *s = arg;
  fal_range range = piece_range(s, task);
  (void)worker;
  if (s->trainer->network->precision == FALIGN_F32) {
    fal_add_lanes_f32(s->sums, s->partials, range);
  } else {
    fal_add_lanes_f64(s->sums, s->partials, range);
  }
}

static void propose_piece(void *arg, size_t task, uint32_t worker) {
  sharing *s = arg;
  gather_piece(arg, task, worker);
  fal_optimizer_piece piece = parameters_piece(s, task);
  if (!fal_optimizer_propose(&s->trainer->optimizer, &piece))
    atomic_store_explicit(&s->bad, true, memory_order_relaxed);
}

static void apply_piece(void *arg, size_t task, uint32_t worker) {
  const sharing *s = arg;
  fal_optimizer_piece piece = parameters_piece(s, task);
  (void)worker;
  fal_optimizer_apply(&s->trainer->optimizer, &piece);
}

/* Uses threads only if there are enough pieces, with their partial sums, to pay for waking them. */
static void share_out(sharing *s, fal_task_fn task) {
  size_t pieces = (s->sums->count + FAL_PIECE - 1) / FAL_PIECE;
  fal_pool_run(pieces * (s->partials + 1) > 8 ? s->trainer->work->pool : NULL, pieces, task, s);
}

void fal_sums_gather(const falign_trainer *trainer, const fal_sums *sums) {
  sharing s = {.trainer = trainer, .sums = sums, .partials = trainer->work->lane_count - 1};
  share_out(&s, gather_piece);
}

bool fal_sums_propose(const falign_trainer *trainer) {
  sharing s = {.trainer = trainer, .sums = &trainer->work->update, .partials = trainer->work->lane_count - 1};
  atomic_init(&s.bad, false);
  share_out(&s, propose_piece);
  return !atomic_load(&s.bad);
}

void fal_sums_apply(falign_trainer *trainer) {
  sharing s = {.trainer = trainer, .sums = &trainer->work->update};
  share_out(&s, apply_piece);
  trainer->optimizer.steps++;
}
