/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_TEXT = 32, MAX_FIELDS = 1000 /* of a note; no program sets as many */ };

falign_status config_create(configuration **out) {
  configuration *config = cJSON_CreateObject();
  if (config == NULL) return fail(FALIGN_MEMORY, "no memory for a configuration");
  *out = config;
  return FALIGN_OK;
}

void config_destroy(configuration *config) { cJSON_Delete(config); }

static const cJSON *find(const configuration *config, const char *name) {
  return cJSON_GetObjectItemCaseSensitive(config, name);
}

/* Sets a field and takes ownership of its value, which is NULL if it could not be allocated. */
static falign_status set(configuration *config, const char *name, cJSON *value) {
  bool is_set = find(config, name) == NULL ? cJSON_AddItemToObject(config, name, value)
                                           : cJSON_ReplaceItemInObjectCaseSensitive(config, name, value);
  if (is_set) return FALIGN_OK;
  cJSON_Delete(value);
  return fail(FALIGN_MEMORY, "no memory for field %s", name);
}

falign_status config_set_text(configuration *config, const char *name, const char *value) {
  return set(config, name, cJSON_CreateString(value));
}

falign_status config_set_real(configuration *config, const char *name, double value) {
  if (!isfinite(value)) return fail(FALIGN_INVALID, "field %s is %g", name, value);
  return set(config, name, cJSON_CreateNumber(value));
}

falign_status config_set_integer(configuration *config, const char *name, int64_t value) {
  const int64_t largest = INT64_C(1) << 53;
  if (value > largest || value < -largest)
    return fail(FALIGN_INVALID, "field %s is %" PRId64 ", beyond 2^53", name, value);
  return config_set_real(config, name, (double)value);
}

/* ---- Comparing ---- */

/* Programs stay in the C locale, so the point is a point. */
static const char *format_number(char text[NUMBER_TEXT], double value) {
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, NUMBER_TEXT, "%.*g", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  return text;
}

static const char *value_text(const cJSON *value, char number[NUMBER_TEXT]) {
  return cJSON_IsString(value) ? value->valuestring : format_number(number, value->valuedouble);
}

static bool same_value(const cJSON *a, const cJSON *b) {
  if (cJSON_IsString(a) != cJSON_IsString(b)) return false;
  return cJSON_IsString(a) ? strcmp(a->valuestring, b->valuestring) == 0 : a->valuedouble == b->valuedouble;
}

static falign_status match_field(const cJSON *a, const configuration *others) {
  const cJSON *b = find(others, a->string);
  char x[NUMBER_TEXT], y[NUMBER_TEXT];
  if (b == NULL) return fail(FALIGN_INVALID, "field %s is only in one of them", a->string);
  if (same_value(a, b)) return FALIGN_OK;
  return fail(FALIGN_INVALID, "field %s differs: %s and %s", a->string, value_text(a, x), value_text(b, y));
}

falign_status config_match(const configuration *a, const configuration *b) {
  const cJSON *field;
  cJSON_ArrayForEach(field, a) TRY(match_field(field, b));
  cJSON_ArrayForEach(field, b) TRY(match_field(field, a));
  return FALIGN_OK;
}

/* ---- Writing ---- */

/* cJSON's own text of a number may differ from it in the last bit. */
static bool add_text_of(cJSON *json, const cJSON *field) {
  char number[NUMBER_TEXT];
  if (cJSON_IsString(field)) return cJSON_AddStringToObject(json, field->string, field->valuestring) != NULL;
  return cJSON_AddRawToObject(json, field->string, format_number(number, field->valuedouble)) != NULL;
}

falign_status config_text(const configuration *config, char **out) {
  const cJSON *field;
  cJSON *json = cJSON_CreateObject();
  bool complete = json != NULL;
  cJSON_ArrayForEach(field, config) complete = complete && add_text_of(json, field);
  char *text = complete ? cJSON_Print(json) : NULL;
  cJSON_Delete(json);
  if (text == NULL)
    return fail(FALIGN_MEMORY, "no memory for a configuration of %d fields", cJSON_GetArraySize(config));
  *out = text;
  return FALIGN_OK;
}

falign_status config_export(const configuration *config, falign_tensors *tensors) {
  char *text;
  TRY(config_text(config, &text));
  falign_status status = falign_tensors_set_note(tensors, "config", text);
  free(text);
  return status;
}

/* ---- Reading ---- */

#define NOTE "note \"config\""

/* A name or text with a zero byte in it would be cut short. */
static bool has_escaped_zero(const char *text) {
  for (const char *c = strchr(text, '\\'); c != NULL && c[1] != '\0'; c = strchr(c + 2, '\\')) {
    if (strncmp(c + 1, "u0000", 5) == 0) return true;
  }
  return false;
}

static falign_status check_field(const configuration *config, const cJSON *field) {
  const char *name = field->string;
  if (*name == '\0') return fail(FALIGN_FORMAT, NOTE ": a field's name is empty");
  if (find(config, name) != field) return fail(FALIGN_FORMAT, NOTE ": field %s is repeated", name);
  if (cJSON_IsString(field)) return FALIGN_OK;
  if (!cJSON_IsNumber(field)) return fail(FALIGN_FORMAT, NOTE ": field %s is neither text nor number", name);
  if (!isfinite(field->valuedouble)) return fail(FALIGN_FORMAT, NOTE ": field %s is too large a number", name);
  return FALIGN_OK;
}

static falign_status check(const configuration *config) {
  const cJSON *field;
  if (!cJSON_IsObject(config)) return fail(FALIGN_FORMAT, NOTE ": its JSON is not an object");
  if (cJSON_GetArraySize(config) > MAX_FIELDS) return fail(FALIGN_FORMAT, NOTE ": more than %d fields", MAX_FIELDS);
  cJSON_ArrayForEach(field, config) TRY(check_field(config, field));
  return FALIGN_OK;
}

static falign_status parse(const char *text, configuration **out) {
  const char *end = text;
  errno = 0; /* only malloc() tells a lack of memory from invalid JSON */
  configuration *config = cJSON_ParseWithOpts(text, &end, false);
  if (config == NULL && errno == ENOMEM) return fail(FALIGN_MEMORY, "no memory for a configuration");
  if (config == NULL) return fail(FALIGN_FORMAT, NOTE ": no valid JSON at byte %zu", (size_t)(end - text));
  end += strspn(end, " \t\r\n");
  falign_status status = FALIGN_OK;
  if (*end != '\0') status = fail(FALIGN_FORMAT, NOTE ": something follows the JSON at byte %zu", (size_t)(end - text));
  if (status == FALIGN_OK) status = check(config);
  if (status == FALIGN_OK) {
    *out = config;
  } else {
    config_destroy(config);
  }
  return status;
}

falign_status config_import(const falign_tensors *tensors, configuration **out) {
  const char *text = falign_tensors_note(tensors, "config");
  if (text == NULL) return fail(FALIGN_FORMAT, "there is no " NOTE);
  if (has_escaped_zero(text)) return fail(FALIGN_FORMAT, NOTE ": its JSON contains a zero byte");
  return parse(text, out);
}
