// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Names and paths: lengths, odd bytes, depth, the errors of a walk.

#include "check.h"

static void longest_name(void) {
  char name[NAME_MAX + 2];
  memset(name, 'n', sizeof name);
  name[NAME_MAX] = 0;
  write_text(name, "x");
  expect_text(name, "x");
  DIR *dir = opendir(".");
  bool seen = false;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) seen |= strcmp(entry->d_name, name) == 0;
  truth(seen);
  must(rename(name, "short"));
  must(rename("short", name));
  must(unlink(name));
}

static void too_long_name(void) {
  char name[NAME_MAX + 2];
  memset(name, 'n', sizeof name - 1);
  name[NAME_MAX + 1] = 0;
  refuses(ENAMETOOLONG, open(name, O_CREAT | O_RDWR, 0644));
  refuses(ENAMETOOLONG, mkdir(name, 0755));
  refuses(ENAMETOOLONG, symlink("x", name));
  refuses(ENAMETOOLONG, unlink(name));
  struct stat st;
  refuses(ENAMETOOLONG, stat(name, &st));
  write_text("f", "x");
  refuses(ENAMETOOLONG, rename("f", name));
  refuses(ENAMETOOLONG, link("f", name));
}

static void too_long_path(void) {
  char path[PATH_MAX + 2];
  for (size_t i = 0; i < sizeof path; i++) path[i] = i % 2 == 0 ? '.' : '/';
  path[PATH_MAX] = 0;
  refuses(ENAMETOOLONG, open(path, O_RDONLY));
}

static void deep_directories(void) {
  // Deeper than PATH_MAX: every step is relative to the one before.
  enum { depth = 60 };
  char name[101];
  memset(name, 'd', 100);
  name[100] = 0;
  int at = (int)must(open(".", O_RDONLY | O_DIRECTORY));
  for (int i = 0; i < depth; i++) {
    must(mkdirat(at, name, 0755));
    int next = (int)must(openat(at, name, O_RDONLY | O_DIRECTORY));
    close(at);
    at = next;
  }
  int fd = (int)must(openat(at, "leaf", O_CREAT | O_RDWR, 0644));
  must(write(fd, "deep", 4));
  for (int i = 0; i < depth; i++) {
    int next = (int)must(openat(at, "..", O_RDONLY | O_DIRECTORY));
    close(at);
    at = next;
  }
  struct stat here = status("."), there = fd_status(at);
  same(there.st_ino, here.st_ino);
}

static void odd_bytes(void) {
  const char *names[] = {"sp ace", "new\nline", "\xff\xfe not utf8", "-dash", "...", "trailing.", "\x01", "qu\"ote'",
                         "back\\slash", "\xe2\x82\xac", "~", "*?[", "a:b", "UPPER", "upper"};
  enum { count = sizeof names / sizeof *names };
  for (int i = 0; i < count; i++) write_text(names[i], names[i]);
  for (int i = 0; i < count; i++) expect_text(names[i], names[i]);
  int seen = 0;
  DIR *dir = opendir(".");
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
    for (int i = 0; i < count; i++) seen += strcmp(entry->d_name, names[i]) == 0;
  same(seen, count);
}

static void dots(void) {
  must(mkdir("d", 0755));
  must(mkdir("d/e", 0755));
  same(status("d/e/..").st_ino, status("d").st_ino);
  same(status("d/e/../..").st_ino, status(".").st_ino);
  same(status("d/.").st_ino, status("d").st_ino);
  refuses(EEXIST, mkdir("d/.", 0755));
  refuses(EEXIST, mkdir("d/..", 0755));
}

static void walk_errors(void) {
  write_text("f", "x");
  struct stat st;
  refuses(ENOTDIR, stat("f/x", &st));
  refuses(ENOTDIR, stat("f/", &st));
  refuses(ENOTDIR, mkdir("f/d", 0755));
  refuses(ENOTDIR, unlink("f/x"));
  refuses(ENOTDIR, rename("f/x", "g"));
  refuses(ENOENT, stat("none/x", &st));
  refuses(ENOENT, mkdir("none/d", 0755));
  refuses(ENOENT, unlink("none"));
  refuses(ENOENT, rename("none", "g"));
  refuses(ENOENT, link("none", "g"));
  refuses(ENOENT, chmod("none", 0644));
}

static void inode_numbers_differ(void) {
  write_text("a", "x");
  write_text("b", "x");
  must(mkdir("d", 0755));
  truth(status("a").st_ino != status("b").st_ino);
  truth(status("a").st_ino != status("d").st_ino);
  ino_t before = status("a").st_ino;
  must(rename("a", "c"));
  same(status("c").st_ino, before);
}

static void name_limit(void) { same(pathconf(".", _PC_NAME_MAX), NAME_MAX); }

const struct check name_checks[] = {
    {"a name of 255 bytes works everywhere", longest_name},
    {"a name of 256 bytes is ENAMETOOLONG", too_long_name},
    {"a path over PATH_MAX is ENAMETOOLONG", too_long_path},
    {"60 directories deep, beyond PATH_MAX", deep_directories},
    {"odd bytes in names", odd_bytes},
    {"dot and dot-dot", dots},
    {"errors on the way are ENOTDIR and ENOENT", walk_errors},
    {"inode numbers tell files apart and survive a rename", inode_numbers_differ},
    {"pathconf tells a name's length", name_limit},
    {0},
};
