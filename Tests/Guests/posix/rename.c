// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// rename(2) and renameat2(2).

#include "check.h"

#ifndef RENAME_WHITEOUT
#define RENAME_WHITEOUT (1 << 2)
#endif

static int rename_with(const char *from, const char *to, unsigned flags) {
  int result = renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
  // ext4, xfs, btrfs and tmpfs have all three flags; EINVAL is how others say no.
  if (result == -1 && errno == EINVAL) skip("renameat2 flag %u is not known here", flags);
  return result;
}

static void renames_file(void) {
  write_text("a", "text");
  ino_t inode = status("a").st_ino;
  must(rename("a", "b"));
  truth(!exists("a"));
  expect_text("b", "text");
  same(status("b").st_ino, inode);
  must(mkdir("d", 0755));
  must(rename("b", "d/c"));
  truth(!exists("b"));
  expect_text("d/c", "text");
}

static void replaces_file(void) {
  write_text("a", "new");
  write_text("b", "old");
  must(rename("a", "b"));
  truth(!exists("a"));
  expect_text("b", "new");
}

static void replaces_open_file(void) {
  write_text("a", "new");
  write_text("b", "old");
  int fd = (int)must(open("b", O_RDWR));
  must(rename("a", "b"));
  expect_text("b", "new");
  expect_bytes(fd, 0, "old", 3);
  must(pwrite(fd, "OLD", 3, 0));
  expect_bytes(fd, 0, "OLD", 3);
  same(fd_status(fd).st_nlink, 0);
  expect_text("b", "new");
}

static void follows_open_descriptor(void) {
  int fd = make_file("a", 0644);
  must(rename("a", "b"));
  must(write(fd, "later", 5));
  expect_text("b", "later");
  same(fd_status(fd).st_ino, status("b").st_ino);
}

static void replaces_empty_directory(void) {
  must(mkdir("a", 0755));
  write_text("a/f", "x");
  must(mkdir("b", 0755));
  must(rename("a", "b"));
  truth(!exists("a"));
  expect_text("b/f", "x");
}

static void refuses_full_directory(void) {
  must(mkdir("a", 0755));
  must(mkdir("b", 0755));
  write_text("b/f", "x");
  truth(rename("a", "b") == -1);
  truth(errno == ENOTEMPTY || errno == EEXIST);
  truth(exists("a") && exists("b/f"));
}

static void refuses_mixed_kinds(void) {
  write_text("f", "x");
  must(mkdir("d", 0755));
  refuses(EISDIR, rename("f", "d"));
  refuses(ENOTDIR, rename("d", "f"));
  refuses(ENOTDIR, rename("f", "g/"));
}

static void refuses_own_subtree(void) {
  must(mkdir("d", 0755));
  must(mkdir("d/e", 0755));
  refuses(EINVAL, rename("d", "d/e/f"));
  refuses(EINVAL, rename("d", "d/f"));
  truth(exists("d/e"));
}

static void same_file_is_no_change(void) {
  write_text("a", "x");
  must(link("a", "b"));
  must(rename("a", "b"));
  truth(exists("a") && exists("b"));
  must(rename("a", "a"));
  same(status("a").st_nlink, 2);
}

static void renames_link_itself(void) {
  must(symlink("target", "l"));
  must(rename("l", "m"));
  truth(!exists("l") && !exists("target"));
  truth(S_ISLNK(link_status("m").st_mode));
  write_text("f", "x");
  must(rename("f", "m"));
  truth(S_ISREG(link_status("m").st_mode));
}

static void moves_directory(void) {
  must(mkdir("a", 0755));
  must(mkdir("a/tree", 0755));
  must(mkdir("a/tree/leafs", 0755));
  write_text("a/tree/leafs/f", "deep");
  must(mkdir("b", 0755));
  must(rename("a/tree", "b/tree"));
  truth(!exists("a/tree"));
  expect_text("b/tree/leafs/f", "deep");
  same(status("b/tree/..").st_ino, status("b").st_ino);
  write_text("b/tree/leafs/g", "more");
  expect_text("b/tree/leafs/g", "more");
}

