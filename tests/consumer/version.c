/* SPDX-License-Identifier: Apache-2.0 */
#include <falign/falign.h>
#include <stdio.h>

#if FALIGN_VERSION_NUMBER < 1000
#error "these headers are older than 0.1.0"
#endif

int main(void) {
  if (falign_version_number() < FALIGN_VERSION_NUMBER)
    return fprintf(stderr, "built for %s, got %s\n", FALIGN_VERSION_STRING, falign_version()), 1;
  if (!falign_has_feature("threads")) printf("runs take one thread\n");
  for (size_t i = 0; falign_feature_at(i) != NULL; i++) printf("%s\n", falign_feature_at(i));
}
