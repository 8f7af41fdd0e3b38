/* SPDX-License-Identifier: Apache-2.0 */

/* Fig. S1: what makes B^T M keep the direction of B^T. With matrices M and B that are drawn: the eigenvalues of M's
 * symmetric part, and how much larger its skew-symmetric part is (section 2.1, Note 5); and the same of the matrices
 * M_l^o[k] of networks that FA trains. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kit/figure.h"

enum { N = DIGITS_WIDTH, NUMBERS = N * N, LOG_EVERY = 10 };
enum { DRAWS = 10, RANDOM_B = 5 }; /* means are over: for one x, and beside B[l] */
enum { ALIGNMENT_STREAM = FALIGN_RNG_USER, FEEDBACK_STREAM };

static const uint64_t orders[] = {1, 60};
enum { ORDERS = sizeof orders / sizeof orders[0], LONGEST = 60 };

static const char *const names[] = {"random", "fa"};
enum { RANDOM, FA, CONDITIONS };

static const digits_setup setups[CONDITIONS] = {
    [FA] = {.rule = "fa", .eta = 0.0005, .order = FALIGN_ORDER_ONCE},
};

/* ---- Random matrices ---- */

/* One M and one B, and what they are made of. */
typedef struct drawing {
  double eigenvalues[N], basis[NUMBERS], m[NUMBERS], skew[NUMBERS], b[NUMBERS];
} drawing;

static void find_moments(const double values[N], double *mean, double *sd) {
  double squares = 0;
  *mean = 0;
  for (size_t i = 0; i < N; i++) *mean += values[i] / N;
  for (size_t i = 0; i < N; i++) squares += (values[i] - *mean) * (values[i] - *mean) / N;
  *sd = sqrt(squares);
}

/* Draws numbers from N(0, 1). */
static falign_status draw_normal(falign_rng *rng, size_t rows, size_t cols, double *numbers) {
  falign_matrix drawn = falign_matrix_f64(numbers, rows, cols);
  return falign_rng_normal(rng, 1, &drawn);
}

/* Eigenvalues of mean x and s.d. 1. */
static falign_status choose_spread(falign_rng *rng, double x, double *values) {
  double mean, sd;
  TRY(draw_normal(rng, 1, N, values));
  find_moments(values, &mean, &sd);
  for (size_t i = 0; i < N; i++) values[i] = x + (values[i] - mean) / sd;
  return FALIGN_OK;
}

/* Eigenvalues of size 1, a share x of them negative. */
static falign_status choose_signs(falign_rng *rng, double x, double *values) {
  (void)rng;
  for (size_t i = 0; i < N; i++) values[i] = (double)i < round(x * N) ? -1 : 1;
  return FALIGN_OK;
}

/* Positive eigenvalues, uniform up to 1. */
static falign_status choose_positive(falign_rng *rng, double x, double *values) {
  (void)x;
  for (size_t i = 0; i < N; i++) values[i] = 1 - falign_rng_uniform(rng);
  return FALIGN_OK;
}

/* What is varied: x goes from `low` on in steps of `step`, which the table has in hundredths from `low`. */
typedef struct sweep {
  const char *metric;
  falign_status (*choose)(falign_rng *rng, double x, double *eigenvalues);
  double low;
  int64_t step, last; /* hundredths */
} sweep;

enum { SPREAD, SIGNS, SKEW, SWEEPS };

static const sweep sweeps[SWEEPS] = {
    [SPREAD] = {"angle_spread", choose_spread, -2, 10, 400},
    [SIGNS] = {"angle_negative", choose_signs, 0, 2, 100},
    [SKEW] = {"angle_skew", choose_positive, 0, 10, 400},
};

static double x_of(const sweep *s, double hundredths) { return s->low + hundredths / 100; }

static double inner_product(const double *a, const double *b) {
  double sum = 0;
  for (size_t i = 0; i < N; i++) sum += a[i] * b[i];
  return sum;
}

