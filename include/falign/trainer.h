/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_TRAINER_H
#define FALIGN_TRAINER_H

/** @file trainer.h
 *  @brief The training loop: forward, rule, updates, metrics, apply, normalize.
 *
 *  Iterations count updates from 0; everything labeled k is a function of the weights before update k.
 *
 *  A trainer that is at work refuses calls from its own callbacks with FALIGN_INVALID: setters, steps and runs always;
 *  a metric may evaluate and go forward, but a rule or normalization may not. */

#include "falign/batches.h"
#include "falign/history.h"
#include "falign/metric.h"
#include "falign/norm.h"

FALIGN_BEGIN

/** Trains a network by a rule. Keeps references to all objects it is given. */
typedef struct falign_trainer falign_trainer;

/** Makes a trainer of a network, a rule made for a network of its shape, and a learning rate. The trainer starts with
 *  no normalization, the backend "auto" and one thread.
 *  @param eta enters once: dW[l] = eta L[l]^T delta[l+1] (section 4.1)
 *  @return FALIGN_SHAPE if rule and network do not match, FALIGN_INVALID for an eta that is negative or not finite,
 *  FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_create(falign_network *network, falign_rule *rule, double eta,
                                                              falign_trainer **out);
/** Releases a reference; NULL is fine. If a callback of the trainer releases the last one, the trainer lives until the
 *  call that ran the callback returns. */
FALIGN_API void falign_trainer_destroy(falign_trainer *trainer);

/** Sets the learning rate. @return FALIGN_INVALID if it is negative or not finite in the network's precision. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_set_eta(falign_trainer *trainer, double eta);
/** Returns the learning rate. */
FALIGN_API double falign_trainer_eta(const falign_trainer *trainer);

/** Normalizes with `norm` after each update from now on (NULL: not at all). It is not applied now: see
 *  falign_norm_apply(). Keeps a reference. @return FALIGN_INVALID from one of the trainer's callbacks; a
 *  mismatch with the network is reported by the first step, as falign_norm_apply() reports it. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_set_norm(falign_trainer *trainer, const falign_norm *norm);

/** Multiplies with `backend` from now on, to which it keeps a reference. @return FALIGN_INVALID for a NULL backend, or
 *  from one of the trainer's callbacks. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_set_backend(falign_trainer *trainer,
                                                                   const falign_backend *backend);
/** Returns the backend that multiplies. Borrowed. */
FALIGN_API const falign_backend *falign_trainer_backend(const falign_trainer *trainer);

/** Uses `threads` threads, including the caller's. Results are bitwise identical for any number. A step is shared out
 *  in at most 16 parts: one for each 72 rows up to 8 parts, one for each 144 beyond (128 and 256 in large networks).
 *  Its threads block all signals; a forked child continues without them.
 *  @return FALIGN_INVALID for 0 or more than 1024, FALIGN_UNSUPPORTED for more than 1 in a build without threads,
 *  FALIGN_MEMORY if the threads cannot be created. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_set_threads(falign_trainer *trainer, uint32_t threads);
/** Returns the number of threads of a step, the caller's among them. */
FALIGN_API uint32_t falign_trainer_threads(const falign_trainer *trainer);

/** Keeps in the trace of each step what FALIGN_NEEDS_... names, in addition to what observers need (DW and DB are
 *  always there); 0 keeps nothing more. @return FALIGN_INVALID for unknown needs. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_keep(falign_trainer *trainer, int32_t needs);

/** Records each step from now on in `history` before the observers look (NULL: stops recording). Keeps a reference. The
 *  history must have been made for the trainer's own network, and holds the steps of one run: falign_trainer_import()
 *  clears it.
 *  @return FALIGN_SHAPE for the history of another network. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_set_history(falign_trainer *trainer, falign_history *history);
/** Returns the history, borrowed; NULL for none. */
FALIGN_API falign_history *falign_trainer_history(const falign_trainer *trainer);

/** Returns the network, borrowed. */
FALIGN_API falign_network *falign_trainer_network(const falign_trainer *trainer);
/** Returns the rule, borrowed. */
FALIGN_API falign_rule *falign_trainer_rule(const falign_trainer *trainer);
/** Returns the number of updates made so far. */
FALIGN_API uint64_t falign_trainer_iteration(const falign_trainer *trainer);
/** Returns ||W[l]||_F at iteration 0 (NaN before the first step of a trainer, and for l >= d). */
FALIGN_API double falign_trainer_start_norm(const falign_trainer *trainer, uint32_t l);

/** Makes one update on a batch of inputs x (rows x n[0]) with targets y (rows x n[d]), in the network's precision.
 *  The loss is squared error, 1/2 sum (y - L[d])^2 (section 2.3.1); the update is eqs. 14 to 17 and 22, 23.
 *  @return FALIGN_SHAPE also for the other precision, FALIGN_INVALID for 0 rows or naming an input that is not finite,
 *  FALIGN_DIVERGED with iteration and layer if the network itself stops being finite, FALIGN_CALLBACK if a rule
 *  or normalization fails, the status of a metric, sink or backend that fails, FALIGN_MEMORY; FALIGN_IO and
 *  FALIGN_MEMORY of a history; and as falign_norm_apply(). After a failure before the update the network is unchanged
 *  and the iteration is not counted; when normalization or the rule's `adapt` fails, the update has been made and is
 *  counted. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_step(falign_trainer *trainer, const falign_view *x,
                                                            const falign_view *y);

/** Makes one update with imposed signals: L[0] = x (rows x n[0]) and delta[d] = delta (rows x n[d]), which is used
 *  unchanged, not multiplied by f' (the open-loop network of Fig. 1B). There is no loss. @return as
 *  falign_trainer_step(). */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_impose(falign_trainer *trainer, const falign_view *x,
                                                              const falign_view *delta);

