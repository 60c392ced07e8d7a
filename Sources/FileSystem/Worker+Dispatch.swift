// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import FuseProtocol
internal import Linux
internal import Virtio
internal import Wire

extension Worker {
  /// Runs one request. Throws what the guest is to see.
  func dispatch(_ request: inout Request, _ chain: borrowing Chain) throws(Errno) -> Answer {
    guard let operation = request.header.operation else { throw .notImplemented }
    if operation == .initialize { return try initialize(&request) }
    if !share.isMounted {
      // A FORGET may trail behind an unmount; anything else before INIT is out of order.
      if operation == .forget || operation == .batchForget { return .nothing }
      throw .inputOutput
    }
    if share.options.readOnly, Worker.changes(operation) { throw .readOnly }
    switch operation {
    case .read: return try read(&request, chain.writable)
    case .write: return try write(&request, chain.readable)
    case .lookup: return try lookup(&request)
    case .getattr: return try getAttributes(&request)
    default:
      letKeptGo()
      return try dispatchOthers(operation, &request)
    }
  }

  private func dispatchOthers(_ operation: FuseOpcode, _ request: inout Request) throws(Errno) -> Answer {
    switch operation {
    case .forget: return try forget(&request)
    case .batchForget: return try forgetBatch(&request)
    case .setattr: return try setAttributes(&request)
    case .statx: return try extendedStatus(&request)
    case .access: return try access(&request)
    case .open: return try open(&request)
    case .opendir: return try openDirectory(&request)
    case .create: return try create(&request)
    case .tmpfile: return try createTemporary(&request)
    case .release, .releasedir: return try close(&request)
    case .flush: return try flush(&request)
    case .fsync, .fsyncdir: return try sync(&request)
    case .readdir: return try readDirectory(&request, plus: false)
    case .readdirplus: return try readDirectory(&request, plus: true)
    case .readlink: return try readLink(&request)
    case .symlink: return try makeSymlink(&request)
    case .mknod: return try makeNode(&request)
    case .mkdir: return try makeDirectory(&request)
    case .link: return try makeLink(&request)
    case .unlink: return try remove(&request, flags: 0)
    case .rmdir: return try remove(&request, flags: AtFlags.removeDirectory)
    case .rename: return try rename(&request, extended: false)
    case .rename2: return try rename(&request, extended: true)
    case .setxattr: return try setXattr(&request)
    case .getxattr: return try getXattr(&request)
    case .listxattr: return try listXattr(&request)
    case .removexattr: return try removeXattr(&request)
    case .getlk: return try testLock(&request)
    case .setlk: return try setLock(&request, wait: false)
    case .setlkw: return try setLock(&request, wait: true)
    case .fallocate: return try allocate(&request)
    case .lseek: return try seek(&request)
    case .copyFileRange: return try copyRange(&request, wide: false)
    case .copyFileRange64: return try copyRange(&request, wide: true)
    case .ioctl: return try control(&request)
    case .statfs: return try statistics(&request)
    case .syncfs: return try syncFileSystem(&request)
    case .interrupt: return .nothing
    case .destroy:
      share.forgetGuest()
      return .payload(0)
    default: throw .notImplemented
    }
  }

  /// Operations that may wait for a disk or a server.
  static func mayBlock(_ operation: FuseOpcode?) -> Bool {
    switch operation {
    case .fsync, .fsyncdir, .syncfs, .fallocate, .copyFileRange, .copyFileRange64, .flush, .setattr, .unlink: true
    default: false
    }
  }

  /// Operations that a read-only share refuses outright; opening for writing is refused by `open`.
  private static func changes(_ operation: FuseOpcode) -> Bool {
    switch operation {
    case .setattr, .symlink, .mknod, .mkdir, .unlink, .rmdir, .rename, .rename2, .link, .write, .create, .tmpfile,
      .setxattr, .removexattr, .fallocate, .copyFileRange, .copyFileRange64:
      true
    default: false
    }
  }
}
