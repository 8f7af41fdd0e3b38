/* SPDX-License-Identifier: Apache-2.0 */
#include "learning.h"

static const size_t widths[] = {3, 5, 4, 2};

static falign_network *drawn(falign_precision precision, bool biases, uint64_t seed, uint32_t run) {
  falign_network *network = new_network(precision, 3, widths, biases, TANH);
  ok(falign_network_draw(network, 1, 1, seed, run));
  return network;
}

START_TEST(built_in_activations) {
  falign_activation *made = NULL, *again;
  for (activation f = TANH_RELU; f < CUSTOM; f++) {
    ok(falign_activation_create(activation_names[f], &made));
    ck_assert_str_eq(falign_activation_name(made), activation_names[f]);
    falign_activation_destroy(made); /* permanent */
    ok(falign_activation_create(activation_names[f], &again));
    ck_assert_ptr_eq(made, again);
    ck_assert_str_eq(falign_activation_name(made), activation_names[f]);
  }
  made = NULL;
  const char *const unknown[] = {"tanhrelu", "", "TANH", "custom"};
  for (size_t i = 0; i < 4; i++) {
    char text[120];
    snprintf(text, sizeof text,
             "there is no activation \"%s\": the library has tanh-relu, relu, tanh, logistic and linear", unknown[i]);
    fails(FALIGN_UNSUPPORTED, text, falign_activation_create(unknown[i], &made));
  }
  fails(FALIGN_INVALID, "name is NULL", falign_activation_create(NULL, &made));
  fails(FALIGN_INVALID, "out is NULL", falign_activation_create("tanh", NULL));
  ck_assert_ptr_null(made);
  falign_activation_destroy(NULL);
}
END_TEST

/* An activation of the test's own, f(z) = slope z, which counts its calls and its end. */
typedef struct {
  double slope;
  int calls, destroyed;
} line;

static void line_f(void *user, const double *z, double *out, size_t count) {
  line *of = user;
  of->calls++;
  for (size_t i = 0; i < count; i++) out[i] = of->slope * z[i];
}

static void line_df(void *user, const double *z, double *out, size_t count) {
  (void)z;
  for (size_t i = 0; i < count; i++) out[i] = ((line *)user)->slope;
}

static void line_destroy(void *user) { ((line *)user)->destroyed++; }

static const falign_activation_table line_table = {
    .size = sizeof line_table, .name = "line", .f = line_f, .df = line_df, .destroy = line_destroy};

START_TEST(activations_by_layer) {
  falign_network *network = new_network(FALIGN_F64, 3, widths, true, LINEAR);
  falign_activation *tanh_relu;
  line of = {.slope = 2};
  ok(falign_activation_create("tanh-relu", &tanh_relu));
  ok(activate(network, 2, LOGISTIC));
  ok(activate_custom(network, 3, line_f, line_df, &of));
  ck_assert_int_eq(activation_of(network, 1), LINEAR);
  ck_assert_int_eq(activation_of(network, 2), LOGISTIC);
  ck_assert_int_eq(activation_of(network, 3), CUSTOM);
  ck_assert_ptr_null(falign_network_activation(network, 0));
  ck_assert_ptr_null(falign_network_activation(network, 4));
  ck_assert_ptr_null(falign_network_activation(network, UINT32_MAX));
  fails(FALIGN_INVALID, "there is no activation[0]: l goes from 1 to 3",
        falign_network_set_activation(network, 0, tanh_relu));
  fails(FALIGN_INVALID, "there is no activation[4]: l goes from 1 to 3",
        falign_network_set_activation(network, 4, tanh_relu));
  fails(FALIGN_INVALID, "activation is NULL", falign_network_set_activation(network, 1, NULL));
  fails(FALIGN_INVALID, "network is NULL", falign_network_set_activation(NULL, 1, tanh_relu));
  ck_assert_int_eq(activation_of(network, 1), LINEAR);
  ok(falign_network_set_activation(network, 1, tanh_relu));
  ck_assert_ptr_eq(falign_network_activation(network, 1), tanh_relu);
  falign_network_destroy(network);
}
END_TEST

