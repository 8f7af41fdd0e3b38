/* SPDX-License-Identifier: Apache-2.0 */
/* Replaces the readers and writers in a build without files. */
#include "falign/table.h"
#include "falign/tensors.h"
#include "files/file.h"

falign_status fal_fail_without_files(const char *function) {
  return fal_fail(FALIGN_UNSUPPORTED, "this build has no files: %s() needs them", function);
}

falign_status falign_tensors_write(const falign_tensors *tensors, const char *path) {
  (void)tensors, (void)path;
  return fal_fail_without_files(__func__);
}

falign_status falign_tensors_read(const char *path, falign_tensors **out) {
  (void)path, (void)out;
  return fal_fail_without_files(__func__);
}

falign_status falign_table_write(const falign_table *table, const char *path) {
  (void)table, (void)path;
  return fal_fail_without_files(__func__);
}

falign_status falign_table_write_descriptor(const falign_table *table, int32_t descriptor) {
  (void)table, (void)descriptor;
  return fal_fail_without_files(__func__);
}

falign_status falign_table_write_summary(const falign_table *table, const char *path) {
  (void)table, (void)path;
  return fal_fail_without_files(__func__);
}
