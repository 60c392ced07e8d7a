// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The pages are copied by a loop over 128 bytes a step and not by memcpy: the C library's one is a string instruction
// for pages on many processors, and several times slower where source and target lie badly to each other.

#include "CGatherLoop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, STEP = 128 };

typedef uint64_t lane __attribute__((vector_size(32)));

static struct {
  uint8_t *memory;
  uint8_t *picture;
  uint32_t *order;
  size_t count;
} loop;

#define COPY_PAGES                                                        \
  for (size_t i = 0; i < loop.count; i++) {                               \
    const lane *from = (const lane *)(loop.memory + (size_t)loop.order[i] * PAGE); \
    lane *to = (lane *)(loop.picture + i * PAGE);                         \
    for (size_t j = 0; j < PAGE / sizeof(lane); j += STEP / sizeof(lane)) { \
      lane a = from[j], b = from[j + 1], c = from[j + 2], d = from[j + 3]; \
      to[j] = a;                                                          \
      to[j + 1] = b;                                                      \
      to[j + 2] = c;                                                      \
      to[j + 3] = d;                                                      \
    }                                                                     \
  }

#if defined(__x86_64__)
__attribute__((target("avx2"), noinline)) static void copy_wide(void) {
  COPY_PAGES
}
#endif

__attribute__((noinline)) static void copy_plain(void) {
  COPY_PAGES
}

// SplitMix64.
static uint64_t next(uint64_t *state) {
  uint64_t value = *state += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

static void *map(size_t size, int flags, int file) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, file, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

int gather_loop_open(int file, size_t page_count, uint64_t seed) {
  gather_loop_close();
  loop.count = page_count;
  loop.memory = map(page_count * PAGE, MAP_SHARED, file);
  loop.picture = map(page_count * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  loop.order = malloc(page_count * sizeof *loop.order);
  if (loop.memory == NULL || loop.picture == NULL || loop.order == NULL) {
    int error = errno;
    gather_loop_close();
    return -error;
  }
  for (size_t i = 0; i < page_count; i++) loop.order[i] = (uint32_t)i;
  for (size_t i = page_count; i > 1; i--) {
    size_t j = (size_t)(next(&seed) % i);
    uint32_t other = loop.order[i - 1];
    loop.order[i - 1] = loop.order[j];
    loop.order[j] = other;
  }
  // In that order, as the guest of the bench does: neighbours of the file are none of the machine's memory then.
  for (size_t i = 0; i < page_count; i++) memset(loop.memory + (size_t)loop.order[i] * PAGE, (int)i, PAGE);
  return 0;
}

uint8_t gather_loop_copy(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    copy_wide();
    return loop.picture[0];
  }
#endif
  copy_plain();
  return loop.picture[0];
}

void gather_loop_close(void) {
  if (loop.memory != NULL) munmap(loop.memory, loop.count * PAGE);
  if (loop.picture != NULL) munmap(loop.picture, loop.count * PAGE);
  free(loop.order);
  memset(&loop, 0, sizeof loop);
}
