/* SPDX-License-Identifier: Apache-2.0 */
#include <libxsmm.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "math/backend.h"

/* The first call makes libxsmm create a registry of kernels, register an exit handler, and lock a file in /tmp until
 * then. If there was no memory for the registry, libxsmm must not be used. */
static bool has_registry(void) {
  enum { UNKNOWN, YES, NO };
  static atomic_int known = UNKNOWN;
  int answer = atomic_load(&known);
  if (answer == UNKNOWN) {
    libxsmm_registry_info info;
    answer = libxsmm_get_registry_info(&info) == EXIT_SUCCESS ? YES : NO;
    atomic_store(&known, answer);
  }
  return answer == YES;
}

static bool xsmm_runs_here(void) { return libxsmm_get_target_archid() >= LIBXSMM_X86_AVX2 && has_registry(); }

static const char *xsmm_detail(void) {
  return libxsmm_get_target_archid() < LIBXSMM_X86_AVX512 ? "libxsmm " LIBXSMM_CONFIG_VERSION ", AVX2"
                                                          : "libxsmm " LIBXSMM_CONFIG_VERSION ", AVX-512";
}

static int32_t xsmm_threads(void) { return falign_backend_own_threads(&fal_backend_cblas); }

const falign_backend fal_backend_xsmm = {.permanent = true,
                                         .name = "xsmm",
                                         .sgemm = fal_xsmm_gemm_f32,
                                         .dgemm = fal_xsmm_gemm_f64,
                                         .detail = xsmm_detail,
                                         .own_threads = xsmm_threads,
                                         .runs_here = xsmm_runs_here};
