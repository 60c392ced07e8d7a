// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import GPUProtocol

/// A part of a picture, in pixels. What comes from the guest has 32 bits, so no sum of two can overflow here.
public struct Rectangle: Equatable, Sendable {
  public var x: Int
  public var y: Int
  public var width: Int
  public var height: Int

  public init(x: Int, y: Int, width: Int, height: Int) {
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }

  init(_ wire: GPURectangle) {
    self.init(x: Int(wire.x), y: Int(wire.y), width: Int(wire.width), height: Int(wire.height))
  }

  public var isEmpty: Bool { width <= 0 || height <= 0 }

  /// True if it is not empty and no pixel is outside of a picture of this size.
  func fits(width: Int, height: Int) -> Bool {
    !isEmpty && x >= 0 && y >= 0 && x + self.width <= width && y + self.height <= height
  }

  /// What both cover; empty if they do not touch.
  public func intersection(_ other: Rectangle) -> Rectangle {
    let left = max(x, other.x)
    let top = max(y, other.y)
    return Rectangle(
      x: left, y: top, width: max(min(x + width, other.x + other.width) - left, 0),
      height: max(min(y + height, other.y + other.height) - top, 0))
  }

  /// The smallest one that covers both.
  public func union(_ other: Rectangle) -> Rectangle {
    if isEmpty { return other }
    if other.isEmpty { return self }
    let left = min(x, other.x)
    let top = min(y, other.y)
    return Rectangle(
      x: left, y: top, width: max(x + width, other.x + other.width) - left,
      height: max(y + height, other.y + other.height) - top)
  }

  func moved(x horizontal: Int, y vertical: Int) -> Rectangle {
    Rectangle(x: x + horizontal, y: y + vertical, width: width, height: height)
  }
}