/* An orthonormal basis of N vectors, by Gram and Schmidt from Gaussian ones. */
static falign_status draw_basis(falign_rng *rng, double *basis) {
  TRY(draw_normal(rng, N, N, basis));
  for (size_t i = 0; i < N; i++) {
    double *vector = basis + i * N;
    for (size_t j = 0; j < i; j++) {
      double along = inner_product(vector, basis + j * N);
      for (size_t k = 0; k < N; k++) vector[k] -= along * basis[j * N + k];
    }
    double norm = sqrt(inner_product(vector, vector));
    for (size_t k = 0; k < N; k++) vector[k] /= norm;
  }
  return FALIGN_OK;
}

/* The symmetric matrix of these eigenvalues and eigenvectors. */
static void compose(const double *eigenvalues, const double *basis, double *m) {
  for (size_t i = 0; i < NUMBERS; i++) m[i] = 0;
  for (size_t v = 0; v < N; v++) {
    const double *vector = basis + v * N;
    for (size_t i = 0; i < N; i++) {
      for (size_t j = 0; j < N; j++) m[i * N + j] += eigenvalues[v] * vector[i] * vector[j];
    }
  }
}

/* Of B^T with B^T M and with B^T M_skew, and ||B^T M_skew|| over ||B^T M_sym||. */
typedef struct turn {
  double whole, skew, ratio;
} turn;

static falign_status measure_drawing(const drawing *d, turn *out) {
  falign_transformation *m;
  falign_view drawn_m = falign_view_f64(d->m, N, N), b = falign_view_f64(d->b, N, N);
  TRY(falign_transformation_create_of(&drawn_m, &m));
  falign_status status = falign_transformation_apply(m, FALIGN_M, &b, &out->whole, NULL);
  if (status == FALIGN_OK) status = falign_transformation_apply(m, FALIGN_M_SKEW, &b, &out->skew, NULL);
  if (status == FALIGN_OK) status = falign_transformation_skew_ratio(m, &b, &out->ratio);
  falign_transformation_destroy(m);
  return status;
}

/* Adds `factor` times the skew-symmetric matrix to M. */
static void add_skew(double factor, drawing *d) {
  for (size_t i = 0; i < NUMBERS; i++) d->m[i] += factor * d->skew[i];
}

/* Draws a skew-symmetric matrix and adds it to M, so that ||B^T M_skew|| is `ratio` times ||B^T M_sym||. */
static falign_status draw_skew(falign_rng *rng, double ratio, drawing *d) {
  double *drawn = d->basis; /* which is no longer needed */
  turn once;
  TRY(draw_normal(rng, N, N, drawn));
  for (size_t i = 0; i < N; i++) {
    for (size_t j = 0; j < N; j++) d->skew[i * N + j] = drawn[i * N + j] - drawn[j * N + i];
  }
  add_skew(1, d);
  TRY(measure_drawing(d, &once));
  add_skew(ratio / once.ratio - 1, d);
  return FALIGN_OK;
}

static falign_status draw(const sweep *s, double x, falign_rng *rng, drawing *d) {
  TRY(s->choose(rng, x, d->eigenvalues));
  TRY(draw_basis(rng, d->basis));
  TRY(draw_normal(rng, N, N, d->b));
  compose(d->eigenvalues, d->basis, d->m);
  return s == &sweeps[SKEW] ? draw_skew(rng, x, d) : FALIGN_OK;
}

