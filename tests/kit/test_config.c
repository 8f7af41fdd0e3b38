/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include <float.h>

#include "suite.h"
#undef fail /* an old macro of Check's */
#include "kit/config.h"

static configuration *new_config(void) {
  configuration *config;
  ok(config_create(&config));
  return config;
}

static configuration *example(void) {
  configuration *config = new_config();
  ok(config_set_text(config, "rule", "fa"));
  ok(config_set_real(config, "eta", 0.1));
  ok(config_set_integer(config, "seed", 9007199254740992));
  ok(config_set_text(config, "note", ""));
  return config;
}

static void has_text(const configuration *config, const char *want) {
  char *text;
  ok(config_text(config, &text));
  ck_assert_str_eq(text, want);
  free(text);
}

/* Reads a configuration from its note. */
static falign_status read_note(const char *text, configuration **out) {
  falign_tensors *set;
  ok(falign_tensors_create(&set));
  ok(falign_tensors_set_note(set, "config", text));
  falign_status status = config_import(set, out);
  falign_tensors_destroy(set);
  return status;
}

START_TEST(writes_the_known_text) {
  configuration *config = example(), *empty = new_config();
  has_text(config,
           "{\n\t\"rule\":\t\"fa\",\n\t\"eta\":\t0.1,\n\t\"seed\":\t9007199254740992,\n"
           "\t\"note\":\t\"\"\n}");
  has_text(empty, "{\n}");
  config_destroy(config);
  config_destroy(empty);
}
END_TEST

START_TEST(replaces_values_in_their_place) {
  configuration *config = example();
  ok(config_set_text(config, "eta", "slow"));
  ok(config_set_integer(config, "rule", -3));
  ok(config_set_text(config, "Rule", "fa"));
  has_text(config,
           "{\n\t\"rule\":\t-3,\n\t\"eta\":\t\"slow\",\n\t\"seed\":\t9007199254740992,\n"
           "\t\"note\":\t\"\",\n\t\"Rule\":\t\"fa\"\n}");
  config_destroy(config);
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
  configuration *config = new_config(), *back;
  char name[16], *text;
  for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
    snprintf(name, sizeof name, "r%zu", i);
    ok(config_set_real(config, name, reals[i]));
  }
  for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
    snprintf(name, sizeof name, "i%zu", i);
    ok(config_set_integer(config, name, integers[i]));
  }
  ok(config_set_text(config, "text \"\\\n\xc3\xa9", "a \"b\" \\ \t\x01 \xe2\x82\xac"));
  ok(config_text(config, &text));
  ok(read_note(text, &back));
  ok(config_match(config, back));
  has_text(back, text);
  free(text);
  config_destroy(back);
  config_destroy(config);
}
END_TEST

START_TEST(travels_with_tensors) {
  configuration *config = example(), *back = NULL;
  falign_tensors *set;
  ok(falign_tensors_create(&set));
  fails(FALIGN_FORMAT, "there is no note \"config\"", config_import(set, &back));
  ok(config_export(config, set));
  ok(config_import(set, &back));
  ok(config_match(config, back));
  config_destroy(back);
  falign_tensors_destroy(set);
  config_destroy(config);
}
END_TEST

START_TEST(matches_whatever_the_order) {
  configuration *a = example(), *b = new_config();
  ok(config_set_text(b, "note", "x"));
  ok(config_set_integer(b, "seed", 9007199254740992));
  ok(config_set_real(b, "eta", 0.1));
  ok(config_set_text(b, "rule", "fa"));
  ok(config_set_text(b, "note", "")); /* replaces */
  ok(config_match(a, b));
  ok(config_set_real(a, "layers", 3));
  ok(config_set_integer(b, "layers", 3));
  ok(config_match(a, b));
  ok(config_set_real(a, "shift", -0.0));
  ok(config_set_real(b, "shift", 0));
  ok(config_match(a, b));
  config_destroy(a);
  config_destroy(b);
}
END_TEST

