/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_NO_KERNELS_H
#define TESTS_NO_KERNELS_H

/* Stands in for libxsmm in a program that is linked statically: a machine of the given kind, with memory for a
 * registry, but not for a kernel. */

#include <libxsmm.h>
#include <stdlib.h>

static int target_archid = LIBXSMM_TARGET_ARCH_GENERIC;

int libxsmm_get_target_archid(void) { return target_archid; }

int libxsmm_get_registry_info(libxsmm_registry_info *info) {
  (void)info;
  return EXIT_SUCCESS;
}

libxsmm_smmfunction libxsmm_smmdispatch(libxsmm_blasint m, libxsmm_blasint n, libxsmm_blasint k,
                                        const libxsmm_blasint *lda, const libxsmm_blasint *ldb,
                                        const libxsmm_blasint *ldc, const float *alpha, const float *beta,
                                        const int *flags, const int *prefetch) {
  (void)m, (void)n, (void)k, (void)lda, (void)ldb, (void)ldc, (void)alpha, (void)beta, (void)flags, (void)prefetch;
  return NULL;
}

libxsmm_dmmfunction libxsmm_dmmdispatch(libxsmm_blasint m, libxsmm_blasint n, libxsmm_blasint k,
                                        const libxsmm_blasint *lda, const libxsmm_blasint *ldb,
                                        const libxsmm_blasint *ldc, const double *alpha, const double *beta,
                                        const int *flags, const int *prefetch) {
  (void)m, (void)n, (void)k, (void)lda, (void)ldb, (void)ldc, (void)alpha, (void)beta, (void)flags, (void)prefetch;
  return NULL;
}

#endif
