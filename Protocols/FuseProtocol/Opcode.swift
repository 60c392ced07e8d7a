// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// Numbers of the FUSE protocol that belong to no message (linux/fuse.h).
@frozen
public enum Fuse {
  /// FUSE_KERNEL_VERSION
  @inlinable public static var majorVersion: UInt32 { 7 }
  /// FUSE_KERNEL_MINOR_VERSION that these files describe.
  @inlinable public static var minorVersion: UInt32 { 45 }
  /// FUSE_ROOT_ID: node id of the root, known without a lookup.
  @inlinable public static var rootID: UInt64 { 1 }
  /// FUSE_UNIQUE_RESEND: in `FuseInHeader.unique` of a request that the kernel sends for the second time.
  @inlinable public static var uniqueResend: UInt64 { 1 << 63 }
  /// FUSE_INVALID_UIDGID: in `FuseInHeader.uid` and `.gid` under ALLOW_IDMAP when the ids do not map, except in
  /// requests that make an inode.
  @inlinable public static var invalidID: UInt32 { .max }
  /// FUSE_IOCTL_MAX_IOV
  @inlinable public static var maximumIoctlVectors: Int { 256 }

  /// `length` rounded up to the 8 bytes that FUSE aligns records to (FUSE_REC_ALIGN).
  @inlinable @inline(__always)
  public static func recordAligned(_ length: Int) -> Int { (length + 7) & ~7 }
}

/// enum fuse_opcode (linux/fuse.h). Numbers 7 and 19 were never assigned. Cases carry the C names without FUSE_.
@frozen
public enum FuseOpcode: UInt32, Sendable, CaseIterable {
  case lookup = 1
  /// No reply: the used length is 0.
  case forget = 2
  case getattr = 3
  case setattr = 4
  case readlink = 5
  case symlink = 6
  case mknod = 8
  case mkdir = 9
  case unlink = 10
  case rmdir = 11
  case rename = 12
  case link = 13
  case open = 14
  case read = 15
  case write = 16
  case statfs = 17
  case release = 18
  case fsync = 20
  case setxattr = 21
  case getxattr = 22
  case listxattr = 23
  case removexattr = 24
  case flush = 25
  /// FUSE_INIT, under a name that needs no backticks.
  case initialize = 26
  case opendir = 27
  case readdir = 28
  case releasedir = 29
  case fsyncdir = 30
  case getlk = 31
  case setlk = 32
  case setlkw = 33
  case access = 34
  case create = 35
  case interrupt = 36
  case bmap = 37
  case destroy = 38
  case ioctl = 39
  case poll = 40
  case notifyReply = 41
  /// No reply, as for `forget`.
  case batchForget = 42
  case fallocate = 43
  case readdirplus = 44
  case rename2 = 45
  case lseek = 46
  case copyFileRange = 47
  case setupmapping = 48
  case removemapping = 49
  case syncfs = 50
  case tmpfile = 51
  /// Since 7.39.
  case statx = 52
  /// Since 7.45.
  case copyFileRange64 = 53
  /// Character devices in user space: never on a virtio-fs queue.
  case cuseInit = 4096

  /// Greatest opcode that virtio-fs may carry: a table indexed by opcode has this plus 1 entries.
  @inlinable public static var maximum: UInt32 { 53 }
}

/// enum fuse_notify_code (linux/fuse.h): what the server may tell the kernel unasked, in `FuseOutHeader.error` with
/// `unique` 0. Linux has no notification queue for virtio-fs, so these are only for the record.
@frozen
public enum FuseNotifyCode: Int32, Sendable, CaseIterable {
  case poll = 1
  case invalInode = 2
  case invalEntry = 3
  case store = 4
  case retrieve = 5
  case delete = 6
  /// Since 7.40.
  case resend = 7
  /// Since 7.44.
  case incEpoch = 8
  /// Since 7.45.
  case prune = 9
}
