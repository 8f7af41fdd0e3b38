/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/trainer.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "learning/norm.h"
#include "math/angle.h"
#include "math/backend.h"

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
  fal_sums_clear(&work->update);
  fal_sums_clear(&work->bp_update);
  fal_sums_clear(&work->correlations);
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

/* Makes everything that a trainer owns, except network and rule. */
static falign_status create_owned(falign_trainer *trainer) {
  const falign_network *network = trainer->network;
  falign_backend *backend;
  FAL_TRY(falign_backend_create("auto", &backend));
  falign_status status = falign_trainer_set_backend(trainer, backend);
  falign_backend_destroy(backend);
  FAL_TRY(status);
  FAL_TRY(create_work(network, &trainer->work));
  FAL_TRY(fal_optimizer_init(&trainer->optimizer, &fal_optimizer_sgd, network));
  size_t columns = fal_norm_column_room(network);
  trainer->start_norm = fal_zalloc(network->layers, sizeof *trainer->start_norm);
  trainer->column_room = fal_alloc(columns, sizeof *trainer->column_room);
  if (trainer->start_norm && trainer->column_room) return FALIGN_OK;
  return fal_fail_memory("norms", columns, sizeof *trainer->column_room);
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
  trainer->loss = &fal_loss_squared_error;
  fal_network_retain(network);
  fal_rule_retain(rule);
  falign_status status = create_owned(trainer);
  if (status != FALIGN_OK) {
    falign_trainer_destroy(trainer);
    return status;
  }
  *out = trainer;
  return FALIGN_OK;
}

void falign_trainer_destroy(falign_trainer *trainer) {
  if (!trainer || !fal_refs_release(&trainer->refs)) return;
  free_work(trainer->work);
  fal_optimizer_clear(&trainer->optimizer);
  fal_observers_free(trainer);
  falign_history_destroy(trainer->history);
  free(trainer->start_norm);
  free(trainer->column_room);
  falign_norm_destroy((falign_norm *)trainer->norm);
  falign_backend_destroy((falign_backend *)trainer->backend);
  falign_rule_destroy(trainer->rule);
  falign_network_destroy(trainer->network);
  free(trainer);
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
  if (norm) fal_norm_retain(norm);
  trainer->norm = norm;
  falign_norm_destroy((falign_norm *)old);
  return FALIGN_OK;
}

falign_status falign_trainer_set_backend(falign_trainer *trainer, const falign_backend *backend) {
  FAL_TRY(fal_check_idle(trainer));
  FAL_GIVEN(backend);
  const falign_backend *old = trainer->backend;
  fal_backend_retain(backend);
  trainer->backend = backend;
  if (trainer->work) trainer->work->last.step.backend = backend; /* the old backend may be destroyed */
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
  if (history) fal_history_retain(history);
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

void fal_measure_start_norms(falign_trainer *trainer) {
  const falign_network *network = trainer->network;
  if (trainer->started) return;
  for (uint32_t l = 0; l < network->layers; l++) {
    falign_view w =
        fal_view_plain(fal_weights(network, l), network->precision, network->widths[l], network->widths[l + 1]);
    trainer->start_norm[l] = fal_view_norm(&w, 1);
  }
  trainer->started = true;
}

static falign_status check_precision(const falign_trainer *trainer, const char *name, const falign_view *view) {
  falign_precision precision = trainer->network->precision;
  FAL_TRY(fal_check_view(name, -1, view));
  if (view->precision == precision) return FALIGN_OK;
  return fal_fail(FALIGN_SHAPE, "%s is in %s, the network in %s", name, fal_precision_name(view->precision),
                  fal_precision_name(precision));
}

falign_status fal_check_inputs(const falign_trainer *trainer, const falign_view *x) {
  FAL_TRY(check_precision(trainer, "x", x));
  if (x->rows == 0) return fal_fail(FALIGN_INVALID, "a batch of 0 rows");
  return fal_check_view_shape("x", -1, x, x->rows, trainer->network->widths[0]);
}

falign_status fal_check_outputs(const falign_trainer *trainer, const char *name, const falign_view *y, size_t rows) {
  FAL_TRY(check_precision(trainer, name, y));
  return fal_check_view_shape(name, -1, y, rows, trainer->network->widths[trainer->network->layers]);
}

falign_status fal_check_batches(const falign_trainer *trainer, const falign_batches *batches) {
  const falign_network *network = trainer->network;
  FAL_GIVEN(batches);
  const falign_batches_shape *shape = falign_batches_get_shape(batches);
  if (shape->input_width != network->widths[0])
    return fal_fail(FALIGN_SHAPE, "the data has %zu inputs, the network %zu", shape->input_width, network->widths[0]);
  if (shape->target_width != network->widths[network->layers])
    return fal_fail(FALIGN_SHAPE, "the targets have %zu numbers, the network %zu outputs", shape->target_width,
                    network->widths[network->layers]);
  return FALIGN_OK;
}
