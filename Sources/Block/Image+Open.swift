// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Opening an image and finding out what its file system or device can do. Nothing here changes a byte of it.

internal import Linux
internal import Wire

extension Image {
  /// What `open` gives.
  struct Opened: ~Copyable {
    let descriptor: FileDescriptor
    let isDirect: Bool
  }

  static func open(_ path: String, readOnly: Bool, direct: DirectIO) throws(VolumeError) -> Opened {
    try checkKind(path)
    let flags = readOnly ? OpenFlags.readOnly : OpenFlags.readWrite
    if direct != .off {
      do {
        let descriptor = try Path(path).open(flags: flags | OpenFlags.direct)
        if direct == .on || canBeDirect(descriptor.file, path, readOnly: readOnly) {
          return Opened(descriptor: descriptor, isDirect: true)
        }
      } catch {
        // open(2): the file system does not support O_DIRECT.
        guard error == .invalid else { throw refused(path, error, readOnly: readOnly) }
        if direct == .on { throw noDirect(path) }
      }
    }
    do {
      return Opened(descriptor: try Path(path).open(flags: flags), isDirect: false)
    } catch {
      throw refused(path, error, readOnly: readOnly)
    }
  }

  /// Whether an image can be read and written directly, and up to its end. Some file systems take O_DIRECT for files
  /// that they then do through the page cache (ext4 with data=journal, encrypted files).
  private static func canBeDirect(_ file: File, _ path: String, readOnly: Bool) -> Bool {
    guard let block = (try? directAlignment(file, path))?.offset else { return false }
    guard !readOnly, let size = (try? file.status())?.size else { return true }
    return size % UInt64(block) == 0
  }

  /// Looks before opening: opening a fifo would wait, and opening a device can have effects.
  private static func checkKind(_ path: String) throws(VolumeError) {
    let type: FileType
    do {
      type = try Path(path).status().type
    } catch {
      if error == .noEntry {
        throw VolumeError("the image '\(path)' does not exist; create it (truncate -s 1G) or give another path")
      }
      throw VolumeError("the image '\(path)' cannot be looked at (\(error.message)); check the permissions on its path")
    }
    switch type {
    case .regular, .block: return
    case .directory:
      throw VolumeError(
        "'\(path)' is a directory; give an image file or a block device (martlet-fs shares directories)")
    default: throw VolumeError("'\(path)' is neither a regular file nor a block device; give one of these")
    }
  }

  private static func refused(_ path: String, _ error: Errno, readOnly: Bool) -> VolumeError {
    switch error {
    case .accessDenied, .notPermitted:
      let hint = readOnly ? "change its mode or start as a user who may read it" : "change its mode or give --read-only"
      return VolumeError("no permission to open the image '\(path)'; \(hint)")
    case .readOnly:
      return VolumeError("the image '\(path)' is on a read-only file system; give --read-only")
    case .busy:
      return VolumeError("the block device '\(path)' is in use; unmount it first")
    default:
      return VolumeError("the image '\(path)' cannot be opened (\(error.message)); check that it can be read")
    }
  }

  private static func noDirect(_ path: String) -> VolumeError {
    VolumeError(
      "the file system of '\(path)' has no direct I/O (O_DIRECT); give --direct=prefer to go through the page cache")
  }

  /// Asked of the kernel, or tried where it does not tell.
  static func directAlignment(_ file: File, _ path: String) throws(VolumeError) -> DirectAlignment {
    if let told = try? file.directAlignment() {
      guard told.memory > 0, told.offset > 0 else { throw noDirect(path) }
      return told
    }
    for candidate in [512, 4096] where reads(file, aligned: candidate) {
      return DirectAlignment(memory: candidate, offset: candidate)
    }
    // The most that any device wants; what an empty or broken image says later is said to the guest.
    return DirectAlignment(memory: 4096, offset: 4096)
  }

  /// Whether a read at this alignment of memory, offset and length is taken.
  private static func reads(_ file: File, aligned: Int) -> Bool {
    let scratch = Scratch(byteCount: 8192)
    let table = Table(count: 1) { _ in scratch.segment.dropFirst(aligned).prefix(aligned) }
    return (try? file.read(table.segments, at: 0)) != nil
  }

  /// EOPNOTSUPP says that the file system knows no reads that do not wait.
  static func readsWithoutWaiting(_ file: File, _ alignment: DirectAlignment) -> Bool {
    let scratch = Scratch(byteCount: 4096)
    let table = Table(count: 1) { _ in scratch.segment }
    do throws(Errno) {
      _ = try file.read(table.segments, at: 0, flags: TransferFlags.noWait)
      return true
    } catch {
      return error == .tryAgain
    }
  }

  /// Punching a hole behind the end of a file changes nothing and tells whether it could be done.
  static func canDiscard(_ file: File, isDevice: Bool) -> Bool {
    if isDevice { return canDiscard(file, secure: false) }
    let farBehind: Int64 = 1 << 60
    for offset in [farBehind, 1 << 40] {
      do throws(Errno) {
        try file.allocate(mode: AllocationMode.punchHole | AllocationMode.keepSize, offset: offset, length: 4096)
        return true
      } catch {
        // Beyond what the file system can address: ask nearer.
        if error != .fileTooLarge, error != .invalid { return false }
      }
    }
    return false
  }

  /// A range that no device takes: refused as invalid by one that could discard, as unsupported by others.
  static func canDiscard(_ file: File, secure: Bool) -> Bool {
    do throws(Errno) {
      try file.discard(secure: secure, offset: 1, length: 1)
      return false
    } catch {
      return error == .invalid
    }
  }

  /// A file has sectors of 512 bytes, because that is what the partition table in it was made for; what suits the host
  /// is told as its physical block. A device has what it has.
  static func topology(_ file: File, _ status: FileStatus, isDevice: Bool) throws(Errno) -> Topology {
    if isDevice {
      let limits = try file.deviceLimits()
      return Topology(
        logicalBlock: limits.logicalBlock, physicalBlock: max(limits.physicalBlock, limits.logicalBlock),
        minimumIO: limits.minimumIO, optimalIO: limits.optimalIO)
    }
    let direct = (try? file.directAlignment())??.offset ?? 0
    let block = Int(status.blockSize)
    // Network file systems tell what they transfer at once, which is no block.
    let physical = block.nonzeroBitCount == 1 && block <= 65536 ? max(block, 512) : 4096
    return Topology(
      logicalBlock: 512, physicalBlock: max(physical, direct, 512), minimumIO: max(physical, direct, 512), optimalIO: 0)
  }
}
