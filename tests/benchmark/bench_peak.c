/* SPDX-License-Identifier: Apache-2.0 */
/* How many fused products and sums the machine can do a second: chains of them that need nothing of each other, in
 * registers. Arguments: SECONDS THREADS. Prints "peak_f32 FLOPS" and "peak_f64 FLOPS" of all threads together, of the
 * instruction set that is fastest. */
#include <pthread.h>

#include "bench.h"

enum { ROUNDS = 1 << 14, MOST_THREADS = 64 };

/* More than the latency times the units of any processor, few enough for its registers. */
#define CHAINS_OF_16_REGISTERS 12
#define CHAINS_OF_32_REGISTERS 24

/* NAME does ROUNDS times CHAINS x <- x factor + term on vectors of BYTES, and returns the FLOP. The compiler contracts
 * each to one instruction (see meson.build). */
#define PEAK(name, attribute, type, bytes, chains)                                           \
  attribute static double name(volatile double *sink) {                                      \
    typedef type vector __attribute__((vector_size(bytes)));                                 \
    vector x[chains], factor = {0}, term = {0};                                              \
    enum { LANES = bytes / sizeof(type) };                                                   \
    factor += (type)sink[0];                                                                 \
    term += (type)sink[1];                                                                   \
    _Pragma("GCC unroll 32") for (int c = 0; c < chains; c++) x[c] = term * (type)c;         \
    for (int i = 0; i < ROUNDS; i++) {                                                       \
      _Pragma("GCC unroll 32") for (int c = 0; c < chains; c++) x[c] = x[c] * factor + term; \
    }                                                                                        \
    double sum = 0;                                                                          \
    _Pragma("GCC unroll 32") for (int c = 0; c < chains; c++) sum += (double)x[c][0];        \
    sink[2] = sum;                                                                           \
    return 2.0 * ROUNDS * chains * LANES;                                                    \
  }

typedef double peak_fn(volatile double *sink);

#if defined(__x86_64__)
PEAK(peak_avx2_f32, __attribute__((target("avx2,fma"))), float, 32, CHAINS_OF_16_REGISTERS)
PEAK(peak_avx2_f64, __attribute__((target("avx2,fma"))), double, 32, CHAINS_OF_16_REGISTERS)
PEAK(peak_avx512_f32, __attribute__((target("avx512f"))), float, 64, CHAINS_OF_32_REGISTERS)
PEAK(peak_avx512_f64, __attribute__((target("avx512f"))), double, 64, CHAINS_OF_32_REGISTERS)
PEAK(peak_sse_f32, , float, 16, CHAINS_OF_16_REGISTERS)
PEAK(peak_sse_f64, , double, 16, CHAINS_OF_16_REGISTERS)
static peak_fn *const kernels[2][3] = {{peak_sse_f32, peak_avx2_f32, peak_avx512_f32},
                                       {peak_sse_f64, peak_avx2_f64, peak_avx512_f64}};
static int levels(void) {
  if (__builtin_cpu_supports("avx512f")) return 3;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 2 : 1;
}
#else
PEAK(peak_baseline_f32, , float, 16, CHAINS_OF_32_REGISTERS)
PEAK(peak_baseline_f64, , double, 16, CHAINS_OF_32_REGISTERS)
static peak_fn *const kernels[2][1] = {{peak_baseline_f32}, {peak_baseline_f64}};
static int levels(void) { return 1; }
#endif

typedef struct {
  peak_fn *kernel;
  double seconds, rate;
} job;

static void *run(void *arg) {
  job *j = arg;
  volatile double sink[3] = {0.5, 1, 0};
  double flop = 0, began, spent;
  j->kernel(sink);
  began = seconds();
  do {
    flop += j->kernel(sink);
    spent = seconds() - began;
  } while (spent < j->seconds);
  j->rate = flop / spent;
  return NULL;
}

/* The rate of all threads, which work at the same time. */
static double rate(peak_fn *kernel, double total, int threads) {
  pthread_t ids[MOST_THREADS];
  job jobs[MOST_THREADS];
  double sum = 0;
  for (int t = 0; t < threads; t++) {
    jobs[t] = (job){kernel, total, 0};
    if (pthread_create(&ids[t], NULL, run, &jobs[t])) exit(EXIT_FAILURE);
  }
  for (int t = 0; t < threads; t++) {
    pthread_join(ids[t], NULL);
    sum += jobs[t].rate;
  }
  return sum;
}

int main(int argc, char **argv) {
  static const char *const names[] = {"peak_f32", "peak_f64"};
  int threads = argc == 3 ? atoi(argv[2]) : 0;
  if (threads < 1 || threads > MOST_THREADS) {
    fprintf(stderr, "usage: bench_peak SECONDS THREADS\n");
    return EXIT_FAILURE;
  }
  for (int p = 0; p < 2; p++) {
    double best = 0;
    for (int level = 0; level < levels(); level++) {
      double here = rate(kernels[p][level], strtod(argv[1], NULL), threads);
      if (here > best) best = here;
    }
    printf("%s %.9g\n", names[p], best);
  }
  return EXIT_SUCCESS;
}
