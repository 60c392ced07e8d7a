// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

#include "clinux_mounting.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define RESULT(call)                  \
  do {                                \
    long result_ = (long)(call);      \
    return result_ < 0 ? -errno : result_; \
  } while (0)

int clinux_connect_within(const char *path, int64_t milliseconds) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(path);
  if (length >= sizeof address.sun_path) return -ENAMETOOLONG;
  memcpy(address.sun_path, path, length + 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  // The send timeout bounds connect(2) of a unix socket too (unix(7) does not say it, unix_stream_connect does it).
  struct timeval t = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
  int rc = setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
  if (rc == 0) {
    do rc = connect(fd, (struct sockaddr *)&address, sizeof address);
    while (rc < 0 && errno == EINTR);
  }
  if (rc == 0) return fd;
  rc = -errno;
  close(fd);
  return rc;
}

int clinux_epoll_create(void) { RESULT(epoll_create1(EPOLL_CLOEXEC)); }

int clinux_epoll_add(int epoll, int fd, uint32_t number, int edge, int exclusive) {
  struct epoll_event e = {
      .events = EPOLLIN | (edge ? (uint32_t)EPOLLET : 0) | (exclusive ? (uint32_t)EPOLLEXCLUSIVE : 0),
      .data.u32 = number,
  };
  RESULT(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e));
}

int64_t clinux_epoll_wait(int epoll, int milliseconds) {
  struct epoll_event events[16];
  int n = epoll_wait(epoll, events, 16, milliseconds);
  if (n < 0) return -errno;
  int64_t ready = 0;
  for (int i = 0; i < n; i++) {
    if (events[i].events & EPOLLIN) ready |= INT64_C(1) << events[i].data.u32;
    if (events[i].events & (EPOLLERR | EPOLLHUP)) ready |= INT64_C(1) << (events[i].data.u32 + 16);
  }
  return ready;
}
