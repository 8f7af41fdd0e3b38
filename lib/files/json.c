/* SPDX-License-Identifier: Apache-2.0 */
#include "files/json.h"

#include <errno.h>
#include <string.h>

/* Whether a name or text of the JSON contains a zero byte, which would cut it short. */
static bool has_zero(const char *text, size_t size) {
  if (memchr(text, '\0', size)) return true;
  for (const char *c = strchr(text, '\\'); c && c[1]; c = strchr(c + 2, '\\')) {
    if (strncmp(c + 1, "u0000", 5) == 0) return true;
  }
  return false;
}

falign_status fal_json_parse(const char *name, const char *text, size_t size, cJSON **out) {
  if (has_zero(text, size)) return fal_fail(FALIGN_FORMAT, "%s: its JSON contains a zero byte", name);
  const char *end = text;
  errno = 0; /* only malloc()'s error tells lack of memory from bad JSON */
  cJSON *json = cJSON_ParseWithLengthOpts(text, size + 1, &end, false);
  if (!json && errno == ENOMEM) return fal_fail_memory("JSON", size, 1);
  if (!json) return fal_fail(FALIGN_FORMAT, "%s: invalid JSON at byte %zu", name, (size_t)(end - text));
  end += strspn(end, " \t\r\n");
  if (*end) {
    cJSON_Delete(json);
    return fal_fail(FALIGN_FORMAT, "%s: text follows the JSON at byte %zu", name, (size_t)(end - text));
  }
  if (!cJSON_IsObject(json)) {
    cJSON_Delete(json);
    return fal_fail(FALIGN_FORMAT, "%s: its JSON is not an object", name);
  }
  *out = json;
  return FALIGN_OK;
}
