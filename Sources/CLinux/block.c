// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

#include "clinux_block.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RESULT(call) return (call) < 0 ? -errno : 0

int clinux_direct_alignment(int fd, uint32_t *memory, uint32_t *offset) {
  // By number: the C library's struct has these members since 2.37 only.
  enum { dio_align_mask = 0x2000, memory_word = 38, offset_word = 39 };
  uint32_t words[64] = {0};
  _Static_assert(sizeof words == 256, "struct statx has 256 bytes");
  if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, dio_align_mask, words) < 0) return -errno;
  if (!(words[0] & dio_align_mask)) return 0;
  *memory = words[memory_word];
  *offset = words[offset_word];
  return 1;
}

int clinux_device_size(int fd, uint64_t *bytes) { RESULT(ioctl(fd, BLKGETSIZE64, bytes)); }

int clinux_device_limits(int fd, struct clinux_device_limits *out) {
  int logical = 0;
  unsigned physical = 0, minimum = 0, optimal = 0;
  if (ioctl(fd, BLKSSZGET, &logical) < 0) return -errno;
  if (ioctl(fd, BLKPBSZGET, &physical) < 0) return -errno;
  if (ioctl(fd, BLKIOMIN, &minimum) < 0) return -errno;
  if (ioctl(fd, BLKIOOPT, &optimal) < 0) return -errno;
  out->logical_block = (uint32_t)logical;
  out->physical_block = physical;
  out->minimum_io = minimum;
  out->optimal_io = optimal;
  return 0;
}

int clinux_device_discard(int fd, int secure, uint64_t offset, uint64_t length) {
  uint64_t range[2] = {offset, length};
  RESULT(ioctl(fd, secure ? BLKSECDISCARD : BLKDISCARD, range));
}

struct clinux_monitor {
  pthread_mutex_t mutex;
  pthread_cond_t condition;
};

struct clinux_monitor *clinux_monitor_create(void) {
  struct clinux_monitor *monitor = malloc(sizeof *monitor);
  if (!monitor) return NULL;
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_mutex_init(&monitor->mutex, NULL);
  pthread_cond_init(&monitor->condition, &attributes);
  pthread_condattr_destroy(&attributes);
  return monitor;
}

void clinux_monitor_destroy(struct clinux_monitor *monitor) {
  pthread_cond_destroy(&monitor->condition);
  pthread_mutex_destroy(&monitor->mutex);
  free(monitor);
}

void clinux_monitor_lock(struct clinux_monitor *monitor) { pthread_mutex_lock(&monitor->mutex); }
void clinux_monitor_unlock(struct clinux_monitor *monitor) { pthread_mutex_unlock(&monitor->mutex); }

void clinux_monitor_wait(struct clinux_monitor *monitor, int64_t timeout_ns) {
  if (timeout_ns < 0) {
    pthread_cond_wait(&monitor->condition, &monitor->mutex);
    return;
  }
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  int64_t nanoseconds = until.tv_nsec + timeout_ns;
  until.tv_sec += nanoseconds / 1000000000;
  until.tv_nsec = nanoseconds % 1000000000;
  pthread_cond_timedwait(&monitor->condition, &monitor->mutex, &until);
}

void clinux_monitor_signal(struct clinux_monitor *monitor) { pthread_cond_signal(&monitor->condition); }
void clinux_monitor_signal_all(struct clinux_monitor *monitor) { pthread_cond_broadcast(&monitor->condition); }
