/* SPDX-License-Identifier: Apache-2.0 */
#include "learning.h"

/* Matrices are contiguous, of up to MAX_WIDTH rows and columns. */
typedef double matrix[MAX_WIDTH * MAX_WIDTH];

/* A rule with direct feedback for a network of d layers, its decomposition, and the factors of both, by layer. */
typedef struct {
  uint32_t d;
  const size_t *n;
  falign_network *network;
  falign_rule *rule;
  falign_decomposition *decomposition;
  matrix f[MAX_LAYERS], q[MAX_LAYERS], hat[MAX_LAYERS], perp[MAX_LAYERS];
} subject;

static void get(const subject *s, falign_quantity factor, uint32_t l, double *out) {
  size_t rows = factor == FALIGN_Q ? s->n[l + 1] : s->n[s->d];
  ok(falign_decomposition_get(s->decomposition, factor, l, WRITE_F64(out, rows, s->n[l], s->n[l])));
}

static subject new_subject(falign_precision precision, uint32_t d, const size_t *n, uint64_t seed) {
  subject s = {.d = d, .n = n, .network = new_network(precision, d, n, true, TANH)};
  ok(falign_rule_create("dfa", s.network, &s.rule));
  ok(falign_rule_draw(s.rule, 0.5, seed, 0));
  return s;
}

static void set(const subject *s, uint32_t l, const double *f) {
  ok(falign_rule_set(s->rule, FALIGN_FEEDBACK, l, READ_F64(f, s->n[s->d], s->n[l], s->n[l])));
}

/* False, and the subject is gone, in a build without LAPACK. */
static bool decompose(subject *s) {
  falign_status status = falign_decomposition_create(s->rule, &s->decomposition);
  for (uint32_t l = 1; l < s->d && status == FALIGN_OK; l++) {
    get_feedback(s->network, s->rule, l, s->f[l]);
    get(s, FALIGN_Q, l, s->q[l]);
    get(s, FALIGN_F_HAT, l, s->hat[l]);
    get(s, FALIGN_F_PERP, l, s->perp[l]);
  }
  if (status == FALIGN_OK) return true;
  ck_assert_int_eq(status, FALIGN_UNSUPPORTED);
  ck_assert_ptr_nonnull(strstr(falign_last_error(), "this build has no LAPACK"));
  ck_assert_ptr_null(s->decomposition);
  falign_rule_destroy(s->rule);
  falign_network_destroy(s->network);
  return false;
}

static void free_subject(subject *s) {
  falign_decomposition_destroy(s->decomposition);
  falign_rule_destroy(s->rule);
  falign_network_destroy(s->network);
}

/* ---- Plain matrices ---- */

static double norm(const double *a, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += a[i] * a[i];
  return sqrt(sum);
}

/* c = A B, or A^T B, with A of rows x inner (transposed: inner x rows) */
static void times(bool transposed, const double *a, const double *b, size_t rows, size_t inner, size_t cols,
                  double *c) {
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = 0; j < cols; j++) {
      double sum = 0;
      for (size_t q = 0; q < inner; q++) sum += (transposed ? a[q * rows + i] : a[i * inner + q]) * b[q * cols + j];
      c[i * cols + j] = sum;
    }
  }
}

/* Takes out of v its parts along `count` orthonormal vectors of that length, twice for the sake of rounding. */
static void project_out(const double *basis, size_t count, size_t length, double *v) {
  for (int again = 0; again < 2; again++) {
    for (size_t b = 0; b < count; b++) {
      double inner = 0;
      for (size_t i = 0; i < length; i++) inner += basis[b * length + i] * v[i];
      for (size_t i = 0; i < length; i++) v[i] -= inner * basis[b * length + i];
    }
  }
}

static void scale(double *v, size_t length, double to) {
  double by = to / norm(v, length);
  for (size_t i = 0; i < length; i++) v[i] *= by;
}

/* An orthonormal basis of what `count` vectors of a length span; a vector that adds less than 1e-9 of the largest to
 * the others is one of rounding. Returns its dimension. */
static size_t span(const double *vectors, size_t count, size_t length, double *basis) {
  size_t dimension = 0;
  double most = 0;
  for (size_t i = 0; i < count; i++) most = fmax(most, norm(vectors + i * length, length));
  for (size_t i = 0; i < count; i++) {
    double *v = basis + dimension * length;
    if (dimension == length) break;
    memcpy(v, vectors + i * length, length * sizeof *v);
    project_out(basis, dimension, length, v);
    if (norm(v, length) <= 1e-9 * most) continue;
    scale(v, length, 1);
    dimension++;
  }
  return dimension;
}

