/* SPDX-License-Identifier: Apache-2.0 */
/* A trainer within a program that has ways of its own: it forks, takes signals, sets the floating-point environment,
 * destroys things early, and has callbacks that fail in all places. */
#define _POSIX_C_SOURCE 200809L
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "learning.h"

enum { ROWS = 1000 };
static const size_t widths[] = {5, 7, 4};
static double x[ROWS * 5], y[ROWS * 4];

static learner make(const char *rule) {
  gaussian(x, ROWS * 5, 1, 1);
  gaussian(y, ROWS * 4, 1, 2);
  return new_learner(new_network(FALIGN_F64, 2, widths, true, TANH), rule, 0.3, 1, 1e-4);
}

static falign_status update(const learner *by) {
  return falign_trainer_step(by->trainer, READ_F64(x, ROWS, 5, 5), READ_F64(y, ROWS, 4, 4));
}

static double weight(const learner *by) { return network_f64(by->network, FALIGN_W, 0)[3]; }

static bool has_threads(const learner *by) {
  falign_status status = falign_trainer_set_threads(by->trainer, 3);
  ck_assert(status == FALIGN_OK || status == FALIGN_UNSUPPORTED);
  return status == FALIGN_OK;
}

/* The child has no threads but its own; it goes on to the same numbers, and can end. */
START_TEST(forked) {
  learner by = make("fa");
  skip_unless(has_threads(&by), no_threads);
  ok(update(&by));
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    alarm(20);
    bool well = update(&by) == FALIGN_OK;
    double here = weight(&by);
    falign_trainer_destroy(by.trainer);
    uint64_t bits;
    memcpy(&bits, &here, sizeof bits);
    _exit(well ? (int)(bits & 63) : 64); /* the parent compares the weight's lowest bits */
  }
  int status;
  ok(update(&by));
  double here = weight(&by);
  uint64_t bits;
  memcpy(&bits, &here, sizeof bits);
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_msg(WIFEXITED(status), "the child was ended by signal %d", WTERMSIG(status));
  ck_assert_int_eq(WEXITSTATUS(status), (int)(bits & 63));
  free_learner(&by);
}
END_TEST

static volatile sig_atomic_t handled;
static pthread_t handled_by;

static void handle(int number) {
  (void)number;
  handled_by = pthread_self();
  handled = 1;
}

/* A signal that this thread blocks stays pending: no thread of the trainer takes it. */
START_TEST(signals_are_left_to_the_program) {
  learner by = make("fa");
  sigset_t set, before;
  struct sigaction action = {.sa_handler = handle}, old;
  skip_unless(has_threads(&by), no_threads);
  sigaction(SIGUSR1, &action, &old);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, &before);
  kill(getpid(), SIGUSR1);
  for (int k = 0; k < 20; k++) ok(update(&by));
  ck_assert_int_eq(handled, 0);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  ck_assert_int_eq(handled, 1);
  ck_assert(pthread_equal(handled_by, pthread_self()));
  sigaction(SIGUSR1, &old, NULL);
  free_learner(&by);
}
END_TEST

/* All threads round as the caller does at the time of the step. */
START_TEST(rounding_of_the_caller) {
  learner one = make("fa"), many = make("fa");
  skip_unless(has_threads(&many), no_threads);
  ok(update(&one));
  ok(update(&many));
  ck_assert_int_eq(fesetround(FE_UPWARD), 0);
  for (int k = 0; k < 5; k++) {
    ok(update(&one));
    ok(update(&many));
  }
  fesetround(FE_TONEAREST);
  size_t count = 5 * 7;
  ck_assert_mem_eq(network_f64(one.network, FALIGN_W, 0), network_f64(many.network, FALIGN_W, 0),
                   count * sizeof(double));
  free_learner(&one);
  free_learner(&many);
}
END_TEST

static int32_t destroy_trainer(void *user, uint64_t iteration, uint64_t until) {
  learner *by = user;
  (void)iteration, (void)until;
  falign_trainer_destroy(by->trainer);
  return 1;
}

START_TEST(destroyed_by_its_own_callback) {
  learner by = make("fa");
  falign_dataset *data;
  falign_batches *batches;
  ok(falign_dataset_create_regression(READ_F64(x, ROWS, 5, 5), READ_F64(y, ROWS, 4, 4), &data));
  ok(falign_batches_create(data, NULL, 100, &batches));
  falign_trainer_set_progress(by.trainer, destroy_trainer, &by);
  fails(FALIGN_CANCELLED, "iteration 1", falign_trainer_run(by.trainer, batches, 9));
  falign_batches_destroy(batches);
  falign_dataset_destroy(data);
  falign_rule_destroy(by.rule);
  falign_network_destroy(by.network);
}
END_TEST

