// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// posixcheck bench DIR: what a person wants to see after a first mount. The reading drops
// the page cache first (as root), so that the share is measured and not the guest's memory.

#include "check.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int trouble(const char *what) {
  fprintf(stderr, "posixcheck: bench: %s: %s\n", what, strerror(errno));
  return 1;
}

static void drop_caches(void) {
  int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, "3", 1) < 0) fprintf(stderr, "posixcheck: bench: the cache stays warm\n");
  close(fd);
}

static int stream(int base, long mebibytes) {
  static char block[1 << 20], seen[1 << 20];
  fill_random(block, sizeof block, 7);
  int fd = openat(base, "bench.data", O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);
  if (fd < 0) return trouble("create");
  double start = now();
  for (long i = 0; i < mebibytes; i++)
    if (write(fd, block, sizeof block) != (ssize_t)sizeof block) return trouble("write");
  if (fsync(fd) != 0) return trouble("fsync");
  double written = now();
  printf("bench: write %.0f MiB/s\n", (double)mebibytes / (written - start));
  drop_caches();
  start = now();
  for (long i = 0; i < mebibytes; i++) {
    for (size_t done = 0; done < sizeof seen;) {
      ssize_t n = pread(fd, seen + done, sizeof seen - done, (off_t)i * (off_t)sizeof seen + (off_t)done);
      if (n <= 0) return trouble("read");
      done += (size_t)n;
    }
    // A sample of each block: a full comparison would measure memcmp under emulation.
    if (memcmp(seen, block, 4096) != 0) return trouble("the data read is not the data written");
  }
  printf("bench: read %.0f MiB/s\n", (double)mebibytes / (now() - start));
  close(fd);
  return unlinkat(base, "bench.data", 0) == 0 ? 0 : trouble("unlink");
}

static int small_files(int base, long files) {
  char name[32];
  double start = now();
  for (long i = 0; i < files; i++) {
    snprintf(name, sizeof name, "bench.%ld", i);
    int fd = openat(base, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0) return trouble(name);
    close(fd);
  }
  double created = now();
  printf("bench: create %.0f /s\n", (double)files / (created - start));
  drop_caches();
  start = now();
  struct stat st;
  for (long i = 0; i < files; i++) {
    snprintf(name, sizeof name, "bench.%ld", i);
    if (fstatat(base, name, &st, 0) != 0) return trouble(name);
  }
  printf("bench: stat %.0f /s\n", (double)files / (now() - start));
  for (long i = 0; i < files; i++) {
    snprintf(name, sizeof name, "bench.%ld", i);
    if (unlinkat(base, name, 0) != 0) return trouble(name);
  }
  return 0;
}

int run_bench(const char *directory, long mebibytes, long files) {
  int base = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (base < 0) return trouble(directory);
  int result = stream(base, mebibytes);
  return result != 0 ? result : small_files(base, files);
}