static void transpose(const double *a, size_t rows, size_t cols, double *out) {
  for (size_t i = 0; i < rows * cols; i++) out[i % cols * rows + i / cols] = a[i];
}

/* What solving and multiplying may be off by: LAPACK's error is that of a matrix which is off by a few times
 * max(rows, cols) epsilons of its norm, and so is a product's. */
static double off(const subject *s, uint32_t l) {
  size_t rows = s->n[s->d];
  double magnitude = norm(s->f[l], rows * s->n[l]);
  if (l + 1 < s->d)
    magnitude = fmax(magnitude, norm(s->hat[l + 1], rows * s->n[l + 1]) * norm(s->q[l], s->n[l + 1] * s->n[l]));
  return 10 * MAX_WIDTH * epsilon(FALIGN_F64) * magnitude;
}

/* ---- What must hold of any decomposition ---- */

/* F = F_hat + F_perp, and the two are orthogonal: in all, and F_perp column by column to what F_hat[l+1] spans. */
static void check_parts(const subject *s, uint32_t l) {
  size_t rows = s->n[s->d], cols = s->n[l];
  matrix inner;
  double sum = 0, size = norm(s->f[l], rows * cols), share = norm(s->perp[l], rows * cols) / size;
  for (size_t i = 0; i < rows * cols; i++) {
    near(s->hat[l][i] + s->perp[l][i], s->f[l][i], 2 * epsilon(FALIGN_F64) * size);
    sum += s->hat[l][i] * s->perp[l][i];
  }
  near(sum, 0, off(s, l) * size);
  near(falign_decomposition_share(s->decomposition, l), share, 4 * MAX_WIDTH * MAX_WIDTH * epsilon(FALIGN_F64));
  if (l + 1 == s->d) return;
  size_t above = s->n[l + 1];
  times(true, s->hat[l + 1], s->perp[l], above, rows, cols, inner);
  near(largest(inner, above * cols), 0, off(s, l) * norm(s->hat[l + 1], rows * above));
}

/* F_hat[l] = Q[d-1] Q[d-2] ... Q[l]. */
static void check_product(const subject *s, uint32_t l) {
  size_t rows = s->n[s->d];
  matrix product, next;
  double magnitude = norm(s->q[s->d - 1], rows * s->n[s->d - 1]);
  memcpy(product, s->q[s->d - 1], sizeof product);
  for (uint32_t m = s->d - 1; m-- > l;) {
    times(false, product, s->q[m], rows, s->n[m + 1], s->n[m], next);
    memcpy(product, next, sizeof next);
    magnitude *= norm(s->q[m], s->n[m + 1] * s->n[m]);
  }
  for (size_t i = 0; i < rows * s->n[l]; i++)
    near(product[i], s->hat[l][i], 2 * MAX_LAYERS * MAX_WIDTH * epsilon(FALIGN_F64) * magnitude);
}

/* Q is the solution of least norm: it has no part along a null vector v of F_hat[l+1], and Q + v w^T solves as well but
 * has a larger norm. Returns whether there was a null vector. */
static bool check_least_norm(const subject *s, uint32_t l) {
  size_t rows = s->n[s->d], above = s->n[l + 1], cols = s->n[l];
  matrix basis, along, more = {0}, solved, image;
  double v[MAX_WIDTH], w[MAX_WIDTH], size = norm(s->q[l], above * cols);
  size_t dimension = span(s->hat[l + 1], rows, above, basis);
  if (dimension == above) return false;
  gaussian(v, above, 1, 1);
  gaussian(w, cols, 0.1, 2);
  project_out(basis, dimension, above, v);
  scale(v, above, 1);
  times(false, s->hat[l + 1], v, rows, above, 1, image);
  near(norm(image, rows), 0, 1e-9 * norm(s->hat[l + 1], rows * above));
  times(true, v, s->q[l], 1, above, cols, along);
  near(norm(along, cols), 0, 1e-9 * size);
  for (size_t i = 0; i < above * cols; i++) more[i] = s->q[l][i] + v[i / cols] * w[i % cols];
  times(false, s->hat[l + 1], more, rows, above, cols, solved);
  for (size_t i = 0; i < rows * cols; i++)
    near(solved[i], s->hat[l][i], off(s, l) + 1e-9 * norm(s->hat[l + 1], rows * above));
  near(norm(more, above * cols), sqrt(size * size + pow(norm(w, cols), 2)), 1e-8 * size);
  return true;
}

