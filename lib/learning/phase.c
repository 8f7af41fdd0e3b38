/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/trainer.h"

/* Returns an address that differs between threads. */
static const void *this_thread(void) {
  static _Thread_local char own;
  return &own;
}

static falign_status check_phase(const falign_trainer *trainer, fal_phase phase) {
  static const char *const names[] = {"", "while it computes a step", "while observers look", "while it evaluates",
                                      "while it applies an update"};
  const fal_work *work = trainer->work;
  if (work->observing_thread && work->observing_thread != this_thread()) /* that thread may be changing the phase */
    return fal_fail(FALIGN_INVALID, "the trainer was called %s, from another thread than theirs", names[FAL_OBSERVING]);
  fal_phase now = work->phase;
  if (now == FAL_IDLE || (now == FAL_OBSERVING && phase == FAL_EVALUATING)) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "the trainer was called %s, from one of its callbacks", names[now]);
}

falign_status fal_check_idle(const falign_trainer *trainer) {
  FAL_GIVEN(trainer);
  return trainer->work ? check_phase(trainer, FAL_IDLE) : FALIGN_OK;
}

falign_status fal_phase_begin(falign_trainer *trainer, fal_phase phase, fal_phase *before) {
  FAL_TRY(check_phase(trainer, phase));
  fal_refs_retain(&trainer->refs);
  *before = trainer->work->phase;
  trainer->work->phase = phase;
  return FALIGN_OK;
}

void fal_phase_end(falign_trainer *trainer, fal_phase before) {
  trainer->work->phase = before;
  falign_trainer_destroy(trainer);
}

void fal_begin_observing(const falign_trainer *trainer) {
  trainer->work->phase = FAL_OBSERVING;
  trainer->work->observing_thread = this_thread();
}

void fal_end_observing(const falign_trainer *trainer) { trainer->work->observing_thread = NULL; }
