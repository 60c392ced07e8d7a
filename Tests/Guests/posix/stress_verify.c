// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The tree at rest: every name leads to what it says, every link is counted, every file holds what was written last.

#include "stress.h"

#include <sys/xattr.h>

struct file_seen {
  ino_t inode;
  nlink_t links, names;
};

static struct file_seen *seen;
static size_t seen_count, seen_space;
static long entries;
// Whether directories count their subdirectories here.
static bool counts_directories;

static void count_name(const struct stat *st, const char *name) {
  for (size_t i = 0; i < seen_count; i++) {
    if (seen[i].inode != st->st_ino) continue;
    seen[i].names++;
    if (seen[i].links != st->st_nlink)
      fail("%s has %lu links, under another name it had %lu", name, (unsigned long)st->st_nlink,
           (unsigned long)seen[i].links);
    return;
  }
  if (seen_count == seen_space) {
    seen_space = seen_space * 2 + 64;
    seen = realloc(seen, seen_space * sizeof *seen);
    truth(seen != NULL);
  }
  seen[seen_count++] = (struct file_seen){st->st_ino, st->st_nlink, 1};
}

static void verify_attributes(int fd) {
  static char names[65536], value[most_value + 1];
  ssize_t size = flistxattr(fd, names, sizeof names);
  if (size < 0 && errno == EOPNOTSUPP) return;
  must(size);
  for (char *name = names; name < names + size; name += strlen(name) + 1) {
    if (strncmp(name, "user.stress", 11) != 0) continue;
    expect_value(name, value, (size_t)must(fgetxattr(fd, name, value, sizeof value)));
  }
}

static void verify_file(int directory, const char *name, const struct stat *st) {
  count_name(st, name);
  int fd = (int)must(openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (fd_status(fd).st_ino != st->st_ino) fail("%s opens as another file", name);
  if (is_born(fd)) expect_content(fd, read_slot(fd));
  verify_attributes(fd);
  must(close(fd));
}

static void verify_link(int directory, const char *name, const struct stat *st) {
  char target[PATH_MAX];
  ssize_t size = must(readlinkat(directory, name, target, sizeof target - 1));
  target[size] = 0;
  same(size, st->st_size);
  expect_target(name, target, (size_t)size);
  count_name(st, name);
}

static bool type_agrees(unsigned char type, mode_t mode) {
  return type == DT_UNKNOWN || type == IFTODT(mode);
}

static void verify_directory(int parent, const char *name) {
  int fd = (int)must(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  verify_attributes(fd);
  nlink_t links = fd_status(fd).st_nlink, directories = 0;
  DIR *dir = fdopendir(fd);
  truth(dir != NULL);
  errno = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL; errno = 0) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    entries++;
    struct stat st;
    if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
      fail("%s is listed, and lstat says %s", entry->d_name, strerror(errno));
    if (!type_agrees(entry->d_type, st.st_mode))
      fail("%s is listed as type %d and is %o", entry->d_name, entry->d_type, st.st_mode);
    if (st.st_ino != entry->d_ino) fail("%s is listed with another inode number", entry->d_name);
    if (S_ISDIR(st.st_mode)) {
      directories++;
      verify_directory(fd, entry->d_name);
    } else if (S_ISREG(st.st_mode)) {
      verify_file(fd, entry->d_name, &st);
    } else if (S_ISLNK(st.st_mode)) {
      verify_link(fd, entry->d_name, &st);
    } else {
      fail("%s is of a type that nobody made: %o", entry->d_name, st.st_mode);
    }
  }
  same(errno, 0);
  closedir(dir);
  if (counts_directories && links != 2 + directories)
    fail("the directory %s has %lu links and %lu subdirectories", name, (unsigned long)links,
         (unsigned long)directories);
}

long verify_tree(int base) {
  must(mkdirat(base, "fresh", 0755));
  struct stat st;
  must(fstatat(base, "fresh", &st, 0));
  counts_directories = st.st_nlink == 2;
  must(unlinkat(base, "fresh", AT_REMOVEDIR));
  verify_directory(base, ".");
  for (size_t i = 0; i < seen_count; i++)
    if (seen[i].links != seen[i].names)
      fail("inode %llu has %lu links and %lu names", (unsigned long long)seen[i].inode, (unsigned long)seen[i].links,
           (unsigned long)seen[i].names);
  return entries;
}
