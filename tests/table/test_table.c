/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <locale.h>

#include "files.h"

static const double nan_value = (double)NAN;

static falign_table *new_table(falign_precision precision, const char *condition) {
  falign_table *table;
  ok(falign_table_create(precision, condition, &table));
  return table;
}

static void has_text(const falign_table *table, const char *want) {
  ok(falign_table_write(table, at("csv")));
  ck_assert_str_eq(slurp(at("csv"), NULL), want);
}

static void has_summary(const falign_table *table, const char *want) {
  ok(falign_table_write_summary(table, at("csv")));
  ck_assert_str_eq(slurp(at("csv"), NULL), want);
}

START_TEST(writes_doubles) {
  falign_table *table = new_table(FALIGN_F64, NULL);
  has_text(table, "run,iteration,epoch,layer,order,metric,value\n");
  ok(falign_table_add(table, &(falign_value){1, "term", 2, 3, 0.1}, 1.0 / 60));
  falign_table_set_run(table, 4);
  ok(falign_table_add(table, &(falign_value){60, "loss", -1, -1, nan_value}, 1));
  ok(falign_table_add(table, &(falign_value){-1, "x", 0, 0, copysign(nan_value, -1)}, nan_value));
  falign_table_set_run(table, -5);
  ok(falign_table_add(table, &(falign_value){INT64_MAX, "inf", INT32_MAX, INT32_MAX, -(double)INFINITY}, 0));
  has_text(table,
           "run,iteration,epoch,layer,order,metric,value\n"
           ",1,0.016666666666666666,2,3,term,0.10000000000000001\n"
           "4,60,1,,,loss,nan\n"
           "4,,,0,0,x,nan\n"
           ",9223372036854775807,0,2147483647,2147483647,inf,-inf\n");
  falign_table_destroy(table);
}
END_TEST

START_TEST(writes_singles) {
  falign_table *table = new_table(FALIGN_F32, NULL);
  falign_table_set_run(table, 0);
  ok(falign_table_add(table, &(falign_value){1, "loss", -1, -1, (double)0.1f}, 1.0 / 60));
  ok(falign_table_add(table, &(falign_value){2, "loss", -1, -1, 1e-30}, 1.0 / 30));
  has_text(table,
           "run,iteration,epoch,layer,order,metric,value\n"
           "0,1,0.0166666667,,,loss,0.100000001\n"
           "0,2,0.0333333333,,,loss,1e-30\n");
  falign_table_destroy(table);
}
END_TEST

START_TEST(writes_conditions) {
  falign_table *table = new_table(FALIGN_F64, "condition");
  ok(falign_table_add(table, &(falign_value){1, "m", 1, 1, 1}, 1));
  ok(falign_table_set_condition(table, "fa"));
  ok(falign_table_add(table, &(falign_value){1, "m", 1, 1, 2}, 1));
  ok(falign_table_set_condition(table, "a \"b\", c\nd"));
  ok(falign_table_add(table, &(falign_value){1, "m", 1, 1, 3}, 1));
  has_text(table,
           "condition,run,iteration,epoch,layer,order,metric,value\n"
           ",,1,1,1,1,m,1\n"
           "fa,,1,1,1,1,m,2\n"
           "\"a \"\"b\"\", c\nd\",,1,1,1,1,m,3\n");
  falign_table_destroy(table);
}
END_TEST

/* Rows keep their run and condition, whose numbers are others in the two tables; the next row has the table's own. */
START_TEST(appends_rows) {
  falign_table *table = new_table(FALIGN_F64, "c"), *other = new_table(FALIGN_F32, "c");
  ok(falign_table_set_condition(table, "fa"));
  falign_table_set_run(table, 1);
  ok(falign_table_add(table, &(falign_value){1, "m", 1, 1, 1}, 1));
  ok(falign_table_add(other, &(falign_value){2, "n", -1, -1, nan_value}, nan_value));
  falign_table_set_run(other, 2);
  ok(falign_table_set_condition(other, "dfa"));
  ok(falign_table_add(other, &(falign_value){3, "m", 3, 3, 3}, 3));
  ok(falign_table_append(table, other));
  ok(falign_table_add(table, &(falign_value){4, "n", 4, 4, 4}, 4));
  ck_assert_uint_eq(falign_table_rows(table), 4);
  ck_assert_uint_eq(falign_table_rows(other), 2);
  falign_table_destroy(other);
  has_text(table,
           "c,run,iteration,epoch,layer,order,metric,value\n"
           "fa,1,1,1,1,1,m,1\n"
           ",,2,,,,n,nan\n"
           "dfa,2,3,3,3,3,m,3\n"
           "fa,1,4,4,4,4,n,4\n");
  falign_table_destroy(table);
}
END_TEST

