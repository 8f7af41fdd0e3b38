/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include <float.h>

#include "files.h"

static falign_config *new_config(void) {
  falign_config *config;
  ok(falign_config_create(&config));
  return config;
}

static falign_config *example(void) {
  falign_config *config = new_config();
  ok(falign_config_set_text(config, "rule", "fa"));
  ok(falign_config_set_real(config, "eta", 0.1));
  ok(falign_config_set_integer(config, "seed", 9007199254740992));
  ok(falign_config_set_text(config, "note", ""));
  return config;
}

START_TEST(writes_the_known_text) {
  falign_config *config = example();
  ok(falign_config_write(config, at("x")));
  ck_assert_str_eq(slurp(at("x"), NULL),
                   "{\n\t\"rule\":\t\"fa\",\n\t\"eta\":\t0.1,\n\t\"seed\":\t9007199254740992,\n"
                   "\t\"note\":\t\"\"\n}\n");
  falign_config_destroy(config);
}
END_TEST

/* cJSON's own way of printing numbers loses the last bit of some. */
START_TEST(round_trips) {
  const double reals[] = {0.1,
                          1 + DBL_EPSILON,
                          DBL_MAX,
                          DBL_MIN,
                          5e-324,
                          -0.0,
                          1e21,
                          1.0 / 3,
                          -2.5e-9,
                          4503599627370497.5,
                          0.30000000000000004};
  const int64_t integers[] = {0, -1, INT32_MAX, INT64_C(9007199254740991), -INT64_C(9007199254740992)};
  falign_config *config = new_config(), *back;
  char name[16];
  for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
    snprintf(name, sizeof name, "r%zu", i);
    ok(falign_config_set_real(config, name, reals[i]));
  }
  for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
    snprintf(name, sizeof name, "i%zu", i);
    ok(falign_config_set_integer(config, name, integers[i]));
  }
  ok(falign_config_set_text(config, "text \"\\\n\xc3\xa9", "a \"b\" \\ \t\x01 \xe2\x82\xac"));
  ok(falign_config_write(config, at("x")));
  ok(falign_config_read(at("x"), &back));
  ok(falign_config_match(config, back));
  ok(falign_config_write(back, at("y")));
  size_t size, again;
  char first[4096];
  const char *text = slurp(at("x"), &size);
  ck_assert_uint_lt(size, sizeof first);
  memcpy(first, text, size);
  text = slurp(at("y"), &again);
  ck_assert_uint_eq(again, size);
  ck_assert_mem_eq(text, first, size);
  falign_config_destroy(back);
  falign_config_destroy(config);
}
END_TEST

START_TEST(travels_with_tensors) {
  falign_config *config = example(), *back = NULL;
  falign_tensors *set;
  ok(falign_tensors_create(&set));
  fails(FALIGN_FORMAT, "no note \"config\"", falign_config_import(set, &back));
  ok(falign_config_export(config, set));
  ok(falign_config_import(set, &back));
  ok(falign_config_match(config, back));
  falign_config_destroy(back);
  back = NULL;
  ok(falign_tensors_set_note(set, "config", "{\"a\":"));
  fails(FALIGN_FORMAT, "note \"config\": no valid JSON", falign_config_import(set, &back));
  ck_assert_ptr_null(back);
  falign_tensors_destroy(set);
  falign_config_destroy(config);
}
END_TEST

START_TEST(matches_whatever_the_order) {
  falign_config *a = example(), *b = new_config();
  ok(falign_config_set_text(b, "note", "x"));
  ok(falign_config_set_integer(b, "seed", 9007199254740992));
  ok(falign_config_set_real(b, "eta", 0.1));
  ok(falign_config_set_text(b, "rule", "fa"));
  ok(falign_config_set_text(b, "note", "")); /* replaces */
  ok(falign_config_match(a, b));
  ok(falign_config_set_real(a, "layers", 3));
  ok(falign_config_set_integer(b, "layers", 3));
  ok(falign_config_match(a, b));
  falign_config_destroy(a);
  falign_config_destroy(b);
}
END_TEST

START_TEST(gives_values_back) {
  falign_config *config = example();
  const char *text = NULL;
  double number = -1;
  ck_assert_uint_eq(falign_config_count(config), 4);
  ck_assert_str_eq(falign_config_name_at(config, 0), "rule");
  ck_assert_str_eq(falign_config_name_at(config, 3), "note");
  ck_assert_ptr_null(falign_config_name_at(config, 4));
  ok(falign_config_get_text(config, "rule", &text));
  ck_assert_str_eq(text, "fa");
  ok(falign_config_get_real(config, "eta", &number));
  ck_assert(number == 0.1);
  ok(falign_config_get_real(config, "seed", &number));
  ck_assert(number == 9007199254740992.0);
  fails(FALIGN_INVALID, "there is no field gamma", falign_config_get_real(config, "gamma", &number));
  fails(FALIGN_INVALID, "field rule is a text", falign_config_get_real(config, "rule", &number));
  fails(FALIGN_INVALID, "field eta is a number", falign_config_get_text(config, "eta", &text));
  fails(FALIGN_INVALID, "value is NULL", falign_config_get_text(config, "rule", NULL));
  ck_assert(number == 9007199254740992.0 && strcmp(text, "fa") == 0);
  falign_config_destroy(config);
}
END_TEST

