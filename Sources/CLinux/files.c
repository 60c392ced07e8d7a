// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#define RESULT(call)                  \
  do {                                \
    long result_ = (long)(call);      \
    return result_ < 0 ? -errno : result_; \
  } while (0)

int clinux_close(int fd) { RESULT(close(fd)); }

int clinux_openat(int dir, const char *path, int flags, unsigned mode) {
  RESULT(openat(dir, path, flags | O_CLOEXEC, mode));
}

int clinux_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
  RESULT(syscall(SYS_openat2, dir, path, &how, sizeof how));
}

int clinux_open_tree(int dir, const char *path, unsigned flags) { RESULT(syscall(SYS_open_tree, dir, path, flags)); }

int clinux_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned flags) {
  RESULT(syscall(SYS_move_mount, from, from_path, to, to_path, flags));
}

int clinux_statx(int dir, const char *path, int flags, struct clinux_status *out) {
  struct statx s;
  // 0x1000 is STATX_MNT_ID (Linux 5.8); older kernels leave the field zero.
  if (syscall(SYS_statx, dir, path, flags, STATX_BASIC_STATS | STATX_BTIME | 0x1000u, &s) < 0) return -errno;
  out->inode = s.stx_ino;
  out->size = s.stx_size;
  out->blocks = s.stx_blocks;
  out->mount_id = (s.stx_mask & 0x1000u) ? s.stx_mnt_id : 0;
  out->access_seconds = s.stx_atime.tv_sec;
  out->modification_seconds = s.stx_mtime.tv_sec;
  out->change_seconds = s.stx_ctime.tv_sec;
  out->birth_seconds = s.stx_btime.tv_sec;
  out->access_nanoseconds = s.stx_atime.tv_nsec;
  out->modification_nanoseconds = s.stx_mtime.tv_nsec;
  out->change_nanoseconds = s.stx_ctime.tv_nsec;
  out->birth_nanoseconds = s.stx_btime.tv_nsec;
  out->links = s.stx_nlink;
  out->uid = s.stx_uid;
  out->gid = s.stx_gid;
  out->block_size = s.stx_blksize;
  out->device_major = s.stx_dev_major;
  out->device_minor = s.stx_dev_minor;
  out->special_major = s.stx_rdev_major;
  out->special_minor = s.stx_rdev_minor;
  out->mode = s.stx_mode;
  out->has_birth_time = (s.stx_mask & STATX_BTIME) != 0;
  out->attributes = (uint32_t)s.stx_attributes;
  return 0;
}

int clinux_name_to_handle(int dir, const char *path, int flags, struct clinux_handle *out, int *mount_id) {
  out->byte_count = sizeof out->bytes;
  RESULT(syscall(SYS_name_to_handle_at, dir, path, out, mount_id, flags));
}

int clinux_open_by_handle(int mount_fd, const struct clinux_handle *handle, int flags) {
  RESULT(syscall(SYS_open_by_handle_at, mount_fd, handle, flags | O_CLOEXEC));
}

