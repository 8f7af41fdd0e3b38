/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/trainer.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/backend.h"
#include "falign/metric.h"
#include "learning/norm.h"
#include "files/tensors.h"

static void free_workers(fal_worker *workers, uint32_t count) {
  for (uint32_t i = 0; workers && i < count; i++) {
    fal_trace_clear(&workers[i].scratch);
    fal_trace_clear(&workers[i].block);
  }
  free(workers);
}

static falign_status create_workers(const falign_network *network, uint32_t count, fal_worker **out) {
  fal_worker *workers = fal_zalloc(count, sizeof *workers);
  if (!workers) return fal_fail_memory("workers", count, sizeof *workers);
  for (uint32_t i = 0; i < count; i++) {
    falign_status status = fal_trace_init(&workers[i].scratch, network);
    if (status == FALIGN_OK) status = fal_trace_init(&workers[i].block, network);
    if (status == FALIGN_OK) continue;
    free_workers(workers, count);
    return status;
  }
  *out = workers;
  return FALIGN_OK;
}

static void free_work(fal_work *work) {
  if (!work) return;
  fal_pool_destroy(work->pool);
  free_workers(work->workers, work->threads);
  fal_trace_clear(&work->whole);
  fal_trace_clear(&work->last);
  fal_sums_clear(&work->sums);
  fal_sums_clear(&work->bp_sums);
  fal_sums_clear(&work->correlation_sums);
  free(work);
}

static falign_status create_work(const falign_network *network, fal_work **out) {
  fal_work *work = fal_zalloc(1, sizeof *work);
  if (!work) return fal_fail_memory("a trainer", 1, sizeof *work);
  work->threads = 1;
  falign_status status = create_workers(network, 1, &work->workers);
  if (status == FALIGN_OK) status = fal_trace_init(&work->whole, network);
  if (status == FALIGN_OK) status = fal_trace_init(&work->last, network);
  if (status != FALIGN_OK) {
    free_work(work);
    return status;
  }
  *out = work;
  return FALIGN_OK;
}

static falign_status check_eta(double eta, falign_precision precision) {
  double most = precision == FALIGN_F32 ? (double)FLT_MAX : DBL_MAX;
  if (eta >= 0 && eta <= most) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "eta goes from 0 to %g, got %g", most, eta);
}

falign_status falign_trainer_create(falign_network *network, falign_rule *rule, double eta, falign_trainer **out) {
  if (!network || !rule || !out)
    return fal_fail(FALIGN_INVALID, "%s is NULL", !network ? "network" : !rule ? "rule" : "out");
  FAL_TRY(fal_rule_check(rule, network));
  FAL_TRY(check_eta(eta, network->precision));
  falign_trainer *trainer = fal_zalloc(1, sizeof *trainer);
  if (!trainer) return fal_fail_memory("a trainer", 1, sizeof *trainer);
  fal_refs_init(&trainer->refs);
  atomic_init(&trainer->cancel, 0);
  trainer->network = network;
  trainer->rule = rule;
  trainer->eta = eta;
  fal_network_keep(network);
  fal_rule_keep(rule);
  falign_backend *backend;
  falign_status status = falign_backend_find("auto", &backend);
  if (status == FALIGN_OK) status = falign_trainer_set_backend(trainer, backend);
  if (status == FALIGN_OK) status = create_work(network, &trainer->work);
  trainer->start_norm = fal_zalloc(network->layers, sizeof *trainer->start_norm);
  if (status == FALIGN_OK && !trainer->start_norm)
    status = fal_fail_memory("norms", network->layers, sizeof *trainer->start_norm);
  if (status != FALIGN_OK) {
    falign_trainer_destroy(trainer);
    return status;
  }
  *out = trainer;
  return FALIGN_OK;
}

