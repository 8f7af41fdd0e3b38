/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/network.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "learning/activation.h"
#include "math/rng.h"

static const char *const activation_names[] = {
    [FALIGN_TANH_RELU] = "tanh-relu", [FALIGN_RELU] = "relu",     [FALIGN_TANH] = "tanh",
    [FALIGN_LOGISTIC] = "logistic",   [FALIGN_LINEAR] = "linear", [FALIGN_CUSTOM] = "custom",
};

const char *falign_activation_name(falign_activation activation) {
  return activation >= FALIGN_TANH_RELU && activation <= FALIGN_CUSTOM ? activation_names[activation] : NULL;
}

falign_activation falign_activation_find(const char *name) {
  for (falign_activation a = FALIGN_TANH_RELU; name && a <= FALIGN_CUSTOM; a++) {
    if (strcmp(name, activation_names[a]) == 0) return a;
  }
  return 0;
}

/* Checks the widths, and counts the parameters and the widest layer. */
static falign_status measure(uint32_t layers, const size_t *widths, bool biases, size_t *parameters, size_t *widest) {
  const size_t most = PTRDIFF_MAX / (4 * sizeof(double)); /* so that the sums below do not overflow */
  size_t count = 0, wide = widths[0];
  for (uint32_t l = 0; l <= layers; l++) {
    if (widths[l] == 0) return fal_fail(FALIGN_INVALID, "layer %u has width 0", l);
    if (widths[l] > wide) wide = widths[l];
    if (l == 0) continue;
    size_t weights;
    if (!fal_mul(widths[l - 1], widths[l], &weights) || weights > most || count > most)
      return fal_fail(FALIGN_MEMORY, "W[%u] of %zu x %zu is too large", l - 1, widths[l - 1], widths[l]);
    count += weights + (biases ? widths[l] : 0);
  }
  *parameters = count;
  *widest = wide;
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
  size_t parameters, widest, ends = (size_t)layers + 1;
  FAL_TRY(measure(layers, widths, biases != 0, &parameters, &widest));

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
  network->column_scale = fal_alloc(widest, sizeof *network->column_scale);
  network->parameters = fal_zalloc(parameters, fal_element(precision));
  if (!network->widths || !network->activation || !network->w_at || !network->b_at || !network->column_scale ||
      !network->parameters) {
    falign_network_destroy(network);
    return fal_fail_memory("a network's parameters", parameters, fal_element(precision));
  }
  memcpy(network->widths, widths, ends * sizeof *widths);
  for (uint32_t l = 1; l <= layers; l++) network->activation[l].kind = FALIGN_TANH_RELU;
  place_parameters(network);
  *out = network;
  return FALIGN_OK;
}

void fal_network_keep(falign_network *network) { fal_refs_keep(&network->refs); }

