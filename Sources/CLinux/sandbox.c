// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

#include "clinux_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RESULT(call)                  \
  do {                                \
    long result_ = (long)(call);      \
    return result_ < 0 ? -errno : result_; \
  } while (0)

// Values of <linux/mount.h>, which cannot stand beside <sys/mount.h> on Debian 12.
enum {
  fsopen_cloexec = 1,
  fsconfig_set_string = 1,
  fsconfig_create = 6,
  fsmount_cloexec = 1,
  attr_nosuid = 2,
  attr_nodev = 4,
  attr_noexec = 8,
};

int clinux_tmpfs(void) {
  int context = (int)syscall(SYS_fsopen, "tmpfs", fsopen_cloexec);
  if (context < 0) return -errno;
  int mount = -1;
  if (syscall(SYS_fsconfig, context, fsconfig_set_string, "mode", "755", 0) == 0 &&
      syscall(SYS_fsconfig, context, fsconfig_create, NULL, NULL, 0) == 0)
    mount = (int)syscall(SYS_fsmount, context, fsmount_cloexec, attr_nosuid | attr_nodev | attr_noexec);
  int error = mount < 0 ? errno : 0;
  close(context);
  return error ? -error : mount;
}

int clinux_receive_mounts_only(void) { RESULT(mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL)); }

int clinux_seal_root(void) {
  RESULT(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
}

int clinux_enter_new_root(void) {
  // pivot_root(2), "pivot_root(".", ".")": the old root ends up on top of the new one and is taken off from there.
  if (syscall(SYS_pivot_root, ".", ".") < 0) return -errno;
  if (mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0) return -errno;
  if (umount2(".", MNT_DETACH) < 0) return -errno;
  RESULT(chdir("/"));
}

int clinux_unshare_user(void) { RESULT(unshare(CLONE_NEWUSER)); }
int clinux_unshare_pids(void) { RESULT(unshare(CLONE_NEWPID)); }
int clinux_unshare_mounts_and_network(void) { RESULT(unshare(CLONE_NEWNS | CLONE_NEWNET)); }

int clinux_pid(void) { return getpid(); }
int clinux_parent_pid(void) { return getppid(); }
uint32_t clinux_effective_user(void) { return geteuid(); }
uint32_t clinux_effective_group(void) { return getegid(); }

int clinux_become(uint32_t uid, uint32_t gid) {
  if (setresgid(gid, gid, gid) < 0) return -errno;
  RESULT(setresuid(uid, uid, uid));
}

const char *clinux_environment(const char *name) { return getenv(name); }

int clinux_wall_clock(int64_t *seconds, int64_t *nanoseconds) {
  struct timespec t;
  if (clock_gettime(CLOCK_REALTIME, &t) < 0) return -errno;
  *seconds = t.tv_sec;
  *nanoseconds = t.tv_nsec;
  return 0;
}

int clinux_spawn(const char *const argv[], const char *const environment[], const int *fds, int fd_count) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  // A program expects an empty signal mask; ours may block what the signalfd reads.
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  for (int i = 0; i < fd_count; i++) {
    if (fds[i] < 0)
      posix_spawn_file_actions_addopen(&actions, i, "/dev/null", O_RDWR, 0);
    else
      posix_spawn_file_actions_adddup2(&actions, fds[i], i);
  }
  pid_t pid = -1;
  int rc = posix_spawnp(&pid, argv[0], &actions, &attributes, (char *const *)argv,
                        environment ? (char *const *)environment : environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return rc ? -rc : pid;
}

int clinux_wait(int pid, int block, int *status) {
  int raw = 0;
  pid_t got;
  do got = waitpid(pid, &raw, block ? 0 : WNOHANG);
  while (got < 0 && errno == EINTR);
  if (got < 0) return -errno;
  if (got > 0) *status = WIFSIGNALED(raw) ? 256 + WTERMSIG(raw) : WEXITSTATUS(raw);
  return got;
}

int clinux_pipe(int fds[2]) { RESULT(pipe2(fds, O_CLOEXEC)); }

static int datagram(const char *path, int (*attach)(int, const struct sockaddr *, socklen_t)) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof address.sun_path) return -ENAMETOOLONG;
  memcpy(address.sun_path, path, length + 1);
  socklen_t size = sizeof address;
  if (path[0] == '@') {
    // An abstract name: NUL first, and the length of the address ends it.
    address.sun_path[0] = '\0';
    size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
  }
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  if (attach(fd, (const struct sockaddr *)&address, size) == 0) return fd;
  int error = errno;
  close(fd);
  return -error;
}

static int attach_by_connect(int fd, const struct sockaddr *a, socklen_t size) { return connect(fd, a, size); }
static int attach_by_bind(int fd, const struct sockaddr *a, socklen_t size) { return bind(fd, a, size); }

int clinux_connect_datagram(const char *path) { return datagram(path, attach_by_connect); }
int clinux_bind_datagram(const char *path) { return datagram(path, attach_by_bind); }

int clinux_is_served(const char *path) {
  // A socket of another type cannot be connected to a stream socket: unix(7) says EPROTOTYPE if one is bound to the
  // file, in whatever network namespace, and ECONNREFUSED if nobody is. The other side notices nothing.
  int fd = clinux_connect_datagram(path);
  if (fd >= 0) close(fd);
  if (fd >= 0 || fd == -EPROTOTYPE) return 1;
  return fd == -ECONNREFUSED || fd == -ENOENT ? 0 : fd;
}

int clinux_change_group(const char *path, uint32_t gid) { RESULT(lchown(path, (uid_t)-1, gid)); }

int clinux_set_close_on_exec(int fd) { RESULT(fcntl(fd, F_SETFD, FD_CLOEXEC)); }
