// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the checks say in one line: small files, comparisons, children, other users.

#include "check.h"

#include <grp.h>

long succeeded(long value, const char *what) {
  if (value == -1) fail("%s: %s", what, strerror(errno));
  return value;
}

void refused(int error, long value, const char *what) {
  if (value != -1) fail("%s gave %ld, not the error %s", what, value, strerror(error));
  if (errno != error) {
    // Two steps, because strerror may reuse its buffer.
    char seen[64];
    snprintf(seen, sizeof seen, "%s", strerror(errno));
    fail("%s: %s, not %s", what, seen, strerror(error));
  }
}

void compare(long long seen, long long expected, const char *what) {
  if (seen != expected) fail("%s is %lld (0%llo), not %lld (0%llo)", what, seen, seen, expected, expected);
}

void skip_if_unsupported(long value, const char *feature) {
  if (value == -1 && (errno == EOPNOTSUPP || errno == ENOSYS)) skip("no %s here: %s", feature, strerror(errno));
}

void needs_root(void) {
  if (geteuid() != 0) skip("needs root");
}

void write_fully(int fd, const void *data, size_t size) {
  const char *next = data;
  while (size > 0) {
    ssize_t n = must(write(fd, next, size));
    next += n;
    size -= (size_t)n;
  }
}

int make_file(const char *path, mode_t mode) {
  return (int)must(open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode));
}

void write_file(const char *path, const void *data, size_t size) {
  int fd = (int)must(open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644));
  write_fully(fd, data, size);
  must(close(fd));
}

void write_text(const char *path, const char *text) { write_file(path, text, strlen(text)); }

void expect_text(const char *path, const char *text) {
  char buffer[4096];
  int fd = (int)must(open(path, O_RDONLY | O_CLOEXEC));
  ssize_t n = must(read(fd, buffer, sizeof buffer - 1));
  buffer[n] = 0;
  must(close(fd));
  if (strcmp(buffer, text) != 0) fail("%s holds \"%s\", not \"%s\"", path, buffer, text);
}

void expect_bytes(int fd, off_t offset, const void *data, size_t size) {
  char buffer[65536];
  for (size_t done = 0; done < size;) {
    size_t part = size - done < sizeof buffer ? size - done : sizeof buffer;
    ssize_t n = must(pread(fd, buffer, part, offset + (off_t)done));
    if (n == 0) fail("end of file at %lld, %zu bytes early", (long long)offset + (long long)done, size - done);
    for (ssize_t i = 0; i < n; i++) {
      unsigned char seen = (unsigned char)buffer[i], wanted = ((const unsigned char *)data)[done + (size_t)i];
      if (seen != wanted)
        fail("byte %lld is %02x, not %02x", (long long)offset + (long long)done + i, seen, wanted);
    }
    done += (size_t)n;
  }
}

void expect_zeros(int fd, off_t offset, size_t size) {
  static const char zeros[65536];
  for (size_t done = 0; done < size; done += sizeof zeros)
    expect_bytes(fd, offset + (off_t)done, zeros, size - done < sizeof zeros ? size - done : sizeof zeros);
}

struct stat status(const char *path) {
  struct stat st;
  must(stat(path, &st));
  return st;
}

struct stat link_status(const char *path) {
  struct stat st;
  must(lstat(path, &st));
  return st;
}

struct stat fd_status(int fd) {
  struct stat st;
  must(fstat(fd, &st));
  return st;
}

mode_t permissions(const char *path) { return status(path).st_mode & 07777; }

bool exists(const char *path) {
  struct stat st;
  if (lstat(path, &st) == 0) return true;
  if (errno != ENOENT) fail("lstat %s: %s", path, strerror(errno));
  return false;
}

uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

void fill_random(void *data, size_t size, uint64_t seed) {
  uint64_t state = seed * 2 + 1;
  for (size_t i = 0; i < size; i++) ((unsigned char *)data)[i] = (unsigned char)(next_random(&state) >> 32);
}

uint64_t hash_bytes(uint64_t hash, const void *data, size_t size) {
  // FNV-1a, 64 bits.
  for (size_t i = 0; i < size; i++) hash = (hash ^ ((const unsigned char *)data)[i]) * 0x100000001b3u;
  return hash;
}

pid_t start_child(body run, void *argument) {
  pid_t pid = (pid_t)must(fork());
  if (pid == 0) {
    run(argument);
    _exit(0);
  }
  return pid;
}

void join_child(pid_t pid) {
  int result;
  must(waitpid(pid, &result, 0));
  // The child has said why on the shared result pipe; its own exit status is all we pass on.
  if (WIFSIGNALED(result)) fail("a child ended with signal %d", WTERMSIG(result));
  if (WEXITSTATUS(result) != 0) _exit(WEXITSTATUS(result));
}

void in_child(body run, void *argument) { join_child(start_child(run, argument)); }

void become_with_groups(uid_t uid, gid_t gid, const gid_t *groups, size_t count) {
  needs_root();
  must(setgroups(count, groups));
  must(setegid(gid));
  must(seteuid(uid));
}

void become(uid_t uid, gid_t gid) { become_with_groups(uid, gid, NULL, 0); }
