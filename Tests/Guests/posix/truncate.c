// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Changing a file's length.

#include "check.h"

static void shrinks(void) {
  write_text("f", "0123456789");
  must(truncate("f", 4));
  expect_text("f", "0123");
  int fd = (int)must(open("f", O_RDWR));
  must(ftruncate(fd, 2));
  same(fd_status(fd).st_size, 2);
  expect_text("f", "01");
  must(truncate("f", 0));
  same(status("f").st_size, 0);
}

static void grows_with_zeros(void) {
  write_text("f", "abc");
  must(truncate("f", 100000));
  int fd = (int)must(open("f", O_RDWR));
  same(fd_status(fd).st_size, 100000);
  expect_bytes(fd, 0, "abc", 3);
  expect_zeros(fd, 3, 99997);
}

static void shrunk_data_does_not_return(void) {
  char data[10000];
  memset(data, 'x', sizeof data);
  write_file("f", data, sizeof data);
  int fd = (int)must(open("f", O_RDWR));
  must(ftruncate(fd, 5000));
  must(ftruncate(fd, 10000));
  expect_bytes(fd, 0, data, 5000);
  expect_zeros(fd, 5000, 5000);
  must(ftruncate(fd, 4096));
  must(pwrite(fd, "y", 1, 9000));
  expect_zeros(fd, 4096, 9000 - 4096);
}

static void position_stays(void) {
  int fd = make_file("f", 0644);
  must(write(fd, "0123456789", 10));
  must(ftruncate(fd, 3));
  same(must(lseek(fd, 0, SEEK_CUR)), 10);
  must(write(fd, "z", 1));
  same(fd_status(fd).st_size, 11);
  expect_zeros(fd, 3, 7);
}

static void shows_through_other_descriptor(void) {
  write_text("f", "0123456789");
  int other = (int)must(open("f", O_RDONLY));
  expect_bytes(other, 0, "0123456789", 10);
  must(truncate("f", 5));
  char buffer[16];
  same(must(pread(other, buffer, sizeof buffer, 0)), 5);
  same(fd_status(other).st_size, 5);
}

static void errors(void) {
  must(mkdir("d", 0755));
  write_text("f", "x");
  refuses(EISDIR, truncate("d", 0));
  refuses(ENOENT, truncate("none", 0));
  refuses(ENOTDIR, truncate("f/x", 0));
  refuses(EINVAL, truncate("f", -1));
  int reading = (int)must(open("f", O_RDONLY));
  refuses(EINVAL, ftruncate(reading, 0));
  expect_text("f", "x");
}

static void same_length_updates_times(void) {
  write_text("f", "abc");
  struct timespec old[2] = {{1000, 0}, {1000, 0}};
  must(utimensat(AT_FDCWD, "f", old, 0));
  int fd = (int)must(open("f", O_RDWR));
  must(ftruncate(fd, 3));
  truth(status("f").st_mtime > 1000);
}

static void over_file_size_limit(void) {
  write_text("f", "x");
  if (truncate("f", INT64_MAX) == 0) skip("files may have any length here");
  truth(errno == EFBIG || errno == EINVAL);
  expect_text("f", "x");
}

const struct check truncate_checks[] = {
    {"truncate and ftruncate shrink", shrinks},
    {"growing fills with zeros", grows_with_zeros},
    {"shrunk data does not come back", shrunk_data_does_not_return},
    {"ftruncate leaves the position", position_stays},
    {"a truncation shows through another descriptor", shows_through_other_descriptor},
    {"wrong files and lengths are refused", errors},
    {"truncating to the same length updates the modification time", same_length_updates_times},
    {"a length over every limit is refused", over_file_size_limit},
    {0},
};