static void noreplace(void) {
  write_text("a", "a");
  write_text("b", "b");
  refuses(EEXIST, rename_with("a", "b", RENAME_NOREPLACE));
  expect_text("a", "a");
  expect_text("b", "b");
  must(rename_with("a", "c", RENAME_NOREPLACE));
  truth(!exists("a"));
  expect_text("c", "a");
}

static void exchanges_files(void) {
  write_text("a", "a");
  write_text("b", "b");
  must(rename_with("a", "b", RENAME_EXCHANGE));
  expect_text("a", "b");
  expect_text("b", "a");
  refuses(ENOENT, renameat2(AT_FDCWD, "a", AT_FDCWD, "none", RENAME_EXCHANGE));
}

static void exchanges_file_and_directory(void) {
  write_text("f", "file");
  must(mkdir("d", 0755));
  write_text("d/inner", "inner");
  must(rename_with("f", "d", RENAME_EXCHANGE));
  expect_text("d", "file");
  expect_text("f/inner", "inner");
}

static void exchange_across_directories(void) {
  must(mkdir("x", 0755));
  must(mkdir("y", 0755));
  must(mkdir("x/d", 0755));
  write_text("y/f", "file");
  must(rename_with("x/d", "y/f", RENAME_EXCHANGE));
  expect_text("x/d", "file");
  same(status("y/f/..").st_ino, status("y").st_ino);
}

static void leaves_whiteout(void) {
  needs_root();
  write_text("a", "text");
  must(rename_with("a", "b", RENAME_WHITEOUT));
  expect_text("b", "text");
  struct stat st = link_status("a");
  truth(S_ISCHR(st.st_mode));
  same(st.st_rdev, 0);
}

static void bad_flags(void) {
  write_text("a", "a");
  write_text("b", "b");
  refuses(EINVAL, renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE | RENAME_EXCHANGE));
  refuses(EINVAL, renameat2(AT_FDCWD, "a", AT_FDCWD, "b", 1 << 20));
}

static void many_times(void) {
  // Names that come and go quickly: an entry cached one rename too long shows here.
  write_text("a", "0");
  for (int i = 0; i < 200; i++) {
    must(rename(i % 2 == 0 ? "a" : "b", i % 2 == 0 ? "b" : "a"));
    truth(exists(i % 2 == 0 ? "b" : "a") && !exists(i % 2 == 0 ? "a" : "b"));
  }
  for (int i = 0; i < 100; i++) {
    char text[16];
    snprintf(text, sizeof text, "%d", i);
    write_text("new", text);
    must(rename("new", "current"));
    expect_text("current", text);
  }
}

static void change_time_moves(void) {
  write_text("a", "x");
  struct timespec before = status("a").st_ctim;
  usleep(30000);
  must(rename("a", "b"));
  struct timespec after = status("b").st_ctim;
  truth(after.tv_sec > before.tv_sec || (after.tv_sec == before.tv_sec && after.tv_nsec > before.tv_nsec));
}

const struct check rename_checks[] = {
    {"a file gets its new name, also in another directory", renames_file},
    {"an existing file is replaced", replaces_file},
    {"an open file is replaced and stays usable", replaces_open_file},
    {"a descriptor follows its renamed file", follows_open_descriptor},
    {"an empty directory is replaced by a directory", replaces_empty_directory},
    {"a non-empty directory is not replaced", refuses_full_directory},
    {"files and directories do not replace each other", refuses_mixed_kinds},
    {"a directory does not move into itself", refuses_own_subtree},
    {"two names of one file stay", same_file_is_no_change},
    {"a symbolic link is renamed itself", renames_link_itself},
    {"a directory moves with what it holds", moves_directory},
    {"NOREPLACE refuses an existing target", noreplace},
    {"EXCHANGE swaps two files", exchanges_files},
    {"EXCHANGE swaps a file and a directory", exchanges_file_and_directory},
    {"EXCHANGE works across directories", exchange_across_directories},
    {"WHITEOUT leaves a device 0,0", leaves_whiteout},
    {"impossible flags are EINVAL", bad_flags},
    {"hundreds of renames in a row are seen at once", many_times},
    {"the change time moves", change_time_moves},
    {0},
};
