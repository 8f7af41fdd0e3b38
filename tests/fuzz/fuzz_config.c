/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "fuzz.h"

#include <string.h>

#include "kit/config.h"

/* A set of tensors with those bytes, up to a zero byte, as the note "config". */
static falign_tensors *noted(const uint8_t *data, size_t size) {
  falign_tensors *set;
  char *text = malloc(size + 1);
  must(text != NULL && falign_tensors_create(&set) == FALIGN_OK);
  if (size > 0) memcpy(text, data, size);
  text[size] = '\0';
  must(falign_tensors_set_note(set, "config", text) == FALIGN_OK);
  free(text);
  return set;
}

/* Reads a configuration; what could be read is written and read again, the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  falign_tensors *set = noted(data, size);
  configuration *config = NULL, *again = NULL;
  falign_status status = config_import(set, &config);
  if (status == FALIGN_OK) {
    must(config_export(config, set) == FALIGN_OK);
    must(config_import(set, &again) == FALIGN_OK);
    must(config_match(config, again) == FALIGN_OK);
  } else {
    check_failure(status, config);
  }
  config_destroy(config);
  config_destroy(again);
  falign_tensors_destroy(set);
  return 0;
}
