/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_OPTIONS_H
#define KIT_OPTIONS_H

/* Long options from a table: --name VALUE or --name=VALUE, or --name alone for a flag. */

#include <stdbool.h>
#include <stdint.h>

#include "errors.h"

typedef struct option option;
/* Reads `text` into o->target. */
typedef falign_status option_parser(const option *o, const char *text);

struct option {
  const char *name;
  const char *value;    /* what --help calls the value; for option_choice() the choices, as "yes|no" */
  const char *standard; /* the value if the option is not given; NULL leaves the target alone */
  const char *help;
  option_parser *parse;
  void *target;
  uint64_t least, most; /* range of option_count() */
  double low, high;     /* range of option_real(); a low of DBL_MIN means above 0 */
};

option_parser option_text;   /* const char *: any text but the empty one */
option_parser option_choice; /* const char *: one of the choices */
option_parser option_count;  /* uint64_t */
option_parser option_real;   /* double */
option_parser option_flag;   /* bool: given or not */

/* Entries of a table. */
#define OPTION_TEXT(name, value, standard, target, help) \
  { name, value, standard, help, option_text, target, 0, 0, 0, 0 }
#define OPTION_CHOICE(name, choices, standard, target, help) \
  { name, choices, standard, help, option_choice, target, 0, 0, 0, 0 }
#define OPTION_COUNT(name, standard, target, least, most, help) \
  { name, "N", standard, help, option_count, target, least, most, 0, 0 }
#define OPTION_REAL(name, standard, target, low, high, help) \
  { name, "X", standard, help, option_real, target, 0, 0, low, high }

#define OPTION_FLAG(name, target, help) \
  { name, "", NULL, help, option_flag, target, 0, 0, 0, 0 }

/* Copies the next item of a comma-separated list, cut to fit, and steps over it; false after the last. */
enum { OPTION_ITEM_SIZE = 64 };
bool option_next_item(const char **list, char item[OPTION_ITEM_SIZE]);

typedef struct program {
  const char *about; /* printed by --help before the options */
  const option *options;
  size_t count;
  void (*more)(void); /* prints what --help says after the options; may be NULL */
} program;

/* Reads the command line, the last of several values of an option counting. Returns -1 to go on; else the exit code,
 * after --help, --version or wrong usage. */
int options_parse(const program *p, int argc, char **argv);

#endif