void falign_trainer_destroy(falign_trainer *trainer) {
  if (!trainer || !fal_refs_drop(&trainer->refs)) return;
  free_work(trainer->work);
  fal_observers_free(trainer);
  falign_history_destroy(trainer->history);
  free(trainer->start_norm);
  falign_norm_destroy((falign_norm *)trainer->norm);
  falign_backend_destroy((falign_backend *)trainer->backend);
  falign_rule_destroy(trainer->rule);
  falign_network_destroy(trainer->network);
  free(trainer);
}

const void *fal_this_thread(void) {
  static _Thread_local char own;
  return &own;
}

static falign_status check_phase(const falign_trainer *trainer, fal_phase phase) {
  static const char *const names[] = {"", "while it computes a step", "while observers look", "while it evaluates",
                                      "while it applies an update"};
  const fal_work *work = trainer->work;
  if (work->looker && work->looker != fal_this_thread()) /* which may be changing the phase */
    return fal_fail(FALIGN_INVALID, "the trainer was called %s, on another thread than theirs", names[FAL_LOOKING]);
  fal_phase now = work->phase;
  if (now == FAL_IDLE || (now == FAL_LOOKING && phase == FAL_EVALUATING)) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "the trainer was called %s, from a callback of its own", names[now]);
}

falign_status fal_enter(const falign_trainer *trainer, fal_phase phase, fal_phase *before) {
  FAL_TRY(check_phase(trainer, phase));
  fal_refs_keep(&((falign_trainer *)trainer)->refs);
  *before = trainer->work->phase;
  trainer->work->phase = phase;
  return FALIGN_OK;
}

void fal_leave(const falign_trainer *trainer, fal_phase before) {
  trainer->work->phase = before;
  falign_trainer_destroy((falign_trainer *)trainer);
}

falign_status fal_check_idle(const falign_trainer *trainer) {
  FAL_GIVEN(trainer);
  return trainer->work ? check_phase(trainer, FAL_IDLE) : FALIGN_OK;
}

falign_status falign_trainer_set_eta(falign_trainer *trainer, double eta) {
  FAL_TRY(fal_check_idle(trainer));
  FAL_TRY(check_eta(eta, trainer->network->precision));
  trainer->eta = eta;
  return FALIGN_OK;
}

double falign_trainer_eta(const falign_trainer *trainer) { return trainer->eta; }

falign_status falign_trainer_set_norm(falign_trainer *trainer, const falign_norm *norm) {
  FAL_TRY(fal_check_idle(trainer));
  const falign_norm *old = trainer->norm;
  if (norm) fal_norm_keep(norm);
  trainer->norm = norm;
  falign_norm_destroy((falign_norm *)old);
  return FALIGN_OK;
}

falign_status falign_trainer_set_backend(falign_trainer *trainer, const falign_backend *backend) {
  FAL_TRY(fal_check_idle(trainer));
  FAL_GIVEN(backend);
  const falign_backend *old = trainer->backend;
  fal_backend_keep(backend);
  trainer->backend = backend;
  if (trainer->work) trainer->work->last.backend = backend; /* the old one may go */
  falign_backend_destroy((falign_backend *)old);
  return FALIGN_OK;
}

const falign_backend *falign_trainer_backend(const falign_trainer *trainer) { return trainer->backend; }

falign_status falign_trainer_set_threads(falign_trainer *trainer, uint32_t threads) {
  FAL_TRY(fal_check_idle(trainer));
  FAL_TRY(fal_pool_check(threads));
  fal_work *work = trainer->work;
  if (threads == work->threads) return FALIGN_OK;
  fal_worker *workers;
  fal_pool *pool = NULL;
  FAL_TRY(create_workers(trainer->network, threads, &workers));
  falign_status status = threads > 1 ? fal_pool_create(threads, &pool) : FALIGN_OK;
  if (status != FALIGN_OK) {
    free_workers(workers, threads);
    return status;
  }
  fal_pool_destroy(work->pool);
  free_workers(work->workers, work->threads);
  work->pool = pool;
  work->workers = workers;
  work->threads = threads;
  return FALIGN_OK;
}

uint32_t falign_trainer_threads(const falign_trainer *trainer) { return trainer->work->threads; }