/* The mean over DRAWS draws. Where nothing is skew, that part has no angle. */
static falign_status record_point(const figure_run *r, const sweep *s, int64_t at, falign_rng *rng, drawing *d) {
  turn of, mean = {0};
  for (size_t i = 0; i < DRAWS; i++) {
    TRY(draw(s, x_of(s, (double)at), rng, d));
    TRY(measure_drawing(d, &of));
    mean.whole += of.whole / DRAWS;
    mean.skew += of.skew / DRAWS;
  }
  const falign_value whole = {-1, s->metric, -1, at, mean.whole}, skew = {-1, "angle_skew_alone", -1, at, mean.skew};
  TRY(falign_table_add(r->table, &whole, NAN));
  return s == &sweeps[SKEW] && at > 0 ? falign_table_add(r->table, &skew, NAN) : FALIGN_OK;
}

static falign_status record_sweep(figure_run *r, const sweep *s, drawing *d) {
  falign_rng *rng;
  falign_status status = FALIGN_OK;
  TRY(falign_rng_create(r->figure->seed, ALIGNMENT_STREAM, (uint32_t)(s - sweeps), r->number, &rng));
  for (int64_t at = 0; at <= s->last && status == FALIGN_OK; at += s->step) {
    bool stopped = figure_stopped(r, (double)at / (double)s->last);
    status = stopped ? fail(FALIGN_CANCELLED, "interrupted") : record_point(r, s, at, rng, d);
  }
  falign_rng_destroy(rng);
  return status;
}

static falign_status do_random(figure_run *r) {
  falign_status status = FALIGN_OK;
  drawing *d = malloc(sizeof *d);
  if (d == NULL) return fail(FALIGN_MEMORY, "no memory for a matrix");
  r->part = 1.0 / SWEEPS;
  for (size_t i = 0; i < SWEEPS && status == FALIGN_OK; i++) {
    r->begun = (double)i / SWEEPS;
    status = record_sweep(r, &sweeps[i], d);
  }
  free(d);
  return status;
}

/* ---- Matrices of a network, as a metric ---- */

typedef struct meter {
  double random[RANDOM_B][NUMBERS]; /* in place of B[l] */
  falign_view b;                    /* B[l] */
} meter;

/* Where the values of one layer and order go. */
typedef struct place {
  falign_value_fn emit;
  void *user;
  uint64_t k, order;
  uint32_t l;
} place;

static falign_status emit(const place *p, const char *metric, double value) {
  const falign_value emitted = {(int64_t)p->k, metric, p->l, (int64_t)p->order, value};
  return p->emit(p->user, &emitted);
}

/* Mean over s.d. of the eigenvalues. */
static falign_status emit_spread(const place *p, const falign_transformation *m) {
  double values[N], mean, sd;
  TRY(falign_transformation_eigenvalues(m, values, N));
  find_moments(values, &mean, &sd);
  return emit(p, "eigenvalue_spread", mean / sd);
}

/* How B[l]^T turns, and the mean over the random B. */
static falign_status emit_angles(const place *p, const falign_transformation *m, const meter *with) {
  double whole, symmetric, ratio, random, sum = 0;
  TRY(falign_transformation_skew_ratio(m, &with->b, &ratio));
  TRY(falign_transformation_apply(m, FALIGN_M, &with->b, &whole, NULL));
  TRY(falign_transformation_apply(m, FALIGN_M_SYMMETRIC, &with->b, &symmetric, NULL));
  for (size_t i = 0; i < RANDOM_B; i++) {
    falign_view b = falign_view_f64(with->random[i], N, N);
    TRY(falign_transformation_apply(m, FALIGN_M, &b, &random, NULL));
    sum += random;
  }
  TRY(emit(p, "skew_ratio", ratio));
  TRY(emit(p, "angle_m", whole));
  TRY(emit(p, "angle_m_sym", symmetric));
  return emit(p, "angle_m_random", sum / RANDOM_B);
}

static falign_status measure_one(const place *p, const falign_history *history, const meter *with) {
  falign_transformation *m;
  TRY(falign_transformation_create(history, p->k, p->order, p->l, &m));
  falign_status status = emit_spread(p, m);
  if (status == FALIGN_OK) status = emit_angles(p, m, with);
  falign_transformation_destroy(m);
  return status;
}

