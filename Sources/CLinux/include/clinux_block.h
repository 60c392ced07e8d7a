// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a block device backend asks of files and block devices, and waiting for another thread's change. Same
// conventions as clinux.h: the call's result or a negative errno.
#ifndef CLINUX_BLOCK_H
#define CLINUX_BLOCK_H

#include <stdint.h>

// What direct I/O on a file has to be aligned to (STATX_DIOALIGN, Linux 6.1), in bytes. Returns 1 if the kernel tells
// (zeroes: no direct I/O), 0 if it does not.
int clinux_direct_alignment(int fd, uint32_t *memory, uint32_t *offset);

// Sizes of a block device in bytes.
struct clinux_device_limits {
  uint32_t logical_block, physical_block, minimum_io, optimal_io;
};
int clinux_device_size(int fd, uint64_t *bytes);
int clinux_device_limits(int fd, struct clinux_device_limits *out);
// BLKDISCARD, or BLKSECDISCARD.
int clinux_device_discard(int fd, int secure, uint64_t offset, uint64_t length);

// A mutex with a condition. NULL if there is no memory.
struct clinux_monitor;
struct clinux_monitor *clinux_monitor_create(void);
void clinux_monitor_destroy(struct clinux_monitor *monitor);
void clinux_monitor_lock(struct clinux_monitor *monitor);
void clinux_monitor_unlock(struct clinux_monitor *monitor);
// Gives the lock up until somebody signals; for ever if `timeout_ns` < 0.
void clinux_monitor_wait(struct clinux_monitor *monitor, int64_t timeout_ns);
// One of those who wait, or all of them.
void clinux_monitor_signal(struct clinux_monitor *monitor);
void clinux_monitor_signal_all(struct clinux_monitor *monitor);

#endif
