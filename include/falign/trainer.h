/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_TRAINER_H
#define FALIGN_TRAINER_H

/** @file trainer.h
 *  @brief The loop: forward, rule, updates, metrics look, apply, normalize.
 *
 *  Iterations count updates from 0; everything that is called k is a function of the weights before update k.
 *
 *  A trainer that is at work refuses calls from its own callbacks with FALIGN_INVALID: setters, steps and runs always;
 *  a metric may evaluate and go forward, but a rule or normalization may not. */

#include "falign/history.h"
#include "falign/metric.h"

FALIGN_BEGIN

/** Trains a network by a rule. Keeps references to all objects it is given. */
typedef struct falign_trainer falign_trainer;

/** Binds a network, a rule made for a network of its shape, and a learning rate. The trainer starts with no
 *  normalization, the backend "auto" and one thread.
 *  @param eta enters once: dW[l] = eta L[l]^T delta[l+1] (section 4.1)
 *  @return FALIGN_SHAPE where rule and network do not fit, FALIGN_INVALID for an eta that is negative or not finite,
 *  FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_create(falign_network *network, falign_rule *rule, double eta,
                                                              falign_trainer **out);
/** Gives back a reference; NULL is fine. In a callback of its own the trainer lives until the call that runs it ends.
 */
FALIGN_API void falign_trainer_destroy(falign_trainer *trainer);

/** Sets the learning rate. @return FALIGN_INVALID if it is negative or not finite in the network's precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_set_eta(falign_trainer *trainer, double eta);
/** The learning rate. */
FALIGN_API double falign_trainer_eta(const falign_trainer *trainer);

/** Normalizes with `norm` after each update from now on (NULL: not at all). It is not applied now: see
 *  falign_norm_apply(). Keeps a reference. @return FALIGN_INVALID from a callback of its own alone; whether it fits the
 *  network tells the first step, as falign_norm_apply() does. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_set_norm(falign_trainer *trainer, const falign_norm *norm);

/** Multiplies with `backend` from now on, to which it keeps a reference. @return FALIGN_INVALID for a NULL, or from a
 *  callback of its own. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_set_backend(falign_trainer *trainer,
                                                                   const falign_backend *backend);
/** The backend that multiplies. Borrowed. */
FALIGN_API const falign_backend *falign_trainer_backend(const falign_trainer *trainer);

/** Uses so many threads, the caller's among them. Results do not depend on it, bit for bit. A step has at most 16
 *  parts to share out: one for each 72 rows up to 8 parts, one for each 144 beyond (128 and 256 in large networks).
 *  Threads of its own take no signals; a forked child goes on without them.
 *  @return FALIGN_INVALID for 0 or more than 1024, FALIGN_UNSUPPORTED for more than 1 in a build without threads,
 *  FALIGN_MEMORY where the threads cannot be had. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_set_threads(falign_trainer *trainer, uint32_t threads);
/** The threads of a step, the caller's among them. */
FALIGN_API uint32_t falign_trainer_threads(const falign_trainer *trainer);

/** Keeps in the trace of each step what FALIGN_NEEDS_... names, beside what observers need (DW and DB are always
 *  there); 0 keeps no more than that. @return FALIGN_INVALID for what is not known. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_keep(falign_trainer *trainer, int32_t needs);

/** Records each step from now on in `history` before the observers look (NULL: no more). Keeps a reference. The history
 *  must have been made for the trainer's own network, and holds the steps of one run: falign_trainer_import() clears
 *  it.
 *  @return FALIGN_SHAPE for the history of another network. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_set_history(falign_trainer *trainer, falign_history *history);
/** Borrowed: the history; NULL for none. */
FALIGN_API falign_history *falign_trainer_history(const falign_trainer *trainer);

/** Borrowed: the network. */
FALIGN_API falign_network *falign_trainer_network(const falign_trainer *trainer);
/** Borrowed: the rule. */
FALIGN_API falign_rule *falign_trainer_rule(const falign_trainer *trainer);
/** Updates made so far. */
FALIGN_API uint64_t falign_trainer_iteration(const falign_trainer *trainer);
/** ||W[l]||_F at iteration 0 (NaN before the first step of a trainer, and for l >= d). */
FALIGN_API double falign_trainer_start_norm(const falign_trainer *trainer, uint32_t l);

/** One update on a batch of `rows` inputs x (rows x n[0]) with targets y (rows x n[d]), in the network's precision.
 *  The loss is squared error, 1/2 sum (y - L[d])^2 (section 2.3.1); the update is eqs. 14 to 17 and 22, 23.
 *  @return FALIGN_SHAPE also for the other precision, FALIGN_INVALID for 0 rows or naming an input that is not finite,
 *  FALIGN_DIVERGED with iteration and layer where the network itself stops being finite, FALIGN_CALLBACK where a rule
 *  or normalization fails, the status of a metric, sink or backend that fails, FALIGN_MEMORY; FALIGN_IO and
 *  FALIGN_MEMORY of a history; and as falign_norm_apply(). After a failure before the update the network is as it was
 *  and the iteration is not counted; when normalization or the rule's `adapt` fails, the update has been made and is
 *  counted. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_step_f32(falign_trainer *trainer, const float *x, size_t rows,
                                                                size_t x_cols, size_t x_stride, const float *y,
                                                                size_t y_cols, size_t y_stride);
/** As falign_trainer_step_f32(), in double precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_step_f64(falign_trainer *trainer, const double *x, size_t rows,
                                                                size_t x_cols, size_t x_stride, const double *y,
                                                                size_t y_cols, size_t y_stride);

/** One update with imposed signals: L[0] = x (rows x n[0]) and delta[d] = delta (rows x n[d]), which is used as it
 *  is, not multiplied by f' (the open-loop network of Fig. 1B). There is no loss. @return as falign_trainer_step_f64().
 */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_impose_f32(falign_trainer *trainer, const float *x, size_t rows,
                                                                  size_t x_cols, size_t x_stride, const float *delta,
                                                                  size_t delta_cols, size_t delta_stride);