void falign_network_destroy(falign_network *network) {
  if (!network || !fal_refs_drop(&network->refs)) return;
  free(network->widths);
  free(network->activation);
  free(network->w_at);
  free(network->b_at);
  free(network->column_scale);
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

falign_activation falign_network_activation(const falign_network *network, uint32_t l) {
  return l >= 1 && l <= network->layers ? network->activation[l].kind : 0;
}

/* Layers of weights go from 0 to d-1; those of units from 1 to d. */
static falign_status check_weight_layer(const falign_network *network, uint32_t l) {
  FAL_GIVEN(network);
  if (l >= network->layers)
    return fal_fail(FALIGN_INVALID, "there is no W[%u]: l goes from 0 to %u", l, network->layers - 1);
  return FALIGN_OK;
}

static falign_status check_unit_layer(const falign_network *network, const char *what, uint32_t l) {
  FAL_GIVEN(network);
  if (l < 1 || l > network->layers)
    return fal_fail(FALIGN_INVALID, "there is no %s[%u]: l goes from 1 to %u", what, l, network->layers);
  return FALIGN_OK;
}

falign_status falign_network_set_activation(falign_network *network, uint32_t l, falign_activation activation) {
  FAL_TRY(check_unit_layer(network, "activation", l));
  if (activation < FALIGN_TANH_RELU || activation > FALIGN_LINEAR)
    return fal_fail(FALIGN_INVALID, "%d is no activation that can be set by number", activation);
  network->activation[l] = (fal_activation){.kind = activation};
  return FALIGN_OK;
}

falign_status falign_network_set_custom_activation(falign_network *network, uint32_t l, falign_map_fn f,
                                                   falign_map_fn df, void *user) {
  FAL_TRY(check_unit_layer(network, "activation", l));
  if (!f || !df) return fal_fail(FALIGN_INVALID, "a custom activation needs both f and its derivative");
  network->activation[l] = (fal_activation){.kind = FALIGN_CUSTOM, .f = f, .df = df, .user = user};
  return FALIGN_OK;
}

falign_status fal_draw(uint64_t seed, uint32_t purpose, uint32_t l, uint32_t run, double sd, falign_precision precision,
                       void *out, size_t count) {
  falign_rng rng;
  FAL_TRY(fal_rng_init(&rng, seed, purpose, l, run));
  if (precision == FALIGN_F32) {
    falign_rng_normal_f32(&rng, sd, out, count);
  } else {
    falign_rng_normal_f64(&rng, sd, out, count);
  }
  return FALIGN_OK;
}

falign_status fal_check_sd(const char *name, falign_precision precision, double sd) {
  const double farthest = 9; /* sqrt(2 ln 2^53) < 8.6 standard deviations is the most that is drawn */
  double most = (precision == FALIGN_F32 ? (double)FLT_MAX : DBL_MAX) / farthest;
  if (sd >= 0 && sd <= most) return FALIGN_OK;
  return fal_fail(FALIGN_INVALID, "%s is a standard deviation from 0 to %g, got %g", name, most, sd);
}

falign_status falign_network_draw(falign_network *network, double sd_w, double sd_b, uint64_t seed, uint32_t run) {
  FAL_GIVEN(network);
  FAL_TRY(fal_check_sd("sd_w", network->precision, sd_w));
  FAL_TRY(fal_check_sd("sd_b", network->precision, sd_b));
  const size_t *n = network->widths;
  for (uint32_t l = 0; l < network->layers; l++) {
    FAL_TRY(fal_draw(seed, FALIGN_RNG_W, l, run, sd_w, network->precision, fal_weights(network, l), n[l] * n[l + 1]));
    if (!network->biases) continue;
    FAL_TRY(fal_draw(seed, FALIGN_RNG_BIAS, l + 1, run, sd_b, network->precision, fal_bias(network, l + 1), n[l + 1]));
  }
  return FALIGN_OK;
}

static void *at(const falign_network *network, size_t element) {
  return (char *)network->parameters + element * fal_element(network->precision);
}

void *fal_weights(const falign_network *network, uint32_t l) { return at(network, network->w_at[l]); }

void *fal_bias(const falign_network *network, uint32_t l) { return at(network, network->b_at[l]); }

static falign_status set_weights(falign_network *network, uint32_t l, const void *w, falign_precision precision,
                                 size_t rows, size_t cols, size_t stride) {
  FAL_TRY(check_weight_layer(network, l));
  FAL_TRY(fal_check_matrix("W", l, w, rows, cols, stride, network->widths[l], network->widths[l + 1]));
  FAL_TRY(fal_check_finite_as("W", l, w, precision, network->precision, rows, cols, stride));
  fal_copy_matrix(fal_weights(network, l), network->precision, cols, w, precision, stride, rows, cols);
  return FALIGN_OK;
}

falign_status falign_network_set_weights_f32(falign_network *network, uint32_t l, const float *w, size_t rows,
                                             size_t cols, size_t stride) {
  return set_weights(network, l, w, FALIGN_F32, rows, cols, stride);
}

falign_status falign_network_set_weights_f64(falign_network *network, uint32_t l, const double *w, size_t rows,
                                             size_t cols, size_t stride) {
  return set_weights(network, l, w, FALIGN_F64, rows, cols, stride);
}

static falign_status get_weights(const falign_network *network, uint32_t l, void *w, falign_precision precision,
                                 size_t rows, size_t cols, size_t stride) {
  FAL_TRY(check_weight_layer(network, l));
  FAL_TRY(fal_check_matrix("W", l, w, rows, cols, stride, network->widths[l], network->widths[l + 1]));
  fal_copy_matrix(w, precision, stride, fal_weights(network, l), network->precision, cols, rows, cols);
  return FALIGN_OK;
}

falign_status falign_network_get_weights_f32(const falign_network *network, uint32_t l, float *w, size_t rows,
                                             size_t cols, size_t stride) {
  return get_weights(network, l, w, FALIGN_F32, rows, cols, stride);
}

falign_status falign_network_get_weights_f64(const falign_network *network, uint32_t l, double *w, size_t rows,
                                             size_t cols, size_t stride) {
  return get_weights(network, l, w, FALIGN_F64, rows, cols, stride);
}

static falign_status check_bias(const falign_network *network, uint32_t l, const void *b, size_t length) {
  FAL_TRY(check_unit_layer(network, "b", l));
  if (!network->biases) return fal_fail(FALIGN_UNSUPPORTED, "b[%u]: the network has no biases", l);
  if (!b) return fal_fail(FALIGN_INVALID, "b[%u] is NULL", l);
  if (length != network->widths[l])
    return fal_fail(FALIGN_SHAPE, "b[%u] has length %zu, got %zu", l, network->widths[l], length);
  return FALIGN_OK;
}

static falign_status set_bias(falign_network *network, uint32_t l, const void *b, falign_precision precision,
                              size_t length) {
  FAL_TRY(check_bias(network, l, b, length));
  FAL_TRY(fal_check_finite_as("b", l, b, precision, network->precision, 1, length, length));
  fal_copy_matrix(fal_bias(network, l), network->precision, length, b, precision, length, 1, length);
  return FALIGN_OK;
}

falign_status falign_network_set_bias_f32(falign_network *network, uint32_t l, const float *b, size_t length) {
  return set_bias(network, l, b, FALIGN_F32, length);
}

falign_status falign_network_set_bias_f64(falign_network *network, uint32_t l, const double *b, size_t length) {
  return set_bias(network, l, b, FALIGN_F64, length);
}

static falign_status get_bias(const falign_network *network, uint32_t l, void *b, falign_precision precision,
                              size_t length) {
  FAL_TRY(check_bias(network, l, b, length));
  fal_copy_matrix(b, precision, length, fal_bias(network, l), network->precision, length, 1, length);
  return FALIGN_OK;
}

falign_status falign_network_get_bias_f32(const falign_network *network, uint32_t l, float *b, size_t length) {
  return get_bias(network, l, b, FALIGN_F32, length);
}

falign_status falign_network_get_bias_f64(const falign_network *network, uint32_t l, double *b, size_t length) {
  return get_bias(network, l, b, FALIGN_F64, length);
}

static falign_status check_precision(const falign_network *network, falign_precision precision) {
  if (network->precision == precision) return FALIGN_OK;
  return fal_fail(FALIGN_SHAPE, "the network is in %s", network->precision == FALIGN_F32 ? "f32" : "f64");
}

static void *weights_in_place(const falign_network *network, uint32_t l, falign_precision precision) {
  if (check_weight_layer(network, l) || check_precision(network, precision)) return NULL;
  return fal_weights(network, l);
}

float *falign_network_weights_f32(falign_network *network, uint32_t l) {
  return weights_in_place(network, l, FALIGN_F32);
}

const float *falign_network_view_weights_f32(const falign_network *network, uint32_t l) {
  return weights_in_place(network, l, FALIGN_F32);
}

double *falign_network_weights_f64(falign_network *network, uint32_t l) {
  return weights_in_place(network, l, FALIGN_F64);
}

const double *falign_network_view_weights_f64(const falign_network *network, uint32_t l) {
  return weights_in_place(network, l, FALIGN_F64);
}

static void *bias_in_place(const falign_network *network, uint32_t l, falign_precision precision) {
  if (check_unit_layer(network, "b", l) || check_precision(network, precision)) return NULL;
  if (!network->biases) {
    fal_message("b[%u]: the network has no biases", l);
    return NULL;
  }
  return fal_bias(network, l);
}

float *falign_network_bias_f32(falign_network *network, uint32_t l) { return bias_in_place(network, l, FALIGN_F32); }

const float *falign_network_view_bias_f32(const falign_network *network, uint32_t l) {
  return bias_in_place(network, l, FALIGN_F32);
}

double *falign_network_bias_f64(falign_network *network, uint32_t l) { return bias_in_place(network, l, FALIGN_F64); }

const double *falign_network_view_bias_f64(const falign_network *network, uint32_t l) {
  return bias_in_place(network, l, FALIGN_F64);
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

/* The network's slots in memory of their own. */
static falign_status make_slots(const falign_network *network, fal_slot **slots) {
  *slots = fal_alloc(fal_network_slot_count(network), sizeof **slots);
  if (!*slots) return fal_fail_memory("slots", fal_network_slot_count(network), sizeof **slots);
  fal_network_slots(network, *slots);
  return FALIGN_OK;
}

falign_status falign_network_export(const falign_network *network, falign_tensors *tensors) {
  if (!network || !tensors) return fal_fail(FALIGN_INVALID, "%s is NULL", network ? "tensors" : "network");
  fal_slot *slots;
  FAL_TRY(make_slots(network, &slots));
  falign_status status = fal_slots_export(slots, fal_network_slot_count(network), network->precision, tensors);
  free(slots);
  return status;
}

falign_status falign_network_import(falign_network *network, const falign_tensors *tensors) {
  if (!network || !tensors) return fal_fail(FALIGN_INVALID, "%s is NULL", network ? "tensors" : "network");
  fal_slot *slots;
  FAL_TRY(make_slots(network, &slots));
  size_t count = fal_network_slot_count(network);
  fal_staged staged;
  falign_status status = fal_slots_stage(slots, count, network->precision, false, tensors, &staged);
  if (status == FALIGN_OK) fal_slots_commit(slots, count, network->precision, &staged);
  free(slots);
  return status;
}

bool fal_is_analytic(const fal_activation *activation) {
  return activation->kind == FALIGN_TANH || activation->kind == FALIGN_LOGISTIC || activation->kind == FALIGN_LINEAR;
}

void fal_activation_derivative(const falign_network *network, uint32_t l, falign_precision precision, const void *z,
                               const void *y, void *out, size_t count) {
  const fal_activation *activation = &network->activation[l];
  if (precision == FALIGN_F32) {
    float *ones = out;
    for (size_t i = 0; i < count; i++) ones[i] = 1;
    fal_times_derivative_f32(activation, ones, z, y, out, count);
  } else {
    double *ones = out;
    for (size_t i = 0; i < count; i++) ones[i] = 1;
    fal_times_derivative_f64(activation, ones, z, y, out, count);
  }
}
