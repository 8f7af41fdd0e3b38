/* SPDX-License-Identifier: Apache-2.0 */
/* The activations' loops against the C library's long double functions, against each other at each level of vectors,
 * and their derivatives of all degrees. The program is linked statically: it looks below the public interface and,
 * with fal_vector_level() wrapped (see meson.build), chooses the level. */
#include <complex.h>
#include <float.h>

#include "learning.h"
#include "learning/activation.h"
#include "vector_level.h"

enum { MOST = 1024 }; /* numbers that are looked at together */

static const activation kinds[] = {TANH_RELU, RELU, TANH, LOGISTIC, LINEAR};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const falign_activation *built_in(activation kind) {
  falign_activation *found = NULL;
  ok(falign_activation_create(activation_names[kind], &found));
  return found;
}

/* f of one precision, on doubles that this precision holds. */
static bool apply(falign_precision precision, activation kind, const double *z, double *y, size_t count) {
  const falign_activation *f = built_in(kind);
  double z_f64[MOST];
  float z_f32[MOST], y_f32[MOST];
  memcpy(z_f64, z, count * sizeof *z);
  if (precision == FALIGN_F64) return fal_activate_f64(f, NULL, z_f64, y, 1, count);
  to_f32(z, count, z_f32);
  bool finite = fal_activate_f32(f, NULL, z_f32, y_f32, 1, count);
  for (size_t i = 0; i < count; i++) y[i] = (double)y_f32[i];
  return finite;
}

static double activated(falign_precision precision, activation kind, double z) {
  double y;
  apply(precision, kind, &z, &y, 1);
  return y;
}

/* ---- Accuracy ---- */

static long double exactly(activation kind, double z) {
  return kind == TANH ? tanhl((long double)z) : 1 / (1 + expl(-(long double)z));
}

/* The distance of neighbouring numbers at y. */
static long double last_place(falign_precision precision, long double y) {
  int exponent, digits = precision == FALIGN_F32 ? FLT_MANT_DIG : DBL_MANT_DIG;
  int least = precision == FALIGN_F32 ? FLT_MIN_EXP : DBL_MIN_EXP;
  frexpl(y, &exponent);
  return ldexpl(1, (exponent > least ? exponent : least) - digits);
}

/* Numbers by their place in the order of all that are not negative, from 0 on. */
static double number_at(falign_precision precision, uint64_t place) {
  uint32_t narrow = (uint32_t)place;
  float f32;
  double f64;
  memcpy(&f32, &narrow, sizeof f32);
  memcpy(&f64, &place, sizeof f64);
  return precision == FALIGN_F32 ? (double)f32 : f64;
}

static uint64_t place_of(falign_precision precision, double number) {
  float f32 = (float)number;
  uint32_t narrow;
  uint64_t place;
  memcpy(&narrow, &f32, sizeof narrow);
  memcpy(&place, &number, sizeof place);
  return precision == FALIGN_F32 ? narrow : place;
}

typedef struct {
  falign_precision precision;
  activation kind;
  double error, z; /* the worst so far, in units of the last place, and where */
} accuracy;

/* Takes `count` numbers, `stride` places apart, with both signs. */
static void sweep(accuracy *a, uint64_t first, uint64_t stride, size_t count) {
  double z[MOST], y[MOST];
  for (size_t done = 0; done < count; done += MOST / 2) {
    size_t n = count - done < MOST / 2 ? count - done : MOST / 2;
    for (size_t i = 0; i < n; i++) {
      z[2 * i] = number_at(a->precision, first + (done + i) * stride);
      z[2 * i + 1] = -z[2 * i];
    }
    ck_assert(apply(a->precision, a->kind, z, y, 2 * n));
    for (size_t i = 0; i < 2 * n; i++) {
      long double want = exactly(a->kind, z[i]);
      double error = (double)(fabsl((long double)y[i] - want) / last_place(a->precision, want));
      if (!(error <= a->error)) a->z = z[i];
      if (!(error <= a->error)) a->error = error;
    }
  }
}

/* All numbers near `z`. */
static void sweep_near(accuracy *a, double z) {
  uint64_t place = place_of(a->precision, z), before = place < 256 ? place : 256;
  sweep(a, place - before, 1, (size_t)before + 256);
}

