// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Who may do what: the checks run as another user, with and without groups.

#include "check.h"

static void user_against_modes(void *unused) {
  (void)unused;
  become(other_user, other_group);
  refuses(EACCES, open("none", O_RDONLY));
  must(open("read", O_RDONLY));
  refuses(EACCES, open("read", O_WRONLY));
  must(open("write", O_WRONLY));
  refuses(EACCES, open("write", O_RDONLY));
  refuses(EACCES, open("write", O_RDWR));
  refuses(EACCES, truncate("read", 0));
  refuses(EPERM, chmod("write", 0777));
  refuses(EPERM, chown("write", other_user, other_group));
}

static void modes_hold(void) {
  needs_root();
  write_text("none", "x");
  write_text("read", "x");
  write_text("write", "x");
  must(chmod("none", 0));
  must(chmod("read", 0444));
  must(chmod("write", 0222));
  in_child(user_against_modes, NULL);
  must(open("none", O_RDWR));
}

static void owner_class_first(void *unused) {
  (void)unused;
  become(other_user, other_group);
  // The owner's bits decide for the owner even where the others' would allow.
  refuses(EACCES, open("f", O_RDONLY));
  refuses(EACCES, open("g", O_RDONLY));
}

static void classes_do_not_add_up(void) {
  needs_root();
  write_text("f", "x");
  must(chown("f", other_user, 0));
  must(chmod("f", 0077));
  write_text("g", "x");
  must(chown("g", 0, other_group));
  must(chmod("g", 0707));
  in_child(owner_class_first, NULL);
}

static void user_in_directories(void *unused) {
  (void)unused;
  become(other_user, other_group);
  struct stat st;
  // r without x: names, no entries. x without r: entries, no names.
  must(open("list", O_RDONLY | O_DIRECTORY));
  refuses(EACCES, stat("list/f", &st));
  refuses(EACCES, open("search", O_RDONLY | O_DIRECTORY));
  must(stat("search/f", &st));
  refuses(EACCES, open("search/g", O_CREAT | O_RDWR, 0644));
  refuses(EACCES, unlink("search/f"));
  refuses(EACCES, rename("search/f", "search/g"));
  refuses(EACCES, mkdir("search/d", 0755));
  refuses(EACCES, symlink("x", "search/l"));
  refuses(EACCES, link("search/f", "search/h"));
  refuses(EACCES, chdir("list"));
}

static void directory_modes_hold(void) {
  needs_root();
  must(mkdir("list", 0755));
  must(mkdir("search", 0755));
  write_text("list/f", "x");
  write_text("search/f", "x");
  must(chmod("search/f", 0666));
  must(chmod("list", 0744));
  must(chmod("search", 0711));
  in_child(user_in_directories, NULL);
}

static void user_in_sticky_directory(void *unused) {
  (void)unused;
  become(other_user, other_group);
  refuses(EPERM, unlink("s/roots"));
  refuses(EPERM, rename("s/roots", "s/mine"));
  refuses(EPERM, rmdir("s/rootsdir"));
  write_text("s/mine", "x");
  refuses(EPERM, rename("s/mine", "s/roots"));
  must(rename("s/mine", "s/still-mine"));
  must(unlink("s/still-mine"));
}

static void sticky_directory(void) {
  needs_root();
  must(mkdir("s", 0755));
  must(chmod("s", 01777));
  write_text("s/roots", "x");
  must(chmod("s/roots", 0666));
  must(mkdir("s/rootsdir", 0777));
  in_child(user_in_sticky_directory, NULL);
}

static void member_of_extra_group(void *unused) {
  (void)unused;
  const gid_t groups[] = {7777, extra_group, 8888};
  become_with_groups(other_user, other_group, groups, 3);
  must(open("f", O_RDWR));
  write_text("d/new", "x");
  same(status("d/new").st_uid, other_user);
  same(status("d/new").st_gid, other_group);
  must(mkdir("d/newdir", 0755));
  must(symlink("x", "d/newlink"));
  must(link("f", "d/hard"));
  must(rename("d/new", "d/newer"));
  must(unlink("d/newer"));
}

static void supplementary_groups(void) {
  needs_root();
  write_text("f", "x");
  must(chown("f", other_user, extra_group));
  must(chmod("f", 0660));
  must(mkdir("d", 0755));
  must(chown("d", 0, extra_group));
  must(chmod("d", 0770));
  in_child(member_of_extra_group, NULL);
}

static void member_in_setgid_directory(void *unused) {
  (void)unused;
  const gid_t groups[] = {extra_group};
  become_with_groups(other_user, other_group, groups, 1);
  umask(0);
  make_file("d/f", 02775);
  same(status("d/f").st_gid, extra_group);
  // A member may keep the bit.
  same(permissions("d/f"), 02775);
}

