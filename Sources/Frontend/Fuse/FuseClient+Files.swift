// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Open files and their data.

public import FuseProtocol
internal import Wire

/// An entry and an open file: the answer to CREATE and TMPFILE.
public struct FuseCreated: Sendable {
  public let entry: FuseEntryOut
  public let open: FuseOpenOut
}

extension FuseClient {
  /// - Parameter flags: O_* of open(2), without O_CREAT and O_EXCL.
  public func open(_ node: UInt64, flags: UInt32) throws(FuseError) -> FuseOpenOut {
    var request = FuseRequest(.open, node: node)
    request.append(FuseOpenIn(flags: flags))
    request.replyByteCount = FuseOpenOut.byteCount
    return try perform(request).value()
  }

  public func create(
    _ parent: UInt64, _ name: String, flags: UInt32, mode: UInt32 = 0o644, umask: UInt32 = 0
  ) throws(FuseError) -> FuseCreated {
    var request = FuseRequest(.create, node: parent)
    request.append(FuseCreateIn(flags: flags, mode: mode, umask: umask))
    request.append(name: name)
    return try created(&request)
  }

  /// An open file without a name in a directory.
  public func tmpfile(_ parent: UInt64, flags: UInt32, mode: UInt32 = 0o600) throws(FuseError) -> FuseCreated {
    var request = FuseRequest(.tmpfile, node: parent)
    request.append(FuseCreateIn(flags: flags, mode: mode))
    // Linux sends the name that the dentry of O_TMPFILE has, which is this one; servers ignore it.
    request.append(name: "/")
    return try created(&request)
  }

  private func created(_ request: inout FuseRequest) throws(FuseError) -> FuseCreated {
    request.replyByteCount = FuseEntryOut.byteCount + FuseOpenOut.byteCount
    let body = try perform(request).checkedBody()
    guard body.count == request.replyByteCount, let entry = body.load(FuseEntryOut.self),
      let open = body.load(FuseOpenOut.self, at: FuseEntryOut.byteCount)
    else {
      throw .malformed("\(body.count) bytes are no entry and open file")
    }
    return FuseCreated(entry: entry, open: open)
  }

  /// At most `count` bytes; fewer at the end of the file.
  public func read(
    _ node: UInt64, _ handle: UInt64, offset: UInt64, count: Int, flags: UInt32 = 0
  ) throws(FuseError) -> [UInt8] {
    try perform(readRequest(.read, node, handle, offset: offset, count: count, flags: flags)).checkedBody()
  }

  /// A READ to submit among others.
  public func readRequest(
    _ opcode: FuseOpcode, _ node: UInt64, _ handle: UInt64, offset: UInt64, count: Int, flags: UInt32 = 0
  ) -> FuseRequest {
    var request = FuseRequest(opcode, node: node)
    request.append(FuseReadIn(fh: handle, offset: offset, size: UInt32(count), flags: flags))
    request.replyDataByteCount = count
    return request
  }

  /// Returns the bytes written.
  public func write(
    _ node: UInt64, _ handle: UInt64, offset: UInt64, _ bytes: [UInt8], writeFlags: FuseWriteFlags = []
  ) throws(FuseError) -> Int {
    let request = writeRequest(node, handle, offset: offset, bytes, writeFlags: writeFlags)
    let reply: FuseWriteOut = try perform(request).value()
    guard reply.size <= UInt32(bytes.count) else { throw .malformed("\(reply.size) of \(bytes.count) bytes written") }
    return Int(reply.size)
  }

  /// A WRITE to submit among others; the answer is a `FuseWriteOut`.
  public func writeRequest(
    _ node: UInt64, _ handle: UInt64, offset: UInt64, _ bytes: [UInt8], writeFlags: FuseWriteFlags = []
  ) -> FuseRequest {
    var request = FuseRequest(.write, node: node)
    request.append(
      FuseWriteIn(fh: handle, offset: offset, size: UInt32(bytes.count), writeFlags: writeFlags))
    request.data = bytes
    request.replyByteCount = FuseWriteOut.byteCount
    return request
  }

  public func flush(_ node: UInt64, _ handle: UInt64, lockOwner: UInt64 = 0) throws(FuseError) {
    var request = FuseRequest(.flush, node: node)
    request.append(FuseFlushIn(fh: handle, lockOwner: lockOwner))
    _ = try perform(request).checkedBody()
  }

  public func release(_ node: UInt64, _ handle: UInt64, flags: UInt32 = 0) throws(FuseError) {
    var request = FuseRequest(.release, node: node)
    request.append(FuseReleaseIn(fh: handle, flags: flags))
    _ = try perform(request).checkedBody()
  }

  public func fsync(_ node: UInt64, _ handle: UInt64, dataOnly: Bool = false) throws(FuseError) {
    var request = FuseRequest(.fsync, node: node)
    request.append(FuseFsyncIn(fh: handle, fsyncFlags: dataOnly ? .fdatasync : []))
    _ = try perform(request).checkedBody()
  }

  /// - Parameter mode: FALLOC_FL_* of fallocate(2).
  public func fallocate(
    _ node: UInt64, _ handle: UInt64, offset: UInt64, length: UInt64, mode: UInt32 = 0
  ) throws(FuseError) {
    var request = FuseRequest(.fallocate, node: node)
    request.append(FuseFallocateIn(fh: handle, offset: offset, length: length, mode: mode))
    _ = try perform(request).checkedBody()
  }

  /// - Parameter whence: SEEK_DATA or SEEK_HOLE.
  public func lseek(_ node: UInt64, _ handle: UInt64, offset: UInt64, whence: UInt32) throws(FuseError) -> UInt64 {
    var request = FuseRequest(.lseek, node: node)
    request.append(FuseLseekIn(fh: handle, offset: offset, whence: whence))
    request.replyByteCount = FuseLseekOut.byteCount
    let reply: FuseLseekOut = try perform(request).value()
    return reply.offset
  }

  /// Copies inside the share. Returns the bytes copied.
  public func copyFileRange(_ node: UInt64, _ range: FuseCopyFileRangeIn) throws(FuseError) -> UInt64 {
    var request = FuseRequest(.copyFileRange, node: node)
    request.append(range)
    request.replyByteCount = FuseWriteOut.byteCount
    let reply: FuseWriteOut = try perform(request).value()
    return UInt64(reply.size)
  }

  /// As `copyFileRange` with a 64-bit answer (since 7.45).
  public func copyFileRange64(_ node: UInt64, _ range: FuseCopyFileRangeIn) throws(FuseError) -> UInt64 {
    var request = FuseRequest(.copyFileRange64, node: node)
    request.append(range)
    request.replyByteCount = FuseCopyFileRangeOut.byteCount
    let reply: FuseCopyFileRangeOut = try perform(request).value()
    return reply.bytesCopied
  }

  /// The lock that is in the way of `lock.lk`, or one of type F_UNLCK.
  public func getlk(_ node: UInt64, _ lock: FuseLkIn) throws(FuseError) -> FuseFileLock {
    var request = FuseRequest(.getlk, node: node)
    request.append(lock)
    request.replyByteCount = FuseLkOut.byteCount
    let reply: FuseLkOut = try perform(request).value()
    return reply.lk
  }

  /// - Parameter waits: SETLKW, which answers when it has the lock.
  public func setlk(_ node: UInt64, _ lock: FuseLkIn, waits: Bool = false) throws(FuseError) {
    var request = FuseRequest(waits ? .setlkw : .setlk, node: node)
    request.append(lock)
    _ = try perform(request).checkedBody()
  }
}
