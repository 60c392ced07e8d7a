// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import GPUProtocol

/// The pointer of one scanout.
public struct Cursor: Equatable, Sendable {
  /// False where there is no image, and after the guest has hidden it.
  public var isVisible = false
  /// Place of the image's upper left corner, as Linux's driver has it; may lie outside of the picture.
  public var x = 0
  public var y = 0
  public var hotX = 0
  public var hotY = 0
  /// 64 rows of 64 pixels, 0xAARRGGBB little-endian; empty before the first.
  public var image: [UInt8] = []

  public static let size = GPULimits.cursorSize

  public init() {}
}
