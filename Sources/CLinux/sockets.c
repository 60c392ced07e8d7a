// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

#include "clinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RESULT(call)                  \
  do {                                \
    long result_ = (long)(call);      \
    return result_ < 0 ? -errno : result_; \
  } while (0)

enum { most_fds = 32 };

int clinux_memfd(const char *name, unsigned flags) { RESULT(memfd_create(name, flags | MFD_CLOEXEC)); }

void *clinux_map_shared(int fd, size_t size, uint64_t offset, int *error) {
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)offset);
  *error = p == MAP_FAILED ? errno : 0;
  return p == MAP_FAILED ? NULL : p;
}

int clinux_unmap(void *address, size_t size) { RESULT(munmap(address, size)); }
int clinux_eventfd(unsigned initial, int flags) { RESULT(eventfd(initial, flags | EFD_CLOEXEC)); }

int clinux_poll(const int *fds, short *ready, int count, int64_t timeout_ns) {
  struct pollfd p[16];
  if (count > 16) return -EINVAL;
  for (int i = 0; i < count; i++) p[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
  struct timespec t = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
  int n = ppoll(p, (nfds_t)count, timeout_ns < 0 ? NULL : &t, NULL);
  if (n < 0) return -errno;
  for (int i = 0; i < count; i++) ready[i] = p[i].revents;
  return n;
}

int clinux_socketpair(int fds[2]) { RESULT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)); }

static int fill_address(const char *path, struct sockaddr_un *address) {
  size_t length = strlen(path);
  if (length >= sizeof address->sun_path) return -ENAMETOOLONG;
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, path, length + 1);
  return 0;
}

// The file gets the socket's own mode, less the umask: the umask is the whole process's, so it is not touched. Where it
// took away more than was asked for, that is given back through a descriptor, because the name may be anybody's by now.
static int bind_with_mode(int fd, const struct sockaddr_un *address, unsigned mode) {
  struct stat status;
  if (fchmod(fd, mode) < 0 || bind(fd, (const struct sockaddr *)address, sizeof *address) < 0) return -errno;
  int file = open(address->sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) return -errno;
  int rc = fstat(file, &status) < 0 ? -errno : 0;
  if (rc == 0 && S_ISSOCK(status.st_mode) && (status.st_mode & 0777) != mode) {
    char name[32];
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    if (chmod(name, mode) < 0) rc = -errno;
  }
  if (rc < 0) unlink(address->sun_path);
  close(file);
  return rc;
}

int clinux_listen(const char *path, unsigned mode, int backlog) {
  struct sockaddr_un address;
  int rc = fill_address(path, &address);
  if (rc < 0) return rc;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  rc = bind_with_mode(fd, &address, mode);
  if (rc == 0 && listen(fd, backlog) < 0) rc = -errno;
  if (rc == 0) return fd;
  close(fd);
  return rc;
}

union internet_address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

int clinux_listen_internet(const char *text, uint16_t port, int backlog) {
  union internet_address address;
  memset(&address, 0, sizeof address);
  socklen_t size = sizeof address.v4;
  if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = htons(port);
  } else if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) == 1) {
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(port);
    size = sizeof address.v6;
  } else {
    return -EINVAL;
  }
  int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  // Accepted sockets have TCP_NODELAY too: Linux copies it. A port that only old connections hold is free.
  // A peer that has vanished is noticed within a minute: its connection would hold its place for ever.
  int on = 1, idle = 30, interval = 10, count = 3;
  unsigned most = 60000;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0
      && setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0
      && setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle) == 0
      && setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval) == 0
      && setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count) == 0
      && setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &most, sizeof most) == 0
      && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 && bind(fd, &address.any, size) == 0
      && listen(fd, backlog) == 0)
    return fd;
  int rc = -errno;
  close(fd);
  return rc;
}

int clinux_bound_port(int fd) {
  union internet_address address;
  socklen_t size = sizeof address;
  if (getsockname(fd, &address.any, &size) < 0) return -errno;
  // At the same place in both.
  return ntohs(address.v4.sin_port);
}

int clinux_connect(const char *path) {
  struct sockaddr_un address;
  int rc = fill_address(path, &address);
  if (rc < 0) return rc;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  rc = -errno;
  close(fd);
  return rc;
}

int clinux_accept(int fd) { RESULT(accept4(fd, NULL, NULL, SOCK_CLOEXEC)); }

long clinux_send(int fd, const void *head, size_t head_size, const void *body, size_t body_size, const int *fds,
                 int fd_count) {
  struct iovec v[2] = {{(void *)head, head_size}, {(void *)body, body_size}};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * most_fds)];
  } control;
  struct msghdr m = {.msg_iov = v, .msg_iovlen = body_size > 0 ? 2 : 1};
  if (fd_count > most_fds) return -EINVAL;
  if (fd_count > 0) {
    memset(&control, 0, sizeof control);
    m.msg_control = control.bytes;
    m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)fd_count);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)fd_count);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)fd_count);
  }
  RESULT(sendmsg(fd, &m, MSG_NOSIGNAL));
}

long clinux_receive(int fd, void *buffer, size_t size, int *fds, int *fd_count) {
  struct iovec v = {buffer, size};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * most_fds)];
  } control;
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control.bytes,
                     .msg_controllen = sizeof control.bytes};
  int room = *fd_count;
  *fd_count = 0;
  ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
  if (n < 0) return -errno;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    int count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    for (int i = 0; i < count; i++) {
      int got;
      memcpy(&got, CMSG_DATA(c) + sizeof(int) * (size_t)i, sizeof got);
      if (*fd_count < room)
        fds[(*fd_count)++] = got;
      else
        close(got);  // more than the caller has room for: never leak what a peer sent
    }
  }
  return n;
}

int clinux_shutdown(int fd) { RESULT(shutdown(fd, SHUT_RDWR)); }

int clinux_peer_credentials(int fd, int32_t *pid, uint32_t *uid, uint32_t *gid) {
  struct ucred c;
  socklen_t size = sizeof c;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &size) < 0) return -errno;
  *pid = c.pid;
  *uid = c.uid;
  *gid = c.gid;
  return 0;
}

int clinux_is_listening(int fd) {
  int value = 0;
  socklen_t size = sizeof value;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) < 0) return -errno;
  return value;
}