/* How many layers have many solutions. */
static int check_all(const subject *s) {
  int many = 0;
  for (uint32_t l = 1; l < s->d; l++) {
    check_parts(s, l);
    check_product(s, l);
    if (l + 1 < s->d) many += check_least_norm(s, l);
  }
  return many;
}

/* ---- Widths ---- */

/* Layers at least as wide as the output: F_hat[l+1] has all of its n[d] directions, and nothing of F is left over. */
START_TEST(wide_layers_leave_nothing) {
  const size_t widths[][5] = {{5, 6, 6, 6, 6}, {5, 7, 9, 11, 4}, {3, 12, 6, 8, 5}};
  for (int i = 0; i < 3; i++) {
    for (uint64_t seed = 1; seed <= 10; seed++) {
      subject s = new_subject(FALIGN_F64, 4, widths[i], seed);
      skip_unless(decompose(&s), no_lapack);
      ck_assert_int_eq(check_all(&s), i == 0 ? 0 : 2);
      for (uint32_t l = 1; l < 4; l++) near(norm(s.perp[l], widths[i][4] * widths[i][l]), 0, off(&s, l));
      free_subject(&s);
    }
  }
}
END_TEST

/* A hidden layer with fewer units than the output spans just as many directions, and so does what is below it: of the
 * 6 x n[l] numbers of a random F, 3 x n[l] are left over. The share of a draw is within 0.25 of the root of a half: the
 * mean of 3 n[l] squares in 21 and more of such numbers. */
START_TEST(narrow_layers_leave_something) {
  const size_t widths[] = {5, 8, 7, 3, 6};
  for (uint64_t seed = 1; seed <= 10; seed++) {
    subject s = new_subject(FALIGN_F64, 4, widths, seed);
    skip_unless(decompose(&s), no_lapack);
    matrix columns, basis;
    ck_assert_int_eq(check_all(&s), 1); /* F_hat[2] is 6 x 7 */
    for (uint32_t l = 1; l < 3; l++) near(falign_decomposition_share(s.decomposition, l), sqrt(0.5), 0.25);
    ck_assert(falign_decomposition_share(s.decomposition, 3) == 0);
    for (uint32_t l = 1; l < 4; l++) {
      transpose(s.hat[l], 6, widths[l], columns);
      ck_assert_uint_eq(span(columns, widths[l], 6, basis), 3);
    }
    free_subject(&s);
  }
}
END_TEST

START_TEST(one_hidden_layer) {
  const size_t widths[] = {5, 8, 3};
  subject s = new_subject(FALIGN_F64, 2, widths, 1);
  skip_unless(decompose(&s), no_lapack);
  ck_assert_mem_eq(s.q[1], s.f[1], 3 * 8 * sizeof(double));
  ck_assert_mem_eq(s.hat[1], s.f[1], 3 * 8 * sizeof(double));
  for (size_t i = 0; i < 3 * 8; i++) ck_assert(s.perp[1][i] == 0);
  ck_assert(falign_decomposition_share(s.decomposition, 1) == 0);
  free_subject(&s);
}
END_TEST

START_TEST(no_hidden_layer) {
  const size_t widths[] = {5, 3};
  double q[15];
  subject s = new_subject(FALIGN_F64, 1, widths, 1);
  skip_unless(decompose(&s), no_lapack);
  fails(FALIGN_INVALID, "there is no F[1]: the network has no hidden layer",
        falign_decomposition_get(s.decomposition, FALIGN_Q, 1, WRITE_F64(q, 3, 5, 5)));
  ck_assert(isnan(falign_decomposition_share(s.decomposition, 1)));
  free_subject(&s);
}
END_TEST

/* ---- Special feedback ---- */

