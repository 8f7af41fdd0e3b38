/* SPDX-License-Identifier: Apache-2.0 */
/* Backends of a user, and trainers that use them. */
#include "backend/products.h"

/* What is wrong with a backend. */
typedef enum {
  RIGHT,
  IGNORES_TRANSPOSE_A,
  IGNORES_TRANSPOSE_B,
  IGNORES_ALPHA,
  IGNORES_BETA,
  READS_C,
  WRITES_BESIDE,
  WRITES_BELOW,
  IGNORES_LDA,
  IGNORES_LDB,
  IGNORES_LDC,
  DROPS_LAST_TERM,
  SAYS_IT_FAILED
} defect;

typedef struct {
  defect in_f32, in_f64;
  int calls, destroyed;
} own_backend;

static double op_at(const void *x, bool f32, int32_t transposed, size_t stride, size_t i, size_t j) {
  size_t at = transposed ? j * stride + i : i * stride + j;
  return f32 ? (double)((const float *)x)[at] : ((const double *)x)[at];
}

static void put(void *x, bool f32, size_t at, double value) {
  if (f32) {
    ((float *)x)[at] = (float)value;
  } else {
    ((double *)x)[at] = value;
  }
}

static falign_status own_gemm(own_backend *own, bool f32, product p, const void *left, const void *right, void *out) {
  defect is = f32 ? own->in_f32 : own->in_f64;
  own->calls++;
  if (is == SAYS_IT_FAILED) return falign_set_last_error("the product failed"), FALIGN_CALLBACK;
  if (is == IGNORES_TRANSPOSE_A) p.transpose_a = 0;
  if (is == IGNORES_TRANSPOSE_B) p.transpose_b = 0;
  if (is == IGNORES_ALPHA) p.alpha = 1;
  if (is == IGNORES_BETA) p.beta = 0;
  if (is == IGNORES_LDA) p.lda = p.transpose_a ? p.m : p.k;
  if (is == IGNORES_LDB) p.ldb = p.transpose_b ? p.k : p.n;
  if (is == IGNORES_LDC) p.ldc = p.n;
  for (size_t i = 0; i < p.m; i++) {
    for (size_t j = 0; j < p.n; j++) {
      double sum = 0;
      for (size_t q = 0; q < p.k - (is == DROPS_LAST_TERM && p.k > 6); q++)
        sum += op_at(left, f32, p.transpose_a, p.lda, i, q) * op_at(right, f32, p.transpose_b, p.ldb, q, j);
      sum *= p.alpha;
      if (p.beta != 0 || is == READS_C) sum += p.beta * op_at(out, f32, 0, p.ldc, i, j);
      put(out, f32, i * p.ldc + j, sum);
    }
    if (is == WRITES_BESIDE && p.n < p.ldc) put(out, f32, i * p.ldc + p.n, 0);
  }
  if (is == WRITES_BELOW) put(out, f32, p.m * p.ldc, 0);
  return FALIGN_OK;
}

static falign_status own_sgemm(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                               float alpha, const float *left, size_t lda, const float *right, size_t ldb, float beta,
                               float *out, size_t ldc) {
  product p = {transpose_a, transpose_b, m, n, k, lda, ldb, ldc, (double)alpha, (double)beta};
  return own_gemm(user, true, p, left, right, out);
}

static falign_status own_dgemm(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                               double alpha, const double *left, size_t lda, const double *right, size_t ldb,
                               double beta, double *out, size_t ldc) {
  product p = {transpose_a, transpose_b, m, n, k, lda, ldb, ldc, alpha, beta};
  return own_gemm(user, false, p, left, right, out);
}

static void own_destroy(void *user) { ((own_backend *)user)->destroyed++; }

static const falign_backend_table own_table = {
    .size = sizeof own_table, .name = "own", .sgemm = own_sgemm, .dgemm = own_dgemm, .destroy = own_destroy};

/* Each defect is found in either precision; the caller keeps what it gave. */
START_TEST(wrong_backends_are_refused) {
  falign_backend *backend = NULL;
  for (defect is = IGNORES_TRANSPOSE_A; is <= SAYS_IT_FAILED; is++) {
    own_backend own = {.in_f32 = is};
    fails(FALIGN_INVALID, "sgemm", falign_backend_create_custom(&own_table, &own, &backend));
    ck_assert_ptr_nonnull(strstr(falign_last_error(), "own"));
    ck_assert_int_eq(own.destroyed, 0);
    own = (own_backend){.in_f64 = is};
    fails(FALIGN_INVALID, "dgemm", falign_backend_create_custom(&own_table, &own, &backend));
    ck_assert_int_eq(own.destroyed, 0);
    if (is == SAYS_IT_FAILED) ck_assert_ptr_nonnull(strstr(falign_last_error(), "self-test: the product failed"));
  }
  ck_assert_ptr_null(backend);
}
END_TEST

