// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <liburing.h>

// enum io_uring_op of linux/io_uring.h since Linux 6.15, which liburing 2.3 does not know yet.
enum { MARTLET_OP_READV_FIXED = 60, MARTLET_OP_WRITEV_FIXED = 61 };

// Completions are there, or will be when the kernel is entered (IORING_SETUP_TASKRUN_FLAG). Here because the flags
// change under our hands, and Swift has no volatile load.
static inline int martlet_ring_has_news(const struct io_uring *ring) {
  if (io_uring_cq_ready(ring) != 0) return 1;
  return (IO_URING_READ_ONCE(*ring->sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}
