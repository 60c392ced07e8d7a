// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Copies of pixels from guest memory.

#include <string.h>

#include "clinux_memory.h"

#if defined(__x86_64__)

enum { step = 128 };

typedef long long wide __attribute__((vector_size(32), aligned(1)));

// Four loads before four stores, so that a load never waits for a store to an address that only looks the same.
__attribute__((target("avx2"))) static size_t copy_steps(char *to, const char *from, size_t count) {
  size_t done = 0;
  for (; count - done >= step; done += step) {
    const wide *source = (const wide *)(from + done);
    wide *target = (wide *)(to + done);
    wide a = source[0], b = source[1], c = source[2], d = source[3];
    target[0] = a;
    target[1] = b;
    target[2] = c;
    target[3] = d;
  }
  return done;
}

void clinux_copy_wide(void *to, const void *from, size_t count) {
  size_t done = count >= step && __builtin_cpu_supports("avx2") ? copy_steps(to, from, count) : 0;
  memcpy((char *)to + done, (const char *)from + done, count - done);
}

#else

void clinux_copy_wide(void *to, const void *from, size_t count) {
  memcpy(to, from, count);
}

#endif
