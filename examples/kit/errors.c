/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *name = "";

void say_failure(const char *format, ...) {
  char message[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  falign_set_last_error(message);
}

falign_status blame(const char *path, falign_status status) {
  return status == FALIGN_OK || path == NULL ? status : fail(status, "%s: %s", path, falign_last_error());
}

void set_called_as(const char *path) {
  const char *slash = strrchr(path, '/');
  name = slash != NULL ? slash + 1 : path;
}

const char *called_as(void) { return name; }

int exit_failed(void) {
  fprintf(stderr, "%s: %s\n", name, falign_last_error());
  return 1;
}

int exit_wrong_usage(void) {
  fprintf(stderr, "%s: %s (try '%s --help')\n", name, falign_last_error(), name);
  return 2;
}
