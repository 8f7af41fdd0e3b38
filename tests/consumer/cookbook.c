/* SPDX-License-Identifier: Apache-2.0 */
/* The recipes of docs/cookbook.md, one function each. Usage: cookbook [FOLDER OF MNIST]. Writes to the current folder.
 */
#include <falign/falign.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define TRY(call)                                   \
  do {                                              \
    falign_status try_status = (call);              \
    if (try_status != FALIGN_OK) return try_status; \
  } while (0)

enum { INPUTS = 40, HIDDEN = 30, OUTPUTS = 20, LAYERS = 3, CATEGORIES = 4, POINTS = 800, BATCH = 80 };

/* The objects of a run. release() destroys those that were made. */
typedef struct run {
  falign_dataset *data;
  falign_code *code;
  falign_batches *batches;
  falign_network *network;
  falign_rule *rule;
  falign_trainer *trainer;
} run;

static falign_status make(run *r, uint64_t seed, uint32_t number) {
  const falign_synthetic points = {
      .points = POINTS, .width = INPUTS, .categories = CATEGORIES, .within = 0.5, .between = 0.1};
  const size_t widths[] = {INPUTS, HIDDEN, HIDDEN, OUTPUTS};
  TRY(falign_dataset_create_synthetic(&points, FALIGN_TRAIN, seed, &r->data));
  TRY(falign_code_create_n_hot(CATEGORIES, OUTPUTS, 5, seed, number, &r->code));
  TRY(falign_batches_create(r->data, r->code, BATCH, &r->batches));
  TRY(falign_batches_set_order(r->batches, FALIGN_ORDER_EPOCH, seed, number));
  TRY(falign_network_create(FALIGN_F32, LAYERS, widths, 1, &r->network));
  TRY(falign_network_draw(r->network, 0.1, 0.1, seed, number));
  TRY(falign_rule_create("fa", r->network, &r->rule));
  TRY(falign_rule_draw(r->rule, 0.1, seed, number));
  return falign_trainer_create(r->network, r->rule, 0.002, &r->trainer);
}

static void release(run *r) {
  falign_trainer_destroy(r->trainer);
  falign_rule_destroy(r->rule);
  falign_network_destroy(r->network);
  falign_batches_destroy(r->batches);
  falign_code_destroy(r->code);
  falign_dataset_destroy(r->data);
}

/* The angle of W[1] with B[1]^T, in degrees. */
static falign_status angle(const run *r, double *degrees) {
  falign_view w, b;
  TRY(falign_network_view(r->network, FALIGN_W, 1, &w));
  TRY(falign_rule_view(r->rule, FALIGN_FEEDBACK, 1, &b));
  falign_view transposed = falign_view_transposed(b);
  return falign_angle(&w, &transposed, degrees, NULL, NULL);
}

/* ---- What can be measured ---- */

static void list_metrics(void) {
  for (size_t i = 0; falign_metric_name_at(i) != NULL; i++)
    printf("  %-18s %s\n", falign_metric_name_at(i), falign_metric_description_at(i));
}

/* ---- A table of measured values ---- */

/* Receives each measured value, and adds it to the table without an epoch. */
static falign_status add_row(void *user, const falign_value *value) { return falign_table_add(user, value, NAN); }

static falign_status log_to_csv(run *r) {
  falign_table *table = NULL;
  falign_metric *metric = NULL;
  falign_status status = falign_table_create(FALIGN_F32, NULL, &table);
  if (status == FALIGN_OK) status = falign_metric_create("angle_w_b", &metric);
  if (status == FALIGN_OK) status = falign_trainer_observe(r->trainer, metric, 10, add_row, table);
  if (status == FALIGN_OK) status = falign_trainer_run(r->trainer, r->batches, 200);
  if (status == FALIGN_OK) status = falign_trainer_measure(r->trainer); /* the row after the last update */
  if (status == FALIGN_OK) status = falign_table_write(table, "log.csv");
  printf("  %d rows in log.csv\n", (int)falign_table_rows(table));
  falign_metric_destroy(metric);
  falign_trainer_destroy(r->trainer); /* first: it writes to the table */
  r->trainer = NULL;
  falign_table_destroy(table);
  return status;
}

/* ---- Your own metric ---- */

