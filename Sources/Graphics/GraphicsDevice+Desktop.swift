// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Where a screen is among the others. Guests spread a tablet over all of their screens, while whoever points looks at
// one of them: displays need to know which part of the whole that is. virtio-gpu does not tell how a guest arranges its
// screens, so it is concluded from what they show.

/// The part of the guest's desktop that one screen shows.
public struct DesktopPart: Equatable, Sendable {
  public let part: Rectangle
  /// Size of the whole.
  public let width: Int
  public let height: Int

  public init(_ part: Rectangle, width: Int, height: Int) {
    self.part = part
    self.width = width
    self.height = height
  }
}

extension GraphicsDevice {
  /// Nil while the screen is off.
  public func desktopPart(of scanout: Int) -> DesktopPart? {
    lock.withLock { core.desktopPart(of: scanout) }
  }
}

extension Core {
  /// Screens that show parts of one picture, as X servers have them, lie as these parts do. Screens with pictures of
  /// their own stand side by side, as GET_DISPLAY_INFO says and as desktops arrange them untold.
  func desktopPart(of index: Int) -> DesktopPart? {
    guard scanouts.indices.contains(index), scanouts[index].source != nil else { return nil }
    let shared = scanouts[index].resourceID
    let isOnePicture = scanouts.allSatisfy { $0.source == nil || $0.resourceID == shared }
    var own = scanouts[index].part
    var whole = Rectangle(x: 0, y: 0, width: 0, height: 0)
    for (number, scanout) in scanouts.enumerated() where scanout.source != nil {
      var part = scanout.part
      if !isOnePicture { (part.x, part.y) = (whole.width, 0) }
      if number == index { own = part }
      whole = whole.union(part)
    }
    return DesktopPart(own.moved(x: -whole.x, y: -whole.y), width: whole.width, height: whole.height)
  }
}
