// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls of whoever waits: swapping the file behind a descriptor, bounded socket calls, spinning. Same conventions as
// clinux.h: the call's result or a negative errno.
#ifndef CLINUX_WAITING_H
#define CLINUX_WAITING_H

#include <stdint.h>

// Makes `target` name the open file of `source`, atomically for everybody who uses `target` (dup3).
int clinux_dup_onto(int source, int target);
int clinux_set_nonblocking(int fd, int on);
// SO_RCVTIMEO and SO_SNDTIMEO: a call that waits longer answers -EAGAIN.
int clinux_set_socket_timeout(int fd, int64_t milliseconds);
// Waits for input (`outputs[i]` 0) or room for output (else) on up to 64 descriptors; negative ones are skipped. In
// `ready` comes 1 where there is something, also for errors. `timeout_ns` < 0 waits for ever.
int clinux_wait_many(const int *fds, const unsigned char *outputs, unsigned char *ready, int count, int64_t timeout_ns);
// Waits until `fd` takes output or `wake` has input. 1: output (or an error that the next write will tell), 0: woken.
int clinux_wait_writable(int fd, int wake);
// Processors that the calling thread may run on.
int clinux_usable_processors(void);
// Lets another thread run that waits for this processor (sched_yield).
void clinux_yield(void);

static inline void clinux_spin_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");
#endif
}

#endif
