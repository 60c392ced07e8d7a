// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Hard and symbolic links.

#include "check.h"

static void second_name(void) {
  write_text("a", "x");
  must(link("a", "b"));
  same(status("a").st_nlink, 2);
  same(status("b").st_nlink, 2);
  same(status("a").st_ino, status("b").st_ino);
  write_text("b", "through b");
  expect_text("a", "through b");
  must(unlink("a"));
  same(status("b").st_nlink, 1);
  expect_text("b", "through b");
}

static void fifty_names(void) {
  write_text("f", "x");
  char name[16];
  for (int i = 0; i < 50; i++) {
    snprintf(name, sizeof name, "n%d", i);
    must(link("f", name));
    same(status("f").st_nlink, i + 2);
  }
  for (int i = 0; i < 50; i++) {
    snprintf(name, sizeof name, "n%d", i);
    same(status(name).st_nlink, 51 - i);
    must(unlink(name));
  }
  same(status("f").st_nlink, 1);
}

static void link_refusals(void) {
  write_text("a", "a");
  write_text("b", "b");
  must(mkdir("d", 0755));
  refuses(EEXIST, link("a", "b"));
  refuses(EPERM, link("d", "e"));
  refuses(ENOENT, link("none", "n"));
  refuses(ENOTDIR, link("a", "b/c"));
  same(status("a").st_nlink, 1);
}

static void link_to_symbolic_link(void) {
  must(symlink("target", "l"));
  must(link("l", "m"));
  truth(S_ISLNK(link_status("m").st_mode));
  same(link_status("m").st_ino, link_status("l").st_ino);
  write_text("target", "x");
  must(linkat(AT_FDCWD, "l", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW));
  truth(S_ISREG(link_status("followed").st_mode));
}

static void link_by_descriptor(void) {
  int fd = make_file("a", 0644);
  must(write(fd, "x", 1));
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  must(linkat(AT_FDCWD, path, AT_FDCWD, "b", AT_SYMLINK_FOLLOW));
  expect_text("b", "x");
  same(fd_status(fd).st_nlink, 2);
}

static void reads_link(void) {
  must(symlink("some/target", "l"));
  char target[64] = {0};
  same(must(readlink("l", target, sizeof target)), 11);
  truth(strcmp(target, "some/target") == 0);
  same(link_status("l").st_size, 11);
  truth(S_ISLNK(link_status("l").st_mode));
  char part[4] = {0};
  same(must(readlink("l", part, 4)), 4);
  truth(memcmp(part, "some", 4) == 0);
}

static void long_targets(void) {
  // Short ones live in the inode on many file systems, long ones in a block.
  const size_t sizes[] = {1, 59, 60, 61, 255, 1000, 4000, 4095};
  char target[PATH_MAX], seen[PATH_MAX], name[32];
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    memset(target, 't', sizeof target);
    target[sizes[i]] = 0;
    snprintf(name, sizeof name, "l%zu", sizes[i]);
    if (symlink(target, name) == -1) {
      // ext4 ends a block short of PATH_MAX.
      if (sizes[i] == 4095 && errno == ENAMETOOLONG) continue;
      fail("symlink of %zu bytes: %s", sizes[i], strerror(errno));
    }
    same(must(readlink(name, seen, sizeof seen)), sizes[i]);
    truth(memcmp(target, seen, sizes[i]) == 0);
    same(link_status(name).st_size, sizes[i]);
  }
}

static void dangling(void) {
  must(symlink("nowhere", "l"));
  struct stat st;
  refuses(ENOENT, stat("l", &st));
  must(lstat("l", &st));
  refuses(ENOENT, chmod("l", 0644));
  must(unlink("l"));
}

static void symlink_refusals(void) {
  write_text("f", "x");
  refuses(EEXIST, symlink("x", "f"));
  refuses(ENOENT, symlink("", "l"));
  char target[PATH_MAX + 1];
  memset(target, 't', sizeof target);
  target[PATH_MAX] = 0;
  refuses(ENAMETOOLONG, symlink(target, "l"));
  char buffer[8];
  refuses(EINVAL, readlink("f", buffer, sizeof buffer));
  refuses(ENOENT, readlink("none", buffer, sizeof buffer));
}

static void links_are_followed(void) {
  must(mkdir("d", 0755));
  write_text("d/f", "x");
  must(symlink("d", "l"));
  must(symlink("../d/f", "d/back"));
  expect_text("l/f", "x");
  expect_text("l/back", "x");
  same(status("l/.").st_ino, status("d").st_ino);
  must(unlink("l"));
  truth(exists("d/f"));
}

static void target_is_not_changed(void) {
  // A target is bytes, not a path: nothing tidies it.
  const char *targets[] = {"a//b", "./x/../y/", "/", "..", " ", "\xff\n"};
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
    char name[8], seen[64] = {0};
    snprintf(name, sizeof name, "l%zu", i);
    must(symlink(targets[i], name));
    must(readlink(name, seen, sizeof seen - 1));
    truth(strcmp(seen, targets[i]) == 0);
  }
}

const struct check link_checks[] = {
    {"a hard link is the same file", second_name},
    {"link counts follow 50 names", fifty_names},
    {"link refuses existing names, directories and absent files", link_refusals},
    {"link and linkat treat a symbolic link as they are told", link_to_symbolic_link},
    {"linkat of an open file through /proc", link_by_descriptor},
    {"readlink gives the target, whole or cut", reads_link},
    {"targets up to 4095 bytes", long_targets},
    {"a dangling link exists and leads nowhere", dangling},
    {"symlink and readlink refuse what they must", symlink_refusals},
    {"links to directories are followed", links_are_followed},
    {"targets are kept byte for byte", target_is_not_changed},
    {0},
};