START_TEST(names_the_first_difference) {
  falign_config *a = example(), *b = example();
  ok(falign_config_set_real(b, "eta", 0.1 + 1.5e-17));
  fails(FALIGN_INVALID, "field eta differs: 0.1 and 0.10000000000000002", falign_config_match(a, b));
  ok(falign_config_set_text(b, "eta", "slow"));
  fails(FALIGN_INVALID, "field eta differs: 0.1 and slow", falign_config_match(a, b));
  ok(falign_config_set_text(b, "rule", "bp"));
  fails(FALIGN_INVALID, "field rule differs: fa and bp", falign_config_match(a, b));
  falign_config_destroy(b);
  b = example();
  ok(falign_config_set_integer(b, "more", 1));
  fails(FALIGN_INVALID, "field more is only in one of them", falign_config_match(a, b));
  fails(FALIGN_INVALID, "field more is only in one of them", falign_config_match(b, a));
  falign_config_destroy(a);
  falign_config_destroy(b);
}
END_TEST

START_TEST(refuses_bad_values) {
  falign_config *config = example(), *same = example();
  fails(FALIGN_INVALID, "name is empty", falign_config_set_real(config, "", 1));
  fails(FALIGN_INVALID, "field eta is inf", falign_config_set_real(config, "eta", (double)INFINITY));
  fails(FALIGN_INVALID, "nan", falign_config_set_real(config, "eta", (double)NAN));
  fails(FALIGN_INVALID, "9007199254740993", falign_config_set_integer(config, "seed", INT64_C(9007199254740993)));
  fails(FALIGN_INVALID, "-9223372036854775808", falign_config_set_integer(config, "seed", INT64_MIN));
  fails(FALIGN_INVALID, "value is NULL", falign_config_set_text(config, "rule", NULL));
  fails(FALIGN_INVALID, "name is NULL", falign_config_set_text(config, NULL, "fa"));
  fails(FALIGN_INVALID, "config is NULL", falign_config_set_integer(NULL, "a", 1));
  fails(FALIGN_INVALID, "b is NULL", falign_config_match(config, NULL));
  fails(FALIGN_INVALID, "out is NULL", falign_config_create(NULL));
  ok(falign_config_match(config, same));
  falign_config_destroy(config);
  falign_config_destroy(same);
  falign_config_destroy(NULL);
}
END_TEST

static const struct {
  const char *json, *text;
} malformed[] = {
    {"", "no valid JSON at byte 0"},
    {"{\"a\":1", "no valid JSON"},
    {"[1]", "no object"},
    {"{} {}", "something follows the JSON at byte 3"},
    {"{\"a\":{}}", "field a is neither text nor number"},
    {"{\"a\":[1]}", "field a is neither"},
    {"{\"a\":true}", "field a is neither"},
    {"{\"a\":null}", "field a is neither"},
    {"{\"a\":1,\"b\":2,\"a\":1}", "field a is there twice"},
    {"{\"a\":1e999}", "field a is too large a number"},
    {"{\"\":1}", "name is empty"},
    {"{\"a\":\"x\\u0000y\"}", "zero byte"},
};

START_TEST(refuses_malformed_files) {
  falign_config *config = NULL;
  spill(at("bad"), malformed[_i].json, strlen(malformed[_i].json));
  fails(FALIGN_FORMAT, malformed[_i].text, falign_config_read(at("bad"), &config));
  ck_assert_ptr_nonnull(strstr(falign_last_error(), at("bad")));
  ck_assert_ptr_null(config);
}
END_TEST

START_TEST(accepts_an_escaped_backslash) {
  const char json[] = "\n{\"a\":\"\\\\u0000\"}\r\n";
  falign_config *config, *want = new_config();
  spill(at("x"), json, sizeof json - 1);
  ok(falign_config_read(at("x"), &config));
  ok(falign_config_set_text(want, "a", "\\u0000"));
  ok(falign_config_match(config, want));
  falign_config_destroy(config);
  falign_config_destroy(want);
}
END_TEST

START_TEST(reports_files) {
  falign_config *config = example(), *back = NULL;
  fails(FALIGN_IO, "cannot write /dev/full: No space left on device", falign_config_write(config, "/dev/full"));
  fails(FALIGN_IO, "cannot read", falign_config_read(at("none"), &back));
  spill(at("large"), "{}", 2);
  ck_assert_int_eq(truncate(at("large"), 16 * 1024 * 1024 + 1), 0);
  fails(FALIGN_FORMAT, "has 16777217 bytes, more than 16777216", falign_config_read(at("large"), &back));
  ck_assert_ptr_null(back);
  falign_config_destroy(config);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_checked_fixture(tests, make_directory, remove_directory);
  tcase_add_test(tests, writes_the_known_text);
  tcase_add_test(tests, round_trips);
  tcase_add_test(tests, travels_with_tensors);
  tcase_add_test(tests, matches_whatever_the_order);
  tcase_add_test(tests, gives_values_back);
  tcase_add_test(tests, names_the_first_difference);
  tcase_add_test(tests, refuses_bad_values);
  tcase_add_loop_test(tests, refuses_malformed_files, 0, sizeof malformed / sizeof *malformed);
  tcase_add_test(tests, accepts_an_escaped_backslash);
  tcase_add_test(tests, reports_files);
}

int main(void) { return run_suite("config", add_tests); }
