// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import GPUProtocol

/// One screen: what it says it can show, and what it shows. Owned by `Core`, under its lock.
struct Scanout {
  /// The size that the screen wishes for, which the guest reads from display information and EDID.
  var width: Int
  var height: Int
  /// What it shows; nil while the guest has turned it off.
  var source: PixelSource?
  /// The resource behind `source`; 0 for none.
  var resourceID: UInt32 = 0
  /// The part of the resource that is shown.
  var part = Rectangle(x: 0, y: 0, width: 0, height: 0)
  /// Another picture is shown than at the last flush: the whole of it is new.
  var isNew = false
  var cursor = Cursor()
  /// Flushes that touched this scanout.
  var flushCount: UInt64 = 0

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }
}

/// A scanout as people are told about it.
public struct ScanoutReport: Equatable, Sendable {
  public let index: Int
  /// What the screen says its size is.
  public let width: Int
  public let height: Int
  /// What the guest shows; nil while it shows nothing.
  public let shownWidth: Int?
  public let shownHeight: Int?
  public let flushCount: UInt64
}
