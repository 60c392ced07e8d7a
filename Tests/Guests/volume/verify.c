// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The host's side: holds an image against what the writer has reported, which is read from the standard input (a
// console; lines of others are passed over). A block may be newer than the last flushed generation, because the writer
// went on, and never older.

#include "volumecheck.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A writer works at one batch; some reports may still be on their way to us.
enum { MOST_AHEAD = 4096 };

static void read_reports(const struct setup *setup, uint32_t *flushed, bool *done) {
  char line[512];
  while (fgets(line, sizeof line, stdin) != NULL) {
    unsigned thread, generation;
    bool is_end = sscanf(line, "DONE %u %u", &thread, &generation) == 2;
    if (!is_end && sscanf(line, "ACK %u %u", &thread, &generation) != 2) continue;
    // A line that was cut off says nothing.
    if (thread >= setup->threads || strchr(line, '\n') == NULL) continue;
    if (generation > flushed[thread]) flushed[thread] = generation;
    if (is_end) done[thread] = true;
  }
}

// Whether a later batch than the last flushed one may have left this in the block.
static bool may_be_newer(
    const struct setup *setup, unsigned thread, uint32_t block, uint32_t flushed, uint32_t newest, int64_t seen) {
  if (setup->exact || seen == BROKEN) return false;
  if (seen == ALL_ZERO) {
    for (uint32_t generation = flushed + 1; generation <= newest + 8; generation++) {
      struct batch batch = plan_batch(setup, thread, generation);
      if (batch.zeroes && touches(&batch, block)) return true;
    }
    return false;
  }
  if (seen <= flushed || seen > (int64_t)flushed + MOST_AHEAD || is_zero((uint32_t)seen)) return false;
  struct batch batch = plan_batch(setup, thread, (uint32_t)seen);
  return touches(&batch, block);
}

static unsigned verify_thread(
    const struct setup *setup, const unsigned char *area, unsigned thread, uint32_t flushed, uint32_t *expected) {
  unsigned wrong = 0;
  uint32_t newest = flushed;
  memset(expected, 0, setup->blocks * sizeof *expected);
  for (uint32_t generation = 1; generation <= flushed; generation++) {
    struct batch batch = plan_batch(setup, thread, generation);
    for (unsigned i = 0; i < batch.count; i++) {
      for (uint32_t k = 0; k < batch.extents[i].count; k++) expected[batch.extents[i].first + k] = generation;
    }
  }
  // Twice: the first time to see how far the writer has come.
  for (int turn = 0; turn < 2; turn++) {
    for (uint32_t i = 0; i < setup->blocks * SECTORS_PER_BLOCK; i++) {
      uint32_t block = i / SECTORS_PER_BLOCK, due = expected[block];
      int64_t seen = sector_generation(
          setup, area + (size_t)i * SECTOR_BYTES, thread, block, i % SECTORS_PER_BLOCK);
      if (turn == 0) {
        if (seen > newest && seen <= (int64_t)flushed + MOST_AHEAD) newest = (uint32_t)seen;
        continue;
      }
      if (seen == (is_zero(due) ? ALL_ZERO : (int64_t)due)) continue;
      if (may_be_newer(setup, thread, block, flushed, newest, seen)) continue;
      if (wrong++ == 0) {
        printf("not ok volumecheck: thread %u, block %u, sector %u: %s %lld, due is %u, flushed were %u\n", thread,
               block, i % SECTORS_PER_BLOCK, seen == BROKEN ? "broken" : "generation", (long long)seen, due, flushed);
      }
    }
  }
  return wrong;
}

int verify_volume(const struct setup *setup) {
  static uint32_t flushed[MOST_THREADS];
  static bool done[MOST_THREADS];
  read_reports(setup, flushed, done);
  int fd = open(setup->path, O_RDONLY | O_CLOEXEC);
  size_t size = (size_t)setup->blocks * BLOCK_BYTES;
  unsigned char *area = malloc(size);
  uint32_t *expected = malloc(setup->blocks * sizeof *expected);
  if (fd == -1 || area == NULL || expected == NULL) {
    printf("not ok volumecheck: %s: %s\n", setup->path, strerror(errno));
    return 1;
  }
  unsigned long long batches = 0, wrong = 0;
  for (unsigned thread = 0; thread < setup->threads; thread++) {
    if (setup->exact && !done[thread]) {
      printf("not ok volumecheck: thread %u has not ended\n", thread);
      return 1;
    }
    if (pread(fd, area, size, (off_t)offset_of(setup, thread, 0)) != (ssize_t)size) {
      printf("not ok volumecheck: %s ends before the area of thread %u\n", setup->path, thread);
      return 1;
    }
    batches += flushed[thread];
    wrong += verify_thread(setup, area, thread, flushed[thread], expected);
  }
  printf("%s volumecheck: %llu flushed batches, %llu wrong sectors\n", wrong == 0 ? "ok" : "not ok", batches, wrong);
  return wrong == 0 ? 0 : 1;
}
