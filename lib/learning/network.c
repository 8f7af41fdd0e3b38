/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/network.h"

#include <stdlib.h>
#include <string.h>

#include "math/rng.h"

/* Checks the widths and counts the parameters. */
static falign_status count_parameters(uint32_t layers, const size_t *widths, bool biases, size_t *parameters) {
  const size_t most = PTRDIFF_MAX / (4 * sizeof(double)); /* so that the sums below do not overflow */
  size_t count = 0;
  for (uint32_t l = 0; l <= layers; l++) {
    if (widths[l] == 0) return fal_fail(FALIGN_INVALID, "layer %u has width 0", l);
    if (l == 0) continue;
    size_t weights;
    if (!fal_mul(widths[l - 1], widths[l], &weights) || weights > most || count > most)
      return fal_fail(FALIGN_MEMORY, "W[%u] of %zu x %zu is too large", l - 1, widths[l - 1], widths[l]);
    count += weights + (biases ? widths[l] : 0);
  }
  *parameters = count;
  return FALIGN_OK;
}

static void place_parameters(falign_network *network) {
  size_t at = 0;
  for (uint32_t l = 0; l < network->layers; l++) {
    network->w_at[l] = at;
    at += network->widths[l] * network->widths[l + 1];
    network->b_at[l + 1] = at;
    if (network->biases) at += network->widths[l + 1];
  }
}

falign_status falign_network_create(falign_precision precision, uint32_t layers, const size_t *widths, int32_t biases,
                                    falign_network **out) {
  FAL_GIVEN(out);
  FAL_GIVEN(widths);
  if (fal_element(precision) == 0)
    return fal_fail(FALIGN_INVALID, "precision is FALIGN_F32 or FALIGN_F64, got %d", precision);
  if (layers < 1 || layers >= UINT32_C(1) << 24)
    return fal_fail(FALIGN_INVALID, "a network has 1 to 2^24 - 1 layers of weights, got %u", layers);
  size_t parameters, ends = (size_t)layers + 1;
  FAL_TRY(count_parameters(layers, widths, biases != 0, &parameters));

  falign_network *network = fal_zalloc(1, sizeof *network);
  if (!network) return fal_fail_memory("a network", 1, sizeof *network);
  fal_refs_init(&network->refs);
  network->precision = precision;
  network->layers = layers;
  network->biases = biases != 0;
  network->parameter_count = parameters;
  network->widths = fal_alloc(ends, sizeof *network->widths);
  network->activation = fal_zalloc(ends, sizeof *network->activation);
  network->w_at = fal_zalloc(ends, sizeof *network->w_at);
  network->b_at = fal_zalloc(ends, sizeof *network->b_at);
  network->parameters = fal_zalloc(parameters, fal_element(precision));
  if (!network->widths || !network->activation || !network->w_at || !network->b_at || !network->parameters) {
    falign_network_destroy(network);
    return fal_fail_memory("a network's parameters", parameters, fal_element(precision));
  }
  memcpy(network->widths, widths, ends * sizeof *widths);
  for (uint32_t l = 1; l <= layers; l++) network->activation[l] = fal_activation_default();
  place_parameters(network);
  *out = network;
  return FALIGN_OK;
}

void fal_network_retain(const falign_network *network) { fal_refs_retain(&((falign_network *)network)->refs); }

static void release_activations(const falign_network *network) {
  for (uint32_t l = 1; network->activation && l <= network->layers; l++)
    falign_activation_destroy((falign_activation *)network->activation[l]);
}

void falign_network_destroy(falign_network *network) {
  if (!network || !fal_refs_release(&network->refs)) return;
  release_activations(network);
  free(network->widths);
  free(network->activation);
  free(network->w_at);
  free(network->b_at);
  free(network->parameters);
  free(network);
}

falign_precision falign_network_precision(const falign_network *network) { return network->precision; }

uint32_t falign_network_layers(const falign_network *network) { return network->layers; }

size_t falign_network_width(const falign_network *network, uint32_t l) {
  return l <= network->layers ? network->widths[l] : 0;
}

int32_t falign_network_has_biases(const falign_network *network) { return network->biases; }

size_t falign_network_parameters(const falign_network *network) { return network->parameter_count; }

static falign_status check_unit_layer(const falign_network *network, const char *what, uint32_t l) {
  if (l >= 1 && l <= network->layers) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "there is no %s[%u]: l goes from 1 to %u", what, l, network->layers);
}

falign_status falign_network_set_activation(falign_network *network, uint32_t l, const falign_activation *activation) {
  FAL_GIVEN(network);
  FAL_GIVEN(activation);
  FAL_TRY(check_unit_layer(network, "activation", l));
  const falign_activation *old = network->activation[l];
  fal_activation_retain(activation);
  network->activation[l] = activation;
  falign_activation_destroy((falign_activation *)old);
  return FALIGN_OK;
}

const falign_activation *falign_network_activation(const falign_network *network, uint32_t l) {
  return l >= 1 && l <= network->layers ? network->activation[l] : NULL;
}

falign_status falign_network_draw(falign_network *network, double sd_w, double sd_b, uint64_t seed, uint32_t run) {
  FAL_GIVEN(network);
  FAL_TRY(fal_check_sd("sd_w", network->precision, sd_w));
  FAL_TRY(fal_check_sd("sd_b", network->precision, sd_b));
  const size_t *n = network->widths;
  for (uint32_t l = 0; l < network->layers; l++) {
    const falign_matrix w = fal_matrix_plain(fal_weights(network, l), network->precision, n[l], n[l + 1]);
    FAL_TRY(fal_draw(&(fal_stream){seed, FALIGN_RNG_W, l, run}, sd_w, &w));
    if (!network->biases) continue;
    const falign_matrix b = fal_matrix_plain(fal_bias(network, l + 1), network->precision, 1, n[l + 1]);
    FAL_TRY(fal_draw(&(fal_stream){seed, FALIGN_RNG_BIAS, l + 1, run}, sd_b, &b));
  }
  return FALIGN_OK;
}

