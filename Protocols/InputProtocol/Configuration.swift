// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-input's configuration space (VIRTIO 1.3 section 5.8; <linux/virtio_input.h>): the driver writes what it wants
// to know to the first two bytes and reads the answer behind them.

public import Wire

/// What the driver asks for (enum virtio_input_config_select).
public enum InputSelect {
  public static let unset: UInt8 = 0x00
  public static let name: UInt8 = 0x01
  public static let serial: UInt8 = 0x02
  public static let deviceIDs: UInt8 = 0x03
  public static let propertyBits: UInt8 = 0x10
  public static let eventBits: UInt8 = 0x11
  public static let absoluteInformation: UInt8 = 0x12
}

/// struct virtio_input_absinfo
@frozen
public struct InputAbsoluteInformation: WireValue, Equatable {
  public var minimum: UInt32 = 0
  public var maximum: UInt32 = 0
  public var fuzz: UInt32 = 0
  public var flat: UInt32 = 0
  public var resolution: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(minimum: UInt32, maximum: UInt32, fuzz: UInt32 = 0, flat: UInt32 = 0, resolution: UInt32 = 0) {
    self.minimum = minimum
    self.maximum = maximum
    self.fuzz = fuzz
    self.flat = flat
    self.resolution = resolution
  }
}

/// struct virtio_input_devids
@frozen
public struct InputDeviceIDs: WireValue, Equatable {
  public var busType: UInt16 = 0
  public var vendor: UInt16 = 0
  public var product: UInt16 = 0
  public var version: UInt16 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(busType: UInt16, vendor: UInt16, product: UInt16, version: UInt16) {
    self.busType = busType
    self.vendor = vendor
    self.product = product
    self.version = version
  }
}

/// struct virtio_input_config. What lies in the union is told by `select`.
@frozen
public struct InputConfiguration: WireValue {
  public var select: UInt8 = 0
  public var subselect: UInt8 = 0
  /// Bytes of the answer; 0 where there is none.
  public var size: UInt8 = 0
  public var reserved = InlineArray<5, UInt8>(repeating: 0)
  public var answer = InlineArray<128, UInt8>(repeating: 0)

  public static var longestAnswer: Int { 128 }

  @inlinable
  public init() {}
}
