// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory that others can take away: a file's pages vanish when somebody truncates the file, and touching them is a
// SIGBUS. Same conventions as clinux.h: the call's result or a negative errno.
#ifndef CLINUX_MEMORY_H
#define CLINUX_MEMORY_H

#include <stddef.h>
#include <stdint.h>

// Private zeroes that cost nothing before they are written to, in small pages.
void *clinux_map_zeroes(size_t size, int *error);

// memcpy(3) for pages of pixels: by a loop over 128 bytes a step where the processor has vectors of 32 bytes. The C
// library's own is a string instruction for such lengths on many processors, which takes up to five times as long
// where target and source lie badly to each other within their pages.
void clinux_copy_wide(void *to, const void *from, size_t count);

// Has the processor fetch what is at an address, and above all its translation, while it does something else: no
// prefetcher of its own crosses from one page to another that lies elsewhere.
static inline void clinux_prefetch(const void *address) { __builtin_prefetch(address); }

// From now on a SIGBUS inside of [start, start + size) does not end the process: a page of zeroes takes the place of
// the one that is gone, `*lost` becomes 1 and the eventfd `event` is signalled. `page` is the size of the mapping's
// pages. `lost` and `event` must stay valid until the range is given up. Returns the number to give it up with.
int clinux_guard(void *start, size_t size, size_t page, uint32_t *lost, int event);
// Before the range is unmapped.
void clinux_unguard(int number);

#endif