/* Single precision was tried once for all numbers: the worst errors are 1.561 for tanh and 1.583 for logistic. */
START_TEST(accurate_to_the_last_places) {
  const falign_precision precision = _i / 2 == 0 ? FALIGN_F32 : FALIGN_F64;
  const double half_ln2 = 0.34657359027997265, most = precision == FALIGN_F32 ? (double)FLT_MAX : DBL_MAX;
  const double ends[] = {9, 10, 19, 20, 88, 104, 106, 709, 745, 750, (double)FLT_MIN, DBL_MIN, 0};
  volatile long double wide = 1;
  accuracy a = {.precision = precision, .kind = _i % 2 == 0 ? TANH : LOGISTIC};
  skip_unless(precision == FALIGN_F32 || (wide += 0x1p-60L) > 1, "there is nothing more precise than double");
  uint64_t low = place_of(precision, 0x1p-30), high = place_of(precision, 1024), end = place_of(precision, most);
  sweep(&a, 0, end / 200000, 200000);
  sweep(&a, low, (high - low) / 1000000, 1000000);
  for (int n = 1; n < 64; n++) sweep_near(&a, n * half_ln2 / 2); /* where h is cut off */
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) sweep_near(&a, ends[i]);
  printf("%s, %s: worst error %.3f units in the last place, at %.17g\n", activation_names[a.kind],
         precision == FALIGN_F32 ? "single" : "double", a.error, a.z);
  ck_assert_msg(a.error <= (precision == FALIGN_F32 ? 1.6 : 1.75), "off by %g at %.17g", a.error, a.z);
}
END_TEST

/* ---- Laws and ends ---- */

START_TEST(signs_and_symmetry) {
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    uint64_t end = place_of(precision, precision == FALIGN_F32 ? (double)FLT_MAX : DBL_MAX);
    for (uint64_t i = 0; i < 20000; i++) {
      double z = number_at(precision, i * (end / 20000)), up = activated(precision, TANH, z);
      double down = activated(precision, TANH, -z), relu = activated(precision, TANH_RELU, z);
      ck_assert(down == -up && !signbit(up) && signbit(down) && relu == up);
      double none = activated(precision, TANH_RELU, -z), low = activated(precision, LOGISTIC, -z);
      ck_assert(none == 0 && !signbit(none));
      double complement = precision == FALIGN_F32 ? (double)(1 - (float)low) : 1 - low;
      ck_assert(activated(precision, LOGISTIC, z) == complement);
    }
    ck_assert(activated(precision, LOGISTIC, 0) == 0.5);
  }
}
END_TEST

/* tanh(z) rounds to 1 where 2 exp(-2z) is less than half the last place below 1. */
START_TEST(saturation) {
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    double one_from = log(4 / (epsilon(precision) / 2)) / 2, before = 0;
    for (double z = one_from - 1; z < one_from + 2; z += 0x1p-12) {
      double held = precision == FALIGN_F32 ? (double)(float)z : z, y = activated(precision, TANH, held);
      ck_assert(y >= before && y <= 1);
      ck_assert(held < one_from + 0.01 || y == 1);
      ck_assert(held > one_from - 0.6 || y < 1); /* at which tanh is a whole last place below 1, and more */
      before = y;
    }
    for (double z = 1; z < 1e30; z *= 1.5) {
      double held = precision == FALIGN_F32 ? (double)(float)z : z;
      ck_assert(held < 20 || activated(precision, TANH, -held) == -1);
      ck_assert(held < 40 || activated(precision, LOGISTIC, held) == 1);
      ck_assert(held < 746 || activated(precision, LOGISTIC, -held) == 0);
    }
  }
}
END_TEST

START_TEST(numbers_that_are_not_finite) {
  const double infinity = (double)INFINITY, nan = (double)NAN;
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    ck_assert(activated(precision, TANH, infinity) == 1 && activated(precision, TANH, -infinity) == -1);
    ck_assert(activated(precision, LOGISTIC, infinity) == 1);
    ck_assert(activated(precision, LOGISTIC, -infinity) == 0);
    ck_assert(isnan(activated(precision, TANH, nan)) && isnan(activated(precision, LOGISTIC, nan)));
    ck_assert(activated(precision, TANH_RELU, nan) == 0);
    for (size_t k = 0; k < KINDS; k++) { /* one in many, wherever it is */
      for (size_t at = 0; at < 70; at++) {
        double z[70] = {0}, y[70];
        const double wrong[] = {infinity, -infinity, nan};
        ck_assert(apply(precision, kinds[k], z, y, 70));
        z[at] = wrong[at % 3];
        ck_assert(!apply(precision, kinds[k], z, y, 70));
        z[at] = at % 2 ? (double)FLT_MAX : -(double)FLT_MAX;
        ck_assert(apply(precision, kinds[k], z, y, 70));
      }
    }
  }
}
END_TEST

