/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "learning/trainer.h"

static falign_status run_lanes(const falign_trainer *trainer, fal_pass *pass, fal_task_fn f32, fal_task_fn f64) {
  FAL_TRY(fal_plan(trainer, pass->in.rows, false));
  fal_task_fn task = trainer->network->precision == FALIGN_F32 ? f32 : f64;
  fal_pool_run(trainer->work->pool, trainer->work->lane_count, task, pass);
  return fal_lanes_status(trainer, &pass->in, NULL);
}

static falign_status evaluate_batch(const falign_trainer *trainer, falign_batches *batches, uint64_t k, double *loss,
                                    uint64_t *wrong) {
  FAL_TRY(fal_batches_seek(batches, k));
  fal_pass pass = {.trainer = trainer, .in = {.rows = falign_batches_rows(batches, k), .batches = batches, .k = k}};
  FAL_TRY(run_lanes(trainer, &pass, fal_evaluate_lane_f32, fal_evaluate_lane_f64));
  for (size_t i = 0; i < trainer->work->lane_count; i++) {
    if (!isfinite(trainer->work->lanes[i].loss)) FAL_TRY(fal_blame_input(trainer, &pass.in, NULL));
    *loss += trainer->work->lanes[i].loss;
    *wrong += trainer->work->lanes[i].wrong;
  }
  return FALIGN_OK;
}

falign_status falign_trainer_evaluate(const falign_trainer *trainer, falign_batches *batches, double *loss,
                                      double *error) {
  FAL_GIVEN(trainer);
  FAL_TRY(fal_check_batches(trainer, batches));
  fal_phase before;
  FAL_TRY(fal_enter(trainer, FAL_EVALUATING, &before));
  double sum = 0;
  uint64_t wrong = 0, count = falign_batches_count(batches);
  falign_status status = FALIGN_OK;
  for (uint64_t k = 0; k < count && status == FALIGN_OK; k++)
    status = evaluate_batch(trainer, batches, k, &sum, &wrong);
  fal_leave(trainer, before);
  if (status != FALIGN_OK) return status;
  if (loss) *loss = sum;
  if (error)
    *error = falign_batches_code(batches) ? (double)wrong / (double)falign_batches_points(batches) : (double)NAN;
  return FALIGN_OK;
}

static falign_status forward(falign_trainer *trainer, falign_precision precision, const void *x, size_t rows,
                             size_t x_cols, size_t x_stride, void *y, size_t y_cols, size_t y_stride) {
  FAL_TRY(fal_check_rows(trainer, precision, x, rows, x_cols, x_stride, "y", y, y_cols, y_stride));
  fal_phase before;
  FAL_TRY(fal_enter(trainer, FAL_EVALUATING, &before));
  size_t numbers; /* y is written when nothing can fail any more */
  void *outputs = fal_mul(rows, y_cols, &numbers) ? fal_alloc(numbers, fal_element(precision)) : NULL;
  fal_pass pass = {.trainer = trainer, .in = {.rows = rows, .x = x, .x_stride = x_stride}, .outputs = outputs};
  falign_status status = outputs ? run_lanes(trainer, &pass, fal_forward_lane_f32, fal_forward_lane_f64)
                                 : fal_fail_memory("outputs", rows, y_cols * fal_element(precision));
  if (status == FALIGN_OK) fal_copy_matrix(y, precision, y_stride, outputs, precision, y_cols, rows, y_cols);
  free(outputs);
  fal_leave(trainer, before);
  return status;
}

falign_status falign_trainer_forward_f32(falign_trainer *trainer, const float *x, size_t rows, size_t x_cols,
                                         size_t x_stride, float *y, size_t y_cols, size_t y_stride) {
  return forward(trainer, FALIGN_F32, x, rows, x_cols, x_stride, y, y_cols, y_stride);
}

falign_status falign_trainer_forward_f64(falign_trainer *trainer, const double *x, size_t rows, size_t x_cols,
                                         size_t x_stride, double *y, size_t y_cols, size_t y_stride) {
  return forward(trainer, FALIGN_F64, x, rows, x_cols, x_stride, y, y_cols, y_stride);
}
