/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANGE_SIZE = 80, HELP_COLUMN = 30 };

/* "from 1 to 5", "of 0 or more"; "" for an option that is no number. */
static const char *range(const option *option, char text[RANGE_SIZE]) {
  text[0] = '\0';
  if (option->parse == option_count) {
    snprintf(text, RANGE_SIZE, "from %" PRIu64 " to %" PRIu64, option->least, option->most);
  } else if (option->parse == option_real && option->low == DBL_MIN) {
    snprintf(text, RANGE_SIZE, "above 0");
  } else if (option->parse == option_real && option->high == DBL_MAX) {
    snprintf(text, RANGE_SIZE, "of %g or more", option->low);
  } else if (option->parse == option_real) {
    snprintf(text, RANGE_SIZE, "from %g to %g", option->low, option->high);
  }
  return text;
}

static falign_status bad_number(const option *option, const char *text, const char *kind) {
  char allowed[RANGE_SIZE];
  return fail(FALIGN_INVALID, "--%s '%s' is not a %s %s", option->name, text, kind, range(option, allowed));
}

falign_status option_text(const option *option, const char *text) {
  if (text[0] == '\0') return fail(FALIGN_INVALID, "--%s '' is empty", option->name);
  *(const char **)option->target = text;
  return FALIGN_OK;
}

falign_status option_choice(const option *option, const char *text) {
  size_t length = strlen(text);
  for (const char *choice = option->value; length > 0 && *choice != '\0'; choice += *choice == '|') {
    size_t choice_length = strcspn(choice, "|");
    if (choice_length == length && memcmp(choice, text, length) == 0) return option_text(option, text);
    choice += choice_length;
  }
  return fail(FALIGN_INVALID, "--%s '%s' is not one of %s", option->name, text, option->value);
}

falign_status option_count(const option *option, const char *text) {
  char *end;
  errno = 0;
  unsigned long long number = strtoull(text, &end, 10);
  bool digits = text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
  if (!digits || number < option->least || number > option->most) return bad_number(option, text, "whole number");
  *(uint64_t *)option->target = number;
  return FALIGN_OK;
}

falign_status option_real(const option *option, const char *text) {
  char *end;
  double number = strtod(text, &end);
  bool decimal = text[0] != '\0' && text[strspn(text, "0123456789+-.eE")] == '\0' && *end == '\0';
  if (!decimal || !(number >= option->low && number <= option->high)) return bad_number(option, text, "number");
  *(double *)option->target = number;
  return FALIGN_OK;
}

bool option_next_item(const char **list, char item[OPTION_ITEM_SIZE]) {
  if (*list == NULL) return false;
  size_t length = strcspn(*list, ",");
  snprintf(item, OPTION_ITEM_SIZE, "%.*s", (int)length, *list);
  *list = (*list)[length] == ',' ? *list + length + 1 : NULL;
  return true;
}

static const option *find(const program *program, const char *name, size_t length) {
  for (size_t i = 0; i < program->count; i++) {
    const option *option = &program->options[i];
    if (strlen(option->name) == length && memcmp(option->name, name, length) == 0) return option;
  }
  return NULL;
}

/* Takes the option at argv[*i], and its value where that is the next argument. */
static falign_status take(const program *program, char **argv, int *i) {
  const char *argument = argv[*i];
  if (strncmp(argument, "--", 2) != 0) return fail(FALIGN_INVALID, "'%s' is not an option", argument);
  const char *name = argument + 2;
  size_t length = strcspn(name, "=");
  const option *option = find(program, name, length);
  if (option == NULL) return fail(FALIGN_INVALID, "unknown option '%s'", argument);
  if (name[length] == '=') return option->parse(option, name + length + 1);
  const char *value = argv[++*i];
  if (value == NULL || strncmp(value, "--", 2) == 0) {
    return fail(FALIGN_INVALID, "--%s needs a value: %s", option->name, option->value);
  }
  return option->parse(option, value);
}

static void print_option(const option *option) {
  char allowed[RANGE_SIZE];
  int printed = printf("  --%s %s", option->name, option->value);
  if (printed >= HELP_COLUMN) printed = 0 * printf("\n");
  printf("%*s%s", HELP_COLUMN - printed, "", option->help);
  if (range(option, allowed)[0] != '\0') printf("; %s", allowed);
  if (option->standard != NULL) printf(" [%s]", option->standard);
  printf("\n");
}

static void print_help(const program *program) {
  printf("usage: %s [OPTION VALUE]...\n%s\nOptions [default]:\n", program->name, program->about);
  for (size_t i = 0; i < program->count; i++) print_option(&program->options[i]);
  printf("  %-*s%s\n", HELP_COLUMN - 2, "--help", "this text");
  printf("  %-*s%s\n", HELP_COLUMN - 2, "--version", "the version of the library");
  if (program->more != NULL) program->more();
}

static int finish_stdout(const program *program) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return EXIT_SUCCESS;
  fail(FALIGN_IO, "cannot write to standard output: %s", strerror(errno));
  return exit_failed(program->name);
}

int options_parse(const program *program, int argc, char **argv) {
  for (size_t i = 0; i < program->count; i++) {
    const option *option = &program->options[i];
    if (option->standard != NULL && option->parse(option, option->standard) != FALIGN_OK) {
      return exit_wrong_usage(program->name);
    }
  }
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--help") == 0) {
      print_help(program);
      return finish_stdout(program);
    }
    if (strcmp(argv[i], "--version") == 0) {
      printf("%s (libfalign %s)\n", program->name, falign_version());
      return finish_stdout(program);
    }
    if (take(program, argv, &i) != FALIGN_OK) return exit_wrong_usage(program->name);
  }
  return -1;
}
