// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// volumecheck: writes to a volume in a way that anybody who knows the seed can tell from the volume alone what was
// written when. Each thread has an area of its own and changes it in batches, numbered from 1: the generations. Which
// blocks a batch changes, and what they hold then, follows from the seed, the thread and the generation. So the host
// can hold an image against the generations that a guest has reported as flushed, after whatever happened to either.

#ifndef VOLUMECHECK_H
#define VOLUMECHECK_H

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  SECTOR_BYTES = 512,
  BLOCK_BYTES = 4096,
  SECTORS_PER_BLOCK = BLOCK_BYTES / SECTOR_BYTES,
  MOST_EXTENT_BLOCKS = 16,
  MOST_EXTENTS = 8,
  MOST_THREADS = 64,
};

struct setup {
  const char *path;
  uint64_t seed;
  unsigned threads;
  // Blocks of each thread's area.
  uint32_t blocks;
  // write: ends when the volume has this size; 0: never.
  uint64_t until_bytes;
  // verify: nothing but the reported generations may be there.
  bool exact;
};

struct extent {
  uint32_t first;
  uint32_t count;
};

// What a batch changes.
struct batch {
  // All of it becomes zero; otherwise it is written.
  bool zeroes;
  unsigned count;
  struct extent extents[MOST_EXTENTS];
};

struct batch plan_batch(const struct setup *setup, unsigned thread, uint32_t generation);
bool touches(const struct batch *batch, uint32_t block);
// True if a batch of this generation zeroes; generation 0 is the volume before the first batch.
bool is_zero(uint32_t generation);

// Where a block of a thread's area lies on the volume, in bytes.
uint64_t offset_of(const struct setup *setup, unsigned thread, uint32_t block);
void fill(const struct setup *setup, void *memory, unsigned thread, struct extent extent, uint32_t generation);

enum { ALL_ZERO = -1, BROKEN = -2 };
// The generation that a sector holds, or one of the above.
int64_t sector_generation(
    const struct setup *setup, const void *sector, unsigned thread, uint32_t block, unsigned index);

int write_volume(const struct setup *setup);
int verify_volume(const struct setup *setup);

#endif