START_TEST(names_the_first_difference) {
  configuration *a = example(), *b = example();
  ok(config_set_real(b, "eta", 0.1 + 1.5e-17));
  fails(FALIGN_INVALID, "field eta differs: 0.1 and 0.10000000000000002", config_match(a, b));
  ok(config_set_text(b, "eta", "slow"));
  fails(FALIGN_INVALID, "field eta differs: 0.1 and slow", config_match(a, b));
  ok(config_set_text(b, "rule", "bp"));
  fails(FALIGN_INVALID, "field rule differs: fa and bp", config_match(a, b));
  config_destroy(b);
  b = example();
  ok(config_set_integer(b, "more", 1));
  fails(FALIGN_INVALID, "field more is only in one of them", config_match(a, b));
  fails(FALIGN_INVALID, "field more is only in one of them", config_match(b, a));
  config_destroy(a);
  config_destroy(b);
}
END_TEST

START_TEST(refuses_bad_values) {
  configuration *config = example(), *same = example();
  fails(FALIGN_INVALID, "field eta is inf", config_set_real(config, "eta", (double)INFINITY));
  fails(FALIGN_INVALID, "nan", config_set_real(config, "eta", (double)NAN));
  fails(FALIGN_INVALID, "9007199254740993", config_set_integer(config, "seed", INT64_C(9007199254740993)));
  fails(FALIGN_INVALID, "-9223372036854775808", config_set_integer(config, "seed", INT64_MIN));
  ok(config_match(config, same));
  config_destroy(config);
  config_destroy(same);
  config_destroy(NULL);
}
END_TEST

static const struct {
  const char *json, *text;
} malformed[] = {
    {"", "no valid JSON at byte 0"},
    {"{\"a\":1", "no valid JSON"},
    {"[1]", "its JSON is not an object"},
    {"{} {}", "something follows the JSON at byte 3"},
    {"{\"a\":{}}", "field a is neither text nor number"},
    {"{\"a\":[1]}", "field a is neither"},
    {"{\"a\":true}", "field a is neither"},
    {"{\"a\":null}", "field a is neither"},
    {"{\"a\":1,\"b\":2,\"a\":1}", "field a is repeated"},
    {"{\"a\":1e999}", "field a is too large a number"},
    {"{\"\":1}", "name is empty"},
    {"{\"a\":\"x\\u0000y\"}", "its JSON contains a zero byte"},
};

START_TEST(refuses_malformed_notes) {
  configuration *config = NULL;
  fails(FALIGN_FORMAT, malformed[_i].text, read_note(malformed[_i].json, &config));
  ck_assert_ptr_eq(strstr(falign_last_error(), "note \"config\": "), falign_last_error());
  ck_assert_ptr_null(config);
}
END_TEST

START_TEST(refuses_too_many_fields) {
  enum { FIELDS = 1001 };
  static char json[FIELDS * 16];
  configuration *config = NULL;
  size_t length = 0;
  for (int i = 0; i < FIELDS; i++)
    length += (size_t)snprintf(json + length, sizeof json - length, "%c\"%d\":1", i == 0 ? '{' : ',', i);
  snprintf(json + length, sizeof json - length, "}");
  fails(FALIGN_FORMAT, "more than 1000 fields", read_note(json, &config));
  ck_assert_ptr_null(config);
}
END_TEST

START_TEST(accepts_an_escaped_backslash) {
  configuration *config, *want = new_config();
  ok(read_note("\n{\"a\":\"\\\\u0000\"}\r\n", &config));
  ok(config_set_text(want, "a", "\\u0000"));
  ok(config_match(config, want));
  config_destroy(config);
  config_destroy(want);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, writes_the_known_text);
  tcase_add_test(tests, replaces_values_in_their_place);
  tcase_add_test(tests, round_trips);
  tcase_add_test(tests, travels_with_tensors);
  tcase_add_test(tests, matches_whatever_the_order);
  tcase_add_test(tests, names_the_first_difference);
  tcase_add_test(tests, refuses_bad_values);
  tcase_add_loop_test(tests, refuses_malformed_notes, 0, sizeof malformed / sizeof *malformed);
  tcase_add_test(tests, refuses_too_many_fields);
  tcase_add_test(tests, accepts_an_escaped_backslash);
}

int main(void) { return run_suite("config", add_tests); }
