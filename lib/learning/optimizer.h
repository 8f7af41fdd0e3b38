/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_OPTIMIZER_H
#define FAL_OPTIMIZER_H

#include "learning/network.h"
#include "learning/range.h"

/* A piece of the parameters with what belongs to it: arrays of `count` numbers in the network's precision. */
typedef struct {
  size_t count;
  const void *update; /* dW and db, minus eta times the gradient */
  void *increment;    /* what is added to w: the update, or the optimizer's own increment */
  void *w;
  void *state;         /* of the first state array; NULL without states */
  size_t state_stride; /* numbers from one state array to the next */
  double eta;
  uint64_t step; /* of the optimizer, counted from 1 */
} fal_optimizer_piece;

/* Turns the update of a step into the increments of the parameters. Another optimizer is another such struct. Its
 * functions work element by element, since threads share the parameters. */
typedef struct {
  uint32_t states;     /* arrays with a number for each parameter that persist between steps; they start at 0 */
  bool own_increments; /* increments differ from the update */
  /* Writes its own increments; returns false if w + increment is not finite. Must not change the state, since the step
   * may still fail. */
  bool (*propose_f32)(const fal_optimizer_piece *piece);
  bool (*propose_f64)(const fal_optimizer_piece *piece);
  /* w = w + increment; changes the state. */
  void (*apply_f32)(const fal_optimizer_piece *piece);
  void (*apply_f64)(const fal_optimizer_piece *piece);
} fal_optimizer;

extern const fal_optimizer fal_optimizer_sgd;

bool fal_sgd_propose_f32(const fal_optimizer_piece *piece);
bool fal_sgd_propose_f64(const fal_optimizer_piece *piece);
void fal_sgd_apply_f32(const fal_optimizer_piece *piece);
void fal_sgd_apply_f64(const fal_optimizer_piece *piece);

/* An optimizer of a network's parameters. */
typedef struct {
  const fal_optimizer *kind;
  const falign_network *network;
  void *states;     /* one array after the other; NULL without states */
  void *increments; /* of the present step, with the layout of the parameters; NULL: the update */
  uint64_t steps;   /* made so far */
} fal_optimizer_work;

falign_status fal_optimizer_init(fal_optimizer_work *work, const fal_optimizer *kind, const falign_network *network);
void fal_optimizer_clear(fal_optimizer_work *work);
/* Returns a range of the parameters; `update` is that of all parameters in a step with learning rate eta. */
fal_optimizer_piece fal_optimizer_piece_of(const fal_optimizer_work *work, double eta, void *update, fal_range range);
bool fal_optimizer_propose(const fal_optimizer_work *work, const fal_optimizer_piece *piece);
void fal_optimizer_apply(const fal_optimizer_work *work, const fal_optimizer_piece *piece);
/* Lists the states: `kind->states` slots. */
void fal_optimizer_slots(const fal_optimizer_work *work, fal_slot *slots);

#endif
