/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SWEEP_H
#define TESTS_SWEEP_H

/* Lets each allocation of the library, and each start of a thread, fail in turn. The program that includes this is
 * linked statically, with malloc and its kin wrapped (see meson.build). */

#include <errno.h>
#include <pthread.h>

#include "suite.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *pointer);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *pointer);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);

enum { MOST_LIVE = 1 << 16 };

static struct {
  bool armed;
  long left; /* allocations that still succeed */
  bool failed;
  size_t live_count;
  void *live[MOST_LIVE];
} memory;

static bool refuse(void) {
  if (!memory.armed) return false;
  if (memory.left-- > 0) return false;
  memory.left = 0; /* the next succeed again: one failure at a time, so that cleaning up is seen as well */
  memory.failed = true;
  memory.armed = false;
  errno = ENOMEM;
  return true;
}

/* Without allocating: a leak beyond the record would go unseen. */
static void record_is_full(void) {
  static const char text[] = "sweep.h: more than MOST_LIVE blocks are live\n";
  while (write(STDERR_FILENO, text, sizeof text - 1) < 0 && errno == EINTR) continue;
  abort();
}

static void *record_block(void *pointer) {
  if (!pointer) return NULL;
  if (memory.live_count == MOST_LIVE) record_is_full();
  memory.live[memory.live_count++] = pointer;
  return pointer;
}

static void forget_block(const void *pointer) {
  for (size_t i = memory.live_count; i > 0; i--) {
    if (memory.live[i - 1] != pointer) continue;
    memory.live[i - 1] = memory.live[--memory.live_count];
    return;
  }
}

void *__wrap_malloc(size_t size) { return refuse() ? NULL : record_block(__real_malloc(size)); }

void *__wrap_calloc(size_t count, size_t size) { return refuse() ? NULL : record_block(__real_calloc(count, size)); }

void *__wrap_realloc(void *old, size_t size) {
  if (refuse()) return NULL;
  forget_block(old);
  return record_block(__real_realloc(old, size));
}

void __wrap_free(void *pointer) {
  if (pointer) forget_block(pointer);
  __real_free(pointer);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
  return refuse() ? EAGAIN : __real_pthread_create(thread, attributes, start, argument);
}

/* The objects of a scenario; all are destroyed whatever came of it. */
typedef struct {
  falign_network *network, *other_network;
  falign_rule *rule, *other_rule;
  falign_norm *norm;
  falign_dataset *data, *test_data;
  falign_code *code, *other_code;
  falign_batches *batches, *other_batches, *test;
  falign_trainer *trainer, *other_trainer;
  falign_metric *metrics[64];
  size_t metric_count;
  falign_history *history;
  falign_terms *terms;
  falign_decomposition *decomposition;
  falign_disturbance *disturbances[4];
  falign_transformation *transformation, *other_transformation;
  falign_tensors *tensors, *read_tensors;
  falign_table *table, *other_table;
  falign_backend *backend;
  falign_activation *activation;
  falign_rng *rng;
  falign_similarity *similarity;
  falign_product_angle *product_angle;
  falign_trajectory *trajectory;
  falign_components *components;
} objects;

static void destroy(objects *o) {
  falign_trainer_destroy(o->trainer);
  falign_trainer_destroy(o->other_trainer);
  for (size_t i = 0; i < o->metric_count; i++) falign_metric_destroy(o->metrics[i]);
  falign_terms_destroy(o->terms);
  for (int i = 0; i < 4; i++) falign_disturbance_destroy(o->disturbances[i]);
  falign_history_destroy(o->history);
  falign_decomposition_destroy(o->decomposition);
  falign_transformation_destroy(o->transformation);
  falign_transformation_destroy(o->other_transformation);
  falign_batches_destroy(o->batches);
  falign_batches_destroy(o->other_batches);
  falign_batches_destroy(o->test);
  falign_code_destroy(o->code);
  falign_code_destroy(o->other_code);
  falign_dataset_destroy(o->data);
  falign_dataset_destroy(o->test_data);
  falign_norm_destroy(o->norm);
  falign_rule_destroy(o->rule);
  falign_rule_destroy(o->other_rule);
  falign_network_destroy(o->network);
  falign_network_destroy(o->other_network);
  falign_tensors_destroy(o->tensors);
  falign_tensors_destroy(o->read_tensors);
  falign_table_destroy(o->table);
  falign_table_destroy(o->other_table);
  falign_backend_destroy(o->backend);
  falign_activation_destroy(o->activation);
  falign_rng_destroy(o->rng);
  falign_similarity_destroy(o->similarity);
  falign_product_angle_destroy(o->product_angle);
  falign_trajectory_destroy(o->trajectory);
  falign_components_destroy(o->components);
}

#define TRY(call)                                   \
  do {                                              \
    falign_status try_status = (call);              \
    if (try_status != FALIGN_OK) return try_status; \
  } while (0)

static falign_status ignore(void *user, const falign_value *value) {
  (void)user, (void)value;
  return FALIGN_OK;
}

/* Runs a scenario with its first, second, ... allocation failing, until none is left to fail. */
static void sweep(falign_status (*scenario)(objects *)) {
  long n = 0;
  for (;; n++) {
    objects o = {0};
    size_t before = memory.live_count;
    memory.left = n;
    memory.failed = false;
    memory.armed = true;
    falign_set_last_error(NULL);
    falign_status status = scenario(&o);
    memory.armed = false;
    bool failed = memory.failed;
    ck_assert_msg(status == (failed ? FALIGN_MEMORY : FALIGN_OK), "allocation %ld: %s: %s", n,
                  falign_status_name(status), falign_last_error());
    if (failed) ck_assert_msg(falign_last_error()[0] != 0, "allocation %ld: no message", n);
    destroy(&o);
    ck_assert_msg(memory.live_count == before, "allocation %ld: %zu blocks leaked (%s)", n, memory.live_count - before,
                  falign_last_error());
    if (!failed) break;
  }
  ck_assert_msg(n > 5, "only %ld allocations were seen: is malloc wrapped?", n);
}

#endif
