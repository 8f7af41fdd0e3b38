/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

/* Tables in memory, which every build has. Files of tables: see test_table.c. */

static const double nan_value = (double)NAN;

static falign_table *new_table(falign_precision precision, const char *condition) {
  falign_table *table;
  ok(falign_table_create(precision, condition, &table));
  return table;
}

START_TEST(appends_itself_and_nothing) {
  falign_table *table = new_table(FALIGN_F64, NULL), *empty = new_table(FALIGN_F64, NULL);
  for (int i = 0; i < 30; i++) ok(falign_table_add(table, &(falign_value){i, i % 2 ? "a" : "b", i, i, i}, 0));
  ok(falign_table_append(table, empty));
  ok(falign_table_append(empty, table));
  ok(falign_table_append(table, table));
  ck_assert_uint_eq(falign_table_rows(empty), 30);
  ck_assert_uint_eq(falign_table_rows(table), 60);
  for (size_t i = 0; i < 60; i++) {
    falign_row row;
    ok(falign_table_row(table, i, &row));
    ck_assert_str_eq(row.value.name, i % 2 ? "a" : "b");
    ck_assert_double_eq(row.value.value, (double)(i % 30));
  }
  falign_table_destroy(empty);
  falign_table_destroy(table);
}
END_TEST

START_TEST(appends_nothing_of_another_kind) {
  falign_table *table = new_table(FALIGN_F64, "c"), *named = new_table(FALIGN_F64, "d");
  falign_table *plain = new_table(FALIGN_F64, NULL);
  ok(falign_table_add(plain, &(falign_value){1, "m", 1, 1, 1}, 1));
  ok(falign_table_add(named, &(falign_value){1, "m", 1, 1, 1}, 1));
  fails(FALIGN_INVALID, "\"c\", the other \"\"", falign_table_append(table, plain));
  fails(FALIGN_INVALID, "\"c\", the other \"d\"", falign_table_append(table, named));
  fails(FALIGN_INVALID, "\"\", the other \"d\"", falign_table_append(plain, named));
  fails(FALIGN_INVALID, "table is NULL", falign_table_append(NULL, named));
  fails(FALIGN_INVALID, "other is NULL", falign_table_append(table, NULL));
  ck_assert_uint_eq(falign_table_rows(table), 0);
  ck_assert_uint_eq(falign_table_rows(plain), 1);
  falign_table_destroy(table);
  falign_table_destroy(named);
  falign_table_destroy(plain);
}
END_TEST

START_TEST(reads_rows_back) {
  falign_table *table = new_table(FALIGN_F64, NULL), *named = new_table(FALIGN_F64, "c");
  falign_table_set_run(table, 7);
  ok(falign_table_add(table, &(falign_value){1, "m", 3, 4, 5}, 2));
  ok(falign_table_add(table, &(falign_value){-9, "n", -9, -9, nan_value}, nan_value));
  ok(falign_table_set_condition(named, "here"));
  ok(falign_table_add(named, &(falign_value){1, "m", 3, 4, 5}, 2));
  ck_assert_uint_eq(falign_table_rows(table), 2);
  falign_row row;
  ok(falign_table_row(table, 0, &row));
  ck_assert_ptr_null(row.condition);
  ck_assert(row.run == 7 && row.epoch == 2);
  ck_assert(row.value.iteration == 1 && row.value.layer == 3 && row.value.order == 4 && row.value.value == 5);
  ck_assert_str_eq(row.value.name, "m");
  ok(falign_table_row(table, 1, &row));
  ck_assert(row.value.iteration == -1 && isnan(row.epoch) && row.value.layer == -1 && row.value.order == -1);
  ck_assert(isnan(row.value.value));
  falign_table_set_run(table, -5);
  ok(falign_table_add(table, &(falign_value){1, "m", 3, 4, 5}, 2));
  ok(falign_table_row(table, 2, &row));
  ck_assert(row.run == -1);
  ok(falign_table_row(named, 0, &row));
  ck_assert_str_eq(row.condition, "here");
  row.run = 42;
  fails(FALIGN_INVALID, "row 3 is beyond the table's 3", falign_table_row(table, 3, &row));
  fails(FALIGN_INVALID, "row 18446744073709551615 is beyond", falign_table_row(table, SIZE_MAX, &row));
  fails(FALIGN_INVALID, "table is NULL", falign_table_row(NULL, 0, &row));
  fails(FALIGN_INVALID, "out is NULL", falign_table_row(table, 0, NULL));
  ck_assert(row.run == 42);
  falign_table_destroy(table);
  falign_table_destroy(named);
}
END_TEST