/* Z + b overflows in one place; Z holds the sum, and Y is f of it. */
START_TEST(bias_is_added_to_each_row) {
  enum { ROWS = 3, COLS = 37 };
  const falign_activation *f = built_in(TANH);
  float b[COLS], z[ROWS * COLS], y[ROWS * COLS];
  for (size_t j = 0; j < COLS; j++) b[j] = (float)j / 64;
  for (size_t i = 0; i < ROWS * COLS; i++) z[i] = (float)i / 128;
  ck_assert(fal_activate_f32(f, b, z, y, ROWS, COLS));
  for (size_t i = 0; i < ROWS * COLS; i++) {
    ck_assert(z[i] == (float)i / 128 + (float)(i % COLS) / 64);
    ck_assert((double)y[i] == activated(FALIGN_F32, TANH, (double)z[i]));
  }
  z[2 * COLS + 36] = FLT_MAX;
  b[36] = FLT_MAX;
  ck_assert(!fal_activate_f32(f, b, z, y, ROWS, COLS));
}
END_TEST

/* ---- The same bits at each level ---- */

typedef struct {
  float z_f32[MOST], y_f32[MOST], derivative_f32[MOST], taylor_f32[MOST];
  double z_f64[MOST], y_f64[MOST], derivative_f64[MOST], taylor_f64[MOST];
} computed;

/* All that the loops compute of rows x cols numbers, beginning at element `at` of arrays that are else as they were. */
static void compute(computed *c, activation kind, size_t at, size_t rows, size_t cols) {
  const falign_activation *f = built_in(kind);
  uint32_t last = fal_is_analytic(f) ? FAL_MAX_DEGREE : 1;
  double b[MOST];
  float b_f32[MOST];
  memset(c, 0x55, sizeof *c);
  gaussian(b, cols, 1, 1);
  to_f32(b, cols, b_f32);
  gaussian(c->z_f64 + at, rows * cols, 4, 2);
  to_f32(c->z_f64 + at, rows * cols, c->z_f32 + at);
  ck_assert(fal_activate_f32(f, b_f32, c->z_f32 + at, c->y_f32 + at, rows, cols));
  ck_assert(fal_activate_f64(f, b, c->z_f64 + at, c->y_f64 + at, rows, cols));
  fal_times_derivative_f32(f, c->z_f32 + at, c->z_f32 + at, c->y_f32 + at, c->derivative_f32 + at, rows * cols);
  fal_times_derivative_f64(f, c->z_f64 + at, c->z_f64 + at, c->y_f64 + at, c->derivative_f64 + at, rows * cols);
  const fal_series series = {f, 1, last};
  fal_taylor_f32(&series, c->z_f32 + at, c->z_f32 + at, c->y_f32 + at, c->taylor_f32 + at, rows * cols);
  fal_taylor_f64(&series, c->z_f64 + at, c->z_f64 + at, c->y_f64 + at, c->taylor_f64 + at, rows * cols);
}

START_TEST(all_levels_give_the_same_bits) {
  static computed baseline, wide;
  static const uint8_t untouched[] = {0x55, 0x55, 0x55, 0x55};
  for (size_t k = 0; k < KINDS; k++) {
    for (size_t cols = 0; cols < 70; cols++) {
      size_t at = cols % 5, rows = cols % 3 == 0 ? 11 : 1;
      choose(FAL_BASELINE);
      compute(&baseline, kinds[k], at, rows, cols);
      ck_assert_mem_eq(&baseline.y_f32[at + rows * cols], untouched, sizeof untouched);
      for (int l = FAL_BASELINE + 1; l < levels; l++) {
        choose(l);
        compute(&wide, kinds[k], at, rows, cols);
        ck_assert_msg(memcmp(&baseline, &wide, sizeof baseline) == 0, "level %d, %s, %zu x %zu", l,
                      activation_names[kinds[k]], rows, cols);
      }
    }
  }
  choose(-1);
  printf("levels that were compared: %d\n", levels);
}
END_TEST

