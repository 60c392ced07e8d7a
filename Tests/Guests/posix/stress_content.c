// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What is written where, so that whatever is read later says whether it is right.

#include "stress.h"

struct header {
  uint64_t mark;
  uint32_t slot, block, write, zero;
};

#define BLOCK_MARK 0x4b434f4c4254524dull

void make_block(uint32_t slot, uint32_t block, uint32_t write, void *out) {
  struct header header = {BLOCK_MARK, slot, block, write, 0};
  fill_random(out, block_size, hash_bytes(HASH_START, &header, sizeof header));
  memcpy(out, &header, sizeof header);
}

uint32_t slot_of(const void *first_block) {
  struct header header;
  memcpy(&header, first_block, sizeof header);
  if (header.mark != BLOCK_MARK || header.slot >= shared->slot_count)
    fail("the first block is none of ours: mark %016llx, file %u", (unsigned long long)header.mark, header.slot);
  return header.slot;
}

bool is_born(int fd) { return fd_status(fd).st_size > 0; }

uint32_t read_slot(int fd) {
  char first[block_size];
  same(must(pread(fd, first, sizeof first, 0)), block_size);
  return slot_of(first);
}

void expect_content(int fd, uint32_t slot) {
  static char seen[most_blocks * block_size + 1];
  const struct slot *known = &shared->slots[slot];
  long size = (long)known->blocks * block_size, got = 0;
  long long told = fd_status(fd).st_size;
  if (told != size) fail("file %u is %lld bytes long and not %ld", slot, told, size);
  // One byte more than there may be.
  for (long n = 1; n > 0; got += n) n = must(pread(fd, seen + got, sizeof seen - (size_t)got, got));
  if (got != size) fail("file %u gave %ld bytes and not %ld", slot, got, size);
  for (uint32_t block = 0; block < known->blocks; block++) {
    char wanted[block_size] = {0};
    const char *here = seen + block * block_size;
    if (known->writes[block] != 0) make_block(slot, block, known->writes[block], wanted);
    if (memcmp(here, wanted, block_size) == 0) continue;
    struct header header;
    memcpy(&header, here, sizeof header);
    if (header.mark == BLOCK_MARK)
      fail("block %u of file %u holds block %u of file %u by write %u, not by write %u", block, slot, header.block,
           header.slot, header.write, known->writes[block]);
    fail("block %u of file %u is not what write %u left; it starts with %016llx", block, slot, known->writes[block],
         (unsigned long long)header.mark);
  }
}

size_t make_value(const char *name, uint32_t number, char *out) {
  size_t size = 16 + number % (most_value - 16);
  int start = snprintf(out, most_value, "%s %08x ", name, number);
  uint64_t seed = hash_bytes(HASH_START, out, (size_t)start);
  if (size < (size_t)start) size = (size_t)start;
  fill_random(out + start, size - (size_t)start, seed);
  return size;
}

void expect_value(const char *name, const char *value, size_t size) {
  char wanted[most_value], head[64] = {0};
  memcpy(head, value, size < sizeof head - 1 ? size : sizeof head - 1);
  const char *word = strchr(head, ' ');
  uint32_t number = word == NULL ? 0 : (uint32_t)strtoul(word, NULL, 16);
  size_t right = make_value(name, number, wanted);
  if (right != size || memcmp(value, wanted, size) != 0)
    fail("the attribute %s has a value of %zu bytes that nobody set", name, size);
}

void make_target(uint64_t seed, uint32_t number, char *out, size_t size) {
  uint64_t words[2] = {seed, number};
  snprintf(out, size, "nowhere/%08x-%016llx", number,
           (unsigned long long)hash_bytes(HASH_START, words, sizeof words));
  // Long ones too: what fits into an inode is kept elsewhere than what does not.
  size_t length = strlen(out), wanted = length + number % 150;
  while (length < wanted && length < size - 1) out[length++] = 'x';
  out[length] = 0;
}

void expect_target(const char *path, const char *target, size_t size) {
  const char *dash = memchr(target, '-', size);
  if (strncmp(target, "nowhere/", 8) != 0 || dash == NULL || strlen(target) != size)
    fail("the symlink %s leads to %s", path, target);
  size_t length = 8 + 8 + 1 + 16 + strtoul(target + 8, NULL, 16) % 150;
  if (size != length) fail("the symlink %s has a target of %zu bytes and not %zu", path, size, length);
}
