// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Files without a name: deleted while open, O_TMPFILE.

#include "check.h"

static int unlinked_file(void) {
  int fd = make_file("f", 0644);
  must(write(fd, "data", 4));
  must(unlink("f"));
  truth(!exists("f"));
  return fd;
}

static void stays_usable(void) {
  int fd = unlinked_file();
  same(fd_status(fd).st_nlink, 0);
  same(fd_status(fd).st_size, 4);
  expect_bytes(fd, 0, "data", 4);
  must(pwrite(fd, "more", 4, 4));
  expect_bytes(fd, 0, "datamore", 8);
  must(fsync(fd));
}

static void changes_attributes(void) {
  int fd = unlinked_file();
  must(ftruncate(fd, 2));
  same(fd_status(fd).st_size, 2);
  must(ftruncate(fd, 10000));
  expect_zeros(fd, 2, 9998);
  must(fchmod(fd, 0600));
  same(fd_status(fd).st_mode & 07777, 0600);
  struct timespec times[2] = {{1111, 5}, {2222, 6}};
  must(futimens(fd, times));
  same(fd_status(fd).st_mtim.tv_sec, 2222);
  same(fd_status(fd).st_mtim.tv_nsec, 6);
  if (geteuid() == 0) {
    must(fchown(fd, other_user, other_group));
    same(fd_status(fd).st_uid, other_user);
    same(fd_status(fd).st_gid, other_group);
  }
}

static void name_is_free(void) {
  int fd = unlinked_file();
  write_text("f", "another");
  expect_bytes(fd, 0, "data", 4);
  expect_text("f", "another");
  truth(fd_status(fd).st_ino != status("f").st_ino);
}

static void one_of_two_names(void) {
  write_text("a", "x");
  must(link("a", "b"));
  int fd = (int)must(open("a", O_RDWR));
  must(unlink("a"));
  same(fd_status(fd).st_nlink, 1);
  must(write(fd, "y", 1));
  expect_text("b", "y");
}

static void mapped_and_unlinked(void) {
  int fd = unlinked_file();
  char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED && errno == ENODEV) skip("no shared mappings here");
  truth(memory != MAP_FAILED);
  memory[0] = 'D';
  must(close(fd));
  truth(memcmp(memory, "Data", 4) == 0);
}

static void unlink_keeps_others_reading(void *argument) {
  expect_bytes(*(int *)argument, 0, "data", 4);
}

static void inherited_by_child(void) {
  int fd = unlinked_file();
  in_child(unlink_keeps_others_reading, &fd);
}

static void opens_through_proc(void) {
  // What a shell's here-document does on older systems.
  int fd = unlinked_file();
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int again = (int)must(open(path, O_RDONLY));
  expect_bytes(again, 0, "data", 4);
}

static int temporary_file(mode_t mode, int flags) {
  int fd = open(".", O_TMPFILE | O_RDWR | flags, mode);
  // EISDIR is the kernel's word for a file system without it.
  if (fd == -1 && (errno == EOPNOTSUPP || errno == EISDIR)) skip("no O_TMPFILE here");
  return (int)must(fd);
}

static void temporary(void) {
  int fd = temporary_file(0640, 0);
  truth(S_ISREG(fd_status(fd).st_mode));
  same(fd_status(fd).st_nlink, 0);
  same(fd_status(fd).st_mode & 07777, 0640);
  must(write(fd, "temp", 4));
  expect_bytes(fd, 0, "temp", 4);
  DIR *dir = opendir(".");
  int entries = 0;
  while (readdir(dir) != NULL) entries++;
  same(entries, 2);
}

static void temporary_gets_a_name(void) {
  int fd = temporary_file(0644, 0);
  must(write(fd, "temp", 4));
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  must(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
  same(fd_status(fd).st_nlink, 1);
  expect_text("named", "temp");
}

static void temporary_exclusive_gets_none(void) {
  int fd = temporary_file(0644, O_EXCL);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  refuses(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
}

const struct check unlinked_checks[] = {
    {"an open file outlives its name", stays_usable},
    {"size, mode, times and owner change without a name", changes_attributes},
    {"the name is free at once", name_is_free},
    {"deleting one of two names keeps the other", one_of_two_names},
    {"a mapping outlives name and descriptor", mapped_and_unlinked},
    {"a child inherits the deleted file", inherited_by_child},
    {"a deleted file opens through /proc", opens_through_proc},
    {"O_TMPFILE makes a file without a name", temporary},
    {"linkat gives an O_TMPFILE its name", temporary_gets_a_name},
    {"O_TMPFILE with O_EXCL never gets a name", temporary_exclusive_gets_none},
    {0},
};
