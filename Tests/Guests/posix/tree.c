// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// posixcheck tree DIR: one line per entry, in byte order of the paths: type, permission
// bits, size, hash of the content (or of a link's target), path. What two views of one
// tree may differ in (inode numbers, times, sizes of directories, link counts) stays out. Two views of one file system
// must agree about the link counts and the user's attributes too: --links adds them.

#include "check.h"

#include <sys/xattr.h>

struct path_list {
  char **paths;
  size_t count, space;
};

static void push(struct path_list *list, const char *directory, const char *name) {
  if (list->count == list->space) {
    list->space = list->space * 2 + 64;
    list->paths = realloc(list->paths, list->space * sizeof *list->paths);
  }
  size_t size = strlen(directory) + strlen(name) + 2;
  char *path = malloc(size);
  snprintf(path, size, "%s%s%s", directory, *directory ? "/" : "", name);
  list->paths[list->count++] = path;
}

static int collect(struct path_list *list, int parent, const char *name, const char *shown) {
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (dir == NULL) return -1;
  int result = 0;
  errno = 0;
  for (struct dirent *entry; result == 0 && (entry = readdir(dir)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    push(list, shown, entry->d_name);
    struct stat st;
    if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) result = -1;
    else if (S_ISDIR(st.st_mode)) {
      // The list may move its strings' table, never the strings.
      result = collect(list, fd, entry->d_name, list->paths[list->count - 1]);
    }
    errno = 0;
  }
  if (result == 0 && errno != 0) result = -1;
  closedir(dir);
  return result;
}

static int by_bytes(const void *left, const void *right) {
  return strcmp(*(char *const *)left, *(char *const *)right);
}

static int hash_content(int base, const char *path, uint64_t *hash) {
  static char buffer[1 << 17];
  int fd = openat(base, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t n;
  while ((n = read(fd, buffer, sizeof buffer)) > 0) *hash = hash_bytes(*hash, buffer, (size_t)n);
  close(fd);
  return n < 0 ? -1 : 0;
}

// The hash of all user attributes, names and values, whatever order they are listed in.
static int hash_attributes(int base, const char *path, uint64_t *sum) {
  static char names[65536], value[65536];
  int fd = openat(base, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t size = flistxattr(fd, names, sizeof names);
  if (size < 0 && errno == EOPNOTSUPP) size = 0;
  int result = size < 0 ? -1 : 0;
  for (char *name = names; result == 0 && name < names + size; name += strlen(name) + 1) {
    if (strncmp(name, "user.", 5) != 0) continue;
    ssize_t count = fgetxattr(fd, name, value, sizeof value);
    if (count < 0) result = -1;
    else *sum += hash_bytes(hash_bytes(HASH_START, name, strlen(name) + 1), value, (size_t)count);
  }
  close(fd);
  return result;
}

static int print_entry(int base, const char *path, bool with_links) {
  struct stat st;
  if (fstatat(base, path, &st, AT_SYMLINK_NOFOLLOW) != 0) return -1;
  char type = '?';
  long long size = 0;
  uint64_t hash = HASH_START;
  switch (st.st_mode & S_IFMT) {
    case S_IFREG:
      type = 'f';
      size = st.st_size;
      if (hash_content(base, path, &hash) != 0) return -1;
      break;
    case S_IFLNK: {
      char target[PATH_MAX];
      ssize_t n = readlinkat(base, path, target, sizeof target);
      if (n < 0) return -1;
      type = 'l';
      size = n;
      hash = hash_bytes(hash, target, (size_t)n);
      break;
    }
    case S_IFDIR: type = 'd'; break;
    case S_IFIFO: type = 'p'; break;
    case S_IFSOCK: type = 's'; break;
    case S_IFCHR: type = 'c'; break;
    case S_IFBLK: type = 'b'; break;
  }
  printf("%c %04o %lld %016llx ", type, st.st_mode & 07777, size, (unsigned long long)hash);
  if (with_links) {
    uint64_t attributes = 0;
    if ((type == 'f' || type == 'd') && hash_attributes(base, path, &attributes) != 0) return -1;
    printf("%lu %016llx ", (unsigned long)st.st_nlink, (unsigned long long)attributes);
  }
  printf("%s\n", path);
  return 0;
}

int print_tree(const char *directory, bool with_links) {
  struct path_list list = {0};
  int base = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (base < 0 || collect(&list, base, ".", "") != 0) {
    fprintf(stderr, "posixcheck: %s: %s\n", directory, strerror(errno));
    return 2;
  }
  qsort(list.paths, list.count, sizeof *list.paths, by_bytes);
  for (size_t i = 0; i < list.count; i++) {
    if (print_entry(base, list.paths[i], with_links) != 0) {
      fprintf(stderr, "posixcheck: %s/%s: %s\n", directory, list.paths[i], strerror(errno));
      return 2;
    }
  }
  printf("tree: %zu entries\n", list.count);
  return 0;
}