START_TEST(incomplete_tables_are_refused) {
  falign_backend *backend = NULL;
  own_backend own = {RIGHT, RIGHT, 0, 0};
  falign_backend_table table = own_table;
  table.sgemm = NULL;
  fails(FALIGN_INVALID, "has no sgemm", falign_backend_create_custom(&table, &own, &backend));
  table = own_table;
  table.dgemm = NULL;
  fails(FALIGN_INVALID, "has no dgemm", falign_backend_create_custom(&table, &own, &backend));
#define create(table) falign_backend_create_custom(table, &own, &backend)
  bad_tables_are_refused(falign_backend_table, "backend", own_table, create);
#undef create
  fails(FALIGN_INVALID, "out is NULL", falign_backend_create_custom(&own_table, &own, NULL));
  ck_assert_ptr_null(backend);
  ck_assert(own.calls == 0 && own.destroyed == 0);
}
END_TEST

START_TEST(own_backend_is_right) {
  falign_backend *backend = NULL;
  own_backend own = {RIGHT, RIGHT, 0, 0};
  char name[] = "mine";
  falign_backend_table table = own_table;
  table.name = name;
  ok(falign_backend_create_custom(&table, &own, &backend));
  memset(name, 'x', 4); /* the name was copied */
  ck_assert_str_eq(falign_backend_name(backend), "mine");
  ck_assert_int_eq(falign_backend_own_threads(backend), 1);
  ck_assert_uint_gt(strlen(falign_backend_detail(backend)), 0);
  check_shape(backend, 5, 6, 7);
  falign_backend_destroy(backend);
  ck_assert_int_eq(own.destroyed, 1);
  table.destroy = NULL; /* optional */
  ok(falign_backend_create_custom(&table, &own, &backend));
  falign_backend_destroy(backend);
  ck_assert_int_eq(own.destroyed, 1);
}
END_TEST

/* A step of a network with d = 2 multiplies 2 times forward, once back, and 2 times for dW: all by the backend that
 * the trainer was given, which lives as long as the trainer. */
START_TEST(trainer_uses_it) {
  falign_precision precision = _i ? FALIGN_F64 : FALIGN_F32;
  const size_t n[] = {3, 4, 2};
  double x[5 * 3], y[5 * 2];
  gaussian(x, 15, 1, 1);
  gaussian(y, 10, 1, 2);
  falign_backend *backend = NULL, *builtin = NULL;
  own_backend own = {RIGHT, RIGHT, 0, 0};
  ok(falign_backend_create_custom(&own_table, &own, &backend));
  learner by = new_learner(new_network(precision, 2, n, true, TANH), "fa", 1, 1, 0.1);
  ok(falign_trainer_set_backend(by.trainer, backend));
  ck_assert_ptr_eq(falign_trainer_backend(by.trainer), backend);
  falign_backend_destroy(backend);
  ck_assert_int_eq(own.destroyed, 0);
  own.calls = 0;
  ok(step(&by, x, 5, y));
  ck_assert_int_eq(own.calls, 5);
  ck_assert_ptr_eq(falign_trace_step(falign_trainer_trace(by.trainer))->backend, backend);
  learner other = new_learner(new_network(precision, 2, n, true, TANH), "fa", 1, 1, 0.1);
  ok(falign_backend_create("builtin", &builtin));
  ok(falign_trainer_set_backend(other.trainer, builtin));
  ok(step(&other, x, 5, y));
  double *got = parameters(by.network), *want = parameters(other.network);
  for (size_t i = 0; i < falign_network_parameters(by.network); i++)
    near(got[i], want[i], 64 * epsilon(precision)); /* sums of at most 5 numbers of about 1, five products deep */
  free(got);
  free(want);
  ok(falign_trainer_set_backend(by.trainer, builtin)); /* the last reference to the old one goes */
  ck_assert_int_eq(own.destroyed, 1);
  own.calls = 0;
  ok(step(&by, x, 5, y));
  ck_assert_int_eq(own.calls, 0);
  free_learner(&by);
  free_learner(&other);
  ck_assert_int_eq(own.destroyed, 1);
  fails(FALIGN_INVALID, "trainer is NULL", falign_trainer_set_backend(NULL, builtin));
}
END_TEST

/* Trains two networks alike, one by `builtin`; returns how far apart their parameters are, in how far they moved, which
 * must be more than `least`. */
