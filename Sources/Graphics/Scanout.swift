// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import GPUProtocol

/// One screen: what it says it can show, and what it shows. Owned by `Core`, under its lock.
struct Scanout {
  /// The size that the screen wishes for, which the guest reads from display information and EDID.
  var width: Int
  var height: Int
  /// The size that the frontend's display wishes for, which counts more; nil where it has none.
  var frontendMode: Rectangle?
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

  /// The size that counts. A frontend's is used as far as an EDID can tell of it.
  var mode: (width: Int, height: Int) {
    guard let frontendMode, GraphicsOptions.sizes.contains(frontendMode.width),
      GraphicsOptions.sizes.contains(frontendMode.height)
    else { return (width, height) }
    return (frontendMode.width, frontendMode.height)
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
