// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Takes chains of a split ring (VIRTIO 1.3 section 2.7), reads a 16-byte header, writes a status byte and gives the
// chain back: what room Virtio does, with the same checks, without its abstractions. EVENT_IDX and indirect
// descriptors are taken as negotiated.

#include "CRingLoop.h"

#include <string.h>

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };

static inline uint16_t load_acquire(const uint8_t *address) {
  return __atomic_load_n((const uint16_t *)address, __ATOMIC_ACQUIRE);
}

static uint8_t *translate(const struct ring_loop *loop, uint64_t guest, uint64_t length) {
  for (uint32_t i = 0; i < loop->region_count; i++) {
    const struct ring_region *region = &loop->regions[i];
    uint64_t offset = guest - region->guest;
    if (offset < region->size && length <= region->size - offset) return region->host + offset;
  }
  return NULL;
}

__attribute__((noinline)) int ring_loop_pop(struct ring_loop *loop, struct ring_chain *chain) {
  if (loop->next_available == loop->seen_available) {
    loop->seen_available = load_acquire(loop->available + 2);
    if (loop->next_available == loop->seen_available) return 0;
    if ((uint16_t)(loop->seen_available - loop->next_available) > loop->size) return -1;
  }
  uint16_t slot = loop->next_available & (loop->size - 1);
  uint16_t head;
  memcpy(&head, loop->available + 4 + 2 * (size_t)slot, 2);
  if (head >= loop->size) return -1;
  loop->next_available++;

  chain->head = head;
  chain->readable = 0;
  chain->writable = 0;
  const uint8_t *table = loop->descriptors;
  uint32_t table_size = loop->size;
  uint32_t index = head;
  uint32_t budget = table_size;
  bool in_indirect = false;
  for (;;) {
    if (budget-- == 0) return -1;
    uint64_t address, rest;
    memcpy(&address, table + 16 * (size_t)index, 8);
    memcpy(&rest, table + 16 * (size_t)index + 8, 8);
    uint32_t length = (uint32_t)rest;
    uint16_t flags = (uint16_t)(rest >> 32);
    if (flags & DESC_INDIRECT) {
      if (in_indirect || (flags & DESC_NEXT)) return -1;
      if (length % 16 != 0 || length == 0 || length / 16 > 32768) return -1;
      table = translate(loop, address, length);
      if (table == NULL || (uintptr_t)table % 8 != 0) return -1;
      table_size = length / 16;
      budget = table_size;
      index = 0;
      in_indirect = true;
      continue;
    }
    if (length != 0) {
      uint8_t *base = translate(loop, address, length);
      if (base == NULL) return -1;
      uint32_t count = chain->readable + chain->writable;
      if (count == chain->capacity) return -1;
      chain->segments[count] = (struct ring_segment){base, length};
      if (flags & DESC_WRITE) {
        chain->writable++;
      } else {
        if (chain->writable != 0) return -1;
        chain->readable++;
      }
    }
    if (!(flags & DESC_NEXT)) return 1;
    index = (uint32_t)(rest >> 48);
    if (index >= table_size) return -1;
  }
}

static inline void put(struct ring_loop *loop, uint16_t head, uint32_t written) {
  uint8_t *element = loop->used + 4 + 8 * (size_t)(loop->next_used & (loop->size - 1));
  uint32_t id = head;
  memcpy(element, &id, 4);
  memcpy(element + 4, &written, 4);
  loop->next_used++;
}

// One release store, one full fence and one EVENT_IDX decision for the whole batch.
static void flush(struct ring_loop *loop) {
  if (loop->next_used == loop->published_used) return;
  __atomic_store_n((uint16_t *)(loop->used + 2), loop->next_used, __ATOMIC_RELEASE);
  loop->published_used = loop->next_used;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  uint16_t event = __atomic_load_n((const uint16_t *)(loop->available + 4 + 2 * (size_t)loop->size), __ATOMIC_RELAXED);
  uint16_t old = loop->signalled_used;
  loop->signalled_used = loop->published_used;
  if ((uint16_t)(loop->published_used - event - 1) < (uint16_t)(loop->published_used - old)) loop->calls++;
}

__attribute__((noinline)) long ring_loop_turn(struct ring_loop *loop, struct ring_chain *chain) {
  long served = 0;
  int result;
  while ((result = ring_loop_pop(loop, chain)) == 1) {
    uint32_t count = chain->readable + chain->writable;
    if (count == 0 || chain->writable == 0 || chain->segments[0].count < 16) return -1;
    uint64_t header[2];
    memcpy(header, chain->segments[0].base, 16);
    loop->checksum += header[0] ^ header[1];
    struct ring_segment last = chain->segments[count - 1];
    if (last.count == 0) return -1;
    last.base[last.count - 1] = 0;
    put(loop, chain->head, 1);
    if ((uint16_t)(loop->next_used - loop->published_used) >= loop->batch_limit) flush(loop);
    served++;
  }
  flush(loop);
  return result < 0 ? -1 : served;
}
