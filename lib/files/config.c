/* SPDX-License-Identifier: Apache-2.0 */
#include "falign/config.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/file.h"
#include "base/support.h"
#include "files/tensors.h"

enum { MAX_FILE = 16 * 1024 * 1024 };

/* A text or a number. Integers up to 2^53 are numbers as any other: a double holds them exactly. */
typedef struct {
  char *text; /* NULL for a number */
  double number;
} fal_value;

struct falign_config {
  fal_names names;
  fal_value *values;
  size_t capacity;
};

falign_status falign_config_create(falign_config **out) {
  FAL_GIVEN(out);
  falign_config *config = fal_zalloc(1, sizeof *config);
  if (!config) return fal_fail_memory("a configuration", 1, sizeof *config);
  *out = config;
  return FALIGN_OK;
}

void falign_config_destroy(falign_config *config) {
  if (!config) return;
  for (size_t i = 0; i < config->names.count; i++) free(config->values[i].text);
  free(config->values);
  fal_names_release(&config->names);
  free(config);
}

static falign_status add_field(falign_config *config, const char *name) {
  fal_value *values = fal_grow(config->values, &config->capacity, config->names.count, sizeof *values);
  if (!values) return fal_fail_memory("a configuration", config->names.count + 1, sizeof *values);
  config->values = values;
  values[config->names.count] = (fal_value){.text = NULL};
  return fal_names_add(&config->names, name);
}

/* Sets a field, whose text then belongs to the configuration. */
static falign_status set(falign_config *config, const char *name, fal_value value) {
  size_t index = fal_names_find(&config->names, name);
  if (index == config->names.count) FAL_TRY(add_field(config, name));
  free(config->values[index].text);
  config->values[index] = value;
  return FALIGN_OK;
}

static falign_status check_field(const falign_config *config, const char *name) {
  FAL_GIVEN(config);
  FAL_GIVEN(name);
  return *name ? FALIGN_OK : fal_fail(FALIGN_INVALID, "a field's name is empty");
}

falign_status falign_config_set_text(falign_config *config, const char *name, const char *value) {
  FAL_TRY(check_field(config, name));
  FAL_GIVEN(value);
  char *text = fal_strdup(value);
  if (!text) return fal_fail_memory("a text", strlen(value) + 1, 1);
  falign_status status = set(config, name, (fal_value){.text = text});
  if (status != FALIGN_OK) free(text);
  return status;
}

falign_status falign_config_set_real(falign_config *config, const char *name, double value) {
  FAL_TRY(check_field(config, name));
  if (!isfinite(value)) return fal_fail(FALIGN_INVALID, "field %s is %g", name, value);
  return set(config, name, (fal_value){.number = value});
}

falign_status falign_config_set_integer(falign_config *config, const char *name, int64_t value) {
  const int64_t largest = INT64_C(1) << 53;
  FAL_TRY(check_field(config, name));
  if (value > largest || value < -largest)
    return fal_fail(FALIGN_INVALID, "field %s is %" PRId64 ", beyond 2^53", name, value);
  return set(config, name, (fal_value){.number = (double)value});
}

size_t falign_config_count(const falign_config *config) { return config->names.count; }

const char *falign_config_name_at(const falign_config *config, size_t index) {
  return index < config->names.count ? config->names.at[index] : NULL;
}

static falign_status find(const falign_config *config, const char *name, bool text, const fal_value **out) {
  size_t i = fal_names_find(&config->names, name);
  if (i == config->names.count) return fal_fail(FALIGN_INVALID, "there is no field %s", name);
  if (!config->values[i].text == text)
    return fal_fail(FALIGN_INVALID, "field %s is a %s", name, text ? "number" : "text");
  *out = &config->values[i];
  return FALIGN_OK;
}

falign_status falign_config_get_text(const falign_config *config, const char *name, const char **value) {
  const fal_value *found;
  FAL_GIVEN(config);
  FAL_GIVEN(name);
  FAL_GIVEN(value);
  FAL_TRY(find(config, name, true, &found));
  *value = found->text;
  return FALIGN_OK;
}

falign_status falign_config_get_real(const falign_config *config, const char *name, double *value) {
  const fal_value *found;
  FAL_GIVEN(config);
  FAL_GIVEN(name);
  FAL_GIVEN(value);
  FAL_TRY(find(config, name, false, &found));
  *value = found->number;
  return FALIGN_OK;
}

static bool same_value(const fal_value *a, const fal_value *b) {
  if (a->text && b->text) return strcmp(a->text, b->text) == 0;
  return !a->text && !b->text && !(a->number < b->number) && !(a->number > b->number);
}

static const char *value_text(const fal_value *value, char number[FAL_REAL_TEXT]) {
  if (value->text) return value->text;
  fal_format_shortest(number, value->number);
  return number;
}

