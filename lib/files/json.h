/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAL_JSON_H
#define FAL_JSON_H

#include <cjson/cJSON.h>

#include "base/support.h"

/* Parses `size` bytes, followed by a 0, that hold a JSON object and nothing else. `name` is the file's name in
 * messages. Release the result with cJSON_Delete(). */
falign_status fal_json_parse(const char *name, const char *text, size_t size, cJSON **out);

#endif