static falign_status measure(void *user, falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit_value,
                             void *emit_user) {
  meter *with = user;
  place p = {.emit = emit_value, .user = emit_user, .k = falign_trainer_iteration(trainer)};
  (void)trace;
  for (p.l = 1; p.l < DIGITS_LAYERS; p.l++) {
    TRY(falign_rule_view(falign_trainer_rule(trainer), FALIGN_FEEDBACK, p.l, &with->b));
    for (size_t i = 0; i < ORDERS && orders[i] <= p.k; i++) {
      p.order = orders[i];
      TRY(measure_one(&p, falign_trainer_history(trainer), with));
    }
  }
  return FALIGN_OK;
}

static falign_status draw_random(const figure_run *r, meter *with) {
  falign_rng *rng;
  TRY(falign_rng_create(r->figure->seed, FEEDBACK_STREAM, 0, r->number, &rng));
  falign_status status = draw_normal(rng, RANDOM_B, NUMBERS, with->random[0]);
  falign_rng_destroy(rng);
  return status;
}

static falign_status train(figure_run *r, const digits_run *digits, meter *with) {
  static const falign_metric_table table = {
      .size = sizeof table, .name = "transformation", .needs = FALIGN_NEEDS_STEP, .measure = measure};
  falign_metric *metric;
  TRY(draw_random(r, with));
  TRY(digits_keep_history(digits, FALIGN_KEEP_C, LONGEST, NULL));
  TRY(falign_metric_create_custom(&table, with, &metric));
  TRY(digits_observe(digits, metric, LOG_EVERY, figure_record, r));
  return figure_train(r, digits);
}

static falign_status do_fa(figure_run *r, const digits_run *digits) {
  meter *with = malloc(sizeof *with);
  if (with == NULL) return fail(FALIGN_MEMORY, "no memory for %d matrices", RANDOM_B);
  falign_status status = train(r, digits, with);
  free(with);
  return status;
}

static falign_status do_run(figure_run *r, digits_run *digits) {
  return digits == NULL ? do_random(r) : do_fa(r, digits);
}

static falign_status describe(const figure *f, configuration *config) {
  (void)f;
  TRY(config_set_integer(config, "size", N));
  TRY(config_set_integer(config, "draws", DRAWS));
  return config_set_integer(config, "random-feedback", RANDOM_B);
}

/* ---- The figure ---- */

static const double degrees = 57.29577951308232; /* of a radian */

/* A line of a sweep at its x. */
static falign_status gather(const figure *f, const sweep *s, const char *metric, curve *out) {
  TRY(curve_gather_orders(f->table, (curve_key){names[RANDOM], metric, -1, -1}, -1, out));
  for (size_t i = 0; i < out->count; i++) out->points[i].x = x_of(s, out->points[i].x);
  return FALIGN_OK;
}

/* What is expected at x: of the cosine, the mean of the eigenvalues over the root of their mean square, and less by
 * what the skew part adds to the norm. */
static double expectation(const sweep *s, double x) {
  if (s == &sweeps[SPREAD]) return degrees * acos(x / sqrt(x * x + 1));
  if (s == &sweeps[SIGNS]) return degrees * acos(1 - 2 * x);
  return degrees * acos(sqrt(0.75) / sqrt(1 + x * x));
}

static falign_status add_expectation(const sweep *s, plot_panel *panel) {
  curve expected = {0};
  falign_status status = FALIGN_OK;
  for (int64_t at = 0; at <= s->last && status == FALIGN_OK; at += s->step) {
    double x = x_of(s, (double)at);
    status = curve_add(x, expectation(s, x), &expected);
  }
  plot_add_curve(panel, expected, "expected", (plot_style){.colour = 4, .dash = 1});
  return status;
}

