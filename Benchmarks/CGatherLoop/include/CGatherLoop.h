// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The yardstick of `martlet bench display`: pages that lie scattered in a file of memory, put together into one picture
// as plain C would do it. Only the bench uses it, one at a time.
#ifndef CGATHERLOOP_H
#define CGATHERLOOP_H

#include <stddef.h>
#include <stdint.h>

// Maps `page_count` pages of a file of memory and touches them in an order that `seed` shuffles.
// 0, or a negative errno.
int gather_loop_open(int file, size_t page_count, uint64_t seed);

// Copies all pages in that order into the picture. A byte of it, so that nothing is optimised away.
uint8_t gather_loop_copy(void);

void gather_loop_close(void);

#endif