/** Computes everything that a step on x and y computes, without learning: falign_trainer_trace() then returns it, with
 *  the iteration of the next step and what falign_trainer_keep() asked for. Observers and history do not see it, and
 *  neither weights nor rule change. @return as falign_trainer_step(). */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_probe(falign_trainer *trainer, const falign_view *x,
                                                             const falign_view *y);

/** Returns what happened in the last step or probe; NULL before the first, after one that failed while it was computed,
 *  and after falign_trainer_import(). Borrowed. */
FALIGN_API const falign_trace *falign_trainer_trace(const falign_trainer *trainer);

/** Updates until falign_trainer_iteration() is `until`, taking for each iteration k the batch k of `batches`.
 *  Observers look before each update. Resumes where the last call stopped; does nothing if `until` is already reached.
 *  @return as falign_trainer_step(); FALIGN_SHAPE for batches that do not fit the network, FALIGN_CANCELLED if
 *  asked to stop (always between two updates). */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_run(falign_trainer *trainer, falign_batches *batches,
                                                           uint64_t until);

/** Computes L[d] for inputs x (rows x n[0]) and writes it to y (rows x n[d]), both in the network's precision.
 *  @return FALIGN_SHAPE also for the other precision, FALIGN_INVALID for 0 rows or naming an input that is not finite,
 *  FALIGN_DIVERGED if the network stops being finite, the status of a backend that fails, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_forward(falign_trainer *trainer, const falign_view *x,
                                                               const falign_matrix *y);

/** Computes the loss (1/2 sum E^2 over all points) and the share of wrongly decoded points (0 to 1; NaN without a code)
 *  of `batches`, without training: over one epoch, that of iteration 0. Outputs that are NULL are not written.
 *  @return FALIGN_SHAPE for batches that do not fit the network, FALIGN_INVALID naming an input beyond single
 *  precision, FALIGN_DIVERGED if the network stops being finite, the status of a backend that fails, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_evaluate(falign_trainer *trainer, falign_batches *batches,
                                                                double *loss, double *error);

/** Measures `metric` before each update k that is a multiple of `every`, and sends its values to `sink` with `user`. A
 *  metric with `look` also sees every step. Keeps a reference to the metric; observers look in the order in which
 *  they were added, and stay as long as the trainer. @return FALIGN_INVALID for every = 0 and
 *  within a step, FALIGN_MEMORY. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_observe(falign_trainer *trainer, falign_metric *metric,
                                                               uint64_t every, falign_value_fn sink, void *user);
/** As falign_trainer_observe(), at the given iterations, in any order. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_observe_at(falign_trainer *trainer, falign_metric *metric,
                                                                  const uint64_t *iterations, size_t count,
                                                                  falign_value_fn sink, void *user);
/** Measures all observers that need only the weights now, whatever the iteration, for example after the last update.
 *  @return the status of the metric or sink that fails; FALIGN_INVALID within a step or evaluation. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_measure(falign_trainer *trainer);

/** Called by falign_trainer_run() after each update, on its thread, with the updates made so far and `until`. The
 *  trainer is idle then: it may be changed, and trained further. A result other than 0 cancels the run. NULL removes
 *  it. */
typedef int32_t (*falign_progress_fn)(void *user, uint64_t iteration, uint64_t until);
/** Sets the progress callback; see falign_progress_fn. NULL removes it. */
FALIGN_API void falign_trainer_set_progress(falign_trainer *trainer, falign_progress_fn progress, void *user);

/** Asks a run to stop after its current update. May be called from any thread or signal handler while the trainer
 *  lives. The current run takes the request or, if it is at its last update, the next run that has an update to make.
 */
FALIGN_API void falign_trainer_cancel(falign_trainer *trainer);

/** Adds the state of a run (weights, feedback, iteration, starting norms, and what the rule's `save` adds) to a set of
 *  tensors, so that a run with the same settings (activations, eta, normalization, backend) can resume, bitwise
 *  identical. The state of batches is in falign_batches_export().
 *  @return FALIGN_INVALID for a name that exists already, FALIGN_MEMORY, the status of the rule's `save`. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_export(const falign_trainer *trainer,
                                                              struct falign_tensors *tensors);
/** Restores what falign_trainer_export() has added. On failure nothing is changed except what a user's rule itself
 *  changed. @return FALIGN_FORMAT if something is missing or of another type, FALIGN_SHAPE naming both shapes,
 *  FALIGN_INVALID naming a number that is not finite, FALIGN_MEMORY, the status of the rule's `load`. */
FALIGN_API FALIGN_CHECKED falign_status falign_trainer_import(falign_trainer *trainer,
                                                              const struct falign_tensors *tensors);

FALIGN_END

#endif
