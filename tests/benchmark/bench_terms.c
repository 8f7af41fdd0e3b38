/* SPDX-License-Identifier: Apache-2.0 */
/* What alignment terms and their history cost on the paper's network, f32. Argument: threads. */
#include <string.h>

#include "bench.h"

enum { L = 2, WIDTH = 50, ROWS = 1000, MOST_ORDERS = 512, NUMBERS = WIDTH * WIDTH };

typedef struct {
  paper p;
  falign_terms *terms;
  uint64_t orders[MOST_ORDERS];
  size_t count;
  double t[MOST_ORDERS * NUMBERS];
} bench;

/* ---- Terms ---- */

static void do_orders(void *arg) {
  bench *b = arg;
  OK(falign_terms_orders(b->terms, falign_trainer_trace(b->p.trainer), L, 1, b->orders, b->count, b->t));
}

static void do_sum(void *arg) {
  bench *b = arg;
  OK(falign_terms_sum(b->terms, falign_trainer_trace(b->p.trainer), L, 1, b->orders, b->count, b->t));
}

static void do_remainder(void *arg) {
  bench *b = arg;
  OK(falign_terms_remainder(b->terms, falign_trainer_trace(b->p.trainer), L, 1, b->t));
}

static void do_linear(void *arg) {
  bench *b = arg;
  OK(falign_terms_linear(b->terms, falign_trainer_trace(b->p.trainer), L, b->orders, b->count, b->t));
}

/* The three products of one order, and nothing else: L W, L dW, and a transposed one with delta. */
static void do_products(void *arg) {
  static float z[ROWS * WIDTH], p[ROWS * WIDTH], t[NUMBERS];
  bench *b = arg;
  const falign_trace *trace = falign_trainer_trace(b->p.trainer);
  const falign_backend *backend = falign_trace_backend(trace);
  const float *l, *delta, *w = falign_network_view_weights_f32(b->p.network, L - 1);
  OK(falign_trace_view_f32(trace, FALIGN_L, L - 1, &l, NULL, NULL, NULL));
  OK(falign_trace_view_f32(trace, FALIGN_DELTA, L + 1, &delta, NULL, NULL, NULL));
  OK(falign_backend_gemm_f32(backend, 0, 0, ROWS, WIDTH, WIDTH, 1, l, WIDTH, w, WIDTH, 0, z, WIDTH));
  OK(falign_backend_gemm_f32(backend, 0, 0, ROWS, WIDTH, WIDTH, 1, l, WIDTH, w, WIDTH, 0, p, WIDTH));
  OK(falign_backend_gemm_f32(backend, 1, 0, WIDTH, WIDTH, ROWS, 1, z, WIDTH, delta, WIDTH, 0, t, WIDTH));
}

static void measure_orders(bench *b) {
  static const size_t counts[] = {1, 8, 64, 512};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    char name[32];
    b->count = counts[i];
    snprintf(name, sizeof name, "term_of_%zu", b->count);
    measure(name, do_orders, b, (double)b->count, 0.3);
  }
  measure("sum_of_512", do_sum, b, MOST_ORDERS, 0.3);
  measure("remainder_of_all", do_remainder, b, (double)falign_trainer_iteration(b->p.trainer) - 1, 0.3);
  b->count = 64;
  measure("linear_term_of_64", do_linear, b, 64, 0.2);
}

/* ---- History ---- */

/* Steps with a history that keeps `quantities`, or with none if that is negative. */
static void measure_steps(const char *name, int32_t quantities, uint32_t threads) {
  paper p = new_paper("fa", threads);
  falign_history *history = NULL;
  if (quantities >= 0) {
    OK(falign_history_create(p.network, &history));
    OK(falign_history_keep(history, quantities));
    OK(falign_trainer_set_history(p.trainer, history));
  }
  measure(name, paper_step, &p, 1, 0.4);
  falign_history_destroy(history);
  free_paper(&p);
}

int main(int argc, char **argv) {
  uint32_t threads = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
  bench *b = calloc(1, sizeof *b);
  falign_history *history;
  if (b == NULL) return EXIT_FAILURE;
  measure_steps("step", -1, threads);
  measure_steps("step_with_history", 0, threads);
  measure_steps("step_with_history_and_c", FALIGN_KEEP_C, threads);

  b->p = new_paper("fa", threads);
  OK(falign_history_create(b->p.network, &history));
  OK(falign_history_keep(history, FALIGN_KEEP_C));
  OK(falign_trainer_set_history(b->p.trainer, history));
  OK(falign_trainer_keep(b->p.trainer, FALIGN_NEEDS_ACTIVITY));
  OK(falign_trainer_run(b->p.trainer, b->p.batches, MOST_ORDERS + 1));
  OK(falign_terms_create(history, b->p.rule, &b->terms));
  OK(falign_terms_set_threads(b->terms, threads));
  for (size_t i = 0; i < MOST_ORDERS; i++) b->orders[i] = i + 1;
  measure("bare_products", do_products, b, 1, 0.3);
  measure_orders(b);

  falign_terms_destroy(b->terms);
  falign_history_destroy(history);
  free_paper(&b->p);
  free(b);
  return EXIT_SUCCESS;
}