START_TEST(reports_full_devices) {
  falign_table *table = new_table(FALIGN_F64, NULL);
  fails(FALIGN_IO, "cannot write /dev/full: No space", falign_table_write(table, "/dev/full"));
  fails(FALIGN_IO, "cannot write /dev/full: No space", falign_table_write_summary(table, "/dev/full"));
  fails(FALIGN_INVALID, "path is NULL", falign_table_write(table, NULL));
  falign_table_destroy(table);
}
END_TEST

/* The first locale of the system with a decimal comma; false where there is none. */
static bool use_comma(void) {
  const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "fr_FR.utf8", "nl_NL.UTF-8"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (setlocale(LC_ALL, names[i]) && strcmp(localeconv()->decimal_point, ".") != 0) return true;
  }
  return false;
}

START_TEST(writes_to_open_descriptors) {
  falign_table *table;
  ok(falign_table_create(FALIGN_F64, NULL, &table));
  ok(falign_table_add(table, &(falign_value){0, "loss", 1, -1, 0.5}, 0));
  int descriptor = open(at("open"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ck_assert_int_eq(write(descriptor, "before\n", 7), 7);
  ok(falign_table_write_descriptor(table, descriptor));
  ck_assert_int_eq(write(descriptor, "after\n", 6), 6); /* it stays open */
  close(descriptor);
  ck_assert_str_eq(slurp(at("open"), NULL),
                   "before\nrun,iteration,epoch,layer,order,metric,value\n,0,0,1,,loss,0.5\nafter\n");
  char name[32];
  snprintf(name, sizeof name, "descriptor %d", descriptor);
  fails(FALIGN_IO, name, falign_table_write_descriptor(table, descriptor));
  falign_table_destroy(table);
}
END_TEST

START_TEST(ignores_the_locale) {
  skip_unless(use_comma(), "there is no locale with a decimal comma");
  falign_table *table = new_table(FALIGN_F64, NULL);
  ok(falign_table_add(table, &(falign_value){1, "m", 1, 1, 1e-7}, 0.5));
  has_text(table, "run,iteration,epoch,layer,order,metric,value\n,1,0.5,1,1,m,9.9999999999999995e-08\n");
  falign_table_destroy(table);
  setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(summarises) {
  falign_table *table = new_table(FALIGN_F64, NULL);
  const double values[] = {2, 4, 9}; /* mean 5, sd sqrt((9 + 1 + 16) / 2) */
  for (int run = 0; run < 3; run++) {
    falign_table_set_run(table, run);
    ok(falign_table_add(table, &(falign_value){10, "z", -1, -1, values[run]}, 0.5));
    ok(falign_table_add(table, &(falign_value){10, "a", 1, 2, run == 1 ? nan_value : 1e9 + run}, nan_value));
    ok(falign_table_add(table, &(falign_value){10, "never", 1, 2, nan_value}, 0.5));
    if (run == 2) ok(falign_table_add(table, &(falign_value){10, "a", 1, 3, 7}, 0.5));
  }
  has_summary(table,
              "iteration,epoch,layer,order,metric,mean,sd,n\n"
              "10,0.5,,,z,5,3.6055512754639891,3\n"
              "10,,1,2,a,1000000001,1.4142135623730951,2\n"
              "10,0.5,1,2,never,nan,nan,0\n"
              "10,0.5,1,3,a,7,nan,1\n");
  falign_table_destroy(table);
}
END_TEST

START_TEST(summarises_conditions) {
  falign_table *table = new_table(FALIGN_F32, "condition");
  const char *const conditions[] = {"fa", "bp"};
  for (int run = 0; run < 2; run++) {
    falign_table_set_run(table, run);
    for (int i = 0; i < 2; i++) {
      ok(falign_table_set_condition(table, conditions[i]));
      ok(falign_table_add(table, &(falign_value){1, "loss", -1, -1, 10 * i + run}, 1));
    }
  }
  has_summary(table,
              "condition,iteration,epoch,layer,order,metric,mean,sd,n\n"
              "fa,1,1,,,loss,0.5,0.707106781,2\n"
              "bp,1,1,,,loss,10.5,0.707106781,2\n");
  falign_table_destroy(table);
  table = new_table(FALIGN_F64, NULL);
  has_summary(table, "iteration,epoch,layer,order,metric,mean,sd,n\n");
  falign_table_destroy(table);
}
END_TEST

/* Numbers that squares of sums would lose. */
START_TEST(summarises_stably) {
  falign_table *table = new_table(FALIGN_F64, NULL);
  for (int run = 0; run < 3; run++) {
    falign_table_set_run(table, run);
    ok(falign_table_add(table, &(falign_value){1, "m", -1, -1, 1e15 + run}, 1));
  }
  has_summary(table, "iteration,epoch,layer,order,metric,mean,sd,n\n1,1,,,m,1000000000000001,1,3\n");
  falign_table_destroy(table);
}
END_TEST

static double from_bits(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static falign_table *filled_table(void) {
  falign_table *table = new_table(FALIGN_F64, "condition");
  ok(falign_table_set_condition(table, "fa"));
  falign_table_set_run(table, 1);
  ok(falign_table_add(table, &(falign_value){INT64_MAX, "m", 1, 2, from_bits(UINT64_C(0xfff8000000000123))}, 1.0 / 3));
  ok(falign_table_set_condition(table, "a,b"));
  falign_table_set_run(table, -1);
  ok(falign_table_add(table, &(falign_value){-1, "other", -1, INT32_MAX, -0.0}, nan_value));
  return table;
}

START_TEST(travels_with_tensors) {
  falign_table *table = filled_table(), *back = new_table(FALIGN_F64, "condition");
  falign_tensors *set, *file;
  ok(falign_tensors_create(&set));
  ok(falign_table_export(table, set));
  ok(falign_tensors_write(set, at("x")));
  ok(falign_tensors_read(at("x"), &file));
  ok(falign_table_set_condition(back, "current"));
  falign_table_set_run(back, 8);
  ok(falign_table_add(back, &(falign_value){1, "gone", 1, 1, 1}, 1));
  ok(falign_table_import(back, file));
  ck_assert_uint_eq(falign_table_rows(back), 2);
  falign_row row;
  uint64_t bits;
  ok(falign_table_row(back, 0, &row));
  memcpy(&bits, &row.value.value, sizeof bits);
  ck_assert_uint_eq(bits, UINT64_C(0xfff8000000000123));
  ok(falign_table_row(back, 1, &row));
  ck_assert(row.value.value == 0 && signbit(row.value.value));
  ok(falign_table_add(back, &(falign_value){1, "m", 1, 1, 1}, 1));
  has_text(back,
           "condition,run,iteration,epoch,layer,order,metric,value\n"
           "fa,1,9223372036854775807,0.33333333333333331,1,2,m,nan\n"
           "\"a,b\",,,,,2147483647,other,-0\n"
           "current,8,1,1,1,1,m,1\n");
  falign_tensors_destroy(file);
  falign_tensors_destroy(set);
  falign_table_destroy(back);
  falign_table_destroy(table);
}
END_TEST

START_TEST(exports_all_or_nothing) {
  falign_table *table = filled_table();
  falign_tensors *set;
  ok(falign_tensors_create(&set));
  ok(falign_tensors_add(set, "mine", FALIGN_DTYPE_U8, NULL, 0, "x"));
  ok(falign_tensors_add(set, "table.value", FALIGN_DTYPE_U8, NULL, 0, "x"));
  fails(FALIGN_INVALID, "\"table.value\" already exists", falign_table_export(table, set));
  ck_assert_uint_eq(falign_tensors_count(set), 2);
  ck_assert_int_eq(falign_tensors_has(set, "table.run"), 0);
  ck_assert_int_eq(falign_tensors_has(set, "mine"), 1);
  ok(falign_tensors_add(set, "table.run", FALIGN_DTYPE_U8, NULL, 0, "x"));
  falign_tensors_destroy(set);
  falign_table_destroy(table);
}
END_TEST

/* A tensor that takes the place of the table's own, or of none for dtype 0, and what the message must say. */
static const struct {
  const char *name;
  falign_dtype dtype;
  size_t length;
  const void *data;
  const char *text;
} bad_tensors[] = {
    {"table.value", 0, 0, NULL, "no tensor \"table.value\""},
    {"table.layer", 0, 0, NULL, "no tensor \"table.layer\""},
    {"table.column", 0, 0, NULL, "no tensor \"table.column\""},
    {"table.value", FALIGN_DTYPE_I64, 2, (const int64_t[]){0, 0}, "\"table.value\" has rank 1 and dtype 3"},
    {"table.layer", FALIGN_DTYPE_I64, 1, (const int64_t[]){0}, "\"table.layer\" has 1 rows, not 2"},
    {"table.layer", FALIGN_DTYPE_I64, 2, (const int64_t[]){0, -2}, "\"table.layer\" is out of range in row 1"},
    {"table.order", FALIGN_DTYPE_I64, 2, (const int64_t[]){INT64_C(1) << 32, 0}, "\"table.order\" is out of range"},
    {"table.run", FALIGN_DTYPE_I64, 2, (const int64_t[]){0, INT64_MIN}, "\"table.run\" is out of range in row 1"},
    {"table.metric", FALIGN_DTYPE_I64, 2, (const int64_t[]){0, 2}, "row 1 has metric 2"},
    {"table.metric", FALIGN_DTYPE_I64, 2, (const int64_t[]){-1, 0}, "row 0 has metric -1"},
    {"table.condition", FALIGN_DTYPE_I64, 2, (const int64_t[]){3, 0}, "condition 3"},
    {"table.metrics", FALIGN_DTYPE_U8, 3, "m\0o", "\"table.metrics\" does not end with a 0"},
    {"table.metrics", FALIGN_DTYPE_U8, 4, "m\0m", "has \"m\" twice"},
    {"table.metrics", FALIGN_DTYPE_U8, 4, "a,b", "\"a,b\", which cannot be a metric"},
    {"table.metrics", FALIGN_DTYPE_U8, 0, "", "of 0 and 3"},
    {"table.column", FALIGN_DTYPE_U8, 2, "x", "leading column \"condition\", the tensors' \"x\""},
    {"table.column", FALIGN_DTYPE_U8, 0, "", "leading column \"condition\", the tensors' \"\""},
};

/* A copy of a set with one tensor replaced or left out. */
static falign_tensors *tamper(const falign_tensors *set, int i) {
  falign_tensors *copy;
  ok(falign_tensors_create(&copy));
  for (size_t t = 0; t < falign_tensors_count(set); t++) {
    const char *name = falign_tensors_name_at(set, t);
    falign_tensor tensor;
    if (strcmp(name, bad_tensors[i].name) == 0) continue;
    ok(falign_tensors_view(set, name, &tensor));
    ok(falign_tensors_add(copy, name, tensor.dtype, tensor.dims, tensor.rank, tensor.data));
  }
  if (bad_tensors[i].dtype != 0)
    ok(falign_tensors_add(copy, bad_tensors[i].name, bad_tensors[i].dtype, &bad_tensors[i].length, 1,
                          bad_tensors[i].data));
  return copy;
}

START_TEST(refuses_bad_tensors) {
  falign_table *table = filled_table(), *back = new_table(FALIGN_F64, "condition");
  falign_tensors *set, *bad;
  ok(falign_tensors_create(&set));
  ok(falign_table_export(table, set));
  bad = tamper(set, _i);
  ok(falign_table_add(back, &(falign_value){1, "stays", 1, 1, 1}, 1));
  fails(FALIGN_FORMAT, bad_tensors[_i].text, falign_table_import(back, bad));
  has_text(back, "condition,run,iteration,epoch,layer,order,metric,value\n,,1,1,1,1,stays,1\n");
  falign_tensors_destroy(bad);
  falign_tensors_destroy(set);
  falign_table_destroy(back);
  falign_table_destroy(table);
}
END_TEST

static size_t count_lines(const char *path) {
  FILE *file = fopen(path, "r");
  size_t lines = 0;
  ck_assert_ptr_nonnull(file);
  for (int c; (c = getc(file)) != EOF;) lines += c == '\n';
  fclose(file);
  return lines;
}

START_TEST(takes_many_rows) {
  enum { ROWS = 200000 };
  falign_table *table = new_table(FALIGN_F64, NULL);
  for (int i = 0; i < ROWS; i++) {
    falign_table_set_run(table, i % 2);
    ok(falign_table_add(table, &(falign_value){i / 2, "m", i / 2 % 3, -1, i / 7.0}, i / 2 / 60.0));
  }
  ok(falign_table_write(table, at("csv")));
  ok(falign_table_write_summary(table, at("summary")));
  ck_assert_uint_eq(count_lines(at("csv")), ROWS + 1);
  ck_assert_uint_eq(count_lines(at("summary")), ROWS / 2 + 1); /* half of the rows: two runs */
  falign_table_destroy(table);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_checked_fixture(tests, make_directory, remove_directory);
  tcase_add_test(tests, writes_doubles);
  tcase_add_test(tests, writes_singles);
  tcase_add_test(tests, writes_conditions);
  tcase_add_test(tests, appends_rows);
  tcase_add_test(tests, reports_full_devices);
  tcase_add_test(tests, writes_to_open_descriptors);
  tcase_add_test(tests, ignores_the_locale);
  tcase_add_test(tests, summarises);
  tcase_add_test(tests, summarises_conditions);
  tcase_add_test(tests, summarises_stably);
  tcase_add_test(tests, travels_with_tensors);
  tcase_add_test(tests, exports_all_or_nothing);
  tcase_add_loop_test(tests, refuses_bad_tensors, 0, sizeof bad_tensors / sizeof *bad_tensors);
  tcase_add_test(tests, takes_many_rows);
}

int main(void) { return run_suite("table", add_tests); }
