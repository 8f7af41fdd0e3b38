/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KIT_PROGRESS_H
#define KIT_PROGRESS_H

/* One line on standard error that is rewritten while work goes on; nothing where that is not a terminal. */

typedef struct progress {
  double began, began_at; /* time, and share of the work done, of the first call */
  double shown;           /* time of the last line */
} progress;

/* Shows printf()'s text and the time left, a few times in a second. `done` is the share of the work, 0 to 1. */
__attribute__((format(printf, 3, 4))) void progress_show(progress *p, double done, const char *format, ...);

/* Clears the line. */
void progress_end(const progress *p);

#endif
