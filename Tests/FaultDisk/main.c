// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// faultdisk BACKING MOUNTPOINT: a file system with one file, "image", whose disk can fail and lose its power. What is
// written there is in memory until it is synced; only then it is in the backing file, which is the medium. A line that
// is written to the file "control" is done when write(2) returns:
//   fail read|write|sync FIRST COUNT   these bytes give an I/O error; FIRST and COUNT mean nothing to sync
//   heal                               nothing fails any more
//   hold | go                          writes are done, but not answered before "go"; the file's size tells how many
//   lose SEED                          the power goes: of what was not synced each sector is on the medium or is not
// Stays in the foreground until SIGTERM, which also unmounts.

#define _FILE_OFFSET_BITS 64
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, MOST_RULES = 8 };

enum work { READING, WRITING, SYNCING };
static const char *const work_names[] = {"read", "write", "sync"};

struct rule {
  enum work work;
  long long first, count;
};

static struct {
  int backing;
  size_t size;
  // What whoever asks now is told, and which sectors of it are not on the medium.
  unsigned char *now;
  bool *is_volatile;
  struct rule rules[MOST_RULES];
  unsigned rule_count;
  bool holds;
  unsigned held;
} disk;

// One thing after the other; whoever is held waits for `released` and lets others in.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;

static bool fails(enum work work, off_t offset, size_t count) {
  for (unsigned i = 0; i < disk.rule_count; i++) {
    const struct rule *rule = &disk.rules[i];
    if (rule->work != work) continue;
    if (work == SYNCING) return true;
    if (offset < rule->first + rule->count && rule->first < offset + (off_t)count) return true;
  }
  return false;
}

static size_t sectors(size_t bytes) { return (bytes + SECTOR - 1) / SECTOR; }

static size_t sector_bytes(size_t sector) {
  size_t left = disk.size - sector * SECTOR;
  return left < SECTOR ? left : SECTOR;
}

// Sectors of the range go to the medium. 0, or an error.
static int harden(size_t first, size_t end) {
  for (size_t i = first; i < end && i < sectors(disk.size); i++) {
    if (!disk.is_volatile[i]) continue;
    size_t count = sector_bytes(i);
    if (pwrite(disk.backing, disk.now + i * SECTOR, count, (off_t)(i * SECTOR)) != (ssize_t)count) return -EIO;
    disk.is_volatile[i] = false;
  }
  return 0;
}

static void change(off_t offset, size_t count, const char *bytes) {
  if (bytes != NULL) {
    memcpy(disk.now + offset, bytes, count);
  } else {
    memset(disk.now + offset, 0, count);
  }
  for (size_t i = (size_t)offset / SECTOR; i < sectors((size_t)offset + count); i++) disk.is_volatile[i] = true;
}

// A new size is on the medium at once: what is lost here is data.
static int resize(size_t size) {
  if (ftruncate(disk.backing, (off_t)size) != 0) return -errno;
  unsigned char *now = realloc(disk.now, size + SECTOR);
  bool *is_volatile = realloc(disk.is_volatile, (sectors(size) + 1) * sizeof *is_volatile);
  if (now == NULL || is_volatile == NULL) abort();
  for (size_t i = disk.size; i < size; i++) now[i] = 0;
  for (size_t i = sectors(disk.size); i < sectors(size); i++) is_volatile[i] = false;
  disk.now = now;
  disk.is_volatile = is_volatile;
  disk.size = size;
  return 0;
}

static int lose(unsigned seed) {
  for (size_t i = 0; i < sectors(disk.size); i++) {
    if (!disk.is_volatile[i]) continue;
    if (rand_r(&seed) % 2 == 0) {
      if (harden(i, i + 1) != 0) return -EIO;
      continue;
    }
    size_t count = sector_bytes(i);
    if (pread(disk.backing, disk.now + i * SECTOR, count, (off_t)(i * SECTOR)) != (ssize_t)count) return -EIO;
    disk.is_volatile[i] = false;
  }
  return 0;
}

static int command(const char *line) {
  char word[16];
  struct rule rule = {0};
  unsigned seed;
  if (strncmp(line, "heal", 4) == 0) {
    disk.rule_count = 0;
    return 0;
  }
  if (strncmp(line, "hold", 4) == 0 || strncmp(line, "go", 2) == 0) {
    disk.holds = line[0] == 'h';
    pthread_cond_broadcast(&released);
    return 0;
  }
  if (sscanf(line, "lose %u", &seed) == 1) return lose(seed);
  if (sscanf(line, "fail %15s %lld %lld", word, &rule.first, &rule.count) != 3 || disk.rule_count == MOST_RULES)
    return -EINVAL;
  for (unsigned work = READING; work <= SYNCING; work++) {
    if (strcmp(word, work_names[work]) != 0) continue;
    rule.work = work;
    disk.rules[disk.rule_count++] = rule;
    return 0;
  }
  return -EINVAL;
}

static bool is_image(const char *path) { return strcmp(path, "/image") == 0; }
static bool is_control(const char *path) { return strcmp(path, "/control") == 0; }

