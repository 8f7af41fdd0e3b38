/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_NETWORK_H
#define FAL_NETWORK_H

#include "falign/network.h"
#include "files/slots.h"
#include "learning/activation.h"
#include "math/matrix.h"

struct falign_network {
  fal_refs refs;
  falign_precision precision;
  uint32_t layers; /* d */
  bool biases;
  size_t *widths;                       /* n[0..d] */
  const falign_activation **activation; /* [1..d], references */
  /* All parameters in one array: W[0], b[1], W[1], b[2], ... Updates have the same layout. */
  void *parameters;
  size_t parameter_count;
  size_t *w_at; /* where W[l] begins, l = 0..d-1 */
  size_t *b_at; /* where b[l] begins, l = 1..d */
};

void fal_network_retain(const falign_network *network);
/* Return W[l] and b[l] without checks. */
void *fal_weights(const falign_network *network, uint32_t l);
void *fal_bias(const falign_network *network, uint32_t l);
/* Lists W.l and b.l: fal_network_slot_count() slots. */
size_t fal_network_slot_count(const falign_network *network);
void fal_network_slots(const falign_network *network, fal_slot *slots);

#endif
