/* SPDX-License-Identifier: Apache-2.0 */
/* Histograms of the similarities of all pairs of 60,000 data points, f32. Argument: threads. */
#include <math.h>

#include "bench.h"

enum { POINTS = 60000, L_WIDTH = 225, DELTA_WIDTH = 50, BINS = 100, CATEGORIES = 10 };

typedef struct {
  falign_similarity *similarity;
  int32_t quantity;
  uint32_t threads;
  uint64_t counts[4 * (BINS + 2)];
} bench;

/* Random rows of about norm 1. */
static float *draw(uint32_t number, size_t width) {
  falign_rng *rng;
  float *rows = malloc(POINTS * width * sizeof *rows);
  if (rows == NULL) exit(EXIT_FAILURE);
  OK(falign_rng_create(1, FALIGN_RNG_USER, number, 0, &rng));
  falign_matrix matrix = falign_matrix_f32(rows, POINTS, width);
  OK(falign_rng_normal(rng, 1 / sqrt((double)width), &matrix));
  falign_rng_destroy(rng);
  return rows;
}

static void set_side(falign_similarity *similarity, int32_t side) {
  static uint32_t labels[POINTS];
  static double errors[POINTS];
  float *l = draw(2 * (uint32_t)side, L_WIDTH), *delta = draw(2 * (uint32_t)side + 1, DELTA_WIDTH);
  falign_view l_view = falign_view_f32(l, POINTS, L_WIDTH), delta_view = falign_view_f32(delta, POINTS, DELTA_WIDTH);
  for (uint32_t i = 0; i < POINTS; i++) labels[i] = i * 7919 % CATEGORIES;
  OK(falign_similarity_set_side(similarity, side, &l_view, &delta_view, labels));
  OK(falign_row_norms(&delta_view, errors));
  OK(falign_similarity_classify(similarity, side, errors, POINTS, 0.6));
  free(l);
  free(delta);
}

static void count(bench *b, const char *name, int32_t quantity) {
  const falign_bins bins = {.low = -1, .high = 1, .count = BINS};
  double began = seconds();
  OK(falign_similarity_histogram(b->similarity, quantity, &bins, b->threads, b->counts));
  printf("%s %.9g\n", name, seconds() - began);
}

int main(int argc, char **argv) {
  static bench b;
  b.threads = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
  OK(falign_similarity_create(FALIGN_F32, L_WIDTH, DELTA_WIDTH, CATEGORIES, &b.similarity));
  set_side(b.similarity, FALIGN_SIDE_PAST);
  set_side(b.similarity, FALIGN_SIDE_PRESENT);
  count(&b, "histogram_of_s_l0", FALIGN_SIMILARITY_L);
  count(&b, "histogram_of_s_delta", FALIGN_SIMILARITY_DELTA);
  falign_similarity_destroy(b.similarity);
  return EXIT_SUCCESS;
}