falign_status falign_config_match(const falign_config *a, const falign_config *b) {
  FAL_GIVEN(a);
  FAL_GIVEN(b);
  for (size_t i = 0; i < a->names.count; i++) {
    const char *name = a->names.at[i];
    size_t j = fal_names_find(&b->names, name);
    if (j == b->names.count) return fal_fail(FALIGN_INVALID, "field %s is only in one of them", name);
    if (same_value(&a->values[i], &b->values[j])) continue;
    char x[FAL_REAL_TEXT], y[FAL_REAL_TEXT];
    return fal_fail(FALIGN_INVALID, "field %s differs: %s and %s", name, value_text(&a->values[i], x),
                    value_text(&b->values[j], y));
  }
  for (size_t j = 0; j < b->names.count; j++) {
    if (fal_names_find(&a->names, b->names.at[j]) == a->names.count)
      return fal_fail(FALIGN_INVALID, "field %s is only in one of them", b->names.at[j]);
  }
  return FALIGN_OK;
}

/* Numbers go to the JSON as text of our own: cJSON's may differ from them in the last bit. */
static bool add_value(cJSON *json, const char *name, const fal_value *value) {
  if (value->text) return cJSON_AddStringToObject(json, name, value->text) != NULL;
  char number[FAL_REAL_TEXT];
  fal_format_shortest(number, value->number);
  return cJSON_AddRawToObject(json, name, number) != NULL;
}

/* The JSON text, released with cJSON_free(). */
static falign_status print_json(const falign_config *config, char **out) {
  cJSON *json = cJSON_CreateObject();
  bool complete = json != NULL;
  for (size_t i = 0; complete && i < config->names.count; i++)
    complete = add_value(json, config->names.at[i], &config->values[i]);
  char *text = complete ? cJSON_Print(json) : NULL;
  cJSON_Delete(json);
  if (!text) return fal_fail(FALIGN_MEMORY, "no memory for a configuration of %zu fields", config->names.count);
  *out = text;
  return FALIGN_OK;
}

falign_status falign_config_write(const falign_config *config, const char *path) {
  FAL_GIVEN(config);
  FAL_GIVEN(path);
  char *text = NULL;
  FAL_TRY(print_json(config, &text));
  fal_file *file;
  falign_status status = fal_file_create(path, &file);
  if (status == FALIGN_OK) {
    fal_file_put_text(file, text);
    fal_file_put_text(file, "\n");
    status = fal_file_close(file);
  }
  cJSON_free(text);
  return status;
}

static falign_status read_field(const char *path, const cJSON *item, falign_config *config) {
  const char *name = item->string;
  if (!*name) return fal_fail(FALIGN_FORMAT, "%s: a field's name is empty", path);
  if (fal_names_find(&config->names, name) < config->names.count)
    return fal_fail(FALIGN_FORMAT, "%s: field %s is there twice", path, name);
  if (cJSON_IsString(item)) return falign_config_set_text(config, name, item->valuestring);
  if (!cJSON_IsNumber(item)) return fal_fail(FALIGN_FORMAT, "%s: field %s is neither text nor number", path, name);
  if (!isfinite(item->valuedouble)) return fal_fail(FALIGN_FORMAT, "%s: field %s is too large a number", path, name);
  return falign_config_set_real(config, name, item->valuedouble);
}

/* Makes a configuration of `size` bytes of JSON with a 0 behind them. */
static falign_status parse(const char *path, const char *text, size_t size, falign_config **out) {
  cJSON *json = NULL;
  falign_config *config = NULL;
  FAL_TRY(fal_json_parse(path, text, size, &json));
  falign_status status = falign_config_create(&config);
  const cJSON *item = json->child;
  for (; status == FALIGN_OK && item; item = item->next) status = read_field(path, item, config);
  cJSON_Delete(json);
  if (status == FALIGN_OK) {
    *out = config;
  } else {
    falign_config_destroy(config);
  }
  return status;
}

static falign_status read_text(fal_source *source, falign_config **out) {
  if (source->size > MAX_FILE)
    return fal_fail(FALIGN_FORMAT, "%s has %zu bytes, more than %d", source->path, source->size, MAX_FILE);
  char *text = fal_alloc(source->size + 1, 1);
  if (!text) return fal_fail_memory("a configuration", source->size + 1, 1);
  falign_status status = fal_source_read(source, text, source->size);
  text[source->size] = '\0';
  if (status == FALIGN_OK) status = parse(source->path, text, source->size, out);
  free(text);
  return status;
}

falign_status falign_config_read(const char *path, falign_config **out) {
  FAL_GIVEN(path);
  FAL_GIVEN(out);
  fal_source source;
  FAL_TRY(fal_source_open(path, &source));
  falign_status status = read_text(&source, out);
  fal_source_close(&source);
  return status;
}

falign_status falign_config_export(const falign_config *config, falign_tensors *tensors) {
  FAL_GIVEN(config);
  FAL_GIVEN(tensors);
  char *text = NULL;
  FAL_TRY(print_json(config, &text));
  falign_status status = falign_tensors_set_note(tensors, "config", text);
  cJSON_free(text);
  return status;
}

falign_status falign_config_import(const falign_tensors *tensors, falign_config **out) {
  FAL_GIVEN(tensors);
  FAL_GIVEN(out);
  const char *text = falign_tensors_note(tensors, "config");
  if (!text) return fal_fail(FALIGN_FORMAT, "there is no note \"config\"");
  return parse("note \"config\"", text, strlen(text), out);
}
