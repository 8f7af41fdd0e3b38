/* SPDX-License-Identifier: Apache-2.0 */
/* Replaces spills in a build without files: none can be made, so the other functions are never called. */
#include "learning/history.h"

static falign_status refuse_directory(void) {
  return fal_fail(FALIGN_UNSUPPORTED, "this build has no files: a history cannot use a directory");
}

falign_status fal_spill_create(const char *directory, fal_spill **out) {
  (void)directory, (void)out;
  return refuse_directory();
}

void fal_spill_destroy(fal_spill *spill) { (void)spill; }

void fal_spill_empty(const fal_spill *spill) { (void)spill; }

falign_status fal_spill_write(const fal_spill *spill, const void *data, size_t size, uint64_t at) {
  (void)spill, (void)data, (void)size, (void)at;
  return refuse_directory();
}

falign_status fal_spill_read(const fal_spill *spill, void *data, size_t size, uint64_t at) {
  (void)spill, (void)data, (void)size, (void)at;
  return refuse_directory();
}
