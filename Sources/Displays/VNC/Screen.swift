// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import Graphics
internal import Linux
internal import Wire

/// One scanout as all its viewers see it. Belongs to the server's thread.
final class Screen {
  let scanout: Int
  private let device: GraphicsDevice
  private let shadow: Shadow
  /// While the guest shows nothing, what the screen wishes for; black then.
  private(set) var width: Int
  private(set) var height: Int
  private(set) var cursor = Cursor()
  /// Where it lies on the picture; nil while it is not to be seen.
  private(set) var drawnCursor: DrawnCursor?

  init(_ device: GraphicsDevice, scanout: Int) {
    self.device = device
    self.scanout = scanout
    shadow = Shadow(device, scanout: scanout)
    let report = device.scanouts[scanout]
    width = report.width
    height = report.height
  }

  struct Change {
    var damage: Rectangle
    var hasNewCursor: Bool
    /// What lies under the cursor now, and what lay there before, if it was changed or moved.
    var cursorDamage: [Rectangle]
  }

  private static let everything = Rectangle(
    x: 0, y: 0, width: GraphicsOptions.sizes.upperBound, height: GraphicsOptions.sizes.upperBound)

  /// Catches up with the guest.
  func update(_ news: ScanoutNews) -> Change {
    let before = (shadow.width, shadow.height)
    var damage = shadow.update(news)
    if before != (shadow.width, shadow.height) {
      // Of another size or dark: none of what was seen holds, also where viewers cannot follow the size.
      damage = Screen.everything
      if shadow.width > 0 { (width, height) = (shadow.width, shadow.height) }
    }
    var cursorDamage: [Rectangle] = []
    if news.hasNewCursor || news.cursorMoved {
      cursor = device.cursor(of: scanout)
      let drawn = DrawnCursor(cursor)
      if drawn != drawnCursor { cursorDamage = [drawnCursor, drawn].compactMap { $0?.place } }
      drawnCursor = drawn
    }
    return Change(damage: damage, hasNewCursor: news.hasNewCursor, cursorDamage: cursorDamage)
  }

  /// A dark screen is all that it knows of.
  var desktopPart: DesktopPart {
    device.desktopPart(of: scanout)
      ?? DesktopPart(Rectangle(x: 0, y: 0, width: width, height: height), width: width, height: height)
  }

  func resize(width: Int, height: Int) -> Bool { device.resize(scanout, width: width, height: height) }

  /// Nobody here decides on the size: the frontend has a display of its own (contrib/decisions/0043).
  var hasSizeOfFrontend: Bool { device.isShownByFrontend }

  func canvas(withCursor: Bool) -> Canvas {
    Canvas(
      pixels: shadow.pixels, stride: shadow.stride, width: shadow.width, height: shadow.height,
      cursor: withCursor ? drawnCursor : nil)
  }
}
