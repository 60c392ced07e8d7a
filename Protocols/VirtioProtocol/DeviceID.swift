// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// What kind of device a virtio device is (VIRTIO 1.3 section 5; <linux/virtio_ids.h>). A struct and not an enum,
/// because a frontend may ask for, and a test may invent, a kind that is not named here.
@frozen
public struct DeviceID: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
  public var rawValue: UInt32

  @inlinable
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  public static var network: Self { Self(rawValue: 1) }
  public static var block: Self { Self(rawValue: 2) }
  public static var console: Self { Self(rawValue: 3) }
  public static var entropy: Self { Self(rawValue: 4) }
  public static var balloon: Self { Self(rawValue: 5) }
  public static var scsi: Self { Self(rawValue: 8) }
  public static var plan9: Self { Self(rawValue: 9) }
  public static var gpu: Self { Self(rawValue: 16) }
  public static var input: Self { Self(rawValue: 18) }
  public static var vsock: Self { Self(rawValue: 19) }
  public static var crypto: Self { Self(rawValue: 20) }
  public static var iommu: Self { Self(rawValue: 23) }
  public static var memory: Self { Self(rawValue: 24) }
  public static var sound: Self { Self(rawValue: 25) }
  public static var fileSystem: Self { Self(rawValue: 26) }
  public static var persistentMemory: Self { Self(rawValue: 27) }
}
