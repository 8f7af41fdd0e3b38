/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/terms_expand.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

/* ---- Threads and rooms ---- */

static void free_rooms(fal_expand_room *rooms, uint32_t count) {
  for (uint32_t i = 0; rooms && i < count; i++) free(rooms[i].storage);
  free(rooms);
}

falign_status fal_expander_create(fal_expander **out) {
  fal_expander *expander = fal_zalloc(1, sizeof *expander);
  fal_expand_room *rooms = fal_zalloc(1, sizeof *rooms);
  if (!expander || !rooms) {
    free(expander);
    free(rooms);
    return fal_fail_memory("the expansion of updates", 1, sizeof *expander);
  }
  expander->rooms = rooms;
  expander->threads = 1;
  *out = expander;
  return FALIGN_OK;
}

void fal_expander_destroy(fal_expander *expander) {
  if (!expander) return;
  fal_pool_destroy(expander->pool);
  free_rooms(expander->rooms, expander->threads);
  free(expander);
}

falign_status fal_expander_set_threads(fal_expander *expander, uint32_t threads) {
  fal_pool *pool = NULL;
  FAL_TRY(fal_pool_check(threads));
  if (threads == expander->threads) return FALIGN_OK;
  fal_expand_room *rooms = fal_zalloc(threads, sizeof *rooms);
  if (!rooms) return fal_fail_memory("rooms", threads, sizeof *rooms);
  falign_status status = threads > 1 ? fal_pool_create(threads, &pool) : FALIGN_OK;
  if (status != FALIGN_OK) {
    free(rooms);
    return status;
  }
  fal_pool_destroy(expander->pool);
  free_rooms(expander->rooms, expander->threads);
  expander->pool = pool;
  expander->rooms = rooms;
  expander->threads = threads;
  return FALIGN_OK;
}

/* Widths, and the sizes of the matrices in a room. */
typedef struct {
  size_t in, here, above;           /* n[l-1], n[l], n[l+1] */
  size_t wide;                      /* columns of all slots: the orders of a group and one before them */
  size_t weights, block, t, single; /* numbers; `single` is for one matrix */
} sizes;

static falign_status measure_matrices(const fal_expansion *what, sizes *s) {
  const size_t *n = &what->history->network->widths[what->l];
  *s = (sizes){.in = n[-1], .here = n[0], .above = n[1]};
  bool fits = fal_mul(FAL_GROUP + 1, s->here, &s->wide) && fal_mul(s->in, s->wide, &s->weights) &&
              fal_mul(FAL_EXPAND_BLOCK, s->wide, &s->block) && fal_mul(s->above, s->wide, &s->t);
  s->single = fits ? s->here * (s->in > s->above ? s->in : s->above) : 0;
  return fits ? FALIGN_OK : fal_fail(FALIGN_MEMORY, "the terms of layer %u are too large", what->l);
}

static void *take_numbers(char **at, size_t numbers, size_t element) {
  void *matrix = *at;
  *at += numbers * element;
  return matrix;
}

static falign_status reserve_matrices(fal_expand_room *room, const sizes *s, size_t element) {
  const size_t wanted[] = {s->weights, s->weights, s->wide,  s->block, s->block,
                           s->block,   s->block,   s->block, s->t,     s->single};
  enum { MATRICES = sizeof wanted / sizeof *wanted };
  void **matrices[MATRICES] = {&room->w,    &room->update,   &room->bias, &room->z, &room->y,
                               &room->step, &room->together, &room->rest, &room->t, &room->matrix};
  size_t numbers = 0;
  for (size_t i = 0; i < MATRICES; i++) {
    if (wanted[i] > PTRDIFF_MAX / sizeof(double) - numbers) return fal_fail_memory("terms", wanted[i], element);
    numbers += wanted[i];
  }
  if (numbers > room->capacity) {
    void *storage = fal_alloc(numbers, element);
    if (!storage) return fal_fail_memory("terms", numbers, element);
    free(room->storage);
    room->storage = storage;
    room->capacity = numbers;
  }
  char *at = room->storage;
  for (size_t i = 0; i < MATRICES; i++) *matrices[i] = take_numbers(&at, wanted[i], element);
  return FALIGN_OK;
}

static falign_status reserve_rooms(fal_expander *expander, const sizes *s, falign_precision precision) {
  for (uint32_t i = 0; i < expander->threads; i++)
    FAL_TRY(reserve_matrices(&expander->rooms[i], s, fal_element(precision)));
  return FALIGN_OK;
}

/* ---- Waves of groups ---- */

static void add_doubles(double *to, const double *from, size_t count) {
  for (size_t i = 0; i < count; i++) to[i] += from[i];
}

static falign_status gather_wave(const fal_wave *wave, size_t tasks) {
  size_t numbers = wave->numbers;
  for (size_t i = 0; i < tasks; i++) {
    FAL_TRY(fal_outcome_raise(&wave->outcomes[i]));
    if (wave->sums) add_doubles(wave->what->sum, wave->sums + i * numbers, numbers);
    if (wave->remainders) add_doubles(wave->what->remainder, wave->remainders + i * numbers, numbers);
  }
  return FALIGN_OK;
}

static falign_status expand_waves(fal_expander *expander, size_t groups) {
  fal_wave *wave = &expander->wave;
  bool f32 = wave->what->history->network->precision == FALIGN_F32;
  for (wave->first = 0; wave->first < groups; wave->first += FAL_WAVE) {
    size_t tasks = fal_min(FAL_WAVE, groups - wave->first);
    fal_pool_run(expander->pool, tasks, f32 ? fal_expand_group_f32 : fal_expand_group_f64, wave);
    FAL_TRY(gather_wave(wave, tasks));
  }
  return FALIGN_OK;
}

falign_status fal_expand(fal_expander *expander, const fal_expansion *what) {
  sizes s;
  FAL_TRY(measure_matrices(what, &s));
  FAL_TRY(reserve_rooms(expander, &s, what->history->network->precision));
  size_t numbers = s.here * s.above, groups = (what->count + FAL_GROUP - 1) / FAL_GROUP;
  size_t each = (size_t)(what->sum != NULL) + (what->remainder != NULL), tasks = fal_min(FAL_WAVE, groups);
  double *partial = fal_alloc(each * tasks, numbers * sizeof *partial);
  if (!partial) return fal_fail_memory("sums of terms", each * tasks, numbers * sizeof *partial);
  fal_wave *wave = &expander->wave;
  wave->what = what;
  wave->numbers = numbers;
  wave->rooms = expander->rooms;
  wave->sums = what->sum ? partial : NULL;
  wave->remainders = what->remainder ? partial + (each - 1) * tasks * numbers : NULL;
  if (what->sum) memset(what->sum, 0, numbers * sizeof *partial);
  if (what->remainder) memset(what->remainder, 0, numbers * sizeof *partial);
  falign_status status = expand_waves(expander, groups);
  free(partial);
  return status;
}

falign_status fal_expand_zero(fal_expander *expander, const fal_expansion *what, uint64_t order, double *t) {
  sizes s;
  FAL_TRY(measure_matrices(what, &s));
  FAL_TRY(reserve_matrices(&expander->rooms[0], &s, fal_element(what->history->network->precision)));
  return what->history->network->precision == FALIGN_F32 ? fal_expand_zero_f32(what, order, &expander->rooms[0], t)
                                                         : fal_expand_zero_f64(what, order, &expander->rooms[0], t);
}
