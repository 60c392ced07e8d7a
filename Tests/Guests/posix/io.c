// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Reading and writing: positions, vectors, holes, direct I/O, large offsets, syncing.

#include "check.h"

#include <sys/uio.h>

static void write_then_read(void) {
  int fd = make_file("f", 0644);
  same(must(write(fd, "hello", 5)), 5);
  same(must(lseek(fd, 0, SEEK_CUR)), 5);
  char buffer[16];
  same(must(read(fd, buffer, sizeof buffer)), 0);
  must(lseek(fd, 0, SEEK_SET));
  same(must(read(fd, buffer, sizeof buffer)), 5);
  truth(memcmp(buffer, "hello", 5) == 0);
  same(fd_status(fd).st_size, 5);
}

static void positional_io_keeps_position(void) {
  int fd = make_file("f", 0644);
  must(write(fd, "0123456789", 10));
  must(lseek(fd, 3, SEEK_SET));
  must(pwrite(fd, "ab", 2, 7));
  char buffer[4];
  same(must(pread(fd, buffer, 2, 7)), 2);
  truth(memcmp(buffer, "ab", 2) == 0);
  same(must(lseek(fd, 0, SEEK_CUR)), 3);
  expect_text("f", "0123456ab9");
}

static void two_descriptors_see_one_file(void) {
  int a = make_file("f", 0644);
  int b = (int)must(open("f", O_RDWR));
  for (int i = 0; i < 50; i++) {
    char text[16];
    int size = snprintf(text, sizeof text, "round %d", i);
    must(pwrite(a, text, (size_t)size, i * 100));
    expect_bytes(b, i * 100, text, (size_t)size);
    same(fd_status(b).st_size, i * 100 + size);
  }
}

static void reading_at_the_end(void) {
  write_text("f", "12345");
  int fd = (int)must(open("f", O_RDONLY));
  char buffer[16];
  same(must(pread(fd, buffer, 16, 3)), 2);
  same(must(pread(fd, buffer, 16, 5)), 0);
  same(must(pread(fd, buffer, 16, 1 << 20)), 0);
  same(must(pread(fd, buffer, 0, 0)), 0);
}

static void writing_past_the_end_leaves_zeros(void) {
  int fd = make_file("f", 0644);
  must(pwrite(fd, "a", 1, 0));
  must(pwrite(fd, "b", 1, 300000));
  same(fd_status(fd).st_size, 300001);
  expect_zeros(fd, 1, 299999);
  expect_bytes(fd, 300000, "b", 1);
}

static void empty_write_changes_nothing(void) {
  int fd = make_file("f", 0644);
  same(must(write(fd, "", 0)), 0);
  same(must(pwrite(fd, "", 0, 100)), 0);
  same(fd_status(fd).st_size, 0);
}

static void bad_arguments(void) {
  int fd = make_file("f", 0644);
  refuses(EINVAL, pwrite(fd, "x", 1, -1));
  refuses(EINVAL, lseek(fd, -1, SEEK_SET));
  void *volatile nowhere = (void *)8;  // volatile: the compiler would object
  refuses(EFAULT, write(fd, nowhere, 1));
  must(write(fd, "abc", 3));
  refuses(EFAULT, pread(fd, nowhere, 3, 0));
}

static void many_vectors(void) {
  enum { count = 1024, part = 257 };
  char *data = malloc(count * part), *seen = malloc(count * part);
  fill_random(data, count * part, 11);
  struct iovec out[count], in[count];
  for (int i = 0; i < count; i++) {
    out[i] = (struct iovec){data + i * part, part};
    in[i] = (struct iovec){seen + i * part, part};
  }
  int fd = make_file("f", 0644);
  same(must(writev(fd, out, count)), count * part);
  expect_bytes(fd, 0, data, count * part);
  must(lseek(fd, 0, SEEK_SET));
  same(must(readv(fd, in, count)), count * part);
  truth(memcmp(data, seen, count * part) == 0);
}

static void uneven_vectors_at_offset(void) {
  char big[9000];
  fill_random(big, sizeof big, 3);
  struct iovec out[] = {{"x", 1}, {big, 0}, {big, sizeof big}, {"yz", 2}};
  int fd = make_file("f", 0644);
  same(must(pwritev(fd, out, 4, 4095)), 9003);
  expect_zeros(fd, 0, 4095);
  expect_bytes(fd, 4095, "x", 1);
  expect_bytes(fd, 4096, big, sizeof big);
  expect_bytes(fd, 4096 + sizeof big, "yz", 2);
}

static void large_sequential(void) {
  enum { size = 8 << 20 };
  char *data = malloc(size);
  fill_random(data, size, 5);
  int fd = make_file("f", 0644);
  // Odd sizes, so that no request starts or ends on a page.
  for (size_t done = 0; done < size;) {
    size_t part = 99991 < size - done ? 99991 : size - done;
    write_fully(fd, data + done, part);
    done += part;
  }
  must(fsync(fd));
  same(fd_status(fd).st_size, size);
  expect_bytes(fd, 0, data, size);
  must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
  expect_bytes(fd, 0, data, size);
}

static void one_large_call(void) {
  enum { size = 5 << 20 };
  char *data = malloc(size), *seen = malloc(size);
  fill_random(data, size, 6);
  int fd = make_file("f", 0644);
  same(must(write(fd, data, size)), size);
  same(must(pread(fd, seen, size, 0)), size);
  truth(memcmp(data, seen, size) == 0);
}

