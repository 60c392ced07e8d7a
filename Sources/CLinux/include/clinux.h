// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The system calls that Swift cannot import (variadic functions, function-like macros, calls newer than the C
// library) and the ones whose errno must be taken before any reference counting can run. Every function returns
// the call's result or a negative errno. Plain types only, so that this module never disagrees with Swift's own
// view of the C library.
#ifndef CLINUX_H
#define CLINUX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <stddef.h>
#include <stdint.h>

// What statx(2) tells, without its reserved space.
struct clinux_status {
  uint64_t inode, size, blocks;
  uint64_t mount_id;
  int64_t access_seconds, modification_seconds, change_seconds, birth_seconds;
  uint32_t access_nanoseconds, modification_nanoseconds, change_nanoseconds, birth_nanoseconds;
  uint32_t links, uid, gid, block_size;
  uint32_t device_major, device_minor, special_major, special_minor;
  uint16_t mode;
  uint16_t has_birth_time;
  uint32_t attributes;  // low half of stx_attributes
};

// struct file_handle with its largest payload (MAX_HANDLE_SZ).
struct clinux_handle {
  uint32_t byte_count;
  int32_t type;
  uint8_t bytes[128];
};

struct clinux_statfs {
  uint64_t type, block_size, blocks, blocks_free, blocks_available, files, files_free, fragment_size, flags;
  uint32_t name_max;
};

struct clinux_timespec {
  int64_t seconds;
  int64_t nanoseconds;  // or UTIME_NOW, UTIME_OMIT
};

struct clinux_lock {
  int16_t type;  // F_RDLCK, F_WRLCK, F_UNLCK
  int64_t start, length;
  int32_t pid;
};

// Files: opening and looking.
int clinux_close(int fd);
int clinux_openat(int dir, const char *path, int flags, unsigned mode);
int clinux_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
int clinux_open_tree(int dir, const char *path, unsigned flags);
int clinux_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned flags);
int clinux_statx(int dir, const char *path, int flags, struct clinux_status *out);
int clinux_name_to_handle(int dir, const char *path, int flags, struct clinux_handle *out, int *mount_id);
int clinux_open_by_handle(int mount_fd, const struct clinux_handle *handle, int flags);
int clinux_dup(int fd);
int clinux_fcntl(int fd, int command, long argument);
long clinux_readlinkat(int dir, const char *path, char *buffer, size_t size);
int clinux_statfs(int fd, struct clinux_statfs *out);
int clinux_faccessat2(int dir, const char *path, int mode, int flags);

// Files: names.
int clinux_mkdirat(int dir, const char *path, unsigned mode);
int clinux_mknodat(int dir, const char *path, unsigned mode, uint32_t major, uint32_t minor);
int clinux_symlinkat(const char *target, int dir, const char *path);
int clinux_linkat(int from, const char *from_path, int to, const char *to_path, int flags);
int clinux_unlinkat(int dir, const char *path, int flags);
int clinux_renameat2(int from, const char *from_path, int to, const char *to_path, unsigned flags);

// Files: attributes.
int clinux_fchmod(int fd, unsigned mode);
int clinux_fchmodat(int dir, const char *path, unsigned mode);
int clinux_fchownat(int dir, const char *path, uint32_t uid, uint32_t gid, int flags);
int clinux_utimensat(int dir, const char *path, const struct clinux_timespec times[2], int flags);
int clinux_ftruncate(int fd, int64_t size);
int clinux_truncate(const char *path, int64_t size);

// Files: contents. `vectors` is an array of struct iovec.
long clinux_preadv2(int fd, const void *vectors, int count, int64_t offset, int flags);
long clinux_pwritev2(int fd, const void *vectors, int count, int64_t offset, int flags);
long clinux_pread(int fd, void *buffer, size_t size, int64_t offset);
long clinux_pwrite(int fd, const void *buffer, size_t size, int64_t offset);
long clinux_read(int fd, void *buffer, size_t size);
long clinux_write(int fd, const void *buffer, size_t size);
long clinux_getdents(int fd, void *buffer, size_t size);
int64_t clinux_lseek(int fd, int64_t offset, int whence);
int clinux_fsync(int fd, int data_only);
int clinux_syncfs(int fd);
int clinux_fallocate(int fd, int mode, int64_t offset, int64_t length);
long clinux_copy_file_range(int from, int64_t from_offset, int to, int64_t to_offset, size_t length, unsigned flags);
int clinux_flock(int fd, int operation);
int clinux_ofd_lock(int fd, int get, struct clinux_lock *lock);
// Inode flags as chattr(1) shows them (FS_IOC_GETFLAGS, FS_IOC_SETFLAGS of linux/fs.h), and FS_NOCOW_FL among them.
int clinux_inode_flags(int fd, uint32_t *flags);
int clinux_set_inode_flags(int fd, uint32_t flags);
uint32_t clinux_no_cow_flag(void);
int clinux_ioctl(int fd, unsigned long request, void *argument);

