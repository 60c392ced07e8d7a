// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the random runs (fsx, stress) have in common: dice that depend on the seed and the operation's number alone, the
// last operations for the report of a failure, and the options.

#include "check.h"

#include <stdarg.h>

enum { kept_lines = 48, line_size = 128 };

static char lines[kept_lines][line_size];
static long remembered;

uint64_t dice_for(uint64_t seed, uint64_t stream, uint64_t number) {
  uint64_t words[3] = {seed, stream, number};
  // Never zero: a xorshift would stay there.
  return hash_bytes(HASH_START, words, sizeof words) | 1;
}

long roll(uint64_t *dice, long sides) { return sides <= 0 ? 0 : (long)(next_random(dice) >> 11) % sides; }

void remember(long number, const char *format, ...) {
  char *line = lines[remembered++ % kept_lines];
  int start = snprintf(line, line_size, "%8ld  ", number);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line + start, (size_t)(line_size - start), format, arguments);
  va_end(arguments);
}

void print_history(void) {
  long first = remembered > kept_lines ? remembered - kept_lines : 0;
  printf("the last %ld operations:\n", remembered - first);
  for (long i = first; i < remembered; i++) printf("%s\n", lines[i % kept_lines]);
}

bool take_number(int *index, int count, char **arguments, const char *name, uint64_t *value) {
  if (strcmp(arguments[*index], name) != 0) return false;
  char *end = NULL;
  errno = 0;
  if (*index + 1 < count) *value = strtoull(arguments[*index + 1], &end, 10);
  if (end == NULL || *end != 0 || end == arguments[*index + 1] || errno != 0) {
    fprintf(stderr, "posixcheck: %s needs a number\n", name);
    exit(2);
  }
  *index += 2;
  return true;
}

uint64_t fresh_seed(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