static int look(const char *path, struct stat *status) {
  memset(status, 0, sizeof *status);
  status->st_nlink = 1;
  if (is_image(path)) {
    status->st_mode = S_IFREG | 0600;
    status->st_size = (off_t)disk.size;
  } else if (is_control(path)) {
    status->st_mode = S_IFREG | 0600;
    status->st_size = disk.held;
  } else if (strcmp(path, "/") == 0) {
    status->st_mode = S_IFDIR | 0700;
  } else {
    return -ENOENT;
  }
  return 0;
}

static int disk_getattr(const char *path, struct stat *status, struct fuse_file_info *file) {
  pthread_mutex_lock(&lock);
  int result = look(path, status);
  pthread_mutex_unlock(&lock);
  return result;
}

static int disk_open(const char *path, struct fuse_file_info *file) {
  // A command is never merged with another.
  if (is_control(path)) file->direct_io = 1;
  return is_image(path) || is_control(path) ? 0 : -ENOENT;
}

static int disk_truncate(const char *path, off_t size, struct fuse_file_info *file) {
  pthread_mutex_lock(&lock);
  int result = is_image(path) ? resize((size_t)size) : 0;
  pthread_mutex_unlock(&lock);
  return result;
}

static int read_now(char *bytes, size_t count, off_t offset) {
  if (offset >= (off_t)disk.size) return 0;
  if (count > disk.size - (size_t)offset) count = disk.size - (size_t)offset;
  if (fails(READING, offset, count)) return -EIO;
  memcpy(bytes, disk.now + offset, count);
  return (int)count;
}

static int disk_read(const char *path, char *bytes, size_t count, off_t offset, struct fuse_file_info *file) {
  pthread_mutex_lock(&lock);
  int result = is_image(path) ? read_now(bytes, count, offset) : 0;
  pthread_mutex_unlock(&lock);
  return result;
}

static int write_now(const char *bytes, size_t count, off_t offset, struct fuse_file_info *file) {
  size_t end = (size_t)offset + count;
  if (fails(WRITING, offset, count)) return -EIO;
  if (end > disk.size && resize(end) != 0) return -EIO;
  change(offset, count, bytes);
  // RWF_DSYNC of a direct write comes as a flag.
  if ((file->flags & (O_DSYNC | O_SYNC)) != 0 && harden((size_t)offset / SECTOR, sectors(end)) != 0) return -EIO;
  return (int)count;
}

static int disk_write(
    const char *path, const char *bytes, size_t count, off_t offset, struct fuse_file_info *file) {
  int result;
  pthread_mutex_lock(&lock);
  if (is_control(path)) {
    char line[64] = "";
    memcpy(line, bytes, count < sizeof line ? count : sizeof line - 1);
    result = command(line);
    if (result == 0) result = (int)count;
  } else {
    result = write_now(bytes, count, offset, file);
    disk.held++;
    while (disk.holds) pthread_cond_wait(&released, &lock);
    disk.held--;
  }
  pthread_mutex_unlock(&lock);
  return result;
}

static int disk_fsync(const char *path, int data_only, struct fuse_file_info *file) {
  pthread_mutex_lock(&lock);
  int result = fails(SYNCING, 0, 0) ? -EIO : harden(0, sectors(disk.size));
  pthread_mutex_unlock(&lock);
  return result;
}

static int zero_now(int mode, off_t offset, off_t count) {
  bool zeroes = (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0;
  if (!zeroes || (mode & FALLOC_FL_KEEP_SIZE) == 0) return -EOPNOTSUPP;
  if (offset >= (off_t)disk.size) return 0;
  if (count > (off_t)disk.size - offset) count = (off_t)disk.size - offset;
  if (fails(WRITING, offset, (size_t)count)) return -EIO;
  change(offset, (size_t)count, NULL);
  return 0;
}

static int disk_fallocate(const char *path, int mode, off_t offset, off_t count, struct fuse_file_info *file) {
  pthread_mutex_lock(&lock);
  int result = zero_now(mode, offset, count);
  pthread_mutex_unlock(&lock);
  return result;
}

static const struct fuse_operations operations = {
    .getattr = disk_getattr,
    .open = disk_open,
    .truncate = disk_truncate,
    .read = disk_read,
    .write = disk_write,
    .fsync = disk_fsync,
    .fallocate = disk_fallocate,
};

int main(int count, char **arguments) {
  struct stat status;
  if (count == 3) disk.backing = open(arguments[1], O_RDWR | O_CLOEXEC);
  if (count != 3 || disk.backing == -1 || fstat(disk.backing, &status) != 0) {
    fprintf(stderr, "usage: faultdisk BACKING MOUNTPOINT\n");
    return 2;
  }
  if (resize((size_t)status.st_size) != 0) return 1;
  if (pread(disk.backing, disk.now, disk.size, 0) != (ssize_t)disk.size) return 1;
  char *words[] = {arguments[0], "-f", arguments[2], NULL};
  return fuse_main(3, words, &operations, NULL);
}