int clinux_dup(int fd) { RESULT(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }
int clinux_fcntl(int fd, int command, long argument) { RESULT(fcntl(fd, command, argument)); }

long clinux_readlinkat(int dir, const char *path, char *buffer, size_t size) {
  RESULT(readlinkat(dir, path, buffer, size));
}

int clinux_statfs(int fd, struct clinux_statfs *out) {
  struct statfs s;
  if (fstatfs(fd, &s) < 0) return -errno;
  out->type = (uint64_t)s.f_type;
  out->block_size = (uint64_t)s.f_bsize;
  out->blocks = s.f_blocks;
  out->blocks_free = s.f_bfree;
  out->blocks_available = s.f_bavail;
  out->files = s.f_files;
  out->files_free = s.f_ffree;
  out->fragment_size = (uint64_t)s.f_frsize;
  out->flags = (uint64_t)s.f_flags;
  out->name_max = (uint32_t)s.f_namelen;
  return 0;
}

int clinux_faccessat2(int dir, const char *path, int mode, int flags) {
  RESULT(syscall(439 /* SYS_faccessat2 */, dir, path, mode, flags));
}

int clinux_mkdirat(int dir, const char *path, unsigned mode) { RESULT(mkdirat(dir, path, mode)); }

int clinux_mknodat(int dir, const char *path, unsigned mode, uint32_t major, uint32_t minor) {
  RESULT(mknodat(dir, path, mode, makedev(major, minor)));
}

int clinux_symlinkat(const char *target, int dir, const char *path) { RESULT(symlinkat(target, dir, path)); }

int clinux_linkat(int from, const char *from_path, int to, const char *to_path, int flags) {
  RESULT(linkat(from, from_path, to, to_path, flags));
}

int clinux_unlinkat(int dir, const char *path, int flags) { RESULT(unlinkat(dir, path, flags)); }

int clinux_renameat2(int from, const char *from_path, int to, const char *to_path, unsigned flags) {
  RESULT(syscall(SYS_renameat2, from, from_path, to, to_path, flags));
}

int clinux_fchmod(int fd, unsigned mode) { RESULT(fchmod(fd, mode)); }
int clinux_fchmodat(int dir, const char *path, unsigned mode) { RESULT(fchmodat(dir, path, mode, 0)); }

int clinux_fchownat(int dir, const char *path, uint32_t uid, uint32_t gid, int flags) {
  RESULT(fchownat(dir, path, uid, gid, flags));
}

int clinux_utimensat(int dir, const char *path, const struct clinux_timespec times[2], int flags) {
  struct timespec t[2];
  for (int i = 0; i < 2; i++) {
    t[i].tv_sec = times[i].seconds;
    t[i].tv_nsec = times[i].nanoseconds;
  }
  RESULT(syscall(SYS_utimensat, dir, path, t, flags));
}

int clinux_ftruncate(int fd, int64_t size) { RESULT(ftruncate(fd, size)); }
int clinux_truncate(const char *path, int64_t size) { RESULT(truncate(path, size)); }

long clinux_preadv2(int fd, const void *vectors, int count, int64_t offset, int flags) {
  RESULT(preadv2(fd, vectors, count, offset, flags));
}

long clinux_pwritev2(int fd, const void *vectors, int count, int64_t offset, int flags) {
  RESULT(pwritev2(fd, vectors, count, offset, flags));
}

long clinux_pread(int fd, void *buffer, size_t size, int64_t offset) { RESULT(pread(fd, buffer, size, offset)); }
long clinux_pwrite(int fd, const void *buffer, size_t size, int64_t offset) {
  RESULT(pwrite(fd, buffer, size, offset));
}

long clinux_read(int fd, void *buffer, size_t size) { RESULT(read(fd, buffer, size)); }
long clinux_write(int fd, const void *buffer, size_t size) { RESULT(write(fd, buffer, size)); }
long clinux_getdents(int fd, void *buffer, size_t size) { RESULT(syscall(SYS_getdents64, fd, buffer, size)); }

int64_t clinux_lseek(int fd, int64_t offset, int whence) { RESULT(lseek(fd, offset, whence)); }

int clinux_fsync(int fd, int data_only) { RESULT(data_only ? fdatasync(fd) : fsync(fd)); }
int clinux_syncfs(int fd) { RESULT(syncfs(fd)); }

int clinux_fallocate(int fd, int mode, int64_t offset, int64_t length) { RESULT(fallocate(fd, mode, offset, length)); }

long clinux_copy_file_range(int from, int64_t from_offset, int to, int64_t to_offset, size_t length, unsigned flags) {
  off_t in = from_offset, out = to_offset;
  RESULT(copy_file_range(from, &in, to, &out, length, flags));
}

int clinux_flock(int fd, int operation) { RESULT(flock(fd, operation)); }

int clinux_ofd_lock(int fd, int get, struct clinux_lock *lock) {
  struct flock f = {
      .l_type = lock->type, .l_whence = SEEK_SET, .l_start = lock->start, .l_len = lock->length, .l_pid = 0};
  if (fcntl(fd, get ? F_OFD_GETLK : F_OFD_SETLK, &f) < 0) return -errno;
  lock->type = f.l_type;
  lock->start = f.l_start;
  lock->length = f.l_len;
  lock->pid = f.l_pid;
  return 0;
}

int clinux_inode_flags(int fd, uint32_t *flags) {
  // The header says long, every file system reads and writes an int (ioctl_iflags(2)).
  int value = 0;
  if (ioctl(fd, FS_IOC_GETFLAGS, &value) < 0) return -errno;
  *flags = (uint32_t)value;
  return 0;
}

int clinux_set_inode_flags(int fd, uint32_t flags) {
  int value = (int)flags;
  RESULT(ioctl(fd, FS_IOC_SETFLAGS, &value));
}

uint32_t clinux_no_cow_flag(void) { return FS_NOCOW_FL; }

int clinux_ioctl(int fd, unsigned long request, void *argument) { RESULT(ioctl(fd, request, argument)); }

long clinux_fgetxattr(int fd, const char *name, void *value, size_t size) { RESULT(fgetxattr(fd, name, value, size)); }
long clinux_flistxattr(int fd, char *list, size_t size) { RESULT(flistxattr(fd, list, size)); }
int clinux_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags) {
  RESULT(fsetxattr(fd, name, value, size, flags));
}
int clinux_fremovexattr(int fd, const char *name) { RESULT(fremovexattr(fd, name)); }
long clinux_getxattr(const char *path, const char *name, void *value, size_t size) {
  RESULT(getxattr(path, name, value, size));
}
long clinux_listxattr(const char *path, char *list, size_t size) { RESULT(listxattr(path, list, size)); }
int clinux_setxattr(const char *path, const char *name, const void *value, size_t size, int flags) {
  RESULT(setxattr(path, name, value, size, flags));
}
int clinux_removexattr(const char *path, const char *name) { RESULT(removexattr(path, name)); }
