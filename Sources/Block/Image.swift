// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The file or block device behind a volume: opened once, before the daemon locks itself in, and asked what it can do.
// Everything that depends on where the image lies is decided here; the data path only looks at the answers.

public import Linux
internal import Wire

/// An open image, or nothing in the place of one. Holds nothing that changes but the file itself.
public final class Image: Sendable {
  public let descriptor: SharedDescriptor
  public let path: String
  /// A block device, not a regular file.
  public let isDevice: Bool
  /// Of a volume of nothing: its size. Reads leave the guest's memory as it is, and what is written is forgotten.
  let nothingByteCount: UInt64?
  public let isReadOnly: Bool
  /// Requests bypass the page cache.
  public let isDirect: Bool
  /// What direct I/O has to be aligned to; 1 where nothing has to be.
  public let alignment: DirectAlignment
  /// Sizes to tell the guest.
  let topology: Topology
  /// Lies in memory (tmpfs): nothing ever waits, and handing a request to anybody costs more than doing it.
  let isInMemory: Bool
  /// Reads of what is cached can be tried without waiting (RWF_NOWAIT).
  let readsWithoutWaiting: Bool
  let canDiscard: Bool
  let canErase: Bool
  /// Device and inode: what a volume without a serial number is known by.
  let identity: UInt64

  /// Block sizes in bytes.
  struct Topology: Sendable, Equatable {
    var logicalBlock: Int
    var physicalBlock: Int
    var minimumIO: Int
    var optimalIO: Int
  }

  var file: File { descriptor.file }

  public var isNothing: Bool { nothingByteCount != nil }

  /// Nothing, to measure all but the reading and writing. There is a descriptor because every volume has one.
  public init(nothingOf byteCount: UInt64, readOnly: Bool) throws(VolumeError) {
    guard byteCount > 0, byteCount % 512 == 0 else {
      throw VolumeError("a volume of nothing cannot have \(byteCount) bytes; give a multiple of 512")
    }
    do {
      descriptor = SharedDescriptor(try Path("/dev/null").open(flags: OpenFlags.readWrite))
    } catch {
      throw VolumeError("/dev/null cannot be opened (\(error.message)); check that /dev is mounted")
    }
    path = "null"
    isDevice = false
    nothingByteCount = byteCount
    isReadOnly = readOnly
    isDirect = false
    alignment = DirectAlignment(memory: 1, offset: 1)
    topology = Topology(logicalBlock: 512, physicalBlock: 4096, minimumIO: 4096, optimalIO: 0)
    isInMemory = true
    readsWithoutWaiting = true
    canDiscard = !readOnly
    canErase = false
    identity = byteCount
  }

  /// Opens the image: the one way in which any image of any volume is opened.
  public convenience init(path: String, readOnly: Bool, direct: DirectIO) throws(VolumeError) {
    let opened = try Image.open(path, readOnly: readOnly, direct: direct)
    try self.init(SharedDescriptor(opened.descriptor), path: path, readOnly: readOnly, isDirect: opened.isDirect)
    let block = UInt64(alignment.offset)
    let size = try checkedSize()
    if !readOnly, size % block != 0 {
      throw VolumeError(
        "the size of the image '\(path)', \(size) bytes, is no multiple of \(block), as direct I/O needs it; "
          + "round it up (truncate -s %\(block)) or leave out --direct")
    }
  }

  private init(
    _ descriptor: SharedDescriptor, path: String, readOnly: Bool, isDirect: Bool
  ) throws(VolumeError) {
    let file = descriptor.file
    let isDevice: Bool
    do {
      let status = try file.status()
      isDevice = status.type == .block
      identity =
        isDevice
        ? UInt64(status.specialDevice)
        : status.inode &+ (UInt64(FileStatus.encode(major: status.deviceMajor, minor: status.deviceMinor)) << 32)
      topology = try Image.topology(file, status, isDevice: isDevice)
      let type = try file.fileSystemStatus().type
      // TMPFS_MAGIC, RAMFS_MAGIC, HUGETLBFS_MAGIC of linux/magic.h.
      isInMemory = !isDevice && [0x0102_1994, 0x8584_58f6, 0x9584_58f6].contains(type)
    } catch {
      throw VolumeError("the image '\(path)' cannot be looked at (\(error.message)); check its file system")
    }
    self.descriptor = descriptor
    self.path = path
    self.isDevice = isDevice
    nothingByteCount = nil
    isReadOnly = readOnly
    self.isDirect = isDirect
    alignment = isDirect ? try Image.directAlignment(file, path) : DirectAlignment(memory: 1, offset: 1)
    readsWithoutWaiting = Image.readsWithoutWaiting(file, alignment)
    canDiscard = !readOnly && Image.canDiscard(file, isDevice: isDevice)
    canErase = !readOnly && isDevice && Image.canDiscard(file, secure: true)
    let size = try checkedSize()
    if size < 512 {
      throw VolumeError("the image '\(path)' has \(size) bytes, which is less than a sector; make it larger (truncate)")
    }
    if size % 512 != 0 {
      throw VolumeError(
        "the size of the image '\(path)', \(size) bytes, is no multiple of 512; round it up (truncate -s %512)")
    }
  }

  /// Size in bytes as it is now.
  func byteCount() throws(Errno) -> UInt64 {
    if let nothingByteCount { return nothingByteCount }
    return isDevice ? try file.deviceSize() : try file.status().size
  }

  /// What was written is safe from a power cut.
  func sync() throws(Errno) {
    if !isNothing { try file.sync(dataOnly: true) }
  }

  /// Makes a file larger, and never smaller; the space is given when it is written to.
  func grow(to wanted: UInt64) throws(VolumeError) {
    if isNothing { throw VolumeError("a volume of nothing keeps its size; start another one with another --size") }
    if isDevice {
      throw VolumeError("'\(path)' is a block device; resize it by its own means, then ask without a size")
    }
    if isReadOnly { throw VolumeError("the image '\(path)' is served read-only; nothing of it is changed") }
    let now = try checkedSize()
    let block = UInt64(max(alignment.offset, 512))
    guard wanted >= now else {
      throw VolumeError("the image '\(path)' has \(now) bytes, and is never made smaller; give no less than that")
    }
    guard wanted % block == 0, let size = Int64(exactly: wanted) else {
      throw VolumeError("\(wanted) bytes is no size for the image '\(path)'; give a multiple of \(block)")
    }
    do { try descriptor.file.setSize(size) } catch {
      throw VolumeError("the image '\(path)' cannot be made larger (\(error.message)); see its file system's limits")
    }
  }

  private func checkedSize() throws(VolumeError) -> UInt64 {
    do { return try byteCount() } catch {
      throw VolumeError("the size of the image '\(path)' cannot be found out (\(error.message)); check the device")
    }
  }
}
