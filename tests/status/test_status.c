/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>

#include "suite.h"

START_TEST(names_of_all_codes) {
  const char *const names[] = {"FALIGN_OK",        "FALIGN_INVALID", "FALIGN_SHAPE",    "FALIGN_MEMORY",
                               "FALIGN_IO",        "FALIGN_FORMAT",  "FALIGN_DIVERGED", "FALIGN_UNSUPPORTED",
                               "FALIGN_CANCELLED", "FALIGN_CALLBACK"};
  for (falign_status s = FALIGN_OK; s <= FALIGN_CALLBACK; s++) ck_assert_str_eq(falign_status_name(s), names[s]);
  ck_assert_str_eq(falign_status_name(FALIGN_CALLBACK + 1), "unknown status");
  ck_assert_str_eq(falign_status_name(-1), "unknown status");
}
END_TEST

START_TEST(numbers_are_fixed) { /* a binary may have been built with an earlier release */
  ck_assert_int_eq(FALIGN_OK, 0);
  ck_assert_int_eq(FALIGN_SHAPE, 2);
  ck_assert_int_eq(FALIGN_DIVERGED, 6);
  ck_assert_int_eq(FALIGN_CALLBACK, 9);
  ck_assert_int_eq(FALIGN_F32, 1);
  ck_assert_int_eq(FALIGN_F64, 2);
}
END_TEST

START_TEST(messages_can_be_set) {
  char longer[2000];
  memset(longer, 'x', sizeof longer - 1);
  longer[sizeof longer - 1] = 0;
  falign_set_last_error("why not");
  ck_assert_str_eq(falign_last_error(), "why not");
  falign_set_last_error(falign_last_error());
  ck_assert_str_eq(falign_last_error(), "why not");
  falign_set_last_error(longer);
  ck_assert_uint_eq(strlen(falign_last_error()), 1023);
  falign_set_last_error(NULL);
  ck_assert_str_eq(falign_last_error(), "");
}
END_TEST

static void *fail_elsewhere(void *arg) {
  falign_network *network = arg;
  ck_assert_str_eq(falign_last_error(), "");
  ck_assert_int_eq(activate(network, 9, RELU), FALIGN_INVALID);
  ck_assert_str_eq(falign_last_error(), "there is no activation[9]: l goes from 1 to 1");
  return NULL;
}

START_TEST(each_thread_has_its_own) {
  size_t widths[] = {2, 3};
  falign_network *network;
  pthread_t thread;
  ok(falign_network_create(FALIGN_F32, 1, widths, 1, &network));
  falign_set_last_error("here");
  ck_assert_int_eq(pthread_create(&thread, NULL, fail_elsewhere, network), 0);
  pthread_join(thread, NULL);
  ck_assert_str_eq(falign_last_error(), "here");
  falign_network_destroy(network);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, names_of_all_codes);
  tcase_add_test(tests, numbers_are_fixed);
  tcase_add_test(tests, messages_can_be_set);
  tcase_add_test(tests, each_thread_has_its_own);
}

int main(void) { return run_suite("status", add_tests); }
