/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

static falign_rng *open_stream(uint64_t seed, uint32_t purpose, uint32_t layer, uint32_t run) {
  falign_rng *rng = NULL;
  ok(falign_rng_create(seed, purpose, layer, run, &rng));
  return rng;
}

/* A vector of Random123's kat_vectors: counter words 0 and 1 are the position. */
static void check_known(uint64_t seed, uint32_t purpose, uint32_t layer, uint32_t run, uint64_t position,
                        const uint32_t want[4]) {
  falign_rng *rng = open_stream(seed, purpose, layer, run);
  uint32_t words[4];
  falign_rng_seek(rng, position);
  falign_rng_block(rng, words);
  for (int i = 0; i < 4; i++) ck_assert_uint_eq(words[i], want[i]);
  ck_assert_uint_eq(falign_rng_position(rng), position + 1);
  falign_rng_destroy(rng);
}

START_TEST(known_answers) {
  const uint32_t zeros[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  const uint32_t ones[] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
  const uint32_t pi[] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  check_known(0, 0, 0, 0, 0, zeros);
  check_known(UINT64_MAX, 255, 0xffffff, UINT32_MAX, UINT64_MAX, ones);
  check_known(0x299f31d0a4093822, 0x13, 0x198a2e, 0x03707344, 0x85a308d3243f6a88, pi);
}
END_TEST

START_TEST(arguments) {
  falign_rng *rng = NULL;
  fails(FALIGN_INVALID, "purpose is 256", falign_rng_create(0, 256, 0, 0, &rng));
  fails(FALIGN_INVALID, "layer is 16777216", falign_rng_create(0, 0, 1 << 24, 0, &rng));
  fails(FALIGN_INVALID, "out is NULL", falign_rng_create(0, 0, 0, 0, NULL));
  ck_assert_ptr_null(rng);
  falign_rng_destroy(NULL);
}
END_TEST

/* Each of seed, purpose, layer and run changes all words; drawing from one stream leaves another where it was. */
START_TEST(streams_differ) {
  falign_rng *streams[] = {open_stream(1, 2, 3, 4), open_stream(2, 2, 3, 4), open_stream(1, 3, 3, 4),
                           open_stream(1, 2, 4, 4), open_stream(1, 2, 3, 5), open_stream(1ull << 32 | 1, 2, 3, 4)};
  enum { STREAMS = sizeof streams / sizeof *streams, COUNT = 20000 };
  static double numbers[STREAMS][COUNT];
  for (int s = 0; s < STREAMS; s++) {
    draw_normal(streams[s], 1, WRITE_F64(numbers[s], 1, COUNT, COUNT));
    ck_assert_uint_eq(falign_rng_position(streams[s]), COUNT / 2);
    falign_rng_destroy(streams[s]);
  }
  for (int s = 0; s < STREAMS; s++) {
    for (int t = 0; t < s; t++) {
      double sum = 0;
      for (int i = 0; i < COUNT; i++) sum += numbers[s][i] * numbers[t][i];
      near(sum / COUNT, 0, 5 / sqrt(COUNT));
    }
  }
}
END_TEST

/* Position, seek, and that each function starts at a new block. */
START_TEST(positions) {
  falign_rng *rng = open_stream(7, FALIGN_RNG_USER, 0, 0);
  double three[3], again[5];
  draw_normal(rng, 1, WRITE_F64(three, 1, 3, 3));
  ck_assert_uint_eq(falign_rng_position(rng), 2);
  draw_normal(rng, 1, WRITE_F64(again, 1, 2, 2));
  falign_rng_seek(rng, 0);
  double five[5];
  draw_normal(rng, 1, WRITE_F64(five, 1, 5, 5));
  ck_assert_mem_eq(five, three, sizeof three);
  ck_assert(five[4] == again[0]);
  falign_rng_seek(rng, 1);
  draw_normal(rng, 1, WRITE_F64(again, 1, 3, 3));
  ck_assert_mem_eq(again, five + 2, 3 * sizeof *five);
  falign_rng_destroy(rng);
}
END_TEST

/* Row by row, into matrices of any layout and precision. */
START_TEST(any_steps) {
  enum { ROWS = 5, COLS = 7 };
  static layout_room room;
  double want[ROWS * COLS];
  falign_rng *rng = open_stream(3, FALIGN_RNG_USER, 2, 0);
  ok(falign_rng_normal(rng, 0.5, WRITE_F64(want, ROWS, COLS, COLS)));
  uint64_t end = falign_rng_position(rng);
  for (int choice = 0; choice < LAYOUTS * 2; choice++) {
    falign_matrix to = lay_out(&room, choice / 2, choice & 1 ? FALIGN_F64 : FALIGN_F32, ROWS, COLS, 42);
    falign_rng_seek(rng, 0);
    ok(falign_rng_normal(rng, 0.5, &to));
    ck_assert(holds(&room, &to, 42, want));
    ck_assert_uint_eq(falign_rng_position(rng), end);
  }
  double one = 42;
  const falign_matrix number = falign_matrix_f64(&one, 1, 1);
  fails(FALIGN_INVALID, "rng is NULL", falign_rng_normal(NULL, 1, &number));
  fails(FALIGN_INVALID, "out is NULL", falign_rng_normal(rng, 1, NULL));
  fails(FALIGN_INVALID, "out is 5 x 7 with invalid steps: 6 from row to row, 1 from column to column",
        falign_rng_normal(rng, 1, WRITE_F64(want, ROWS, COLS, COLS - 1)));
  fails(FALIGN_INVALID, "sd is a standard deviation from 0 to", falign_rng_normal(rng, -1, &number));
  fails(FALIGN_INVALID, "sd is a standard deviation from 0 to", falign_rng_normal(rng, (double)NAN, &number));
  ck_assert(one == 42);
  ck_assert_uint_eq(falign_rng_position(rng), end);
  falign_rng_destroy(rng);
}
END_TEST

/* Box and Muller, from the words. */
START_TEST(normal_of_words) {
  falign_rng *rng = open_stream(3, 1, 2, 0);
  for (uint64_t position = 0; position < 100; position++) {
    uint32_t w[4];
    double got[2];
    float single[2];
    falign_rng_seek(rng, position);
    falign_rng_block(rng, w);
    falign_rng_seek(rng, position);
    draw_normal(rng, 0.1, WRITE_F64(got, 1, 2, 2));
    falign_rng_seek(rng, position);
    draw_normal(rng, 0.1, WRITE_F32(single, 1, 2, 2));
    double u = ldexp((double)((((uint64_t)w[1] << 32 | w[0]) >> 11) + 1), -53);
    double v = ldexp((double)(((uint64_t)w[3] << 32 | w[2]) >> 11), -53);
    near(got[0], 0.1 * sqrt(-2 * log(u)) * cos(2 * acos(-1.0) * v), 1e-15);
    near(got[1], 0.1 * sqrt(-2 * log(u)) * sin(2 * acos(-1.0) * v), 1e-15);
    for (int i = 0; i < 2; i++) ck_assert(single[i] == (float)got[i]);
  }
  falign_rng_destroy(rng);
}
END_TEST

/* Moments 1 to 4 and the share beyond 2 sd, each within five standard errors. */
START_TEST(normal_moments) {
  enum { COUNT = 1000000 };
  double *x = malloc(COUNT * sizeof *x), moments[5] = {0}, beyond = 0, pairs = 0;
  falign_rng *rng = open_stream(11, 1, 0, 0);
  draw_normal(rng, 0.1, WRITE_F64(x, 1, COUNT, COUNT));
  for (int i = 0; i < COUNT; i++) {
    double z = x[i] / 0.1;
    for (int m = 1; m <= 4; m++) moments[m] += pow(z, m) / COUNT;
    beyond += (fabs(z) > 2) / (double)COUNT;
    if (i % 2) pairs += z * x[i - 1] / 0.1 / (COUNT / 2);
  }
  near(moments[1], 0, 5 * sqrt(1.0 / COUNT));
  near(moments[2], 1, 5 * sqrt(2.0 / COUNT));
  near(moments[3], 0, 5 * sqrt(15.0 / COUNT));
  near(moments[4], 3, 5 * sqrt(96.0 / COUNT));
  near(beyond, 0.0455, 5 * sqrt(0.0455 / COUNT));
  near(pairs, 0, 5 * sqrt(2.0 / COUNT));
  falign_rng_destroy(rng);
  free(x);
}
END_TEST

START_TEST(uniform) {
  enum { COUNT = 200000, BINS = 16 };
  int bins[BINS] = {0};
  double chi2 = 0;
  falign_rng *rng = open_stream(5, 9, 0, 0);
  for (int i = 0; i < COUNT; i++) {
    double u = falign_rng_uniform(rng);
    ck_assert(u >= 0 && u < 1);
    ck_assert(u * 9007199254740992.0 == floor(u * 9007199254740992.0));
    bins[(int)(u * BINS)]++;
  }
  for (int b = 0; b < BINS; b++) chi2 += pow(bins[b] - COUNT / (double)BINS, 2) / (COUNT / (double)BINS);
  ck_assert_msg(chi2 < 45, "chi2 = %g with 15 degrees of freedom", chi2); /* 1e-4 */
  falign_rng_destroy(rng);
}
END_TEST

START_TEST(below) {
  enum { COUNT = 100000, BOUND = 7 };
  int bins[BOUND] = {0};
  double chi2 = 0;
  falign_rng *rng = open_stream(6, 9, 0, 0);
  for (int i = 0; i < COUNT; i++) {
    uint64_t drawn = falign_rng_below(rng, BOUND);
    ck_assert_uint_lt(drawn, BOUND);
    bins[drawn]++;
  }
  for (int b = 0; b < BOUND; b++) chi2 += pow(bins[b] - COUNT / (double)BOUND, 2) / (COUNT / (double)BOUND);
  ck_assert_msg(chi2 < 28, "chi2 = %g with 6 degrees of freedom", chi2); /* 1e-4 */
  ck_assert_uint_eq(falign_rng_below(rng, 1), 0);
  uint64_t before = falign_rng_position(rng);
  ck_assert_uint_eq(falign_rng_below(rng, 0), 0);
  ck_assert_uint_eq(falign_rng_position(rng), before);
  falign_rng_destroy(rng);
}
END_TEST

/* With a bound of 3/4 of 2^64 a plain remainder would make the lower third twice as likely as the others. */
START_TEST(below_a_large_bound) {
  enum { COUNT = 30000 };
  const uint64_t bound = 3ull << 62;
  int low = 0;
  falign_rng *rng = open_stream(6, 9, 1, 0);
  for (int i = 0; i < COUNT; i++) low += falign_rng_below(rng, bound) < bound / 3;
  near(low / (double)COUNT, 1.0 / 3, 5 * sqrt(2.0 / 9 / COUNT));
  falign_rng_destroy(rng);
}
END_TEST

START_TEST(permutations) {
  enum { COUNT = 60000 };
  static uint32_t order[COUNT];
  static bool seen[COUNT];
  falign_rng *rng = open_stream(1, FALIGN_RNG_ORDER, 0, 0);
  falign_rng_permutation(rng, order, COUNT);
  int fixed = 0;
  for (uint32_t i = 0; i < COUNT; i++) {
    ck_assert_uint_lt(order[i], COUNT);
    ck_assert(!seen[order[i]]);
    seen[order[i]] = true;
    fixed += order[i] == i;
  }
  ck_assert_int_lt(fixed, 10); /* Poisson with mean 1 */
  falign_rng_permutation(rng, order, 0);
  falign_rng_destroy(rng);
}
END_TEST

/* All 24 orders of four things are equally likely. */
START_TEST(permutations_are_uniform) {
  enum { COUNT = 48000 };
  int bins[256] = {0}, kinds = 0;
  double chi2 = 0;
  falign_rng *rng = open_stream(2, FALIGN_RNG_ORDER, 0, 0);
  for (int i = 0; i < COUNT; i++) {
    uint32_t p[4];
    falign_rng_permutation(rng, p, 4);
    bins[p[0] << 6 | p[1] << 4 | p[2] << 2 | p[3]]++;
  }
  for (int b = 0; b < 256; b++) {
    if (bins[b] == 0) continue;
    kinds++;
    chi2 += pow(bins[b] - COUNT / 24.0, 2) / (COUNT / 24.0);
  }
  ck_assert_int_eq(kinds, 24);
  ck_assert_msg(chi2 < 58, "chi2 = %g with 23 degrees of freedom", chi2); /* 1e-4 */
  falign_rng_destroy(rng);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, known_answers);
  tcase_add_test(tests, arguments);
  tcase_add_test(tests, streams_differ);
  tcase_add_test(tests, positions);
  tcase_add_test(tests, any_steps);
  tcase_add_test(tests, normal_of_words);
  tcase_add_test(tests, normal_moments);
  tcase_add_test(tests, uniform);
  tcase_add_test(tests, below);
  tcase_add_test(tests, below_a_large_bound);
  tcase_add_test(tests, permutations);
  tcase_add_test(tests, permutations_are_uniform);
}

int main(void) { return run_suite("rng", add_tests); }