/* On every machine, from every compiler: sums over the bits of some 100000 numbers. */
static uint64_t bits_summed(falign_precision precision, activation kind) {
  uint64_t sum = 0, low = place_of(precision, 0x1p-30), high = place_of(precision, 1024);
  for (uint64_t i = 0; i < 100000; i++) {
    double z = number_at(precision, low + i * ((high - low) / 100000));
    sum = sum * 31 + place_of(precision, activated(precision, kind, i % 2 ? -z : z));
  }
  return sum;
}

START_TEST(same_bits_on_every_machine) {
  ck_assert_uint_eq(bits_summed(FALIGN_F32, TANH), UINT64_C(0x0cc74f088b15b292));
  ck_assert_uint_eq(bits_summed(FALIGN_F32, LOGISTIC), UINT64_C(0x4f80bfe67e6dbb7a));
  ck_assert_uint_eq(bits_summed(FALIGN_F64, TANH), UINT64_C(0x817e4ff5123fd2d1));
  ck_assert_uint_eq(bits_summed(FALIGN_F64, LOGISTIC), UINT64_C(0x1509dc546b7ca3c3));
}
END_TEST

/* ---- Derivatives ---- */

static const double zs[] = {-6, -2.5, -1, -0.3, 0, 1e-3, 0.2, 0.55, 0.9, 1.7, 3, 5, 8};
enum { ZS = sizeof zs / sizeof *zs };

/* f'(z), from exp alone. */
static double derivative_at(activation kind, double z) {
  double rising = z > 0;
  double e = exp(-fabs(kind == LOGISTIC ? z : 2 * z)), square = e / ((1 + e) * (1 + e));
  switch (kind) {
    case TANH_RELU: return rising * 4 * square;
    case RELU: return rising;
    case TANH: return 4 * square;
    case LOGISTIC: return square;
    default: return 1;
  }
}

START_TEST(first_derivative) {
  double y[ZS], signal[ZS], got[ZS];
  float z_f32[ZS], y_f32[ZS], got_f32[ZS];
  to_f32(zs, ZS, z_f32);
  for (size_t k = 0; k < KINDS; k++) {
    const falign_activation *f = built_in(kinds[k]);
    apply(FALIGN_F64, kinds[k], zs, y, ZS);
    for (size_t i = 0; i < ZS; i++) signal[i] = 1 + (double)i;
    fal_times_derivative_f64(f, signal, zs, y, got, ZS);
    /* f' is made of y, which has an error of 2 epsilon, and three operations */
    for (size_t i = 0; i < ZS; i++) near(got[i], signal[i] * derivative_at(kinds[k], zs[i]), signal[i] * 8 * 0x1p-52);
    fal_times_derivative_f64(f, signal, zs, y, signal, ZS);
    ck_assert_mem_eq(signal, got, sizeof got);
    to_f32(zs, ZS, got_f32);
    for (size_t i = 0; i < ZS; i++) y_f32[i] = (float)activated(FALIGN_F32, kinds[k], (double)z_f32[i]);
    fal_times_derivative_f32(f, got_f32, z_f32, y_f32, got_f32, ZS);
    for (size_t i = 0; i < ZS; i++)
      near(got_f32[i], zs[i] * derivative_at(kinds[k], (double)z_f32[i]), fabs(zs[i]) * 8 * 0x1p-23);
  }
}
END_TEST

/* ---- Taylor polynomials ---- */

static const activation sigmoids[] = {TANH, LOGISTIC};

static void taylor(activation kind, uint32_t first, uint32_t last, double z, double step, double *out) {
  const falign_activation *f = built_in(kind);
  double y = activated(FALIGN_F64, kind, z);
  fal_taylor_f64(&(fal_series){f, first, last}, &step, &z, &y, out, 1);
}

