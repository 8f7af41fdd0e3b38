/* SPDX-License-Identifier: Apache-2.0 */
/* Histories beyond their limit of memory, whose steps go to a file. */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "files.h"
#include "records.h"

/* A build without files refuses a directory, and has nothing else to test here. */
static bool have_files(void) {
  falign_network *network = new_network(FALIGN_F64, TASK_LAYERS, task_widths, true, TANH);
  falign_history *history;
  uint64_t bytes;
  ok(falign_history_create(network, &history));
  falign_status status = falign_history_set_limit(history, 0, directory);
  if (status == FALIGN_UNSUPPORTED) {
    ck_assert_ptr_nonnull(strstr(falign_last_error(), "this build has no files"));
    ok(falign_history_bytes(history, 1, &bytes)); /* the limit is as it was: none */
    ok(falign_history_set_limit(history, bytes, NULL));
  } else {
    ok(status);
  }
  falign_history_destroy(history);
  falign_network_destroy(network);
  return status == FALIGN_OK;
}

/* What is kept in memory whatever the steps. */
static uint64_t fixed_bytes(const falign_history *history) {
  uint64_t bytes;
  ok(falign_history_bytes(history, 0, &bytes));
  return bytes;
}

/* Room in memory for so many steps, besides the one on its way to the file; the others go to the directory. */
static void limit_to(falign_history *history, uint64_t steps) {
  uint64_t without = fixed_bytes(history);
  ok(falign_history_set_limit(history, 0, directory));
  ck_assert_uint_eq(fixed_bytes(history), without + step_bytes(history));
  ok(falign_history_set_limit(history, fixed_bytes(history) + steps * step_bytes(history), directory));
}

/* ---- The same from the file as from memory ---- */

static void check_spilled(falign_precision precision, uint64_t window, uint64_t in_memory) {
  enum { STEPS = 20 };
  recorder r = new_recorder(precision, "fa"), want = new_recorder(precision, "fa");
  ok(falign_history_set_window(r.history, window));
  ok(falign_history_set_window(want.history, window));
  limit_to(r.history, in_memory);
  for (uint64_t k = 0; k < STEPS; k++) {
    uint64_t memory, file, told, held = window > 0 && k > window ? window + 1 : k + 1;
    uint64_t within = held < in_memory ? held : in_memory;
    ok(go(&r.by));
    ok(go(&want.by));
    same_history(r.by.network, r.history, want.history);
    ok(falign_history_used(r.history, &memory, &file));
    ok(falign_history_bytes(r.history, k + 1, &told));
    ck_assert_uint_eq(memory + file, told);
    ck_assert_uint_eq(memory, fixed_bytes(r.history) + within * step_bytes(r.history));
    ck_assert_uint_eq(file, (held - within) * step_bytes(r.history));
  }
  check_undisturbed(&r.by, "fa");
  free_recorder(&r);
  free_recorder(&want);
}

START_TEST(the_file_holds_what_memory_would) {
  skip_unless(have_files(), no_files);
  draw_task();
  for (falign_precision precision = FALIGN_F32; precision <= FALIGN_F64; precision++) {
    for (uint64_t in_memory = 0; in_memory <= 12; in_memory += 4) {
      check_spilled(precision, 0, in_memory);
      check_spilled(precision, 1, in_memory);
      check_spilled(precision, 6, in_memory);
    }
  }
}
END_TEST

/* A limit below what a history keeps in any case: all steps go to the file. */
START_TEST(a_limit_of_nothing) {
  skip_unless(have_files(), no_files);
  draw_task();
  recorder r = new_recorder(FALIGN_F32, "dfa"), want = new_recorder(FALIGN_F32, "dfa");
  uint64_t memory, file;
  ok(falign_history_set_limit(r.history, 0, directory));
  go_to(&r.by, 15);
  go_to(&want.by, 15);
  same_history(r.by.network, r.history, want.history);
  ok(falign_history_used(r.history, &memory, &file));
  ck_assert_uint_eq(memory, fixed_bytes(r.history));
  ck_assert_uint_eq(file, 15 * step_bytes(r.history));
  free_recorder(&r);
  free_recorder(&want);
}
END_TEST