/* Measures the largest magnitude among the weights of each layer. It needs only the weights. */
static falign_status measure_largest(void *user, falign_trainer *trainer, const falign_trace *trace,
                                     falign_value_fn emit, void *emit_user) {
  const falign_network *network = falign_trainer_network(trainer);
  (void)user, (void)trace;
  for (uint32_t l = 0; l < falign_network_layers(network); l++) {
    falign_view w;
    TRY(falign_network_view(network, FALIGN_W, l, &w));
    const float *numbers = w.data;
    float largest = 0;
    for (size_t i = 0; i < w.rows * w.cols; i++) largest = fmaxf(largest, fabsf(numbers[i]));
    const falign_value value = {.iteration = (int64_t)falign_trainer_iteration(trainer),
                                .name = "largest_w",
                                .layer = l,
                                .order = -1,
                                .value = (double)largest};
    TRY(emit(emit_user, &value));
  }
  return FALIGN_OK;
}

static const falign_metric_table largest = {
    .size = sizeof(falign_metric_table), .name = "largest_w", .needs = 0, .measure = measure_largest};

static falign_status print(void *user, const falign_value *v) {
  (void)user;
  printf("  update %" PRId64 ": %s, layer %" PRId64 ": %.3f\n", v->iteration, v->name, v->layer, v->value);
  return FALIGN_OK;
}

static falign_status own_metric(run *r) {
  const uint64_t at[] = {0, 100};
  falign_metric *metric;
  TRY(falign_metric_create_custom(&largest, NULL, &metric));
  falign_status status = falign_trainer_observe_at(r->trainer, metric, at, 2, print, NULL);
  falign_metric_destroy(metric); /* the trainer keeps a reference */
  return status == FALIGN_OK ? falign_trainer_run(r->trainer, r->batches, 101) : status;
}

/* ---- Imposed signals ---- */

/* Imposes the same random inputs and errors at each step: autocorrelated signals, which align weights without a task.
 */
static falign_status impose_signals(run *r) {
  static float x_numbers[BATCH * INPUTS], delta_numbers[BATCH * OUTPUTS];
  falign_matrix x = falign_matrix_f32(x_numbers, BATCH, INPUTS);
  falign_matrix delta = falign_matrix_f32(delta_numbers, BATCH, OUTPUTS);
  falign_view x_view = falign_view_of(x), delta_view = falign_view_of(delta);
  falign_rng *rng;
  double degrees;
  TRY(falign_rng_create(7, FALIGN_RNG_SIGNAL, 0, 0, &rng));
  falign_status status = falign_rng_normal(rng, 1, &x);
  if (status == FALIGN_OK) status = falign_rng_normal(rng, 1, &delta);
  falign_rng_destroy(rng);
  for (int k = 0; status == FALIGN_OK && k < 100; k++) status = falign_trainer_impose(r->trainer, &x_view, &delta_view);
  if (status != FALIGN_OK) return status;
  TRY(angle(r, &degrees));
  printf("  after 100 updates W[1] is at %.1f degrees from B[1]^T\n", degrees);
  return FALIGN_OK;
}

/* ---- Checkpoints ---- */

static falign_status save(const run *r, const char *path) {
  falign_tensors *tensors;
  TRY(falign_tensors_create(&tensors));
  falign_status status = falign_trainer_export(r->trainer, tensors); /* weights, feedback, iteration */
  if (status == FALIGN_OK)
    status = falign_batches_export(r->batches, falign_trainer_iteration(r->trainer), tensors); /* code and order */
  if (status == FALIGN_OK) status = falign_tensors_write(tensors, path);
  falign_tensors_destroy(tensors);
  return status;
}

/* Loads into a run that was made with the same settings. */
static falign_status resume(run *r, const char *path) {
  falign_tensors *tensors;
  TRY(falign_tensors_read(path, &tensors));
  falign_status status = falign_trainer_import(r->trainer, tensors);
  if (status == FALIGN_OK) status = falign_batches_import(r->batches, falign_trainer_iteration(r->trainer), tensors);
  falign_tensors_destroy(tensors);
  return status;
}

