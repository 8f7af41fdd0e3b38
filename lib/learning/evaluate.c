/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "learning/trainer.h"

static falign_status run_lanes(const falign_trainer *trainer, fal_pass *pass, fal_task_fn f32, fal_task_fn f64) {
  FAL_TRY(fal_plan_lanes(trainer, pass->source.rows, false));
  fal_task_fn task = trainer->network->precision == FALIGN_F32 ? f32 : f64;
  fal_pool_run(trainer->work->pool, trainer->work->lane_count, task, pass);
  return fal_lanes_status(trainer, &pass->source, NULL);
}

static falign_status evaluate_batch(const falign_trainer *trainer, falign_batches *batches, uint64_t k, double *loss,
                                    uint64_t *wrong) {
  FAL_TRY(fal_batches_seek(batches, k));
  fal_pass pass = {.trainer = trainer, .source = {.rows = falign_batches_rows(batches, k), .batches = batches, .k = k}};
  FAL_TRY(run_lanes(trainer, &pass, fal_evaluate_lane_f32, fal_evaluate_lane_f64));
  for (size_t i = 0; i < trainer->work->lane_count; i++) {
    if (!isfinite(trainer->work->lanes[i].loss)) FAL_TRY(fal_check_input_finite(trainer, &pass.source, NULL));
    *loss += trainer->work->lanes[i].loss;
    *wrong += trainer->work->lanes[i].wrong;
  }
  return FALIGN_OK;
}

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): outputs, each of which may be NULL */
falign_status falign_trainer_evaluate(falign_trainer *trainer, falign_batches *batches, double *loss, double *error) {
  FAL_GIVEN(trainer);
  FAL_TRY(fal_check_batches(trainer, batches));
  fal_phase before;
  FAL_TRY(fal_phase_begin(trainer, FAL_EVALUATING, &before));
  const falign_batches_shape *shape = falign_batches_get_shape(batches);
  double sum = 0;
  uint64_t wrong = 0;
  falign_status status = FALIGN_OK;
  for (uint64_t k = 0; k < shape->count && status == FALIGN_OK; k++)
    status = evaluate_batch(trainer, batches, k, &sum, &wrong);
  fal_phase_end(trainer, before);
  if (status != FALIGN_OK) return status;
  if (loss) *loss = sum;
  if (error) *error = falign_batches_code(batches) ? (double)wrong / (double)shape->points : (double)NAN;
  return FALIGN_OK;
}

/* Writes `y` only on success. */
static falign_status compute_outputs(const falign_trainer *trainer, const falign_view *x, const falign_matrix *y) {
  size_t element = fal_element(y->precision);
  void *outputs = fal_alloc_matrix(y->rows, y->cols, element);
  if (!outputs) return fal_fail_memory("outputs", y->rows, y->cols * element);
  fal_pass pass = {.trainer = trainer, .source = {.rows = x->rows, .x = x}, .outputs = outputs};
  falign_status status = run_lanes(trainer, &pass, fal_forward_lane_f32, fal_forward_lane_f64);
  falign_view computed = fal_view_plain(outputs, y->precision, y->rows, y->cols);
  if (status == FALIGN_OK) fal_copy(y, &computed);
  free(outputs);
  return status;
}

falign_status falign_trainer_forward(falign_trainer *trainer, const falign_view *x, const falign_matrix *y) {
  FAL_GIVEN(trainer);
  FAL_TRY(fal_check_inputs(trainer, x));
  FAL_GIVEN(y);
  falign_view place = falign_view_of(*y);
  FAL_TRY(fal_check_outputs(trainer, "y", &place, x->rows));
  fal_phase before;
  FAL_TRY(fal_phase_begin(trainer, FAL_EVALUATING, &before));
  falign_status status = compute_outputs(trainer, x, y);
  fal_phase_end(trainer, before);
  return status;
}
