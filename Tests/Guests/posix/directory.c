// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Making and removing directories, removed directories in use, inherited group ids.

#include "check.h"

#include <sys/statfs.h>

static void makes_directory(void) {
  umask(022);
  must(mkdir("d", 0777));
  truth(S_ISDIR(status("d").st_mode));
  same(permissions("d"), 0755);
  must(mkdir("e", 01700));
  same(permissions("e"), 01700);
  refuses(EEXIST, mkdir("d", 0755));
  write_text("f", "x");
  refuses(EEXIST, mkdir("f", 0755));
  must(symlink("none", "l"));
  refuses(EEXIST, mkdir("l", 0755));
}

static void removes_directory(void) {
  must(mkdir("d", 0755));
  write_text("d/f", "x");
  refuses(ENOTEMPTY, rmdir("d"));
  must(unlink("d/f"));
  must(rmdir("d"));
  truth(!exists("d"));
  refuses(ENOENT, rmdir("d"));
}

static void removal_errors(void) {
  write_text("f", "x");
  must(mkdir("d", 0755));
  must(mkdir("d/e", 0755));
  must(symlink("d", "l"));
  refuses(ENOTDIR, rmdir("f"));
  refuses(ENOTDIR, rmdir("l"));
  refuses(EISDIR, unlink("d"));
  refuses(EINVAL, rmdir("d/e/."));
  refuses(ENOTEMPTY, rmdir("d/e/.."));
}

static void link_counts(void) {
  must(mkdir("d", 0755));
  if (status("d").st_nlink != 2) skip("directories do not count their links here");
  must(mkdir("d/a", 0755));
  must(mkdir("d/b", 0755));
  write_text("d/f", "x");
  same(status("d").st_nlink, 4);
  must(rmdir("d/a"));
  same(status("d").st_nlink, 3);
  must(mkdir("e", 0755));
  must(rename("d/b", "e/b"));
  same(status("d").st_nlink, 2);
  same(status("e").st_nlink, 3);
}

static void removed_directory_in_use(void) {
  must(mkdir("d", 0755));
  int fd = (int)must(open("d", O_RDONLY | O_DIRECTORY));
  must(fchdir(fd));
  must(rmdir("../d"));
  refuses(ENOENT, open("f", O_CREAT | O_RDWR, 0644));
  refuses(ENOENT, mkdir("e", 0755));
  same(fd_status(fd).st_nlink, 0);
  char path[PATH_MAX];
  truth(getcwd(path, sizeof path) == NULL || strncmp(path, "(unreachable)", 13) == 0);
}

static void working_directory(void) {
  must(mkdir("d", 0755));
  must(mkdir("d/e", 0755));
  must(chdir("d/e"));
  char path[PATH_MAX];
  truth(getcwd(path, sizeof path) != NULL);
  size_t length = strlen(path);
  truth(length > 4 && strcmp(path + length - 4, "/d/e") == 0);
  must(rename("../../d", "../../moved"));
  truth(getcwd(path, sizeof path) != NULL);
  truth(strcmp(path + strlen(path) - 8, "/moved/e") == 0);
}

static void parent_times_move(void) {
  struct timespec old[2] = {{1000, 0}, {1000, 0}};
  must(mkdir("d", 0755));
  must(utimensat(AT_FDCWD, "d", old, 0));
  must(mkdir("d/e", 0755));
  truth(status("d").st_mtime > 1000);
  must(utimensat(AT_FDCWD, "d", old, 0));
  must(rmdir("d/e"));
  truth(status("d").st_mtime > 1000);
  must(utimensat(AT_FDCWD, "d", old, 0));
  write_text("d/f", "x");
  truth(status("d").st_mtime > 1000);
  must(utimensat(AT_FDCWD, "d", old, 0));
  write_text("d/f", "more");
  same(status("d").st_mtime, 1000);
}

static void setgid_directory(void) {
  needs_root();
  must(mkdir("d", 0755));
  must(chown("d", 0, extra_group));
  must(chmod("d", 02775));
  make_file("d/f", 0644);
  same(status("d/f").st_gid, extra_group);
  same(permissions("d/f"), 0644);
  must(mkdir("d/e", 0755));
  same(status("d/e").st_gid, extra_group);
  same(permissions("d/e"), 02755);
  must(symlink("x", "d/l"));
  same(link_status("d/l").st_gid, extra_group);
}

static void create_as_user(void *unused) {
  (void)unused;
  become(other_user, other_group);
  umask(0);
  make_file("d/f", 02775);
  same(status("d/f").st_uid, other_user);
  same(status("d/f").st_gid, extra_group);
  // Not a member of that group and no CAP_FSETID: the bit may not be had by creating.
  same(permissions("d/f"), 0775);
  must(mkdir("d/e", 0775));
  same(status("d/e").st_gid, extra_group);
  same(permissions("d/e"), 02775);
}

static void setgid_directory_and_user(void) {
  needs_root();
  must(mkdir("d", 0755));
  must(chown("d", 0, extra_group));
  must(chmod("d", 02777));
  in_child(create_as_user, NULL);
}

static void file_system_figures(void) {
  struct statfs here, there;
  must(statfs(".", &here));
  truth(here.f_bsize > 0 && here.f_blocks > 0);
  truth(here.f_bfree <= here.f_blocks && here.f_bavail <= here.f_bfree);
  same(here.f_namelen, NAME_MAX);
  write_text("f", "x");
  must(fstatfs((int)must(open("f", O_RDONLY)), &there));
  same(there.f_type, here.f_type);
  same(there.f_blocks, here.f_blocks);
}

static void wide_directory_tree(void) {
  char path[64];
  for (int i = 0; i < 10; i++) {
    snprintf(path, sizeof path, "d%d", i);
    must(mkdir(path, 0755));
    for (int j = 0; j < 20; j++) {
      snprintf(path, sizeof path, "d%d/f%d", i, j);
      write_text(path, path);
    }
  }
  for (int i = 9; i >= 0; i--) {
    for (int j = 19; j >= 0; j--) {
      snprintf(path, sizeof path, "d%d/f%d", i, j);
      expect_text(path, path);
      must(unlink(path));
    }
    snprintf(path, sizeof path, "d%d", i);
    must(rmdir(path));
  }
}

const struct check directory_checks[] = {
    {"mkdir makes a directory with its mode and refuses an existing name", makes_directory},
    {"rmdir refuses a non-empty directory and removes an empty one", removes_directory},
    {"rmdir and unlink refuse the wrong kind", removal_errors},
    {"link counts of directories follow their subdirectories", link_counts},
    {"nothing can be made in a removed directory", removed_directory_in_use},
    {"the working directory is known, also after a rename", working_directory},
    {"a directory's modification time follows its entries", parent_times_move},
    {"a set-group-id directory hands its group on", setgid_directory},
    {"a set-group-id directory hands its group on to a user's files", setgid_directory_and_user},
    {"statfs figures hang together", file_system_figures},
    {"200 files in ten directories", wide_directory_tree},
    {0},
};
