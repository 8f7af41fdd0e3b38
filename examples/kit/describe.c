/* SPDX-License-Identifier: Apache-2.0 */
#include "describe.h"

#include <inttypes.h>
#include <stdio.h>

falign_status describe_program(falign_config *config, const char *name) {
  TRY(falign_config_set_text(config, "program", name));
  return falign_config_set_text(config, "version", falign_version());
}

falign_status describe_seed(falign_config *config, uint64_t seed) {
  char text[32];
  if (seed <= UINT64_C(1) << 53) return falign_config_set_integer(config, "seed", (int64_t)seed);
  snprintf(text, sizeof text, "%" PRIu64, seed);
  return falign_config_set_text(config, "seed", text);
}

falign_status describe_backend(falign_config *config, const falign_backend *backend) {
  TRY(falign_config_set_text(config, "backend", falign_backend_name(backend)));
  TRY(falign_config_set_text(config, "backend-detail", falign_backend_detail(backend)));
  return falign_config_set_integer(config, "backend-threads", falign_backend_own_threads(backend));
}

falign_status describe_dataset(falign_config *config, const char *name, uint64_t fingerprint) {
  char text[32];
  snprintf(text, sizeof text, "%016" PRIx64, fingerprint);
  return falign_config_set_text(config, name, text);
}
