// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// open(2): creation, exclusiveness, modes, and the errors a path can give.

#include "check.h"

static void creates_empty_file(void) {
  int fd = make_file("f", 0644);
  same(fd_status(fd).st_size, 0);
  truth(S_ISREG(status("f").st_mode));
  same(status("f").st_nlink, 1);
  same(status("f").st_ino, fd_status(fd).st_ino);
}

static void exclusive_refuses_existing(void) {
  make_file("f", 0644);
  refuses(EEXIST, open("f", O_CREAT | O_EXCL | O_RDWR, 0644));
  must(mkdir("d", 0755));
  refuses(EEXIST, open("d", O_CREAT | O_EXCL | O_RDWR, 0644));
}

static void exclusive_refuses_dangling_link(void) {
  must(symlink("nowhere", "l"));
  refuses(EEXIST, open("l", O_CREAT | O_EXCL | O_RDWR, 0644));
  truth(!exists("nowhere"));
}

static void create_follows_dangling_link(void) {
  must(symlink("target", "l"));
  must(open("l", O_CREAT | O_RDWR, 0644));
  truth(S_ISREG(link_status("target").st_mode));
}

static void create_opens_existing(void) {
  write_text("f", "kept");
  must(chmod("f", 0640));
  must(open("f", O_CREAT | O_RDWR, 0600));
  expect_text("f", "kept");
  same(permissions("f"), 0640);
}

static void mode_passes_umask(void) {
  umask(027);
  make_file("f", 0777);
  same(permissions("f"), 0750);
  umask(0);
  make_file("g", 0666);
  same(permissions("g"), 0666);
  umask(0777);
  make_file("h", 0666);
  same(permissions("h"), 0);
}

static void special_bits_at_creation(void) {
  needs_root();
  umask(0);
  make_file("f", 07755);
  same(permissions("f"), 07755);
}

static void mode_zero_is_writable_by_creator(void) {
  int fd = make_file("f", 0);
  must(write(fd, "x", 1));
  expect_bytes(fd, 0, "x", 1);
}

static void read_only_mode_is_writable_by_creator(void *unused) {
  (void)unused;
  become(other_user, other_group);
  int fd = make_file("f", 0444);
  must(write(fd, "x", 1));
  expect_bytes(fd, 0, "x", 1);
  refuses(EACCES, open("f", O_RDWR));
}

static void read_only_creation_by_user(void) {
  must(chmod(".", 0777));
  in_child(read_only_mode_is_writable_by_creator, NULL);
}

static void truncates(void) {
  write_text("f", "some text");
  int fd = (int)must(open("f", O_TRUNC | O_WRONLY));
  same(fd_status(fd).st_size, 0);
  same(status("f").st_size, 0);
}

static void truncation_shows_through_other_fd(void) {
  write_text("f", "some text");
  int before = (int)must(open("f", O_RDONLY));
  must(open("f", O_CREAT | O_TRUNC | O_WRONLY, 0644));
  char byte;
  same(must(read(before, &byte, 1)), 0);
}

static void directory_errors(void) {
  must(mkdir("d", 0755));
  write_text("f", "x");
  refuses(EISDIR, open("d", O_WRONLY));
  refuses(EISDIR, open("d", O_RDWR));
  refuses(EISDIR, open("d", O_CREAT | O_RDWR, 0644));
  refuses(ENOTDIR, open("f", O_RDONLY | O_DIRECTORY));
  refuses(ENOTDIR, open("f/", O_RDONLY));
  refuses(ENOTDIR, open("f/below", O_RDONLY));
  int fd = (int)must(open("d", O_RDONLY));
  char byte;
  refuses(EISDIR, read(fd, &byte, 1));
}

static void absence_errors(void) {
  refuses(ENOENT, open("none", O_RDONLY));
  refuses(ENOENT, open("none/below", O_CREAT | O_RDWR, 0644));
  refuses(ENOENT, open("", O_RDONLY));
  must(symlink("nowhere", "l"));
  refuses(ENOENT, open("l", O_RDONLY));
}

static void link_loop(void) {
  must(symlink("b", "a"));
  must(symlink("a", "b"));
  refuses(ELOOP, open("a", O_RDONLY));
  refuses(ELOOP, open("a/x", O_RDONLY));
}

static void nofollow(void) {
  write_text("f", "x");
  must(symlink("f", "l"));
  refuses(ELOOP, open("l", O_RDONLY | O_NOFOLLOW));
  int fd = (int)must(open("l", O_PATH | O_NOFOLLOW));
  truth(S_ISLNK(fd_status(fd).st_mode));
}

static void access_mode_holds(void) {
  write_text("f", "x");
  char byte;
  int reading = (int)must(open("f", O_RDONLY));
  refuses(EBADF, write(reading, "y", 1));
  int writing = (int)must(open("f", O_WRONLY));
  refuses(EBADF, read(writing, &byte, 1));
}

static void negative_lookup_then_create(void) {
  for (int i = 0; i < 3; i++) truth(!exists("f"));
  write_text("f", "now");
  expect_text("f", "now");
  must(unlink("f"));
  truth(!exists("f"));
  must(mkdir("f", 0755));
  truth(S_ISDIR(status("f").st_mode));
}

static void many_descriptors(void) {
  write_text("f", "shared");
  int fds[200];
  for (int i = 0; i < 200; i++) fds[i] = (int)must(open("f", O_RDONLY));
  for (int i = 0; i < 200; i++) expect_bytes(fds[i], 0, "shared", 6);
}

const struct check open_checks[] = {
    {"O_CREAT makes an empty regular file", creates_empty_file},
    {"O_EXCL refuses an existing file or directory", exclusive_refuses_existing},
    {"O_EXCL refuses a dangling symbolic link", exclusive_refuses_dangling_link},
    {"O_CREAT follows a dangling symbolic link", create_follows_dangling_link},
    {"O_CREAT leaves an existing file's content and mode", create_opens_existing},
    {"the umask applies to new files", mode_passes_umask},
    {"set-id and sticky bits survive creation by root", special_bits_at_creation},
    {"a file made with mode 0 is writable through its descriptor", mode_zero_is_writable_by_creator},
    {"a file made with mode 0444 by a user is writable through its descriptor", read_only_creation_by_user},
    {"O_TRUNC empties a file", truncates},
    {"O_TRUNC shows through a descriptor opened before", truncation_shows_through_other_fd},
    {"directories and files are not mistaken for each other", directory_errors},
    {"absent paths are ENOENT", absence_errors},
    {"a loop of symbolic links is ELOOP", link_loop},
    {"O_NOFOLLOW refuses a symbolic link, O_PATH opens it", nofollow},
    {"reading and writing need a descriptor opened for it", access_mode_holds},
    {"a name looked up in vain can be created, deleted and created again", negative_lookup_then_create},
    {"200 descriptors of one file read alike", many_descriptors},
    {0},
};
