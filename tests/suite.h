/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

/* What the test programs share: each builds one TCase list and hands it to run_suite(). */

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "falign/falign.h"

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

/* Runs a suite of one case and returns main()'s exit code. */
static inline int run_suite(const char *name, void (*add_tests)(TCase *)) {
  Suite *suite = suite_create(name);
  TCase *tests = tcase_create(name);
  tcase_set_timeout(tests, 300);
  add_tests(tests);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A file of that name in a directory that the test run may write to (the environment's TMPDIR, or /tmp). */
static inline const char *scratch(char *path, size_t size, const char *name) {
  const char *directory = getenv("TMPDIR");
  snprintf(path, size, "%s/falign-test-%ld-%s", directory ? directory : "/tmp", (long)getpid(), name);
  return path;
}

#endif
