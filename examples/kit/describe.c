/* SPDX-License-Identifier: Apache-2.0 */
#include "describe.h"

#include <inttypes.h>
#include <stdio.h>

falign_status describe_program(configuration *config, const char *name) {
  TRY(config_set_text(config, "program", name));
  return config_set_text(config, "version", falign_version());
}

falign_status describe_seed(configuration *config, uint64_t seed) {
  char text[32];
  if (seed <= UINT64_C(1) << 53) return config_set_integer(config, "seed", (int64_t)seed);
  snprintf(text, sizeof text, "%" PRIu64, seed);
  return config_set_text(config, "seed", text);
}

falign_status describe_backend(configuration *config, const falign_backend *backend) {
  TRY(config_set_text(config, "backend", falign_backend_name(backend)));
  TRY(config_set_text(config, "backend-detail", falign_backend_detail(backend)));
  return config_set_integer(config, "backend-threads", falign_backend_own_threads(backend));
}

falign_status describe_dataset(configuration *config, const char *name, uint64_t fingerprint) {
  char text[32];
  snprintf(text, sizeof text, "%016" PRIx64, fingerprint);
  return config_set_text(config, name, text);
}
