/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "files/tensors.h"
#include "learning/trainer.h"

static const char iteration_name[] = "trainer.iteration", start_norm_name[] = "trainer.start_norm",
                  steps_name[] = "optimizer.steps";

static falign_status export_count(falign_tensors *tensors, const char *name, uint64_t count) {
  int64_t number = (int64_t)count;
  return falign_tensors_add(tensors, name, FALIGN_DTYPE_I64, NULL, 0, &number);
}

static falign_status import_count(const falign_tensors *tensors, const char *name, uint64_t *out) {
  falign_tensor tensor;
  if (!falign_tensors_has(tensors, name)) return fal_fail(FALIGN_FORMAT, "there is no tensor %s", name);
  FAL_TRY(falign_tensors_view(tensors, name, &tensor));
  int64_t number = -1;
  if (tensor.dtype == FALIGN_DTYPE_I64 && tensor.rank == 0) memcpy(&number, tensor.data, sizeof number);
  if (number < 0) return fal_fail(FALIGN_FORMAT, "%s is not one number of 0 or more", name);
  *out = (uint64_t)number;
  return FALIGN_OK;
}

static falign_status export_optimizer(const falign_trainer *trainer, falign_tensors *tensors) {
  const fal_optimizer_work *optimizer = &trainer->optimizer;
  uint32_t states = optimizer->kind->states;
  if (states == 0) return FALIGN_OK;
  fal_slot *slots = fal_alloc(states, sizeof *slots);
  if (!slots) return fal_fail_memory("slots", states, sizeof *slots);
  fal_optimizer_slots(optimizer, slots);
  falign_status status = fal_slots_export(slots, states, trainer->network->precision, tensors);
  free(slots);
  return status == FALIGN_OK ? export_count(tensors, steps_name, optimizer->steps) : status;
}

static falign_status export_trainer(const falign_trainer *trainer, falign_tensors *tensors) {
  size_t layers = trainer->network->layers;
  FAL_TRY(falign_network_export(trainer->network, tensors));
  FAL_TRY(falign_rule_export(trainer->rule, tensors));
  FAL_TRY(export_optimizer(trainer, tensors));
  FAL_TRY(export_count(tensors, iteration_name, trainer->iteration));
  if (!trainer->started) return FALIGN_OK;
  return falign_tensors_add(tensors, start_norm_name, FALIGN_DTYPE_F64, &layers, 1, trainer->start_norm);
}

falign_status falign_trainer_export(const falign_trainer *trainer, falign_tensors *tensors) {
  if (!trainer || !tensors) return fal_fail(FALIGN_INVALID, "%s is NULL", trainer ? "tensors" : "trainer");
  size_t before = falign_tensors_count(tensors);
  fal_refs_retain(&((falign_trainer *)trainer)->refs); /* the rule's save() may release the caller's */
  falign_status status = export_trainer(trainer, tensors);
  falign_trainer_destroy((falign_trainer *)trainer);
  if (status != FALIGN_OK) fal_tensors_truncate(tensors, before);
  return status;
}

/* Everything that is read before anything is changed. */
typedef struct {
  uint64_t iteration, optimizer_steps;
  bool started;
  double *start_norm;
} progress;

static falign_status read_progress(const falign_trainer *trainer, const falign_tensors *tensors, progress *out) {
  FAL_TRY(import_count(tensors, iteration_name, &out->iteration));
  out->started = out->iteration > 0 || falign_tensors_has(tensors, start_norm_name);
  if (out->started && !falign_tensors_has(tensors, start_norm_name))
    return fal_fail(FALIGN_FORMAT, "there is no tensor %s", start_norm_name);
  falign_matrix norms = fal_matrix_plain(out->start_norm, FALIGN_F64, 1, trainer->network->layers);
  if (out->started) FAL_TRY(falign_tensors_get(tensors, start_norm_name, &norms));
  return trainer->optimizer.kind->states > 0 ? import_count(tensors, steps_name, &out->optimizer_steps) : FALIGN_OK;
}

/* Imports weights, feedback matrices, and the state of optimizer and rule. */
static falign_status import_matrices(falign_trainer *trainer, const falign_tensors *tensors) {
  size_t of_network = fal_network_slot_count(trainer->network), of_rule = fal_rule_slot_count(trainer->rule);
  size_t count = of_network + of_rule + trainer->optimizer.kind->states;
  fal_slot *slots = fal_alloc(count, sizeof *slots);
  if (!slots) return fal_fail_memory("slots", count, sizeof *slots);
  fal_network_slots(trainer->network, slots);
  fal_rule_slots(trainer->rule, slots + of_network);
  fal_optimizer_slots(&trainer->optimizer, slots + of_network + of_rule);
  falign_status status = fal_rule_import_slots(trainer->rule, slots, count, true, tensors);
  free(slots);
  return status;
}

static falign_status import_trainer(falign_trainer *trainer, const falign_tensors *tensors, progress *read) {
  FAL_TRY(read_progress(trainer, tensors, read));
  FAL_TRY(import_matrices(trainer, tensors));
  trainer->iteration = read->iteration;
  trainer->optimizer.steps = read->optimizer_steps;
  trainer->started = read->started;
  memcpy(trainer->start_norm, read->start_norm, trainer->network->layers * sizeof *read->start_norm);
  trainer->work->last_valid = false;
  if (trainer->history) falign_history_clear(trainer->history); /* its steps are of another run */
  return FALIGN_OK;
}

falign_status falign_trainer_import(falign_trainer *trainer, const falign_tensors *tensors) {
  FAL_TRY(fal_check_idle(trainer));
  FAL_GIVEN(tensors);
  progress read = {.start_norm = fal_zalloc(trainer->network->layers, sizeof *read.start_norm)};
  if (!read.start_norm) return fal_fail_memory("norms", trainer->network->layers, sizeof *read.start_norm);
  fal_refs_retain(&trainer->refs); /* the rule's load() may release the caller's */
  falign_status status = import_trainer(trainer, tensors, &read);
  falign_trainer_destroy(trainer);
  free(read.start_norm);
  return status;
}
