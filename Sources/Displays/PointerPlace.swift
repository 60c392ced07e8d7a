// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import Graphics
internal import InputProtocol

/// How a tablet says which pixel is meant. Its axes span all screens of the guest.
enum PointerPlace {
  /// - Parameters:
  ///   - x: of the pixel on its screen, as is `y`; one beside it is taken for the nearest on it.
  static func events(x: Int, y: Int, on desktop: DesktopPart) -> [InputEvent] {
    let part = desktop.part
    return [
      .absolute(InputAbsoluteAxis.x, value(part.x + min(max(x, 0), max(part.width - 1, 0)), of: desktop.width)),
      .absolute(InputAbsoluteAxis.y, value(part.y + min(max(y, 0), max(part.height - 1, 0)), of: desktop.height)),
    ]
  }

  /// The last pixel is the axis' end. Rounded up, so that nobody who rounds down again (libinput) takes it for the one
  /// before, which may be another screen's.
  private static func value(_ pixel: Int, of count: Int) -> Int {
    count > 1 ? (pixel * InputAbsoluteAxis.maximum + count - 2) / (count - 1) : 0
  }
}