/* F[3] of rank 2 although it is 6 x 6: all F_hat lie in the plane of its columns. */
START_TEST(rank_deficient_by_hand) {
  const size_t widths[] = {5, 6, 6, 6, 6};
  for (uint32_t seed = 0; seed < 10; seed++) {
    subject s = new_subject(FALIGN_F64, 4, widths, seed);
    double left[6 * 2], right[2 * 6];
    matrix f, columns, basis;
    gaussian(left, 12, 1, 2 * seed);
    gaussian(right, 12, 1, 2 * seed + 1);
    times(false, left, right, 6, 2, 6, f);
    set(&s, 3, f);
    skip_unless(decompose(&s), no_lapack);
    ck_assert_int_eq(check_all(&s), 2);
    for (uint32_t l = 1; l < 4; l++) {
      transpose(s.hat[l], 6, 6, columns);
      ck_assert_uint_eq(span(columns, 6, 6, basis), 2);
    }
    free_subject(&s);
  }
}
END_TEST

/* F[2] is orthogonal to all that F[3] spans, so that F_hat[2] is nothing but rounding. That is not to be taken for a
 * direction in which F[1] could lie. */
START_TEST(rounding_is_no_direction) {
  const size_t widths[] = {5, 6, 7, 2, 4};
  subject s = new_subject(FALIGN_F64, 4, widths, 1);
  matrix f, columns, basis;
  get_feedback(s.network, s.rule, 3, f);
  transpose(f, 4, 2, columns);
  ck_assert_uint_eq(span(columns, 2, 4, basis), 2);
  get_feedback(s.network, s.rule, 2, f);
  transpose(f, 4, 7, columns);
  for (size_t i = 0; i < 7; i++) project_out(basis, 2, 4, columns + i * 4);
  transpose(columns, 7, 4, f);
  set(&s, 2, f);
  skip_unless(decompose(&s), no_lapack);
  near(norm(s.hat[2], 28), 0, off(&s, 2));
  near(falign_decomposition_share(s.decomposition, 2), 1, 1e-14);
  for (size_t i = 0; i < 7 * 6; i++) ck_assert(s.q[1][i] == 0);
  ck_assert(falign_decomposition_share(s.decomposition, 1) == 1);
  free_subject(&s);
}
END_TEST

/* Columns of F[3] that are nearly dependent make Q[2] large, and rounding in F_hat[2] with it. F_hat[1] still lies in
 * what F[3] spans: what sticks out is F_hat[2]'s rounding, 1e7 times that of well-conditioned columns. */
START_TEST(nearly_dependent_columns) {
  const size_t widths[] = {5, 8, 7, 3, 6};
  for (uint32_t seed = 0; seed < 10; seed++) {
    subject s = new_subject(FALIGN_F64, 4, widths, seed);
    matrix f, columns, basis;
    get_feedback(s.network, s.rule, 3, f);
    for (size_t i = 0; i < 6; i++) f[i * 3 + 2] = f[i * 3] + f[i * 3 + 1] + 1e-7 * f[i * 3 + 2];
    set(&s, 3, f);
    skip_unless(decompose(&s), no_lapack);
    transpose(s.f[3], 6, 3, columns);
    ck_assert_uint_eq(span(columns, 3, 6, basis), 3);
    transpose(s.hat[1], 6, 8, columns);
    for (size_t i = 0; i < 8; i++) {
      project_out(basis, 3, 6, columns + i * 6);
      near(norm(columns + i * 6, 6), 0, 1e-7 * norm(s.f[1], 48));
    }
    free_subject(&s);
  }
}
END_TEST

START_TEST(zero_feedback) {
  const size_t widths[] = {5, 6, 7, 8, 4};
  const double zeros[4 * 8] = {0};
  subject s = new_subject(FALIGN_F64, 4, widths, 1);
  set(&s, 3, zeros);
  set(&s, 2, zeros);
  skip_unless(decompose(&s), no_lapack);
  for (uint32_t l = 1; l < 4; l++) {
    for (size_t i = 0; i < widths[l + 1] * widths[l]; i++) ck_assert(s.q[l][i] == 0);
    for (size_t i = 0; i < 4 * widths[l]; i++) ck_assert(s.hat[l][i] == 0 && s.perp[l][i] == s.f[l][i]);
  }
  ck_assert(isnan(falign_decomposition_share(s.decomposition, 3)));
  ck_assert(isnan(falign_decomposition_share(s.decomposition, 2)));
  ck_assert(falign_decomposition_share(s.decomposition, 1) == 1);
  free_subject(&s);
}
END_TEST

