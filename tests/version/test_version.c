/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

/* FAL_TEST_VERSION and FAL_TEST_FEATURES, names with a blank after each, are what the build was configured with. */

START_TEST(version_of_header_and_library) {
  char version[32];
  snprintf(version, sizeof version, "%d.%d.%d", FALIGN_VERSION_MAJOR, FALIGN_VERSION_MINOR, FALIGN_VERSION_PATCH);
  ck_assert_str_eq(falign_version(), FALIGN_VERSION_STRING);
  ck_assert_str_eq(falign_version(), version);
  ck_assert_str_eq(falign_version(), FAL_TEST_VERSION);
}
END_TEST

START_TEST(number_of_header_and_library) {
  int major, minor, patch;
  ck_assert_int_eq(sscanf(FAL_TEST_VERSION, "%d.%d.%d", &major, &minor, &patch), 3);
  ck_assert_int_eq(falign_version_number(), major * 1000000 + minor * 1000 + patch);
#if FALIGN_VERSION_NUMBER >= 99000000 || FALIGN_VERSION_NUMBER < 1000 /* the preprocessor can compare it */
  ck_abort_msg("the version is %d", FALIGN_VERSION_NUMBER);
#endif
  ck_assert_int_eq(falign_version_number(), FALIGN_VERSION_NUMBER);
}
END_TEST

START_TEST(features_are_those_of_the_build) {
  static const char *const parts[] = {"cblas", "xsmm", "lapack", "files", "threads"};
  size_t in_build = 0;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    char entry[16];
    snprintf(entry, sizeof entry, "%s ", parts[i]);
    int32_t configured = strstr(FAL_TEST_FEATURES, entry) != NULL;
    ck_assert_msg(falign_has_feature(parts[i]) == configured, "%s: got %d, want %d", parts[i],
                  falign_has_feature(parts[i]), configured);
    in_build += configured != 0;
  }
  for (size_t i = 0; i < in_build; i++) {
    ck_assert_ptr_nonnull(falign_feature_at(i));
    ck_assert_int_eq(falign_has_feature(falign_feature_at(i)), 1);
    for (size_t j = 0; j < i; j++) ck_assert_str_ne(falign_feature_at(i), falign_feature_at(j));
  }
  ck_assert_ptr_null(falign_feature_at(in_build));
  ck_assert_ptr_null(falign_feature_at(in_build + 1));
  ck_assert_ptr_null(falign_feature_at(SIZE_MAX));
}
END_TEST

START_TEST(other_names_are_no_features) {
  ck_assert_int_eq(falign_has_feature(""), 0);
  ck_assert_int_eq(falign_has_feature("file"), 0);
  ck_assert_int_eq(falign_has_feature("filesystem"), 0);
  ck_assert_int_eq(falign_has_feature("FILES"), 0);
}
END_TEST

START_TEST(what_a_feature_stands_for_is_there) {
  falign_network *network;
  falign_rule *rule;
  falign_trainer *trainer;
  falign_backend *backend;
  falign_tensors *tensors;
  falign_transformation *m;
  double one = 1, eigenvalue;
  char path[200];
  size_t widths[] = {2, 3};
  ck_assert_int_eq(falign_backend_create("cblas", &backend),
                   falign_has_feature("cblas") ? FALIGN_OK : FALIGN_UNSUPPORTED);
  scratch(path, sizeof path, "none");
  ck_assert_int_eq(falign_tensors_read(path, &tensors), falign_has_feature("files") ? FALIGN_IO : FALIGN_UNSUPPORTED);
  ok(falign_transformation_create_of(READ_F64(&one, 1, 1, 1), &m));
  ck_assert_int_eq(falign_transformation_eigenvalues(m, &eigenvalue, 1),
                   falign_has_feature("lapack") ? FALIGN_OK : FALIGN_UNSUPPORTED);
  falign_transformation_destroy(m);
  ok(falign_network_create(FALIGN_F32, 1, widths, 1, &network));
  ok(falign_rule_create("bp", network, &rule));
  ok(falign_trainer_create(network, rule, 0.1, &trainer));
  ck_assert_int_eq(falign_trainer_set_threads(trainer, 2),
                   falign_has_feature("threads") ? FALIGN_OK : FALIGN_UNSUPPORTED);
  falign_trainer_destroy(trainer);
  falign_rule_destroy(rule);
  falign_network_destroy(network);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, version_of_header_and_library);
  tcase_add_test(tests, number_of_header_and_library);
  tcase_add_test(tests, features_are_those_of_the_build);
  tcase_add_test(tests, other_names_are_no_features);
  tcase_add_test(tests, what_a_feature_stands_for_is_there);
}

int main(void) { return run_suite("version", add_tests); }
