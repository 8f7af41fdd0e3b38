/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>

#include "files.h"
#undef fail /* an old macro of Check's */
#include "kit/output.h"

static bool is_link(const char *path) {
  struct stat status;
  ck_assert_int_eq(lstat(path, &status), 0);
  return S_ISLNK(status.st_mode);
}

START_TEST(replaces_a_file_and_keeps_its_mode) {
  struct stat status;
  ok(output_replace(at("x"), "first"));
  ck_assert_str_eq(slurp(at("x"), NULL), "first\n");
  ck_assert_int_eq(chmod(at("x"), 0640), 0);
  ok(output_replace(at("x"), "2"));
  ck_assert_str_eq(slurp(at("x"), NULL), "2\n");
  ck_assert_int_eq(stat(at("x"), &status), 0);
  ck_assert_int_eq(status.st_mode & 0777, 0640);
  ck_assert_int_eq(count_files(false), 1);
}
END_TEST

/* What an interrupted write of a process with the same number has left stays. */
START_TEST(finds_a_name_of_its_own) {
  char litter[64];
  snprintf(litter, sizeof litter, ".falign-%ld-0", (long)getpid());
  spill(at(litter), "litter", 6);
  ok(output_replace(at("x"), "new"));
  ck_assert_str_eq(slurp(at(litter), NULL), "litter");
  ck_assert_int_eq(count_files(false), 2);
}
END_TEST

START_TEST(follows_links) {
  spill(at("file"), "old", 3);
  ck_assert_int_eq(symlink("file", at("link")), 0);
  ck_assert_int_eq(symlink("new", at("dangling")), 0);
  ck_assert_int_eq(symlink("loop", at("loop")), 0);
  ok(output_replace(at("link"), "a"));
  ok(output_replace(at("dangling"), "b"));
  fails(FALIGN_IO, "symbolic links", output_replace(at("loop"), "c"));
  ck_assert(is_link(at("link")) && is_link(at("dangling")));
  ck_assert_str_eq(slurp(at("file"), NULL), "a\n");
  ck_assert_str_eq(slurp(at("new"), NULL), "b\n");
  ck_assert_int_eq(count_files(false), 5);
}
END_TEST

START_TEST(writes_to_a_pipe) {
  char got[16];
  ck_assert_int_eq(mkfifo(at("pipe"), 0600), 0);
  int reader = open(at("pipe"), O_RDONLY | O_NONBLOCK);
  ck_assert_int_ge(reader, 0);
  ok(output_replace(at("pipe"), "text"));
  ck_assert_int_eq(read(reader, got, sizeof got), 5);
  close(reader);
  ck_assert_int_eq(count_files(false), 1);
}
END_TEST

START_TEST(reports_failures) {
  char longest[257];
  memset(longest, 'a', sizeof longest - 1);
  longest[256] = '\0'; /* one more than a name may have */
  fails(FALIGN_IO, "cannot write /dev/full: No space left on device", output_replace("/dev/full", "text"));
  fails(FALIGN_IO, "No such file or directory", output_replace(at("no/x"), "text"));
  fails(FALIGN_IO, "Is a directory", output_replace(directory, "text"));
  fails(FALIGN_IO, "File name too long", output_replace(at(longest), "text"));
  ck_assert_int_eq(count_files(false), 0);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_checked_fixture(tests, make_directory, remove_directory);
  tcase_add_test(tests, replaces_a_file_and_keeps_its_mode);
  tcase_add_test(tests, finds_a_name_of_its_own);
  tcase_add_test(tests, follows_links);
  tcase_add_test(tests, writes_to_a_pipe);
  tcase_add_test(tests, reports_failures);
}

int main(void) { return run_suite("output", add_tests); }
