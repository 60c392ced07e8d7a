// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the processes of a stress run share, and what a file says about itself.
//
// A file is a row of blocks, each made from the file's number, its place and the number of the write that left it. The
// table knows which write was the last one everywhere; it is changed only under the file's exclusive flock(2), so
// whoever holds a lock can tell exactly what the file must hold. The first block is always there once a file has been
// born; an empty file is one whose maker lost the race for its lock.

#ifndef POSIXCHECK_STRESS_H
#define POSIXCHECK_STRESS_H

#include "check.h"

#include <stdatomic.h>

enum { block_size = 512, most_blocks = 64 };

struct slot {
  uint32_t blocks;
  // By block: the write that left it; 0 is a hole.
  uint32_t writes[most_blocks];
};

struct shared {
  _Atomic uint32_t next_slot;
  // The first process that fails speaks.
  atomic_bool reported;
  atomic_ulong done, refused;
  uint32_t slot_count;
  struct slot slots[];
};

extern struct shared *shared;

void make_block(uint32_t slot, uint32_t block, uint32_t write, void *out);
// Number of the file that has this first block; fails if it is none.
uint32_t slot_of(const void *first_block);
// Whoever calls these holds a lock on the file.
bool is_born(int fd);
uint32_t read_slot(int fd);
void expect_content(int fd, uint32_t slot);

// An attribute's value tells its name and is longer or shorter with the number.
size_t make_value(const char *name, uint32_t number, char *out);
void expect_value(const char *name, const char *value, size_t size);
enum { most_value = 600 };

// A symlink's target says that it is one of ours.
void make_target(uint64_t seed, uint32_t number, char *out, size_t size);
void expect_target(const char *path, const char *target, size_t size);

// Looks at the whole tree when nobody works in it any more; gives the number of entries.
long verify_tree(int base);

#endif
