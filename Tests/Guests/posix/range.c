// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Ranges of a file: fallocate in its modes, copy_file_range, holes.

#include "check.h"

#include <linux/falloc.h>

enum { block = 4096, blocks = 16 };

static int patterned_file(char *data) {
  fill_random(data, block * blocks, 21);
  // No zero bytes: a hole must differ from data everywhere.
  for (int i = 0; i < block * blocks; i++) data[i] |= 1;
  int fd = make_file("f", 0644);
  write_fully(fd, data, block * blocks);
  return fd;
}

static void allocate(int fd, int mode, off_t offset, off_t size) {
  int result = fallocate(fd, mode, offset, size);
  skip_if_unsupported(result, "fallocate of this mode");
  must(result);
}

static void plain_extends(void) {
  int fd = make_file("f", 0644);
  must(write(fd, "abc", 3));
  allocate(fd, 0, 0, 100000);
  same(fd_status(fd).st_size, 100000);
  expect_bytes(fd, 0, "abc", 3);
  expect_zeros(fd, 3, 99997);
  truth(fd_status(fd).st_blocks * 512 >= 100000);
  allocate(fd, 0, 0, 10);
  same(fd_status(fd).st_size, 100000);
}

static void keep_size(void) {
  int fd = make_file("f", 0644);
  must(write(fd, "abc", 3));
  allocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100000);
  same(fd_status(fd).st_size, 3);
  expect_text("f", "abc");
}

static void punch_hole(void) {
  static char data[block * blocks];
  int fd = patterned_file(data);
  allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * block, 4 * block);
  same(fd_status(fd).st_size, block * blocks);
  expect_bytes(fd, 0, data, 4 * block);
  expect_zeros(fd, 4 * block, 4 * block);
  expect_bytes(fd, 8 * block, data + 8 * block, 8 * block);
  // Not on block borders: the borders' blocks are zeroed in part.
  allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 50);
  expect_bytes(fd, 0, data, 100);
  expect_zeros(fd, 100, 50);
  expect_bytes(fd, 150, data + 150, 1000);
}

static void punch_needs_keep_size(void) {
  int fd = make_file("f", 0644);
  must(write(fd, "abc", 3));
  truth(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1) == -1);
  truth(errno == EOPNOTSUPP || errno == EINVAL);
  expect_text("f", "abc");
}

static void zero_range(void) {
  static char data[block * blocks];
  int fd = patterned_file(data);
  allocate(fd, FALLOC_FL_ZERO_RANGE, 2 * block + 7, 3 * block);
  expect_bytes(fd, 0, data, 2 * block + 7);
  expect_zeros(fd, 2 * block + 7, 3 * block);
  expect_bytes(fd, 5 * block + 7, data + 5 * block + 7, block);
  same(fd_status(fd).st_size, block * blocks);
  allocate(fd, FALLOC_FL_ZERO_RANGE, (blocks - 1) * block, 2 * block);
  same(fd_status(fd).st_size, block * (blocks + 1));
  expect_zeros(fd, (blocks - 1) * block, 2 * block);
}

static void bad_ranges(void) {
  int fd = make_file("f", 0644);
  allocate(fd, 0, 0, 1);
  refuses(EINVAL, fallocate(fd, 0, 0, 0));
  refuses(EINVAL, fallocate(fd, 0, -1, 10));
  int reading = (int)must(open("f", O_RDONLY));
  refuses(EBADF, fallocate(reading, 0, 0, 10));
}

static int sparse_file(void) {
  // Data in [0,4k) and [1M,1M+4k), the rest of 2 MiB a hole.
  int fd = make_file("f", 0644);
  char data[block];
  memset(data, 'd', sizeof data);
  must(pwrite(fd, data, block, 0));
  must(pwrite(fd, data, block, 1 << 20));
  must(ftruncate(fd, 2 << 20));
  must(fsync(fd));
  return fd;
}

static void seeks_holes(void) {
  int fd = sparse_file();
  off_t hole = must(lseek(fd, 0, SEEK_HOLE));
  if (hole == 2 << 20) skip("holes are not told apart here");
  truth(hole >= block && hole <= 1 << 20);
  off_t data = must(lseek(fd, hole, SEEK_DATA));
  truth(data > hole && data <= 1 << 20);
  hole = must(lseek(fd, 1 << 20, SEEK_HOLE));
  truth(hole >= (1 << 20) + block && hole < 2 << 20);
  same(must(lseek(fd, 1 << 20, SEEK_DATA)), 1 << 20);
}