static falign_status add_sweep(const figure *f, const sweep *s, plot_panel *panel) {
  curve measured, alone;
  TRY(gather(f, s, s->metric, &measured));
  plot_add_curve(panel, measured, s == &sweeps[SKEW] ? "M" : "measured", (plot_style){.colour = 1, .marked = true});
  TRY(add_expectation(s, panel));
  if (s != &sweeps[SKEW]) return FALIGN_OK;
  TRY(gather(f, s, "angle_skew_alone", &alone));
  plot_add_curve(panel, alone, "skew part alone", (plot_style){.colour = 0, .dash = 2, .marked = true});
  return FALIGN_OK;
}

/* A metric of the first and the last B[l]; those between are alike. */
static falign_status add_layers(const figure *f, const char *metric, plot_panel *panel) {
  static const uint32_t shown[] = {1, DIGITS_LAYERS - 1};
  char title[32];
  for (size_t i = 0; i < ORDERS; i++) {
    for (size_t j = 0; j < 2; j++) {
      snprintf(title, sizeof title, "layer %" PRIu32 ", order %" PRIu64, shown[j], orders[i]);
      TRY(plot_add(panel, f->table, (curve_key){names[FA], metric, shown[j], (int64_t)orders[i]}, title,
                   (plot_style){.colour = 2 * i + j, .dash = j, .marked = i > 0}));
    }
  }
  return FALIGN_OK;
}

/* B[1] beside random matrices. */
static falign_status add_feedback(const figure *f, plot_panel *panel) {
  static const char *const metrics[] = {"angle_m", "angle_m_random"}, *const of[] = {"B[1]", "random B"};
  char title[32];
  for (size_t i = 0; i < ORDERS; i++) {
    for (size_t j = 0; j < 2; j++) {
      snprintf(title, sizeof title, "%s, order %" PRIu64, of[j], orders[i]);
      TRY(plot_add(panel, f->table, (curve_key){names[FA], metrics[j], 1, (int64_t)orders[i]}, title,
                   (plot_style){.colour = 2 * i + j, .dash = j, .marked = i > 0}));
    }
  }
  return FALIGN_OK;
}

static falign_status fill(const figure *f, plot_panel panels[FIGURE_PANELS]) {
  static const char *const angle = "angle of B^T with B^T M (degrees)";
  static const char *const ratio = "|B^T M_{skew}| / |B^T M_{sym}|";
  const plot_panel frames[FIGURE_PANELS] = {
      {.title = "A: eigenvalues", .x_label = "mean of the eigenvalues over their s.d.", .y_label = angle},
      {.title = "B: signs of eigenvalues", .x_label = "share of negative eigenvalues", .y_label = angle},
      {.title = "C: skew part", .x_label = ratio, .y_label = angle},
      {.title = "D: eigenvalues, FA", .x_label = "iteration", .y_label = "mean of the eigenvalues over their s.d."},
      {.title = "E: skew part, FA", .x_label = "iteration", .y_label = ratio},
      {.title = "F: layer 1, FA", .x_label = "iteration", .y_label = angle},
  };
  for (size_t i = 0; i < FIGURE_PANELS; i++) panels[i] = frames[i];
  for (size_t i = 0; i < SWEEPS; i++) TRY(add_sweep(f, &sweeps[i], &panels[i]));
  TRY(add_layers(f, "eigenvalue_spread", &panels[3]));
  TRY(add_layers(f, "skew_ratio", &panels[4]));
  return add_feedback(f, &panels[5]);
}

int main(int argc, char **argv) {
  static const figure_program transformation = {
      .name = "transformation",
      .about = "Tells what makes B^T M keep the direction of B^T (Fig. S1).",
      .conditions = names,
      .setups = setups,
      .condition_count = CONDITIONS,
      .runs = 10,
      .epochs = 25,
      .quick_runs = 2,
      .quick_epochs = 3,
      .run = do_run,
      .describe = describe,
      .fill = fill,
  };
  return figure_main(&transformation, argc, argv);
}
