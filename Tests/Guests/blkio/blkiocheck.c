// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// blkiocheck SOCKET IMAGE [SEED]: drives a vhost-user-blk backend through libblkio, as QEMU's and fio's drivers of that
// name do, without a guest: random requests of every type on all queues at once, against a copy in memory. In the end
// the image itself, as the host sees it, is held against the copy. Prints "ok" and "not ok" lines.

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <blkio.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  QUEUES = 2,
  DEPTH = 48,
  REQUESTS = 6000,
  UNIT = 512,
  MOST_UNITS = 128,
  MOST_PIECES = 16,
};

struct slot {
  unsigned char *memory;
  struct iovec pieces[MOST_PIECES];
  enum { FREE, READ, WRITE, ZEROES, DISCARD, FLUSH } kind;
  uint64_t start;
  size_t size;
  struct blkioq *queue;
};

struct check {
  struct blkio *blkio;
  struct blkioq *queues[QUEUES];
  struct blkio_mem_region region;
  struct slot slots[DEPTH];
  // What the volume should hold, and which units are being changed or were discarded.
  unsigned char *model;
  bool *busy, *unknown;
  uint64_t bytes;
  unsigned long counts[FLUSH + 1];
};

static _Noreturn void fail(const char *format, ...) {
  va_list list;
  printf("not ok blkio: ");
  va_start(list, format);
  vprintf(format, list);
  va_end(list);
  printf("\n");
  exit(1);
}

static void must(int result, const char *what) {
  if (result < 0) fail("%s: %s (%s)", what, blkio_get_error_msg(), strerror(-result));
}

// random(3) gives 31 bits.
static uint64_t next_random(void) {
  return ((uint64_t)random() << 31) ^ (uint64_t)random();
}

static void open_volume(struct check *check, const char *socket) {
  int count = 0, segments = 0;
  must(blkio_create("virtio-blk-vhost-user", &check->blkio), "blkio_create");
  must(blkio_set_str(check->blkio, "path", socket), "the path");
  must(blkio_connect(check->blkio), "blkio_connect");
  must(blkio_get_int(check->blkio, "max-queues", &count), "max-queues");
  if (count < QUEUES) fail("the volume has %d queues, not %d", count, QUEUES);
  must(blkio_set_int(check->blkio, "num-queues", QUEUES), "num-queues");
  must(blkio_start(check->blkio), "blkio_start");
  must(blkio_get_uint64(check->blkio, "capacity", &check->bytes), "capacity");
  must(blkio_get_int(check->blkio, "max-segments", &segments), "max-segments");
  if (segments < MOST_PIECES) fail("a request may have %d segments, not %d", segments, MOST_PIECES);
  for (int i = 0; i < QUEUES; i++) check->queues[i] = blkio_get_queue(check->blkio, i);
  // One region for all: its size is no multiple of a page when libblkio rounds by its own alignment.
  size_t size = (size_t)DEPTH * MOST_UNITS * UNIT;
  must(blkio_alloc_mem_region(check->blkio, &check->region, size), "blkio_alloc_mem_region");
  must(blkio_map_mem_region(check->blkio, &check->region), "blkio_map_mem_region");
  for (int i = 0; i < DEPTH; i++) {
    check->slots[i].memory = (unsigned char *)check->region.addr + (size_t)i * MOST_UNITS * UNIT;
  }
}

// Cuts the slot's memory into pieces of whole units.
static int cut(struct slot *slot) {
  int count = 0;
  size_t left = slot->size, at = 0;
  while (left > 0) {
    size_t size = count == MOST_PIECES - 1 ? left : (1 + next_random() % (left / UNIT)) * UNIT;
    slot->pieces[count++] = (struct iovec){slot->memory + at, size};
    at += size;
    left -= size;
  }
  return count;
}

// Chooses a range that no request in flight changes; false if it met one.
static bool choose_range(struct check *check, struct slot *slot) {
  size_t units = 1 + next_random() % MOST_UNITS;
  if (next_random() % 4 != 0) units = (units + 7) / 8;
  uint64_t first = next_random() % (check->bytes / UNIT - units);
  for (size_t i = 0; i < units; i++) {
    if (check->busy[first + i]) return false;
  }
  memset(check->busy + first, true, units);
  slot->start = first * UNIT;
  slot->size = units * UNIT;
  return true;
}

static void begin(struct check *check, struct slot *slot) {
  static const int kinds[] = {READ, READ, READ, WRITE, WRITE, WRITE, WRITE, ZEROES, DISCARD, FLUSH};
  int kind = kinds[next_random() % (sizeof kinds / sizeof kinds[0])];
  slot->queue = check->queues[next_random() % QUEUES];
  if (kind != FLUSH && !choose_range(check, slot)) return;
  slot->kind = kind;
  check->counts[kind]++;
  uint64_t first = slot->start / UNIT;
  switch (kind) {
    case READ:
      memset(slot->memory, 0x55, slot->size);
      if (next_random() % 2) blkioq_read(slot->queue, slot->start, slot->memory, slot->size, slot, 0);
      else blkioq_readv(slot->queue, slot->start, slot->pieces, cut(slot), slot, 0);
      break;
    case WRITE:
      for (size_t i = 0; i < slot->size; i += 4) memcpy(slot->memory + i, &(uint32_t){(uint32_t)next_random()}, 4);
      memcpy(check->model + slot->start, slot->memory, slot->size);
      memset(check->unknown + first, false, slot->size / UNIT);
      if (next_random() % 2) blkioq_write(slot->queue, slot->start, slot->memory, slot->size, slot, 0);
      else blkioq_writev(slot->queue, slot->start, slot->pieces, cut(slot), slot, 0);
      break;
    case ZEROES:
      memset(check->model + slot->start, 0, slot->size);
      memset(check->unknown + first, false, slot->size / UNIT);
      blkioq_write_zeroes(
          slot->queue, slot->start, slot->size, slot, next_random() % 2 ? BLKIO_REQ_NO_UNMAP : 0);
      break;
    case DISCARD:
      memset(check->unknown + first, true, slot->size / UNIT);
      blkioq_discard(slot->queue, slot->start, slot->size, slot, 0);
      break;
    default: blkioq_flush(slot->queue, slot, 0);
  }
}

