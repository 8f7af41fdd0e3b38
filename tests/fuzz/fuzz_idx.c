/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "fuzz.h"

/* Reads a pair of IDX files, plain or gz. The first byte is the number of bytes of labels, the second the size to which
 * images are resized; labels and images follow. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char images[64], labels[64];
  falign_dataset *dataset = NULL;
  if (size < 2 || size - 2 < data[0]) return 0;
  const uint8_t *rest = data + 2;
  file_of(labels, "labels", rest, data[0]);
  file_of(images, "images", rest + data[0], size - 2 - data[0]);
  falign_status status = falign_dataset_read_idx(images, labels, data[1] % 32, 10, &dataset);
  remove(images);
  remove(labels);
  if (status != FALIGN_OK) {
    check_failure(status, dataset);
    return 0;
  }
  const falign_dataset_shape *shape = falign_dataset_get_shape(dataset);
  double *row = malloc(shape->width * sizeof *row);
  falign_matrix last = falign_matrix_f64(row, 1, shape->width);
  must(row && falign_dataset_get(dataset, shape->points - 1, &last) == FALIGN_OK);
  for (size_t i = 0; i < shape->width; i++) must(row[i] >= 0 && row[i] <= 1);
  must(shape->labels[shape->points - 1] < 10);
  free(row);
  falign_dataset_destroy(dataset);
  return 0;
}
