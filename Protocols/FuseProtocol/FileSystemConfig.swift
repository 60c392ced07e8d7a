// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The configuration space of a virtio file system device.

public import Wire

/// Feature bits of the virtio file system device, as bit numbers (VIRTIO 1.3 section 5.11.3).
@frozen
public enum FileSystemFeatureBit {
  /// VIRTIO_FS_F_NOTIFICATION: there is a notification queue. Linux has no driver for it.
  @inlinable public static var notification: UInt64 { 0 }
}

/// Shared memory regions of the virtio file system device (VIRTIO 1.3 section 5.11.6.6).
@frozen
public enum FileSystemSharedMemory {
  /// VIRTIO_FS_SHMCAP_ID_CACHE: the DAX window.
  @inlinable public static var cache: UInt8 { 0 }
}

/// struct virtio_fs_config (linux/virtio_fs.h)
@frozen
public struct FileSystemConfig: WireValue {
  /// The name that the guest mounts: UTF-8, padded with NULs, without NUL if it has all 36 bytes.
  public var tag: InlineArray<36, UInt8> = InlineArray(repeating: 0)
  /// Request queues only: the high-priority queue is not counted.
  public var numRequestQueues: UInt32 = 0

  @inlinable
  public init() {}

  /// Longest tag in bytes.
  @inlinable public static var maximumTagLength: Int { 36 }

  /// Nil if the tag is empty, too long or contains a NUL.
  public init?(tag bytes: some Collection<UInt8>, numRequestQueues: UInt32) {
    guard !bytes.isEmpty, bytes.count <= Self.maximumTagLength, !bytes.contains(0) else { return nil }
    var index = 0
    for byte in bytes {
      tag[index] = byte
      index += 1
    }
    self.numRequestQueues = numRequestQueues
  }
}
