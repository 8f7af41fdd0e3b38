/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/trainer.h"

static falign_status step_on_views(falign_trainer *trainer, const falign_view *x, const falign_view *y,
                                   fal_step_kind kind) {
  FAL_GIVEN(trainer);
  FAL_TRY(fal_check_inputs(trainer, x));
  FAL_TRY(fal_check_outputs(trainer, kind == FAL_IMPOSE ? "delta" : "y", y, x->rows));
  fal_row_source source = {.rows = x->rows, .x = x, .y = y};
  return fal_step(trainer, &source, kind);
}

falign_status falign_trainer_step(falign_trainer *trainer, const falign_view *x, const falign_view *y) {
  return step_on_views(trainer, x, y, FAL_TRAIN);
}

falign_status falign_trainer_impose(falign_trainer *trainer, const falign_view *x, const falign_view *delta) {
  return step_on_views(trainer, x, delta, FAL_IMPOSE);
}

falign_status falign_trainer_probe(falign_trainer *trainer, const falign_view *x, const falign_view *y) {
  return step_on_views(trainer, x, y, FAL_PROBE);
}

static falign_status run_step(falign_trainer *trainer, falign_batches *batches, uint64_t until) {
  uint64_t k = trainer->iteration;
  if (atomic_exchange(&trainer->cancel, 0))
    return fal_fail(FALIGN_CANCELLED, "cancelled at iteration %llu", (unsigned long long)k);
  FAL_TRY(fal_batches_seek(batches, k));
  fal_row_source source = {.rows = falign_batches_rows(batches, k), .batches = batches, .k = k};
  FAL_TRY(fal_step(trainer, &source, FAL_TRAIN));
  if (trainer->progress && trainer->progress(trainer->progress_user, trainer->iteration, until) != 0)
    return fal_fail(FALIGN_CANCELLED, "cancelled by the progress callback at iteration %llu",
                    (unsigned long long)trainer->iteration);
  return FALIGN_OK;
}

falign_status falign_trainer_run(falign_trainer *trainer, falign_batches *batches, uint64_t until) {
  FAL_TRY(fal_check_idle(trainer)); /* first, since an outer run owns the cancel request and the batches */
  FAL_TRY(fal_check_batches(trainer, batches));
  falign_status status = FALIGN_OK;
  fal_refs_retain(&trainer->refs); /* a callback may release the caller's reference */
  while (status == FALIGN_OK && trainer->iteration < until) status = run_step(trainer, batches, until);
  falign_trainer_destroy(trainer);
  return status;
}

void falign_trainer_set_progress(falign_trainer *trainer, falign_progress_fn progress, void *user) {
  trainer->progress = progress;
  trainer->progress_user = user;
}

void falign_trainer_cancel(falign_trainer *trainer) { atomic_store(&trainer->cancel, 1); }
