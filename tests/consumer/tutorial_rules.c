/* SPDX-License-Identifier: Apache-2.0 */
/* Trains the same network by BP, FA, normalized FA and DFA, and writes all values to one table: tutorial.csv. */
#include <falign/falign.h>
#include <math.h>
#include <stdio.h>

#define TRY(call)                      \
  do {                                 \
    falign_status try_status = call;   \
    if (try_status) return try_status; \
  } while (0)

enum { UPDATES = 1500, EVERY = 50 };

typedef struct condition {
  const char *name, *rule, *angle;
  double gamma; /* norm of each column of W and B; 0 leaves them as they are */
} condition;

/* What the weights of a hidden layer align with depends on the rule. */
static const condition conditions[] = {{"BP", "bp", NULL, 0},
                                       {"FA", "fa", "angle_w_b", 0},
                                       {"FA normalized", "fa", "angle_w_b", 1},
                                       {"DFA", "dfa", "angle_w_f", 0}};
enum { CONDITIONS = sizeof conditions / sizeof *conditions };

typedef struct experiment {
  falign_dataset *data, *unseen;
  falign_code *code;
  falign_table *table;
} experiment;

/* Receives each measured value, and adds a row without an epoch. */
static falign_status keep(void *user, const falign_value *value) { return falign_table_add(user, value, NAN); }

static falign_status observe(falign_trainer *trainer, const char *name, falign_table *table) {
  falign_metric *metric;
  TRY(falign_metric_create(name, &metric));
  falign_status status = falign_trainer_observe(trainer, metric, EVERY, keep, table);
  falign_metric_destroy(metric); /* the trainer keeps a reference */
  return status;
}

static falign_status normalize(falign_trainer *trainer, double gamma) {
  falign_norm *norm;
  TRY(falign_norm_create("columns", &gamma, 1, &norm));
  falign_status status = falign_norm_apply(norm, falign_trainer_network(trainer), NULL); /* W at the start, */
  if (status == FALIGN_OK) status = falign_rule_normalize_columns(falign_trainer_rule(trainer), gamma); /* B as well, */
  if (status == FALIGN_OK) status = falign_trainer_set_norm(trainer, norm); /* and W after each update */
  falign_norm_destroy(norm);
  return status;
}

static falign_status train(const experiment *e, const condition *c, falign_trainer *trainer, falign_batches *batches,
                           falign_batches *test, double *error) {
  if (c->gamma > 0) TRY(normalize(trainer, c->gamma));
  TRY(falign_table_set_condition(e->table, c->name));
  TRY(observe(trainer, "loss", e->table));
  TRY(observe(trainer, "angle_dw_bp", e->table)); /* how near the updates are to BP's */
  if (c->angle) TRY(observe(trainer, c->angle, e->table));
  TRY(falign_trainer_run(trainer, batches, UPDATES));
  return falign_trainer_evaluate(trainer, test, NULL, error);
}

/* Makes a condition's objects, trains, and destroys them, whether it failed or not. */
static falign_status try_condition(const experiment *e, const condition *c, double *error) {
  const size_t widths[] = {100, 50, 50, 50};
  falign_network *network = NULL;
  falign_rule *rule = NULL;
  falign_trainer *trainer = NULL;
  falign_batches *batches = NULL, *test = NULL;
  falign_status status = falign_batches_create(e->data, e->code, 100, &batches);
  if (status == FALIGN_OK) status = falign_batches_create(e->unseen, e->code, 1000, &test);
  if (status == FALIGN_OK) status = falign_network_create(FALIGN_F32, 3, widths, 1, &network);
  if (status == FALIGN_OK) status = falign_network_draw(network, 0.1, 0.1, 1, 0);
  if (status == FALIGN_OK) status = falign_rule_create(c->rule, network, &rule);
  if (status == FALIGN_OK) status = falign_rule_draw(rule, 0.1, 1, 0);
  if (status == FALIGN_OK) status = falign_trainer_create(network, rule, 0.001, &trainer);
  if (status == FALIGN_OK) status = train(e, c, trainer, batches, test, error);
  falign_trainer_destroy(trainer);
  falign_rule_destroy(rule);
  falign_network_destroy(network);
  falign_batches_destroy(test);
  falign_batches_destroy(batches);
  return status;
}

static falign_status run(experiment *e) {
  const falign_synthetic points = {.points = 2000, .width = 100, .categories = 10, .within = 0.35, .between = 0.2};
  const falign_synthetic other_points = {
      .points = 1000, .width = 100, .categories = 10, .within = 0.35, .between = 0.2};
  double errors[CONDITIONS];
  TRY(falign_dataset_create_synthetic(&points, FALIGN_TRAIN, 1, &e->data));
  TRY(falign_dataset_create_synthetic(&other_points, FALIGN_TEST, 1, &e->unseen));
  TRY(falign_code_create_n_hot(10, 50, 5, 1, 0, &e->code));
  TRY(falign_table_create(FALIGN_F32, "condition", &e->table));
  for (int i = 0; i < CONDITIONS; i++) {
    TRY(try_condition(e, &conditions[i], &errors[i]));
    printf("%-14s %5.1f %% of unseen points are wrong\n", conditions[i].name, 100 * errors[i]);
  }
  return falign_table_write(e->table, "tutorial.csv");
}

int main(void) {
  experiment e = {0};
  falign_status status = run(&e);
  if (status != FALIGN_OK) fprintf(stderr, "%s: %s\n", falign_status_name(status), falign_last_error());
  falign_table_destroy(e.table);
  falign_code_destroy(e.code);
  falign_dataset_destroy(e.unseen);
  falign_dataset_destroy(e.data);
  return status;
}
