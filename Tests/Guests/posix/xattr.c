// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Extended attributes.

#include "check.h"

#include <sys/xattr.h>

static void set_or_skip(const char *path, const char *name, const void *value, size_t size, int flags) {
  int result = setxattr(path, name, value, size, flags);
  skip_if_unsupported(result, "extended attributes of this kind");
  must(result);
}

static void expect_attribute(const char *path, const char *name, const char *value) {
  char buffer[256] = {0};
  same(must(getxattr(path, name, buffer, sizeof buffer)), strlen(value));
  if (memcmp(buffer, value, strlen(value)) != 0) fail("%s is \"%s\", not \"%s\"", name, buffer, value);
}

static void sets_and_gets(void) {
  write_text("f", "x");
  set_or_skip("f", "user.color", "blue", 4, 0);
  expect_attribute("f", "user.color", "blue");
  must(setxattr("f", "user.color", "dark red", 8, 0));
  expect_attribute("f", "user.color", "dark red");
  must(setxattr("f", "user.empty", "", 0, 0));
  expect_attribute("f", "user.empty", "");
  same(must(getxattr("f", "user.color", NULL, 0)), 8);
  char small[4];
  refuses(ERANGE, getxattr("f", "user.color", small, sizeof small));
}

static void on_directory_and_descriptor(void) {
  must(mkdir("d", 0755));
  set_or_skip("d", "user.a", "1", 1, 0);
  expect_attribute("d", "user.a", "1");
  int fd = make_file("f", 0644);
  must(fsetxattr(fd, "user.b", "2", 1, 0));
  expect_attribute("f", "user.b", "2");
  char value;
  same(must(fgetxattr(fd, "user.b", &value, 1)), 1);
  must(fremovexattr(fd, "user.b"));
  refuses(ENODATA, getxattr("f", "user.b", &value, 1));
}

static void flags(void) {
  write_text("f", "x");
  set_or_skip("f", "user.a", "1", 1, XATTR_CREATE);
  refuses(EEXIST, setxattr("f", "user.a", "2", 1, XATTR_CREATE));
  expect_attribute("f", "user.a", "1");
  refuses(ENODATA, setxattr("f", "user.b", "2", 1, XATTR_REPLACE));
  must(setxattr("f", "user.a", "3", 1, XATTR_REPLACE));
  expect_attribute("f", "user.a", "3");
  refuses(EINVAL, setxattr("f", "user.a", "4", 1, 0x1000));
}

static void lists(void) {
  write_text("f", "x");
  set_or_skip("f", "user.first", "1", 1, 0);
  must(setxattr("f", "user.second", "2", 1, 0));
  char names[1024];
  ssize_t size = must(listxattr("f", names, sizeof names));
  int seen = 0;
  for (ssize_t i = 0; i < size; i += (ssize_t)strlen(names + i) + 1)
    seen += strcmp(names + i, "user.first") == 0 || strcmp(names + i, "user.second") == 0;
  same(seen, 2);
  same(must(listxattr("f", NULL, 0)), size);
  refuses(ERANGE, listxattr("f", names, 3));
}

static void removes(void) {
  write_text("f", "x");
  set_or_skip("f", "user.a", "1", 1, 0);
  must(removexattr("f", "user.a"));
  char value;
  refuses(ENODATA, getxattr("f", "user.a", &value, 1));
  refuses(ENODATA, removexattr("f", "user.a"));
}

static void large_values(void) {
  // As large as this file system takes: 64 KiB is the kernel's limit, ext4 stops at a block.
  static char value[65536], seen[65536];
  fill_random(value, sizeof value, 41);
  write_text("f", "x");
  for (size_t size = sizeof value; size >= 1024; size /= 2) {
    int result = setxattr("f", "user.large", value, size, 0);
    skip_if_unsupported(result, "extended attributes");
    if (result == -1 && (errno == ENOSPC || errno == E2BIG || errno == ERANGE)) continue;
    must(result);
    same(must(getxattr("f", "user.large", seen, sizeof seen)), size);
    truth(memcmp(value, seen, size) == 0);
    return;
  }
  // tmpfs of some kernels has no user attributes at all, but then says so.
  fail("not even 1 KiB fits");
}

static void over_the_limit(void) {
  static char value[65537];
  write_text("f", "x");
  set_or_skip("f", "user.a", "1", 1, 0);
  refuses(E2BIG, setxattr("f", "user.b", value, sizeof value, 0));
  char name[300] = "user.";
  memset(name + 5, 'n', 251);
  name[256] = 0;
  refuses(ERANGE, setxattr("f", name, "1", 1, 0));
  name[255] = 0;
  must(setxattr("f", name, "1", 1, 0));
  expect_attribute("f", name, "1");
}

