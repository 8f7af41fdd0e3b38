/* SPDX-License-Identifier: Apache-2.0 */
/* Stands for all that needs zlib or cJSON in a build without them. */
#include "falign/dataset.h"
#include "falign/table.h"
#include "learning/history.h"
#include "base/support.h"

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif

static falign_status no_files(const char *function) {
  return fal_fail(FALIGN_UNSUPPORTED, "this build has no files: %s() needs them", function);
}

falign_status falign_dataset_read_idx(const char *images, const char *labels, size_t image_size, uint32_t categories,
                                      falign_dataset **out) {
  return no_files(__func__);
}

falign_status falign_dataset_read_mnist(const char *directory, falign_part part, size_t image_size,
                                        falign_dataset **out) {
  return no_files(__func__);
}

falign_status falign_tensors_write(const falign_tensors *tensors, const char *path) { return no_files(__func__); }

falign_status falign_tensors_read(const char *path, falign_tensors **out) { return no_files(__func__); }

falign_status fal_spill_create(const char *directory, fal_spill **out) {
  return fal_fail(FALIGN_UNSUPPORTED, "this build has no files: a history cannot use a directory");
}

void fal_spill_destroy(fal_spill *spill) {}

void fal_spill_empty(const fal_spill *spill) {}

falign_status fal_spill_write(const fal_spill *spill, const void *data, size_t size, uint64_t at) {
  return no_files(__func__);
}

falign_status fal_spill_read(const fal_spill *spill, void *data, size_t size, uint64_t at) {
  return no_files(__func__);
}

falign_status falign_table_create(falign_precision precision, const char *condition, falign_table **out) {
  return no_files(__func__);
}

void falign_table_destroy(falign_table *table) {}

falign_status falign_table_set_condition(falign_table *table, const char *value) { return no_files(__func__); }

void falign_table_set_run(falign_table *table, int64_t run) {}

falign_status falign_table_add(falign_table *table, int64_t iteration, double epoch, int64_t layer, int64_t order,
                               const char *metric, double value) {
  return no_files(__func__);
}

falign_status falign_table_append(falign_table *table, const falign_table *other) { return no_files(__func__); }

size_t falign_table_rows(const falign_table *table) { return 0; }

falign_status falign_table_row(const falign_table *table, size_t i, const char **condition, int64_t *run,
                               int64_t *iteration, double *epoch, int64_t *layer, int64_t *order, const char **metric,
                               double *value) {
  return no_files(__func__);
}

falign_status falign_table_write(const falign_table *table, const char *path) { return no_files(__func__); }

falign_status falign_table_write_descriptor(const falign_table *table, int32_t descriptor) {
  return no_files(__func__);
}

falign_status falign_table_write_summary(const falign_table *table, const char *path) { return no_files(__func__); }

falign_status falign_table_export(const falign_table *table, falign_tensors *tensors) { return no_files(__func__); }

falign_status falign_table_import(falign_table *table, const falign_tensors *tensors) { return no_files(__func__); }
