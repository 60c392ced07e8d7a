// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Modes and owners: chmod, chown, and the set-id bits that writing takes away.

#include "check.h"

static void changes_mode(void) {
  const mode_t modes[] = {0, 0600, 0644, 0755, 0777, 04755, 02755, 01777, 07777};
  make_file("f", 0644);
  must(mkdir("d", 0755));
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    must(chmod("f", modes[i]));
    same(permissions("f"), modes[i]);
    must(chmod("d", modes[i]));
    same(permissions("d"), modes[i]);
  }
  truth(S_ISREG(status("f").st_mode) && S_ISDIR(status("d").st_mode));
}

static void changes_mode_by_descriptor(void) {
  int fd = make_file("f", 0644);
  must(fchmod(fd, 0710));
  same(permissions("f"), 0710);
  must(symlink("f", "l"));
  must(chmod("l", 0640));
  same(permissions("f"), 0640);
  same(link_status("l").st_mode & 0777, 0777);
}

static void changes_owner(void) {
  needs_root();
  make_file("f", 0644);
  must(chown("f", other_user, other_group));
  same(status("f").st_uid, other_user);
  same(status("f").st_gid, other_group);
  must(chown("f", (uid_t)-1, extra_group));
  same(status("f").st_uid, other_user);
  same(status("f").st_gid, extra_group);
  must(chown("f", 0, (gid_t)-1));
  same(status("f").st_uid, 0);
  same(status("f").st_gid, extra_group);
  must(chown("f", 4000000000u, 4000000001u));
  same(status("f").st_uid, 4000000000u);
  same(status("f").st_gid, 4000000001u);
}

static void changes_owner_of_link(void) {
  needs_root();
  make_file("f", 0644);
  must(symlink("f", "l"));
  must(lchown("l", other_user, other_group));
  same(link_status("l").st_uid, other_user);
  same(link_status("l").st_gid, other_group);
  same(status("f").st_uid, 0);
  must(symlink("none", "dangling"));
  must(lchown("dangling", other_user, other_group));
  refuses(ENOENT, chown("dangling", 0, 0));
}

static void new_files_have_their_makers_ids(void *unused) {
  (void)unused;
  become(other_user, other_group);
  make_file("f", 0644);
  must(mkdir("d", 0755));
  must(symlink("x", "l"));
  must(mkfifo("p", 0644));
  const char *names[] = {"f", "d", "l", "p"};
  for (int i = 0; i < 4; i++) {
    same(link_status(names[i]).st_uid, other_user);
    same(link_status(names[i]).st_gid, other_group);
  }
}

static void ownership_of_new_files(void) {
  needs_root();
  must(chmod(".", 0777));
  in_child(new_files_have_their_makers_ids, NULL);
}

static void make_set_id_file(mode_t mode) {
  needs_root();
  write_text("f", "program");
  must(chown("f", other_user, other_group));
  must(chmod("f", mode));
  same(permissions("f"), mode);
}

static void write_as_other(void *unused) {
  (void)unused;
  become(third_user, third_user);
  int fd = (int)must(open("f", O_WRONLY));
  must(write(fd, "X", 1));
}

static void writing_clears_set_id(void) {
  make_set_id_file(06777);
  in_child(write_as_other, NULL);
  same(permissions("f"), 0777);
}

static void writing_keeps_set_group_id_without_execute(void) {
  // Without group execute the bit once meant mandatory locking; writing leaves it.
  make_set_id_file(02666);
  in_child(write_as_other, NULL);
  truth(permissions("f") == 02666 || permissions("f") == 0666);
}

static void writing_as_root_keeps_set_id(void) {
  make_set_id_file(06777);
  int fd = (int)must(open("f", O_WRONLY));
  must(write(fd, "X", 1));
  must(close(fd));
  same(permissions("f"), 06777);
}

static void truncate_as_other(void *unused) {
  (void)unused;
  become(third_user, third_user);
  must(truncate("f", 1));
}

static void truncating_clears_set_id(void) {
  make_set_id_file(06777);
  in_child(truncate_as_other, NULL);
  same(permissions("f"), 0777);
}

static void open_truncating_as_other(void *unused) {
  (void)unused;
  become(third_user, third_user);
  must(open("f", O_WRONLY | O_TRUNC));
}

static void opening_truncating_clears_set_id(void) {
  make_set_id_file(06777);
  in_child(open_truncating_as_other, NULL);
  same(status("f").st_size, 0);
  same(permissions("f"), 0777);
}

static void allocate_as_other(void *unused) {
  (void)unused;
  become(third_user, third_user);
  int result = fallocate((int)must(open("f", O_WRONLY)), 0, 0, 10000);
  skip_if_unsupported(result, "fallocate");
  must(result);
}

static void allocating_clears_set_id(void) {
  make_set_id_file(06777);
  in_child(allocate_as_other, NULL);
  same(permissions("f"), 0777);
}

static void chown_clears_set_id(void) {
  make_set_id_file(06755);
  must(chown("f", third_user, third_user));
  same(permissions("f"), 0755);
}

static void chown_keeps_directory_bits(void) {
  needs_root();
  must(mkdir("d", 0755));
  must(chmod("d", 02775));
  must(chown("d", other_user, other_group));
  same(permissions("d"), 02775);
}

static void chmod_outside_group(void *unused) {
  (void)unused;
  become(other_user, other_group);
  must(chmod("f", 02755));
  same(permissions("f"), 0755);
}

static void chmod_drops_foreign_set_group_id(void) {
  // Owner, but not in the file's group: the set-group-id bit is not his to give.
  needs_root();
  make_file("f", 0755);
  must(chown("f", other_user, extra_group));
  in_child(chmod_outside_group, NULL);
}

const struct check mode_checks[] = {
    {"chmod sets all twelve bits", changes_mode},
    {"fchmod and chmod through a symbolic link", changes_mode_by_descriptor},
    {"chown sets user, group or both", changes_owner},
    {"lchown changes the link, not its target", changes_owner_of_link},
    {"new files belong to their maker", ownership_of_new_files},
    {"writing by another user clears the set-id bits", writing_clears_set_id},
    {"writing leaves set-group-id without execute alone", writing_keeps_set_group_id_without_execute},
    {"writing by root keeps the set-id bits", writing_as_root_keeps_set_id},
    {"truncating by another user clears the set-id bits", truncating_clears_set_id},
    {"O_TRUNC by another user clears the set-id bits", opening_truncating_clears_set_id},
    {"fallocate by another user clears the set-id bits", allocating_clears_set_id},
    {"chown clears the set-id bits", chown_clears_set_id},
    {"chown keeps a directory's set-group-id", chown_keeps_directory_bits},
    {"chmod by an owner outside the group drops set-group-id", chmod_drops_foreign_set_group_id},
    {0},
};
