/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANGE_SIZE = 80, HELP_COLUMN = 26, HELP_WIDTH = 100 };

/* "1 to 5", "0 or more"; "" for an option that is no number. */
static const char *range(const option *o, char text[RANGE_SIZE]) {
  text[0] = '\0';
  if (o->parse == option_count) {
    snprintf(text, RANGE_SIZE, "%" PRIu64 " to %" PRIu64, o->least, o->most);
  } else if (o->parse == option_real && o->low == DBL_MIN) {
    snprintf(text, RANGE_SIZE, "above 0");
  } else if (o->parse == option_real && o->high == DBL_MAX) {
    snprintf(text, RANGE_SIZE, "%g or more", o->low);
  } else if (o->parse == option_real) {
    snprintf(text, RANGE_SIZE, "%g to %g", o->low, o->high);
  }
  return text;
}

static falign_status bad_number(const option *o, const char *text, const char *kind) {
  char allowed[RANGE_SIZE];
  return fail(FALIGN_INVALID, "--%s '%s' is not a %s (%s)", o->name, text, kind, range(o, allowed));
}

falign_status option_text(const option *o, const char *text) {
  if (text[0] == '\0') return fail(FALIGN_INVALID, "--%s '' is empty", o->name);
  *(const char **)o->target = text;
  return FALIGN_OK;
}

falign_status option_choice(const option *o, const char *text) {
  size_t length = strlen(text);
  for (const char *choice = o->value; length > 0 && *choice != '\0'; choice += *choice == '|') {
    size_t choice_length = strcspn(choice, "|");
    if (choice_length == length && memcmp(choice, text, length) == 0) return option_text(o, text);
    choice += choice_length;
  }
  return fail(FALIGN_INVALID, "--%s '%s' is not one of %s", o->name, text, o->value);
}

falign_status option_count(const option *o, const char *text) {
  char *end;
  errno = 0;
  unsigned long long number = strtoull(text, &end, 10);
  bool digits = text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
  if (!digits || number < o->least || number > o->most) return bad_number(o, text, "whole number");
  *(uint64_t *)o->target = number;
  return FALIGN_OK;
}

falign_status option_real(const option *o, const char *text) {
  char *end;
  double number = strtod(text, &end);
  bool decimal = text[0] != '\0' && text[strspn(text, "0123456789+-.eE")] == '\0' && *end == '\0';
  if (!decimal || !(number >= o->low && number <= o->high)) return bad_number(o, text, "number");
  *(double *)o->target = number;
  return FALIGN_OK;
}

falign_status option_flag(const option *o, const char *text) {
  if (text != NULL) return fail(FALIGN_INVALID, "--%s takes no value, not '%s'", o->name, text);
  *(bool *)o->target = true;
  return FALIGN_OK;
}

bool option_next_item(const char **list, char item[OPTION_ITEM_SIZE]) {
  if (*list == NULL) return false;
  size_t length = strcspn(*list, ",");
  snprintf(item, OPTION_ITEM_SIZE, "%.*s", (int)length, *list);
  *list = (*list)[length] == ',' ? *list + length + 1 : NULL;
  return true;
}

static const option *find(const program *p, const char *name, size_t length) {
  for (size_t i = 0; i < p->count; i++) {
    const option *o = &p->options[i];
    if (strlen(o->name) == length && memcmp(o->name, name, length) == 0) return o;
  }
  return NULL;
}

/* Takes the option at argv[*i], and its value where that is the next argument. */
static falign_status take(const program *p, char **argv, int *i) {
  const char *argument = argv[*i];
  if (strncmp(argument, "--", 2) != 0) return fail(FALIGN_INVALID, "'%s' is not an option", argument);
  const char *name = argument + 2;
  size_t length = strcspn(name, "=");
  const option *o = find(p, name, length);
  if (o == NULL) return fail(FALIGN_INVALID, "unknown option '%s'", argument);
  if (name[length] == '=') return o->parse(o, name + length + 1);
  if (o->parse == option_flag) return o->parse(o, NULL);
  const char *value = argv[++*i];
  if (value == NULL || strncmp(value, "--", 2) == 0) {
    return fail(FALIGN_INVALID, "--%s needs a value: %s", o->name, o->value);
  }
  return o->parse(o, value);
}

/* Prints a text from HELP_COLUMN on, in lines that end before HELP_WIDTH. */
static void print_wrapped(const char *text) {
  int column = HELP_COLUMN;
  while (*text != '\0') {
    int length = (int)strcspn(text, " ");
    if (column > HELP_COLUMN && column + 1 + length > HELP_WIDTH) {
      printf("\n%*s", HELP_COLUMN, "");
      column = HELP_COLUMN;
    }
    column += printf(column > HELP_COLUMN ? " %.*s" : "%.*s", length, text);
    text += length;
    text += strspn(text, " ");
  }
  putchar('\n');
}

static void print_option(const option *o) {
  char allowed[RANGE_SIZE], text[512];
  int printed = printf(o->value[0] != '\0' ? "  --%s %s" : "  --%s", o->name, o->value);
  if (printed >= HELP_COLUMN) putchar('\n');
  printf("%*s", printed < HELP_COLUMN ? HELP_COLUMN - printed : HELP_COLUMN, "");
  range(o, allowed);
  const char *separator = allowed[0] == '\0' ? "" : "; ";
  const char *standard = o->standard == NULL ? "" : o->standard;
  snprintf(text, sizeof text, o->standard ? "%s%s%s [%s]" : "%s%s%s%s", o->help, separator, allowed, standard);
  print_wrapped(text);
}

static void print_help(const program *p) {
  printf("Usage: %s [OPTION [VALUE]]...\n\n%s\nDefaults are in brackets.\n\nOptions:\n", called_as(), p->about);
  for (size_t i = 0; i < p->count; i++) print_option(&p->options[i]);
  printf("  %-*s%s\n", HELP_COLUMN - 2, "--help", "this text");
  printf("  %-*s%s\n", HELP_COLUMN - 2, "--version", "the version of the library");
  if (p->more != NULL) p->more();
}

static int finish_stdout(void) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return EXIT_SUCCESS;
  say_failure("cannot write to standard output: %s", strerror(errno));
  return exit_failed();
}

int options_parse(const program *p, int argc, char **argv) {
  set_called_as(argv[0]);
  for (size_t i = 0; i < p->count; i++) {
    const option *o = &p->options[i];
    if (o->standard != NULL && o->parse(o, o->standard) != FALIGN_OK) return exit_wrong_usage();
  }
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--help") == 0) {
      print_help(p);
      return finish_stdout();
    }
    if (strcmp(argv[i], "--version") == 0) {
      printf("%s (libfalign %s)\n", called_as(), falign_version());
      return finish_stdout();
    }
    if (take(p, argv, &i) != FALIGN_OK) return exit_wrong_usage();
  }
  return -1;
}
