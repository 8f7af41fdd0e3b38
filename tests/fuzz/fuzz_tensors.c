/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include <string.h>

#include "fuzz.h"

static void check_same(const falign_tensors *a, const falign_tensors *b) {
  must(falign_tensors_count(a) == falign_tensors_count(b));
  for (size_t i = 0; i < falign_tensors_count(a); i++) {
    const char *name = falign_tensors_name_at(a, i);
    falign_tensor x, y;
    must(falign_tensors_view(a, name, &x) == FALIGN_OK && falign_tensors_view(b, name, &y) == FALIGN_OK);
    must(x.dtype == y.dtype && x.rank == y.rank);
    must(x.rank == 0 || memcmp(x.dims, y.dims, x.rank * sizeof *x.dims) == 0);
  }
}

/* Reads a safetensors file; what could be read is written and read again, the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[64];
  falign_tensors *tensors = NULL, *again = NULL;
  falign_status status = falign_tensors_read(file_of(path, "tensors", data, size), &tensors);
  if (status != FALIGN_OK) {
    remove(path);
    check_failure(status, tensors);
    return 0;
  }
  must(falign_tensors_write(tensors, path) == FALIGN_OK);
  must(falign_tensors_read(path, &again) == FALIGN_OK);
  remove(path);
  check_same(tensors, again);
  falign_tensors_destroy(tensors);
  falign_tensors_destroy(again);
  return 0;
}
