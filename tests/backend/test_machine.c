/* SPDX-License-Identifier: Apache-2.0 */
/* What depends on the machine: the builtin product's levels of vectors, and what becomes of `xsmm` where libxsmm makes
 * no kernels. The program is linked statically, with fal_vector_level() wrapped and without libxsmm (see meson.build).
 */
#include "backend/backend.h"
#include "learning.h"
#include "vector_level.h"

#ifdef FAL_XSMM
#include "no_kernels.h"
#endif

enum { MOST = 300 * 130 };
static double a[MOST], b[MOST], before[MOST];
static float a_f32[MOST], b_f32[MOST];

typedef struct {
  double c[MOST];
  float c_f32[MOST];
} computed;

/* A product of whole matrices by functions of a backend, in both precisions. */
static void compute(const falign_backend *by, int32_t transposes, size_t m, size_t n, size_t k, double beta,
                    computed *out) {
  int32_t transpose_a = transposes & 1, transpose_b = transposes >> 1;
  size_t lda = transpose_a ? m : k, ldb = transpose_b ? k : n;
  ck_assert(m * k <= MOST && k * n <= MOST && m * n <= MOST);
  memcpy(out->c, before, sizeof before);
  to_f32(before, MOST, out->c_f32);
  ok(by->dgemm(NULL, transpose_a, transpose_b, m, n, k, -0.3, a, lda, b, ldb, beta, out->c, n));
  ok(by->sgemm(NULL, transpose_a, transpose_b, m, n, k, -0.3f, a_f32, lda, b_f32, ldb, (float)beta, out->c_f32, n));
}

static void draw(void) {
  gaussian(a, MOST, 1, 1);
  gaussian(b, MOST, 1, 2);
  gaussian(before, MOST, 1, 3);
  to_f32(a, MOST, a_f32);
  to_f32(b, MOST, b_f32);
}

/* Widths below, at and above those of a tile, and depths beyond a piece. */
static const size_t ms[] = {1, 5, 6, 13, 125}, ns[] = {1, 7, 16, 50, 130}, ks[] = {1, 50, 256, 300};

START_TEST(all_levels_give_the_same_bits) {
  static computed baseline, wide;
  draw();
  for (uint32_t i = 0; i < 5 * 5 * 4 * 4; i++) {
    size_t m = ms[i % 5], n = ns[i / 5 % 5], k = ks[i / 25 % 4];
    int32_t transposes = (int32_t)(i / 100);
    choose(FAL_BASELINE);
    compute(&fal_backend_builtin, transposes, m, n, k, 2, &baseline);
    for (int l = FAL_BASELINE + 1; l < levels; l++) {
      choose(l);
      compute(&fal_backend_builtin, transposes, m, n, k, 2, &wide);
      ck_assert_msg(memcmp(&baseline, &wide, sizeof baseline) == 0, "level %d, %zu x %zu x %zu, transposed %d", l, m, n,
                    k, transposes);
    }
  }
  choose(-1);
  printf("levels that were compared: %d\n", levels);
}
END_TEST

/* A row of C has the same bits alone as among others. */
START_TEST(rows_do_not_depend_on_each_other) {
  static computed all, alone;
  draw();
  compute(&fal_backend_builtin, 0, 125, 50, 300, 0, &all);
  for (size_t i = 0; i < 125; i++) {
    ok(fal_builtin_gemm_f64(NULL, 0, 0, 1, 50, 300, -0.3, a + i * 300, 300, b, 50, 0, alone.c, 50));
    ck_assert_mem_eq(alone.c, all.c + i * 50, 50 * sizeof *all.c);
    ok(fal_builtin_gemm_f32(NULL, 0, 0, 1, 50, 300, -0.3f, a_f32 + i * 300, 300, b_f32, 50, 0, alone.c_f32, 50));
    ck_assert_mem_eq(alone.c_f32, all.c_f32 + i * 50, 50 * sizeof *all.c_f32);
  }
}
END_TEST

#ifdef FAL_XSMM
/* A processor for which libxsmm makes no good kernels is one that this build's `xsmm` cannot run on. */
START_TEST(xsmm_is_left_out) {
  falign_backend *backend = NULL;
  target_archid = LIBXSMM_X86_AVX2 - 1;
  size_t without = falign_backend_count();
  for (size_t i = 0; i < without; i++) ck_assert_str_ne(falign_backend_name_at(i), "xsmm");
  ck_assert_ptr_null(falign_backend_name_at(without));
  fails(FALIGN_UNSUPPORTED, "builtin on this machine", falign_backend_find("xsmm", &backend));
  ck_assert_ptr_null(strstr(falign_last_error(), "xsmm,"));
  ok(falign_backend_find("auto", &backend));
  ck_assert_str_eq(falign_backend_name(backend), "cblas");
  target_archid = LIBXSMM_X86_AVX2;
  ck_assert_uint_eq(falign_backend_count(), without + 1);
  ck_assert_str_eq(falign_backend_name_at(1), "xsmm");
  ok(falign_backend_find("xsmm", &backend));
  ck_assert_str_eq(falign_backend_name(backend), "xsmm");
  ck_assert_str_eq(falign_backend_detail(backend), "libxsmm " LIBXSMM_CONFIG_VERSION ", AVX2");
}
END_TEST

/* Without a kernel each piece is a builtin product. The magnitudes of k products of Gaussian numbers sum up to less
 * than k + 36, and C is below 12; here and there the sum errs by at most k + 3 half epsilons of that. */
START_TEST(no_kernels_no_difference) {
  static computed want, got;
  draw();
  for (uint32_t i = 0; i < 5 * 5 * 4 * 4; i++) {
    size_t m = ms[i % 5], n = ns[i / 5 % 5], k = ks[i / 25 % 4];
    double apart = 0, apart_f32 = 0, limit = (double)(k + 3) * (0.3 * (double)(k + 36) + 12);
    compute(&fal_backend_builtin, (int32_t)(i / 100), m, n, k, i % 3, &want);
    compute(&fal_backend_xsmm, (int32_t)(i / 100), m, n, k, i % 3, &got);
    for (size_t j = 0; j < MOST; j++) {
      apart = fmax(apart, fabs(got.c[j] - want.c[j]));
      apart_f32 = fmax(apart_f32, fabs((double)(got.c_f32[j] - want.c_f32[j])));
    }
    ck_assert_msg(apart < limit * epsilon(FALIGN_F64) && apart_f32 < limit * epsilon(FALIGN_F32),
                  "%zu x %zu x %zu, transposed %u: %g, %g apart", m, n, k, i / 100, apart, apart_f32);
  }
}
END_TEST
#endif

static void add_tests(TCase *tests) {
  find_levels();
  tcase_add_test(tests, all_levels_give_the_same_bits);
  tcase_add_test(tests, rows_do_not_depend_on_each_other);
#ifdef FAL_XSMM
  tcase_add_test(tests, xsmm_is_left_out);
  tcase_add_test(tests, no_kernels_no_difference);
#endif
}

int main(void) { return run_suite("machine", add_tests); }
