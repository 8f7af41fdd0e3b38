/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_ORDERS_H
#define KIT_ORDERS_H

/* The angles of single alignment terms with B^T, over the orders and over the iterations. */

#include "digits.h"

enum { ORDERS_LISTED = 64, ORDERS_EVERY = 10, ORDERS_LONGEST = 120, ORDERS_TRACED = 5 };

/* Those that are followed over the iterations. */
extern const uint64_t orders_traced[ORDERS_TRACED];

/* The orders to measure at iteration k, listed or traced, those beyond k left out; returns how many. */
size_t orders_of(uint64_t k, bool listed, uint64_t orders[ORDERS_LISTED]);

/* What measures the terms of one kind; used for as long as the trainer runs. */
typedef struct orders_meter {
  const char *metric;              /* their name in the table */
  falign_terms *terms;             /* knows B^T */
  falign_disturbance *disturbance; /* what disturbs the terms; NULL: nothing does */
  const uint64_t *listed_at;       /* iterations at which orders 1 to ORDERS_LISTED are measured */
  size_t listed_at_count;
  double *t; /* of all orders that are measured at once, one layer */
} orders_meter;

/* Has the traced orders measured at each multiple of ORDERS_EVERY, and the listed ones where they are due. The history
 * must hold ORDERS_LONGEST steps. The meter's `t` becomes the caller's to free. */
falign_status orders_observe(const digits_run *run, orders_meter *meter, falign_value_fn sink, void *user);

#endif
