/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

/* What the test programs share: each builds one TCase list and hands it to run_suite(). */

#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "falign/falign.h"
#include "views.h"

/* The call succeeds. */
#define ok(call)                                                                                                    \
  do {                                                                                                              \
    falign_status ok_status = (call);                                                                               \
    ck_assert_msg(ok_status == FALIGN_OK, "%s: %s: %s", #call, falign_status_name(ok_status), falign_last_error()); \
  } while (0)

/* The call fails with `want`, and the message has `text` in it. */
#define fails(want, text, call)                                                                               \
  do {                                                                                                        \
    falign_set_last_error(NULL);                                                                              \
    falign_status fails_status = (call);                                                                      \
    ck_assert_msg(fails_status == (want), "%s: got %s, want %s: %s", #call, falign_status_name(fails_status), \
                  falign_status_name(want), falign_last_error());                                             \
    ck_assert_msg(strstr(falign_last_error(), text) != NULL, "%s: \"%s\" is not in \"%s\"", #call, text,      \
                  falign_last_error());                                                                       \
  } while (0)

/* |a - b| <= tolerance, printing all three. */
#define near(a, b, tolerance)                                                                                      \
  do {                                                                                                             \
    double near_a = (a), near_b = (b), near_tolerance = (tolerance);                                               \
    ck_assert_msg(fabs(near_a - near_b) <= near_tolerance, "%s = %.17g, %s = %.17g, tolerance %g", #a, near_a, #b, \
                  near_b, near_tolerance);                                                                         \
  } while (0)

/* A table is refused that is NULL, has no name or a wrong size, or has an entry of a later version. `create` takes the
 * table's address. */
#define bad_tables_are_refused(type, what, good, create)                           \
  do {                                                                             \
    struct {                                                                       \
      type table;                                                                  \
      void *later;                                                                 \
    } newer = {(good), &newer};                                                    \
    type bad = (good);                                                             \
    bad.name = NULL;                                                               \
    fails(FALIGN_INVALID, "the " what " table has no name", create(&bad));         \
    bad = (good);                                                                  \
    bad.size = offsetof(type, destroy) + sizeof bad.destroy - 1;                   \
    fails(FALIGN_INVALID, "the " what " table's size is ", create(&bad));          \
    bad.size = 0;                                                                  \
    fails(FALIGN_INVALID, "the " what " table's size is 0", create(&bad));         \
    newer.table.size = sizeof newer;                                               \
    fails(FALIGN_UNSUPPORTED, "this version does not know", create(&newer.table)); \
    fails(FALIGN_INVALID, "table is NULL", create(NULL));                          \
  } while (0)

/* ---- Tests that cannot run here ---- */

/* A byte for each skipped test, from the processes of the tests to that of run_suite(). */
static int skip_pipe[2];

/* `test` is the function's name, to which Check adds "_fn". scripts/test shows and counts these lines. */
static inline void say_skipped(const char *test, const char *part, const char *reason) {
  const char *suffix = strstr(test, "_fn");
  printf("SKIP %.*s%s: %s\n", (int)(suffix ? (size_t)(suffix - test) : strlen(test)), test, part, reason);
  fflush(stdout);
}

static inline void count_skipped_test(void) {
  if (write(skip_pipe[1], "", 1) != 1) abort();
}

/* Ends a test that cannot run here. */
#define skip_unless(condition, reason)   \
  do {                                   \
    if (!(condition)) {                  \
      say_skipped(__func__, "", reason); \
      count_skipped_test();              \
      return;                            \
    }                                    \
  } while (0)

/* For a test of which only a part cannot run here. */
#define skip_part(reason) say_skipped(__func__, ", in part", reason)

static const char no_lapack[] = "this build has no LAPACK", no_files[] = "this build has no files",
                  no_threads[] = "this build has no threads";

static inline void open_skip_pipe(void) {
  if (pipe(skip_pipe) != 0 || fcntl(skip_pipe[0], F_SETFL, O_NONBLOCK) != 0) abort();
}

static inline int skipped_tests(void) {
  int count = 0;
  for (char byte; read(skip_pipe[0], &byte, 1) == 1; count++) continue;
  return count;
}

/* Runs a suite of one case and returns main()'s exit code: 77, which Meson counts as skipped, if no test could run. */
static inline int run_suite(const char *name, void (*add_tests)(TCase *)) {
  open_skip_pipe();
  Suite *suite = suite_create(name);
  TCase *tests = tcase_create(name);
  tcase_set_timeout(tests, 300);
  add_tests(tests);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner), run = srunner_ntests_run(runner);
  srunner_free(runner);
  if (failed > 0) return EXIT_FAILURE;
  return skipped_tests() == run ? 77 : EXIT_SUCCESS;
}

/* A file of that name in a directory that the test run may write to (the environment's TMPDIR, or /tmp). */
static inline const char *scratch(char *path, size_t size, const char *name) {
  const char *directory = getenv("TMPDIR");
  snprintf(path, size, "%s/falign-test-%ld-%s", directory ? directory : "/tmp", (long)getpid(), name);
  return path;
}

#endif
