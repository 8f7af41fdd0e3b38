/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MNIST_TERMS_H
#define MNIST_TERMS_H

/* Alignment terms at chosen iterations: --terms-at and --orders. */

#include "mnist_settings.h"

/* Prints what --help says of the values that they give. */
void terms_print_help(void);

/* Checks --terms-at against what is known before the data: rule, layers, --resume. */
falign_status terms_check(const settings *s);
/* And against the number of iterations. */
falign_status terms_check_total(const settings *s);

/* The iteration after the last one of --terms-at; 0 without. */
uint64_t terms_end(const settings *s);

/* Lets a trainer keep its history and measure the terms into `sink`, in each iteration after the norms of dW[l], which
 * go to `norm_sink`. Does nothing without --terms-at. */
falign_status terms_observe(const settings *s, falign_trainer *trainer, falign_value_fn norm_sink, falign_value_fn sink,
                            void *user);

/* What the last ones came to, on standard error. */
falign_status terms_print_summary(const settings *s, const falign_table *table);

#endif
