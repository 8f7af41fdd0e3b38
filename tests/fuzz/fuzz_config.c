/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "fuzz.h"

/* Reads a configuration; what could be read is written and read again, the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[64];
  falign_config *config = NULL, *again = NULL;
  falign_status status = falign_config_read(file_of(path, "config", data, size), &config);
  if (status != FALIGN_OK) {
    remove(path);
    check_failure(status, config);
    return 0;
  }
  must(falign_config_write(config, path) == FALIGN_OK);
  must(falign_config_read(path, &again) == FALIGN_OK);
  remove(path);
  must(falign_config_match(config, again) == FALIGN_OK);
  falign_config_destroy(config);
  falign_config_destroy(again);
  return 0;
}
