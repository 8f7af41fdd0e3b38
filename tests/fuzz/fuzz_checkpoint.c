/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "fuzz.h"

/* A checkpoint with damages of all kinds, given to another run: what cannot be taken leaves that run as it was, and
 * with what was taken it can go on. The first byte tells what runs these are; then comes what happens to one tensor
 * after the other. */

enum { POINTS = 6, BATCH = 4, LAYERS = 3, CATEGORIES = 2, OUTPUTS = 4 };

typedef struct {
  falign_dataset *data;
  falign_code *code;
  falign_batches *batches;
  falign_network *network;
  falign_rule *rule;
  falign_backend *backend;
  falign_trainer *trainer;
  falign_table *table;
} run;

static run new_run(uint8_t kind, uint32_t number) {
  static const char *const rules[] = {"bp", "fa", "dfa"};
  static const size_t widths[LAYERS + 1] = {2, 3, 3, OUTPUTS};
  const falign_synthetic points = {
      .points = POINTS, .width = widths[0], .categories = CATEGORIES, .within = 0.6, .between = 0.2};
  run r;
  must(falign_dataset_create_synthetic(&points, FALIGN_TRAIN, 1, &r.data) == FALIGN_OK);
  must(falign_code_create_n_hot(CATEGORIES, OUTPUTS, 2, 1, number, &r.code) == FALIGN_OK);
  must(falign_batches_create(r.data, r.code, BATCH, &r.batches) == FALIGN_OK);
  must(falign_batches_set_order(r.batches, kind / 3 % 3, 1, number) == FALIGN_OK);
  if (kind / 9 % 2) must(falign_batches_shuffle_labels(r.batches, 0.5, 1, number) == FALIGN_OK);
  must(falign_network_create(kind / 18 % 2 ? FALIGN_F64 : FALIGN_F32, LAYERS, widths, 1, &r.network) == FALIGN_OK);
  must(falign_network_draw(r.network, 0.5, 0.1, 1, number) == FALIGN_OK);
  must(falign_rule_create(rules[kind % 3], r.network, &r.rule) == FALIGN_OK);
  must(falign_rule_draw(r.rule, 0.5, 1, number) == FALIGN_OK);
  must(falign_trainer_create(r.network, r.rule, 0.1, &r.trainer) == FALIGN_OK);
  must(falign_backend_create("builtin", &r.backend) == FALIGN_OK); /* others take long to start */
  must(falign_trainer_set_backend(r.trainer, r.backend) == FALIGN_OK);
  must(falign_table_create(FALIGN_F32, kind / 36 % 2 ? "condition" : NULL, &r.table) == FALIGN_OK);
  for (uint32_t i = 0; i <= number; i++) {
    const falign_value value = {.iteration = i, .name = "loss", .layer = 1, .order = -1, .value = i};
    must(falign_table_add(r.table, &value, 0.5) == FALIGN_OK);
  }
  return r;
}

static void free_run(run *r) {
  falign_table_destroy(r->table);
  falign_trainer_destroy(r->trainer);
  falign_backend_destroy(r->backend);
  falign_rule_destroy(r->rule);
  falign_network_destroy(r->network);
  falign_batches_destroy(r->batches);
  falign_code_destroy(r->code);
  falign_dataset_destroy(r->data);
}

static falign_tensors *checkpoint(const run *r) {
  falign_tensors *set;
  must(falign_tensors_create(&set) == FALIGN_OK);
  must(falign_trainer_export(r->trainer, set) == FALIGN_OK);
  must(falign_batches_export(r->batches, 0, set) == FALIGN_OK);
  must(falign_table_export(r->table, set) == FALIGN_OK);
  return set;
}

/* ---- Tensors ---- */

typedef struct {
  falign_dtype dtype;
  size_t rank, dims[8];
  uint8_t bytes[1 << 10];
} tensor;

static size_t size_of(const tensor *t) {
  static const size_t elements[] = {0, 4, 8, 8, 1}; /* by dtype */
  size_t size = elements[t->dtype];
  for (size_t i = 0; i < t->rank; i++) size *= t->dims[i];
  return size;
}

static tensor tensor_at(const falign_tensors *set, size_t i) {
  tensor t = {0};
  falign_tensor view;
  must(falign_tensors_view(set, falign_tensors_name_at(set, i), &view) == FALIGN_OK);
  t.dtype = view.dtype;
  t.rank = view.rank;
  if (t.rank > 0) memcpy(t.dims, view.dims, t.rank * sizeof *view.dims);
  must(size_of(&t) <= sizeof t.bytes);
  memcpy(t.bytes, view.data, size_of(&t));
  return t;
}

static bool same(const falign_tensors *a, const falign_tensors *b) {
  bool is_same = falign_tensors_count(a) == falign_tensors_count(b);
  for (size_t i = 0; is_same && i < falign_tensors_count(a); i++) {
    tensor x = tensor_at(a, i), y = tensor_at(b, i);
    is_same = x.dtype == y.dtype && x.rank == y.rank && memcmp(x.dims, y.dims, sizeof x.dims) == 0 &&
              memcmp(x.bytes, y.bytes, sizeof x.bytes) == 0;
  }
  return is_same;
}