/* f^(v)(z) / v! by hand. */
static double by_hand(activation kind, uint32_t v, double z) {
  double y = (double)exactly(kind, z), f = kind == TANH ? 1 - y * y : y * (1 - y);
  if (kind == TANH) {
    const double terms[] = {f,
                            -y * f,
                            f * (3 * y * y - 1) / 3,
                            f * y * (2 - 3 * y * y) / 3,
                            f * (15 * pow(y, 4) - 15 * y * y + 2) / 15,
                            -f * y * (45 * pow(y, 4) - 60 * y * y + 17) / 45};
    return terms[v - 1];
  }
  const double terms[] = {
      f,
      f * (1 - 2 * y) / 2,
      f * (1 - 6 * y + 6 * y * y) / 6,
      f * (1 - 14 * y + 36 * y * y - 24 * pow(y, 3)) / 24,
      f * (1 - 30 * y + 150 * y * y - 240 * pow(y, 3) + 120 * pow(y, 4)) / 120,
      f * (1 - 62 * y + 540 * y * y - 1560 * pow(y, 3) + 1800 * pow(y, 4) - 720 * pow(y, 5)) / 720,
  };
  return terms[v - 1];
}

/* The same of any degree by Cauchy's integral over a circle about z. With N points it errs by the term of degree
 * v + N: for tanh, with a pole at distance pi/2 or more, less than (0.8 / (pi/2))^64 = 2e-19. */
static double by_cauchy(activation kind, uint32_t v, double z) {
  enum { N = 64 };
  const double pi = 3.14159265358979323846, radius = 0.8;
  double complex sum = 0;
  for (int i = 0; i < N; i++) {
    double angle = 2 * pi * i / N;
    double complex to = radius * (cos(angle) + I * sin(angle));
    double complex f = kind == TANH ? ctanh(z + to) : ctanh((z + 2 * to) / 2) / 2;
    sum += f * (cos(v * angle) - I * sin(v * angle));
  }
  return creal(sum) / N / pow(kind == TANH ? radius : 2 * radius, v);
}

START_TEST(terms_of_a_taylor_series) {
  const double steps[] = {1, -0.5, 3, 0};
  for (size_t k = 0; k < 2; k++) {
    for (size_t i = 0; i < ZS; i++) {
      for (uint32_t v = 1; v <= FAL_MAX_DEGREE; v++) {
        /* rounding of the circle's points, divided by radius^v */
        double width = sigmoids[k] == TANH ? 1 : 2, c = by_cauchy(sigmoids[k], v, zs[i]);
        double slack = 8 * 0x1p-52 / pow(0.8 * width, v);
        if (v <= 6) near(by_hand(sigmoids[k], v, zs[i]), c, 1000 * 0x1p-52 + slack);
        for (size_t s = 0; s < 4; s++) {
          double got, size = pow(fabs(steps[s]), v);
          taylor(sigmoids[k], v, v, zs[i], steps[s], &got);
          near(got, c * pow(steps[s], v), size * (20 * 0x1p-52 / pow(width, v) + slack));
        }
      }
    }
  }
}
END_TEST

static double errors_of_f32(activation kind, uint32_t first, uint32_t last, double z, double step) {
  const falign_activation *f = built_in(kind);
  float z_f32 = (float)z, step_f32 = (float)step, y = (float)activated(FALIGN_F32, kind, (double)z_f32), got;
  double want;
  fal_taylor_f32(&(fal_series){f, first, last}, &step_f32, &z_f32, &y, &got, 1);
  taylor(kind, first, last, (double)z_f32, (double)step_f32, &want);
  return fabs((double)got - want);
}

/* A sum is the sum of its terms; single precision is double's, rounded. */
START_TEST(sums_of_terms) {
  for (size_t k = 0; k < 2; k++) {
    double width = sigmoids[k] == TANH ? 1 : 2;
    for (size_t i = 0; i < ZS; i++) {
      for (uint32_t first = 1; first <= FAL_MAX_DEGREE; first++) {
        double want = 0, got, term, size = 0;
        for (uint32_t last = first; last <= FAL_MAX_DEGREE; last++) {
          taylor(sigmoids[k], last, last, zs[i], -0.7, &term);
          taylor(sigmoids[k], first, last, zs[i], -0.7, &got);
          want += term;
          size += pow(0.7 / width, last);
          near(got, want, 40 * 0x1p-52 * size);
          near(errors_of_f32(sigmoids[k], first, last, zs[i], -0.7), 0, 20 * 0x1p-23 * size);
        }
      }
    }
  }
}
END_TEST

