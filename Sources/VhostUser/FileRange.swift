// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory that the frontend shares through a descriptor: guest memory, the inflight area, the dirty log. Ranges are
// checked against the file before anybody touches them, because a page beyond its end is a SIGBUS. The frontend may
// shrink the file later all the same: the session's alarm tells.

internal import Linux
internal import Wire

/// Why a range cannot be mapped.
enum RangeRefusal: Error {
  case empty
  case overflow
  case beyondEndOfFile(fileSize: UInt64)
  case host(Errno)

  var reason: String {
    switch self {
    case .empty: "it is empty"
    case .overflow: "its offset and size overflow"
    case .beyondEndOfFile(let fileSize): "it ends beyond the file's \(fileSize) bytes"
    case .host(let errno): errno.message
    }
  }
}

/// A range of a file, mapped with the pages around it.
struct FileRange {
  /// Keeps it mapped.
  let mapping: Mapping
  /// Where the range starts in the mapping, and its length.
  let offset: Int
  let byteCount: Int
  /// Lies in huge pages.
  let isHuge: Bool

  /// Exactly the range.
  var memory: Segment { mapping.segment.dropFirst(offset).prefix(byteCount) }

  /// HUGETLBFS_MAGIC of linux/magic.h: such files map in whole huge pages only.
  private static let hugePageFileSystem: UInt64 = 0x9584_58f6
  private static let pageSize: UInt64 = 4096

  init(_ file: File, offset: UInt64, byteCount: UInt64, alarm: MemoryAlarm) throws(RangeRefusal) {
    try self.init(file, offset: offset, byteCount: byteCount, page: try FileRange.pageSize(of: file), alarm: alarm)
  }

  /// - Parameter page: the size of the file's pages, in which it is mapped.
  init(_ file: File, offset: UInt64, byteCount: UInt64, page: UInt64, alarm: MemoryAlarm) throws(RangeRefusal) {
    guard byteCount > 0 else { throw .empty }
    let (end, wraps) = offset.addingReportingOverflow(byteCount)
    guard !wraps, end <= UInt64(Int.max) - page else { throw .overflow }
    try FileRange.check(file, end: end, page: page)
    let start = offset / page * page
    let length = (end - start + page - 1) / page * page
    do {
      mapping = try Mapping(file, byteCount: Int(length), offset: start, alarm: alarm, pageSize: Int(page))
    } catch {
      throw .host(error)
    }
    self.offset = Int(offset - start)
    self.byteCount = Int(byteCount)
    isHuge = page > FileRange.pageSize
  }

  private static func pageSize(of file: File) throws(RangeRefusal) -> UInt64 {
    do {
      let status = try file.fileSystemStatus()
      return status.type == hugePageFileSystem ? max(status.blockSize, pageSize) : pageSize
    } catch {
      throw .host(error)
    }
  }

  /// Only what has a size can be checked; a device's memory (DAX) is the kernel's to bound.
  private static func check(_ file: File, end: UInt64, page: UInt64) throws(RangeRefusal) {
    let status: FileStatus
    do {
      status = try file.status()
    } catch {
      throw .host(error)
    }
    guard status.isRegular else { return }
    let lastPageEnd = (status.size + page - 1) / page * page
    if end > lastPageEnd { throw .beyondEndOfFile(fileSize: status.size) }
  }
}