/* All terms of a run whose steps are in the file, in memory, and in both. */
static void check_terms(const past_plan *plan, uint64_t in_memory) {
  past *p = past_new(plan, PAST_LAYERS, past_widths), *whole = past_new(plan, PAST_LAYERS, past_widths);
  double t[2 * 9 * 8], want[2 * 9 * 8];
  limit_to(p->history, in_memory);
  while (p->steps < PAST_STEPS) {
    past_go(p, true);
    past_go(whole, true);
  }
  const uint64_t orders[] = {1, PAST_STEPS - 1};
  for (uint32_t l = 1; l < PAST_LAYERS; l++) {
    size_t one = past_numbers(p, l) * sizeof *t;
    ok(terms_get(p->terms, past_trace(p), FALIGN_TERM, l, &(falign_orders){orders, 2, 1}, t));
    ok(terms_get(whole->terms, past_trace(whole), FALIGN_TERM, l, &(falign_orders){orders, 2, 1}, want));
    ck_assert_mem_eq(t, want, 2 * one);
    ok(terms_get(p->terms, past_trace(p), FALIGN_TERM_LINEAR, l, &(falign_orders){orders, 2, 1}, t));
    ok(terms_get(whole->terms, past_trace(whole), FALIGN_TERM_LINEAR, l, &(falign_orders){orders, 2, 1}, want));
    ck_assert_mem_eq(t, want, 2 * one);
    ok(terms_sum(p->terms, past_trace(p), FALIGN_TERM_LINEAR, l, &(falign_orders){NULL, 0, 1}, t));
    ok(terms_sum(whole->terms, past_trace(whole), FALIGN_TERM_LINEAR, l, &(falign_orders){NULL, 0, 1}, want));
    ck_assert_mem_eq(t, want, one);
    ok(terms_remainder(p->terms, past_trace(p), l, 1, t));
    ok(terms_remainder(whole->terms, past_trace(whole), l, 1, want));
    ck_assert_mem_eq(t, want, one);
    ok(terms_zero(p->terms, past_trace(p), l, PAST_STEPS - 1, t));
    ok(terms_zero(whole->terms, past_trace(whole), l, PAST_STEPS - 1, want));
    ck_assert_mem_eq(t, want, one);
  }
  past_free(p);
  past_free(whole);
}

START_TEST(terms_from_the_file) {
  skip_unless(have_files(), no_files);
  for (int i = 0; i < 8; i++) {
    past_plan plan = {.precision = i & 1 ? FALIGN_F32 : FALIGN_F64,
                      .rule = i & 2 ? "dfa" : "fa",
                      .f = TANH,
                      .biases = true,
                      .shuffled = true};
    check_terms(&plan, i & 4 ? 5 : 0);
  }
}
END_TEST

/* ---- The directory ---- */

START_TEST(directories_that_take_no_file) {
  skip_unless(have_files(), no_files);
  recorder r = new_recorder(FALIGN_F64, "fa");
  uint64_t before = fixed_bytes(r.history);
  char words[512];
  snprintf(words, sizeof words, "cannot make the history's file in %s: ", at("nowhere"));
  fails(FALIGN_IO, words, falign_history_set_limit(r.history, 0, at("nowhere")));
  spill(at("file"), "", 0);
  fails(FALIGN_IO, "cannot make the history's file in", falign_history_set_limit(r.history, 0, at("file")));
  fails(FALIGN_IO, "cannot make the history's file in", falign_history_set_limit(r.history, 0, ""));
  ck_assert_uint_eq(fixed_bytes(r.history), before); /* no file, and so no room for a step on its way to it */
  ck_assert_int_eq(mkdir(at("readonly"), 0555), 0);
  if (geteuid() == 0)
    skip_part("root may write everywhere");
  else
    fails(FALIGN_IO, "cannot make the history's file in", falign_history_set_limit(r.history, 0, at("readonly")));
  ck_assert_int_eq(rmdir(at("readonly")), 0);
  draw_task();
  go_to(&r.by, 10); /* the limit is none, as it was */
  check_range(r.history, 0, 10);
  free_recorder(&r);
}
END_TEST

