/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/optimizer.h"

#include <stdlib.h>

#include "math/matrix.h"

const fal_optimizer fal_optimizer_sgd = {.propose_f32 = fal_sgd_propose_f32,
                                         .propose_f64 = fal_sgd_propose_f64,
                                         .apply_f32 = fal_sgd_apply_f32,
                                         .apply_f64 = fal_sgd_apply_f64};

falign_status fal_optimizer_init(fal_optimizer_work *work, const fal_optimizer *kind, const falign_network *network) {
  *work = (fal_optimizer_work){.kind = kind, .network = network};
  size_t count = network->parameter_count, element = fal_element(network->precision), numbers;
  if (kind->states > 0) work->states = fal_mul(kind->states, count, &numbers) ? fal_zalloc(numbers, element) : NULL;
  if (kind->own_increments) work->increments = fal_alloc(count, element);
  if ((kind->states == 0 || work->states) && (!kind->own_increments || work->increments)) return FALIGN_OK;
  fal_optimizer_clear(work);
  return fal_fail_memory("the state of an optimizer", count, element);
}

void fal_optimizer_clear(fal_optimizer_work *work) {
  free(work->states);
  free(work->increments);
  work->states = work->increments = NULL;
}

/* Returns element i of an array that may be NULL. */
static void *element_of(const fal_optimizer_work *work, void *array, size_t i) {
  return array ? (char *)array + i * fal_element(work->network->precision) : NULL;
}

fal_optimizer_piece fal_optimizer_piece_of(const fal_optimizer_work *work, double eta, void *update, fal_range range) {
  const falign_network *network = work->network;
  return (fal_optimizer_piece){.count = range.count,
                               .update = element_of(work, update, range.first),
                               .increment = element_of(work, work->increments ? work->increments : update, range.first),
                               .w = element_of(work, network->parameters, range.first),
                               .state = element_of(work, work->states, range.first),
                               .state_stride = network->parameter_count,
                               .eta = eta,
                               .step = work->steps + 1};
}

bool fal_optimizer_propose(const fal_optimizer_work *work, const fal_optimizer_piece *piece) {
  return work->network->precision == FALIGN_F32 ? work->kind->propose_f32(piece) : work->kind->propose_f64(piece);
}

void fal_optimizer_apply(const fal_optimizer_work *work, const fal_optimizer_piece *piece) {
  if (work->network->precision == FALIGN_F32) {
    work->kind->apply_f32(piece);
  } else {
    work->kind->apply_f64(piece);
  }
}

void fal_optimizer_slots(const fal_optimizer_work *work, fal_slot *slots) {
  size_t count = work->network->parameter_count;
  for (uint32_t i = 0; i < work->kind->states; i++)
    slots[i] =
        (fal_slot){.prefix = "optimizer", .index = i, .cols = count, .data = element_of(work, work->states, i * count)};
}
