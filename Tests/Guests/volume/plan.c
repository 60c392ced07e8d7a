// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What batches change and what blocks hold: the part that writer and verifier share. Nothing here does I/O.

#include "volumecheck.h"

#include <string.h>

// splitmix64: every bit of the state reaches every bit of the result.
static uint64_t mix(uint64_t state) {
  state += 0x9e3779b97f4a7c15u;
  state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9u;
  state = (state ^ (state >> 27)) * 0x94d049bb133111ebu;
  return state ^ (state >> 31);
}

bool is_zero(uint32_t generation) { return generation % 8 == 0; }

struct batch plan_batch(const struct setup *setup, unsigned thread, uint32_t generation) {
  uint64_t state = mix(setup->seed ^ mix(((uint64_t)thread << 32) | generation));
  struct batch batch = {.zeroes = is_zero(generation), .count = 1 + (unsigned)(state % MOST_EXTENTS)};
  for (unsigned i = 0; i < batch.count; i++) {
    state = mix(state);
    uint32_t most = setup->blocks < MOST_EXTENT_BLOCKS ? setup->blocks : MOST_EXTENT_BLOCKS;
    // Mostly single blocks, now and then a long request.
    uint32_t count = state % 4 == 0 ? 1 + (uint32_t)((state >> 8) % most) : 1;
    batch.extents[i] = (struct extent){(uint32_t)((state >> 32) % (setup->blocks - count + 1)), count};
  }
  return batch;
}

bool touches(const struct batch *batch, uint32_t block) {
  for (unsigned i = 0; i < batch->count; i++) {
    if (block - batch->extents[i].first < batch->extents[i].count) return true;
  }
  return false;
}

uint64_t offset_of(const struct setup *setup, unsigned thread, uint32_t block) {
  return ((uint64_t)thread * setup->blocks + block) * BLOCK_BYTES;
}

// Eight bytes of a sector: the first name the generation, all others follow from everything.
static uint64_t word(
    const struct setup *setup, unsigned thread, uint32_t block, unsigned sector, uint32_t generation, unsigned index) {
  if (index == 0) return ((uint64_t)generation << 32) | 0x6d61726c;
  uint64_t place = ((uint64_t)thread << 48) | ((uint64_t)block << 16) | (sector << 8) | index;
  return mix(setup->seed + mix(place) + ((uint64_t)generation << 20));
}

void fill(const struct setup *setup, void *memory, unsigned thread, struct extent extent, uint32_t generation) {
  uint64_t *next = memory;
  for (uint32_t block = extent.first; block < extent.first + extent.count; block++) {
    for (unsigned sector = 0; sector < SECTORS_PER_BLOCK; sector++) {
      for (unsigned i = 0; i < SECTOR_BYTES / 8; i++) *next++ = word(setup, thread, block, sector, generation, i);
    }
  }
}

int64_t sector_generation(
    const struct setup *setup, const void *sector, unsigned thread, uint32_t block, unsigned index) {
  uint64_t words[SECTOR_BYTES / 8];
  memcpy(words, sector, sizeof words);
  uint32_t generation = (uint32_t)(words[0] >> 32);
  bool zero = true, good = true;
  for (unsigned i = 0; i < SECTOR_BYTES / 8; i++) {
    zero = zero && words[i] == 0;
    good = good && words[i] == word(setup, thread, block, index, generation, i);
  }
  return zero ? ALL_ZERO : good ? (int64_t)generation : BROKEN;
}