static falign_status fail_silently(void *user, falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                                   void *emit_user) {
  (void)user, (void)trainer, (void)trace, (void)emit, (void)emit_user;
  return FALIGN_IO;
}

static falign_status ignore(void *user, const falign_value *value) {
  (void)user, (void)value;
  return FALIGN_OK;
}

/* Who failed is named, and no older message is taken for its own. */
START_TEST(failure_without_a_message) {
  learner by = make("fa");
  falign_metric *metric;
  falign_metric_table table = {.size = sizeof table, .name = "mute", .measure = fail_silently};
  ok(falign_metric_create_custom(&table, NULL, &metric));
  ok(falign_trainer_observe(by.trainer, metric, 1, ignore, NULL));
  falign_set_last_error("an older message");
  ck_assert_int_eq(update(&by), FALIGN_IO);
  ck_assert_str_eq(falign_last_error(), "metric mute failed with status 4 (FALIGN_IO)");
  falign_set_last_error("an older message");
  ck_assert_int_eq(falign_trainer_measure(by.trainer), FALIGN_IO);
  ck_assert_str_eq(falign_last_error(), "metric mute failed with status 4 (FALIGN_IO)");
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 0);
  falign_metric_destroy(metric);
  free_learner(&by);
}
END_TEST

static int gemms_left;

static falign_status sgemm(void *user, int32_t ta, int32_t tb, size_t m, size_t n, size_t k, float alpha,
                           const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc) {
  return falign_backend_gemm(user, alpha, (ta ? READ_F32_T(a, k, m, lda) : READ_F32(a, m, k, lda)),
                             (tb ? READ_F32_T(b, n, k, ldb) : READ_F32(b, k, n, ldb)), beta, WRITE_F32(c, m, n, ldc));
}

static falign_status dgemm(void *user, int32_t ta, int32_t tb, size_t m, size_t n, size_t k, double alpha,
                           const double *a, size_t lda, const double *b, size_t ldb, double beta, double *c,
                           size_t ldc) {
  if (gemms_left-- == 0) return FALIGN_UNSUPPORTED;
  return falign_backend_gemm(user, alpha, (ta ? READ_F64_T(a, k, m, lda) : READ_F64(a, m, k, lda)),
                             (tb ? READ_F64_T(b, n, k, ldb) : READ_F64(b, k, n, ldb)), beta, WRITE_F64(c, m, n, ldc));
}

/* A backend that fails in the first, second, ... product of a step: the same status each time, and no change. */
START_TEST(failing_products) {
  learner by = make("fa");
  falign_backend *builtin, *failing;
  ok(falign_backend_create("builtin", &builtin));
  gemms_left = -1;
  falign_backend_table table = {.size = sizeof table, .name = "tired", .sgemm = sgemm, .dgemm = dgemm};
  ok(falign_backend_create_custom(&table, builtin, &failing));
  ok(falign_trainer_set_backend(by.trainer, failing));
  ok(falign_trainer_keep(by.trainer, FALIGN_NEEDS_BP));
  double before = weight(&by);
  for (int products = 0; products < 8; products++) {
    gemms_left = products;
    falign_set_last_error("an older message");
    ck_assert_int_eq(update(&by), FALIGN_UNSUPPORTED);
    ck_assert_str_eq(falign_last_error(), "backend tired failed with status 7 (FALIGN_UNSUPPORTED)");
    ck_assert(weight(&by) == before && falign_trainer_iteration(by.trainer) == 0);
  }
  gemms_left = -1;
  ok(update(&by));
  const falign_trace *trace = falign_trainer_trace(by.trainer);
  ok(falign_trainer_set_backend(by.trainer, builtin)); /* the last user of `failing` is the caller */
  falign_backend_destroy(failing);
  ck_assert_str_eq(falign_backend_name(falign_trace_step(trace)->backend), "builtin");
  free_learner(&by);
}
END_TEST

static falign_status fail_to_normalize(void *user, falign_network *network, uint32_t l) {
  (void)user, (void)network;
  return l == 1 ? FALIGN_INVALID : FALIGN_OK;
}

