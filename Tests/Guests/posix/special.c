// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Fifos, devices, sockets.

#include "check.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

static void makes_fifo(void) {
  umask(022);
  must(mkfifo("p", 0666));
  struct stat st = status("p");
  truth(S_ISFIFO(st.st_mode));
  same(st.st_mode & 07777, 0644);
  refuses(EEXIST, mkfifo("p", 0666));
  refuses(ENXIO, open("p", O_WRONLY | O_NONBLOCK));
}

static void writes_fifo(void *unused) {
  (void)unused;
  int fd = (int)must(open("p", O_WRONLY));
  write_fully(fd, "through the pipe", 16);
}

static void fifo_carries_data(void) {
  must(mkfifo("p", 0644));
  pid_t pid = start_child(writes_fifo, NULL);
  int fd = (int)must(open("p", O_RDONLY));
  char buffer[64];
  size_t total = 0;
  for (ssize_t n; (n = must(read(fd, buffer + total, sizeof buffer - total))) > 0;) total += (size_t)n;
  same(total, 16);
  truth(memcmp(buffer, "through the pipe", 16) == 0);
  join_child(pid);
}

static void make_node(const char *path, mode_t mode, dev_t device) {
  int result = mknod(path, mode, device);
  if (result == -1 && errno == EPERM) skip("devices may not be made here");
  must(result);
}

static void makes_devices(void) {
  needs_root();
  // Numbers over eight bits: they are packed differently in the kernel, on the wire and on disk.
  const struct {
    mode_t type;
    unsigned major, minor;
  } nodes[] = {{S_IFCHR, 1, 3}, {S_IFBLK, 7, 0}, {S_IFCHR, 240, 255}, {S_IFCHR, 300, 256}, {S_IFBLK, 4095, 1048575}};
  for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
    char name[8];
    snprintf(name, sizeof name, "n%zu", i);
    make_node(name, nodes[i].type | 0640, makedev(nodes[i].major, nodes[i].minor));
    struct stat st = status(name);
    same(st.st_mode & S_IFMT, nodes[i].type);
    same(major(st.st_rdev), nodes[i].major);
    same(minor(st.st_rdev), nodes[i].minor);
  }
}

static void regular_by_mknod(void) {
  must(mknod("f", S_IFREG | 0640, 0));
  truth(S_ISREG(status("f").st_mode));
  same(permissions("f"), 0640);
  write_text("f", "x");
  refuses(EEXIST, mknod("f", S_IFREG | 0640, 0));
}

static void devices_need_root(void *unused) {
  (void)unused;
  become(other_user, other_group);
  refuses(EPERM, mknod("n", S_IFCHR | 0666, makedev(1, 3)));
  must(mknod("p", S_IFIFO | 0666, 0));
}

static void user_makes_no_devices(void) {
  needs_root();
  must(chmod(".", 0777));
  in_child(devices_need_root, NULL);
}

static struct sockaddr_un address(const char *path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
  return a;
}

static void connects(void *unused) {
  (void)unused;
  struct sockaddr_un a = address("s");
  int fd = (int)must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  must(connect(fd, (struct sockaddr *)&a, sizeof a));
  write_fully(fd, "hello", 5);
}

static void socket_in_directory(void) {
  struct sockaddr_un a = address("s");
  int fd = (int)must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  must(bind(fd, (struct sockaddr *)&a, sizeof a));
  truth(S_ISSOCK(status("s").st_mode));
  must(listen(fd, 1));
  pid_t pid = start_child(connects, NULL);
  int connection = (int)must(accept(fd, NULL, NULL));
  char buffer[8];
  same(must(read(connection, buffer, 5)), 5);
  truth(memcmp(buffer, "hello", 5) == 0);
  join_child(pid);
  int second = (int)must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  refuses(EADDRINUSE, bind(second, (struct sockaddr *)&a, sizeof a));
  refuses(ENXIO, open("s", O_RDONLY));
  must(unlink("s"));
}

static void move_and_link(void) {
  must(mkfifo("p", 0644));
  must(link("p", "q"));
  same(status("p").st_nlink, 2);
  must(rename("p", "r"));
  must(chmod("r", 0600));
  same(permissions("q"), 0600);
  must(unlink("q"));
  must(unlink("r"));
}

const struct check special_checks[] = {
    {"mkfifo makes a fifo", makes_fifo},
    {"a fifo carries data between processes", fifo_carries_data},
    {"device numbers are kept, large ones too", makes_devices},
    {"mknod makes a regular file", regular_by_mknod},
    {"only root makes devices", user_makes_no_devices},
    {"a socket is bound, used and deleted", socket_in_directory},
    {"fifos are linked, renamed, changed and deleted", move_and_link},
    {0},
};
