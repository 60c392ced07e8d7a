// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// POSIX access control lists, written as raw attributes so that no library stands
// between the check and the file system. The layout is <linux/posix_acl_xattr.h>'s.

#include "check.h"

#include <sys/xattr.h>

enum { tag_owner = 1, tag_user = 2, tag_group_owner = 4, tag_group = 8, tag_mask = 16, tag_other = 32, no_id = -1 };

struct entry {
  uint16_t tag, bits;
  uint32_t id;
};

struct list {
  uint32_t version;
  struct entry entries[16];
};

static const char access_name[] = "system.posix_acl_access";
static const char default_name[] = "system.posix_acl_default";

static int try_set(const char *path, const char *name, const struct entry *entries, size_t count) {
  struct list list = {.version = 2};
  memcpy(list.entries, entries, count * sizeof *entries);
  return setxattr(path, name, &list, sizeof list.version + count * sizeof *entries, 0);
}

static void set(const char *path, const char *name, const struct entry *entries, size_t count) {
  int result = try_set(path, name, entries, count);
  skip_if_unsupported(result, "access control lists");
  must(result);
}

static size_t get(const char *path, const char *name, struct list *list) {
  ssize_t size = must(getxattr(path, name, list, sizeof *list));
  same(list->version, 2);
  return ((size_t)size - sizeof list->version) / sizeof *list->entries;
}

