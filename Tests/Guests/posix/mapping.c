// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Shared and private mappings against read and write.

#include "check.h"

#include <setjmp.h>

enum { page = 4096, size = 16 * page };

static char *map_file(int fd, int flags) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
  if (memory == MAP_FAILED) {
    // Shared mappings are refused where nothing may be cached (a FUSE direct-I/O file).
    if (errno == ENODEV) skip("no shared mappings here");
    fail("mmap: %s", strerror(errno));
  }
  return memory;
}

static int sized_file(void) {
  int fd = make_file("f", 0644);
  must(ftruncate(fd, size));
  return fd;
}

static void stores_are_read(void) {
  int fd = sized_file();
  char *memory = map_file(fd, MAP_SHARED);
  memcpy(memory + 100, "mapped", 6);
  expect_bytes(fd, 100, "mapped", 6);
  memcpy(memory + 5 * page - 3, "across", 6);
  must(msync(memory, size, MS_SYNC));
  expect_bytes((int)must(open("f", O_RDONLY)), 5 * page - 3, "across", 6);
}

static void writes_are_seen(void) {
  int fd = sized_file();
  char *memory = map_file(fd, MAP_SHARED);
  truth(memory[0] == 0 && memory[size - 1] == 0);
  must(pwrite(fd, "written", 7, 3000));
  truth(memcmp(memory + 3000, "written", 7) == 0);
  must(pwrite((int)must(open("f", O_WRONLY)), "again", 5, 2 * page + 1));
  truth(memcmp(memory + 2 * page + 1, "again", 5) == 0);
}

static void stores_survive_unmapping(void) {
  int fd = sized_file();
  char *memory = map_file(fd, MAP_SHARED);
  must(close(fd));
  static char data[size];
  fill_random(data, size, 31);
  memcpy(memory, data, size);
  must(munmap(memory, size));
  fd = (int)must(open("f", O_RDONLY));
  expect_bytes(fd, 0, data, size);
  must(fsync(fd));
  must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
  expect_bytes(fd, 0, data, size);
}

static void other_process_stores(void *argument) {
  ((char *)argument)[7 * page] = 'c';
}

static void processes_share(void) {
  int fd = sized_file();
  char *memory = map_file(fd, MAP_SHARED);
  in_child(other_process_stores, memory);
  truth(memory[7 * page] == 'c');
  expect_bytes(fd, 7 * page, "c", 1);
}

static void private_stores_stay_private(void) {
  int fd = sized_file();
  char *memory = map_file(fd, MAP_PRIVATE);
  memory[0] = 'p';
  expect_zeros(fd, 0, page);
  must(pwrite(fd, "q", 1, page));
  expect_bytes(fd, page, "q", 1);
}

static void beyond_the_end(void) {
  // The last page's rest reads as zeros and stores there do not reach the file.
  int fd = make_file("f", 0644);
  must(write(fd, "abc", 3));
  char *memory = map_file(fd, MAP_SHARED);
  truth(memory[3] == 0 && memory[page - 1] == 0);
  memory[2] = 'C';
  must(msync(memory, page, MS_SYNC));
  same(fd_status(fd).st_size, 3);
  expect_text("f", "abC");
}

static void growing_under_a_mapping(void) {
  int fd = make_file("f", 0644);
  must(ftruncate(fd, page));
  char *memory = map_file(fd, MAP_SHARED);
  must(ftruncate(fd, size));
  memory[size - 1] = 'e';
  must(msync(memory, size, MS_SYNC));
  expect_bytes(fd, size - 1, "e", 1);
}

static sigjmp_buf bus_error;
static void on_bus_error(int signal_number) {
  (void)signal_number;
  siglongjmp(bus_error, 1);
}

static void shrinking_under_a_mapping(void) {
  int fd = sized_file();
  char *memory = map_file(fd, MAP_SHARED);
  memory[8 * page] = 'x';
  must(ftruncate(fd, page));
  signal(SIGBUS, on_bus_error);
  if (sigsetjmp(bus_error, 1) == 0) {
    volatile char seen = ((volatile char *)memory)[8 * page];
    fail("a page beyond the end still reads as %d", seen);
  }
  must(ftruncate(fd, size));
  truth(((volatile char *)memory)[8 * page] == 0);
}

static void read_only_mapping_of_read_only_file(void) {
  write_text("f", "text");
  int fd = (int)must(open("f", O_RDONLY));
  char *memory = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED && errno == ENODEV) skip("no shared mappings here");
  truth(memory != MAP_FAILED);
  truth(memcmp(memory, "text", 4) == 0);
  truth(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
}

static void modification_time_moves(void) {
  int fd = sized_file();
  char *memory = map_file(fd, MAP_SHARED);
  struct timespec old[2] = {{1000, 0}, {1000, 0}};
  must(futimens(fd, old));
  memory[0] = 'x';
  must(msync(memory, size, MS_SYNC));
  must(fsync(fd));
  truth(fd_status(fd).st_mtime > 1000);
}

const struct check mapping_checks[] = {
    {"stores through a shared mapping are read", stores_are_read},
    {"writes are seen through a shared mapping", writes_are_seen},
    {"stores survive closing and unmapping", stores_survive_unmapping},
    {"processes share a mapping", processes_share},
    {"stores through a private mapping stay private", private_stores_stay_private},
    {"stores beyond the end do not reach the file", beyond_the_end},
    {"a file may grow under a mapping", growing_under_a_mapping},
    {"pages cut off under a mapping raise SIGBUS and come back as zeros", shrinking_under_a_mapping},
    {"a read-only file maps read-only", read_only_mapping_of_read_only_file},
    {"a store moves the modification time", modification_time_moves},
    {0},
};
