// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// File times: setting them, and what moves them. Everything is compared with times the
// same file system gave, because the guest's clock and the host's differ.

#include "check.h"

static long long nanoseconds(struct timespec t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }

// The file system's present time.
static struct timespec present(void) {
  static int number;
  char name[32];
  snprintf(name, sizeof name, "clock.%d", number++);
  close(make_file(name, 0644));
  return status(name).st_mtim;
}

static void set_old(const char *path) {
  struct timespec old[2] = {{1000000, 0}, {2000000, 0}};
  must(utimensat(AT_FDCWD, path, old, AT_SYMLINK_NOFOLLOW));
}

static void sets_nanoseconds(void) {
  make_file("f", 0644);
  struct timespec times[2] = {{1234567890, 123456789}, {987654321, 987654321}};
  must(utimensat(AT_FDCWD, "f", times, 0));
  struct stat st = status("f");
  same(st.st_atim.tv_sec, 1234567890);
  same(st.st_atim.tv_nsec, 123456789);
  same(st.st_mtim.tv_sec, 987654321);
  same(st.st_mtim.tv_nsec, 987654321);
}

static void sets_by_descriptor(void) {
  int fd = make_file("f", 0644);
  struct timespec times[2] = {{11, 12}, {21, 22}};
  must(futimens(fd, times));
  same(nanoseconds(fd_status(fd).st_atim), 11000000012);
  same(nanoseconds(status("f").st_mtim), 21000000022);
}

static void distant_times(void) {
  const long long seconds[] = {0, 1, -1, 2147483647, 2147483648, 4102444800};
  make_file("f", 0644);
  for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
    struct timespec times[2] = {{seconds[i], 0}, {seconds[i], 0}};
    must(utimensat(AT_FDCWD, "f", times, 0));
    same(status("f").st_mtim.tv_sec, seconds[i]);
    same(status("f").st_atim.tv_sec, seconds[i]);
  }
}

static void omits(void) {
  make_file("f", 0644);
  set_old("f");
  struct timespec times[2] = {{0, UTIME_OMIT}, {77, 0}};
  must(utimensat(AT_FDCWD, "f", times, 0));
  same(status("f").st_atim.tv_sec, 1000000);
  same(status("f").st_mtim.tv_sec, 77);
  struct timespec other[2] = {{88, 0}, {0, UTIME_OMIT}};
  must(utimensat(AT_FDCWD, "f", other, 0));
  same(status("f").st_atim.tv_sec, 88);
  same(status("f").st_mtim.tv_sec, 77);
}

static void takes_now(void) {
  make_file("f", 0644);
  set_old("f");
  struct timespec before = present();
  struct timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
  must(utimensat(AT_FDCWD, "f", times, 0));
  struct stat st = status("f");
  truth(nanoseconds(st.st_atim) >= nanoseconds(before) - 1000000000);
  same(st.st_mtim.tv_sec, 2000000);
  must(utimensat(AT_FDCWD, "f", NULL, 0));
  st = status("f");
  long long after = nanoseconds(present());
  truth(nanoseconds(st.st_mtim) >= nanoseconds(before) - 1000000000);
  truth(nanoseconds(st.st_mtim) <= after + 1000000000);
}

static void sets_on_link(void) {
  make_file("f", 0644);
  set_old("f");
  must(symlink("f", "l"));
  struct timespec times[2] = {{55, 5}, {66, 6}};
  must(utimensat(AT_FDCWD, "l", times, AT_SYMLINK_NOFOLLOW));
  same(link_status("l").st_mtim.tv_sec, 66);
  same(link_status("l").st_mtim.tv_nsec, 6);
  same(status("f").st_mtim.tv_sec, 2000000);
  must(utimensat(AT_FDCWD, "l", times, 0));
  same(status("f").st_mtim.tv_sec, 66);
}

static void as_other(void *unused) {
  (void)unused;
  become(other_user, other_group);
  struct timespec times[2] = {{1, 0}, {1, 0}};
  refuses(EPERM, utimensat(AT_FDCWD, "writable", times, 0));
  must(utimensat(AT_FDCWD, "writable", NULL, 0));
  refuses(EACCES, utimensat(AT_FDCWD, "closed", NULL, 0));
}

static void needs_ownership(void) {
  needs_root();
  must(chmod(".", 0755));
  make_file("writable", 0666);
  must(chmod("writable", 0666));
  make_file("closed", 0644);
  in_child(as_other, NULL);
}

static void writing_moves_modification(void) {
  int fd = make_file("f", 0644);
  set_old("f");
  long long change = nanoseconds(status("f").st_ctim);
  usleep(30000);
  must(write(fd, "x", 1));
  struct stat st = status("f");
  truth(st.st_mtim.tv_sec > 2000000);
  truth(nanoseconds(st.st_ctim) > change);
  same(st.st_atim.tv_sec, 1000000);
}

static void reading_leaves_modification(void) {
  write_text("f", "x");
  set_old("f");
  expect_text("f", "x");
  struct stat st = status("f");
  same(st.st_mtim.tv_sec, 2000000);
  // With relatime the access time may move or not; it never moves back.
  truth(st.st_atim.tv_sec >= 1000000);
}

static void mode_change_moves_change_time_only(void) {
  make_file("f", 0644);
  set_old("f");
  long long change = nanoseconds(status("f").st_ctim);
  usleep(30000);
  must(chmod("f", 0600));
  struct stat st = status("f");
  truth(nanoseconds(st.st_ctim) > change);
  same(st.st_mtim.tv_sec, 2000000);
  change = nanoseconds(st.st_ctim);
  usleep(30000);
  must(link("f", "g"));
  truth(nanoseconds(status("f").st_ctim) > change);
  same(status("f").st_mtim.tv_sec, 2000000);
}

static void set_times_hold_after_close(void) {
  // Times set between the last write and close must not be overwritten at close.
  int fd = make_file("f", 0644);
  must(write(fd, "x", 1));
  struct timespec times[2] = {{33, 3}, {44, 4}};
  must(futimens(fd, times));
  must(close(fd));
  same(nanoseconds(status("f").st_mtim), 44000000004);
  fd = (int)must(open("f", O_RDONLY));
  must(fsync(fd));
  same(nanoseconds(fd_status(fd).st_mtim), 44000000004);
}

static void new_file_times_agree(void) {
  long long before = nanoseconds(present());
  make_file("f", 0644);
  struct stat st = status("f");
  same(nanoseconds(st.st_atim), nanoseconds(st.st_mtim));
  same(nanoseconds(st.st_mtim), nanoseconds(st.st_ctim));
  truth(nanoseconds(st.st_mtim) >= before);
}

const struct check time_checks[] = {
    {"utimensat keeps nanoseconds", sets_nanoseconds},
    {"futimens sets through a descriptor", sets_by_descriptor},
    {"times before 1970 and after 2038", distant_times},
    {"UTIME_OMIT leaves a time alone", omits},
    {"UTIME_NOW and no times take the present", takes_now},
    {"a symbolic link has times of its own", sets_on_link},
    {"setting times needs the owner, touching needs write permission", needs_ownership},
    {"writing moves modification and change time", writing_moves_modification},
    {"reading leaves the modification time", reading_leaves_modification},
    {"chmod and link move the change time only", mode_change_moves_change_time_only},
    {"set times hold after close", set_times_hold_after_close},
    {"a new file's times agree", new_file_times_agree},
    {0},
};