static void *parameter_at(const falign_network *network, size_t element) {
  return (char *)network->parameters + element * fal_element(network->precision);
}

void *fal_weights(const falign_network *network, uint32_t l) { return parameter_at(network, network->w_at[l]); }

void *fal_bias(const falign_network *network, uint32_t l) { return parameter_at(network, network->b_at[l]); }

/* A matrix in the network's storage, with its name in messages; index -1 for none. */
typedef struct {
  const char *name;
  int64_t index;
  falign_matrix place;
} named_matrix;

static falign_status find_parameters(const falign_network *network, falign_quantity what, uint32_t l,
                                     named_matrix *out) {
  FAL_GIVEN(network);
  const size_t *n = network->widths;
  switch (what) {
    case FALIGN_W:
      if (l >= network->layers)
        return fal_fail(FALIGN_INVALID, "there is no W[%u]: l goes from 0 to %u", l, network->layers - 1);
      *out = (named_matrix){"W", l, fal_matrix_plain(fal_weights(network, l), network->precision, n[l], n[l + 1])};
      return FALIGN_OK;
    case FALIGN_BIAS:
      FAL_TRY(check_unit_layer(network, "b", l));
      if (!network->biases) return fal_fail(FALIGN_UNSUPPORTED, "b[%u]: the network has no biases", l);
      *out = (named_matrix){"b", l, fal_matrix_plain(fal_bias(network, l), network->precision, 1, n[l])};
      return FALIGN_OK;
    case FALIGN_PARAMETERS:
      if (l != 0) return fal_fail(FALIGN_INVALID, "the parameters are of all layers: l is 0, got %u", l);
      *out = (named_matrix){"parameters", -1,
                            fal_matrix_plain(network->parameters, network->precision, 1, network->parameter_count)};
      return FALIGN_OK;
    default:
      return fal_fail(FALIGN_INVALID,
                      "a network has no quantity %d: want FALIGN_W (%d), FALIGN_BIAS (%d) or FALIGN_PARAMETERS (%d)",
                      what, FALIGN_W, FALIGN_BIAS, FALIGN_PARAMETERS);
  }
}

falign_status falign_network_set(falign_network *network, falign_quantity what, uint32_t l, const falign_view *values) {
  named_matrix own;
  FAL_TRY(find_parameters(network, what, l, &own));
  return fal_set_matrix(own.name, own.index, &own.place, values);
}

falign_status falign_network_get(const falign_network *network, falign_quantity what, uint32_t l,
                                 const falign_matrix *out) {
  named_matrix own;
  FAL_TRY(find_parameters(network, what, l, &own));
  falign_view values = falign_view_of(own.place);
  return fal_get_matrix(own.name, own.index, &values, out);
}

falign_status falign_network_view(const falign_network *network, falign_quantity what, uint32_t l, falign_view *out) {
  named_matrix own;
  FAL_GIVEN(out);
  FAL_TRY(find_parameters(network, what, l, &own));
  *out = falign_view_of(own.place);
  return FALIGN_OK;
}

falign_status falign_network_edit(falign_network *network, falign_quantity what, uint32_t l, falign_matrix *out) {
  named_matrix own;
  FAL_GIVEN(out);
  FAL_TRY(find_parameters(network, what, l, &own));
  *out = own.place;
  return FALIGN_OK;
}

size_t fal_network_slot_count(const falign_network *network) {
  return (size_t)network->layers * (network->biases ? 2 : 1);
}

void fal_network_slots(const falign_network *network, fal_slot *slots) {
  const size_t *n = network->widths;
  for (uint32_t l = 0; l < network->layers; l++) {
    *slots++ = (fal_slot){.prefix = "W", .index = l, .rows = n[l], .cols = n[l + 1], .data = fal_weights(network, l)};
    if (!network->biases) continue;
    *slots++ = (fal_slot){.prefix = "b", .index = l + 1, .cols = n[l + 1], .data = fal_bias(network, l + 1)};
  }
}

/* Lists the network's slots; the caller frees the list. */
static falign_status make_network_slots(const falign_network *network, fal_slot **slots) {
  *slots = fal_alloc(fal_network_slot_count(network), sizeof **slots);
  if (!*slots) return fal_fail_memory("slots", fal_network_slot_count(network), sizeof **slots);
  fal_network_slots(network, *slots);
  return FALIGN_OK;
}

falign_status falign_network_export(const falign_network *network, falign_tensors *tensors) {
  FAL_GIVEN(network);
  FAL_GIVEN(tensors);
  fal_slot *slots;
  FAL_TRY(make_network_slots(network, &slots));
  falign_status status = fal_slots_export(slots, fal_network_slot_count(network), network->precision, tensors);
  free(slots);
  return status;
}

falign_status falign_network_import(falign_network *network, const falign_tensors *tensors) {
  FAL_GIVEN(network);
  FAL_GIVEN(tensors);
  fal_slot *slots;
  FAL_TRY(make_network_slots(network, &slots));
  size_t count = fal_network_slot_count(network);
  fal_staged staged;
  falign_status status = fal_slots_stage(slots, count, network->precision, false, tensors, &staged);
  if (status == FALIGN_OK) fal_slots_commit(slots, count, network->precision, &staged);
  free(slots);
  return status;
}
