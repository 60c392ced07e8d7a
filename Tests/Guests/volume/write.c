// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The guest's side: threads that write with O_DIRECT, flush and report, and read back what they wrote before. A line
// "ACK THREAD GENERATION" says that everything up to this generation is flushed; "DONE THREAD GENERATION" that the
// thread has ended there and found all of its area as it should be.

#include "volumecheck.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct writer {
  const struct setup *setup;
  unsigned thread;
  int fd;
  // The generation that each block holds.
  uint32_t *held;
  unsigned char *memory;
  uint64_t requests;
};

static atomic_bool failed;

// One write(2) per line, so that lines of several threads stay whole.
static void say(const char *format, unsigned thread, uint32_t generation) {
  char line[64];
  int length = snprintf(line, sizeof line, format, thread, generation);
  if (write(1, line, (size_t)length) != length) atomic_store(&failed, true);
}

static bool complain(const struct writer *writer, const char *what, uint64_t offset, int error) {
  char line[256];
  int length = snprintf(
      line, sizeof line, "not ok volumecheck: thread %u, %s at byte %llu: %s\n", writer->thread, what,
      (unsigned long long)offset, error == 0 ? "wrong data" : strerror(error));
  if (write(1, line, (size_t)length) != length) return false;
  atomic_store(&failed, true);
  return false;
}

static uint64_t size_of(int fd) {
  struct stat status;
  uint64_t bytes = 0;
  if (fstat(fd, &status) != 0) return 0;
  if (!S_ISBLK(status.st_mode)) return (uint64_t)status.st_size;
  return ioctl(fd, BLKGETSIZE64, &bytes) == 0 ? bytes : 0;
}

static int zero(int fd, uint64_t offset, uint64_t count) {
  uint64_t range[2] = {offset, count};
  if (ioctl(fd, BLKZEROOUT, range) == 0) return 0;
  return errno == ENOTTY ? fallocate(fd, FALLOC_FL_ZERO_RANGE, (off_t)offset, (off_t)count) : -1;
}

// Reads an extent; true if every sector is of the generation that it should be of.
static bool read_back(struct writer *writer, struct extent extent) {
  const struct setup *setup = writer->setup;
  uint64_t offset = offset_of(setup, writer->thread, extent.first);
  size_t size = (size_t)extent.count * BLOCK_BYTES;
  ssize_t count = pread(writer->fd, writer->memory, size, (off_t)offset);
  writer->requests++;
  if (count != (ssize_t)size) return complain(writer, "a read", offset, count < 0 ? errno : EIO);
  for (uint32_t i = 0; i < extent.count * SECTORS_PER_BLOCK; i++) {
    uint32_t block = extent.first + i / SECTORS_PER_BLOCK, expected = writer->held[block];
    int64_t seen = sector_generation(
        setup, writer->memory + (size_t)i * SECTOR_BYTES, writer->thread, block, i % SECTORS_PER_BLOCK);
    if (seen == (is_zero(expected) ? ALL_ZERO : (int64_t)expected)) continue;
    printf("not ok volumecheck: sector %u of block %u holds %lld, not %u\n", i % SECTORS_PER_BLOCK, block,
           (long long)seen, expected);
    return complain(writer, "a comparison", offset + (uint64_t)i * SECTOR_BYTES, 0);
  }
  return true;
}

static bool write_batch(struct writer *writer, uint32_t generation) {
  const struct setup *setup = writer->setup;
  struct batch batch = plan_batch(setup, writer->thread, generation);
  for (unsigned i = 0; i < batch.count; i++) {
    struct extent extent = batch.extents[i];
    uint64_t offset = offset_of(setup, writer->thread, extent.first);
    size_t size = (size_t)extent.count * BLOCK_BYTES;
    writer->requests++;
    if (batch.zeroes) {
      if (zero(writer->fd, offset, size) != 0) return complain(writer, "zeroing", offset, errno);
    } else {
      fill(setup, writer->memory, writer->thread, extent, generation);
      ssize_t count = pwrite(writer->fd, writer->memory, size, (off_t)offset);
      if (count != (ssize_t)size) return complain(writer, "a write", offset, count < 0 ? errno : EIO);
    }
    for (uint32_t block = 0; block < extent.count; block++) writer->held[extent.first + block] = generation;
  }
  if (fdatasync(writer->fd) != 0) return complain(writer, "a flush", 0, errno);
  say("ACK %u %u\n", writer->thread, generation);
  // What was changed just now, and something that was not touched for a while.
  if (!read_back(writer, batch.extents[0])) return false;
  return read_back(writer, plan_batch(setup, writer->thread, generation * 2654435761u).extents[0]);
}

static void *run(void *argument) {
  struct writer *writer = argument;
  const struct setup *setup = writer->setup;
  uint32_t generation = 0;
  while (!atomic_load(&failed) && (setup->until_bytes == 0 || size_of(writer->fd) < setup->until_bytes)) {
    if (!write_batch(writer, ++generation)) return NULL;
  }
  for (uint32_t block = 0; block < setup->blocks && !atomic_load(&failed); block++) {
    if (!read_back(writer, (struct extent){block, 1})) return NULL;
  }
  if (!atomic_load(&failed)) say("DONE %u %u\n", writer->thread, generation);
  return NULL;
}

int write_volume(const struct setup *setup) {
  static struct writer writers[MOST_THREADS];
  pthread_t threads[MOST_THREADS];
  uint64_t requests = 0;
  int fd = open(setup->path, O_RDWR | O_DIRECT | O_CLOEXEC);
  if (fd == -1 || size_of(fd) < offset_of(setup, setup->threads, 0)) {
    printf("not ok volumecheck: %s: %s\n", setup->path, fd == -1 ? strerror(errno) : "too small");
    return 1;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (unsigned i = 0; i < setup->threads; i++) {
    void *memory = NULL;
    uint32_t *held = calloc(setup->blocks, sizeof *held);
    if (held == NULL || posix_memalign(&memory, BLOCK_BYTES, MOST_EXTENT_BLOCKS * BLOCK_BYTES) != 0) abort();
    writers[i] = (struct writer){.setup = setup, .thread = i, .fd = fd, .held = held, .memory = memory};
    if (pthread_create(&threads[i], NULL, run, &writers[i]) != 0) abort();
  }
  for (unsigned i = 0; i < setup->threads; i++) {
    pthread_join(threads[i], NULL);
    requests += writers[i].requests;
  }
  if (atomic_load(&failed)) return 1;
  printf("ok volumecheck: %u threads made %llu requests and found all as it should be\n", setup->threads,
         (unsigned long long)requests);
  return 0;
}