/* One activation serves layers and networks, and ends once, with the last reference. */
START_TEST(custom_activations_are_shared) {
  line of = {.slope = 3};
  char name[] = "line";
  falign_activation_table table = line_table;
  falign_activation *made = NULL;
  table.name = name;
  ok(falign_activation_create_custom(&table, &of, &made));
  name[0] = '?'; /* the name was copied */
  ck_assert_str_eq(falign_activation_name(made), "line");
  falign_network *first = drawn(FALIGN_F64, false, 1, 0), *second = drawn(FALIGN_F32, false, 1, 0);
  for (uint32_t l = 1; l <= 3; l++) ok(falign_network_set_activation(first, l, made));
  ok(falign_network_set_activation(second, 2, made));
  ok(falign_network_set_activation(first, 1, made)); /* once more */
  falign_activation_destroy(made);
  ck_assert_ptr_eq(falign_network_activation(first, 3), made);
  ck_assert_ptr_eq(falign_network_activation(second, 2), made);

  falign_rule *rule;
  falign_trainer *trainer;
  const double x[] = {1, -2, 0.5};
  double y[2], want[2] = {0};
  ok(falign_rule_create("bp", first, &rule));
  ok(falign_trainer_create(first, rule, 0, &trainer));
  ok(falign_trainer_forward(trainer, READ_F64(x, 1, 3, 3), WRITE_F64(y, 1, 2, 2)));
  ck_assert_int_gt(of.calls, 0);
  const double *w0 = network_f64(first, FALIGN_W, 0), *w1 = network_f64(first, FALIGN_W, 1);
  const double *w2 = network_f64(first, FALIGN_W, 2);
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 5; j++)
      for (int k = 0; k < 4; k++)
        for (int q = 0; q < 2; q++) want[q] += 27 * x[i] * w0[i * 5 + j] * w1[j * 4 + k] * w2[k * 2 + q];
  for (int q = 0; q < 2; q++) near(y[q], want[q], 1e-12 * (1 + fabs(want[q])));
  falign_trainer_destroy(trainer);
  falign_rule_destroy(rule);

  falign_network_destroy(first);
  ck_assert_int_eq(of.destroyed, 0);
  ok(activate(second, 2, RELU));
  ck_assert_int_eq(of.destroyed, 1);
  falign_network_destroy(second);
  ck_assert_int_eq(of.destroyed, 1);

  table.name = "line";
  table.destroy = NULL; /* optional */
  ok(falign_activation_create_custom(&table, NULL, &made));
  falign_activation_destroy(made);
}
END_TEST

START_TEST(incomplete_activations_are_refused) {
  line of = {0};
  falign_activation *made = NULL;
  falign_activation_table table = line_table;
  table.f = NULL;
  fails(FALIGN_INVALID, "activation line has no f", falign_activation_create_custom(&table, &of, &made));
  table = line_table;
  table.df = NULL;
  fails(FALIGN_INVALID, "activation line has no df", falign_activation_create_custom(&table, &of, &made));
#define create(table) falign_activation_create_custom(table, &of, &made)
  bad_tables_are_refused(falign_activation_table, "activation", line_table, create);
#undef create
  struct {
    falign_activation_table table;
    void *later;
  } newer = {.table = line_table, .later = &of}; /* with an entry of a later version */
  newer.table.size = sizeof newer;
  fails(FALIGN_INVALID, "out is NULL", falign_activation_create_custom(&line_table, &of, NULL));
  ck_assert(made == NULL && of.destroyed == 0);
  newer.later = NULL;
  ok(falign_activation_create_custom(&newer.table, &of, &made));
  falign_activation_destroy(made);
  ck_assert_int_eq(of.destroyed, 1);
}
END_TEST

static void add_tests(TCase *tests) {
  tcase_add_test(tests, built_in_activations);
  tcase_add_test(tests, activations_by_layer);
  tcase_add_test(tests, custom_activations_are_shared);
  tcase_add_test(tests, incomplete_activations_are_refused);
}

int main(void) { return run_suite("activation", add_tests); }
