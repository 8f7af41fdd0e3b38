/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/trainer.h"

static falign_status step(falign_trainer *trainer, falign_precision precision, const void *x, size_t rows,
                          size_t x_cols, size_t x_stride, const char *y_name, const void *y, size_t y_cols,
                          size_t y_stride, bool imposed) {
  FAL_TRY(fal_check_rows(trainer, precision, x, rows, x_cols, x_stride, y_name, y, y_cols, y_stride));
  fal_rows_in in = {.rows = rows, .x = x, .x_stride = x_stride, .y = y, .y_stride = y_stride};
  return fal_step(trainer, &in, imposed);
}

falign_status falign_trainer_step_f32(falign_trainer *trainer, const float *x, size_t rows, size_t x_cols,
                                      size_t x_stride, const float *y, size_t y_cols, size_t y_stride) {
  return step(trainer, FALIGN_F32, x, rows, x_cols, x_stride, "y", y, y_cols, y_stride, false);
}

falign_status falign_trainer_step_f64(falign_trainer *trainer, const double *x, size_t rows, size_t x_cols,
                                      size_t x_stride, const double *y, size_t y_cols, size_t y_stride) {
  return step(trainer, FALIGN_F64, x, rows, x_cols, x_stride, "y", y, y_cols, y_stride, false);
}

falign_status falign_trainer_impose_f32(falign_trainer *trainer, const float *x, size_t rows, size_t x_cols,
                                        size_t x_stride, const float *delta, size_t delta_cols, size_t delta_stride) {
  return step(trainer, FALIGN_F32, x, rows, x_cols, x_stride, "delta", delta, delta_cols, delta_stride, true);
}

falign_status falign_trainer_impose_f64(falign_trainer *trainer, const double *x, size_t rows, size_t x_cols,
                                        size_t x_stride, const double *delta, size_t delta_cols, size_t delta_stride) {
  return step(trainer, FALIGN_F64, x, rows, x_cols, x_stride, "delta", delta, delta_cols, delta_stride, true);
}

static falign_status run_step(falign_trainer *trainer, falign_batches *batches, uint64_t until) {
  uint64_t k = trainer->iteration;
  if (atomic_exchange(&trainer->cancel, 0))
    return fal_fail(FALIGN_CANCELLED, "cancelled at iteration %llu", (unsigned long long)k);
  FAL_TRY(fal_batches_seek(batches, k));
  fal_rows_in in = {.rows = falign_batches_rows(batches, k), .batches = batches, .k = k};
  FAL_TRY(fal_step(trainer, &in, false));
  if (trainer->progress && trainer->progress(trainer->progress_user, trainer->iteration, until) != 0)
    return fal_fail(FALIGN_CANCELLED, "cancelled by the progress callback at iteration %llu",
                    (unsigned long long)trainer->iteration);
  return FALIGN_OK;
}

falign_status falign_trainer_run(falign_trainer *trainer, falign_batches *batches, uint64_t until) {
  FAL_TRY(fal_check_idle(trainer)); /* before the cancel request and the batches, which are the outer run's */
  FAL_TRY(fal_check_batches(trainer, batches));
  falign_status status = FALIGN_OK;
  fal_refs_keep(&trainer->refs); /* a callback may give the caller's reference back */
  while (status == FALIGN_OK && trainer->iteration < until) status = run_step(trainer, batches, until);
  falign_trainer_destroy(trainer);
  return status;
}

void falign_trainer_set_progress(falign_trainer *trainer, falign_progress_fn progress, void *user) {
  trainer->progress = progress;
  trainer->progress_user = user;
}

void falign_trainer_cancel(falign_trainer *trainer) { atomic_store(&trainer->cancel, 1); }