static double apart_after(const char *backend_name, const char *rule, uint32_t layers, const size_t *n, size_t rows,
                          int steps, double least) {
  const char *backends[] = {backend_name, "builtin"};
  double *x = calloc(rows * n[0], sizeof *x), *y = calloc(rows * n[layers], sizeof *y), moved = 0, apart = 0;
  learner by[2];
  ck_assert(x && y);
  gaussian(x, rows * n[0], 1, 1);
  gaussian(y, rows * n[layers], 0.5, 2);
  for (int i = 0; i < 2; i++) {
    falign_backend *backend = NULL;
    by[i] = new_learner(new_network(FALIGN_F64, layers, n, true, TANH), rule, 0.1, 1, 0.001);
    ok(falign_backend_create(backends[i], &backend));
    ok(falign_trainer_set_backend(by[i].trainer, backend));
  }
  double *start = parameters(by[0].network);
  for (int k = 0; k < steps; k++) {
    ok(step(&by[0], x, rows, y));
    ok(step(&by[1], x, rows, y));
  }
  double *got = parameters(by[0].network), *want = parameters(by[1].network);
  for (size_t i = 0; i < falign_network_parameters(by[0].network); i++) {
    moved = fmax(moved, fabs(want[i] - start[i]));
    apart = fmax(apart, fabs(want[i] - got[i]));
  }
  ck_assert_msg(moved > least, "the parameters moved by no more than %g", moved);
  free(start);
  free(got);
  free(want);
  free(x);
  free(y);
  free_learner(&by[0]);
  free_learner(&by[1]);
  return apart / moved;
}

static const char *const rules[] = {"bp", "fa", "dfa"};

/* Every backend learns what `builtin` learns, to rounding. A number of Z, delta or dW is a sum of at most 225 products,
 * wrong by less than 225 epsilons of its terms; five layers up and four down add up to less than 2000; and the steps,
 * whose updates change the weights by little, only add them up. */
START_TEST(all_agree_with_builtin) {
  const size_t n[] = {225, 50, 50, 50, 50, 50};
  for (size_t i = 0; i <= backend_count(); i++) {
    const char *name = name_at(i);
    double apart = apart_after(name, rules[_i], 5, n, 250, 20, 0.1);
    ck_assert_msg(apart < 20 * 2000 * epsilon(FALIGN_F64), "%s, %s: %g apart", name, rules[_i], apart);
  }
}
END_TEST

/* Likewise where "auto" leaves products to the BLAS; there are at most 600 terms, three layers up and two down. */
START_TEST(large_networks_agree) {
  const size_t n[] = {256, 600, 400, 10};
  falign_backend *best = NULL;
  ok(falign_backend_create("auto", &best));
  double apart = apart_after("auto", rules[_i], 3, n, 256, 8, 0.03);
  ck_assert_msg(apart < 8 * 5 * 600 * epsilon(FALIGN_F64), "%s: %g apart", rules[_i], apart);
  if (strcmp(falign_backend_name(best), "builtin") != 0) ck_assert_msg(apart > 0, "the BLAS did nothing");
}
END_TEST

/* A backend that fails ends the step; the network is as it was. */
START_TEST(trainer_stops_with_it) {
  const size_t n[] = {3, 4, 2};
  const double x[3] = {1, 2, 3}, y[2] = {1, 0};
  falign_backend *backend = NULL;
  own_backend own = {RIGHT, RIGHT, 0, 0};
  ok(falign_backend_create_custom(&own_table, &own, &backend));
  learner by = new_learner(new_network(FALIGN_F64, 2, n, true, TANH), "bp", 1, 1, 0.1);
  learner same = new_learner(new_network(FALIGN_F64, 2, n, true, TANH), "bp", 1, 1, 0.1);
  ok(falign_trainer_set_backend(by.trainer, backend));
  falign_backend_destroy(backend);
  own.in_f64 = SAYS_IT_FAILED;
  ck_assert_int_eq(step(&by, x, 1, y), FALIGN_CALLBACK);
  ck_assert(same_parameters(by.network, same.network));
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 0);
  own.in_f64 = RIGHT;
  ok(step(&by, x, 1, y));
  fails(FALIGN_INVALID, "backend is NULL", falign_trainer_set_backend(by.trainer, NULL));
  ck_assert_ptr_eq(falign_trainer_backend(by.trainer), backend);
  free_learner(&by);
  free_learner(&same);
  ck_assert_int_eq(own.destroyed, 1);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, wrong_backends_are_refused);
  tcase_add_test(tests, incomplete_tables_are_refused);
  tcase_add_test(tests, own_backend_is_right);
  tcase_add_loop_test(tests, trainer_uses_it, 0, 2);
  tcase_add_loop_test(tests, all_agree_with_builtin, 0, 3);
  if (!getenv("MESON_EXE_WRAPPER")) /* Meson's emulator, where it takes an hour */
    tcase_add_loop_test(tests, large_networks_agree, 0, 3);
  tcase_add_test(tests, trainer_stops_with_it);
}

int main(void) { return run_suite("own backend", add_tests); }