static falign_status checkpoint(run *r) {
  run other = {0};
  TRY(falign_trainer_run(r->trainer, r->batches, 50));
  TRY(save(r, "run.safetensors"));
  TRY(falign_trainer_run(r->trainer, r->batches, 100));
  falign_status status = make(&other, 7, 0);
  if (status == FALIGN_OK) status = resume(&other, "run.safetensors");
  if (status == FALIGN_OK) status = falign_trainer_run(other.trainer, other.batches, 100);
  if (status == FALIGN_OK) {
    falign_view w, resumed;
    status = falign_network_view(r->network, FALIGN_W, 1, &w);
    if (status == FALIGN_OK) status = falign_network_view(other.network, FALIGN_W, 1, &resumed);
    int same = status == FALIGN_OK && memcmp(w.data, resumed.data, w.rows * w.cols * sizeof(float)) == 0;
    printf("  the resumed run has %s\n", same ? "the same bits" : "OTHER BITS");
    if (!same) status = FALIGN_INVALID;
  }
  release(&other);
  return status;
}

/* ---- Your own backend ---- */

/* Counts the products and leaves the work to a built-in backend. */
typedef struct counter {
  falign_backend *inner;
  unsigned long products; /* must be atomic if the trainer has several threads */
} counter;

static falign_status count_f32(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                               float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta,
                               float *c, size_t ldc) {
  counter *count = user;
  const ptrdiff_t a_step = (ptrdiff_t)lda, b_step = (ptrdiff_t)ldb;
  falign_view a_view = {a, m, k, transpose_a ? 1 : a_step, transpose_a ? a_step : 1, FALIGN_F32}; /* op(A) */
  falign_view b_view = {b, k, n, transpose_b ? 1 : b_step, transpose_b ? b_step : 1, FALIGN_F32}; /* op(B) */
  falign_matrix c_matrix = {c, m, n, (ptrdiff_t)ldc, 1, FALIGN_F32};
  count->products++;
  return falign_backend_gemm(count->inner, (double)alpha, &a_view, &b_view, (double)beta, &c_matrix);
}

static falign_status count_f64(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                               double alpha, const double *a, size_t lda, const double *b, size_t ldb, double beta,
                               double *c, size_t ldc) {
  counter *count = user;
  const ptrdiff_t a_step = (ptrdiff_t)lda, b_step = (ptrdiff_t)ldb;
  falign_view a_view = {a, m, k, transpose_a ? 1 : a_step, transpose_a ? a_step : 1, FALIGN_F64};
  falign_view b_view = {b, k, n, transpose_b ? 1 : b_step, transpose_b ? b_step : 1, FALIGN_F64};
  falign_matrix c_matrix = {c, m, n, (ptrdiff_t)ldc, 1, FALIGN_F64};
  count->products++;
  return falign_backend_gemm(count->inner, alpha, &a_view, &b_view, beta, &c_matrix);
}

static const falign_backend_table counting = {
    .size = sizeof(falign_backend_table), .name = "counting", .sgemm = count_f32, .dgemm = count_f64};

static falign_status own_backend(run *r) {
  static counter count; /* outlives the trainer, which keeps the backend */
  falign_backend *backend;
  TRY(falign_backend_create("builtin", &count.inner));
  TRY(falign_backend_create_custom(&counting, &count, &backend));
  count.products = 0; /* creating the backend tested it */
  falign_status status = falign_trainer_set_backend(r->trainer, backend);
  falign_backend_destroy(backend); /* the trainer keeps a reference */
  if (status == FALIGN_OK) status = falign_trainer_run(r->trainer, r->batches, 1);
  printf("  a step has %lu products\n", count.products);
  return status;
}

/* ---- Many runs at once ---- */

enum { RUNS = 6 };

static falign_status one_run(void *user, uint32_t number) {
  double *angles = user; /* each run writes its own element */
  run r = {0};
  falign_status status = make(&r, 7, number);
  if (status == FALIGN_OK) status = falign_trainer_run(r.trainer, r.batches, 300);
  if (status == FALIGN_OK) status = angle(&r, &angles[number]);
  release(&r);
  return status;
}

static falign_status many_runs(void) {
  double angles[RUNS], sum = 0;
  TRY(falign_ensemble_run(RUNS, 2, one_run, angles));
  for (int i = 0; i < RUNS; i++) sum += angles[i];
  printf("  angle of W[1] with B[1]^T, mean of %d runs: %.1f degrees\n", RUNS, sum / RUNS);
  return FALIGN_OK;
}

/* ---- Progress, and stopping from elsewhere ---- */

static falign_trainer *volatile interrupted;