static void setgid_directory_of_own_group(void) {
  needs_root();
  must(mkdir("d", 0755));
  must(chown("d", 0, extra_group));
  must(chmod("d", 02770));
  in_child(member_in_setgid_directory, NULL);
}

static void owner_changes_group(void *unused) {
  (void)unused;
  const gid_t groups[] = {extra_group};
  become_with_groups(other_user, other_group, groups, 1);
  must(chown("f", (uid_t)-1, extra_group));
  same(status("f").st_gid, extra_group);
  refuses(EPERM, chown("f", (uid_t)-1, 9999));
  refuses(EPERM, chown("f", third_user, (gid_t)-1));
  must(chown("f", other_user, extra_group));
}

static void owner_gives_to_own_groups(void) {
  needs_root();
  make_file("f", 0644);
  must(chown("f", other_user, other_group));
  in_child(owner_changes_group, NULL);
}

static void user_uses_access(void *unused) {
  (void)unused;
  // access(2) asks for the real ids: change those.
  must(setresgid(other_group, other_group, -1));
  must(setresuid(other_user, other_user, -1));
  must(access("f", R_OK));
  refuses(EACCES, access("f", W_OK));
  refuses(EACCES, access("f", X_OK));
  must(access("f", F_OK));
  refuses(ENOENT, access("none", F_OK));
}

static void access_answers(void) {
  needs_root();
  make_file("f", 0644);
  in_child(user_uses_access, NULL);
  must(access("f", W_OK));
  refuses(EACCES, access("f", X_OK));
  must(chmod("f", 0100));
  must(access("f", X_OK));
}

static void closed_after_opening(void *argument) {
  int fd = *(int *)argument;
  become(other_user, other_group);
  // Permission was asked at open; the descriptor goes on working.
  must(pwrite(fd, "y", 1, 0));
  expect_bytes(fd, 0, "y", 1);
  must(ftruncate(fd, 0));
  must(pwrite(fd, "z", 1, 0));
}

static void descriptors_outlive_permission(void) {
  needs_root();
  int fd = make_file("f", 0644);
  must(chmod("f", 0));
  in_child(closed_after_opening, &fd);
  expect_bytes(fd, 0, "z", 1);
}

static void revoked(void *argument) {
  int *ends = argument;
  become(other_user, other_group);
  must(open("d/f", O_RDONLY));
  must(write(ends[1], "1", 1));
  char byte;
  must(read(ends[2], &byte, 1));
  refuses(EACCES, open("d/f", O_RDONLY));
  refuses(EACCES, open("d/g", O_RDONLY));
}

static void revocation_is_seen_at_once(void) {
  // Cached permission must not outlast a chmod made through the same mount.
  needs_root();
  int ends[4];
  must(pipe(ends));
  must(pipe(ends + 2));
  must(mkdir("d", 0755));
  write_text("d/f", "x");
  write_text("d/g", "x");
  pid_t pid = start_child(revoked, ends);
  // Should the child fail, its ends of the pipes are the last ones.
  must(close(ends[1]));
  must(close(ends[2]));
  char byte;
  if (read(ends[0], &byte, 1) != 1) {
    join_child(pid);
    return;
  }
  must(chmod("d", 0700));
  must(write(ends[3], "x", 1));
  join_child(pid);
}

static void runs_program(void *argument) {
  if (argument != NULL) become(other_user, other_group);
  char *const arguments[] = {"program", NULL}, *const environment[] = {NULL};
  // A format the kernel cannot run, so that a permitted exec fails in its own way.
  refuses(argument == NULL ? ENOEXEC : EACCES, execve("./f", arguments, environment));
}

static void execution_needs_the_bit(void) {
  needs_root();
  write_text("f", "no program");
  must(chmod("f", 0700));
  in_child(runs_program, NULL);
  in_child(runs_program, "as user");
}

const struct check permission_checks[] = {
    {"modes hold for a user and not for root", modes_hold},
    {"the first class that fits decides alone", classes_do_not_add_up},
    {"listing and searching a directory are two rights", directory_modes_hold},
    {"a sticky directory protects the entries of others", sticky_directory},
    {"supplementary groups open files and directories", supplementary_groups},
    {"a set-group-id directory of a supplementary group", setgid_directory_of_own_group},
    {"an owner hands a file to own groups only", owner_gives_to_own_groups},
    {"access answers for the real user", access_answers},
    {"a descriptor outlives its permission", descriptors_outlive_permission},
    {"a revoked permission is missed at once", revocation_is_seen_at_once},
    {"execution needs the bit", execution_needs_the_bit},
    {0},
};
