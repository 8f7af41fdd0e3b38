/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void print_time_left(double seconds) {
  fprintf(stderr, ", %.0f:%02d left", (seconds - (double)((long)seconds % 60)) / 60, (int)((long)seconds % 60));
}

void progress_show(progress *p, double done, const char *format, ...) {
  const double interval = 0.2;
  if (!isatty(STDERR_FILENO)) return;
  double time = now();
  if (p->began == 0) {
    p->began = time;
    p->began_at = done;
  }
  if (time - p->shown < interval) return;
  p->shown = time;
  va_list arguments;
  va_start(arguments, format);
  fputs("\r\033[K", stderr);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  double since = done - p->began_at;
  if (since > 0) print_time_left((time - p->began) * (1 - done) / since);
}

void progress_end(const progress *p) {
  if (p->shown != 0) fputs("\r\033[K", stderr);
}
