/* SPDX-License-Identifier: Apache-2.0 */
/* What depends on the machine: the builtin product's levels of vectors, and what becomes of `xsmm` where libxsmm makes
 * no kernels. The program is linked statically, with fal_vector_level() wrapped and without libxsmm (see meson.build).
 */
#include "learning.h"
#include "math/backend.h"
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

/* Heights, widths and depths below, at and above those of tiles, pieces and copies. */
static const size_t ms[] = {1, 2, 7, 24, 125}, ns[] = {1, 7, 16, 50, 130}, ks[] = {1, 50, 256, 300};
enum { SHAPES = 5 * 5 * 4 * 4 };

static int32_t shape(uint32_t i, size_t *m, size_t *n, size_t *k) {
  *m = ms[i % 5];
  *n = ns[i / 5 % 5];
  *k = ks[i / 25 % 4];
  return (int32_t)(i / 100);
}

/* The product with beta = 2 as it is defined: each sum over p, fused or not, one piece of 256 after the other, is added
 * to C. */
static void define(bool fuse, int32_t transposes, size_t m, size_t n, size_t k, computed *out) {
  const double alpha = -0.3;
  const float alpha_f32 = -0.3f;
  memcpy(out->c, before, sizeof before);
  to_f32(before, MOST, out->c_f32);
  for (size_t i = 0; i < m * n; i++) {
    out->c[i] *= 2;
    out->c_f32[i] *= 2;
    for (size_t p = 0; p < k; p += 256) {
      double sum = 0;
      float sum_f32 = 0;
      for (size_t q = p; q < k && q < p + 256; q++) {
        size_t u = transposes & 1 ? q * m + i / n : i / n * k + q, v = transposes >> 1 ? i % n * k + q : q * n + i % n;
        sum = fuse ? fma(a[u], b[v], sum) : sum + a[u] * b[v];
        sum_f32 = fuse ? fmaf(a_f32[u], b_f32[v], sum_f32) : sum_f32 + a_f32[u] * b_f32[v];
      }
      out->c[i] += alpha * sum;
      out->c_f32[i] += alpha_f32 * sum_f32;
    }
  }
}

/* Whatever its shape and the machine, a product has the bits of its definition: with vectors that fuse, those of fused
 * products and sums, if the compiler optimizes; else those of separate ones. */
START_TEST(all_levels_give_the_bits_of_the_definition) {
  static computed fused, separate, got;
  size_t m, n, k;
  draw();
  for (uint32_t i = 0; i < SHAPES; i++) {
    int32_t transposes = shape(i, &m, &n, &k);
    define(true, transposes, m, n, k, &fused);
    define(false, transposes, m, n, k, &separate);
    for (int l = FAL_BASELINE; l < levels; l++) {
      choose(l);
      compute(&fal_backend_builtin, transposes, m, n, k, 2, &got);
      bool is_fused = memcmp(&got, &fused, sizeof got) == 0, is_separate = memcmp(&got, &separate, sizeof got) == 0;
      ck_assert_msg(is_fused || is_separate, "level %d, %zu x %zu x %zu, transposed %d: %.9g, not %.9g or %.9g", l, m,
                    n, k, transposes, got.c[0], fused.c[0], separate.c[0]);
#ifdef __OPTIMIZE__
      bool should_fuse = l > FAL_BASELINE || (levels == 1 && fal_vectors_fuse());
      ck_assert_msg(is_fused || !should_fuse, "level %d does not fuse %zu x %zu x %zu, transposed %d", l, m, n, k,
                    transposes);
#endif
    }
  }
  choose(-1);
  printf("levels that were compared: %d\n", levels);
}
END_TEST

