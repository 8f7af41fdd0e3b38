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
  const falign_orders orders = {.list = b->orders, .count = b->count};
  falign_matrix t = falign_matrix_f64(b->t, b->count * WIDTH, WIDTH);
  OK(falign_terms_get(b->terms, falign_trainer_trace(b->p.trainer), FALIGN_TERM, L, &orders, &t));
}

static void do_sum(void *arg) {
  bench *b = arg;
  const falign_orders orders = {.list = b->orders, .count = b->count};
  falign_matrix t = falign_matrix_f64(b->t, WIDTH, WIDTH);
  OK(falign_terms_sum(b->terms, falign_trainer_trace(b->p.trainer), FALIGN_TERM, L, &orders, &t));
}

static void do_remainder(void *arg) {
  bench *b = arg;
  falign_matrix t = falign_matrix_f64(b->t, WIDTH, WIDTH);
  OK(falign_terms_remainder(b->terms, falign_trainer_trace(b->p.trainer), L, 1, &t));
}

static void do_linear(void *arg) {
  bench *b = arg;
  const falign_orders orders = {.list = b->orders, .count = b->count};
  falign_matrix t = falign_matrix_f64(b->t, b->count * WIDTH, WIDTH);
  OK(falign_terms_get(b->terms, falign_trainer_trace(b->p.trainer), FALIGN_TERM_LINEAR, L, &orders, &t));
}

/* The three products of one order, and nothing else: L W, L dW, and a transposed one with delta. */
static void do_products(void *arg) {
  static float z_numbers[ROWS * WIDTH], p_numbers[ROWS * WIDTH], t_numbers[NUMBERS];
  falign_matrix z = falign_matrix_f32(z_numbers, ROWS, WIDTH), p = falign_matrix_f32(p_numbers, ROWS, WIDTH);
  falign_matrix t = falign_matrix_f32(t_numbers, WIDTH, WIDTH);
  falign_view transposed = falign_view_transposed(falign_view_of(z)), l, delta, w;
  bench *b = arg;
  const falign_trace *trace = falign_trainer_trace(b->p.trainer);
  const falign_backend *backend = falign_trace_step(trace)->backend;
  OK(falign_network_view(b->p.network, FALIGN_W, L - 1, &w));
  OK(falign_trace_view(trace, FALIGN_L, L - 1, &l));
  OK(falign_trace_view(trace, FALIGN_DELTA, L + 1, &delta));
  OK(falign_backend_gemm(backend, 1, &l, &w, 0, &z));
  OK(falign_backend_gemm(backend, 1, &l, &w, 0, &p));
  OK(falign_backend_gemm(backend, 1, &transposed, &delta, 0, &t));
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
