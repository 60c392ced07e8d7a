// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Advisory locks: flock, fcntl record locks between processes, open file locks.

#include "check.h"

#include <sys/file.h>
#include <sys/time.h>

static struct flock range(short type, off_t start, off_t length) {
  return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
}

static int lock(int fd, short type, off_t start, off_t length) {
  struct flock request = range(type, start, length);
  return fcntl(fd, F_SETLK, &request);
}

static int open_again(void) { return (int)must(open("f", O_RDWR | O_CLOEXEC)); }

static void whole_file_lock(void) {
  int a = make_file("f", 0644), b = open_again();
  int result = flock(a, LOCK_EX | LOCK_NB);
  skip_if_unsupported(result, "flock");
  must(result);
  refuses(EWOULDBLOCK, flock(b, LOCK_EX | LOCK_NB));
  refuses(EWOULDBLOCK, flock(b, LOCK_SH | LOCK_NB));
  must(flock(a, LOCK_SH | LOCK_NB));
  must(flock(b, LOCK_SH | LOCK_NB));
  refuses(EWOULDBLOCK, flock(a, LOCK_EX | LOCK_NB));
  must(flock(b, LOCK_UN));
  must(flock(a, LOCK_EX | LOCK_NB));
}

static void closing_unlocks(void) {
  int a = make_file("f", 0644), b = open_again();
  must(flock(a, LOCK_EX | LOCK_NB));
  int copy = (int)must(dup(a));
  must(close(a));
  refuses(EWOULDBLOCK, flock(b, LOCK_EX | LOCK_NB));
  must(close(copy));
  must(flock(b, LOCK_EX | LOCK_NB));
}

static void finds_locked(void *unused) {
  (void)unused;
  int fd = open_again();
  refuses(EAGAIN, lock(fd, F_WRLCK, 5, 10));
  refuses(EAGAIN, lock(fd, F_RDLCK, 19, 1));
  must(lock(fd, F_WRLCK, 20, 10));
  struct flock question = range(F_WRLCK, 0, 0);
  must(fcntl(fd, F_GETLK, &question));
  same(question.l_type, F_WRLCK);
  same(question.l_start, 10);
  same(question.l_len, 10);
  same(question.l_pid, getppid());
}

static void record_locks(void) {
  int fd = make_file("f", 0644);
  must(lock(fd, F_WRLCK, 10, 10));
  // One's own locks never conflict; they change kind.
  must(lock(fd, F_WRLCK, 5, 10));
  must(lock(fd, F_UNLCK, 5, 5));
  in_child(finds_locked, NULL);
}

static void reads_shared(void *unused) {
  (void)unused;
  int fd = open_again();
  must(lock(fd, F_RDLCK, 0, 0));
  refuses(EAGAIN, lock(fd, F_WRLCK, 0, 1));
}

static void shared_record_locks(void) {
  int fd = make_file("f", 0644);
  must(lock(fd, F_RDLCK, 0, 0));
  in_child(reads_shared, NULL);
}

static void any_close_drops_record_locks(void) {
  int fd = make_file("f", 0644);
  must(lock(fd, F_WRLCK, 0, 0));
  must(close(open_again()));
  // POSIX's odd rule: closing another descriptor of the file let go of the lock.
  struct flock question = range(F_WRLCK, 0, 0);
  pid_t pid = (pid_t)must(fork());
  if (pid == 0) {
    must(fcntl(open_again(), F_GETLK, &question));
    same(question.l_type, F_UNLCK);
    _exit(0);
  }
  join_child(pid);
}

static void locks_and_waits(void *argument) {
  int fd = open_again();
  must(lock(fd, F_WRLCK, 0, 0));
  must(write(((int *)argument)[1], "l", 1));
  usleep(200000);
  must(pwrite(fd, "done", 4, 0));
}

static void waiting_for_a_lock(void) {
  int fd = make_file("f", 0644), ends[2];
  must(pipe(ends));
  pid_t pid = start_child(locks_and_waits, ends);
  char byte;
  must(read(ends[0], &byte, 1));
  struct flock request = range(F_WRLCK, 0, 0);
  must(fcntl(fd, F_SETLKW, &request));
  expect_bytes(fd, 0, "done", 4);
  join_child(pid);
}

static void on_alarm(int signal_number) { (void)signal_number; }

