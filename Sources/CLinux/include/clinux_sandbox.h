// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a daemon needs at its start and end: detached mounts, identity, child processes, datagrams to the service
// manager, and who serves a socket file. Same rules as clinux.h: the result or a negative errno.
#ifndef CLINUX_SANDBOX_H
#define CLINUX_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

// A detached tmpfs (fsopen, fsmount), nosuid, nodev, noexec, mode 0755: a root that holds nothing but mount points.
int clinux_tmpfs(void);
// "/" and everything below: mounts of the host come in, ours do not go out (MS_SLAVE | MS_REC).
int clinux_receive_mounts_only(void);
// Makes the mount at "/" read-only, nosuid, nodev, noexec; mounts below it keep their flags.
int clinux_seal_root(void);
// Makes the mount at the current directory the root of this mount namespace and drops the old one.
int clinux_enter_new_root(void);
// The calling process's namespaces: user, pid for its children, mounts, network.
int clinux_unshare_user(void);
int clinux_unshare_pids(void);
int clinux_unshare_mounts_and_network(void);

// Identity of the process.
int clinux_pid(void);
int clinux_parent_pid(void);
uint32_t clinux_effective_user(void);
uint32_t clinux_effective_group(void);
int clinux_become(uint32_t uid, uint32_t gid);
const char *clinux_environment(const char *name);
int clinux_wall_clock(int64_t *seconds, int64_t *nanoseconds);

// Children. `fds` become descriptors 0, 1, ... of the program (negative: /dev/null); everything else is close-on-exec.
// `environment` NULL keeps ours. Found through PATH. Returns the process id.
int clinux_spawn(const char *const argv[], const char *const environment[], const int *fds, int fd_count);
// waitpid: 0 if `block` is 0 and it still runs; else the process id, with the exit code or, if a signal ended it,
// 256 plus the signal in `*status`.
int clinux_wait(int pid, int block, int *status);
int clinux_pipe(int fds[2]);

// A connected datagram socket; `path` may begin with '@' for an abstract name.
int clinux_connect_datagram(const char *path);
// The other side: a datagram socket of this name.
int clinux_bind_datagram(const char *path);
// Has some process a socket bound to the socket file at `path`? 1 or 0; it is not disturbed.
int clinux_is_served(const char *path);
// Gives a socket file (or any other) to a group, not following a symlink.
int clinux_change_group(const char *path, uint32_t gid);
int clinux_set_close_on_exec(int fd);

#endif