static void end(struct check *check, struct slot *slot, int result, const char *message) {
  static const char *const names[] = {"", "a read", "a write", "zeroing", "a discard", "a flush"};
  if (result != 0) {
    fail("%s of %zu bytes at %llu: %s (%s)", names[slot->kind], slot->size, (unsigned long long)slot->start,
         strerror(-result), message ? message : "");
  }
  uint64_t first = slot->start / UNIT;
  for (size_t i = 0; slot->kind == READ && i < slot->size / UNIT; i++) {
    // What was discarded may read as anything.
    if (check->unknown[first + i]) continue;
    if (memcmp(slot->memory + i * UNIT, check->model + slot->start + i * UNIT, UNIT) != 0) {
      fail("sector %llu does not hold what was written to it", (unsigned long long)(first + i));
    }
  }
  if (slot->kind != FLUSH) memset(check->busy + first, false, slot->size / UNIT);
  slot->kind = FREE;
}

static int reap(struct check *check, int least) {
  int all = 0;
  for (int i = 0; i < QUEUES; i++) {
    struct blkio_completion completions[DEPTH];
    int waiting = 0;
    for (int k = 0; k < DEPTH; k++) {
      waiting += check->slots[k].kind != FREE && check->slots[k].queue == check->queues[i];
    }
    int count = blkioq_do_io(check->queues[i], completions, waiting < least ? waiting : least, DEPTH, NULL);
    must(count, "blkioq_do_io");
    for (int k = 0; k < count; k++) end(check, completions[k].user_data, completions[k].ret, completions[k].error_msg);
    all += count;
  }
  return all;
}

static void run_random_requests(struct check *check) {
  for (int begun = 0; begun < REQUESTS;) {
    for (int i = 0; i < DEPTH && begun < REQUESTS; i++) {
      if (check->slots[i].kind != FREE) continue;
      begin(check, &check->slots[i]);
      begun += check->slots[i].kind != FREE;
    }
    reap(check, 1);
  }
  reap(check, DEPTH);
  printf("ok blkio: %lu reads, %lu writes, %lu zeroed ranges, %lu discards, %lu flushes\n", check->counts[READ],
         check->counts[WRITE], check->counts[ZEROES], check->counts[DISCARD], check->counts[FLUSH]);
}

// Beyond the end: an error, and the volume works on.
static void read_beyond_the_end(struct check *check) {
  struct blkio_completion completion;
  blkioq_read(check->queues[0], check->bytes, check->slots[0].memory, UNIT, NULL, 0);
  must(blkioq_do_io(check->queues[0], &completion, 1, 1, NULL), "blkioq_do_io");
  if (completion.ret == 0) fail("a read beyond the end succeeded");
  blkioq_read(check->queues[0], 0, check->slots[0].memory, UNIT, NULL, 0);
  must(blkioq_do_io(check->queues[0], &completion, 1, 1, NULL), "blkioq_do_io");
  if (completion.ret != 0) fail("no read succeeds after one beyond the end: %s", strerror(-completion.ret));
  printf("ok blkio: a read beyond the end is refused\n");
}

static void compare_with_image(struct check *check, const char *image) {
  unsigned char *seen = malloc(check->bytes);
  int fd = open(image, O_RDONLY | O_CLOEXEC);
  if (fd == -1 || seen == NULL || pread(fd, seen, check->bytes, 0) != (ssize_t)check->bytes) {
    fail("%s: %s", image, strerror(errno));
  }
  for (uint64_t i = 0; i < check->bytes / UNIT; i++) {
    if (!check->unknown[i] && memcmp(seen + i * UNIT, check->model + i * UNIT, UNIT) != 0) {
      fail("sector %llu of the image is not what was written", (unsigned long long)i);
    }
  }
  close(fd);
  free(seen);
  printf("ok blkio: the image holds what was written\n");
}

int main(int count, char **words) {
  static struct check check;
  struct stat status;
  if (count < 3) {
    fprintf(stderr, "usage: blkiocheck SOCKET IMAGE [SEED]\n");
    return 2;
  }
  unsigned seed = count > 3 ? (unsigned)strtoul(words[3], NULL, 10) : 1;
  srandom(seed);
  if (stat(words[2], &status) != 0) fail("%s: %s", words[2], strerror(errno));
  // As fio does: connected once to ask for the size, and again to work.
  open_volume(&check, words[1]);
  if (check.bytes != (uint64_t)status.st_size) fail("the capacity is %llu", (unsigned long long)check.bytes);
  blkio_destroy(&check.blkio);
  printf("ok blkio: the capacity is the image's size\n");

  open_volume(&check, words[1]);
  check.model = calloc(1, check.bytes);
  check.busy = calloc(check.bytes / UNIT, sizeof *check.busy);
  check.unknown = calloc(check.bytes / UNIT, sizeof *check.unknown);
  if (check.model == NULL || check.busy == NULL || check.unknown == NULL) fail("no memory");
  run_random_requests(&check);
  read_beyond_the_end(&check);
  blkio_destroy(&check.blkio);
  compare_with_image(&check, words[2]);
  return 0;
}