static void holds_until_told(void *argument) {
  int *ends = argument;
  must(lock(open_again(), F_WRLCK, 0, 0));
  must(write(ends[1], "l", 1));
  char byte;
  must(read(ends[2], &byte, 1));
}

static void waiting_is_interrupted(void) {
  int fd = make_file("f", 0644), ends[4];
  must(pipe(ends));
  must(pipe(ends + 2));
  pid_t pid = start_child(holds_until_told, ends);
  char byte;
  must(read(ends[0], &byte, 1));
  struct sigaction action = {.sa_handler = on_alarm};
  must(sigaction(SIGALRM, &action, NULL));
  // Again and again: on a busy machine the first one may come before anybody waits.
  struct itimerval often = {{1, 0}, {1, 0}}, never = {{0, 0}, {0, 0}};
  must(setitimer(ITIMER_REAL, &often, NULL));
  struct flock request = range(F_WRLCK, 0, 0);
  int result = fcntl(fd, F_SETLKW, &request), error = errno;
  must(setitimer(ITIMER_REAL, &never, NULL));
  same(result, -1);
  same(error, EINTR);
  must(write(ends[3], "x", 1));
  join_child(pid);
}

// Waits for the lock of a byte: 't' if it was taken, 'd' for a deadlock.
static char takes_or_sees_deadlock(int fd, int byte) {
  struct flock request = range(F_WRLCK, byte, 1);
  if (fcntl(fd, F_SETLKW, &request) == 0) return 't';
  same(errno, EDEADLK);
  return 'd';
}

static void deadlock_is_seen(void *argument) {
  int *ends = argument, fd = open_again();
  must(lock(fd, F_WRLCK, 1, 1));
  must(write(ends[1], "l", 1));
  char answer = takes_or_sees_deadlock(fd, 0);
  // Whoever is told lets go, so that the other one gets on.
  must(lock(fd, F_UNLCK, 1, 1));
  must(write(ends[1], &answer, 1));
}

// Each holds what the other one wants: the second to ask, whichever that is, is told.
static void deadlock(void) {
  int fd = make_file("f", 0644), ends[2];
  must(pipe(ends));
  must(lock(fd, F_WRLCK, 0, 1));
  pid_t pid = start_child(deadlock_is_seen, ends);
  char byte;
  must(read(ends[0], &byte, 1));
  char own = takes_or_sees_deadlock(fd, 1);
  must(lock(fd, F_UNLCK, 0, 1));
  must(read(ends[0], &byte, 1));
  truth(own != byte);
  join_child(pid);
}

static void open_file_locks(void) {
  int a = make_file("f", 0644), b = open_again();
  struct flock request = range(F_WRLCK, 0, 10);
  must(fcntl(a, F_OFD_SETLK, &request));
  request = range(F_WRLCK, 5, 1);
  refuses(EAGAIN, fcntl(b, F_OFD_SETLK, &request));
  must(close(open_again()));
  request = range(F_WRLCK, 5, 1);
  refuses(EAGAIN, fcntl(b, F_OFD_SETLK, &request));
  must(close(a));
  request = range(F_WRLCK, 5, 1);
  must(fcntl(b, F_OFD_SETLK, &request));
}

static void lock_needs_access(void) {
  write_text("f", "x");
  int reading = (int)must(open("f", O_RDONLY));
  refuses(EBADF, lock(reading, F_WRLCK, 0, 0));
  must(lock(reading, F_RDLCK, 0, 0));
  refuses(EINVAL, lock(reading, F_RDLCK, -5, 1));
}

const struct check lock_checks[] = {
    {"flock excludes and shares between descriptors", whole_file_lock},
    {"flock ends with the last copy of the descriptor", closing_unlocks},
    {"record locks keep other processes out of their range", record_locks},
    {"record locks for reading are shared", shared_record_locks},
    {"closing any descriptor drops the process's record locks", any_close_drops_record_locks},
    {"F_SETLKW waits until the lock is free", waiting_for_a_lock},
    {"F_SETLKW is interrupted by a signal", waiting_is_interrupted},
    {"a deadlock of record locks is EDEADLK", deadlock},
    {"open file locks belong to the descriptor", open_file_locks},
    {"record locks need a fitting descriptor", lock_needs_access},
    {0},
};
