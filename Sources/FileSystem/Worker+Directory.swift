// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Reading directories. The kernel's records become FUSE records one by one; a record that does not fit is read again
// by the next request, from the offset of the last one that did.

internal import FuseProtocol
internal import Linux
internal import Wire

/// One linux_dirent64 record (getdents64(2)).
private struct Record {
  let inode: UInt64
  /// Where the next read goes on after this record.
  let next: Int64
  let type: UInt32
  let name: CName

  /// Nil at the end of the buffer.
  init?(_ buffer: Segment, at offset: inout Int) {
    guard let inode = buffer.load(UInt64.self, at: offset), let next = buffer.load(Int64.self, at: offset + 8),
      let length = buffer.load(UInt16.self, at: offset + 16), let type = buffer.load(UInt8.self, at: offset + 18)
    else { return nil }
    var reader = ByteReader(buffer.dropFirst(offset + 19).prefix(Int(length) - 19))
    guard let name = reader.readName() else { return nil }
    self.inode = inode
    self.next = next
    self.type = UInt32(type)
    self.name = name
    offset += Int(length)
  }

  var isDotOrDotDot: Bool { name.equals(".") || name.equals("..") }
}

extension Worker {
  func readDirectory(_ request: inout Request, plus: Bool) throws(Errno) -> Answer {
    let arguments = try request.take(FuseReadIn.self)
    let open = try share.handles.acquire(arguments.fh)
    var position: Int64 = -1
    defer { share.handles.release(open, position: position) }
    let start = Int64(bitPattern: arguments.offset)
    if open.position != start { try open.file.seek(start, whence: 0) }
    let space = min(Int(arguments.size), payload.space)
    var writer = ByteWriter(payload.target.prefix(space))
    let mount = plus ? try share.inodes.acquire(request.header.nodeid) : nil
    defer { if let mount { share.inodes.release(mount) } }
    // A record with attributes is about five times as large as the kernel's: read what will fit, not more.
    let recordBytes = min(max(plus ? space / 4 : space, 4096), memory.directoryRecords.count)
    while true {
      let buffer = memory.directoryRecords.prefix(recordBytes)
      let got: Int
      do throws(Errno) {
        got = try open.file.readDirectory(into: buffer)
      } catch {
        // Entries already converted hold references of the guest: they must reach it.
        if writer.count > 0 { return .payload(writer.count) }
        throw error
      }
      if got == 0 { break }
      var offset = 0
      let records = buffer.prefix(got)
      while let record = Record(records, at: &offset) {
        guard append(record, to: &writer, in: open.file, mount: mount?.mount) else {
          // The file stands behind this record: the next request has to go back to it.
          position = -1
          return .payload(writer.count)
        }
        position = record.next
      }
      if writer.space < FuseDirent.direntSize(nameLength: 255) + (plus ? FuseEntryOut.byteCount : 0) { break }
      position = -1
    }
    return .payload(writer.count)
  }

  /// Appends one record; false if it does not fit.
  /// - Parameter mount: the directory's mount if attributes are wanted.
  private func append(_ record: Record, to writer: inout ByteWriter, in directory: File, mount: UInt32?) -> Bool {
    let dirent = FuseDirent(
      ino: record.inode, off: UInt64(bitPattern: record.next), namelen: UInt32(record.name.count), type: record.type)
    let size =
      mount == nil
      ? FuseDirent.direntSize(nameLength: record.name.count)
      : FuseDirentplus.direntSize(nameLength: record.name.count)
    guard size <= writer.space else { return false }
    let end = writer.count + size
    if let mount { writer.append(entry(of: record, in: directory, mount: mount)) }
    writer.append(dirent)
    writer.append(record.name)
    writer.appendZeroes(end - writer.count)
    return true
  }

  /// The looked-up inode of a record, or one with node id 0, which gives the guest the name alone: for "." and "..",
  /// and for what vanished or cannot be looked up. One such entry must not end the listing.
  private func entry(of record: Record, in directory: File, mount: UInt32) -> FuseEntryOut {
    if !record.isDotOrDotDot, let found = try? look(up: record.name, in: directory, mount: mount) {
      return entry(found)
    }
    var none = FuseEntryOut()
    none.attr.ino = record.inode
    none.attr.mode = record.type << 12
    return none
  }
}
