/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_NETWORK_H
#define FAL_NETWORK_H

#include "falign/network.h"
#include "falign/rng.h"
#include "base/support.h"
#include "files/slots.h"

typedef struct {
  falign_activation kind;
  falign_map_fn f, df; /* FALIGN_CUSTOM only */
  void *user;
} fal_activation;

struct falign_network {
  fal_refs refs;
  falign_precision precision;
  uint32_t layers; /* d */
  bool biases;
  size_t *widths;             /* n[0..d] */
  fal_activation *activation; /* [1..d] */
  /* All parameters in one array, in the order W[0], b[1], W[1], b[2], ...; updates have the same layout. */
  void *parameters;
  size_t parameter_count;
  size_t *w_at;         /* where W[l] begins, l = 0..d-1 */
  size_t *b_at;         /* where b[l] begins, l = 1..d */
  double *column_scale; /* room for one number a column of the widest layer, for normalization */
};

/* Fills `out` with N(0, sd) numbers from a stream's beginning. */
falign_status fal_draw(uint64_t seed, uint32_t purpose, uint32_t l, uint32_t run, double sd, falign_precision precision,
                       void *out, size_t count);
falign_status fal_check_sd(const char *name, falign_precision precision, double sd);

void fal_network_keep(falign_network *network);
/* W[l] and b[l] without checks. */
void *fal_weights(const falign_network *network, uint32_t l);
void *fal_bias(const falign_network *network, uint32_t l);
/* Names the places of W.l and b.l: fal_network_slot_count() of them. */
size_t fal_network_slot_count(const falign_network *network);
void fal_network_slots(const falign_network *network, fal_slot *slots);

#endif