START_TEST(refuses_bad_rows) {
  falign_table *table = new_table(FALIGN_F64, NULL), *out = NULL;
  const char *const names[] = {"", "a,b", "a\"", "a\nb", "a\r"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    fails(FALIGN_INVALID, "metric", falign_table_add(table, &(falign_value){1, names[i], 1, 1, 1}, 1));
  fails(FALIGN_INVALID, "layer 2147483648",
        falign_table_add(table, &(falign_value){1, "m", INT64_C(2147483648), 1, 1}, 1));
  fails(FALIGN_INVALID, "order 2147483648",
        falign_table_add(table, &(falign_value){1, "m", 1, INT64_C(2147483648), 1}, 1));
  fails(FALIGN_INVALID, "no leading column", falign_table_set_condition(table, "x"));
  fails(FALIGN_INVALID, "value is NULL", falign_table_set_condition(table, NULL));
  fails(FALIGN_INVALID, "metric is NULL", falign_table_add(table, &(falign_value){1, NULL, 1, 1, 1}, 1));
  fails(FALIGN_INVALID, "precision 3", falign_table_create(3, NULL, &out));
  fails(FALIGN_INVALID, "condition is empty", falign_table_create(FALIGN_F64, "", &out));
  fails(FALIGN_INVALID, "out is NULL", falign_table_create(FALIGN_F64, NULL, NULL));
  ck_assert_ptr_null(out);
  ck_assert_uint_eq(falign_table_rows(table), 0);
  falign_table_destroy(table);
  falign_table_destroy(NULL);
}
END_TEST

/* Through a set of tensors, without a file. */
START_TEST(travels_with_tensors) {
  falign_table *table = new_table(FALIGN_F64, "c"), *back = new_table(FALIGN_F64, "c");
  falign_tensors *set;
  falign_row row;
  ok(falign_table_set_condition(table, "fa"));
  falign_table_set_run(table, 3);
  ok(falign_table_add(table, &(falign_value){1, "loss", -1, -1, 0.1}, 0.5));
  ok(falign_table_add(table, &(falign_value){2, "angle", 3, 4, nan_value}, nan_value));
  ok(falign_tensors_create(&set));
  ok(falign_table_export(table, set));
  falign_table_destroy(table);
  ok(falign_table_import(back, set));
  falign_tensors_destroy(set);
  ck_assert_uint_eq(falign_table_rows(back), 2);
  ok(falign_table_row(back, 0, &row));
  ck_assert(row.run == 3 && row.epoch == 0.5 && row.value.iteration == 1 && row.value.layer == -1);
  ck_assert(row.value.order == -1 && row.value.value == 0.1);
  ck_assert_str_eq(row.condition, "fa");
  ck_assert_str_eq(row.value.name, "loss");
  ok(falign_table_row(back, 1, &row));
  ck_assert(isnan(row.epoch) && row.value.layer == 3 && row.value.order == 4 && isnan(row.value.value));
  falign_table_destroy(back);
}
END_TEST

/* What a metric emits goes into a table by its sink. */
static falign_status add_row(void *user, const falign_value *value) { return falign_table_add(user, value, nan_value); }

START_TEST(takes_what_metrics_emit) {
  const size_t n[] = {2, 3, 2};
  const double x[2] = {1, -1}, y[2] = {0.5, 0};
  falign_table *table = new_table(FALIGN_F64, NULL);
  falign_network *network;
  falign_rule *rule;
  falign_trainer *trainer;
  falign_metric *metric;
  falign_row row;
  ok(falign_network_create(FALIGN_F64, 2, n, 1, &network));
  ok(falign_network_draw(network, 1, 1, 1, 0));
  ok(falign_rule_create("bp", network, &rule));
  ok(falign_trainer_create(network, rule, 0.1, &trainer));
  ok(falign_metric_create("norm_w", &metric));
  ok(falign_trainer_observe(trainer, metric, 1, add_row, table));
  for (int k = 0; k < 2; k++) ok(falign_trainer_step(trainer, READ_F64(x, 1, 2, 2), READ_F64(y, 1, 2, 2)));
  ck_assert_uint_eq(falign_table_rows(table), 4);
  for (size_t i = 0; i < 4; i++) {
    ok(falign_table_row(table, i, &row));
    ck_assert(row.value.iteration == (int64_t)(i / 2) && row.value.layer == (int64_t)(i % 2));
    ck_assert_str_eq(row.value.name, "norm_w");
    ck_assert(row.value.value > 0);
  }
  falign_metric_destroy(metric);
  falign_trainer_destroy(trainer);
  falign_rule_destroy(rule);
  falign_network_destroy(network);
  falign_table_destroy(table);
}
END_TEST

START_TEST(writing_needs_files) {
  skip_unless(!falign_has_feature("files"), "this build has files");
  falign_table *table = new_table(FALIGN_F64, NULL);
  fails(FALIGN_UNSUPPORTED, "this build has no files: falign_table_write()", falign_table_write(table, "x"));
  fails(FALIGN_UNSUPPORTED, "this build has no files: falign_table_write_descriptor()",
        falign_table_write_descriptor(table, 1));
  fails(FALIGN_UNSUPPORTED, "this build has no files: falign_table_write_summary()",
        falign_table_write_summary(table, "x"));
  falign_table_destroy(table);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, appends_itself_and_nothing);
  tcase_add_test(tests, appends_nothing_of_another_kind);
  tcase_add_test(tests, reads_rows_back);
  tcase_add_test(tests, refuses_bad_rows);
  tcase_add_test(tests, travels_with_tensors);
  tcase_add_test(tests, takes_what_metrics_emit);
  tcase_add_test(tests, writing_needs_files);
}

int main(void) { return run_suite("table in memory", add_tests); }