/* Strides that callers of the raw products could give; views cannot have them. */
START_TEST(short_strides_are_refused) {
  const struct {
    int32_t transpose_a, transpose_b;
    size_t lda, ldb, ldc;
    const char *text;
  } wrong[] = {
      {0, 0, 4, 4, 4, "the stride of A is 4, too short for 5 columns"},
      {0, 0, 5, 3, 4, "the stride of B is 3, too short for 4 columns"},
      {0, 0, 5, 4, 3, "the stride of C is 3, too short for 4 columns"},
      {1, 0, 2, 4, 4, "the stride of A is 2, too short for 3 columns"},
      {0, 1, 5, 4, 4, "the stride of B is 4, too short for 5 columns"},
      {0, 0, 0, 4, 4, "the stride of A is 0, too short for 5 columns"},
  };
  double c[12] = {0};
  float c_f32[12] = {0};
  draw();
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    fails(FALIGN_INVALID, wrong[i].text,
          fal_gemm_f64(&fal_backend_builtin, wrong[i].transpose_a, wrong[i].transpose_b, 3, 4, 5, 1, a, wrong[i].lda, b,
                       wrong[i].ldb, 1, c, wrong[i].ldc));
    fails(FALIGN_INVALID, wrong[i].text,
          fal_gemm_f32(&fal_backend_builtin, wrong[i].transpose_a, wrong[i].transpose_b, 3, 4, 5, 1, a_f32,
                       wrong[i].lda, b_f32, wrong[i].ldb, 1, c_f32, wrong[i].ldc));
  }
  for (size_t j = 0; j < 12; j++) ck_assert(c[j] == 0 && c_f32[j] == 0);
}
END_TEST

#ifdef FAL_XSMM
/* A processor for which libxsmm makes no good kernels is one that this build's `xsmm` cannot run on. */
START_TEST(xsmm_is_left_out) {
  falign_backend *backend = NULL;
  target_archid = LIBXSMM_X86_AVX2 - 1;
  size_t without = backend_count();
  for (size_t i = 0; i < without; i++) ck_assert_str_ne(falign_backend_name_at(i), "xsmm");
  fails(FALIGN_UNSUPPORTED, "builtin on this machine", falign_backend_create("xsmm", &backend));
  ck_assert_ptr_null(strstr(falign_last_error(), "xsmm,"));
  ok(falign_backend_create("auto", &backend));
  ck_assert_str_eq(falign_backend_name(backend), fal_vectors_fuse() ? "auto" : "cblas");
  target_archid = LIBXSMM_X86_AVX2;
  ck_assert_uint_eq(backend_count(), without + 1);
  ck_assert_str_eq(falign_backend_name_at(1), "xsmm");
  ok(falign_backend_create("xsmm", &backend));
  ck_assert_str_eq(falign_backend_name(backend), "xsmm");
  ck_assert_str_eq(falign_backend_detail(backend), "libxsmm " LIBXSMM_CONFIG_VERSION ", AVX2");
}
END_TEST

/* Without a kernel each piece is a builtin product. The magnitudes of k products of Gaussian numbers sum up to less
 * than k + 36, and C is below 12; here and there the sum errs by at most k + 3 half epsilons of that. */
START_TEST(no_kernels_no_difference) {
  static computed want, got;
  draw();
  size_t m, n, k;
  for (uint32_t i = 0; i < SHAPES; i++) {
    int32_t transposes = shape(i, &m, &n, &k);
    double apart = 0, apart_f32 = 0, limit = (double)(k + 3) * (0.3 * (double)(k + 36) + 12);
    compute(&fal_backend_builtin, transposes, m, n, k, i % 3, &want);
    compute(&fal_backend_xsmm, transposes, m, n, k, i % 3, &got);
    for (size_t j = 0; j < MOST; j++) {
      apart = fmax(apart, fabs(got.c[j] - want.c[j]));
      apart_f32 = fmax(apart_f32, fabs((double)(got.c_f32[j] - want.c_f32[j])));
    }
    ck_assert_msg(apart < limit * epsilon(FALIGN_F64) && apart_f32 < limit * epsilon(FALIGN_F32),
                  "%zu x %zu x %zu, transposed %d: %g, %g apart", m, n, k, transposes, apart, apart_f32);
  }
}
END_TEST
#endif

static void add_tests(TCase *tests) {
  find_levels();
  tcase_add_test(tests, all_levels_give_the_bits_of_the_definition);
  tcase_add_test(tests, short_strides_are_refused);
#ifdef FAL_XSMM
  tcase_add_test(tests, xsmm_is_left_out);
  tcase_add_test(tests, no_kernels_no_difference);
#endif
}

int main(void) { return run_suite("machine", add_tests); }