/* Numbers in single precision are decomposed as the same numbers in double precision. */
START_TEST(single_precision) {
  const size_t widths[] = {5, 8, 7, 3, 6};
  subject s32 = new_subject(FALIGN_F32, 4, widths, 3), s64 = new_subject(FALIGN_F64, 4, widths, 3);
  bool decomposed = decompose(&s32);
  if (!decomposed) free_subject(&s64);
  skip_unless(decomposed, no_lapack);
  for (uint32_t l = 1; l < 4; l++) set(&s64, l, s32.f[l]);
  ck_assert(decompose(&s64));
  ck_assert_int_eq(check_all(&s32), 1);
  for (uint32_t l = 1; l < 4; l++) {
    ck_assert_mem_eq(s32.q[l], s64.q[l], widths[l + 1] * widths[l] * sizeof(double));
    ck_assert_mem_eq(s32.hat[l], s64.hat[l], 6 * widths[l] * sizeof(double));
    ck_assert_mem_eq(s32.perp[l], s64.perp[l], 6 * widths[l] * sizeof(double));
  }
  free_subject(&s32);
  free_subject(&s64);
}
END_TEST

/* It is of F as it was when it was made, and outlives the rule. */
START_TEST(later_changes_of_f) {
  const size_t widths[] = {5, 8, 7, 3, 6};
  subject s = new_subject(FALIGN_F64, 4, widths, 1);
  matrix q;
  skip_unless(decompose(&s), no_lapack);
  ok(falign_rule_draw(s.rule, 0.5, 99, 0));
  get(&s, FALIGN_Q, 1, q);
  ck_assert_mem_eq(q, s.q[1], 7 * 8 * sizeof *q);
  falign_rule_destroy(s.rule);
  s.rule = NULL;
  get(&s, FALIGN_Q, 2, q);
  ck_assert_mem_eq(q, s.q[2], 3 * 7 * sizeof *q);
  free_subject(&s);
}
END_TEST

/* What terms keep of F is not older than F, though no step lies between. */
START_TEST(terms_follow_direct_feedback) {
  skip_unless(falign_has_feature("lapack"), no_lapack); /* which takes F apart */
  draw_task();
  learner by = task_learner(FALIGN_F64, "dfa");
  falign_batches *batches = task_batches(TASK_POINTS, TASK_BATCH, FALIGN_ORDER_NONE);
  falign_history *history = NULL;
  falign_terms *terms = NULL, *fresh = NULL;
  double w[9 * 6];
  falign_comparison first, then, want;
  ok(falign_history_create(by.network, &history));
  ok(falign_trainer_set_history(by.trainer, history));
  ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_ACTIVITY));
  ok(falign_terms_create(history, by.rule, &terms));
  ok(falign_trainer_run(by.trainer, batches, 1));
  ok(falign_network_get(by.network, FALIGN_W, 1, WRITE_F64(w, 9, 6, 6)));
  ok(falign_terms_compare(terms, falign_trainer_trace(by.trainer), 1, READ_F64(w, 9, 6, 6), &first));
  ok(falign_rule_draw(by.rule, 0.5, 77, 0));
  ok(falign_terms_create(history, by.rule, &fresh));
  ok(falign_terms_compare(terms, falign_trainer_trace(by.trainer), 1, READ_F64(w, 9, 6, 6), &then));
  ok(falign_terms_compare(fresh, falign_trainer_trace(by.trainer), 1, READ_F64(w, 9, 6, 6), &want));
  ck_assert_double_eq(then.angle, want.angle);
  ck_assert(then.angle != first.angle);
  falign_terms_destroy(terms);
  falign_terms_destroy(fresh);
  falign_history_destroy(history);
  falign_batches_destroy(batches);
  free_learner(&by);
}
END_TEST

/* ---- Errors ---- */