/* f(z + h) less its polynomial of degree V is of the order h^(V+1). |tanh| is at most tan(1.2) = 2.6 within 1.2 of a
 * real z, so its terms are at most 2.6 (h / 1.2)^v by Cauchy's estimate; logistic's are half of that with h / 2. */
START_TEST(polynomials_converge) {
  const double steps[] = {0.6, -0.6, 0.3, 0.15, -0.075};
  for (size_t k = 0; k < 2; k++) {
    for (size_t i = 0; i < ZS; i++) {
      for (uint32_t last = 1; last <= FAL_MAX_DEGREE; last++) {
        for (size_t s = 0; s < 5; s++) {
          double got, width = sigmoids[k] == TANH ? 1 : 2, ratio = fabs(steps[s]) / width / 1.2;
          taylor(sigmoids[k], 1, last, zs[i], steps[s], &got);
          double rise = (double)(exactly(sigmoids[k], zs[i] + steps[s]) - exactly(sigmoids[k], zs[i]));
          near(got, rise, 2.6 / width * pow(ratio, last + 1) / (1 - ratio) + 8 * 0x1p-52);
        }
      }
    }
  }
}
END_TEST

static void square(void *user, const double *z, double *out, size_t count) {
  (void)user;
  for (size_t i = 0; i < count; i++) out[i] = z[i] * z[i];
}

static void twice(void *user, const double *z, double *out, size_t count) {
  (void)user;
  for (size_t i = 0; i < count; i++) out[i] = 2 * z[i];
}

/* The first term is the step times f', bit for bit; activations that are not analytic have no other. */
START_TEST(first_term_is_the_derivative) {
  enum { COUNT = 600 };
  double z[COUNT], y[COUNT], step[COUNT], want[COUNT], got[COUNT];
  const falign_activation_table table = {.size = sizeof table, .name = "square", .f = square, .df = twice};
  falign_activation *own = NULL;
  ok(falign_activation_create_custom(&table, NULL, &own));
  gaussian(z, COUNT, 2, 3);
  gaussian(step, COUNT, 2, 4);
  for (size_t k = 0; k <= KINDS; k++) {
    activation kind = k < KINDS ? kinds[k] : CUSTOM;
    const falign_activation *f = k < KINDS ? built_in(kind) : own;
    ck_assert(fal_is_analytic(f) == (kind == TANH || kind == LOGISTIC || kind == LINEAR));
    ck_assert(fal_activate_f64(f, NULL, z, y, 1, COUNT));
    fal_times_derivative_f64(f, step, z, y, want, COUNT);
    fal_taylor_f64(&(fal_series){f, 1, 1}, step, z, y, got, COUNT);
    ck_assert_mem_eq(got, want, sizeof got);
    memcpy(got, step, sizeof got);
    fal_taylor_f64(&(fal_series){f, 1, 1}, got, z, y, got, COUNT);
    ck_assert_mem_eq(got, want, sizeof got);
    if (kind == CUSTOM) near(want[5], step[5] * 2 * z[5], 0);
  }
  const falign_activation *linear = built_in(LINEAR);
  fal_taylor_f64(&(fal_series){linear, 1, FAL_MAX_DEGREE}, step, z, z, got, COUNT);
  ck_assert_mem_eq(got, step, sizeof got);
  fal_taylor_f64(&(fal_series){linear, 2, FAL_MAX_DEGREE}, step, z, z, got, COUNT);
  ck_assert(largest(got, COUNT) == 0);
  falign_activation_destroy(own);
}
END_TEST

static void add_tests(TCase *tests) {
  find_levels();
  tcase_add_loop_test(tests, accurate_to_the_last_places, 0, 4);
  tcase_add_test(tests, signs_and_symmetry);
  tcase_add_test(tests, saturation);
  tcase_add_test(tests, numbers_that_are_not_finite);
  tcase_add_test(tests, bias_is_added_to_each_row);
  tcase_add_test(tests, all_levels_give_the_same_bits);
  tcase_add_test(tests, same_bits_on_every_machine);
  tcase_add_test(tests, first_derivative);
  tcase_add_test(tests, terms_of_a_taylor_series);
  tcase_add_test(tests, sums_of_terms);
  tcase_add_test(tests, polynomials_converge);
  tcase_add_test(tests, first_term_is_the_derivative);
}

int main(void) { return run_suite("activation", add_tests); }
