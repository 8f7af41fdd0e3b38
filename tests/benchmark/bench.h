/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_H
#define BENCH_H

/* What the benchmarks share. Each program does one round: it measures all that it measures, each for a part of a
 * second, and prints a line "NAME SECONDS" for it. scripts/benchmark runs rounds of all programs in turn, and compares
 * medians. */

#include <falign/falign.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define OK(call)                                               \
  do {                                                         \
    if (call) {                                                \
      fprintf(stderr, "%s: %s\n", #call, falign_last_error()); \
      exit(EXIT_FAILURE);                                      \
    }                                                          \
  } while (0)

static inline double seconds(void) {
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Does work once; `arg` is the benchmark's own. */
typedef void work_fn(void *arg);

/* Prints how long one call takes: the mean over about `total` seconds after one call to warm up, divided by `units`. */
static inline double measure(const char *name, work_fn *work, void *arg, double units, double total) {
  work(arg);
  size_t calls = 0;
  double began = seconds(), spent;
  do {
    work(arg);
    calls++;
    spent = seconds() - began;
  } while (spent < total);
  double each = spent / (double)calls / units;
  printf("%s %.9g\n", name, each);
  return each;
}

/* The paper's network and task: 225-50-50-50-50-50 in single precision, batches of 1000 out of 60,000 points. */
typedef struct {
  falign_dataset *data;
  falign_code *code;
  falign_batches *batches;
  falign_network *network;
  falign_rule *rule;
  falign_trainer *trainer;
} paper;

static inline paper new_paper(const char *rule, uint32_t threads) {
  static const size_t widths[] = {225, 50, 50, 50, 50, 50};
  static const falign_synthetic points = {
      .points = 60000, .width = 225, .categories = 10, .within = 0.6, .between = 0.2};
  paper p;
  OK(falign_dataset_create_synthetic(&points, FALIGN_TRAIN, 1, &p.data));
  OK(falign_code_create_n_hot(10, 50, 5, 1, 0, &p.code));
  OK(falign_batches_create(p.data, p.code, 1000, &p.batches));
  OK(falign_network_create(FALIGN_F32, 5, widths, 1, &p.network));
  OK(falign_network_draw(p.network, 0.1, 0.1, 1, 0));
  OK(falign_rule_create(rule, p.network, &p.rule));
  OK(falign_rule_draw(p.rule, 0.1, 1, 0));
  OK(falign_trainer_create(p.network, p.rule, 0.0005, &p.trainer));
  OK(falign_trainer_set_threads(p.trainer, threads));
  return p;
}

static inline void free_paper(paper *p) {
  falign_trainer_destroy(p->trainer);
  falign_rule_destroy(p->rule);
  falign_network_destroy(p->network);
  falign_batches_destroy(p->batches);
  falign_code_destroy(p->code);
  falign_dataset_destroy(p->data);
}

/* One more update. */
static inline void paper_step(void *arg) {
  paper *p = arg;
  OK(falign_trainer_run(p->trainer, p->batches, falign_trainer_iteration(p->trainer) + 1));
}

#endif