static void seeks_at_the_end(void) {
  int fd = sparse_file();
  refuses(ENXIO, lseek(fd, 2 << 20, SEEK_HOLE));
  refuses(ENXIO, lseek(fd, 2 << 20, SEEK_DATA));
  off_t last = lseek(fd, (2 << 20) - 1, SEEK_DATA);
  truth(last == (2 << 20) - 1 || (last == -1 && errno == ENXIO));
}

static void copies_a_whole_file(void) {
  static char data[block * blocks];
  int from = patterned_file(data), to = make_file("g", 0644);
  off_t in = 0, out = 0;
  while (in < (off_t)sizeof data) {
    ssize_t n = copy_file_range(from, &in, to, &out, sizeof data - (size_t)in, 0);
    skip_if_unsupported(n, "copy_file_range");
    truth(must(n) > 0);
  }
  same(in, sizeof data);
  same(out, sizeof data);
  same(fd_status(to).st_size, sizeof data);
  expect_bytes(to, 0, data, sizeof data);
  same(must(copy_file_range(from, &in, to, &out, 100, 0)), 0);
}

static void copies_a_middle(void) {
  static char data[block * blocks];
  int from = patterned_file(data), to = make_file("g", 0644);
  off_t in = 1234, out = 777;
  ssize_t n = copy_file_range(from, &in, to, &out, 5000, 0);
  skip_if_unsupported(n, "copy_file_range");
  same(n, 5000);
  same(in, 6234);
  expect_zeros(to, 0, 777);
  expect_bytes(to, 777, data + 1234, 5000);
  same(fd_status(to).st_size, 5777);
  // By the descriptors' own positions.
  must(lseek(from, 10, SEEK_SET));
  must(lseek(to, 0, SEEK_SET));
  same(must(copy_file_range(from, NULL, to, NULL, 20, 0)), 20);
  same(must(lseek(from, 0, SEEK_CUR)), 30);
  expect_bytes(to, 0, data + 10, 20);
}

static void copies_unwritten_cache(void) {
  // What is still in the page cache on either side must take part in the copy.
  int from = make_file("f", 0644), to = make_file("g", 0644);
  must(write(to, "BBBBBBBBBB", 10));
  for (int i = 0; i < 20; i++) {
    char text[16];
    snprintf(text, sizeof text, "%09d", i);
    must(pwrite(from, text, 9, 0));
    off_t in = 0, out = 0;
    ssize_t n = copy_file_range(from, &in, to, &out, 9, 0);
    skip_if_unsupported(n, "copy_file_range");
    same(n, 9);
    expect_bytes(to, 0, text, 9);
    expect_bytes(to, 9, "B", 1);
  }
}

static void copy_errors(void) {
  int fd = make_file("f", 0644);
  must(write(fd, "0123456789", 10));
  off_t in = 0, out = 5;
  ssize_t n = copy_file_range(fd, &in, fd, &out, 10, 0);
  skip_if_unsupported(n, "copy_file_range");
  refuses(EINVAL, n);
  int reading = (int)must(open("f", O_RDONLY));
  refuses(EBADF, copy_file_range(fd, NULL, reading, NULL, 1, 0));
}

const struct check range_checks[] = {
    {"fallocate extends with zeros", plain_extends},
    {"fallocate KEEP_SIZE keeps the size", keep_size},
    {"fallocate PUNCH_HOLE zeroes just its range", punch_hole},
    {"fallocate PUNCH_HOLE without KEEP_SIZE is refused", punch_needs_keep_size},
    {"fallocate ZERO_RANGE zeroes and extends", zero_range},
    {"fallocate refuses bad ranges and read-only descriptors", bad_ranges},
    {"SEEK_HOLE and SEEK_DATA find a sparse file's parts", seeks_holes},
    {"SEEK_HOLE and SEEK_DATA at the end are ENXIO", seeks_at_the_end},
    {"copy_file_range copies a file and stops at its end", copies_a_whole_file},
    {"copy_file_range copies a middle to an offset", copies_a_middle},
    {"copy_file_range takes what was just written", copies_unwritten_cache},
    {"copy_file_range refuses overlap and read-only targets", copy_errors},
    {0},
};