/* The lowest descriptor that is free. */
static int free_descriptor(void) {
  int fd = open("/", O_RDONLY);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(close(fd), 0);
  return fd;
}

START_TEST(no_file_is_left) {
  skip_unless(have_files(), no_files);
  draw_task();
  recorder r = new_recorder(FALIGN_F64, "fa");
  int before = free_descriptor();
  for (int i = 0; i < 3; i++) { /* each takes the place of the one before */
    ok(falign_history_set_limit(r.history, 0, directory));
    ck_assert_int_eq(count_files(false), 0);
  }
  ck_assert_int_eq(free_descriptor(), before + 1);
  for (uint64_t k = 1; k < 20; k++) {
    go_to(&r.by, k);
    ck_assert_int_eq(count_files(false), 0);
  }
  falign_history_clear(r.history);
  go_to(&r.by, 30);
  check_range(r.history, 19, 30);
  falign_history_clear(r.history);
  ok(falign_history_set_limit(r.history, UINT64_MAX, NULL)); /* gives the file back */
  ck_assert_int_eq(free_descriptor(), before);
  ok(falign_history_set_limit(r.history, 0, directory));
  go_to(&r.by, 40);
  free_recorder(&r);
  ck_assert_int_eq(free_descriptor(), before);
  ck_assert_int_eq(count_files(false), 0);
}
END_TEST

START_TEST(a_directory_that_is_removed) {
  skip_unless(have_files(), no_files);
  draw_task();
  recorder r = new_recorder(FALIGN_F64, "fa"), want = new_recorder(FALIGN_F64, "fa");
  ck_assert_int_eq(mkdir(at("short"), 0700), 0);
  ok(falign_history_set_limit(r.history, 0, at("short")));
  go_to(&r.by, 5);
  ck_assert_int_eq(rmdir(at("short")), 0);
  go_to(&r.by, 15);
  go_to(&want.by, 15);
  same_history(r.by.network, r.history, want.history);
  free_recorder(&r);
  free_recorder(&want);
}
END_TEST

/* ---- A full disk ---- */

/* A step during which no file may become longer than `bytes`. */
static falign_status go_within(const learner *by, uint64_t bytes) {
  struct rlimit before, low;
  ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
  void (*on_excess)(int) = signal(SIGXFSZ, SIG_IGN);
  low = before;
  low.rlim_cur = (rlim_t)bytes;
  int lowered = setrlimit(RLIMIT_FSIZE, &low); /* an assertion writes to a file of Check's */
  falign_status status = go(by);
  int restored = setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, on_excess);
  ck_assert(lowered == 0 && restored == 0);
  return status;
}