START_TEST(reading_what_is_not_there) {
  const size_t widths[] = {5, 8, 7, 3, 6};
  subject s = new_subject(FALIGN_F64, 4, widths, 1);
  double out[8 * 8];
  for (size_t i = 0; i < 64; i++) out[i] = 7;
  skip_unless(decompose(&s), no_lapack);
  const falign_decomposition *of = s.decomposition;
  fails(FALIGN_INVALID, "no F[0]: l goes from 1 to 3",
        falign_decomposition_get(of, FALIGN_Q, 0, WRITE_F64(out, 8, 5, 5)));
  fails(FALIGN_INVALID, "no F[4]", falign_decomposition_get(of, FALIGN_Q, 4, WRITE_F64(out, 6, 6, 6)));
  fails(FALIGN_INVALID, "quantity 0 is no", falign_decomposition_get(of, 0, 1, WRITE_F64(out, 7, 8, 8)));
  fails(FALIGN_INVALID, "quantity 20 is no", falign_decomposition_get(of, FALIGN_M, 1, WRITE_F64(out, 7, 8, 8)));
  fails(FALIGN_SHAPE, "Q[1] is 7 x 8, got 6 x 8", falign_decomposition_get(of, FALIGN_Q, 1, WRITE_F64(out, 6, 8, 8)));
  fails(FALIGN_SHAPE, "F_hat[1] is 6 x 8, got 7 x 8",
        falign_decomposition_get(of, FALIGN_F_HAT, 1, WRITE_F64(out, 7, 8, 8)));
  fails(FALIGN_SHAPE, "F_perp[2] is 6 x 7", falign_decomposition_get(of, FALIGN_F_PERP, 2, WRITE_F64(out, 7, 6, 6)));
  fails(FALIGN_INVALID, "Q[1] is 7 x 8 with invalid steps: 7 from row to row, 1 from column to column",
        falign_decomposition_get(of, FALIGN_Q, 1, WRITE_F64(out, 7, 8, 7)));
  fails(FALIGN_INVALID, "Q[1] is NULL", falign_decomposition_get(of, FALIGN_Q, 1, WRITE_F64(NULL, 7, 8, 8)));
  fails(FALIGN_INVALID, "decomposition is NULL", falign_decomposition_get(NULL, FALIGN_Q, 1, WRITE_F64(out, 7, 8, 8)));
  for (size_t i = 0; i < 64; i++) ck_assert_double_eq(out[i], 7);
  ck_assert(isnan(falign_decomposition_share(of, 0)));
  ck_assert(isnan(falign_decomposition_share(of, 4)));
  double wide[3 * 9];
  for (size_t i = 0; i < 27; i++) wide[i] = -1;
  ok(falign_decomposition_get(of, FALIGN_Q, 2, WRITE_F64(wide, 3, 7, 9)));
  for (size_t i = 0; i < 27; i++) ck_assert_double_eq(wide[i], i % 9 < 7 ? s.q[2][i / 9 * 7 + i % 9] : -1);
  static layout_room room;
  for (int layout = 0; layout < LAYOUTS * 2; layout++) {
    falign_matrix to = lay_out(&room, layout / 2, layout & 1 ? FALIGN_F64 : FALIGN_F32, 3, 7, -1);
    ok(falign_decomposition_get(of, FALIGN_Q, 2, &to));
    ck_assert(holds(&room, &to, -1, s.q[2]));
  }
  free_subject(&s);
}
END_TEST

START_TEST(rules_without_direct_feedback) {
  const char *const names[] = {"bp", "fa"};
  const size_t widths[] = {5, 8, 7, 3, 6};
  subject s = new_subject(FALIGN_F64, 4, widths, 1);
  falign_decomposition *none = NULL;
  skip_unless(decompose(&s), no_lapack);
  for (int i = 0; i < 2; i++) {
    falign_rule *rule;
    char words[64];
    ok(falign_rule_create(names[i], s.network, &rule));
    snprintf(words, sizeof words, "rule %s has no direct feedback", names[i]);
    fails(FALIGN_UNSUPPORTED, words, falign_decomposition_create(rule, &none));
    falign_rule_destroy(rule);
  }
  fails(FALIGN_INVALID, "rule is NULL", falign_decomposition_create(NULL, &none));
  fails(FALIGN_INVALID, "out is NULL", falign_decomposition_create(s.rule, NULL));
  ck_assert_ptr_null(none);
  falign_decomposition_destroy(NULL);
  free_subject(&s);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, wide_layers_leave_nothing);
  tcase_add_test(tests, narrow_layers_leave_something);
  tcase_add_test(tests, one_hidden_layer);
  tcase_add_test(tests, no_hidden_layer);
  tcase_add_test(tests, rank_deficient_by_hand);
  tcase_add_test(tests, rounding_is_no_direction);
  tcase_add_test(tests, nearly_dependent_columns);
  tcase_add_test(tests, zero_feedback);
  tcase_add_test(tests, single_precision);
  tcase_add_test(tests, later_changes_of_f);
  tcase_add_test(tests, terms_follow_direct_feedback);
  tcase_add_test(tests, reading_what_is_not_there);
  tcase_add_test(tests, rules_without_direct_feedback);
}

int main(void) { return run_suite("decomposition", add_tests); }
