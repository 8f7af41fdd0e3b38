/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_PORTS_CHECK_H
#define TESTS_PORTS_CHECK_H

/* What the tests use of Check, for a C library that Check is not there for (scripts/check-ports). Each test runs in a
 * process of its own, and allocates nothing here, since tests count allocations. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
  const char *name;
  void (*run)(int _i);
} TTest;

typedef struct {
  const TTest *test;
  int first, end;
} check_loop;

typedef struct {
  const char *name;
  check_loop loops[128];
  size_t count;
  unsigned timeout;
  void (*before)(void), (*after)(void);
  int run, failed;
} TCase;

typedef TCase Suite, SRunner; /* each has one case here */

#define CK_ENV 0

#define START_TEST(name)                                                     \
  static void name##_fn(int _i);                                             \
  static const TTest name##_test = {#name, name##_fn}, *name = &name##_test; \
  static void name##_fn(int _i __attribute__((unused)))
#define END_TEST

#define ck_abort_msg(...)                                   \
  do {                                                      \
    fprintf(stderr, "%s:%d: failed: ", __FILE__, __LINE__); \
    fprintf(stderr, __VA_ARGS__);                           \
    fputc('\n', stderr);                                    \
    _exit(EXIT_FAILURE);                                    \
  } while (0)
#define ck_assert_msg(condition, ...)            \
  do {                                           \
    if (!(condition)) ck_abort_msg(__VA_ARGS__); \
  } while (0)
#define ck_assert(condition) ck_assert_msg(condition, "%s", #condition)

#define CHECK_COMPARE(type, format, x, op, y)                                                                 \
  do {                                                                                                        \
    type check_x = (type)(x);                                                                                 \
    type check_y = (type)(y);                                                                                 \
    ck_assert_msg(check_x op check_y, "%s " #op " %s: got " format " and " format, #x, #y, check_x, check_y); \
  } while (0)
#define ck_assert_int_eq(x, y) CHECK_COMPARE(intmax_t, "%jd", x, ==, y)
#define ck_assert_int_ne(x, y) CHECK_COMPARE(intmax_t, "%jd", x, !=, y)
#define ck_assert_int_lt(x, y) CHECK_COMPARE(intmax_t, "%jd", x, <, y)
#define ck_assert_int_le(x, y) CHECK_COMPARE(intmax_t, "%jd", x, <=, y)
#define ck_assert_int_gt(x, y) CHECK_COMPARE(intmax_t, "%jd", x, >, y)
#define ck_assert_int_ge(x, y) CHECK_COMPARE(intmax_t, "%jd", x, >=, y)
#define ck_assert_uint_eq(x, y) CHECK_COMPARE(uintmax_t, "%ju", x, ==, y)
#define ck_assert_uint_lt(x, y) CHECK_COMPARE(uintmax_t, "%ju", x, <, y)
#define ck_assert_uint_le(x, y) CHECK_COMPARE(uintmax_t, "%ju", x, <=, y)
#define ck_assert_uint_gt(x, y) CHECK_COMPARE(uintmax_t, "%ju", x, >, y)
#define ck_assert_uint_ge(x, y) CHECK_COMPARE(uintmax_t, "%ju", x, >=, y)
#define ck_assert_double_eq(x, y) CHECK_COMPARE(double, "%.17g", x, ==, y)
#define ck_assert_double_lt(x, y) CHECK_COMPARE(double, "%.17g", x, <, y)
#define ck_assert_double_gt(x, y) CHECK_COMPARE(double, "%.17g", x, >, y)
#define ck_assert_double_ge(x, y) CHECK_COMPARE(double, "%.17g", x, >=, y)
#define ck_assert_ptr_eq(x, y) CHECK_COMPARE(const void *, "%p", x, ==, y)
#define ck_assert_ptr_null(x) ck_assert_ptr_eq(x, NULL)
#define ck_assert_ptr_nonnull(x) CHECK_COMPARE(const void *, "%p", x, !=, NULL)

#define CHECK_STRINGS(x, op, y)                                                                                      \
  do {                                                                                                               \
    const char *check_x = (x), *check_y = (y);                                                                       \
    ck_assert_msg(check_x &&check_y &&strcmp(check_x, check_y) op 0, "%s " #op " %s: got \"%s\" and \"%s\"", #x, #y, \
                  check_x ? check_x : "NULL", check_y ? check_y : "NULL");                                           \
  } while (0)
#define ck_assert_str_eq(x, y) CHECK_STRINGS(x, ==, y)
#define ck_assert_str_ne(x, y) CHECK_STRINGS(x, !=, y)
#define ck_assert_mem_eq(x, y, size) ck_assert_msg(memcmp(x, y, size) == 0, "%s differs from %s", #x, #y)
#define ck_assert_mem_ne(x, y, size) ck_assert_msg(memcmp(x, y, size) != 0, "%s is %s", #x, #y)

static inline TCase *tcase_create(const char *name) {
  static TCase tests;
  tests.name = name;
  return &tests;
}

static inline void tcase_set_timeout(TCase *tests, unsigned seconds) { tests->timeout = seconds; }

static inline void tcase_add_checked_fixture(TCase *tests, void (*before)(void), void (*after)(void)) {
  tests->before = before;
  tests->after = after;
}

static inline void tcase_add_loop_test(TCase *tests, const TTest *test, int first, int end) {
  if (tests->count == sizeof tests->loops / sizeof *tests->loops) abort();
  tests->loops[tests->count++] = (check_loop){test, first, end};
}

static inline void tcase_add_test(TCase *tests, const TTest *test) { tcase_add_loop_test(tests, test, 0, 1); }

static inline Suite *suite_create(const char *name) { return tcase_create(name); }

static inline void suite_add_tcase(Suite *suite, TCase *tests) { (void)suite, (void)tests; }

static inline SRunner *srunner_create(Suite *suite) { return suite; }

static inline void check_do_run(TCase *tests, const TTest *test, int i) {
  int status = -1;
  tests->run++;
  pid_t child = fork();
  if (child == 0) {
    alarm(tests->timeout);
    if (tests->before) tests->before();
    test->run(i);
    if (tests->after) tests->after();
    exit(EXIT_SUCCESS);
  }
  if (child > 0 && waitpid(child, &status, 0) == child && status == 0) return;
  fprintf(stderr, "%s: %s(%d) failed, status %d\n", tests->name, test->name, i, status);
  tests->failed++;
}

static inline void srunner_run_all(SRunner *tests, int mode) {
  (void)mode;
  for (size_t t = 0; t < tests->count; t++) {
    check_loop loop = tests->loops[t];
    for (int i = loop.first; i < loop.end; i++) check_do_run(tests, loop.test, i);
  }
}

static inline int srunner_ntests_run(SRunner *tests) { return tests->run; }

static inline int srunner_ntests_failed(SRunner *tests) { return tests->failed; }

static inline void srunner_free(SRunner *tests) { (void)tests; }

#endif