/** As falign_trainer_impose_f32(), in double precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_impose_f64(falign_trainer *trainer, const double *x, size_t rows,
                                                                  size_t x_cols, size_t x_stride, const double *delta,
                                                                  size_t delta_cols, size_t delta_stride);

/** What happened in the last step; NULL before the first and after a step that failed. Borrowed. */
FALIGN_API const falign_trace *falign_trainer_trace(const falign_trainer *trainer);

/** Updates until falign_trainer_iteration() is `until`, taking for each iteration k the batch k of `batches`.
 *  Observers look before each update. Goes on where the last call stopped; does nothing where it is there already.
 *  @return as falign_trainer_step_f64(); FALIGN_SHAPE for batches that do not fit the network, FALIGN_CANCELLED when
 *  asked to stop, between two updates. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_run(falign_trainer *trainer, falign_batches *batches,
                                                           uint64_t until);

/** L[d] for `rows` inputs x (rows x n[0]), written to y (rows x n[d]), in the network's precision.
 *  @return FALIGN_SHAPE also for the other precision, FALIGN_INVALID for 0 rows or naming an input that is not finite,
 *  FALIGN_DIVERGED where the network stops being finite, the status of a backend that fails, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_forward_f32(falign_trainer *trainer, const float *x, size_t rows,
                                                                   size_t x_cols, size_t x_stride, float *y,
                                                                   size_t y_cols, size_t y_stride);
/** As falign_trainer_forward_f32(), in double precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_forward_f64(falign_trainer *trainer, const double *x,
                                                                   size_t rows, size_t x_cols, size_t x_stride,
                                                                   double *y, size_t y_cols, size_t y_stride);

/** Loss (1/2 sum E^2 over all points) and share of wrongly decoded points (0 to 1; NaN without a code) of `batches`,
 *  without training: over one epoch, that of iteration 0. The outputs that are NULL are not written. Although the
 *  trainer learns nothing, it works: no other call may use it at the same time.
 *  @return FALIGN_SHAPE for batches that do not fit the network, FALIGN_INVALID naming an input beyond single
 *  precision, FALIGN_DIVERGED where the network stops being finite, the status of a backend that fails, FALIGN_MEMORY.
 */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_evaluate(const falign_trainer *trainer, falign_batches *batches,
                                                                double *loss, double *error);

/** Measures `metric` before each update k of which `every` is a divisor, and sends its values to `sink` with `user`. It
 *  also looks when falign_trainer_step_f32() and the like are called. Keeps a reference to the metric; observers look
 *  in the order in which they were added, and stay as long as the trainer. @return FALIGN_INVALID for every = 0 and
 *  within a step, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_observe(falign_trainer *trainer, falign_metric *metric,
                                                               uint64_t every, falign_value_fn sink, void *user);
/** As falign_trainer_observe(), at the given iterations, in any order. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_observe_at(falign_trainer *trainer, falign_metric *metric,
                                                                  const uint64_t *iterations, size_t count,
                                                                  falign_value_fn sink, void *user);
/** Lets all observers that need only the weights look now, whatever the iteration: after the last update. @return the
 *  status of the metric or sink that fails; FALIGN_INVALID within a step or evaluation. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_measure(falign_trainer *trainer);

/** Called by falign_trainer_run() after each update, on its thread, with the updates made so far and `until`. The
 *  trainer is idle then: it may be changed, and trained further. A result other than 0 cancels the run. NULL removes
 * it. */
typedef int32_t (*falign_progress_fn)(void *user, uint64_t iteration, uint64_t until);
/** Sets the progress callback; see falign_progress_fn. NULL removes it. */
FALIGN_API void falign_trainer_set_progress(falign_trainer *trainer, falign_progress_fn progress, void *user);

/** Asks a run to stop after the update that it is at; from any thread or signal handler, while the trainer lives. The
 *  request is taken by the run that is going on, or, where that is at its last update, by the next that has one to
 *  make. */
FALIGN_API void falign_trainer_cancel(falign_trainer *trainer);

/** Adds what a run has learnt and where it is (weights, feedback, iteration, starting norms) to a set of tensors, so
 *  that a run that is set up alike (activations, eta, normalization, backend) can go on with bitwise the same numbers.
 *  The batches' own state is in falign_batches_export().
 *  @return FALIGN_INVALID for a name that is there already, FALIGN_MEMORY, the status of the rule's `save`. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_export(const falign_trainer *trainer,
                                                              struct falign_tensors *tensors);
/** Takes back what falign_trainer_export() has added. On failure nothing is changed but what a caller's rule itself
 *  changed. @return FALIGN_FORMAT where something is missing or of another type, FALIGN_SHAPE naming both shapes,
 *  FALIGN_INVALID naming a number that is not finite, FALIGN_MEMORY, the status of the rule's `load`. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_import(falign_trainer *trainer,
                                                              const struct falign_tensors *tensors);

FALIGN_END

#endif
