/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

#include <stdarg.h>
#include <stdio.h>

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

int exit_failed(const char *program) {
  fprintf(stderr, "%s: %s\n", program, falign_last_error());
  return 1;
}

int exit_wrong_usage(const char *program) {
  fprintf(stderr, "%s: %s (try '%s --help')\n", program, falign_last_error(), program);
  return 2;
}
