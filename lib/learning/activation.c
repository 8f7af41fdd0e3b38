/* SPDX-License-Identifier: Apache-2.0 */
#include "learning/activation.h"

#include <stdlib.h>
#include <string.h>

static const falign_activation builtins[] = {
    {.permanent = true, .kind = FAL_TANH_RELU, .name = "tanh-relu"},
    {.permanent = true, .kind = FAL_RELU, .name = "relu"},
    {.permanent = true, .kind = FAL_TANH, .name = "tanh"},
    {.permanent = true, .kind = FAL_LOGISTIC, .name = "logistic"},
    {.permanent = true, .kind = FAL_LINEAR, .name = "linear"},
};
enum { BUILTINS = sizeof builtins / sizeof *builtins };

const falign_activation *fal_activation_default(void) { return &builtins[0]; }

falign_status falign_activation_create(const char *name, falign_activation **out) {
  FAL_GIVEN(name);
  FAL_GIVEN(out);
  for (size_t i = 0; i < BUILTINS; i++) {
    if (strcmp(name, builtins[i].name) != 0) continue;
    *out = (falign_activation *)&builtins[i];
    return FALIGN_OK;
  }
  return fal_fail(FALIGN_UNSUPPORTED,
                  "there is no activation \"%s\": the library has tanh-relu, relu, tanh, logistic and linear", name);
}

static falign_status copy_activation_table(const falign_activation_table *given, falign_activation_table *table) {
  static const size_t first_size = offsetof(falign_activation_table, destroy) + sizeof given->destroy;
  FAL_TRY(fal_copy_table("activation", table, sizeof *table, first_size, given, given->size));
  if (!table->name) return fal_fail(FALIGN_INVALID, "the activation table has no name");
  if (!table->f) return fal_fail(FALIGN_INVALID, "activation %s has no f", table->name);
  if (!table->df) return fal_fail(FALIGN_INVALID, "activation %s has no df", table->name);
  return FALIGN_OK;
}

falign_status falign_activation_create_custom(const falign_activation_table *table, void *user,
                                              falign_activation **out) {
  falign_activation_table own;
  FAL_GIVEN(table);
  FAL_GIVEN(out);
  FAL_TRY(copy_activation_table(table, &own));
  falign_activation *activation = fal_alloc(1, sizeof *activation);
  char *name = fal_strdup(own.name);
  if (!activation || !name) {
    free(activation);
    free(name);
    return fal_fail_memory("an activation", 1, sizeof *activation);
  }
  *activation = (falign_activation){
      .kind = FAL_CUSTOM, .name = name, .f = own.f, .df = own.df, .user = user, .destroy = own.destroy};
  fal_refs_init(&activation->refs);
  *out = activation;
  return FALIGN_OK;
}

void fal_activation_retain(const falign_activation *activation) {
  if (!activation->permanent) fal_refs_retain(&((falign_activation *)activation)->refs);
}

void falign_activation_destroy(falign_activation *activation) {
  if (!activation || activation->permanent || !fal_refs_release(&activation->refs)) return;
  if (activation->destroy) activation->destroy(activation->user);
  free((char *)activation->name);
  free(activation);
}

const char *falign_activation_name(const falign_activation *activation) { return activation->name; }

bool fal_is_analytic(const falign_activation *activation) {
  return activation->kind == FAL_TANH || activation->kind == FAL_LOGISTIC || activation->kind == FAL_LINEAR;
}

void fal_activation_derivative(const falign_activation *activation, falign_precision precision, const void *z,
                               const void *y, void *out, size_t count) {
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
