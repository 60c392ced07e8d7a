// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// O_APPEND: the position is the end of the file at each write, whoever else writes.

#include "check.h"

static int open_append(const char *path) {
  return (int)must(open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644));
}

static void goes_to_the_end(void) {
  write_text("f", "head");
  int fd = open_append("f");
  must(write(fd, "-a", 2));
  must(lseek(fd, 0, SEEK_SET));
  must(write(fd, "-b", 2));
  expect_text("f", "head-a-b");
}

static void two_descriptors_alternate(void) {
  int a = open_append("f"), b = open_append("f");
  must(write(a, "1", 1));
  must(write(b, "2", 1));
  must(write(a, "3", 1));
  must(write(b, "4", 1));
  expect_text("f", "1234");
}

static void follows_a_plain_writer(void) {
  int plain = make_file("f", 0644), appending = open_append("f");
  must(write(plain, "0123", 4));
  must(write(appending, "end", 3));
  must(pwrite(plain, "AB", 2, 0));
  must(ftruncate(plain, 6));
  must(write(appending, "!", 1));
  expect_text("f", "AB23en!");
}

static void pwrite_appends(void) {
  // Linux appends here, against POSIX; programs know it (pwrite(2), BUGS).
  write_text("f", "abc");
  int fd = open_append("f");
  must(pwrite(fd, "d", 1, 0));
  expect_text("f", "abcd");
}

static void flag_can_be_set_later(void) {
  write_text("f", "abc");
  int fd = (int)must(open("f", O_RDWR));
  must(fcntl(fd, F_SETFL, O_APPEND));
  must(write(fd, "d", 1));
  must(fcntl(fd, F_SETFL, 0));
  must(pwrite(fd, "X", 1, 0));
  expect_text("f", "Xbcd");
}

enum { writers = 4, records = 200, record_size = 64 };

static void append_records(void *argument) {
  int letter = *(int *)argument;
  char record[record_size];
  int fd = open_append("f");
  for (int i = 0; i < records; i++) {
    memset(record, letter, sizeof record);
    record[sizeof record - 1] = '\n';
    same(must(write(fd, record, sizeof record)), sizeof record);
  }
}

static void four_processes(void) {
  make_file("f", 0644);
  pid_t children[writers];
  int letters[writers];
  for (int i = 0; i < writers; i++) {
    letters[i] = 'a' + i;
    children[i] = start_child(append_records, &letters[i]);
  }
  for (int i = 0; i < writers; i++) join_child(children[i]);

  static char data[writers * records * record_size + 1];
  int fd = (int)must(open("f", O_RDONLY));
  same(fd_status(fd).st_size, sizeof data - 1);
  same(must(read(fd, data, sizeof data)), sizeof data - 1);
  int seen[writers] = {0};
  for (int i = 0; i < writers * records; i++) {
    const char *record = data + i * record_size;
    truth(record[0] >= 'a' && record[0] < 'a' + writers && record[record_size - 1] == '\n');
    for (int j = 1; j < record_size - 1; j++) truth(record[j] == record[0]);
    seen[record[0] - 'a']++;
  }
  for (int i = 0; i < writers; i++) same(seen[i], records);
}

const struct check append_checks[] = {
    {"O_APPEND writes at the end wherever the position is", goes_to_the_end},
    {"two appending descriptors alternate without loss", two_descriptors_alternate},
    {"appending follows another descriptor's writes and truncation", follows_a_plain_writer},
    {"pwrite on an appending descriptor appends, as on Linux", pwrite_appends},
    {"F_SETFL turns appending on and off", flag_can_be_set_later},
    {"records of four appending processes stay whole", four_processes},
    {0},
};
