// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

#include "clinux.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RESULT(call)                  \
  do {                                \
    long result_ = (long)(call);      \
    return result_ < 0 ? -errno : result_; \
  } while (0)

int clinux_gettid(void) { return (int)syscall(SYS_gettid); }

// Only the effective (and file-system) id changes: the real and saved ids stay, so the thread can change back.
int clinux_thread_setresuid(uint32_t uid) { RESULT(syscall(SYS_setresuid, -1, uid, -1)); }
int clinux_thread_setresgid(uint32_t gid) { RESULT(syscall(SYS_setresgid, -1, gid, -1)); }

int clinux_thread_setgroups(const uint32_t *groups, size_t count) { RESULT(syscall(SYS_setgroups, count, groups)); }

int clinux_thread_capability(int capability, int set) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) < 0) return -errno;
  uint32_t *word = &data[capability / 32].effective;
  uint32_t bit = 1u << (capability % 32);
  int before = (*word & bit) != 0;
  if (before == (set != 0)) return before;
  *word = set ? *word | bit : *word & ~bit;
  if (syscall(SYS_capset, &header, data) < 0) return -errno;
  return before;
}

int clinux_unshare(int flags) { RESULT(unshare(flags)); }
int clinux_set_thread_name(const char *name) { RESULT(prctl(PR_SET_NAME, name, 0, 0, 0)); }

struct start {
  void (*body)(void *);
  void *argument;
};

static void *run(void *pointer) {
  struct start s = *(struct start *)pointer;
  free(pointer);
  s.body(s.argument);
  return NULL;
}

int clinux_thread_create(void (*body)(void *), void *argument, uint64_t *thread) {
  struct start *s = malloc(sizeof *s);
  if (!s) return -ENOMEM;
  *s = (struct start){body, argument};
  pthread_t t;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 512 * 1024);
  // Signals belong to the main thread, which reads them from a signalfd.
  sigset_t all, old;
  sigfillset(&all);
  // A fault of the thread itself stays deliverable: blocked, it would end the process without a trace of where.
  const int faults[] = {SIGILL, SIGSEGV, SIGBUS, SIGTRAP, SIGFPE, SIGABRT, SIGSYS};
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&all, faults[i]);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int rc = pthread_create(&t, &attributes, run, s);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  pthread_attr_destroy(&attributes);
  if (rc != 0) {
    free(s);
    return -rc;
  }
  *thread = (uint64_t)t;
  return 0;
}

int clinux_thread_join(uint64_t thread) { return -pthread_join((pthread_t)thread, NULL); }

static int64_t clock_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clinux_monotonic_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
int64_t clinux_thread_cpu_ns(void) { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }

int clinux_get_nofile(uint64_t *soft, uint64_t *hard) {
  struct rlimit r;
  if (getrlimit(RLIMIT_NOFILE, &r) < 0) return -errno;
  *soft = r.rlim_cur;
  *hard = r.rlim_max;
  return 0;
}

int clinux_set_nofile(uint64_t soft, uint64_t hard) {
  struct rlimit r = {soft, hard};
  RESULT(setrlimit(RLIMIT_NOFILE, &r));
}

void clinux_raise_memlock(void) {
  struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
  if (setrlimit(RLIMIT_MEMLOCK, &none) == 0 || getrlimit(RLIMIT_MEMLOCK, &none) != 0) return;
  none.rlim_cur = none.rlim_max;
  setrlimit(RLIMIT_MEMLOCK, &none);
}

int clinux_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
  RESULT(mount(source, target, type, flags, data));
}
int clinux_umount(const char *target, int flags) { RESULT(umount2(target, flags)); }
int clinux_pivot_root(const char *new_root, const char *put_old) { RESULT(syscall(SYS_pivot_root, new_root, put_old)); }
int clinux_chroot(const char *path) { RESULT(chroot(path)); }
int clinux_chdir(const char *path) { RESULT(chdir(path)); }
int clinux_fchdir(int fd) { RESULT(fchdir(fd)); }
int clinux_prctl(int option, unsigned long a2, unsigned long a3) { RESULT(prctl(option, a2, a3, 0, 0)); }
int clinux_fork(void) { RESULT(fork()); }
int clinux_waitpid(int pid, int *status, int options) { RESULT(waitpid(pid, status, options)); }
int clinux_kill(int pid, int signal) { RESULT(kill(pid, signal)); }
void clinux_exit(int status) { _exit(status); }

int clinux_signalfd(const int *signals, int count) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
  if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -errno;
  RESULT(signalfd(-1, &set, SFD_CLOEXEC));
}

int clinux_signalfd_read(int fd) {
  struct signalfd_siginfo info;
  ssize_t n = read(fd, &info, sizeof info);
  if (n < 0) return -errno;
  return n == sizeof info ? (int)info.ssi_signo : -EIO;
}

int clinux_ignore_signal(int number) {
  return signal(number, SIG_IGN) == SIG_ERR ? -errno : 0;
}

int clinux_group_id(const char *name, uint32_t *gid) {
  struct group entry, *found = NULL;
  char buffer[65536];
  int rc = getgrnam_r(name, &entry, buffer, sizeof buffer, &found);
  if (rc != 0) return -rc;
  if (!found) return -ENOENT;
  *gid = found->gr_gid;
  return 0;
}

int clinux_supplementary_groups_clear(void) { RESULT(setgroups(0, NULL)); }
unsigned clinux_umask(unsigned mask) { return umask(mask); }

int clinux_thread_detach(uint64_t thread) { return -pthread_detach((pthread_t)thread); }

void clinux_limit_arenas(int count) { mallopt(M_ARENA_MAX, count); }