/* After the update what fails does not undo it: it is counted, so that a checkpoint tells the truth. */
START_TEST(failure_after_the_update) {
  learner by = make("fa");
  falign_norm *norm;
  falign_norm_table table = {.size = sizeof table, .name = "stiff", .apply = fail_to_normalize};
  ok(falign_norm_create_custom(&table, NULL, &norm));
  ok(falign_trainer_set_norm(by.trainer, norm));
  falign_norm_destroy(norm);
  double before = weight(&by);
  fails(FALIGN_CALLBACK, "stiff failed on W[1]", update(&by));
  ck_assert(weight(&by) != before);
  ck_assert_uint_eq(falign_trainer_iteration(by.trainer), 1);
  ck_assert_ptr_null(falign_trainer_trace(by.trainer));
  free_learner(&by);
}
END_TEST

static falign_status peek(void *user, const falign_rule *rule, const falign_network *network, const falign_trace *trace,
                          uint32_t l, const falign_matrix *out) {
  falign_view delta;
  *(falign_status *)user = falign_trace_view(trace, FALIGN_DELTA, l, &delta);
  falign_status above = falign_trace_view(trace, FALIGN_DELTA, l + 1, &delta);
  return above == FALIGN_OK ? no_signal(NULL, rule, network, trace, l, out) : above;
}

/* A rule sees the deltas above the layer that it is asked for, and no others. */
START_TEST(deltas_that_are_not_known_yet) {
  learner by = make("bp");
  falign_rule *rule;
  falign_trainer *trainer;
  falign_status seen = FALIGN_OK;
  falign_rule_table table = {.size = sizeof table, .name = "peeking", .signal = peek};
  ok(falign_rule_create_custom(&table, &seen, by.network, &rule));
  ok(falign_trainer_create(by.network, rule, 1e-4, &trainer));
  ok(falign_trainer_step(trainer, READ_F64(x, ROWS, 5, 5), READ_F64(y, ROWS, 4, 4)));
  ck_assert_int_eq(seen, FALIGN_UNSUPPORTED);
  falign_trainer_destroy(trainer);
  falign_rule_destroy(rule);
  free_learner(&by);
}
END_TEST

/* A measurement before the first step does not begin the run. */
START_TEST(measured_before_the_start) {
  learner by = make("fa");
  ok(falign_trainer_measure(by.trainer));
  ck_assert(isnan(falign_trainer_start_norm(by.trainer, 0)));
  ok(falign_network_draw(by.network, 2, 2, 5, 0));
  double want = falign_frobenius(READ_F64(network_f64(by.network, FALIGN_W, 0), 5, 7, 7));
  ok(update(&by));
  ck_assert(falign_trainer_start_norm(by.trainer, 0) == want);
  free_learner(&by);
}
END_TEST

START_TEST(numbers_beyond_the_precision) {
  learner by = make("fa");
  falign_network *single = new_network(FALIGN_F32, 2, widths, true, TANH);
  falign_rule *rule;
  falign_trainer *trainer;
  fails(FALIGN_INVALID, "sd_w is a standard deviation", falign_network_draw(single, 1e39, 1, 1, 0));
  fails(FALIGN_INVALID, "sd_b is a standard deviation", falign_network_draw(by.network, 1, 1.7e308, 1, 0));
  ok(falign_rule_create("fa", single, &rule));
  fails(FALIGN_INVALID, "eta goes from 0", falign_trainer_create(single, rule, 1e300, &trainer));
  fails(FALIGN_INVALID, "eta goes from 0", falign_trainer_set_eta(by.trainer, (double)INFINITY));
  fails(FALIGN_INVALID, "needs of 16", falign_trainer_keep(by.trainer, 16));
  falign_rule_destroy(rule);
  falign_network_destroy(single);
  free_learner(&by);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, forked);
  tcase_add_test(tests, signals_are_left_to_the_program);
  tcase_add_test(tests, rounding_of_the_caller);
  tcase_add_test(tests, destroyed_by_its_own_callback);
  tcase_add_test(tests, failure_without_a_message);
  tcase_add_test(tests, failing_products);
  tcase_add_test(tests, failure_after_the_update);
  tcase_add_test(tests, deltas_that_are_not_known_yet);
  tcase_add_test(tests, measured_before_the_start);
  tcase_add_test(tests, numbers_beyond_the_precision);
}

int main(void) { return run_suite("host", add_tests); }