// Extended attributes, by descriptor and by path (no following of a final symlink for l*).
long clinux_fgetxattr(int fd, const char *name, void *value, size_t size);
long clinux_flistxattr(int fd, char *list, size_t size);
int clinux_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);
int clinux_fremovexattr(int fd, const char *name);
long clinux_getxattr(const char *path, const char *name, void *value, size_t size);
long clinux_listxattr(const char *path, char *list, size_t size);
int clinux_setxattr(const char *path, const char *name, const void *value, size_t size, int flags);
int clinux_removexattr(const char *path, const char *name);

// Memory and events.
int clinux_memfd(const char *name, unsigned flags);
void *clinux_map_shared(int fd, size_t size, uint64_t offset, int *error);
int clinux_unmap(void *address, size_t size);
int clinux_eventfd(unsigned initial, int flags);
// Waits for input on up to `count` descriptors (negative ones are skipped); `timeout_ns` < 0 waits for ever.
// `ready` gets the POLL* bits. Returns how many are ready.
int clinux_poll(const int *fds, short *ready, int count, int64_t timeout_ns);

// Sockets.
int clinux_socketpair(int fds[2]);
// Binds a stream socket whose file has `mode` from the first moment on. -ENAMETOOLONG when the path does not fit
// sockaddr_un.
int clinux_listen(const char *path, unsigned mode, int backlog);
// Listens at a numeric IPv4 or IPv6 address. Connections send without delay (TCP_NODELAY). -EINVAL: no such address.
int clinux_listen_internet(const char *address, uint16_t port, int backlog);
// The port that a socket was bound to, where 0 was asked for.
int clinux_bound_port(int fd);
int clinux_connect(const char *path);
int clinux_accept(int fd);
// One sendmsg of two byte runs with up to 32 descriptors.
long clinux_send(int fd, const void *head, size_t head_size, const void *body, size_t body_size, const int *fds,
                 int fd_count);
// One recvmsg; `*fd_count` is the room in `fds` on entry, what came on return. Descriptors are close-on-exec.
long clinux_receive(int fd, void *buffer, size_t size, int *fds, int *fd_count);
int clinux_shutdown(int fd);
int clinux_peer_credentials(int fd, int32_t *pid, uint32_t *uid, uint32_t *gid);
int clinux_is_listening(int fd);

// Threads and identity: raw calls, which act on the calling thread only (the C library's act on the process).
int clinux_gettid(void);
int clinux_thread_setresuid(uint32_t uid);
int clinux_thread_setresgid(uint32_t gid);
int clinux_thread_setgroups(const uint32_t *groups, size_t count);
// Effective capabilities of this thread: sets or clears one; returns 1 if it was set before, else 0.
int clinux_thread_capability(int capability, int set);
int clinux_unshare(int flags);
int clinux_set_thread_name(const char *name);
int clinux_thread_create(void (*body)(void *), void *argument, uint64_t *thread);
int clinux_thread_join(uint64_t thread);
int64_t clinux_monotonic_ns(void);
int64_t clinux_thread_cpu_ns(void);

// The process.
int clinux_get_nofile(uint64_t *soft, uint64_t *hard);
int clinux_set_nofile(uint64_t soft, uint64_t hard);
// RLIMIT_MEMLOCK: no limit, or the hard one.
void clinux_raise_memlock(void);
int clinux_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data);
int clinux_umount(const char *target, int flags);
int clinux_pivot_root(const char *new_root, const char *put_old);
int clinux_chroot(const char *path);
int clinux_chdir(const char *path);
int clinux_fchdir(int fd);
int clinux_prctl(int option, unsigned long a2, unsigned long a3);
int clinux_fork(void);
int clinux_waitpid(int pid, int *status, int options);
int clinux_kill(int pid, int signal);
void clinux_exit(int status) __attribute__((noreturn));
// Blocks the signals and returns a signalfd for them.
int clinux_signalfd(const int *signals, int count);
int clinux_signalfd_read(int fd);
int clinux_ignore_signal(int signal);
int clinux_group_id(const char *name, uint32_t *gid);
int clinux_supplementary_groups_clear(void);
unsigned clinux_umask(unsigned mask);
// The most arenas that the C library's malloc makes for threads.
int clinux_thread_detach(uint64_t thread);
void clinux_limit_arenas(int count);

#endif
