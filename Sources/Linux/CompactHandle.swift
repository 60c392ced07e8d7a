// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import CLinux

/// A file handle in 32 bytes: what ext4, xfs, btrfs, tmpfs and most others need, so that a table of a million inodes
/// does not reserve 136 bytes each.
public struct CompactHandle: Equatable, Sendable {
  private var words: (UInt64, UInt64, UInt64)
  private var type: Int32
  private var byteCount: UInt32

  /// Nil if the handle's payload is longer than 24 bytes.
  public init?(_ handle: FileHandle) {
    guard handle.raw.byte_count <= 24 else { return nil }
    var words: (UInt64, UInt64, UInt64) = (0, 0, 0)
    unsafe withUnsafeMutableBytes(of: &words) { target in
      unsafe withUnsafeBytes(of: handle.raw.bytes) { source in
        let used = unsafe UnsafeRawBufferPointer(rebasing: source[..<Int(handle.raw.byte_count)])
        unsafe target.copyMemory(from: used)
      }
    }
    self.words = words
    type = handle.raw.type
    byteCount = handle.raw.byte_count
  }

  /// The same handle as the kernel takes it.
  public var handle: FileHandle {
    var raw = clinux_handle()
    raw.byte_count = byteCount
    raw.type = type
    unsafe withUnsafeMutableBytes(of: &raw.bytes) { target in
      unsafe withUnsafeBytes(of: words) { unsafe target.copyMemory(from: $0) }
    }
    return FileHandle(raw: raw)
  }

  public static func == (left: CompactHandle, right: CompactHandle) -> Bool {
    left.words == right.words && left.type == right.type && left.byteCount == right.byteCount
  }
}

extension FileHandle {
  /// Inode number and generation in 32 bits each (FILEID_INO32_GEN of linux/exportfs.h): ext2 to ext4, f2fs, xfs with
  /// small numbers and others.
  private static let numberAndGeneration: (type: Int32, byteCount: UInt32) = (1, 8)

  /// A handle of inode `number` that says nothing of its generation: file systems that take 0 for "any" open whatever
  /// inode has the number now. Nil if the number does not fit.
  public init?(anyGenerationOf number: UInt64) {
    guard let number = UInt32(exactly: number) else { return nil }
    var raw = clinux_handle()
    (raw.type, raw.byte_count) = FileHandle.numberAndGeneration
    unsafe withUnsafeMutableBytes(of: &raw.bytes) { unsafe $0.storeBytes(of: number, as: UInt32.self) }
    self.init(raw: raw)
  }

  /// The inode's generation if the handle is number and generation; nil if it has another form.
  public var generation: UInt32? {
    guard (raw.type, raw.byte_count) == FileHandle.numberAndGeneration else { return nil }
    return unsafe withUnsafeBytes(of: raw.bytes) { unsafe $0.load(fromByteOffset: 4, as: UInt32.self) }
  }
}

extension FileHandle: Equatable {
  public static func == (left: FileHandle, right: FileHandle) -> Bool {
    guard left.raw.byte_count == right.raw.byte_count, left.raw.type == right.raw.type else { return false }
    return unsafe withUnsafeBytes(of: left.raw.bytes) { leftBytes in
      unsafe withUnsafeBytes(of: right.raw.bytes) { rightBytes in
        let count = Int(left.raw.byte_count)
        return unsafe leftBytes[..<count].elementsEqual(rightBytes[..<count])
      }
    }
  }
}