falign_status falign_trainer_keep(falign_trainer *trainer, int32_t needs) {
  FAL_TRY(fal_check_idle(trainer));
  if (needs & ~FAL_NEEDS_ALL) return fal_fail(FALIGN_INVALID, "needs of %d are unknown", needs);
  trainer->keep = needs;
  return FALIGN_OK;
}

falign_status falign_trainer_set_history(falign_trainer *trainer, falign_history *history) {
  FAL_TRY(fal_check_idle(trainer));
  if (history && history->network != trainer->network)
    return fal_fail(FALIGN_SHAPE, "the history was made for another network");
  falign_history *old = trainer->history;
  if (history) fal_history_keep_reference(history);
  trainer->history = history;
  falign_history_destroy(old);
  return FALIGN_OK;
}

falign_history *falign_trainer_history(const falign_trainer *trainer) { return trainer->history; }

falign_network *falign_trainer_network(const falign_trainer *trainer) { return trainer->network; }

falign_rule *falign_trainer_rule(const falign_trainer *trainer) { return trainer->rule; }

uint64_t falign_trainer_iteration(const falign_trainer *trainer) { return trainer->iteration; }

double falign_trainer_start_norm(const falign_trainer *trainer, uint32_t l) {
  return trainer->started && l < trainer->network->layers ? trainer->start_norm[l] : (double)NAN;
}

const falign_trace *falign_trainer_trace(const falign_trainer *trainer) {
  return trainer->work->last_valid ? &trainer->work->last : NULL;
}

void fal_note_start(falign_trainer *trainer) {
  const falign_network *network = trainer->network;
  if (trainer->started) return;
  for (uint32_t l = 0; l < network->layers; l++) {
    size_t rows = network->widths[l], cols = network->widths[l + 1];
    const void *w = fal_weights(network, l);
    trainer->start_norm[l] = network->precision == FALIGN_F32 ? falign_frobenius_f32(w, rows, cols, cols)
                                                              : falign_frobenius_f64(w, rows, cols, cols);
  }
  trainer->started = true;
}

falign_status fal_check_rows(const falign_trainer *trainer, falign_precision precision, const void *x, size_t rows,
                             size_t x_cols, size_t x_stride, const char *y_name, const void *y, size_t y_cols,
                             size_t y_stride) {
  FAL_GIVEN(trainer);
  const falign_network *network = trainer->network;
  if (precision != network->precision)
    return fal_fail(FALIGN_SHAPE, "the network is in %s", network->precision == FALIGN_F32 ? "f32" : "f64");
  if (rows == 0) return fal_fail(FALIGN_INVALID, "a batch of 0 rows");
  FAL_TRY(fal_check_matrix("x", -1, x, rows, x_cols, x_stride, rows, network->widths[0]));
  return fal_check_matrix(y_name, -1, y, rows, y_cols, y_stride, rows, network->widths[network->layers]);
}

falign_status fal_check_batches(const falign_trainer *trainer, const falign_batches *batches) {
  const falign_network *network = trainer->network;
  FAL_GIVEN(batches);
  size_t inputs = falign_batches_input_width(batches), targets = falign_batches_target_width(batches);
  if (inputs != network->widths[0])
    return fal_fail(FALIGN_SHAPE, "the data has %zu inputs, the network %zu", inputs, network->widths[0]);
  if (targets != network->widths[network->layers])
    return fal_fail(FALIGN_SHAPE, "the targets have %zu numbers, the network %zu outputs", targets,
                    network->widths[network->layers]);
  return FALIGN_OK;
}

static const char iteration_name[] = "trainer.iteration", start_norm_name[] = "trainer.start_norm";

static falign_status export(const falign_trainer *trainer, falign_tensors *tensors) {
  int64_t iteration = (int64_t)trainer->iteration;
  size_t layers = trainer->network->layers;
  FAL_TRY(falign_network_export(trainer->network, tensors));
  FAL_TRY(falign_rule_export(trainer->rule, tensors));
  FAL_TRY(falign_tensors_add(tensors, iteration_name, FALIGN_DTYPE_I64, NULL, 0, &iteration));
  if (!trainer->started) return FALIGN_OK;
  return falign_tensors_add(tensors, start_norm_name, FALIGN_DTYPE_F64, &layers, 1, trainer->start_norm);
}