START_TEST(a_full_disk) {
  skip_unless(have_files(), no_files);
  draw_task();
  for (uint64_t in_memory = 0; in_memory <= 2; in_memory += 2) {
    for (int removed = 0; removed < 2; removed++) {
      recorder r = new_recorder(FALIGN_F64, "fa"), want = new_recorder(FALIGN_F64, "fa");
      limit_to(r.history, in_memory);
      uint64_t disk = 3 * step_bytes(r.history) + step_bytes(r.history) / 2, steps = in_memory + 3;
      for (uint64_t k = 0; k < steps; k++) ok(go_within(&r.by, disk));
      double *before = parameters(r.by.network), *after;
      for (int again = 0; again < 2; again++)
        fails(FALIGN_IO, "cannot write the history's file in", go_within(&r.by, disk));
      ck_assert_uint_eq(falign_trainer_iteration(r.by.trainer), steps);
      ck_assert_ptr_null(falign_trainer_trace(r.by.trainer));
      after = parameters(r.by.network);
      ck_assert_mem_eq(before, after, falign_network_parameters(r.by.network) * sizeof *before);
      go_to(&want.by, steps);
      same_history(r.by.network, r.history, want.history);
      if (removed) ok(falign_trainer_set_history(r.by.trainer, NULL));
      go_to(&r.by, 20); /* without the history, or with it when there is room again */
      go_to(&want.by, 20);
      if (!removed) same_history(r.by.network, r.history, want.history);
      check_undisturbed(&r.by, "fa");
      free(before);
      free(after);
      free_recorder(&r);
      free_recorder(&want);
    }
  }
}
END_TEST

/* The file of a window is written over, not on: it has room for window + 1 steps. */
START_TEST(a_window_in_the_file_does_not_grow) {
  skip_unless(have_files(), no_files);
  draw_task();
  recorder r = new_recorder(FALIGN_F64, "fa");
  ok(falign_history_set_window(r.history, 4));
  ok(falign_history_set_limit(r.history, 0, directory));
  for (int k = 0; k < 30; k++) ok(go_within(&r.by, 5 * step_bytes(r.history)));
  check_range(r.history, 25, 30);
  free_recorder(&r);
}
END_TEST

/* ---- Steps that are not made ---- */

/* Fails at every third iteration k the first time; `user` keeps the last such k + 1. */
static falign_status fail_at_times(void *user, falign_trainer *trainer, const falign_trace *trace, falign_value_fn emit,
                                   void *emit_user) {
  uint64_t *failed = user;
  (void)trainer, (void)emit, (void)emit_user;
  uint64_t k = falign_trace_step(trace)->iteration;
  if (k % 3 != 0 || *failed == k + 1) return FALIGN_OK;
  *failed = k + 1;
  return FALIGN_CALLBACK;
}

START_TEST(failing_steps_in_the_file) {
  skip_unless(have_files(), no_files);
  draw_task();
  for (uint64_t window = 0; window <= 4; window += 4) {
    recorder r = new_recorder(FALIGN_F32, "fa"), want = new_recorder(FALIGN_F32, "fa");
    uint64_t failed = 0;
    falign_metric_table table = {
        .size = sizeof table, .name = "moody", .needs = FALIGN_NEEDS_STEP, .measure = fail_at_times};
    falign_metric *metric;
    ok(falign_metric_create_custom(&table, &failed, &metric));
    ok(falign_trainer_observe(r.by.trainer, metric, 1, receive, NULL));
    falign_metric_destroy(metric);
    ok(falign_history_set_window(r.history, window));
    ok(falign_history_set_window(want.history, window));
    limit_to(r.history, 2);
    int failures = 0;
    for (int calls = 0; calls < 27; calls++) failures += go(&r.by) != FALIGN_OK;
    ck_assert_int_eq(failures, 7);
    go_to(&want.by, 20);
    same_history(r.by.network, r.history, want.history);
    check_undisturbed(&r.by, "fa");
    free_recorder(&r);
    free_recorder(&want);
  }
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_checked_fixture(tests, make_directory, remove_directory);
  tcase_add_test(tests, the_file_holds_what_memory_would);
  tcase_add_test(tests, a_limit_of_nothing);
  tcase_add_test(tests, terms_from_the_file);
  tcase_add_test(tests, directories_that_take_no_file);
  tcase_add_test(tests, no_file_is_left);
  tcase_add_test(tests, a_directory_that_is_removed);
  tcase_add_test(tests, a_full_disk);
  tcase_add_test(tests, a_window_in_the_file_does_not_grow);
  tcase_add_test(tests, failing_steps_in_the_file);
}

int main(void) { return run_suite("limit", add_tests); }
