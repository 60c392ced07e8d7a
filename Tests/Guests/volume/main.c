// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

#include "volumecheck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(void) {
  fprintf(stderr,
          "usage: volumecheck write|verify [options] PATH\n"
          "  --seed N         what is written follows from it (1)\n"
          "  --threads N      each with an area of its own (8)\n"
          "  --blocks N       of 4096 bytes in each area (256)\n"
          "  --until-size N   write: ends when the volume has N bytes; otherwise never\n"
          "  --exact          verify: the writer has ended, so nothing newer may be there\n"
          "verify reads the writer's reports from the standard input.\n");
  return 2;
}

int main(int count, char **words) {
  struct setup setup = {.seed = 1, .threads = 8, .blocks = 256};
  if (count < 3) return usage();
  for (int i = 2; i < count; i++) {
    if (strcmp(words[i], "--exact") == 0) {
      setup.exact = true;
    } else if (words[i][0] != '-' && setup.path == NULL) {
      setup.path = words[i];
    } else if (i + 1 == count) {
      return usage();
    } else {
      uint64_t number = strtoull(words[i + 1], NULL, 10);
      if (strcmp(words[i], "--seed") == 0) setup.seed = number;
      else if (strcmp(words[i], "--threads") == 0) setup.threads = (unsigned)number;
      else if (strcmp(words[i], "--blocks") == 0) setup.blocks = (uint32_t)number;
      else if (strcmp(words[i], "--until-size") == 0) setup.until_bytes = number;
      else return usage();
      i++;
    }
  }
  if (setup.path == NULL || setup.threads < 1 || setup.threads > MOST_THREADS || setup.blocks < 1) return usage();
  if (strcmp(words[1], "write") == 0) return write_volume(&setup);
  if (strcmp(words[1], "verify") == 0) return verify_volume(&setup);
  return usage();
}
