// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

#include "clinux_waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int clinux_dup_onto(int source, int target) {
  for (;;) {
    int result = dup3(source, target, O_CLOEXEC);
    if (result >= 0) return result;
    // EBUSY: `target` is being opened by another thread at this very moment; the kernel asks to try again.
    if (errno != EINTR && errno != EBUSY) return -errno;
  }
}

int clinux_set_nonblocking(int fd, int on) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -errno;
  flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int clinux_set_socket_timeout(int fd, int64_t milliseconds) {
  struct timeval t = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) < 0) return -errno;
  return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t) < 0 ? -errno : 0;
}

int clinux_wait_many(const int *fds, const unsigned char *outputs, unsigned char *ready, int count,
                     int64_t timeout_ns) {
  struct pollfd p[64];
  if (count > 64) return -EINVAL;
  for (int i = 0; i < count; i++) p[i] = (struct pollfd){.fd = fds[i], .events = outputs[i] ? POLLOUT : POLLIN};
  struct timespec t = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
  int n = ppoll(p, (nfds_t)count, timeout_ns < 0 ? NULL : &t, NULL);
  if (n < 0) return -errno;
  for (int i = 0; i < count; i++) ready[i] = p[i].revents != 0;
  return n;
}

int clinux_wait_writable(int fd, int wake) {
  struct pollfd p[2] = {{.fd = fd, .events = POLLOUT}, {.fd = wake, .events = POLLIN}};
  while (poll(p, 2, -1) < 0)
    if (errno != EINTR) return -errno;
  return p[1].revents == 0;
}

void clinux_yield(void) { sched_yield(); }

int clinux_usable_processors(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) < 0) return 1;
  return CPU_COUNT(&set);
}
