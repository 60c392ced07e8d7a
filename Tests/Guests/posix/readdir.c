// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Listing directories: completeness, positions, types, changes while listing.

#include "check.h"

enum { many = 10000 };

static void make_entries(const char *directory, int count) {
  must(mkdir(directory, 0755));
  int dir = (int)must(open(directory, O_RDONLY | O_DIRECTORY));
  for (int i = 0; i < count; i++) {
    char name[32];
    snprintf(name, sizeof name, "entry-%d", i);
    // Links to one inode would be quicker, but the file systems' limits on them differ.
    close((int)must(openat(dir, name, O_CREAT | O_EXCL | O_WRONLY, 0644)));
  }
  close(dir);
}

static int entry_number(const char *name) {
  int number;
  return sscanf(name, "entry-%d", &number) == 1 ? number : -1;
}

static void lists_empty_directory(void) {
  must(mkdir("d", 0755));
  DIR *dir = opendir("d");
  int dots = 0, others = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) dots++;
    else others++;
  }
  same(dots, 2);
  same(others, 0);
}

static void each_entry_once(DIR *dir, int count) {
  static unsigned char seen[many];
  memset(seen, 0, sizeof seen);
  int total = 0;
  errno = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL; errno = 0) {
    int number = entry_number(entry->d_name);
    if (number < 0) continue;
    truth(number < count);
    if (seen[number]++ != 0) fail("entry %d is listed twice", number);
    total++;
  }
  same(errno, 0);
  same(total, count);
}

static void lists_ten_thousand(void) {
  make_entries("d", many);
  DIR *dir = opendir("d");
  each_entry_once(dir, many);
  rewinddir(dir);
  each_entry_once(dir, many);
}

static void remembers_positions(void) {
  enum { count = 1000, step = 37 };
  make_entries("d", count);
  DIR *dir = opendir("d");
  long positions[count + 3];
  char names[count + 2][32];
  int total = 0;
  for (;;) {
    positions[total] = telldir(dir);
    struct dirent *entry = readdir(dir);
    if (entry == NULL) break;
    snprintf(names[total], sizeof names[total], "%.31s", entry->d_name);
    total++;
  }
  same(total, count + 2);
  for (int i = 0, at = 0; i < total; i++, at = (at + step) % total) {
    seekdir(dir, positions[at]);
    struct dirent *entry = readdir(dir);
    if (entry == NULL) fail("nothing at the position of entry %d (%s)", at, names[at]);
    if (strcmp(entry->d_name, names[at]) != 0) fail("entry %d is %s, not %s", at, entry->d_name, names[at]);
  }
}

static void positions_in_a_fresh_stream(void) {
  // As NFS servers and file managers do: go on with an old position after opening anew.
  enum { count = 500 };
  make_entries("d", count);
  DIR *dir = opendir("d");
  static unsigned char seen[count];
  for (int i = 0; i < 200; i++) {
    struct dirent *entry = readdir(dir);
    int number = entry_number(entry->d_name);
    if (number >= 0) seen[number]++;
  }
  long position = telldir(dir);
  closedir(dir);
  dir = opendir("d");
  seekdir(dir, position);
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    int number = entry_number(entry->d_name);
    if (number >= 0) seen[number]++;
  }
  for (int i = 0; i < count; i++) same(seen[i], 1);
}

static void deletion_while_listing(void) {
  enum { count = 2000 };
  make_entries("d", count);
  int fd = (int)must(open("d", O_RDONLY | O_DIRECTORY));
  DIR *dir = opendir("d");
  static unsigned char seen[count];
  int deleted = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    int number = entry_number(entry->d_name);
    if (number < 0) continue;
    if (seen[number]++ != 0) fail("entry %d is listed twice", number);
    if (number % 2 == 0) {
      must(unlinkat(fd, entry->d_name, 0));
      deleted++;
    }
  }
  same(deleted, count / 2);
  for (int i = 0; i < count; i++) same(seen[i], 1);
}

static void everything_deleted_while_listing(void) {
  enum { count = 1000 };
  make_entries("d", count);
  int fd = (int)must(open("d", O_RDONLY | O_DIRECTORY));
  DIR *dir = opendir("d");
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
    if (entry_number(entry->d_name) >= 0) must(unlinkat(fd, entry->d_name, 0));
  closedir(dir);
  must(rmdir("d"));
}

static void rewinding_shows_changes(void) {
  make_entries("d", 5);
  DIR *dir = opendir("d");
  each_entry_once(dir, 5);
  write_text("d/entry-5", "x");
  must(unlink("d/entry-0"));
  must(rename("d/entry-1", "d/entry-0"));
  must(rename("d/entry-5", "d/entry-1"));
  rewinddir(dir);
  each_entry_once(dir, 5);
}

static void tells_types_and_inodes(void) {
  must(mkdir("d", 0755));
  must(mkdir("d/directory", 0755));
  write_text("d/file", "x");
  must(symlink("file", "d/link"));
  must(mkfifo("d/fifo", 0644));
  DIR *dir = opendir("d");
  int seen = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    if (entry->d_name[0] == '.') continue;
    struct stat st;
    must(fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW));
    same(entry->d_ino, st.st_ino);
    if (entry->d_type != DT_UNKNOWN) same(entry->d_type, IFTODT(st.st_mode));
    seen++;
  }
  same(seen, 4);
}

static void long_names_fill_buffers(void) {
  // 255-byte names leave odd rests at the end of every buffer on the way.
  enum { count = 300 };
  char name[NAME_MAX + 1];
  must(mkdir("d", 0755));
  int fd = (int)must(open("d", O_RDONLY | O_DIRECTORY));
  for (int i = 0; i < count; i++) {
    memset(name, 'x', sizeof name);
    int size = snprintf(name, sizeof name, "entry-%d-", i);
    name[size] = 'x';
    name[NAME_MAX - i % 9] = 0;
    close((int)must(openat(fd, name, O_CREAT | O_EXCL | O_WRONLY, 0644)));
  }
  each_entry_once(opendir("d"), count);
}

static void two_streams_at_once(void) {
  make_entries("d", 300);
  DIR *first = opendir("d"), *second = opendir("d");
  for (int i = 0; i < 100; i++) truth(readdir(first) != NULL);
  each_entry_once(second, 300);
  int rest = 0;
  while (readdir(first) != NULL) rest++;
  same(rest, 202);
}

const struct check readdir_checks[] = {
    {"an empty directory lists only dot and dot-dot", lists_empty_directory},
    {"10,000 entries are each listed once, twice over", lists_ten_thousand},
    {"telldir and seekdir find every entry again", remembers_positions},
    {"a position holds in a stream opened anew", positions_in_a_fresh_stream},
    {"deleting every other entry hides none of the rest", deletion_while_listing},
    {"everything can be deleted while listing", everything_deleted_while_listing},
    {"rewinddir shows what changed", rewinding_shows_changes},
    {"types and inode numbers agree with lstat", tells_types_and_inodes},
    {"300 names of about 255 bytes", long_names_fill_buffers},
    {"two streams of one directory do not disturb each other", two_streams_at_once},
    {0},
};