falign_status falign_trainer_export(const falign_trainer *trainer, falign_tensors *tensors) {
  if (!trainer || !tensors) return fal_fail(FALIGN_INVALID, "%s is NULL", trainer ? "tensors" : "trainer");
  size_t before = falign_tensors_count(tensors);
  fal_refs_keep(&((falign_trainer *)trainer)->refs); /* the rule's `save` may give the caller's back */
  falign_status status = export(trainer, tensors);
  falign_trainer_destroy((falign_trainer *)trainer);
  if (status != FALIGN_OK) fal_tensors_truncate(tensors, before);
  return status;
}

static falign_status read_iteration(const falign_tensors *tensors, uint64_t *out) {
  falign_dtype dtype;
  size_t rank;
  const void *data;
  if (!falign_tensors_has(tensors, iteration_name))
    return fal_fail(FALIGN_FORMAT, "there is no tensor %s", iteration_name);
  FAL_TRY(falign_tensors_view(tensors, iteration_name, &dtype, NULL, &rank, &data));
  int64_t iteration = -1;
  if (dtype == FALIGN_DTYPE_I64 && rank == 0) memcpy(&iteration, data, sizeof iteration);
  if (iteration < 0) return fal_fail(FALIGN_FORMAT, "%s is not one number from 0 up", iteration_name);
  *out = (uint64_t)iteration;
  return FALIGN_OK;
}

/* All weights, feedback matrices and what the rule itself keeps. */
static falign_status import_matrices(falign_trainer *trainer, const falign_tensors *tensors) {
  size_t of_network = fal_network_slot_count(trainer->network), of_rule = fal_rule_slot_count(trainer->rule);
  fal_slot *slots = fal_alloc(of_network + of_rule, sizeof *slots);
  if (!slots) return fal_fail_memory("slots", of_network + of_rule, sizeof *slots);
  fal_network_slots(trainer->network, slots);
  fal_rule_slots(trainer->rule, slots + of_network);
  falign_status status = fal_rule_import_slots(trainer->rule, slots, of_network + of_rule, true, tensors);
  free(slots);
  return status;
}

static falign_status import(falign_trainer *trainer, const falign_tensors *tensors, double *start_norm) {
  uint64_t iteration;
  size_t layers = trainer->network->layers;
  FAL_TRY(read_iteration(tensors, &iteration));
  bool started = iteration > 0 || falign_tensors_has(tensors, start_norm_name);
  if (started && !falign_tensors_has(tensors, start_norm_name))
    return fal_fail(FALIGN_FORMAT, "there is no tensor %s", start_norm_name);
  if (started) FAL_TRY(falign_tensors_read_f64(tensors, start_norm_name, &layers, 1, start_norm));
  FAL_TRY(import_matrices(trainer, tensors));
  trainer->iteration = iteration;
  trainer->started = started;
  memcpy(trainer->start_norm, start_norm, layers * sizeof *start_norm);
  trainer->work->last_valid = false;
  if (trainer->history) falign_history_clear(trainer->history); /* its steps led elsewhere */
  return FALIGN_OK;
}

falign_status falign_trainer_import(falign_trainer *trainer, const falign_tensors *tensors) {
  FAL_TRY(fal_check_idle(trainer));
  FAL_GIVEN(tensors);
  double *start_norm = fal_zalloc(trainer->network->layers, sizeof *start_norm);
  if (!start_norm) return fal_fail_memory("norms", trainer->network->layers, sizeof *start_norm);
  fal_refs_keep(&trainer->refs); /* the rule's `load` may give the caller's back */
  falign_status status = import(trainer, tensors, start_norm);
  falign_trainer_destroy(trainer);
  free(start_norm);
  return status;
}
