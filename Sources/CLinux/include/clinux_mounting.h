// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the tool `martlet` needs beside the daemons' calls: bounded connecting, epoll, unmounting. Same conventions as
// clinux.h: the call's result or a negative errno.
#ifndef CLINUX_MOUNTING_H
#define CLINUX_MOUNTING_H

#include <stdint.h>

// connect(2) to a unix stream socket; -EAGAIN when the listener's queue stays full for `milliseconds`. Later sends on
// the socket are bounded by the same time.
int clinux_connect_within(const char *path, int64_t milliseconds);

int clinux_epoll_create(void);
// Adds `fd` for input under the given number. `edge`: report each signal once (EPOLLET). `exclusive`: of several
// epolls that watch the same file wake one (EPOLLEXCLUSIVE).
int clinux_epoll_add(int epoll, int fd, uint32_t number, int edge, int exclusive);
// Waits (`milliseconds` < 0: for ever); bit i of the result is set when the file of number i (0 to 15) has input, bit
// i + 16 when it has an error or was hung up.
int64_t clinux_epoll_wait(int epoll, int milliseconds);

#endif