/* What a run computes with. */
static void check_finite(const falign_tensors *set) {
  for (size_t i = 0; i < falign_tensors_count(set); i++) {
    tensor t = tensor_at(set, i);
    if (strncmp(falign_tensors_name_at(set, i), "table.", 6) == 0) continue;
    for (size_t at = 0; at < size_of(&t); at += t.dtype == FALIGN_DTYPE_F32 ? sizeof(float) : sizeof(double)) {
      float single;
      double number = 0;
      if (t.dtype == FALIGN_DTYPE_F64) memcpy(&number, t.bytes + at, sizeof number);
      if (t.dtype == FALIGN_DTYPE_F32) number = (double)*(float *)memcpy(&single, t.bytes + at, sizeof single);
      must(isfinite(number));
    }
  }
}

/* ---- Damage ---- */

typedef struct {
  const uint8_t *at, *end;
} input;

static uint8_t take(input *from) { return from->at < from->end ? *from->at++ : 0; }

/* What happens to a tensor; false where it is lost. */
static bool damage(tensor *t, input *from) {
  for (;;) {
    switch (take(from) % 6) {
      case 1: return false;
      case 2: t->dtype = FALIGN_DTYPE_F32 + take(from) % 4; break;
      case 3:
        t->rank = take(from) % 4;
        for (size_t i = 0; i < t->rank; i++) t->dims[i] = take(from) % 6;
        break;
      case 4: t->bytes[take(from)] = take(from); break;
      case 5:
        for (size_t at = take(from), i = 0; i < 8; i++) t->bytes[at + i] = take(from);
        break;
      default: return true;
    }
    while (size_of(t) > sizeof t->bytes) t->dims[--t->rank] = 0;
  }
}

static falign_tensors *damaged(const falign_tensors *whole, input *from) {
  falign_tensors *set;
  must(falign_tensors_create(&set) == FALIGN_OK);
  for (size_t i = 0; i < falign_tensors_count(whole); i++) {
    tensor t = tensor_at(whole, i);
    const char *name = falign_tensors_name_at(whole, i);
    if (damage(&t, from)) must(falign_tensors_add(set, name, t.dtype, t.dims, t.rank, t.bytes) == FALIGN_OK);
  }
  return set;
}

/* ---- Imports ---- */

/* Either the run goes on, or it tells why not. */
static void go_on(const run *r) {
  uint64_t iteration = falign_trainer_iteration(r->trainer);
  falign_status status = falign_trainer_run(r->trainer, r->batches, iteration + 2);
  must(status == FALIGN_OK || status == FALIGN_DIVERGED || status == FALIGN_INVALID);
  must(status == FALIGN_OK || falign_last_error()[0] != 0);
  must(falign_trainer_iteration(r->trainer) - iteration <= 2);
  for (size_t i = 0; i < falign_table_rows(r->table); i++) {
    falign_row row;
    must(falign_table_row(r->table, i, &row) == FALIGN_OK && *row.value.name);
  }
}

static void check_import(const run *r, falign_status status, const falign_tensors *before) {
  falign_tensors *after = checkpoint(r);
  check_finite(after);
  if (status != FALIGN_OK) {
    must(status == FALIGN_SHAPE || status == FALIGN_INVALID || status == FALIGN_FORMAT || status == FALIGN_MEMORY);
    must(falign_last_error()[0] != 0 && same(before, after));
  }
  falign_tensors_destroy(after);
}

/* Imports each part in turn. */
static void import(run *r, const falign_tensors *set) {
  for (int part = 0; part < 5; part++) {
    falign_tensors *before = checkpoint(r);
    falign_status status = part == 0   ? falign_network_import(r->network, set)
                           : part == 1 ? falign_rule_import(r->rule, set)
                           : part == 2 ? falign_trainer_import(r->trainer, set)
                           : part == 3 ? falign_batches_import(r->batches, 0, set)
                                       : falign_table_import(r->table, set);
    check_import(r, status, before);
    falign_tensors_destroy(before);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input from = {data, data + size};
  uint8_t kind = take(&from);
  run first = new_run(kind, 0), second = new_run(kind, 1);
  must(falign_trainer_run(first.trainer, first.batches, 3) == FALIGN_OK);
  falign_tensors *whole = checkpoint(&first), *set = damaged(whole, &from);
  import(&second, set);
  if (same(whole, set)) {
    falign_tensors *after = checkpoint(&second);
    must(same(whole, after));
    falign_tensors_destroy(after);
  }
  go_on(&second);
  falign_tensors_destroy(set);
  falign_tensors_destroy(whole);
  free_run(&second);
  free_run(&first);
  return 0;
}
