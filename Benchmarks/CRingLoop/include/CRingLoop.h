// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The yardstick of bench-rings: the device side of a split ring as plain C would write it. Only the bench uses it.
#ifndef CRINGLOOP_H
#define CRINGLOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring_region {
  uint64_t guest;
  uint64_t size;
  uint8_t *host;
};

struct ring_segment {
  uint8_t *base;
  size_t count;
};

// A chain that was popped: `readable` segments, then `writable` ones.
struct ring_chain {
  struct ring_segment *segments;
  uint32_t capacity;
  uint32_t readable;
  uint32_t writable;
  uint16_t head;
};

struct ring_loop {
  const uint8_t *descriptors;
  const uint8_t *available;
  uint8_t *used;
  const struct ring_region *regions;
  uint32_t region_count;
  uint16_t size;
  uint16_t next_available;
  uint16_t seen_available;
  uint16_t next_used;
  uint16_t published_used;
  uint16_t signalled_used;
  uint16_t batch_limit;
  // Interrupts that the driver would have got.
  uint64_t calls;
  // Sum over what the requests said, so that nothing is optimised away.
  uint64_t checksum;
};

// 1: took a chain; 0: the ring is empty; -1: the driver broke the rules.
int ring_loop_pop(struct ring_loop *loop, struct ring_chain *chain);

// Serves chains until the ring is empty. The number served, or -1.
long ring_loop_turn(struct ring_loop *loop, struct ring_chain *chain);

#endif