// The bits of the entry with this tag and id, or -1.
static int bits_of(const char *path, const char *name, int tag, uint32_t id) {
  struct list list;
  size_t count = get(path, name, &list);
  for (size_t i = 0; i < count; i++)
    if (list.entries[i].tag == tag && (list.entries[i].id == id || (tag != tag_user && tag != tag_group)))
      return list.entries[i].bits;
  return -1;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

// rw for one user, r for the group under a mask of rw, nothing for others.
static const struct entry one_user[] = {
    {tag_owner, 6, (uint32_t)no_id}, {tag_user, 6, other_user},       {tag_group_owner, 4, (uint32_t)no_id},
    {tag_mask, 6, (uint32_t)no_id},  {tag_other, 0, (uint32_t)no_id},
};

static const struct entry for_children[] = {
    {tag_owner, 7, (uint32_t)no_id}, {tag_user, 7, other_user},       {tag_group_owner, 5, (uint32_t)no_id},
    {tag_mask, 7, (uint32_t)no_id},  {tag_other, 0, (uint32_t)no_id},
};

static void keeps_list(void) {
  make_file("f", 0644);
  set("f", access_name, one_user, COUNT(one_user));
  struct list list;
  same(get("f", access_name, &list), COUNT(one_user));
  same(bits_of("f", access_name, tag_user, other_user), 6);
  same(bits_of("f", access_name, tag_mask, 0), 6);
  // The group bits of the mode show the mask.
  same(permissions("f"), 0660);
}

static void chmod_sets_mask(void) {
  make_file("f", 0644);
  set("f", access_name, one_user, COUNT(one_user));
  must(chmod("f", 0640));
  same(bits_of("f", access_name, tag_mask, 0), 4);
  same(bits_of("f", access_name, tag_user, other_user), 6);
  same(bits_of("f", access_name, tag_group_owner, 0), 4);
  must(chmod("f", 0704));
  same(bits_of("f", access_name, tag_owner, 0), 7);
  same(bits_of("f", access_name, tag_other, 0), 4);
  same(bits_of("f", access_name, tag_mask, 0), 0);
}

static void minimal_list_is_the_mode(void) {
  const struct entry three[] = {
      {tag_owner, 7, (uint32_t)no_id}, {tag_group_owner, 5, (uint32_t)no_id}, {tag_other, 1, (uint32_t)no_id}};
  make_file("f", 0644);
  set("f", access_name, three, 3);
  same(permissions("f"), 0751);
  struct list list;
  refuses(ENODATA, getxattr("f", access_name, &list, sizeof list));
}

static void removed_list_leaves_mode(void) {
  make_file("f", 0644);
  set("f", access_name, one_user, COUNT(one_user));
  must(removexattr("f", access_name));
  struct list list;
  refuses(ENODATA, getxattr("f", access_name, &list, sizeof list));
  same(permissions("f") & 0707, 0600);
}

static void bad_lists(void) {
  make_file("f", 0644);
  set("f", access_name, one_user, COUNT(one_user));
  // Named user without a mask; entries out of order; default list on a file.
  const struct entry no_mask[] = {{tag_owner, 6, (uint32_t)no_id},
                                  {tag_user, 6, other_user},
                                  {tag_group_owner, 4, (uint32_t)no_id},
                                  {tag_other, 0, (uint32_t)no_id}};
  refuses(EINVAL, try_set("f", access_name, no_mask, COUNT(no_mask)));
  // Five bytes with an unknown version number, then a size that is no list's.
  refuses(EOPNOTSUPP, setxattr("f", access_name, "short", 5, 0));
  refuses(EINVAL, setxattr("f", access_name, "\2\0\0\0\1", 5, 0));
  truth(try_set("f", default_name, for_children, COUNT(for_children)) == -1);
  truth(errno == EACCES || errno == EPERM || errno == EOPNOTSUPP);
  same(bits_of("f", access_name, tag_user, other_user), 6);
}

static void named_user_reads(void *unused) {
  (void)unused;
  become(other_user, other_group);
  int fd = (int)must(open("f", O_RDWR));
  must(pwrite(fd, "y", 1, 0));
}

static void stranger_does_not(void *unused) {
  (void)unused;
  become(third_user, third_user);
  refuses(EACCES, open("f", O_RDONLY));
}

static void list_grants_access(void) {
  needs_root();
  write_text("f", "x");
  must(chmod("f", 0600));
  in_child(stranger_does_not, NULL);
  set("f", access_name, one_user, COUNT(one_user));
  in_child(named_user_reads, NULL);
  in_child(stranger_does_not, NULL);
}

static void masked_user(void *unused) {
  (void)unused;
  become(other_user, other_group);
  must(open("f", O_RDONLY));
  refuses(EACCES, open("f", O_RDWR));
}

static void mask_limits_access(void) {
  needs_root();
  write_text("f", "x");
  set("f", access_name, one_user, COUNT(one_user));
  must(chmod("f", 0640));
  in_child(masked_user, NULL);
}

static void default_is_inherited(void) {
  must(mkdir("d", 0755));
  set("d", default_name, for_children, COUNT(for_children));
  umask(077);
  make_file("d/f", 0666);
  same(bits_of("d/f", access_name, tag_user, other_user), 7);
  same(bits_of("d/f", access_name, tag_mask, 0), 6);
  // The list takes the place of the umask: 0666 limited by owner 7, mask 7, other 0.
  same(permissions("d/f"), 0660);
  struct list list;
  refuses(ENODATA, getxattr("d/f", default_name, &list, sizeof list));
}

static void directories_pass_default_on(void) {
  must(mkdir("d", 0755));
  set("d", default_name, for_children, COUNT(for_children));
  umask(077);
  must(mkdir("d/e", 0777));
  same(permissions("d/e"), 0770);
  same(bits_of("d/e", default_name, tag_user, other_user), 7);
  same(bits_of("d/e", access_name, tag_user, other_user), 7);
  make_file("d/e/f", 0640);
  same(bits_of("d/e/f", access_name, tag_user, other_user), 7);
  same(bits_of("d/e/f", access_name, tag_mask, 0), 4);
  same(permissions("d/e/f"), 0640);
}

static void umask_counts_without_default(void) {
  must(mkdir("d", 0755));
  set("d", access_name, one_user, COUNT(one_user));
  umask(027);
  make_file("d/f", 0666);
  same(permissions("d/f"), 0640);
  must(mkdir("d/e", 0777));
  same(permissions("d/e"), 0750);
  must(mkfifo("d/p", 0666));
  same(permissions("d/p"), 0640);
}

static void default_for_special_files(void) {
  must(mkdir("d", 0755));
  set("d", default_name, for_children, COUNT(for_children));
  umask(077);
  must(mkfifo("d/p", 0666));
  same(permissions("d/p"), 0660);
  must(symlink("x", "d/l"));
  same(link_status("d/l").st_mode & 0777, 0777);
}

static void default_removed(void) {
  must(mkdir("d", 0755));
  set("d", default_name, for_children, COUNT(for_children));
  must(removexattr("d", default_name));
  umask(022);
  make_file("d/f", 0666);
  same(permissions("d/f"), 0644);
}

static void set_as_stranger(void *unused) {
  (void)unused;
  become(third_user, third_user);
  refuses(EPERM, try_set("f", access_name, one_user, COUNT(one_user)));
  refuses(EPERM, removexattr("f", access_name));
}

static void only_the_owner_sets(void) {
  needs_root();
  make_file("f", 0666);
  set("f", access_name, one_user, COUNT(one_user));
  must(chmod("f", 0666));
  in_child(set_as_stranger, NULL);
}

static void owner_outside_group(void *unused) {
  (void)unused;
  become(other_user, other_group);
  must(try_set("f", access_name, one_user, COUNT(one_user)));
}

static void setting_drops_set_group_id(void) {
  // As with chmod: an owner outside the group may not keep the bit.
  needs_root();
  make_file("f", 0755);
  set("f", access_name, one_user, COUNT(one_user));
  must(chown("f", other_user, extra_group));
  must(chmod("f", 02775));
  in_child(owner_outside_group, NULL);
  same(permissions("f"), 0660);
}

const struct check acl_checks[] = {
    {"a list is kept and its mask shows in the mode", keeps_list},
    {"chmod changes the mask, not the entries", chmod_sets_mask},
    {"a list of three entries becomes the mode", minimal_list_is_the_mode},
    {"removing the list leaves the mode", removed_list_leaves_mode},
    {"malformed lists are refused", bad_lists},
    {"a list grants one user access", list_grants_access},
    {"the mask limits what a list grants", mask_limits_access},
    {"a default list is inherited in place of the umask", default_is_inherited},
    {"directories pass the default list on", directories_pass_default_on},
    {"without a default list the umask counts", umask_counts_without_default},
    {"special files inherit too, symbolic links do not", default_for_special_files},
    {"a removed default list is not inherited", default_removed},
    {"only the owner sets a list", only_the_owner_sets},
    {"setting a list drops a foreign set-group-id", setting_drops_set_group_id},
    {0},
};
