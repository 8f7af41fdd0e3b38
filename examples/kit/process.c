/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* RTLD_DEFAULT, sched_getaffinity() */
#include "process.h"

#include <dlfcn.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

void process_one_blas_thread(void) {
  void (*set_openblas)(int);
  void (*set_blis)(int64_t);
  void *openblas = dlsym(RTLD_DEFAULT, "openblas_set_num_threads");
  void *blis = dlsym(RTLD_DEFAULT, "bli_thread_set_num_threads");
  if (openblas != NULL) {
    memcpy(&set_openblas, &openblas, sizeof set_openblas);
    set_openblas(1);
  }
  if (blis != NULL) {
    memcpy(&set_blis, &blis, sizeof set_blis);
    set_blis(1);
  }
}

static uint32_t count_cores(void) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
#ifdef __linux__
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) cores = CPU_COUNT(&allowed);
#endif
  return cores < 1 ? 1 : cores > 1024 ? 1024 : (uint32_t)cores;
}

static falign_status do_nothing(void *user, uint32_t number) {
  (void)user, (void)number;
  return FALIGN_OK;
}

falign_status process_threads(uint64_t asked, uint32_t *threads) {
  *threads = asked > 0 ? (uint32_t)asked : count_cores();
  falign_status status = falign_ensemble_run(0, *threads, do_nothing, NULL);
  if (status != FALIGN_UNSUPPORTED || asked > 0) return status;
  *threads = 1;
  return FALIGN_OK;
}

static atomic_int signalled; /* lock-free, so that a signal handler may write what all threads read */

static void on_signal(int number) {
  (void)number;
  atomic_store(&signalled, 1);
}

void process_watch_signals(void) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

bool process_interrupted(void) { return atomic_load(&signalled) != 0; }