static void many_attributes(void) {
  write_text("f", "x");
  set_or_skip("f", "user.0", "0", 1, 0);
  char name[32];
  for (int i = 0; i < 30; i++) {
    snprintf(name, sizeof name, "user.%d", i);
    must(setxattr("f", name, name, strlen(name), 0));
  }
  for (int i = 0; i < 30; i++) {
    snprintf(name, sizeof name, "user.%d", i);
    expect_attribute("f", name, name);
  }
}

static void trusted_is_hidden(void *unused) {
  (void)unused;
  become(other_user, other_group);
  char value[8];
  refuses(ENODATA, getxattr("f", "trusted.secret", value, sizeof value));
  refuses(EPERM, setxattr("f", "trusted.mine", "1", 1, 0));
}

static void trusted(void) {
  needs_root();
  write_text("f", "x");
  must(chmod("f", 0666));
  int result = setxattr("f", "trusted.secret", "key", 3, 0);
  // A share whose server gave up CAP_SYS_ADMIN says so in this way.
  if (result == -1 && errno == EPERM) skip("trusted attributes may not be set here");
  skip_if_unsupported(result, "trusted attributes");
  must(result);
  expect_attribute("f", "trusted.secret", "key");
  in_child(trusted_is_hidden, NULL);
  must(removexattr("f", "trusted.secret"));
}

static void user_attributes_need_files(void) {
  must(symlink("x", "l"));
  must(mkfifo("p", 0644));
  truth(lsetxattr("l", "user.a", "1", 1, 0) == -1);
  truth(errno == EPERM || errno == EOPNOTSUPP);
  truth(setxattr("p", "user.a", "1", 1, 0) == -1);
  truth(errno == EPERM || errno == EOPNOTSUPP);
}

static void unknown_namespace(void) {
  write_text("f", "x");
  refuses(EOPNOTSUPP, setxattr("f", "nosuch.name", "1", 1, 0));
  refuses(ENOENT, setxattr("none", "user.a", "1", 1, 0));
}

static void without_permission(void *unused) {
  (void)unused;
  become(other_user, other_group);
  refuses(EACCES, setxattr("f", "user.a", "2", 1, 0));
  expect_attribute("f", "user.a", "1");
}

static void permission_needed(void) {
  needs_root();
  write_text("f", "x");
  set_or_skip("f", "user.a", "1", 1, 0);
  must(chmod("f", 0644));
  in_child(without_permission, NULL);
}

static void go_with_the_file(void) {
  write_text("a", "x");
  set_or_skip("a", "user.a", "1", 1, 0);
  must(rename("a", "b"));
  expect_attribute("b", "user.a", "1");
  must(link("b", "c"));
  must(unlink("b"));
  expect_attribute("c", "user.a", "1");
  write_text("a", "new");
  char value;
  refuses(ENODATA, getxattr("a", "user.a", &value, 1));
}

static void write_as_other(void *unused) {
  (void)unused;
  become(other_user, other_group);
  must(write((int)must(open("f", O_WRONLY)), "y", 1));
}

static void writing_drops_capabilities(void) {
  needs_root();
  write_text("f", "x");
  must(chmod("f", 0777));
  // A version 2 capability set: effective bit, CAP_NET_RAW permitted.
  const uint32_t capability[5] = {0x02000001, 1u << 13, 0, 0, 0};
  int result = setxattr("f", "security.capability", capability, sizeof capability, 0);
  skip_if_unsupported(result, "file capabilities");
  if (result == -1 && errno == EPERM) skip("file capabilities may not be set here");
  must(result);
  in_child(write_as_other, NULL);
  char value[64];
  refuses(ENODATA, getxattr("f", "security.capability", value, sizeof value));
}

const struct check xattr_checks[] = {
    {"user attributes are set, changed and read", sets_and_gets},
    {"directories and descriptors have attributes", on_directory_and_descriptor},
    {"CREATE and REPLACE hold", flags},
    {"attributes are listed", lists},
    {"attributes are removed once", removes},
    {"a large value comes back whole", large_values},
    {"values over 64 KiB and names over 255 bytes are refused", over_the_limit},
    {"30 attributes of one file", many_attributes},
    {"trusted attributes are root's", trusted},
    {"symbolic links and fifos have no user attributes", user_attributes_need_files},
    {"an unknown namespace is EOPNOTSUPP", unknown_namespace},
    {"setting needs write permission", permission_needed},
    {"attributes go with the file, not the name", go_with_the_file},
    {"writing drops file capabilities", writing_drops_capabilities},
    {0},
};