static void on_signal(int number) {
  (void)number;
  falign_trainer_cancel(interrupted); /* may be called from any thread or signal handler */
}

static int32_t show_progress(void *user, uint64_t iteration, uint64_t until) {
  (void)user;
  if (iteration % 100 == 0) printf("  %" PRIu64 " of %" PRIu64 "\n", iteration, until);
  if (iteration == 250) raise(SIGINT); /* as if Ctrl-C had been pressed */
  return 0;                            /* any other value stops the run, too */
}

static falign_status stop(run *r) {
  interrupted = r->trainer;
  void (*before)(int) = signal(SIGINT, on_signal);
  falign_trainer_set_progress(r->trainer, show_progress, NULL);
  falign_status status = falign_trainer_run(r->trainer, r->batches, 1000);
  signal(SIGINT, before);
  if (status != FALIGN_CANCELLED) return status == FALIGN_OK ? FALIGN_INVALID : status;
  printf("  stopped: %s\n", falign_last_error()); /* between two updates: save, or resume */
  return falign_trainer_run(r->trainer, r->batches, 300);
}

/* ---- MNIST ---- */

static falign_status read_mnist(const char *folder) {
  falign_dataset *train = NULL, *test = NULL;
  falign_status status = falign_dataset_read_mnist(folder, FALIGN_TRAIN, 15, &train); /* resized to 15 x 15 */
  if (status == FALIGN_OK) status = falign_dataset_read_mnist(folder, FALIGN_TEST, 15, &test);
  if (status == FALIGN_OK) {
    const falign_dataset_shape *shape = falign_dataset_get_shape(train);
    printf("  %zu and %zu points of %zu pixels\n", shape->points, falign_dataset_get_shape(test)->points, shape->width);
  }
  falign_dataset_destroy(test);
  falign_dataset_destroy(train);
  return status;
}

/* ---- Shuffled labels ---- */

static falign_status shuffle_labels(run *r) {
  double error, degrees;
  TRY(falign_batches_shuffle_labels(r->batches, 1, 7, 0)); /* all of them (Fig. 6) */
  TRY(falign_trainer_run(r->trainer, r->batches, 300));
  TRY(falign_trainer_evaluate(r->trainer, r->batches, NULL, &error));
  TRY(angle(r, &degrees));
  printf("  %.1f %% of the shuffled labels are missed; W[1] is at %.1f degrees\n", 100 * error, degrees);
  return FALIGN_OK;
}

/* ---- Weights for NumPy ---- */

static falign_status export_weights(run *r) {
  falign_tensors *tensors;
  TRY(falign_tensors_create(&tensors));
  falign_status status = falign_network_export(r->network, tensors);
  if (status == FALIGN_OK) status = falign_rule_export(r->rule, tensors);
  if (status == FALIGN_OK) status = falign_tensors_set_note(tensors, "made by", "the cookbook");
  if (status == FALIGN_OK) status = falign_tensors_write(tensors, "weights.safetensors");
  falign_tensors_destroy(tensors);
  return status;
}

/* ---- All of them ---- */

/* Runs a recipe with a new run. */
static int cook(const char *name, falign_status (*recipe)(run *r)) {
  run r = {0};
  printf("%s\n", name);
  falign_status status = make(&r, 7, 0);
  if (status == FALIGN_OK) status = recipe(&r);
  release(&r);
  if (status != FALIGN_OK) fprintf(stderr, "%s: %s: %s\n", name, falign_status_name(status), falign_last_error());
  return status != FALIGN_OK;
}

static falign_status average(run *r) {
  (void)r;
  return many_runs();
}

int main(int argc, char **argv) {
  int failed = 0;
  printf("metrics\n");
  list_metrics();
  failed |= cook("a table", log_to_csv);
  failed |= cook("a metric of one's own", own_metric);
  failed |= cook("imposed signals", impose_signals);
  failed |= cook("a checkpoint", checkpoint);
  failed |= cook("a backend of one's own", own_backend);
  failed |= cook("many runs", average);
  failed |= cook("stopping", stop);
  failed |= cook("shuffled labels", shuffle_labels);
  failed |= cook("weights", export_weights);
  if (argc > 1) {
    printf("MNIST\n");
    if (read_mnist(argv[1]) != FALIGN_OK) failed = fprintf(stderr, "%s\n", falign_last_error()) != 0;
  }
  return failed;
}
