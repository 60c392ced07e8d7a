// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// File contents: straight between the file and guest memory, without a copy here.

internal import FuseProtocol
internal import Linux
internal import Virtio
internal import Wire

extension Worker {
  /// READ: fills the chain's pages from the file. A short reply means the end of the file, so a short read is tried
  /// again, unless it ends inside a block: then the file ends there.
  func read(_ request: inout Request, _ writable: Segments) throws(Errno) -> Answer {
    let arguments = try request.take(FuseReadIn.self)
    guard let start = Int64(exactly: arguments.offset), start <= Int64.max - Int64(UInt32.max) else {
      throw .invalid
    }
    let held = try hold(arguments.fh)
    defer { letGo(held) }
    let open = held.handle
    let headerBytes = FuseOutHeader.byteCount
    let space = writable.byteCount - headerBytes
    guard space >= 0 else { throw .invalid }
    // A chain's descriptors may add up to more than the reply's 32-bit length can say.
    let wanted = min(Int(arguments.size), space, Int(Int32.max))
    var done = 0
    while done < wanted {
      let (segments, byteCount) = window.window(of: writable, from: headerBytes + done, byteCount: wanted - done)
      let got: Int
      do throws(Errno) {
        got = try open.file.read(segments, at: start + Int64(done))
      } catch {
        if done > 0 { break }
        throw error
      }
      done += got
      if got == 0 || (got < byteCount && (start + Int64(done)) % 512 != 0) { break }
    }
    return .inPlace(done)
  }

  /// WRITE: `size` bytes behind the arguments go to the file.
  func write(_ request: inout Request, _ readable: Segments) throws(Errno) -> Answer {
    let arguments = try request.take(FuseWriteIn.self)
    let wanted = Int(arguments.size)
    let dataOffset = FuseInHeader.byteCount + FuseWriteIn.byteCount
    guard let start = Int64(exactly: arguments.offset), start <= Int64.max - Int64(UInt32.max) else {
      throw .fileTooLarge
    }
    guard wanted <= readable.byteCount - dataOffset else { throw .invalid }
    let held = try hold(arguments.fh)
    defer { letGo(held) }
    let open = held.handle
    // From the guest's cache, the offset is right and the append has happened there.
    let appends =
      Int32(bitPattern: arguments.flags) & OpenFlags.append != 0 && !arguments.writeFlags.contains(.cache)
    let kill = try mustClearSetuid(open, arguments.writeFlags)
    if share.options.xattrMap != nil { clearRemappedCapability(decimal.spell(open.file)) }
    let done = try clearingSetuid(kill) { () throws(Errno) -> Int in
      var done = 0
      while done < wanted {
        let (segments, _) = window.window(of: readable, from: dataOffset + done, byteCount: wanted - done)
        do throws(Errno) {
          let put = try open.file.write(
            segments, at: start + Int64(done), flags: appends ? TransferFlags.append : 0)
          if put == 0 { break }
          done += put
        } catch {
          if done > 0 { break }
          throw error
        }
      }
      return done
    }
    return answer(FuseWriteOut(size: UInt32(done)))
  }

  /// Whether this write has to take setuid bits away. Looking at the mode costs one call, dropping a capability and
  /// taking it back costs four, and hardly any file that is written has the bits.
  func mustClearSetuid(_ open: PinnedHandle, _ flags: FuseWriteFlags) throws(Errno) -> Bool {
    guard flags.contains(.killSuidgid), share.features.contains(.handleKillprivV2) else { return false }
    return try open.file.status().mode & 0o6000 != 0
  }

  /// FALLOCATE and COPY_FILE_RANGE change a file too but have no flag that says who asked: root keeps the bits.
  func unflaggedKill(_ request: Request) -> Bool {
    share.features.contains(.handleKillprivV2) && request.header.uid != 0
  }

  func sync(_ request: inout Request) throws(Errno) -> Answer {
    let arguments = try request.take(FuseFsyncIn.self)
    let open = try share.handles.acquire(arguments.fh)
    defer { share.handles.release(open) }
    let begun = Clock.monotonic
    try open.file.sync(dataOnly: arguments.fsyncFlags.contains(.fdatasync))
    noteSync(Clock.monotonic - begun)
    return .payload(0)
  }

  func allocate(_ request: inout Request) throws(Errno) -> Answer {
    let arguments = try request.take(FuseFallocateIn.self)
    guard let offset = Int64(exactly: arguments.offset), let length = Int64(exactly: arguments.length) else {
      throw .fileTooLarge
    }
    let open = try share.handles.acquire(arguments.fh)
    defer { share.handles.release(open) }
    try clearingSetuid(unflaggedKill(request)) { () throws(Errno) in
      try open.file.allocate(mode: Int32(bitPattern: arguments.mode), offset: offset, length: length)
    }
    clearRemappedCapability(decimal.spell(open.file))
    return .payload(0)
  }

  /// LSEEK: only SEEK_DATA and SEEK_HOLE come here; the rest the guest knows itself.
  func seek(_ request: inout Request) throws(Errno) -> Answer {
    let arguments = try request.take(FuseLseekIn.self)
    let seekData: UInt32 = 3
    let seekHole: UInt32 = 4
    guard arguments.whence == seekData || arguments.whence == seekHole, let offset = Int64(exactly: arguments.offset)
    else { throw .invalid }
    let open = try share.handles.acquire(arguments.fh)
    defer { share.handles.release(open, position: -1) }
    let position = try open.file.seek(offset, whence: Int32(arguments.whence))
    return answer(FuseLseekOut(offset: UInt64(position)))
  }

  /// COPY_FILE_RANGE and its 64-bit form, which differ in the reply's width.
  func copyRange(_ request: inout Request, wide: Bool) throws(Errno) -> Answer {
    let arguments = try request.take(FuseCopyFileRangeIn.self)
    guard let from = Int64(exactly: arguments.offIn), let to = Int64(exactly: arguments.offOut),
      let flags = UInt32(exactly: arguments.flags)
    else { throw .invalid }
    let limit: UInt64 = wide ? UInt64(Int.max) >> 1 : UInt64(UInt32.max) & ~4095
    let source = try share.handles.acquire(arguments.fhIn)
    defer { share.handles.release(source) }
    let target = try share.handles.acquire(arguments.fhOut)
    defer { share.handles.release(target) }
    let count = try clearingSetuid(unflaggedKill(request)) { () throws(Errno) in
      try source.file.copyRange(
        from: from, to: target.file, at: to, length: Int(min(arguments.len, limit)), flags: flags)
    }
    clearRemappedCapability(decimal.spell(target.file))
    if wide { return answer(FuseCopyFileRangeOut(bytesCopied: UInt64(count))) }
    return answer(FuseWriteOut(size: UInt32(count)))
  }

  /// SYNCFS: the file system that the node is on. Needs a real descriptor, which O_PATH is not.
  func syncFileSystem(_ request: inout Request) throws(Errno) -> Answer {
    let node = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(node) }
    guard node.type == .directory || node.type == .regular else { throw .invalid }
    let open = try relieving { () throws(Errno) -> FileDescriptor in
      try File.currentDirectory.open(decimal.spell(node.file), flags: OpenFlags.readOnly | OpenFlags.nonBlock)
    }
    try open.file.syncFileSystem()
    return .payload(0)
  }
}