static void random_writes_verified(void) {
  enum { size = 1 << 20, rounds = 400 };
  static unsigned char model[size], piece[30000];
  uint64_t state = 20260101;
  size_t end = 0;
  int fd = make_file("f", 0644);
  for (int i = 0; i < rounds; i++) {
    size_t length = next_random(&state) % sizeof piece + 1;
    size_t offset = next_random(&state) % (size - length);
    if (next_random(&state) % 16 == 0) {
      must(ftruncate(fd, (off_t)offset));
      if (offset < end) memset(model + offset, 0, end - offset);
      end = offset;
    } else {
      fill_random(piece, length, state);
      same(must(pwrite(fd, piece, length, (off_t)offset)), length);
      memcpy(model + offset, piece, length);
      if (offset + length > end) end = offset + length;
    }
    if (i % 40 == 39) {
      same(fd_status(fd).st_size, end);
      expect_bytes(fd, 0, model, end);
    }
  }
  must(fsync(fd));
  must(close(fd));
  expect_bytes((int)must(open("f", O_RDONLY)), 0, model, end);
}

static int open_direct(const char *path) {
  int fd = open(path, O_CREAT | O_RDWR | O_DIRECT, 0644);
  if (fd < 0 && errno == EINVAL) skip("no O_DIRECT here");
  return (int)must(fd);
}

static void direct_io(void) {
  enum { size = 1 << 20 };
  char *data = aligned_alloc(4096, size), *seen = aligned_alloc(4096, size);
  fill_random(data, size, 8);
  int fd = open_direct("f");
  same(must(pwrite(fd, data, size, 0)), size);
  same(must(pwrite(fd, data, 4096, size + 8192)), 4096);
  same(must(pread(fd, seen, size, 0)), size);
  truth(memcmp(data, seen, size) == 0);
  same(must(pread(fd, seen, 8192, size)), 8192);
  truth(seen[0] == 0 && memcmp(seen, seen + 1, 8191) == 0);
  same(must(pread(fd, seen, 4096, 2 * size)), 0);
  same(fd_status(fd).st_size, size + 12288);
}

static void direct_and_buffered_agree(void) {
  char *page = aligned_alloc(4096, 4096);
  int direct = open_direct("f");
  int buffered = (int)must(open("f", O_RDWR));
  for (int i = 0; i < 8; i++) {
    memset(page, 'a' + i, 4096);
    if (i % 2 == 0) {
      must(pwrite(direct, page, 4096, 0));
      expect_bytes(buffered, 0, page, 4096);
    } else {
      must(pwrite(buffered, page, 4096, 0));
      must(fsync(buffered));
      char *seen = aligned_alloc(4096, 4096);
      same(must(pread(direct, seen, 4096, 0)), 4096);
      truth(memcmp(page, seen, 4096) == 0);
    }
  }
}

static void beyond_four_gibibytes(void) {
  const off_t far = ((off_t)5 << 30) + 12345;
  int fd = make_file("f", 0644);
  if (pwrite(fd, "far", 3, far) == -1 && errno == EFBIG) skip("files end before 5 GiB here");
  same(fd_status(fd).st_size, far + 3);
  same(status("f").st_size, far + 3);
  expect_bytes(fd, far, "far", 3);
  expect_zeros(fd, far - 5000, 5000);
  truth(fd_status(fd).st_blocks < 8192);
  same(must(lseek(fd, -3, SEEK_END)), far);
  must(ftruncate(fd, ((off_t)1 << 32) + 1));
  same(fd_status(fd).st_size, ((off_t)1 << 32) + 1);
}

static void syncing(void) {
  int fd = make_file("f", 0644);
  must(write(fd, "x", 1));
  must(fsync(fd));
  must(fdatasync(fd));
  int dir = (int)must(open(".", O_RDONLY | O_DIRECTORY));
  must(fsync(dir));
  must(syncfs(fd));
  int synchronous = (int)must(open("g", O_CREAT | O_RDWR | O_SYNC, 0644));
  must(write(synchronous, "y", 1));
  synchronous = (int)must(open("h", O_CREAT | O_RDWR | O_DSYNC, 0644));
  must(write(synchronous, "z", 1));
}

static void data_survives_reopening(void) {
  char data[70000];
  fill_random(data, sizeof data, 9);
  write_file("f", data, sizeof data);
  for (int i = 0; i < 5; i++) {
    int fd = (int)must(open("f", O_RDONLY));
    expect_bytes(fd, 0, data, sizeof data);
    must(close(fd));
  }
}

const struct check io_checks[] = {
    {"what is written is read, and the position moves", write_then_read},
    {"pread and pwrite leave the position", positional_io_keeps_position},
    {"two descriptors see each other's writes at once", two_descriptors_see_one_file},
    {"reading ends at the end of the file", reading_at_the_end},
    {"writing past the end leaves zeros between", writing_past_the_end_leaves_zeros},
    {"an empty write changes nothing", empty_write_changes_nothing},
    {"negative offsets are EINVAL, bad addresses EFAULT", bad_arguments},
    {"readv and writev of 1024 vectors", many_vectors},
    {"pwritev of uneven vectors across pages", uneven_vectors_at_offset},
    {"8 MiB in odd pieces", large_sequential},
    {"5 MiB in one call", one_large_call},
    {"random writes and truncations match a model", random_writes_verified},
    {"O_DIRECT reads and writes", direct_io},
    {"O_DIRECT and buffered I/O agree", direct_and_buffered_agree},
    {"offsets beyond 4 GiB, sparsely", beyond_four_gibibytes},
    {"fsync, fdatasync, syncfs, O_SYNC", syncing},
    {"data survives closing and opening", data_survives_reopening},
    {0},
};
